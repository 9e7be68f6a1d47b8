//! Formats of virtual disks: what QEMU says of ours, what we read of QEMU's, and what has no place.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use ironkit_formats::disk::{self, DiskFormat, ova, qcow2, vhd, vhdx, vmdk};
use ironkit_formats::extents::{Data, Extents, Sink};
use ironkit_formats::gzip;
use ironkit_formats::read_at::ReadAt;
use ironkit_tree::Digest;

const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;

/// A file with holes.
struct Sparse(File);

impl Write for Sparse {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

impl Sink for Sparse {
    fn zeros(&mut self, count: u64) -> io::Result<()> {
        let end = self.0.stream_position()? + count;
        self.0.seek(SeekFrom::Start(end))?;
        self.0.set_len(end)
    }
}

struct Image(File);

impl ReadAt for Image {
    fn size(&self) -> u64 {
        self.0.metadata().map_or(0, |data| data.len())
    }

    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        std::os::unix::fs::FileExt::read_exact_at(&self.0, buffer, offset)
    }
}

/// `count` bytes that do not compress, or that do.
fn noise(count: usize, compresses: bool) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut bytes = Vec::with_capacity(count + 8);
    while bytes.len() < count {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        let kept = if compresses { state & 0xff } else { state };
        bytes.extend(kept.to_le_bytes());
    }
    bytes.truncate(count);
    bytes
}

/// A disk of `size` bytes with runs of these lengths at these places.
fn disk(size: u64, runs: &[(u64, usize, bool)]) -> Extents<'static> {
    let mut extents = Extents::new();
    for (place, length, compresses) in runs {
        extents.zeros_to(*place);
        extents.bytes(noise(*length, *compresses));
    }
    extents.zeros_to(size);
    extents
}

/// A partition's layout inside the disk's, with zeros that are no hole, and all kinds of clusters.
fn mixed() -> Extents<'static> {
    let mut inner = disk(9 * MIB, &[(4096, 100_000, true), (3 * MIB, 300_000, false)]);
    inner.bytes(vec![0; 200_000]);
    inner.bytes(noise(900_000, true));
    let mut outer = Extents::new();
    outer.bytes(noise(512, false));
    outer.zeros_to(MIB);
    outer.data(Arc::new(inner));
    outer.align(MIB);
    outer.zeros(512);
    outer
}

/// Disks by name, among them such whose size is a multiple of nothing.
fn disks() -> Vec<(&'static str, Extents<'static>)> {
    vec![
        ("empty", disk(3 * MIB, &[])),
        ("sector", disk(512, &[(0, 512, false)])),
        ("mixed", mixed()),
        ("full", disk(2 * MIB, &[(0, 2 << 20, true)])),
        (
            "5 GiB",
            disk(
                5 * GIB + 512,
                &[
                    (0, 600, false),
                    (4 * GIB - 100, 70_000, true),
                    (5 * GIB, 512, false),
                ],
            ),
        ),
        (
            "1.9 TiB",
            disk(1900 * GIB, &[(0, 600, false), (1900 * GIB - 512, 512, true)]),
        ),
    ]
}

/// In every format, by the names that files get.
fn formats(disk: &Extents<'static>) -> Vec<(&'static str, &'static str, Extents<'static>)> {
    let shared: Arc<dyn Data> = Arc::new(disk.clone());
    let squeezed = |compression| {
        let (table, clusters) = qcow2_clusters(disk, compression, 2);
        let kept = qcow2::Clusters::from_bytes(&table.to_bytes());
        assert_eq!(kept.as_ref(), Some(&table));
        let mut data = Extents::new();
        data.bytes(clusters);
        qcow2::linked(disk.size(), &table, Arc::new(data)).unwrap()
    };
    let mut stream = Extents::new();
    stream.bytes(vmdk_stream(disk, 2));
    vec![
        ("plain.qcow2", "qcow2", qcow2::plain(shared.clone()).unwrap()),
        ("deflate.qcow2", "qcow2", squeezed(qcow2::Compression::Deflate)),
        ("zstd.qcow2", "qcow2", squeezed(qcow2::Compression::Zstd)),
        ("fixed.vhd", "vpc", vhd::fixed(shared.clone()).unwrap()),
        ("dynamic.vhd", "vpc", vhd::dynamic(shared.clone()).unwrap()),
        ("disk.vhdx", "vhdx", vhdx::dynamic(shared).unwrap()),
        ("disk.vmdk", "vmdk", stream),
    ]
}

fn threads(count: usize) -> NonZeroUsize {
    NonZeroUsize::new(count).unwrap()
}

fn qcow2_clusters(
    disk: &dyn Data,
    compression: qcow2::Compression,
    count: usize,
) -> (qcow2::Clusters, Vec<u8>) {
    let mut clusters = Vec::new();
    let table = qcow2::compress(disk, compression, threads(count), &mut clusters).unwrap();
    (table, clusters)
}

fn vmdk_stream(disk: &dyn Data, count: usize) -> Vec<u8> {
    let mut stream = Vec::new();
    vmdk::compress(disk, threads(count), &mut stream).unwrap();
    stream
}

fn write(data: &dyn Data, path: PathBuf) -> PathBuf {
    let mut file = Sparse(File::create_new(&path).unwrap());
    data.write_to(&mut file).unwrap();
    assert_eq!(
        file.0.metadata().unwrap().len(),
        data.size(),
        "{}",
        path.display()
    );
    path
}

/// What a judge says; `None`, said loudly, where there is none.
#[expect(clippy::print_stderr, reason = "a skipped test says so")]
fn judge(command: &mut Command) -> Option<String> {
    match command.output() {
        Ok(output) => {
            let text = String::from_utf8_lossy(&output.stdout).into_owned();
            assert!(output.status.success(), "{command:?}: {output:?}");
            Some(text)
        }
        Err(error) if std::env::var_os("CI").is_some() => panic!("{command:?}: {error}"),
        Err(error) => {
            eprintln!("SKIPPED: {command:?}: {error}");
            None
        }
    }
}

fn qemu_img(arguments: &[&str], paths: &[&Path]) -> Option<String> {
    judge(Command::new("qemu-img").args(arguments).args(paths))
}

/// The same bytes where the disk has some, at its ends, and around.
fn same(name: &str, disk: &Extents, raw: &Path, image: &Path) {
    let (raw, image) = (Image(File::open(raw).unwrap()), Image(File::open(image).unwrap()));
    let found = disk::open(&image).unwrap().expect(name);
    assert_eq!(found.size(), disk.size(), "{name}");
    let mut ranges = disk.occupied();
    ranges.push(disk.size() - 512..disk.size());
    ranges.push(0..disk.size().min(70_000));
    for range in ranges {
        let start = range.start.saturating_sub(5000);
        let end = (range.end + 5000).min(disk.size());
        let mut expect = vec![0; usize::try_from(end - start).unwrap()];
        let mut read = vec![1; expect.len()];
        raw.read_exact_at(&mut expect, start).unwrap();
        found.read_exact_at(&mut read, start).unwrap();
        assert!(read == expect, "{name} differs in {start}..{end}");
    }
    assert!(found.read_exact_at(&mut [0; 2], disk.size() - 1).is_err());
    found.read_exact_at(&mut [], disk.size()).unwrap();
}

#[test]
fn qemu_finds_the_same_disk_in_all_formats() {
    let folder = tempfile::tempdir().unwrap();
    for (name, disk) in disks() {
        let raw = write(&disk, folder.path().join(format!("{name}.raw")));
        for (file, format, data) in formats(&disk) {
            let name = format!("{name} {file}");
            let path = write(&data, folder.path().join(&name));
            same(&name, &disk, &raw, &path);
            // QEMU reads all of a VHDX, holes too, and goes through a VMDK grain by grain.
            let slow = if format == "vmdk" { 100 * GIB } else { GIB };
            if !matches!(format, "vhdx" | "vmdk") || disk.size() < slow {
                qemu_img(&["compare", "-q", "-f", "raw", "-F", format], &[&raw, &path]);
            }
            if format != "vpc" {
                qemu_img(&["check", "-q", "-f", format], &[&path]);
            }
            if let Some(info) = qemu_img(&["info", "--output=json", "-f", format], &[&path]) {
                assert!(
                    info.contains(&format!("\"virtual-size\": {}", disk.size())),
                    "{info}"
                );
            }
            // Nothing but what is there takes space, whatever the disk's size.
            use std::os::unix::fs::MetadataExt;
            let taken = std::fs::metadata(&path).unwrap().blocks() * 512;
            assert!(taken < 12 * MIB, "{name} takes {taken} bytes");
            std::fs::remove_file(path).unwrap();
        }
        std::fs::remove_file(raw).unwrap();
    }
}

#[test]
fn what_qemu_writes_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let written: &[(&str, DiskFormat, &[&str])] = &[
        ("qcow2", DiskFormat::Qcow2, &[]),
        ("qcow2", DiskFormat::Qcow2, &["-o", "compat=0.10"]),
        ("qcow2", DiskFormat::Qcow2, &["-c", "-o", "cluster_size=4096"]),
        ("qcow2", DiskFormat::Qcow2, &["-c", "-o", "cluster_size=2M"]),
        ("qcow2", DiskFormat::Qcow2, &["-c", "-o", "compression_type=zstd"]),
        (
            "vpc",
            DiskFormat::FixedVhd,
            &["-o", "subformat=fixed,force_size=on"],
        ),
        (
            "vpc",
            DiskFormat::DynamicVhd,
            &["-o", "subformat=dynamic,force_size=on"],
        ),
        ("vhdx", DiskFormat::Vhdx, &[]),
        ("vhdx", DiskFormat::Vhdx, &["-o", "subformat=fixed,block_size=1M"]),
        ("vmdk", DiskFormat::Vmdk, &["-o", "subformat=streamOptimized"]),
        ("vmdk", DiskFormat::Vmdk, &["-o", "subformat=monolithicSparse"]),
        (
            "vmdk",
            DiskFormat::Vmdk,
            &["-o", "subformat=monolithicSparse,zeroed_grain=on"],
        ),
    ];
    let mut disk = mixed();
    disk.align(2 * MIB);
    let raw = write(&disk, folder.path().join("raw"));
    for (format, expect, options) in written {
        let path = folder.path().join("image");
        let arguments = [&["convert", "-f", "raw", "-O", format], *options].concat();
        if qemu_img(&arguments, &[&raw, &path]).is_none() {
            return;
        }
        let name = format!("{format} {options:?}");
        same(&name, &disk, &raw, &path);
        let image = Image(File::open(&path).unwrap());
        assert_eq!(disk::open(&image).unwrap().unwrap().format, *expect, "{name}");
        std::fs::remove_file(path).unwrap();
    }
}

#[test]
fn bytes_do_not_change_by_themselves() {
    let disk = mixed();
    let digests: Vec<String> = formats(&disk)
        .into_iter()
        .map(|(file, _, data)| {
            let mut bytes = Vec::new();
            data.write_to(&mut bytes).unwrap();
            format!("{file} {}", &Digest::of(&bytes).hex()[..16])
        })
        .collect();
    assert_eq!(digests, PINNED);
}

/// Beginnings of SHA-256 digests.
const PINNED: [&str; 7] = [
    "plain.qcow2 87bb83905dafa07c",
    "deflate.qcow2 b9575a7d3f500afd",
    "zstd.qcow2 c24d80aea8c9b0c8",
    "fixed.vhd cc29a7d24a169170",
    "dynamic.vhd a598d78b072f45bd",
    "disk.vhdx 29edd52cb1dbfb81",
    "disk.vmdk 93bf6599c087dc69",
];

#[test]
fn threads_make_no_difference() {
    let disk = mixed();
    for compression in [qcow2::Compression::Deflate, qcow2::Compression::Zstd] {
        assert!(qcow2_clusters(&disk, compression, 1) == qcow2_clusters(&disk, compression, 5));
    }
    assert!(vmdk_stream(&disk, 1) == vmdk_stream(&disk, 5));
    assert!(gzipped(&disk, 1) == gzipped(&disk, 5));
}

/// Clusters that got smaller share one, so a disk that compresses well is a small file.
#[test]
fn compressed_clusters_are_small() {
    let disk = disk(20 * MIB, &[(0, 10 << 20, true)]);
    let (_, clusters) = qcow2_clusters(&disk, qcow2::Compression::Deflate, 2);
    assert!(clusters.len() < 3 << 20, "{}", clusters.len());
    assert!(vmdk_stream(&disk, 2).len() < 3 << 20);
}

#[test]
fn sizes_that_have_no_place() {
    let of = |size| -> Arc<dyn Data> { Arc::new(disk(size, &[])) };
    for (size, expect) in [
        (0, ["an empty disk"; 4]),
        (513, ["a disk of 513 bytes, which is no multiple of 512"; 4]),
        (
            100 << 40,
            [
                "a disk of 109951162777600 bytes; it can hold 2190433320960",
                "",
                "a disk of 109951162777600 bytes; it can hold 70368744177664",
                "a disk of 109951162777600 bytes; it can hold 2199023255551",
            ],
        ),
    ] {
        let errors = [
            vhd::dynamic(of(size)).err(),
            qcow2::plain(of(size)).err(),
            vhdx::dynamic(of(size)).err(),
            vmdk::check(&*of(size)).err(),
        ];
        for ((error, expect), name) in errors.iter().zip(expect).zip(["VHD", "qcow2", "VHDX", "VMDK"]) {
            let text = error.as_ref().map(ToString::to_string).unwrap_or_default();
            let expect = match expect {
                "" => String::new(),
                what => format!("{name} cannot hold {what}"),
            };
            assert_eq!(text, expect, "{size}");
        }
        assert_eq!(vhd::fixed(of(size)).is_err(), errors[0].is_some());
    }
}

fn gzipped(data: &dyn Data, count: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    gzip::compress(data, threads(count), &mut bytes).unwrap();
    bytes
}

#[test]
fn gzip_unpacks_what_was_packed() {
    const BLOCK: u64 = 128 << 10;
    let sizes = [
        disk(BLOCK, &[]),
        disk(3 * BLOCK + 5, &[]),
        disk(3 * BLOCK + 5, &[(3 * BLOCK + 1, 2, false)]),
        disk(5 * BLOCK, &[(0, 1, false), (4 * BLOCK - 1, 2, true)]),
        Extents::new(),
        mixed(),
    ];
    for data in sizes {
        let mut expect = Vec::new();
        data.write_to(&mut expect).unwrap();
        let packed = gzipped(&data, 2);
        let mut unpacked = Vec::new();
        let mut reader = flate2::read::GzDecoder::new(packed.as_slice());
        reader.read_to_end(&mut unpacked).unwrap();
        assert!(unpacked == expect, "{data:?}");
        assert_eq!(reader.into_inner().len(), 0, "one member");
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file.gz");
        std::fs::write(&path, packed).unwrap();
        judge(Command::new("gzip").arg("-t").arg(path));
    }
}

#[test]
fn a_machine_is_an_archive_with_its_disk() {
    let folder = tempfile::tempdir().unwrap();
    let disk = mixed();
    let raw = write(&disk, folder.path().join("raw"));
    let stream = vmdk_stream(&disk, 2);
    let mut data = Extents::new();
    data.bytes(stream.clone());
    let mut machine = ova::Machine {
        name: "try".to_owned(),
        cpus: 2,
        memory: 1024,
        firmware: ova::Firmware::Efi,
        network_card: ova::NetworkCard::Vmxnet3,
        time: 1_700_000_000,
    };
    let stream = ova::Stream {
        vmdk: Arc::new(data),
        digest: Digest::of(&stream),
        capacity: disk.size(),
    };
    let path = write(
        &ova::lay_out(&machine, stream.clone()).unwrap(),
        folder.path().join("try.ova"),
    );
    same("OVA", &disk, &raw, &path);
    let image = Image(File::open(&path).unwrap());
    assert!(
        ova::Ova::open(&image)
            .unwrap()
            .description()
            .unwrap()
            .contains("VmxNet3")
    );
    if let Some(list) = judge(Command::new("tar").arg("tf").arg(&path)) {
        assert_eq!(list, "try.ovf\ntry.mf\ntry.vmdk\n");
    }
    judge(
        Command::new("tar")
            .arg("xf")
            .arg(&path)
            .arg("-C")
            .arg(folder.path()),
    );
    // The manifest is in the notation that sha256sum calls --tag, but for a blank.
    let script = "import hashlib, re, sys\nfrom xml.dom.minidom import parse\n\
        for name, digest in re.findall(r'SHA256\\((.*)\\)= (.*)\\n', open('try.mf').read()):\n\
        \x20   assert hashlib.sha256(open(name, 'rb').read()).hexdigest() == digest, name\n\
        disk = parse('try.ovf').getElementsByTagName('Disk')[0]\n\
        print(disk.getAttribute('ovf:capacity'))\n";
    let mut python = Command::new("python3");
    if let Some(capacity) = judge(python.current_dir(folder.path()).args(["-c", script])) {
        assert_eq!(capacity.trim(), disk.size().to_string());
    }
    qemu_img(
        &["compare", "-q", "-f", "raw", "-F", "vmdk"],
        &[&raw, &folder.path().join("try.vmdk")],
    );
    machine.name = "a/b".to_owned();
    assert!(ova::lay_out(&machine, stream.clone()).is_err());
    machine.name = "b".to_owned();
    let large = ova::Stream {
        vmdk: Arc::new(crate::disk(9 * GIB, &[])),
        ..stream
    };
    let error = ova::lay_out(&machine, large).unwrap_err();
    assert_eq!(
        error.to_string(),
        "OVA cannot hold a disk whose file has 9663676416 bytes; it can hold files below 8 GiB"
    );
}
