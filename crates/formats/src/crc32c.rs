//! CRC-32C (Castagnoli), as EROFS, ext4 and VHDX use it: reflected, polynomial 0x1EDC6F41.

/// The polynomial with its bits reversed.
const POLYNOMIAL: u32 = 0x82f6_3b78;

/// What eight bytes in a row do to the register: the table of a byte, and of a byte followed by one to seven zeros.
const TABLES: [[u32; 256]; 8] = tables();

const fn tables() -> [[u32; 256]; 8] {
    let mut tables = [[0; 256]; 8];
    let mut byte: u32 = 0;
    while byte < 256 {
        let mut register = byte;
        let mut bit = 0;
        while bit < 8 {
            register = register >> 1 ^ if register & 1 == 1 { POLYNOMIAL } else { 0 };
            bit += 1;
        }
        tables[0][byte as usize] = register;
        byte += 1;
    }
    let mut zeros = 1;
    while zeros < 8 {
        let mut byte = 0;
        while byte < 256 {
            let before = tables[zeros - 1][byte];
            tables[zeros][byte] = before >> 8 ^ tables[0][(before & 0xff) as usize];
            byte += 1;
        }
        zeros += 1;
    }
    tables
}

/// Goes on with `register` over `bytes`, and inverts nothing: the kernel's `crc32c`. File systems begin with `u32::MAX` and
/// keep the register as it is.
pub fn update(register: u32, bytes: &[u8]) -> u32 {
    let (words, rest) = bytes.as_chunks::<8>();
    let words = words.iter().fold(register, |register, word| {
        let [a, b, c, d, e, f, g, h] = (u64::from_le_bytes(*word) ^ u64::from(register)).to_le_bytes();
        TABLES[7][usize::from(a)]
            ^ TABLES[6][usize::from(b)]
            ^ TABLES[5][usize::from(c)]
            ^ TABLES[4][usize::from(d)]
            ^ TABLES[3][usize::from(e)]
            ^ TABLES[2][usize::from(f)]
            ^ TABLES[1][usize::from(g)]
            ^ TABLES[0][usize::from(h)]
    });
    rest.iter().fold(words, |register, byte| {
        let [low, ..] = register.to_le_bytes();
        register >> 8 ^ TABLES[0][usize::from(low ^ byte)]
    })
}

/// The checksum of `bytes` as it is usually written: begun with all ones, inverted at the end.
pub fn checksum(bytes: &[u8]) -> u32 {
    !update(u32::MAX, bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Those of RFC 3720, appendix B.4, and the usual check value.
    #[test]
    fn known_checksums() {
        let ascending: Vec<u8> = (0..32).collect();
        for (bytes, expect) in [
            (&b""[..], 0),
            (b"123456789", 0xe306_9283),
            (&[0; 32], 0x8a91_36aa),
            (&[0xff; 32], 0x62a8_ab43),
            (&ascending, 0x46dd_794e),
        ] {
            assert_eq!(checksum(bytes), expect, "{bytes:?}");
        }
    }

    #[test]
    fn pieces_make_the_whole() {
        let bytes: Vec<u8> = (0..=255).collect();
        for cut in 0..20 {
            let (head, tail) = bytes.split_at(cut);
            assert_eq!(update(update(u32::MAX, head), tail), !checksum(&bytes), "{cut}");
        }
    }
}
