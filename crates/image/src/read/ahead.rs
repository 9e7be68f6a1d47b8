//! A stream whose next bytes can be looked at, as many as are wanted.

use std::io::{self, BufRead, Read};

/// Bytes that are asked of the stream at once.
const CHUNK: usize = 64 << 10;

/// Reads ahead of what is taken.
pub(crate) struct Ahead<R> {
    stream: R,
    buffer: Vec<u8>,
    start: usize,
    /// Bytes that were taken.
    pub position: u64,
}

impl<R: Read> Ahead<R> {
    pub fn new(stream: R) -> Ahead<R> {
        Ahead {
            stream,
            buffer: Vec::new(),
            start: 0,
            position: 0,
        }
    }

    /// The next bytes: `count` of them, or fewer at the end of the stream.
    pub fn peek(&mut self, count: usize) -> io::Result<&[u8]> {
        while self.buffer.len() - self.start < count && self.more(count)? {}
        let end = (self.start + count).min(self.buffer.len());
        Ok(&self.buffer[self.start..end])
    }

    /// Passes over zeros.
    pub fn skip_zeros(&mut self) -> io::Result<()> {
        loop {
            let bytes = self.fill_buf()?;
            let zeros = bytes.iter().take_while(|&&byte| byte == 0).count();
            let done = zeros < bytes.len() || bytes.is_empty();
            self.consume(zeros);
            if done {
                return Ok(());
            }
        }
    }

    /// Asks the stream once; false at its end.
    fn more(&mut self, least: usize) -> io::Result<bool> {
        self.buffer.drain(..self.start);
        self.start = 0;
        let have = self.buffer.len();
        self.buffer.resize(have + CHUNK.max(least), 0);
        let result = loop {
            match self.stream.read(&mut self.buffer[have..]) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                result => break result,
            }
        };
        self.buffer.truncate(have + *result.as_ref().unwrap_or(&0));
        Ok(result? > 0)
    }
}

impl<R: Read> Read for Ahead<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let count = self.fill_buf()?.read(out)?;
        self.consume(count);
        Ok(count)
    }
}

impl<R: Read> BufRead for Ahead<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.start == self.buffer.len() {
            self.more(0)?;
        }
        Ok(&self.buffer[self.start..])
    }

    fn consume(&mut self, count: usize) {
        self.start = (self.start + count).min(self.buffer.len());
        self.position += count as u64;
    }
}
