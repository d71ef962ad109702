//! Tables and numbers in Markdown.

use std::fmt::{self, Display, Formatter};

use crate::times::{Ratio, Times};

/// A table whose first column is text and whose others are numbers.
pub(crate) struct Table {
    heads: String,
    columns: usize,
    rows: Vec<String>,
}

impl Table {
    /// No rows yet; heads are separated by `|`.
    pub(crate) fn new(heads: &str) -> Table {
        Table { heads: heads.to_owned(), columns: heads.split('|').count(), rows: Vec::new() }
    }

    /// Adds a row.
    pub(crate) fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.rows.push(cells.into_iter().collect::<Vec<_>>().join(" | "));
    }
}

impl Display for Table {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        writeln!(formatter, "| {} |\n| ---{} |", self.heads, " | ---:".repeat(self.columns - 1))?;
        self.rows.iter().try_for_each(|row| writeln!(formatter, "| {row} |"))
    }
}

/// Three digits that matter.
pub(crate) fn number(value: f64) -> String {
    match value {
        value if value.is_nan() => "-".to_owned(),
        value if value >= 100.0 => format!("{value:.0}"),
        value if value >= 10.0 => format!("{value:.1}"),
        value if value >= 1.0 => format!("{value:.2}"),
        value => format!("{value:.3}"),
    }
}

/// The middle round, and from the lowest to the highest.
pub(crate) fn ratio(ratio: Ratio) -> String {
    if ratio.median.is_nan() {
        return number(ratio.median);
    }
    format!("{} ({} to {})", number(ratio.median), number(ratio.lowest), number(ratio.highest))
}

/// What so much of the runs stay within.
pub(crate) fn percentiles<const N: usize>(times: &Times, percents: [usize; N]) -> [String; N] {
    percents.map(|percent| number(times.percentile_ms(percent)))
}
