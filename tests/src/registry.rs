//! A real registry on loopback: Debian's `docker-registry`, started for one test.

use std::fs::{self, File};
use std::net::{Ipv4Addr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::{free_port, judge, succeed};

/// Who may log in, with [`RegistryOptions::login`].
pub const USER: &str = "tester";
/// The password of [`USER`].
pub const PASSWORD: &str = "sesame";

/// [`USER`] and [`PASSWORD`], hashed with bcrypt, the only method that the registry knows. A constant, so that no tool
/// is needed to make it.
const HTPASSWD: &str = "tester:$2y$05$0123456789abcdefghijkuFPCywmK9ky78G4kZsNbMNMl4W2MdNui\n";

/// What kind of registry it is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RegistryOptions {
    /// HTTPS, with a certificate from an authority that nobody knows but [`DockerRegistry::authority`]'s reader.
    pub tls: bool,
    /// Only [`USER`] gets in.
    pub login: bool,
}

/// A registry that runs until it is dropped.
#[derive(Debug)]
pub struct DockerRegistry {
    child: Child,
    folder: PathBuf,
    port: u16,
    options: RegistryOptions,
}

impl DockerRegistry {
    /// Starts one that keeps everything in `folder`; `None` where `docker-registry` (or, for TLS, `openssl`) is not
    /// installed, as [`judge`] has it.
    ///
    /// # Panics
    /// With its log, if it does not start.
    pub fn start(folder: &Path, options: RegistryOptions) -> Option<DockerRegistry> {
        let program = judge("docker-registry")?;
        let openssl = if options.tls {
            Some(judge("openssl")?)
        } else {
            None
        };
        fs::create_dir_all(folder).expect("a folder can be made");
        if let Some(openssl) = openssl {
            make_certificates(&openssl, folder);
        }
        write(folder, "htpasswd", HTPASSWD);
        let port = free_port();
        write(folder, "config.yml", &configuration(folder, port, options));
        let log = File::create(folder.join("log")).expect("a file can be made");
        let child = Command::new(program)
            .args(["serve", "config.yml"])
            .current_dir(folder)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("docker-registry can be run");
        let mut registry = DockerRegistry {
            child,
            folder: folder.to_owned(),
            port,
            options,
        };
        registry.wait_until_it_listens();
        Some(registry)
    }

    /// `localhost:PORT`, as in an image's reference.
    pub fn address(&self) -> String {
        format!("localhost:{}", self.port)
    }

    /// The port on loopback.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The authority's certificate (PEM), alone in a folder, as `skopeo --dest-cert-dir` wants it.
    pub fn authority(&self) -> Option<PathBuf> {
        self.options.tls.then(|| self.folder.join("authority/ca.crt"))
    }

    /// What it logged: every request, among others.
    pub fn log(&self) -> String {
        fs::read_to_string(self.folder.join("log")).unwrap_or_default()
    }

    fn wait_until_it_listens(&mut self) {
        let deadline = Instant::now() + Duration::from_secs(20);
        while TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).is_err() {
            let ended = self.child.try_wait().expect("a child can be waited for");
            assert!(
                ended.is_none() && Instant::now() < deadline,
                "docker-registry does not listen on port {}: {}",
                self.port,
                self.log()
            );
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for DockerRegistry {
    fn drop(&mut self) {
        // Both fail only if it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn configuration(folder: &Path, port: u16, options: RegistryOptions) -> String {
    // JSON is YAML, and escapes whatever is in a path.
    let path = |name: &str| folder.join(name).to_string_lossy().into_owned();
    let mut http = serde_json::json!({ "addr": format!("127.0.0.1:{port}") });
    if options.tls {
        http["tls"] = serde_json::json!({ "certificate": path("server.crt"), "key": path("server.key") });
    }
    let mut configuration = serde_json::json!({
        "version": 0.1,
        "storage": { "filesystem": { "rootdirectory": path("storage") }, "delete": { "enabled": true } },
        "http": http,
    });
    if options.login {
        let htpasswd = serde_json::json!({ "realm": "test", "path": path("htpasswd") });
        configuration["auth"] = serde_json::json!({ "htpasswd": htpasswd });
    }
    configuration.to_string()
}

/// An authority, and a server's certificate from it for `localhost` and 127.0.0.1.
fn make_certificates(openssl: &Path, folder: &Path) {
    let tool = |line: &str| succeed(Command::new(openssl).args(line.split(' ')).current_dir(folder));
    fs::create_dir_all(folder.join("authority")).expect("a folder can be made");
    let names = "subjectAltName = DNS:localhost, IP:127.0.0.1\nextendedKeyUsage = serverAuth\n";
    write(folder, "server.ext", names);
    write(
        folder,
        "ca.conf",
        "[req]\ndistinguished_name = name\nx509_extensions = authority\n[name]\n\
         [authority]\nbasicConstraints = critical, CA:TRUE\nkeyUsage = critical, keyCertSign\n\
         subjectKeyIdentifier = hash\n",
    );
    let key = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes";
    tool(&format!(
        "req -x509 {key} -config ca.conf -subj /CN=test-authority -days 2 -keyout ca.key -out authority/ca.crt"
    ));
    tool(&format!(
        "req -new {key} -config ca.conf -subj /CN=localhost -keyout server.key -out server.csr"
    ));
    tool(
        "x509 -req -in server.csr -CA authority/ca.crt -CAkey ca.key -CAserial ca.srl -CAcreateserial \
         -extfile server.ext -days 2 -out server.crt",
    );
}

fn write(folder: &Path, name: &str, text: &str) {
    let path = folder.join(name);
    fs::write(&path, text).unwrap_or_else(|error| panic!("cannot write {}: {error}", path.display()));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http_get;

    #[test]
    fn plain() {
        let folder = tempfile::tempdir().unwrap();
        let Some(registry) = DockerRegistry::start(folder.path(), RegistryOptions::default()) else {
            return;
        };
        let answer = http_get(registry.port(), "/v2/", Duration::from_secs(10));
        assert_eq!((answer.status, answer.text().as_str()), (200, "{}"));
        assert!(registry.log().contains("/v2/"));
        let port = registry.port();
        drop(registry);
        assert!(TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err());
    }

    #[test]
    fn with_tls_and_login() {
        let folder = tempfile::tempdir().unwrap();
        let options = RegistryOptions {
            tls: true,
            login: true,
        };
        let Some(registry) = DockerRegistry::start(folder.path(), options) else {
            return;
        };
        let Some(skopeo) = judge("skopeo") else { return };
        let certificates = registry.authority().unwrap().parent().unwrap().to_owned();
        let look = |credentials: &[&str]| {
            let mut command = Command::new(&skopeo);
            command
                .arg("list-tags")
                .args(credentials)
                .arg("--cert-dir")
                .arg(&certificates);
            crate::run(command.arg(format!("docker://{}/none", registry.address())))
        };
        let nobody = look(&["--no-creds"]);
        assert!(nobody.stderr.contains("authentication required"), "{nobody}");
        // In: there is only nothing to see yet. How that is said depends on the version.
        let tester = look(&["--creds", &format!("{USER}:{PASSWORD}")]);
        let nothing = ["404 (Not Found)", "repository name not known"];
        assert!(
            nothing.iter().any(|text| tester.stderr.contains(text)),
            "{tester}"
        );
    }
}
