//! Components from recipes, with packages made here and served on loopback.

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use ironkit_oci::{Platform, Store, http};
use ironkit_package::{Built, Error, Machine, Options, build, guest, load, reference};
use ironkit_tree::Digest;

const FILES: &str = "\
image: files
org: test
contents:
  - file: a.txt
    path: /etc/a
    mode: \"0600\"
    uid: 7
  - directory: /var/log
  - symlink: /b
    target: etc/a
config:
  command: [/bin/a]
";

const PACKAGE: &str = "\
image: hello
org: test
debian: {suite: testing}
contents:
  - package: hello
    paths: [/usr/bin/hello, \"/usr/share/hello/*.txt\"]
";

#[test]
fn the_same_files_give_the_same_image_anywhere() {
    let images = [("one", 0o644), ("another/place", 0o600)].map(|(name, mode)| {
        let home = tempfile::tempdir().unwrap();
        let folder = home.path().join(name);
        write(&folder, &[("build.yml", FILES), ("a.txt", "content")]);
        set_mode(&folder.join("a.txt"), mode);
        let built = attempt(&folder, &home.path().join("store"), None, false).unwrap();
        assert_eq!(
            load(&folder).and_then(|recipe| reference(&recipe)).unwrap(),
            built.reference
        );
        assert!(
            attempt(&folder, &home.path().join("store"), None, true)
                .unwrap()
                .cached
        );
        assert!(!folder.join("build.lock").exists());
        (built.reference, built.digest)
    });
    assert_eq!(images[0], images[1]);
}

#[test]
fn the_tag_follows_what_goes_in_and_nothing_else() {
    let home = tempfile::tempdir().unwrap();
    let tag = |changes: &[(&str, &str)]| {
        write(home.path(), &[("build.yml", FILES), ("a.txt", "content")]);
        write(home.path(), changes);
        let recipe = load(home.path()).unwrap();
        reference(&recipe).unwrap().to_string()
    };
    let plain = tag(&[]);
    assert!(plain.starts_with("docker.io/test/files:"), "{plain}");
    assert_eq!(plain.rsplit(':').next().unwrap().len(), 40);
    assert_eq!(tag(&[("README", "not part of it")]), plain);
    assert_ne!(tag(&[("a.txt", "other")]), plain);
    assert_ne!(tag(&[("build.yml", &FILES.replace("0600", "0644"))]), plain);
    let versioned = FILES.replace("org: test", "org: test\ntag: v1-{{.Hash}}");
    assert!(tag(&[("build.yml", &versioned)]).starts_with("docker.io/test/files:v1-"));
    let start = Instant::now();
    load(home.path()).and_then(|recipe| reference(&recipe)).unwrap();
    assert!(start.elapsed().as_millis() < 50, "{:?}", start.elapsed());
}

#[test]
fn mistakes_name_the_recipes_line() {
    for (from, to, expect) in [
        (
            "file: a.txt",
            "file: b.txt",
            "build.yml:4:5: file `b.txt` cannot be used: file `b.txt` is not in",
        ),
        (
            "file: a.txt",
            "file: ../a.txt",
            "file `../a.txt` is outside of the recipe's folder",
        ),
        (
            "file: a.txt",
            "file: /etc/passwd",
            "file `/etc/passwd` is outside of the recipe's folder",
        ),
        (
            "file: a.txt",
            "file: out",
            "file `out` is outside of the recipe's folder",
        ),
        (
            "file: a.txt",
            "file: folder",
            "file `folder` is not a regular file",
        ),
        (
            "symlink: /b",
            "symlink: /etc/a",
            "build.yml:9:5: symlink `/etc/a` cannot be used: `etc/a` is already there",
        ),
        (
            "symlink: /b",
            "symlink: /etc/a/b",
            "build.yml:9:5: symlink `/etc/a/b` cannot be used: `etc/a` is already there",
        ),
        (
            "file: a.txt",
            "binary: inti",
            "build.yml:4:5: binary `inti` cannot be used: there is no static binary `inti` here: known are `init` and `tools`",
        ),
    ] {
        let home = tempfile::tempdir().unwrap();
        let text = FILES.replace(from, to);
        let text = if to.starts_with("binary") {
            text.replace("    uid: 7\n", "")
        } else {
            text
        };
        write(
            home.path(),
            &[
                ("r/build.yml", &text),
                ("r/a.txt", "1"),
                ("a.txt", "2"),
                ("r/folder/x", "3"),
            ],
        );
        std::os::unix::fs::symlink("../a.txt", home.path().join("r/out")).unwrap();
        let error = chain(&attempt(&home.path().join("r"), &home.path().join("s"), None, false).unwrap_err());
        assert!(error.contains(expect), "{expect}\n{error}");
    }
}

#[test]
fn a_locked_package_is_enough_without_an_index() {
    let home = tempfile::tempdir().unwrap();
    let mirror = Mirror::start();
    let (folder, store) = (home.path().join("r"), home.path().join("s"));
    let package = deb(
        "hello",
        &[
            ("./usr/bin/hello", "#!"),
            ("./usr/share/hello/a.txt", "a"),
            ("./usr/share/hello/b", "b"),
        ],
    );
    mirror.serve("/debian/pool/hello.deb", &package);
    write(
        &folder,
        &[
            ("build.yml", PACKAGE),
            ("build.lock", &lock(&[("hello", &package)])),
        ],
    );
    let built = attempt(&folder, &store, Some(&mirror.url), true).unwrap();
    assert_eq!((built.packages.len(), built.changes.len()), (1, 0));

    // Everything is kept: no mirror is needed any more.
    fs::remove_file(store.join("index.json")).unwrap();
    let again = attempt(&folder, &store, None, true).unwrap();
    assert_eq!((again.digest, again.cached), (built.digest, false));
}

#[test]
fn packages_that_do_not_do_are_refused() {
    let good = deb(
        "hello",
        &[("./usr/bin/hello", "#!"), ("./usr/share/hello/a.txt", "a")],
    );
    let other = deb("hello", &[("./usr/bin/other", "#!")]);
    let escape = deb("hello", &[("./usr/bin/hello", "#!"), ("../../etc/passwd", "x")]);
    let cut = good[..good.len() - 700].to_vec();
    /// What is tested, what is locked, what is served, the error.
    type Case<'a> = (&'a str, &'a [u8], Option<&'a [u8]>, &'a str);
    let table: [Case<'_>; 6] = [
        (
            "not on the mirror",
            &good,
            None,
            "build.lock would have to change",
        ),
        (
            "no such path",
            &other,
            Some(&other),
            "no path matches `/usr/bin/hello` in hello 1",
        ),
        (
            "escapes",
            &escape,
            Some(&escape),
            "entry `../../etc/passwd` of package hello 1 is refused: path `../../etc/passwd` leaves its root",
        ),
        (
            "cut short",
            &cut,
            Some(&cut),
            "package hello 1 is damaged: cut short in member `data.tar`",
        ),
        ("not what was locked", &good, Some(&other), "expected sha256:"),
        (
            "no package",
            b"junk",
            Some(b"junk"),
            "package hello 1 is damaged: too short for an ar archive",
        ),
    ];
    for (what, locked, served, expect) in table {
        let home = tempfile::tempdir().unwrap();
        let mirror = Mirror::start();
        if let Some(served) = served {
            mirror.serve("/debian/pool/hello.deb", served);
        }
        write(
            home.path(),
            &[
                ("build.yml", PACKAGE),
                ("build.lock", &lock(&[("hello", locked)])),
            ],
        );
        let error = attempt(home.path(), &home.path().join("s"), Some(&mirror.url), true).unwrap_err();
        let error = chain(&error);
        assert!(error.contains(expect), "{what}: {error}");
        let store = Store::open(&home.path().join("s")).unwrap();
        assert_eq!(store.images().unwrap().len(), 0, "{what}");
    }
}

#[test]
fn a_package_without_files_stands_for_what_it_depends_on() {
    let home = tempfile::tempdir().unwrap();
    let mirror = Mirror::start();
    let package = deb(
        "hello",
        &[("./usr/bin/hello", "#!"), ("./usr/share/hello/a.txt", "a")],
    );
    mirror.serve("/debian/pool/hello.deb", &package);
    let text = PACKAGE.replace("- package: hello", "- package: meta");
    let meta = deb("meta", &[("./usr/share/doc/meta/copyright", "c")]);
    mirror.serve("/debian/pool/meta.deb", &meta);
    write(
        home.path(),
        &[
            ("build.yml", &text),
            ("build.lock", &lock(&[("hello", &package), ("meta", &meta)])),
        ],
    );
    let built = attempt(home.path(), &home.path().join("s"), Some(&mirror.url), true).unwrap();
    let names: Vec<&str> = built
        .packages
        .iter()
        .map(|locked| locked.package.as_str())
        .collect();
    assert_eq!(names, ["hello", "meta"]);
}

#[test]
fn images_for_two_architectures_share_a_name() {
    let entries = "  - directory: /only\n    arch: arm64\n";
    let both = FILES.replace("config:", &format!("{entries}config:"));
    let build = |architectures: &[&str]| {
        let home = tempfile::tempdir().unwrap();
        write(home.path(), &[("build.yml", &both), ("a.txt", "content")]);
        let place = home.path().join("s");
        for (architecture, cached) in architectures.iter().zip([false, false, true, true]) {
            let built = attempt_for(architecture, home.path(), &place, None, false).unwrap();
            assert_eq!(built.cached, cached, "{architecture}");
        }
        let store = Store::open(&place).unwrap();
        let reference = load(home.path()).and_then(|recipe| reference(&recipe)).unwrap();
        let (_, index) = store.named(&reference.to_string()).unwrap();
        let layers = architectures.iter().map(|architecture| {
            let image = store.find(&reference, &Platform::linux(architecture)).unwrap();
            image.unwrap().layers[0].diff_id
        });
        let layers: Vec<_> = layers.collect();
        assert_ne!(layers[0], layers[1], "one has a folder more");
        index
    };
    let index = build(&["amd64", "arm64", "amd64", "arm64"]);
    assert_eq!(index, build(&["arm64", "amd64"]), "in any order");
}

fn attempt(folder: &Path, store: &Path, mirror: Option<&str>, locked: bool) -> Result<Built, Error> {
    attempt_for(guest::ARCHITECTURE, folder, store, mirror, locked)
}

fn attempt_for(
    architecture: &str,
    folder: &Path,
    store: &Path,
    mirror: Option<&str>,
    locked: bool,
) -> Result<Built, Error> {
    let store = Store::open(store).unwrap();
    let http = http::Client::new(http::Options {
        attempts: 1,
        ..http::Options::default()
    })
    .unwrap();
    let nowhere = folder.join("nothing");
    let machine = Machine {
        mirror: mirror.map(str::to_owned),
        apt: nowhere.clone(),
        keyrings: nowhere,
    };
    let options = Options {
        platform: Platform::linux(architecture),
        locked,
        force: false,
        machine,
    };
    build(&load(folder)?, &store, &http, &options, &|_| {})
}

fn chain(error: &Error) -> String {
    let mut text = error.to_string();
    let mut next = std::error::Error::source(error);
    while let Some(source) = next {
        text.push_str(&format!(": {source}"));
        next = source.source();
    }
    text
}

fn write(folder: &Path, files: &[(&str, &str)]) {
    for (name, text) in files {
        let path = folder.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
}

fn set_mode(path: &Path, mode: u32) {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

fn lock(packages: &[(&str, &[u8])]) -> String {
    let stanza = |(name, bytes): &(&str, &[u8])| {
        let (size, digest) = (bytes.len(), Digest::of(bytes).hex());
        format!(
            "Package: {name}\nVersion: 1\nArchitecture: all\nSuite: testing\nFilename: pool/{name}.deb\nSize: {size}\nSHA256: {digest}\n"
        )
    };
    packages.iter().map(stanza).collect::<Vec<_>>().join("\n")
}

/// A package with these files. Names are written as they are, however hostile.
fn deb(name: &str, files: &[(&str, &str)]) -> Vec<u8> {
    let depends = if name == "meta" {
        "Depends: missing | hello\n"
    } else {
        ""
    };
    let control = format!("Package: {name}\nVersion: 1\nArchitecture: all\n{depends}");
    let mut out = b"!<arch>\n".to_vec();
    for (member, bytes) in [
        ("debian-binary", b"2.0\n".to_vec()),
        ("control.tar", tar(&[("./control", &control)])),
        ("data.tar", tar(files)),
    ] {
        out.extend_from_slice(
            format!(
                "{member:<16}{:<12}{:<6}{:<6}{:<8}{:<10}`\n",
                0,
                0,
                0,
                100644,
                bytes.len()
            )
            .as_bytes(),
        );
        out.extend_from_slice(&bytes);
    }
    out
}

fn tar(files: &[(&str, &str)]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (name, text) in files {
        let mut header = tar::Header::new_ustar();
        header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
        header.set_size(text.len() as u64);
        header.set_mode(0o755);
        header.set_uid(0);
        header.set_gid(0);
        header.set_cksum();
        builder.append(&header, text.as_bytes()).unwrap();
    }
    builder.into_inner().unwrap()
}

/// A mirror on loopback.
struct Mirror {
    url: String,
    files: Arc<Mutex<BTreeMap<String, Vec<u8>>>>,
}

impl Mirror {
    fn start() -> Mirror {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/debian", listener.local_addr().unwrap());
        let files = Arc::new(Mutex::new(BTreeMap::<String, Vec<u8>>::new()));
        let served = Arc::clone(&files);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let mut request = [0; 4096];
                let count = stream.read(&mut request).unwrap();
                let request = String::from_utf8_lossy(&request[..count]).into_owned();
                let path = request.split(' ').nth(1).unwrap_or_default().to_owned();
                let found = served.lock().unwrap().get(&path).cloned();
                let (status, body) = found.map_or(("404 Not Found", Vec::new()), |body| ("200 OK", body));
                let head = format!(
                    "HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
                    body.len()
                );
                // A client that has seen enough may be gone.
                let _ = stream
                    .write_all(head.as_bytes())
                    .and_then(|()| stream.write_all(&body));
            }
        });
        Mirror { url, files }
    }

    fn serve(&self, path: &str, bytes: &[u8]) {
        self.files.lock().unwrap().insert(path.to_owned(), bytes.to_vec());
    }
}
