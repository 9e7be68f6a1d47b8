//! Formats of virtual disks: the bytes of a disk, in another order or with holes left out.
//!
//! A disk is a [`Data`](crate::extents::Data). Formats that do not compress are laid out around it and need no pass over it;
//! for those that do, a pass compresses its blocks, in parallel and in order, and the rest follows from what that pass tells.
//! [`open`] reads them all.

mod blocks;
mod open;
pub mod ova;
pub mod qcow2;
pub mod vhd;
pub mod vhdx;
pub mod vmdk;

pub(crate) use blocks::{cut, is_zero};
pub use open::{Disk, DiskFormat, open};
