//! Mount options in the spelling of mount(8), as flags of mount(2) and text for the file system. Pure.

use ironkit_sys::mount::flags::{
    BIND, DIRSYNC, I_VERSION, LAZYTIME, MANDLOCK, NOATIME, NODEV, NODIRATIME, NOEXEC, NOSUID, NOSYMFOLLOW,
    PRIVATE, RDONLY, REC, RELATIME, REMOUNT, SHARED, SILENT, SLAVE, STRICTATIME, SYNCHRONOUS, UNBINDABLE,
};

use crate::error::{Error, Result};

/// Options, told apart.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Options {
    /// Flags of the mount itself.
    pub flags: u32,
    /// Changes of propagation, made one by one after the mount: the kernel would ignore the other flags.
    pub propagation: Vec<u32>,
    /// What the file system reads.
    pub data: String,
    /// Copy what the directory held into the new file system first.
    pub copy_up: bool,
}

impl Options {
    /// Whether an existing directory or file is mounted a second time.
    pub fn is_bind(&self) -> bool {
        self.flags & BIND != 0
    }
}

/// Words that set flags, or clear them.
const WORDS: &[(&str, u32, Change)] = &[
    ("async", SYNCHRONOUS, Change::Clear),
    ("atime", NOATIME, Change::Clear),
    ("bind", BIND, Change::Set),
    ("defaults", 0, Change::Set),
    ("dev", NODEV, Change::Clear),
    ("diratime", NODIRATIME, Change::Clear),
    ("dirsync", DIRSYNC, Change::Set),
    ("exec", NOEXEC, Change::Clear),
    ("iversion", I_VERSION, Change::Set),
    ("lazytime", LAZYTIME, Change::Set),
    ("loud", SILENT, Change::Clear),
    ("mand", MANDLOCK, Change::Set),
    ("noatime", NOATIME, Change::Set),
    ("nodev", NODEV, Change::Set),
    ("nodiratime", NODIRATIME, Change::Set),
    ("noexec", NOEXEC, Change::Set),
    ("noiversion", I_VERSION, Change::Clear),
    ("nolazytime", LAZYTIME, Change::Clear),
    ("nomand", MANDLOCK, Change::Clear),
    ("norelatime", RELATIME, Change::Clear),
    ("nostrictatime", STRICTATIME, Change::Clear),
    ("nosuid", NOSUID, Change::Set),
    ("nosymfollow", NOSYMFOLLOW, Change::Set),
    ("rbind", BIND | REC, Change::Set),
    ("relatime", RELATIME, Change::Set),
    ("remount", REMOUNT, Change::Set),
    ("ro", RDONLY, Change::Set),
    ("rw", RDONLY, Change::Clear),
    ("silent", SILENT, Change::Set),
    ("strictatime", STRICTATIME, Change::Set),
    ("suid", NOSUID, Change::Clear),
    ("symfollow", NOSYMFOLLOW, Change::Clear),
    ("sync", SYNCHRONOUS, Change::Set),
];

#[derive(Clone, Copy)]
enum Change {
    Set,
    Clear,
}

/// Words that would have to change every mount below too, or map ids: to pass them over would be to protect less
/// than was asked for.
const LATER: &[&str] = &[
    "rro",
    "rrw",
    "rnosuid",
    "rsuid",
    "rnodev",
    "rdev",
    "rnoexec",
    "rexec",
    "rnoatime",
    "ratime",
    "rnodiratime",
    "rdiratime",
    "rrelatime",
    "rnorelatime",
    "rstrictatime",
    "rnostrictatime",
    "rnosymfollow",
    "rsymfollow",
    "idmap",
    "ridmap",
];

/// Reads a list of words; what is no known word is for the file system.
///
/// # Errors
/// [`Error::NotSupported`] for words whose loss would weaken the mount.
pub fn parse(words: &[String]) -> Result<Options> {
    let mut options = Options::default();
    let mut data: Vec<&str> = Vec::new();
    for word in words {
        if let Some((_, flag, change)) = WORDS.iter().find(|(known, _, _)| known == word) {
            match change {
                Change::Set => options.flags |= flag,
                Change::Clear => options.flags &= !flag,
            }
        } else if let Some(flag) = propagation(word) {
            options.propagation.push(flag);
        } else if word == "tmpcopyup" {
            options.copy_up = true;
        } else if LATER.contains(&word.as_str()) {
            return Err(Error::NotSupported(format!("the mount option {word}")));
        } else {
            data.push(word);
        }
    }
    options.data = data.join(",");
    Ok(options)
}

/// The flags of a word such as `rshared`.
pub fn propagation(word: &str) -> Option<u32> {
    let (recursive, word) = match word {
        "rprivate" | "rshared" | "rslave" | "runbindable" => (REC, &word[1..]),
        _ => (0, word),
    };
    let flag = match word {
        "private" => PRIVATE,
        "shared" => SHARED,
        "slave" => SLAVE,
        "unbindable" => UNBINDABLE,
        _ => return None,
    };
    Some(flag | recursive)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_become_flags() {
        let cases: &[(&str, u32, &[u32], &str)] = &[
            ("", 0, &[], ""),
            (
                "ro,nosuid,noexec,nodev",
                RDONLY | NOSUID | NOEXEC | NODEV,
                &[],
                "",
            ),
            ("ro,rw", 0, &[], ""),
            ("rw,rbind,rshared", BIND | REC, &[SHARED | REC], ""),
            ("remount,private", REMOUNT, &[PRIVATE], ""),
            (
                "nosuid,strictatime,mode=755,size=65536k",
                NOSUID | STRICTATIME,
                &[],
                "mode=755,size=65536k",
            ),
            (
                "lowerdir=/a,upperdir=/b,workdir=/c",
                0,
                &[],
                "lowerdir=/a,upperdir=/b,workdir=/c",
            ),
            ("noexec,exec,defaults", 0, &[], ""),
            ("bind,runbindable,slave", BIND, &[UNBINDABLE | REC, SLAVE], ""),
        ];
        for (words, flags, propagation, data) in cases {
            let words: Vec<String> = words
                .split(',')
                .filter(|word| !word.is_empty())
                .map(str::to_owned)
                .collect();
            let options = parse(&words).unwrap();
            assert_eq!(
                (
                    options.flags,
                    options.propagation.as_slice(),
                    options.data.as_str()
                ),
                (*flags, *propagation, *data),
                "{words:?}"
            );
        }
    }

    #[test]
    fn what_would_protect_less_is_refused() {
        for word in LATER {
            assert!(parse(&[(*word).to_owned()]).is_err(), "{word}");
        }
    }
}
