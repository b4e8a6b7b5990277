//! The books: whether what is stored, what was paid, what was published and what is shown are one and the same story.

mod events;
mod money;
mod read_model;
mod stream;

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::sync::Arc;

use uuid::Uuid;

use crate::projection::{ProjectionOptions, ReadModel, ReadModelProjection};
use crate::provider::Ledger;
use crate::store::EventStore;

/// Where the books are read.
pub struct Sources {
    /// Every event.
    pub store: Arc<dyn EventStore>,
    /// What is shown.
    pub read_model: Arc<dyn ReadModel>,
    /// The payment provider's own book.
    pub ledger: Ledger,
    /// Redis, where it carries the events.
    pub redis: Option<String>,
}

/// One check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// What was looked at.
    pub name: &'static str,
    /// What was found, in a few words and numbers.
    pub found: String,
    /// What is wrong; nothing: it balances.
    pub wrong: Vec<String>,
}

/// All checks.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Books {
    /// In the order in which they were made.
    pub lines: Vec<Line>,
}

impl Books {
    /// Reads everything. `accepted` are the orders that clients were told of, with the end that they were told; none when nobody kept count.
    ///
    /// # Errors
    /// Something cannot be read: then nothing is known.
    pub async fn read(
        sources: &Sources,
        accepted: Option<&BTreeMap<Uuid, String>>,
    ) -> anyhow::Result<Self> {
        let events = events::read(&*sources.store).await?;
        let mut lines = vec![events.versions(), events.ends(accepted)];
        lines.push(money::check(&events, &sources.ledger).await?);
        if let Some(redis) = &sources.redis {
            lines.push(stream::check(&events, redis).await?);
        }
        let projection = ReadModelProjection::new(
            Arc::clone(&sources.store),
            Arc::clone(&sources.read_model),
            ProjectionOptions::default(),
        );
        lines.push(read_model::check(&events, &*sources.read_model, &projection).await?);
        Ok(Self { lines })
    }

    /// Nothing is wrong.
    pub fn balance(&self) -> bool {
        self.lines.iter().all(|line| line.wrong.is_empty())
    }
}

/// At most so many things that are wrong are told of each check.
const TOLD: usize = 5;

impl fmt::Display for Books {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "the books")?;
        for line in &self.lines {
            let mark = if line.wrong.is_empty() {
                "ok   "
            } else {
                "WRONG"
            };
            writeln!(f, "  {mark}  {:<11} {}", line.name, line.found)?;
            for wrong in line.wrong.iter().take(TOLD) {
                writeln!(f, "           {wrong}")?;
            }
            if line.wrong.len() > TOLD {
                writeln!(f, "           and {} more", line.wrong.len() - TOLD)?;
            }
        }
        let verdict = if self.balance() {
            "they balance"
        } else {
            "THEY DO NOT BALANCE"
        };
        write!(f, "{verdict}")
    }
}

/// Opens the payment provider's book, which must be there.
///
/// # Errors
/// It is not, or it cannot be read.
pub async fn ledger(file: &Path) -> anyhow::Result<Ledger> {
    anyhow::ensure!(
        file.is_file(),
        "{} is not there: --ledger names the payment provider's book, such as orders-data/payments.db",
        file.display()
    );
    Ok(Ledger::open(file).await?)
}
