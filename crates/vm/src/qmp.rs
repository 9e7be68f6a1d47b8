//! QEMU's control protocol (QMP), as far as a machine has to be told to stop: JSON values, one per line, over a
//! unix socket. Source: QEMU's docs/interop/qmp-spec.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};

use crate::Error;

/// A connection to a machine. QEMU talks to one client at a time: keep it no longer than needed.
#[derive(Debug)]
pub struct Qmp {
    stream: BufReader<UnixStream>,
}

/// How long QEMU may take to answer. It answers at once, unless the machine is badly overloaded.
const PATIENCE: Duration = Duration::from_secs(10);

/// No answer is longer than this; more is not QEMU.
const LINE_BYTES: u64 = 1 << 20;

impl Qmp {
    /// Connects to the socket that a machine's [`qmp`](crate::Machine::qmp) names.
    ///
    /// # Errors
    /// Those of the socket, also while it is not there yet.
    pub fn connect(path: &Path) -> io::Result<Qmp> {
        Qmp::greet(UnixStream::connect(path)?)
    }

    /// Runs a command and returns what it returns.
    ///
    /// # Errors
    /// [`Error::Refused`] with QEMU's words, or [`Error::Control`].
    pub fn execute(&mut self, command: &str, arguments: Value) -> Result<Value, Error> {
        let failed = |source| Error::Control {
            command: command.to_owned(),
            source,
        };
        let request = match arguments {
            Value::Null => json!({ "execute": command }),
            arguments => json!({ "execute": command, "arguments": arguments }),
        };
        writeln!(self.stream.get_mut(), "{request}").map_err(failed)?;
        loop {
            let mut answer = self.receive().map_err(failed)?;
            if let Some(error) = answer.get("error") {
                let text = error
                    .get("desc")
                    .and_then(Value::as_str)
                    .unwrap_or("no reason given");
                return Err(Error::Refused {
                    command: command.to_owned(),
                    answer: text.to_owned(),
                });
            }
            // Whatever else comes is an event.
            if let Some(value) = answer.get_mut("return") {
                return Ok(value.take());
            }
        }
    }

    fn greet(stream: UnixStream) -> io::Result<Qmp> {
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        let mut qmp = Qmp {
            stream: BufReader::new(stream),
        };
        if qmp.receive()?.get("QMP").is_none() {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "expected QEMU's greeting",
            ));
        }
        qmp.execute("qmp_capabilities", Value::Null)
            .map_err(io::Error::other)?;
        Ok(qmp)
    }

    fn receive(&mut self) -> io::Result<Value> {
        let mut line = Vec::new();
        if (&mut self.stream).take(LINE_BYTES).read_until(b'\n', &mut line)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(serde_json::from_slice(&line)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Talks to a QEMU that answers with `script`, one line for each request, and tells what it was asked.
    fn talk(script: &'static [&'static str], commands: &[(&str, Value)]) -> (Vec<String>, String) {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let server = std::thread::spawn(move || {
            let mut reader = BufReader::new(theirs.try_clone().unwrap());
            let mut requests = String::new();
            for answer in script {
                (&theirs).write_all(answer.as_bytes()).unwrap();
                if reader.read_line(&mut requests).unwrap() == 0 {
                    break;
                }
            }
            requests
        });
        let results = match Qmp::greet(ours) {
            Err(error) => vec![error.to_string()],
            Ok(mut qmp) => commands
                .iter()
                .map(
                    |(command, arguments)| match qmp.execute(command, arguments.clone()) {
                        Ok(value) => value.to_string(),
                        Err(error) => error.to_string(),
                    },
                )
                .collect(),
        };
        (results, server.join().unwrap())
    }

    #[test]
    fn commands_and_answers() {
        let script = &[
            "{\"QMP\": {\"version\": {}, \"capabilities\": []}}\r\n",
            "{\"return\": {}}\r\n",
            "{\"event\": \"RESUME\"}\r\n{\"event\": \"STOP\"}\r\n{\"return\": {\"running\": true}}\r\n",
            "{\"error\": {\"class\": \"CommandNotFound\", \"desc\": \"no such thing\"}}\r\n",
        ];
        let commands = [("query-status", Value::Null), ("fly", json!({ "to": "moon" }))];
        let (results, requests) = talk(script, &commands);
        assert_eq!(
            results,
            ["{\"running\":true}", "the machine refused `fly`: no such thing"]
        );
        assert_eq!(
            requests,
            "{\"execute\":\"qmp_capabilities\"}\n{\"execute\":\"query-status\"}\n\
             {\"arguments\":{\"to\":\"moon\"},\"execute\":\"fly\"}\n"
        );
    }

    #[test]
    fn something_else_on_the_socket() {
        for (script, expect) in [
            (&["hello\n"] as &[&str], "expected value at line 1 column 1"),
            (&["{}\n"], "expected QEMU's greeting"),
            (&[], "unexpected end of file"),
        ] {
            let (results, _) = talk(script, &[]);
            assert_eq!(results, [expect]);
        }
    }
}
