//! U-Boot's commands, and where they put what they load.
//!
//! ```text
//! 0x0008_0000   the kernel, unpacked; U-Boot moves it up to the next multiple of 2 MiB
//! 0x0260_0000   or behind the kernel: the device tree
//! + 2 MiB       the initrd
//! behind it     the compressed kernel
//! 0x3800_0000   U-Boot itself, and the board's firmware
//! ```

use super::{INITRD, KERNEL, unsuitable};
use crate::Result;

/// What places are multiples of: where kernels can begin.
const UNIT: u64 = 2 << 20;
/// Where the kernel ends up, before its own size.
const KERNEL_START: u64 = UNIT;
/// Below this U-Boot has the script itself (`scriptaddr`), and here it expects device trees (`fdt_addr_r`).
const LOWEST: u64 = 0x260_0000;
/// Of the board's 1 GiB, U-Boot and the firmware have what is above.
const HIGHEST: u64 = 0x3800_0000;

/// Where things are loaded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Memory {
    device_tree: u64,
    initrd: u64,
    kernel: u64,
}

impl Memory {
    /// Places for files of these sizes, and a kernel that takes `occupied` bytes once it runs.
    ///
    /// # Errors
    /// When the board has too little memory.
    pub fn new(occupied: u64, initrd: u64, kernel: u64) -> Result<Memory> {
        let behind = |start: u64, size: u64| start.checked_add(size)?.checked_next_multiple_of(UNIT);
        let device_tree = behind(KERNEL_START, occupied).map(|end| end.max(LOWEST));
        let places = device_tree.and_then(|device_tree| {
            let start = device_tree + UNIT;
            let memory = Memory {
                device_tree,
                initrd: start,
                kernel: behind(start, initrd)?,
            };
            (memory.kernel.checked_add(kernel)? <= HIGHEST).then_some(memory)
        });
        places.ok_or_else(|| {
            unsuitable(
                format!(
                    "a kernel of {} MiB and an initrd of {} MiB do not fit into the board's memory",
                    occupied >> 20,
                    initrd >> 20
                ),
                "make the image smaller: `ironkit size` tells what takes the space",
            )
        })
    }
}

/// The commands that start the kernel with this command line.
///
/// # Errors
/// A command line that no script can hold.
pub(super) fn commands(cmdline: &[u8], memory: &Memory) -> Result<Vec<u8>> {
    let Memory {
        device_tree,
        initrd,
        kernel,
    } = memory;
    // U-Boot tells where it found the script, and the name of the board's device tree.
    let load = "load ${devtype} ${devnum}:${distro_bootpart}";
    let steps = [
        format!("{load} {device_tree:#x} dtb/${{fdtfile}}"),
        format!("{load} {initrd:#x} {INITRD}"),
        format!("{load} {kernel:#x} {KERNEL}"),
        format!("bootm {kernel:#x} {initrd:#x} {device_tree:#x}"),
    ];
    let mut script = b"setenv bootargs ".to_vec();
    script.extend(quoted(cmdline.trim_ascii_end())?);
    script.push(b'\n');
    script.extend(steps.join(" && ").as_bytes());
    script.push(b'\n');
    Ok(script)
}

/// A word for U-Boot's shell (common/cli_hush.c): as it is between single quotes, but for these themselves and backslashes, which
/// stand outside of them, behind a backslash.
fn quoted(text: &[u8]) -> Result<Vec<u8>> {
    let mut word = vec![b'\''];
    for &byte in text {
        match byte {
            // The shell uses some of these for itself.
            0..b' ' if byte != b'\t' => {
                return Err(unsuitable(
                    "U-Boot's script cannot hold control characters of the command line",
                    "leave them out of the kernel's `cmdline`",
                ));
            }
            b'\'' | b'\\' => word.extend([b'\'', b'\\', byte, b'\'']),
            _ => word.push(byte),
        }
    }
    word.push(b'\'');
    Ok(word)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    #[test]
    fn nothing_overlaps() {
        for (occupied, initrd, kernel, expect) in [
            // Small ones leave the script alone.
            (10 * MIB, 1, 1, Some((0x260_0000, 0x280_0000, 0x2a0_0000))),
            (
                0x24f_0000,
                20 * MIB,
                13 * MIB,
                Some((0x280_0000, 0x2a0_0000, 0x3e0_0000)),
            ),
            (
                64 * MIB,
                800 * MIB,
                MIB,
                Some((0x420_0000, 0x440_0000, 0x3640_0000)),
            ),
            (64 * MIB, 800 * MIB, 40 * MIB, None),
            (64 * MIB, u64::MAX, MIB, None),
            (u64::MAX, MIB, MIB, None),
            (MIB, MIB, u64::MAX, None),
        ] {
            let found = Memory::new(occupied, initrd, kernel).ok();
            let found = found.map(|memory| (memory.device_tree, memory.initrd, memory.kernel));
            assert_eq!(found, expect, "{occupied} {initrd} {kernel}");
        }
    }

    #[test]
    fn scripts() {
        let memory = Memory::new(MIB, MIB, MIB).unwrap();
        let script =
            |cmdline: &[u8]| commands(cmdline, &memory).map(|script| String::from_utf8(script).unwrap());
        assert_eq!(
            script(b"console=ttyS1,115200 x=$y\n").unwrap(),
            "setenv bootargs 'console=ttyS1,115200 x=$y'\n\
             load ${devtype} ${devnum}:${distro_bootpart} 0x2600000 dtb/${fdtfile} && \
             load ${devtype} ${devnum}:${distro_bootpart} 0x2800000 initrd.uimg && \
             load ${devtype} ${devnum}:${distro_bootpart} 0x2a00000 kernel.uimg && \
             bootm 0x2a00000 0x2800000 0x2600000\n"
        );
        for (cmdline, expect) in [
            ("", "''"),
            ("a \"b\" ; && # * `", "'a \"b\" ; && # * `'"),
            ("it's", r"'it'\''s'"),
            (r"a\b", r"'a'\\'b'"),
            ("a\tü", "'a\tü'"),
        ] {
            assert_eq!(
                String::from_utf8(quoted(cmdline.as_bytes()).unwrap()).unwrap(),
                expect
            );
        }
        for cmdline in ["a\nb", "a\0b", "a\u{3}b", "a\rb"] {
            let error = script(cmdline.as_bytes()).unwrap_err();
            assert!(error.hint().is_some(), "{error}");
        }
    }
}
