//! What boot loaders are made of: programs that others built, linked as they expect it, and never run here.

pub mod grub;
