//! The rows of the live view: as many columns as there is room for.

use super::super::print;
use super::super::rows::{Detail, since};
use super::palette::Palette;
use super::sample::{Live, Rates, Sample};
use super::view::{Sort, View};
use crate::humane;
use fuseboard::Nanos;
use ratatui::Frame;
use ratatui::layout::{Alignment, Constraint, Rect};
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Cell, Row, Table};

/// One column.
struct Column {
    title: &'static str,
    width: u16,
    /// The narrowest screen on which it is shown.
    from: u16,
    /// By what its rows are sorted where it is marked.
    sort: Option<Sort>,
    text: fn(&Live, Nanos) -> String,
}

/// Behind the name, which takes the rest.
const COLUMNS: [Column; 13] = [
    column("KIND", 7, 72, None, |live, _| {
        live.row.place.kind.short().into()
    }),
    column("STATE", 12, 0, Some(Sort::State), |live, _| {
        print::state_of(&live.row)
    }),
    column("FOR", 7, 106, None, |live, now| match &live.row.detail {
        Detail::Breaker { snapshot, .. } => span(since(snapshot, now)),
        _ => dash(),
    }),
    column("CALLS/s", 8, 54, Some(Sort::Calls), |live, _| {
        rate(live, |rates| rates.calls)
    }),
    column("FAIL/s", 7, 114, Some(Sort::Failures), |live, _| {
        rate(live, |rates| rates.failures)
    }),
    column("FAIL", 5, 54, Some(Sort::Failures), |live, _| {
        match &live.row.detail {
            Detail::Breaker { snapshot, .. } if snapshot.window.calls > 0 => {
                humane::share(snapshot.window.failure_rate())
            }
            _ => dash(),
        }
    }),
    column("SLOW", 5, 72, None, |live, _| match &live.row.detail {
        Detail::Breaker { snapshot, .. } if snapshot.window.calls > 0 => {
            humane::share(snapshot.window.slow_call_rate())
        }
        _ => dash(),
    }),
    column("REJ/s", 6, 0, Some(Sort::Rejected), |live, _| {
        rate(live, |rates| rates.rejected)
    }),
    column("RETRY", 7, 0, None, |live, _| match &live.row.detail {
        Detail::Breaker { snapshot, .. } => span(snapshot.retry_after),
        _ => dash(),
    }),
    column("IN USE", 9, 72, None, |live, _| match &live.row.detail {
        Detail::Breaker { snapshot, .. } if snapshot.in_flight > 0 => {
            humane::counted(snapshot.in_flight as usize, "probe")
        }
        Detail::Breaker { .. } => dash(),
        Detail::TokenBucket { available, config } => {
            let used = config.burst.saturating_sub(*available);
            format!("{}/{}", humane::count(used), humane::count(config.burst))
        }
        Detail::ConcurrencyLimit { in_flight, limit } => format!("{in_flight}/{limit}"),
    }),
    column("P50", 7, 96, None, |live, _| {
        span(live.rates.and_then(|rates| rates.p50))
    }),
    column("P99", 7, 88, None, |live, _| {
        span(live.rates.and_then(|rates| rates.p99))
    }),
    column("REJECTED", 9, 124, None, |live, _| match &live.row.detail {
        Detail::Breaker { snapshot, .. } => humane::count(snapshot.totals.rejected),
        _ => dash(),
    }),
];

const fn column(
    title: &'static str,
    width: u16,
    from: u16,
    sort: Option<Sort>,
    text: fn(&Live, Nanos) -> String,
) -> Column {
    Column {
        title,
        width,
        from,
        sort,
        text,
    }
}

fn dash() -> String {
    String::from("-")
}

fn span(span: Option<Nanos>) -> String {
    span.map_or_else(dash, humane::span)
}

fn rate(live: &Live, of: fn(&Rates) -> f64) -> String {
    let rates = live.rates.as_ref();
    rates.map_or_else(dash, |rates| humane::each_second(of(rates)))
}

/// Draws the rows into `area`.
pub(super) fn draw(
    frame: &mut Frame<'_>,
    area: Rect,
    view: &mut View,
    sample: &Sample,
    palette: Palette,
) {
    let rows = view.rows(sample);
    let is_measured = rows.iter().any(|live| live.records_latency());
    let columns: Vec<&Column> = COLUMNS
        .iter()
        .filter(|column| area.width >= column.from)
        .filter(|column| is_measured || !matches!(column.title, "P50" | "P99"))
        .collect();
    let taken: u16 = columns.iter().map(|column| column.width + 1).sum();
    let name_width = area.width.saturating_sub(taken).max(6);
    let marked = columns
        .iter()
        .find(|column| column.sort == Some(view.sort))
        .map(|column| column.title);

    let mut titles = vec![title("NAME", view.sort == Sort::Name, Alignment::Left)];
    titles.extend(columns.iter().map(|column| {
        title(
            column.title,
            marked == Some(column.title),
            alignment(column),
        )
    }));
    let mut widths = vec![Constraint::Length(name_width)];
    widths.extend(
        columns
            .iter()
            .map(|column| Constraint::Length(column.width)),
    );
    let lines = rows.iter().map(|live| {
        let mut cells = vec![Cell::from(clip(live.name(), name_width.into()))];
        cells.extend(columns.iter().map(|column| {
            let text = (column.text)(live, sample.at);
            let style = style(column, live, &text, palette);
            Cell::from(Line::from(Span::styled(text, style)).alignment(alignment(column)))
        }));
        Row::new(cells)
    });
    let table = Table::new(lines, widths)
        .header(Row::new(titles).style(Palette::title()))
        .column_spacing(1)
        .row_highlight_style(palette.selected());
    frame.render_stateful_widget(table, area, &mut view.table);
}

fn alignment(column: &Column) -> Alignment {
    if matches!(column.title, "KIND" | "STATE") {
        Alignment::Left
    } else {
        Alignment::Right
    }
}

fn title(text: &'static str, is_sorted: bool, alignment: Alignment) -> Cell<'static> {
    let text = match (is_sorted, alignment) {
        (false, _) => text.to_owned(),
        (true, Alignment::Left) => format!("{text}▼"),
        (true, _) => format!("▼{text}"),
    };
    Cell::from(Line::from(text).alignment(alignment))
}

fn style(column: &Column, live: &Live, text: &str, palette: Palette) -> Style {
    match (column.title, live.state()) {
        (_, _) if text == "-" => palette.quiet(),
        ("STATE", Some(state)) => palette.state(state),
        ("STATE", None) if text != "passing" => palette.warning(),
        ("REJ/s" | "FAIL/s", _) if text != "0" => palette.warning(),
        _ => Style::new(),
    }
}

/// With a sign where something is cut off.
pub(super) fn clip(text: &str, width: usize) -> String {
    if Line::from(text).width() <= width {
        return text.to_owned();
    }
    let mut clipped = String::new();
    for letter in text.chars() {
        clipped.push(letter);
        if Line::from(clipped.as_str()).width() >= width {
            clipped.pop();
            break;
        }
    }
    clipped.push('…');
    clipped
}
