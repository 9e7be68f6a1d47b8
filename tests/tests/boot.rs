//! Machines that boot: what they say on their console and in their report, and what they answer.
//!
//! Emulation is slow, and a busy computer slower: nothing here depends on how long something takes.

use std::fs;
use std::process::Command;
use std::time::Duration;

use ironkit_contract::BootReport;
use ironkit_contract::boot_report::ContainerReport;
use ironkit_tests::layout::{DIRECTORY, FILE, Layout, entry, header, pax, tar};
use ironkit_tests::{Machine, Sandbox, http_get, judge, succeed};

/// Far more than any step takes.
const LIMIT: Duration = Duration::from_secs(180);

/// What PID 1 says when it heard the power button.
const STOPPING: &str = "ironkit: poweroff: stopping\n";

/// examples/minimal.yml, and containers that tell what they see or misbehave.
const MANIFEST: &str = r#"
kernel:
  image: "@pkg:../components/kernel"
  cmdline: "console=ttyS0"
init:
  - "@pkg:../components/init"
onboot:
  - name: dhcpcd
    image: "@pkg:../components/dhcpcd"
    command: ["/sbin/dhcpcd", "--nobackground", "-f", "/dhcpcd.conf", "-1"]
  - name: readonly
    image: "@pkg:../components/shell"
    readonly: true
    command: ["/bin/sh", "-c", "echo text >/new-file || echo readonly: refused; busybox id -u"]
  - name: writable
    image: "@pkg:../components/shell"
    command: ["/bin/sh", "-c", "echo writable: kept >/new-file && busybox cat /new-file"]
  - name: fails
    image: "@pkg:../components/shell"
    command: ["/bin/sh", "-c", "echo fails: about to fail; exit 3"]
  - name: goes-on
    image: "@pkg:../components/shell"
    command: ["/bin/sh", "-c", "busybox cat /etc/given; busybox grep CapEff /proc/self/status; busybox hostname; echo text 2>/dev/null >/logs/new || echo logs: refused"]
    binds: ["/etc/given:/etc/given", "/var/log:/logs:ro"]
    uts: new
    hostname: inside
services:
  - name: nginx
    image: "@pkg:../components/nginx"
  - name: crashes
    image: "@pkg:../components/shell"
    command: ["/bin/sh", "-c", "echo crashes: run; exit 7"]
  - name: once
    image: "@pkg:../components/shell"
    command: ["/bin/sh", "-c", "echo once: done"]
onshutdown:
  - name: last-words
    image: "@pkg:../components/shell"
    command: ["/bin/sh", "-c", "echo last-words: begin; busybox head -n 1 /var/log/*.log; echo last-words: end"]
    binds: ["/var/log:/var/log"]
files:
  - path: /etc/given
    contents: "given: a file of the manifest\n"
    mode: "0600"
"#;

/// An onboot container whose only program has a capability of its own: `CAP_NET_RAW`, which is bit 13.
const CAPABLE: &str = r#"
onboot:
  - name: capable
    image: tests/capable:1
    uid: 1000
    capabilities: [CAP_CHOWN, CAP_NET_RAW]
    binds: ["/:/machine:ro"]
    command:
      - /bin/busybox
      - sh
      - -c
      - "/bin/busybox grep CapEff /proc/self/status; /bin/busybox ls -d /machine/etc /machine/.ironkit || true"
"#;

/// Builds `manifest` as `image` anew, with the container of [`CAPABLE`]. Its program is that of the container `readonly`.
fn add_capable(sandbox: &Sandbox, manifest: &str) {
    succeed(&mut sandbox.ironkit([
        "build",
        "--no-sbom",
        "--format",
        "tar",
        "--name",
        "tree",
        manifest,
    ]));
    let mut extract = Command::new("tar");
    extract.arg("-xOf").arg(sandbox.path("tree.tar"));
    let program = extract
        .arg("containers/onboot/001-readonly/rootfs/usr/bin/busybox")
        .output();
    let program = program.expect("tar can be run").stdout;
    assert!(program.starts_with(b"\x7fELF"), "there is no busybox");

    // A capability in a file is permitted, and effective at once (linux/capability.h, revision 2).
    let mut layer = pax(&[(
        "SCHILY.xattr.security.capability",
        "\u{1}\0\0\u{2}\0 \0\0\0\0\0\0\0\0\0\0\0\0\0\0",
    )]);
    layer.extend(header(FILE, "bin/busybox", "", program.len() as u64));
    layer.extend(&program);
    layer.resize(layer.len().next_multiple_of(512), 0);
    layer.extend(tar(
        &["dev", "machine", "proc", "sys"].map(|name| entry(DIRECTORY, name, ""))
    ));
    let mut layout = Layout::new(&sandbox.path("layout"));
    layout.name(layout.image("amd64", &[layer]), "docker.io/tests/capable:1");
    let mut pack = Command::new("tar");
    pack.arg("-C")
        .arg(sandbox.path("layout"))
        .arg("-cf")
        .arg(sandbox.path("layout.tar"));
    succeed(pack.args(["oci-layout", "index.json", "blobs"]));
    succeed(&mut sandbox.ironkit(["cache", "import", "layout.tar"]));
    sandbox.write("capable.yml", CAPABLE);
    succeed(&mut sandbox.ironkit(["build", "--name", "image", manifest, "capable.yml"]));
}

/// A sandbox in which `manifest` was built as `image`; `None` where QEMU is not installed.
fn built(manifest: &str, text: Option<&str>) -> Option<Sandbox> {
    judge("qemu-system-x86_64")?;
    let sandbox = Sandbox::with_components();
    if let Some(text) = text {
        sandbox.write(manifest, text);
        sandbox.add_shell();
    }
    sandbox.stock(manifest);
    succeed(&mut sandbox.ironkit(["build", "--name", "image", manifest]));
    Some(sandbox)
}

/// The last report in the file: one JSON document a line.
fn last_report(sandbox: &Sandbox) -> (usize, BootReport) {
    let text = fs::read_to_string(sandbox.path("report.json")).unwrap();
    let last = text.lines().last().unwrap_or_default();
    let report = serde_json::from_str(last).unwrap_or_else(|error| panic!("{error}: {text}"));
    (text.lines().count(), report)
}

#[track_caller]
fn container<'a>(report: &'a BootReport, section: &str, name: &str) -> &'a ContainerReport {
    let mut all = report.containers.iter();
    all.find(|container| (container.section.as_str(), container.name.as_str()) == (section, name))
        .unwrap_or_else(|| panic!("{section} {name} is not in {report:?}"))
}

/// Builds the image once more, with its root in a file system of its own, and gives the argument that runs it so.
fn on_disk(sandbox: &Sandbox, kind: &str) -> String {
    let format = format!("kernel+{kind}");
    let files = ["examples/boot.yml", "capable.yml"];
    succeed(
        sandbox
            .ironkit(["build", "--format", &format, "--name", "image"])
            .args(files),
    );
    fs::remove_file(sandbox.path("image-initrd.img")).unwrap();
    format!("--{kind}")
}

#[test]
fn a_machine_from_its_kernel_to_power_off() {
    whole_machine(None);
}

#[test]
fn a_machine_whose_root_is_erofs() {
    whole_machine(Some("erofs"));
}

#[test]
fn a_machine_whose_root_is_squashfs() {
    whole_machine(Some("squashfs"));
}

/// From the kernel to power off; the same whether the root is the initrd, or a file system of a `kind` on a disk.
fn whole_machine(kind: Option<&str>) {
    let Some(sandbox) = built("examples/boot.yml", Some(MANIFEST)) else {
        return;
    };
    add_capable(&sandbox, "examples/boot.yml");
    let root = kind.map(|kind| on_disk(&sandbox, kind));
    let mut run = vec!["--mem", "512", "--report", "report.json"];
    run.extend(root.as_deref());
    run.push("image");
    let (mut machine, port) = Machine::run(&sandbox, &run);
    if let Some(kind) = kind {
        machine.console.wait_for("ironkit: root: /dev/", LIMIT);
        machine.console.wait_for(&format!(" ({kind})\n"), LIMIT);
    }
    for line in [
        "Welcome to IronKit",
        // Onboot containers in order, with their output as it was.
        "onboot 000-dhcpcd: from /containers/onboot/000-dhcpcd\n",
        "eth0: leased 10.0.2.15",
        "readonly: refused\n0\n",
        "writable: kept\n",
        "fails: about to fail\n",
        "onboot 003-fails: failed: exit status 3\n",
        // One that fails does not keep the next from running, unless its policy says so.
        "given: a file of the manifest\nCapEff:\t0000000000000000\ninside\nlogs: refused\n",
        // A file has the capability that its layer gives it: no other way leads to just this one. Nothing is left of how
        // it came here.
        "CapEff:\t0000000000002000\n",
        "ls: /machine/.ironkit: No such file or directory\n",
        // Services: the output goes to their logs, an end that is a failure to the console.
        "services crashes: failed: exit status 7; again in 100 ms\n",
        "services crashes: failed: exit status 7; again in 200 ms\n",
        "ironkit: failed: onboot 003-fails: exit status 3\n",
    ] {
        machine.console.wait_for(line, LIMIT);
    }
    let page = http_get(port, "/", LIMIT);
    let expected = fs::read_to_string(sandbox.path("components/nginx/index.html")).unwrap();
    assert_eq!((page.status, page.text()), (200, expected));
    assert_eq!(http_get(port, "/nothing-here", LIMIT).status, 404);

    machine.press_power_button(STOPPING, LIMIT);
    for line in ["last-words: begin\n", "last-words: end\n", "reboot: Power down"] {
        machine.console.wait_for(line, LIMIT);
    }
    assert_eq!(machine.wait(LIMIT), Some(0));

    let transcript = machine.console.transcript();
    let order = [
        "Welcome to",
        "readonly:",
        "writable:",
        "fails:",
        "CapEff",
        "last-words: begin",
        "Power down",
    ];
    let places: Vec<_> = order.iter().map(|text| transcript.find(text)).collect();
    assert!(places.is_sorted(), "{places:?}\n{transcript}");
    let words = transcript.split("last-words: begin").nth(1).unwrap_or_default();
    for line in [
        "==> /var/log/crashes.out.log <==\ncrashes: run\n",
        "==> /var/log/once.out.log <==\nonce: done\n",
        "==> /var/log/nginx.out.log <==\n10.0.2.2 - - [",
    ] {
        assert!(words.contains(line), "{line:?} is not in the logs:\n{words}");
    }
    assert!(!transcript.contains("Kernel panic"), "{transcript}");

    let (count, report) = last_report(&sandbox);
    assert_eq!((count, report.version, report.ok), (2, 1, false), "{report:?}");
    assert_eq!(report.problems, [] as [String; 0]);
    assert!(report.init_ms <= report.system_ms && report.system_ms <= report.onboot_ms);
    assert!(report.onboot_ms <= report.services_ms && report.shutdown_ms > Some(report.services_ms));
    for (section, name, status) in [
        ("onboot", "000-dhcpcd", 0),
        ("onboot", "001-readonly", 0),
        ("onboot", "003-fails", 3),
        ("onboot", "004-goes-on", 0),
        ("onboot", "005-capable", 0),
        ("services", "once", 0),
        ("onshutdown", "000-last-words", 0),
    ] {
        assert_eq!(container(&report, section, name).status, Some(status), "{name}");
    }
    // The shutdown may come in the moment in which it runs again, and kill it.
    let crashes = container(&report, "services", "crashes");
    assert!(matches!(crashes.status, Some(7 | 137)), "{crashes:?}");
    assert!(crashes.restarts >= 2, "{report:?}");
    for name in ["nginx", "once"] {
        assert_eq!(container(&report, "services", name).restarts, 0, "{name}");
    }
}

#[test]
fn the_example_boots_in_128_mib() {
    let Some(sandbox) = built("examples/minimal.yml", None) else {
        return;
    };
    let run = ["--mem", "128", "--report", "report.json", "image"];
    let (mut machine, port) = Machine::run(&sandbox, &run);
    machine.serves(port, LIMIT);
    machine.console.wait_for("ironkit: boot took ", LIMIT);
    machine.press_power_button(STOPPING, LIMIT);
    machine.console.wait_for("reboot: Power down", LIMIT);
    assert_eq!(machine.wait(LIMIT), Some(0));
    let (_, report) = last_report(&sandbox);
    assert!(report.ok && report.problems.is_empty(), "{report:?}");
}
