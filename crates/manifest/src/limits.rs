//! Capabilities and resource limits of a process: their names, and how manifests write them.

use std::fmt;

use crate::decode::{list, string};
use crate::suggest::{nearest, quoted_list};
use crate::yaml::Node;
use crate::{Diagnostic, Diagnostics, Spanned};

/// All capabilities in the kernel's numeric order, from capabilities(7); the last came with Linux 5.9.
pub const CAPABILITIES: [&str; 41] = [
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_DAC_READ_SEARCH",
    "CAP_FOWNER",
    "CAP_FSETID",
    "CAP_KILL",
    "CAP_SETGID",
    "CAP_SETUID",
    "CAP_SETPCAP",
    "CAP_LINUX_IMMUTABLE",
    "CAP_NET_BIND_SERVICE",
    "CAP_NET_BROADCAST",
    "CAP_NET_ADMIN",
    "CAP_NET_RAW",
    "CAP_IPC_LOCK",
    "CAP_IPC_OWNER",
    "CAP_SYS_MODULE",
    "CAP_SYS_RAWIO",
    "CAP_SYS_CHROOT",
    "CAP_SYS_PTRACE",
    "CAP_SYS_PACCT",
    "CAP_SYS_ADMIN",
    "CAP_SYS_BOOT",
    "CAP_SYS_NICE",
    "CAP_SYS_RESOURCE",
    "CAP_SYS_TIME",
    "CAP_SYS_TTY_CONFIG",
    "CAP_MKNOD",
    "CAP_LEASE",
    "CAP_AUDIT_WRITE",
    "CAP_AUDIT_CONTROL",
    "CAP_SETFCAP",
    "CAP_MAC_OVERRIDE",
    "CAP_MAC_ADMIN",
    "CAP_SYSLOG",
    "CAP_WAKE_ALARM",
    "CAP_BLOCK_SUSPEND",
    "CAP_AUDIT_READ",
    "CAP_PERFMON",
    "CAP_BPF",
    "CAP_CHECKPOINT_RESTORE",
];

/// A resource limit: `name,soft,hard`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rlimit {
    /// `RLIMIT_NOFILE` …
    pub kind: String,
    /// Soft limit; `u64::MAX` is none.
    pub soft: u64,
    /// Hard limit.
    pub hard: u64,
    /// As written.
    pub text: String,
}

impl fmt::Display for Rlimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.kind)?;
        [self.soft, self.hard].iter().try_for_each(|limit| match *limit {
            u64::MAX => f.write_str(",unlimited"),
            limit => write!(f, ",{limit}"),
        })
    }
}

/// Decodes a list of capability names. `all` and `none`, in any case, must stand alone.
pub(crate) fn capabilities(node: &Node, out: &mut Diagnostics) -> Option<Vec<Spanned<String>>> {
    let names = list(string)(node, out)?;
    for name in &names {
        let word = ["all", "none"]
            .into_iter()
            .find(|word| name.eq_ignore_ascii_case(word));
        match word {
            Some(word) if names.len() > 1 => {
                let mistake =
                    Diagnostic::error(name.span, format!("`{word}` must be the only entry of the list"));
                out.push(mistake.hint(format!("leave out the others, or `{word}`")));
            }
            None if !CAPABILITIES.contains(&name.as_str()) => {
                let mistake = Diagnostic::error(name.span, format!("unknown capability `{}`", name.value));
                out.push(mistake.hint(meant_capability(name)));
            }
            _ => {}
        }
    }
    Some(names)
}

fn meant_capability(name: &str) -> String {
    let upper = name.to_ascii_uppercase();
    let full = if upper.starts_with("CAP_") {
        upper
    } else {
        format!("CAP_{upper}")
    };
    match nearest(&full, &CAPABILITIES) {
        Some(near) => format!("did you mean `{near}`?"),
        None => "names are those of capabilities(7), in capitals: `CAP_NET_ADMIN`; or `all` or `none` alone"
            .to_owned(),
    }
}

/// The limits that setrlimit(2) knows.
const RLIMITS: [&str; 16] = [
    "CPU",
    "FSIZE",
    "DATA",
    "STACK",
    "CORE",
    "RSS",
    "NPROC",
    "NOFILE",
    "MEMLOCK",
    "AS",
    "LOCKS",
    "SIGPENDING",
    "MSGQUEUE",
    "NICE",
    "RTPRIO",
    "RTTIME",
];

/// Decodes a resource limit.
pub(crate) fn rlimit(node: &Node, out: &mut Diagnostics) -> Option<Spanned<Rlimit>> {
    let written = string(node, out)?;
    let [name, soft, hard] = *written.split(',').map(str::trim).collect::<Vec<_>>() else {
        let mistake = Diagnostic::error(node.span, format!("`{}` is not a resource limit", written.value));
        out.push(mistake.hint("expected `name,soft,hard`: `nofile,1024,4096`"));
        return None;
    };
    let upper = name.to_ascii_uppercase();
    let bare = upper.strip_prefix("RLIMIT_").unwrap_or(&upper);
    if !RLIMITS.contains(&bare) {
        let mistake = Diagnostic::error(node.span, format!("unknown resource limit `{name}`"));
        let lower: Vec<String> = RLIMITS.iter().map(|name| name.to_lowercase()).collect();
        let lower: Vec<&str> = lower.iter().map(String::as_str).collect();
        out.push(mistake.hint(match nearest(bare, &lower) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("expected {}", quoted_list(&lower)),
        }));
        return None;
    }
    let (soft, hard) = (amount(soft, node, out), amount(hard, node, out));
    Some(Spanned::new(
        Rlimit {
            kind: format!("RLIMIT_{bare}"),
            soft: soft?,
            hard: hard?,
            text: written.value,
        },
        node.span,
    ))
}

fn amount(text: &str, node: &Node, out: &mut Diagnostics) -> Option<u64> {
    if text.eq_ignore_ascii_case("unlimited") {
        return Some(u64::MAX);
    }
    let number = text.parse().ok();
    if number.is_none() {
        let mistake = Diagnostic::error(node.span, format!("the limit `{text}` is not a number"));
        out.push(mistake.hint("expected a number or `unlimited`"));
    }
    number
}
