//! Resource limits by name. Pure.

use ironkit_contract::oci;
use rustix::process::{Resource, Rlimit};

use crate::error::{Error, Result};

const NAMES: [(&str, Resource); 16] = [
    ("AS", Resource::As),
    ("CORE", Resource::Core),
    ("CPU", Resource::Cpu),
    ("DATA", Resource::Data),
    ("FSIZE", Resource::Fsize),
    ("LOCKS", Resource::Locks),
    ("MEMLOCK", Resource::Memlock),
    ("MSGQUEUE", Resource::Msgqueue),
    ("NICE", Resource::Nice),
    ("NOFILE", Resource::Nofile),
    ("NPROC", Resource::Nproc),
    ("RSS", Resource::Rss),
    ("RTPRIO", Resource::Rtprio),
    ("RTTIME", Resource::Rttime),
    ("SIGPENDING", Resource::Sigpending),
    ("STACK", Resource::Stack),
];

/// Reads the limits; the largest number stands for none.
///
/// # Errors
/// [`Error::Invalid`] for a name that there is not.
pub fn read(limits: &[oci::Rlimit]) -> Result<Vec<(Resource, Rlimit)>> {
    limits.iter().map(one).collect()
}

fn one(limit: &oci::Rlimit) -> Result<(Resource, Rlimit)> {
    let short = limit.kind.strip_prefix("RLIMIT_").unwrap_or(&limit.kind);
    let (_, resource) = NAMES
        .iter()
        .find(|(name, _)| name.eq_ignore_ascii_case(short))
        .ok_or_else(|| Error::Invalid(format!("unknown rlimit {}", limit.kind)))?;
    let value = |number: u64| Some(number).filter(|number| *number != u64::MAX);
    Ok((
        *resource,
        Rlimit {
            current: value(limit.soft),
            maximum: value(limit.hard),
        },
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_resources() {
        for (kind, expect) in [
            ("RLIMIT_NOFILE", Some(Resource::Nofile)),
            ("nofile", Some(Resource::Nofile)),
            ("RLIMIT_RTTIME", Some(Resource::Rttime)),
            ("RLIMIT_MOON", None),
        ] {
            let limit = oci::Rlimit {
                kind: kind.to_owned(),
                hard: u64::MAX,
                soft: 5,
            };
            let got = one(&limit).ok();
            assert_eq!(got.as_ref().map(|(resource, _)| *resource), expect, "{kind}");
            if let Some((_, limit)) = got {
                assert_eq!((limit.current, limit.maximum), (Some(5), None));
            }
        }
    }
}
