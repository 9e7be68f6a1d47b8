//! One interface's way to a lease and through it: the states of RFC 2131, section 4.4.

use std::fs::{self, File};
use std::io::Read;
use std::net::{Ipv4Addr, UdpSocket};
use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;
use std::time::{Duration, Instant};

use ironkit_sys::netlink::Netlink;
use ironkit_sys::packet::PacketSocket;

use super::apply;
use super::message::{self, Kind, Lease, Query, Reply};
use super::packet;
use crate::error::{Error, Result};

/// Wait for an answer, the first time; doubled each time.
const FIRST_WAIT: Duration = Duration::from_secs(1);
const LONGEST_WAIT: Duration = Duration::from_secs(16);
/// Wait when the link can not send yet.
const NO_LINK: Duration = Duration::from_millis(50);
/// Offers of one server that it then does not keep, until the search begins anew.
const TRIES: u32 = 4;
const BROADCAST: [u8; 6] = [0xff; 6];

/// What a turn of the client brought.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// A lease began.
    Leased,
    /// Nothing of note.
    Nothing,
}

/// Where the client is.
#[derive(Debug, Clone)]
enum State {
    /// Looks for servers.
    Selecting,
    /// Wants what one offered.
    Requesting(Lease),
    /// Has a lease since then.
    Bound(Lease, Instant),
}

/// The client of one interface.
#[derive(Debug)]
pub struct Client {
    name: String,
    index: u32,
    hardware: [u8; 6],
    socket: PacketSocket,
    state: State,
    transaction: u32,
    begun: Instant,
    tries: u32,
    /// When it speaks next.
    due: Instant,
    lines: Vec<String>,
}

impl Client {
    /// Brings the interface up and begins at once.
    ///
    /// # Errors
    /// What the kernel refuses; a hardware address that is not Ethernet's.
    pub fn open(name: &str) -> Result<Client> {
        let folder = Path::new("/sys/class/net").join(name);
        let read = |file: &str| {
            fs::read_to_string(folder.join(file))
                .map_err(|cause| Error::io(&folder.join(file).to_string_lossy(), cause))
        };
        let wrong = |what: &str| Error::Invalid(format!("unexpected {what}"));
        let index = read("ifindex")?.trim().parse().map_err(|_| wrong("ifindex"))?;
        let hardware = parse_hardware(&read("address")?).ok_or_else(|| wrong("hardware address"))?;
        let refused = |cause: ironkit_sys::Errno| Error::io("open", cause.into());
        Netlink::open()
            .and_then(|netlink| netlink.link_up(index))
            .map_err(refused)?;
        let now = Instant::now();
        Ok(Client {
            name: name.to_owned(),
            index,
            hardware,
            socket: PacketSocket::open(index, packet::PROTOCOL).map_err(refused)?,
            state: State::Selecting,
            transaction: random(),
            begun: now,
            tries: 0,
            due: now,
            lines: Vec::new(),
        })
    }

    /// Its interface's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// When it wants its next turn, if nothing comes before.
    pub fn due(&self) -> Instant {
        self.due
    }

    /// What it has to say.
    pub fn take_lines(&mut self) -> Vec<String> {
        std::mem::take(&mut self.lines)
    }

    /// Reads what came and says what is due.
    pub fn turn(&mut self, now: Instant) -> Event {
        let mut event = Event::Nothing;
        let mut buffer = [0_u8; 2048];
        while let Ok(length) = self.socket.receive(&mut buffer) {
            let reply = packet::unwrap(&buffer[..length]).and_then(message::decode);
            if let Some(reply) = reply
                && self.hear(reply, now) == Event::Leased
            {
                event = Event::Leased;
            }
        }
        if now >= self.due {
            self.speak(now);
        }
        event
    }

    fn hear(&mut self, reply: Reply, now: Instant) -> Event {
        if reply.transaction != self.transaction || reply.client != self.hardware {
            return Event::Nothing;
        }
        let lease = reply.lease;
        match (&self.state, reply.kind) {
            (State::Selecting, Kind::Ack) if lease.rapid => self.bind(lease, now),
            (State::Selecting, Kind::Offer) if !lease.address.is_unspecified() => {
                self.enter(State::Requesting(lease), now);
                Event::Nothing
            }
            (State::Requesting(offer), Kind::Ack) if lease.address == offer.address => self.bind(lease, now),
            (State::Bound(old, since), Kind::Ack)
                if lease.address == old.address && now >= *since + renewal(old) =>
            {
                self.bind(lease, now)
            }
            (State::Requesting(_), Kind::Nak) => {
                self.lines
                    .push(format!("{}: {} refused", self.name, lease.server));
                self.enter(State::Selecting, now + FIRST_WAIT);
                Event::Nothing
            }
            (State::Bound(old, since), Kind::Nak) if now >= *since + renewal(old) => {
                self.lose(now);
                Event::Nothing
            }
            _ => Event::Nothing,
        }
    }

    fn bind(&mut self, lease: Lease, now: Instant) -> Event {
        let renewed = matches!(self.state, State::Bound(..));
        match apply::set(self.index, &lease) {
            Ok(()) if renewed => {}
            Ok(()) => self.lines.push(describe(&self.name, &lease)),
            Err(error) => self.lines.push(format!("{}: {error}", self.name)),
        }
        let due = now + renewal(&lease);
        self.enter(State::Bound(lease, now), due);
        Event::Leased
    }

    fn lose(&mut self, now: Instant) {
        if let State::Bound(lease, _) = &self.state {
            self.lines.push(format!("{}: lost {}", self.name, lease.address));
            apply::unset(self.index, lease);
        }
        self.enter(State::Selecting, now);
    }

    fn enter(&mut self, state: State, due: Instant) {
        if !matches!(state, State::Requesting(_)) {
            self.transaction = random();
            self.begun = due;
        }
        self.state = state;
        self.tries = 0;
        self.due = due;
        if matches!(self.state, State::Requesting(_)) {
            self.speak(due);
        }
    }

    /// Sends what the state wants.
    fn speak(&mut self, now: Instant) {
        let state = self.state.clone();
        let sent = match &state {
            State::Selecting => self.broadcast(Kind::Discover, Ipv4Addr::UNSPECIFIED, None),
            State::Requesting(_) if self.tries >= TRIES => {
                self.enter(State::Selecting, now);
                return;
            }
            State::Requesting(offer) => self.broadcast(Kind::Request, Ipv4Addr::UNSPECIFIED, Some(offer)),
            State::Bound(lease, since) => {
                let age = now.saturating_duration_since(*since).as_secs();
                if age >= u64::from(lease.seconds) {
                    self.lose(now);
                    return;
                }
                let left = u64::from(if age < u64::from(lease.rebind) {
                    lease.rebind
                } else {
                    lease.seconds
                }) - age;
                let sent = if age < u64::from(lease.rebind) {
                    self.ask_server(lease)
                } else {
                    self.broadcast(Kind::Request, lease.address, None)
                };
                // Half of what is left, but not more often than once a minute (RFC 2131, section 4.4.5).
                self.due = now + Duration::from_secs((left / 2).max(60).min(left.max(1)));
                if let Err(error) = sent {
                    self.lines.push(format!("{}: {error}", self.name));
                }
                return;
            }
        };
        if sent.is_err() {
            self.due = now + NO_LINK;
            return;
        }
        self.due = now + (FIRST_WAIT * (1 << self.tries.min(4))).min(LONGEST_WAIT);
        self.tries += 1;
    }

    fn broadcast(&self, kind: Kind, current: Ipv4Addr, offer: Option<&Lease>) -> std::io::Result<()> {
        let message = self.message(kind, current, offer);
        let packet = packet::wrap(&message, current, Ipv4Addr::BROADCAST);
        Ok(self.socket.send(&packet, BROADCAST)?)
    }

    /// Renews: an ordinary packet to the server that gave the lease. The answer comes to the packet socket too.
    fn ask_server(&self, lease: &Lease) -> std::io::Result<()> {
        let socket = UdpSocket::bind((lease.address, 68))?;
        socket
            .send_to(
                &self.message(Kind::Request, lease.address, None),
                (lease.server, 67),
            )
            .map(|_| ())
    }

    fn message(&self, kind: Kind, current: Ipv4Addr, offer: Option<&Lease>) -> Vec<u8> {
        let hostname = apply::hostname();
        message::encode(&Query {
            kind,
            transaction: self.transaction,
            elapsed: u16::try_from(self.begun.elapsed().as_secs()).unwrap_or(u16::MAX),
            client: self.hardware,
            current,
            wanted: offer.map(|offer| offer.address),
            server: offer.map(|offer| offer.server),
            hostname: &hostname,
        })
    }
}

impl AsFd for Client {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

fn renewal(lease: &Lease) -> Duration {
    Duration::from_secs(lease.renew.into())
}

fn describe(name: &str, lease: &Lease) -> String {
    let default = lease
        .routes
        .iter()
        .find(|(_, prefix, gateway)| *prefix == 0 && !gateway.is_unspecified());
    let gateway = default.map_or_else(
        || "no gateway".to_owned(),
        |(_, _, gateway)| format!("gateway {gateway}"),
    );
    let time = if lease.seconds == u32::MAX {
        "for ever".to_owned()
    } else {
        format!("{} s", lease.seconds)
    };
    format!(
        "{name}: leased {}/{} from {}, {gateway}, {time}",
        lease.address, lease.prefix, lease.server
    )
}

fn parse_hardware(text: &str) -> Option<[u8; 6]> {
    let bytes: Vec<u8> = text
        .trim()
        .split(':')
        .map(|part| u8::from_str_radix(part, 16).ok())
        .collect::<Option<_>>()?;
    bytes.try_into().ok()
}

/// A number that others can not guess.
fn random() -> u32 {
    let mut bytes = [0; 4];
    let _ = File::open("/dev/urandom").and_then(|mut source| source.read_exact(&mut bytes));
    u32::from_ne_bytes(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn leases_are_described() {
        let lease = Lease {
            address: Ipv4Addr::new(10, 0, 2, 15),
            prefix: 24,
            server: Ipv4Addr::new(10, 0, 2, 2),
            routes: vec![(Ipv4Addr::UNSPECIFIED, 0, Ipv4Addr::new(10, 0, 2, 2))],
            name_servers: vec![],
            hostname: None,
            domain: None,
            search: vec![],
            mtu: None,
            seconds: 86400,
            renew: 43200,
            rebind: 75600,
            rapid: false,
        };
        assert_eq!(
            describe("eth0", &lease),
            "eth0: leased 10.0.2.15/24 from 10.0.2.2, gateway 10.0.2.2, 86400 s"
        );
        let alone = Lease {
            routes: vec![],
            seconds: u32::MAX,
            ..lease
        };
        assert_eq!(
            describe("eth0", &alone),
            "eth0: leased 10.0.2.15/24 from 10.0.2.2, no gateway, for ever"
        );
    }

    #[test]
    fn hardware_addresses_are_read() {
        for (text, expect) in [
            ("52:54:00:12:34:56\n", Some([0x52, 0x54, 0, 0x12, 0x34, 0x56])),
            ("52:54:00", None),
            ("", None),
            ("xx:54:00:12:34:56", None),
        ] {
            assert_eq!(parse_hardware(text), expect, "{text}");
        }
    }
}
