//! Which machine an image is for.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::Error;

/// An operating system and a processor, with the OCI image specification's (Go's) names. Displays as
/// `linux/arm64/v8`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Platform {
    /// `linux`.
    #[serde(default)]
    pub os: String,
    /// `amd64`, `arm64`, `riscv64` …
    #[serde(default)]
    pub architecture: String,
    /// `v8`, where the processor has variants.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variant: Option<String>,
}

impl Platform {
    /// Linux on `architecture`, which may also be given as the kernel names it (`x86_64`, `aarch64`).
    pub fn linux(architecture: &str) -> Platform {
        Platform {
            os: "linux".to_owned(),
            architecture: canonical(architecture),
            variant: None,
        }
    }

    /// Whether an image for `self` is what somebody who wants `wanted` means. A variant counts only when it is
    /// asked for; `arm64` is `arm64/v8`.
    pub fn fits(&self, wanted: &Platform) -> bool {
        let variant =
            |platform: &Platform| match (platform.architecture.as_str(), platform.variant.as_deref()) {
                ("arm64", None | Some("")) => "v8".to_owned(),
                (_, variant) => variant.unwrap_or_default().to_owned(),
            };
        self.os == wanted.os
            && self.architecture == wanted.architecture
            && (wanted.variant.is_none() || variant(self) == variant(wanted))
    }
}

impl FromStr for Platform {
    type Err = Error;

    fn from_str(text: &str) -> Result<Platform, Error> {
        let parts: Vec<&str> = text.split('/').collect();
        let plain = |part: &&str| {
            !part.is_empty()
                && part
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-'))
        };
        match parts.as_slice() {
            parts @ ([os, architecture] | [os, architecture, _]) if parts.iter().all(plain) => Ok(Platform {
                os: (*os).to_owned(),
                architecture: canonical(architecture),
                variant: parts.get(2).map(|variant| (*variant).to_owned()),
            }),
            _ => Err(Error::Platform(text.chars().take(100).collect())),
        }
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.os, self.architecture)?;
        match self.variant.as_deref() {
            None | Some("") => Ok(()),
            Some(variant) => write!(f, "/{variant}"),
        }
    }
}

fn canonical(architecture: &str) -> String {
    match architecture {
        "x86_64" | "x86-64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
    .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_form() {
        for (text, expect) in [
            ("linux/amd64", Some("linux/amd64")),
            ("linux/x86_64", Some("linux/amd64")),
            ("linux/arm64/v8", Some("linux/arm64/v8")),
            ("linux", None),
            ("linux/", None),
            ("", None),
            ("linux/arm/v7/x", None),
            ("linux/a b", None),
        ] {
            let found = text.parse::<Platform>().ok().map(|platform| platform.to_string());
            assert_eq!(found.as_deref(), expect, "{text}");
        }
    }

    #[test]
    fn variants_count_when_asked_for() {
        for (image, wanted, expect) in [
            ("linux/arm64/v8", "linux/arm64", true),
            ("linux/arm64", "linux/arm64/v8", true),
            ("linux/arm/v6", "linux/arm/v7", false),
            ("linux/arm/v6", "linux/arm", true),
            ("linux/amd64", "linux/arm64", false),
        ] {
            let parse = |text: &str| text.parse::<Platform>().expect("a platform");
            assert_eq!(parse(image).fits(&parse(wanted)), expect, "{image} {wanted}");
        }
    }
}
