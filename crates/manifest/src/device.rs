//! Devices of a container.

use crate::decode::{Mapping, integer, string};
use crate::mode::{Mode, bare, quoted};
use crate::schema;
use crate::yaml::Node;
use crate::{Diagnostic, Diagnostics, Dialect, Spanned};

/// An entry of `devices`.
#[derive(Debug, Clone, PartialEq)]
pub struct Device {
    /// Where, inside the container; `all` allows every device of its type and makes no node.
    pub path: Spanned<String>,
    /// `c` or `u`, `b` or `p`; with `all` also `a`, or empty for any.
    pub kind: String,
    /// Major number.
    pub major: i64,
    /// Minor number.
    pub minor: i64,
    /// Permission bits; `None` only with `all`.
    pub mode: Option<Mode>,
}

impl Device {
    /// Whether it stands for all devices of its type.
    pub fn is_all(&self) -> bool {
        self.path.value == "all"
    }
}

/// Decodes a device. Where modes may be bare depends on the kind of file.
pub(crate) fn device(dialect: Dialect) -> impl Fn(&Node, &mut Diagnostics) -> Option<Device> {
    move |node, out| {
        let map = Mapping::object(node, "a device", &schema::DEVICE, out)?;
        let path = map.required("path", out, string)?;
        let all = path.value == "all";
        let mode = match dialect {
            Dialect::BuildFile => map.get("mode", out, bare),
            Dialect::Manifest | Dialect::Label => map.get("mode", out, quoted),
        };
        if !all && map.node("mode").is_none() {
            let mistake = Diagnostic::error(map.span, format!("the device `{}` has no `mode`", path.value));
            out.push(mistake.hint("write it in quotes: `mode: \"0660\"`"));
        }
        let kinds: &[&str] = if all {
            &["", "a", "b", "c"]
        } else {
            &["b", "c", "u", "p"]
        };
        let kind = if all {
            map.get("type", out, string)
        } else {
            map.required("type", out, string)
        };
        if let Some(wrong) = kind.as_ref().filter(|kind| !kinds.contains(&kind.as_str())) {
            let mistake = Diagnostic::error(wrong.span, format!("`{}` is not a type of device", wrong.value));
            out.push(mistake.hint("expected `b` for block devices or `c` for character devices"));
        }
        Some(Device {
            path,
            kind: kind.map(|kind| kind.value).unwrap_or_default(),
            major: map.get("major", out, integer).unwrap_or_default(),
            minor: map.get("minor", out, integer).unwrap_or_default(),
            mode,
        })
    }
}
