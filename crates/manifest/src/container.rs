//! Entries of `onboot`, `onshutdown` and `services`, and the configuration that image labels and build.yml share.

use std::collections::BTreeMap;

use crate::decode::{Mapping, boolean, integer, list, map_of, string, text, word};
use crate::device::{Device, device};
use crate::id::{Id, id};
use crate::limits::{Rlimit, capabilities, rlimit};
use crate::mount::{Bind, Mount, Tmpfs, bind, mount, tmpfs};
use crate::reference::image;
use crate::resources::{IdMapping, Resources, id_mapping, resources};
use crate::runtime::{RuntimeConfig, runtime};
use crate::schema;
use crate::suggest::nearest;
use crate::yaml::Node;
use crate::{Diagnostic, Diagnostics, Spanned};

/// A container of the image.
#[derive(Debug, Clone, PartialEq)]
pub struct Container {
    /// Its name, which becomes part of a path.
    pub name: Spanned<String>,
    /// The image reference, as written.
    pub image: Spanned<String>,
    /// Its configuration; what is absent is taken from the image.
    pub config: ContainerConfig,
}

/// Configuration of a container. `None` is absent, which differs from empty: an empty list overrides the label's.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ContainerConfig {
    /// Capabilities, by name; or `all` or `none`, alone and in any case.
    pub capabilities: Option<Vec<Spanned<String>>>,
    /// `capabilities.add`: added to the label's, unless `capabilities` is given.
    pub capabilities_add: Option<Vec<Spanned<String>>>,
    /// Ambient capabilities.
    pub ambient: Option<Vec<Spanned<String>>>,
    /// Mounts.
    pub mounts: Option<Vec<Mount>>,
    /// Bind mounts.
    pub binds: Option<Vec<Spanned<Bind>>>,
    /// `binds.add`: added to the label's, unless `binds` is given.
    pub binds_add: Option<Vec<Spanned<Bind>>>,
    /// Devices.
    pub devices: Option<Vec<Device>>,
    /// tmpfs mounts.
    pub tmpfs: Option<Vec<Spanned<Tmpfs>>>,
    /// Program and arguments.
    pub command: Option<Vec<Spanned<String>>>,
    /// Environment, `NAME=value`; replaces the image's.
    pub env: Option<Vec<Spanned<String>>>,
    /// Working directory.
    pub cwd: Option<Spanned<String>>,
    /// Network namespace: `root` or `host`, `new`, `none`, or a path.
    pub net: Option<Spanned<String>>,
    /// IPC namespace.
    pub ipc: Option<Spanned<String>>,
    /// UTS namespace.
    pub uts: Option<Spanned<String>>,
    /// PID namespace; new by default.
    pub pid: Option<Spanned<String>>,
    /// User namespace.
    pub userns: Option<Spanned<String>>,
    /// Host name in a new UTS namespace.
    pub hostname: Option<Spanned<String>>,
    /// Whether the root file system is read-only.
    pub readonly: Option<bool>,
    /// Paths that are made unreadable.
    pub masked_paths: Option<Vec<Spanned<String>>>,
    /// Paths that are made read-only.
    pub readonly_paths: Option<Vec<Spanned<String>>>,
    /// User.
    pub uid: Option<Spanned<Id>>,
    /// Group.
    pub gid: Option<Spanned<Id>>,
    /// Supplementary groups.
    pub additional_gids: Option<Vec<Spanned<Id>>>,
    /// No privileges by set-uid programs.
    pub no_new_privileges: Option<bool>,
    /// -1000 to 1000.
    pub oom_score_adj: Option<i32>,
    /// `shared`, `slave`, `private` or `unbindable`, with or without `r` in front; or empty.
    pub rootfs_propagation: Option<Spanned<String>>,
    /// Control group.
    pub cgroups_path: Option<Spanned<String>>,
    /// Control group limits; replace the label's as a whole.
    pub resources: Option<Resources>,
    /// Kernel parameters.
    pub sysctl: Option<BTreeMap<String, String>>,
    /// Anything, for whoever reads it.
    pub annotations: Option<BTreeMap<String, String>>,
    /// Resource limits.
    pub rlimits: Option<Vec<Spanned<Rlimit>>>,
    /// Users of a new user namespace.
    pub uid_mappings: Option<Vec<IdMapping>>,
    /// Groups of a new user namespace.
    pub gid_mappings: Option<Vec<IdMapping>>,
    /// What is done around the container; merged with the label's field by field.
    pub runtime: Option<RuntimeConfig>,
}

/// Where a configuration stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// In a manifest.
    Manifest,
    /// In an image's label `org.mobyproject.config`.
    Label,
    /// In `config:` of a build.yml, where modes may lack their quotes.
    BuildFile,
}

/// Decodes an entry of a section. It is `None` only when it is no mapping.
pub(crate) fn container(node: &Node, out: &mut Diagnostics) -> Option<Container> {
    let what = out.field().to_owned();
    let map = Mapping::object(node, &what, &schema::CONTAINER, out)?;
    // A placeholder keeps the entry for the checks that follow; the errors see to it that nobody builds it.
    let absent = || Spanned::new(String::new(), node.span);
    let name = map.required("name", out, name).unwrap_or_else(absent);
    let image = map.required("image", out, image).unwrap_or_else(absent);
    Some(Container {
        name,
        image,
        config: config(&map, Dialect::Manifest, out),
    })
}

/// Decodes a configuration that stands alone, in which `name` and `image` cannot be set.
pub fn container_config(node: &Node, dialect: Dialect, out: &mut Diagnostics) -> Option<ContainerConfig> {
    let what = match dialect {
        Dialect::Manifest => "a container",
        Dialect::Label => "the label",
        Dialect::BuildFile => "`config`",
    };
    let map = Mapping::object(node, what, &schema::CONTAINER, out)?;
    for key in ["name", "image"] {
        if let Some(span) = map.key_span(key) {
            out.push(Diagnostic::error(
                span,
                format!("`{key}` cannot be set in {what}; it belongs to manifests"),
            ));
        }
    }
    Some(config(&map, dialect, out))
}

fn config(map: &Mapping<'_>, dialect: Dialect, out: &mut Diagnostics) -> ContainerConfig {
    ContainerConfig {
        capabilities: map.get("capabilities", out, capabilities),
        capabilities_add: map.get("capabilities.add", out, capabilities),
        ambient: map.get("ambient", out, capabilities),
        mounts: map.get("mounts", out, list(mount)),
        binds: map.get("binds", out, list(bind)),
        binds_add: map.get("binds.add", out, list(bind)),
        devices: map.get("devices", out, list(device(dialect))),
        tmpfs: map.get("tmpfs", out, list(tmpfs)),
        command: map.get("command", out, list(string)),
        env: map.get("env", out, list(string)),
        cwd: map.get("cwd", out, string),
        net: map.get("net", out, namespace),
        ipc: map.get("ipc", out, namespace),
        uts: map.get("uts", out, namespace),
        pid: map.get("pid", out, namespace),
        userns: map.get("userns", out, namespace),
        hostname: map.get("hostname", out, string),
        readonly: map.get("readonly", out, boolean),
        masked_paths: map.get("maskedPaths", out, list(string)),
        readonly_paths: map.get("readonlyPaths", out, list(string)),
        uid: map.get("uid", out, id),
        gid: map.get("gid", out, id),
        additional_gids: map.get("additionalGids", out, list(id)),
        no_new_privileges: map.get("noNewPrivileges", out, boolean),
        oom_score_adj: map.get("oomScoreAdj", out, oom_score),
        rootfs_propagation: map.get("rootfsPropagation", out, propagation),
        cgroups_path: map.get("cgroupsPath", out, string),
        resources: map.get("resources", out, resources),
        sysctl: map.get("sysctl", out, map_of(text)),
        annotations: map.get("annotations", out, map_of(text)),
        rlimits: map.get("rlimits", out, list(rlimit)),
        uid_mappings: map.get("uidMappings", out, list(id_mapping)),
        gid_mappings: map.get("gidMappings", out, list(id_mapping)),
        runtime: map.get("runtime", out, runtime),
    }
}

/// The name becomes one or more components of a path, so it must not lead out of its directory.
fn name(node: &Node, out: &mut Diagnostics) -> Option<Spanned<String>> {
    let name = string(node, out)?;
    if name.is_empty() {
        out.push(Diagnostic::error(name.span, "the name is empty"));
    } else if name.contains('\0') || name.split('/').any(|part| matches!(part, "." | "..")) {
        let message = format!("{:?} cannot be a name: it becomes part of a path", name.value);
        out.push(Diagnostic::error(name.span, message));
    } else if name.contains('/') {
        // LinuxKit builds it too.
        let message = format!(
            "`{}` makes a directory in a directory, where init does not look",
            name.value
        );
        out.push(Diagnostic::warning(name.span, message).hint("leave out the slash"));
    }
    Some(name)
}

fn namespace(node: &Node, out: &mut Diagnostics) -> Option<Spanned<String>> {
    let words = ["root", "host", "new", "none"];
    let given = string(node, out)?;
    if !given.is_empty() && !given.starts_with('/') && !words.contains(&given.as_str()) {
        let message = format!("`{}` is taken as the path of an existing namespace", given.value);
        out.push(
            Diagnostic::warning(given.span, message).hint(match nearest(&given, &words) {
                Some(near) => format!("did you mean `{near}`?"),
                None => "the words are `host`, `new` and `none`; a path begins with `/`".to_owned(),
            }),
        );
    }
    Some(given)
}

fn propagation(node: &Node, out: &mut Diagnostics) -> Option<Spanned<String>> {
    let words = [
        "",
        "shared",
        "slave",
        "private",
        "unbindable",
        "rshared",
        "rslave",
        "rprivate",
        "runbindable",
    ];
    let choices = words.map(|word| (word, ()));
    word(&choices)(node, out)?;
    string(node, out)
}

fn oom_score(node: &Node, out: &mut Diagnostics) -> Option<i32> {
    let score = integer(node, out)?;
    if !(-1000..=1000).contains(&score) {
        out.push(Diagnostic::error(
            node.span,
            format!("`oomScoreAdj` must be from -1000 to 1000, not {score}"),
        ));
    }
    Some(score)
}
