//! The bodies of the targets `medium` and `inspect`: whole images, looked at as `ironkit run` and `ironkit inspect` do.

use std::io::{self, Read, Write};
use std::sync::{Arc, LazyLock};

use ironkit_formats::archive::{cpio, tar};
use ironkit_formats::compress::{Codec, Effort, Encoder};
use ironkit_formats::disk::qcow2;
use ironkit_formats::extents::{Data, Extents};
use ironkit_formats::filesystem::{erofs, fat, iso9660};
use ironkit_formats::partition::{Guid, gpt};
use ironkit_formats::pe::{self, Appended};
use ironkit_image::inspect::Looker;
use ironkit_image::read::{ReadAt, medium};
use ironkit_tree::{FileSet, Inline, Kind, Node, Path};

use crate::changed;

/// An image of each kind, with others inside.
static IMAGES: LazyLock<Vec<Vec<u8>>> = LazyLock::new(images);
/// What is unpacked of a stream so that it can be read anywhere, in bytes.
const SPOOL: u64 = 16 << 20;
/// A program for UEFI without a section that matters.
const PROGRAM: &[u8] = include_bytes!("../corpus/executable/addon");
/// A root file system.
const SQUASHFS: &[u8] = include_bytes!("../corpus/squashfs/gzip");

/// Looks for what starts from the bytes as they are, and from an image with changes.
pub(crate) fn medium(data: &[u8]) {
    medium::look(&data.to_vec());
    if let Some(image) = changed(&IMAGES, data) {
        medium::look(&image);
    }
}

/// Looks into the bytes as they are, and into an image with changes.
pub(crate) fn inspect(data: &[u8]) {
    look(&data.to_vec());
    if let Some(image) = changed(&IMAGES, data) {
        look(&image);
    }
}

fn look(image: &dyn ReadAt) {
    let spool = |stream: &mut dyn Read| -> io::Result<Box<dyn ReadAt>> {
        let mut bytes = Vec::new();
        stream.take(SPOOL).read_to_end(&mut bytes)?;
        Ok(Box::new(bytes))
    };
    let keep = |_: &Path| true;
    let looker = Looker {
        keep: &keep,
        spool: &spool,
    };
    if let Ok(object) = looker.look(image) {
        assert!(!object.format.is_empty(), "what was found has a name");
    }
}

fn path(name: &str) -> Path {
    Path::parse(name).unwrap_or_default()
}

fn file(content: &[u8]) -> Node {
    Node::new(Kind::File(content.to_vec().into()), 0o644)
}

fn extents(bytes: &[u8]) -> Extents<'static> {
    let mut extents = Extents::new();
    extents.bytes(bytes.to_vec());
    extents
}

fn written(data: &dyn Data) -> Vec<u8> {
    let mut bytes = Vec::new();
    data.write_to(&mut bytes).unwrap();
    bytes
}

fn images() -> Vec<Vec<u8>> {
    let mut files = FileSet::new();
    files.insert(path("init"), file(b"init"));
    files.insert(path("containers/services/a/config.json"), file(b"{}"));
    files.link(path("containers/services/b/config.json"), &path("init"));
    files.insert(path("bin"), Node::new(Kind::Symlink(b"usr/bin".to_vec()), 0o777));
    let (mut archive, mut tree) = (Vec::new(), Vec::new());
    cpio::write_fileset(&files, &Inline, &mut archive).unwrap();
    tar::write_fileset(&files, &Inline, &mut tree).unwrap();
    let packed = |codec, bytes: &[u8]| {
        let mut encoder = Encoder::new(codec, Effort::for_size(0), Vec::new()).unwrap();
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    };
    let initrd = [packed(Codec::Zstd, &archive), packed(Codec::Gzip, &archive)].concat();

    let mut kernel = vec![0; 1024];
    kernel[0x1fe..0x206].copy_from_slice(b"\x55\xaa\0\0HdrS");
    let section = |name, bytes: &[u8]| Appended {
        name,
        content: extents(bytes),
    };
    let sections = vec![
        section(".cmdline", b"console=ttyS0"),
        section(".linux", &kernel),
        section(".initrd", &initrd),
    ];
    // Its section has something to point to.
    let mut program = PROGRAM.to_vec();
    program.resize(8192, 0x5a);
    let uki = written(&pe::append(&program, sections).unwrap().image);

    let esp = [
        ("EFI/BOOT/BOOTX64.EFI", &uki),
        ("kernel", &kernel),
        ("initrd.img", &initrd),
    ];
    let esp = esp.map(|(name, bytes)| (path(name), Arc::new(extents(bytes)) as Arc<dyn Data>));
    let options = fat::Options {
        kind: fat::Kind::Auto,
        size: None,
        label: "ESP".to_owned(),
        serial: 1,
        time: 951_827_696,
        hidden_sectors: 0,
    };
    let esp = written(&fat::layout(&esp, &options).unwrap().extents);
    let root = written(&erofs::layout(&files, &Inline, &erofs::Options::default()).unwrap());

    let mut disk = gpt::Table::default();
    let mut start = gpt::FIRST_USABLE;
    for (kind, bytes) in [
        (gpt::ESP, &esp),
        (gpt::LINUX, &root),
        (gpt::LINUX, &SQUASHFS.to_vec()),
    ] {
        let sectors = (bytes.len() as u64).div_ceil(512);
        disk.partitions.push(gpt::Partition {
            kind,
            guid: Guid::new(1, 2, 3, start.to_le_bytes()),
            name: "p".to_owned(),
            attributes: 0,
            start,
            sectors,
        });
        start += sectors;
    }
    disk.sectors = start + gpt::RESERVED_END;
    let contents = vec![extents(&esp), extents(&root), extents(SQUASHFS)];
    let disk = gpt::layout(&disk, contents).unwrap();
    let raw = written(&disk);

    files.insert(path("boot/kernel"), file(&kernel));
    files.insert(path("initrd.img"), file(&initrd));
    let options = iso9660::Options {
        volume: "FUZZ".to_owned(),
        time: 951_827_696,
        joliet: false,
        front: Vec::new(),
        boot: Vec::new(),
        tail: 0,
    };
    let iso = iso9660::layout(&files, &Inline, &options).unwrap();
    let iso = written(&iso.image(Vec::new(), Vec::new()).unwrap());
    let mut appliance = FileSet::new();
    appliance.insert(path("disk.raw"), file(&raw));
    let mut google = Vec::new();
    tar::write_fileset(&appliance, &Inline, &mut google).unwrap();
    vec![
        esp,
        uki,
        raw,
        iso,
        initrd,
        tree,
        written(&qcow2::plain(Arc::new(disk)).unwrap()),
        packed(Codec::Gzip, &google),
    ]
}
