//! Mistakes in manifests as a person likes to see them: place, excerpt, caret, hint.

use std::borrow::Cow;
use std::io::IsTerminal;
use std::ops::Range;

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};
use ironkit_manifest::data::{self, Data};
use ironkit_manifest::{Diagnostic, Note, Severity, SourceFile, Span};

/// Longest line of an excerpt, and longest excerpt, in bytes. What is drawn is laid out line by line in memory, and nobody
/// finds a caret in more.
const LINE_MAX: usize = 1000;
const EXCERPT_MAX: usize = 16 << 10;

/// Prints diagnostics to standard error.
pub fn print(list: &[Diagnostic], sources: &[SourceFile]) {
    let colours =
        std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    for diagnostic in list {
        crate::console::error_line(&render(diagnostic, sources, colours));
    }
}

/// One diagnostic. One whose text is not at hand, such as an image's label, or is too long to be shown, is a single line.
fn render(diagnostic: &Diagnostic, sources: &[SourceFile], colours: bool) -> String {
    let Some(text) = text(diagnostic, sources) else {
        return diagnostic.to_string();
    };
    let span = range(diagnostic.span, &text);
    let mut shown = lines(span.clone(), &text);
    let (mut near, mut elsewhere) = (Vec::new(), Vec::new());
    for note in &diagnostic.notes {
        let place = range(note.span, &text);
        let around = lines(place.clone(), &text);
        let both = shown.start.min(around.start)..shown.end.max(around.end);
        if note.span.file == diagnostic.span.file && is_short(&text[both.clone()]) {
            shown = both;
            near.push((place, note));
        } else {
            elsewhere.push(format!(
                "{} at {}:{}:{}",
                note.message, note.file, note.span.line, note.span.column
            ));
        }
    }
    if !is_short(&text[shown.clone()]) {
        return diagnostic.to_string();
    }
    let level = match diagnostic.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    let within = |place: Range<usize>| place.start - shown.start..place.end - shown.start;
    let mut primary = AnnotationKind::Primary.span(within(span.clone()));
    if let Some(label) = &diagnostic.label {
        primary = primary.label(label);
    }
    let above = text[shown.start..span.start].matches('\n').count();
    let mut snippet = Snippet::source(&text[shown.clone()])
        .path(&diagnostic.file)
        .line_start(diagnostic.span.line.saturating_sub(above).max(1))
        .annotation(primary);
    for (place, note) in near {
        let context = AnnotationKind::Context.span(within(place));
        snippet = snippet.annotation(context.label(&note.message));
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
    let text = text(diagnostic, sources).unwrap_or_default();
    let number = |number: usize| Data::Integer(number as i128);
    let (end_line, end_column) = end(diagnostic.span, &text);
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

/// The text that a diagnostic points into.
fn text<'s>(diagnostic: &Diagnostic, sources: &'s [SourceFile]) -> Option<Cow<'s, str>> {
    let known = sources
        .get(diagnostic.span.file)
        .filter(|source| source.name == diagnostic.file)
        .map(|source| Cow::Borrowed(source.text.as_str()));
    // A recipe that a manifest named was read further down: its text is still where it was.
    known.or_else(|| std::fs::read_to_string(&diagnostic.file).ok().map(Cow::Owned))
}

/// The whole lines that a range touches, without the last line's end.
fn lines(range: Range<usize>, text: &str) -> Range<usize> {
    let start = text[..range.start].rfind('\n').map_or(0, |at| at + 1);
    let end = text[range.end..]
        .find('\n')
        .map_or(text.len(), |at| range.end + at);
    start..end
}

/// Whether an excerpt can be drawn.
fn is_short(excerpt: &str) -> bool {
    excerpt.len() <= EXCERPT_MAX && excerpt.lines().all(|line| line.len() <= LINE_MAX)
}

/// The bytes of a span, kept inside the text.
fn range(span: Span, text: &str) -> Range<usize> {
    let end = span.end.min(text.len());
    span.start.min(end)..end
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> String {
        let source = SourceFile {
            name: "m.yml".into(),
            text: text.into(),
            directory: None,
        };
        let list =
            ironkit_manifest::parse(std::slice::from_ref(&source), &|_, _| Err(String::new())).unwrap_err();
        render(&list[0], &[source], false)
    }

    #[test]
    fn only_short_excerpts_are_drawn() {
        let far = format!("init: []\n{}init: []\n", "# line\n".repeat(3000));
        let drawn = shown(&far);
        for expect in ["m.yml:3002:1", "3002 | init: []", "first given at m.yml:1:1"] {
            assert!(drawn.contains(expect), "{expect} is missing in:\n{drawn}");
        }
        assert!(drawn.lines().count() < 10, "{drawn}");
        let near = shown("init: []\n# line\ninit: []\n");
        assert!(
            near.contains("1 | init: []") && near.contains("3 | init: []"),
            "{near}"
        );
        let wide = shown(&format!("# line\n{{\"odd\": \"{}\"}}\n", "x".repeat(2000)));
        assert!(
            wide.starts_with("m.yml:2:2: error: ") && wide.lines().count() == 1,
            "{wide}"
        );
    }

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
