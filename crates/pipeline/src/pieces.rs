//! The content store as the cache of finished pieces of images.

use std::io::{self, Write};

use ironkit_image::{Cache, Damaged, Out, Sink};
use ironkit_oci::Store;
use ironkit_tree::{BoxError, Digest};

/// The kind of derived data.
const KIND: &str = "pieces";

/// Keeps pieces in a store.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pieces<'a>(pub &'a Store);

impl Cache for Pieces<'_> {
    fn append(&self, key: &Digest, out: &mut dyn Out) -> Result<Option<u64>, BoxError> {
        let Some(piece) = self.0.derived(KIND, key)? else {
            return Ok(None);
        };
        let start = out.position();
        match piece.copy_to(&mut *out) {
            Ok(size) => Ok(Some(size)),
            Err(ironkit_oci::Error::CorruptDerived { .. }) => {
                out.truncate(start)?;
                self.0.remove_derived(KIND, key)?;
                Ok(None)
            }
            Err(error) => Err(error.into()),
        }
    }

    fn copy(&self, key: &Digest, out: &mut dyn Sink) -> Result<Option<u64>, BoxError> {
        let Some(piece) = self.0.derived(KIND, key)? else {
            return Ok(None);
        };
        match piece.copy_to(&mut &mut *out) {
            Ok(size) => Ok(Some(size)),
            Err(ironkit_oci::Error::CorruptDerived { .. }) => {
                self.0.remove_derived(KIND, key)?;
                Err(Damaged.into())
            }
            Err(error) => Err(error.into()),
        }
    }

    fn read(&self, key: &Digest) -> Result<Option<Vec<u8>>, BoxError> {
        // Damaged is as good as absent.
        Ok(self.0.derived(KIND, key)?.and_then(|piece| piece.read().ok()))
    }

    fn size(&self, key: &Digest) -> Result<Option<u64>, BoxError> {
        Ok(self.0.derived(KIND, key)?.map(|piece| piece.size()))
    }

    fn put(
        &self,
        key: &Digest,
        write: &mut dyn FnMut(&mut (dyn Write + Send)) -> Result<(), BoxError>,
    ) -> Result<(), BoxError> {
        let mut failure = None;
        let stored = self.0.put_derived(KIND, key, &mut |out| {
            write(out).map_err(|error| {
                let text = error.to_string();
                failure = Some(error);
                io::Error::other(text)
            })
        });
        match (failure, stored) {
            (Some(error), _) => Err(error),
            (None, stored) => Ok(stored.map(drop)?),
        }
    }
}
