//! The table of the schema and the decoders say the same, field by field.

use ironkit_manifest::data::compact;
use ironkit_manifest::schema::{Field, Object, Shape, json_schema, objects};
use ironkit_manifest::{SourceFile, parse};

/// Values of every kind, as YAML and as what they are to the table.
const VALUES: [(&str, Kind); 9] = [
    ("some text", Kind::Text),
    ("\"5\"", Kind::Text),
    ("5", Kind::Integer),
    ("1.5", Kind::Other),
    ("true", Kind::Boolean),
    ("[]", Kind::List),
    ("{}", Kind::Map),
    ("~", Kind::Other),
    ("[[]]", Kind::Lists),
];

#[derive(Debug, Clone, Copy, PartialEq)]
enum Kind {
    Text,
    Integer,
    Boolean,
    List,
    Map,
    /// A list of lists, which no field takes.
    Lists,
    Other,
}

/// Whether the table allows a value of this kind.
fn allows(shape: &Shape, kind: Kind) -> bool {
    match shape {
        Shape::Text | Shape::Pattern(_) | Shape::Words(_) | Shape::Capability => kind == Kind::Text,
        Shape::Boolean => kind == Kind::Boolean,
        Shape::Integer(..) => kind == Kind::Integer,
        Shape::Id | Shape::PageSize => matches!(kind, Kind::Text | Kind::Integer),
        Shape::List(_) => kind == Kind::List,
        Shape::Map(_) | Shape::Object(_) => kind == Kind::Map,
    }
}

/// A manifest in which `object` stands with `KEY: VALUE`, and with what it needs besides, but for one key.
fn manifest(object: &Object, key: &str, value: &str, omitted: &str) -> String {
    let needed: &[(&str, &str)] = match object.name {
        "container" => &[("name", "a"), ("image", "b")],
        "volume" | "interface" => &[("name", "a")],
        "file" => &[("path", "a"), ("contents", "b")],
        "mount" => &[("type", "proc")],
        "device" => &[("path", "all")],
        _ => &[],
    };
    let fields: Vec<String> = needed
        .iter()
        .filter(|(name, _)| *name != key && *name != omitted)
        .map(|(name, value)| format!("{name}: {value}"))
        .chain([format!("{key}: {value}")])
        .collect();
    let this = format!("{{{}}}", fields.join(", "));
    let resources = |inner: &str| format!("onboot: [{{name: a, image: b, resources: {inner}}}]");
    let container = |inner: &str| format!("onboot: [{{name: a, image: b, {inner}}}]");
    match object.name {
        "manifest" => this,
        "kernel" | "trust" => format!("{}: {this}", object.name),
        "volume" => format!("volumes: [{this}]"),
        "file" => format!("files: [{this}]"),
        "container" => format!("services: [{this}]"),
        "mount" => container(&format!("mounts: [{this}]")),
        "device" => container(&format!("devices: [{this}]")),
        "IdMapping" => container(&format!("uidMappings: [{this}]")),
        "runtime" => container(&format!("runtime: {this}")),
        "interface" => container(&format!("runtime: {{interfaces: [{this}]}}")),
        "bindNamespaces" => container(&format!("runtime: {{bindNS: {this}}}")),
        "Resources" => resources(&this),
        "DeviceRule" => resources(&format!("{{devices: [{this}]}}")),
        "Memory" | "Cpu" | "Pids" | "Network" => {
            resources(&format!("{{{}: {this}}}", object.name.to_lowercase()))
        }
        "BlockIo" => resources(&format!("{{blockIO: {this}}}")),
        "WeightDevice" => resources(&format!("{{blockIO: {{weightDevice: [{this}]}}}}")),
        "ThrottleDevice" => resources(&format!("{{blockIO: {{throttleReadBpsDevice: [{this}]}}}}")),
        "HugepageLimit" => resources(&format!("{{hugepageLimits: [{this}]}}")),
        "InterfacePriority" => resources(&format!("{{network: {{priorities: [{this}]}}}}")),
        "Rdma" => resources(&format!("{{rdma: {{x: {this}}}}}")),
        other => panic!("say here where `{other}` stands"),
    }
}

fn mistakes(text: &str) -> Vec<String> {
    let source = SourceFile {
        name: "m.yml".to_owned(),
        text: text.to_owned(),
        directory: None,
    };
    match parse(&[source], &|_, _| Err(String::new())) {
        Ok(_) => Vec::new(),
        Err(list) => list.iter().map(ToString::to_string).collect(),
    }
}

fn check(object: &Object, field: &Field, key: &str) {
    for (value, kind) in VALUES {
        let text = manifest(object, key, value, "");
        let mistakes = mistakes(&text);
        let unknown = mistakes.iter().any(|line| line.contains("unknown key"));
        assert!(
            !unknown,
            "{text}: the decoder does not know `{key}`: {mistakes:?}"
        );
        let refused = mistakes
            .iter()
            .any(|line| line.contains(" must be ") && !line.contains("the only entry"));
        assert_eq!(!refused, allows(&field.shape, kind), "{text}: {mistakes:?}");
    }
}

#[test]
fn every_field_of_the_table_is_decoded_as_the_table_says() {
    let mut fields = 0;
    for object in objects() {
        for field in object.fields {
            check(object, field, field.key);
            if object.lower_case {
                check(object, field, &field.key.to_lowercase());
            }
            fields += 1;
        }
    }
    assert!(fields > 130, "only {fields} fields");
}

#[test]
fn what_must_be_there_is_what_the_table_says() {
    for object in objects() {
        // A mount may do without any one of its fields, as long as another says what it is.
        for field in object.fields.iter().filter(|_| object.name != "mount") {
            let text = manifest(object, "nonsense", "1", field.key);
            let missing = format!("has no `{}`", field.key);
            let missing = mistakes(&text).iter().any(|line| line.contains(&missing));
            assert_eq!(missing, field.required, "{}.{}: {text}", object.name, field.key);
        }
    }
}

#[test]
fn the_json_schema_has_every_field() {
    let schema = compact(&json_schema());
    for object in objects() {
        for field in object.fields {
            assert!(
                schema.contains(&format!("\"{}\":{{\"description\":", field.key)),
                "{}",
                field.key
            );
        }
    }
    assert!(schema.starts_with(r#"{"$schema":"http://json-schema.org/draft-07/schema#""#));
}

/// The tables in docs/manifest.md are made from the schema; with `UPDATE_DOCS` set they are written anew.
#[test]
fn the_reference_is_that_of_the_schema() {
    const BEGIN: &str = "<!-- The tables come from crates/manifest/src/schema. -->\n";
    const END: &str = "<!-- Here the tables end. -->";
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/manifest.md");
    let document = std::fs::read_to_string(path).unwrap();
    let (before, rest) = document.split_once(BEGIN).unwrap();
    let (tables, after) = rest.split_once(END).unwrap();
    let expected: String = objects().into_iter().map(table).collect();
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(path, format!("{before}{BEGIN}{expected}{END}{after}")).unwrap();
    } else {
        assert!(
            tables == expected,
            "docs/manifest.md: run this test with UPDATE_DOCS=1"
        );
    }
}

fn table(object: &Object) -> String {
    let mut text = format!(
        "\n### {}\n\n| key | takes | meaning |\n|---|---|---|\n",
        title(object.place)
    );
    for field in object.fields {
        let must = if field.required { "; must be there" } else { "" };
        let meaning = field.meaning.concat();
        text.push_str(&format!(
            "| `{}` | {}{must} | {} |\n",
            field.key,
            takes(&field.shape),
            meaning.trim()
        ));
    }
    text.push('\n');
    text
}

fn title(place: &str) -> String {
    let mut letters = place.chars();
    letters.next().map_or(String::new(), |first| {
        first.to_uppercase().chain(letters).collect()
    })
}

fn takes(shape: &Shape) -> String {
    match shape {
        Shape::Text | Shape::Pattern(_) | Shape::Capability => "string".to_owned(),
        Shape::Words(words) => {
            let words: Vec<String> = words
                .iter()
                .filter(|word| !word.is_empty())
                .map(|word| format!("`{word}`"))
                .collect();
            words.join(", ")
        }
        Shape::Boolean => "`true` or `false`".to_owned(),
        Shape::Integer(..) => "whole number".to_owned(),
        Shape::Id => "number or name".to_owned(),
        Shape::PageSize => "size".to_owned(),
        Shape::List(inner) => format!("list: {}", takes(inner)),
        Shape::Map(inner) => format!("mapping: {}", takes(inner)),
        Shape::Object(inner) => inner.place.to_owned(),
    }
}
