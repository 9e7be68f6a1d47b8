//! Builds the static guest programs with a second cargo and embeds them.
//!
//! They get a target directory of their own beside this build's, so that the two cargos do not wait for each other's
//! lock, and paths of this machine are taken out of them, so that their bytes depend on the sources only.

use std::env;
use std::error::Error;
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use sha2::{Digest, Sha256};

/// Package and name of the program in it.
const BINARIES: [(&str, &str); 2] = [("ironkit-init", "init"), ("ironkit-tools", "tools")];

fn main() -> Result<(), Box<dyn Error>> {
    let out = PathBuf::from(env::var("OUT_DIR")?);
    let workspace = Path::new(&env::var("CARGO_MANIFEST_DIR")?)
        .join("../..")
        .canonicalize()?;
    for watched in ["guest", "Cargo.toml", "Cargo.lock", "crates/package/build.rs"] {
        println!("cargo::rerun-if-changed={}", workspace.join(watched).display());
    }
    let (machine, architecture) = match env::var("CARGO_CFG_TARGET_ARCH")?.as_str() {
        "x86_64" => ("x86_64", "amd64"),
        "aarch64" => ("aarch64", "arm64"),
        other => return Err(format!("there are no guest programs for {other} yet").into()),
    };
    let target = format!("{machine}-unknown-linux-gnu");
    let built = build(&workspace, &out, &target)?;

    let mut source =
        format!("/// What the programs run on.\npub const ARCHITECTURE: &str = {architecture:?};\n\n");
    source.push_str("static BINARIES: &[Binary] = &[\n");
    for (_, name) in BINARIES {
        let file = built.join(name);
        let copy = out.join(name);
        fs::copy(&file, &copy).map_err(|error| format!("{}: {error}", file.display()))?;
        let digest: [u8; 32] = Sha256::digest(fs::read(&copy)?).into();
        writeln!(
            source,
            "    Binary {{ name: {name:?}, bytes: include_bytes!({copy:?}), digest: {digest:?} }},"
        )?;
    }
    source.push_str("];\n");
    fs::write(out.join("guest.rs"), source)?;
    Ok(())
}

/// Builds the programs and returns the directory that they are in.
fn build(workspace: &Path, out: &Path, target: &str) -> Result<PathBuf, Box<dyn Error>> {
    // <target>/<profile>/build/<package>/out: shared by all profiles.
    let directory = out.ancestors().nth(4).unwrap_or(out).join("guest");
    let mut flags = vec!["-Ctarget-feature=+crt-static".to_owned()];
    let mut remap =
        |from: &Path, to: &str| flags.push(format!("--remap-path-prefix={}={to}", from.display()));
    remap(&directory, "/target");
    remap(workspace, "/ironkit");
    if let Some(home) = env::var_os("CARGO_HOME")
        .map(PathBuf::from)
        .or(env::home_dir().map(|home| home.join(".cargo")))
    {
        remap(&home, "/cargo");
    }
    let mut cargo = Command::new(env::var("CARGO")?);
    cargo.current_dir(workspace).args([
        "build",
        "--quiet",
        "--locked",
        "--profile",
        "guest",
        "--target",
        target,
    ]);
    for (package, _) in BINARIES {
        cargo.args(["--package", package]);
    }
    // What the outer cargo says about this build must not reach the inner one; its configuration may.
    const OUTER: [&str; 8] = [
        "CARGO_MANIFEST_",
        "CARGO_PKG_",
        "CARGO_CFG_",
        "CARGO_FEATURE_",
        "CARGO_PROFILE_",
        "CARGO_BUILD_",
        "CARGO_TARGET_",
        "RUSTC",
    ];
    for (name, _) in env::vars_os() {
        let text = name.to_string_lossy();
        if OUTER.iter().any(|start| text.starts_with(start))
            || ["RUSTFLAGS", "CARGO_INCREMENTAL"].contains(&&*text)
        {
            cargo.env_remove(&name);
        }
    }
    cargo
        .env("CARGO_TARGET_DIR", &directory)
        .env("CARGO_ENCODED_RUSTFLAGS", flags.join("\x1f"));
    let output = cargo.output()?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        return Err(format!("the guest programs cannot be built ({}):\n{said}", output.status).into());
    }
    Ok(directory.join(target).join("guest"))
}
