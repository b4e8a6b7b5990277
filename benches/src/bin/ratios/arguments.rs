//! The command line.

use clap::Parser;

/// Measures every operation in interleaved rounds, and shows its ratio to the machine's limit and to the best peer.
#[derive(Parser)]
#[command(name = "cargo xtask ratios", bin_name = "cargo xtask ratios")]
pub struct Arguments {
    /// One JSON object a line instead of tables.
    #[arg(long)]
    pub json: bool,
    /// Few and short rounds: some seconds, and twice the spread.
    #[arg(long)]
    pub quick: bool,
    /// Ends with exit code 1 when a target is missed.
    #[arg(long)]
    pub strict: bool,
    /// Rounds; each runs every row once.
    #[arg(long, value_name = "N")]
    pub rounds: Option<usize>,
    /// Only groups and rows whose name has this in it; the machine's are always measured.
    #[arg(value_name = "WORD")]
    pub words: Vec<String>,
}

impl Arguments {
    /// Rounds, each with one burst a row.
    pub fn rounds(&self) -> usize {
        self.rounds
            .unwrap_or(if self.quick { 9 } else { 41 })
            .max(1)
    }

    /// How long a burst should take, in nanoseconds.
    pub fn burst_ns(&self) -> f64 {
        if self.quick { 500_000.0 } else { 2_000_000.0 }
    }

    /// Whether a row is wanted.
    pub fn wants(&self, group: &str, name: &str) -> bool {
        self.words.is_empty()
            || group == "machine"
            || self
                .words
                .iter()
                .any(|word| group.contains(word.as_str()) || name.contains(word.as_str()))
    }
}
