//! A lease in force: address, routes, MTU, name servers, host name.

use std::fs;
use std::net::Ipv4Addr;
use std::path::Path;

use ironkit_sys::Errno;
use ironkit_sys::netlink::{Address, Netlink, Route};

use super::message::Lease;
use crate::error::{Error, Result};

/// Where programs look for name servers. The container's is the machine's.
const RESOLV_CONF: &str = "/etc/resolv.conf";

/// Sets all of it; what is there of it already is renewed.
pub fn set(index: u32, lease: &Lease) -> Result<()> {
    let refused = |what: &str, cause: Errno| Error::io(what, cause.into());
    let netlink = Netlink::open().map_err(|cause| refused("netlink", cause))?;
    if let Some(mtu) = lease.mtu {
        netlink
            .set_mtu(index, mtu.into())
            .map_err(|cause| refused("set the mtu", cause))?;
    }
    netlink
        .add_address(index, address(lease))
        .map_err(|cause| refused("set the address", cause))?;
    for route in routes(lease) {
        let set = netlink.add_route(index, route);
        set.map_err(|cause| refused(&format!("route to {}/{}", route.destination, route.prefix), cause))?;
    }
    if let Some(name) = &lease.hostname
        && is_unset(&hostname())
    {
        rustix::system::sethostname(name.as_bytes()).map_err(|cause| refused("set the host name", cause))?;
    }
    let text = resolv_conf(lease);
    if text.is_empty() {
        return Ok(());
    }
    write(Path::new(RESOLV_CONF), &text).map_err(|cause| Error::io(RESOLV_CONF, cause))
}

/// Takes the address away, and the routes with it.
pub fn unset(index: u32, lease: &Lease) {
    if let Ok(netlink) = Netlink::open() {
        let _ = netlink.delete_address(index, address(lease));
    }
}

/// The machine's name; empty when it has none of its own.
pub fn hostname() -> String {
    let name = rustix::system::uname().nodename().to_string_lossy().into_owned();
    if is_unset(&name) { String::new() } else { name }
}

fn is_unset(name: &str) -> bool {
    ["", "(none)", "localhost"].contains(&name)
}

fn address(lease: &Lease) -> Address {
    let lifetime = Some(lease.seconds).filter(|seconds| *seconds != u32::MAX);
    Address {
        address: lease.address,
        prefix: lease.prefix,
        lifetime,
    }
}

/// The routes, those on the link first: a router must be reachable before something leads over it. One that the
/// network of the address does not reach gets a route of its own.
fn routes(lease: &Lease) -> Vec<Route> {
    let source = Some(lease.address);
    let mut routes = Vec::new();
    let mask = u32::MAX.checked_shl(32 - u32::from(lease.prefix)).unwrap_or(0);
    for (destination, prefix, gateway) in &lease.routes {
        let near = (u32::from(*gateway) ^ u32::from(lease.address)) & mask == 0;
        if gateway.is_unspecified() {
            routes.push(Route {
                destination: *destination,
                prefix: *prefix,
                gateway: None,
                source,
            });
        } else if !near {
            routes.push(Route {
                destination: *gateway,
                prefix: 32,
                gateway: None,
                source,
            });
        }
    }
    let over = lease
        .routes
        .iter()
        .filter(|(_, _, gateway)| !gateway.is_unspecified());
    routes.extend(over.map(|(destination, prefix, gateway)| Route {
        destination: *destination,
        prefix: *prefix,
        gateway: Some(*gateway),
        source,
    }));
    routes
}

fn resolv_conf(lease: &Lease) -> String {
    let mut text = String::new();
    match (&lease.search[..], &lease.domain) {
        ([], Some(domain)) => text += &format!("search {domain}\n"),
        ([], None) => {}
        (search, _) => text += &format!("search {}\n", search.join(" ")),
    }
    for server in lease
        .name_servers
        .iter()
        .filter(|server| **server != Ipv4Addr::UNSPECIFIED)
    {
        text += &format!("nameserver {server}\n");
    }
    text
}

/// Replaces the file at once; in place where it is a mount of its own or its folder is read-only.
fn write(path: &Path, text: &str) -> std::io::Result<()> {
    let draft = path.with_extension("conf.new");
    let replaced = fs::write(&draft, text).and_then(|()| fs::rename(&draft, path));
    if replaced.is_ok() {
        return replaced;
    }
    let _ = fs::remove_file(&draft);
    fs::write(path, text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lease() -> Lease {
        Lease {
            address: Ipv4Addr::new(10, 0, 2, 15),
            prefix: 24,
            server: Ipv4Addr::new(10, 0, 2, 2),
            routes: vec![],
            name_servers: vec![],
            hostname: None,
            domain: None,
            search: vec![],
            mtu: None,
            seconds: 60,
            renew: 30,
            rebind: 52,
            rapid: false,
        }
    }

    #[test]
    fn name_servers_are_written() {
        let servers = vec![Ipv4Addr::new(10, 0, 2, 3)];
        for (lease, expect) in [
            (lease(), ""),
            (
                Lease {
                    domain: Some("lan".into()),
                    ..lease()
                },
                "search lan\n",
            ),
            (
                Lease {
                    domain: Some("lan".into()),
                    search: vec!["a".into(), "b".into()],
                    ..lease()
                },
                "search a b\n",
            ),
            (
                Lease {
                    name_servers: servers,
                    ..lease()
                },
                "nameserver 10.0.2.3\n",
            ),
        ] {
            assert_eq!(resolv_conf(&lease), expect);
        }
    }

    /// Destination, length of its prefix, and the router.
    type Hop<T> = (Ipv4Addr, u8, T);
    /// What a server sends, and what is set.
    type Case<'a> = (&'a [Hop<Ipv4Addr>], &'a [Hop<Option<Ipv4Addr>>]);

    #[test]
    fn routers_are_reachable_before_they_are_used() {
        let any = Ipv4Addr::UNSPECIFIED;
        let (near, far) = (Ipv4Addr::new(10, 0, 2, 2), Ipv4Addr::new(192, 168, 0, 1));
        let cases: &[Case<'_>] = &[
            (&[], &[]),
            (&[(any, 0, near)], &[(any, 0, Some(near))]),
            (&[(any, 0, far)], &[(far, 32, None), (any, 0, Some(far))]),
            (
                &[(any, 0, far), (far, 32, any)],
                &[(far, 32, None), (far, 32, None), (any, 0, Some(far))],
            ),
        ];
        for (given, expect) in cases {
            let lease = Lease {
                routes: given.to_vec(),
                ..lease()
            };
            let got: Vec<_> = routes(&lease)
                .iter()
                .map(|route| (route.destination, route.prefix, route.gateway))
                .collect();
            assert_eq!(got, *expect);
        }
    }
}
