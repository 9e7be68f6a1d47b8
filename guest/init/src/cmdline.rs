//! The kernel's command line: whole words, separated by white space.

use ironkit_contract::cmdline as words;

/// What the guest honours of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Cmdline {
    /// Names of the devices of all `console=`, in order; the last one is `/dev/console`.
    pub consoles: Vec<String>,
    /// `panic=`: seconds until the machine boots again after a panic; at once when negative, never when 0.
    pub panic: i64,
    /// cgroup v1 is wanted.
    pub cgroup_v1: bool,
    /// Print each step of running an onboot or onshutdown container.
    pub debug: bool,
    /// Output of onboot and onshutdown containers goes straight to the console.
    pub direct: bool,
    /// The device for `/var`, in the words of `root=`.
    pub data: Option<String>,
    /// Where the boot report also goes.
    pub report: Option<String>,
}

/// Reads a command line. Unknown words belong to someone else.
pub fn parse(text: &str) -> Cmdline {
    let mut cmdline = Cmdline::default();
    for word in text.split_ascii_whitespace() {
        let Some((key, value)) = word.split_once('=') else {
            continue;
        };
        match key {
            "console" => {
                let name = value.split(',').next().unwrap_or(value).to_owned();
                if !name.is_empty() && !name.contains('/') {
                    cmdline.consoles.push(name);
                }
            }
            "panic" => cmdline.panic = value.parse().unwrap_or(0),
            words::UNIFIED_CGROUP_HIERARCHY => cmdline.cgroup_v1 = value == "0",
            words::RUNC_DEBUG => cmdline.debug = value == "1",
            words::RUNC_CONSOLE => cmdline.direct = value == "1",
            words::DATA => cmdline.data = Some(value.to_owned()),
            words::REPORT => cmdline.report = Some(value.to_owned()).filter(|path| path.starts_with('/')),
            _ => {}
        }
    }
    cmdline
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_honoured_whole() {
        let base = Cmdline::default();
        let cases: &[(&str, Cmdline)] = &[
            ("", base.clone()),
            ("quiet ro root=/dev/sda1", base.clone()),
            (
                "console=tty0 console=ttyS0,115200n8\n",
                Cmdline {
                    consoles: vec!["tty0".into(), "ttyS0".into()],
                    ..base.clone()
                },
            ),
            ("console= console=../etc/x", base.clone()),
            (
                "panic=-1",
                Cmdline {
                    panic: -1,
                    ..base.clone()
                },
            ),
            ("panic=soon", base.clone()),
            (
                "linuxkit.unified_cgroup_hierarchy=0",
                Cmdline {
                    cgroup_v1: true,
                    ..base.clone()
                },
            ),
            ("linuxkit.unified_cgroup_hierarchy=00", base.clone()),
            ("xlinuxkit.runc_debug=1", base.clone()),
            (
                "linuxkit.runc_debug=1 linuxkit.runc_console=1",
                Cmdline {
                    debug: true,
                    direct: true,
                    ..base.clone()
                },
            ),
            (
                "ironkit.report=/dev/ttyS1",
                Cmdline {
                    report: Some("/dev/ttyS1".into()),
                    ..base.clone()
                },
            ),
            ("ironkit.report=ttyS1", base.clone()),
            (
                "ironkit.data=PARTUUID=1-2",
                Cmdline {
                    data: Some("PARTUUID=1-2".into()),
                    ..base
                },
            ),
        ];
        for (text, expect) in cases {
            assert_eq!(parse(text), *expect, "{text:?}");
        }
    }
}
