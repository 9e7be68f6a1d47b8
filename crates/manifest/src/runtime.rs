//! The `runtime` section of a container: what is done around it.
//!
//! The first six fields are LinuxKit's, the others IronKit's; `guest/contract` says what they mean in the machine.

use crate::decode::{Mapping, boolean, integer, list, string, text, word, wrong_type};
use crate::mount::{Mount, plain_mount};
use crate::schema;
use crate::suggest::nearest;
use crate::yaml::{Kind, Node, Value};
use crate::{Diagnostic, Diagnostics, Span, Spanned};

/// The section; a field that is absent leaves what the image's label says.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct RuntimeConfig {
    /// Control groups to create.
    pub cgroups: Option<Vec<Spanned<String>>>,
    /// Mounts made before the container is created, used as they stand.
    pub mounts: Option<Vec<Mount>>,
    /// Directories made after the mounts.
    pub mkdir: Option<Vec<Spanned<String>>>,
    /// Network interfaces created or moved.
    pub interfaces: Option<Vec<Interface>>,
    /// Files on which namespaces are bound.
    pub bind_ns: BindNamespaces,
    /// containerd namespace of a service.
    pub namespace: Option<Spanned<String>>,
    /// Services: when to start again.
    pub restart: Option<Spanned<Restart>>,
    /// Onboot containers: what follows a failure.
    pub on_failure: Option<Spanned<OnFailure>>,
    /// Onboot and onshutdown containers: seconds until one is killed.
    pub timeout: Option<Spanned<u32>>,
    /// Services: seconds between stop signal and SIGKILL.
    pub stop_timeout: Option<Spanned<u32>>,
    /// Services: the stop signal, as `SIGTERM`.
    pub stop_signal: Option<Spanned<String>>,
    /// Which system call filter the container gets.
    pub seccomp: Option<Spanned<SeccompPolicy>>,
}

/// A network interface that a container gets.
#[derive(Debug, Clone, PartialEq)]
pub struct Interface {
    /// Its name.
    pub name: Spanned<String>,
    /// Kind of link to create; empty to move an existing one.
    pub add: String,
    /// The other end of a `veth`.
    pub peer: String,
    /// Create it in the root network namespace and then move it.
    pub create_in_root: bool,
}

/// Paths on which namespaces are bound.
#[derive(Debug, Clone, Default, PartialEq)]
#[expect(missing_docs, reason = "the fields are the kernel's names of namespaces")]
pub struct BindNamespaces {
    pub cgroup: Option<Spanned<String>>,
    pub ipc: Option<Spanned<String>>,
    pub mnt: Option<Spanned<String>>,
    pub net: Option<Spanned<String>>,
    pub pid: Option<Spanned<String>>,
    pub user: Option<Spanned<String>>,
    pub uts: Option<Spanned<String>>,
}

/// When a service that ended is started again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Restart {
    /// `always`
    Always,
    /// `on-failure`
    OnFailure,
    /// `never`
    Never,
}

/// What follows when an onboot container fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnFailure {
    /// `continue`
    Continue,
    /// `stop`
    Stop,
    /// `poweroff`
    Poweroff,
    /// `reboot`
    Reboot,
}

/// Which system call filter a container gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SeccompPolicy {
    /// `default`: IronKit's list.
    Default,
    /// `unconfined`: none.
    Unconfined,
}

const RESTART: &[(&str, Restart)] = &[
    ("always", Restart::Always),
    ("on-failure", Restart::OnFailure),
    ("never", Restart::Never),
];
const ON_FAILURE: &[(&str, OnFailure)] = &[
    ("continue", OnFailure::Continue),
    ("stop", OnFailure::Stop),
    ("poweroff", OnFailure::Poweroff),
    ("reboot", OnFailure::Reboot),
];
const SECCOMP: &[(&str, SeccompPolicy)] = &[
    ("default", SeccompPolicy::Default),
    ("unconfined", SeccompPolicy::Unconfined),
];

/// Decodes the section.
pub(crate) fn runtime(node: &Node, out: &mut Diagnostics) -> Option<RuntimeConfig> {
    let map = Mapping::object(node, "`runtime`", &schema::RUNTIME, out)?;
    Some(RuntimeConfig {
        cgroups: map.get("cgroups", out, list(string)),
        mounts: map.get("mounts", out, list(plain_mount)),
        mkdir: map.get("mkdir", out, list(string)),
        interfaces: map.get("interfaces", out, list(interface)),
        bind_ns: map.get("bindNS", out, bind_namespaces).unwrap_or_default(),
        namespace: map.get("namespace", out, string),
        restart: map.get("restart", out, placed(word(RESTART))),
        on_failure: map.get("onFailure", out, placed(word(ON_FAILURE))),
        timeout: map.get("timeout", out, placed(seconds)),
        stop_timeout: map.get("stopTimeout", out, placed(seconds)),
        stop_signal: map.get("stopSignal", out, signal),
        seccomp: map.get("seccomp", out, placed(word(SECCOMP))),
    })
}

/// Adds the node's place to what a decoder returns.
fn placed<T>(
    decode: impl Fn(&Node, &mut Diagnostics) -> Option<T>,
) -> impl Fn(&Node, &mut Diagnostics) -> Option<Spanned<T>> {
    move |node, out| decode(node, out).map(|value| Spanned::new(value, node.span))
}

fn seconds(node: &Node, out: &mut Diagnostics) -> Option<u32> {
    match &node.value {
        Value::Scalar(scalar) if matches!(scalar.kind, Kind::Integer(_)) => integer(node, out),
        _ => {
            wrong_type(node, "a whole number of seconds", out);
            None
        }
    }
}

fn interface(node: &Node, out: &mut Diagnostics) -> Option<Interface> {
    let map = Mapping::object(node, "an interface", &schema::INTERFACE, out)?;
    Some(Interface {
        name: map.required("name", out, string)?,
        add: map.get("add", out, text).unwrap_or_default(),
        peer: map.get("peer", out, text).unwrap_or_default(),
        create_in_root: map.get("createInRoot", out, boolean).unwrap_or_default(),
    })
}

fn bind_namespaces(node: &Node, out: &mut Diagnostics) -> Option<BindNamespaces> {
    let map = Mapping::object(node, "`bindNS`", &schema::BIND_NAMESPACES, out)?;
    Some(BindNamespaces {
        cgroup: map.get("cgroup", out, string),
        ipc: map.get("ipc", out, string),
        mnt: map.get("mnt", out, string),
        net: map.get("net", out, string),
        pid: map.get("pid", out, string),
        user: map.get("user", out, string),
        uts: map.get("uts", out, string),
    })
}

/// Signals that can ask a program to stop, from signal(7).
const SIGNALS: &[&str] = &[
    "SIGHUP", "SIGINT", "SIGQUIT", "SIGABRT", "SIGKILL", "SIGUSR1", "SIGUSR2", "SIGALRM", "SIGTERM",
    "SIGCONT", "SIGSTOP", "SIGWINCH", "SIGPWR",
];

fn signal(node: &Node, out: &mut Diagnostics) -> Option<Spanned<String>> {
    let given = string(node, out)?;
    let mut name = given.to_ascii_uppercase();
    if !name.starts_with("SIG") {
        name.insert_str(0, "SIG");
    }
    if !SIGNALS.contains(&name.as_str()) {
        let mistake = Diagnostic::error(
            given.span,
            format!("`{}` is not the name of a stop signal", given.value),
        );
        out.push(mistake.hint(match nearest(&name, SIGNALS) {
            Some(near) => format!("did you mean `{near}`?"),
            None => "expected a name like `SIGTERM` or `SIGQUIT`".to_owned(),
        }));
        return None;
    }
    Some(Spanned::new(name, given.span))
}

/// Where a field stands that means nothing in a section, with its name and the sections in which it does.
pub(crate) fn misplaced(runtime: &RuntimeConfig, section: &str) -> Vec<(Span, &'static str, &'static str)> {
    let service = section == "services";
    let fields = [
        (
            runtime.restart.map(|field| field.span),
            "restart",
            "services",
            service,
        ),
        (
            runtime.stop_timeout.map(|field| field.span),
            "stopTimeout",
            "services",
            service,
        ),
        (
            runtime.stop_signal.as_ref().map(|field| field.span),
            "stopSignal",
            "services",
            service,
        ),
        (
            runtime.on_failure.map(|field| field.span),
            "onFailure",
            "onboot",
            section == "onboot",
        ),
        (
            runtime.timeout.map(|field| field.span),
            "timeout",
            "onboot and onshutdown",
            !service,
        ),
    ];
    let misplaced = fields.into_iter().filter(|(.., fits)| !fits);
    misplaced
        .filter_map(|(span, name, sections, _)| Some((span?, name, sections)))
        .collect()
}
