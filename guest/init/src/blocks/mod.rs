//! The block devices that are there, and which of them a person means: by name, by number, by what is on them.

pub mod probe;
pub mod table;

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::modules::{Devices, Modules};
use probe::FileSystem;

/// How often it is looked whether a device has come.
const BETWEEN_LOOKS: Duration = Duration::from_millis(20);
/// Bytes in a sector of `/sys/class/block`, whatever the device has.
const SYS_SECTOR: u64 = 512;

/// Reads what is at an offset, in bytes.
pub type ReadAt<'a> = &'a dyn Fn(u64, &mut [u8]) -> io::Result<()>;

/// A block device that has a size.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Device {
    /// Its name in `/dev`.
    pub name: String,
    /// Major and minor number: `254:1`.
    numbers: String,
    /// Bytes.
    pub size: u64,
    /// Of a partition: its number, the disk's name, and at which byte it begins.
    pub partition: Option<(u32, String, u64)>,
}

/// How a device is meant on the kernel's command line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wanted {
    /// `/dev/NAME`.
    Name(String),
    /// `MAJOR:MINOR`.
    Numbers(String),
    /// `LABEL=`: of the file system.
    Label(String),
    /// `UUID=`: of the file system.
    Uuid(String),
    /// `PARTUUID=`: of the partition.
    PartUuid(String),
    /// `PARTLABEL=`: of the partition.
    PartLabel(String),
}

/// A word for `root=`, udev's folder, and what both mean.
type KnownBy = (&'static str, &'static str, fn(String) -> Wanted);

/// Words in front of what a device is known by, for `root=` and as udev's folders.
const KNOWN_BY: [KnownBy; 4] = [
    ("LABEL=", "disk/by-label/", Wanted::Label),
    ("UUID=", "disk/by-uuid/", Wanted::Uuid),
    ("PARTUUID=", "disk/by-partuuid/", Wanted::PartUuid),
    ("PARTLABEL=", "disk/by-partlabel/", Wanted::PartLabel),
];

impl Wanted {
    /// Reads the value of `root=`; `None` when it is none of these.
    pub fn parse(text: &str) -> Option<Wanted> {
        let name = text.strip_prefix("/dev/");
        for (word, folder, by) in KNOWN_BY {
            let value = text
                .strip_prefix(word)
                .or(name.and_then(|name| name.strip_prefix(folder)));
            if let Some(value) = value {
                return (!value.is_empty()).then(|| by(value.to_owned()));
            }
        }
        if let Some(name) = name {
            let plain = !name.is_empty() && !name.split('/').any(|part| part == "..");
            return plain.then(|| Wanted::Name(name.to_owned()));
        }
        let (major, minor) = text.split_once(':')?;
        let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        (digits(major) && digits(minor)).then(|| Wanted::Numbers(text.to_owned()))
    }

    fn means(&self, device: &Device) -> bool {
        let on_it = |is: &dyn Fn(&FileSystem) -> bool| device.file_system().as_ref().is_some_and(is);
        let in_table = |is: &dyn Fn(&table::Entry) -> bool| device.entry().as_ref().is_some_and(is);
        match self {
            Wanted::Name(name) => device.name.replace('!', "/") == *name,
            Wanted::Numbers(numbers) => device.numbers == *numbers,
            Wanted::Label(label) => on_it(&|found| found.label == *label),
            Wanted::Uuid(uuid) => on_it(&|found| found.uuid.eq_ignore_ascii_case(uuid)),
            Wanted::PartUuid(uuid) => in_table(&|entry| entry.uuid.eq_ignore_ascii_case(uuid)),
            Wanted::PartLabel(label) => in_table(&|entry| entry.name == *label),
        }
    }
}

impl Device {
    /// Its file in `/dev`.
    pub fn path(&self) -> PathBuf {
        Path::new("/dev").join(self.name.replace('!', "/"))
    }

    /// What file system is on it, if it is one of those known here.
    pub fn file_system(&self) -> Option<FileSystem> {
        let file = File::open(self.path()).ok()?;
        probe::probe(&|offset, buffer| file.read_exact_at(buffer, offset))
    }

    /// What the disk's partition table says of it.
    fn entry(&self) -> Option<table::Entry> {
        let (number, disk, _) = self.partition.as_ref()?;
        let file = File::open(Path::new("/dev").join(disk)).ok()?;
        let read = |offset: u64, buffer: &mut [u8]| file.read_exact_at(buffer, offset);
        table::entry(&read, sector_size(disk), *number)
    }
}

/// Bytes in a logical sector of a disk.
pub fn sector_size(disk: &str) -> u64 {
    let path = Path::new("/sys/class/block")
        .join(disk)
        .join("queue/logical_block_size");
    let text = fs::read_to_string(path).unwrap_or_default();
    text.trim().parse().unwrap_or(SYS_SECTOR)
}

/// All block devices with something in them, by name: a disk comes before its partitions.
pub fn list() -> Vec<Device> {
    let folders = fs::read_dir("/sys/class/block").into_iter().flatten().flatten();
    let mut devices: Vec<Device> = folders.filter_map(|folder| look(&folder.path())).collect();
    devices.sort_by(|left, right| left.name.cmp(&right.name));
    devices
}

fn look(folder: &Path) -> Option<Device> {
    let read = |path: &Path| fs::read_to_string(path).map(|text| text.trim().to_owned()).ok();
    let number = |name: &str| read(&folder.join(name)).and_then(|text| text.parse::<u64>().ok());
    let size = number("size").filter(|sectors| *sectors > 0)? * SYS_SECTOR;
    let partition = number("partition").and_then(|partition| {
        let real = fs::canonicalize(folder).ok()?;
        let disk = real.parent()?.file_name()?.to_string_lossy().into_owned();
        let start = number("start")? * SYS_SECTOR;
        Some((u32::try_from(partition).ok()?, disk, start))
    });
    Some(Device {
        name: folder.file_name()?.to_string_lossy().into_owned(),
        numbers: read(&folder.join("dev"))?,
        size,
        partition,
    })
}

/// Waits up to `patience`, or for ever, until the wanted device is there; drivers of what appears meanwhile are loaded.
pub fn wait(wanted: &Wanted, modules: &mut Modules, patience: Option<Duration>) -> Option<Device> {
    let begin = Instant::now();
    loop {
        // What the kernel refuses is said on the way up by who has a report to put it into.
        let _ = modules.coldplug(Devices::Needed);
        let found = list().into_iter().find(|device| wanted.means(device));
        if found.is_some() || patience.is_some_and(|patience| begin.elapsed() >= patience) {
            return found;
        }
        std::thread::sleep(BETWEEN_LOOKS);
    }
}

/// The devices in words, for somebody who looks for one that is not there.
pub fn describe() -> String {
    let line = |device: Device| {
        let mut words = vec![
            device.path().display().to_string(),
            format!("{} KiB", device.size >> 10),
        ];
        if let Some(found) = device.file_system() {
            words.push(found.kind.to_owned());
            for (word, value) in [("LABEL", found.label), ("UUID", found.uuid)] {
                words.extend((!value.is_empty()).then(|| format!("{word}={value}")));
            }
        }
        if let Some(entry) = device.entry() {
            for (word, value) in [("PARTLABEL", entry.name), ("PARTUUID", entry.uuid)] {
                words.extend((!value.is_empty()).then(|| format!("{word}={value}")));
            }
        }
        words.join(" ")
    };
    let lines: Vec<String> = list().into_iter().map(line).collect();
    match lines.is_empty() {
        true => "there are no block devices: the kernel may lack their driver".to_owned(),
        false => format!("there are\n  {}", lines.join("\n  ")),
    }
}

#[cfg(test)]
mod tests {
    use super::Wanted;

    #[test]
    fn devices_are_meant_in_several_ways() {
        let own = str::to_owned;
        for (text, expect) in [
            ("/dev/sda1", Some(Wanted::Name(own("sda1")))),
            ("/dev/cciss/c0d0", Some(Wanted::Name(own("cciss/c0d0")))),
            ("254:1", Some(Wanted::Numbers(own("254:1")))),
            ("LABEL=root", Some(Wanted::Label(own("root")))),
            ("UUID=01-02", Some(Wanted::Uuid(own("01-02")))),
            ("PARTUUID=ab-01", Some(Wanted::PartUuid(own("ab-01")))),
            ("PARTLABEL=a=b", Some(Wanted::PartLabel(own("a=b")))),
            ("/dev/disk/by-partuuid/ab", Some(Wanted::PartUuid(own("ab")))),
            ("LABEL=", None),
            ("/dev/", None),
            ("/dev/../etc/x", None),
            ("sda1", None),
            ("8:", None),
            ("", None),
        ] {
            assert_eq!(Wanted::parse(text), expect, "{text}");
        }
    }
}
