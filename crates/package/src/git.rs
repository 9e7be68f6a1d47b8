//! What git knows of a folder: whose tree it is in a commit, and whether the folder is as the commit has it.
//!
//! The program `git` is asked, and only to read: no hooks, no file system monitor, no external diff, no fetching of
//! objects that a partial clone lacks. Variables that would point it at another repository are taken away, so that a
//! build out of a hook of another repository means the folder's own.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use ironkit_tree::Hasher;

use crate::Error;

/// The commit that a tag is taken from unless another one is asked for.
pub const HEAD: &str = "HEAD";

/// Settings of a repository that must not have a say.
const SETTINGS: [&str; 4] = [
    "core.fsmonitor=false",
    "core.hooksPath=/dev/null",
    "core.quotePath=false",
    "core.untrackedCache=false",
];

/// Variables that lead git elsewhere, or that make it run programs.
const VARIABLES: [&str; 16] = [
    "GIT_DIR",
    "GIT_WORK_TREE",
    "GIT_INDEX_FILE",
    "GIT_COMMON_DIR",
    "GIT_OBJECT_DIRECTORY",
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_NAMESPACE",
    "GIT_PREFIX",
    "GIT_CONFIG_PARAMETERS",
    "GIT_CONFIG_COUNT",
    "GIT_EXTERNAL_DIFF",
    "GIT_DIFF_OPTS",
    "GIT_ICASE_PATHSPECS",
    "GIT_GLOB_PATHSPECS",
    "GIT_NOGLOB_PATHSPECS",
    "GIT_TRACE",
];

/// Whether a folder is in a git repository's working tree. The program is not asked where no folder above has a `.git`.
///
/// # Errors
/// When git is needed and not installed, or refuses the repository.
pub fn is_tracked(folder: &Path) -> Result<bool, Error> {
    let whole = fs::canonicalize(folder).map_err(|error| refused(folder, error.to_string()))?;
    // `.git` is a folder, or a file in work trees and submodules.
    if !whole.ancestors().any(|above| above.join(".git").exists()) {
        return Ok(false);
    }
    let answer = git(folder, &["rev-parse".as_ref(), "--is-inside-work-tree".as_ref()])?;
    match (answer.status.success(), answer.stdout.as_slice()) {
        (true, b"true\n") => Ok(true),
        (true, _) => Ok(false),
        // Such as a repository of somebody else's, which git does not read.
        (false, _) => Err(failed(folder, &answer)),
    }
}

/// The object that `commit` has at a file or folder, in hexadecimal: that of the commit's whole tree for the top of the
/// repository.
///
/// # Errors
/// When the commit does not have it.
pub fn object(path: &Path, commit: &str) -> Result<String, Error> {
    if commit.is_empty() || commit.starts_with('-') {
        return Err(refused(path, format!("`{commit}` is not a commit")));
    }
    let (folder, name) = match (path.is_dir(), path.parent(), path.file_name()) {
        (false, Some(folder), Some(name)) => (folder, Some(name)),
        _ => (path, None),
    };
    let mut inside = bytes(folder, &["rev-parse".as_ref(), "--show-prefix".as_ref()])?;
    if inside.last() == Some(&b'\n') {
        inside.pop();
    }
    inside.extend(name.unwrap_or_default().as_bytes());
    if inside.is_empty() {
        let tree = format!("{commit}^{{tree}}");
        let arguments = ["rev-parse", "--verify", "--end-of-options", &tree].map(OsStr::new);
        let hash = bytes(folder, &arguments)?;
        return hexadecimal(path, hash.strip_suffix(b"\n").unwrap_or(&hash));
    }
    if inside.last() == Some(&b'/') {
        inside.pop();
    }
    let inside = OsString::from_vec(inside);
    let arguments = [
        "ls-tree".as_ref(),
        "--full-tree".as_ref(),
        "-z".as_ref(),
        commit.as_ref(),
        "--".as_ref(),
        inside.as_os_str(),
    ];
    let listing = bytes(folder, &arguments)?;
    if listing.is_empty() {
        return Err(Error::Git {
            path: path.to_owned(),
            reason: format!("it is not in the commit {commit}"),
            hint: Some("commit it first".to_owned()),
        });
    }
    // `040000 tree HASH<tab>NAME`
    let head = listing.split(|&byte| byte == b'\t').next().unwrap_or_default();
    hexadecimal(path, head.rsplit(|&byte| byte == b' ').next().unwrap_or_default())
}

/// Whether the working tree differs from the last commit at or below `folder`: a changed, added or removed file, or one
/// that git neither has nor ignores.
///
/// # Errors
/// Those of git.
pub fn is_dirty(folder: &Path) -> Result<bool, Error> {
    let arguments = [
        "diff",
        "--quiet",
        "--no-ext-diff",
        "--no-textconv",
        HEAD,
        "--",
        ".",
    ]
    .map(OsStr::new);
    let answer = git(folder, &arguments)?;
    match answer.status.code() {
        Some(0) => Ok(!untracked(folder)?.is_empty()),
        Some(1) => Ok(true),
        _ => Err(failed(folder, &answer)),
    }
}

/// SHA-256, in hexadecimal, over the contents of the regular files of `folder` as they are now: first those that git
/// has, then those that it neither has nor ignores. Names and modes do not count, as in LinuxKit.
///
/// # Errors
/// Those of git, and of reading a file.
pub fn contents(folder: &Path) -> Result<String, Error> {
    let mut files = list(folder, &["ls-files", "-z", "--", "."])?;
    files.extend(untracked(folder)?);
    let mut hasher = Hasher::new();
    for name in files {
        let file = folder.join(name);
        let hashed = fs::symlink_metadata(&file).and_then(|metadata| match metadata.is_file() {
            true => io::copy(&mut File::open(&file)?, &mut hasher).map(drop),
            false => Ok(()),
        });
        match hashed {
            // Removed, and not yet in a commit.
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(refused(&file, error.to_string())),
            Ok(()) => {}
        }
    }
    Ok(hasher.finish().hex())
}

fn untracked(folder: &Path) -> Result<Vec<PathBuf>, Error> {
    list(
        folder,
        &["ls-files", "-z", "--others", "--exclude-standard", "--", "."],
    )
}

/// The NUL-terminated names that git prints.
fn list(folder: &Path, arguments: &[&str]) -> Result<Vec<PathBuf>, Error> {
    let arguments: Vec<&OsStr> = arguments.iter().map(OsStr::new).collect();
    let names = bytes(folder, &arguments)?;
    let names = names.split(|&byte| byte == 0).filter(|name| !name.is_empty());
    Ok(names.map(|name| PathBuf::from(OsStr::from_bytes(name))).collect())
}

fn bytes(folder: &Path, arguments: &[&OsStr]) -> Result<Vec<u8>, Error> {
    let answer = git(folder, arguments)?;
    match answer.status.success() {
        true => Ok(answer.stdout),
        false => Err(failed(folder, &answer)),
    }
}

fn git(folder: &Path, arguments: &[&OsStr]) -> Result<Output, Error> {
    let mut command = Command::new("git");
    for name in VARIABLES {
        command.env_remove(name);
    }
    for setting in SETTINGS {
        command.args(["-c", setting]);
    }
    command
        .args(["--no-pager", "--literal-pathspecs"])
        .arg("-C")
        .arg(folder)
        .args(arguments)
        .env("GIT_OPTIONAL_LOCKS", "0")
        .env("GIT_NO_LAZY_FETCH", "1")
        .env("GIT_TERMINAL_PROMPT", "0")
        .env("LC_ALL", "C")
        .stdin(Stdio::null());
    command.output().map_err(|error| match error.kind() {
        ErrorKind::NotFound => Error::NoGit(folder.to_owned()),
        _ => refused(folder, format!("git cannot be run: {error}")),
    })
}

fn hexadecimal(path: &Path, hash: &[u8]) -> Result<String, Error> {
    let is_hash = matches!(hash.len(), 40 | 64) && hash.iter().all(u8::is_ascii_hexdigit);
    match is_hash {
        true => Ok(String::from_utf8_lossy(hash).into_owned()),
        false => Err(refused(
            path,
            format!("git answers `{}`", String::from_utf8_lossy(hash)),
        )),
    }
}

fn failed(folder: &Path, answer: &Output) -> Error {
    let said = String::from_utf8_lossy(&answer.stderr);
    let said = said.trim().replace('\n', "; ");
    let reason = match said.is_empty() {
        true => format!("git ended with {}", answer.status),
        false => format!("git says: {said}"),
    };
    refused(folder, reason)
}

fn refused(path: &Path, reason: String) -> Error {
    Error::Git {
        path: path.to_owned(),
        reason,
        hint: None,
    }
}
