//! A container of the manifest → its OCI bundle: `config.json` and `runtime.json`.
//!
//! What runs is said in three places: the image's own configuration, its label `org.mobyproject.config` and the manifest;
//! [`settings`] brings them together, the manifest winning. The rest translates the outcome into the documents.

mod config;
mod mounts;
mod resources;
mod runtime;
mod seccomp;
mod settings;

use std::collections::BTreeMap;

use ironkit_contract::{Runtime, Spec};
use ironkit_manifest::{Container, Volume};
use ironkit_oci::ImageConfig;

use crate::Result;

/// The label of an image that holds the settings of its containers, as JSON.
pub const LABEL: &str = "org.mobyproject.config";

/// What a container may refer to by name.
#[derive(Debug)]
pub(crate) struct Names<'a> {
    /// User and group ids (`Manifest::ids`).
    pub ids: &'a BTreeMap<String, u32>,
    /// Volumes.
    pub volumes: &'a BTreeMap<&'a str, &'a Volume>,
}

/// Where a container's files are in the root file system; absolute paths.
#[derive(Debug, Clone)]
pub(crate) struct Directories {
    /// The container's own directory.
    pub bundle: String,
    /// Where its image's files are: in this bundle or in that of an earlier container with the same image.
    pub files: String,
}

/// The documents of a container.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Bundle {
    pub config: Spec,
    pub runtime: Runtime,
}

/// Makes the documents of a container.
pub(crate) fn bundle(
    container: &Container,
    image: &ImageConfig,
    names: &Names,
    directories: &Directories,
) -> Result<Bundle> {
    let settings = settings::effective(container, image)?;
    let mut runtime = runtime::runtime(&settings);
    let readonly = settings.config.readonly.unwrap_or(false);
    runtime
        .mounts
        .splice(0..0, mounts::root_mounts(directories, readonly));
    Ok(Bundle {
        config: config::config(&settings, names)?,
        runtime,
    })
}

/// Whether the container's root file system is read-only, by manifest or label.
pub(crate) fn is_readonly(container: &Container, image: &ImageConfig) -> Result<bool> {
    Ok(settings::effective(container, image)?
        .config
        .readonly
        .unwrap_or(false))
}

#[cfg(test)]
mod tests {
    use super::*;
    use ironkit_manifest::{Manifest, SourceFile};

    fn parse(text: &str) -> Manifest {
        let source = SourceFile {
            name: "test.yml".into(),
            text: text.into(),
            directory: None,
        };
        ironkit_manifest::parse(&[source], &|_, _| Err(String::new()))
            .unwrap()
            .0
    }

    /// The documents of the only service, whose image has `label`.
    fn documents(service: &str, label: &str) -> Bundle {
        let manifest = parse(&format!("services:\n  - name: app\n    image: app\n{service}"));
        let mut image = ImageConfig {
            env: vec!["A=1".into()],
            working_dir: "/w".into(),
            ..ImageConfig::default()
        };
        image.entrypoint = vec!["/bin/app".into()];
        image.cmd = vec!["serve".into()];
        image.labels.insert(LABEL.into(), label.into());
        let names = Names {
            ids: &manifest.ids(),
            volumes: &BTreeMap::new(),
        };
        let directories = Directories {
            bundle: "/c/app".into(),
            files: "/c/app/lower".into(),
        };
        bundle(&manifest.services[0], &image, &names, &directories).unwrap()
    }

    #[test]
    fn the_image_says_what_the_manifest_does_not() {
        let Bundle { config, runtime } = documents("", "");
        assert_eq!(config.process.args, ["/bin/app", "serve"]);
        assert_eq!(
            (config.process.env.join(" "), config.process.cwd.as_str()),
            ("A=1".into(), "/w")
        );
        let kinds: Vec<&str> = config
            .linux
            .namespaces
            .iter()
            .map(|namespace| namespace.kind.as_str())
            .collect();
        assert_eq!(kinds, ["pid", "mount"]);
        let mounts: Vec<&str> = config
            .mounts
            .iter()
            .map(|mount| mount.destination.as_str())
            .collect();
        assert_eq!(mounts, ["/dev", "/dev/pts", "/proc", "/sys", "/sys/fs/cgroup"]);
        let roots: Vec<String> = runtime
            .mounts
            .iter()
            .map(|m| format!("{} {}", m.kind, m.destination))
            .collect();
        assert_eq!(
            roots,
            ["tmpfs /c/app/tmp", " /c/app/tmp", "overlay /c/app/rootfs"]
        );
        assert_eq!(runtime.mounts[2].options[0], "lowerdir=/c/app/lower");
    }

    #[test]
    fn the_manifest_wins_over_the_label_and_adds_to_it() {
        let label =
            r#"{"capabilities": ["CAP_CHOWN"], "binds": ["/a:/a"], "readonly": true, "command": ["l"]}"#;
        let service = "    command: [m]\n    capabilities.add: [CAP_KILL]\n    binds: [\"/b:/b:ro\"]\n";
        let Bundle { config, runtime } = documents(service, label);
        assert_eq!(config.process.args, ["m"]);
        let capabilities = config.process.capabilities.unwrap();
        assert_eq!(capabilities.effective, ["CAP_CHOWN", "CAP_KILL"]);
        let binds: Vec<String> = config
            .mounts
            .iter()
            .filter(|mount| mount.kind == "bind")
            .map(|mount| {
                format!(
                    "{}:{}:{}",
                    mount.source,
                    mount.destination,
                    mount.options.join(",")
                )
            })
            .collect();
        assert_eq!(binds, ["/b:/b:ro,rbind"]);
        assert!(config.root.readonly);
        assert_eq!(runtime.mounts.len(), 1, "a read-only root is a bind mount");
    }

    #[test]
    fn seccomp_is_there_when_it_is_asked_for_and_heeds_capabilities() {
        assert_eq!(documents("", "").config.linux.seccomp, None);
        let refused = |service: &str| {
            documents(service, "").config.linux.seccomp.unwrap().syscalls[0]
                .names
                .clone()
        };
        let plain = refused("    runtime: {seccomp: default}\n");
        assert!(
            ["mount", "reboot", "bpf"]
                .iter()
                .all(|call| plain.iter().any(|name| name == call))
        );
        let admin = refused("    runtime: {seccomp: default}\n    capabilities: [CAP_SYS_ADMIN]\n");
        assert!(!admin.iter().any(|name| name == "mount") && admin.iter().any(|name| name == "reboot"));
    }
}
