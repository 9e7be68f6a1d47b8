//! Links, addresses and routes: rtnetlink(7), the few requests that the guest makes.
//!
//! A request is built as bytes (pure, tested) and sent; the answer is the kernel's acknowledgement. Reading the
//! state of links is left to sysfs.

use std::net::Ipv4Addr;
use std::os::fd::OwnedFd;

use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, recv, send, socket_with};

use crate::{Errno, Result};

const RTM_NEWLINK: u16 = 16;
const RTM_NEWADDR: u16 = 20;
const RTM_DELADDR: u16 = 21;
const RTM_NEWROUTE: u16 = 24;
const RTM_DELROUTE: u16 = 25;
const NLMSG_ERROR: u16 = 2;

const NLM_F_REQUEST: u16 = 1;
const NLM_F_ACK: u16 = 4;
const NLM_F_REPLACE: u16 = 0x100;
const NLM_F_EXCL: u16 = 0x200;
const NLM_F_CREATE: u16 = 0x400;

const IFLA_ADDRESS_LOCAL: u16 = 2;
const IFLA_IFNAME: u16 = 3;
const IFLA_MTU: u16 = 4;
const IFLA_LINKINFO: u16 = 18;
const IFLA_NET_NS_PID: u16 = 19;
const IFLA_INFO_KIND: u16 = 1;
const IFLA_INFO_DATA: u16 = 2;
const VETH_INFO_PEER: u16 = 1;
const NLA_F_NESTED: u16 = 0x8000;
const IFA_ADDRESS: u16 = 1;
const IFA_BROADCAST: u16 = 4;
const IFA_CACHEINFO: u16 = 6;
const RTA_DST: u16 = 1;
const RTA_OIF: u16 = 4;
const RTA_GATEWAY: u16 = 5;
const RTA_PREFSRC: u16 = 7;

const AF_INET: u8 = 2;
const IFF_UP: u32 = 1;
const RT_TABLE_MAIN: u8 = 254;
const RTPROT_DHCP: u8 = 16;
const RT_SCOPE_UNIVERSE: u8 = 0;
const RT_SCOPE_LINK: u8 = 253;
const RT_SCOPE_HOST: u8 = 254;
const RTN_UNICAST: u8 = 1;

/// Length of `struct nlmsghdr`.
const HEADER: usize = 16;

/// A connection to the kernel's routing part, in the network namespace it was opened in.
#[derive(Debug)]
pub struct Netlink(OwnedFd);

/// An IPv4 address to set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Address {
    /// The address.
    pub address: Ipv4Addr,
    /// Length of the network's prefix.
    pub prefix: u8,
    /// Seconds for which it is valid; for ever when absent.
    pub lifetime: Option<u32>,
}

/// An IPv4 route to set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Route {
    /// Network it leads to.
    pub destination: Ipv4Addr,
    /// Length of the network's prefix.
    pub prefix: u8,
    /// Next router; absent for a network on the link.
    pub gateway: Option<Ipv4Addr>,
    /// Address that packets are sent from.
    pub source: Option<Ipv4Addr>,
}

impl Netlink {
    /// Opens it.
    ///
    /// # Errors
    /// What socket(2) says.
    pub fn open() -> Result<Self> {
        // Protocol 0 is NETLINK_ROUTE.
        socket_with(
            AddressFamily::NETLINK,
            SocketType::RAW,
            SocketFlags::CLOEXEC,
            None,
        )
        .map(Netlink)
    }

    /// Brings a link up.
    ///
    /// # Errors
    /// As all requests: what the kernel answers.
    pub fn link_up(&self, index: u32) -> Result<()> {
        let mut message = Message::new(RTM_NEWLINK, 0);
        message.link(index, IFF_UP);
        self.ask(message)
    }

    /// Sets a link's largest packet.
    pub fn set_mtu(&self, index: u32, mtu: u32) -> Result<()> {
        let mut message = Message::new(RTM_NEWLINK, 0);
        message.link(index, 0);
        message.attribute(IFLA_MTU, &mtu.to_ne_bytes());
        self.ask(message)
    }

    /// Makes a link `name` of a kind such as `dummy`, or a `veth` pair when `peer` is given.
    pub fn create_link(&self, name: &str, kind: &str, peer: Option<&str>) -> Result<()> {
        self.ask(create_link(name, kind, peer))
    }

    /// Moves the link `name` into the network namespace of the process `pid`.
    pub fn move_link(&self, name: &str, pid: i32) -> Result<()> {
        let mut message = Message::new(RTM_NEWLINK, 0);
        message.link(0, 0);
        message.text(IFLA_IFNAME, name);
        message.attribute(IFLA_NET_NS_PID, &pid.to_ne_bytes());
        self.ask(message)
    }

    /// Sets an address, or renews it.
    pub fn add_address(&self, index: u32, address: Address) -> Result<()> {
        self.ask(address_message(
            RTM_NEWADDR,
            NLM_F_CREATE | NLM_F_REPLACE,
            index,
            address,
        ))
    }

    /// Takes an address away.
    pub fn delete_address(&self, index: u32, address: Address) -> Result<()> {
        self.ask(address_message(RTM_DELADDR, 0, index, address))
    }

    /// Sets a route, or replaces the one that leads there.
    pub fn add_route(&self, index: u32, route: Route) -> Result<()> {
        self.ask(route_message(
            RTM_NEWROUTE,
            NLM_F_CREATE | NLM_F_REPLACE,
            index,
            route,
        ))
    }

    /// Takes a route away.
    pub fn delete_route(&self, index: u32, route: Route) -> Result<()> {
        self.ask(route_message(RTM_DELROUTE, 0, index, route))
    }

    /// Sends a request and reads its acknowledgement.
    fn ask(&self, message: Message) -> Result<()> {
        send(&self.0, &message.finish(), SendFlags::empty())?;
        let mut buffer = [0_u8; 4096];
        loop {
            let (length, _) = recv(&self.0, &mut buffer[..], RecvFlags::empty())?;
            if let Some(answer) = acknowledgement(&buffer[..length]) {
                return answer;
            }
        }
    }
}

/// The answer in a datagram of the kernel, if it is one.
fn acknowledgement(datagram: &[u8]) -> Option<Result<()>> {
    let kind = u16::from_ne_bytes(datagram.get(4..6)?.try_into().ok()?);
    if kind != NLMSG_ERROR {
        return None;
    }
    let code = i32::from_ne_bytes(datagram.get(HEADER..HEADER + 4)?.try_into().ok()?);
    Some(if code == 0 {
        Ok(())
    } else {
        Err(Errno::from_raw_os_error(code.saturating_neg()))
    })
}

fn create_link(name: &str, kind: &str, peer: Option<&str>) -> Message {
    let mut message = Message::new(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL);
    message.link(0, 0);
    message.text(IFLA_IFNAME, name);
    message.nested(IFLA_LINKINFO, |info| {
        info.text(IFLA_INFO_KIND, kind);
        if let Some(peer) = peer {
            info.nested(IFLA_INFO_DATA, |data| {
                data.nested(VETH_INFO_PEER, |end| {
                    end.link(0, 0);
                    end.text(IFLA_IFNAME, peer);
                });
            });
        }
    });
    message
}

fn address_message(kind: u16, flags: u16, index: u32, address: Address) -> Message {
    let loopback = address.address.is_loopback();
    let mut message = Message::new(kind, flags);
    // struct ifaddrmsg
    message.0.extend([
        AF_INET,
        address.prefix,
        0,
        if loopback {
            RT_SCOPE_HOST
        } else {
            RT_SCOPE_UNIVERSE
        },
    ]);
    message.0.extend(index.to_ne_bytes());
    message.attribute(IFLA_ADDRESS_LOCAL, &address.address.octets());
    message.attribute(IFA_ADDRESS, &address.address.octets());
    if !loopback && address.prefix < 31 {
        let broadcast = u32::from(address.address) | u32::MAX.checked_shr(address.prefix.into()).unwrap_or(0);
        message.attribute(IFA_BROADCAST, &broadcast.to_be_bytes());
    }
    if let Some(seconds) = address.lifetime {
        // struct ifa_cacheinfo: preferred, valid, created, updated.
        let info = [seconds, seconds, 0, 0].map(u32::to_ne_bytes).concat();
        message.attribute(IFA_CACHEINFO, &info);
    }
    message
}

fn route_message(kind: u16, flags: u16, index: u32, route: Route) -> Message {
    let scope = if route.gateway.is_some() {
        RT_SCOPE_UNIVERSE
    } else {
        RT_SCOPE_LINK
    };
    let mut message = Message::new(kind, flags);
    // struct rtmsg: family, lengths of the two prefixes, TOS, table, protocol, scope, type, flags.
    message.0.extend([
        AF_INET,
        route.prefix,
        0,
        0,
        RT_TABLE_MAIN,
        RTPROT_DHCP,
        scope,
        RTN_UNICAST,
    ]);
    message.0.extend([0; 4]);
    if route.prefix > 0 {
        message.attribute(RTA_DST, &route.destination.octets());
    }
    message.attribute(RTA_OIF, &index.to_ne_bytes());
    if let Some(gateway) = route.gateway {
        message.attribute(RTA_GATEWAY, &gateway.octets());
    }
    if let Some(source) = route.source {
        message.attribute(RTA_PREFSRC, &source.octets());
    }
    message
}

/// A request under construction.
#[derive(Debug, Default)]
struct Message(Vec<u8>);

impl Message {
    /// `struct nlmsghdr`, the length to come.
    fn new(kind: u16, flags: u16) -> Self {
        let mut bytes = vec![0; 4];
        bytes.extend(kind.to_ne_bytes());
        bytes.extend((flags | NLM_F_REQUEST | NLM_F_ACK).to_ne_bytes());
        bytes.extend([0; 8]);
        Message(bytes)
    }

    /// `struct ifinfomsg`: `flags` are set, none is cleared.
    fn link(&mut self, index: u32, flags: u32) {
        self.0.extend([0; 4]);
        self.0.extend(index.to_ne_bytes());
        self.0.extend(flags.to_ne_bytes());
        self.0.extend(flags.to_ne_bytes());
    }

    /// `struct rtattr` and its value, padded to four bytes.
    fn attribute(&mut self, kind: u16, value: &[u8]) {
        let length = u16::try_from(value.len() + 4).unwrap_or(u16::MAX);
        self.0.extend(length.to_ne_bytes());
        self.0.extend(kind.to_ne_bytes());
        self.0.extend(value);
        self.0.resize(self.0.len().next_multiple_of(4), 0);
    }

    fn text(&mut self, kind: u16, value: &str) {
        self.attribute(kind, &[value.as_bytes(), &[0]].concat());
    }

    fn nested(&mut self, kind: u16, fill: impl FnOnce(&mut Message)) {
        let mut inner = Message::default();
        fill(&mut inner);
        self.attribute(kind | NLA_F_NESTED, &inner.0);
    }

    fn finish(mut self) -> Vec<u8> {
        let length = u32::try_from(self.0.len()).unwrap_or(u32::MAX);
        self.0[..4].copy_from_slice(&length.to_ne_bytes());
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_whole_and_aligned() {
        let address = Address {
            address: Ipv4Addr::new(10, 0, 2, 15),
            prefix: 24,
            lifetime: Some(60),
        };
        let route = Route {
            destination: Ipv4Addr::UNSPECIFIED,
            prefix: 0,
            gateway: Some(Ipv4Addr::new(10, 0, 2, 2)),
            source: None,
        };
        for (message, length) in [
            (create_link("a", "dummy", None), 32 + 8 + 4 + 12),
            (
                create_link("a", "veth", Some("b")),
                32 + 8 + 4 + 12 + 4 + 4 + 16 + 8,
            ),
            (address_message(RTM_NEWADDR, 0, 2, address), 24 + 8 + 8 + 8 + 20),
            (route_message(RTM_NEWROUTE, 0, 2, route), 28 + 8 + 8),
        ] {
            let bytes = message.finish();
            assert_eq!(bytes.len(), length);
            assert_eq!(bytes[..4], u32::try_from(length).unwrap().to_ne_bytes());
        }
    }

    #[test]
    fn answers_are_read() {
        let answer = |kind: u16, code: i32| {
            let mut bytes = vec![0; 4];
            bytes.extend(kind.to_ne_bytes());
            bytes.extend([0; 10]);
            bytes.extend(code.to_ne_bytes());
            bytes
        };
        for (bytes, expect) in [
            (answer(NLMSG_ERROR, 0), Some(Ok(()))),
            (answer(NLMSG_ERROR, -17), Some(Err(Errno::EXIST))),
            (answer(RTM_NEWLINK, 0), None),
            (vec![], None),
            (vec![0; 7], None),
        ] {
            assert_eq!(acknowledgement(&bytes), expect);
        }
    }
}
