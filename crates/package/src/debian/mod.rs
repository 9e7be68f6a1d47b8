//! Debian's archive as a source of files: mirror → signed release → index → packages.
//!
//! Nothing is installed and nothing of a package is run: a package is a set of named files. Only the component `main`
//! of one suite is looked at.

pub mod apt;
pub mod ar;
pub mod control;
pub mod deb;
pub mod fetch;
pub mod index;
pub mod release;
pub mod version;

pub use control::Record;
pub use deb::Package;
pub use fetch::{Downloads, Machine};
pub use index::Index;

/// The directory of an architecture's libraries: its multiarch tuple. `None` for one that Debian does not release.
pub fn multiarch(architecture: &str) -> Option<&'static str> {
    match architecture {
        "amd64" => Some("x86_64-linux-gnu"),
        "arm64" => Some("aarch64-linux-gnu"),
        "riscv64" => Some("riscv64-linux-gnu"),
        _ => None,
    }
}
