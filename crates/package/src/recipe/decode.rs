//! The text of a `build.yml` → [`Definition`].

use ironkit_manifest::decode::{self as d, Mapping, Spelling};
use ironkit_manifest::yaml::{self, Node};
use ironkit_manifest::{Diagnostic, Diagnostics};

use super::{Definition, Dockerfile, ExtraSource, config, contents};
use crate::tag::fill;

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

/// The organisation of who does not say one.
const ORG: &str = "linuxkit";
/// The area of who does not say one: what is Debian proper.
const AREA: &str = "main";
/// The tag of who does not say one.
const TAG: &str = "{{.Hash}}";

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
        let dockerfile = dockerfile(&mapping, out);
        return Some(Definition {
            image: image?,
            org: org.unwrap_or_else(|| ORG.to_owned()),
            tag: tag.unwrap_or_else(|| TAG.to_owned()),
            areas: Vec::new(),
            contents: Vec::new(),
            dockerfile: Some(dockerfile),
            config: mapping.get("config", out, config::config),
        });
    }
    for key in DOCKERFILE_KEYS {
        if let Some(span) = mapping.key_span(key) {
            out.push(Diagnostic::error(
                span,
                format!("`{key}` is for Dockerfiles: it cannot stand beside `contents`"),
            ));
        }
    }
    let (suite, areas) = mapping.get("debian", out, debian).unwrap_or_default();
    let entries = mapping.get("contents", out, |node, out| {
        contents::entries(node, suite.as_deref(), out)
    });
    let config = mapping.get("config", out, config::config);
    Some(Definition {
        image: image?,
        org: org.unwrap_or_else(|| ORG.to_owned()),
        tag: tag.unwrap_or_else(|| TAG.to_owned()),
        areas: areas.unwrap_or_else(|| vec![AREA.to_owned()]),
        contents: entries?,
        dockerfile: None,
        config,
    })
}

/// What belongs to a Dockerfile. Only the sources matter for the tag; the rest is checked, so that a mistake does not wait
/// until something can be built.
fn dockerfile(mapping: &Mapping, out: &mut Diagnostics) -> Dockerfile {
    if let Some(span) = mapping.key_span("debian") {
        out.push(Diagnostic::error(
            span,
            "`debian` is for `contents`, which this recipe does not have",
        ));
    }
    mapping.get("disable-cache", out, d::boolean);
    mapping.get("buildArgs", out, d::list(d::text));
    mapping.get("depends", out, depends);
    let file = mapping.get("dockerfile", out, relative_file);
    let span = mapping.key_span("dockerfile").unwrap_or(mapping.span);
    let extra_sources = mapping.get("extra-sources", out, d::list(extra_source));
    Dockerfile {
        file: file.unwrap_or_else(|| "Dockerfile".to_owned()),
        span,
        extra_sources: extra_sources.unwrap_or_default(),
    }
}

/// A path that stays below the recipe's folder.
fn relative_file(node: &Node, out: &mut Diagnostics) -> Option<String> {
    let path = d::string(node, out)?;
    let inside = ironkit_tree::Path::parse(path.as_bytes()).is_ok_and(|path| !path.is_root());
    if !inside || path.starts_with('/') {
        let message = format!("`{}` is not a file below the recipe's folder", path.value);
        out.push(Diagnostic::error(path.span, message));
    }
    Some(path.value)
}

/// `from:to`.
fn extra_source(node: &Node, out: &mut Diagnostics) -> Option<ExtraSource> {
    let text = d::string(node, out)?;
    let parts: Vec<&str> = text.split(':').collect();
    match parts[..] {
        [from, to] if !from.is_empty() && to.starts_with('/') => Some(ExtraSource {
            from: from.to_owned(),
            to: to.to_owned(),
            span: text.span,
        }),
        _ => {
            let mistake = Diagnostic::error(text.span, format!("`{}` is not an extra source", text.value));
            out.push(
                mistake.hint("expected `SOURCE:/DESTINATION`, the source relative to the recipe's folder"),
            );
            None
        }
    }
}

/// `depends: {docker-images: {list or from-file, target or target-dir}}`.
fn depends(node: &Node, out: &mut Diagnostics) -> Option<()> {
    let mapping = Mapping::read(node, "`depends`", &["docker-images"], Spelling::Exact, out)?;
    mapping.get("docker-images", out, |node, out| {
        let keys = ["list", "from-file", "target", "target-dir"];
        let images = Mapping::read(node, "`docker-images`", &keys, Spelling::Exact, out)?;
        images.get("list", out, d::list(d::text));
        images.get("from-file", out, relative_file);
        images.get("target", out, relative_file);
        images.get("target-dir", out, relative_file);
        for (one, other) in [("list", "from-file"), ("target", "target-dir")] {
            if images.node(one).is_some()
                && let Some(span) = images.key_span(other)
            {
                out.push(Diagnostic::error(
                    span,
                    format!("`{one}` and `{other}` exclude each other"),
                ));
            }
        }
        Some(())
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
    let rest = fill(&tag, "0");
    let plain = rest
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte));
    if !plain || rest.is_empty() || rest.starts_with(['.', '-']) || rest.len() > 88 {
        let mistake = Diagnostic::error(tag.span, format!("`{}` cannot be made into a tag", tag.value));
        out.push(mistake.hint("use letters, digits, `_`, `.`, `-` and `{{.Hash}}`"));
    }
    Some(tag.value)
}

/// `debian: {suite: trixie, areas: [main, non-free-firmware]}`.
fn debian(node: &Node, out: &mut Diagnostics) -> Option<(Option<String>, Option<Vec<String>>)> {
    let mapping = Mapping::read(node, "`debian`", &["suite", "areas"], Spelling::Exact, out)?;
    let suite = mapping.required("suite", out, suite);
    let areas = mapping.get("areas", out, d::list(area));
    if let (Some([]), Some(span)) = (areas.as_deref(), mapping.key_span("areas")) {
        out.push(
            Diagnostic::error(span, "packages come from at least one area").hint("`main` is Debian proper"),
        );
    }
    Some((suite, areas))
}

/// The name of a part of the archive (Debian Policy, 2.2), which becomes a part of addresses.
fn area(node: &Node, out: &mut Diagnostics) -> Option<String> {
    let area = d::string(node, out)?;
    let plain = area.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-');
    if !plain || area.is_empty() {
        let mistake = Diagnostic::error(area.span, format!("`{}` is not the name of an area", area.value));
        out.push(mistake.hint("Debian's are main, contrib, non-free and non-free-firmware"));
        return None;
    }
    Some(area.value)
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
        assert_eq!(recipe.areas, ["main"]);
        let two = GOOD.replace("suite: trixie", "suite: trixie, areas: [main, non-free-firmware]");
        let (two, _) = decode("build.yml", &two).unwrap();
        assert_eq!(two.areas, ["main", "non-free-firmware"]);
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
                "suite: trixie",
                "suite: trixie, areas: [../x]",
                "build.yml:3:33: error: `../x` is not the name of an area",
            ),
            (
                "suite: trixie",
                "suite: trixie, areas: []",
                "build.yml:3:25: error: packages come from at least one area",
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
    }

    const DOCKERFILE: &str = "\
image: x
arches: [amd64]
dockerfile: docker/Dockerfile.x
extra-sources:
  - ../common:/common
buildArgs: [A=b]
depends: {docker-images: {list: [a@sha256:0], target-dir: images}}
network: true
disable-cache: true
config: {binds: [/a:/b]}
";

    #[test]
    fn a_recipe_of_linuxkits_is_read() {
        let (recipe, _) = decode("build.yml", DOCKERFILE).unwrap();
        let dockerfile = recipe.dockerfile.unwrap();
        assert_eq!(
            (recipe.org.as_str(), dockerfile.file.as_str()),
            ("linuxkit", "docker/Dockerfile.x")
        );
        let source = &dockerfile.extra_sources[0];
        assert_eq!(
            (source.from.as_str(), source.to.as_str()),
            ("../common", "/common")
        );
        for (from, to, expect) in [
            (
                "docker/Dockerfile.x",
                "../x",
                "3:13: error: `../x` is not a file below",
            ),
            (
                "docker/Dockerfile.x",
                "/x",
                "3:13: error: `/x` is not a file below",
            ),
            (":/common", "", "5:5: error: `../common` is not an extra source"),
            (
                ":/common",
                ":common",
                "5:5: error: `../common:common` is not an extra source",
            ),
            ("target-dir", "targetdir", "unknown key `targetdir`"),
            (
                "target-dir",
                "target: a, target-dir",
                "`target` and `target-dir` exclude each other",
            ),
            ("network: true", "network: 1", "error:"),
            (
                "network: true",
                "debian: {suite: sid}",
                "8:1: error: `debian` is for `contents`",
            ),
            ("binds: [/a:/b]", "bindz: []", "unknown key `bindz`"),
        ] {
            let found = decode("build.yml", &DOCKERFILE.replace(from, to)).expect_err(expect);
            let found: Vec<String> = found.iter().map(ToString::to_string).collect();
            assert!(
                found.iter().any(|line| line.contains(expect)),
                "{expect}\n{found:#?}"
            );
        }
    }
}
