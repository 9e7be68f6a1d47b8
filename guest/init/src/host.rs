//! The machine itself: loopback, host name, name servers, clock, limits.

use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use ironkit_contract::paths::RESOLV_CONF;
use ironkit_sys::netlink::Netlink;
use rustix::process::{Resource, Rlimit, setrlimit};
use rustix::time::{ClockId, Timespec, clock_gettime, clock_settime};

use crate::error::{Result, Step};

/// Descriptors that a process may have open; what LinuxKit sets.
const OPEN_FILES: u64 = 1_048_576;

/// Sets all of it up. What failed is returned.
pub fn set_up() -> Vec<String> {
    let steps = [limits(), loopback(), hostname(), resolv_conf(), clock()];
    steps
        .into_iter()
        .filter_map(|step| step.err().map(|error| error.to_string()))
        .collect()
}

fn limits() -> Result<()> {
    let files = Rlimit {
        current: Some(OPEN_FILES),
        maximum: Some(OPEN_FILES),
    };
    setrlimit(Resource::Nofile, files).step(|| "limit of open files".to_owned())?;
    let processes = Rlimit {
        current: None,
        maximum: None,
    };
    setrlimit(Resource::Nproc, processes).step(|| "limit of processes".to_owned())
}

/// The kernel gives the interface its address when it comes up.
fn loopback() -> Result<()> {
    let step = || "loopback".to_owned();
    let index = fs::read_to_string("/sys/class/net/lo/ifindex").step(step)?;
    let index = index.trim().parse().unwrap_or(1);
    Netlink::open()
        .and_then(|netlink| netlink.link_up(index))
        .step(step)
}

fn hostname() -> Result<()> {
    let given = fs::read_to_string("/etc/hostname").unwrap_or_default();
    let mac = first_ethernet(Path::new("/sys/class/net"));
    match choose_name(&given, mac.as_deref()) {
        Some(name) => rustix::system::sethostname(name.as_bytes()).step(|| format!("host name {name}")),
        None => Ok(()),
    }
}

/// The configured name, else one made of a hardware address.
fn choose_name(given: &str, mac: Option<&str>) -> Option<String> {
    match given.lines().map(str::trim).find(|line| !line.is_empty()) {
        Some(name) => Some(name.to_owned()),
        None => mac.map(|mac| format!("ironkit-{}", mac.replace(':', ""))),
    }
}

/// Hardware address of the first Ethernet interface that is a device.
fn first_ethernet(classes: &Path) -> Option<String> {
    let mut links: Vec<PathBuf> = fs::read_dir(classes)
        .ok()?
        .flatten()
        .map(|entry| entry.path())
        .collect();
    links.sort();
    let read = |link: &Path, name: &str| {
        fs::read_to_string(link.join(name))
            .unwrap_or_default()
            .trim()
            .to_owned()
    };
    let ethernet = |link: &&PathBuf| read(link, "type") == "1" && link.join("device").exists();
    links.iter().find(ethernet).map(|link| read(link, "address"))
}

/// Containers bind the file, so it must be there before anyone has an address to write into it; and it is for all
/// users to read.
fn resolv_conf() -> Result<()> {
    let target = fs::read_link("/etc/resolv.conf").unwrap_or_else(|_| PathBuf::from(RESOLV_CONF));
    let target = Path::new("/etc").join(target);
    let step = || format!("make {}", target.display());
    if target.exists() {
        return Ok(());
    }
    if let Some(folder) = target.parent() {
        fs::create_dir_all(folder).step(step)?;
    }
    let file = File::create(&target).step(step)?;
    file.set_permissions(fs::Permissions::from_mode(0o644)).step(step)
}

/// Sets the clock from the hardware's, which is in UTC, when the kernel did not do that.
fn clock() -> Result<()> {
    let Ok(text) = fs::read_to_string("/sys/class/rtc/rtc0/since_epoch") else {
        return Ok(());
    };
    let Ok(seconds) = text.trim().parse::<i64>() else {
        return Ok(());
    };
    if clock_gettime(ClockId::Realtime).tv_sec.abs_diff(seconds) <= 2 {
        return Ok(());
    }
    clock_settime(
        ClockId::Realtime,
        Timespec {
            tv_sec: seconds,
            tv_nsec: 0,
        },
    )
    .step(|| "set the clock".to_owned())
}

#[cfg(test)]
mod tests {
    use super::choose_name;

    #[test]
    fn a_given_name_wins() {
        let mac = Some("52:54:00:12:34:56");
        for (given, mac, expect) in [
            ("box\n", mac, Some("box")),
            ("\n  box  \nother\n", None, Some("box")),
            ("", mac, Some("ironkit-525400123456")),
            ("\n", None, None),
        ] {
            assert_eq!(choose_name(given, mac).as_deref(), expect);
        }
    }
}
