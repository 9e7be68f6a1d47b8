//! Access control lists: programs see them in one form (`posix_acl_xattr_header`, version 2), ext4 keeps them in another
//! (`ext4_acl_header`, version 1), which leaves out numbers that mean nothing.

/// Versions, which are what each form begins with.
const SEEN: u32 = 2;
const KEPT: u32 = 1;
/// Tags of entries with a user's or a group's number, and of the others.
const NUMBERED: [u16; 2] = [0x02, 0x08];
const PLAIN: [u16; 4] = [0x01, 0x04, 0x10, 0x20];
/// The number where there is none.
const NONE: u32 = u32::MAX;

/// As ext4 keeps it. `None` when it is no list.
pub(super) fn encode(seen: &[u8]) -> Option<Vec<u8>> {
    let (version, entries) = seen.split_first_chunk::<4>()?;
    let (entries, rest) = entries.as_chunks::<8>();
    if u32::from_le_bytes(*version) != SEEN || !rest.is_empty() {
        return None;
    }
    let mut kept = KEPT.to_le_bytes().to_vec();
    for entry in entries {
        let tag = u16::from_le_bytes([entry[0], entry[1]]);
        let length = match tag {
            tag if NUMBERED.contains(&tag) => 8,
            tag if PLAIN.contains(&tag) => 4,
            _ => return None,
        };
        kept.extend(&entry[..length]);
    }
    Some(kept)
}

/// As programs see it.
pub(super) fn decode(kept: &[u8]) -> Option<Vec<u8>> {
    let (version, mut rest) = kept.split_first_chunk::<4>()?;
    if u32::from_le_bytes(*version) != KEPT {
        return None;
    }
    let mut seen = SEEN.to_le_bytes().to_vec();
    while let Some((entry, after)) = rest.split_first_chunk::<4>() {
        let tag = u16::from_le_bytes([entry[0], entry[1]]);
        seen.extend(entry);
        rest = after;
        if NUMBERED.contains(&tag) {
            let (number, after) = rest.split_first_chunk::<4>()?;
            seen.extend(number);
            rest = after;
        } else {
            seen.extend(NONE.to_le_bytes());
        }
    }
    rest.is_empty().then_some(seen)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms() {
        let mut seen = vec![2, 0, 0, 0];
        seen.extend([1, 0, 7, 0, 255, 255, 255, 255]);
        seen.extend([2, 0, 6, 0, 1, 2, 3, 4]);
        seen.extend([0x20, 0, 0, 0, 255, 255, 255, 255]);
        let kept = encode(&seen).unwrap();
        assert_eq!(
            kept,
            [1, 0, 0, 0, 1, 0, 7, 0, 2, 0, 6, 0, 1, 2, 3, 4, 0x20, 0, 0, 0]
        );
        assert_eq!(decode(&kept), Some(seen.clone()));
        seen[4] = 9;
        assert_eq!(encode(&seen), None);
        assert_eq!(encode(b"acl"), None);
    }
}
