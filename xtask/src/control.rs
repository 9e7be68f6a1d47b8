//! QEMU's control socket: JSON messages, one a line. Source: QEMU's docs/interop/qmp-spec.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Write};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::Value;

/// A connection; QEMU talks to one client at a time.
#[derive(Debug)]
pub struct Control {
    stream: BufReader<UnixStream>,
    /// The beginning of a message.
    pending: Vec<u8>,
}

/// What came.
#[derive(Debug, Clone, PartialEq)]
pub enum Received {
    /// An answer or an event.
    Message(Value),
    /// Nothing, for as long as was waited.
    Nothing,
    /// QEMU has ended.
    End,
}

impl Control {
    /// Connects to the socket `qmp` in the folder `state`.
    ///
    /// # Errors
    /// There is no QEMU at its other end.
    pub fn connect(state: &Path) -> Result<Control> {
        // The name of a socket has at most 107 bytes. Through the open folder it is short, wherever the checkout is.
        let folder = File::open(state)?;
        let short = format!("/proc/self/fd/{}/qmp", folder.as_raw_fd());
        let stream = UnixStream::connect(short)
            .with_context(|| format!("cannot control the machine at {}/qmp", state.display()))?;
        let mut control = Control {
            stream: BufReader::new(stream),
            pending: Vec::new(),
        };
        control.send("qmp_capabilities")?;
        Ok(control)
    }

    /// Gives a command that has no arguments. Its answer is one of the messages that come.
    ///
    /// # Errors
    /// QEMU has ended.
    pub fn send(&mut self, command: &str) -> io::Result<()> {
        writeln!(self.stream.get_mut(), "{{\"execute\": \"{command}\"}}")
    }

    /// The next message, if one comes within `patience`.
    ///
    /// # Errors
    /// Something that is not a message.
    pub fn receive(&mut self, patience: Duration) -> io::Result<Received> {
        self.stream.get_ref().set_read_timeout(Some(patience))?;
        match self.stream.read_until(b'\n', &mut self.pending) {
            Ok(0) => Ok(Received::End),
            Ok(_) => Ok(Received::Message(serde_json::from_slice(&std::mem::take(
                &mut self.pending,
            ))?)),
            Err(error) => match error.kind() {
                io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => Ok(Received::Nothing),
                io::ErrorKind::ConnectionReset => Ok(Received::End),
                _ => Err(error),
            },
        }
    }
}
