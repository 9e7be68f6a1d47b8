//! The power button: a key of an input device.

use std::fs::{self, File, OpenOptions};
use std::io::Read;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use rustix::fs::OFlags;

/// `EV_KEY` of `linux/input-event-codes.h`.
const KEY: u16 = 1;
/// `KEY_POWER`.
const POWER: u16 = 116;
/// Length of `struct input_event` on 64-bit machines: a time of 16 bytes, type, code, value.
const EVENT: usize = 24;

/// The devices of power buttons that there are.
pub fn devices() -> Vec<File> {
    let Ok(entries) = fs::read_dir("/sys/class/input") else {
        return Vec::new();
    };
    let flags = i32::try_from((OFlags::NONBLOCK | OFlags::CLOEXEC).bits()).unwrap_or_default();
    let is_button = |path: &Path| {
        fs::read_to_string(path.join("device/name")).is_ok_and(|name| name.trim().ends_with("Power Button"))
    };
    entries
        .flatten()
        .filter(|entry| entry.file_name().to_string_lossy().starts_with("event") && is_button(&entry.path()))
        .filter_map(|entry| {
            let node = Path::new("/dev/input").join(entry.file_name());
            OpenOptions::new().read(true).custom_flags(flags).open(node).ok()
        })
        .collect()
}

/// Reads what happened at a device: whether the button was pressed.
pub fn was_pressed(mut device: &File) -> bool {
    let mut buffer = [0_u8; EVENT * 16];
    let length = device.read(&mut buffer).unwrap_or(0);
    buffer[..length].chunks_exact(EVENT).any(is_press)
}

fn is_press(event: &[u8]) -> bool {
    let half = |at: usize| u16::from_ne_bytes([event[at], event[at + 1]]);
    half(16) == KEY && half(18) == POWER && event[20..24] == 1_i32.to_ne_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_press_of_the_button_counts() {
        let event = |kind: u16, code: u16, value: i32| {
            [
                &[0; 16][..],
                &kind.to_ne_bytes(),
                &code.to_ne_bytes(),
                &value.to_ne_bytes(),
            ]
            .concat()
        };
        for (kind, code, value, expect) in [
            (KEY, POWER, 1, true),
            (KEY, POWER, 0, false),
            (KEY, 30, 1, false),
            (0, 0, 0, false),
            (4, POWER, 1, false),
        ] {
            assert_eq!(is_press(&event(kind, code, value)), expect);
        }
    }
}
