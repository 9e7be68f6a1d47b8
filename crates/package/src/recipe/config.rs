//! `config`: how a component is run, which becomes the image's label `org.mobyproject.config`.

use ironkit_manifest::yaml::{Kind, Node, Value};
use ironkit_manifest::{Diagnostics, Dialect, container_config};
use serde_json::{Map, Number, Value as Json};

/// Checks the section and turns it into the label's JSON.
pub fn config(node: &Node, out: &mut Diagnostics) -> Option<Json> {
    container_config(node, Dialect::BuildFile, out)?;
    Some(json(node, ""))
}

/// The JSON of a node that is the value of `key`. Keys come out in alphabetical order.
fn json(node: &Node, key: &str) -> Json {
    match &node.value {
        Value::Sequence(items) => Json::Array(items.iter().map(|item| json(item, key)).collect()),
        Value::Mapping(pairs) => {
            let pairs = pairs.iter().map(|(key, value)| {
                let key = key.text().unwrap_or_default();
                (key.to_owned(), json(value, key))
            });
            Json::Object(pairs.collect::<Map<_, _>>())
        }
        Value::Scalar(scalar) => match scalar.kind {
            // A device's mode is octal digits, with or without quotes.
            _ if key == "mode" => Json::String(scalar.text.clone()),
            Kind::Null => Json::Null,
            Kind::Boolean(value) => Json::Bool(value),
            Kind::Integer(value) => Number::from_i128(value).map_or(Json::Null, Json::Number),
            Kind::Float => scalar.text.parse::<f64>().map_or(Json::Null, Json::from),
            Kind::String => Json::String(scalar.text.clone()),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_label_is_json_that_the_manifest_accepts() {
        let text = "capabilities: [CAP_NET_ADMIN]\nbinds: [\"/run/resolvconf:/etc\"]\noomScoreAdj: -800\nuid: 33\n\
            devices: [{path: /dev/console, type: c, major: 5, minor: 1, mode: 0666}]\nruntime: {mkdir: [/x]}\n";
        let mut out = Diagnostics::new(["build.yml".to_owned()]);
        let node = ironkit_manifest::yaml::parse(0, text, &mut out).unwrap();
        let label = config(&node, &mut out).unwrap().to_string();
        assert_eq!(out.finish(), Ok(vec![]));
        assert!(label.contains(r#""mode":"0666""#), "{label}");
        assert!(label.contains(r#""oomScoreAdj":-800"#), "{label}");
        assert!(ironkit_manifest::parse_label(&label, "test").is_ok());
    }
}
