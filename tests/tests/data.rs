//! The data partition of a machine: it grows with its disk, and what is on it is still there after the machine was
//! switched off, also without a warning.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use ironkit_tests::{Machine, Sandbox, judge, succeed};

/// Far more than any step takes.
const LIMIT: Duration = Duration::from_secs(180);

/// Each boot writes a line and shows all of them.
const MANIFEST: &str = r#"
kernel:
  image: "@pkg:../components/kernel"
  cmdline: "console=ttyS0 ironkit.data=PARTLABEL=data"
init:
  - "@pkg:../components/init"
onboot:
  - name: diary
    image: "@pkg:../components/shell"
    binds: ["/var:/var"]
    command:
      - /bin/sh
      - -c
      - |
        echo boot >>/var/diary; busybox sync
        busybox wc -l </var/diary
        busybox grep -o ' /var ext4 rw,nodev' /proc/mounts
        busybox ls -d /var/lib /var/log /var/tmp
services:
  - name: busy
    image: "@pkg:../components/shell"
    binds: ["/var:/var"]
    command: ["/bin/sh", "-c", "while true; do echo more >>/var/more; busybox sync; done"]
"#;

/// Bytes of the disk at first, and then.
const SMALL: u64 = 64 << 20;
const LARGE: u64 = 256 << 20;
/// First sector of the data partition.
const START: u64 = 10240;

/// A disk with two partitions, the second of which has an ext4.
fn make_disk(disk: &Path) {
    let file = fs::File::create(disk).unwrap();
    file.set_len(SMALL).unwrap();
    let mut table = Command::new("sgdisk");
    table.args(["-n", "1:2048:+4M", "-n", "2:0:0", "-c", "2:data"]);
    succeed(table.arg(disk));
    let mut filesystem = Command::new("mkfs.ext4");
    filesystem.args(["-q", "-E", &format!("offset={}", START * 512)]);
    succeed(filesystem.arg(disk).arg("50M"));
    file.set_len(LARGE).unwrap();
}

/// The judges' verdict on the disk: e2fsck repairs nothing but what the journal has.
fn is_whole(disk: &Path) {
    let mut verify = Command::new("sgdisk");
    let said = verify.arg("-v").arg(disk).output().unwrap();
    let said = String::from_utf8_lossy(&said.stdout).into_owned();
    assert!(said.contains("No problems found"), "{said}");
    let place = format!("{}?offset={}", disk.display(), START * 512);
    succeed(Command::new("e2fsck").args(["-fn", &place]));
}

fn start(sandbox: &Sandbox) -> Machine {
    let arguments = "run qemu --accel tcg --mem 256 --disk file=disk.img,format=raw image";
    Machine::start(&mut sandbox.ironkit(arguments.split(' ')))
}

#[test]
fn a_data_partition_grows_and_keeps() {
    let tools = ["qemu-system-x86_64", "sgdisk", "mkfs.ext4", "e2fsck"];
    if tools.iter().any(|tool| judge(tool).is_none()) {
        return;
    }
    let sandbox = Sandbox::with_components();
    sandbox.write("examples/data.yml", MANIFEST);
    sandbox.add_shell();
    sandbox.stock("examples/data.yml");
    succeed(&mut sandbox.ironkit(["build", "--name", "image", "examples/data.yml"]));
    let disk = sandbox.path("disk.img");
    make_disk(&disk);

    let machine = start(&sandbox);
    for line in [
        "ironkit: data: partition grown from ",
        "ironkit: data: /dev/sda2 on /var, 250 MiB\n",
        "1\n /var ext4 rw,nodev\n/var/lib\n/var/log\n/var/tmp\n",
        "ironkit: boot took ",
    ] {
        machine.console.wait_for(line, LIMIT);
    }
    // In the midst of its work.
    drop(machine);

    let mut machine = start(&sandbox);
    machine.console.wait_for("2\n /var ext4 rw,nodev\n", LIMIT);
    machine.press_power_button("ironkit: poweroff: stopping\n", LIMIT);
    assert_eq!(machine.wait(LIMIT), Some(0));
    let transcript = machine.console.transcript();
    for line in ["recovery complete", "ironkit: data: /dev/sda2 on /var, 250 MiB"] {
        assert!(transcript.contains(line), "{line:?} is not in {transcript}");
    }
    for line in ["partition grown", "ironkit: failed", "WARNING"] {
        assert!(!transcript.contains(line), "{line:?} is in {transcript}");
    }
    is_whole(&disk);

    // Nothing of it is there: the machine comes up, and says so.
    fs::File::create(&disk).unwrap().set_len(SMALL).unwrap();
    let machine = start(&sandbox);
    for line in [
        "ironkit: there are\n  /dev/sda 65536 KiB\n",
        "ironkit: WARNING: ironkit.data=PARTLABEL=data: it has not appeared within 20 s\n",
        "ironkit: failed: data partition: it has not appeared",
    ] {
        machine.console.wait_for(line, LIMIT);
    }
}
