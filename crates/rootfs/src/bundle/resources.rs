//! `linux.resources` out of the manifest's `resources:`: the same fields, with the specification's names.

use ironkit_contract::oci;
use ironkit_manifest as manifest;

/// The limits as config.json has them.
pub(crate) fn resources(given: &manifest::Resources) -> oci::Resources {
    oci::Resources {
        devices: given.devices.iter().flatten().map(device_rule).collect(),
        memory: given.memory.as_ref().map(memory),
        cpu: given.cpu.as_ref().map(cpu),
        pids: given.pids.as_ref().map(|pids| oci::Pids {
            limit: pids.limit.unwrap_or(0),
        }),
        block_io: given.block_io.as_ref().map(block_io),
        hugepage_limits: given
            .hugepage_limits
            .iter()
            .flatten()
            .map(hugepage_limit)
            .collect(),
        network: given.network.as_ref().map(network),
        rdma: given
            .rdma
            .iter()
            .flatten()
            .map(|(device, limit)| (device.clone(), rdma(limit)))
            .collect(),
        unified: given.unified.clone().unwrap_or_default(),
    }
}

/// A range of ids.
pub(crate) fn id_mapping(mapping: &manifest::IdMapping) -> oci::IdMapping {
    oci::IdMapping {
        container_id: mapping.container_id.unwrap_or(0),
        host_id: mapping.host_id.unwrap_or(0),
        size: mapping.size.unwrap_or(0),
    }
}

fn device_rule(rule: &manifest::DeviceRule) -> oci::DeviceRule {
    oci::DeviceRule {
        allow: rule.allow.unwrap_or(false),
        kind: rule.kind.clone().unwrap_or_default(),
        major: rule.major,
        minor: rule.minor,
        access: rule.access.clone().unwrap_or_default(),
    }
}

fn memory(given: &manifest::Memory) -> oci::Memory {
    oci::Memory {
        limit: given.limit,
        reservation: given.reservation,
        swap: given.swap,
        kernel: given.kernel,
        kernel_tcp: given.kernel_tcp,
        swappiness: given.swappiness,
        disable_oom_killer: given.disable_oom_killer,
        use_hierarchy: given.use_hierarchy,
        check_before_update: given.check_before_update,
    }
}

fn cpu(given: &manifest::Cpu) -> oci::Cpu {
    oci::Cpu {
        shares: given.shares,
        quota: given.quota,
        burst: given.burst,
        period: given.period,
        realtime_runtime: given.realtime_runtime,
        realtime_period: given.realtime_period,
        cpus: given.cpus.clone().unwrap_or_default(),
        mems: given.mems.clone().unwrap_or_default(),
        idle: given.idle,
    }
}

fn block_io(given: &manifest::BlockIo) -> oci::BlockIo {
    let throttle = |devices: &Option<Vec<manifest::ThrottleDevice>>| {
        let device = |device: &manifest::ThrottleDevice| oci::ThrottleDevice {
            major: device.major.unwrap_or(0),
            minor: device.minor.unwrap_or(0),
            rate: device.rate.unwrap_or(0),
        };
        devices.iter().flatten().map(device).collect()
    };
    let weight = |device: &manifest::WeightDevice| oci::WeightDevice {
        major: device.major.unwrap_or(0),
        minor: device.minor.unwrap_or(0),
        weight: device.weight,
        leaf_weight: device.leaf_weight,
    };
    oci::BlockIo {
        weight: given.weight,
        leaf_weight: given.leaf_weight,
        weight_device: given.weight_device.iter().flatten().map(weight).collect(),
        throttle_read_bps_device: throttle(&given.throttle_read_bps_device),
        throttle_write_bps_device: throttle(&given.throttle_write_bps_device),
        throttle_read_iops_device: throttle(&given.throttle_read_iops_device),
        throttle_write_iops_device: throttle(&given.throttle_write_iops_device),
    }
}

fn hugepage_limit(limit: &manifest::HugepageLimit) -> oci::HugepageLimit {
    oci::HugepageLimit {
        page_size: limit.page_size.clone().unwrap_or_default().0,
        limit: limit.limit.unwrap_or(0),
    }
}

fn network(given: &manifest::Network) -> oci::Network {
    let priority = |priority: &manifest::InterfacePriority| oci::InterfacePriority {
        name: priority.name.clone().unwrap_or_default(),
        priority: priority.priority.unwrap_or(0),
    };
    oci::Network {
        class_id: given.class_id,
        priorities: given.priorities.iter().flatten().map(priority).collect(),
    }
}

fn rdma(limit: &manifest::Rdma) -> oci::Rdma {
    oci::Rdma {
        hca_handles: limit.hca_handles,
        hca_objects: limit.hca_objects,
    }
}
