//! Deep and wide statements.

use super::shared::random::Random;

/// What an expression may stand in, again and again.
const AROUND: &[(&str, &str)] = &[
    ("(", ")"),
    ("NOT ", ""),
    ("- ", ""),
    ("~", ""),
    ("+", ""),
    ("abs(", ")"),
    ("CAST(", " AS TEXT)"),
    ("CASE WHEN 1 THEN ", " END"),
    ("CASE ", " WHEN 1 THEN 2 END"),
    ("CASE WHEN 0 THEN 1 ELSE ", " END"),
    ("(SELECT ", ")"),
    ("EXISTS (SELECT ", ")"),
    ("1 IN (", ")"),
    ("1 IN (SELECT ", ")"),
    ("1 + (", ")"),
    ("1 BETWEEN 0 AND (", ")"),
    ("(1, ", ")"),
    ("coalesce(1, ", ")"),
    ("json_object('a', ", ")"),
    ("1 = ", ""),
    ("1 || ", ""),
    ("1 AND ", ""),
    ("1 -> ", ""),
    ("", " IS NOT NULL"),
    ("", " ISNULL"),
    ("", " COLLATE NOCASE"),
    ("", " + 1"),
    ("", " || 'b'"),
    ("", " OR id = 2"),
    ("", " -> 'a'"),
    ("", " IN (1)"),
    ("", " BETWEEN 1 AND 2"),
    ("", " LIKE 'a'"),
    ("", " < 2"),
    ("CAST(1 AS ARRAY<", ">)"),
    ("[", "]"),
    ("{", "}"),
    ("ARRAY[", "]"),
    ("INTERVAL ", " DAY"),
    ("x.", ""),
];

/// What a query may stand in.
const QUERIES: &[(&str, &str)] = &[
    ("SELECT * FROM (", ")"),
    ("SELECT (", ")"),
    ("SELECT 1 WHERE EXISTS (", ")"),
    ("WITH w AS (", ") SELECT * FROM w"),
    ("SELECT 1 UNION ALL SELECT * FROM (", ")"),
    ("", " UNION SELECT 1"),
    ("", " EXCEPT SELECT 1"),
    ("VALUES ((", "))"),
    ("SELECT id FROM t WHERE id IN (", ")"),
    ("SELECT 1 FROM t JOIN (", ") ON 1"),
    ("(", ")"),
];

/// What may come many times.
const WIDE: &[(&str, &str, &str)] = &[
    ("SELECT 1", ", 1", ""),
    ("SELECT 1 FROM t", ", r", ""),
    ("SELECT 1 FROM r AS a", " JOIN r USING (id)", ""),
    ("SELECT 1 FROM t AS a", " NATURAL JOIN t", ""),
    ("SELECT 1 FROM t AS a", " LEFT JOIN t ON 1", ""),
    ("SELECT id FROM t WHERE id IN (1", ", 2", ")"),
    ("SELECT id FROM t WHERE k = 1", " OR k = 2", ""),
    ("SELECT id FROM t WHERE k = 1", " AND n = 2", ""),
    ("SELECT 1", " UNION ALL SELECT 1", ""),
    ("SELECT n FROM t", " UNION SELECT n FROM t", ""),
    ("VALUES (1)", ", (1)", ""),
    ("VALUES (1", ", 1", ")"),
    ("SELECT max(1", ", 2", ")"),
    ("SELECT CASE n", " WHEN 1 THEN 2", " END FROM t"),
    ("SELECT count(*) FROM t GROUP BY n", ", s", ""),
    ("SELECT n FROM t ORDER BY n", ", s DESC", ""),
    ("SELECT ?", ", ?", ""),
    ("SELECT :a", ", :b", ""),
    ("SELECT count(*) OVER w FROM t WINDOW w AS ()", ", x AS (w)", ""),
    ("SELECT sum(n)", ", sum(n) OVER ()", " FROM t"),
    ("WITH a AS (SELECT 1)", ", b AS (SELECT 1)", " SELECT * FROM a"),
    ("SELECT 1 -- a", "\n-- b", ""),
    ("SELECT 1 /*", " /* ", "*/"),
    ("SELECT 1", ";", ""),
    ("SELECT 'a'", " 'b'", ""),
    ("SELECT \"a\"", ".\"a\"", ""),
];

/// An expression, so many times in the same or in several things.
pub(super) fn around(random: &mut Random, inner: &str, depth: usize) -> String {
    let one = *random.pick(AROUND);
    let mixed = random.percent(40);
    let (mut before, mut after) = (String::new(), Vec::new());
    for _ in 0..depth {
        let (open, close) = if mixed { *random.pick(AROUND) } else { one };
        before.push_str(open);
        after.push(close);
    }
    after.reverse();
    format!("{before}{inner}{}", after.concat())
}

/// A deep or a wide statement.
pub(super) fn statement(random: &mut Random) -> String {
    let depth = [2, 10, 49, 50, 51, 120, 399, 401, 1000, 2400, 6000][random.below(11)];
    match random.below(3) {
        0 => {
            let inner = *random.pick(&["1", "id", "NULL", "'a'", "?", "*"]);
            let from = *random.pick(&["", " FROM t", " FROM t GROUP BY k", " FROM t ORDER BY 1 LIMIT 3"]);
            format!("SELECT {}{from}", around(random, inner, depth))
        }
        1 => {
            let (open, close) = *random.pick(QUERIES);
            let inner = *random.pick(&["SELECT 1", "SELECT id FROM t", "VALUES (1)", "SELECT count(*) FROM t"]);
            format!("{}{inner}{}", open.repeat(depth), close.repeat(depth))
        }
        _ => {
            let (first, more, last) = *random.pick(WIDE);
            format!("{first}{}{last}", more.repeat(depth))
        }
    }
}

/// Every shape at this depth.
pub(super) fn every(depth: usize) -> Vec<String> {
    let expressions = AROUND.iter().flat_map(|(open, close)| {
        let deep = format!("{}1{}", open.repeat(depth), close.repeat(depth));
        [format!("SELECT {deep}"), format!("SELECT id FROM t WHERE {deep}")]
    });
    let queries =
        QUERIES.iter().map(|(open, close)| format!("{}SELECT id FROM t{}", open.repeat(depth), close.repeat(depth)));
    let wide = WIDE.iter().map(|(first, more, last)| format!("{first}{}{last}", more.repeat(depth)));
    expressions.chain(queries).chain(wide).collect()
}
