//! IPv4 and UDP around a DHCP message (RFC 791, 768): sent and read without the kernel's help, since the interface has no
//! address yet. Pure.

use std::net::Ipv4Addr;

/// `ETH_P_IP`.
pub const PROTOCOL: u16 = 0x0800;

const CLIENT: u16 = 68;
const SERVER: u16 = 67;
const UDP: u8 = 17;
/// Lengths of the two headers, without options.
const IP_HEADER: usize = 20;
const UDP_HEADER: usize = 8;

/// A packet with `message` from a client to a server.
pub fn wrap(message: &[u8], from: Ipv4Addr, to: Ipv4Addr) -> Vec<u8> {
    let udp_length = u16::try_from(UDP_HEADER + message.len()).unwrap_or(u16::MAX);
    let total = u16::try_from(IP_HEADER)
        .unwrap_or_default()
        .saturating_add(udp_length);
    let mut packet = vec![0x45, 0x10];
    packet.extend(total.to_be_bytes());
    // No identification, not to be split, lives for 64 hops.
    packet.extend([0, 0, 0x40, 0, 64, UDP, 0, 0]);
    packet.extend(from.octets());
    packet.extend(to.octets());
    let check = checksum(&packet, 0);
    packet[10..12].copy_from_slice(&check.to_be_bytes());
    let mut udp = Vec::with_capacity(usize::from(udp_length));
    udp.extend(CLIENT.to_be_bytes());
    udp.extend(SERVER.to_be_bytes());
    udp.extend(udp_length.to_be_bytes());
    udp.extend([0, 0]);
    udp.extend(message);
    let check = match checksum(&udp, pseudo_header(from, to, udp_length)) {
        // Zero stands for no checksum.
        0 => 0xffff,
        check => check,
    };
    udp[6..8].copy_from_slice(&check.to_be_bytes());
    packet.extend(udp);
    packet
}

/// The message in a packet from a server to a client, if it is one.
///
/// The UDP checksum is not looked at: a virtual network card may leave it to hardware that is not there. The IP header's
/// is, and every length.
pub fn unwrap(packet: &[u8]) -> Option<&[u8]> {
    let header = usize::from(packet.first()? & 15) * 4;
    let is_ip = packet[0] >> 4 == 4 && header >= IP_HEADER;
    let total = usize::from(half(packet, 2)?);
    let packet = packet.get(..total)?;
    let fragment = half(packet, 6)? & 0x3fff;
    let is_udp = *packet.get(9)? == UDP && fragment == 0;
    if !is_ip || !is_udp || checksum(packet.get(..header)?, 0) != 0 {
        return None;
    }
    let udp = packet.get(header..)?;
    let length = usize::from(half(udp, 4)?);
    let between = half(udp, 0)? == SERVER && half(udp, 2)? == CLIENT;
    udp.get(UDP_HEADER..length).filter(|_| between)
}

fn half(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

fn pseudo_header(from: Ipv4Addr, to: Ipv4Addr, length: u16) -> u32 {
    [from, to]
        .iter()
        .fold(u32::from(UDP) + u32::from(length), |sum, address| {
            let [a, b, c, d] = address.octets();
            sum + u32::from(u16::from_be_bytes([a, b])) + u32::from(u16::from_be_bytes([c, d]))
        })
}

/// The internet checksum (RFC 1071).
fn checksum(bytes: &[u8], start: u32) -> u16 {
    let mut sum = bytes.chunks(2).fold(start, |sum, pair| {
        sum + u32::from(u16::from_be_bytes([pair[0], pair.get(1).copied().unwrap_or(0)]))
    });
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !u16::try_from(sum).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A packet as a server sends it.
    fn from_server(message: &[u8]) -> Vec<u8> {
        let mut packet = wrap(message, Ipv4Addr::new(10, 0, 2, 2), Ipv4Addr::BROADCAST);
        packet[20..24].copy_from_slice(&[0, 67, 0, 68]);
        packet
    }

    #[test]
    fn packets_are_read_back() {
        for message in [&b"abc"[..], b"", b"even"] {
            assert_eq!(unwrap(&from_server(message)), Some(message));
        }
        assert_eq!(
            unwrap(&wrap(b"abc", Ipv4Addr::UNSPECIFIED, Ipv4Addr::BROADCAST)),
            None,
            "a client's own"
        );
    }

    #[test]
    fn hostile_packets_are_refused() {
        let good = from_server(b"hello");
        for length in 0..good.len() {
            assert_eq!(unwrap(&good[..length]), None, "{length}");
        }
        for place in 0..good.len() {
            for value in 0..=255 {
                let mut hostile = good.clone();
                hostile[place] = value;
                let _ = unwrap(&hostile);
            }
        }
    }

    #[test]
    fn checksums_are_those_of_rfc_1071() {
        for (bytes, expect) in [
            (&[0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7][..], !0xddf2),
            (&[], 0xffff),
            (&[0xff], !0xff00),
        ] {
            assert_eq!(checksum(bytes, 0), expect);
        }
    }
}
