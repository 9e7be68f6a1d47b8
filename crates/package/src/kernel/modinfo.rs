//! What a kernel module says about itself: the `.modinfo` section of its ELF file (kernel: include/linux/moduleparam.h).

use object::Endianness;
use object::elf::FileHeader64;
use object::read::elf::{FileHeader, SectionHeader};

/// The part of `.modinfo` that loading needs. Names have `_` for `-`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Modinfo {
    /// Modules whose symbols it uses.
    pub depends: Vec<String>,
    /// Patterns of what it is for.
    pub aliases: Vec<String>,
    /// Modules that it would like, as written: `pre: a b post: c`.
    pub softdeps: Vec<String>,
}

/// The kernel's name of the module in a file: without folders and endings, `_` for `-`.
pub fn module_name(file: &str) -> String {
    let file = file.rsplit('/').next().unwrap_or(file);
    file.split(".ko").next().unwrap_or(file).replace('-', "_")
}

/// Reads the section of a module.
///
/// # Errors
/// What is wrong with the file.
pub fn read(module: &[u8]) -> Result<Modinfo, String> {
    let shown = |error: object::read::Error| error.to_string();
    let header = FileHeader64::<Endianness>::parse(module).map_err(shown)?;
    let endian = header.endian().map_err(shown)?;
    let sections = header.sections(endian, module).map_err(shown)?;
    let (_, section) = sections
        .section_by_name(endian, b".modinfo")
        .ok_or("it has no .modinfo section")?;
    Ok(parse(section.data(endian, module).map_err(shown)?))
}

/// Reads the content of the section: `key=value` ended by NULs.
pub fn parse(section: &[u8]) -> Modinfo {
    let mut modinfo = Modinfo::default();
    for field in section.split(|&byte| byte == 0) {
        let field = String::from_utf8_lossy(field);
        match field.split_once('=') {
            Some(("depends", names)) => {
                modinfo
                    .depends
                    .extend(names.split(',').filter(|name| !name.is_empty()).map(module_name));
            }
            Some(("alias", pattern)) => modinfo.aliases.push(pattern.to_owned()),
            Some(("softdep", modules)) => modinfo.softdeps.push(modules.to_owned()),
            _ => {}
        }
    }
    modinfo
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_read() {
        let found = parse(b"alias=virtio:d00000001v*\0license=GPL\0\0depends=net_failover,virtio-ring\0softdep=pre: crc32c\0depends=\0alias=fs-x");
        let expect = Modinfo {
            depends: vec!["net_failover".into(), "virtio_ring".into()],
            aliases: vec!["virtio:d00000001v*".into(), "fs-x".into()],
            softdeps: vec!["pre: crc32c".into()],
        };
        assert_eq!(found, expect);
        assert_eq!(parse(b""), Modinfo::default());
    }

    #[test]
    fn names_are_the_kernels() {
        for (file, name) in [
            ("kernel/crypto/crc32c-intel.ko.xz", "crc32c_intel"),
            ("virtio-rng", "virtio_rng"),
            ("a/b.ko", "b"),
        ] {
            assert_eq!(module_name(file), name);
        }
    }

    #[test]
    fn what_is_no_module_is_an_error() {
        for bad in [&b""[..], b"\x7fELF", b"#!/bin/sh\n"] {
            assert!(read(bad).is_err());
        }
    }
}
