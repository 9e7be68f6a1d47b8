//! The settings of a container: manifest over label over image.

use ironkit_manifest::{BindNamespaces, Container, ContainerConfig, Diagnostic, RuntimeConfig, Spanned};
use ironkit_oci::ImageConfig;

use super::LABEL;
use crate::{Error, Result};

/// What holds for a container after all places were read.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Settings {
    /// The container's name in the manifest, for messages.
    pub name: String,
    /// Every field that a place set, the lists with their additions.
    pub config: ContainerConfig,
    /// Program and arguments.
    pub args: Vec<String>,
    /// Environment.
    pub env: Vec<String>,
    /// Working directory.
    pub cwd: String,
}

/// Reads the label and puts the manifest over it, field by field.
///
/// # Errors
/// A label that is not a valid configuration.
pub(crate) fn effective(container: &Container, image: &ImageConfig) -> Result<Settings> {
    let label = match image.labels.get(LABEL) {
        Some(json) if !json.is_empty() => {
            ironkit_manifest::parse_label(json, &container.image).map_err(Error::Label)?
        }
        _ => ContainerConfig::default(),
    };
    let config = over(&container.config, label);
    whole_word_alone(container, &config)?;
    let strings =
        |list: &Vec<Spanned<String>>| list.iter().map(|item| item.value.clone()).collect::<Vec<_>>();
    let image_args = || image.entrypoint.iter().chain(&image.cmd).cloned().collect();
    let image_cwd = Some(image.working_dir.as_str())
        .filter(|cwd| !cwd.is_empty())
        .unwrap_or("/");
    Ok(Settings {
        name: container.name.value.clone(),
        args: config.command.as_ref().map_or_else(image_args, strings),
        env: config.env.as_ref().map_or_else(|| image.env.clone(), strings),
        cwd: config
            .cwd
            .as_ref()
            .map_or(image_cwd, |cwd| cwd.as_str())
            .to_owned(),
        config,
    })
}

/// Refuses capabilities that are added to a label's `all` or `none`: these stand alone.
fn whole_word_alone(container: &Container, config: &ContainerConfig) -> Result<()> {
    let all = config.capabilities.iter().flatten();
    let word = all
        .clone()
        .find(|name| ["all", "none"].iter().any(|word| name.eq_ignore_ascii_case(word)));
    let added = container.config.capabilities_add.iter().flatten().next();
    match (word, added) {
        (Some(word), Some(added)) if all.count() > 1 => Err(Error::Manifest(vec![
            Diagnostic::error(
                added.span,
                format!(
                    "nothing can be added to the capabilities `{}` that the label of {} gives",
                    word.value, container.image.value
                ),
            )
            .hint("write `capabilities` with all that the container needs, or leave out `capabilities.add`"),
        ])),
        _ => Ok(()),
    }
}

/// `upper` over `lower`. Lists are replaced; the `.add` lists are appended to what the label has, unless the manifest
/// gives the list itself.
fn over(upper: &ContainerConfig, lower: ContainerConfig) -> ContainerConfig {
    let upper = upper.clone();
    let words = |upper: &Option<Spanned<String>>, lower: Option<Spanned<String>>| {
        let given = |word: &Spanned<String>| !word.is_empty();
        upper.clone().filter(given).or(lower.filter(given))
    };
    ContainerConfig {
        capabilities: list(
            upper.capabilities,
            [lower.capabilities, lower.capabilities_add, upper.capabilities_add],
        ),
        capabilities_add: None,
        ambient: upper.ambient.or(lower.ambient),
        mounts: upper.mounts.or(lower.mounts),
        binds: list(upper.binds, [lower.binds, lower.binds_add, upper.binds_add]),
        binds_add: None,
        devices: upper.devices.or(lower.devices),
        tmpfs: upper.tmpfs.or(lower.tmpfs),
        command: upper.command.or(lower.command),
        env: upper.env.or(lower.env),
        cwd: words(&upper.cwd, lower.cwd),
        net: words(&upper.net, lower.net),
        ipc: words(&upper.ipc, lower.ipc),
        uts: words(&upper.uts, lower.uts),
        pid: words(&upper.pid, lower.pid),
        userns: words(&upper.userns, lower.userns),
        hostname: words(&upper.hostname, lower.hostname),
        readonly: upper.readonly.or(lower.readonly),
        masked_paths: upper.masked_paths.or(lower.masked_paths),
        readonly_paths: upper.readonly_paths.or(lower.readonly_paths),
        uid: upper.uid.or(lower.uid),
        gid: upper.gid.or(lower.gid),
        additional_gids: upper.additional_gids.or(lower.additional_gids),
        no_new_privileges: upper.no_new_privileges.or(lower.no_new_privileges),
        oom_score_adj: upper.oom_score_adj.or(lower.oom_score_adj),
        rootfs_propagation: upper.rootfs_propagation.or(lower.rootfs_propagation),
        cgroups_path: upper.cgroups_path.or(lower.cgroups_path),
        resources: upper.resources.or(lower.resources),
        sysctl: upper.sysctl.or(lower.sysctl),
        annotations: upper.annotations.or(lower.annotations),
        rlimits: upper.rlimits.or(lower.rlimits),
        uid_mappings: upper.uid_mappings.or(lower.uid_mappings),
        gid_mappings: upper.gid_mappings.or(lower.gid_mappings),
        runtime: match (upper.runtime, lower.runtime) {
            (Some(upper), Some(lower)) => Some(runtime_over(upper, lower)),
            (upper, lower) => upper.or(lower),
        },
    }
}

/// The manifest's own list, or else all the others one after the other.
fn list<T>(own: Option<Vec<T>>, others: [Option<Vec<T>>; 3]) -> Option<Vec<T>> {
    if own.is_some() {
        return own;
    }
    let others: Vec<Vec<T>> = others.into_iter().flatten().collect();
    if others.is_empty() {
        None
    } else {
        Some(others.into_iter().flatten().collect())
    }
}

fn runtime_over(upper: RuntimeConfig, lower: RuntimeConfig) -> RuntimeConfig {
    RuntimeConfig {
        cgroups: upper.cgroups.or(lower.cgroups),
        mounts: upper.mounts.or(lower.mounts),
        mkdir: upper.mkdir.or(lower.mkdir),
        interfaces: upper.interfaces.or(lower.interfaces),
        bind_ns: BindNamespaces {
            cgroup: upper.bind_ns.cgroup.or(lower.bind_ns.cgroup),
            ipc: upper.bind_ns.ipc.or(lower.bind_ns.ipc),
            mnt: upper.bind_ns.mnt.or(lower.bind_ns.mnt),
            net: upper.bind_ns.net.or(lower.bind_ns.net),
            pid: upper.bind_ns.pid.or(lower.bind_ns.pid),
            user: upper.bind_ns.user.or(lower.bind_ns.user),
            uts: upper.bind_ns.uts.or(lower.bind_ns.uts),
        },
        namespace: upper.namespace.or(lower.namespace),
        restart: upper.restart.or(lower.restart),
        on_failure: upper.on_failure.or(lower.on_failure),
        timeout: upper.timeout.or(lower.timeout),
        stop_timeout: upper.stop_timeout.or(lower.stop_timeout),
        stop_signal: upper.stop_signal.or(lower.stop_signal),
        seccomp: upper.seccomp.or(lower.seccomp),
    }
}
