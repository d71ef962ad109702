//! What colours mean, beside a drawing: there it covers nothing.

use plotters::{coord::Shift, prelude::*};

use super::lines::Drawn;

/// How wide it is.
pub(super) const WIDTH: u32 = 210;
const LINE_HEIGHT: i32 = 20;
const TOP: i32 = 48;
const TEXT_SIZE: u32 = 13;

/// Writes names beside their colours, one below the other.
pub(super) fn draw<'a>(
    area: &DrawingArea<SVGBackend<'_>, Shift>,
    names: impl IntoIterator<Item = (&'a str, RGBColor)>,
) -> Drawn {
    for (place, (name, colour)) in (0..).zip(names) {
        let y = TOP + place * LINE_HEIGHT;
        area.draw(&Rectangle::new([(4, y), (18, y + 10)], colour.filled()))?;
        area.draw(&Text::new(name.to_owned(), (26, y - 2), ("sans-serif", TEXT_SIZE)))?;
    }
    Ok(())
}
