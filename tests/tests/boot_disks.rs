//! Disks and unified kernel images: judged by other tools, and booted to the web page of examples/minimal.yml.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::process::Command;

use ironkit_tests::{Firmware, Sandbox, boots, boots_and_says, judge, run, succeed};

const MANIFEST: &str = "examples/minimal.yml";
const FORMATS: &str = "raw-bios,raw-efi,raw,uki";

/// A sandbox whose store has all that the manifest and its boot loaders need.
fn prepared() -> Sandbox {
    let sandbox = Sandbox::with_components();
    sandbox.stock_for(MANIFEST, &["--format", FORMATS]);
    sandbox
}

/// Builds one format; its file.
fn build(sandbox: &Sandbox, format: &str, file: &str, arguments: &[&str]) -> PathBuf {
    let mut command = sandbox.ironkit(["build", "--format", format, "--dir", "tmp"]);
    succeed(command.args(arguments).arg(MANIFEST));
    sandbox.path("tmp").join(file)
}

#[test]
fn raw_bios_boots() {
    let sandbox = prepared();
    let disk = build(&sandbox, "raw-bios", "minimal-bios.img", &[]);
    boots(&disk, "raw", Firmware::Bios);
}

#[test]
fn raw_efi_boots() {
    let sandbox = prepared();
    let disk = build(&sandbox, "raw-efi", "minimal-efi.img", &[]);
    boots(&disk, "raw", Firmware::Uefi);
}

#[test]
fn raw_boots_by_both() {
    let sandbox = prepared();
    let disk = build(&sandbox, "raw", "minimal.img", &[]);
    boots(&disk, "raw", Firmware::Bios);
    boots(&disk, "raw", Firmware::Uefi);
}

#[test]
fn roots_in_partitions_boot() {
    let sandbox = prepared();
    let disk = build(&sandbox, "raw-bios", "minimal-bios.img", &["--root", "squashfs"]);
    boots(&disk, "raw", Firmware::Bios);
    let disk = build(&sandbox, "raw", "minimal.img", &["--root", "erofs"]);
    boots(&disk, "raw", Firmware::Uefi);
}

#[test]
fn data_partitions_grow_with_their_disk() {
    let sandbox = prepared();
    let said = ["ironkit: data: partition grown from 64 to", " on /var, "];
    let arguments = ["--data-partition", "64M", "--size", "512M"];
    let disk = build(&sandbox, "raw-bios", "minimal-bios.img", &arguments);
    boots_and_says(&disk, "raw", Firmware::Bios, &said);
    let disk = build(
        &sandbox,
        "raw",
        "minimal.img",
        &[&arguments[..], &["--root", "squashfs"]].concat(),
    );
    boots_and_says(&disk, "raw", Firmware::Uefi, &said);
}

#[test]
fn judges_find_nothing_wrong() {
    let sandbox = prepared();
    let disks = [
        ("minimal-bios.img", "sfdisk", "-V", "No errors detected"),
        ("minimal-efi.img", "sgdisk", "-v", "No problems found"),
        ("minimal.img", "sgdisk", "-v", "No problems found"),
        ("minimal.img", "sfdisk", "-V", "No errors detected"),
    ];
    for root in ["initrd", "squashfs", "erofs"] {
        build(&sandbox, FORMATS, "", &["--root", root]);
        for (file, program, option, expect) in disks {
            let Some(program) = judge(program) else { continue };
            let said = succeed(
                Command::new(program)
                    .arg(option)
                    .arg(sandbox.path("tmp").join(file)),
            );
            assert!(said.contains(expect), "{root} {file}\n{said}");
        }
    }
    let uki = sandbox.path("tmp/minimal.efi");
    if let Some(objdump) = judge("objdump") {
        let said = succeed(Command::new(objdump).arg("-h").arg(&uki));
        for section in [".osrel", ".cmdline", ".linux", ".initrd"] {
            assert!(said.contains(section), "{section}\n{said}");
        }
    }
    let (Some(openssl), Some(sbsign), Some(sbverify)) =
        (judge("openssl"), judge("sbsign"), judge("sbverify"))
    else {
        return;
    };
    let [key, certificate, signed] = ["key", "certificate", "signed"].map(|name| sandbox.path(name));
    succeed(
        Command::new(openssl)
            .args([
                "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=test",
            ])
            .arg("-keyout")
            .arg(&key)
            .arg("-out")
            .arg(&certificate),
    );
    succeed(
        Command::new(sbsign)
            .arg("--key")
            .arg(key)
            .arg("--cert")
            .arg(&certificate)
            .arg("--output")
            .arg(&signed)
            .arg(uki),
    );
    let said = run(Command::new(sbverify).arg("--cert").arg(certificate).arg(signed));
    assert_eq!(said.code, Some(0), "{said}");
}

#[test]
fn disks_are_as_large_as_asked_for_and_full_of_holes() {
    let sandbox = prepared();
    for (format, file) in [
        ("raw-bios", "minimal-bios.img"),
        ("raw-efi", "minimal-efi.img"),
        ("raw", "minimal.img"),
    ] {
        let disk = build(&sandbox, format, file, &["--size", "5G"]);
        let found = fs::metadata(disk).unwrap();
        assert_eq!(found.len(), 5 << 30);
        assert!(
            found.blocks() * 512 < 64 << 20,
            "{format}: {} blocks",
            found.blocks()
        );
        let mut command = sandbox.ironkit(["build", "--format", format, "--dir", "tmp", "--size", "3M"]);
        let refused = run(command.arg(MANIFEST));
        assert_eq!(refused.code, Some(1), "{refused}");
        assert!(refused.stderr.contains("it needs"), "{refused}");
        assert!(refused.stderr.contains("is enough"), "{refused}");
    }
}

#[test]
fn bytes_do_not_depend_on_threads_and_loaders_can_be_swapped() {
    let sandbox = prepared();
    let read = |arguments: &[&str]| {
        build(&sandbox, FORMATS, "", arguments);
        [
            "minimal-bios.img",
            "minimal-efi.img",
            "minimal.img",
            "minimal.efi",
        ]
        .map(|file| fs::read(sandbox.path("tmp").join(file)).unwrap())
    };
    let ours = read(&["--check"]);
    // The same loader, by the name of its folder.
    assert!(
        ours == read(&[
            "--loader",
            "@pkg:components/systemd-stub",
            "--loader",
            "@pkg:components/grub"
        ])
    );
    let recipe = sandbox.path("components/other/build.yml");
    fs::create_dir_all(recipe.parent().unwrap()).unwrap();
    let text = "image: other\norg: tests\ncontents:\n  - file: stub\n    path: /usr/lib/systemd/boot/efi/linuxx64.efi.stub\n";
    fs::write(recipe, text).unwrap();
    fs::write(sandbox.path("components/other/stub"), "no executable").unwrap();
    let mut command = sandbox.ironkit(["build", "--format", "uki", "--dir", "tmp"]);
    let refused = run(command.args(["--loader", "@pkg:components/other", MANIFEST]));
    assert_eq!(refused.code, Some(1), "{refused}");
    assert!(refused.stderr.contains("this stub"), "{refused}");
}

#[test]
fn loaders_can_be_locked_and_are_in_the_provenance() {
    let sandbox = prepared();
    let loader = ["--loader", "@pkg:components/systemd-stub"];
    let lock = ["--lock-file", "loader.lock"];
    let build = |more: &[&str]| {
        let mut command = sandbox.ironkit(["build", "--format", "uki", "--dir", "tmp", "--locked"]);
        run(command.args(lock).args(more).arg(MANIFEST))
    };
    succeed(sandbox.ironkit(["lock"]).args(lock).arg(MANIFEST));
    let refused = build(&loader);
    assert_eq!(refused.code, Some(1), "{refused}");
    assert!(
        refused.stderr.contains("the lock file does not have it"),
        "{refused}"
    );
    assert!(refused.stderr.contains("systemd-stub"), "{refused}");
    succeed(sandbox.ironkit(["lock"]).args(lock).args(loader).arg(MANIFEST));
    for arguments in [&[] as &[&str], &loader] {
        let built = build(&[arguments, &["--provenance", "said.json"]].concat());
        assert_eq!(built.code, Some(0), "{built}");
        let said = fs::read_to_string(sandbox.path("said.json")).unwrap();
        assert!(said.contains("ironkit/systemd-stub:"), "{said}");
    }
}

#[test]
fn single_files_can_go_anywhere() {
    let sandbox = prepared();
    for (format, file) in [("raw", "minimal.img"), ("uki", "minimal.efi")] {
        let named = fs::read(build(&sandbox, format, file, &[])).unwrap();
        let arguments = ["build", "--format", format, MANIFEST];
        let streamed = sandbox.ironkit(arguments).args(["-o", "-"]).output().unwrap();
        assert!(streamed.stdout == named, "{format} is different in a stream");
        succeed(sandbox.ironkit(arguments).args(["-o", "tmp/elsewhere"]));
        assert!(
            fs::read(sandbox.path("tmp/elsewhere")).unwrap() == named,
            "{format}"
        );
    }
}
