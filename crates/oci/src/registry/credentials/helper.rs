//! Credential helpers: `docker-credential-NAME get`, which is told a registry on its standard input and answers with
//! JSON, as docker's own programs do. A helper that takes too long is ended.

use std::io::{self, Read, Write};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use serde::Deserialize;

use super::Login;

/// The most that a helper may answer: 64 KiB.
const MAX_ANSWER: u64 = 64 << 10;

/// What a helper says.
pub(super) enum Answer {
    /// A login.
    Login(Login),
    /// It knows none for this registry.
    Unknown,
}

/// Asks the helper `name` for the login of `server`, for at most `patience`. The error says what is wrong, without
/// anything secret.
pub(super) fn ask(name: &str, server: &str, patience: Duration) -> Result<Answer, String> {
    let program = format!("docker-credential-{name}");
    // The name becomes a part of a program's: it must not lead elsewhere.
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    if name.is_empty() || !name.bytes().all(plain) {
        return Err(format!("`{name}` is not the name of a credential helper"));
    }
    let failed = |error: io::Error| format!("the credential helper {program} cannot be run: {error}");
    let mut child = Command::new(&program)
        .arg("get")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .map_err(failed)?;
    let finished = converse(&mut child, server, patience);
    // It has ended, or has to; both calls fail only when it has been waited for.
    let _ = child.kill();
    let _ = child.wait();
    let (success, bytes) = finished.map_err(|reason| format!("the credential helper {program} {reason}"))?;
    if !success {
        let text = String::from_utf8_lossy(&bytes);
        // How docker's helpers say that they know nothing.
        if text.contains("credentials not found") {
            return Ok(Answer::Unknown);
        }
        let text: String = text.chars().filter(|c| !c.is_control()).take(200).collect();
        return Err(format!("the credential helper {program} failed: {}", text.trim()));
    }
    #[derive(Deserialize)]
    struct Output {
        #[serde(default, rename = "Username")]
        user: String,
        #[serde(default, rename = "Secret")]
        secret: String,
    }
    let output: Output = serde_json::from_slice(&bytes)
        .map_err(|_| format!("the credential helper {program} answered something else than JSON"))?;
    Ok(match (output.user.as_str(), output.secret.as_str()) {
        (_, "") => Answer::Unknown,
        // Docker's mark for a token in the place of a password.
        ("<token>", _) => Answer::Login(Login::Identity(output.secret)),
        _ => Answer::Login(Login::Password {
            user: output.user,
            password: output.secret,
        }),
    })
}

/// Tells it the server; whether it succeeded, and what it answered.
fn converse(child: &mut Child, server: &str, patience: Duration) -> Result<(bool, Vec<u8>), String> {
    let start = Instant::now();
    let (sender, receiver) = mpsc::channel();
    let (stdin, stdout) = (child.stdin.take(), child.stdout.take());
    let line = format!("{server}\n");
    // On its own thread, since a helper, or what it started, may keep the pipes open for ever.
    std::thread::spawn(move || {
        // A helper may not read what it knows already.
        let _ = stdin.map(|mut stdin| stdin.write_all(line.as_bytes()));
        let mut bytes = Vec::new();
        let read = stdout.map_or(Ok(0), |stdout| stdout.take(MAX_ANSWER).read_to_end(&mut bytes));
        // Nobody listens any more when it was too late.
        let _ = sender.send(read.map(|_| bytes));
    });
    let late = || format!("did not answer within {} s", patience.as_secs());
    let bytes = receiver.recv_timeout(patience).map_err(|_| late())?;
    let bytes = bytes.map_err(|error| format!("cannot be read from: {error}"))?;
    loop {
        match child.try_wait().map_err(|error| error.to_string())? {
            Some(status) => return Ok((status.success(), bytes)),
            None if start.elapsed() > patience => return Err(late()),
            None => std::thread::sleep(Duration::from_millis(5)),
        }
    }
}
