//! Statements that SQLite refuses, or that fail when they find a row.

use super::super::super::expression::leaf;
use super::{Author, Statement};

/// `@` is the table.
const STATEMENTS: [&str; 32] = [
    "UPDATE @ SET nope = 1",
    "UPDATE @ SET n = nope",
    "UPDATE @ SET n = 1 WHERE nope IS NULL",
    "UPDATE @ SET n = 1 RETURNING nope",
    "UPDATE @ SET n = x.n",
    "UPDATE @ SET n = sum(n)",
    "UPDATE @ SET n = (SELECT 1, 2)",
    "UPDATE @ SET (n, id) = (1, 2, 3)",
    "UPDATE @ SET n = abs(-9223372036854775807 - 1)",
    "UPDATE @ SET n = abs(CASE id WHEN 3 THEN -9223372036854775807 - 1 ELSE n END)",
    "UPDATE @ SET n = json_extract('{', '$')",
    "UPDATE @ SET y = 1",
    "UPDATE @ SET n = 1 FROM nope",
    "UPDATE @ SET",
    "UPDATE @ SET n = 1 WHERE",
    "UPDATE nope SET n = 1",
    "UPDATE v1 SET id = 1",
    "DELETE FROM @ WHERE nope = 1",
    "DELETE FROM @ WHERE count(*) > 1",
    "DELETE FROM @ AS x WHERE @.n = 1",
    "DELETE FROM @ WHERE n = (SELECT nope FROM r)",
    "DELETE FROM nope",
    "DELETE FROM v1",
    "DELETE @",
    "INSERT INTO @ VALUES (1)",
    "INSERT INTO @(nope) VALUES (1)",
    "INSERT INTO @(id, n) VALUES (1)",
    "INSERT INTO @(id, n) SELECT 1",
    "INSERT INTO @(id) VALUES (1), (2, 3)",
    "INSERT INTO @(id, n) VALUES (100000, 1) ON CONFLICT (n) DO NOTHING",
    "INSERT INTO v1(id) VALUES (1)",
    "INSERT INTO nope VALUES (1)",
];

impl Author<'_> {
    pub(super) fn broken(&mut self) -> Statement {
        let text = self.pick(&STATEMENTS).replace('@', self.target.name);
        Statement { node: leaf(text), has_last_rowid: true }
    }
}
