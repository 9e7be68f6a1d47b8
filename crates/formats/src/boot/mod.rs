//! What boot loaders are made of, and what they load. None of it is ever run here.

pub mod grub;
pub mod uimage;
