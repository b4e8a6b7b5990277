//! [`Setting`]: one row of a section's table. Reader, schema and documentation all go by these tables.

use crate::config::tree::{Node, Value};
use crate::config::value::{self, Given, Wrong};
use crate::config::window;
use fuseboard_core::{Rate, Window};
use std::time::Duration;

/// A table of the file, such as `breakers`: for each name, a policy of this kind.
pub(super) struct Section<T: 'static> {
    /// The key at the top of the file.
    pub(super) name: &'static str,
    /// What one of its policies is, in a sentence.
    pub(super) about: &'static str,
    pub(super) settings: &'static [Setting<T>],
}

/// One setting of a section.
pub(super) struct Setting<T: 'static> {
    pub(super) name: &'static str,
    pub(super) take: Take<T>,
    /// As it would be written, or in words; `None`: it must be given.
    pub(super) default: Option<&'static str>,
    /// What it means, in a sentence or two.
    pub(super) about: &'static str,
    /// Another name for the same thing: giving both is an error.
    pub(super) excludes: Option<&'static str>,
}

impl<T> Setting<T> {
    pub(super) const fn new(
        name: &'static str,
        take: Take<T>,
        default: Option<&'static str>,
        about: &'static str,
    ) -> Self {
        Self {
            name,
            take,
            default,
            about,
            excludes: None,
        }
    }

    pub(super) const fn excludes(mut self, other: &'static str) -> Self {
        self.excludes = Some(other);
        self
    }
}

/// What a setting takes, and where it goes.
pub(super) enum Take<T> {
    /// A share of all.
    Share {
        from_zero: bool,
        set: fn(&mut T, f64),
    },
    /// A number with a fraction.
    Factor {
        least: f64,
        most: f64,
        set: fn(&mut T, f64),
    },
    /// A whole number.
    Count {
        least: u64,
        most: u64,
        set: fn(&mut T, u64),
    },
    /// A duration.
    Span {
        from_zero: bool,
        set: fn(&mut T, Duration),
    },
    /// On or off.
    Switch { set: fn(&mut T, bool) },
    /// One of these words; the number says which.
    Word {
        words: &'static [&'static str],
        set: fn(&mut T, &'static str),
    },
    /// So many in so much time.
    Rate { set: fn(&mut T, Rate) },
    /// A table that says which kind of window.
    Window { set: fn(&mut T, Window) },
}

/// What is wrong with a value, and which part of it.
pub(super) struct Misfit<'a> {
    /// The key below the setting; empty for the setting itself.
    pub(super) below: &'static str,
    pub(super) node: &'a Node,
    pub(super) wrong: Wrong,
}

impl<T> Take<T> {
    /// Reads the value and puts it where it goes.
    pub(super) fn take<'a>(&self, node: &'a Node, to: &mut T) -> Result<Given, Misfit<'a>> {
        let misfit = |wrong| Misfit {
            below: "",
            node,
            wrong,
        };
        if node.value == Value::Nothing {
            let wrong = "has no value; leave it out to get the default";
            return Err(misfit(Wrong::Kind(wrong.to_owned())));
        }
        Ok(match *self {
            Self::Share { from_zero, set } => {
                let share = value::share(node, from_zero).map_err(misfit)?;
                set(to, share);
                Given::Share(share)
            }
            Self::Factor { least, most, set } => {
                let factor = value::factor(node, least, most).map_err(misfit)?;
                set(to, factor);
                Given::Factor(factor)
            }
            Self::Count { least, most, set } => {
                let count = value::count(node, least, most).map_err(misfit)?;
                set(to, count);
                Given::Count(count)
            }
            Self::Span { from_zero, set } => {
                let span = value::span(node, from_zero).map_err(misfit)?;
                set(to, span);
                Given::Span(span)
            }
            Self::Switch { set } => {
                let is_on = value::switch(node).map_err(misfit)?;
                set(to, is_on);
                Given::Switch(is_on)
            }
            Self::Word { words, set } => {
                let word = value::word(node, words).map_err(misfit)?;
                set(to, word);
                Given::Word(word)
            }
            Self::Rate { set } => {
                let rate = value::rate(node).map_err(misfit)?;
                set(to, rate);
                Given::Rate(rate)
            }
            Self::Window { set } => {
                let window = window::read(node)?;
                set(to, window);
                Given::Window(window)
            }
        })
    }
}
