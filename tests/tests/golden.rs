//! What LinuxKit built, and what we build from the same: every case of the golden set.
//!
//! The cases, their images and the program that compares are not part of this checkout but beside it; `README.md` there
//! says what is compared and what may differ.

use std::process::Command;

use ironkit_tests::{ironkit, judge, python, shared, succeed};

#[test]
fn linuxkits_manifests_build_the_same_machines() {
    let (Some(golden), Some(python), Some(_)) = (shared("golden"), python(), judge("git")) else {
        return;
    };
    let script = golden.join("compare.py");
    let text = succeed(Command::new(python).arg(script).arg("--bin").arg(ironkit()));
    assert!(text.trim_end().ends_with(" 0 failed"), "{text}");
}
