//! What the workers showed: apart beside together, and whether together was really better.

use super::Finished;
use super::worker::Calls;
use crate::demo::load::Ending;
use crate::demo::script::OUTAGE;
use crate::demo::upstream::WORKERS as SERVERS;
use anstyle::Style;
use comfy_table::{CellAlignment, Table, presets};
use fuseboard::CircuitBreakerConfig;
use std::net::SocketAddr;
use std::time::Duration;

const BOLD: Style = Style::new().bold();
const DIM: Style = Style::new().dimmed();

/// What is going to happen.
pub(super) fn introduction(
    upstream: SocketAddr,
    workers: u32,
    gap: Duration,
    config: &CircuitBreakerConfig,
) -> String {
    let plural = if workers == 1 { "" } else { "es" };
    format!(
        "{BOLD}{workers} worker process{plural} of one service, and a server that goes down: breakers apart, then one together.{BOLD:#}\n\
         {DIM}\
         upstream  http://{upstream}, {SERVERS} at a time; well for {:.1} s, down for {:.1} s, well again\n\
         workers   {:.1} calls a second each\n\
         breaker   opens at {:.0} % of the last 20 calls failed; stays open {} ms, then {} probe decides\
         {DIM:#}",
        OUTAGE.phases()[0].lasts.as_secs_f64(),
        OUTAGE.phases()[1].lasts.as_secs_f64(),
        1.0 / gap.as_secs_f64(),
        config.failure_threshold * 100.0,
        config.open_timeout.as_millis(),
        config.half_open_requests,
    )
}

/// A worker's first rejected call.
pub(super) fn opened(index: u32, at: Duration) -> String {
    let after = at.saturating_sub(OUTAGE.begins(1));
    format!(
        "  {DIM}t={:.1}s{DIM:#}  worker {}: its breaker is open, {} ms after the failure began",
        at.as_secs_f64(),
        index + 1,
        after.as_millis()
    )
}

/// When the first of the workers' moments was, and when the last; `None`: some have none.
fn first_and_last(
    run: &Finished,
    moment: impl Fn(&Calls) -> Option<Duration>,
) -> Option<(Duration, Duration)> {
    let moments: Option<Vec<Duration>> = run.workers.iter().map(moment).collect();
    let moments = moments?;
    Some((*moments.iter().min()?, *moments.iter().max()?))
}

/// When a worker's first call was rejected, after the failure began.
fn opened_after(calls: &Calls) -> Option<Duration> {
    let rejected = calls
        .iter()
        .filter(|(_, ending)| *ending == Ending::Rejected);
    let first = rejected.map(|(begun, _)| begun).min()?;
    Some(first.saturating_sub(OUTAGE.begins(1)))
}

/// When a worker was served again, after the server was well again.
fn served_after(calls: &Calls) -> Option<Duration> {
    let well = OUTAGE.begins(2);
    let served = calls
        .iter()
        .filter(|(begun, ending)| *ending == Ending::Served && *begun >= well);
    Some(served.map(|(begun, _)| begun).min()?.saturating_sub(well))
}

/// Calls that failed: before the worker's breaker was open, and later, as probes.
fn failed(calls: &Calls) -> (usize, usize) {
    let open = opened_after(calls).map_or(Duration::MAX, |after| OUTAGE.begins(1) + after);
    let failed = calls.iter().filter(|(_, ending)| *ending == Ending::Failed);
    let (before, later): (Vec<_>, Vec<_>) = failed.partition(|(begun, _)| *begun < open);
    (before.len(), later.len())
}

fn all_failed(run: &Finished) -> (usize, usize) {
    let counts = run.workers.iter().map(failed);
    counts.fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1))
}

/// Both runs side by side.
pub(super) fn table(apart: &Finished, together: &Finished) -> Table {
    let mut table = Table::new();
    table.load_style(presets::UTF8_BORDERS_ONLY);
    table.set_header(["", "apart", "together"]);
    let mut row = |name: &str, value: &dyn Fn(&Finished) -> String| {
        table.add_row([name.to_owned(), value(apart), value(together)]);
    };
    let open = |run: &Finished| first_and_last(run, opened_after);
    let well = |run: &Finished| first_and_last(run, served_after);
    row(
        "first worker stops calling, after the failure began",
        &|run| millis(open(run).map(|(first, _)| first)),
    );
    row("last worker stops calling", &|run| {
        millis(open(run).map(|(_, last)| last))
    });
    row("calls that failed until then", &|run| {
        all_failed(run).0.to_string()
    });
    row("probes that failed while it was down", &|run| {
        all_failed(run).1.to_string()
    });
    row("requests that the failing server got", &|run| {
        run.upstream.received_sick.to_string()
    });
    row("first worker served again, after it was well", &|run| {
        millis(well(run).map(|(first, _)| first))
    });
    row("last worker served again", &|run| {
        millis(well(run).map(|(_, last)| last))
    });
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}

fn millis(span: Option<Duration>) -> String {
    span.map_or("never".into(), |span| format!("{} ms", span.as_millis()))
}

/// The difference in words.
pub(super) fn summary(apart: &Finished, together: &Finished) -> String {
    if apart.workers.len() == 1 {
        return String::from("One worker has nobody to learn from: a board gains it nothing.");
    }
    format!(
        "What one worker learns, all know with their next call: {} failed calls instead of {},\n\
         and the server that tries to come back gets {} probes instead of {}.",
        all_failed(together).0,
        all_failed(apart).0,
        all_failed(together).1,
        all_failed(apart).1,
    )
}

/// Whether together was better than apart; of one worker, whether both did their work.
///
/// # Errors
/// All that went otherwise, in words.
pub(super) fn verdict(apart: &Finished, together: &Finished) -> Result<(), String> {
    let is_one = apart.workers.len() == 1;
    let last = |run| first_and_last(run, opened_after).map(|(_, last)| last);
    let (a, t) = (all_failed(apart), all_failed(together));
    let mut wrong = Vec::new();
    for (name, run) in [("apart", apart), ("together", together)] {
        if last(run).is_none() {
            wrong.push(format!("{name}: not every worker stopped calling"));
        }
        if first_and_last(run, served_after).is_none() {
            wrong.push(format!("{name}: not every worker was served again"));
        }
    }
    if !is_one {
        if t.0 >= a.0 {
            wrong.push(format!("together {} calls failed, apart {}", t.0, a.0));
        }
        if t.1 >= a.1 {
            wrong.push(format!("together {} probes failed, apart {}", t.1, a.1));
        }
        if last(together) >= last(apart) {
            wrong.push("together the last worker stopped calling no sooner".into());
        }
    }
    if wrong.is_empty() {
        Ok(())
    } else {
        Err(wrong.join("; "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::demo::upstream::Counted;

    /// Workers that fail every 40 ms from the beginning of the outage until they open, then probe, then are served.
    fn run(opened_ms: &[u64], probes: u64) -> Finished {
        let workers = opened_ms.iter().map(|&opened| {
            let mut calls = Calls::default();
            let down = OUTAGE.begins(1);
            for at in (0..opened).step_by(40) {
                calls.add(down + Duration::from_millis(at), Ending::Failed);
            }
            calls.add(down + Duration::from_millis(opened), Ending::Rejected);
            for probe in 1..=probes {
                calls.add(
                    down + Duration::from_millis(opened + 300 * probe),
                    Ending::Failed,
                );
            }
            calls.add(OUTAGE.begins(2) + Duration::from_millis(60), Ending::Served);
            calls
        });
        Finished {
            workers: workers.collect(),
            upstream: Counted::default(),
        }
    }

    #[test]
    fn together_must_be_better() {
        let (apart, together) = (run(&[400, 440], 5), run(&[120, 160], 2));
        assert_eq!(all_failed(&apart), (21, 10));
        assert_eq!(verdict(&apart, &together), Ok(()));
        let reason = verdict(&together, &apart).unwrap_err();
        for part in ["calls failed", "probes failed", "no sooner"] {
            assert!(reason.contains(part), "{part:?} is missing in {reason:?}");
        }
        let never = run(&[], 0);
        assert!(
            verdict(&never, &never)
                .unwrap_err()
                .contains("stopped calling")
        );
        assert_eq!(verdict(&run(&[400], 5), &run(&[400], 5)), Ok(()));
    }
}
