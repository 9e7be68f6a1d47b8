//! Builds the static guest programs with a second cargo and embeds them: for this architecture, and for the others that
//! this machine can build for (`scripts/arm64.sh` makes it so).
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

/// The machine's name of an architecture, its OCI name, and the linker for it on another one.
const ARCHITECTURES: [(&str, &str, &str); 2] = [
    ("x86_64", "amd64", "x86_64-linux-gnu-gcc"),
    ("aarch64", "arm64", "aarch64-linux-gnu-gcc"),
];

/// Where a target's standard library comes from.
#[derive(Debug, PartialEq)]
enum Library {
    /// It is this machine's own.
    Own,
    /// The toolchain has it.
    Installed,
    /// From its source, in this copy of the toolchain.
    Source(PathBuf),
}

fn main() -> Result<(), Box<dyn Error>> {
    let out = PathBuf::from(env::var("OUT_DIR")?);
    let workspace = Path::new(&env::var("CARGO_MANIFEST_DIR")?)
        .join("../..")
        .canonicalize()?;
    for watched in ["guest", "Cargo.toml", "Cargo.lock", "crates/package/build.rs"] {
        println!("cargo::rerun-if-changed={}", workspace.join(watched).display());
    }
    // <target>/<profile>/build/<package>/out: shared by all profiles.
    let target_directory = out.ancestors().nth(4).unwrap_or(&out).to_owned();
    let own = env::var("CARGO_CFG_TARGET_ARCH")?;
    let own = ARCHITECTURES.into_iter().find(|(machine, ..)| *machine == own);
    let (own, own_architecture, _) = own.ok_or("there are no guest programs for this architecture yet")?;

    let mut source =
        format!("/// What this program runs on.\npub const ARCHITECTURE: &str = {own_architecture:?};\n\n");
    source.push_str("static BINARIES: &[Binary] = &[\n");
    for (machine, architecture, linker) in ARCHITECTURES {
        let target = format!("{machine}-unknown-linux-gnu");
        let library = match machine == own {
            true => Some(Library::Own),
            false => foreign(&target, linker, &target_directory.join("guest-std"))?,
        };
        let Some(library) = library else { continue };
        let built = build(&workspace, &target_directory, &target, &library, linker)?;
        for (_, name) in BINARIES {
            let file = built.join(name);
            let copy = out.join(format!("{name}-{architecture}"));
            fs::copy(&file, &copy).map_err(|error| format!("{}: {error}", file.display()))?;
            let digest: [u8; 32] = Sha256::digest(fs::read(&copy)?).into();
            writeln!(
                source,
                "    Binary {{ name: {name:?}, architecture: {architecture:?}, bytes: include_bytes!({copy:?}), \
                 digest: {digest:?} }},"
            )?;
        }
    }
    source.push_str("];\n");
    fs::write(out.join("guest.rs"), source)?;
    Ok(())
}

/// How programs for another architecture can be built here, if they can. `std` is where `scripts/arm64.sh` leaves a
/// toolchain with the library's source, and its version.
fn foreign(target: &str, linker: &str, std: &Path) -> Result<Option<Library>, Box<dyn Error>> {
    let path = env::var_os("PATH").unwrap_or_default();
    if !env::split_paths(&path).any(|folder| folder.join(linker).is_file()) {
        return Ok(None);
    }
    let rustc = |arguments: &[&str]| -> Result<String, Box<dyn Error>> {
        let output = Command::new(env::var("RUSTC")?).args(arguments).output()?;
        Ok(String::from_utf8(output.stdout)?.trim().to_owned())
    };
    let installed = rustc(&["--print", "target-libdir", "--target", target])?;
    if !installed.is_empty() && Path::new(&installed).is_dir() {
        return Ok(Some(Library::Installed));
    }
    let version = fs::read_to_string(std.join("version")).unwrap_or_default();
    let same = !version.is_empty() && rustc(&["--version"])?.split(' ').nth(1) == Some(version.trim());
    Ok(same.then(|| Library::Source(std.join("toolchain"))))
}

/// Builds the programs and returns the directory that they are in.
fn build(
    workspace: &Path,
    target_directory: &Path,
    target: &str,
    library: &Library,
    linker: &str,
) -> Result<PathBuf, Box<dyn Error>> {
    let directory = target_directory.join(match library {
        Library::Own => "guest".to_owned(),
        _ => format!("guest-{target}"),
    });
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
    if let Library::Source(toolchain) = library {
        remap(toolchain, "/toolchain");
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
    if *library != Library::Own {
        let name = target.to_uppercase().replace('-', "_");
        cargo.env(format!("CARGO_TARGET_{name}_LINKER"), linker);
    }
    if let Library::Source(toolchain) = library {
        // It finds its libraries, and by them itself, beside its program: unless a variable leads elsewhere.
        cargo
            .args(["-Z", "build-std=std,panic_abort"])
            .env("RUSTC", toolchain.join("bin/rustc"))
            .env("RUSTC_BOOTSTRAP", "1")
            .env_remove("LD_LIBRARY_PATH");
    }
    cargo
        .env("CARGO_TARGET_DIR", &directory)
        .env("CARGO_ENCODED_RUSTFLAGS", flags.join("\x1f"));
    let output = cargo.output()?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        return Err(format!(
            "the guest programs cannot be built for {target} ({}):\n{said}",
            output.status
        )
        .into());
    }
    Ok(directory.join(target).join("guest"))
}
