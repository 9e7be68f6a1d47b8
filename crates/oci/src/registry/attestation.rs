//! The attestations of an image that is being pulled, so that what it says of its packages is in the store too.

use super::{Fetched, Pull, fetch};
use crate::document::{Document, Index};
use crate::store::attestation::{MAX_STATEMENT, attestations, statements};
use crate::{Digest, Error, Result};

/// The most attestations that are fetched of one image. Builders make one.
const MAX_ATTESTATIONS: usize = 4;

impl Pull<'_> {
    /// Fetches the attestations of a manifest that `index` lists. One that the registry does not have is passed over, as
    /// mirrors leave them out; so are statements that are too large to be read.
    pub(super) fn attestations(&self, index: &Index, manifest: &Digest) -> Result<()> {
        for entry in attestations(index, manifest).take(MAX_ATTESTATIONS) {
            match self
                .session
                .child(self.store, entry)
                .and_then(|found| self.attestation(&found))
            {
                Err(error) if is_absent(&error) => self.progress.note(&format!(
                    "{}: the registry does not have the attestation {}",
                    self.reference, entry.digest
                )),
                result => result?,
            }
        }
        Ok(())
    }

    fn attestation(&self, at: &Fetched) -> Result<()> {
        let Document::Manifest(manifest) = &at.document else {
            return Ok(());
        };
        let name = self.reference.to_string();
        let fetch = fetch::Fetch {
            session: &self.session,
            store: self.store,
            name: &name,
            progress: self.progress,
        };
        let mut blobs: Vec<(Digest, u64)> = statements(manifest)
            .filter(|statement| statement.size <= MAX_STATEMENT)
            .map(|statement| (statement.digest, statement.size))
            .collect();
        if manifest.config.size <= crate::MAX_SMALL_BLOB {
            blobs.push((manifest.config.digest, manifest.config.size));
        }
        blobs.sort();
        blobs.dedup();
        fetch.all("attestation", &blobs, self.parallel)?;
        let expected = (&at.descriptor.digest, at.descriptor.size);
        self.store.write_blob(Some(expected), &mut at.bytes.as_slice())?;
        Ok(())
    }
}

fn is_absent(error: &Error) -> bool {
    match error {
        Error::Status { status, .. } => *status == 404,
        Error::Transfer { source, .. } => is_absent(source),
        _ => false,
    }
}
