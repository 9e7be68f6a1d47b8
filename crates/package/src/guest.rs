//! The static programs that run in the guest and travel inside of this one, so that components can be built on a
//! machine without a Rust toolchain. They are built by this crate's build script.

use ironkit_tree::Digest;

/// A static program.
#[derive(Debug, Clone, Copy)]
pub struct Binary {
    /// Name, as recipes have it.
    pub name: &'static str,
    /// What it runs on, by its OCI name.
    pub architecture: &'static str,
    /// The ELF file.
    pub bytes: &'static [u8],
    digest: [u8; 32],
}

include!(concat!(env!("OUT_DIR"), "/guest.rs"));

impl Binary {
    /// Digest of the file, computed when it was built.
    pub fn digest(&self) -> Digest {
        Digest::from(self.digest)
    }
}

/// The program of this name for an architecture.
pub fn find(name: &str, architecture: &str) -> Option<&'static Binary> {
    let is_it = |binary: &&Binary| (binary.name, binary.architecture) == (name, architecture);
    BINARIES.iter().find(is_it)
}

/// The names of all programs.
pub fn names() -> impl Iterator<Item = &'static str> {
    let own = BINARIES
        .iter()
        .filter(|binary| binary.architecture == ARCHITECTURE);
    own.map(|binary| binary.name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_static_and_what_their_digest_says() {
        for name in ["init", "tools"] {
            assert!(find(name, ARCHITECTURE).is_some(), "{name}");
        }
        for binary in BINARIES {
            assert_eq!(Digest::of(binary.bytes), binary.digest());
            assert_eq!(
                crate::elf::dynamic(binary.bytes).unwrap().interpreter,
                None,
                "{} is static",
                binary.name
            );
        }
        assert!(find("other", ARCHITECTURE).is_none());
        assert!(find("init", "other").is_none());
    }
}
