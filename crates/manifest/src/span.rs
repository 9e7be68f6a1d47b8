//! Places in source text, and the values that remember theirs.

use std::ops::Deref;
use std::path::PathBuf;

/// Number of the source file that spans of an image label carry: they lie in none of the manifest's files.
pub const LABEL_FILE: usize = usize::MAX;

/// A text to parse: one manifest, or one label.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceFile {
    /// Its name as it is shown to people: `minimal.yml`, `<stdin>`, an address.
    pub name: String,
    /// The whole text.
    pub text: String,
    /// The directory of a local file, to which `@pkg:` paths are relative. `None` for standard input and addresses: in
    /// these `@pkg:` is left as it stands.
    pub directory: Option<PathBuf>,
}

/// A range of characters in one source file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Span {
    /// Which file: an index into `Manifest::sources`, or [`LABEL_FILE`].
    pub file: usize,
    /// First byte.
    pub start: usize,
    /// Byte after the last one.
    pub end: usize,
    /// Line of the first character, from 1.
    pub line: usize,
    /// Column of the first character, from 1, in characters.
    pub column: usize,
}

impl Span {
    /// The range from the start of `self` to the end of `last`, which must not lie before it.
    pub fn to(self, last: Span) -> Span {
        Span {
            end: last.end.max(self.end),
            ..self
        }
    }
}

/// A value and the place where it is written. Dereferences to the value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Spanned<T> {
    /// The value.
    pub value: T,
    /// Where it is written.
    pub span: Span,
}

impl<T> Spanned<T> {
    /// Puts a value and its place together.
    pub fn new(value: T, span: Span) -> Spanned<T> {
        Spanned { value, span }
    }

    /// Another value for the same place.
    pub fn map<U>(self, change: impl FnOnce(T) -> U) -> Spanned<U> {
        Spanned {
            value: change(self.value),
            span: self.span,
        }
    }
}

impl<T> Deref for Spanned<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}
