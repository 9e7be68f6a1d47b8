//! The formats that are CDs, each started as its firmware does, as a CD and as a disk, until its web server answers.

use std::ffi::OsString;
use std::path::Path;
use std::time::Duration;

use ironkit_tests::{Firmware, Machine, Sandbox, judge, qemu, succeed};

/// Far more than any step takes.
const LIMIT: Duration = Duration::from_secs(180);

/// What an image is for the machine that it is put into.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Medium {
    Cd,
    Disk,
}

/// Builds the format, and gives the folder with its files.
fn built(format: &str) -> Sandbox {
    let sandbox = Sandbox::with_components();
    sandbox.stock("examples/minimal.yml");
    let arguments = ["build", "--format", format, "--name", "m", "examples/minimal.yml"];
    succeed(Sandbox::with_network(&mut sandbox.ironkit(arguments)));
    sandbox
}

/// Starts a machine with these arguments, waits until it answers, and pulls its plug.
fn boots(arguments: &[OsString], firmware: Firmware, root: &str) {
    let Some((mut command, port)) = qemu() else { return };
    if !firmware.put_into(command.args(arguments)) {
        return;
    }
    let machine = Machine::start(&mut command);
    machine.serves(port, LIMIT);
    let transcript = machine.console.transcript();
    assert!(transcript.contains(root), "{root}: {transcript}");
}

fn with_medium(image: &Path, medium: Medium, firmware: Firmware, root: &str) {
    let mut arguments: Vec<OsString> = Vec::new();
    let mut add = |text: &str, path: &Path| {
        arguments.push("-drive".into());
        let mut drive = OsString::from(text);
        drive.push(path);
        arguments.push(drive);
    };
    match medium {
        Medium::Cd => add("if=none,id=cd,media=cdrom,format=raw,readonly=on,file=", image),
        Medium::Disk => add("if=virtio,format=raw,readonly=on,file=", image),
    }
    if medium == Medium::Cd {
        arguments.extend(["-device", "virtio-scsi-pci", "-device", "scsi-cd,drive=cd"].map(OsString::from));
    }
    boots(&arguments, firmware, root);
}

/// Whether there is what these tests need.
fn ready() -> bool {
    judge("qemu-system-x86_64").is_some()
}

#[test]
fn kernel_and_iso() {
    if !ready() {
        return;
    }
    let sandbox = built("kernel+iso");
    let text = |name: &str| sandbox.path(name).into_os_string();
    let mut arguments: Vec<OsString> = vec!["-kernel".into(), text("m-kernel")];
    arguments.extend(["-initrd".into(), text("m-root-initrd.img"), "-append".into()]);
    arguments.push("console=ttyS0 root=LABEL=LinuxKit rootfstype=iso9660 ro".into());
    let mut drive = OsString::from("if=virtio,format=raw,readonly=on,file=");
    drive.push(text("m.iso"));
    arguments.extend(["-drive".into(), drive]);
    boots(&arguments, Firmware::Bios, "LABEL=LinuxKit");
}

#[test]
fn iso_bios() {
    if ready() {
        let sandbox = built("iso-bios");
        for medium in [Medium::Cd, Medium::Disk] {
            with_medium(
                &sandbox.path("m.iso"),
                medium,
                Firmware::Bios,
                "root=LABEL=IRONKIT_",
            );
        }
    }
}

#[test]
fn iso_efi() {
    if ready() {
        let sandbox = built("iso-efi");
        for medium in [Medium::Cd, Medium::Disk] {
            with_medium(
                &sandbox.path("m-efi.iso"),
                medium,
                Firmware::Uefi,
                "root=LABEL=IRONKIT_",
            );
        }
    }
}

#[test]
fn iso_efi_initrd() {
    if ready() {
        let sandbox = built("iso-efi-initrd");
        with_medium(&sandbox.path("m-efi-initrd.iso"), Medium::Cd, Firmware::Uefi, "");
    }
}

#[test]
fn iso() {
    if ready() {
        let sandbox = built("iso");
        for firmware in [Firmware::Bios, Firmware::Uefi] {
            for medium in [Medium::Cd, Medium::Disk] {
                with_medium(&sandbox.path("m-hybrid.iso"), medium, firmware, "");
            }
        }
    }
}
