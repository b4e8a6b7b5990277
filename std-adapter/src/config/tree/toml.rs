//! TOML, whose parser goes on after an error and tells all of them.

use super::{DEPTH_MAX, Entry, Node, Number, Refused, Span, Value, too_deep};
use std::ops::Range;
use toml::de::{DeTable, DeValue};

pub(super) fn parse(text: &str) -> Result<Node, Vec<Refused>> {
    let (table, errors) = DeTable::parse_recoverable(text);
    if !errors.is_empty() {
        let refused = |error: &toml::de::Error| {
            let span = error.span().map_or(Span::default(), of);
            Refused::syntax(span, error.message())
        };
        return Err(errors.iter().map(refused).collect());
    }
    let span = Span::new(0, text.len());
    let value = map(table.get_ref(), 1).map_err(|refused| vec![refused])?;
    Ok(Node { value, span })
}

fn of(range: Range<usize>) -> Span {
    Span::new(range.start, range.end)
}

fn map(table: &DeTable<'_>, depth: usize) -> Result<Value, Refused> {
    let entry = |(key, value): (&toml::Spanned<_>, &toml::Spanned<_>)| entry(key, value, depth);
    table
        .iter()
        .map(entry)
        .collect::<Result<_, _>>()
        .map(Value::Map)
}

fn entry(
    key: &toml::Spanned<std::borrow::Cow<'_, str>>,
    value: &toml::Spanned<DeValue<'_>>,
    depth: usize,
) -> Result<Entry, Refused> {
    Ok(Entry {
        key: key.get_ref().to_string(),
        key_span: of(key.span()),
        node: node(value, depth + 1)?,
    })
}

fn node(spanned: &toml::Spanned<DeValue<'_>>, depth: usize) -> Result<Node, Refused> {
    let span = of(spanned.span());
    if depth > DEPTH_MAX {
        return Err(too_deep(span));
    }
    let bad_number = || Refused::syntax(span, "no number that can be read");
    let value = match spanned.get_ref() {
        DeValue::String(text) => Value::Text(text.to_string()),
        DeValue::Integer(digits) => {
            let (written, radix) = (digits.to_string(), digits.radix());
            let number = if radix == 10 {
                Number::of(&written)
            } else {
                Number::of_radix(&written, digits.as_str(), radix)
            };
            Value::Number(number.ok_or_else(bad_number)?)
        }
        DeValue::Float(digits) => {
            Value::Number(Number::of(digits.as_str()).ok_or_else(bad_number)?)
        }
        DeValue::Boolean(is_on) => Value::Switch(*is_on),
        // A date is nothing that a setting takes: as text it is refused as any other wrong word.
        DeValue::Datetime(date) => Value::Text(date.to_string()),
        DeValue::Array(_) => Value::List,
        DeValue::Table(table) => map(table, depth)?,
    };
    Ok(Node { value, span })
}
