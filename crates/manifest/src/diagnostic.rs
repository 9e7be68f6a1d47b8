//! Mistakes and warnings, each with its place; collected so that one run shows all of them.
//!
//! The text excerpt with a caret is drawn by whoever prints; [`Diagnostic`] holds what that takes, and its `Display`
//! is one plain line.

use std::fmt;

use crate::Span;

/// Diagnostics beyond this number are only counted: nobody reads them, and hostile input could make millions.
const MAX_SHOWN: usize = 200;

/// Longest message, label or hint, in bytes: they quote the text, which may be one word of megabytes.
const MAX_TEXT: usize = 2000;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    /// Nothing can be built.
    Error,
    /// Worth knowing, but the build goes on.
    Warning,
}

/// One mistake or warning.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// Error or warning.
    pub severity: Severity,
    /// What is wrong, lower case, without a full stop.
    pub message: String,
    /// Name of the file, as it is shown.
    pub file: String,
    /// Where.
    pub span: Span,
    /// What to write under the caret, when that is more than the message.
    pub label: Option<String>,
    /// What to do about it.
    pub hint: Option<String>,
    /// Other places that have to do with it.
    pub notes: Vec<Note>,
}

/// Another place that has to do with a diagnostic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// What is there: `first declared here`.
    pub message: String,
    /// Name of the file, as it is shown.
    pub file: String,
    /// Where.
    pub span: Span,
}

impl Diagnostic {
    /// An error at a place. Its file name is filled in by [`Diagnostics::push`].
    pub fn error(span: Span, message: impl Into<String>) -> Diagnostic {
        Diagnostic {
            severity: Severity::Error,
            message: message.into(),
            file: String::new(),
            span,
            label: None,
            hint: None,
            notes: Vec::new(),
        }
    }

    /// A warning at a place.
    pub fn warning(span: Span, message: impl Into<String>) -> Diagnostic {
        Diagnostic {
            severity: Severity::Warning,
            ..Diagnostic::error(span, message)
        }
    }

    /// The same with a text for under the caret.
    pub fn label(mut self, label: impl Into<String>) -> Diagnostic {
        self.label = Some(label.into());
        self
    }

    /// The same with advice.
    pub fn hint(mut self, hint: impl Into<String>) -> Diagnostic {
        self.hint = Some(hint.into());
        self
    }

    /// The same with a related place.
    pub fn note(mut self, span: Span, message: impl Into<String>) -> Diagnostic {
        self.notes.push(Note {
            message: message.into(),
            file: String::new(),
            span,
        });
        self
    }
}

impl fmt::Display for Diagnostic {
    /// `main.yml:4:3: error: message (first declared at main.yml:2:3) (hint: advice)`, always one line.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let severity = match self.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        };
        write!(
            f,
            "{}:{}:{}: {severity}: {}",
            self.file, self.span.line, self.span.column, self.message
        )?;
        for note in &self.notes {
            write!(
                f,
                " ({} at {}:{}:{})",
                note.message, note.file, note.span.line, note.span.column
            )?;
        }
        match &self.hint {
            Some(hint) => write!(f, " (hint: {hint})"),
            None => Ok(()),
        }
    }
}

/// Cuts what is too long after its beginning.
fn shorten(text: &mut String) {
    if text.len() > MAX_TEXT {
        let end = (0..=MAX_TEXT).rev().find(|&at| text.is_char_boundary(at));
        text.truncate(end.unwrap_or_default());
        text.push('…');
        text.shrink_to_fit();
    }
}

/// Collects diagnostics while decoding goes on.
#[derive(Debug, Default)]
pub struct Diagnostics {
    /// Names of the files, by their number in spans.
    files: Vec<String>,
    /// Name of the only source of spans whose file is [`crate::LABEL_FILE`].
    label: String,
    list: Vec<Diagnostic>,
    omitted: usize,
    errors: usize,
    fields: Vec<String>,
}

impl Diagnostics {
    /// For sources of these names, in the order of their numbers.
    pub fn new(files: impl IntoIterator<Item = String>) -> Diagnostics {
        Diagnostics {
            files: files.into_iter().collect(),
            ..Diagnostics::default()
        }
    }

    /// For one label, shown under this name.
    pub fn of_label(name: String) -> Diagnostics {
        Diagnostics {
            label: name,
            ..Diagnostics::default()
        }
    }

    /// Adds one.
    pub fn push(&mut self, mut diagnostic: Diagnostic) {
        self.errors += usize::from(diagnostic.severity == Severity::Error);
        if self.is_full() {
            self.omitted += 1;
            return;
        }
        diagnostic.file = self.name(diagnostic.span);
        let said = [
            Some(&mut diagnostic.message),
            diagnostic.label.as_mut(),
            diagnostic.hint.as_mut(),
        ];
        said.into_iter().flatten().for_each(shorten);
        for note in &mut diagnostic.notes {
            note.file = self.name(note.span);
        }
        self.list.push(diagnostic);
    }

    /// Whether more are only counted, so that working out advice for them is a waste.
    pub fn is_full(&self) -> bool {
        self.list.len() >= MAX_SHOWN
    }

    /// How many errors there are so far.
    pub fn errors(&self) -> usize {
        self.errors
    }

    /// The warnings when nothing is wrong, else everything; in the order of the text.
    pub fn finish(mut self) -> Result<Vec<Diagnostic>, Vec<Diagnostic>> {
        self.list
            .sort_by_key(|diagnostic| (diagnostic.span.file, diagnostic.span.start));
        if self.omitted > 0
            && let Some(last) = self.list.last_mut()
        {
            last.hint = Some(format!("{} more diagnostics are not shown", self.omitted));
        }
        if self.errors > 0 {
            Err(self.list)
        } else {
            Ok(self.list)
        }
    }

    /// Runs `decode` for the value of a key, which messages about it then name.
    pub fn within<T>(&mut self, field: &str, decode: impl FnOnce(&mut Diagnostics) -> T) -> T {
        self.fields.push(format!("`{field}`"));
        let result = decode(self);
        self.fields.pop();
        result
    }

    /// Runs `decode` for an entry of the list that is being decoded.
    pub fn within_list<T>(&mut self, decode: impl FnOnce(&mut Diagnostics) -> T) -> T {
        let entry = match self.field() {
            field if field.starts_with('`') => format!("an entry of {field}"),
            field => field.to_owned(),
        };
        self.fields.push(entry);
        let result = decode(self);
        self.fields.pop();
        result
    }

    /// What is being decoded, for messages: `` `mode` `` or `` an entry of `binds` ``; empty at the top.
    pub fn field(&self) -> &str {
        self.fields.last().map_or("", String::as_str)
    }

    fn name(&self, span: Span) -> String {
        self.files.get(span.file).unwrap_or(&self.label).clone()
    }
}
