//! The page `docs/queries.md`: what becomes of each shape of a statement, as the cluster itself explains it.

use souk_proto::v1;

use crate::blessed;
use crate::shop::{SCHEMA, shop};
use crate::support::{Oracle, none};

/// Shapes of one family.
struct Family {
    title: &'static str,
    about: &'static str,
    /// Each with an example.
    shapes: &'static [(&'static str, &'static str)],
}

const FAMILIES: &[Family] = &[
    Family {
        title: "One shard has it all",
        about: "The text goes to the shard unchanged, so any SQL that SQLite accepts is answered by SQLite itself.",
        shapes: &[
            ("one key", "SELECT name, price FROM products WHERE vendor_id = 'v1' ORDER BY price"),
            (
                "one key for each table",
                "SELECT p.name, s.day FROM products AS p JOIN sales AS s ON s.product_id = p.id WHERE p.vendor_id = 'v1' AND s.vendor_id = 'v1'",
            ),
            ("keys of one shard", "SELECT count(*) FROM products WHERE vendor_id IN ('v1', 'v2')"),
            ("replicated tables", "SELECT label FROM days WHERE label IS NOT NULL"),
            ("no table", "SELECT date('2024-02-28', '+1 day')"),
            ("no key can match", "SELECT * FROM products WHERE vendor_id = 'v1' AND vendor_id = 'v2'"),
        ],
    },
    Family {
        title: "Rows of many shards",
        about: "Each shard gives rows of the answer; nodes and coordinator put them together, in order when there is one.",
        shapes: &[
            ("rows", "SELECT id, upper(name) FROM products WHERE price > 2 AND name LIKE 'l%'"),
            ("keys of several shards", "SELECT id FROM products WHERE vendor_id IN ('v1', 'v2', 'v3')"),
            ("ORDER BY", "SELECT id, name FROM products ORDER BY name COLLATE BINARY DESC NULLS LAST, id"),
            ("ORDER BY what is not shown", "SELECT name FROM products ORDER BY price * stock, id"),
            ("LIMIT and OFFSET", "SELECT id, price FROM products ORDER BY price DESC, id LIMIT 5 OFFSET 2"),
            ("the present", "SELECT id FROM sales WHERE day < date('now')"),
            (
                "table functions",
                "SELECT p.id, e.value FROM products AS p, json_each(json_array(p.stock, p.price)) AS e",
            ),
        ],
    },
    Family {
        title: "Groups",
        about: "Shards give partial groups, nodes and coordinator merge them, and SQLite finishes over the merged groups. Sums travel as exact states. \
                A statement that groups by the shard key is complete on each shard.",
        shapes: &[
            ("aggregates", "SELECT count(*), sum(stock), avg(price), min(name), max(name), total(price) FROM products"),
            (
                "GROUP BY, HAVING",
                "SELECT name, avg(price) FROM products GROUP BY name HAVING count(*) > 2 ORDER BY 2 DESC LIMIT 3",
            ),
            ("GROUP BY an expression", "SELECT stock % 3, count(*) FILTER (WHERE price > 1) FROM products GROUP BY 1"),
            ("DISTINCT", "SELECT DISTINCT name, stock % 2 FROM products"),
            (
                "DISTINCT aggregates",
                "SELECT name, count(DISTINCT stock), sum(DISTINCT stock) FROM products GROUP BY name",
            ),
            (
                "grouped by the shard key",
                "SELECT vendor_id, group_concat(name), max(price) FROM products GROUP BY vendor_id",
            ),
        ],
    },
    Family {
        title: "Joins",
        about: "Rows that belong together by shard key lie on one shard, and replicated tables lie on all of them.",
        shapes: &[
            (
                "by the shard key",
                "SELECT p.name, s.amount FROM products AS p JOIN sales AS s USING (vendor_id) WHERE s.product_id = p.id",
            ),
            ("with a replicated table", "SELECT s.id, d.label FROM sales AS s JOIN days AS d ON d.day = s.day"),
            (
                "outer, by the shard key",
                "SELECT p.id, s.id FROM products AS p LEFT JOIN sales AS s ON s.vendor_id = p.vendor_id AND s.product_id = p.id",
            ),
            (
                "outer, to a replicated table",
                "SELECT s.id, d.label FROM sales AS s LEFT JOIN days AS d ON d.day = s.day",
            ),
            ("NATURAL", "SELECT count(*) FROM products NATURAL JOIN sales"),
            ("FULL, by the shard key", "SELECT count(*) FROM products FULL JOIN sales USING (vendor_id)"),
            (
                "from a replicated table outwards",
                "SELECT d.label, count(s.id) FROM days AS d LEFT JOIN sales AS s ON s.day = d.day GROUP BY 1",
            ),
            ("on other columns", "SELECT p.name, s.amount FROM products AS p JOIN sales AS s ON s.product_id = p.id"),
            (
                "outer, on other columns",
                "SELECT p.name, s.id FROM products AS p LEFT JOIN sales AS s ON s.product_id = p.id AND s.amount > 2",
            ),
            (
                "FULL, on other columns",
                "SELECT p.id, s.id FROM products AS p FULL JOIN sales AS s ON s.product_id = p.id",
            ),
            (
                "of a table with itself",
                "SELECT a.id, b.id FROM products AS a JOIN products AS b ON a.stock = b.stock AND a.id < b.id",
            ),
        ],
    },
    Family {
        title: "Subqueries",
        about: "A subquery that reads nothing of the row around it is answered first, and its rows travel with the statement. One that is tied to the row by \
                shard key is the shard's own.",
        shapes: &[
            ("a value of all shards", "SELECT id FROM products WHERE price > (SELECT avg(price) FROM products)"),
            (
                "IN over all shards",
                "SELECT count(*) FROM products WHERE id IN (SELECT product_id FROM sales WHERE amount > 3)",
            ),
            ("EXISTS over all shards", "SELECT id FROM products WHERE EXISTS (SELECT 1 FROM sales WHERE amount > 3)"),
            (
                "tied by the shard key",
                "SELECT id FROM products AS p WHERE EXISTS (SELECT 1 FROM sales AS s WHERE s.vendor_id = p.vendor_id AND s.product_id = p.id)",
            ),
            ("over replicated tables", "SELECT id, (SELECT label FROM days AS d WHERE d.day = s.day) FROM sales AS s"),
            (
                "tied by another column",
                "SELECT id FROM products AS p WHERE price = (SELECT max(price) FROM products AS q WHERE q.stock = p.stock)",
            ),
            ("in LIMIT", "SELECT id FROM products ORDER BY id LIMIT (SELECT count(*) FROM days)"),
        ],
    },
    Family {
        title: "Derived tables, WITH and compounds",
        about: "What gives its rows shard by shard is part of the fragment. Else the parts that scatter are scattered, and SQLite combines them.",
        shapes: &[
            (
                "a derived table",
                "SELECT name, n FROM (SELECT name, vendor_id, price * 2 AS n FROM products) WHERE n > 3",
            ),
            (
                "grouped by the shard key",
                "SELECT max(n) FROM (SELECT vendor_id, count(*) AS n FROM products GROUP BY vendor_id)",
            ),
            (
                "grouped by another column",
                "SELECT max(n) FROM (SELECT stock, count(*) AS n FROM products GROUP BY stock)",
            ),
            (
                "LIMIT inside",
                "SELECT count(*) FROM (SELECT id FROM products ORDER BY price, id LIMIT 5) AS top JOIN sales AS s ON s.product_id = top.id",
            ),
            ("WITH", "WITH cheap AS (SELECT * FROM products WHERE price < 2) SELECT count(*) FROM cheap"),
            (
                "WITH RECURSIVE over no table",
                "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5) SELECT i, count(*) FROM n JOIN products ON stock = i GROUP BY i",
            ),
            (
                "WITH RECURSIVE over shards",
                "WITH RECURSIVE c(id) AS (SELECT min(id) FROM products UNION ALL SELECT p.id FROM c JOIN products AS p ON p.id = c.id + 7) SELECT id FROM c",
            ),
            ("UNION ALL", "SELECT name FROM products UNION ALL SELECT day FROM sales"),
            (
                "UNION with the shard key",
                "SELECT vendor_id, id FROM products UNION SELECT vendor_id, product_id FROM sales",
            ),
            ("UNION", "SELECT name FROM products UNION SELECT day FROM sales ORDER BY 1 LIMIT 4"),
            ("EXCEPT of groups", "SELECT stock FROM products EXCEPT SELECT max(amount) FROM sales"),
        ],
    },
    Family {
        title: "Windows, and what depends on all rows",
        about: "A window that partitions by the shard key is the shard's own. Everything else is finished over the rows: those columns, and those rows, that the \
                statement can need are fetched.",
        shapes: &[
            (
                "partitioned by the shard key",
                "SELECT id, rank() OVER (PARTITION BY vendor_id ORDER BY price) FROM products",
            ),
            ("over all rows", "SELECT id, rank() OVER (ORDER BY price DESC) FROM products WHERE stock > 2"),
            ("over groups", "SELECT name, sum(count(*)) OVER (ORDER BY name) FROM products GROUP BY name"),
            ("columns beside an aggregate", "SELECT name, max(price) FROM products"),
            ("group_concat", "SELECT name, group_concat(id ORDER BY id) FROM products GROUP BY name"),
            ("json_group_array", "SELECT json_group_array(id ORDER BY id) FROM products WHERE stock = 3"),
            ("random()", "SELECT id FROM products ORDER BY random() LIMIT 1"),
            ("the schema", "SELECT name FROM sqlite_schema"),
            (
                "the schema beside rows",
                "SELECT m.name, p.id FROM sqlite_schema AS m JOIN products AS p ON p.stock = length(m.name)",
            ),
            (
                "what souk cannot read for certain",
                "SELECT q.id FROM products AS p FULL JOIN sales AS s USING (vendor_id) JOIN products AS q USING (vendor_id)",
            ),
        ],
    },
];

/// Explained in full.
const EXAMPLE: &str = "SELECT p.name, sum(s.amount) FROM products AS p JOIN sales AS s ON s.product_id = p.id \
                       WHERE s.day = 'd1' AND p.price > (SELECT avg(price) FROM products) GROUP BY p.name";

const BEFORE: &str = "\
# How statements are answered

Every SELECT that SQLite accepts is answered, and the answer is that of one SQLite database with all the rows. How depends on what the statement needs:

| plan | what happens |
| --- | --- |
| route | one shard has all that it can match: the text goes there unchanged |
| scatter | shards run fragments on their own rows, and what they give combines exactly |
| gather | rows are fetched into a scratch, an SQLite database of the coordinator's, and SQLite runs the text there |
| local | nothing that it reads is stored: the coordinator answers by itself (in the certificate: route) |

`EXPLAIN SELECT …` says which, and why. This page is what it says on a cluster of four shards; `cargo test --test explain` holds the page against the
planner. [One sharded table, and yet gathered](queries-gathered.md) goes through the statements over one table that are gathered.
";

const TABLES: &str = "
`products` and `sales` are sharded by `vendor_id`, `days` is replicated.
";

const EXPLAINING: &str = "
## EXPLAIN

Any client can ask, in SQL: the answer has one column `plan`, a line a row. `souk sql` prints the lines, and with `--format json` the plan as
an object; programs get the same from the call `Explain` (`souk.v1.PlanStep`).
";

const AFTER: &str = "
- *first*: a subquery is answered before the rest. Its rows become a parameter, which `souk_rows(?N)` reads on every shard.
- *fragment*: what shards run, and which of them. With a semi-join only rows whose keys were found before are asked for, when those are few.
- *merge*: how the shards' rows become one, at each node and then at the coordinator.
- *load*: a table of the scratch and the columns that it gets; `only rows with` says which conditions the shards applied.
- *finish*: where the rows of the answer come from.
- *should a step fail*: a step may meet an error that the statement itself would not have come to, such as an overflow in a branch that is
  never taken. Then the text is run over whole tables.
- *opaque*: souk's reading of the text could not be shown to be SQLite's, so the text is run as it stands.

`EXPLAIN ANALYZE SELECT …` also runs the statement and throws its rows away. Behind each step stand the rows that came out of it, the bytes of their
values and the time; a fragment's time ends with the last node's answer, and below it stand its three slowest shards. The line `planning` is near zero
for a text that was asked before: plans are kept.

## Verifying an answer

`souk sql --verify` (and `QueryOptions.verify`) answers a second time by the most naive plan there is, the text over whole tables, and fails with
`VERIFY_FAILED` when the answers differ. The message shows rows that only one of them has.

- No row is sent before both answers are there; they may take `gather_bytes_max` bytes each.
- Rows are compared as multisets: their order is not.
- Values must be the same, bit for bit, but reals may differ by one part in 10¹²: SQLite's own sums of reals depend on the order of rows, while souk's are the
  correctly rounded ones. A text that is made of such a sum differs as a text does.
- Where a statement leaves a choice, both answers may be right and differ: a LIMIT without a total order, bare columns beside an aggregate, the order inside
  of `group_concat`, the time of day. Rows that are written between the two runs are seen by one alone.
- `random()` cannot be verified, nor an answer of one shard key or with shards missing: these are refused.
";

#[test]
fn the_page_says_what_the_planner_does() {
    let shop = shop();
    let mut page = BEFORE.to_owned();
    for family in FAMILIES {
        page += &format!(
            "\n## {}\n\n{}\n\n| statement | example | plan | why |\n| --- | --- | --- | --- |\n",
            family.title, family.about
        );
        for (shape, sql) in family.shapes {
            page += &line(&shop, shape, sql);
        }
    }
    let tables: Vec<String> = SCHEMA.iter().map(|sql| format!("{sql};")).collect();
    page += &format!("\n## The tables\n\n```sql\n{}\n```\n{TABLES}", tables.join("\n"));
    let plan = explained(&shop, EXAMPLE);
    page += &format!("{EXPLAINING}\n```\nEXPLAIN {EXAMPLE}\n\n{}\n```\n{AFTER}", plan.text);
    blessed::check("docs/queries.md", &page);
}

/// The shape as a row of the table, its answer held against plain SQLite.
pub(crate) fn line(shop: &Oracle, shape: &str, sql: &str) -> String {
    let free = ["random", "sqlite_schema", "rowid, body"].iter().any(|word| sql.contains(word));
    if !free {
        shop.exact([sql]);
    }
    let root = explained(shop, sql).root.expect("a root");
    let kind = root.kind().as_str_name().trim_start_matches("PLAN_STEP_KIND_").to_lowercase();
    let cell = |text: &str| text.replace('|', "\\|");
    format!("| {shape} | `{}` | {kind} | {} |\n", cell(sql), cell(&root.title))
}

fn explained(shop: &Oracle, sql: &str) -> v1::ExplainResponse {
    shop.clusters[0].1.explain(sql, &none()).unwrap_or_else(|error| panic!("{sql}: {error:?}"))
}

#[test]
fn every_kind_of_plan_is_on_the_page() {
    let shop = shop();
    let mut kinds = std::collections::BTreeMap::new();
    for (_, sql) in FAMILIES.iter().flat_map(|family| family.shapes) {
        let root = explained(&shop, sql).root.expect("a root");
        *kinds.entry(root.kind().as_str_name()).or_insert(0) += 1;
    }
    let names: Vec<&str> = kinds.keys().map(|kind| kind.trim_start_matches("PLAN_STEP_KIND_")).collect();
    assert_eq!(names, ["GATHER", "LOCAL", "ROUTE", "SCATTER"]);
    assert!(kinds.values().all(|count| *count > 1), "{kinds:?}");
}
