//! A binary package: its control file and its files (deb(5)). No script of it is ever run.
//!
//! The files are unpacked into one unnamed temporary file and referred to from there, so that memory does not follow
//! their size.

use std::fs::{self, File};
use std::io::{self, BufReader, Read, Seek, SeekFrom, Write};
use std::path::Path as FilePath;
use std::sync::Arc;

use flate2::read::GzDecoder;
use ironkit_formats::archive::tar::{Reader, typeflag};
use ironkit_tree::{Content, Digest, FileSet, Kind, Node, Path};
use lzma_rust2::XzReader;

use super::ar::{self, Member};
use super::control::{Record, Stanzas};
use super::fetch::{digest_of, new_file};
use crate::Error;
use crate::error::io_at;

/// Largest control archive that is read; real ones have a few KB.
const MAX_CONTROL: u64 = 16 << 20;
/// Largest unpacked package: a limit for hostile ones. Debian's largest have 4 GB.
const MAX_DATA: u64 = 16 << 30;

/// An opened package.
pub struct Package {
    /// What its control file says, with digest, size and place of the index.
    pub record: Record,
    /// Its files, with `/bin`, `/sbin` and `/lib*` below `/usr`. Contents refer to [`Package::data`] as the layer [`Package::digest`].
    pub files: FileSet,
    /// Digest of the package.
    pub digest: Digest,
    /// The unpacked archive.
    pub data: Arc<File>,
}

/// The directories that are links to those of the same name in `/usr` (file-hierarchy(7), "merged-usr").
pub const MERGED: [&str; 6] = ["bin", "sbin", "lib", "lib64", "lib32", "libx32"];

/// The path with `/bin`, `/sbin` and `/lib*` replaced by the directories that they are links to. Packages of before
/// Debian 13 name files in either way.
pub fn merged(path: &Path) -> Path {
    let first = path
        .as_bytes()
        .split(|&byte| byte == b'/')
        .next()
        .unwrap_or_default();
    match MERGED.iter().find(|name| name.as_bytes() == first) {
        Some(_) => Path::parse([b"usr/", path.as_bytes()].concat()).unwrap_or_default(),
        None => path.clone(),
    }
}

impl Package {
    /// Opens the package in `file`. `known` says where it is from; `scratch` is a directory for the unpacked archive.
    ///
    /// # Errors
    /// [`Error::Damaged`] for what is no package, [`Error::Entry`] for a file that cannot be accepted.
    pub fn open(
        file: &FilePath,
        known: &Record,
        digest: Digest,
        scratch: &FilePath,
    ) -> Result<Package, Error> {
        let name = format!("{} {}", known.package, known.version);
        let damaged = |source| Error::Damaged {
            what: format!("package {name}"),
            source,
        };
        let mut archive = File::open(file).map_err(io_at("read", file))?;
        let members = ar::members(&mut archive).map_err(damaged)?;
        let find = |start: &str| {
            members
                .iter()
                .find(|member| member.name.starts_with(start))
                .ok_or_else(|| damaged(missing(start)))
        };
        let control = read_control(&archive, find("control.tar")?).map_err(damaged)?;
        let (path, mut data) = new_file(scratch).map_err(io_at("create a file in", scratch))?;
        fs::remove_file(&path).map_err(io_at("remove", &path))?;
        let reader = member_reader(&archive, find("data.tar")?).map_err(damaged)?;
        unpack(reader, &mut data).map_err(damaged)?;
        let files = list(&data, digest, &name)?;
        let record = Record {
            filename: known.filename.clone(),
            size: known.size,
            sha256: known.sha256,
            ..control
        };
        Ok(Package {
            record,
            files,
            digest,
            data: Arc::new(data),
        })
    }

    /// `name version`, as messages show it.
    pub fn title(&self) -> String {
        format!("{} {}", self.record.package, self.record.version)
    }

    /// Whether it has nothing but documentation: a package that only depends on others.
    pub fn is_empty(&self) -> bool {
        const DOCUMENTATION: [&[u8]; 3] = [b"usr/share/doc/", b"usr/share/bug/", b"usr/share/lintian/"];
        !self.files.iter().any(|(path, _, node)| {
            !node.is_directory()
                && !DOCUMENTATION
                    .iter()
                    .any(|folder| path.as_bytes().starts_with(folder))
        })
    }
}

fn member_reader<'a>(archive: &'a File, member: &Member) -> io::Result<Box<dyn Read + 'a>> {
    let mut archive = archive;
    archive.seek(SeekFrom::Start(member.offset))?;
    let bytes = BufReader::with_capacity(1 << 16, archive.take(member.size));
    match member.name.rsplit('.').next() {
        Some("xz") => Ok(Box::new(XzReader::new(bytes, true))),
        Some("gz") => Ok(Box::new(GzDecoder::new(bytes))),
        Some("zst") => Ok(Box::new(zstd::Decoder::with_buffer(bytes)?)),
        Some("tar") => Ok(Box::new(bytes)),
        _ => Err(invalid(format!(
            "member `{}` has an unknown compression",
            member.name
        ))),
    }
}

fn read_control(archive: &File, member: &Member) -> io::Result<Record> {
    let mut reader = Reader::new(member_reader(archive, member)?.take(MAX_CONTROL));
    while let Some(entry) = reader.next_entry().map_err(io::Error::other)? {
        if matches!(entry.name.as_slice(), b"./control" | b"control") {
            let stanza = Stanzas::new(BufReader::new(reader)).next(&|_| true)?;
            return Record::parse(&stanza.unwrap_or_default());
        }
    }
    Err(missing("control"))
}

fn unpack(reader: Box<dyn Read + '_>, data: &mut File) -> io::Result<()> {
    let copied = io::copy(&mut reader.take(MAX_DATA + 1), data)?;
    if copied > MAX_DATA {
        return Err(invalid(format!("it unpacks to more than {MAX_DATA} bytes")));
    }
    data.flush()
}

/// Reads the unpacked archive.
fn list(data: &File, layer: Digest, package: &str) -> Result<FileSet, Error> {
    let damaged = |source| Error::Damaged {
        what: format!("package {package}"),
        source,
    };
    let mut start = data;
    start.rewind().map_err(damaged)?;
    let mut files = FileSet::new();
    let mut reader = Reader::new(BufReader::new(data));
    while let Some(entry) = reader
        .next_entry()
        .map_err(|error| damaged(io::Error::other(error)))?
    {
        let name = String::from_utf8_lossy(&entry.name).into_owned();
        let refused = |reason: String| Error::Entry {
            package: package.to_owned(),
            entry: name.clone(),
            reason,
        };
        let parse = |name: &[u8]| Path::parse(name).map_err(|error| refused(error.to_string()));
        let path = merged(&parse(&entry.name)?);
        if path.is_root() {
            continue;
        }
        let kind = match entry.typeflag {
            typeflag::HARD_LINK => {
                let target = merged(&parse(&entry.link)?);
                if !files.link(path, &target) {
                    return Err(refused(format!(
                        "it is a hard link to `{target}`, which is not there"
                    )));
                }
                continue;
            }
            typeflag::DIRECTORY => Kind::Directory,
            typeflag::SYMLINK => Kind::Symlink(entry.link.clone()),
            typeflag::FILE if !entry.sparse => {
                Kind::File(content(&mut reader, entry.size, layer).map_err(damaged)?)
            }
            other => return Err(refused(format!("its type is {:?}", char::from(other)))),
        };
        let id = |id: u64| u32::try_from(id).map_err(|error| refused(error.to_string()));
        let (uid, gid) = (id(entry.uid)?, id(entry.gid)?);
        files.insert(
            path,
            Node {
                uid,
                gid,
                ..Node::new(kind, entry.mode)
            },
        );
    }
    Ok(files)
}

/// Hashes the content of the reader's entry and refers to it.
fn content(reader: &mut Reader<impl Read>, size: u64, layer: Digest) -> io::Result<Content> {
    let offset = reader.position();
    let (digest, read) = digest_of(reader)?;
    match read == size {
        true => Ok(Content::Blob {
            layer,
            offset,
            size,
            digest,
        }),
        false => Err(invalid(format!("a file of {size} bytes ends after {read}"))),
    }
}

fn missing(name: &str) -> io::Error {
    invalid(format!("it has no {name}"))
}

fn invalid(reason: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, reason)
}
