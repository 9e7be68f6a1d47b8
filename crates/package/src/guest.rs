//! The static programs that run in the guest and travel inside of this one, so that components can be built on a
//! machine without a Rust toolchain. They are built by this crate's build script.

use ironkit_tree::Digest;

/// A static program.
#[derive(Debug, Clone, Copy)]
pub struct Binary {
    /// Name, as recipes have it.
    pub name: &'static str,
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

/// The program of this name.
pub fn find(name: &str) -> Option<&'static Binary> {
    BINARIES.iter().find(|binary| binary.name == name)
}

/// The names of all programs.
pub fn names() -> impl Iterator<Item = &'static str> {
    BINARIES.iter().map(|binary| binary.name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_static_and_what_their_digest_says() {
        for name in ["init", "tools"] {
            let binary = find(name).unwrap();
            assert_eq!(Digest::of(binary.bytes), binary.digest());
            assert_eq!(
                crate::elf::dynamic(binary.bytes).unwrap().interpreter,
                None,
                "{name} is static"
            );
        }
        assert!(find("other").is_none());
    }
}
