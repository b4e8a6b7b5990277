//! From a tree to policies: every finding is kept, and reading goes on.

use crate::config::Config;
use crate::config::finding::{Finding, Id, Severity, sort};
use crate::config::lint;
use crate::config::policy::{Kind, Named, Placed, Policy};
use crate::config::setting::Setting;
use crate::config::source::{Source, Subject, join};
use crate::config::tree::{Entry, Node, Span, Value};
use crate::config::value::Wrong;
use fuseboard_core::SlotName;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// The version of the schema that is read.
pub(super) const VERSION: u64 = 1;
/// Findings after which no more are told: nobody reads on, and a hostile text shall not cost more.
pub(super) const FINDINGS_MAX: usize = 100;
/// Longest key for which a near name is looked for.
const GUESS_MAX: usize = 64;
/// Most names that are listed beside one that is not known.
const LISTED_MAX: usize = 14;
/// Policies of one kind that a board has room for.
const BOARD_SLOTS: usize = 64;

/// Keys at the top of a file, beside the sections.
const TOP: [&str; 4] = ["$schema", "version", "board", "defaults"];
/// The sections, in the order of the documentation.
pub(super) const SECTIONS: [&str; 10] = [
    <crate::CircuitBreakerConfig as Kind>::SECTION.name,
    <super::RateLimitConfig as Kind>::SECTION.name,
    <super::ConcurrencyConfig as Kind>::SECTION.name,
    <super::TimeoutSettings as Kind>::SECTION.name,
    <super::RetrySettings as Kind>::SECTION.name,
    <super::HedgeSettings as Kind>::SECTION.name,
    <super::QueueSettings as Kind>::SECTION.name,
    <super::AdaptiveSettings as Kind>::SECTION.name,
    <super::SheddingSettings as Kind>::SECTION.name,
    <super::ThrottleSettings as Kind>::SECTION.name,
];

/// Reads the whole tree.
///
/// # Errors
/// All findings, warnings included, when one of them is an error.
pub(super) fn read(tree: &Node, source: Source) -> Result<Config, Vec<Finding>> {
    let mut reader = Reader {
        source,
        findings: Vec::new(),
        defaults: &[],
        on_board: false,
    };
    let mut config = reader.root(tree);
    if reader.findings.len() < FINDINGS_MAX {
        reader.findings.extend(lint::findings(&config));
    }
    reader.findings.truncate(FINDINGS_MAX);
    sort(&mut reader.findings);
    if reader
        .findings
        .iter()
        .any(|finding| finding.severity == Severity::Error)
    {
        return Err(reader.findings);
    }
    config.warnings = reader.findings;
    Ok(config)
}

struct Reader<'a> {
    source: Source,
    findings: Vec<Finding>,
    /// What stands below `defaults`.
    defaults: &'a [Entry],
    on_board: bool,
}

impl<'a> Reader<'a> {
    fn error(&mut self, id: Id, subject: Subject, message: impl Into<String>) {
        if self.findings.len() < FINDINGS_MAX {
            self.findings.push(self.source.error(id, subject, message));
        }
    }

    fn wrong(&mut self, path: String, node: &Node, wrong: Wrong) {
        let (id, message) = match wrong {
            Wrong::Kind(message) => (Id::Kind, message),
            Wrong::Range(message) => (Id::Range, message),
        };
        self.error(id, subject(path, node), message);
    }

    fn root(&mut self, tree: &'a Node) -> Config {
        let mut config = Config {
            source: self.source.clone(),
            board: None,
            board_span: Span::default(),
            breakers: Named::new(),
            rate_limits: Named::new(),
            concurrency: Named::new(),
            timeouts: Named::new(),
            retries: Named::new(),
            hedges: Named::new(),
            queues: Named::new(),
            adaptive: Named::new(),
            shedding: Named::new(),
            throttles: Named::new(),
            warnings: Vec::new(),
        };
        let entries = self.map("", tree).unwrap_or_default();
        for entry in entries {
            let node = &entry.node;
            match entry.key.as_str() {
                "version" => self.version(node),
                "board" => {
                    config.board = self.board(node);
                    config.board_span = node.span;
                }
                "defaults" => self.defaults = self.map("defaults", node).unwrap_or_default(),
                "$schema" => {}
                key if SECTIONS.contains(&key) => {}
                _ => self.unknown("", entry, &[&TOP[..], &SECTIONS].concat()),
            }
        }
        self.on_board = config.board.is_some();
        let defaults = self.defaults;
        for entry in defaults {
            if !SECTIONS.contains(&entry.key.as_str()) {
                self.unknown("defaults", entry, &SECTIONS);
            }
        }
        config.breakers = self.section(entries);
        config.rate_limits = self.section(entries);
        config.concurrency = self.section(entries);
        config.timeouts = self.section(entries);
        config.retries = self.section(entries);
        config.hedges = self.section(entries);
        config.queues = self.section(entries);
        config.adaptive = self.section(entries);
        config.shedding = self.section(entries);
        config.throttles = self.section(entries);
        config
    }

    /// The entries of a table; nothing at all is an empty one. `None`, and a finding: it is none.
    fn map(&mut self, path: &str, node: &'a Node) -> Option<&'a [Entry]> {
        match &node.value {
            Value::Map(entries) => Some(entries),
            Value::Nothing => Some(&[]),
            _ => {
                let message = "must be a table of names and values".to_owned();
                self.wrong(path.to_owned(), node, Wrong::Kind(message));
                None
            }
        }
    }

    fn version(&mut self, node: &Node) {
        let is_read =
            matches!(&node.value, Value::Number(number) if number.integer == Some(VERSION.into()));
        if !is_read {
            let message = format!("must be {VERSION}, the only version that this program reads");
            self.error(Id::Version, subject("version".to_owned(), node), message);
        }
    }

    fn board(&mut self, node: &Node) -> Option<PathBuf> {
        if !cfg!(all(target_os = "linux", target_has_atomic = "64")) {
            let message = "boards need Linux and 64-bit atomics; leave it out";
            self.error(Id::Board, subject("board".to_owned(), node), message);
            return None;
        }
        match &node.value {
            Value::Text(path) if path.starts_with('/') && !path.contains('\0') => {
                Some(PathBuf::from(path))
            }
            _ => {
                let message = "must be the absolute path of a file on tmpfs, such as \"/dev/shm/shop\"; leave it out for policies of this process alone";
                let wrong = Wrong::Kind(message.to_owned());
                self.wrong("board".to_owned(), node, wrong);
                None
            }
        }
    }

    fn section<T: Kind>(&mut self, top: &'a [Entry]) -> Named<T> {
        let section = T::SECTION;
        let path = join("defaults", section.name);
        let defaults = self.defaults;
        let defaults = match find(defaults, section.name) {
            None => Vec::new(),
            Some(entry) => {
                let entries = self.map(&path, &entry.node).unwrap_or_default();
                self.settings(&path, entries)
            }
        };
        let mut named = Named::new();
        let Some(entry) = find(top, section.name) else {
            return named;
        };
        for entry in self.map(section.name, &entry.node).unwrap_or_default() {
            let path = join(section.name, &entry.key);
            if SlotName::new(&entry.key).is_err() {
                let subject = at_key(path, entry);
                let message = "a name has 1 to 64 bytes and no control characters";
                self.error(Id::Name, subject, message);
                continue;
            }
            if let Some(policy) = self.policy(&path, entry, &defaults) {
                named.insert(entry.key.clone(), policy);
            }
        }
        if self.on_board && T::IS_SHARED && named.len() > BOARD_SLOTS {
            let subject = at_key(section.name.to_owned(), entry);
            let message = format!(
                "{} names; a board holds at most {BOARD_SLOTS} of a kind",
                named.len()
            );
            self.error(Id::Board, subject, message);
        }
        named
    }

    /// One policy; `None` where something of it is wrong.
    fn policy<T: Kind>(
        &mut self,
        path: &str,
        entry: &'a Entry,
        defaults: &[(&'static Setting<T>, &'a Node)],
    ) -> Option<Policy<T>> {
        let before = self.findings.len();
        let entries = self.map(path, &entry.node)?;
        let own = self.settings(path, entries);
        let mut policy = Policy {
            config: T::start(),
            given: BTreeMap::new(),
            span: entry.key_span,
        };
        let is_own = |name| own.iter().any(|(setting, _)| setting.name == name);
        // Its own window replaces the defaults', whichever of the two names they go by.
        let inherited = defaults
            .iter()
            .filter(|(setting, _)| !setting.excludes.is_some_and(is_own));
        let sources = inherited
            .map(|&row| (row, true))
            .chain(own.iter().map(|&row| (row, false)));
        for ((setting, node), is_default) in sources {
            if let Ok(given) = setting.take.take(node, &mut policy.config) {
                let span = node.span;
                let written = match node.value {
                    Value::Map(_) => given.to_string(),
                    _ => node.shown(),
                };
                let placed = Placed {
                    given,
                    written,
                    span,
                    is_default,
                };
                policy.given.insert(setting.name, placed);
            }
        }
        for setting in T::SECTION.settings {
            let is_missing = setting.default.is_none()
                && !policy.given.contains_key(setting.name)
                && find(entries, setting.name).is_none();
            if is_missing {
                let subject = at_key(path.to_owned(), entry);
                let message = format!("`{}` is missing; give it", setting.name);
                self.error(Id::Missing, subject, message);
            }
        }
        if self.findings.len() > before {
            return None;
        }
        if let Err(clash) = policy.config.check(self.on_board) {
            let subject = policy.subject(&entry.key, clash.field);
            self.error(Id::Conflict, subject, clash.message);
            return None;
        }
        Some(policy)
    }

    /// The settings that are right by themselves; the others are findings.
    fn settings<T: Kind>(
        &mut self,
        path: &str,
        entries: &'a [Entry],
    ) -> Vec<(&'static Setting<T>, &'a Node)> {
        let known = T::SECTION.settings;
        let row = |name| known.iter().position(|setting| setting.name == name);
        let mut scratch = T::start();
        let mut right = Vec::new();
        for entry in entries {
            let Some(setting) = known.iter().find(|row| row.name == entry.key) else {
                let names: Vec<_> = known.iter().map(|row| row.name).collect();
                self.unknown(path, entry, &names);
                continue;
            };
            let path = join(path, setting.name);
            let node = &entry.node;
            let other = setting
                .excludes
                .filter(|other| find(entries, other).is_some());
            if let Some(other) = other {
                // Told once, at the same one of the two in every format.
                if row(setting.name) < row(other) {
                    let message = format!("is given together with `{other}`; give one of the two");
                    self.error(Id::Conflict, subject(path, node), message);
                }
                continue;
            }
            match setting.take.take(node, &mut scratch) {
                Ok(_) => right.push((setting, node)),
                Err(misfit) => {
                    let path = match misfit.below {
                        "" => path,
                        below => join(&path, below),
                    };
                    self.wrong(path, misfit.node, misfit.wrong);
                }
            }
        }
        right
    }

    fn unknown(&mut self, path: &str, entry: &Entry, known: &[&str]) {
        if self.findings.len() >= FINDINGS_MAX {
            // A near name takes its time.
            return;
        }
        let message = match nearest(&entry.key, known) {
            Some(near) => format!("there is no such setting; did you mean `{near}`?"),
            None if known.len() > LISTED_MAX => {
                "there is no such setting; `fuseboard schema` lists them".to_owned()
            }
            None => format!("there is no such setting; there are {}", known.join(", ")),
        };
        let subject = at_key(join(path, &entry.key), entry);
        self.error(Id::Unknown, subject, message);
    }
}

fn find<'a>(entries: &'a [Entry], key: &str) -> Option<&'a Entry> {
    entries.iter().find(|entry| entry.key == key)
}

fn subject(path: String, node: &Node) -> Subject {
    Subject {
        path,
        value: Some(node.shown()),
        span: node.span,
    }
}

fn at_key(path: String, entry: &Entry) -> Subject {
    Subject {
        path,
        value: None,
        span: entry.key_span,
    }
}

/// The known name that `key` was probably meant to be.
fn nearest<'a>(key: &str, known: &[&'a str]) -> Option<&'a str> {
    if key.len() > GUESS_MAX {
        return None;
    }
    let likeness = |name: &str| strsim::normalized_damerau_levenshtein(&key.to_lowercase(), name);
    known
        .iter()
        .map(|name| (likeness(name), *name))
        .filter(|(likeness, _)| *likeness >= 0.6)
        .max_by(|(a, _), (b, _)| a.total_cmp(b))
        .map(|(_, name)| name)
}

/// A subject without a text, for what cannot be read at all.
pub(super) fn nowhere() -> Subject {
    Subject {
        path: String::new(),
        value: None,
        span: Span::default(),
    }
}
