//! The indices that a loader of modules reads, as depmod(8) writes their text forms.

use std::collections::BTreeMap;
use std::fmt::Write;

use super::modinfo::Modinfo;

/// The modules of an image, by name: path below `lib/modules/VERSION`, and what each says about itself.
pub type Modules = BTreeMap<String, (String, Modinfo)>;

/// `modules.dep`: each file with all files that it needs, so that those loaded first stand last.
pub fn dep(modules: &Modules) -> String {
    let mut text = String::new();
    for (name, (path, _)) in modules {
        let mut order = Vec::new();
        visit(name, modules, &mut order);
        order.pop();
        let _ = write!(text, "{path}:");
        for needed in order.iter().rev() {
            let _ = write!(text, " {}", modules[*needed].0);
        }
        text.push('\n');
    }
    text
}

/// Appends a module after all that it needs.
fn visit<'a>(name: &'a str, modules: &'a Modules, order: &mut Vec<&'a str>) {
    let Some((name, (_, modinfo))) = modules.get_key_value(name) else {
        return;
    };
    if order.contains(&name.as_str()) {
        return;
    }
    for needed in &modinfo.depends {
        visit(needed, modules, order);
    }
    order.push(name);
}

/// `modules.alias`.
pub fn alias(modules: &Modules) -> String {
    let mut text = "# Aliases extracted from modules themselves.\n".to_owned();
    for (name, (_, modinfo)) in modules {
        for pattern in &modinfo.aliases {
            let _ = writeln!(text, "alias {pattern} {name}");
        }
    }
    text
}

/// `modules.softdep`.
pub fn softdep(modules: &Modules) -> String {
    let mut text = "# Soft dependencies extracted from modules themselves.\n".to_owned();
    for (name, (_, modinfo)) in modules {
        for softdep in &modinfo.softdeps {
            let _ = writeln!(text, "softdep {name} {softdep}");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn indices_are_depmods() {
        let module = |path: &str, depends: &[&str], aliases: &[&str], softdeps: &[&str]| {
            let own = |words: &[&str]| words.iter().map(|word| word.to_string()).collect();
            (
                path.to_owned(),
                Modinfo {
                    depends: own(depends),
                    aliases: own(aliases),
                    softdeps: own(softdeps),
                },
            )
        };
        let modules = Modules::from([
            (
                "virtio_net".to_owned(),
                module(
                    "kernel/v.ko",
                    &["net_failover", "failover"],
                    &["virtio:d1v*"],
                    &[],
                ),
            ),
            (
                "net_failover".to_owned(),
                module("kernel/n.ko", &["failover"], &[], &[]),
            ),
            (
                "failover".to_owned(),
                module("kernel/f.ko", &["builtin"], &[], &["pre: x"]),
            ),
        ]);
        assert_eq!(
            dep(&modules),
            "kernel/f.ko:\nkernel/n.ko: kernel/f.ko\nkernel/v.ko: kernel/n.ko kernel/f.ko\n"
        );
        assert!(alias(&modules).ends_with("\nalias virtio:d1v* virtio_net\n"));
        assert!(softdep(&modules).ends_with("\nsoftdep failover pre: x\n"));
    }
}
