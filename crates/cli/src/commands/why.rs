//! `ironkit build --why`: where paths of an image come from.

use ironkit_oci::Digest;
use ironkit_pipeline::why::{Contributor, Reason};

/// The text for all paths.
pub fn text(reasons: &[Reason]) -> String {
    reasons.iter().map(reason).collect::<Vec<_>>().join("\n")
}

fn reason(reason: &Reason) -> String {
    let name = match reason.path.is_root() {
        true => "/".to_owned(),
        false => reason.path.to_string(),
    };
    let mut lines = vec![format!("{name}: {}", reason.what)];
    if let Some(next) = &reason.leads_to {
        lines.push(format!("  leads to {next}"));
    }
    lines.push(format!("  from {}", contributor(&reason.from)));
    if !reason.links.is_empty() {
        let names: Vec<String> = reason.links.iter().map(ToString::to_string).collect();
        lines.push(format!("  the same file as {} (hard links)", names.join(", ")));
    }
    for lost in &reason.lost {
        lines.push(format!("  not from {}: {}", contributor(lost), lost.what));
    }
    for (below, count) in &reason.below {
        let entries = if *count == 1 { "entry" } else { "entries" };
        lines.push(format!(
            "  {count} {entries} at or below it from {}",
            contributor(below)
        ));
    }
    lines.join("\n")
}

fn contributor(part: &Contributor) -> String {
    let digest = |what: &str, digest: &Option<Digest>| match digest {
        Some(digest) => format!("{what}{digest}"),
        None => String::new(),
    };
    let image = digest("@", &part.image);
    let layer = match (&part.image, &part.layer) {
        (Some(_), None) => ", made by ironkit for it".to_owned(),
        (_, layer) => digest(", layer ", layer),
    };
    format!("{} {}, {}{image}{layer}", part.location, part.name, part.source)
}
