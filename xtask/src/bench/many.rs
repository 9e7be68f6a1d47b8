//! How builds grow with the number of services.

use std::fmt::Write;
use std::time::Duration;

use anyhow::Result;

use super::Workshop;
use super::build::milliseconds;
use super::images::{self, Layer};
use super::measure::{Work, interleaved};
use super::report::Row;

/// Different images; services take turns with them.
const IMAGES: usize = 10;
/// Builds of which nothing is derived take seconds.
const COLD_RUNS: usize = 3;

/// 1, 10 and 100 services beside the example, with ten images of three layers each: nothing changed, the environment of
/// all of them changed, and nothing derived.
pub fn services(shop: &Workshop) -> Result<Vec<Row>> {
    let images = (0..IMAGES).map(|number| (name(number), layers(number as u64)));
    shop.import("services", &images.collect::<Vec<_>>())?;
    let measured = measure(shop);
    for number in 0..IMAGES {
        shop.ironkit.run(["cache", "rm", &name(number)])?;
    }
    measured
}

fn measure(shop: &Workshop) -> Result<Vec<Row>> {
    let warm = |number| -> Work { Box::new(move || build(shop, number, 0)) };
    let changed = |number| -> Work {
        let mut round = 0;
        Box::new(move || {
            round += 1;
            build(shop, number, round)
        })
    };
    let cold = |number| -> Work {
        Box::new(move || {
            shop.ironkit.forget_derived()?;
            build(shop, number, 0)
        })
    };
    let mut rows = Vec::new();
    let [one, ten, hundred] = interleaved(shop.runs, [warm(1), warm(10), warm(100)])?;
    rows.push(Row::new("1 service, nothing changed", one).limit(milliseconds(60)));
    rows.push(Row::new("10 services, nothing changed", ten).against("1 service", one));
    let row = Row::new("100 services, nothing changed", hundred).against("1 service", one);
    rows.push(row.limit(milliseconds(200)));
    let [one, ten, hundred] = interleaved(shop.runs, [changed(1), changed(10), changed(100)])?;
    rows.push(Row::new("1 service changed", one).limit(milliseconds(100)));
    rows.push(Row::new("10 services changed", ten).against("1 service", one));
    rows.push(Row::new("100 services changed", hundred).against("1 service", one));
    let [one, ten, hundred] = interleaved(shop.runs.min(COLD_RUNS), [cold(1), cold(10), cold(100)])?;
    rows.push(Row::new("1 service, nothing derived", one));
    rows.push(Row::new("10 services, nothing derived", ten).against("1 service", one));
    rows.push(Row::new("100 services, nothing derived", hundred).against("1 service", one));
    Ok(rows)
}

/// Builds the example with so many services more; `round` is in the environment of each.
fn build(shop: &Workshop, number: usize, round: usize) -> Result<Duration> {
    let mut text = "services:\n".to_owned();
    for service in 0..number {
        let image = name(service % IMAGES);
        writeln!(
            text,
            "  - name: service-{service}\n    image: {image}\n    env: [\"ROUND={round}\"]"
        )?;
    }
    let output = format!("services-{number}");
    let manifest = shop.write(&format!("{output}.yml"), &text)?;
    shop.build(&output, &[&shop.ironkit.minimal(), &manifest])
}

fn name(number: usize) -> String {
    format!("bench.example/service-{number}:1")
}

/// Two layers that all images share, and one of its own: 128 KiB.
fn layers(number: u64) -> Vec<Layer> {
    let layer = |seed, files, bytes| Layer { seed, files, bytes };
    vec![
        layer(100, 20, 4096),
        layer(101, 4, 8192),
        layer(102 + number, 4, 4096),
    ]
}

impl Workshop {
    /// Makes images and puts them into the store.
    pub(super) fn import(&self, name: &str, made: &[(String, Vec<Layer>)]) -> Result<()> {
        let layout = self.ironkit.directory.join(name);
        images::make_layout(&layout, made)?;
        let archive = format!("{name}.layout.tar");
        let mut tar = std::process::Command::new("tar");
        tar.args(["-cf", &archive, "-C", name, "."]);
        crate::ironkit::timed(tar.current_dir(&self.ironkit.directory))?;
        self.ironkit.run(["cache", "import", &archive])?;
        std::fs::remove_file(self.ironkit.directory.join(archive))?;
        Ok(std::fs::remove_dir_all(layout)?)
    }
}
