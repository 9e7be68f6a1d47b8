//! Disks in the formats of hypervisors and clouds: QEMU finds the same disk in all of them, and some boot.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use ironkit_tests::{Firmware, Sandbox, boots, judge, run, succeed};

const GIB: u64 = 1 << 30;

/// Outputs by what follows their name, as QEMU calls their format, and the raw disk that they should be.
const SAME: [(&str, &str, &str); 8] = [
    (".raw", "raw", ".img"),
    (".vhd", "vpc", ".img"),
    ("-azure.vhd", "vpc", ".img"),
    (".vhdx", "vhdx", ".img"),
    (".vmdk", "vmdk", ".img"),
    ("-disk.vmdk", "vmdk", ".img"),
    (".qcow2", "qcow2", "-bios.img"),
    ("-efi.qcow2", "qcow2", "-efi.img"),
];

/// A sandbox with the example, and what it needs in the store.
fn prepared() -> Sandbox {
    let sandbox = Sandbox::with_components();
    sandbox.stock("examples/minimal.yml");
    sandbox
}

fn build(sandbox: &Sandbox, formats: &str, more: &[&str]) -> Command {
    let arguments = ["build", "--dir", "tmp", "--name", "m", "--format", formats];
    let mut command = sandbox.ironkit(arguments);
    command.args(more).arg("examples/minimal.yml");
    Sandbox::with_network(&mut command);
    command
}

fn output(sandbox: &Sandbox, suffix: &str) -> PathBuf {
    sandbox.path(&format!("tmp/m{suffix}"))
}

#[test]
fn all_formats_of_one_build_are_the_same_disk() {
    let (Some(qemu_img), Some(tar)) = (judge("qemu-img"), judge("tar")) else {
        return;
    };
    let sandbox = prepared();
    let all = "raw,raw-bios,raw-efi,aws,gcp,azure,vhd,vhdx,vmdk,ova,qcow2-bios,qcow2-efi";
    succeed(&mut build(&sandbox, all, &["--size", "1G"]));
    let unpack = |archive: &str, member: &str, name: &str| {
        let folder = sandbox.path("tmp");
        succeed(
            sandbox
                .command(&tar)
                .arg("-xf")
                .arg(output(&sandbox, archive))
                .arg("-C")
                .arg(&folder)
                .arg(member),
        );
        fs::rename(folder.join(member), output(&sandbox, name)).unwrap();
    };
    unpack(".ova", "ironkit.vmdk", "-disk.vmdk");
    unpack(".img.tar.gz", "disk.raw", "-disk.raw");
    let compare = |suffix: &str, format: &str, raw: &str| {
        let paths = [output(&sandbox, raw), output(&sandbox, suffix)];
        let options = ["compare", "-q", "-f", "raw", "-F", format];
        succeed(sandbox.command(&qemu_img).args(options).args(paths));
    };
    for (suffix, format, raw) in SAME {
        compare(suffix, format, raw);
        if format != "vpc" && format != "raw" {
            let path = output(&sandbox, suffix);
            succeed(
                sandbox
                    .command(&qemu_img)
                    .args(["check", "-q", "-f", format])
                    .arg(path),
            );
        }
    }
    compare("-disk.raw", "raw", ".img");
    assert_eq!(
        fs::metadata(output(&sandbox, "-azure.vhd")).unwrap().len(),
        GIB + 512
    );
    // The other format of the same name, and nothing that was compressed before is compressed again.
    succeed(&mut build(&sandbox, "dynamic-vhd,vmdk,gcp", &["--size", "1G"]));
    compare(".vhd", "vpc", ".img");
    compare(".vmdk", "vmdk", ".img");
}

#[test]
fn sizes_and_names_that_cannot_be() {
    let sandbox = prepared();
    for (formats, size, expect) in [
        (
            "vhd,dynamic-vhd",
            "1G",
            "`vhd` and `dynamic-vhd` are both written to NAME.vhd",
        ),
        ("gcp", "1500M", "its disks have a multiple of 1024 MiB"),
        ("qcow2-efi", "8M", "is enough"),
        ("vmdk", "8M", "it needs"),
        ("vhd", "3000G", "VHD cannot hold a disk of 3221225472000 bytes"),
    ] {
        let finished = run(&mut build(&sandbox, formats, &["--size", size]));
        assert_eq!(finished.code, Some(1), "{formats}: {}", finished.stderr);
        assert!(finished.stderr.contains(expect), "{formats}: {}", finished.stderr);
    }
    assert!(!output(&sandbox, ".vhd").exists());
}

/// By a BIOS and by UEFI, to the page that a service of the machine gives.
#[test]
fn disks_boot() {
    let sandbox = prepared();
    let all = "gcp,azure,vhd,vhdx,vmdk,qcow2-bios,qcow2-efi";
    succeed(&mut build(&sandbox, all, &[]));
    if let Some(tar) = judge("tar") {
        let mut command = sandbox.command(tar);
        command.arg("-xf").arg(output(&sandbox, ".img.tar.gz"));
        succeed(command.arg("-C").arg(sandbox.path("tmp")));
        fs::rename(sandbox.path("tmp/disk.raw"), output(&sandbox, "-disk.raw")).unwrap();
    }
    boots(&output(&sandbox, ".qcow2"), "qcow2", Firmware::Bios);
    boots(&output(&sandbox, "-efi.qcow2"), "qcow2", Firmware::Uefi);
    boots(&output(&sandbox, "-disk.raw"), "raw", Firmware::Bios);
    boots(&output(&sandbox, ".vmdk"), "vmdk", Firmware::Bios);
    boots(&output(&sandbox, ".vhdx"), "vhdx", Firmware::Uefi);
    boots(&output(&sandbox, "-azure.vhd"), "vpc", Firmware::Uefi);
    boots(&output(&sandbox, ".vhd"), "vpc", Firmware::Bios);
    succeed(&mut build(&sandbox, "dynamic-vhd", &[]));
    boots(&output(&sandbox, ".vhd"), "vpc", Firmware::Bios);
}
