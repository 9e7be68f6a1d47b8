//! The example in every format that boots a machine.

use std::time::Duration;

use anyhow::Result;

use super::Workshop;
use super::build::milliseconds;
use super::measure::{Work, interleaved, median};
use super::report::{Quantity, Row};
use crate::ironkit::timed;

/// All formats that hold a system, in as many builds as they need: those that write a file of the same name are in two.
pub(super) const BUILDS: [&str; 3] = [
    "kernel+initrd,tar-kernel-initrd,kernel+squashfs,kernel+erofs,kernel+iso,iso-efi,iso-efi-initrd,iso,raw-bios,raw-efi,raw,\
     qcow2-bios,qcow2-efi,aws,gcp,azure,vhd,vhdx,vmdk,ova,uki,netboot,oci",
    "iso-bios,dynamic-vhd",
    "tar",
];
/// What all of them may take together.
const TOGETHER: u64 = 5000;
/// What one may take when nothing changed, beyond kernel and initrd.
const BEYOND: u64 = 250;
/// Making everything anew takes some seconds.
const RUNS: usize = 3;

/// All formats in one run, with nothing derived and with nothing changed; then each by itself, beside kernel and initrd.
pub fn formats(shop: &Workshop) -> Result<Vec<Row>> {
    let measured = measure(shop);
    shop.ironkit.forget_derived()?;
    shop.forget_outputs("every")?;
    measured
}

fn measure(shop: &Workshop) -> Result<Vec<Row>> {
    let anew: Work = Box::new(|| {
        shop.ironkit.forget_derived()?;
        together(shop)
    });
    let [anew] = interleaved(shop.runs.min(RUNS), [anew])?;
    let [warm] = interleaved(shop.runs, [Box::new(|| together(shop)) as Work])?;
    let mut rows = vec![
        Row::new("all formats, nothing derived", anew).limit(milliseconds(TOGETHER)),
        Row::new("all formats, nothing changed", warm).limit(milliseconds(TOGETHER)),
    ];
    rows.extend(each(shop)?);
    Ok(rows)
}

fn together(shop: &Workshop) -> Result<Duration> {
    let builds = BUILDS.iter().enumerate();
    builds.map(|(number, formats)| build(shop, number, formats)).sum()
}

/// Each format when nothing changed, in turns.
fn each(shop: &Workshop) -> Result<Vec<Row>> {
    let builds = BUILDS.iter().enumerate();
    let formats: Vec<(usize, &str)> = builds
        .flat_map(|(number, formats)| formats.split(',').map(move |format| (number, format)))
        .collect();
    let mut times = vec![Vec::new(); formats.len()];
    for _ in 0..shop.runs {
        for (&(number, format), times) in formats.iter().zip(&mut times) {
            times.push(build(shop, number, format)?);
        }
    }
    let mut medians = formats.into_iter().zip(times.into_iter().map(median));
    let Some(((_, first), initrd)) = medians.next() else {
        return Ok(Vec::new());
    };
    let limit = Quantity::Time(initrd + Duration::from_millis(BEYOND));
    let row = |((_, format), time)| {
        let row = Row::new(format!("{format}, nothing changed"), Quantity::Time(time));
        row.against(first, Quantity::Time(initrd)).limit(limit)
    };
    Ok(medians.map(row).collect())
}

/// Builds with a name of its own, so that no build writes over what another one wrote.
fn build(shop: &Workshop, number: usize, formats: &str) -> Result<Duration> {
    let mut command = shop.build_command(&format!("every-{number}"), &[&shop.ironkit.minimal()]);
    timed(command.args(["--format", formats])).map(|(_, elapsed)| elapsed)
}
