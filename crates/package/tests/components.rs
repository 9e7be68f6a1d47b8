//! Builds the components of this repository from the machine's own Debian mirror.
//!
//! Needs the network, so it runs when it is asked for: `cargo test -p ironkit-package -- --ignored`. The store is kept
//! where the variable `IRONKIT_TEST_STORE` says, so that other tools can look at it.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use ironkit_oci::{Platform, Store, http};
use ironkit_package::{Built, Error, Machine, Options, build, guest, load};

#[test]
#[ignore = "needs a Debian mirror"]
fn components_build_twice_into_the_same_image() {
    let components = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../components");
    let temporary = tempfile::tempdir().unwrap();
    let kept = std::env::var_os("IRONKIT_TEST_STORE").map(PathBuf::from);
    let store = Store::open(&kept.unwrap_or_else(|| temporary.path().to_owned())).unwrap();
    let mut folders: Vec<PathBuf> = std::fs::read_dir(components)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    folders.sort();
    for folder in folders {
        let (first, took) = timed(&folder, &store, false, true);
        let (second, again) = timed(&folder, &store, true, true);
        let (third, _) = timed(&folder, &store, true, false);
        assert_eq!(
            (&first.reference, first.digest),
            (&second.reference, second.digest)
        );
        assert_eq!((third.digest, third.cached), (first.digest, true));
        let report = format!(
            "{} {} bytes, {took:?}, again {again:?}\n",
            first.reference, first.layer_size
        );
        std::io::stderr().write_all(report.as_bytes()).unwrap();
    }
}

fn timed(folder: &Path, store: &Store, locked: bool, force: bool) -> (Built, Duration) {
    let start = Instant::now();
    let platform = Platform::linux(guest::ARCHITECTURE);
    let options = Options {
        platform,
        locked,
        force,
        machine: Machine::default(),
    };
    let http = http::Client::new(http::Options::default()).unwrap();
    let built = load(folder).and_then(|recipe| build(&recipe, store, &http, &options, &|_| {}));
    (
        built.unwrap_or_else(|error| panic!("{}: {}", folder.display(), chain(&error))),
        start.elapsed(),
    )
}

fn chain(error: &Error) -> String {
    let mut text = error.to_string();
    let mut next = std::error::Error::source(error);
    while let Some(source) = next {
        text.push_str(&format!(": {source}"));
        next = source.source();
    }
    if let Error::Recipe(mistakes) = error {
        mistakes
            .iter()
            .for_each(|mistake| text.push_str(&format!("\n{mistake}")));
    }
    text
}
