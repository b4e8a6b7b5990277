//! YAML 1.2, one document, from the parser's events; nesting and aliases are bounded here.

use super::{DEPTH_MAX, Entry, Keys, NODES_MAX, Node, Number, Refused, Span, Value, too_deep};
use saphyr_parser::{Event, Parser, ScalarStyle, ScanError, StrInput};
use std::collections::HashMap;

pub(super) fn parse(text: &str) -> Result<Node, Refused> {
    let mut reader = Reader {
        parser: Parser::new_from_str(text),
        offsets: Offsets::of(text),
        anchors: HashMap::new(),
        left: NODES_MAX,
    };
    reader.document()
}

struct Reader<'a> {
    parser: Parser<'a, StrInput<'a>>,
    offsets: Offsets<'a>,
    anchors: HashMap<usize, Node>,
    left: usize,
}

/// The parser counts characters; the others count bytes.
struct Offsets<'a> {
    text: &'a str,
    /// The byte of each 64th character.
    marks: Vec<usize>,
}

/// Characters from one mark to the next.
const STEP: usize = 64;

impl<'a> Offsets<'a> {
    fn of(text: &'a str) -> Self {
        let marks = text.char_indices().step_by(STEP).map(|(at, _)| at);
        Self {
            text,
            marks: marks.collect(),
        }
    }

    fn byte(&self, character: usize) -> usize {
        let Some(&mark) = self.marks.get(character / STEP) else {
            return self.text.len();
        };
        let mut rest = self.text[mark..].char_indices();
        rest.nth(character % STEP)
            .map_or(self.text.len(), |(at, _)| mark + at)
    }

    fn span(&self, span: saphyr_parser::Span) -> Span {
        Span::new(self.byte(span.start.index()), self.byte(span.end.index()))
    }
}

impl<'a> Reader<'a> {
    fn document(&mut self) -> Result<Node, Refused> {
        let mut root = None;
        loop {
            let (event, span) = self.next()?;
            match event {
                Event::StreamStart | Event::DocumentStart(_) | Event::DocumentEnd => {}
                Event::StreamEnd => {
                    let empty = Node {
                        value: Value::Map(Vec::new()),
                        span,
                    };
                    return Ok(root.unwrap_or(empty));
                }
                _ if root.is_some() => {
                    return Err(Refused::syntax(
                        span,
                        "a second document; one file is one configuration",
                    ));
                }
                event => root = Some(self.node(event, span, 0)?),
            }
        }
    }

    fn next(&mut self) -> Result<(Event<'a>, Span), Refused> {
        match self.parser.next_event() {
            Some(Ok((event, span))) => Ok((event, self.offsets.span(span))),
            Some(Err(error)) => Err(self.syntax(&error)),
            None => Ok((Event::StreamEnd, Span::default())),
        }
    }

    fn syntax(&self, error: &ScanError) -> Refused {
        let at = self.offsets.byte(error.marker().index());
        Refused::syntax(Span::new(at, at), error.info())
    }

    fn node(&mut self, event: Event<'a>, span: Span, depth: usize) -> Result<Node, Refused> {
        if depth > DEPTH_MAX {
            return Err(too_deep(span));
        }
        self.count(1, span)?;
        let (value, anchor, end) = match event {
            Event::Scalar(text, style, anchor, tag) => {
                if tag.is_some() {
                    return Err(Refused::syntax(span, "tags are not read; remove it"));
                }
                (scalar(&text, style), anchor, span.end)
            }
            Event::SequenceStart(anchor, _) => {
                let end = self.skip_list(depth)?;
                (Value::List, anchor, end)
            }
            Event::MappingStart(anchor, _) => {
                let (entries, end) = self.map(depth)?;
                (Value::Map(entries), anchor, end)
            }
            Event::Alias(anchor) => return self.alias(anchor, span, depth),
            _ => return Err(Refused::syntax(span, "a value is missing")),
        };
        let span = Span::new(span.start, end.max(span.end));
        let node = Node { value, span };
        if anchor != 0 {
            self.anchors.insert(anchor, node.clone());
        }
        Ok(node)
    }

    fn map(&mut self, depth: usize) -> Result<(Vec<Entry>, usize), Refused> {
        let (mut entries, mut keys) = (Vec::new(), Keys::default());
        loop {
            let (event, key_span) = self.next()?;
            if event == Event::MappingEnd {
                return Ok((entries, key_span.end));
            }
            let key = match event {
                Event::Scalar(key, ..) => key.into_owned(),
                _ => return Err(Refused::syntax(key_span, "a key must be a plain word")),
            };
            if key == "<<" {
                return Err(Refused::syntax(
                    key_span,
                    "merge keys are not read; write what is common in `defaults`",
                ));
            }
            keys.add(&key, key_span)?;
            let (event, span) = self.next()?;
            let node = self.node(event, span, depth + 1)?;
            entries.push(Entry {
                key,
                key_span,
                node,
            });
        }
    }

    /// Reads over a list, which no setting takes, and says where it ends.
    fn skip_list(&mut self, depth: usize) -> Result<usize, Refused> {
        let mut open = 1_usize;
        loop {
            let (event, span) = self.next()?;
            match event {
                Event::SequenceStart(..) | Event::MappingStart(..) => open += 1,
                Event::SequenceEnd | Event::MappingEnd => open -= 1,
                Event::StreamEnd => return Err(Refused::syntax(span, "a list does not end")),
                _ => {}
            }
            if open == 0 {
                return Ok(span.end);
            }
            if depth + open > DEPTH_MAX {
                return Err(too_deep(span));
            }
        }
    }

    /// A copy of what the anchor names; each of its values counts again.
    fn alias(&mut self, anchor: usize, span: Span, depth: usize) -> Result<Node, Refused> {
        let Some(node) = self.anchors.get(&anchor) else {
            return Err(Refused::syntax(span, "an alias of what is not whole yet"));
        };
        if depth + height(node) > DEPTH_MAX {
            return Err(too_deep(span));
        }
        let node = node.clone();
        self.count(weight(&node), span)?;
        Ok(node)
    }

    fn count(&mut self, values: usize, span: Span) -> Result<(), Refused> {
        self.left = self.left.checked_sub(values).ok_or_else(|| {
            let message = format!("more than {NODES_MAX} values, those of aliases included");
            Refused::syntax(span, message)
        })?;
        Ok(())
    }
}

/// Values in a node, long texts counted as several.
fn weight(node: &Node) -> usize {
    const CHUNK: usize = 64;
    match &node.value {
        Value::Map(entries) => entries.iter().fold(1, |sum, entry| {
            sum + entry.key.len() / CHUNK + weight(&entry.node)
        }),
        Value::Text(text) => 1 + text.len() / CHUNK,
        _ => 1,
    }
}

/// Levels below a node.
fn height(node: &Node) -> usize {
    match &node.value {
        Value::Map(entries) => entries
            .iter()
            .map(|entry| 1 + height(&entry.node))
            .max()
            .unwrap_or_default(),
        _ => 0,
    }
}

/// What a word without quotes means, by YAML 1.2's core schema.
fn scalar(text: &str, style: ScalarStyle) -> Value {
    if style != ScalarStyle::Plain {
        return Value::Text(text.to_owned());
    }
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Value::Nothing,
        "true" | "True" | "TRUE" => return Value::Switch(true),
        "false" | "False" | "FALSE" => return Value::Switch(false),
        _ => {}
    }
    let number = if let Some(digits) = text.strip_prefix("0x") {
        Number::of_radix(text, digits, 16)
    } else if let Some(digits) = text.strip_prefix("0o") {
        Number::of_radix(text, digits, 8)
    } else if let Some(infinite) = dotted(text) {
        Some(Number {
            written: text.to_owned(),
            decimal: infinite,
            integer: None,
        })
    } else if text.ends_with(|last: char| last.is_ascii_digit() || last == '.') {
        // `inf` and `nan` are words here, and `1_000` is one too.
        Some(text)
            .filter(|text| !text.contains('_'))
            .and_then(Number::of)
    } else {
        None
    };
    number.map_or_else(|| Value::Text(text.to_owned()), Value::Number)
}

fn dotted(text: &str) -> Option<f64> {
    match text {
        ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" => Some(f64::INFINITY),
        "-.inf" | "-.Inf" | "-.INF" => Some(f64::NEG_INFINITY),
        ".nan" | ".NaN" | ".NAN" => Some(f64::NAN),
        _ => None,
    }
}
