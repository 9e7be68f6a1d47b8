//! What the tests in `tests/tests/` share: judges, a built `ironkit` in a clean environment, a machine's serial
//! console, a tiny HTTP client, and a real registry on loopback.
//!
//! Nothing here knows what is being tested. Everything panics with what a person needs to see, because that is how
//! a test fails.

mod components;
mod disk;
mod http;
pub mod initrd;
mod judge;
pub mod layout;
mod machine;
mod process;
mod registry;
mod sandbox;
mod serial;

pub use components::copy;
pub use disk::{Firmware, boots, boots_and_says, qemu};
pub use http::{Response, free_port, http_get};
pub use judge::{judge, python, shared, workspace};
pub use machine::Machine;
pub use process::{Finished, bounded, run, succeed};
pub use registry::{DockerRegistry, PASSWORD, RegistryOptions, USER};
pub use sandbox::{Sandbox, ironkit};
pub use serial::Serial;
