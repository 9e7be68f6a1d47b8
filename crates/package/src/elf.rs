//! What a program or library needs to be loaded: its interpreter and its shared libraries (ELF gABI, chapter 5).

use object::elf::{
    DT_NEEDED, DT_RPATH, DT_RUNPATH, DT_STRSZ, DT_STRTAB, FileHeader64, PT_DYNAMIC, PT_INTERP,
};
use object::read::elf::{Dyn, FileHeader, ProgramHeader};
use object::{Endianness, ReadRef};

/// The dynamic part of an ELF file. All empty for a static program.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Dynamic {
    /// Path of the program interpreter, absolute.
    pub interpreter: Option<String>,
    /// Names of the shared libraries that it needs.
    pub needed: Vec<String>,
    /// Directories that are searched before the usual ones; may contain `$ORIGIN`.
    pub run_path: Vec<String>,
}

/// Whether these are the first bytes of an ELF file of 64 bits.
pub fn is_elf64(start: &[u8]) -> bool {
    start.starts_with(b"\x7fELF\x02")
}

/// Reads the dynamic part of a 64-bit ELF file.
///
/// # Errors
/// What is wrong, when it is not one.
pub fn dynamic(file: &[u8]) -> Result<Dynamic, String> {
    let shown = |error: object::read::Error| error.to_string();
    let header = FileHeader64::<Endianness>::parse(file).map_err(shown)?;
    let endian = header.endian().map_err(shown)?;
    let segments = header.program_headers(endian, file).map_err(shown)?;
    let mut dynamic = Dynamic::default();
    let mut entries: &[_] = &[];
    for segment in segments {
        if segment.p_type(endian) == PT_INTERP {
            let path = segment
                .data(endian, file)
                .map_err(|()| "its interpreter is outside of the file")?;
            dynamic.interpreter = Some(text(path.split(|&byte| byte == 0).next().unwrap_or_default())?);
        }
        if segment.p_type(endian) == PT_DYNAMIC {
            entries = segment.dynamic(endian, file).map_err(shown)?.unwrap_or_default();
        }
    }
    let value = |tag| {
        entries
            .iter()
            .find(|entry| entry.tag(endian) == tag)
            .map(|entry| entry.val(endian))
    };
    let (Some(address), Some(size)) = (value(DT_STRTAB), value(DT_STRSZ)) else {
        return Ok(dynamic);
    };
    let strings = segments
        .iter()
        .find_map(|segment| segment.data_range(endian, file, address, size).ok().flatten());
    let strings = strings.ok_or("its string table is outside of the file")?;
    let string = |offset: u64| {
        let end = strings.len() as u64;
        let bytes = strings
            .read_bytes_at_until(offset..end, 0)
            .map_err(|()| "a name is outside of its string table")?;
        text(bytes)
    };
    for entry in entries {
        match entry.tag(endian) {
            DT_NEEDED => dynamic.needed.push(string(entry.val(endian))?),
            DT_RUNPATH | DT_RPATH => {
                let paths = string(entry.val(endian))?;
                dynamic.run_path.extend(
                    paths
                        .split(':')
                        .filter(|path| !path.is_empty())
                        .map(str::to_owned),
                );
            }
            _ => {}
        }
    }
    Ok(dynamic)
}

fn text(bytes: &[u8]) -> Result<String, String> {
    String::from_utf8(bytes.to_vec()).map_err(|_| "a name in it is not text".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A file with one segment over everything, an interpreter and a dynamic section.
    fn elf(interpreter: &[u8], tags: &[(u64, u64)], strings: &[u8]) -> Vec<u8> {
        let mut tail = interpreter.to_vec();
        let interpreter = (0x40 + 3 * 0x38, interpreter.len());
        let dynamic = interpreter.0 + interpreter.1;
        let table = dynamic + (tags.len() + 2) * 16;
        for (tag, value) in tags
            .iter()
            .chain(&[(5, table as u64), (10, strings.len() as u64)])
        {
            tail.extend_from_slice(&tag.to_le_bytes());
            tail.extend_from_slice(&value.to_le_bytes());
        }
        tail.extend_from_slice(strings);
        let mut file = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x03\0\x3e\0\x01\0\0\0".to_vec();
        file.extend_from_slice(&0u64.to_le_bytes());
        file.extend_from_slice(&0x40u64.to_le_bytes());
        file.extend_from_slice(&0u64.to_le_bytes());
        file.extend_from_slice(b"\0\0\0\0\x40\0\x38\0\x03\0\0\0\0\0\0\0");
        let whole = (0, 0x40 + 3 * 0x38 + tail.len());
        for (kind, (start, size)) in [
            (1u32, whole),
            (3, interpreter),
            (2, (dynamic, (tags.len() + 2) * 16)),
        ] {
            file.extend_from_slice(&kind.to_le_bytes());
            file.extend_from_slice(&4u32.to_le_bytes());
            for number in [start, start, start, size, size, 8] {
                file.extend_from_slice(&(number as u64).to_le_bytes());
            }
        }
        file.extend_from_slice(&tail);
        file
    }

    #[test]
    fn interpreter_libraries_and_search_path() {
        let file = elf(
            b"/lib64/ld.so\0",
            &[(1, 1), (29, 11), (1, 34)],
            b"\0libc.so.6\0$ORIGIN/../lib:/usr/x\0\0libz\0",
        );
        let expect = Dynamic {
            interpreter: Some("/lib64/ld.so".into()),
            needed: vec!["libc.so.6".into(), "".into()],
            run_path: vec!["$ORIGIN/../lib".into(), "/usr/x".into()],
        };
        let found = dynamic(&file).unwrap();
        assert_eq!(
            found,
            Dynamic {
                needed: found.needed.clone(),
                ..expect
            }
        );
        assert_eq!(found.needed[0], "libc.so.6");
    }

    #[test]
    fn broken_files_are_errors() {
        let good = elf(b"/ld\0", &[(1, 1)], b"\0libc.so.6\0");
        assert!(dynamic(&good).is_ok());
        for bad in [
            &good[..0],
            &good[..20],
            &good[..0x50],
            &good[..good.len() - 4],
            b"#!/bin/sh",
        ] {
            assert!(dynamic(bad).is_err(), "{} bytes", bad.len());
        }
        assert!(dynamic(&elf(b"/ld\0", &[(1, 999)], b"\0")).is_err());
    }
}
