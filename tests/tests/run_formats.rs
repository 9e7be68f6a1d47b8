//! Every output format under `ironkit run`: it starts, or it is said why not before QEMU is asked.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use ironkit_tests::layout::{FILE, Layout, entry, header, tar};
use ironkit_tests::{Sandbox, judge, run, succeed};

/// UEFI for QEMU.
const OVMF: &str = "/usr/share/OVMF/OVMF_CODE_4M.fd";
/// A QEMU that shows its arguments.
const SHOWS: &str = "#!/bin/sh\nprintf '%s\\n' \"$@\"\n";

/// How a format is run: a BIOS, UEFI, another processor, as a CD. What comes of it is how the machine starts, or a part of
/// the error.
type Row = (&'static str, &'static str, [&'static str; 4]);

const FLAGS: [&[&str]; 4] = [&[], &["--uefi"], &["--arch", "aarch64"], &["--iso"]];

const ARCH: &str = "is for x86_64, and a machine with aarch64 was asked for";
const BIOS: &str = "starts from a BIOS, and UEFI was asked for";
const NO_CD: &str = "is a disk, not a CD";
const KERNEL: &str = "is a kernel and what belongs to it, and not attached as a disk or a CD";
const TAR: &str = "is a tar archive: no machine starts from it";
const ROOT: &str = "is a part of an image without its kernel: no machine starts from it";
const GZIP: &str = "is compressed: no machine starts from it";
const OVA: &str = "is an archive of a virtual machine: no machine starts from it";
const NO_LOADER: &str = "starts a machine: it has no boot loader";

const ROWS: [Row; 32] = [
    (
        "kernel+initrd",
        "m",
        ["kernel initrd", "kernel initrd uefi", ARCH, KERNEL],
    ),
    (
        "kernel+initrd",
        "m-kernel",
        [
            "kernel initrd",
            "kernel initrd uefi",
            ARCH,
            "is a kernel, and not attached",
        ],
    ),
    (
        "kernel+initrd",
        "m-initrd.img",
        ["kernel initrd", "kernel initrd uefi", ARCH, ROOT],
    ),
    ("tar-kernel-initrd", "m-initrd.tar", [TAR; 4]),
    ("tar", "m.tar", [TAR; 4]),
    ("docker", "m.docker", [TAR; 4]),
    (
        "kernel+squashfs",
        "m",
        ["kernel disk", "kernel disk uefi", ARCH, KERNEL],
    ),
    (
        "kernel+squashfs",
        "m-squashfs.img",
        ["kernel disk", "kernel disk uefi", ARCH, ROOT],
    ),
    (
        "kernel+erofs",
        "m",
        ["kernel disk", "kernel disk uefi", ARCH, KERNEL],
    ),
    ("kernel+iso", "m", ["kernel cd", "kernel cd uefi", ARCH, KERNEL]),
    ("kernel+iso", "m.iso", [NO_LOADER; 4]),
    ("iso-bios", "m.iso", ["cd", BIOS, ARCH, "cd"]),
    ("iso-efi", "m-efi.iso", ["cd uefi", "cd uefi", ARCH, "cd uefi"]),
    (
        "iso-efi-initrd",
        "m-efi-initrd.iso",
        ["cd uefi", "cd uefi", ARCH, "cd uefi"],
    ),
    ("iso", "m-hybrid.iso", ["cd", "cd uefi", ARCH, "cd"]),
    ("raw-bios", "m-bios.img", ["disk", BIOS, ARCH, NO_CD]),
    ("raw-efi", "m-efi.img", ["disk uefi", "disk uefi", ARCH, NO_CD]),
    ("raw", "m.img", ["disk", "disk uefi", ARCH, NO_CD]),
    ("qcow2-bios", "m.qcow2", ["disk", BIOS, ARCH, NO_CD]),
    (
        "qcow2-efi",
        "m-efi.qcow2",
        ["disk uefi", "disk uefi", ARCH, NO_CD],
    ),
    ("aws", "m.raw", ["disk", "disk uefi", ARCH, NO_CD]),
    ("gcp", "m.img.tar.gz", [GZIP; 4]),
    ("azure", "m-azure.vhd", ["disk", "disk uefi", ARCH, NO_CD]),
    ("vhd", "m.vhd", ["disk", "disk uefi", ARCH, NO_CD]),
    ("dynamic-vhd", "m.vhd", ["disk", "disk uefi", ARCH, NO_CD]),
    ("vhdx", "m.vhdx", ["disk", "disk uefi", ARCH, NO_CD]),
    ("vmdk", "m.vmdk", ["disk", "disk uefi", ARCH, NO_CD]),
    ("ova", "m.ova", [OVA; 4]),
    (
        "uki",
        "m.efi",
        [
            "efi uefi",
            "efi uefi",
            ARCH,
            "is a program for UEFI, and not attached",
        ],
    ),
    (
        "netboot",
        "m.ipxe",
        [
            "network",
            "network uefi",
            ARCH,
            "is a script for machines that start from the network",
        ],
    ),
    (
        "netboot",
        "m",
        ["kernel initrd", "kernel initrd uefi", ARCH, KERNEL],
    ),
    ("oci", "m-oci.tar", [TAR; 4]),
];

/// A sandbox with a small image, and a QEMU that starts nothing.
fn small() -> Sandbox {
    let sandbox = Sandbox::with_components();
    sandbox.stock_loaders();
    let mut layout = Layout::new(&sandbox.path("layout"));
    // As much of an x86 kernel as anybody looks at: its magic numbers and its version.
    let mut kernel = vec![0; 4096];
    kernel[0x1fe..0x200].copy_from_slice(&[0x55, 0xaa]);
    kernel[0x202..0x206].copy_from_slice(b"HdrS");
    kernel[0x20e..0x210].copy_from_slice(&0x100_u16.to_le_bytes());
    kernel[0x300..0x30e].copy_from_slice(b"6.1.2-test (x)");
    let end = [0; 1024];
    let kernel = [&header(FILE, "kernel", "", 4096)[..], &kernel, &end].concat();
    let init = tar(&[entry(FILE, "init", "the first program")]);
    for (name, layer) in [("kernel", kernel), ("init", init)] {
        let images = ["amd64", "arm64"].map(|arch| layout.image(arch, std::slice::from_ref(&layer)));
        layout.name(layout.index(&images), &format!("docker.io/tests/{name}:1"));
    }
    let mut pack = sandbox.command("tar");
    succeed(pack.args([
        "-C",
        "layout",
        "-cf",
        "images.tar",
        "oci-layout",
        "index.json",
        "blobs",
    ]));
    succeed(&mut sandbox.ironkit(["cache", "import", "images.tar"]));
    sandbox.write(
        "m.yml",
        "kernel: {image: \"tests/kernel:1\", cmdline: console=ttyS0, tar: none}\ninit: [\"tests/init:1\"]\n",
    );
    let qemu = sandbox.write("qemu", SHOWS);
    fs::set_permissions(qemu, fs::Permissions::from_mode(0o755)).unwrap();
    sandbox
}

/// Whether a format has a folder of its own: beside others it would be run differently, or write the same file.
fn is_alone(format: &str) -> bool {
    let alone = ["tar", "docker", "dynamic-vhd", "rpi3"];
    alone.contains(&format) || ["kernel+squashfs", "kernel+erofs", "kernel+iso"].contains(&format)
}

/// How the machine starts that these arguments describe.
fn starts(arguments: &str) -> String {
    let words = [
        ("-kernel\n", "kernel"),
        ("-initrd\n", "initrd"),
        (",drive=disk0", "disk"),
        (",drive=cd0", "cd"),
        (",drive=efi,bootindex=0", "efi"),
        (",bootfile=", "network"),
        ("if=pflash", "uefi"),
    ];
    let found = words.iter().filter(|(part, _)| arguments.contains(part));
    found.map(|(_, word)| *word).collect::<Vec<_>>().join(" ")
}

#[test]
fn every_format_starts_or_says_why_not() {
    assert!(
        Path::new(OVMF).exists(),
        "{OVMF} is needed: scripts/setup.sh installs it"
    );
    let sandbox = small();
    let said = run(&mut sandbox.ironkit(["build", "--format", "none-such", "m.yml"])).stderr;
    let (_, names) = said.split_once("this version writes ").expect("it lists formats");
    let names: Vec<&str> = names.trim().split(", ").collect();
    for name in &names {
        // `rpi3` wants a kernel of its own kind: rpi3.rs has its refusal.
        let is_known = *name == "rpi3" || ROWS.iter().any(|(format, ..)| format == name);
        assert!(is_known, "{name} is not in the table");
    }
    let mut wrong = Vec::new();
    for (format, name, expected) in ROWS.iter().filter(|(format, ..)| names.contains(format)) {
        let formats: Vec<&str> = match is_alone(format) {
            true => vec![format],
            false => names.iter().copied().filter(|name| !is_alone(name)).collect(),
        };
        let folder = format!("out/{}", formats[0]);
        if !sandbox.path(&folder).exists() {
            fs::create_dir_all(sandbox.path(&folder)).unwrap();
            let mut build = sandbox.ironkit(["build", "--no-sbom", "--arch", "amd64", "--dir", &folder]);
            succeed(build.args(["--format", &formats.join(","), "m.yml"]));
        }
        for (flags, expected) in FLAGS.iter().zip(expected) {
            let mut command = sandbox.ironkit(["run", "qemu", "--accel", "tcg", "--qemu", "../../qemu"]);
            command.current_dir(sandbox.path(&folder)).args(*flags).arg(name);
            let finished = run(&mut command);
            let is_right = match finished.code {
                Some(0) => starts(&finished.stdout) == *expected,
                Some(1) => {
                    finished.stderr.contains(&format!("`{name}` {expected}"))
                        && finished.stderr.contains("\nhint: ")
                }
                _ => false,
            } || (*expected == NO_LOADER
                && finished
                    .stderr
                    .contains("error: nothing on `m.iso` starts a machine"));
            if !is_right || finished.stderr.contains("cut off") {
                wrong.push(format!(
                    "{format} {flags:?}: expected {expected}: {}\n{finished}",
                    starts(&finished.stdout)
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));

    for name in ["m.img", "m-bios.img", "m-hybrid.iso", "m-azure.vhd"] {
        let folder = sandbox.path("out/kernel+initrd");
        let file = fs::File::options().write(true).open(folder.join(name)).unwrap();
        file.set_len(file.metadata().unwrap().len() / 2).unwrap();
        let mut command = sandbox.ironkit(["run", "qemu", "--accel", "tcg", "--qemu", "../../qemu", name]);
        let finished = run(command.current_dir(folder));
        let expected = format!("`{name}` seems to be cut off: at least ");
        assert!(finished.stderr.contains(&expected), "{finished}");
    }
    // Several SATA disks have their names by chance: the root is not among them.
    for (flags, expected) in [
        (&[][..], ["root=/dev/sda", "ide-hd,bus=ide.0,drive=disk0"]),
        (
            &["--disk", "16M"],
            ["root=/dev/vda", "virtio-blk-pci,drive=disk0"],
        ),
    ] {
        let mut command = sandbox.ironkit(["run", "qemu", "--accel", "tcg", "--qemu", "../../qemu", "m"]);
        let said = succeed(
            command
                .current_dir(sandbox.path("out/kernel+squashfs"))
                .args(flags),
        );
        assert!(expected.iter().all(|text| said.contains(text)), "{said}");
    }
}

/// A machine can write such a beginning onto its raw disk. Believed at the next start, it would give the machine files of this
/// computer.
#[test]
fn raw_disks_name_no_other_files() {
    let sandbox = Sandbox::new();
    sandbox.write("secret", "s".repeat(1 << 20));
    let Some(qemu_img) = judge("qemu-img") else {
        return;
    };
    let mut based = Command::new(qemu_img);
    based.args([
        "create", "-q", "-f", "qcow2", "-F", "raw", "-b", "secret", "disk.img",
    ]);
    succeed(based.current_dir(sandbox.path("")));
    sandbox.write("disk.raw", "# Disk DescriptorFile\nRW 2048 FLAT \"secret\" 0\n");
    for name in ["disk.img", "disk.raw"] {
        let finished = run(&mut sandbox.ironkit(["run", "qemu", "--accel", "tcg", name]));
        assert_eq!(finished.code, Some(1), "{finished}");
        let expected = format!("`{name}` has the name of a raw disk, and what is on it names other files");
        assert!(finished.stderr.contains(&expected), "{finished}");
    }
}
