//! Two JSON documents → what is different between them, by JSON pointer (RFC 6901).

use serde_json::Value;

/// Differences that are listed of one pair of documents.
const MAX: usize = 200;

/// A value that is different.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    /// Where: `/process/args/0`.
    pub pointer: String,
    /// None when it is new.
    pub before: Option<Value>,
    /// None when it is gone.
    pub after: Option<Value>,
}

/// The differences of two documents; none when one is not there or is no JSON.
pub(super) fn changes(before: Option<&[u8]>, after: Option<&[u8]>) -> Vec<Change> {
    let parse = |bytes: Option<&[u8]>| bytes.and_then(|bytes| serde_json::from_slice::<Value>(bytes).ok());
    let mut found = Vec::new();
    if let (Some(before), Some(after)) = (parse(before), parse(after)) {
        walk(&mut String::new(), Some(&before), Some(&after), &mut found);
    }
    found
}

fn walk(pointer: &mut String, before: Option<&Value>, after: Option<&Value>, found: &mut Vec<Change>) {
    if before == after || found.len() == MAX {
        return;
    }
    let length = pointer.len();
    match (before, after) {
        (Some(Value::Object(old)), Some(Value::Object(new))) => {
            let new_keys = new.keys().filter(|key| !old.contains_key(*key));
            for key in old.keys().chain(new_keys) {
                pointer.push('/');
                pointer.push_str(&key.replace('~', "~0").replace('/', "~1"));
                walk(pointer, old.get(key), new.get(key), found);
                pointer.truncate(length);
            }
        }
        (Some(Value::Array(old)), Some(Value::Array(new))) => {
            for index in 0..old.len().max(new.len()) {
                pointer.push_str(&format!("/{index}"));
                walk(pointer, old.get(index), new.get(index), found);
                pointer.truncate(length);
            }
        }
        (before, after) => found.push(Change {
            pointer: pointer.clone(),
            before: before.cloned(),
            after: after.cloned(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn differences_have_pointers() {
        for (before, after, expect) in [
            ("1", "1", ""),
            ("1", "2", " 1→2"),
            (r#"{"a":{"b":1}}"#, r#"{"a":{"b":2}}"#, "/a/b 1→2"),
            (r#"{"a":1}"#, r#"{"b":1}"#, "/a 1→-,/b -→1"),
            (r#"["x","y"]"#, r#"["x"]"#, r#"/1 "y"→-"#),
            (r#"{"a/b~":1}"#, "{}", "/a~1b~0 1→-"),
            (r#"{"a":[]}"#, r#"{"a":{}}"#, "/a []→{}"),
            ("no json", "1", ""),
        ] {
            let shown = |value: &Option<Value>| value.as_ref().map_or("-".to_owned(), Value::to_string);
            let found: Vec<String> = changes(Some(before.as_bytes()), Some(after.as_bytes()))
                .iter()
                .map(|change| {
                    format!(
                        "{} {}→{}",
                        change.pointer,
                        shown(&change.before),
                        shown(&change.after)
                    )
                })
                .collect();
            assert_eq!(found.join(","), expect, "{before} {after}");
        }
        assert_eq!(changes(None, Some(b"1")), []);
    }
}
