//! Which distribution an image is of (os-release(5)).

use super::stanzas;

/// `ID` and `VERSION_ID`.
pub(super) fn read(text: &str) -> (String, String) {
    let (mut id, mut version) = (String::new(), String::new());
    for stanza in stanzas(text, '=') {
        let value = |key| {
            stanza
                .get(key)
                .map(|value| value.trim_matches(['"', '\'']).to_owned())
        };
        id = value("ID").unwrap_or(id);
        version = value("VERSION_ID").unwrap_or(version);
    }
    (id, version)
}
