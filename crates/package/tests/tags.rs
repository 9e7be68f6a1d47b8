//! Tags of LinuxKit's packages, in temporary git repositories. What is expected comes from git and coreutils themselves,
//! and once from LinuxKit.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use ironkit_package::{Error, Naming, load_as, reference};

/// A repository with a package at `pkgs/a`, another folder, and what happened to them.
struct Case {
    home: tempfile::TempDir,
}

const BUILD: &str = "org: golden\nimage: frompkg\n";
const DOCKERFILE: &str = "FROM scratch\nCOPY hello /hello\n";

impl Case {
    /// Everything committed.
    fn new(build: &str) -> Case {
        let case = Case {
            home: tempfile::tempdir().unwrap(),
        };
        case.shell("git init -q . && git config user.name T && git config user.email t@t.example");
        case.write("pkgs/a/build.yml", build);
        case.write("pkgs/a/Dockerfile", DOCKERFILE);
        case.write("pkgs/a/hello", "hello\n");
        case.write("common/lib.sh", "true\n");
        case.shell("git add . && git commit -qm one");
        case
    }

    fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        fs::create_dir_all(self.path(name).parent().unwrap()).unwrap();
        fs::write(self.path(name), text).unwrap();
    }

    /// What a shell prints, without the last newline.
    #[track_caller]
    fn shell(&self, script: &str) -> String {
        let output = Command::new("sh")
            .args(["-ec", script])
            .current_dir(self.home.path())
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("HOME", self.home.path())
            .env("GIT_AUTHOR_DATE", "@1 +0000")
            .env("GIT_COMMITTER_DATE", "@1 +0000")
            .output()
            .unwrap();
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{script}: {error}");
        String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
    }

    fn reference(&self, folder: &str, naming: &Naming) -> Result<String, Error> {
        let recipe = load_as(&self.path(folder), naming)?;
        Ok(reference(&recipe)?.to_string())
    }

    /// The tag of `pkgs/a`.
    #[track_caller]
    fn tag(&self, naming: &Naming) -> String {
        let reference = self.reference("pkgs/a", naming).unwrap();
        reference.rsplit_once(':').unwrap().1.to_owned()
    }
}

#[test]
fn the_tag_is_the_one_that_linuxkit_gave() {
    let case = Case::new(BUILD);
    assert_eq!(
        case.reference("pkgs/a", &Naming::default()).unwrap(),
        "docker.io/golden/frompkg:c89d266075103a8804d44f93b1b90d8ff0cacb96"
    );
}

/// What is done to a clean repository, and the tag then as a shell works it out.
const HAPPENED: &[(&str, &str)] = &[
    ("true", "git rev-parse HEAD:pkgs/a"),
    // Nothing that a commit would hold.
    ("touch -d @9 pkgs/a/hello", "git rev-parse HEAD:pkgs/a"),
    (
        "echo other > common/lib.sh; echo x > untracked",
        "git rev-parse HEAD:pkgs/a",
    ),
    (
        "echo a.o > .git/info/exclude; echo x > pkgs/a/a.o",
        "git rev-parse HEAD:pkgs/a",
    ),
    // Changed: contents of tracked files in git's order.
    (
        "echo changed > pkgs/a/hello",
        "echo $(git rev-parse HEAD:pkgs/a)-dirty-$(cd pkgs/a; cat Dockerfile build.yml hello | sha256sum | cut -c1-7)",
    ),
    // Staged is not committed.
    (
        "echo changed > pkgs/a/hello; git add .",
        "echo $(git rev-parse HEAD:pkgs/a)-dirty-$(cd pkgs/a; cat Dockerfile build.yml hello | sha256sum | cut -c1-7)",
    ),
    // Untracked files come last, whatever their names; ignored ones do not count.
    (
        "mkdir pkgs/a/B; echo new > pkgs/a/B/new; echo '*.o' > .gitignore; echo x > pkgs/a/a.o",
        "echo $(git rev-parse HEAD:pkgs/a)-dirty-$(cd pkgs/a; cat Dockerfile build.yml hello B/new | sha256sum | cut -c1-7)",
    ),
    (
        "printf n > 'pkgs/a/ä new\nline'",
        "echo $(git rev-parse HEAD:pkgs/a)-dirty-$(cd pkgs/a; (cat Dockerfile build.yml hello; printf n) | sha256sum | cut -c1-7)",
    ),
    // A removed file, and a link, have no contents.
    (
        "rm pkgs/a/hello; ln -s Dockerfile pkgs/a/link",
        "echo $(git rev-parse HEAD:pkgs/a)-dirty-$(cd pkgs/a; cat Dockerfile build.yml | sha256sum | cut -c1-7)",
    ),
    // A mode is a difference, but not a content.
    (
        "chmod +x pkgs/a/hello",
        "echo $(git rev-parse HEAD:pkgs/a)-dirty-$(cd pkgs/a; cat Dockerfile build.yml hello | sha256sum | cut -c1-7)",
    ),
    ("git checkout -q --detach", "git rev-parse HEAD:pkgs/a"),
    ("git commit -q --allow-empty -m two", "git rev-parse HEAD:pkgs/a"),
    // Settings of the repository that run programs, or that change what git prints.
    (
        "git config core.fsmonitor 'touch ../../ran'; git config diff.external false; git config core.quotePath true; \
         git config status.showUntrackedFiles no; git config core.pager false; git config diff.noprefix true",
        "test ! -e ran; git rev-parse HEAD:pkgs/a",
    ),
];

#[test]
fn the_tag_follows_git() {
    for (happened, expect) in HAPPENED {
        let case = Case::new(BUILD);
        case.shell(happened);
        let found = case.tag(&Naming::default());
        assert_eq!(found, case.shell(expect), "{happened}");
    }
}

#[test]
fn what_is_asked_for_beside_the_recipe() {
    let case = Case::new(BUILD);
    case.write("pkgs/a/hello", "two\n");
    case.shell("git commit -qam two");
    let asked = |change: &dyn Fn(&mut Naming)| {
        let mut naming = Naming::default();
        change(&mut naming);
        case.reference("pkgs/a", &naming).unwrap()
    };
    let head = case.shell("git rev-parse HEAD:pkgs/a");
    let image = "docker.io/golden/frompkg";
    let content = case.shell("cd pkgs/a; cat Dockerfile build.yml hello | sha256sum | cut -c1-7");
    for (found, expect) in [
        (
            asked(&|naming| naming.hash = Some("abc".into())),
            format!("{image}:abc"),
        ),
        (
            asked(&|naming| naming.commit = Some("HEAD~1".into())),
            format!("{image}:c89d266075103a8804d44f93b1b90d8ff0cacb96"),
        ),
        (
            asked(&|naming| naming.hash_path = Some(case.path("pkgs"))),
            format!("{image}:{}", case.shell("git rev-parse HEAD:pkgs")),
        ),
        (
            asked(&|naming| naming.hash_path = Some(case.path(""))),
            format!("{image}:{}", case.shell("git rev-parse 'HEAD^{tree}'")),
        ),
        (
            asked(&|naming| naming.force_dirty = true),
            format!("{image}:{head}-dirty-{content}"),
        ),
        (
            asked(&|naming| naming.tag = Some("v1-{{ .Hash }}".into())),
            format!("{image}:v1-{head}"),
        ),
        (
            asked(&|naming| naming.tag = Some("v2".into())),
            format!("{image}:v2"),
        ),
        (
            asked(&|naming| naming.org = Some("me".into())),
            format!("docker.io/me/frompkg:{head}"),
        ),
        (
            asked(&|naming| naming.org = Some("quay.example/me".into())),
            format!("quay.example/me/frompkg:{head}"),
        ),
    ] {
        assert_eq!(found, expect);
    }
    // An old commit has no working tree, so nothing is dirty.
    case.write("pkgs/a/hello", "three\n");
    let old = asked(&|naming| naming.commit = Some("HEAD~1".into()));
    assert!(!old.contains("dirty"), "{old}");
    // The folder above is dirty, the package is not: its contents are what counts.
    case.shell("git checkout -q . && echo x > pkgs/other");
    let above = asked(&|naming| naming.hash_path = Some(case.path("pkgs")));
    assert!(above.ends_with(&format!("-dirty-{content}")), "{above}");
}

#[test]
fn a_template_of_the_recipe() {
    let case = Case::new("image: b\ntag: \"v1-{{.Hash}}\"\n");
    let found = case.reference("pkgs/a", &Naming::default()).unwrap();
    let tree = case.shell("git rev-parse HEAD:pkgs/a");
    assert_eq!(found, format!("docker.io/linuxkit/b:v1-{tree}"));
}

#[test]
fn sources_from_elsewhere_are_in_the_hash() {
    let build = "image: b\nextra-sources: [\"../../common:/common\", \"../../common/lib.sh:/lib.sh\"]\n";
    let case = Case::new(build);
    let expect =
        "printf %s%s%s $(git rev-parse HEAD:pkgs/a HEAD:common HEAD:common/lib.sh) | sha1sum | cut -c1-40";
    assert_eq!(case.tag(&Naming::default()), case.shell(expect));
    // As in LinuxKit, they are not looked at for changes.
    case.write("common/lib.sh", "changed\n");
    assert_eq!(case.tag(&Naming::default()), case.shell(expect));
    case.shell("rm -r common && git commit -qam gone");
    let error = case.reference("pkgs/a", &Naming::default()).unwrap_err();
    assert!(error.to_string().contains("build.yml:2:17"), "{error}");
}

#[test]
fn a_package_at_the_top_of_its_repository() {
    let case = Case::new(BUILD);
    case.shell("cp -r pkgs/a top && cd top && git init -q . && git add . && git -c user.name=T -c user.email=t commit -qm x");
    let found = case.reference("top", &Naming::default()).unwrap();
    assert!(
        found.ends_with(":c89d266075103a8804d44f93b1b90d8ff0cacb96"),
        "{found}"
    );
}

#[test]
fn another_work_tree_and_a_link_lead_to_the_same() {
    let case = Case::new(BUILD);
    case.shell("git worktree add -q --detach work; ln -s pkgs link");
    let tree = case.shell("git rev-parse HEAD:pkgs/a");
    for folder in ["link/a", "work/pkgs/a"] {
        let found = case.reference(folder, &Naming::default()).unwrap();
        assert!(found.ends_with(&tree), "{folder}: {found}");
    }
}

#[test]
fn outside_of_git_the_tag_is_latest() {
    let home = tempfile::tempdir().unwrap();
    fs::write(home.path().join("build.yml"), BUILD).unwrap();
    fs::write(home.path().join("Dockerfile"), DOCKERFILE).unwrap();
    let tag = |naming: &Naming| {
        let recipe = load_as(home.path(), naming).unwrap();
        reference(&recipe).unwrap().tag().unwrap().to_owned()
    };
    assert_eq!(tag(&Naming::default()), "latest");
    let hash = Some("abc".to_owned());
    assert_eq!(
        tag(&Naming {
            hash,
            ..Naming::default()
        }),
        "abc"
    );
}

#[test]
fn what_has_no_tag() {
    let check = |prepare: &str, naming: &Naming, expect: &str| {
        let case = Case::new(BUILD);
        case.shell(prepare);
        let error = case.reference("pkgs/a", naming).expect_err(prepare);
        let mut text = error.to_string();
        if let Some(source) = std::error::Error::source(&error) {
            text = format!("{text}: {source}");
        }
        if let Error::Recipe(list) = &error {
            text = list.iter().map(ToString::to_string).collect();
        }
        assert!(text.contains(expect), "{prepare}: {text}");
        assert!(error.is_input(), "{error:?}");
    };
    let none = Naming::default();
    let at = |commit: &str| Naming {
        commit: Some(commit.to_owned()),
        ..Naming::default()
    };
    check(
        "git rm -rq --cached pkgs && git commit -qm x",
        &none,
        "pkgs/a has no tag: it is not in the commit HEAD",
    );
    check("rm -rf .git && git init -q .", &none, "git says: fatal: ");
    check("true", &at("nonsense"), "nonsense");
    check("true", &at("--output=x"), "`--output=x` is not a commit");
    check(
        "rm pkgs/a/Dockerfile",
        &none,
        "build.yml:1:1: error: there is no `Dockerfile`",
    );
    let elsewhere = Naming {
        hash_path: Some(Path::new("/usr").to_owned()),
        ..Naming::default()
    };
    check("true", &elsewhere, "it is not below the hash path /usr");
    check(
        "echo 'contents: []' >> pkgs/a/build.yml",
        &at("HEAD"),
        "whose hash is not git's",
    );
}
