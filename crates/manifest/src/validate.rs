//! Checks that need more than one entry: duplicates, volumes that binds name, and named users.

use std::collections::{BTreeMap, HashMap};

use crate::suggest::nearest;
use crate::{
    Container, Diagnostic, Diagnostics, File, FileContent, Id, Manifest, Mount, Span, Spanned, Volume,
};

/// Checks a merged manifest.
pub(crate) fn validate(manifest: &Manifest, out: &mut Diagnostics) {
    duplicates(
        "service",
        manifest.services.iter().map(|service| &service.name),
        out,
    );
    duplicate_volumes(&manifest.volumes, out);
    let volumes = manifest
        .volumes
        .iter()
        .map(|volume| (volume.name.as_str(), volume))
        .collect();
    let ids = manifest.ids();
    for (section, containers) in manifest.sections() {
        for container in containers {
            check_binds(container, &volumes, out);
            check_ids(container, &ids, out);
            for (span, field, sections) in container
                .config
                .runtime
                .iter()
                .flat_map(|runtime| crate::runtime::misplaced(runtime, section))
            {
                let message = format!("`{field}` has no effect in `{section}`, only in {sections}");
                out.push(Diagnostic::warning(span, message));
            }
        }
    }
    for file in &manifest.files {
        check_hidden(file, out);
        for owner in file.uid.iter().chain(&file.gid) {
            check_id(owner, &ids, out);
        }
    }
}

fn duplicates<'m>(what: &str, names: impl Iterator<Item = &'m Spanned<String>>, out: &mut Diagnostics) {
    let mut first: HashMap<&str, Span> = HashMap::new();
    for name in names.filter(|name| !name.is_empty()) {
        if let Some(&before) = first.get(name.as_str()) {
            let mistake = Diagnostic::error(
                name.span,
                format!("the {what} `{}` is declared twice", name.value),
            );
            out.push(
                mistake
                    .label("declared again here")
                    .note(before, "first declared"),
            );
        } else {
            first.insert(name, name.span);
        }
    }
}

/// Volumes of one file have different names. A later file may declare a volume anew: with LinuxKit it must, in order to
/// use it.
fn duplicate_volumes(volumes: &[Volume], out: &mut Diagnostics) {
    let mut seen: HashMap<&str, &Volume> = HashMap::new();
    for volume in volumes.iter().filter(|volume| !volume.name.is_empty()) {
        let name = &volume.name;
        let Some(before) = seen.insert(name, volume) else {
            continue;
        };
        let note = (before.name.span, "first declared");
        if before.name.span.file == name.span.file {
            let mistake = Diagnostic::error(
                name.span,
                format!("the volume `{}` is declared twice", name.value),
            );
            out.push(mistake.label("declared again here").note(note.0, note.1));
        } else if !same_volume(before, volume) {
            let message = format!("the volume `{}` is declared again, and differently", name.value);
            let warning = Diagnostic::warning(name.span, message)
                .label("this declaration holds; the contents of both are put there");
            out.push(warning.note(note.0, note.1));
        }
    }
}

fn same_volume(a: &Volume, b: &Volume) -> bool {
    let image = |volume: &Volume| volume.image.as_ref().map(|image| image.value.clone());
    let platforms = |volume: &Volume| -> Vec<String> {
        volume
            .platforms
            .iter()
            .map(|platform| platform.value.clone())
            .collect()
    };
    (image(a), a.readonly, a.format, platforms(a)) == (image(b), b.readonly, b.format, platforms(b))
}

/// Warns of files that nobody will see: init mounts file systems in memory over some directories.
fn check_hidden(file: &File, out: &mut Diagnostics) {
    const MOUNTED: [&str; 6] = ["dev", "proc", "run", "sys", "tmp", "var"];
    let mut parts = file
        .path
        .split('/')
        .filter(|part| !part.is_empty() && *part != ".");
    let top = parts.next().unwrap_or_default();
    if !MOUNTED.contains(&top) || parts.next().is_none() {
        return;
    }
    let message = format!(
        "`{}` will be hidden: init mounts a file system on /{top}",
        file.path.value
    );
    out.push(Diagnostic::warning(file.path.span, message).hint(match &file.content {
        FileContent::Directory => {
            "containers make directories when they start: `runtime: {mkdir: [/var/x]}` of an onboot container or service"
        }
        _ => "put it elsewhere, as below /etc; an onboot container can copy it",
    }));
}

fn check_binds(container: &Container, volumes: &HashMap<&str, &Volume>, out: &mut Diagnostics) {
    let config = &container.config;
    for bind in config.binds.iter().chain(&config.binds_add).flatten() {
        let options = bind.options.as_deref().unwrap_or_default();
        let fault = match options {
            [only] if only == "ro" => None,
            options if is_readonly(options) => Some("LinuxKit wants no option beside `ro` here"),
            _ => Some(READ_WRITE),
        };
        let fix = format!("write `{}:{}:ro`", bind.source, bind.destination);
        check_volume(
            &bind.source,
            bind.span,
            fault.map(|fault| (fault, fix)),
            volumes,
            out,
        );
    }
    let is_bind = |mount: &&Mount| mount.kind == "bind";
    for mount in config.mounts.iter().flatten().filter(is_bind) {
        let fix = "write `options: [ro, rbind]`".to_owned();
        check_volume(
            &mount.source,
            mount.source.span,
            (!is_readonly(&mount.options)).then_some((READ_WRITE, fix)),
            volumes,
            out,
        );
    }
}

/// What is wrong with most binds of read-only volumes.
const READ_WRITE: &str = "bound read-write";

/// Of `ro` and `rw` the first decides.
fn is_readonly(options: &[String]) -> bool {
    options
        .iter()
        .find(|option| matches!(option.as_str(), "ro" | "rw"))
        .is_some_and(|option| option == "ro")
}

/// Checks the source of a bind that is not an absolute path. `fault` is what a read-only volume does not allow, and what to
/// write instead.
fn check_volume(
    source: &str,
    span: Span,
    fault: Option<(&str, String)>,
    volumes: &HashMap<&str, &Volume>,
    out: &mut Diagnostics,
) {
    if source.is_empty() || source.starts_with('/') {
        return;
    }
    match (volumes.get(source), fault) {
        (None, _) => {
            let names: Vec<&str> = volumes.keys().copied().collect();
            let mistake = Diagnostic::error(span, format!("there is no volume `{source}`"));
            out.push(mistake.hint(match nearest(source, &names) {
                Some(near) => format!("did you mean `{near}`?"),
                None => "declare it in `volumes`; a path begins with `/`".to_owned(),
            }));
        }
        (Some(volume), Some((fault, fix))) if volume.readonly => {
            let message = match fault {
                READ_WRITE => format!("the volume `{source}` is read-only, but {fault}"),
                fault => format!("the volume `{source}` is read-only: {fault}"),
            };
            let mistake = Diagnostic::error(span, message);
            out.push(mistake.note(volume.name.span, "declared").hint(fix));
        }
        _ => {}
    }
}

fn check_ids(container: &Container, ids: &BTreeMap<String, u32>, out: &mut Diagnostics) {
    let config = &container.config;
    for id in config
        .uid
        .iter()
        .chain(&config.gid)
        .chain(config.additional_gids.iter().flatten())
    {
        check_id(id, ids, out);
    }
}

fn check_id(id: &Spanned<Id>, ids: &BTreeMap<String, u32>, out: &mut Diagnostics) {
    let Id::Name(name) = &id.value else { return };
    if ids.contains_key(name) {
        return;
    }
    let names: Vec<&str> = ids.keys().map(String::as_str).collect();
    let mistake = Diagnostic::error(
        id.span,
        format!("no container is named `{name}`, so it has no id"),
    );
    out.push(match nearest(name, &names) {
        _ if name.parse::<u32>().is_ok() => mistake.hint("leave out the quotes: a string is a name"),
        Some(near) => mistake.hint(format!("did you mean `{near}`?")),
        None => mistake.hint("expected a number, or the name of an onboot, onshutdown or services entry"),
    });
}
