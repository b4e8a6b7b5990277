//! The table and the line that everything ends with.

use comfy_table::presets::UTF8_FULL_CONDENSED;
use comfy_table::{CellAlignment, Table};

use crate::run::Outcome;
use crate::tally::Tally;

/// Suite · passed · failed · skipped · why.
pub fn table(outcomes: &[Outcome]) -> String {
    let mut table = Table::new();
    table.load_style(UTF8_FULL_CONDENSED);
    table.set_header(["suite", "passed", "failed", "skipped", "why"]);
    for Outcome { suite, tally, why } in outcomes {
        let [passed, failed, skipped] =
            [tally.passed, tally.failed, tally.skipped].map(|count| count.to_string());
        table.add_row([*suite, &passed, &failed, &skipped, why]);
    }
    for column in table.column_iter_mut().skip(1).take(3) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    format!("{table}\n")
}

/// The sum.
pub fn total(outcomes: &[Outcome]) -> Tally {
    outcomes.iter().fold(Tally::default(), |mut sum, outcome| {
        sum += outcome.tally;
        sum
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sum_is_over_all_suites() {
        let outcome = |passed, failed, skipped| Outcome {
            suite: "core",
            tally: Tally {
                passed,
                failed,
                skipped,
            },
            why: String::new(),
        };
        let outcomes = [outcome(3, 0, 1), outcome(4, 2, 0)];
        assert_eq!(
            total(&outcomes).to_string(),
            "7 passed, 2 failed, 1 skipped"
        );
        assert!(table(&outcomes).contains("core"));
        assert_eq!(total(&[]), Tally::default());
    }
}
