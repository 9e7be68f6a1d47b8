//! Entries of `volumes`.

use crate::decode::{Mapping, boolean, list, string, word};
use crate::reference::optional_image;
use crate::schema;
use crate::yaml::Node;
use crate::{Diagnostic, Diagnostics, Spanned};

/// A directory that containers share.
#[derive(Debug, Clone, PartialEq)]
pub struct Volume {
    /// Its name: `a` to `z`, digits, `_` and `-`.
    pub name: Spanned<String>,
    /// The image that fills it; blank without one.
    pub image: Option<Spanned<String>>,
    /// Whether containers may only read it.
    pub readonly: bool,
    /// In which form the image is put there.
    pub format: VolumeFormat,
    /// Whether the manifest says in which form.
    pub explicit_format: bool,
    /// Which platforms (`linux/arm64`) of the image are put there; all when empty. Only for [`VolumeFormat::Oci`].
    pub platforms: Vec<Spanned<String>>,
}

/// Form of an image in a volume.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum VolumeFormat {
    /// Its files.
    #[default]
    Filesystem,
    /// An OCI image layout.
    Oci,
}

/// Decodes a volume. It is `None` only when it is no mapping.
pub(crate) fn volume(node: &Node, out: &mut Diagnostics) -> Option<Volume> {
    let map = Mapping::object(node, "this volume", &schema::VOLUME, out)?;
    let formats = [
        ("filesystem", VolumeFormat::Filesystem),
        ("oci", VolumeFormat::Oci),
    ];
    let format = map.get("format", out, word(&formats));
    let format_is_wrong = map.node("format").is_some() && format.is_none();
    let volume = Volume {
        name: map
            .required("name", out, name)
            .unwrap_or(Spanned::new(String::new(), node.span)),
        image: map.get("image", out, optional_image),
        readonly: map.get("readonly", out, boolean).unwrap_or_default(),
        format: format.unwrap_or_default(),
        explicit_format: format.is_some(),
        platforms: map.get("platforms", out, list(platform)).unwrap_or_default(),
    };
    if let Some(span) = map
        .key_span("platforms")
        .filter(|_| !format_is_wrong && volume.format != VolumeFormat::Oci)
    {
        let mistake = Diagnostic::warning(span, "`platforms` has no effect without `format: oci`");
        out.push(mistake.hint("a file system always has the platform that is built for"));
    }
    Some(volume)
}

fn name(node: &Node, out: &mut Diagnostics) -> Option<Spanned<String>> {
    let name = string(node, out)?;
    let allowed = |c: char| matches!(c, 'a'..='z' | '0'..='9' | '_' | '-');
    if name.is_empty() {
        out.push(Diagnostic::error(name.span, "the name of the volume is empty"));
    } else if !name.chars().all(allowed) {
        let mistake = Diagnostic::error(
            name.span,
            format!("`{}` cannot be the name of a volume", name.value),
        );
        let mistake = mistake.label("only a-z, 0-9, `_` and `-`");
        let lower = name.to_lowercase();
        out.push(match lower.chars().all(allowed) {
            true => mistake.hint(format!("write `{lower}`")),
            false => mistake.hint("only a-z, 0-9, `_` and `-` are allowed"),
        });
    }
    Some(name)
}

fn platform(node: &Node, out: &mut Diagnostics) -> Option<Spanned<String>> {
    let platform = string(node, out)?;
    let parts: Vec<&str> = platform.split('/').collect();
    if !(2..=3).contains(&parts.len()) || parts.contains(&"") {
        let mistake = Diagnostic::error(platform.span, format!("`{}` is not a platform", platform.value));
        out.push(mistake.hint("expected `os/architecture` or `os/architecture/variant`: `linux/arm64`"));
    }
    Some(platform)
}
