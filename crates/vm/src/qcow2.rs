//! An empty qcow2 disk, so that `--disk 1G` needs no tool beside QEMU. Disks with content are written elsewhere.
//!
//! ```text
//! cluster 0   header
//! cluster 1   refcount table: one entry, for the block that follows
//! cluster 2   refcount block: one for each cluster of the file
//! cluster 3…  L1 table: all zero, so that every cluster of the disk reads as zeros
//! ```
//!
//! Source: QEMU's docs/interop/qcow2.txt, version 3. The judge is `qemu-img check`.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;

/// Makes the disk at `path`, where nothing may be yet.
///
/// # Errors
/// Those of writing, and [`io::ErrorKind::FileTooLarge`] past 64 TiB.
pub(crate) fn create(path: &Path, size_mib: u64) -> io::Result<()> {
    let layout = Layout::of(size_mib).ok_or(io::ErrorKind::FileTooLarge)?;
    let mut file = File::create_new(path)?;
    file.write_all(&layout.metadata())?;
    file.set_len(layout.clusters() * CLUSTER)
}

/// QEMU's default, 64 KiB.
const CLUSTER_BITS: u32 = 16;
const CLUSTER: u64 = 1 << CLUSTER_BITS;

/// What one entry of the L1 table covers: an L2 table is a cluster of 8-byte entries.
const L1_ENTRY_COVERS: u64 = CLUSTER / 8 * CLUSTER;

/// Larger tables are refused by QEMU (`QCOW_MAX_L1_SIZE`, 32 MiB); this is 64 TiB, with fewer clusters than one
/// refcount block counts.
const L1_ENTRIES_MAX: u64 = 1 << 17;

#[derive(Debug, PartialEq, Eq)]
struct Layout {
    bytes: u64,
    l1_entries: u32,
}

impl Layout {
    fn of(size_mib: u64) -> Option<Layout> {
        let bytes = size_mib.checked_mul(1 << 20)?;
        let entries = bytes.div_ceil(L1_ENTRY_COVERS);
        let l1_entries = u32::try_from(entries)
            .ok()
            .filter(|_| entries <= L1_ENTRIES_MAX)?;
        Some(Layout { bytes, l1_entries })
    }

    /// Of the whole file.
    fn clusters(&self) -> u64 {
        3 + (u64::from(self.l1_entries) * 8).div_ceil(CLUSTER)
    }

    /// The first three clusters; what follows is a hole.
    fn metadata(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        bytes.extend(b"QFI\xfb");
        bytes.extend(3_u32.to_be_bytes()); // version
        bytes.extend([0; 12]); // no backing file: offset, size
        bytes.extend(CLUSTER_BITS.to_be_bytes());
        bytes.extend(self.bytes.to_be_bytes());
        bytes.extend([0; 4]); // not encrypted
        bytes.extend(self.l1_entries.to_be_bytes());
        bytes.extend((3 * CLUSTER).to_be_bytes()); // L1 table
        bytes.extend(CLUSTER.to_be_bytes()); // refcount table
        bytes.extend(1_u32.to_be_bytes()); // its clusters
        bytes.extend([0; 12]); // no snapshots: number, offset
        bytes.extend([0; 24]); // no features: incompatible, compatible, autoclear
        bytes.extend(4_u32.to_be_bytes()); // refcounts of 1 << 4 bits
        bytes.extend(104_u32.to_be_bytes()); // the header's length
        pad(&mut bytes);
        bytes.extend((2 * CLUSTER).to_be_bytes());
        pad(&mut bytes);
        for _ in 0..self.clusters() {
            bytes.extend(1_u16.to_be_bytes());
        }
        pad(&mut bytes);
        bytes
    }
}

/// Zeros to the end of the cluster.
fn pad(bytes: &mut Vec<u8>) {
    let cluster = 1 << CLUSTER_BITS;
    bytes.resize(bytes.len().next_multiple_of(cluster), 0);
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn layouts() {
        for (size_mib, l1_entries, clusters) in [
            (1, 1, 4),
            (512, 1, 4),
            (513, 2, 4),
            (4 << 20, 8192, 4),
            ((4 << 20) + 1, 8193, 5),
            (64 << 20, 131_072, 19),
        ] {
            let layout = Layout::of(size_mib).unwrap();
            assert_eq!(
                (layout.l1_entries, layout.clusters()),
                (l1_entries, clusters),
                "{size_mib} MiB"
            );
            assert_eq!(layout.metadata().len() as u64, 3 * CLUSTER);
        }
        for size_mib in [(64 << 20) + 1, u64::MAX] {
            assert_eq!(Layout::of(size_mib), None);
        }
    }

    /// QEMU itself opens one in the tests of `running`; this is for the whole range.
    #[test]
    #[expect(clippy::print_stderr, reason = "a skipped test says so")]
    fn qemu_img_finds_nothing_wrong() {
        let folder = tempfile::tempdir().unwrap();
        for size_mib in [1_u64, 513, 64 << 20] {
            let path = folder.path().join(size_mib.to_string());
            create(&path, size_mib).unwrap();
            assert!(create(&path, size_mib).is_err(), "an existing file is left alone");
            match Command::new("qemu-img").args(["check", "-q"]).arg(&path).output() {
                Ok(output) => assert!(output.status.success(), "{output:?}"),
                Err(error) if std::env::var_os("CI").is_some() => panic!("qemu-img: {error}"),
                Err(error) => eprintln!("SKIPPED: qemu-img: {error}"),
            }
        }
    }
}
