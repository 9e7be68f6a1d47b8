//! `ironkit inspect`.

use std::fmt::Write as _;

use ironkit_pipeline::inspect::{self, Object};
use ironkit_pipeline::{diff, size};
use serde_json::{Value, json};

use super::Outcome;
use crate::args::{Global, InspectArguments};
use crate::console::{self, Console, table};
use crate::environment;

/// Prints what a file is and contains.
pub fn run(global: &Global, arguments: &InspectArguments, console: &Console) -> Outcome {
    let context = environment::context(global)?;
    let object = inspect::inspect(&context, &arguments.file, &|_| false)?;
    let sizes = object.root().map(|root| size::sizes(&diff::listed(root.clone())));
    if arguments.json {
        let components = sizes.iter().flat_map(|sizes| &sizes.components);
        let components =
            components.map(|it| json!({"name": it.name, "size": it.size, "files": it.files.len()}));
        let mut document = document(&object);
        document["components"] = components.collect();
        console.print(&document.to_string());
        return Ok(());
    }
    let mut text = String::new();
    tree(&object, &arguments.file.display().to_string(), 0, &mut text);
    if let Some(sizes) = sizes {
        let rows = sizes.components.iter().map(|it| {
            let files = format!("{} files", it.files.len());
            vec![format!("  {}", it.name), console::size(it.size), files]
        });
        let _ = write!(text, "components\n{}", table(&rows.collect::<Vec<_>>()));
    }
    console.print(text.trim_end());
    Ok(())
}

/// An object and what is inside of it, a line each, with its facts below it.
fn tree(object: &Object, name: &str, depth: usize, out: &mut String) {
    let indent = "  ".repeat(depth);
    let place = object
        .offset
        .map_or(String::new(), |offset| format!(" at {offset}"));
    let size = console::size(object.size);
    let _ = writeln!(out, "{indent}{name}: {}, {size}{place}", object.format);
    for (name, value) in &object.facts {
        // A text of several lines goes on below itself.
        let value = value.replace('\n', &format!("\n{indent}      "));
        let _ = writeln!(out, "{indent}    {name}: {value}");
    }
    for inside in &object.inside {
        let name = if inside.name.is_empty() {
            "inside"
        } else {
            &inside.name
        };
        tree(inside, name, depth + 1, out);
    }
}

fn document(object: &Object) -> Value {
    let facts: serde_json::Map<String, Value> = object
        .facts
        .iter()
        .map(|(name, value)| ((*name).to_owned(), Value::from(value.as_str())))
        .collect();
    json!({
        "name": object.name, "format": object.format, "size": object.size, "offset": object.offset, "facts": facts,
        "inside": object.inside.iter().map(document).collect::<Vec<_>>(),
    })
}
