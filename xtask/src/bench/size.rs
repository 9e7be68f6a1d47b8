//! How large the outputs are.

use anyhow::{Context, Result, bail};

use super::Workshop;
use super::report::{Quantity, Row};

/// Kernel and initrd of the example, and the initrd without its web server.
pub fn size(shop: &Workshop) -> Result<Vec<Row>> {
    let minimal = shop.ironkit.minimal();
    shop.build("minimal", &[&minimal])?;
    let text = std::fs::read_to_string(&minimal)?;
    let (without, services) = text
        .split_once("\nservices:\n")
        .context("the example has no services")?;
    // The rest of the file has to be the web server alone: otherwise the number means something else.
    if services.matches("- name:").count() != 1 || !services.contains("- name: nginx") {
        bail!("expected nginx as the only service of {}", minimal.display());
    }
    let components = shop.ironkit.root.join("components");
    let bare = without.replace("@pkg:../components", &format!("@pkg:{}", components.display()));
    let bare = shop.write("bare.yml", &format!("{bare}\n"))?;
    shop.build("bare", &[&bare])?;

    let (kernel, initrd) = (bytes(shop, "minimal-kernel")?, bytes(shop, "minimal-initrd.img")?);
    let total = Row::new("kernel and initrd", Quantity::Size(kernel + initrd));
    let alone = Row::new(
        "initrd without nginx",
        Quantity::Size(bytes(shop, "bare-initrd.img")?),
    );
    Ok(vec![
        total
            .against("kernel", Quantity::Size(kernel))
            .limit(Quantity::Size(22_000_000)),
        alone
            .against("initrd", Quantity::Size(initrd))
            .limit(Quantity::Size(6_000_000)),
    ])
}

fn bytes(shop: &Workshop, name: &str) -> Result<u64> {
    let path = shop.ironkit.directory.join(name);
    let metadata = std::fs::metadata(&path).with_context(|| format!("cannot find {}", path.display()))?;
    Ok(metadata.len())
}
