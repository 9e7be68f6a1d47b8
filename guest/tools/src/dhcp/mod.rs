//! `dhcpcd`: a DHCPv4 client with the command line that LinuxKit's manifests use.
//!
//! Not there: DHCPv6 and router advertisements (the kernel does those), BOOTP, ARP probes, hooks, a lease kept on disk.

mod apply;
mod client;
mod message;
mod options;
mod packet;

use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::error::{Error, Result};
use crate::say;
use client::{Client, Event};

/// How often interfaces are looked for, when there is none yet and when there are some.
const LOOK_SOON: Duration = Duration::from_millis(100);
const LOOK_LATER: Duration = Duration::from_secs(5);

/// Runs the client: for ever, or with `-1` until there is a lease.
pub fn run(arguments: &[String]) -> Result<()> {
    let options = options::parse(arguments)?;
    let begun = Instant::now();
    let mut clients: Vec<Client> = Vec::new();
    let mut look = begun;
    loop {
        let now = Instant::now();
        if now >= look {
            for name in options.interfaces() {
                if !clients.iter().any(|client| client.name() == name) {
                    match Client::open(&name) {
                        Ok(client) => clients.push(client),
                        Err(error) => say(&format!("{name}: {error}")),
                    }
                }
            }
            look = now + if clients.is_empty() { LOOK_SOON } else { LOOK_LATER };
        }
        for client in &mut clients {
            let event = client.turn(Instant::now());
            for line in client.take_lines() {
                say(&line);
            }
            if event == Event::Leased && options.once {
                return Ok(());
            }
        }
        let end = options.once.then(|| begun + options.timeout);
        if end.is_some_and(|end| Instant::now() >= end) {
            return Err(Error::Invalid(format!(
                "no lease within {} s",
                options.timeout.as_secs()
            )));
        }
        wait(&clients, look, end);
    }
}

/// Waits for a packet, or for the next thing that is due.
fn wait(clients: &[Client], look: Instant, end: Option<Instant>) {
    let due = clients
        .iter()
        .map(Client::due)
        .chain([look])
        .chain(end)
        .min()
        .unwrap_or(look);
    let left = due.saturating_duration_since(Instant::now());
    let timeout = Timespec {
        tv_sec: i64::try_from(left.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: i64::from(left.subsec_nanos()),
    };
    let mut polled: Vec<_> = clients
        .iter()
        .map(|client| PollFd::new(client, PollFlags::IN))
        .collect();
    let _ = poll(&mut polled, Some(&timeout));
}
