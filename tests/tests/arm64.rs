//! Machines of another architecture: built here in every format that they can start from, booted under emulation, asked for
//! their page.

use std::path::Path;
use std::time::Duration;

use ironkit_tests::{Machine, Sandbox, judge, succeed};

/// Far more than any step takes.
const LIMIT: Duration = Duration::from_secs(240);
/// UEFI for this architecture.
const FIRMWARE: &str = "/usr/share/AAVMF/AAVMF_CODE.fd";
/// Formats, and what is run of each.
const IMAGES: [(&str, &str); 7] = [
    ("kernel+initrd", "a"),
    ("kernel+squashfs", "b"),
    ("raw-efi", "c-efi.img"),
    ("qcow2-efi", "d-efi.qcow2"),
    ("iso-efi", "e-efi.iso"),
    ("iso-efi-initrd", "f-efi-initrd.iso"),
    ("uki", "g.efi"),
];
/// Machines that run at once.
const AT_ONCE: usize = 2;

#[test]
fn every_format_boots_on_arm64() {
    // `scripts/arm64.sh` installs the linker, without which this ironkit has no programs for arm64.
    if judge("qemu-system-aarch64").is_none() || judge("aarch64-linux-gnu-gcc").is_none() {
        return;
    }
    assert!(
        Path::new(FIRMWARE).exists(),
        "{FIRMWARE} is needed: scripts/setup.sh installs it"
    );
    let sandbox = Sandbox::with_components();
    let manifest = std::fs::read_to_string(sandbox.path("examples/minimal.yml")).unwrap();
    sandbox.write("examples/arm64.yml", manifest.replace("ttyS0", "ttyAMA0"));
    sandbox.stock_for("examples/arm64.yml", &["--format", "raw-efi", "--arch", "arm64"]);
    for (format, image) in IMAGES {
        let build = [
            "build",
            "--name",
            &image[..1],
            "--arch",
            "arm64",
            "--format",
            format,
            "examples/arm64.yml",
        ];
        succeed(&mut sandbox.ironkit(build));
    }
    for images in IMAGES.chunks(AT_ONCE) {
        std::thread::scope(|scope| {
            for (_, image) in images {
                scope.spawn(|| boots(&sandbox, image));
            }
        });
    }
}

/// The image starts, up to its web page.
fn boots(sandbox: &Sandbox, image: &str) {
    let (machine, port) = Machine::run(sandbox, &["--mem", "768", image]);
    machine.console.wait_for("aarch64)", LIMIT);
    machine.serves(port, LIMIT);
    machine.console.wait_for("ironkit: boot took ", LIMIT);
}
