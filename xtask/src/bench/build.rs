//! How long `ironkit build` takes.

use std::fmt::Write;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};

use super::Workshop;
use super::measure::{Work, interleaved};
use super::report::{Quantity, Row};
use crate::ironkit::timed;

const COPY: &str = "cp of the outputs";

/// Nothing changed.
pub fn warm(shop: &Workshop) -> Result<Vec<Row>> {
    let build: Work = Box::new(|| shop.build("minimal", &[&shop.ironkit.minimal()]));
    let [built, copied] = interleaved(shop.runs, [build, shop.copy("minimal")])?;
    let row = Row::new("build, nothing changed", built);
    Ok(vec![row.against(COPY, copied).target(milliseconds(60))])
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
    Ok(vec![row.against(COPY, copied).target(milliseconds(100))])
}

/// The same web server many times over, the environment of every one of them changed.
pub fn services(shop: &Workshop) -> Result<Vec<Row>> {
    let work = |number: usize| -> Work {
        let mut count = 0;
        Box::new(move || {
            count += 1;
            let name = format!("services-{number}");
            let manifest = shop.write(&format!("{name}.yml"), &many_services(shop, number, count)?)?;
            shop.build(&name, &[&manifest])
        })
    };
    let [one, ten, hundred] = interleaved(shop.runs, [work(1), work(10), work(100)])?;
    Ok(vec![
        Row::new("build, 1 service changed", one),
        Row::new("build, 10 services changed", ten).against("1 service", one),
        Row::new("build, 100 services changed", hundred).against("1 service", one),
    ])
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

/// A manifest with so many services; `round` changes each of them.
fn many_services(shop: &Workshop, number: usize, round: usize) -> Result<String> {
    let folder = |name| {
        shop.ironkit
            .root
            .join("components")
            .join(name)
            .display()
            .to_string()
    };
    let mut text = format!(
        "kernel:\n  image: \"@pkg:{}\"\n  cmdline: console=ttyS0\ninit:\n  - \"@pkg:{}\"\nservices:\n",
        folder("kernel"),
        folder("init")
    );
    let image = folder("nginx");
    for service in 0..number {
        write!(
            text,
            "  - name: nginx-{service}\n    image: \"@pkg:{image}\"\n    env: [\"ROUND={round}\"]\n"
        )?;
    }
    Ok(text)
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

fn milliseconds(number: u64) -> Quantity {
    Quantity::Time(Duration::from_millis(number))
}
