//! Positions of the YAML parser, which counts characters, as spans of bytes.

use saphyr_parser::Marker;

use super::Node;
use crate::Span;

/// Turns the parser's character positions into byte positions. They rise nearly always, so it walks from the last.
pub struct Place<'t> {
    file: usize,
    /// The whole text.
    pub text: &'t str,
    index: usize,
    byte: usize,
}

impl<'t> Place<'t> {
    /// At the start of a text.
    pub fn new(file: usize, text: &'t str) -> Place<'t> {
        Place {
            file,
            text,
            index: 0,
            byte: 0,
        }
    }

    /// The range between two positions of the parser.
    pub fn span(&mut self, start: Marker, end: Marker) -> Span {
        let to = self.byte_of(end.index().max(start.index()));
        let from = self.byte_of(start.index());
        Span {
            file: self.file,
            start: from,
            end: to,
            line: start.line(),
            column: start.col() + 1,
        }
    }

    /// Without the white space at the end that the parser counts in.
    pub fn trimmed(&self, span: Span) -> Span {
        let length = self.text[span.start..span.end].trim_end().len();
        Span {
            end: span.start + length,
            ..span
        }
    }

    /// The end of the text.
    pub fn end(&self) -> Span {
        let line = 1 + self.text.matches('\n').count();
        Span {
            file: self.file,
            start: self.text.len(),
            end: self.text.len(),
            line,
            column: 1,
        }
    }

    /// All of a flow collection, the first thing in a block collection.
    pub fn collection(&self, start: Span, end: Span, first: Option<&Node>) -> Span {
        match first {
            Some(first) if !self.text[start.start..].starts_with(['[', '{']) => Span {
                file: self.file,
                ..first.span
            },
            _ => start.to(end),
        }
    }

    fn byte_of(&mut self, index: usize) -> usize {
        while self.index > index {
            self.index -= 1;
            self.byte = self.text[..self.byte]
                .char_indices()
                .next_back()
                .map_or(0, |(at, _)| at);
        }
        let mut rest = self.text[self.byte..].chars();
        while self.index < index
            && let Some(next) = rest.next()
        {
            self.index += 1;
            self.byte += next.len_utf8();
        }
        self.byte
    }
}
