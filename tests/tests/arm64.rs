//! A machine of another architecture: built here, booted under emulation, asked for its page.

use std::time::Duration;

use ironkit_tests::{Machine, Sandbox, free_port, http_get, judge, succeed};

/// Far more than any step takes.
const LIMIT: Duration = Duration::from_secs(180);

#[test]
fn the_example_boots_on_arm64() {
    // `scripts/arm64.sh` installs the linker, without which this ironkit has no programs for arm64.
    if judge("qemu-system-aarch64").is_none() || judge("aarch64-linux-gnu-gcc").is_none() {
        return;
    }
    let sandbox = Sandbox::with_components();
    let arguments = ["--arch", "arm64"];
    sandbox.stock_for("examples/minimal.yml", &arguments);
    let build = ["build", "--name", "image", "examples/minimal.yml"];
    succeed(sandbox.ironkit(build).args(arguments));
    let port = free_port();
    let publish = format!("127.0.0.1:{port}:80");
    let machine = Machine::start(&mut sandbox.ironkit([
        "run",
        "qemu",
        "--arch",
        "aarch64",
        "--accel",
        "tcg",
        "--mem",
        "256",
        "--append",
        "console=ttyAMA0",
        "--publish",
        &publish,
        "image",
    ]));
    machine.console.wait_for("aarch64)", LIMIT);
    let page = http_get(port, "/index.html", LIMIT);
    assert_eq!(page.status, 200);
    assert!(page.text().contains("Served by IronKit"), "{page:?}");
    machine.console.wait_for("ironkit: boot took ", LIMIT);
}
