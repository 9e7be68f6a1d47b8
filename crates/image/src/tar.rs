//! The root file system as a tar archive, with LinuxKit's records of where each entry comes from.

use std::io::{BufWriter, Write};

use ironkit_formats::archive::tar::Writer;
use ironkit_tree::{BoxError, Kind, Node, Path};

use crate::{Error, Image, Out, Result};

/// Headers and small files are gathered up to this many bytes.
const BUFFER: usize = 128 * 1024;
/// PAX records of an entry: what it was made from, and its place in the manifest.
const SOURCE: &str = "LINUXKIT.source";
const LOCATION: &str = "LINUXKIT.location";

/// What `docker build` makes of the archive: an image that begins with what LinuxKit's init starts.
const DOCKERFILE: &str = "\nFROM scratch\n\nCOPY . ./\n\nENTRYPOINT [\"/bin/rc.init\"]\n";

/// The file that the `docker` format adds.
pub(crate) fn dockerfile(image: &Image) -> (Path, Node) {
    let content = DOCKERFILE.as_bytes().to_vec().into();
    let path = Path::parse("Dockerfile").unwrap_or_default();
    (path, Node::new(Kind::File(content), 0o644).at(image.time))
}

/// Writes every part, and then `more`. A path is there once, and after the directory that it is in.
pub(crate) fn write(image: &Image, more: &[(Path, Node)], out: &mut dyn Out) -> Result<()> {
    let mut out = BufWriter::with_capacity(BUFFER, out);
    let mut archive = Writer::new(&mut out);
    for (index, part) in image.tree.parts.iter().enumerate() {
        append(&mut archive, image, index).map_err(|source| Error::Part {
            location: part.location.clone(),
            source_name: part.source.clone(),
            source,
        })?;
    }
    for (path, node) in more {
        archive
            .append(path, node, None, &[], image.source)
            .map_err(|error| Error::Contents(error.into()))?;
    }
    archive.finish()?;
    Ok(out.flush()?)
}

fn append(
    archive: &mut Writer<BufWriter<&mut dyn Out>>,
    image: &Image,
    index: usize,
) -> std::result::Result<(), BoxError> {
    let (parts, edits) = (&image.tree.parts, &image.resolution.edits[index]);
    let files = edits.apply(parts[index].files.load(image.source)?);
    let first = files.first_names();
    for (path, id, node) in files.iter() {
        let hard_link = Some(first[&id]).filter(|first| *first != path);
        // A directory that this part writes for another one is that one's.
        let part = &parts[edits.directories.get(path).map_or(index, |won| won.winner)];
        // What belongs to no place of the manifest has no records.
        let records: &[(&str, &str)] = match part.location.as_str() {
            "" => &[],
            location => &[(SOURCE, &part.source), (LOCATION, location)],
        };
        archive.append(path, node, hard_link, records, image.source)?;
    }
    Ok(())
}
