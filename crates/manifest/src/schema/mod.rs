//! The schema as a table: every object with its fields, what they take and what they mean.
//!
//! The decoders take the names of their keys from here, so that nothing is known to the one and not to the other; a test
//! holds the types against what the decoders accept. [`json_schema`] makes JSON Schema of it, for editors.

mod container;
mod json;
mod manifest;
mod runtime;

pub use container::{CONTAINER, DEVICE, MOUNT};
pub use json::json_schema;
pub use manifest::{FILE, KERNEL, MANIFEST, TRUST, VOLUME};
pub use runtime::{BIND_NAMESPACES, INTERFACE, RUNTIME};

/// A mapping with known keys.
#[derive(Debug)]
pub struct Object {
    /// Its name among the definitions of a JSON Schema.
    pub name: &'static str,
    /// Where it stands, for advice: `` `kernel` ``.
    pub place: &'static str,
    /// Its fields.
    pub fields: &'static [Field],
    /// Whether keys may also be written in lower case throughout.
    pub lower_case: bool,
}

/// A key and its value.
#[derive(Debug)]
pub struct Field {
    /// The key.
    pub key: &'static str,
    /// What it takes.
    pub shape: Shape,
    /// Whether it must be there.
    pub required: bool,
    /// What it means, with its default.
    pub meaning: &'static [&'static str],
}

/// What a field takes.
#[derive(Debug, Clone, Copy)]
pub enum Shape {
    /// Any string.
    Text,
    /// A string of this form, as a regular expression of ECMAScript.
    Pattern(&'static str),
    /// One of these strings.
    Words(&'static [&'static str]),
    /// Name of a capability, or `all` or `none`.
    Capability,
    /// `true` or `false`.
    Boolean,
    /// A whole number in this range.
    Integer(i128, i128),
    /// A number or the name of a container.
    Id,
    /// A size of pages: a number of bytes, or a string.
    PageSize,
    /// A list.
    List(&'static Shape),
    /// A mapping with free keys.
    Map(&'static Shape),
    /// A mapping with known keys.
    Object(&'static Object),
}

impl Object {
    /// The names of its keys.
    pub fn keys(&self) -> Vec<&'static str> {
        self.fields.iter().map(|field| field.key).collect()
    }
}

/// A field that can be left out.
pub(crate) const fn field(key: &'static str, shape: Shape, meaning: &'static [&'static str]) -> Field {
    Field {
        key,
        shape,
        required: false,
        meaning,
    }
}

/// A field that must be there.
pub(crate) const fn required(key: &'static str, shape: Shape, meaning: &'static [&'static str]) -> Field {
    Field {
        key,
        shape,
        required: true,
        meaning,
    }
}

/// A list of strings.
pub(crate) const TEXTS: Shape = Shape::List(&Shape::Text);

/// Types that stand for one shape.
pub(crate) trait Shaped {
    /// That shape.
    const SHAPE: Shape;
}

impl Shaped for String {
    const SHAPE: Shape = Shape::Text;
}

impl Shaped for bool {
    const SHAPE: Shape = Shape::Boolean;
}

impl<T: Shaped + 'static> Shaped for Vec<T> {
    const SHAPE: Shape = Shape::List(&T::SHAPE);
}

impl<T: Shaped + 'static> Shaped for std::collections::BTreeMap<String, T> {
    const SHAPE: Shape = Shape::Map(&T::SHAPE);
}

macro_rules! integers {
    ($($type:ty),*) => {
        $(impl Shaped for $type {
            const SHAPE: Shape = Shape::Integer(<$type>::MIN as i128, <$type>::MAX as i128);
        })*
    };
}
integers!(u16, u32, i64, u64);

/// Every object that can be reached from the manifest, each once, outermost first.
pub fn objects() -> Vec<&'static Object> {
    let mut found: Vec<&'static Object> = vec![&MANIFEST];
    let mut next = 0;
    while let Some(object) = found.get(next).copied() {
        for field in object.fields {
            let mut shape = field.shape;
            while let Shape::List(inner) | Shape::Map(inner) = shape {
                shape = *inner;
            }
            if let Shape::Object(inner) = shape
                && !found.iter().any(|known| known.name == inner.name)
            {
                found.push(inner);
            }
        }
        next += 1;
    }
    found
}

/// Where a key belongs that is unknown where it stands: the only one or two places that know it.
pub(crate) fn home(key: &str) -> Option<String> {
    let knows = |object: &&Object| object.fields.iter().any(|field| field.key == key);
    let places: Vec<&str> = objects()
        .into_iter()
        .filter(knows)
        .map(|object| object.place)
        .collect();
    match places.as_slice() {
        [] => None,
        [one] => Some((*one).to_owned()),
        [one, two] => Some(format!("{one} or {two}")),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_are_well_formed() {
        for object in objects() {
            let mut keys = object.keys();
            keys.sort_unstable();
            keys.dedup();
            assert_eq!(keys.len(), object.fields.len(), "{}", object.name);
            for field in object.fields {
                let meaning = field.meaning.concat();
                assert!(
                    meaning.trim().ends_with('.'),
                    "{}.{}: {meaning:?}",
                    object.name,
                    field.key
                );
            }
        }
    }

    #[test]
    fn keys_have_homes() {
        let table = [
            ("cmdline", Some("`kernel`")),
            (
                "command",
                Some("an entry of `onboot`, `onshutdown` or `services`"),
            ),
            ("mkdir", Some("`runtime`")),
            ("name", None),
            ("nonsense", None),
        ];
        for (key, expected) in table {
            assert_eq!(home(key).as_deref(), expected, "{key}");
        }
    }
}
