//! The table as JSON Schema, draft 7: the one that editors' YAML servers take.

use super::{Field, Object, Shape, objects};
use crate::data::Data;

/// The schema of manifests.
pub fn json_schema() -> Data {
    let objects = objects();
    let mut entries = vec![
        text("$schema", "http://json-schema.org/draft-07/schema#"),
        text("title", "IronKit and LinuxKit manifest"),
    ];
    if let Some((manifest, others)) = objects.split_first()
        && let Data::Map(fields) = object(manifest)
    {
        entries.extend(fields);
        let definitions = others.iter().map(|other| (other.name, object(other)));
        entries.push(("definitions".to_owned(), Data::map(definitions)));
    }
    Data::Map(entries)
}

fn object(object: &Object) -> Data {
    let mut properties: Vec<(String, Data)> = Vec::new();
    for field in object.fields {
        properties.push((
            field.key.to_owned(),
            property(field, field.meaning.concat().trim()),
        ));
        let lower = field.key.to_ascii_lowercase();
        if object.lower_case && lower != field.key {
            let meaning = format!("LinuxKit's spelling of `{}`.", field.key);
            properties.push((lower, property(field, &meaning)));
        }
    }
    let required = object.fields.iter().filter(|field| field.required);
    let required: Vec<Data> = required.map(|field| Data::text(field.key)).collect();
    let mut entries = vec![
        text("type", "object"),
        ("properties".to_owned(), Data::Map(properties)),
        ("additionalProperties".to_owned(), Data::Boolean(false)),
    ];
    if !required.is_empty() {
        entries.push(("required".to_owned(), Data::List(required)));
    }
    if object.name == "file" {
        // Something must say what the file contains.
        let one = |key: &str| Data::map([("required", Data::List(vec![Data::text(key)]))]);
        let ways = ["contents", "source", "metadata", "symlink", "directory"].map(one);
        entries.push(("anyOf".to_owned(), Data::List(ways.to_vec())));
    }
    Data::Map(entries)
}

/// A field's value, and what it means. Beside a `$ref` nothing else counts in draft 7, so that goes into an `allOf`.
fn property(field: &Field, meaning: &str) -> Data {
    let mut entries = vec![text("description", meaning)];
    match shape(&field.shape) {
        Data::Map(value) if value.iter().any(|(key, _)| key == "$ref") => {
            entries.push(("allOf".to_owned(), Data::List(vec![Data::Map(value)])));
        }
        Data::Map(value) => entries.extend(value),
        _ => {}
    }
    Data::Map(entries)
}

fn shape(given: &Shape) -> Data {
    let number = |low: i128, high: i128| {
        vec![
            text("type", "integer"),
            ("minimum".to_owned(), Data::Integer(low)),
            ("maximum".to_owned(), Data::Integer(high)),
        ]
    };
    let either = |one: Vec<(String, Data)>| {
        let string = Data::Map(vec![text("type", "string")]);
        vec![("anyOf".to_owned(), Data::List(vec![Data::Map(one), string]))]
    };
    Data::Map(match given {
        Shape::Text => vec![text("type", "string")],
        Shape::Pattern(pattern) => vec![text("type", "string"), text("pattern", pattern)],
        Shape::Words(words) => {
            let words = words.iter().map(|word| Data::text(*word)).collect();
            vec![text("type", "string"), ("enum".to_owned(), Data::List(words))]
        }
        Shape::Capability => {
            let names = crate::CAPABILITIES.iter().map(|name| Data::text(*name)).collect();
            let words = vec![
                text("type", "string"),
                text("pattern", "^([aA][lL][lL]|[nN][oO][nN][eE])$"),
            ];
            let names = Data::Map(vec![("enum".to_owned(), Data::List(names))]);
            vec![("anyOf".to_owned(), Data::List(vec![names, Data::Map(words)]))]
        }
        Shape::Boolean => vec![text("type", "boolean")],
        Shape::Integer(low, high) => number(*low, *high),
        Shape::Id => either(number(0, u32::MAX.into())),
        Shape::PageSize => either(number(1, u64::MAX.into())),
        Shape::List(inner) => vec![text("type", "array"), ("items".to_owned(), shape(inner))],
        Shape::Map(inner) => vec![
            text("type", "object"),
            ("additionalProperties".to_owned(), shape(inner)),
        ],
        Shape::Object(inner) => vec![text("$ref", &format!("#/definitions/{}", inner.name))],
    })
}

fn text(key: &str, value: &str) -> (String, Data) {
    (key.to_owned(), Data::text(value))
}
