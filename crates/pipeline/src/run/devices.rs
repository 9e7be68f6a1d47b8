//! The devices of a machine: disks, network cards, shares, as they were asked for.

use std::path::{Path, PathBuf};

use ironkit_vm::{Disk, DiskSpec, Mode, Network, Share, ShareSpec, Tpm};

use super::{NetworkSpec, RunOptions, State};
use crate::{Context, Error, Result};

/// The disks that were asked for.
pub(super) fn disks(options: &RunOptions, state: &State) -> Result<Vec<Disk>> {
    let place = |(index, disk): (usize, &DiskSpec)| {
        let folder = match (&disk.path, disk.size_mib) {
            (None, Some(_)) => state.folder()?,
            _ => Path::new(""),
        };
        Ok(disk.place(index, folder)?)
    };
    options.disks.iter().enumerate().map(place).collect()
}

/// The network cards. Published ports lead to the first private network.
pub(super) fn networks(options: &RunOptions, state: &State) -> Result<Vec<Network>> {
    let mut publish = Some(options.publish.clone());
    let mut networks = Vec::new();
    for spec in &options.networks {
        let mode = match spec {
            NetworkSpec::None => continue,
            NetworkSpec::User => Mode::User {
                publish: publish.take().unwrap_or_default(),
            },
            NetworkSpec::Bridge(name) => Mode::Bridge { name: name.clone() },
            NetworkSpec::Tap(name) => Mode::Tap { name: name.clone() },
        };
        // Machines share what is not their own private network.
        let mac = match &mode {
            Mode::User { .. } => None,
            Mode::Bridge { .. } | Mode::Tap { .. } => {
                let mut mac = ironkit_vm::kept_mac(state.folder()?)?;
                let index = u8::try_from(networks.len()).unwrap_or(u8::MAX);
                mac.0[5] = mac.0[5].wrapping_add(index);
                Some(mac)
            }
        };
        networks.push(Network { mode, mac });
    }
    if publish.is_some_and(|publish| !publish.is_empty()) {
        return Err(Error::Usage {
            message: "ports can be published only where the machine is in a private network".to_owned(),
            hint: "use --networking user, or leave out --publish".to_owned(),
        });
    }
    Ok(networks)
}

/// The folders that the guest can mount.
pub(super) fn shares(context: &Context, options: &RunOptions, state: &State) -> Result<Vec<Share>> {
    // The daemon works elsewhere.
    let folder = |spec: &ShareSpec| context.working_directory.join(&spec.folder);
    let tag = |spec: &ShareSpec, kind: &str, index: usize| {
        let given = spec.tag.clone();
        given.unwrap_or_else(|| format!("{kind}{index}"))
    };
    let mut shares = Vec::new();
    for (index, spec) in options.shares.iter().enumerate() {
        shares.push(Share::NineP {
            folder: folder(spec),
            tag: tag(spec, "share", index),
            read_only: spec.read_only,
        });
    }
    for (index, spec) in options.virtiofs.iter().enumerate() {
        if spec.read_only {
            return Err(Error::NotSupported("a read-only virtiofs share".to_owned()));
        }
        let daemon = match &options.virtiofsd {
            Some(daemon) => daemon.clone(),
            None => ironkit_vm::find_virtiofsd(&options.path)?,
        };
        shares.push(Share::Virtiofs {
            folder: folder(spec),
            tag: tag(spec, "virtiofs", index),
            daemon,
            socket: state.folder()?.join(format!("virtiofs{index}")),
        });
    }
    Ok(shares)
}

/// A TPM, if one was asked for. What it remembers is kept.
pub(super) fn tpm(options: &RunOptions, state: &State) -> Result<Option<Tpm>> {
    if !options.tpm {
        return Ok(None);
    }
    let folder = state.folder()?;
    Ok(Some(Tpm {
        program: ironkit_vm::find_swtpm(&options.path)?,
        state: folder.join("tpm"),
        socket: folder.join("tpm.sock"),
    }))
}

/// The CD with the metadata, if there is some.
pub(super) fn metadata(context: &Context, options: &RunOptions, state: &State) -> Result<Option<PathBuf>> {
    let Some(data) = &options.data else {
        return Ok(None);
    };
    let path = state.folder()?.join("data.iso");
    crate::metadata::create(context, path.clone(), data)?;
    Ok(Some(path))
}
