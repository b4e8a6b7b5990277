//! [`Source`]: the text that findings point into.

use crate::config::finding::{Finding, Id, Severity};
use crate::config::policy::{Kind, Policy};
use crate::config::tree::Span;
use std::sync::Arc;

/// Where a configuration came from.
#[derive(Clone, Debug, Default)]
pub(super) struct Source {
    pub(super) file: Option<String>,
    /// `None`: it came through serde, from whatever.
    pub(super) text: Option<Arc<str>>,
}

/// What a finding is about.
pub(super) struct Subject {
    pub(super) path: String,
    pub(super) value: Option<String>,
    pub(super) span: Span,
}

impl Source {
    pub(super) fn error(&self, id: Id, subject: Subject, message: impl Into<String>) -> Finding {
        Finding {
            severity: Severity::Error,
            id: id.as_str(),
            file: self.file.clone(),
            place: self.text.as_deref().map(|text| subject.span.place(text)),
            path: subject.path,
            value: subject.value,
            message: message.into(),
            reason: None,
            help: None,
        }
    }
}

/// Characters of a key that are shown.
const KEY_SHOWN_MAX: usize = 64;

/// `key` below `path`, in quotes where it is no plain word.
pub(super) fn join(path: &str, key: &str) -> String {
    let is_plain = !key.is_empty()
        && key
            .chars()
            .all(|char| char.is_alphanumeric() || char == '_' || char == '-');
    let key = match (is_plain, key.char_indices().nth(KEY_SHOWN_MAX)) {
        (true, None) => key.to_owned(),
        (false, None) => format!("{key:?}"),
        (_, Some((cut, _))) => format!("{:?}…", &key[..cut]),
    };
    if path.is_empty() {
        key
    } else {
        format!("{path}.{key}")
    }
}

impl<T: Kind> Policy<T> {
    /// The setting where it was written, or the policy's name where it was not.
    pub(super) fn subject(&self, name: &str, field: &str) -> Subject {
        let section = T::SECTION;
        let own = join(section.name, name);
        // A window goes by two names.
        let setting = section.settings.iter().find(|row| row.name == field);
        let other = setting.and_then(|row| row.excludes);
        let found = [Some(field), other]
            .into_iter()
            .flatten()
            .find_map(|field| self.given.get_key_value(field));
        match found {
            Some((field, placed)) => Subject {
                path: if placed.is_default {
                    join(&join("defaults", section.name), field)
                } else {
                    join(&own, field)
                },
                value: Some(placed.written.clone()),
                span: placed.span,
            },
            None => Subject {
                path: join(&own, field),
                value: None,
                span: self.span,
            },
        }
    }
}
