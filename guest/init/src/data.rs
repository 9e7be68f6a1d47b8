//! The data partition: `ironkit.data=` on the command line puts it in the place of the `/var` in memory.
//!
//! It grows with its disk: first the partition, if it is the disk's last one, then the file system, while it is mounted. The
//! file system's journal makes up for an end of the machine that was none of its choosing.

use std::fs::{File, OpenOptions};
use std::os::fd::AsFd;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::Duration;

use ironkit_sys::block::{resize_ext4, resize_partition};

use crate::blocks::table::{self, Growth};
use crate::blocks::{self, Device, Wanted};
use crate::console;
use crate::error::{Error, Result, Step};
use crate::modules::Modules;
use crate::mounts;

/// How long the device may take to appear.
const PATIENCE: Duration = Duration::from_secs(20);

/// Where ext4 has its superblock, and in it: blocks, their size as a power of two above 1024, state, features.
const SUPERBLOCK: u64 = 1024;
const BLOCKS_LOW: usize = 4;
const BLOCK_SIZE: usize = 24;
const STATE: usize = 58;
const INCOMPATIBLE: usize = 96;
const BLOCKS_HIGH: usize = 336;
/// In the state: errors were found.
const HAS_ERRORS: u16 = 2;
/// Of the features: numbers of blocks have 64 bits.
const IS_64BIT: u32 = 0x80;

/// Mounts the device that `text` means on `/var`. What failed is returned; `/var` is in memory then, unless it is only the
/// growth that failed.
pub fn mount(text: &str, modules: &mut Modules) -> Vec<String> {
    let mut problems = Vec::new();
    let mounted = find(text, modules).and_then(|device| attach(device, modules, &mut problems));
    match mounted {
        Ok(device) => {
            let size = device.size >> 20;
            console::line(&format!(
                "ironkit: data: {} on /var, {size} MiB",
                device.path().display()
            ));
        }
        Err(error) => {
            console::line(&format!("ironkit: WARNING: ironkit.data={text}: {error}"));
            console::line(
                "ironkit: WARNING: /var is in memory: what is written there is lost when the machine goes down",
            );
            problems.push(format!("data partition: {error}; /var is in memory"));
        }
    }
    problems
}

fn find(text: &str, modules: &mut Modules) -> Result<Device> {
    let wanted = Wanted::parse(text)
        .ok_or_else(|| Error::Invalid("it is no device, nor the name or identifier of one".to_owned()))?;
    blocks::wait(&wanted, modules, Some(PATIENCE)).ok_or_else(|| {
        let seconds = PATIENCE.as_secs();
        console::line(&format!("ironkit: {}", blocks::describe()));
        Error::Invalid(format!("it has not appeared within {seconds} s"))
    })
}

/// Grows the partition, mounts it, and grows the file system. The device as it is then.
fn attach(mut device: Device, modules: &mut Modules, problems: &mut Vec<String>) -> Result<Device> {
    match grow_partition(&device) {
        Ok(None) => {}
        Ok(Some(size)) => {
            let (from, to) = (device.size >> 20, size >> 20);
            console::line(&format!("ironkit: data: partition grown from {from} to {to} MiB"));
            device.size = size;
        }
        Err(error) => problems.push(format!("data partition: it does not grow: {error}")),
    }
    let kind = device.file_system().map(|found| found.kind);
    if kind != Some("ext4") {
        return Err(Error::Invalid(format!(
            "there is no ext4 on {}",
            device.path().display()
        )));
    }
    modules.load("ext4")?;
    mounts::replace_var(&device.path(), "ext4")?;
    if let Err(error) = grow_file_system(&device) {
        problems.push(format!("data partition: the file system does not grow: {error}"));
    }
    Ok(device)
}

/// The partition's size in bytes when it has grown.
fn grow_partition(device: &Device) -> Result<Option<u64>> {
    let Some((number, name, _)) = &device.partition else {
        return Ok(None);
    };
    let path = Path::new("/dev").join(name);
    let disk = OpenOptions::new().read(true).write(true).open(&path);
    let disk = disk.step(|| format!("open {}", path.display()))?;
    let size = blocks::list().into_iter().find(|other| other.name == *name);
    let size = size.map_or(0, |disk| disk.size);
    let read = |offset: u64, buffer: &mut [u8]| disk.read_exact_at(buffer, offset);
    let growth = table::grow(&read, size, blocks::sector_size(name), *number).map_err(Error::Invalid)?;
    let Some(growth) = growth else {
        return Ok(None);
    };
    write(&disk, &growth).step(|| format!("write {}", path.display()))?;
    resize_partition(disk.as_fd(), *number, growth.start, growth.length)
        .step(|| format!("tell the kernel the size of {}", device.path().display()))?;
    Ok(Some(growth.length))
}

fn write(disk: &File, growth: &Growth) -> std::io::Result<()> {
    for write in &growth.writes {
        disk.write_all_at(&write.bytes, write.offset)?;
        disk.sync_all()?;
    }
    Ok(())
}

/// Lets the file system use all of its device.
fn grow_file_system(device: &Device) -> Result<()> {
    let step = |what: &'static str| move || format!("{what} the file system");
    let mut superblock = [0; 1024];
    let file = File::open(device.path()).step(step("open"))?;
    file.read_exact_at(&mut superblock, SUPERBLOCK)
        .step(step("read"))?;
    let found = Superblock::parse(&superblock);
    if found.has_errors {
        console::line("ironkit: WARNING: the data partition has errors: it wants e2fsck");
    }
    let blocks = device.size / found.block_size;
    // The kernel may not use a last group that is too small for its own tables: that is no growth either.
    if blocks <= found.blocks {
        return Ok(());
    }
    let inside = File::open("/var").step(step("open"))?;
    resize_ext4(inside.as_fd(), blocks).step(step("grow"))
}

/// What of an ext4 superblock matters here.
#[derive(Debug, PartialEq, Eq)]
struct Superblock {
    block_size: u64,
    blocks: u64,
    has_errors: bool,
}

impl Superblock {
    fn parse(bytes: &[u8; 1024]) -> Superblock {
        let number = |at: usize| {
            let mut number = [0; 4];
            number.copy_from_slice(&bytes[at..at + 4]);
            u32::from_le_bytes(number)
        };
        let high = match number(INCOMPATIBLE) & IS_64BIT {
            0 => 0,
            _ => u64::from(number(BLOCKS_HIGH)) << 32,
        };
        let state = u16::from_le_bytes([bytes[STATE], bytes[STATE + 1]]);
        Superblock {
            block_size: 1024 << number(BLOCK_SIZE).min(6),
            blocks: u64::from(number(BLOCKS_LOW)) | high,
            has_errors: state & HAS_ERRORS != 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Superblock;

    #[test]
    fn a_superblock_is_read() {
        let mut bytes = [0; 1024];
        let mut check = |changes: &[(usize, u8)], block_size, blocks, has_errors| {
            for (at, value) in changes {
                bytes[*at] = *value;
            }
            let expect = Superblock {
                block_size,
                blocks,
                has_errors,
            };
            assert_eq!(Superblock::parse(&bytes), expect, "{changes:?}");
        };
        check(&[(4, 200)], 1024, 200, false);
        check(&[(24, 2), (58, 1), (336, 1)], 4096, 200, false);
        check(&[(96, 0xC2), (58, 3)], 4096, (1 << 32) + 200, true);
        check(&[(24, 255)], 65536, (1 << 32) + 200, true);
    }
}
