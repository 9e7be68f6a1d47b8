//! A container's control group (version 2): its limits, and the end of all that is in it.
//!
//! Values are converted from the version 1 terms of the OCI specification as runc does.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use ironkit_contract::oci::{BlockIo, Cpu, Memory, Resources};
use ironkit_sys::bpf;
use std::os::fd::AsFd;

use super::devices;
use crate::error::{Error, Result, Step};
use crate::mounts::{CGROUP, enable_controllers};

/// An existing control group.
#[derive(Debug)]
pub struct Cgroup {
    path: PathBuf,
    folder: File,
}

impl Cgroup {
    /// Makes the group that a container's configuration names, else one with the container's name, with its limits.
    pub fn create(wanted: &str, name: &str, resources: &Resources) -> Result<Cgroup> {
        let path = make(if wanted.is_empty() { name } else { wanted })?;
        let folder = File::open(&path).step(|| format!("open {}", path.display()))?;
        let group = Cgroup { path, folder };
        for (file, value) in settings(resources)? {
            let target = group.path.join(&file);
            fs::write(&target, &value).step(|| format!("write {value} to {}", target.display()))?;
        }
        if let Some(program) = devices::program(&resources.devices)? {
            bpf::attach_device_program(group.folder.as_fd(), &program).step(|| "device rules".to_owned())?;
        }
        Ok(group)
    }

    /// The open folder, for clone3(2).
    pub fn folder(&self) -> &File {
        &self.folder
    }

    /// Kills everything in the group.
    pub fn kill(&self) {
        let _ = fs::write(self.path.join("cgroup.kill"), "1");
    }

    /// Takes the group away, unless something is left in it.
    pub fn remove(&self) {
        let _ = fs::remove_dir(&self.path);
    }
}

/// Makes a group and those above it; each of these lets its children have limits.
pub fn make(name: &str) -> Result<PathBuf> {
    let mut path = PathBuf::from(CGROUP);
    for part in Path::new(name).components() {
        let std::path::Component::Normal(part) = part else {
            continue;
        };
        // Fails where processes are in a group with children: limits below it then fail with a message of their own.
        let _ = enable_controllers(&path);
        path.push(part);
        if !path.is_dir() {
            fs::create_dir(&path).step(|| format!("make {}", path.display()))?;
        }
    }
    Ok(path)
}

/// Files of the group and what is written into each, in order.
fn settings(resources: &Resources) -> Result<Vec<(String, String)>> {
    let mut all = Vec::new();
    if let Some(memory) = &resources.memory {
        memory_settings(memory, &mut all)?;
    }
    if let Some(cpu) = &resources.cpu {
        cpu_settings(cpu, &mut all);
    }
    if let Some(pids) = &resources.pids {
        put(
            &mut all,
            "pids.max",
            or_max(Some(pids.limit).filter(|limit| *limit > 0).unwrap_or(-1)),
        );
    }
    if let Some(io) = &resources.block_io {
        io_settings(io, &mut all);
    }
    for huge in &resources.hugepage_limits {
        put(
            &mut all,
            &format!("hugetlb.{}.max", huge.page_size),
            huge.limit.to_string(),
        );
    }
    for (device, limits) in &resources.rdma {
        let handles = limits
            .hca_handles
            .map(|limit| format!(" hca_handle={limit}"))
            .unwrap_or_default();
        let objects = limits
            .hca_objects
            .map(|limit| format!(" hca_object={limit}"))
            .unwrap_or_default();
        put(&mut all, "rdma.max", format!("{device}{handles}{objects}"));
    }
    for (file, value) in &resources.unified {
        if file.contains('/') {
            return Err(Error::Invalid(format!(
                "unified: {file:?} is not the name of a file"
            )));
        }
        put(&mut all, file, value.clone());
    }
    Ok(all)
}

fn memory_settings(memory: &Memory, all: &mut Vec<(String, String)>) -> Result<()> {
    let limit = memory.limit.unwrap_or(0);
    if let Some(swap) = swap_alone(memory.swap.unwrap_or(0), limit)? {
        put(all, "memory.swap.max", or_max(swap));
    }
    if limit != 0 {
        put(all, "memory.max", or_max(limit));
    }
    if let Some(reservation) = memory.reservation.filter(|value| *value != 0) {
        put(all, "memory.low", or_max(reservation));
    }
    Ok(())
}

/// Version 1 limits memory and swap together, version 2 swap alone.
fn swap_alone(both: i64, memory: i64) -> Result<Option<i64>> {
    match (both, memory) {
        (0, -1) => Ok(Some(-1)),
        (0, _) => Ok(None),
        (-1, _) => Ok(Some(-1)),
        (_, memory) if memory <= 0 => Err(Error::Invalid(
            "a limit of swap needs a limit of memory".to_owned(),
        )),
        (both, memory) if both < memory => Err(Error::Invalid(format!(
            "the limit of memory and swap, {both}, is below that of memory, {memory}"
        ))),
        (both, memory) => Ok(Some(both - memory)),
    }
}

fn cpu_settings(cpu: &Cpu, all: &mut Vec<(String, String)>) {
    /// Microseconds, when only a quota is given.
    const PERIOD: u64 = 100_000;
    if let Some(shares) = cpu.shares.filter(|shares| *shares != 0) {
        let weight = 1 + shares.clamp(2, 262_144).saturating_sub(2) * 9999 / 262_142;
        put(all, "cpu.weight", weight.to_string());
    }
    if let Some(idle) = cpu.idle {
        put(all, "cpu.idle", idle.to_string());
    }
    let (quota, period) = (cpu.quota.unwrap_or(0), cpu.period.filter(|period| *period != 0));
    if quota != 0 || period.is_some() {
        put(
            all,
            "cpu.max",
            format!(
                "{} {}",
                or_max(if quota > 0 { quota } else { -1 }),
                period.unwrap_or(PERIOD)
            ),
        );
    }
    if let Some(burst) = cpu.burst {
        put(all, "cpu.max.burst", burst.to_string());
    }
    for (file, value) in [("cpuset.cpus", &cpu.cpus), ("cpuset.mems", &cpu.mems)] {
        if !value.is_empty() {
            put(all, file, value.clone());
        }
    }
}

fn io_settings(io: &BlockIo, all: &mut Vec<(String, String)>) {
    if let Some(weight) = io.weight.filter(|weight| *weight != 0) {
        let weight = 1 + u64::from(weight.saturating_sub(10)) * 9999 / 990;
        put(all, "io.weight", format!("default {weight}"));
    }
    for (devices, key) in [
        (&io.throttle_read_bps_device, "rbps"),
        (&io.throttle_write_bps_device, "wbps"),
        (&io.throttle_read_iops_device, "riops"),
        (&io.throttle_write_iops_device, "wiops"),
    ] {
        for device in devices {
            put(
                all,
                "io.max",
                format!("{}:{} {key}={}", device.major, device.minor, device.rate),
            );
        }
    }
}

fn put(all: &mut Vec<(String, String)>, file: &str, value: String) {
    all.push((file.to_owned(), value));
}

fn or_max(value: i64) -> String {
    if value < 0 {
        "max".to_owned()
    } else {
        value.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(json: &str, expect: Option<&[(&str, &str)]>) {
        let resources: Resources = serde_json::from_str(json).unwrap();
        let got = settings(&resources).ok();
        let expect: Option<Vec<(String, String)>> = expect.map(|all| {
            all.iter()
                .map(|(file, value)| ((*file).to_owned(), (*value).to_owned()))
                .collect()
        });
        assert_eq!(got, expect, "{json}");
    }

    #[test]
    fn limits_become_files() {
        check("{}", Some(&[]));
        check(
            r#"{"memory":{"limit":1048576}}"#,
            Some(&[("memory.max", "1048576")]),
        );
        check(
            r#"{"memory":{"limit":-1}}"#,
            Some(&[("memory.swap.max", "max"), ("memory.max", "max")]),
        );
        check(
            r#"{"memory":{"limit":100,"swap":300,"reservation":50}}"#,
            Some(&[
                ("memory.swap.max", "200"),
                ("memory.max", "100"),
                ("memory.low", "50"),
            ]),
        );
        check(r#"{"memory":{"swap":300}}"#, None);
        check(r#"{"memory":{"limit":300,"swap":100}}"#, None);
        check(r#"{"cpu":{"shares":1024}}"#, Some(&[("cpu.weight", "39")]));
        check(r#"{"cpu":{"shares":2}}"#, Some(&[("cpu.weight", "1")]));
        check(r#"{"cpu":{"shares":262144}}"#, Some(&[("cpu.weight", "10000")]));
        check(
            r#"{"cpu":{"shares":18446744073709551615}}"#,
            Some(&[("cpu.weight", "10000")]),
        );
        check(r#"{"cpu":{"quota":50000}}"#, Some(&[("cpu.max", "50000 100000")]));
        check(
            r#"{"cpu":{"quota":-1,"period":1000}}"#,
            Some(&[("cpu.max", "max 1000")]),
        );
        check(r#"{"cpu":{"cpus":"0-1"}}"#, Some(&[("cpuset.cpus", "0-1")]));
        check(r#"{"pids":{"limit":64}}"#, Some(&[("pids.max", "64")]));
        check(r#"{"pids":{"limit":-1}}"#, Some(&[("pids.max", "max")]));
        check(
            r#"{"blockIO":{"weight":500,"throttleReadBpsDevice":[{"major":8,"minor":0,"rate":9}]}}"#,
            Some(&[("io.weight", "default 4950"), ("io.max", "8:0 rbps=9")]),
        );
        check(
            r#"{"hugepageLimits":[{"pageSize":"2MB","limit":4}]}"#,
            Some(&[("hugetlb.2MB.max", "4")]),
        );
        check(
            r#"{"unified":{"memory.high":"7"}}"#,
            Some(&[("memory.high", "7")]),
        );
        check(r#"{"unified":{"../x":"7"}}"#, None);
    }
}
