//! Which accelerator runs the guest. KVM is used only after it has run one.

use std::fs::File;
use std::path::Path;
use std::time::Duration;

use crate::probe::{self, Outcome};
use crate::{Accelerator, Arch, Error};

/// What a person asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Accel {
    /// KVM if it works, emulation otherwise.
    Auto,
    /// KVM or nothing.
    Kvm,
    /// Emulation.
    Tcg,
}

/// What they get.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chosen {
    /// What will run the guest.
    pub accelerator: Accelerator,
    /// Why it is not KVM although nobody asked for emulation: a sentence for the person who waits.
    pub why: Option<String>,
}

/// The kernel's interface to the processor's virtualization.
const KVM: &str = "/dev/kvm";

/// Decides, trying KVM for at most `limit` (1.5 s is plenty: a working one answers in a tenth of that).
///
/// Only a guest shows whether KVM works. On a virtual machine without nested virtualization the device can
/// exist, a machine can be created, and the guest's first steps succeed; then it hangs.
///
/// # Errors
/// [`Error::NoKvm`] if KVM is asked for by name and does not work; [`Error::Run`] if QEMU cannot be run.
pub fn choose_accelerator(
    requested: Accel,
    arch: Arch,
    qemu: &Path,
    limit: Duration,
) -> Result<Chosen, Error> {
    if requested == Accel::Tcg {
        return Ok(Chosen {
            accelerator: Accelerator::Tcg,
            why: None,
        });
    }
    let host = std::env::consts::ARCH.parse().ok();
    let obstacle = match obstacle(arch, host, Path::new(KVM)) {
        None => try_guest(arch, qemu, limit)?,
        found => found,
    };
    match (obstacle, requested) {
        (None, _) => Ok(Chosen {
            accelerator: Accelerator::Kvm,
            why: None,
        }),
        (Some(why), Accel::Kvm) => Err(Error::NoKvm { why }),
        (Some(why), _) => Ok(Chosen {
            accelerator: Accelerator::Tcg,
            why: Some(format!("{why}; using emulation")),
        }),
    }
}

/// What can be known without running a guest.
fn obstacle(guest: Arch, host: Option<Arch>, device: &Path) -> Option<String> {
    if host != Some(guest) {
        return Some(format!("KVM cannot run {guest} on this processor"));
    }
    if guest == Arch::Riscv64 {
        return Some(format!("there is no way yet to try KVM on {guest}"));
    }
    match File::options().read(true).write(true).open(device) {
        Ok(_) => None,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            Some(format!("there is no {}", device.display()))
        }
        Err(error) => Some(format!("{} cannot be opened ({error})", device.display())),
    }
}

fn try_guest(arch: Arch, qemu: &Path, limit: Duration) -> Result<Option<String>, Error> {
    let outcome =
        probe::run(qemu, arch, Accelerator::Kvm, &probe::firmware(arch), limit).map_err(|source| {
            Error::Run {
                program: qemu.to_owned(),
                source,
            }
        })?;
    Ok(match outcome {
        Outcome::Answered => None,
        Outcome::Silent => Some(format!(
            "KVM is there but a guest does not run (gave up after {:.1} s)",
            limit.as_secs_f64()
        )),
        Outcome::Failed(message) => Some(format!("KVM is there but QEMU cannot use it ({message})")),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_known_without_a_guest() {
        let x86 = Some(Arch::X86_64);
        for (guest, host, device, expect) in [
            (Arch::X86_64, x86, "/dev/null", None),
            (
                Arch::Aarch64,
                x86,
                "/dev/null",
                Some("KVM cannot run aarch64 on this processor"),
            ),
            (
                Arch::X86_64,
                None,
                "/dev/null",
                Some("KVM cannot run x86_64 on this processor"),
            ),
            (
                Arch::X86_64,
                x86,
                "/dev/no-such-kvm",
                Some("there is no /dev/no-such-kvm"),
            ),
            (
                Arch::X86_64,
                x86,
                "/dev",
                Some("/dev cannot be opened (Is a directory (os error 21))"),
            ),
        ] {
            assert_eq!(obstacle(guest, host, Path::new(device)).as_deref(), expect);
        }
    }

    #[test]
    fn emulation_needs_no_probe() {
        let nowhere = Path::new("/nonexistent/qemu");
        let chosen = choose_accelerator(Accel::Tcg, Arch::X86_64, nowhere, Duration::ZERO).unwrap();
        assert_eq!(
            chosen,
            Chosen {
                accelerator: Accelerator::Tcg,
                why: None
            }
        );
    }
    /// KVM may work here or not: either way there is an answer in time, and a fallback says why.
    #[test]
    fn this_machine_gets_an_answer_in_time() {
        let Some(qemu) = crate::running::tests::qemu(Arch::X86_64) else {
            return;
        };
        let limit = Duration::from_millis(1500);
        let start = std::time::Instant::now();
        let chosen = choose_accelerator(Accel::Auto, Arch::X86_64, &qemu, limit).unwrap();
        // A busy computer may take longer than the limit, but not for ever.
        assert!(start.elapsed() < Duration::from_secs(20), "{:?}", start.elapsed());
        let by_name = choose_accelerator(Accel::Kvm, Arch::X86_64, &qemu, limit);
        match chosen.accelerator {
            Accelerator::Kvm => assert_eq!(
                (chosen.why, by_name.unwrap().accelerator),
                (None, Accelerator::Kvm)
            ),
            Accelerator::Tcg => {
                let why = chosen.why.unwrap();
                assert!(why.ends_with("; using emulation"), "{why}");
                assert!(matches!(by_name, Err(Error::NoKvm { .. })));
            }
        }
    }
}
