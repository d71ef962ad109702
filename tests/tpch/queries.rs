//! The 22 queries of TPC-H with their validation parameters, in SQLite's dialect.
//!
//! - Dates are ISO text; intervals are modifiers of `date`; the year of a date is `strftime('%Y', ...)`.
//! - The view of Q15 is a WITH table; Q13 names its columns inside.
//! - Money is in cents and rates are in hundredths ([`crate::tables`] says why): `1 - l_discount` is `100 - l_discount` here, so
//!   that revenue comes out in ten-thousandths and charges in millionths.
//! - Where the specification divides decimals, one operand is made a real.

use souk_merge::Value;

/// In order.
pub(crate) const QUERIES: [Query; 22] = [
    Query { name: "Q1", sql: include_str!("queries/q1.sql") },
    Query { name: "Q2", sql: include_str!("queries/q2.sql") },
    Query { name: "Q3", sql: include_str!("queries/q3.sql") },
    Query { name: "Q4", sql: include_str!("queries/q4.sql") },
    Query { name: "Q5", sql: include_str!("queries/q5.sql") },
    Query { name: "Q6", sql: include_str!("queries/q6.sql") },
    Query { name: "Q7", sql: include_str!("queries/q7.sql") },
    Query { name: "Q8", sql: include_str!("queries/q8.sql") },
    Query { name: "Q9", sql: include_str!("queries/q9.sql") },
    Query { name: "Q10", sql: include_str!("queries/q10.sql") },
    Query { name: "Q11", sql: include_str!("queries/q11.sql") },
    Query { name: "Q12", sql: include_str!("queries/q12.sql") },
    Query { name: "Q13", sql: include_str!("queries/q13.sql") },
    Query { name: "Q14", sql: include_str!("queries/q14.sql") },
    Query { name: "Q15", sql: include_str!("queries/q15.sql") },
    Query { name: "Q16", sql: include_str!("queries/q16.sql") },
    Query { name: "Q17", sql: include_str!("queries/q17.sql") },
    Query { name: "Q18", sql: include_str!("queries/q18.sql") },
    Query { name: "Q19", sql: include_str!("queries/q19.sql") },
    Query { name: "Q20", sql: include_str!("queries/q20.sql") },
    Query { name: "Q21", sql: include_str!("queries/q21.sql") },
    Query { name: "Q22", sql: include_str!("queries/q22.sql") },
];

/// A query.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Query {
    pub(crate) name: &'static str,
    pub(crate) sql: &'static str,
}

impl Query {
    /// What the first line says of it.
    pub(crate) fn title(&self) -> &'static str {
        self.sql.lines().next().unwrap_or_default().trim_start_matches("-- ").split(';').next().unwrap_or_default()
    }

    /// Its parameters, by name. Only Q11 has one, since only it depends on the scale.
    pub(crate) fn parameters(&self, scale: f64) -> Vec<(String, Value)> {
        match self.sql.contains(":fraction") {
            true => vec![(":fraction".to_owned(), Value::Real(0.0001 / scale))],
            false => Vec::new(),
        }
    }
}
