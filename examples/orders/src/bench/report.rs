//! The table, and what it was measured on.

use std::fmt::Write;
use std::time::Duration;

use anyhow::Result;
use time::OffsetDateTime;

use crate::store::Database;

/// One line of the table.
#[derive(Debug)]
pub struct Row {
    group: &'static str,
    what: String,
    value: String,
    target: &'static str,
}

impl Row {
    /// Something measured.
    pub fn text(group: &'static str, what: &str, value: &str) -> Self {
        Self {
            group,
            what: what.to_owned(),
            value: value.to_owned(),
            target: "",
        }
    }

    /// With what it should be.
    pub fn target(mut self, target: &'static str) -> Self {
        self.target = target;
        self
    }
}

/// All lines.
#[derive(Debug, Default)]
pub struct Report {
    rows: Vec<Row>,
}

impl Report {
    /// One more, told at once: a run takes minutes.
    pub fn push(&mut self, row: Row) {
        eprintln!("{}: {}: {}", row.group, row.what, row.value);
        self.rows.push(row);
    }

    /// Several more.
    pub fn extend(&mut self, rows: Vec<Row>) {
        for row in rows {
            self.push(row);
        }
    }

    /// Prints all of it.
    pub async fn print(&self, postgres: &Database, sqlite: &Database) -> Result<()> {
        let mut text = String::from("| of | what | measured | wanted |\n|---|---|--:|--:|\n");
        for row in &self.rows {
            writeln!(
                text,
                "| {} | {} | {} | {} |",
                row.group, row.what, row.value, row.target
            )?;
        }
        println!("{}\n\n{text}", machine(postgres, sqlite).await?);
        Ok(())
    }
}

async fn machine(postgres: &Database, sqlite: &Database) -> Result<String> {
    let mut versions = Vec::new();
    for database in [postgres, sqlite] {
        versions.push(match database {
            Database::Postgres(pool) => {
                let version: String = sqlx::query_scalar("SHOW server_version")
                    .fetch_one(pool)
                    .await?;
                format!("PostgreSQL {version}")
            }
            Database::Sqlite { reader, .. } => {
                let version: String = sqlx::query_scalar("SELECT sqlite_version()")
                    .fetch_one(reader)
                    .await?;
                format!("SQLite {version}")
            }
        });
    }
    let now = OffsetDateTime::now_utc();
    let cores = std::thread::available_parallelism()?;
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load = load.split(' ').next().unwrap_or_default();
    let build = if cfg!(debug_assertions) {
        "**a debug build: of no use**"
    } else {
        "release build"
    };
    Ok(format!(
        "{} {:02}:{:02} UTC; {cores} cores, load {load} at the end; {}; {build} of orders {}.",
        now.date(),
        now.hour(),
        now.minute(),
        versions.join(", "),
        env!("CARGO_PKG_VERSION"),
    ))
}

/// The middle one, and the one that 99 of 100 do not reach; sorts them.
pub fn percentiles(times: &mut [Duration]) -> (Duration, Duration) {
    times.sort_unstable();
    let at = |share: f64| {
        let index = (times.len() as f64 * share) as usize;
        times.get(index).or(times.last()).copied()
    };
    (at(0.5).unwrap_or_default(), at(0.99).unwrap_or_default())
}

/// Milliseconds with two places.
pub fn millis(time: Duration) -> String {
    format!("{:.2} ms", time.as_secs_f64() * 1e3)
}
