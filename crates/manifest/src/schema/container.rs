//! Fields of containers, their mounts and devices.

use super::Shape::{Boolean, Id, Integer, List, Map, Object as Nested, Pattern, Text, Words};
use super::manifest::{IMAGE, MODE};
use super::{Object, RUNTIME, Shape, Shaped, TEXTS, field, required};
use crate::resources::{IdMapping, Resources};

/// Names of capabilities, or one word.
const CAPABILITIES: Shape = List(&Shape::Capability);
/// `source:destination[:options]`.
const BINDS: Shape = List(&Pattern("^[^:]+:[^:]+(:[^:]*)?$"));
/// A namespace.
const NAMESPACE: Shape = Text;

/// An entry of `onboot`, `onshutdown` or `services`.
pub static CONTAINER: Object = Object {
    name: "container",
    place: "an entry of `onboot`, `onshutdown` or `services`",
    lower_case: false,
    fields: &[
        required(
            "name",
            Pattern("^[^\\u0000]+$"),
            &["Its name, which becomes part of a path, and a user: named ids count from 100."],
        ),
        required(
            "image",
            IMAGE,
            &["Image reference, or `@pkg:` and a component's folder."],
        ),
        field(
            "capabilities",
            CAPABILITIES,
            &[
                "Capabilities, `CAP_NET_ADMIN`; or `all` or `none` alone. Replaces the label's list. None by default.",
            ],
        ),
        field(
            "capabilities.add",
            CAPABILITIES,
            &["Capabilities beside those of the label. No effect where `capabilities` is given."],
        ),
        field(
            "ambient",
            CAPABILITIES,
            &["Ambient capabilities: those that a program without privileges keeps. None by default."],
        ),
        field(
            "mounts",
            List(&Nested(&MOUNT)),
            &["Mounts. They replace binds, tmpfs and default mounts with the same destination."],
        ),
        field(
            "binds",
            BINDS,
            &[
                "Bind mounts `source:destination[:options]`; the source is an absolute path or a volume's name. Options are ",
                "`rw,rbind,rshared` unless they are given; `rbind` is always added. Replaces the label's list.",
            ],
        ),
        field(
            "binds.add",
            BINDS,
            &["Binds beside those of the label. No effect where `binds` is given."],
        ),
        field(
            "devices",
            List(&Nested(&DEVICE)),
            &["Device nodes, which the container may then use."],
        ),
        field(
            "tmpfs",
            List(&Pattern("^[^:]*(:[^:]*)?$")),
            &["File systems in memory, `destination[:options]`."],
        ),
        field(
            "command",
            TEXTS,
            &["Program and arguments. The image's Entrypoint and Cmd by default."],
        ),
        field(
            "env",
            TEXTS,
            &["Environment, `NAME=value`. Replaces the image's as a whole, `PATH` with it."],
        ),
        field(
            "cwd",
            Text,
            &["Working directory. The image's by default, else `/`."],
        ),
        field(
            "net",
            NAMESPACE,
            &["Network namespace: `host` or `root`, `new` or `none`, or a path. The host's by default."],
        ),
        field(
            "ipc",
            NAMESPACE,
            &["IPC namespace: `host` or `root`, `new`, or a path. The host's by default."],
        ),
        field(
            "uts",
            NAMESPACE,
            &["UTS namespace: `host` or `root`, `new`, or a path. The host's by default."],
        ),
        field(
            "pid",
            NAMESPACE,
            &["PID namespace: `host` or `root`, `new`, or a path. A new one by default."],
        ),
        field(
            "userns",
            NAMESPACE,
            &["User namespace: `host` or `root`, `new`, or a path. The host's by default."],
        ),
        field("hostname", Text, &["Host name; needs `uts: new`."]),
        field(
            "readonly",
            Boolean,
            &["Whether the root file system is read-only. `false` by default."],
        ),
        field(
            "maskedPaths",
            TEXTS,
            &["Paths that are made unreadable. None by default."],
        ),
        field(
            "readonlyPaths",
            TEXTS,
            &["Paths that are made read-only. None by default."],
        ),
        field(
            "uid",
            Id,
            &[
                "User: a number, or the name of a container that has one. 0 by default, whatever the image says.",
            ],
        ),
        field(
            "gid",
            Id,
            &["Group: a number, or the name of a container that has one. 0 by default."],
        ),
        field(
            "additionalGids",
            List(&Id),
            &["Supplementary groups. None by default."],
        ),
        field(
            "noNewPrivileges",
            Boolean,
            &["Whether set-uid programs give no privileges. `false` by default."],
        ),
        field(
            "oomScoreAdj",
            Integer(-1000, 1000),
            &["How readily the kernel kills it when memory runs out. The kernel's 0 by default."],
        ),
        field(
            "rootfsPropagation",
            Words(&[
                "",
                "shared",
                "slave",
                "private",
                "unbindable",
                "rshared",
                "rslave",
                "rprivate",
                "runbindable",
            ]),
            &["Propagation of mounts of its root. The runtime's own by default."],
        ),
        field(
            "cgroupsPath",
            Text,
            &["Control group. The runtime chooses by default."],
        ),
        field(
            "resources",
            Resources::SHAPE,
            &["Control group limits. Replaces the label's as a whole."],
        ),
        field(
            "sysctl",
            Map(&Text),
            &["Kernel parameters. Replaces the label's as a whole."],
        ),
        field(
            "annotations",
            Map(&Text),
            &["Anything, for whoever reads config.json. Replaces the label's as a whole."],
        ),
        field(
            "rlimits",
            List(&Pattern("^[^,]+,[^,]+,[^,]+$")),
            &["Resource limits `name,soft,hard`: `nofile,1024,unlimited`. The kernel's by default."],
        ),
        field(
            "uidMappings",
            <Vec<IdMapping>>::SHAPE,
            &["Users of a new user namespace. None by default."],
        ),
        field(
            "gidMappings",
            <Vec<IdMapping>>::SHAPE,
            &["Groups of a new user namespace. None by default."],
        ),
        field(
            "runtime",
            Nested(&RUNTIME),
            &["What is done around the container. Merged with the label's field by field."],
        ),
    ],
};

/// An entry of `mounts`.
pub static MOUNT: Object = Object {
    name: "mount",
    place: "an entry of `mounts`",
    lower_case: true,
    fields: &[
        field(
            "destination",
            Text,
            &["Where, in the container. Known by the type for proc, devpts, sysfs, cgroup and mqueue."],
        ),
        field(
            "type",
            Text,
            &[
                "File system type, or `bind`. Known by the source for proc, devpts, sysfs, cgroup and mqueue; tmpfs for /dev.",
            ],
        ),
        field(
            "source",
            Text,
            &["Device, path or word; of a bind also a volume's name. The type by default."],
        ),
        field(
            "options",
            TEXTS,
            &["Options as mount(8) has them. None by default, also where a default mount is replaced."],
        ),
        field(
            "uidMappings",
            <Vec<IdMapping>>::SHAPE,
            &["Users of an id-mapped mount. None by default."],
        ),
        field(
            "gidMappings",
            <Vec<IdMapping>>::SHAPE,
            &["Groups of an id-mapped mount. None by default."],
        ),
    ],
};

/// An entry of `devices`.
pub static DEVICE: Object = Object {
    name: "device",
    place: "an entry of `devices`",
    lower_case: false,
    fields: &[
        required(
            "path",
            Text,
            &["Path of the node; or `all`, which makes none and allows all devices of the type."],
        ),
        field(
            "type",
            Words(&["", "a", "b", "c", "u", "p"]),
            &["`b` for block devices, `c` for character devices; with `all` also `a`."],
        ),
        field(
            "major",
            Integer(i64::MIN as i128, i64::MAX as i128),
            &["Major number. 0 by default."],
        ),
        field(
            "minor",
            Integer(i64::MIN as i128, i64::MAX as i128),
            &["Minor number. 0 by default."],
        ),
        field(
            "mode",
            MODE,
            &["Permissions, as octal digits in quotes. Must be there, but for `all`."],
        ),
    ],
};
