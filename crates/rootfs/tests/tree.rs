//! From a manifest and images in a store to the tree, shown in its text form.

use std::path::Path;

use ironkit_formats::archive::tar;
use ironkit_manifest::{Manifest, SourceFile};
use ironkit_oci::document::{Descriptor, media};
use ironkit_oci::{Digest, LayoutLookup, Platform, Reference, Store};
use ironkit_rootfs::{Contents, Host, Images, Layouts, Options, assemble};
use ironkit_tree::{Files, Inline, Tree, resolve};

/// Puts an image into the store whose layers are these file sets in their text form.
fn image(store: &Store, name: &str, label: &str, layers: &[&str]) {
    let put = |bytes: &[u8]| store.write_blob(None, &mut &*bytes).unwrap();
    let layers: Vec<(Digest, u64)> = layers
        .iter()
        .map(|text| {
            let mut archive = Vec::new();
            tar::write_fileset(&text.parse().unwrap(), &Inline, &mut archive).unwrap();
            put(&archive)
        })
        .collect();
    let diff_ids: Vec<String> = layers.iter().map(|(digest, _)| digest.to_string()).collect();
    let config = serde_json::json!({
        "os": "linux", "architecture": "amd64",
        "config": {"Entrypoint": ["/bin/app"], "Labels": {"org.mobyproject.config": label}},
        "rootfs": {"type": "layers", "diff_ids": diff_ids},
    });
    let (config, size) = put(config.to_string().as_bytes());
    let layer = |(digest, size): &(Digest, u64)| Descriptor::new(media::LAYER, *digest, *size);
    let manifest = serde_json::json!({
        "schemaVersion": 2,
        "mediaType": media::MANIFEST,
        "config": Descriptor::new(media::CONFIG, config, size),
        "layers": layers.iter().map(layer).collect::<Vec<_>>(),
    });
    let (digest, size) = put(manifest.to_string().as_bytes());
    store
        .add_image(
            &name.parse().unwrap(),
            Descriptor::new(media::MANIFEST, digest, size),
        )
        .unwrap();
}

/// The tree of a manifest: each part with its place and entries, without what every container has.
fn dump(store: &Store, directory: &Path, text: &str) -> Result<String, ironkit_rootfs::Error> {
    with_tree(store, directory, text, &show)
}

type Look<'a> = &'a dyn Fn(&Tree, &Contents) -> Result<String, ironkit_rootfs::Error>;

/// What `look` says of the tree of a manifest.
fn with_tree(
    store: &Store,
    directory: &Path,
    text: &str,
    look: Look,
) -> Result<String, ironkit_rootfs::Error> {
    let source = SourceFile {
        name: "test.yml".into(),
        text: text.into(),
        directory: None,
    };
    let (manifest, _): (Manifest, _) =
        ironkit_manifest::parse(&[source], &|_, _| Err(String::new())).unwrap();
    let platform = Platform::linux("amd64");
    let find = |name: &str| {
        store
            .find(&name.parse::<Reference>().unwrap(), &platform)
            .unwrap()
            .unwrap()
    };
    let images: Images = ironkit_rootfs::references(&manifest)
        .iter()
        .map(|name| (name.value.clone(), find(name)))
        .collect();
    let layouts: Layouts = ironkit_rootfs::layouts(&manifest)
        .unwrap()
        .into_iter()
        .map(|wanted| {
            let reference = wanted.image.parse::<Reference>().unwrap();
            match store.layout(&reference, &wanted.platforms).unwrap() {
                LayoutLookup::Found(layout) => (wanted.volume.to_owned(), *layout),
                other => panic!("{}: {other:?}", wanted.volume),
            }
        })
        .collect();
    let options = Options {
        host: Host {
            working_directory: directory.into(),
            home: directory.into(),
        },
        decompress_kernel: false,
    };
    let mut contents = Contents::new(store);
    let tree = assemble(&manifest, &images, &layouts, &options, &mut contents)?;
    look(&tree, &contents)
}

fn show(tree: &Tree, contents: &Contents) -> Result<String, ironkit_rootfs::Error> {
    let resolution = resolve(tree, contents).unwrap();
    let mut shown = String::new();
    if let Some(kernel) = &tree.kernel {
        shown += &format!("kernel of {} bytes, `{}`\n", kernel.image.size(), kernel.cmdline);
    }
    for (part, edits) in tree.parts.iter().zip(&resolution.edits) {
        let stored = if matches!(part.files, Files::Stored { .. }) {
            ""
        } else {
            " listed"
        };
        shown += &format!("{} {} from {}{stored}\n", part.location, part.name, part.source);
        for (path, _, node) in edits.apply(part.files.load(contents).unwrap()).iter() {
            let kind = if node.is_directory() { "/" } else { "" };
            shown += &format!("  {:04o} {}:{} {path}{kind}\n", node.mode, node.uid, node.gid);
        }
    }
    for lost in &resolution.overrides {
        shown += &format!(
            "lost: {} of part {} to part {}\n",
            lost.path, lost.loser, lost.winner
        );
    }
    Ok(shown)
}

#[test]
fn a_manifest_becomes_a_tree() {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::open(&directory.path().join("store")).unwrap();
    image(
        &store,
        "docker.io/library/kernel:1",
        "{}",
        &["f 0644 0:0 0 kernel =vmlinuz\n"],
    );
    image(
        &store,
        "docker.io/library/init:1",
        "{}",
        &["d 0711 0:0 0 etc\nf 0644 0:0 0 etc/os-release =a\nf 0755 0:0 0 init =elf\n"],
    );
    let layers = [
        "d 0755 7:7 0 data\nf 0644 7:7 0 data/old =1\nf 0755 0:0 0 bin/app =2\n",
        "d 0755 7:7 0 data\nf 0644 0:0 0 data/.wh.old =\nf 0644 7:7 0 data/new =3\n",
    ];
    image(
        &store,
        "docker.io/library/app:1",
        r#"{"readonly": true}"#,
        &layers,
    );
    let text = "\
kernel: {image: 'kernel:1', tar: none, cmdline: console=ttyS0}
init: ['init:1']
onboot:
  - {name: first, image: 'app:1'}
services:
  - {name: again, image: 'app:1'}
files:
  - {path: etc/os-release, contents: mine, mode: '0600'}
";
    let shown = dump(&store, directory.path(), text).unwrap();
    insta::assert_snapshot!(shown, @r"
    kernel of 7 bytes, `console=ttyS0`
    kernel kernel from docker.io/library/kernel:1 listed
      0755 0:0 boot/
      0644 0:0 boot/cmdline
      0644 0:0 boot/kernel
    init[0] library/init from docker.io/library/init:1
      0755 0:0 dev/
      0755 0:0 dev/pts/
      0755 0:0 dev/shm/
      0711 0:0 etc/
      0644 0:0 etc/hosts
      0755 0:0 etc/mtab
      0644 0:0 etc/resolv.conf
      0755 0:0 init
      0755 0:0 proc/
      0755 0:0 sys/
    onboot[0] first from docker.io/library/app:1
      0755 0:0 containers/
      0755 0:0 containers/onboot/
      0755 0:0 containers/onboot/000-first/
      0755 0:0 containers/onboot/000-first/rootfs/
      0755 0:0 containers/onboot/000-first/rootfs/bin/
      0755 0:0 containers/onboot/000-first/rootfs/bin/app
      0755 7:7 containers/onboot/000-first/rootfs/data/
      0644 7:7 containers/onboot/000-first/rootfs/data/new
      0755 0:0 containers/onboot/000-first/rootfs/dev/
      0755 0:0 containers/onboot/000-first/rootfs/dev/pts/
      0755 0:0 containers/onboot/000-first/rootfs/dev/shm/
      0755 0:0 containers/onboot/000-first/rootfs/etc/
      0644 0:0 containers/onboot/000-first/rootfs/etc/hosts
      0755 0:0 containers/onboot/000-first/rootfs/etc/mtab
      0644 0:0 containers/onboot/000-first/rootfs/etc/resolv.conf
      0755 0:0 containers/onboot/000-first/rootfs/proc/
      0755 0:0 containers/onboot/000-first/rootfs/sys/
    onboot[0] first from docker.io/library/app:1 listed
      0644 0:0 containers/onboot/000-first/config.json
      0644 0:0 containers/onboot/000-first/runtime.json
    services[0] again from docker.io/library/app:1 listed
      0755 0:0 containers/services/
      0755 0:0 containers/services/again/
      0644 0:0 containers/services/again/config.json
      0755 0:0 containers/services/again/rootfs/
      0644 0:0 containers/services/again/runtime.json
    files[0] files from linuxkit.files listed
      0600 0:0 etc/os-release
    lost: etc/os-release of part 1 to part 5
    ");
}

#[test]
fn the_apk_databases_of_init_images_are_joined() {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::open(&directory.path().join("store")).unwrap();
    for (name, layer) in [
        ("a", "f 0600 7:7 9 lib/apk/db/installed =A\n"),
        ("none", "f 0600 7:7 9 x =A\n"),
        ("b", "f 0644 0:0 0 lib/apk/db/installed =B\\x0a\n"),
    ] {
        let name = format!("docker.io/library/{name}:1");
        image(&store, &name, "", &[layer]);
    }
    for (init, expect) in [
        ("'a:1'", None),
        ("'a:1', 'none:1'", None),
        ("'a:1', 'none:1', 'b:1'", Some("A\n\nB\n\n\n")),
        ("'b:1', 'a:1'", Some("B\n\n\nA\n\n")),
        ("'b:1', 'b:1'", Some("B\n\n\nB\n\n\n")),
    ] {
        let joined = |store: &Store| {
            with_tree(
                store,
                directory.path(),
                &format!("init: [{init}]"),
                &|tree, contents| {
                    let Some(part) = tree.parts.iter().find(|part| part.location == "init") else {
                        return Ok(String::new());
                    };
                    assert_eq!(part.source, "LINUXKIT.apkinit");
                    let files = part.files.load(contents).unwrap();
                    let path = ironkit_tree::Path::parse("lib/apk/db/installed").unwrap();
                    let node = files.get(&path).unwrap();
                    assert_eq!((node.mode, node.uid, node.mtime), (0o644, 0, 0));
                    let ironkit_tree::Kind::File(content) = &node.kind else {
                        panic!("no file");
                    };
                    Ok(String::from_utf8(content.read(contents).unwrap()).unwrap())
                },
            )
            .unwrap()
        };
        let again = [joined(&store), joined(&store)];
        assert_eq!(again, [expect.unwrap_or_default(); 2], "{init}");
        // Derived data may go at any time.
        std::fs::remove_dir_all(store.root().join("derived/layers")).ok();
        assert_eq!(joined(&store), expect.unwrap_or_default(), "{init}");
    }
}

/// The same image for each of these architectures, below one name. Its descriptor's digest is that of the index.
fn images_of_platforms(store: &Store, name: &str, architectures: &[&str]) -> Digest {
    let put = |bytes: &[u8]| store.write_blob(None, &mut &*bytes).unwrap();
    let manifests: Vec<Descriptor> = architectures
        .iter()
        .map(|architecture| {
            let part = format!("{name}-{architecture}");
            image(store, &part, architecture, &["f 0644 0:0 0 a =1\n"]);
            let found = store
                .images()
                .unwrap()
                .into_iter()
                .find(|image| image.name == part)
                .unwrap();
            let size = store.blob_size(&found.digest).unwrap();
            let mut entry = Descriptor::new(media::MANIFEST, found.digest, size);
            entry.platform = Some(Platform::linux(architecture));
            entry
        })
        .collect();
    let index = serde_json::json!({"schemaVersion": 2, "mediaType": media::INDEX, "manifests": manifests});
    let (digest, size) = put(index.to_string().as_bytes());
    let root = Descriptor::new(media::INDEX, digest, size);
    store.add_image(&name.parse().unwrap(), root).unwrap();
    digest
}

#[test]
fn a_volume_holds_an_image_as_a_layout() {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::open(&directory.path().join("store")).unwrap();
    let name = "docker.io/library/data:1";
    let index = images_of_platforms(&store, name, &["amd64", "arm64"]);
    image(&store, "docker.io/library/single:1", "", &["f 0644 0:0 0 a =1\n"]);
    // Blobs of the layer, shared by all, and for each platform of manifest and configuration; and the index.
    for (volume, blobs) in [
        ("image: 'data:1'", 6),
        ("image: 'data:1', platforms: [linux/arm64]", 4),
        ("image: 'data:1', platforms: [linux/arm64, linux/x86_64]", 6),
        ("image: 'single:1'", 3),
        ("image: 'single:1', platforms: [linux/amd64]", 3),
    ] {
        let text = format!("volumes:\n  - {{name: v, format: oci, {volume}}}\n");
        let shown = dump(&store, directory.path(), &text).unwrap();
        let count = shown.matches("/lower/blobs/sha256/").count() - 1;
        assert_eq!(count, blobs, "{volume}:\n{shown}");
        for wanted in [
            "/lower/oci-layout\n",
            "/lower/index.json\n",
            "/tmp/\n",
            "/merged/\n",
        ] {
            assert!(shown.contains(wanted), "{wanted} is missing:\n{shown}");
        }
    }
    assert!(shown_index(&store, directory.path()).contains(&index.to_string()));

    let lacks = store
        .layout(&name.parse().unwrap(), &["linux/riscv64".parse().unwrap()])
        .unwrap();
    assert_eq!(
        lacks,
        LayoutLookup::NoPlatform {
            wanted: "linux/riscv64".parse().unwrap(),
            available: vec!["linux/amd64".into(), "linux/arm64".into()],
        }
    );
}

/// `index.json` of a volume of the image `data:1`.
fn shown_index(store: &Store, directory: &Path) -> String {
    let text = "volumes: [{name: v, image: 'data:1', format: oci}]";
    with_tree(store, directory, text, &|tree, contents| {
        let files = tree.parts[0].files.load(contents).unwrap();
        let path = ironkit_tree::Path::parse("containers/volumes/v/lower/index.json").unwrap();
        let Some(ironkit_tree::Kind::File(content)) = files.get(&path).map(|node| &node.kind) else {
            panic!("no index");
        };
        Ok(String::from_utf8(content.read(contents).unwrap()).unwrap())
    })
    .unwrap()
}
