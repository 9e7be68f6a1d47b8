//! A registry on loopback for as long as a benchmark runs: Debian's `docker-registry`.

use std::fs::{self, File};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::json;

/// How long it may take to listen.
const PATIENCE: Duration = Duration::from_secs(20);

/// A registry, which ends when this is dropped.
pub struct Registry {
    child: Child,
    port: u16,
}

impl Registry {
    /// Starts an empty one that keeps everything in `folder`.
    ///
    /// # Errors
    /// `docker-registry` is not installed or does not start; its log is in the folder.
    pub fn start(folder: &Path) -> Result<Registry> {
        if folder.exists() {
            fs::remove_dir_all(folder)?;
        }
        fs::create_dir_all(folder)?;
        // The one that the system gives out is free, and stays so for a while.
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port();
        // JSON is YAML.
        let configuration = json!({
            "version": 0.1,
            "storage": { "filesystem": { "rootdirectory": folder.join("storage") } },
            "http": { "addr": format!("127.0.0.1:{port}") },
            "log": { "level": "error", "accesslog": { "disabled": true } },
        });
        fs::write(folder.join("config.yml"), configuration.to_string())?;
        let child = Command::new("docker-registry")
            .args(["serve", "config.yml"])
            .current_dir(folder)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(folder.join("log"))?)
            .spawn()
            .context("cannot run docker-registry: scripts/setup.sh installs it")?;
        let mut registry = Registry { child, port };
        let deadline = Instant::now() + PATIENCE;
        while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err() {
            if registry.child.try_wait()?.is_some() || Instant::now() > deadline {
                bail!(
                    "docker-registry does not listen: see {}",
                    folder.join("log").display()
                );
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(registry)
    }

    /// `127.0.0.1:PORT`, as in an image's reference.
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        // Both fail only if it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
