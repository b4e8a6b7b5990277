//! A curve as a table and as a diagram.

use anyhow::{Context, Result};
use fuseboard_benches::curves::Curve;
use plotters::prelude::*;
use std::fmt::Write as _;
use std::path::Path;

/// A curve with its measured points.
pub struct Drawn<'a> {
    /// Which curve.
    pub curve: &'a Curve,
    /// The name and the points of each line.
    pub lines: Vec<(&'static str, Vec<(f64, f64)>)>,
}

impl Drawn<'_> {
    const fn unit(&self) -> &'static str {
        if self.curve.is_throughput {
            "millions of calls a second"
        } else {
            "ns a call"
        }
    }
}

/// One row a size.
pub fn table(drawn: &Drawn<'_>) -> String {
    let mut text = format!("\n| {} |", drawn.curve.grows);
    // Writing to a string cannot fail.
    for (name, _) in &drawn.lines {
        let _ = write!(text, " {name}, {} |", drawn.unit());
    }
    let _ = writeln!(text, "\n|--:|{}", "--:|".repeat(drawn.lines.len()));
    let sizes = drawn.lines.first().map_or(&[][..], |(_, points)| points);
    for (index, (size, _)) in sizes.iter().enumerate() {
        let _ = write!(text, "| {size} |");
        for (_, points) in &drawn.lines {
            let _ = write!(text, " {:.1} |", points[index].1);
        }
        let _ = writeln!(text);
    }
    text
}

/// Writes the diagram as SVG. Both axes begin at their least value; the abscissa grows by factors.
pub fn draw(drawn: &Drawn<'_>, path: &Path) -> Result<()> {
    const COLOURS: [RGBColor; 3] = [
        RGBColor(31, 119, 180),
        RGBColor(214, 39, 40),
        RGBColor(44, 160, 44),
    ];

    let all = || drawn.lines.iter().flat_map(|(_, points)| points);
    let least = all().map(|(size, _)| *size).fold(f64::INFINITY, f64::min);
    let most = all().map(|(size, _)| *size).fold(least, f64::max);
    let highest = all().map(|(_, value)| *value).fold(0.0, f64::max);
    let root = SVGBackend::new(path, (640, 360)).into_drawing_area();
    root.fill(&WHITE)?;
    let mut chart = ChartBuilder::on(&root)
        .margin(12)
        .x_label_area_size(40)
        .y_label_area_size(56)
        .build_cartesian_2d((least..most * 1.01).log_scale(), 0.0..highest * 1.15)?;
    chart
        .configure_mesh()
        .x_desc(drawn.curve.grows)
        .y_desc(drawn.unit())
        .disable_x_mesh()
        .draw()?;
    for ((name, points), colour) in drawn.lines.iter().zip(COLOURS.iter().cycle()) {
        chart
            .draw_series(
                LineSeries::new(points.iter().copied(), colour.stroke_width(2)).point_size(3),
            )?
            .label(*name)
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 16, y)], colour.stroke_width(2)));
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::UpperLeft)
        .background_style(WHITE.mix(0.8))
        .draw()?;
    root.present().context("the file cannot be written")
}
