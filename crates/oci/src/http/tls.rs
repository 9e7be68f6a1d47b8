//! Which certificate authorities are trusted: the system's, and those that a person names.

use std::path::PathBuf;
use std::sync::Arc;

use ureq::tls::{Certificate, PemItem, RootCerts, TlsConfig};

use crate::{Error, Result};

/// rustls with ring, trusting the system's certificates and those in the PEM files `extra`.
pub(super) fn config(extra: &[PathBuf]) -> Result<TlsConfig> {
    let mut roots = Vec::new();
    for path in extra {
        let before = roots.len();
        let pem = std::fs::read(path).map_err(Error::file("read", path))?;
        for item in ureq::tls::parse_pem(&pem) {
            let item = item.map_err(|error| Error::Tls(format!("{}: {error}", path.display())))?;
            if let PemItem::Certificate(certificate) = item {
                roots.push(certificate);
            }
        }
        if roots.len() == before {
            return Err(Error::Tls(format!("{}: no certificate in it", path.display())));
        }
    }
    let system = rustls_native_certs::load_native_certs();
    roots.extend(
        system
            .certs
            .iter()
            .map(|certificate| Certificate::from_der(certificate.as_ref()).to_owned()),
    );
    if roots.is_empty() {
        let reason = system
            .errors
            .first()
            .map_or("none is installed".to_owned(), ToString::to_string);
        return Err(Error::Tls(format!("no certificate authorities: {reason}")));
    }
    Ok(TlsConfig::builder()
        .root_certs(RootCerts::Specific(Arc::new(roots)))
        .unversioned_rustls_crypto_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .build())
}
