//! The live view's picture: header, rows, the selected row's rejections, processes, changes, keys. What has no room is left out.

use super::super::rows::Kind;
use super::palette::Palette;
use super::sample::{Sample, Sampler};
use super::table::{self, clip};
use super::view::{Mode, View};
use crate::humane;
use fuseboard::{Cause, CircuitState, Nanos};
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Borders, Clear, Paragraph, Sparkline};
use std::fmt::Write;

/// Keys, the most wanted first: those that have no room are left out.
const KEYS: [(&str, &str); 10] = [
    ("q", "quit"),
    ("?", "help"),
    ("↑↓", "select"),
    ("s", "sort"),
    ("/", "filter"),
    ("f", "force open"),
    ("r", "reset"),
    ("d", "disable"),
    ("m", "metrics only"),
    ("p", "pause"),
];

/// As wide and as high as the smallest screen takes.
const HELP: [&str; 8] = [
    "↑↓ j k   select; PgUp PgDn g G: far",
    "s        sort by another column",
    "/        filter: name, kind or state",
    "Esc      no filter",
    "f d m    force open, disable,",
    "         metrics only; each asks first",
    "r        reset; a bucket: full again",
    "p q      pause, quit",
];

/// Draws everything.
pub(super) fn draw(
    frame: &mut Frame<'_>,
    view: &mut View,
    sample: &Sample,
    sampler: &Sampler,
    palette: Palette,
) {
    let area = frame.area();
    let is_tall = area.height >= 16;
    let panels = if area.height >= 20 {
        (area.height / 3).min(12)
    } else {
        0
    };
    let graph = if is_tall { 3 } else { 0 };
    let [head, rows, graph, panels, foot] = Layout::vertical([
        Constraint::Length(if is_tall { 3 } else { 1 }),
        Constraint::Min(3),
        Constraint::Length(graph),
        Constraint::Length(panels),
        Constraint::Length(1),
    ])
    .areas(area);
    header(frame, head, view, sample, sampler, palette);
    table::draw(frame, rows, view, sample, palette);
    rejections(frame, graph, view, sample, sampler, palette);
    if panels.height > 0 {
        let width = (panels.width / 3).clamp(30, 44);
        let [left, right] =
            Layout::horizontal([Constraint::Length(width), Constraint::Min(0)]).areas(panels);
        processes(frame, left, sample, palette);
        changes(frame, right, sample, sampler, palette);
    }
    footer(frame, foot, view, palette);
    if view.mode == Mode::Help {
        help(frame, palette);
    }
}

fn header(
    frame: &mut Frame<'_>,
    area: Rect,
    view: &View,
    sample: &Sample,
    sampler: &Sampler,
    palette: Palette,
) {
    let path = sampler.path().display().to_string();
    let up = sample
        .age
        .map(|age| format!("up {}", humane::span(age.into())));
    let attached = humane::counted(sample.processes.len(), "process");
    let right: Vec<String> = [Some(attached), up].into_iter().flatten().collect();
    let right = right.join(" · ") + " ";
    let room = usize::from(area.width).saturating_sub(right.chars().count() + 12);
    let first = Line::from(vec![
        Span::styled(" fuseboard ", palette.accent()),
        Span::raw(clip(&path, room.max(8))),
        Span::styled(
            if sample.is_removed {
                " file removed"
            } else {
                ""
            },
            palette.alarm(),
        ),
        Span::styled(
            if view.is_paused { " paused" } else { "" },
            palette.warning(),
        ),
    ]);
    let [top, bottom] =
        Layout::vertical([Constraint::Length(1), Constraint::Length(1)]).areas(area);
    frame.render_widget(first, top);
    if area.width >= 60 {
        frame.render_widget(Line::from(right).right_aligned(), top);
    }
    if area.height < 2 {
        return;
    }
    let kinds = kinds(sample, palette);
    let room = usize::from(area.width).saturating_sub(kinds.width() + 1);
    let totals = totals(sample).into_iter();
    if let Some(text) = totals.rev().find(|text| text.chars().count() <= room) {
        frame.render_widget(Line::from(text).right_aligned(), bottom);
    }
    frame.render_widget(kinds, bottom);
}

/// What all breakers do together, ever longer.
fn totals(sample: &Sample) -> [String; 3] {
    let rates = sample.rates();
    let rejected = format!("{} rejected/s ", humane::each_second(rates.rejected));
    let calls = format!("{} calls/s", humane::each_second(rates.calls));
    let failed = format!("{} failed/s", humane::each_second(rates.failures));
    [
        rejected.clone(),
        format!("{calls} · {rejected}"),
        format!("{calls} · {failed} · {rejected}"),
    ]
}

/// `4 breakers 1 open · 1 bucket · 2 limits`.
fn kinds(sample: &Sample, palette: Palette) -> Line<'static> {
    let of = |kind| {
        sample
            .rows
            .iter()
            .filter(move |live| live.row.place.kind == kind)
            .count()
    };
    let mut spans = vec![Span::raw(format!(
        " {}",
        humane::counted(of(Kind::Breaker), "breaker")
    ))];
    for (state, name) in [
        (CircuitState::ForcedOpen, "forced open"),
        (CircuitState::Open, "open"),
        (CircuitState::HalfOpen, "half-open"),
    ] {
        let count = sample
            .rows
            .iter()
            .filter(|live| live.state() == Some(state))
            .count();
        if count > 0 {
            let text = format!(" {count} {name}");
            spans.push(Span::styled(text, palette.state(state)));
        }
    }
    for (kind, name) in [
        (Kind::TokenBucket, "bucket"),
        (Kind::ConcurrencyLimit, "limit"),
    ] {
        if of(kind) > 0 {
            spans.push(Span::raw(format!(" · {}", humane::counted(of(kind), name))));
        }
    }
    Line::from(spans)
}

fn rejections(
    frame: &mut Frame<'_>,
    area: Rect,
    view: &mut View,
    sample: &Sample,
    sampler: &Sampler,
    palette: Palette,
) {
    let selected = view
        .selected(sample)
        .filter(|live| live.row.place.kind == Kind::Breaker);
    let Some(live) = selected.filter(|_| area.height > 1) else {
        return;
    };
    let width = usize::from(area.width.saturating_sub(2));
    let mut history: Vec<u64> = sampler.rejected(live.key()).rev().take(width).collect();
    history.reverse();
    let most = history.iter().max().copied().unwrap_or_default();
    let rejected = match most {
        0 => String::from("nothing rejected"),
        _ => format!("rejected/s, at most {}", humane::count(most)),
    };
    let title = format!(" {}: {rejected} ", live.name());
    let block = panel(&title, palette);
    let graph = Sparkline::default()
        .data(history)
        .max(most.max(1))
        .style(palette.warning());
    frame.render_widget(graph.block(block), area);
}

fn processes(frame: &mut Frame<'_>, area: Rect, sample: &Sample, palette: Palette) {
    let width = usize::from(area.width);
    let lines = sample.processes.iter().map(|process| {
        if !process.is_alive {
            let text = format!(" {:>7} dead, not yet reclaimed", process.id);
            return Line::styled(clip(&text, width), palette.alarm());
        }
        let age = process
            .age
            .map_or(String::new(), |age| humane::span(age.into()));
        let command = process.command.as_deref().unwrap_or("elsewhere");
        // Before it the process id, behind it the age and a gap.
        let room = width.saturating_sub(20);
        let command = clip(command, room);
        Line::from(format!(" {:>7} {command:room$} {age:>8}", process.id))
    });
    let lines = fitting(lines.collect(), area);
    let block = panel(" processes ", palette);
    frame.render_widget(Paragraph::new(lines).block(block), area);
}

fn changes(
    frame: &mut Frame<'_>,
    area: Rect,
    sample: &Sample,
    sampler: &Sampler,
    palette: Palette,
) {
    let width = usize::from(area.width);
    let lines = sampler.changes().map(|change| {
        let change_of = &change.transition;
        let ago: Nanos = sample.at.saturating_sub(change_of.at);
        let mut line = Line::from(vec![
            Span::styled(format!(" {:>7} ago ", humane::span(ago)), palette.quiet()),
            Span::raw(format!("{} ", change.name)),
            Span::styled(change_of.from.as_str(), palette.state(change_of.from)),
            Span::raw(" → "),
            Span::styled(change_of.to.as_str(), palette.state(change_of.to)),
        ]);
        let (counts, mut why) = (change_of.counts, format!(", {}", change_of.cause));
        if counts.calls > 0 {
            let judged = match change_of.cause {
                Cause::ProbesSucceeded => counts.calls.saturating_sub(counts.failures),
                Cause::SlowCallRate => counts.slow,
                _ => counts.failures.max(counts.slow),
            };
            // Writing to a string cannot fail.
            let _ = write!(why, " ({judged} of {})", counts.calls);
        }
        let room = width.saturating_sub(line.width());
        if room > 5 {
            line.push_span(Span::styled(clip(&why, room), palette.quiet()));
        }
        line
    });
    let lines = fitting(lines.collect(), area);
    let block = panel(" changes ", palette);
    frame.render_widget(Paragraph::new(lines).block(block), area);
}

/// As many as there is room for below a title; the last one says how many are left.
fn fitting(mut lines: Vec<Line<'_>>, area: Rect) -> Vec<Line<'_>> {
    let room = usize::from(area.height.saturating_sub(1));
    if lines.len() > room {
        let left = lines.len() - room.saturating_sub(1);
        lines.truncate(room.saturating_sub(1));
        lines.push(Line::from(format!("  … {left} more")));
    }
    lines
}

fn panel(title: &str, palette: Palette) -> Block<'static> {
    Block::new()
        .borders(Borders::TOP)
        .border_style(palette.quiet())
        .title(Span::styled(title.to_owned(), Palette::title()))
}

fn footer(frame: &mut Frame<'_>, area: Rect, view: &View, palette: Palette) {
    let line = match &view.mode {
        Mode::Filter => Line::from(vec![
            Span::styled(" filter: ", palette.accent()),
            Span::raw(format!("{}▏", view.filter)),
            Span::styled(" Enter keeps it, Esc shows all", palette.quiet()),
        ]),
        Mode::Confirm(verb, place) => Line::from(vec![
            Span::styled(
                format!(" {} {}? ", verb.name(), place.name),
                palette.alarm(),
            ),
            Span::raw("y: yes, any other key: no"),
        ]),
        Mode::Rows | Mode::Help => match &view.message {
            Some(message) => Line::styled(format!(" {message}"), Palette::title()),
            None => keys(view, area.width.into(), palette),
        },
    };
    frame.render_widget(line, area);
}

fn keys(view: &View, width: usize, palette: Palette) -> Line<'static> {
    let mut spans = Vec::new();
    let mut used = 0;
    if !view.filter.is_empty() {
        let text = format!(" only {:?} ", view.filter);
        used += text.chars().count();
        spans.push(Span::styled(text, palette.warning()));
    }
    for (key, what) in KEYS {
        used += key.chars().count() + what.len() + 3;
        if used > width {
            break;
        }
        spans.push(Span::styled(format!(" {key}"), palette.accent()));
        spans.push(Span::raw(format!(" {what} ")));
    }
    Line::from(spans)
}

fn help(frame: &mut Frame<'_>, palette: Palette) {
    let area = frame.area();
    let (width, height) = (40, HELP.len() as u16 + 2);
    let inner = Rect {
        x: area.width.saturating_sub(width) / 2,
        y: area.height.saturating_sub(height) / 2,
        width: width.min(area.width),
        height: height.min(area.height),
    };
    let lines: Vec<Line<'_>> = HELP
        .iter()
        .map(|line| Line::from(format!(" {line}")))
        .collect();
    let block = Block::bordered()
        .border_style(palette.quiet())
        .title(Span::styled(" keys ", Palette::title()));
    frame.render_widget(Clear, inner);
    frame.render_widget(Paragraph::new(lines).block(block), inner);
}
