//! Fields of the manifest itself, `kernel`, `volumes` and `files`.

use super::Shape::{Boolean, Id, List, Object as Nested, Pattern, Text, Words};
use super::{CONTAINER, Object, Shape, TEXTS, field, required};

/// An image reference; whether it is well formed is not for a schema to say.
pub(super) const IMAGE: Shape = Pattern("^.+$");
/// Octal digits.
pub(super) const MODE: Shape = Pattern("^0*[0-7]{1,4}$");

/// The manifest.
pub static MANIFEST: Object = Object {
    name: "manifest",
    place: "the top of the manifest",
    lower_case: false,
    fields: &[
        field(
            "kernel",
            Nested(&KERNEL),
            &["The kernel. Only needed where something is to boot."],
        ),
        field(
            "init",
            List(&IMAGE),
            &["Images that are unpacked into the root file system, in order."],
        ),
        field(
            "onboot",
            List(&Nested(&CONTAINER)),
            &["Containers that run once at boot, one after the other."],
        ),
        field(
            "onshutdown",
            List(&Nested(&CONTAINER)),
            &["Containers that run once when the machine goes down."],
        ),
        field(
            "services",
            List(&Nested(&CONTAINER)),
            &["Containers that run all the time. Their names must differ."],
        ),
        field(
            "volumes",
            List(&Nested(&VOLUME)),
            &["Directories that containers share."],
        ),
        field(
            "files",
            List(&Nested(&FILE)),
            &["Files, directories and links of the root file system."],
        ),
        field(
            "trust",
            Nested(&TRUST),
            &["No effect: content trust no longer exists. Pin images by digest."],
        ),
    ],
};

/// `kernel`.
pub static KERNEL: Object = Object {
    name: "kernel",
    place: "`kernel`",
    lower_case: false,
    fields: &[
        field(
            "image",
            Text,
            &["Image that holds the kernel. Without one the whole section counts for nothing."],
        ),
        field(
            "cmdline",
            Text,
            &["The kernel's command line. Empty by default; kernels keep 2047 bytes."],
        ),
        field(
            "binary",
            Text,
            &["Name of the kernel's file in the image. `kernel` by default."],
        ),
        field(
            "tar",
            Text,
            &[
                "Name of a tar file in the image that is unpacked into the root file system. `kernel.tar` by default; ",
                "`none` or an empty string for none.",
            ],
        ),
        field(
            "ucode",
            Text,
            &["Name of a microcode archive (cpio) in the image. None by default."],
        ),
    ],
};

/// `trust`.
pub static TRUST: Object = Object {
    name: "trust",
    place: "`trust`",
    lower_case: false,
    fields: &[
        field("image", TEXTS, &["No effect."]),
        field("org", TEXTS, &["No effect."]),
    ],
};

/// An entry of `volumes`.
pub static VOLUME: Object = Object {
    name: "volume",
    place: "an entry of `volumes`",
    lower_case: false,
    fields: &[
        required(
            "name",
            Pattern("^[a-z0-9_-]+$"),
            &["Its name, as `binds` and `mounts` of containers use it."],
        ),
        field("image", Text, &["Image that fills it. Empty by default."]),
        field(
            "readonly",
            Boolean,
            &["Whether containers may only read it. They must then bind it with `ro`. `false` by default."],
        ),
        field(
            "format",
            Words(&["filesystem", "oci"]),
            &["Form of the image in the volume: its files, or an OCI image layout. `filesystem` by default."],
        ),
        field(
            "platforms",
            List(&Pattern("^[^/]+/[^/]+(/[^/]+)?$")),
            &[
                "Platforms (`linux/arm64`) of the image that are put there; all by default. Only with `format: oci`.",
            ],
        ),
    ],
};

/// An entry of `files`.
pub static FILE: Object = Object {
    name: "file",
    place: "an entry of `files`",
    lower_case: false,
    fields: &[
        required(
            "path",
            Pattern("^[^\\u0000]+$"),
            &["Where it is; a leading slash makes no difference. Parents are made."],
        ),
        field(
            "directory",
            Boolean,
            &["Whether it is a directory. `false` by default."],
        ),
        field("symlink", Text, &["Target of a symbolic link."]),
        field(
            "contents",
            Text,
            &["Text of a file. An empty one is a content too."],
        ),
        field(
            "source",
            Text,
            &[
                "File on the builder's machine whose content it gets, read when the image is built. `~/` is the home ",
                "directory; other paths are relative to the working directory.",
            ],
        ),
        field(
            "metadata",
            Words(&["yaml", "json", ""]),
            &["The merged manifest itself is the content, in this form."],
        ),
        field(
            "optional",
            Boolean,
            &["Leaves it out when `source` is not there. `false` by default."],
        ),
        field(
            "mode",
            Pattern("^(0*[0-7]{1,4})?$"),
            &["Permissions, as octal digits in quotes. `\"0600\"` by default, `\"0700\"` of a directory."],
        ),
        field(
            "uid",
            Id,
            &["Owner: a number, or the name of a container that has one. 0 by default."],
        ),
        field(
            "gid",
            Id,
            &["Group: a number, or the name of a container that has one. 0 by default."],
        ),
    ],
};
