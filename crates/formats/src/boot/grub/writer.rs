//! Links the image.

use std::collections::BTreeSet;
use std::io::Write;

use lzma_rust2::{EncodeMode, LzmaOptions, LzmaWriter, MfType};

use super::format::{
    BLOCK_LIST, BLOCK_LIST_COUNT, BOOT_SECTOR, CDBOOT, CODE, COMPRESSED_SIZE, CONFIG, CORE_END,
    DECOMPRESSOR_MAX, DICTIONARY, DRIVE_CHECK, ELF, HYBRID_SECTOR, KERNEL_END, LINK_ADDRESS, LZMA,
    MODULES_HEADER, MODULES_MAGIC, NO_OPERATION, OBJECT_ALIGNMENT, OBJECT_HEADER, SECTOR, UNCOMPRESSED_SIZE,
};
use crate::FormatError;

/// The modules that `wanted` need, each after those that it needs itself, out of the package's moddep.lst: lines of a module,
/// a colon, and modules.
pub fn modules(moddep: &str, wanted: &[&str]) -> Vec<String> {
    let mut ordered = Vec::new();
    let mut seen = BTreeSet::new();
    // A module is there twice on the way down: before what it needs, and after.
    let mut stack: Vec<(String, bool)> = wanted
        .iter()
        .rev()
        .map(|name| ((*name).to_owned(), false))
        .collect();
    while let Some((name, needs_known)) = stack.pop() {
        if needs_known {
            ordered.push(name);
        } else if seen.insert(name.clone()) {
            let needs = moddep
                .lines()
                .find_map(|line| line.split_once(':').filter(|(module, _)| *module == name));
            let needs = needs.map_or("", |(_, needs)| needs);
            stack.push((name, true));
            stack.extend(
                needs
                    .split_whitespace()
                    .rev()
                    .map(|need| (need.to_owned(), false)),
            );
        }
    }
    ordered
}

/// Decompressor, kernel, modules (in the order in which they are loaded) and configuration: what both disks and CDs load.
///
/// # Errors
/// [`FormatError::Image`] for files that are not GRUB's, and for more than there is room for in memory.
pub fn core(
    decompressor: &[u8],
    kernel: &[u8],
    modules: &[&[u8]],
    config: &[u8],
) -> Result<Vec<u8>, FormatError> {
    let mut plain = loaded(kernel)?.to_vec();
    let config = [config, &[0]].concat();
    let objects = modules.iter().map(|&module| (ELF, module));
    let objects: Vec<_> = objects.chain([(CONFIG, config.as_slice())]).collect();
    let padded = |object: &[u8]| object.len().next_multiple_of(OBJECT_ALIGNMENT) + OBJECT_HEADER;
    let size = MODULES_HEADER + objects.iter().map(|(_, object)| padded(object)).sum::<usize>();
    for value in [MODULES_MAGIC, number(MODULES_HEADER)?, number(size)?] {
        plain.extend(value.to_le_bytes());
    }
    for (kind, object) in objects {
        plain.extend(kind.to_le_bytes());
        plain.extend(number(padded(object))?.to_le_bytes());
        plain.extend(object);
        plain.resize(plain.len() + padded(object) - OBJECT_HEADER - object.len(), 0);
    }
    let compressed = compress(&plain)?;
    if !(UNCOMPRESSED_SIZE + 4..=DECOMPRESSOR_MAX).contains(&decompressor.len()) {
        return Err(refused(format!("a decompressor of {} bytes", decompressor.len())));
    }
    let mut core = decompressor.to_vec();
    core[COMPRESSED_SIZE..][..4].copy_from_slice(&number(compressed.len())?.to_le_bytes());
    core[UNCOMPRESSED_SIZE..][..4].copy_from_slice(&number(plain.len())?.to_le_bytes());
    core.extend(compressed);
    match core.len() > CORE_END - LINK_ADDRESS as usize {
        true => Err(refused(format!("a core image of {} bytes", core.len()))),
        false => Ok(core),
    }
}

/// diskboot.img and the core, as they are on a disk from `sector` on.
///
/// # Errors
/// [`FormatError::Image`], for a file that is not GRUB's.
pub fn disk_image(diskboot: &[u8], core: &[u8], sector: u64) -> Result<Vec<u8>, FormatError> {
    let mut image = exactly(diskboot, SECTOR, "diskboot.img")?;
    let count = u16::try_from(core.len().div_ceil(SECTOR));
    let count = count.map_err(|_| refused(format!("a core image of {} bytes", core.len())))?;
    image[BLOCK_LIST..][..8].copy_from_slice(&(sector + 1).to_le_bytes());
    image[BLOCK_LIST_COUNT..][..2].copy_from_slice(&count.to_le_bytes());
    image.extend(core);
    image.resize(image.len().next_multiple_of(SECTOR), 0);
    Ok(image)
}

/// The boot image of a CD (El Torito, without emulation, with a boot information table): cdboot.img, diskboot.img, core. `sector`
/// is where it is on the medium in sectors of 512 bytes, for a BIOS that starts it as a disk through [`hybrid_record`].
///
/// # Errors
/// [`FormatError::Image`], for a file that is not GRUB's.
pub fn cd_image(cdboot: &[u8], diskboot: &[u8], core: &[u8], sector: u64) -> Result<Vec<u8>, FormatError> {
    let mut image = exactly(cdboot, CDBOOT, "cdboot.img")?;
    image.extend(disk_image(diskboot, core, sector + super::CD_CORE_SECTOR)?);
    Ok(image)
}

/// The code of the master boot record of a disk whose core image is at `sector`.
///
/// # Errors
/// [`FormatError::Image`], for a file that is not GRUB's.
pub fn boot_record(boot: &[u8], sector: u64) -> Result<Vec<u8>, FormatError> {
    let mut code = exactly(boot, SECTOR, "boot.img")?;
    code[BOOT_SECTOR..][..8].copy_from_slice(&sector.to_le_bytes());
    code[DRIVE_CHECK..][..2].fill(NO_OPERATION);
    code.truncate(CODE);
    Ok(code)
}

/// The code of the master boot record of a CD that is started as a disk, with boot_hybrid.img. `sector` is that of diskboot.img.
/// It is longer than [`boot_record`]'s, so that the sector's number has its place in it.
///
/// # Errors
/// [`FormatError::Image`], for a file that is not GRUB's.
pub fn hybrid_record(boot: &[u8], sector: u64) -> Result<Vec<u8>, FormatError> {
    let mut code = exactly(boot, SECTOR, "boot_hybrid.img")?;
    code[HYBRID_SECTOR..][..8].copy_from_slice(&sector.to_le_bytes());
    code.truncate(CODE);
    Ok(code)
}

/// The bytes of kernel.img as they are in memory: an ELF file with one segment.
fn loaded(kernel: &[u8]) -> Result<&[u8], FormatError> {
    let found = segment(kernel).ok_or_else(|| refused("a kernel.img that is none".to_owned()))?;
    let (bytes, end) = found;
    match end > KERNEL_END {
        true => Err(refused(format!("a kernel.img that reaches to {end:#x}"))),
        false => Ok(bytes),
    }
}

/// The segment at [`LINK_ADDRESS`], and where in memory it ends.
fn segment(elf: &[u8]) -> Option<(&[u8], u32)> {
    const LOAD: u32 = 1;
    // Magic, 32 bits, little-endian.
    elf.strip_prefix(&[0x7f, b'E', b'L', b'F', 1, 1])?;
    let word = |at: usize| Some(u32::from_le_bytes(elf.get(at..)?.get(..4)?.try_into().ok()?));
    let half = |at: usize| Some(u16::from_le_bytes(elf.get(at..)?.get(..2)?.try_into().ok()?));
    let table = usize::try_from(word(28)?).ok()?;
    let (size, count) = (usize::from(half(42)?), usize::from(half(44)?));
    let headers = (0..count).map(|index| table.checked_add(index * size));
    for header in headers {
        let header = header?;
        if word(header)? == LOAD && word(header.checked_add(8)?)? == LINK_ADDRESS {
            let offset = usize::try_from(word(header + 4)?).ok()?;
            let length = usize::try_from(word(header + 16)?).ok()?;
            let end = LINK_ADDRESS.checked_add(word(header + 20)?)?;
            return Some((elf.get(offset..)?.get(..length)?, end));
        }
    }
    None
}

fn compress(plain: &[u8]) -> Result<Vec<u8>, FormatError> {
    let (lc, lp, pb) = LZMA;
    let options = LzmaOptions {
        dict_size: DICTIONARY,
        lc,
        lp,
        pb,
        mode: EncodeMode::Normal,
        nice_len: 64,
        mf: MfType::Bt4,
        depth_limit: 0,
        preset_dict: None,
    };
    let mut writer = LzmaWriter::new_no_header(Vec::new(), &options, false)?;
    writer.write_all(plain)?;
    Ok(writer.finish()?)
}

fn exactly(file: &[u8], size: usize, name: &str) -> Result<Vec<u8>, FormatError> {
    match file.len() == size {
        true => Ok(file.to_vec()),
        false => Err(refused(format!("a {name} of {} bytes", file.len()))),
    }
}

fn number(value: usize) -> Result<u32, FormatError> {
    u32::try_from(value).map_err(|_| refused(format!("{value} bytes")))
}

fn refused(what: String) -> FormatError {
    FormatError::Image {
        format: "GRUB's core image",
        what,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ironkit_tree::Digest;

    const MODDEP: &str = "linux: boot mmap normal\nboot:\nmmap: boot\nnormal: net linux\nnet: boot\n";

    #[test]
    fn modules_come_after_what_they_need() {
        assert_eq!(
            modules(MODDEP, &["biosdisk", "linux"]),
            ["biosdisk", "boot", "mmap", "net", "normal", "linux"]
        );
    }

    /// An ELF file with `code` as its only segment.
    fn kernel(code: &[u8]) -> Vec<u8> {
        let mut elf = vec![0; 52 + 32];
        elf[..6].copy_from_slice(&[0x7f, b'E', b'L', b'F', 1, 1]);
        (elf[28], elf[42], elf[44]) = (52, 32, 1);
        let size = u32::try_from(code.len()).unwrap();
        for (at, value) in [(0, 1), (4, 84), (8, LINK_ADDRESS), (16, size), (20, size + 64)] {
            elf[52 + at..][..4].copy_from_slice(&value.to_le_bytes());
        }
        elf.extend(code);
        elf
    }

    #[test]
    fn a_core_image_is_what_the_decompressor_expects() {
        let decompressor = [7; 64];
        let modules = [b"module".as_slice()];
        let core = core(&decompressor, &kernel(b"kernelcode"), &modules, b"boot\n").unwrap();
        let size = |at: usize| u32::from_le_bytes(core[at..][..4].try_into().unwrap()) as usize;
        assert_eq!(size(COMPRESSED_SIZE), core.len() - 64);
        let mut plain = Vec::new();
        let (lc, lp, pb) = LZMA;
        let uncompressed = size(UNCOMPRESSED_SIZE) as u64;
        let mut reader =
            lzma_rust2::LzmaReader::new(&core[64..], uncompressed, lc, lp, pb, DICTIONARY, None).unwrap();
        std::io::Read::read_to_end(&mut reader, &mut plain).unwrap();
        let mut expect = b"kernelcode".to_vec();
        for value in [MODULES_MAGIC, 12, 12 + 16 + 16, ELF, 16] {
            expect.extend(value.to_le_bytes());
        }
        expect.extend(b"module\0\0");
        for value in [CONFIG, 16] {
            expect.extend(value.to_le_bytes());
        }
        expect.extend(b"boot\n\0\0\0");
        assert_eq!(plain, expect);
        let disk = disk_image(&[9; 512], &core, 1).unwrap();
        assert_eq!(disk.len(), 1024);
        assert_eq!(disk[BLOCK_LIST..][..10], [2, 0, 0, 0, 0, 0, 0, 0, 1, 0]);
        let cd = cd_image(&[8; 2048], &[9; 512], &core, 100).unwrap();
        assert_eq!(cd[2048 + BLOCK_LIST..][..2], [105, 0]);
        assert_eq!(
            Digest::of(&disk).to_string(),
            "sha256:2ab1b5e5a8a302933c260b69c1ac1a753c3803170099dcc91fde5216d92d0577"
        );
    }

    #[test]
    fn what_is_not_grubs_is_refused() {
        let good = kernel(b"code");
        for length in 0..good.len() {
            assert!(loaded(&good[..length]).is_err(), "{length}");
        }
        for at in 0..good.len() {
            let mut damaged = good.clone();
            damaged[at] = 0xff;
            let _ = loaded(&damaged);
        }
        assert!(core(&[0; 8], &good, &[], b"").is_err());
        assert!(core(&[0; 4096], &good, &[], b"").is_err());
        assert!(disk_image(&[0; 511], &[], 1).is_err());
        assert!(boot_record(&[0; 440], 1).is_err());
        assert!(hybrid_record(&[], 1).is_err());
        assert!(cd_image(&[0; 512], &[0; 512], &[], 1).is_err());
        assert_eq!(
            boot_record(&[1; 512], 0x0102).unwrap()[BOOT_SECTOR..][..2],
            [2, 1]
        );
        // Near the end of what the record holds.
        assert_eq!(
            hybrid_record(&[1; 512], 0x0102).unwrap()[HYBRID_SECTOR..],
            [2, 1, 0, 0, 0, 0, 0, 0]
        );
    }
}
