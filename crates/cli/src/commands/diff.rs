//! `ironkit diff`.

use std::fmt::Write as _;
use std::io::IsTerminal;

use anstyle::{AnsiColor, Style};
use ironkit_pipeline::diff::{self, DiffOptions, Difference, Entry, EntryDifference};
use serde_json::{Value, json};

use crate::args::{DiffArguments, Global};
use crate::console::{Console, size};
use crate::environment;
use crate::exit::Failure;

const ADDED: Style = AnsiColor::Green.on_default();
const REMOVED: Style = AnsiColor::Red.on_default();
const CHANGED: Style = AnsiColor::Yellow.on_default();
const NAME: Style = Style::new().bold();

/// Prints what is different, and says whether anything is.
pub fn run(global: &Global, arguments: &DiffArguments, console: &Console) -> Result<bool, Failure> {
    let context = environment::context(global)?;
    let options = DiffOptions {
        platform: environment::platform(arguments.arch.as_deref())?,
    };
    let before = diff::load(&context, &arguments.old, &options, console)?;
    let after = diff::load(&context, &arguments.new, &options, console)?;
    let difference = diff::compare(&before, &after);
    if !global.quiet {
        if arguments.json {
            console.print(&document(&difference).to_string());
        } else if !difference.is_empty() {
            console.print(text(&difference, colours()).trim_end());
        }
    }
    Ok(!difference.is_empty())
}

fn colours() -> bool {
    std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

fn text(difference: &Difference, colours: bool) -> String {
    let paint = |style: Style, text: &str| match colours {
        true => format!("{style}{text}{style:#}"),
        false => text.to_owned(),
    };
    let mut out = String::new();
    if !difference.kernel.is_empty() {
        let _ = writeln!(out, "{}", paint(NAME, "boot"));
        for (name, before, after) in &difference.kernel {
            let _ = writeln!(
                out,
                "{}",
                paint(CHANGED, &format!("  ~ {name}  {before} → {after}"))
            );
        }
    }
    for component in &difference.components {
        let source = match (component.before.as_str(), component.after.as_str()) {
            ("", "") => String::new(),
            ("", after) => format!(": new, {after}"),
            (before, "") => format!(": gone, {before}"),
            (before, after) => format!(": {before} → {after}"),
        };
        let _ = writeln!(out, "{}{source}", paint(NAME, &component.name));
        for entry in &component.entries {
            let (style, line) = line(entry);
            let _ = writeln!(out, "  {}", paint(style, &line));
            for change in &entry.json {
                let shown =
                    |value: &Option<Value>| value.as_ref().map_or("absent".to_owned(), Value::to_string);
                let _ = writeln!(
                    out,
                    "      {} {} → {}",
                    change.pointer,
                    shown(&change.before),
                    shown(&change.after)
                );
            }
        }
    }
    out
}

/// `+ etc/x  file 0644 0:0 5 B sha256:…`
fn line(entry: &EntryDifference) -> (Style, String) {
    match (&entry.before, &entry.after) {
        (None, Some(after)) => (ADDED, format!("+ {}  {}", entry.path, what(after))),
        (Some(before), None) => (REMOVED, format!("- {}  {}", entry.path, what(before))),
        (Some(before), Some(after)) => {
            let aspects = [
                (before.kind.to_owned(), after.kind.to_owned()),
                (before.access.clone(), after.access.clone()),
                (
                    before.size.map_or(String::new(), size),
                    after.size.map_or(String::new(), size),
                ),
                (before.content.clone(), after.content.clone()),
            ];
            let changed = aspects.iter().filter(|(before, after)| before != after);
            let changed: Vec<String> = changed
                .map(|(before, after)| format!("{} → {}", or_nothing(before), or_nothing(after)))
                .collect();
            (CHANGED, format!("~ {}  {}", entry.path, changed.join(", ")))
        }
        (None, None) => (CHANGED, entry.path.to_string()),
    }
}

fn or_nothing(text: &str) -> &str {
    if text.is_empty() { "nothing" } else { text }
}

fn what(entry: &Entry) -> String {
    let mut words = vec![entry.kind.to_owned(), entry.access.clone()];
    words.extend(entry.size.map(size));
    words.push(entry.content.clone());
    words.retain(|word| !word.is_empty());
    words.join(" ")
}

fn document(difference: &Difference) -> Value {
    let entry = |entry: &Option<Entry>| match entry {
        Some(entry) => json!({
            "component": entry.component, "kind": entry.kind, "access": entry.access, "size": entry.size,
            "content": entry.content,
        }),
        None => Value::Null,
    };
    let components = difference.components.iter().map(|component| {
        let entries = component.entries.iter().map(|difference| {
            let changes = difference.json.iter().map(
                |change| json!({"pointer": change.pointer, "before": change.before, "after": change.after}),
            );
            json!({
                "path": difference.path.to_string(),
                "before": entry(&difference.before),
                "after": entry(&difference.after),
                "json": changes.collect::<Vec<_>>(),
            })
        });
        json!({
            "name": component.name, "before": component.before, "after": component.after,
            "entries": entries.collect::<Vec<_>>(),
        })
    });
    let boot = difference.kernel.iter();
    let boot = boot.map(|(name, before, after)| json!({"name": name, "before": before, "after": after}));
    json!({
        "equal": difference.is_empty(),
        "boot": boot.collect::<Vec<_>>(),
        "components": components.collect::<Vec<_>>(),
    })
}
