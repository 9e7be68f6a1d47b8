//! The address of a machine's network card: its own, and the same each time.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;

use crate::{Error, Mac};

/// LinuxKit's name of the file in the state directory.
const FILE: &str = "mac-addr";

/// The address that the folder `state` keeps, or else a new one, which it keeps from now on. On a bridge, machines with the
/// same address would not get on.
///
/// # Errors
/// [`Error::File`] and [`Error::Spelling`], for a file that is no address.
pub fn kept_mac(state: &Path) -> Result<Mac, Error> {
    let path = state.join(FILE);
    let failed = |source| Error::File {
        what: "the network card's address",
        path: path.clone(),
        source,
    };
    match fs::read_to_string(&path) {
        Ok(text) => Ok(text.trim().parse::<Mac>()?),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let mac = new().map_err(failed)?;
            fs::write(&path, mac.to_string()).map_err(failed)?;
            Ok(mac)
        }
        Err(error) => Err(failed(error)),
    }
}

fn new() -> io::Result<Mac> {
    let mut bytes = [0; 6];
    File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    // One card's address, not a group's, and given by us, not by its maker.
    bytes[0] = bytes[0] & !1 | 2;
    Ok(Mac(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        let mac = kept_mac(folder.path()).unwrap();
        assert_eq!(kept_mac(folder.path()).unwrap(), mac);
        assert_eq!(mac.0[0] & 3, 2);
        fs::write(folder.path().join(FILE), "nothing").unwrap();
        assert!(kept_mac(folder.path()).is_err());
    }
}
