//! `InRelease`: the signed root of a suite, from which the digests of everything else follow.
//!
//! The clear-signed message is taken apart here and the verifier gets text and signature as two files, so what is
//! parsed is exactly what was verified, whichever of `sqv` and `gpgv` the machine has.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::Command;

use ironkit_tree::Digest;

use super::control::Stanzas;
use super::fetch::new_file;
use crate::Error;
use crate::error::io_at;

/// A program that verifies OpenPGP signatures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verifier {
    /// Sequoia's, what apt itself uses since Debian 13.
    Sqv,
    /// GnuPG's.
    Gpgv,
}

/// A verified release.
#[derive(Debug, Clone, PartialEq)]
pub struct Release {
    /// Name that stays: `trixie`.
    pub codename: String,
    /// Name that moves: `stable`.
    pub suite: String,
    /// Version and the time of the release, as they stand there.
    pub version: String,
    /// Digest and size of each index, by path below the suite's directory.
    pub indices: BTreeMap<String, (Digest, u64)>,
}

impl Verifier {
    /// The first of the programs that can be started.
    ///
    /// # Errors
    /// [`Error::NoVerifier`].
    pub fn find() -> Result<Verifier, Error> {
        let starts = |verifier: &Verifier| Command::new(verifier.program()).arg("--version").output().is_ok();
        [Verifier::Sqv, Verifier::Gpgv]
            .into_iter()
            .find(starts)
            .ok_or(Error::NoVerifier)
    }

    fn program(self) -> &'static str {
        match self {
            Verifier::Sqv => "sqv",
            Verifier::Gpgv => "gpgv",
        }
    }
}

/// The keyrings of the Debian archive in `folder` (`/usr/share/keyrings`).
///
/// # Errors
/// [`Error::NoKeyring`].
pub fn keyrings(folder: &Path) -> Result<Vec<PathBuf>, Error> {
    let whole = ["debian-archive-keyring.gpg", "debian-archive-keyring.pgp"].map(|name| folder.join(name));
    match whole.into_iter().find(|path| path.exists()) {
        Some(path) => Ok(vec![path]),
        None => Err(Error::NoKeyring(folder.to_owned())),
    }
}

/// Verifies the clear-signed `message` that came from `url`. `scratch` is a directory for two short-lived files.
///
/// # Errors
/// [`Error::Signature`] unless at least one known key made a good signature and no signature is bad.
pub fn verify(
    message: &str,
    url: &str,
    verifier: Verifier,
    keyrings: &[PathBuf],
    scratch: &Path,
) -> Result<String, Error> {
    let untrusted = |reason: String| Error::Signature {
        what: url.to_owned(),
        reason,
    };
    let (text, signature) =
        split(message).ok_or_else(|| untrusted("it is not a clear-signed message".into()))?;
    let text_file = scratch_file(scratch, text.as_bytes())?;
    let signature_file = scratch_file(scratch, signature.as_bytes())?;
    let mut command = Command::new(verifier.program());
    for keyring in keyrings {
        command.arg("--keyring").arg(keyring);
    }
    if verifier == Verifier::Gpgv {
        command.args(["--status-fd", "1"]);
    }
    let output = command
        .arg(&signature_file)
        .arg(&text_file)
        .env("LC_ALL", "C")
        .output();
    let removed = fs::remove_file(&text_file).and(fs::remove_file(&signature_file));
    let output = output.map_err(io_at("run", verifier.program()))?;
    removed.map_err(io_at("remove", &text_file))?;
    let good = match verifier {
        Verifier::Sqv => output.status.success(),
        Verifier::Gpgv => gpgv_is_satisfied(&String::from_utf8_lossy(&output.stdout)),
    };
    match good {
        true => Ok(text),
        false => {
            let said = String::from_utf8_lossy(&output.stderr);
            Err(untrusted(format!(
                "{}: {}",
                verifier.program(),
                said.trim().replace('\n', "; ")
            )))
        }
    }
}

/// A short-lived file with these bytes.
fn scratch_file(directory: &Path, bytes: &[u8]) -> Result<PathBuf, Error> {
    let (path, mut file) = new_file(directory).map_err(io_at("create a file in", directory))?;
    file.write_all(bytes).map_err(io_at("write", &path))?;
    Ok(path)
}

/// Debian signs with several keys and an older keyring need not have all of them, which gpgv's exit code does not
/// forgive. As apt does: one good signature is enough, one bad is too many.
fn gpgv_is_satisfied(status: &str) -> bool {
    let words = |line: &str| {
        line.strip_prefix("[GNUPG:] ")
            .and_then(|rest| rest.split(' ').next())
            .map(str::to_owned)
    };
    let words: Vec<String> = status.lines().filter_map(words).collect();
    let has = |word: &str| words.iter().any(|found| found == word);
    has("GOODSIG") && has("VALIDSIG") && !has("BADSIG")
}

/// The text and the armoured signature of a clear-signed message (RFC 9580, section 7), with dashes unescaped and
/// trailing white space removed, as it was signed.
fn split(message: &str) -> Option<(String, &str)> {
    const SIGNATURE: &str = "-----BEGIN PGP SIGNATURE-----";
    let rest = message
        .strip_prefix("-----BEGIN PGP SIGNED MESSAGE-----")?
        .trim_start_matches('\r')
        .strip_prefix('\n')?;
    let mut at = 0;
    // Headers end with an empty line.
    loop {
        let line = rest[at..].split_inclusive('\n').next()?;
        at += line.len();
        if line.trim_end().is_empty() {
            break;
        }
        line.starts_with("Hash: ").then_some(())?;
    }
    let body = &rest[at..];
    let end = body.find(&format!("\n{SIGNATURE}"))?;
    let mut lines = Vec::new();
    for line in body[..end].split('\n') {
        let line = match line.strip_prefix("- ") {
            Some(escaped) => escaped,
            None if line.starts_with('-') => return None,
            None => line,
        };
        lines.push(line.trim_end_matches([' ', '\t', '\r']));
    }
    Some((lines.join("\n"), &body[end + 1..]))
}

/// Reads the verified text.
///
/// # Errors
/// `InvalidData` for a missing field or a line that is no digest, size and path.
pub fn parse(text: &str) -> io::Result<Release> {
    let stanza = Stanzas::new(text.as_bytes()).next(&|_| true)?.unwrap_or_default();
    let mut indices = BTreeMap::new();
    for line in stanza.need("SHA256")?.lines().filter(|line| !line.is_empty()) {
        let invalid = || {
            io::Error::new(
                io::ErrorKind::InvalidData,
                format!("expected an index, found `{line}`"),
            )
        };
        let words: Vec<&str> = line.split_whitespace().collect();
        let [hex, size, path] = words[..] else {
            return Err(invalid());
        };
        let digest = format!("sha256:{hex}").parse().map_err(|_| invalid())?;
        indices.insert(path.to_owned(), (digest, size.parse().map_err(|_| invalid())?));
    }
    let field = |name| stanza.get(name).unwrap_or_default().to_owned();
    Ok(Release {
        codename: field("Codename"),
        suite: field("Suite"),
        version: field("Version"),
        indices,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const MESSAGE: &str = "-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n\nSuite: stable  \n- -- dash\n\n-----BEGIN PGP SIGNATURE-----\n\nabc\n";

    #[test]
    fn clear_signed_messages_come_apart_as_they_were_signed() {
        let (text, signature) = split(MESSAGE).unwrap();
        assert_eq!(text, "Suite: stable\n-- dash\n");
        assert!(signature.starts_with("-----BEGIN PGP SIGNATURE-----\n\nabc"));
        for bad in [
            "Suite: stable\n".to_owned(),
            MESSAGE.replace("SIGNATURE", "NOTHING"),
            MESSAGE.replace("- -- dash", "-- dash"),
            MESSAGE.replace("Hash: SHA256", "Injected: field"),
            format!("Evil: first\n{MESSAGE}"),
        ] {
            assert_eq!(split(&bad), None, "{bad}");
        }
    }

    #[test]
    fn one_good_signature_is_enough_and_one_bad_too_many() {
        let line = |word: &str| format!("[GNUPG:] {word} 0123 somebody\n");
        for (words, good) in [
            (&["GOODSIG", "VALIDSIG"][..], true),
            (&["ERRSIG", "NO_PUBKEY", "GOODSIG", "VALIDSIG"], true),
            (&["GOODSIG", "VALIDSIG", "BADSIG"], false),
            (&["EXPKEYSIG", "VALIDSIG"], false),
            (&["NO_PUBKEY"], false),
            (&[], false),
        ] {
            let status: String = words.iter().map(|word| line(word)).collect();
            assert_eq!(gpgv_is_satisfied(&status), good, "{words:?}");
        }
    }

    #[test]
    fn indices_are_listed_by_path() {
        let hex = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        let release = parse(&format!(
            "Suite: stable\nCodename: trixie\nSHA256:\n {hex}   7 main/x\n"
        ))
        .unwrap();
        assert_eq!(
            (release.codename.as_str(), release.suite.as_str()),
            ("trixie", "stable")
        );
        assert_eq!(release.indices["main/x"], (Digest::of(b""), 7));
        for bad in [
            "Suite: a\n",
            "SHA256:\n 00 7 x\n",
            &format!("SHA256:\n {hex} x y\n"),
            &format!("SHA256:\n {hex} 7\n"),
        ] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }
}
