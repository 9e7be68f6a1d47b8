//! The text of a `build.yml` → [`Definition`].

use ironkit_manifest::decode::{self as d, Mapping, Spelling};
use ironkit_manifest::yaml::{self, Node};
use ironkit_manifest::{Diagnostic, Diagnostics};

use super::{Definition, config, contents};

/// LinuxKit's keys that say how a Dockerfile is built. They are accepted only where they cannot matter.
const DOCKERFILE_KEYS: [&str; 5] = [
    "dockerfile",
    "buildArgs",
    "depends",
    "extra-sources",
    "disable-cache",
];

#[rustfmt::skip]
const KEYS: [&str; 14] = [
    "image", "org", "tag", "contents", "debian", "config", "arches", "gitrepo", "network", "dockerfile", "buildArgs",
    "depends", "extra-sources", "disable-cache",
];

/// Decodes the text of a recipe, which is shown as `name`; warnings come along.
///
/// # Errors
/// Everything that is wrong.
pub fn decode(name: &str, text: &str) -> Result<(Definition, Vec<Diagnostic>), Vec<Diagnostic>> {
    let mut out = Diagnostics::new([name.to_owned()]);
    let definition = yaml::parse(0, text, &mut out).and_then(|node| definition(&node, &mut out));
    let warnings = out.finish()?;
    match definition {
        Some(definition) => Ok((definition, warnings)),
        None => Err(warnings),
    }
}

fn definition(node: &Node, out: &mut Diagnostics) -> Option<Definition> {
    let mapping = Mapping::read(node, "a recipe", &KEYS, Spelling::Exact, out)?;
    let image = mapping.required("image", out, name);
    let org = mapping.get("org", out, name);
    let tag = mapping.get("tag", out, tag);
    mapping.get("gitrepo", out, d::text);
    mapping.get("arches", out, d::list(d::text));
    mapping.get("network", out, d::boolean);
    if mapping.node("contents").is_none() {
        let mistake = Diagnostic::error(mapping.span, "building from a Dockerfile is not supported yet");
        out.push(mistake.hint("describe what goes into the image under `contents`"));
        return None;
    }
    for key in DOCKERFILE_KEYS {
        if let Some(span) = mapping.key_span(key) {
            out.push(Diagnostic::error(
                span,
                format!("`{key}` is for Dockerfiles: it cannot stand beside `contents`"),
            ));
        }
    }
    let suite = mapping.get("debian", out, debian);
    let entries = mapping.get("contents", out, |node, out| {
        contents::entries(node, suite.as_deref(), out)
    });
    let config = mapping.get("config", out, config::config);
    Some(Definition {
        image: image?,
        org: org.unwrap_or_else(|| "linuxkit".to_owned()),
        tag: tag.unwrap_or_else(|| "{{.Hash}}".to_owned()),
        contents: entries?,
        config,
    })
}

/// A part of an image's name.
fn name(node: &Node, out: &mut Diagnostics) -> Option<String> {
    let name = d::string(node, out)?;
    if let Err(reason) = ironkit_manifest::reference::check(&name) {
        out.push(Diagnostic::error(
            name.span,
            format!("`{}` cannot name an image: {reason}", name.value),
        ));
    }
    Some(name.value)
}

/// The template of the tag, of which only `{{.Hash}}` has a meaning.
fn tag(node: &Node, out: &mut Diagnostics) -> Option<String> {
    let tag = d::string(node, out)?;
    let rest = tag.replace("{{.Hash}}", "0");
    let plain = rest
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte));
    if !plain || rest.is_empty() || rest.starts_with(['.', '-']) || rest.len() > 88 {
        let mistake = Diagnostic::error(tag.span, format!("`{}` cannot be made into a tag", tag.value));
        out.push(mistake.hint("use letters, digits, `_`, `.`, `-` and `{{.Hash}}`"));
    }
    Some(tag.value)
}

/// `debian: {suite: trixie}`.
fn debian(node: &Node, out: &mut Diagnostics) -> Option<String> {
    let mapping = Mapping::read(node, "`debian`", &["suite"], Spelling::Exact, out)?;
    mapping.required("suite", out, suite)
}

/// The name of a release, which becomes a part of addresses.
pub(super) fn suite(node: &Node, out: &mut Diagnostics) -> Option<String> {
    let suite = d::string(node, out)?;
    let plain = suite
        .bytes()
        .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
    if !plain || suite.is_empty() {
        out.push(Diagnostic::error(
            suite.span,
            format!("`{}` is not the name of a release", suite.value),
        ));
        return None;
    }
    Some(suite.value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recipe::Item;

    const GOOD: &str = "\
image: nginx
org: ironkit
debian: {suite: trixie}
contents:
  - package: nginx
    paths: [/usr/sbin/nginx]
  - package: busybox-static
    suite: sid
    paths: [/usr/bin/busybox]
    as: /bin/sh
  - binary: tools
    path: /sbin/dhcpcd
  - file: a.conf
    path: /etc/a.conf
    mode: \"0600\"
    uid: 33
  - directory: /var/log
  - symlink: /a
    target: /b
config:
  command: [/usr/sbin/nginx]
  readonly: true
";

    #[test]
    fn a_recipe_is_read() {
        let (recipe, warnings) = decode("build.yml", GOOD).unwrap();
        assert_eq!(warnings, []);
        assert_eq!(
            (recipe.image.as_str(), recipe.org.as_str(), recipe.tag.as_str()),
            ("nginx", "ironkit", "{{.Hash}}")
        );
        assert_eq!(recipe.contents.len(), 6);
        assert!(
            matches!(&recipe.contents[1].item, Item::Package { suite, to: Some(to), .. } if suite == "sid" && to.to_string() == "bin/sh")
        );
        assert!(
            matches!(&recipe.contents[3].item, Item::File { access, .. } if (access.mode, access.uid, access.gid) == (0o600, 33, 0))
        );
        let config = recipe.config.unwrap().to_string();
        assert_eq!(config, r#"{"command":["/usr/sbin/nginx"],"readonly":true}"#);
    }

    #[test]
    fn mistakes_name_their_place() {
        for (from, to, expect) in [
            (
                "image: nginx\n",
                "",
                "build.yml:1:1: error: a recipe has no `image`",
            ),
            (
                "image: nginx",
                "image: Nginx",
                "build.yml:1:8: error: `Nginx` cannot name an image",
            ),
            (
                "org: ironkit",
                "orgs: ironkit",
                "build.yml:2:1: error: unknown key `orgs` in a recipe",
            ),
            (
                "suite: trixie",
                "suite: ../x",
                "build.yml:3:17: error: `../x` is not the name of a release",
            ),
            (
                "debian: {suite: trixie}\n",
                "",
                "build.yml:4:5: error: the release is not said",
            ),
            (
                "    paths: [/usr/sbin/nginx]\n",
                "",
                "build.yml:5:5: error: a package has no `paths`",
            ),
            (
                "[/usr/sbin/nginx]\n  - package",
                "[usr/../../x]\n  - package",
                "build.yml:6:13: error: path `usr/../../x` leaves its root",
            ),
            (
                "[/usr/bin/busybox]",
                "[/usr/bin/*]",
                "build.yml:10:9: error: `as` needs exactly one path, without patterns",
            ),
            (
                "- binary: tools",
                "- binary: tools\n    file: x",
                "build.yml:11:5: error: an entry is one of",
            ),
            ("mode: \"0600\"", "mode: 600", "build.yml:15:11: error:"),
            (
                "mode: \"0600\"",
                "mode: \"9\"",
                "build.yml:15:11: error: `9` is not a mode",
            ),
            (
                "  - symlink: /a\n    target: /b\n",
                "  - symlink: /a\n",
                "build.yml:18:5: error: a symlink has no `target`",
            ),
            (
                "  - directory: /var/log",
                "  - folder: /var/log",
                "build.yml:17:5: error: an entry is one of",
            ),
            ("readonly: true", "readonly: 1", "error:"),
            (
                "config:\n",
                "network: true\ndockerfile: x\nconfig:\n",
                "build.yml:21:1: error: `dockerfile` is for Dockerfiles",
            ),
            (
                "org: ironkit",
                "tag: \"a b\"",
                "build.yml:2:6: error: `a b` cannot be made into a tag",
            ),
        ] {
            let text = GOOD.replacen(from, to, 1);
            assert_ne!(text, GOOD, "{from}");
            let found = decode("build.yml", &text).expect_err(expect);
            let found: Vec<String> = found.iter().map(ToString::to_string).collect();
            assert!(
                found.iter().any(|line| line.contains(expect)),
                "{expect}\n{found:#?}"
            );
        }
        let found = decode("build.yml", "image: x\n").unwrap_err();
        assert!(
            found[0]
                .to_string()
                .contains("building from a Dockerfile is not supported yet")
        );
    }
}
