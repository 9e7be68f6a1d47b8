//! Mistakes in manifests as a person likes to see them: place, excerpt, caret, hint.

use std::io::IsTerminal;

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};
use ironkit_manifest::data::{self, Data};
use ironkit_manifest::{Diagnostic, Note, Severity, SourceFile, Span};

/// Prints diagnostics to standard error.
pub fn print(list: &[Diagnostic], sources: &[SourceFile]) {
    let colours =
        std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    for diagnostic in list {
        crate::console::error_line(&render(diagnostic, sources, colours));
    }
}

/// One diagnostic. One whose text is not at hand, such as an image's label, is a single line.
fn render(diagnostic: &Diagnostic, sources: &[SourceFile], colours: bool) -> String {
    let known = sources
        .get(diagnostic.span.file)
        .filter(|source| source.name == diagnostic.file);
    // A recipe that a manifest named was read further down: its text is still where it was.
    let Some(source) = known.cloned().or_else(|| read(&diagnostic.file)) else {
        return diagnostic.to_string();
    };
    let level = match diagnostic.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    let mut primary = AnnotationKind::Primary.span(range(diagnostic.span, &source.text));
    if let Some(label) = &diagnostic.label {
        primary = primary.label(label);
    }
    let mut snippet = Snippet::source(&source.text)
        .path(&source.name)
        .annotation(primary);
    let mut elsewhere = Vec::new();
    for note in &diagnostic.notes {
        if note.span.file == diagnostic.span.file {
            let context = AnnotationKind::Context.span(range(note.span, &source.text));
            snippet = snippet.annotation(context.label(&note.message));
        } else {
            elsewhere.push(format!(
                "{} at {}:{}:{}",
                note.message, note.file, note.span.line, note.span.column
            ));
        }
    }
    let mut report = vec![level.primary_title(&diagnostic.message).element(snippet)];
    report.extend(
        elsewhere
            .iter()
            .map(|note| Group::with_title(Level::NOTE.secondary_title(note))),
    );
    if let Some(hint) = &diagnostic.hint {
        report.push(Group::with_title(
            Level::HELP.with_name("hint").secondary_title(hint),
        ));
    }
    let renderer = if colours {
        Renderer::styled()
    } else {
        Renderer::plain()
    };
    renderer.render(&report).to_string()
}

/// One diagnostic as a JSON object on one line, for programs.
pub fn json(diagnostic: &Diagnostic, sources: &[SourceFile]) -> String {
    let source = sources
        .get(diagnostic.span.file)
        .filter(|source| source.name == diagnostic.file)
        .cloned()
        .or_else(|| read(&diagnostic.file));
    let text = source.as_ref().map_or("", |source| source.text.as_str());
    let number = |number: usize| Data::Integer(number as i128);
    let (end_line, end_column) = end(diagnostic.span, text);
    let mut fields = vec![
        ("file", Data::text(diagnostic.file.as_str())),
        ("line", number(diagnostic.span.line)),
        ("column", number(diagnostic.span.column)),
        ("endLine", number(end_line)),
        ("endColumn", number(end_column)),
        (
            "severity",
            Data::text(match diagnostic.severity {
                Severity::Error => "error",
                Severity::Warning => "warning",
            }),
        ),
        ("message", Data::text(diagnostic.message.as_str())),
    ];
    fields.extend(
        diagnostic
            .label
            .iter()
            .map(|label| ("label", Data::text(label.as_str()))),
    );
    fields.extend(
        diagnostic
            .hint
            .iter()
            .map(|hint| ("hint", Data::text(hint.as_str()))),
    );
    if !diagnostic.notes.is_empty() {
        let note = |note: &Note| {
            Data::map([
                ("file", Data::text(note.file.as_str())),
                ("line", number(note.span.line)),
                ("column", number(note.span.column)),
                ("message", Data::text(note.message.as_str())),
            ])
        };
        fields.push(("notes", Data::List(diagnostic.notes.iter().map(note).collect())));
    }
    data::compact(&Data::map(fields))
}

/// Line and column behind the last character of a span.
fn end(span: Span, text: &str) -> (usize, usize) {
    let covered = text.get(range(span, text)).unwrap_or_default();
    match covered.rsplit_once('\n') {
        Some((before, last)) => (
            span.line + before.matches('\n').count() + 1,
            last.chars().count() + 1,
        ),
        None => (span.line, span.column + covered.chars().count()),
    }
}

fn read(path: &str) -> Option<SourceFile> {
    let text = std::fs::read_to_string(path).ok()?;
    Some(SourceFile {
        name: path.to_owned(),
        text,
        directory: None,
    })
}

/// The bytes of a span, kept inside the text.
fn range(span: Span, text: &str) -> std::ops::Range<usize> {
    let end = span.end.min(text.len());
    span.start.min(end)..end
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mistake_is_shown_with_its_line_and_a_hint() {
        let text = "kernel:\n  image: a\n  cmdlien: console=ttyS0\n";
        let source = SourceFile {
            name: "m.yml".into(),
            text: text.into(),
            directory: None,
        };
        let list =
            ironkit_manifest::parse(std::slice::from_ref(&source), &|_, _| Err(String::new())).unwrap_err();
        let shown = render(&list[0], &[source], false);
        for expect in [
            "unknown key `cmdlien`",
            "m.yml:3:3",
            "3 |   cmdlien: console=ttyS0",
            "^^^^^^^",
            "hint",
            "`cmdline`",
        ] {
            assert!(shown.contains(expect), "{expect} is missing in:\n{shown}");
        }
    }
}
