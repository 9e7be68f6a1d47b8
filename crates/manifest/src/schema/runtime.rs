//! Fields of `runtime`.

use super::Shape::{Boolean, Integer, List, Object as Nested, Text, Words};
use super::{MOUNT, Object, Shape, TEXTS, field, required};

/// Seconds.
const SECONDS: Shape = Integer(0, u32::MAX as i128);

/// `runtime`.
pub static RUNTIME: Object = Object {
    name: "runtime",
    place: "`runtime`",
    lower_case: false,
    fields: &[
        field(
            "cgroups",
            TEXTS,
            &["Control groups that are created first. None by default."],
        ),
        field(
            "mounts",
            List(&Nested(&MOUNT)),
            &["Mounts that are made before the container is created. None by default."],
        ),
        field(
            "mkdir",
            TEXTS,
            &["Directories that are made after these mounts. None by default."],
        ),
        field(
            "interfaces",
            List(&Nested(&INTERFACE)),
            &["Network interfaces that are created, or moved into the container. None by default."],
        ),
        field(
            "bindNS",
            Nested(&BIND_NAMESPACES),
            &["Files on which the container's namespaces are bound. Merged with the label's one by one."],
        ),
        field(
            "namespace",
            Text,
            &["containerd's namespace. No effect in IronKit's own runtime."],
        ),
        field(
            "restart",
            Words(&["always", "on-failure", "never"]),
            &["When a service is started again. `on-failure` by default. IronKit's addition."],
        ),
        field(
            "onFailure",
            Words(&["continue", "stop", "poweroff", "reboot"]),
            &["What follows when an onboot container fails. `continue` by default. IronKit's addition."],
        ),
        field(
            "timeout",
            SECONDS,
            &[
                "Seconds after which an onboot or onshutdown container is killed; 0 for never. Never by default for onboot, 60 for onshutdown. IronKit's addition.",
            ],
        ),
        field(
            "stopTimeout",
            SECONDS,
            &["Seconds between a service's stop signal and SIGKILL. 10 by default. IronKit's addition."],
        ),
        field(
            "stopSignal",
            Text,
            &["A service's stop signal. `SIGTERM` by default. IronKit's addition."],
        ),
        field(
            "seccomp",
            Words(&["default", "unconfined"]),
            &["Filter of system calls. None by default. IronKit's addition."],
        ),
    ],
};

/// An entry of `interfaces`.
pub static INTERFACE: Object = Object {
    name: "interface",
    place: "an entry of `interfaces`",
    lower_case: false,
    fields: &[
        required("name", Text, &["Its name."]),
        field(
            "add",
            Text,
            &["Kind of link that is created, as `veth`. Without it an existing one is moved."],
        ),
        field("peer", Text, &["The other end of a `veth`."]),
        field(
            "createInRoot",
            Boolean,
            &["Creates it in the root network namespace and then moves it. `false` by default."],
        ),
    ],
};

/// `bindNS`.
pub static BIND_NAMESPACES: Object = Object {
    name: "bindNamespaces",
    place: "`bindNS`",
    lower_case: false,
    fields: &[
        field("cgroup", Text, &["File for the cgroup namespace."]),
        field("ipc", Text, &["File for the IPC namespace."]),
        field("mnt", Text, &["File for the mount namespace."]),
        field("net", Text, &["File for the network namespace."]),
        field("pid", Text, &["File for the PID namespace."]),
        field("user", Text, &["File for the user namespace."]),
        field("uts", Text, &["File for the UTS namespace."]),
    ],
};
