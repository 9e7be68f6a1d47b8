//! The body of the target `disk`: images of virtual disks, damaged.

use std::num::NonZeroUsize;
use std::sync::{Arc, LazyLock};

use ironkit_formats::disk::{self, ova, qcow2, vhd, vhdx, vmdk};
use ironkit_formats::extents::{Data, Extents};
use ironkit_formats::read_at::ReadAt;
use ironkit_tree::Digest;

use crate::changed;

/// A whole image of each kind, small.
static IMAGES: LazyLock<Vec<Vec<u8>>> = LazyLock::new(images);
/// Places of a VHDX with a checksum at byte 4: headers and region tables, and their sizes.
const CHECKED: [(usize, usize); 4] = [
    (64 << 10, 4 << 10),
    (128 << 10, 4 << 10),
    (192 << 10, 64 << 10),
    (256 << 10, 64 << 10),
];

/// Opens the bytes as they are, and an image of ours with changes. A disk that opens has a size, and reading it anywhere ends.
/// Checksums are put right, as no fuzzer would guess them.
pub fn check(data: &[u8]) {
    read(data);
    let Some(mut image) = changed(&IMAGES, data) else {
        return;
    };
    repair(&mut image);
    read(image.as_slice());
}

fn read(image: &[u8]) {
    let Ok(Some(disk)) = disk::open(&image.to_vec()).map(|disk| disk.map(|disk| probe(&disk))) else {
        return;
    };
    assert!(disk <= 1 << 62, "a disk has a size");
}

/// Reads at the beginning, in the middle and at the end.
fn probe(disk: &dyn ReadAt) -> u64 {
    let size = disk.size();
    let mut buffer = vec![0; 70_000];
    for offset in [0, 512, size / 2, size.saturating_sub(70_000)] {
        let _ = disk.read_exact_at(&mut buffer, offset);
    }
    assert!(disk.read_exact_at(&mut [0], size).is_err());
    size
}

fn repair(image: &mut [u8]) {
    if image.starts_with(b"vhdxfile") {
        for (place, size) in CHECKED {
            let bytes = &mut image[place..place + size];
            bytes[4..8].fill(0);
            let sum = ironkit_formats::crc32c::checksum(bytes);
            bytes[4..8].copy_from_slice(&sum.to_le_bytes());
        }
    }
    let footer = image.len() - 512;
    repair_sum(&mut image[footer..], b"conectix", 64);
    if image.len() > 1536 {
        repair_sum(&mut image[512..1536], b"cxsparse", 36);
    }
}

fn repair_sum(bytes: &mut [u8], begins: &[u8], place: usize) {
    if bytes.starts_with(begins) {
        bytes[place..place + 4].fill(0);
        let sum = !bytes.iter().map(|&byte| u32::from(byte)).sum::<u32>();
        bytes[place..place + 4].copy_from_slice(&sum.to_be_bytes());
    }
}

fn images() -> Vec<Vec<u8>> {
    let mut extents = Extents::new();
    extents.bytes(vec![1; 3000]);
    extents.zeros_to(200 << 10);
    extents.bytes((0..=255).collect::<Vec<u8>>());
    extents.zeros_to(256 << 10);
    let disk: Arc<dyn Data> = Arc::new(extents);
    let one = NonZeroUsize::MIN;
    let mut clusters = Vec::new();
    let table = qcow2::compress(&*disk, qcow2::Compression::Deflate, one, &mut clusters).unwrap();
    let mut stream = Vec::new();
    vmdk::compress(&*disk, one, &mut stream).unwrap();
    let data = |bytes: &Vec<u8>| -> Arc<dyn Data> {
        let mut extents = Extents::new();
        extents.bytes(bytes.clone());
        Arc::new(extents)
    };
    let machine = ova::Machine {
        name: "fuzz".to_owned(),
        cpus: 1,
        memory: 1,
        firmware: ova::Firmware::Bios,
        network_card: ova::NetworkCard::E1000,
        time: 0,
    };
    let ova = ova::Stream {
        vmdk: data(&stream),
        digest: Digest::of(&stream),
        capacity: disk.size(),
    };
    let images = [
        qcow2::plain(disk.clone()),
        qcow2::linked(disk.size(), &table, data(&clusters)),
        vhd::fixed(disk.clone()),
        vhd::dynamic(disk.clone()),
        vhdx::dynamic(disk.clone()),
        ova::lay_out(&machine, ova),
    ];
    let mut images: Vec<Vec<u8>> = images
        .into_iter()
        .map(|image| {
            let mut bytes = Vec::new();
            image.unwrap().write_to(&mut bytes).unwrap();
            bytes
        })
        .collect();
    images.push(stream);
    images
}
