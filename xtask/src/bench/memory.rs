//! How much memory `ironkit build` has in use, at most.

use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};

use super::Workshop;
use super::formats::BUILDS;
use super::images::Noise;
use super::measure::peak_memory;
use super::report::{Quantity, Row};

/// The most that a build should need, whatever it builds.
const LIMIT: Quantity = Quantity::Memory(64 << 20);
/// The component of the large image: files, and bytes in each of them.
const FILES: u64 = 16;
const FILE_BYTES: u64 = (1 << 30) / FILES;

/// The example, with and without derived data.
pub fn minimal(shop: &Workshop) -> Result<Vec<Row>> {
    let minimal = shop.ironkit.minimal();
    shop.ironkit.forget_derived()?;
    cold_and_warm("minimal", &shop.build_command("minimal", &[&minimal]))
}

/// The example and a component of 1 GiB. It takes 4 GB on disk and a minute or two; the component is removed in the end.
pub fn large(shop: &Workshop) -> Result<Vec<Row>> {
    let folder = shop.ironkit.directory.join("large");
    let measured = measure_large(shop, &folder);
    if folder.exists() {
        std::fs::remove_dir_all(&folder)?;
    }
    shop.forget_outputs("largest")?;
    measured
}

fn measure_large(shop: &Workshop, folder: &Path) -> Result<Vec<Row>> {
    make_component(folder).with_context(|| format!("cannot fill {}", folder.display()))?;
    let made = peak_memory(&shop.ironkit.command(["pkg", "build", "--force", "large"]))?;
    let reference = shop.ironkit.run(["pkg", "show-tag", "--canonical", "large"])?;
    let built = build_large(shop, reference.trim());
    shop.ironkit.run(["cache", "rm", reference.trim()])?;
    shop.ironkit.forget_derived()?;
    let mut rows = vec![Row::new("1 GiB, making the component", made).limit(LIMIT)];
    rows.extend(built?);
    Ok(rows)
}

/// Builds with the component, named as an image in the store and as a folder with a recipe, whose files have to be compared
/// with the image.
fn build_large(shop: &Workshop, reference: &str) -> Result<Vec<Row>> {
    let minimal = shop.ironkit.minimal();
    let manifest = |image: &str| {
        let text = format!("services:\n  - name: large\n    image: \"{image}\"\n");
        shop.write("large.yml", &text)
    };
    shop.ironkit.forget_derived()?;
    let image = manifest(reference)?;
    let mut rows = cold_and_warm("1 GiB", &shop.build_command("largest", &[&minimal, &image]))?;
    // In every other format: what they share is derived already, what is its own is made.
    let formats = BUILDS.iter().flat_map(|formats| formats.split(',')).skip(1);
    let mut others: Vec<Vec<&str>> = formats.map(|format| vec![format]).collect();
    others.extend(["squashfs", "erofs"].map(|root| vec!["raw", "--root", root]));
    for other in others {
        let mut build = shop.build_command("largest", &[&minimal, &image]);
        build.args(["--size", "4G", "--format"]).args(&other);
        let peak = peak_memory(&build)?;
        rows.push(Row::new(format!("1 GiB as {}", other.join(" ")), peak).limit(LIMIT));
        shop.forget_outputs("largest")?;
    }
    let recipe = manifest("@pkg:large")?;
    let warm = peak_memory(&shop.build_command("largest", &[&minimal, &recipe]))?;
    rows.push(Row::new("1 GiB by recipe, warm", warm).limit(LIMIT));
    Ok(rows)
}

fn cold_and_warm(what: &str, command: &Command) -> Result<Vec<Row>> {
    let cold = peak_memory(command)?;
    let warm = peak_memory(command)?;
    // What any program has: a reference that takes next to nothing itself.
    let nothing = peak_memory(&Command::new("true"))?;
    let row = |state, measured| {
        let row = Row::new(format!("{what}, {state}"), measured);
        row.against("true", nothing).limit(LIMIT)
    };
    Ok(vec![row("cold", cold), row("warm", warm)])
}

/// A component whose files compress to half their size, and are the same each time.
fn make_component(folder: &Path) -> Result<()> {
    std::fs::create_dir_all(folder)?;
    let mut recipe = "image: large\norg: bench\ncontents:\n".to_owned();
    for index in 0..FILES {
        let name = format!("file{index}");
        recipe.push_str(&format!("  - file: {name}\n    path: /{name}\n"));
        let mut file = File::create(folder.join(name))?;
        std::io::copy(&mut Noise::new(index).take(FILE_BYTES), &mut file)?;
    }
    recipe.push_str("config:\n  command: [\"/file0\"]\n");
    std::fs::write(folder.join("build.yml"), recipe)?;
    Ok(())
}
