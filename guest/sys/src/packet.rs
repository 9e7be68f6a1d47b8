//! Packets of one Ethernet protocol on one interface: packet(7).

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use crate::{Errno, Result, last_errno};

/// A socket for packets of one protocol, without their Ethernet header.
#[derive(Debug)]
pub struct PacketSocket {
    fd: OwnedFd,
    index: i32,
    protocol: u16,
}

impl PacketSocket {
    /// Opens it on the interface with the number `index`. Reading does not wait.
    ///
    /// # Errors
    /// What socket(2) and bind(2) say.
    pub fn open(index: u32, protocol: u16) -> Result<Self> {
        let index = i32::try_from(index).map_err(|_| Errno::INVAL)?;
        // SAFETY: socket has no preconditions.
        let fd = unsafe {
            libc::socket(
                libc::AF_PACKET,
                libc::SOCK_DGRAM | libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK,
                0,
            )
        };
        if fd < 0 {
            return Err(last_errno());
        }
        // SAFETY: the kernel just made this descriptor for us alone.
        let fd = unsafe { OwnedFd::from_raw_fd(fd) };
        let socket = PacketSocket { fd, index, protocol };
        let address = socket.address([0; 6]);
        // SAFETY: `address` is a sockaddr_ll of the length given, alive during the call.
        let answer = unsafe {
            libc::bind(
                socket.fd.as_raw_fd(),
                (&raw const address).cast(),
                length_of_address(),
            )
        };
        if answer == 0 {
            Ok(socket)
        } else {
            Err(last_errno())
        }
    }

    /// Sends a packet to a hardware address.
    ///
    /// # Errors
    /// What sendto(2) says.
    pub fn send(&self, packet: &[u8], to: [u8; 6]) -> Result<()> {
        let address = self.address(to);
        // SAFETY: the packet and the address are alive during the call and as long as said.
        let sent = unsafe {
            libc::sendto(
                self.fd.as_raw_fd(),
                packet.as_ptr().cast(),
                packet.len(),
                0,
                (&raw const address).cast(),
                length_of_address(),
            )
        };
        if sent < 0 { Err(last_errno()) } else { Ok(()) }
    }

    /// Reads a packet into `buffer`; its length.
    ///
    /// # Errors
    /// `EAGAIN` when none waits.
    pub fn receive(&self, buffer: &mut [u8]) -> Result<usize> {
        rustix::io::read(&self.fd, buffer)
    }

    fn address(&self, hardware: [u8; 6]) -> libc::sockaddr_ll {
        let mut sll_addr = [0; 8];
        sll_addr[..6].copy_from_slice(&hardware);
        libc::sockaddr_ll {
            sll_family: u16::try_from(libc::AF_PACKET).unwrap_or_default(),
            sll_protocol: self.protocol.to_be(),
            sll_ifindex: self.index,
            sll_hatype: 0,
            sll_pkttype: 0,
            sll_halen: 6,
            sll_addr,
        }
    }
}

impl AsFd for PacketSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

fn length_of_address() -> libc::socklen_t {
    libc::socklen_t::try_from(size_of::<libc::sockaddr_ll>()).unwrap_or_default()
}
