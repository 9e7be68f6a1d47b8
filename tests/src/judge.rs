//! Tools that judge our output, and other things that a test finds outside of the checkout. In CI they must be
//! there; elsewhere a test without its judge says so and ends.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// The program `name`, or `None` where it is not installed.
///
/// # Panics
/// If it is missing and the environment says `CI`: a test that is skipped there would never run.
pub fn judge(name: &str) -> Option<PathBuf> {
    found(
        name,
        look_for(name, &std::env::var_os("PATH").unwrap_or_default()),
        in_ci(),
    )
}

/// Python, with the modules that `scripts/setup.sh` installs where it has run; else the machine's, if there is one.
///
/// # Panics
/// As [`judge`].
pub fn python() -> Option<PathBuf> {
    let ours = workspace().join(".judges/bin/python3");
    if ours.exists() {
        Some(ours)
    } else {
        judge("python3")
    }
}

/// What `name` is in the folder `shared` beside the checkout, with inputs that are not ours; `None`, said loudly, where
/// there is none: not every checkout has it.
pub fn shared(name: &str) -> Option<PathBuf> {
    let path = workspace()
        .canonicalize()
        .ok()?
        .parent()?
        .join("shared")
        .join(name);
    let what = format!("../shared/{name} beside the checkout");
    found(&what, path.exists().then_some(path), false)
}

/// The workspace's folder.
pub fn workspace() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

/// `CI=true`, as every CI service sets it.
pub(crate) fn in_ci() -> bool {
    std::env::var_os("CI").is_some_and(|value| !value.is_empty() && value != "false")
}

#[expect(clippy::print_stderr, reason = "a skipped test says so")]
fn found(name: &str, path: Option<PathBuf>, required: bool) -> Option<PathBuf> {
    if path.is_none() {
        assert!(!required, "{name} is needed to run this test, and CI skips none");
        eprintln!("SKIPPED: {name} is needed to run this test, and it is not there");
    }
    path
}

/// Administrators' tools (`mkfs`, `fsck`) are not in everybody's `PATH`.
fn look_for(name: &str, path: &std::ffi::OsStr) -> Option<PathBuf> {
    let executable = |file: &PathBuf| {
        std::fs::metadata(file).is_ok_and(|file| file.is_file() && file.permissions().mode() & 0o111 != 0)
    };
    std::env::split_paths(path)
        .chain(["/usr/sbin".into(), "/sbin".into()])
        // What scripts/setup.sh takes from Python's registry.
        .chain([workspace().join(".judges/bin")])
        .map(|folder| folder.join(name))
        .find(executable)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_found_in_the_path() {
        assert_eq!(look_for("sh", "/nowhere:/bin".as_ref()), Some("/bin/sh".into()));
        assert_eq!(look_for("sh", "/nowhere".as_ref()), None);
        assert_eq!(look_for("bin", "/usr".as_ref()), None, "a folder is no program");
    }

    #[test]
    fn a_missing_judge_skips_here_and_fails_in_ci() {
        assert_eq!(found("x", None, false), None);
        assert_eq!(found("x", Some("/x".into()), true), Some("/x".into()));
        assert!(std::panic::catch_unwind(|| found("x", None, true)).is_err());
    }

    #[test]
    fn the_workspace_is_where_its_lock_file_is() {
        assert!(workspace().join("Cargo.lock").exists());
    }
}
