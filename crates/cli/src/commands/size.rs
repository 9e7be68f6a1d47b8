//! `ironkit size`.

use std::path::Path;

use ironkit_pipeline::diff::{self, DiffOptions};
use ironkit_pipeline::size::{self, Sizes};
use ironkit_pipeline::{Error, write_output};
use serde_json::json;

use super::Outcome;
use crate::args::{Global, SizeArguments};
use crate::console::{self, Console, table};
use crate::environment;

/// Prints what takes the space, and draws it where a file is named.
pub fn run(global: &Global, arguments: &SizeArguments, console: &Console) -> Outcome {
    let context = environment::context(global)?;
    let options = DiffOptions {
        platform: environment::platform(arguments.arch.as_deref())?,
    };
    let side = diff::load(&context, &arguments.image, &options, console)?;
    let sizes = size::sizes(&side);
    let name = Path::new(&arguments.image).file_name().unwrap_or_default();
    let pictures = [
        (&arguments.html, size::html(&sizes, &name.to_string_lossy())),
        (&arguments.svg, size::svg(&sizes)),
    ];
    for (path, text) in pictures {
        if let Some(path) = path {
            write_output(path.clone(), |out| {
                let path = path.clone();
                out.write_all(text.as_bytes())
                    .map_err(|source| Error::Write { path, source })
            })?;
        }
    }
    match arguments.json {
        true => console.print(&document(&sizes).to_string()),
        false => console.print(&text(&sizes, arguments.files)),
    }
    Ok(())
}

fn text(sizes: &Sizes, files: usize) -> String {
    let mut rows: Vec<Vec<String>> = sizes
        .components
        .iter()
        .map(|component| {
            vec![
                component.name.clone(),
                console::size(component.size),
                share(component.size, sizes.total),
                component.source.clone(),
            ]
        })
        .collect();
    rows.push(vec!["total".to_owned(), console::size(sizes.total)]);
    let mut largest: Vec<_> = sizes
        .components
        .iter()
        .flat_map(|component| &component.files)
        .collect();
    largest.sort_by(|(path, size), (other_path, other)| other.cmp(size).then_with(|| path.cmp(other_path)));
    let largest = largest.iter().take(files);
    let largest = largest.map(|(path, size)| vec![path.to_string(), console::size(*size)]);
    let largest = table(&largest.collect::<Vec<_>>());
    match largest.is_empty() {
        true => table(&rows),
        false => format!("{}\n\n{largest}", table(&rows)),
    }
}

fn share(part: u64, whole: u64) -> String {
    format!("{} %", u128::from(part) * 100 / u128::from(whole.max(1)))
}

fn document(sizes: &Sizes) -> serde_json::Value {
    let components = sizes.components.iter().map(|component| {
        let files = component.files.iter();
        let files = files.map(|(path, size)| json!({"path": path.to_string(), "size": size}));
        json!({
            "name": component.name, "source": component.source, "size": component.size,
            "files": files.collect::<Vec<_>>(),
        })
    });
    json!({"total": sizes.total, "components": components.collect::<Vec<_>>()})
}
