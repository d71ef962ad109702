//! What is asked of the index.

use crate::queries::{Merge, Parameters, Query};

/// Sections of all sizes, from 6,711 packages to some hundreds.
const SECTIONS: &[&str] = &["libs", "python", "doc", "net", "science", "games", "fonts", "math"];

/// Small ones: what is fetched for them is little.
const SMALL_SECTIONS: &[&str] = &["games", "fonts", "math", "graphics"];

/// Parts of names, found often and seldom.
const PATTERNS: &[&str] = &["%-doc", "%python3%", "lib%perl", "%gtk%", "%data%"];

/// All queries; each ends with a condition that always holds, as in [`crate::queries`].
pub(super) const ALL: [Query; 6] = [
    Query {
        name: "D1 sections and their sums",
        sql: "SELECT section, COUNT(*), SUM(download_bytes), SUM(installed_kb) FROM package WHERE ? >= 0 \
              GROUP BY section ORDER BY 2 DESC",
        parameters: Parameters::None,
        shard_sql: "SELECT section, COUNT(*), SUM(download_bytes), SUM(installed_kb) FROM package WHERE ? >= 0 \
                    GROUP BY section",
        merge: Merge::Add { keys: 1, average: None },
        order: Some(1),
        runs_percent: 100,
        goal_ms: None,
    },
    Query {
        name: "D2 ten largest of a section",
        sql: "SELECT name, version, installed_kb FROM package WHERE section = ? AND ? >= 0 ORDER BY installed_kb DESC LIMIT 10",
        parameters: Parameters::OneOf(SECTIONS),
        shard_sql: "SELECT name, version, installed_kb FROM package WHERE section = ? AND ? >= 0 \
                    ORDER BY installed_kb DESC LIMIT 10",
        merge: Merge::Top { column: 2, descending: true, limit: 10 },
        order: Some(2),
        runs_percent: 200,
        goal_ms: None,
    },
    Query {
        name: "D3 names LIKE",
        sql: "SELECT name, version, summary FROM package WHERE name LIKE ? AND ? >= 0 ORDER BY name LIMIT 20",
        parameters: Parameters::OneOf(PATTERNS),
        shard_sql: "SELECT name, version, summary FROM package WHERE name LIKE ? AND ? >= 0 ORDER BY name LIMIT 20",
        merge: Merge::Top { column: 0, descending: false, limit: 20 },
        order: Some(0),
        runs_percent: 100,
        goal_ms: None,
    },
    Query {
        name: "D4 dependencies by section",
        sql: "SELECT p.section, COUNT(*), COUNT(d.op) FROM package AS p \
              JOIN dependency AS d ON d.vendor_id = p.vendor_id AND d.package = p.name WHERE ? >= 0 \
              GROUP BY p.section ORDER BY 2 DESC",
        parameters: Parameters::None,
        shard_sql: "SELECT p.section, COUNT(*), COUNT(d.op) FROM package AS p \
                    JOIN dependency AS d ON d.vendor_id = p.vendor_id AND d.package = p.name WHERE ? >= 0 \
                    GROUP BY p.section",
        merge: Merge::Add { keys: 1, average: None },
        order: Some(1),
        runs_percent: 50,
        goal_ms: None,
    },
    Query {
        name: "D5 whom a section needs",
        sql: "SELECT p.vendor_id, COUNT(*) FROM package AS q \
              JOIN dependency AS d ON d.vendor_id = q.vendor_id AND d.package = q.name \
              JOIN package AS p ON p.name = d.target WHERE q.section = ? AND d.kind = 'Depends' AND ? >= 0 \
              GROUP BY p.vendor_id ORDER BY 2 DESC, 1 LIMIT 10",
        parameters: Parameters::OneOf(SMALL_SECTIONS),
        shard_sql: "",
        merge: Merge::None,
        order: Some(1),
        runs_percent: 20,
        goal_ms: None,
    },
    Query {
        name: "D6 which sections are needed",
        sql: "SELECT p.section, COUNT(*), COUNT(DISTINCT d.vendor_id) FROM dependency AS d \
              JOIN package AS p ON p.name = d.target WHERE d.kind = 'Depends' AND ? >= 0 \
              GROUP BY p.section ORDER BY 2 DESC, 1",
        parameters: Parameters::None,
        shard_sql: "",
        merge: Merge::None,
        order: Some(1),
        runs_percent: 20,
        goal_ms: None,
    },
];
