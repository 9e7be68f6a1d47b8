//! Feeds the kept inputs to the fuzzers' functions.

use std::fs;
use std::path::Path;

use ironkit_fuzz::TARGETS;

#[test]
fn every_kept_input_is_survived() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus");
    for (name, target) in TARGETS {
        let directory = corpus.join(name);
        let inputs =
            fs::read_dir(&directory).unwrap_or_else(|error| panic!("{}: {error}", directory.display()));
        let mut count = 0;
        for input in inputs {
            let path = input.unwrap().path();
            // A panic in the target does not say which input it was.
            let bytes = fs::read(&path).unwrap();
            let survived = std::panic::catch_unwind(|| target(&bytes));
            assert!(survived.is_ok(), "{} fails: {}", name, path.display());
            count += 1;
        }
        assert!(count > 0, "{} is empty", directory.display());
    }
}
