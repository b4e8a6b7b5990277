//! The table of the documentation is that of the code.

use fuseboard::telemetry::{Instrument, METRICS, OUTCOMES};
use std::fmt::Write;
use std::fs;

fn table() -> String {
    let mut table = String::from(
        "| metric | kind | unit | further attributes | in Prometheus | says |\n|---|---|---|---|---|---|\n",
    );
    for metric in METRICS {
        let kind = match metric.instrument {
            Instrument::Counter => "counter",
            Instrument::UpDownCounter => "up-down counter",
            Instrument::Gauge => "gauge",
            Instrument::Histogram => "histogram",
            other => panic!("{other:?} has no word"),
        };
        let unit = if metric.unit.is_empty() {
            ""
        } else {
            &format!("`{}`", metric.unit)
        };
        let attributes: Vec<_> = metric
            .attributes
            .iter()
            .map(|key| format!("`{key}`"))
            .collect();
        let (name, about) = (metric.name, metric.about);
        let (attributes, prometheus) = (attributes.join(", "), metric.prometheus_name());
        writeln!(
            table,
            "| `{name}` | {kind} | {unit} | {attributes} | `{prometheus}` | {about} |"
        )
        .expect("a string takes it");
    }
    table
}

fn outcomes() -> String {
    let mut table = String::from("| policy | `outcome` | says |\n|---|---|---|\n");
    for row in OUTCOMES {
        for (name, about) in row.outcomes {
            let policy = row.policy;
            writeln!(table, "| `{policy}` | `{name}` | {about} |").expect("a string takes it");
        }
    }
    table
}

#[test]
fn o1_the_documentation_names_what_is_exported() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/telemetry.md");
    let text = fs::read_to_string(path).expect("docs/telemetry.md");
    let tables = [("metrics", table()), ("outcomes", outcomes())];
    for (of, table) in tables {
        let (begin, end) = (format!("<!-- {of} -->\n"), format!("<!-- end of {of} -->"));
        let (_, rest) = text.split_once(&begin).expect("a beginning");
        let (found, _) = rest.split_once(&end).expect("an end");
        assert!(
            found == table,
            "docs/telemetry.md must have this table:\n{table}"
        );
    }
}
