//! Control group limits and id mappings: the part of the OCI runtime specification that manifests spell out.
//!
//! Field names are the specification's. LinuxKit's decoder knew them only in lower case; both are read here.

use std::collections::BTreeMap;

use crate::Diagnostics;
use crate::data::Data;
use crate::decode::{Mapping, boolean, integer, list, map_of, text, wrong_type};
use crate::dump::{Fields, Written};
use crate::schema::{Field, Object, Shape, Shaped, field};
use crate::yaml::{Kind, Node, Value};

/// Declares a structure of optional fields together with its decoder and its form in documents.
macro_rules! section {
    (
        $(#[doc = $doc:literal])*
        $name:ident, $what:literal, $decoder:ident {
            $($(#[doc = $field_doc:literal])* $field:ident : $type:ty = $key:literal, $decode:expr;)*
        }
    ) => {
        $(#[doc = $doc])*
        #[derive(Debug, Clone, Default, PartialEq)]
        pub struct $name {
            $($(#[doc = $field_doc])* pub $field: Option<$type>,)*
        }

        pub(crate) fn $decoder(node: &Node, out: &mut Diagnostics) -> Option<$name> {
            let map = Mapping::object(node, $what, $name::OBJECT, out)?;
            Some($name { $($field: map.get($key, out, $decode),)* })
        }

        impl $name {
            const OBJECT: &'static Object = {
                static FIELDS: &[Field] = &[$(field($key, <$type as Shaped>::SHAPE, &[$($field_doc),*])),*];
                static OBJECT: Object = Object {
                    name: stringify!($name),
                    place: $what,
                    fields: FIELDS,
                    lower_case: true,
                };
                &OBJECT
            };
        }

        impl Shaped for $name {
            const SHAPE: Shape = Shape::Object($name::OBJECT);
        }

        impl Written for $name {
            fn written(&self) -> Data {
                let mut fields = Fields::default();
                $(fields.add($key, self.$field.as_ref());)*
                fields.data()
            }
        }
    };
}

section! {
    /// Control group limits.
    Resources, "`resources`", resources {
        /// Which devices may be used, first to last.
        devices: Vec<DeviceRule> = "devices", list(device_rule);
        /// Memory.
        memory: Memory = "memory", memory;
        /// Processor time.
        cpu: Cpu = "cpu", cpu;
        /// Number of processes.
        pids: Pids = "pids", pids;
        /// Block devices.
        block_io: BlockIo = "blockIO", block_io;
        /// Huge pages.
        hugepage_limits: Vec<HugepageLimit> = "hugepageLimits", list(hugepage_limit);
        /// Network classes.
        network: Network = "network", network;
        /// RDMA, by device.
        rdma: BTreeMap<String, Rdma> = "rdma", map_of(rdma);
        /// Any cgroup v2 file and its content. IronKit's addition.
        unified: BTreeMap<String, String> = "unified", map_of(text);
    }
}

section! {
    /// Whether devices may be used.
    DeviceRule, "a device rule", device_rule {
        /// Allow or deny; deny when absent.
        allow: bool = "allow", boolean;
        /// `a` for all, `c` or `b`.
        kind: String = "type", text;
        /// Major number; any when absent.
        major: i64 = "major", integer;
        /// Minor number; any when absent.
        minor: i64 = "minor", integer;
        /// Any of `r`, `w`, `m`.
        access: String = "access", text;
    }
}

section! {
    /// Memory limits in bytes; -1 for none.
    Memory, "`memory`", memory {
        /// Hard limit.
        limit: i64 = "limit", integer;
        /// Soft limit.
        reservation: i64 = "reservation", integer;
        /// Memory and swap together.
        swap: i64 = "swap", integer;
        /// Kernel memory.
        kernel: i64 = "kernel", integer;
        /// Kernel memory for TCP.
        kernel_tcp: i64 = "kernelTCP", integer;
        /// 0 to 100.
        swappiness: u64 = "swappiness", integer;
        /// Leave a container that is out of memory waiting.
        disable_oom_killer: bool = "disableOOMKiller", boolean;
        /// Account for children.
        use_hierarchy: bool = "useHierarchy", boolean;
        /// Check a new limit against the use.
        check_before_update: bool = "checkBeforeUpdate", boolean;
    }
}

section! {
    /// Processor limits.
    Cpu, "`cpu`", cpu {
        /// Relative weight.
        shares: u64 = "shares", integer;
        /// Microseconds in a period.
        quota: i64 = "quota", integer;
        /// Microseconds that may be saved up.
        burst: u64 = "burst", integer;
        /// Length of a period in microseconds.
        period: u64 = "period", integer;
        /// Real-time microseconds in a period.
        realtime_runtime: i64 = "realtimeRuntime", integer;
        /// Real-time period.
        realtime_period: u64 = "realtimePeriod", integer;
        /// Processors, `0-3,5`.
        cpus: String = "cpus", text;
        /// Memory nodes.
        mems: String = "mems", text;
        /// 1 lets only idle time be used.
        idle: i64 = "idle", integer;
    }
}

section! {
    /// Limit of the number of processes.
    Pids, "`pids`", pids {
        /// Largest number; 0 or less for none.
        limit: i64 = "limit", integer;
    }
}

section! {
    /// Block device limits.
    BlockIo, "`blockIO`", block_io {
        /// Relative weight, 10 to 1000.
        weight: u16 = "weight", integer;
        /// Weight against children.
        leaf_weight: u16 = "leafWeight", integer;
        /// Weight by device.
        weight_device: Vec<WeightDevice> = "weightDevice", list(weight_device);
        /// Bytes read a second.
        throttle_read_bps_device: Vec<ThrottleDevice> = "throttleReadBpsDevice", list(throttle_device);
        /// Bytes written a second.
        throttle_write_bps_device: Vec<ThrottleDevice> = "throttleWriteBpsDevice", list(throttle_device);
        /// Reads a second.
        throttle_read_iops_device: Vec<ThrottleDevice> = "throttleReadIOPSDevice", list(throttle_device);
        /// Writes a second.
        throttle_write_iops_device: Vec<ThrottleDevice> = "throttleWriteIOPSDevice", list(throttle_device);
    }
}

section! {
    /// Weight of one device.
    WeightDevice, "an entry of `weightDevice`", weight_device {
        /// Major number.
        major: i64 = "major", integer;
        /// Minor number.
        minor: i64 = "minor", integer;
        /// Relative weight.
        weight: u16 = "weight", integer;
        /// Weight against children.
        leaf_weight: u16 = "leafWeight", integer;
    }
}

section! {
    /// Limit of one device.
    ThrottleDevice, "a device limit", throttle_device {
        /// Major number.
        major: i64 = "major", integer;
        /// Minor number.
        minor: i64 = "minor", integer;
        /// A second.
        rate: u64 = "rate", integer;
    }
}

section! {
    /// Limit of huge pages.
    HugepageLimit, "a huge page limit", hugepage_limit {
        /// `2MB`, `1GB`. A number of bytes in the manifest is turned into this form.
        page_size: PageSize = "pageSize", page_size;
        /// In bytes.
        limit: u64 = "limit", integer;
    }
}

section! {
    /// Network classes.
    Network, "`network`", network {
        /// Class of packets.
        class_id: u32 = "classID", integer;
        /// By interface.
        priorities: Vec<InterfacePriority> = "priorities", list(interface_priority);
    }
}

section! {
    /// Priority of an interface.
    InterfacePriority, "a priority", interface_priority {
        /// The interface.
        name: String = "name", text;
        /// Its priority.
        priority: u32 = "priority", integer;
    }
}

section! {
    /// RDMA limits of a device.
    Rdma, "an RDMA limit", rdma {
        /// Handles.
        hca_handles: u32 = "hcaHandles", integer;
        /// Objects.
        hca_objects: u32 = "hcaObjects", integer;
    }
}

section! {
    /// A range of ids; absent numbers are 0.
    IdMapping, "an id mapping", id_mapping {
        /// First id inside.
        container_id: u32 = "containerID", integer;
        /// First id outside.
        host_id: u32 = "hostID", integer;
        /// Number of ids.
        size: u32 = "size", integer;
    }
}

/// A size of pages with its unit: `2MB`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PageSize(pub String);

impl Shaped for PageSize {
    const SHAPE: Shape = Shape::PageSize;
}

impl Written for PageSize {
    fn written(&self) -> Data {
        self.0.written()
    }
}

/// LinuxKit's schema wants a number here, the OCI specification a string with a unit: both are taken.
fn page_size(node: &Node, out: &mut Diagnostics) -> Option<PageSize> {
    const UNITS: [(i128, &str); 3] = [(1 << 30, "GB"), (1 << 20, "MB"), (1 << 10, "KB")];
    match &node.value {
        Value::Scalar(scalar) if scalar.kind == Kind::String => Some(PageSize(scalar.text.clone())),
        Value::Scalar(scalar) => match scalar.kind {
            Kind::Integer(bytes) if bytes > 0 => {
                let unit = UNITS.iter().find(|(unit, _)| bytes % unit == 0);
                Some(PageSize(unit.map_or_else(
                    || format!("{bytes}B"),
                    |(unit, name)| format!("{}{name}", bytes / unit),
                )))
            }
            _ => {
                wrong_type(node, "a size like `2MB`", out);
                None
            }
        },
        _ => {
            wrong_type(node, "a size like `2MB`", out);
            None
        }
    }
}
