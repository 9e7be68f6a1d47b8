//! `ironkit size`: what takes the space of an image.

use std::fs;

use ironkit_tests::layout::{DIRECTORY, FILE, HARD_LINK, Layout, entry, tar};
use ironkit_tests::{Sandbox, judge, run, succeed};

/// A sandbox with a manifest `m.yml` of an init image, in which a program has two names, and a service.
fn prepared() -> Sandbox {
    let sandbox = Sandbox::new();
    let mut layout = Layout::new(&sandbox.path("layout"));
    let program = "x".repeat(5000);
    let init = tar(&[
        entry(DIRECTORY, "bin", ""),
        entry(FILE, "bin/<busybox>", &program),
        entry(HARD_LINK, "bin/ls", "bin/<busybox>"),
    ]);
    let web = tar(&[entry(FILE, "www", &"w".repeat(3000))]);
    for (name, layer) in [("init", init), ("web", web)] {
        layout.name(
            layout.image("amd64", &[layer]),
            &format!("docker.io/tests/{name}:1"),
        );
    }
    sandbox.write("images.tar", layout.archive());
    succeed(&mut sandbox.ironkit(["cache", "import", "images.tar"]));
    sandbox.write(
        "m.yml",
        "init: [tests/init:1]\nservices: [{name: web, image: \"tests/web:1\"}]\n",
    );
    sandbox
}

#[test]
fn components_and_files_are_added_up() {
    let sandbox = prepared();
    succeed(&mut sandbox.ironkit(["build", "--no-sbom", "--arch", "amd64", "-f", "tar", "m.yml"]));
    succeed(&mut sandbox.ironkit(["build", "--no-sbom", "--arch", "amd64", "m.yml"]));
    for image in ["m.yml", "m.tar", "m-initrd.img"] {
        let text = succeed(&mut sandbox.ironkit(["size", "--json", "--arch", "amd64", image]));
        let sizes: serde_json::Value = serde_json::from_str(&text).unwrap();
        let components = sizes["components"].as_array().unwrap();
        let size = |name: &str| {
            let found = components.iter().find(|component| component["name"] == name);
            found.unwrap_or_else(|| panic!("no {name}: {text}"))["size"]
                .as_u64()
                .unwrap()
        };
        let init = if image == "m-initrd.img" {
            "root file system"
        } else {
            "init tests/init"
        };
        let taken = size(init);
        assert!(
            (5000..10_000).contains(&taken),
            "a file with two names counts once: {text}"
        );
        let web = size("service web");
        assert!(
            (3000..20_000).contains(&web),
            "the files and the two documents: {text}"
        );
        assert!(sizes["total"].as_u64().unwrap() >= 8000);
    }
    let text = succeed(&mut sandbox.ironkit(["size", "--files", "1", "--arch", "amd64", "m.yml"]));
    assert!(
        text.contains("bin/<busybox>") && !text.contains("rootfs/www"),
        "{text}"
    );
}

#[test]
fn the_map_is_a_picture_that_other_tools_read() {
    let sandbox = prepared();
    let draw = [
        "size", "--arch", "amd64", "--html", "map.html", "--svg", "map.svg", "m.yml",
    ];
    succeed(&mut sandbox.ironkit(draw));
    let page = fs::read_to_string(sandbox.path("map.html")).unwrap();
    assert!(
        page.contains("<svg") && page.contains("bin/&lt;busybox&gt;"),
        "{page}"
    );
    let Some(python) = judge("python3") else { return };
    let parse =
        "import sys, xml.dom.minidom as d; print(len(d.parse(sys.argv[1]).getElementsByTagName('rect')))";
    let mut command = std::process::Command::new(python);
    let rectangles = succeed(command.args(["-c", parse]).arg(sandbox.path("map.svg")));
    assert!(rectangles.trim().parse::<u32>().unwrap() >= 4, "{rectangles}");
}

#[test]
fn what_has_no_files_is_an_error() {
    let sandbox = prepared();
    sandbox.write("junk", [1, 2, 3, 0]);
    let output = run(&mut sandbox.ironkit(["size", "junk"]));
    assert_eq!(output.code, Some(1));
}
