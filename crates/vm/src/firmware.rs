//! Where UEFI's firmware is installed.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use crate::{Arch, Error, Firmware, Vars};

/// Program and variables, as distributions install them: the first pair that is there counts. Without variables it is one
/// file with both.
type Places = &'static [(&'static str, Option<&'static str>)];

const X86_64: Places = &[
    // Debian, Ubuntu
    (
        "/usr/share/OVMF/OVMF_CODE_4M.fd",
        Some("/usr/share/OVMF/OVMF_VARS_4M.fd"),
    ),
    (
        "/usr/share/OVMF/OVMF_CODE.fd",
        Some("/usr/share/OVMF/OVMF_VARS.fd"),
    ),
    // Fedora
    (
        "/usr/share/edk2/ovmf/OVMF_CODE.fd",
        Some("/usr/share/edk2/ovmf/OVMF_VARS.fd"),
    ),
    // Arch
    (
        "/usr/share/edk2/x64/OVMF_CODE.4m.fd",
        Some("/usr/share/edk2/x64/OVMF_VARS.4m.fd"),
    ),
    (
        "/usr/share/edk2-ovmf/x64/OVMF_CODE.fd",
        Some("/usr/share/edk2-ovmf/x64/OVMF_VARS.fd"),
    ),
    // openSUSE
    (
        "/usr/share/qemu/ovmf-x86_64-code.bin",
        Some("/usr/share/qemu/ovmf-x86_64-vars.bin"),
    ),
    // QEMU as it is released
    (
        "/usr/share/qemu/edk2-x86_64-code.fd",
        Some("/usr/share/qemu/edk2-i386-vars.fd"),
    ),
    // LinuxKit's default, and Debian's single file
    ("/usr/share/ovmf/bios.bin", None),
    ("/usr/share/ovmf/OVMF.fd", None),
];

const AARCH64: Places = &[
    (
        "/usr/share/AAVMF/AAVMF_CODE.fd",
        Some("/usr/share/AAVMF/AAVMF_VARS.fd"),
    ),
    (
        "/usr/share/edk2/aarch64/QEMU_EFI-pflash.raw",
        Some("/usr/share/edk2/aarch64/vars-template-pflash.raw"),
    ),
    (
        "/usr/share/edk2/aarch64/QEMU_CODE.fd",
        Some("/usr/share/edk2/aarch64/QEMU_VARS.fd"),
    ),
    (
        "/usr/share/edk2-armvirt/aarch64/QEMU_CODE.fd",
        Some("/usr/share/edk2-armvirt/aarch64/QEMU_VARS.fd"),
    ),
    (
        "/usr/share/qemu/aavmf-aarch64-code.bin",
        Some("/usr/share/qemu/aavmf-aarch64-vars.bin"),
    ),
    (
        "/usr/share/qemu/edk2-aarch64-code.fd",
        Some("/usr/share/qemu/edk2-arm-vars.fd"),
    ),
    ("/usr/share/qemu-efi-aarch64/QEMU_EFI.fd", None),
];

const RISCV64: Places = &[
    (
        "/usr/share/qemu-efi-riscv64/RISCV_VIRT_CODE.fd",
        Some("/usr/share/qemu-efi-riscv64/RISCV_VIRT_VARS.fd"),
    ),
    (
        "/usr/share/edk2/riscv/RISCV_VIRT_CODE.fd",
        Some("/usr/share/edk2/riscv/RISCV_VIRT_VARS.fd"),
    ),
    (
        "/usr/share/edk2/riscv64/RISCV_VIRT_CODE.fd",
        Some("/usr/share/edk2/riscv64/RISCV_VIRT_VARS.fd"),
    ),
];

/// The UEFI firmware of this computer for `arch`, with its variables in the folder `state`. Paths are looked up below
/// `root`, which is `/` but in tests.
///
/// # Errors
/// [`Error::NoFirmware`], whose hint names the package.
pub fn find_firmware(arch: Arch, root: &Path, state: &Path) -> Result<Firmware, Error> {
    let places = match arch {
        Arch::X86_64 => X86_64,
        Arch::Aarch64 => AARCH64,
        Arch::Riscv64 => RISCV64,
    };
    let below = |path: &str| root.join(path.trim_start_matches('/'));
    let found = places.iter().find_map(|(code, vars)| {
        let code = Some(below(code)).filter(|code| code.is_file())?;
        match vars {
            None => Some((code, None)),
            Some(vars) => Some((code, Some(Some(below(vars)).filter(|vars| vars.is_file())?))),
        }
    });
    let (code, template) = found.ok_or(Error::NoFirmware { arch })?;
    Ok(uefi(code, template, state))
}

/// The firmware in the file `code`. It has its variables beside it when its name says that it is the program only, and one
/// with the same name for variables is there.
///
/// # Errors
/// [`Error::File`] if it is not there.
pub fn firmware_at(code: &Path, state: &Path) -> Result<Firmware, Error> {
    if let Err(source) = std::fs::metadata(code) {
        return Err(Error::File {
            what: "the firmware",
            path: code.to_owned(),
            source,
        });
    }
    let name = code.file_name().and_then(OsStr::to_str).unwrap_or_default();
    // `OVMF_CODE_4M.secboot.fd` has `OVMF_VARS_4M.secboot.fd` or `OVMF_VARS_4M.fd`.
    let same = name.replace("CODE", "VARS").replace("code", "vars");
    let plain = match (same.split_once('.'), same.rsplit_once('.')) {
        (Some((start, _)), Some((_, end))) => format!("{start}.{end}"),
        _ => same.clone(),
    };
    let beside = [same, plain].into_iter().filter(|vars| vars != name);
    let template = beside
        .map(|vars| code.with_file_name(vars))
        .find(|vars| vars.is_file());
    Ok(uefi(code.to_owned(), template, state))
}

fn uefi(code: PathBuf, template: Option<PathBuf>, state: &Path) -> Firmware {
    let vars = template.map(|template| Vars {
        // Another firmware's variables may have another size.
        path: state.join(template.file_name().unwrap_or(OsStr::new("vars.fd"))),
        template,
    });
    Firmware::Uefi { code, vars }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(firmware: &Firmware, root: &Path) -> String {
        let shown = |path: &Path| path.strip_prefix(root).unwrap_or(path).display().to_string();
        match firmware {
            Firmware::Builtin => "builtin".to_owned(),
            Firmware::Uefi { code, vars: None } => shown(code),
            Firmware::Uefi {
                code,
                vars: Some(vars),
            } => {
                format!("{} {} {}", shown(code), shown(&vars.template), shown(&vars.path))
            }
        }
    }

    #[test]
    fn where_it_is_installed() {
        for (arch, files, expect) in [
            (
                Arch::X86_64,
                &["usr/share/ovmf/OVMF.fd"][..],
                "usr/share/ovmf/OVMF.fd",
            ),
            // A program without its variables does not count.
            (
                Arch::X86_64,
                &["usr/share/OVMF/OVMF_CODE_4M.fd", "usr/share/ovmf/OVMF.fd"],
                "usr/share/ovmf/OVMF.fd",
            ),
            (
                Arch::X86_64,
                &[
                    "usr/share/edk2/x64/OVMF_CODE.4m.fd",
                    "usr/share/edk2/x64/OVMF_VARS.4m.fd",
                ],
                "usr/share/edk2/x64/OVMF_CODE.4m.fd usr/share/edk2/x64/OVMF_VARS.4m.fd state/OVMF_VARS.4m.fd",
            ),
            (
                Arch::Aarch64,
                &["usr/share/AAVMF/AAVMF_CODE.fd", "usr/share/AAVMF/AAVMF_VARS.fd"],
                "usr/share/AAVMF/AAVMF_CODE.fd usr/share/AAVMF/AAVMF_VARS.fd state/AAVMF_VARS.fd",
            ),
            (
                Arch::Aarch64,
                &["usr/share/ovmf/OVMF.fd"],
                "UEFI firmware for aarch64 is needed, and none was found",
            ),
            (
                Arch::Riscv64,
                &[],
                "UEFI firmware for riscv64 is needed, and none was found",
            ),
        ] {
            let root = tempfile::tempdir().unwrap();
            for file in files {
                let path = root.path().join(file);
                std::fs::create_dir_all(path.parent().unwrap()).unwrap();
                std::fs::write(path, "").unwrap();
            }
            let found = match find_firmware(arch, root.path(), Path::new("state")) {
                Ok(firmware) => text(&firmware, root.path()),
                Err(error) => {
                    assert!(error.hint().is_some());
                    error.to_string()
                }
            };
            assert_eq!(found, expect);
        }
    }

    #[test]
    fn a_file_that_is_named() {
        let root = tempfile::tempdir().unwrap();
        for file in [
            "OVMF.fd",
            "A_CODE.fd",
            "A_VARS.fd",
            "B_CODE_4M.secboot.fd",
            "B_VARS_4M.fd",
            "x-code.bin",
        ] {
            std::fs::write(root.path().join(file), "").unwrap();
        }
        for (file, expect) in [
            ("OVMF.fd", "OVMF.fd"),
            ("A_CODE.fd", "A_CODE.fd A_VARS.fd s/A_VARS.fd"),
            (
                "B_CODE_4M.secboot.fd",
                "B_CODE_4M.secboot.fd B_VARS_4M.fd s/B_VARS_4M.fd",
            ),
            ("x-code.bin", "x-code.bin"),
        ] {
            let firmware = firmware_at(&root.path().join(file), Path::new("s")).unwrap();
            assert_eq!(text(&firmware, root.path()), expect);
        }
        assert!(firmware_at(&root.path().join("none"), Path::new("s")).is_err());
    }
}
