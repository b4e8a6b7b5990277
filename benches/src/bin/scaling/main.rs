//! What happens when things grow: a diagram for each of them in `benches/plots`, and the memory as a table.

mod memory;
mod plot;

use anyhow::{Context, Result};
use clap::Parser;
use fuseboard_benches::burst::burst;
use fuseboard_benches::curves::{self, Curve, Point};
use std::fs;
use std::path::Path;

/// Draws what an operation costs as threads, slots, stripes, keys, breakers or windows grow, into `benches/plots`; tells the memory.
#[derive(Parser)]
#[command(name = "cargo xtask scaling", bin_name = "cargo xtask scaling")]
struct Arguments {
    /// Up to eight million keys and a hundred thousand breakers: a gigabyte of memory.
    #[arg(long)]
    deep: bool,
}

/// Bursts of a point; the fastest quiet ones count.
const BURSTS: usize = 25;
/// How long a burst should take, in nanoseconds.
const BURST_NS: f64 = 1_000_000.0;

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    // First: what was freed before would not be asked of the system again.
    print!("{}", memory::table());
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("plots");
    fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    for curve in curves::all(arguments.deep) {
        let drawn = measured(&curve);
        print!("{}", plot::table(&drawn));
        let path = folder.join(curve.name).with_extension("svg");
        plot::draw(&drawn, &path).with_context(|| format!("cannot draw {}", path.display()))?;
    }
    Ok(())
}

fn measured(curve: &Curve) -> plot::Drawn<'_> {
    let lines = curve
        .lines
        .iter()
        .map(|line| {
            let mut points: Vec<(f64, f64)> = line
                .points
                .iter()
                .map(|(size, point)| {
                    let (ns, threads) = cost(point);
                    let value = if curve.is_throughput {
                        threads as f64 * 1e3 / ns
                    } else {
                        ns
                    };
                    (*size, value)
                })
                .collect();
            points.sort_by(|(a, _), (b, _)| a.total_cmp(b));
            (line.name, points)
        })
        .collect();
    plot::Drawn { curve, lines }
}

/// Nanoseconds a call, the median of the quiet bursts or of all where none was quiet; and how many threads.
fn cost(point: &Point) -> (f64, usize) {
    let mut workers = point();
    let mut times = 64;
    while burst(&mut workers, 0, times).ns * (times as f64) < BURST_NS / 2.0 {
        times *= 2;
    }
    let bursts: Vec<_> = (0..BURSTS).map(|_| burst(&mut workers, 0, times)).collect();
    let any_is_quiet = bursts.iter().any(|burst| burst.is_quiet);
    let mut ns: Vec<f64> = bursts
        .iter()
        .filter(|burst| burst.is_quiet || !any_is_quiet)
        .map(|burst| burst.ns)
        .collect();
    ns.sort_by(f64::total_cmp);
    (ns[ns.len() / 2], workers.len())
}
