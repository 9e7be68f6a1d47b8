//! Raspberry Pi 3: the files of its card, judged by U-Boot's tools, and booted by U-Boot itself on QEMU's board up to the web
//! page. What QEMU cannot run is the firmware that starts U-Boot.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use serde_json::Value;

use ironkit_tests::layout::{FILE, Layout, entry, tar};
use ironkit_tests::{Machine, Sandbox, free_port, http_get, judge, run, succeed};

/// Far more than any step takes: U-Boot reads half a megabyte a second from QEMU's card.
const LIMIT: Duration = Duration::from_secs(600);
/// Bytes of the card, which QEMU wants to be a power of two, and where its partition begins.
const CARD: u64 = 128 << 20;
const PARTITION: u64 = 1 << 20;
/// Words of the command line that a shell would understand otherwise.
const QUOTED: &str = r#"test.a="it's $x" test.b=back\slash test.c=`;&&"#;
/// U-Boot's settings for QEMU's board: its own but for `preboot=usb start`. After that, the emulated USB controller tells
/// nobody else that something is connected ("dwc2 3f980000.usb: Not connected"): a real one does once Linux has reset it.
const SETTINGS: &str = "bootcmd=bootflow scan\nbootdelay=0\nboot_targets=mmc\nscriptaddr=0x02400000\n\
    fdt_high=ffffffffffffffff\ninitrd_high=ffffffffffffffff\nstdin=serial\nstdout=serial\nstderr=serial\n";
/// Bytes that these take (`CONFIG_ENV_SIZE` of Debian's U-Boot).
const SETTINGS_SIZE: &str = "0x4000";
/// The files of LinuxKit's, the board's device trees beside them.
const FILES: [&str; 18] = [
    "LICENCE.broadcom",
    "bcm2837-rpi-3-b-plus.dtb",
    "bcm2837-rpi-3-b.dtb",
    "boot.scr",
    "bootcode.bin",
    "config.txt",
    "dtb",
    "dtb/broadcom",
    "dtb/broadcom/bcm2837-rpi-3-b-plus.dtb",
    "dtb/broadcom/bcm2837-rpi-3-b.dtb",
    "fixup.dat",
    "fixup_cd.dat",
    "fixup_x.dat",
    "initrd.uimg",
    "kernel.uimg",
    "start.elf",
    "start_cd.elf",
    "start_x.elf",
];

#[test]
fn the_card_boots() {
    let (Some(qemu), Some(mkimage), Some(sfdisk), Some(mkfs), Some(mcopy), Some(mkenvimage), Some(_)) = (
        judge("qemu-system-aarch64"),
        judge("mkimage"),
        judge("sfdisk"),
        judge("mkfs.fat"),
        judge("mcopy"),
        judge("mkenvimage"),
        judge("aarch64-linux-gnu-gcc"),
    ) else {
        return;
    };
    let sandbox = Sandbox::with_components();
    sandbox.stock_for("examples/rpi3.yml", &["--format", "rpi3", "--arch", "arm64"]);
    let manifest = fs::read_to_string(sandbox.path("examples/rpi3.yml")).unwrap();
    let console = "console=tty0 console=ttyS1,115200";
    assert!(manifest.contains(console));
    let quoted = format!("{console} {QUOTED}")
        .replace('\\', r"\\")
        .replace('"', r#"\""#);
    // The emulated board is slow, and slower where others work: its USB has a lease after a minute.
    let patient = manifest.replace("\"-1\"", "\"-1\", \"-t\", \"300\"");
    assert_ne!(patient, manifest);
    sandbox.write("examples/quoted.yml", patient.replace(console, &quoted));
    let build = [
        "build",
        "--format",
        "rpi3",
        "--arch",
        "arm64",
        "--name",
        "card",
        "examples/quoted.yml",
    ];
    succeed(&mut sandbox.ironkit(build));

    // What is in it, as we and others see it.
    let text = succeed(&mut sandbox.ironkit(["inspect", "--json", "card.tar"]));
    let found: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(found["facts"]["machine"], "Raspberry Pi 3", "{text}");
    let components = found["components"].as_array().unwrap();
    assert!(
        components.iter().any(|it| it["name"] == "service nginx"),
        "{text}"
    );
    assert!(text.contains(r"test.b=back\\slash"), "{text}");
    fs::create_dir(sandbox.path("card")).unwrap();
    succeed(
        Command::new("tar")
            .arg("-xf")
            .arg(sandbox.path("card.tar"))
            .arg("-C")
            .arg(sandbox.path("card")),
    );
    let mut files = Vec::new();
    list(&sandbox.path("card"), "", &mut files);
    files.sort();
    let mut expected = FILES.map(str::to_owned).to_vec();
    expected.push("u-boot.bin".to_owned());
    assert_eq!(files, expected);
    for (file, kind) in [
        ("kernel.uimg", "AArch64 Linux Kernel Image (gzip compressed)"),
        ("initrd.uimg", "AArch64 Linux RAMDisk Image (uncompressed)"),
        ("boot.scr", "AArch64 Linux Script (uncompressed)"),
    ] {
        let said = succeed(
            Command::new(&mkimage)
                .arg("-l")
                .arg(sandbox.path("card").join(file)),
        );
        assert!(said.contains(kind), "{said}");
    }

    // The card, as a person makes it.
    let card = sandbox.path("card.img");
    fs::File::create(&card).unwrap().set_len(CARD).unwrap();
    let table = sandbox.write(
        "table",
        format!("label: dos\nstart={}, type=c\n", PARTITION / 512),
    );
    succeed(
        Command::new(sfdisk)
            .arg("--quiet")
            .arg(&card)
            .stdin(fs::File::open(table).unwrap()),
    );
    let blocks = ((CARD - PARTITION) / 1024).to_string();
    let offset = (PARTITION / 512).to_string();
    succeed(
        Command::new(mkfs)
            .args(["-F", "32", "--offset", &offset])
            .arg(&card)
            .arg(blocks),
    );
    let settings = sandbox.write("settings", SETTINGS);
    let mut environment = Command::new(mkenvimage);
    environment.args(["-s", SETTINGS_SIZE, "-o"]);
    succeed(environment.arg(sandbox.path("card/uboot.env")).arg(settings));
    let volume = format!("{}@@{PARTITION}", card.display());
    let mut copy = Command::new(mcopy);
    copy.env("MTOOLS_SKIP_CHECK", "1").args(["-s", "-i", &volume]);
    for entry in fs::read_dir(sandbox.path("card")).unwrap() {
        copy.arg(entry.unwrap().path());
    }
    succeed(copy.arg("::/"));

    let port = free_port();
    let mut command = Command::new(qemu);
    command.args(["-M", "raspi3b", "-display", "none", "-no-reboot"]);
    // The second serial port is the one of U-Boot and of the device tree.
    command.args(["-serial", "null", "-serial", "mon:stdio"]);
    command.arg("-kernel").arg(sandbox.path("card/u-boot.bin"));
    command.arg("-dtb").arg(sandbox.path("card/bcm2837-rpi-3-b.dtb"));
    command
        .arg("-drive")
        .arg(format!("if=sd,format=raw,file={}", card.display()));
    // QEMU's own address, which is of no maker, gives an interface of another name than `eth0`.
    let network = format!("user,id=net,ipv6=off,hostfwd=tcp:127.0.0.1:{port}-:80");
    command.args([
        "-netdev",
        &network,
        "-device",
        "usb-net,netdev=net,mac=00:16:3e:00:00:01",
    ]);
    let machine = Machine::start(&mut command);
    for text in [
        "## Booting kernel from Legacy Image",
        &format!("Kernel command line: {console} {QUOTED}\n"),
        "Machine model: Raspberry Pi 3 Model B",
        "Welcome to IronKit",
        "eth0: leased ",
        "ironkit: boot took ",
    ] {
        machine.console.wait_for(text, LIMIT);
    }
    let page = http_get(port, "/index.html", LIMIT);
    assert_eq!(page.status, 200);
    assert!(page.text().contains("Served by IronKit"), "{page:?}");
}

/// The names of what is in a folder, however deep.
fn list(folder: &Path, before: &str, names: &mut Vec<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let name = format!("{before}{}", entry.file_name().display());
        if entry.file_type().unwrap().is_dir() {
            list(&entry.path(), &format!("{name}/"), names);
        }
        names.push(name);
    }
}

#[test]
fn what_a_board_cannot_start_is_refused() {
    let sandbox = Sandbox::with_components();
    sandbox.stock_loaders();
    let mut layout = Layout::new(&sandbox.path("layout"));
    // Zeros and ASCII, which are text as well.
    let kernel = |size: u64| {
        let mut bytes = vec![0; 4096];
        bytes[16..24].copy_from_slice(&size.to_le_bytes());
        bytes[56..60].copy_from_slice(b"ARM\x64");
        String::from_utf8(bytes).unwrap()
    };
    let trees = |name: &str| String::from_utf8(tar(&[entry(FILE, name, "a device tree")])).unwrap();
    let board = trees("boot/dtb/broadcom/bcm2837-rpi-3-b.dtb");
    for (name, kernel, tree) in [
        ("good", kernel(0x20_0000), board.clone()),
        ("large", kernel(0x500_0000), board.clone()),
        ("pc", "HdrS".repeat(1024), board),
        (
            "other",
            kernel(0x20_0000),
            trees("boot/dtb/broadcom/bcm2711-rpi-4-b.dtb"),
        ),
    ] {
        let layer = tar(&[entry(FILE, "kernel", &kernel), entry(FILE, "kernel.tar", &tree)]);
        layout.name(
            layout.image("arm64", &[layer]),
            &format!("docker.io/tests/{name}:1"),
        );
    }
    let init = tar(&[entry(FILE, "init", "the first program")]);
    layout.name(layout.image("arm64", &[init]), "docker.io/tests/init:1");
    sandbox.write("images.tar", layout.archive());
    succeed(&mut sandbox.ironkit(["cache", "import", "images.tar"]));
    for (kernel, cmdline, expect) in [
        ("good", "console=ttyS1 a=\\\"it's\\\"", ""),
        (
            "good",
            "a\\nb",
            "U-Boot's script cannot hold control characters of the command line",
        ),
        (
            "large",
            "",
            "the kernel takes more than the 64 MiB that U-Boot unpacks",
        ),
        (
            "pc",
            "",
            "the kernel is no arm64 `Image`, nor one compressed with gzip",
        ),
        (
            "other",
            "",
            "the kernel's `tar` has no device tree `boot/dtb/broadcom/bcm2837-rpi-3-b*.dtb`",
        ),
    ] {
        let manifest = format!(
            "kernel: {{image: \"tests/{kernel}:1\", cmdline: \"{cmdline}\"}}\ninit: [\"tests/init:1\"]\n"
        );
        sandbox.write("m.yml", manifest);
        let finished = run(&mut sandbox.ironkit(["build", "--format", "rpi3", "--arch", "arm64", "m.yml"]));
        assert_eq!(finished.code, Some(i32::from(!expect.is_empty())), "{finished}");
        assert!(finished.stderr.contains(expect), "{finished}");
        assert!(
            expect.is_empty() || finished.stderr.contains("hint: "),
            "{finished}"
        );
    }
    // No firmware of the board's runs here.
    let finished = run(&mut sandbox.ironkit(["run", "m.tar"]));
    assert_eq!(finished.code, Some(1), "{finished}");
    let expect = "`m.tar` has the files of a Raspberry Pi's card";
    assert!(
        finished.stderr.contains(expect) && finished.stderr.contains("hint: "),
        "{finished}"
    );
}
