//! How something grows, as lines on a logarithmic scale, in one chart or in several beside each other.

use std::{error::Error, path::Path};

use anyhow::anyhow;
use plotters::{coord::Shift, prelude::*};

use super::legend;

/// Of one chart, with room for its title.
const CHART: (u32, u32) = (560, 400);
/// How much room is left above and below all points.
const MARGIN: f64 = 1.4;
/// How much room is left at both sides of all points, of the distance between two ticks.
const SIDE: f64 = 0.3;
const COLOURS: [RGBColor; 9] = [
    RGBColor(0xc0, 0x4a, 0x1a),
    RGBColor(0x1f, 0x4e, 0x79),
    RGBColor(0x3a, 0x86, 0x3a),
    RGBColor(0x8c, 0x4a, 0x9a),
    RGBColor(0xb0, 0x8a, 0x10),
    RGBColor(0x30, 0x9c, 0x9c),
    RGBColor(0xc8, 0x5a, 0x8a),
    RGBColor(0x6a, 0x54, 0x3a),
    RGBColor(0x55, 0x55, 0x55),
];

/// What drawing gives.
pub(super) type Drawn = Result<(), Box<dyn Error>>;

/// Lines over an axis of so many ticks, which are equally far from each other.
pub(crate) struct Chart {
    pub(crate) title: String,
    /// What the axis is.
    pub(crate) x: String,
    pub(crate) ticks: Vec<String>,
    pub(crate) lines: Vec<Line>,
}

/// A value at each tick.
pub(crate) struct Line {
    pub(crate) name: String,
    pub(crate) solid: Vec<f64>,
    /// What goes with it, in the same colour; there may be none.
    pub(crate) dashed: Vec<f64>,
}

/// Draws `file`: so many charts beside each other, the others below. All have lines of the same names.
pub(crate) fn charts_svg(title: &str, charts: &[Chart], columns: usize, file: &Path) -> anyhow::Result<()> {
    draw(title, charts, columns, file).map_err(|error| anyhow!("cannot draw `{}`: {error}", file.display()))
}

fn draw(title: &str, charts: &[Chart], columns: usize, file: &Path) -> Drawn {
    let rows = charts.len().div_ceil(columns);
    let width = CHART.0 * columns as u32;
    let area = SVGBackend::new(file, (width + legend::WIDTH, CHART.1 * rows as u32)).into_drawing_area();
    area.fill(&WHITE)?;
    let area = area.titled(title, ("sans-serif", 18))?;
    let (left, right) = area.split_horizontally(width);
    for (chart, area) in charts.iter().zip(left.split_evenly((rows, columns))) {
        draw_chart(chart, &area)?;
    }
    let names = charts.first().into_iter().flat_map(|chart| &chart.lines).map(|line| line.name.as_str());
    legend::draw(&right, names.zip(COLOURS.into_iter().cycle()))?;
    Ok(area.present()?)
}

fn draw_chart(Chart { title, x, ticks, lines }: &Chart, area: &DrawingArea<SVGBackend<'_>, Shift>) -> Drawn {
    let values = lines.iter().flat_map(|line| line.solid.iter().chain(&line.dashed)).copied();
    let (bottom, top) = extent(values);
    let across = -SIDE..(ticks.len() - 1) as f64 + SIDE;
    let mut chart = ChartBuilder::on(area)
        .margin(12)
        .caption(title, ("sans-serif", 15))
        .x_label_area_size(40)
        .y_label_area_size(56)
        .build_cartesian_2d(across, (bottom / MARGIN..top * MARGIN).log_scale())?;
    let tick = |place: &f64| ticks.get(place.round() as usize).cloned().unwrap_or_default();
    // So many that there is one at each whole number, and none between.
    let x_labels = ticks.len() + 2;
    chart
        .configure_mesh()
        .x_desc(x)
        .x_labels(x_labels)
        .disable_x_mesh()
        .x_label_formatter(&tick)
        .y_label_formatter(&short)
        .label_style(("sans-serif", 12))
        .light_line_style(BLACK.mix(0.05))
        .bold_line_style(BLACK.mix(0.15))
        .draw()?;
    for (line, colour) in lines.iter().zip(COLOURS.iter().cycle()) {
        let points = |values: &[f64]| (0..).map(f64::from).zip(values.to_vec()).collect::<Vec<_>>();
        chart.draw_series(LineSeries::new(points(&line.solid), colour.stroke_width(2)).point_size(3))?;
        chart.draw_series(DashedLineSeries::new(points(&line.dashed), 5, 4, colour.stroke_width(1)))?;
    }
    Ok(())
}

fn extent(values: impl Iterator<Item = f64>) -> (f64, f64) {
    values.fold((f64::MAX, f64::MIN), |(low, high), value| (low.min(value), high.max(value)))
}

/// A number as short as it can be: what scales show are round ones.
fn short(value: &f64) -> String {
    match value {
        value if *value >= 1.0 => format!("{value:.0}"),
        value => format!("{value:.3}").trim_end_matches('0').to_owned(),
    }
}
