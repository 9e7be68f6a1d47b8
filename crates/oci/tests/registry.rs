//! A real registry, Debian's docker-registry, on loopback: pushed to with skopeo, pulled from with ours.

mod support;

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use ironkit_oci::{Error, Platform, Registry, RegistryOptions};
use support::{Codec, amd64, chain, have, image, index, noise, open, reference, run};

/// User and password of the bcrypt hash below, which is a published test vector.
const USER: &str = "user";
const PASSWORD: &str = "U*U";
const HTPASSWD: &str = "user:$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW\n";

/// A running registry, ended when it is dropped.
struct Running {
    child: Child,
    host: String,
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn start(directory: &Path, more: &str, more_http: &str) -> Running {
    let port = TcpListener::bind("127.0.0.1:0")
        .expect("a port")
        .local_addr()
        .expect("an address")
        .port();
    let host = format!("127.0.0.1:{port}");
    let data = directory.join("registry");
    let text = format!(
        "version: 0.1\nlog:\n  level: error\nstorage:\n  filesystem:\n    rootdirectory: {}\nhttp:\n  addr: {host}\n{more_http}{more}",
        data.display()
    );
    let config = directory.join("registry.yml");
    fs::write(&config, text).expect("a configuration");
    let child = Command::new("docker-registry")
        .arg("serve")
        .arg(&config)
        .stdout(Stdio::null())
        .stderr(fs::File::create(directory.join("registry.log")).expect("a log"))
        .spawn()
        .expect("docker-registry");
    let running = Running { child, host };
    for _ in 0..200 {
        if TcpStream::connect(&running.host).is_ok() {
            return running;
        }
        sleep(Duration::from_millis(50));
    }
    panic!(
        "the registry does not start: {}",
        fs::read_to_string(directory.join("registry.log")).expect("a log")
    );
}

/// A store with an image for two platforms, to be pushed; its address for skopeo.
fn pushed(directory: &Path, running: &Running, options: &[&str]) -> String {
    let content = noise(3_000_000, 17);
    let wanted = image(
        "amd64",
        &[
            ("a", &content, Codec::Gzip),
            ("b", b"2", Codec::Zstd),
            ("c", b"3", Codec::Plain),
        ],
    );
    let other = image("arm64", &[("d", b"4", Codec::Gzip)]);
    let path = directory.join("source");
    let store = open(&path);
    // Skopeo copies all entries of an index, so this one has no entry that leads nowhere.
    let mut both = index(&[("amd64", &wanted), ("arm64", &other)]);
    let root = both.root().digest;
    let mut document: serde_json::Value = serde_json::from_slice(&both.blobs[&root]).expect("json");
    document["manifests"].as_array_mut().expect("a list").pop();
    both.root = Some(both.blob(
        ironkit_oci::document::media::INDEX,
        document.to_string().into_bytes(),
    ));
    both.put(&store, &reference("source:1"));
    let from = format!("oci:{}:docker.io/library/source:1", path.display());
    let to = format!("docker://{}/team/image:1", running.host);
    let mut arguments = vec!["copy", "--all", "--preserve-digests"];
    arguments.extend(options);
    arguments.extend([from.as_str(), to.as_str()]);
    run("skopeo", &arguments);
    format!("{}/team/image:1", running.host)
}

#[test]
fn a_real_registry_over_http() {
    if !have("docker-registry") || !have("skopeo") {
        return;
    }
    let directory = tempfile::tempdir().expect("a directory");
    let running = start(directory.path(), "", "");
    let name = pushed(directory.path(), &running, &["--dest-tls-verify=false"]);
    let store = open(&directory.path().join("store"));
    let registry = Registry::new(RegistryOptions::default()).expect("a client");
    let image = registry
        .pull(&store, &reference(&name), &amd64(), &())
        .expect("an image");
    assert_eq!(image.layers.len(), 3);
    for layer in &image.layers {
        std::io::copy(&mut layer.open(&store).expect("a layer"), &mut std::io::sink()).expect("whole");
    }
    let source = open(&directory.path().join("source"));
    let listed = &store.images().expect("a list")[0];
    assert_eq!(listed.digest, source.images().expect("a list")[0].digest);
    assert_eq!((listed.platforms.len(), listed.absent.len()), (1, 1));
    let layout = format!("oci:{}:{name}", store.root().display());
    let copy = format!("oci:{}:x", directory.path().join("copy").display());
    run("skopeo", &["--override-arch", "amd64", "copy", &layout, &copy]);
    registry
        .pull(&store, &reference(&name), &Platform::linux("arm64"), &())
        .expect("the other platform");
    for (name, platform, expect) in [
        ("team/none:1", "linux/amd64", "was not found"),
        ("team/image:none", "linux/amd64", "was not found"),
        ("team/image:1", "linux/s390x", "it has linux/amd64, linux/arm64"),
    ] {
        let name = reference(&format!("{}/{name}", running.host));
        let platform = platform.parse().expect("a platform");
        let error = registry.pull(&store, &name, &platform, &()).expect_err(expect);
        assert!(chain(&error).contains(expect), "{}", chain(&error));
    }
}

#[test]
fn a_real_registry_over_https_with_a_password() {
    if !have("docker-registry") || !have("skopeo") || !have("openssl") {
        return;
    }
    let directory = tempfile::tempdir().expect("a directory");
    let at = |name: &str| directory.path().join(name).display().to_string();
    certificates(directory.path());
    fs::write(at("htpasswd"), HTPASSWD).expect("a file");
    let tls = format!(
        "  tls:\n    certificate: {}\n    key: {}\n",
        at("server.pem"),
        at("server.key")
    );
    let auth = format!(
        "auth:\n  htpasswd:\n    realm: test\n    path: {}\n",
        at("htpasswd")
    );
    let running = start(directory.path(), &auth, &tls);
    let login = format!("{USER}:{PASSWORD}");
    let name = pushed(
        directory.path(),
        &running,
        &["--dest-tls-verify=false", "--dest-creds", &login],
    );
    let name = reference(&name);
    let store = open(&directory.path().join("store"));

    let mut options = RegistryOptions::default();
    let error = Registry::new(options.clone())
        .expect("a client")
        .pull(&store, &name, &amd64(), &());
    let error = chain(&error.expect_err("an unknown authority"));
    assert!(error.contains("certificate"), "{error}");

    options.http.extra_roots.push(directory.path().join("ca.pem"));
    let error = Registry::new(options.clone())
        .expect("a client")
        .pull(&store, &name, &amd64(), &());
    assert!(matches!(error, Err(Error::Unauthorized { .. })), "{error:?}");

    let mut wrong = options.clone();
    wrong.credentials.add(&running.host, USER, "wrong");
    let error = Registry::new(wrong)
        .expect("a client")
        .pull(&store, &name, &amd64(), &());
    assert!(matches!(error, Err(Error::Unauthorized { .. })), "{error:?}");

    let auth = "dXNlcjpVKlU=";
    fs::write(
        at("config.json"),
        format!(r#"{{"auths":{{"{}":{{"auth":"{auth}"}}}}}}"#, running.host),
    )
    .expect("a file");
    options
        .read_docker_config(&directory.path().join("config.json"))
        .expect("a configuration");
    let image = Registry::new(options)
        .expect("a client")
        .pull(&store, &name, &amd64(), &())
        .expect("an image");
    assert_eq!(image.layers.len(), 3);
}

/// A certificate authority, and a certificate for 127.0.0.1 from it.
fn certificates(directory: &Path) {
    let at = |name: &str| directory.join(name).display().to_string();
    fs::write(
        at("extensions"),
        "subjectAltName=IP:127.0.0.1\nbasicConstraints=CA:FALSE\n",
    )
    .expect("a file");
    let key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];
    let openssl = |arguments: &[&str]| run("openssl", arguments);
    let (ca, ca_key, request) = (at("ca.pem"), at("ca.key"), at("server.csr"));
    openssl(
        &[
            &["req", "-x509"][..],
            &key,
            &["-keyout", &ca_key, "-out", &ca, "-subj", "/CN=test"],
        ]
        .concat(),
    );
    let server_key = at("server.key");
    openssl(
        &[
            &["req"][..],
            &key,
            &["-keyout", &server_key, "-out", &request, "-subj", "/CN=here"],
        ]
        .concat(),
    );
    let (extensions, certificate) = (at("extensions"), at("server.pem"));
    openssl(&[
        "x509",
        "-req",
        "-in",
        &request,
        "-CA",
        &ca,
        "-CAkey",
        &ca_key,
        "-CAcreateserial",
        "-days",
        "2",
        "-extfile",
        &extensions,
        "-out",
        &certificate,
    ]);
}
