//! DHCP messages (RFC 2131) and their options (RFC 2132, 3442, 4039): bytes to values and back. Pure; what a server sends is
//! not trusted.

use std::net::Ipv4Addr;

/// Kinds of messages: option 53.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A client looks for servers.
    Discover = 1,
    /// A server offers an address.
    Offer = 2,
    /// A client wants what was offered, or keeps what it has.
    Request = 3,
    /// A server agrees.
    Ack = 5,
    /// A server does not.
    Nak = 6,
}

/// What a server sends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// What it says.
    pub kind: Kind,
    /// Number of the exchange.
    pub transaction: u32,
    /// Hardware address of the client that is meant.
    pub client: [u8; 6],
    /// What the client gets.
    pub lease: Lease,
}

/// An address and what goes with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    /// The address.
    pub address: Ipv4Addr,
    /// Length of the network's prefix.
    pub prefix: u8,
    /// Who gave it.
    pub server: Ipv4Addr,
    /// Networks and the routers to them, in order; unspecified for a network on the link. Where the server sends
    /// classless routes, those; else the default route.
    pub routes: Vec<(Ipv4Addr, u8, Ipv4Addr)>,
    /// Name servers.
    pub name_servers: Vec<Ipv4Addr>,
    /// Name of the client.
    pub hostname: Option<String>,
    /// Domain of the client.
    pub domain: Option<String>,
    /// Domains in which names are searched.
    pub search: Vec<String>,
    /// Largest packet of the link.
    pub mtu: Option<u16>,
    /// Seconds for which it is valid; `u32::MAX` for ever.
    pub seconds: u32,
    /// Seconds after which the client asks the same server again.
    pub renew: u32,
    /// Seconds after which it asks any.
    pub rebind: u32,
    /// The server agreed at once to a DISCOVER.
    pub rapid: bool,
}

/// What a client sends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Query<'a> {
    /// What it says.
    pub kind: Kind,
    /// Number of the exchange.
    pub transaction: u32,
    /// Seconds since it began to ask.
    pub elapsed: u16,
    /// Its hardware address.
    pub client: [u8; 6],
    /// The address that it has and answers on; unspecified before.
    pub current: Ipv4Addr,
    /// The address that it wants.
    pub wanted: Option<Ipv4Addr>,
    /// The server that it answers.
    pub server: Option<Ipv4Addr>,
    /// Its name.
    pub hostname: &'a str,
}

/// Where the options begin, with the four bytes that say that there are some.
const OPTIONS: usize = 236;
const MAGIC: [u8; 4] = [99, 130, 83, 99];
/// BOOTP's smallest message, which some relays insist on.
const SMALLEST: usize = 300;
/// A network's smallest MTU that is believed (RFC 791).
const SMALLEST_MTU: u16 = 576;

/// Options that the client asks for: mask, routers, name servers, name, domain, MTU, broadcast, time servers, lease time,
/// server, renewal, rebinding, search, classless routes.
const ASKED: [u8; 14] = [1, 3, 6, 12, 15, 26, 28, 42, 51, 54, 58, 59, 119, 121];

/// The bytes of a message of a client.
pub fn encode(query: &Query<'_>) -> Vec<u8> {
    // op BOOTREQUEST, hardware Ethernet with addresses of 6 bytes, no hops.
    let mut bytes = vec![1, 1, 6, 0];
    bytes.extend(query.transaction.to_be_bytes());
    bytes.extend(query.elapsed.to_be_bytes());
    // Replies may be sent to the new address: the packet socket hears them all the same.
    bytes.extend([0, 0]);
    bytes.extend(query.current.octets());
    bytes.extend([0; 12]);
    bytes.extend(query.client);
    bytes.resize(OPTIONS, 0);
    bytes.extend(MAGIC);
    let mut option = |code: u8, value: &[u8]| {
        bytes.push(code);
        bytes.push(u8::try_from(value.len()).unwrap_or(u8::MAX));
        bytes.extend(&value[..value.len().min(usize::from(u8::MAX))]);
    };
    option(53, &[query.kind as u8]);
    option(61, &[&[1], &query.client[..]].concat());
    if let Some(wanted) = query.wanted {
        option(50, &wanted.octets());
    }
    if let Some(server) = query.server {
        option(54, &server.octets());
    }
    if !query.hostname.is_empty() {
        option(12, query.hostname.as_bytes());
    }
    option(55, &ASKED);
    // Largest message that is taken: a whole Ethernet frame.
    option(57, &1500_u16.to_be_bytes());
    if query.kind == Kind::Discover {
        option(80, &[]);
    }
    bytes.push(255);
    bytes.resize(bytes.len().max(SMALLEST), 0);
    bytes
}

/// Reads a message of a server; `None` for anything else.
pub fn decode(bytes: &[u8]) -> Option<Reply> {
    let is_reply = bytes.first() == Some(&2) && bytes.get(OPTIONS..OPTIONS + 4) == Some(&MAGIC);
    if !is_reply {
        return None;
    }
    let options = Options::collect(bytes);
    let kind = match options.get(53)? {
        [2] => Kind::Offer,
        [5] => Kind::Ack,
        [6] => Kind::Nak,
        _ => return None,
    };
    let address = address_at(&bytes[16..20])?;
    let mask = options.get(1).and_then(address_at);
    let seconds = options.number(51).unwrap_or(u32::MAX);
    let renew = options
        .number(58)
        .filter(|value| *value < seconds)
        .unwrap_or(seconds / 2);
    let rebind = options
        .number(59)
        .filter(|value| (renew..seconds).contains(value));
    Some(Reply {
        kind,
        transaction: u32::from_be_bytes(bytes[4..8].try_into().ok()?),
        client: bytes[28..34].try_into().ok()?,
        lease: Lease {
            address,
            prefix: mask.and_then(prefix_of).unwrap_or_else(|| class_prefix(address)),
            server: options
                .get(54)
                .and_then(address_at)
                .unwrap_or(Ipv4Addr::UNSPECIFIED),
            routes: options.routes(),
            name_servers: options.addresses(6),
            hostname: options.name(12),
            domain: options.name(15),
            search: options.get(119).map(search_list).unwrap_or_default(),
            mtu: options
                .get(26)
                .and_then(|value| Some(u16::from_be_bytes(value.try_into().ok()?))),
            seconds,
            renew: renew.max(1),
            rebind: rebind.unwrap_or_else(|| (seconds / 8).saturating_mul(7)).max(1),
            rapid: options.get(80).is_some(),
        },
    })
    .map(|mut reply| {
        reply.lease.mtu = reply.lease.mtu.filter(|mtu| *mtu >= SMALLEST_MTU);
        reply
    })
}

/// Options of a message, the parts of long ones put together (RFC 3396).
#[derive(Debug, Default)]
struct Options(Vec<(u8, Vec<u8>)>);

impl Options {
    fn collect(message: &[u8]) -> Options {
        let mut options = Options::default();
        options.read(message.get(OPTIONS + 4..).unwrap_or_default());
        // Option 52: the fields for a file's and a server's name hold options too.
        let overload = options
            .get(52)
            .and_then(|value| value.first().copied())
            .unwrap_or(0);
        if overload & 1 != 0 {
            options.read(&message[108..OPTIONS]);
        }
        if overload & 2 != 0 {
            options.read(&message[44..108]);
        }
        options
    }

    fn read(&mut self, mut bytes: &[u8]) {
        loop {
            match bytes {
                [0, rest @ ..] => bytes = rest,
                [255, ..] | [] | [_] => return,
                [code, length, rest @ ..] => {
                    // What is cut off is not believed in part.
                    let Some((value, after)) = rest.split_at_checked(usize::from(*length)) else {
                        return;
                    };
                    match self.0.iter_mut().find(|(known, _)| known == code) {
                        Some((_, whole)) => whole.extend(value),
                        None => self.0.push((*code, value.to_vec())),
                    }
                    bytes = after;
                }
            }
        }
    }

    fn get(&self, code: u8) -> Option<&[u8]> {
        self.0
            .iter()
            .find(|(known, _)| *known == code)
            .map(|(_, value)| value.as_slice())
    }

    fn number(&self, code: u8) -> Option<u32> {
        Some(u32::from_be_bytes(self.get(code)?.try_into().ok()?))
    }

    fn addresses(&self, code: u8) -> Vec<Ipv4Addr> {
        self.get(code)
            .unwrap_or_default()
            .chunks_exact(4)
            .filter_map(address_at)
            .collect()
    }

    /// A name of letters, digits, `-`, `_` and `.`: it goes into files and to the kernel.
    fn name(&self, code: u8) -> Option<String> {
        let text = std::str::from_utf8(self.get(code)?)
            .ok()?
            .trim_end_matches(['\0', '.']);
        is_name(text).then(|| text.to_owned())
    }

    fn routes(&self) -> Vec<(Ipv4Addr, u8, Ipv4Addr)> {
        match self.get(121).map(classless_routes) {
            Some(routes) if !routes.is_empty() => routes,
            _ => self
                .addresses(3)
                .first()
                .map(|gateway| (Ipv4Addr::UNSPECIFIED, 0, *gateway))
                .into_iter()
                .collect(),
        }
    }
}

fn is_name(text: &str) -> bool {
    let fits = !text.is_empty() && text.len() <= 253 && !text.starts_with(['.', '-']);
    fits && text
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
}

/// Classless static routes (RFC 3442): length of the prefix, as many bytes as it needs, the router. All or none.
fn classless_routes(mut bytes: &[u8]) -> Vec<(Ipv4Addr, u8, Ipv4Addr)> {
    let mut routes = Vec::new();
    while let [prefix, rest @ ..] = bytes {
        let length = usize::from(prefix.div_ceil(8));
        let (Some(network), Some(gateway)) = (
            rest.get(..length),
            rest.get(length..length + 4).and_then(address_at),
        ) else {
            return Vec::new();
        };
        if *prefix > 32 {
            return Vec::new();
        }
        let mut octets = [0; 4];
        octets[..length].copy_from_slice(network);
        let mask = u32::MAX.checked_shl(32 - u32::from(*prefix)).unwrap_or(0);
        routes.push((
            Ipv4Addr::from(u32::from_be_bytes(octets) & mask),
            *prefix,
            gateway,
        ));
        bytes = &rest[length + 4..];
    }
    routes
}

/// A list of domains (RFC 3397), compressed as in DNS. Pointers only lead back, so that reading ends.
fn search_list(bytes: &[u8]) -> Vec<String> {
    let mut domains = Vec::new();
    let mut at = 0;
    while at < bytes.len() && domains.len() < 6 {
        let Some((name, next)) = domain_at(bytes, at) else {
            return domains;
        };
        if is_name(&name) {
            domains.push(name);
        }
        at = next;
    }
    domains
}

/// The domain at a place, and where the next one is.
fn domain_at(bytes: &[u8], start: usize) -> Option<(String, usize)> {
    let mut labels: Vec<&str> = Vec::new();
    let (mut at, mut end, mut bound) = (start, None, start);
    loop {
        let length = usize::from(*bytes.get(at)?);
        match length {
            0 => return Some((labels.join("."), end.unwrap_or(at + 1))),
            1..=63 => {
                labels.push(std::str::from_utf8(bytes.get(at + 1..at + 1 + length)?).ok()?);
                at += 1 + length;
            }
            192.. => {
                let target = (length & 63) << 8 | usize::from(*bytes.get(at + 1)?);
                end.get_or_insert(at + 2);
                if target >= bound {
                    return None;
                }
                bound = target;
                at = target;
            }
            _ => return None,
        }
    }
}

fn address_at(bytes: &[u8]) -> Option<Ipv4Addr> {
    <[u8; 4]>::try_from(bytes).ok().map(Ipv4Addr::from)
}

/// Length of the prefix of a mask, if it is one.
fn prefix_of(mask: Ipv4Addr) -> Option<u8> {
    let bits = u32::from(mask);
    (bits.leading_ones() + bits.trailing_zeros() == 32).then(|| u8::try_from(bits.leading_ones()).ok())?
}

/// The prefix of an address without a mask: by its class, as before CIDR.
fn class_prefix(address: Ipv4Addr) -> u8 {
    match address.octets()[0] {
        0..=127 => 8,
        128..=191 => 16,
        _ => 24,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAC: [u8; 6] = [0x52, 0x54, 0, 0x12, 0x34, 0x56];

    /// A server's message with these options.
    fn reply(options: &[&[u8]]) -> Vec<u8> {
        let mut bytes = vec![2, 1, 6, 0, 0, 0, 0, 7];
        bytes.resize(16, 0);
        bytes.extend([10, 0, 2, 15]);
        bytes.resize(28, 0);
        bytes.extend(MAC);
        bytes.resize(OPTIONS, 0);
        bytes.extend(MAGIC);
        bytes.extend(options.concat());
        bytes.push(255);
        bytes
    }

    #[test]
    fn an_offer_is_read() {
        let bytes = reply(&[
            &[53, 1, 2],
            &[1, 4, 255, 255, 255, 0],
            &[3, 4, 10, 0, 2, 2],
            &[6, 8, 10, 0, 2, 3, 8, 8, 8, 8],
            &[12, 3, b'b', b'o', b'x'],
            &[15, 4, b'l', b'a', b'n', 0],
            &[26, 2, 5, 180],
            &[51, 4, 0, 1, 81, 128],
            &[54, 4, 10, 0, 2, 2],
        ]);
        let got = decode(&bytes).unwrap();
        let expect = Lease {
            address: Ipv4Addr::new(10, 0, 2, 15),
            prefix: 24,
            server: Ipv4Addr::new(10, 0, 2, 2),
            routes: vec![(Ipv4Addr::UNSPECIFIED, 0, Ipv4Addr::new(10, 0, 2, 2))],
            name_servers: vec![Ipv4Addr::new(10, 0, 2, 3), Ipv4Addr::new(8, 8, 8, 8)],
            hostname: Some("box".to_owned()),
            domain: Some("lan".to_owned()),
            search: vec![],
            mtu: Some(1460),
            seconds: 86400,
            renew: 43200,
            rebind: 75600,
            rapid: false,
        };
        assert_eq!(
            got,
            Reply {
                kind: Kind::Offer,
                transaction: 7,
                client: MAC,
                lease: expect
            }
        );
    }

    #[test]
    fn every_beginning_of_a_message_is_safe() {
        let bytes = reply(&[
            &[53, 1, 5],
            &[121, 8, 24, 192, 168, 1, 10, 0, 2, 2],
            &[119, 4, 1, b'a', 192, 0],
            &[52, 1, 3],
        ]);
        for length in 0..bytes.len() {
            let _ = decode(&bytes[..length]);
        }
        for place in OPTIONS..bytes.len() {
            for value in [0, 1, 63, 64, 127, 192, 254, 255] {
                let mut hostile = bytes.clone();
                hostile[place] = value;
                let _ = decode(&hostile);
            }
        }
    }

    /// Name, the option's bytes, and what must hold of the lease.
    type Case<'a> = (&'a str, &'a [u8], fn(&Lease) -> bool);

    #[test]
    fn what_makes_no_sense_is_left_out() {
        let ack: &[u8] = &[53, 1, 5];
        let cases: &[Case<'_>] = &[
            ("small mtu", &[26, 2, 0, 100], |lease| lease.mtu.is_none()),
            ("hostile name", &[12, 5, b'a', b'\n', b'b', b' ', b'c'], |lease| {
                lease.hostname.is_none()
            }),
            ("name as a flag", &[12, 2, b'-', b'a'], |lease| {
                lease.hostname.is_none()
            }),
            ("odd mask", &[1, 4, 255, 0, 255, 0], |lease| lease.prefix == 8),
            ("long option", &[6, 200, 1, 2], |lease| {
                lease.name_servers.is_empty()
            }),
            ("prefix 33", &[121, 10, 33, 1, 2, 3, 4, 5, 10, 0, 2, 2], |lease| {
                lease.routes.is_empty()
            }),
            ("half a route", &[121, 3, 24, 10, 0], |lease| {
                lease.routes.is_empty()
            }),
            ("loop in search", &[119, 2, 192, 0], |lease| {
                lease.search.is_empty()
            }),
            ("forward pointer", &[119, 4, 192, 2, 192, 0], |lease| {
                lease.search.is_empty()
            }),
            ("no lease time", &[], |lease| {
                lease.seconds == u32::MAX && lease.renew == u32::MAX / 2
            }),
            (
                "renewal after the end",
                &[51, 4, 0, 0, 0, 100, 58, 4, 0, 0, 0, 200],
                |lease| lease.renew == 50,
            ),
            ("lease of nothing", &[51, 4, 0, 0, 0, 0], |lease| {
                lease.renew == 1 && lease.rebind == 1
            }),
        ];
        for (name, option, expect) in cases {
            assert!(expect(&decode(&reply(&[ack, option])).unwrap().lease), "{name}");
        }
        for (name, bytes) in [
            ("no kind", reply(&[])),
            ("a query", reply(&[&[53, 1, 1]])),
            ("empty", vec![]),
        ] {
            assert_eq!(decode(&bytes), None, "{name}");
        }
    }

    #[test]
    fn classless_routes_go_before_the_router() {
        let routes = [121, 14, 24, 192, 168, 1, 10, 0, 2, 9, 0, 10, 0, 2, 1];
        let lease = decode(&reply(&[&[53, 1, 5], &[3, 4, 10, 0, 2, 2], &routes]))
            .unwrap()
            .lease;
        // The length says one byte more than the routes have: none of them is believed, and the router counts.
        assert_eq!(lease.routes.len(), 1);
        let good = [121, 13, 24, 192, 168, 1, 10, 0, 2, 9, 0, 10, 0, 2, 1];
        let lease = decode(&reply(&[&[53, 1, 5], &[3, 4, 10, 0, 2, 2], &good]))
            .unwrap()
            .lease;
        let expect = vec![
            (Ipv4Addr::new(192, 168, 1, 0), 24, Ipv4Addr::new(10, 0, 2, 9)),
            (Ipv4Addr::UNSPECIFIED, 0, Ipv4Addr::new(10, 0, 2, 1)),
        ];
        assert_eq!(lease.routes, expect);
    }

    #[test]
    fn search_lists_are_decompressed() {
        for (bytes, expect) in [
            (&b"\x03lan\x00"[..], &["lan"][..]),
            (b"\x01a\x03lan\x00\x01b\xc0\x02", &["a.lan", "b.lan"]),
            (b"\x01a", &[]),
            (b"", &[]),
            (b"\x01a\xc0\x00", &[]),
        ] {
            assert_eq!(search_list(bytes), expect, "{bytes:?}");
        }
    }

    #[test]
    fn a_query_is_whole() {
        let query = Query {
            kind: Kind::Discover,
            transaction: 7,
            elapsed: 0,
            client: MAC,
            current: Ipv4Addr::UNSPECIFIED,
            wanted: None,
            server: None,
            hostname: "box",
        };
        let bytes = encode(&query);
        assert!(bytes.len() >= SMALLEST);
        let mut options = Options::default();
        options.read(&bytes[OPTIONS + 4..]);
        for (code, expect) in [
            (53, Some(&[1][..])),
            (12, Some(b"box")),
            (61, Some(&[1, 0x52, 0x54, 0, 0x12, 0x34, 0x56])),
            (80, Some(&[])),
            (50, None),
        ] {
            assert_eq!(options.get(code), expect, "{code}");
        }
    }
}
