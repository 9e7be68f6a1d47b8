//! The smallest guest that tells a working KVM from one that hangs: a firmware of our own, in QEMU's place of
//! the BIOS, so that nothing else has to start first.
//!
//! On a PC it goes from real mode into long mode, programs the local APIC's timer, and waits for the interrupt,
//! whose handler ends QEMU. Each of the three was chosen because a kernel cannot do without it; on the broken KVM
//! that this was written against, real mode, `hlt` and interrupts of the old timer work, and the guest hangs when
//! it turns paging on. Sources: Intel SDM vol. 3, 10.8.5 (entering IA-32e mode) and 11.5.4 (APIC timer).

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use crate::arguments::board;
use crate::{Accelerator, Arch};

/// What became of the guest.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It ran to its end.
    Answered,
    /// It did not, in the time it had.
    Silent,
    /// QEMU ended without it; its own words.
    Failed(String),
}

/// Runs `firmware` for at most `limit`; nothing is left running.
pub(crate) fn run(
    qemu: &Path,
    arch: Arch,
    accelerator: Accelerator,
    firmware: &[u8],
    limit: Duration,
) -> io::Result<Outcome> {
    // QEMU opens its standard input by name: no file is left behind, whoever is killed when.
    let mut file = File::from(rustix::fs::memfd_create(
        "probe",
        rustix::fs::MemfdFlags::CLOEXEC,
    )?);
    file.write_all(firmware)?;
    let mut child = Command::new(qemu)
        .args(board(arch, accelerator))
        .args([
            "-nodefaults",
            "-display",
            "none",
            "-m",
            "16M",
            "-no-reboot",
            "-bios",
            "/dev/stdin",
        ])
        .args(exit_device(arch))
        .stdin(file)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()?;
    let status = wait(&mut child, limit)?;
    let mut errors = String::new();
    if let Some(mut pipe) = child.stderr.take() {
        pipe.read_to_string(&mut errors)?;
    }
    Ok(match status {
        None => Outcome::Silent,
        Some(status) if status.code() == Some(answer(arch)) => Outcome::Answered,
        Some(status) => Outcome::Failed(reason(status, &errors)),
    })
}

/// The firmware that answers, for [`run`].
pub(crate) fn firmware(arch: Arch) -> Vec<u8> {
    match arch {
        Arch::X86_64 => {
            let mut rom = vec![0xff; PC_ROM_BYTES];
            rom[..PC_PROGRAM.len()].copy_from_slice(PC_PROGRAM);
            rom[PC_RESET_VECTOR..][..PC_RESET.len()].copy_from_slice(PC_RESET);
            rom
        }
        Arch::Aarch64 => ARM_PROGRAM.to_vec(),
        // Nobody has written one: see `obstacle`, which comes first.
        Arch::Riscv64 => Vec::new(),
    }
}

/// Waits for the end until `limit`, then makes one.
fn wait(child: &mut Child, limit: Duration) -> io::Result<Option<ExitStatus>> {
    let deadline = Instant::now() + limit;
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        if Instant::now() >= deadline {
            child.kill()?;
            child.wait()?;
            return Ok(None);
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// The line of QEMU's standard error that says the most: the first that is not a warning.
fn reason(status: ExitStatus, errors: &str) -> String {
    let line = errors
        .lines()
        .find(|line| !line.trim().is_empty() && !line.contains("warning: "));
    match line {
        // `qemu-system-x86_64: error: …`: the program's name adds nothing here.
        Some(line) => line
            .split_once(": ")
            .map_or(line, |(_, rest)| rest)
            .trim()
            .to_owned(),
        None => status.to_string(),
    }
}

/// The device that ends QEMU when the guest says so. Arm's firmware interface has a call for it.
fn exit_device(arch: Arch) -> &'static [&'static str] {
    match arch {
        Arch::X86_64 => &["-device", "isa-debug-exit,iobase=0xf4,iosize=1"],
        Arch::Aarch64 | Arch::Riscv64 => &[],
    }
}

/// QEMU's exit code after the guest's answer.
fn answer(arch: Arch) -> i32 {
    match arch {
        // isa-debug-exit makes `value << 1 | 1` of the value that is written to it.
        Arch::X86_64 => 0x21 << 1 | 1,
        Arch::Aarch64 | Arch::Riscv64 => 0,
    }
}

/// The whole segment 0xf000, the smallest firmware that QEMU maps both there and below 4 GiB.
const PC_ROM_BYTES: usize = 0x1_0000;

/// Where the processor starts, as an offset into the firmware.
const PC_RESET_VECTOR: usize = 0xfff0;

const PC_RESET: &[u8] = &[0xea, 0x00, 0x00, 0x00, 0xf0]; // jmp 0xf000:0x0000

/// Mapped at 0xf0000. Memory: 0x0 interrupt table, 0x1000 PML4, 0x2000 PDPT, 0x3000 and 0x4000 page
/// directories of the first and the fourth GiB, stack below 0x7000. QEMU hands out zeroed memory.
#[rustfmt::skip]
const PC_PROGRAM: &[u8] = &[
    // 16-bit code
    0xfa,                                           // 00: cli
    0x31, 0xc0,                                     // 01: xor ax, ax
    0x8e, 0xd8,                                     // 03: mov ds, ax
    0x8e, 0xd0,                                     // 05: mov ss, ax
    // Two pages of 2 MiB: this program and its data, and the local APIC (not cached).
    0xc7, 0x06, 0x00, 0x10, 0x03, 0x20,             // 07: mov word [0x1000], 0x2003      PML4[0]
    0xc7, 0x06, 0x00, 0x20, 0x03, 0x30,             // 0d: mov word [0x2000], 0x3003      PDPT[0]
    0xc7, 0x06, 0x18, 0x20, 0x03, 0x40,             // 13: mov word [0x2018], 0x4003      PDPT[3]
    0xc7, 0x06, 0x00, 0x30, 0x83, 0x00,             // 19: mov word [0x3000], 0x0083      0
    0x66, 0xc7, 0x06, 0xb8, 0x4f, 0x93, 0x00, 0xe0, 0xfe, // 1f: mov dword [0x4fb8], 0xfee00093
    // Interrupt gate 0x20: code segment 8, address 0xf00ad.
    0xc7, 0x06, 0x00, 0x02, 0xad, 0x00,             // 28: mov word [0x200], 0x00ad
    0x66, 0xc7, 0x06, 0x02, 0x02, 0x08, 0x00, 0x00, 0x8e, // 2e: mov dword [0x202], 0x8e000008
    0xc7, 0x06, 0x06, 0x02, 0x0f, 0x00,             // 37: mov word [0x206], 0x000f
    0x2e, 0x66, 0x0f, 0x01, 0x16, 0xc8, 0x00,       // 3d: lgdt cs:[0xc8]
    0x2e, 0x66, 0x0f, 0x01, 0x1e, 0xce, 0x00,       // 44: lidt cs:[0xce]
    0x0f, 0x20, 0xe0,                               // 4b: mov eax, cr4
    0x0c, 0x20,                                     // 4e: or al, 0x20                    PAE
    0x0f, 0x22, 0xe0,                               // 50: mov cr4, eax
    0x66, 0xb8, 0x00, 0x10, 0x00, 0x00,             // 53: mov eax, 0x1000
    0x0f, 0x22, 0xd8,                               // 59: mov cr3, eax
    0x66, 0xb9, 0x80, 0x00, 0x00, 0xc0,             // 5c: mov ecx, 0xc0000080            EFER
    0x0f, 0x32,                                     // 62: rdmsr
    0x80, 0xcc, 0x01,                               // 64: or ah, 1                       LME
    0x0f, 0x30,                                     // 67: wrmsr
    0x0f, 0x20, 0xc0,                               // 69: mov eax, cr0
    0x66, 0x0d, 0x01, 0x00, 0x00, 0x80,             // 6c: or eax, 0x80000001             PG, PE
    0x0f, 0x22, 0xc0,                               // 72: mov cr0, eax                   the broken KVM ends here
    0x66, 0xea, 0x7d, 0x00, 0x0f, 0x00, 0x08, 0x00, // 75: jmp 8:0xf007d
    // 64-bit code
    0x31, 0xc0,                                     // 7d: xor eax, eax
    0x8e, 0xd0,                                     // 7f: mov ss, eax
    0xbc, 0x00, 0x70, 0x00, 0x00,                   // 81: mov esp, 0x7000
    0xbb, 0x00, 0x00, 0xe0, 0xfe,                   // 86: mov ebx, 0xfee00000            local APIC
    0xc7, 0x83, 0xf0, 0x00, 0x00, 0x00, 0xff, 0x01, 0x00, 0x00, // 8b: mov dword [rbx+0xf0], 0x1ff   enable it
    0xc7, 0x83, 0x20, 0x03, 0x00, 0x00, 0x20, 0x00, 0x00, 0x00, // 95: mov dword [rbx+0x320], 0x20   timer: once, vector 0x20
    0xc7, 0x83, 0x80, 0x03, 0x00, 0x00, 0x00, 0x00, 0x10, 0x00, // 9f: mov dword [rbx+0x380], 0x100000   start: a few milliseconds
    0xfb,                                           // a9: sti
    0xf4,                                           // aa: hlt
    0xeb, 0xfd,                                     // ab: jmp 0xaa
    0xb0, 0x21,                                     // ad: mov al, 0x21                   the interrupt arrives
    0xe6, 0xf4,                                     // af: out 0xf4, al
    0xf4,                                           // b1: hlt
    0xeb, 0xfd,                                     // b2: jmp 0xb1
    0x00, 0x00, 0x00, 0x00,                         // b4: padding
    0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, // b8: GDT: the null segment
    0x00, 0x00, 0x00, 0x00, 0x00, 0x9a, 0x20, 0x00, // c0: 64-bit code
    0x0f, 0x00, 0xb8, 0x00, 0x0f, 0x00,             // c8: GDT: 16 bytes at 0xf00b8
    0x0f, 0x02, 0x00, 0x00, 0x00, 0x00,             // ce: IDT: 0x210 bytes at 0
];

/// Runs from address 0 and calls the firmware interface that QEMU itself provides (Arm DEN 0022, SYSTEM_OFF).
#[rustfmt::skip]
const ARM_PROGRAM: &[u8] = &[
    0x00, 0x01, 0x80, 0x52, // movz w0, #0x0008
    0x00, 0x80, 0xb0, 0x72, // movk w0, #0x8400, lsl #16
    0x02, 0x00, 0x00, 0xd4, // hvc #0
    0x00, 0x00, 0x00, 0x14, // b .
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::running::tests::qemu;

    const LIMIT: Duration = Duration::from_secs(20);

    #[test]
    fn the_firmware_is_laid_out_as_its_comments_say() {
        let rom = firmware(Arch::X86_64);
        assert_eq!((rom.len(), PC_PROGRAM.len()), (0x1_0000, 0xd4));
        assert_eq!(rom[0xaa..0xb2], [0xf4, 0xeb, 0xfd, 0xb0, 0x21, 0xe6, 0xf4, 0xf4]);
        assert_eq!(rom[0xfff0..0xfff5], *PC_RESET);
    }

    #[test]
    fn a_working_accelerator_answers() {
        for arch in [Arch::X86_64, Arch::Aarch64] {
            let Some(qemu) = qemu(arch) else { continue };
            let outcome = run(&qemu, arch, Accelerator::Tcg, &firmware(arch), LIMIT).unwrap();
            assert_eq!(outcome, Outcome::Answered, "{arch}");
        }
    }

    #[test]
    fn a_guest_that_hangs_is_given_up() {
        let Some(qemu) = qemu(Arch::X86_64) else { return };
        let mut rom = firmware(Arch::X86_64);
        rom[0xa9] = 0xfa; // cli where sti was: the interrupt never comes
        let start = Instant::now();
        let outcome = run(
            &qemu,
            Arch::X86_64,
            Accelerator::Tcg,
            &rom,
            Duration::from_millis(300),
        )
        .unwrap();
        assert_eq!(outcome, Outcome::Silent);
        assert!(start.elapsed() < LIMIT);
    }

    #[test]
    fn what_qemu_says_is_passed_on() {
        let Some(qemu) = qemu(Arch::X86_64) else { return };
        let outcome = run(&qemu, Arch::X86_64, Accelerator::Tcg, b"not 64 KiB", LIMIT).unwrap();
        assert!(
            matches!(&outcome, Outcome::Failed(why) if why.contains("could not load PC BIOS")),
            "{outcome:?}"
        );
    }

    #[test]
    fn the_line_that_says_the_most() {
        let status = ExitStatus::default();
        for (errors, expect) in [
            ("", "exit status: 0"),
            (
                "\nq: warning: host doesn't support pni\nq: error: failed to set MSR\nq: ../kvm.c:1: x: failed\n",
                "error: failed to set MSR",
            ),
            ("alone", "alone"),
        ] {
            assert_eq!(reason(status, errors), expect);
        }
    }
}
