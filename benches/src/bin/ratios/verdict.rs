//! From times to ratios, and whether the targets hold.

use crate::measure::{Measured, median};
use fuseboard_benches::rows::{Row, Target, Who};

/// A measured row beside its limit and its peers, against one target or none.
pub struct Verdict<'a> {
    /// The row.
    pub row: &'a Row,
    /// How many threads ran it.
    pub threads: usize,
    /// Nanoseconds a call takes its thread.
    pub ns: Option<f64>,
    /// Half the distance of the quartiles, as a share of the median.
    pub spread: Option<f64>,
    /// To the machine's row, with one thread.
    pub to_limit: Option<f64>,
    /// To the fastest peer of the group, with as many threads.
    pub to_peer: Option<f64>,
    /// How many times the calls of one thread all threads make.
    pub speed_up: Option<f64>,
    /// What is promised.
    pub target: Option<Target>,
    value: Option<f64>,
}

impl Verdict<'_> {
    /// Whether the target holds; `None`: there is none, or nothing to compare with.
    pub fn holds(&self) -> Option<bool> {
        let value = self.value?;
        Some(match self.target? {
            Target::Limit(most)
            | Target::Peer(most)
            | Target::Row(most, _)
            | Target::Adds(most, _)
            | Target::Nanos(most) => value <= most,
            Target::Scales(least) | Target::Millions(least) => value >= least,
        })
    }
}

/// One for each measured row, and one more for each target beyond its first.
pub fn verdicts<'a>(rows: &'a [Row], measured: &[Measured]) -> Vec<Verdict<'a>> {
    measured
        .iter()
        .flat_map(|one| {
            let row = &rows[one.row];
            let mut targets: Vec<Option<Target>> = row
                .targets
                .iter()
                .filter(|(threads, _)| *threads == one.threads)
                .map(|(_, target)| Some(*target))
                .collect();
            if targets.is_empty() {
                targets.push(None);
            }
            targets
                .into_iter()
                .map(move |target| verdict(rows, measured, one, target))
                .collect::<Vec<_>>()
        })
        .collect()
}

fn verdict<'a>(
    rows: &'a [Row],
    measured: &[Measured],
    one: &Measured,
    target: Option<Target>,
) -> Verdict<'a> {
    let row = &rows[one.row];
    let find = |is: &dyn Fn(&Row) -> bool, threads| {
        measured
            .iter()
            .filter(move |other| other.threads == threads)
            .filter(|other| is(&rows[other.row]))
            .min_by(|a, b| {
                let ns = |one: &Measured| one.ns().unwrap_or(f64::INFINITY);
                ns(a).total_cmp(&ns(b))
            })
    };
    let limit = find(
        &|other| other.who == Who::Machine && other.name == row.limit,
        1,
    );
    let peer = find(
        &|other| other.who == Who::Peer && other.group == row.group,
        one.threads,
    );
    let alone = find(&|other| std::ptr::eq(other, row), 1);
    let to_limit = limit.and_then(|limit| ratio(one, limit));
    let to_peer = peer.and_then(|peer| ratio(one, peer));
    let speed_up = alone
        .filter(|_| one.threads > 1)
        .and_then(|alone| ratio(alone, one))
        .map(|ratio| ratio * one.threads as f64);
    let beside = |name: &str| {
        find(
            &|other| other.group == row.group && other.name == name && other.who == row.who,
            one.threads,
        )
    };
    let value = target.and_then(|target| match target {
        Target::Limit(_) => to_limit,
        Target::Peer(_) => to_peer,
        Target::Row(_, name) => beside(name).and_then(|other| ratio(one, other)),
        Target::Adds(_, name) => beside(name)
            .and_then(|other| ratio(other, limit?))
            .and_then(|other| Some(to_limit? - other)),
        Target::Scales(_) => speed_up,
        Target::Nanos(_) => one.ns(),
        Target::Millions(_) => one.ns().map(|ns| one.threads as f64 * 1e3 / ns),
    });
    Verdict {
        row,
        threads: one.threads,
        ns: one.ns(),
        spread: one.spread(),
        to_limit,
        to_peer,
        speed_up,
        target,
        value,
    }
}

/// How many times as long the first takes: the median over the rounds in which neither was disturbed, or of
/// all that count where there are too few of those.
fn ratio(one: &Measured, other: &Measured) -> Option<f64> {
    const FEW: usize = 5;

    let mut ratios: Vec<f64> = one
        .rounds
        .iter()
        .zip(&other.rounds)
        .filter_map(|(a, b)| Some((*a)? / (*b)?))
        .collect();
    ratios.sort_by(f64::total_cmp);
    if ratios.len() >= FEW {
        return median(&ratios);
    }
    Some(one.ns()? / other.ns()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measured(row: usize, threads: usize, rounds: &[Option<f64>]) -> Measured {
        Measured {
            row,
            threads,
            rounds: rounds.to_vec(),
        }
    }

    #[test]
    fn a_ratio_is_taken_within_rounds() {
        // The machine slowed down to half: no ratio changes.
        let limit = measured(0, 1, &[1.0, 1.0, 2.0, 2.0, 2.0].map(Some));
        let ours = measured(1, 1, &[3.0, 3.0, 6.0, 6.0, 6.0].map(Some));
        assert_eq!(ratio(&ours, &limit), Some(3.0));
    }

    #[test]
    fn a_missed_target_is_said() {
        let rows = fuseboard_benches::rows::all();
        let find = |name| rows.iter().position(|row| row.name == name).unwrap();
        let limit = find("fetch_add");
        let ours = find("time window");
        for (ns, holds) in [(1.15, true), (1.16, false)] {
            let measured = [
                measured(limit, 1, &[Some(1.0)]),
                measured(ours, 1, &[Some(ns)]),
            ];
            let verdicts = verdicts(&rows, &measured);
            assert_eq!(verdicts[0].holds(), None);
            assert_eq!(verdicts[1].holds(), Some(holds));
        }
    }
}
