//! What `ironkit run` gives a machine, as the machine sees it: disks, metadata, folders, a TPM, networks. And what is left of it
//! when it ends.

use std::fs;
use std::process::Command;
use std::time::{Duration, Instant};

use ironkit_tests::{Machine, Sandbox, ironkit, judge, run, succeed};

/// Far more than any step takes.
const LIMIT: Duration = Duration::from_secs(240);

/// An image with a shell, from the package that the component `getty` is locked to.
const SHELL: &str = r#"
image: shell
org: tests
debian: {suite: trixie}
contents:
  - package: busybox-static
    paths: [/usr/bin/busybox]
    as: /bin/busybox
  - directory: /dev
  - directory: /mnt
  - directory: /proc
  - directory: /run
  - directory: /sys
"#;

const MANIFEST: &str = r#"
kernel:
  image: "@pkg:components/kernel"
  cmdline: "console=ttyS0"
init:
  - "@pkg:components/init"
onboot:
  - name: look
    image: "@pkg:components/shell"
    capabilities: [all]
    devices: [{path: all, type: b}, {path: all, type: c}]
    net: host
    binds: ["/dev:/dev", "/etc/look:/etc/look"]
    command: ["/bin/busybox", "sh", "/etc/look"]
files:
  - path: /etc/look
    source: look
"#;

/// What the machine says of itself. Which of several SATA disks is called `/dev/sda` is chance.
const LOOK: &str = r#"
busybox() { /bin/busybox "$@"; }
for disk in sda sdb sdc; do
    size=$(busybox cat /sys/block/$disk/size)
    echo "look: disk of $size sectors: $(busybox head -c 7 /dev/$disk)"
    [ $size != 16384 ] || echo "from the guest" | busybox dd of=/dev/$disk conv=notrunc 2>/dev/null
done
busybox mkdir /mnt/cd /mnt/fs
busybox mount -t iso9660 -o ro /dev/sr0 /mnt/cd && echo "look: config: $(busybox cat /mnt/cd/config)"
for tag in virtiofs0 named; do
    busybox mount -t virtiofs $tag /mnt/fs && echo "look: $tag: $(busybox cat /mnt/fs/file)"
    echo "from the guest" >/mnt/fs/new-$tag
    busybox umount /mnt/fs
done
for device in /sys/bus/virtio/devices/*; do echo "look: virtio $(busybox cat $device/device)"; done
[ -c /dev/tpmrm0 ] && echo "look: TPM $(busybox cat /sys/class/tpm/tpm0/tpm_version_major)"
for card in 0:192.0.2 1:198.51.100; do
    busybox ip addr add ${card#*:}.2/24 dev eth${card%:*}
    busybox ip link set eth${card%:*} up
    echo "look: eth${card%:*} $(busybox cat /sys/class/net/eth${card%:*}/address)"
    busybox ping -c 1 -w 60 ${card#*:}.1 >/dev/null && echo "look: ${card#*:}.1 answers"
done
[ -e /sys/class/net/eth2 ] && echo "look: a third card"
busybox sync
echo "look: done"
"#;

/// Networks of its own, with a TAP device and a bridge that QEMU may use, and then what the arguments say.
const NETWORKS: &str = r#"
set -e
ip tuntap add tap0 mode tap; ip addr add 192.0.2.1/24 dev tap0; ip link set tap0 up
ip link add br0 type bridge; ip addr add 198.51.100.1/24 dev br0; ip link set br0 up
mount -t tmpfs none /etc; mkdir /etc/qemu; echo allow br0 >/etc/qemu/bridge.conf
exec "$@"
"#;

/// Whether the test may make networks.
#[expect(clippy::print_stderr, reason = "a skipped test says so")]
fn is_root() -> bool {
    let is_root = succeed(Command::new("id").arg("-u")).trim() == "0";
    if !is_root {
        eprintln!("SKIPPED: networks are made by root only");
    }
    is_root
}

/// Processes that have the sandbox's path in their arguments.
fn left(sandbox: &Sandbox) -> Vec<String> {
    let folder = sandbox.path("").display().to_string();
    let processes = fs::read_dir("/proc").unwrap().flatten();
    let arguments = processes.filter_map(|process| fs::read(process.path().join("cmdline")).ok());
    let text = arguments.map(|bytes| String::from_utf8_lossy(&bytes).replace('\0', " "));
    text.filter(|text| text.contains(&folder)).collect()
}

/// Number of temporary files.
fn temporary(sandbox: &Sandbox) -> usize {
    fs::read_dir(sandbox.path("tmp")).unwrap().count()
}

/// `ironkit run` with these arguments fails with `code`, and says this.
#[track_caller]
fn refuses(sandbox: &Sandbox, arguments: &[&str], code: i32, expected: &[&str]) {
    let begin = ["run", "qemu", "--accel", "tcg"];
    let finished = run(sandbox.ironkit(begin).args(arguments));
    assert_eq!(finished.code, Some(code), "{arguments:?}: {finished}");
    for text in expected {
        assert!(
            finished.stderr.contains(text),
            "{arguments:?}: {text}: {finished}"
        );
    }
}

#[test]
fn a_machine_sees_what_it_is_given() {
    let judges = ["qemu-system-x86_64", "qemu-img", "swtpm", "ip", "unshare"].map(judge);
    if judges.iter().any(Option::is_none) || !is_root() {
        return;
    }
    let sandbox = Sandbox::with_components();
    sandbox.write("m.yml", MANIFEST);
    sandbox.write("look", LOOK);
    sandbox.write("components/shell/build.yml", SHELL);
    let lock = sandbox.path("components/getty/build.lock");
    fs::copy(lock, sandbox.path("components/shell/build.lock")).unwrap();
    sandbox.stock("m.yml");
    succeed(&mut sandbox.ironkit(["build", "m.yml"]));
    for folder in ["one", "two"] {
        sandbox.write(&format!("{folder}/file"), format!("folder {folder}"));
    }
    let mut mark = b"a mark".to_vec();
    mark.resize(4 << 20, b'.');
    sandbox.write("mark", mark);
    let mut convert = sandbox.command("qemu-img");
    succeed(convert.args(["convert", "-f", "raw", "-O", "qcow2", "mark", "given.qcow2"]));

    let before = temporary(&sandbox);
    let mut command = sandbox.command("unshare");
    command
        .args(["--net", "--mount", "sh", "-c", NETWORKS, "sh"])
        .arg(ironkit());
    command.args(["run", "qemu", "--accel", "tcg", "--mem", "512"]);
    command.args([
        "--disk",
        "size=8M,format=raw",
        "--disk",
        "given.qcow2",
        "--disk",
        "16M",
    ]);
    command.args(["--data", "some metadata", "--tpm", "--share", "one"]);
    command.args(["--virtiofs", "one", "--virtiofs", "two,tag=named"]);
    command.args([
        "--networking",
        "tap,tap0",
        "--networking",
        "bridge,br0",
        "--networking",
        "user",
    ]);
    let machine = Machine::start(command.arg("m"));
    machine.console.wait_for("look: done", LIMIT);
    let said = machine.console.transcript();
    let mac = fs::read_to_string(sandbox.path("m-state/mac-addr")).unwrap();
    for text in [
        "disk of 16384 sectors: ",
        "disk of 8192 sectors: a mark.",
        "disk of 32768 sectors: ",
        "config: some metadata",
        "virtiofs0: folder one",
        "named: folder two",
        // A folder by 9p, for which this kernel has no driver.
        "virtio 0x0009",
        "TPM 2",
        &format!("eth0 {mac}"),
        "192.0.2.1 answers",
        "198.51.100.1 answers",
        "a third card",
    ] {
        assert!(said.contains(&format!("look: {text}")), "{text}:\n{said}");
    }

    // What this machine has, no other one gets.
    refuses(
        &sandbox,
        &["--data", "x", "m"],
        2,
        &[
            "another machine uses the state directory ",
            "/m-state",
            "hint: end that machine",
        ],
    );
    refuses(
        &sandbox,
        &["--disk", "given.qcow2", "m"],
        2,
        &["\"write\" lock", "hint: another machine uses the file"],
    );

    // What is killed leaves nothing running.
    assert!(left(&sandbox).len() >= 4, "{:?}", left(&sandbox));
    machine.terminate();
    let deadline = Instant::now() + LIMIT;
    while !left(&sandbox).is_empty() {
        assert!(Instant::now() < deadline, "still running: {:?}", left(&sandbox));
        std::thread::sleep(Duration::from_millis(50));
    }
    let disk = fs::read(sandbox.path("m-state/disk.img")).unwrap();
    assert_eq!((disk.len(), &disk[..14]), (8 << 20, &b"from the guest"[..]));
    for path in ["one/new-virtiofs0", "two/new-named"] {
        assert_eq!(
            fs::read_to_string(sandbox.path(path)).unwrap(),
            "from the guest\n"
        );
    }
    assert_eq!(temporary(&sandbox), before);
}
