//! How long `ironkit build` takes.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};

use super::Workshop;
use super::measure::{Work, interleaved};
use super::report::{Quantity, Row};
use crate::ironkit::timed;

const COPY: &str = "cp of the outputs";
/// What a build with an SBOM may take, in builds without.
const SBOM_TIMES: f64 = 1.5;

/// Nothing changed.
pub fn warm(shop: &Workshop) -> Result<Vec<Row>> {
    let build: Work = Box::new(|| shop.build("minimal", &[&shop.ironkit.minimal()]));
    let [built, copied] = interleaved(shop.runs, [build, shop.copy("minimal")])?;
    let row = Row::new("build, nothing changed", built);
    Ok(vec![row.against(COPY, copied).limit(milliseconds(60))])
}

/// One file of the manifest's `files` changed.
pub fn changed(shop: &Workshop) -> Result<Vec<Row>> {
    let manifest = shop.write(
        "changed.yml",
        "files:\n  - path: etc/changed\n    source: changed.txt\n",
    )?;
    let mut count = 0;
    let build: Work = Box::new(move || {
        count += 1;
        shop.write("changed.txt", &format!("{count}\n"))?;
        shop.build("changed", &[&shop.ironkit.minimal(), &manifest])
    });
    let [built, copied] = interleaved(shop.runs, [build, shop.copy("changed")])?;
    let row = Row::new("build, one file changed", built);
    Ok(vec![row.against(COPY, copied).limit(milliseconds(100))])
}

/// One component changed: a file that its recipe names is new in every run, so that its image has to be made too.
pub fn component(shop: &Workshop) -> Result<Vec<Row>> {
    let folder = shop.ironkit.directory.join("component");
    std::fs::create_dir_all(&folder)?;
    let recipe = "image: component\norg: bench\ncontents:\n  - file: page\n    path: /page\nconfig:\n  command: [\"/page\"]\n";
    shop.write("component/build.yml", recipe)?;
    let text = "services:\n  - name: component\n    image: \"@pkg:component\"\n";
    let manifest = shop.write("component.yml", text)?;
    let mut count = 0;
    let build: Work = Box::new(|| {
        count += 1;
        shop.write("component/page", &format!("{count} of {}\n", std::process::id()))?;
        shop.build("component", &[&shop.ironkit.minimal(), &manifest])
    });
    let [built, copied] = interleaved(shop.runs, [build, shop.copy("component")])?;
    // Each run made an image.
    let images = shop.ironkit.run(["cache", "ls"])?;
    for name in images
        .split_whitespace()
        .filter(|word| word.contains("bench/component:"))
    {
        shop.ironkit.run(["cache", "rm", name])?;
    }
    let row = Row::new("build, one component changed", built);
    Ok(vec![row.against(COPY, copied).limit(milliseconds(200))])
}

/// What the list of packages costs when nothing changed.
pub fn sbom(shop: &Workshop) -> Result<Vec<Row>> {
    let minimal = shop.ironkit.minimal();
    let with: Work = Box::new(|| shop.build("minimal", &[&minimal]));
    let without: Work = Box::new(|| {
        let mut command = shop.build_command("without", &[&minimal]);
        timed(command.arg("--no-sbom")).map(|(_, elapsed)| elapsed)
    });
    let [with, without] = interleaved(shop.runs, [with, without])?;
    let row = Row::new("build with an SBOM, nothing changed", with);
    Ok(vec![row.against("without", without).times(SBOM_TIMES)])
}

/// All components in the store, nothing derived from them.
pub fn cold(shop: &Workshop) -> Result<Vec<Row>> {
    let build = || shop.build("minimal", &[&shop.ironkit.minimal()]);
    let cold: Work = Box::new(|| {
        shop.ironkit.forget_derived()?;
        build()
    });
    let [cold, warm] = interleaved(shop.runs, [cold, Box::new(build)])?;
    let row = Row::new("build, nothing derived", cold);
    Ok(vec![row.against("warm build", warm)])
}

impl Workshop {
    /// Builds these manifests and says how long that took.
    pub(super) fn build(&self, name: &str, manifests: &[&Path]) -> Result<Duration> {
        let mut command = self.build_command(name, manifests);
        timed(&mut command).map(|(_, elapsed)| elapsed)
    }

    /// The command that builds these manifests.
    pub(super) fn build_command(&self, name: &str, manifests: &[&Path]) -> Command {
        let mut command = self.ironkit.command(["build", "--name", name]);
        command.args(manifests);
        command
    }

    /// Writes a file to the folder of the benchmarks.
    pub(super) fn write(&self, name: &str, text: &str) -> Result<std::path::PathBuf> {
        let path = self.ironkit.directory.join(name);
        std::fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
        Ok(path)
    }

    /// Removes what builds with this name wrote.
    pub(super) fn forget_outputs(&self, name: &str) -> Result<()> {
        for file in std::fs::read_dir(&self.ironkit.directory)? {
            let file = file?;
            let is_output = file
                .file_name()
                .to_string_lossy()
                .strip_prefix(name)
                .is_some_and(|rest| rest.starts_with(['-', '.']));
            if is_output {
                std::fs::remove_file(file.path())?;
            }
        }
        Ok(())
    }

    /// Copies the outputs of a build: what the same bytes cost without any thought.
    fn copy<'a>(&'a self, name: &'a str) -> Work<'a> {
        Box::new(move || {
            let copies = self.ironkit.directory.join("copies");
            std::fs::create_dir_all(&copies)?;
            let mut command = Command::new("cp");
            command.args(["kernel", "initrd.img", "cmdline"].map(|suffix| format!("{name}-{suffix}")));
            command.arg(copies).current_dir(&self.ironkit.directory);
            timed(&mut command).map(|(_, elapsed)| elapsed)
        })
    }
}

/// A time.
pub(super) fn milliseconds(number: u64) -> Quantity {
    Quantity::Time(Duration::from_millis(number))
}
