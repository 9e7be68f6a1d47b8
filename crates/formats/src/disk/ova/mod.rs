//! OVA: "Open Virtualization Format Specification" 1.1 (DMTF DSP0243), a machine with its disk in one file.
//!
//! ```text
//! ┌──────────┬─────────────┬──────────┬──────────────────┬──────────┬───────────────┬───────┐
//! │ tar head │ NAME.ovf    │ tar head │ NAME.mf          │ tar head │ NAME.vmdk     │ zeros │
//! │          │ the machine,│          │ SHA-256 of the   │          │ the disk,     │       │
//! │          │ in XML      │          │ other two        │          │ see `vmdk`    │       │
//! └──────────┴─────────────┴──────────┴──────────────────┴──────────┴───────────────┴───────┘
//! ```
//!
//! Written: one machine with one disk and one network card, in an archive of POSIX 1003.1-1988 (ustar), so files are below
//! 8 GiB. Read: the files of any archive of that kind, and the first disk. Judges: `tar`, an XML parser, `qemu-img` for the disk.

mod ovf;
mod reader;
mod writer;

pub use reader::{Member, Ova};
pub use writer::{Firmware, Machine, NetworkCard, Stream, lay_out};

/// Name in messages.
const NAME: &str = "OVA";
