//! What is on a board: who is attached, what is taken, what was damaged.

use super::super::rows::Kind;
use super::super::top::processes;
use super::Report;
use crate::humane;
use fuseboard::Board;
use fuseboard_core::{Owner, Places, Policy, Section};
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// From so many of a hundred slots on, a kind is nearly full.
const NEARLY_FULL: usize = 90;

/// Looks at what is on the board. Reading attaches nobody and gives nothing back.
pub(super) fn look(board: &Board, report: &mut Report) {
    let processes = processes::attached(board);
    let alive = processes.iter().filter(|process| process.is_alive).count();
    let list: Vec<String> = processes
        .iter()
        .map(|process| {
            let command = process.command.as_deref().unwrap_or("elsewhere");
            let command = if process.is_alive { command } else { "dead" };
            format!("{} {command}", process.id)
        })
        .collect();
    let text = match processes.len() {
        0 => String::from("nobody"),
        count => format!("{count} of 128, {alive} alive: {}", list.join(", ")),
    };
    let values: Vec<Value> = processes.iter().map(processes::Process::json).collect();
    report.fact("attached", text, json!(values));

    let words = board.words();
    let dead: BTreeSet<u16> = processes
        .iter()
        .filter(|process| !process.is_alive)
        .map(|process| process.owner)
        .collect();
    for process in processes.iter().filter(|process| !process.is_alive) {
        let owner = Owner::new(process.owner);
        let held = words
            .concurrency_limits()
            .entries()
            .filter_map(|(id, name)| {
                let held = words.concurrency_limits().get(id)?.in_flight_of(owner);
                (held > 0).then(|| format!("{held} of {name}"))
            });
        let held: Vec<String> = held.collect();
        let holds = if held.is_empty() {
            String::new()
        } else {
            format!(", and its places still count: {}", held.join(", "))
        };
        report.finding(
            "attached",
            format!("process {} died without leaving{holds}", process.id),
            "nothing: what it held comes back when somebody finds a limit or the board full",
        );
    }
    section(words.breakers(), Kind::Breaker, &dead, report);
    section(words.token_buckets(), Kind::TokenBucket, &dead, report);
    section(
        words.concurrency_limits(),
        Kind::ConcurrencyLimit,
        &dead,
        report,
    );
    for (id, name) in words.concurrency_limits().entries() {
        let places = words.concurrency_limits().get(id);
        if places.is_some_and(|places| !adds_up(places)) {
            report.finding(
                "concurrency limit",
                format!("{name}: its owners hold another number of places than it has given"),
                "remove it with `fuseboard remove`, or wait until one of its processes ends: then it is counted anew",
            );
        }
    }
}

fn section<P: Policy, const SLOTS: usize>(
    section: &Section<P, SLOTS>,
    kind: Kind,
    dead: &BTreeSet<u16>,
    report: &mut Report,
) {
    let subject = kind.subject();
    let names: Vec<_> = section.entries().collect();
    let drafts: Vec<Owner> = section.drafts().collect();
    let nameless = section.nameless();
    let taken = names.len() + drafts.len() + nameless;
    report.fact(
        subject,
        format!("{taken} of {SLOTS} slots taken"),
        json!({"names": names.len(), "drafts": drafts.len(), "nameless": nameless, "slots": SLOTS}),
    );
    if taken * 100 >= SLOTS * NEARLY_FULL {
        report.finding(
            subject,
            format!("{taken} of {SLOTS} slots are taken"),
            "remove names that nobody uses any more, or use another board for some; no name that varies, such as a user's",
        );
    }
    let left = drafts
        .iter()
        .filter(|owner| dead.contains(&owner.index()))
        .count();
    if left > 0 {
        report.finding(
            subject,
            format!(
                "dead processes were making {}",
                humane::counted(left, "name")
            ),
            "nothing: their slots come back when somebody finds the board full",
        );
    }
    if nameless > 0 {
        report.finding(
            subject,
            format!("{} without a name", humane::counted(nameless, "taken slot")),
            "something has written into the file; find out what, stop its users, remove it, start them again",
        );
    }
    for (id, name) in names {
        if section.get(id).is_some_and(|policy| !policy.is_intact()) {
            report.finding(
                subject,
                format!("{name}: its settings are out of their ranges, and are clamped when they are read"),
                "set them with `fuseboard configure`, or remove the name; something has written into the file",
            );
        }
    }
}

/// Whether the owners' places are the limit's; read again while calls begin and end.
fn adds_up<const OWNERS: usize>(places: &Places<OWNERS>) -> bool {
    (0..100).any(|_| {
        let before = places.in_flight();
        let owners = (0..OWNERS as u16).map(Owner::new);
        let held = owners
            .map(|owner| u32::from(places.in_flight_of(owner)))
            .sum::<u32>();
        held == u32::from(before) && places.in_flight() == before
    })
}
