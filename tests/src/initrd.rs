//! A reader of initrds that knows nothing of the one who writes them: zstd or gzip, and cpio archives in them
//! (Documentation/driver-api/early-userspace/buffer-format.rst of the kernel).

use std::fs;
use std::io::{self, Cursor, Read, Write};
use std::path::Path;
use std::process::{Command, Stdio};

use crate::judge;

/// How a zstd frame begins.
const ZSTD: [u8; 4] = 0xFD2F_B528_u32.to_le_bytes();
/// How a gzip member begins.
const GZIP: [u8; 2] = [0x1F, 0x8B];
/// How a cpio header of the "new" format begins, and how long it is.
const MAGIC: &[u8] = b"070701";
const HEADER: usize = 110;
/// The entry that ends an archive.
const TRAILER: &str = "TRAILER!!!";
/// Where a second archive has lists of extended attributes, and nothing else.
const LISTS: &str = ".ironkit/xattrs/";

/// An entry of a cpio archive, with the header's own names.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields are cpio's")]
pub struct Entry {
    pub ino: usize,
    pub mode: usize,
    pub uid: usize,
    pub gid: usize,
    pub nlink: usize,
    pub mtime: usize,
    pub filesize: usize,
    pub name: String,
    pub content: Vec<u8>,
}

/// The archives of an initrd, decompressed, in order.
///
/// # Panics
/// If there is anything else in the file.
pub fn members(path: &Path) -> Vec<Vec<u8>> {
    let bytes = fs::read(path).unwrap_or_else(|error| panic!("cannot read {}: {error}", path.display()));
    let mut members = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        assert_eq!(at % 4, 0, "a member begins at byte {at}");
        let (member, length) =
            decompress(&bytes[at..]).unwrap_or_else(|error| panic!("the member at byte {at}: {error}"));
        members.push(member);
        at += usize::try_from(length).expect("it is in memory");
        // Up to three zeros.
        while at % 4 != 0 {
            assert_eq!(bytes.get(at), Some(&0), "padding at byte {at}");
            at += 1;
        }
    }
    members
}

/// The first member, and how many bytes it took.
fn decompress(bytes: &[u8]) -> io::Result<(Vec<u8>, u64)> {
    let mut member = Vec::new();
    if bytes.starts_with(&ZSTD) {
        let decoder = zstd::stream::read::Decoder::with_buffer(Cursor::new(bytes))?;
        let mut decoder = decoder.single_frame();
        decoder.read_to_end(&mut member)?;
        Ok((member, decoder.finish().position()))
    } else if bytes.starts_with(&GZIP) {
        let mut decoder = flate2::bufread::GzDecoder::new(Cursor::new(bytes));
        decoder.read_to_end(&mut member)?;
        Ok((member, decoder.into_inner().position()))
    } else {
        Err(io::Error::other("it is neither zstd nor gzip"))
    }
}

/// The entries of a member's archive, without its trailer.
///
/// # Panics
/// If it is damaged, or anything follows but zeros and lists of extended attributes.
pub fn entries(member: &[u8]) -> Vec<Entry> {
    archives(member).0
}

/// The lists of extended attributes that follow a member's archive.
///
/// # Panics
/// As [`entries`].
pub fn attributes(member: &[u8]) -> String {
    let lists = archives(member).1.into_iter();
    let text = lists.map(|list| String::from_utf8(list.content).expect("a list is text"));
    text.collect()
}

/// The entries of the first archive, and the lists in those behind it.
fn archives(member: &[u8]) -> (Vec<Entry>, Vec<Entry>) {
    let (entries, mut rest) = archive(member);
    let mut lists = Vec::new();
    while let Some(start) = rest.iter().position(|byte| *byte != 0) {
        assert_eq!(start % 4, 0, "an archive begins {start} bytes behind a trailer");
        let (more, behind) = archive(&rest[start..]);
        for entry in more {
            assert!(
                LISTS.starts_with(&entry.name) || entry.name.starts_with(LISTS),
                "{}",
                entry.name
            );
            lists.push(entry);
        }
        rest = behind;
    }
    (entries, lists)
}

/// The entries up to a trailer, and what follows it.
fn archive(bytes: &[u8]) -> (Vec<Entry>, &[u8]) {
    let mut entries = Vec::new();
    let mut rest = bytes;
    loop {
        let (entry, length) = entry(rest);
        rest = &rest[length..];
        if entry.name == TRAILER {
            return (entries, rest);
        }
        entries.push(entry);
    }
}

/// The first entry, and how many bytes it takes.
fn entry(bytes: &[u8]) -> (Entry, usize) {
    assert_eq!(&bytes[..6], MAGIC, "after {} bytes from the end", bytes.len());
    let field = |index: usize| {
        let text = std::str::from_utf8(&bytes[6 + index * 8..][..8]).expect("a number is text");
        usize::from_str_radix(text, 16).expect("a number is hexadecimal")
    };
    let (size, name_size) = (field(6), field(11));
    let name = &bytes[HEADER..HEADER + name_size];
    let (end, name) = name.split_last().expect("a name has its zero");
    assert_eq!(*end, 0, "a name ends with zero");
    let start = (HEADER + name_size).next_multiple_of(4);
    let entry = Entry {
        ino: field(0),
        mode: field(1),
        uid: field(2),
        gid: field(3),
        nlink: field(4),
        mtime: field(5),
        filesize: size,
        name: String::from_utf8_lossy(name).into_owned(),
        content: bytes[start..start + size].to_vec(),
    };
    (entry, (start + size).next_multiple_of(4).min(bytes.len()))
}

/// Unpacks an initrd with GNU cpio, as the kernel would; `false` where that is not installed.
///
/// # Panics
/// If cpio has anything to say against it.
pub fn unpack(initrd: &Path, folder: &Path) -> bool {
    for member in members(initrd) {
        let arguments = ["-i", "-d", "-m", "-u", "--quiet", "--no-absolute-filenames"];
        if cpio(&arguments, folder, &member).is_none() {
            return false;
        }
    }
    true
}

/// What GNU cpio prints, working in `folder`, about an archive; `None` where it is not installed.
///
/// # Panics
/// If it fails, or prints a warning.
pub fn cpio(arguments: &[&str], folder: &Path, archive: &[u8]) -> Option<String> {
    let mut child = Command::new(judge("cpio")?)
        .args(arguments)
        .current_dir(folder)
        .env("LC_ALL", "C")
        .env("TZ", "UTC")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("cpio can be run");
    let mut stdin = child.stdin.take().expect("it is a pipe");
    let archive = archive.to_owned();
    let writer = std::thread::spawn(move || stdin.write_all(&archive));
    let output = child.wait_with_output().expect("a child can be waited for");
    // It stops reading at the trailer; padding behind it is lost, which is no failure.
    let _ = writer.join();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && errors.is_empty(), "cpio: {errors}");
    Some(String::from_utf8_lossy(&output.stdout).into_owned())
}
