//! LinuxKit's spelling of ports and disks → values.

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use crate::{Accel, Arch, Bus, Disk, DiskFormat, Error, Mac, Protocol, Publish};

/// A text that does not say what it should.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not {expected}: {problem}")]
pub struct SpellingError {
    /// What was found.
    pub text: String,
    /// What was expected.
    pub expected: &'static str,
    /// Where it goes wrong.
    pub problem: String,
}

/// A disk as `--disk` spells it: `file=PATH,size=1G,format=qcow2` in any order, or a size alone, or a path
/// alone. A number without a unit counts GiB, as in LinuxKit.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DiskSpec {
    /// The file, if named.
    pub path: Option<PathBuf>,
    /// The size in MiB, if given.
    pub size_mib: Option<u64>,
    /// The format, if given.
    pub format: Option<DiskFormat>,
}

/// A folder as `--share` and `--virtiofs` spell it: `DIR`, and then `,tag=NAME` and `,ro` as wanted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ShareSpec {
    /// The folder.
    pub folder: PathBuf,
    /// Its name in the guest, if given.
    pub tag: Option<String>,
    /// Whether the guest can only read.
    pub read_only: bool,
}

impl SpellingError {
    /// How it is spelled.
    pub fn hint(&self) -> Option<String> {
        match self.expected {
            PUBLISH => Some("HOST:GUEST, HOST:GUEST/udp or ADDRESS:HOST:GUEST, as in 8080:80".to_owned()),
            DISK => Some("file=PATH,size=1G,format=qcow2, or just 1G".to_owned()),
            ACCEL => Some("auto, kvm or tcg".to_owned()),
            SHARE => Some("DIR, DIR,tag=NAME or DIR,tag=NAME,ro".to_owned()),
            _ => None,
        }
    }
}

impl DiskSpec {
    /// The disk that is meant by the `index`th `--disk`. As in LinuxKit, one that has a size but no name becomes
    /// `disk.img`, `disk1.img` … in `state`, and one that has a size but no format is a qcow2.
    pub fn place(&self, index: usize, state: &Path) -> Result<Disk, Error> {
        let number = if index == 0 {
            String::new()
        } else {
            index.to_string()
        };
        let path = match (&self.path, self.size_mib) {
            (Some(path), _) => path.clone(),
            (None, Some(_)) => state.join(format!("disk{number}.img")),
            (None, None) => return Err(disk_error("", "neither a file nor a size".to_owned()).into()),
        };
        let format = self.format.or(self.size_mib.map(|_| DiskFormat::Qcow2));
        Ok(Disk {
            path,
            size_mib: self.size_mib,
            format,
            bus: Bus::Board,
        })
    }
}

const PUBLISH: &str = "a published port";
const DISK: &str = "a disk";
const ACCEL: &str = "an accelerator";
const ARCH: &str = "a processor architecture";
const SHARE: &str = "a folder to share";
const MAC: &str = "a network card's address";

/// QEMU's limit for virtiofs is 36 bytes, that of 9p's mount tags 31.
const TAG_BYTES: usize = 31;

impl FromStr for Publish {
    type Err = SpellingError;

    fn from_str(text: &str) -> Result<Publish, SpellingError> {
        let error = |problem: String| SpellingError {
            text: text.to_owned(),
            expected: PUBLISH,
            problem,
        };
        let (ports, protocol) = match text.split_once('/') {
            None => (text, Protocol::Tcp),
            Some((ports, "tcp")) => (ports, Protocol::Tcp),
            Some((ports, "udp")) => (ports, Protocol::Udp),
            Some((_, other)) => return Err(error(format!("`{other}` is neither tcp nor udp"))),
        };
        let (address, host, guest) = match ports.split(':').collect::<Vec<_>>()[..] {
            [host, guest] => (None, host, guest),
            [address, host, guest] => (Some(address), host, guest),
            _ => return Err(error("expected two ports with a colon between them".to_owned())),
        };
        let port = |text: &str| match text.parse::<u16>() {
            Ok(port) if port != 0 => Ok(port),
            _ => Err(error(format!("`{text}` is not a port from 1 to 65535"))),
        };
        let address = address.map(str::parse::<Ipv4Addr>).transpose();
        Ok(Publish {
            host_address: address.map_err(|_| error("the address is not one of IPv4".to_owned()))?,
            host: port(host)?,
            guest: port(guest)?,
            protocol,
        })
    }
}

impl FromStr for DiskSpec {
    type Err = SpellingError;

    fn from_str(text: &str) -> Result<DiskSpec, SpellingError> {
        if !text.contains('=') {
            return match size(text) {
                Some(size) => Ok(DiskSpec {
                    size_mib: Some(size),
                    ..DiskSpec::default()
                }),
                None if text.is_empty() => Err(disk_error(text, "neither a file nor a size".to_owned())),
                None => Ok(DiskSpec {
                    path: Some(text.into()),
                    ..DiskSpec::default()
                }),
            };
        }
        let mut spec = DiskSpec::default();
        for part in text.split(',') {
            match part.split_once('=') {
                Some(("file", "")) => return Err(disk_error(text, "the file has no name".to_owned())),
                Some(("file", path)) => spec.path = Some(path.into()),
                Some(("size", value)) => {
                    let problem = || disk_error(text, format!("`{value}` is not a size like 512M or 1G"));
                    spec.size_mib = Some(size(value).ok_or_else(problem)?);
                }
                Some(("format", name)) => {
                    let problem = || disk_error(text, format!("the format `{name}` is not known"));
                    spec.format = Some(format(name).ok_or_else(problem)?);
                }
                _ => {
                    return Err(disk_error(
                        text,
                        format!("`{part}` is none of file=, size= and format="),
                    ));
                }
            }
        }
        Ok(spec)
    }
}

impl FromStr for ShareSpec {
    type Err = SpellingError;

    fn from_str(text: &str) -> Result<ShareSpec, SpellingError> {
        let error = |problem: String| SpellingError {
            text: text.to_owned(),
            expected: SHARE,
            problem,
        };
        let mut words = text.split(',');
        let mut spec = ShareSpec {
            folder: words.next().unwrap_or_default().into(),
            ..ShareSpec::default()
        };
        if spec.folder.as_os_str().is_empty() {
            return Err(error("the folder has no name".to_owned()));
        }
        for word in words {
            match word.split_once('=') {
                Some(("tag", tag)) if !tag.is_empty() && tag.len() <= TAG_BYTES => {
                    spec.tag = Some(tag.to_owned());
                }
                Some(("tag", _)) => return Err(error(format!("a tag has 1 to {TAG_BYTES} bytes"))),
                None if word == "ro" => spec.read_only = true,
                _ => return Err(error(format!("`{word}` is neither tag= nor ro"))),
            }
        }
        Ok(spec)
    }
}

impl FromStr for Mac {
    type Err = SpellingError;

    fn from_str(text: &str) -> Result<Mac, SpellingError> {
        let mut bytes = text.split(':').map(|byte| match byte.len() {
            2 => u8::from_str_radix(byte, 16).ok(),
            _ => None,
        });
        let mut mac = [0; 6];
        let filled = mac.iter_mut().all(|place| match bytes.next().flatten() {
            Some(byte) => {
                *place = byte;
                true
            }
            None => false,
        });
        let problem = match (filled && bytes.next().is_none(), mac[0] & 1) {
            (true, 0) => return Ok(Mac(mac)),
            (true, _) => "it is a group's address",
            (false, _) => "not six bytes in hexadecimal with colons between them",
        };
        Err(SpellingError {
            text: text.to_owned(),
            expected: MAC,
            problem: problem.to_owned(),
        })
    }
}

impl FromStr for Accel {
    type Err = SpellingError;

    fn from_str(text: &str) -> Result<Accel, SpellingError> {
        match text {
            // QEMU's and LinuxKit's way to say: the first that works.
            "auto" | "kvm:tcg" => Ok(Accel::Auto),
            "kvm" => Ok(Accel::Kvm),
            "tcg" => Ok(Accel::Tcg),
            _ => Err(SpellingError {
                text: text.to_owned(),
                expected: ACCEL,
                problem: "not one of auto, kvm and tcg".to_owned(),
            }),
        }
    }
}

impl FromStr for Arch {
    type Err = SpellingError;

    /// Takes the kernel's names and those of OCI.
    fn from_str(text: &str) -> Result<Arch, SpellingError> {
        match text {
            "x86_64" | "amd64" => Ok(Arch::X86_64),
            "aarch64" | "arm64" => Ok(Arch::Aarch64),
            "riscv64" => Ok(Arch::Riscv64),
            _ => Err(SpellingError {
                text: text.to_owned(),
                expected: ARCH,
                problem: "machines with it are not supported yet".to_owned(),
            }),
        }
    }
}

/// `1G`, `512M` or `1` in MiB; `None` also for nothing at all, and past what fits.
fn size(text: &str) -> Option<u64> {
    let (number, factor) = match text.as_bytes().last()? {
        b'G' => (&text[..text.len() - 1], 1024),
        b'M' => (&text[..text.len() - 1], 1),
        _ => (text, 1024),
    };
    // A sign is no part of a size, though `parse` takes one.
    let number = number
        .bytes()
        .all(|byte| byte.is_ascii_digit())
        .then_some(number)?;
    number
        .parse::<u64>()
        .ok()
        .filter(|&number| number > 0)?
        .checked_mul(factor)
}

fn format(name: &str) -> Option<DiskFormat> {
    use DiskFormat::{Qcow2, Raw, Vhdx, Vmdk, Vpc};
    [Raw, Qcow2, Vpc, Vhdx, Vmdk]
        .into_iter()
        .find(|format| format.name() == name)
}

fn disk_error(text: &str, problem: String) -> SpellingError {
    SpellingError {
        text: text.to_owned(),
        expected: DISK,
        problem,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn published_ports() {
        let port = |host_address, host, guest, protocol| Publish {
            host_address,
            host,
            guest,
            protocol,
        };
        for (text, expect) in [
            ("8080:80", port(None, 8080, 80, Protocol::Tcp)),
            ("8080:80/tcp", port(None, 8080, 80, Protocol::Tcp)),
            ("65535:1/udp", port(None, 65535, 1, Protocol::Udp)),
            (
                "127.0.0.1:8080:80",
                port(Some(Ipv4Addr::LOCALHOST), 8080, 80, Protocol::Tcp),
            ),
            (
                "0.0.0.0:53:5353/udp",
                port(Some(Ipv4Addr::UNSPECIFIED), 53, 5353, Protocol::Udp),
            ),
        ] {
            assert_eq!(text.parse(), Ok(expect), "{text}");
        }
        for bad in [
            "",
            "80",
            ":80",
            "80:",
            "a:80",
            "80:65536",
            "0:80",
            "80:80/",
            "80:80/sctp",
            "80:80:80",
            "::1:80:80",
            "localhost:80:80",
            "1.2.3.4:5:6:7",
            "80:80,hostfwd=x",
        ] {
            let error = bad.parse::<Publish>().expect_err(bad);
            assert!(
                error
                    .to_string()
                    .starts_with(&format!("`{bad}` is not a published port: ")),
                "{error}"
            );
        }
    }

    #[test]
    fn disks() {
        let disk = |path: Option<&str>, size_mib, format| DiskSpec {
            path: path.map(PathBuf::from),
            size_mib,
            format,
        };
        for (text, expect) in [
            ("1G", disk(None, Some(1024), None)),
            ("512M", disk(None, Some(512), None)),
            ("2", disk(None, Some(2048), None)),
            ("my.img", disk(Some("my.img"), None, None)),
            (
                "file=my.img,size=1G,format=qcow2",
                disk(Some("my.img"), Some(1024), Some(DiskFormat::Qcow2)),
            ),
            ("format=raw,size=3", disk(None, Some(3072), Some(DiskFormat::Raw))),
        ] {
            assert_eq!(text.parse(), Ok(expect), "{text}");
        }
        for bad in [
            "",
            "file=",
            "size=",
            "size=0",
            "size=-1",
            "size=1T",
            "size=99999999999999999999G",
            "format=iso",
            "path=x",
            "file=x,,size=1",
            "size=18446744073709551615G",
        ] {
            assert!(bad.parse::<DiskSpec>().is_err(), "{bad}");
        }
    }

    #[test]
    fn disks_without_a_name_get_one() {
        let place = |text: &str, index| {
            let disk = text
                .parse::<DiskSpec>()
                .unwrap()
                .place(index, Path::new("state"))
                .unwrap();
            (
                disk.path.to_str().unwrap().to_owned(),
                disk.format.map(DiskFormat::name),
            )
        };
        assert_eq!(place("1G", 0), ("state/disk.img".to_owned(), Some("qcow2")));
        assert_eq!(
            place("size=1G,format=raw", 2),
            ("state/disk2.img".to_owned(), Some("raw"))
        );
        assert_eq!(place("my.img", 1), ("my.img".to_owned(), None));
        assert!(
            "format=raw"
                .parse::<DiskSpec>()
                .unwrap()
                .place(0, Path::new("state"))
                .is_err()
        );
    }

    #[test]
    fn names() {
        assert_eq!("auto".parse(), Ok(Accel::Auto));
        assert_eq!("amd64".parse(), Ok(Arch::X86_64));
        assert!("hvf".parse::<Accel>().is_err());
        assert_eq!("riscv64".parse(), Ok(Arch::Riscv64));
        assert!("s390x".parse::<Arch>().is_err());
    }

    #[test]
    fn shares() {
        let share = |folder: &str, tag: Option<&str>, read_only| ShareSpec {
            folder: folder.into(),
            tag: tag.map(str::to_owned),
            read_only,
        };
        for (text, expect) in [
            ("dir", share("dir", None, false)),
            ("/a b,ro", share("/a b", None, true)),
            ("dir,tag=x,ro", share("dir", Some("x"), true)),
        ] {
            assert_eq!(text.parse(), Ok(expect), "{text}");
        }
        for bad in [
            "",
            ",ro",
            "dir,rw",
            "dir,tag=",
            "dir,tag=01234567890123456789012345678901",
        ] {
            assert!(bad.parse::<ShareSpec>().is_err(), "{bad}");
        }
    }

    #[test]
    fn addresses_of_network_cards() {
        let mac = "02:00:0a:ff:00:01".parse::<Mac>().unwrap();
        assert_eq!(mac.to_string(), "02:00:0a:ff:00:01");
        for bad in [
            "",
            "02:00:0a:ff:00",
            "02:00:0a:ff:00:01:02",
            "2:0:0:0:0:0",
            "0x:00:0a:ff:00:01",
            "03:00:0a:ff:00:01",
        ] {
            assert!(bad.parse::<Mac>().is_err(), "{bad}");
        }
    }
}
