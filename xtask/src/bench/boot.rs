//! How long the example takes to boot, emulated: the slowest way there is, and the same everywhere.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use super::Workshop;
use super::measure::median;
use super::report::{Quantity, Row};
use crate::machine::Machine;

/// More boots than this say little more and take long.
const BOOTS: usize = 3;
/// How long one may take.
const LIMIT: Duration = Duration::from_secs(180);
/// What PID 1 says first.
const WELCOME: &str = "Welcome to IronKit";
const LIMIT_SERVED: Quantity = Quantity::Time(Duration::from_secs(3));

/// One boot, as seen from outside and as the guest tells it.
struct Boot {
    /// From PID 1's first line to the page of the web server.
    served: Duration,
    /// From the kernel's start to PID 1.
    kernel: Duration,
    /// From PID 1 to the last service's start.
    services: Duration,
}

/// Boots with the memory that a small machine has, and with very little.
pub fn boot(shop: &Workshop) -> Result<Vec<Row>> {
    shop.build("minimal", &[&shop.ironkit.minimal()])?;
    let mut rows = Vec::new();
    for memory in ["512", "128"] {
        let boots = (0..shop.runs.min(BOOTS)).map(|_| boot_once(shop, memory));
        let boots = boots.collect::<Result<Vec<_>>>()?;
        let median_of =
            |time: fn(&Boot) -> Duration| Quantity::Time(median(boots.iter().map(time).collect()));
        let kernel = median_of(|boot| boot.kernel);
        let row = |what: &str, measured| Row::new(format!("{memory} MB, {what}"), measured);
        rows.push(row("kernel to PID 1", kernel));
        rows.push(row("PID 1 to services", median_of(|boot| boot.services)).against("kernel", kernel));
        let served = row("PID 1 to web page", median_of(|boot| boot.served)).against("kernel", kernel);
        rows.push(served.limit(LIMIT_SERVED));
    }
    Ok(rows)
}

fn boot_once(shop: &Workshop, memory: &str) -> Result<Boot> {
    let arguments = ["--accel", "tcg", "--cpus", "1", "--mem", memory];
    let (mut machine, _) = Machine::start(&shop.ironkit, "minimal", &arguments)?;
    let mut welcome = None;
    let answer = machine.wait_for_page(LIMIT, |line| {
        if line.starts_with(WELCOME) {
            welcome = Some(Instant::now());
        }
        Ok(())
    })?;
    let answered = Instant::now();
    if !answer.status.contains(" 200 ") {
        bail!("expected the status 200, found `{}`", answer.status);
    }
    let served = answered - welcome.context("the console has no welcome")?;
    machine.power_off()?;
    let report = machine.report()?.context("the guest wrote no boot report")?;
    let at = |key: &str| {
        let time = report[key]
            .as_u64()
            .with_context(|| format!("the boot report has no {key}"));
        time.map(Duration::from_millis)
    };
    let kernel = at("initMs")?;
    Ok(Boot {
        served,
        kernel,
        services: at("servicesMs")?.saturating_sub(kernel),
    })
}
