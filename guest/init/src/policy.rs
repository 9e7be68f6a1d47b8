//! What follows when a service ends, and whether it hears that it is to stop. Pure.

use std::time::Duration;

use ironkit_contract::runtime::Restart;

/// First wait before a service is started again; doubled each time.
pub const FIRST_WAIT: Duration = Duration::from_millis(100);
/// Longest wait.
pub const LONGEST_WAIT: Duration = Duration::from_secs(30);
/// A service that ran this long starts with the first wait again.
pub const STEADY: Duration = Duration::from_secs(60);

/// Whether a service that ended is started again. By default: when it failed.
pub fn starts_again(policy: Option<Restart>, failed: bool) -> bool {
    match policy {
        Some(Restart::Always) => true,
        Some(Restart::OnFailure) | None => failed,
        Some(Restart::Never) => false,
    }
}

/// Whether a process notices a signal, by the text of its `/proc/PID/status`: it handles it, or blocks it to read it from a
/// signalfd, or it is not the first of a PID namespace.
pub fn notices(status: &str, signal: i32) -> bool {
    let field = |name: &str| {
        status
            .lines()
            .find_map(|line| line.strip_prefix(name))
            .unwrap_or_default()
            .trim()
    };
    let has = |name: &str| {
        u64::from_str_radix(field(name), 16)
            .is_ok_and(|mask| mask.checked_shr(signal.unsigned_abs() - 1).unwrap_or(0) & 1 == 1)
    };
    let numbers: Vec<_> = field("NSpid:").split_ascii_whitespace().collect();
    let is_first = numbers.len() > 1 && numbers.last() == Some(&"1");
    !is_first || has("SigCgt:") || has("SigBlk:")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn some_signals_are_not_noticed() {
        let status = |nspid: &str, blocked: u64, caught: u64| {
            format!("Name:\tx\nNSpid:\t{nspid}\nSigBlk:\t{blocked:016x}\nSigCgt:\t{caught:016x}\n")
        };
        for (text, signal, expect) in [
            (status("7\t1", 0, 0x4000), 15, true),
            (status("7\t1", 0x4000, 0), 15, true),
            (status("7\t1", 0, 0), 15, false),
            (status("7\t1", 0, 0x4000), 3, false),
            (status("7", 0, 0), 15, true),
            (status("7\t4", 0, 0), 15, true),
            (String::new(), 15, true),
        ] {
            assert_eq!(notices(&text, signal), expect, "{text}");
        }
    }

    #[test]
    fn policies_decide() {
        for (policy, failed, expect) in [
            (None, true, true),
            (None, false, false),
            (Some(Restart::Always), false, true),
            (Some(Restart::OnFailure), false, false),
            (Some(Restart::Never), true, false),
        ] {
            assert_eq!(starts_again(policy, failed), expect, "{policy:?} {failed}");
        }
    }
}
