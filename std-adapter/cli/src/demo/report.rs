//! The report: both runs side by side, and whether what should have happened did.

use super::load::{Call, Ending, Finished};
use super::script::{HEALED, SCRIPT};
use comfy_table::{CellAlignment, Table, presets};
use fuseboard::CircuitState;
use std::time::Duration;

/// Both columns; the upstream's rows are its own counts.
pub(crate) fn table(without: &Finished, with: &Finished) -> Table {
    let mut table = Table::new();
    table.load_style(presets::UTF8_BORDERS_ONLY);
    table.set_header(["", "without breaker", "with breaker"]);
    let mut row = |name: &str, value: &dyn Fn(&Finished) -> String| {
        table.add_row([name.to_owned(), value(without), value(with)]);
    };
    row("calls", &|run| run.calls.len().to_string());
    row("  served", &|run| run.count(Ending::Served).to_string());
    row("  failed", &|run| run.count(Ending::Failed).to_string());
    row("  rejected at once by the breaker", &|run| {
        run.count(Ending::Rejected).to_string()
    });
    row("  limited by the token bucket", &|run| {
        run.count(Ending::Limited).to_string()
    });
    row("callers waited, all together", &|run| {
        seconds(waited(run, |_| true))
    });
    row("  of that for nothing", &|run| {
        seconds(waited(run, in_vain))
    });
    row("served once the upstream was well again", &|run| {
        percent(served_from(run, HEALED))
    });
    row("upstream: requests received", &|run| {
        run.upstream.received.to_string()
    });
    row("  of these while it was sick", &|run| {
        run.upstream.received_sick.to_string()
    });
    row("  held at once, at most", &|run| {
        run.upstream.most.to_string()
    });
    row("  worked on for callers who had gone", &|run| {
        run.upstream.abandoned.to_string()
    });
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}

/// The difference in words.
pub(crate) fn summary(without: &Finished, with: &Finished) -> String {
    let saved = waited(without, |_| true).saturating_sub(waited(with, |_| true));
    format!(
        "It saved callers {} of waiting and the sick upstream {} of {} requests;\n\
         a rejected caller knows at once, and can answer from a cache or try elsewhere.",
        seconds(saved),
        without
            .upstream
            .received_sick
            .saturating_sub(with.upstream.received_sick),
        without.upstream.received_sick,
    )
}

/// Whether the breaker did its work.
///
/// # Errors
/// All that went otherwise, in words.
pub(crate) fn verdict(without: &Finished, with: &Finished) -> Result<(), String> {
    let (openings, state) = with.breaker.unwrap_or((0, CircuitState::Closed));
    let sick = (without.upstream.received_sick, with.upstream.received_sick);
    let sent = |run: &Finished| {
        (run.calls.len() - run.count(Ending::Rejected) - run.count(Ending::Limited)) as u64
    };
    let last = served_from(with, SCRIPT.phases().len() - 1);
    let checks = [
        (
            without.calls.len() == with.calls.len(),
            "the two runs had different loads".to_owned(),
        ),
        (openings > 0, "the breaker never opened".to_owned()),
        (
            state == CircuitState::Closed,
            format!("the breaker ended {state}, not closed"),
        ),
        (
            sick.1 * 2 < sick.0,
            format!(
                "the sick upstream got {} requests in place of {}",
                sick.1, sick.0
            ),
        ),
        (
            last >= 0.8,
            format!("only {} of the last calls were served", percent(last)),
        ),
        (
            [without, with]
                .iter()
                .all(|run| run.upstream.received <= sent(run)),
            "the upstream counted more requests than were sent".to_owned(),
        ),
    ];
    let wrong: Vec<_> = checks
        .into_iter()
        .filter_map(|(good, what)| (!good).then_some(what))
        .collect();
    if wrong.is_empty() {
        Ok(())
    } else {
        Err(wrong.join("; "))
    }
}

fn in_vain(call: &Call) -> bool {
    call.ending != Ending::Served
}

fn waited(run: &Finished, which: impl Fn(&Call) -> bool) -> Duration {
    run.calls
        .iter()
        .filter(|call| which(call))
        .map(|call| call.waited)
        .sum()
}

/// Share of the calls begun in phase `index` or later that were served.
fn served_from(run: &Finished, index: usize) -> f64 {
    let begins = SCRIPT.begins(index);
    let calls: Vec<_> = run
        .calls
        .iter()
        .filter(|call| call.begun >= begins)
        .collect();
    let served = calls
        .iter()
        .filter(|call| call.ending == Ending::Served)
        .count();
    if calls.is_empty() {
        0.0
    } else {
        served as f64 / calls.len() as f64
    }
}

fn seconds(span: Duration) -> String {
    format!("{:.1} s", span.as_secs_f64())
}

fn percent(share: f64) -> String {
    format!("{:.0} %", share * 100.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::demo::upstream::Counted;

    fn run(ending: Ending, received_sick: u64, breaker: Option<(u64, CircuitState)>) -> Finished {
        let begun = SCRIPT.begins(SCRIPT.phases().len() - 1);
        let calls = vec![
            Call {
                begun,
                waited: Duration::ZERO,
                ending
            };
            10
        ];
        let upstream = Counted {
            received: received_sick,
            received_sick,
            ..Counted::default()
        };
        Finished {
            calls,
            upstream,
            breaker,
        }
    }

    #[test]
    fn a_run_that_shows_everything_is_ok() {
        let without = run(Ending::Served, 10, None);
        let with = run(Ending::Served, 2, Some((1, CircuitState::Closed)));
        assert_eq!(verdict(&without, &with), Ok(()));
    }

    #[test]
    fn whatever_did_not_happen_is_named() {
        let without = run(Ending::Served, 10, None);
        let with = run(Ending::Failed, 9, Some((0, CircuitState::Open)));
        let reason = verdict(&without, &with).unwrap_err();
        for part in [
            "never opened",
            "ended open",
            "9 requests in place of 10",
            "only 0 %",
        ] {
            assert!(reason.contains(part), "{part:?} is missing in {reason:?}");
        }
    }
}
