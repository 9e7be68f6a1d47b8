//! What `ironkit run` starts beside kernels and disks, and what goes to other machines: the network, one file for UEFI, metadata on
//! a CD, artefacts for registries.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use ironkit_tests::layout::digest;
use ironkit_tests::{Machine, Sandbox, judge, succeed};

/// Far more than any step takes.
const LIMIT: Duration = Duration::from_secs(240);
/// What QEMU's network card starts with, and firmware for UEFI.
const FIRMWARE: [&str; 2] = [
    "/usr/lib/ipxe/qemu/pxe-virtio.rom",
    "/usr/share/OVMF/OVMF_CODE_4M.fd",
];

/// A sandbox with outputs of the example, called `m`.
fn built(formats: &str) -> Sandbox {
    let sandbox = Sandbox::with_components();
    sandbox.stock_loaders();
    sandbox.stock("examples/minimal.yml");
    let build = [
        "build",
        "--name",
        "m",
        "--format",
        formats,
        "examples/minimal.yml",
    ];
    succeed(&mut sandbox.ironkit(build));
    sandbox
}

#[test]
fn machines_start_from_the_network_and_from_one_file() {
    if judge("qemu-system-x86_64").is_none() {
        return;
    }
    for file in FIRMWARE {
        assert!(
            Path::new(file).exists(),
            "{file} is needed: scripts/setup.sh installs it"
        );
    }
    let sandbox = built("netboot,uki");
    for image in ["m.ipxe", "m.efi"] {
        let (machine, port) = Machine::run(&sandbox, &["--mem", "512", image]);
        machine.serves(port, LIMIT);
    }
}

#[test]
fn artefacts_are_read_by_others() {
    let Some(skopeo) = judge("skopeo") else { return };
    let sandbox = built("kernel+initrd,oci");
    let mut copy = sandbox.command(skopeo);
    succeed(copy.args(["copy", "--insecure-policy", "oci-archive:m-oci.tar", "dir:copied"]));
    for name in ["m-kernel", "m-initrd.img", "m-cmdline"] {
        let bytes = fs::read(sandbox.path(name)).unwrap();
        let blob = digest(&bytes).replace("sha256:", "");
        assert!(
            fs::read(sandbox.path("copied").join(blob)).unwrap() == bytes,
            "{name}"
        );
    }
}

#[test]
fn metadata_is_on_a_cd() {
    let Some(bsdtar) = judge("bsdtar") else { return };
    let sandbox = Sandbox::new();
    let text = "{\"hostname\": {\"content\": \"a\"}}";
    succeed(&mut sandbox.ironkit(["metadata", "create", "data.iso", text]));
    let mut read = Command::new(bsdtar);
    let found = succeed(read.arg("-xOf").arg(sandbox.path("data.iso")).arg("config"));
    assert_eq!(found, text);
}
