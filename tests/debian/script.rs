//! Scripts of SQL: a `;` at the end of a line ends a statement.

/// A query and what its comment says of it.
pub(crate) struct Query {
    /// The first line of its comment.
    pub(crate) title: String,
    /// Without its comment.
    pub(crate) sql: String,
    /// Whether an ORDER BY decides the order of its rows.
    pub(crate) ordered: bool,
    /// Whether its reals are sums of reals, whose last digits depend on the order of the terms.
    pub(crate) sums_reals: bool,
    /// How many shards its comment says that it asks, where it says so.
    pub(crate) asks: Option<u32>,
}

/// The statements of a script, with their comments.
pub(crate) fn statements(script: &str) -> Vec<String> {
    script.split(";\n").map(|statement| statement.trim().to_owned()).filter(|statement| !statement.is_empty()).collect()
}

/// The queries of a script.
pub(crate) fn queries(script: &str) -> Vec<Query> {
    statements(script).iter().map(|statement| query(statement)).collect()
}

fn query(statement: &str) -> Query {
    let is_title =
        |line: &&str| line.strip_prefix("-- ").is_some_and(|text| text.starts_with(|c: char| c.is_ascii_digit()));
    let title = statement.lines().find(is_title).unwrap_or_else(|| panic!("no numbered comment: {statement}"));
    let title = title.trim_start_matches("-- ").to_owned();
    let lines: Vec<&str> = statement.lines().filter(|line| !line.starts_with("--")).collect();
    let sql = lines.join("\n");
    let asks = [("No shard:", 0), ("One shard:", 1), ("Five shards:", 5)];
    let asks = asks.into_iter().find(|(words, _)| title.contains(words)).map(|(_, shards)| shards);
    Query { ordered: is_ordered(&sql), sums_reals: title.contains("[real sum]"), asks, title, sql }
}

/// Whether an ORDER BY stands outside of all parentheses.
fn is_ordered(sql: &str) -> bool {
    sql.match_indices("ORDER BY").any(|(place, _)| {
        let count = |c| sql[..place].matches(c).count();
        count('(') == count(')')
    })
}
