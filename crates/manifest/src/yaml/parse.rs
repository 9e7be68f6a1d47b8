//! Events of the YAML parser → [`Node`] tree, within limits on depth and size.

use std::borrow::Cow;
use std::collections::HashMap;

use saphyr_parser::{Event, Parser, ScalarStyle, ScanError, StrInput, Tag};

use super::advice::syntax_advice;
use super::place::Place;
use super::scalar::resolve;
use super::{Kind, Node, Scalar, Value};
use crate::{Diagnostic, Diagnostics, Span};

/// Largest text, in bytes. LinuxKit's largest example has 5 KB; contents of files may make it larger.
const MAX_BYTES: usize = 4 << 20;
/// Deepest nesting, aliases expanded. A manifest needs about eight; decoding recurses, so this also bounds the stack.
const MAX_DEPTH: usize = 128;
/// Most nodes, aliases expanded. Keeps the tree of a hostile text below some 25 MiB, and what is made of it, where a
/// service of five nodes takes more than a kilobyte, below twice that.
const MAX_NODES: usize = 100_000;
/// Most bytes of text that aliases may copy.
const MAX_COPIED: usize = 16 << 20;

/// Parses the first document of `text`, whose spans get the number `file`. Everything that is wrong goes to `out`;
/// `None` when there is no usable tree.
pub fn parse(file: usize, text: &str, out: &mut Diagnostics) -> Option<Node> {
    if text.len() > MAX_BYTES {
        let whole = Span {
            file,
            line: 1,
            column: 1,
            ..Span::default()
        };
        out.push(Diagnostic::error(
            whole,
            format!("the text has {} bytes, more than {MAX_BYTES}", text.len()),
        ));
        return None;
    }
    let mut builder = Builder {
        events: Parser::new_from_str(text),
        place: Place::new(file, text),
        anchors: HashMap::new(),
        nodes: 0,
        copied: 0,
        out,
    };
    match builder.document() {
        Ok(node) => Some(node),
        Err(diagnostic) => {
            out.push(*diagnostic);
            None
        }
    }
}

type Result<T> = std::result::Result<T, Box<Diagnostic>>;

struct Builder<'t, 'd> {
    events: Parser<'t, StrInput<'t>>,
    place: Place<'t>,
    /// By the parser's number, what an alias stands for and what a copy of it costs.
    anchors: HashMap<usize, (Node, Size)>,
    nodes: usize,
    copied: usize,
    out: &'d mut Diagnostics,
}

impl<'t> Builder<'t, '_> {
    fn document(&mut self) -> Result<Node> {
        loop {
            match self.next()? {
                (Event::DocumentStart(_), _) => break,
                (Event::StreamEnd, span) => {
                    let mistake = Diagnostic::error(span, "the text is empty");
                    return Err(Box::new(
                        mistake.hint("an image with nothing in it is written `{}`"),
                    ));
                }
                _ => {}
            }
        }
        let (event, span) = self.next()?;
        let node = self.node(event, span, 0)?;
        // The end of the document must be seen, or a mistake right behind the last value would be missed.
        self.next()?;
        if let Ok((Event::DocumentStart(_), span)) = self.next() {
            let warning =
                Diagnostic::warning(span, "a second document begins here; only the first one counts");
            self.out
                .push(warning.hint("several manifests are given as several arguments"));
        }
        Ok(node)
    }

    fn next(&mut self) -> Result<(Event<'t>, Span)> {
        match self.events.next_event() {
            Some(Ok((event, span))) => Ok((event, self.place.span(span.start, span.end))),
            Some(Err(error)) => Err(Box::new(self.syntax(&error))),
            None => Ok((Event::StreamEnd, self.place.end())),
        }
    }

    fn syntax(&mut self, error: &ScanError) -> Diagnostic {
        let span = self.place.span(*error.marker(), *error.marker());
        let diagnostic = Diagnostic::error(span, format!("invalid YAML: {}", error.info()));
        match syntax_advice(self.place.text, span, error.info()) {
            Some(hint) => diagnostic.hint(hint),
            None => diagnostic,
        }
    }

    fn node(&mut self, event: Event<'t>, span: Span, depth: usize) -> Result<Node> {
        self.nodes += 1;
        if self.nodes > MAX_NODES {
            return Err(Box::new(Diagnostic::error(
                span,
                format!("more than {MAX_NODES} values"),
            )));
        }
        if depth > MAX_DEPTH {
            return Err(Box::new(Diagnostic::error(
                span,
                format!("nested deeper than {MAX_DEPTH} levels"),
            )));
        }
        let (anchor, node) = match event {
            Event::Alias(id) => return self.alias(id, span, depth),
            Event::Scalar(text, style, anchor, tag) => {
                (anchor, self.scalar(text, style, tag.as_deref(), span))
            }
            Event::SequenceStart(anchor, _) => (anchor, self.sequence(span, depth)?),
            Event::MappingStart(anchor, _) => (anchor, self.mapping(span, depth)?),
            _ => return Err(Box::new(Diagnostic::error(span, "expected a value"))),
        };
        if anchor != 0 {
            let size = measure(&node);
            self.charge(size, span)?;
            self.anchors.insert(anchor, (node.clone(), size));
        }
        Ok(node)
    }

    fn alias(&mut self, id: usize, span: Span, depth: usize) -> Result<Node> {
        let Some(&(_, size)) = self.anchors.get(&id) else {
            return Err(Box::new(Diagnostic::error(
                span,
                "the alias stands inside of what it stands for",
            )));
        };
        if depth + size.height > MAX_DEPTH {
            return Err(Box::new(Diagnostic::error(
                span,
                format!("nested deeper than {MAX_DEPTH} levels"),
            )));
        }
        self.charge(size, span)?;
        Ok(self.anchors[&id].0.clone())
    }

    /// Accounts for a copy of an anchored node.
    fn charge(&mut self, size: Size, span: Span) -> Result<()> {
        self.nodes += size.nodes;
        self.copied += size.bytes;
        if self.nodes > MAX_NODES || self.copied > MAX_COPIED {
            return Err(Box::new(Diagnostic::error(
                span,
                "the aliases expand to too much",
            )));
        }
        Ok(())
    }

    fn scalar(&mut self, text: Cow<'t, str>, style: ScalarStyle, tag: Option<&Tag>, span: Span) -> Node {
        let span = self.place.trimmed(span);
        let plain = style == ScalarStyle::Plain;
        let kind = match tag {
            None if plain => resolve(&text),
            None => Kind::String,
            Some(tag) => self.tagged(&text, tag, span),
        };
        Node {
            span,
            value: Value::Scalar(Scalar {
                text: text.into_owned(),
                kind,
                plain: plain && tag.is_none(),
            }),
        }
    }

    fn tagged(&mut self, text: &str, tag: &Tag, span: Span) -> Kind {
        let resolved = resolve(text);
        let fits = match (tag.is_yaml_core_schema(), tag.suffix.as_str()) {
            (true, "str") | (false, "!") => return Kind::String,
            (true, "int") => matches!(resolved, Kind::Integer(_)),
            (true, "bool") => matches!(resolved, Kind::Boolean(_)),
            (true, "float") => matches!(resolved, Kind::Float | Kind::Integer(_)),
            (true, "null") => resolved == Kind::Null,
            _ => false,
        };
        if !fits {
            self.out.push(Diagnostic::error(
                span,
                format!("the value does not fit its tag `{}`", shown(tag)),
            ));
        }
        resolved
    }

    fn sequence(&mut self, start: Span, depth: usize) -> Result<Node> {
        let mut items = Vec::new();
        let end = loop {
            match self.next()? {
                (Event::SequenceEnd, end) => break end,
                (event, span) => items.push(self.node(event, span, depth + 1)?),
            }
        };
        let span = self.place.collection(start, end, items.first());
        Ok(Node {
            span,
            value: Value::Sequence(items),
        })
    }

    fn mapping(&mut self, start: Span, depth: usize) -> Result<Node> {
        let mut entries: Vec<(Node, Node)> = Vec::new();
        let mut merged = Vec::new();
        let mut seen: HashMap<String, Span> = HashMap::new();
        let end = loop {
            let (event, span) = self.next()?;
            if event == Event::MappingEnd {
                break span;
            }
            let key = self.node(event, span, depth + 1)?;
            let (event, span) = self.next()?;
            let mut value = self.node(event, span, depth + 1)?;
            if matches!(&value.value, Value::Scalar(scalar) if scalar.plain && scalar.text.is_empty()) {
                value.span = key.span;
            }
            let Value::Scalar(name) = &key.value else {
                self.out.push(Diagnostic::error(
                    key.span,
                    format!("a key must be a string, not {}", key.describe()),
                ));
                continue;
            };
            if let Some(&first) = seen.get(&name.text) {
                let mistake = Diagnostic::error(key.span, format!("the key `{}` is given twice", name.text));
                self.out
                    .push(mistake.label("given again here").note(first, "first given"));
                continue;
            }
            seen.insert(name.text.clone(), key.span);
            if name.plain && name.text == "<<" {
                merged.push(value);
            } else {
                entries.push((key, value));
            }
        };
        let span = self
            .place
            .collection(start, end, entries.first().map(|(key, _)| key));
        for node in merged {
            self.merge(node, &mut seen, &mut entries);
        }
        Ok(Node {
            span,
            value: Value::Mapping(entries),
        })
    }

    /// Adds what stands behind a `<<`: the keys of a mapping, or of each of a list of mappings, that are not there yet.
    fn merge(&mut self, node: Node, seen: &mut HashMap<String, Span>, entries: &mut Vec<(Node, Node)>) {
        let mappings = match node.value {
            Value::Sequence(items) => items,
            _ => vec![node],
        };
        for mapping in mappings {
            let Value::Mapping(more) = mapping.value else {
                let message = format!(
                    "`<<` takes a mapping or a list of mappings, not {}",
                    mapping.describe()
                );
                self.out.push(Diagnostic::error(mapping.span, message));
                continue;
            };
            for (key, value) in more {
                let name = key.text().unwrap_or_default();
                if !seen.contains_key(name) {
                    seen.insert(name.to_owned(), key.span);
                    entries.push((key, value));
                }
            }
        }
    }
}

fn shown(tag: &Tag) -> String {
    if tag.is_yaml_core_schema() {
        format!("!!{}", tag.suffix)
    } else {
        tag.to_string()
    }
}

/// What a copy of a node costs.
#[derive(Clone, Copy)]
struct Size {
    nodes: usize,
    bytes: usize,
    height: usize,
}

fn measure(node: &Node) -> Size {
    let below: &mut dyn Iterator<Item = &Node> = match &node.value {
        Value::Scalar(scalar) => {
            return Size {
                nodes: 1,
                bytes: scalar.text.len(),
                height: 1,
            };
        }
        Value::Sequence(items) => &mut items.iter(),
        Value::Mapping(entries) => &mut entries.iter().flat_map(|(key, value)| [key, value]),
    };
    let mut size = Size {
        nodes: 1,
        bytes: 0,
        height: 0,
    };
    for node in below {
        let more = measure(node);
        size.nodes += more.nodes;
        size.bytes += more.bytes;
        size.height = size.height.max(more.height);
    }
    size.height += 1;
    size
}
