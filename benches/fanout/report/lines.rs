//! How something grows, as lines on logarithmic scales.

use std::path::Path;

use anyhow::anyhow;
use plotters::prelude::*;

const SIZE: (u32, u32) = (760, 480);
/// How much room is left above and below all points.
const MARGIN: f64 = 1.5;
const COLOURS: [RGBColor; 6] = [
    RGBColor(0xc0, 0x4a, 0x1a),
    RGBColor(0x1f, 0x4e, 0x79),
    RGBColor(0x3a, 0x86, 0x3a),
    RGBColor(0x8c, 0x4a, 0x9a),
    RGBColor(0xb0, 0x8a, 0x10),
    RGBColor(0x55, 0x55, 0x55),
];

/// Points with the same name, from left to right.
pub(crate) struct Line {
    pub(crate) name: String,
    pub(crate) points: Vec<(f64, f64)>,
}

/// Draws `file`.
pub(crate) fn lines_svg(caption: &str, x: &str, lines: &[Line], file: &Path) -> anyhow::Result<()> {
    draw(caption, x, lines, file).map_err(|error| anyhow!("cannot draw `{}`: {error}", file.display()))
}

fn draw(caption: &str, x: &str, lines: &[Line], file: &Path) -> Result<(), Box<dyn std::error::Error>> {
    let area = SVGBackend::new(file, SIZE).into_drawing_area();
    area.fill(&WHITE)?;
    let points = || lines.iter().flat_map(|line| &line.points);
    let (left, right) = extent(points().map(|point| point.0));
    let (bottom, top) = extent(points().map(|point| point.1));
    let mut chart = ChartBuilder::on(&area)
        .margin(12)
        .caption(caption, ("sans-serif", 18))
        .x_label_area_size(40)
        .y_label_area_size(64)
        .build_cartesian_2d((left..right * MARGIN).log_scale(), (bottom / MARGIN..top * MARGIN * MARGIN).log_scale())?;
    chart
        .configure_mesh()
        .disable_x_mesh()
        .x_desc(x)
        .x_label_formatter(&ToString::to_string)
        .y_label_formatter(&ToString::to_string)
        .draw()?;
    for (line, colour) in lines.iter().zip(COLOURS.iter().cycle()) {
        let series = LineSeries::new(line.points.iter().copied(), colour.stroke_width(2)).point_size(3);
        let key = move |(x, y)| PathElement::new([(x, y), (x + 16, y)], colour.stroke_width(2));
        chart.draw_series(series)?.label(&line.name).legend(key);
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::UpperLeft)
        .background_style(WHITE)
        .border_style(BLACK)
        .draw()?;
    Ok(area.present()?)
}

fn extent(values: impl Iterator<Item = f64>) -> (f64, f64) {
    values.fold((f64::MAX, f64::MIN), |(low, high), value| (low.min(value), high.max(value)))
}
