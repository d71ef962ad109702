//! The median of each query at each contender, as a drawing.

use std::path::Path;

use anyhow::anyhow;
use plotters::prelude::*;

use super::{legend, lines::Drawn};
use crate::{rounds::Figures, times::Times};

const SIZE: (u32, u32) = (1100, 480);
/// Of the distance between two queries, what the bars of one take.
const GROUP_WIDTH: f64 = 0.8;
/// Contenders and their colours, in the order of [`medians`].
const CONTENDERS: [(&str, RGBColor); 5] = [
    ("souk", RGBColor(0xc0, 0x4a, 0x1a)),
    ("souk again", RGBColor(0xf0, 0xb0, 0x80)),
    ("floor", RGBColor(0x1f, 0x4e, 0x79)),
    ("loop", RGBColor(0x6f, 0xa0, 0xc8)),
    ("one SQLite", RGBColor(0x8c, 0x8c, 0x8c)),
];

/// Draws `file`: a group of bars for each query, on a logarithmic scale.
pub(crate) fn medians_svg(figures: &[Figures], file: &Path) -> anyhow::Result<()> {
    draw(figures, file).map_err(|error| anyhow!("cannot draw `{}`: {error}", file.display()))
}

fn draw(figures: &[Figures], file: &Path) -> Drawn {
    let area = SVGBackend::new(file, SIZE).into_drawing_area();
    area.fill(&WHITE)?;
    let (left, right) = area.split_horizontally(SIZE.0 - legend::WIDTH);
    let all = figures.iter().flat_map(medians);
    let (lowest, highest) = all.fold((f64::MAX, f64::MIN), |(low, high), ms| (low.min(ms), high.max(ms)));
    let (bottom, top) = (10_f64.powf(lowest.log10().floor()), 10_f64.powf(highest.log10().ceil()));
    let mut chart = ChartBuilder::on(&left)
        .margin(12)
        .caption("p50, milliseconds", ("sans-serif", 18))
        .x_label_area_size(28)
        .y_label_area_size(64)
        .build_cartesian_2d(-0.5..figures.len() as f64 - 0.5, (bottom..top).log_scale())?;
    chart
        .configure_mesh()
        .disable_x_mesh()
        .x_labels(figures.len() + 2)
        .x_label_formatter(&|x| name(figures, *x))
        .y_label_formatter(&|ms| ms.to_string())
        .draw()?;
    for (place, (_, colour)) in CONTENDERS.into_iter().enumerate() {
        let bars = (0..).zip(figures).map(|(query, figures)| (query, medians(figures)[place]));
        // Not everybody answers everything.
        let bars = bars.filter(|(_, ms)| !ms.is_nan()).map(|(query, ms)| bar(query, place, bottom, ms, colour));
        chart.draw_series(bars)?;
    }
    legend::draw(&right, CONTENDERS)?;
    Ok(area.present()?)
}

/// In the order of [`CONTENDERS`].
fn medians(figures: &Figures) -> [f64; CONTENDERS.len()] {
    let Figures { souk, again, floor, walk, one, .. } = figures;
    let median = |times: &Times| times.percentile_ms(50);
    [souk, again, floor, walk, one].map(median)
}

fn bar(query: u32, place: usize, bottom: f64, ms: f64, colour: RGBColor) -> Rectangle<(f64, f64)> {
    let width = GROUP_WIDTH / CONTENDERS.len() as f64;
    let left = f64::from(query) - GROUP_WIDTH / 2.0 + place as f64 * width;
    Rectangle::new([(left, bottom), (left + width, ms)], colour.filled())
}

/// The query at this place of the axis, when there is one.
fn name(figures: &[Figures], place: f64) -> String {
    let figures = (place.fract() == 0.0 && place >= 0.0).then(|| figures.get(place as usize)).flatten();
    figures.map_or_else(String::new, |figures| figures.query.short().to_owned())
}
