//! The page `docs/queries-gathered.md`: which statements over one sharded table are gathered, and what is scattered beside them.

use crate::blessed;
use crate::queries::line;
use crate::support::{Layout, Oracle, Table};

/// A shape that is gathered.
struct Shape {
    title: &'static str,
    about: &'static str,
    /// Examples with what each is.
    examples: &'static [(&'static str, &'static str)],
}

const SHAPES: &[Shape] = &[
    Shape {
        title: "Subqueries that are tied to the row by another column",
        about: "The rows that match may lie on any shard. A subquery that reads nothing of the row is answered first, and one that is tied by the shard \
                key has all its rows beside the row: with these the statement scatters.",
        examples: &[
            (
                "a value for each row",
                "SELECT id, (SELECT count(*) FROM products AS q WHERE q.price < p.price) FROM products AS p",
            ),
            (
                "EXISTS",
                "SELECT id FROM products AS p WHERE EXISTS (SELECT 1 FROM products AS q WHERE q.stock = p.stock AND q.id > p.id)",
            ),
            (
                "beside an aggregate",
                "SELECT name, count(*), (SELECT max(q.id) FROM products AS q WHERE q.name = p.name) FROM products AS p GROUP BY name",
            ),
            ("not tied", "SELECT id, price > (SELECT avg(price) FROM products) FROM products"),
            (
                "tied by the shard key",
                "SELECT id, (SELECT count(*) FROM products AS q WHERE q.vendor_id = p.vendor_id AND q.price < p.price) FROM products AS p",
            ),
        ],
    },
    Shape {
        title: "Bare columns beside an aggregate",
        about: "SQLite takes a column that is neither grouped by nor inside an aggregate from some row of the group, and beside one `min` or `max` from a row \
                that has the extreme. Which row, where several would do, follows from the order in which it reads them: it is left to SQLite over the fetched \
                rows. A bare column counts even where its value cannot show, as in a branch of CASE or behind the first argument of `coalesce`.",
        examples: &[
            ("beside `max`", "SELECT name, max(price) FROM products"),
            ("in groups", "SELECT stock, name, count(*) FROM products GROUP BY stock"),
            ("in HAVING", "SELECT stock FROM products GROUP BY stock HAVING price > 2"),
            ("where it cannot show", "SELECT coalesce(1, price) FROM products GROUP BY stock"),
            ("grouped by the shard key", "SELECT name, max(price) FROM products GROUP BY vendor_id"),
            ("grouped by all of them", "SELECT stock, name, count(*) FROM products GROUP BY stock, name"),
        ],
    },
    Shape {
        title: "Aggregates that do not combine",
        about: "`group_concat`, `string_agg` and the JSON aggregates put values together in the order of rows, and no two parts of that order can be joined without \
                the rows. Without an ORDER BY among the arguments SQLite calls the order arbitrary; souk's is that of the rows as they come from the shards.",
        examples: &[
            ("over all rows", "SELECT group_concat(id ORDER BY id) FROM products"),
            ("of distinct values", "SELECT group_concat(DISTINCT stock ORDER BY stock) FROM products"),
            ("as JSON", "SELECT stock, json_group_array(id ORDER BY id) FROM products GROUP BY stock"),
            (
                "grouped by the shard key",
                "SELECT vendor_id, group_concat(id ORDER BY id) FROM products GROUP BY vendor_id",
            ),
            (
                "what combines",
                "SELECT count(DISTINCT name), sum(price), avg(price) FILTER (WHERE stock > 2), total(DISTINCT stock) FROM products",
            ),
        ],
    },
    Shape {
        title: "Windows that do not partition by the shard key",
        about: "A window's value needs all rows of its partition. One window without the shard key is enough, and one over groups needs all groups.",
        examples: &[
            ("no partition", "SELECT id, rank() OVER (ORDER BY price DESC) FROM products"),
            ("by another column", "SELECT id, lag(price) OVER (PARTITION BY stock ORDER BY id) FROM products"),
            (
                "one of two",
                "SELECT id, count(*) OVER (PARTITION BY vendor_id), row_number() OVER (ORDER BY id) FROM products",
            ),
            ("over groups", "SELECT stock, sum(count(*)) OVER (ORDER BY stock) FROM products GROUP BY stock"),
            ("by the shard key", "SELECT DISTINCT count(*) OVER (PARTITION BY vendor_id) FROM products"),
        ],
    },
    Shape {
        title: "Derived and WITH tables that need all shards",
        about: "LIMIT, DISTINCT, groups and windows inside of a FROM are finished before the query around them begins. What is inside is scattered where it \
                can be, and only its rows are fetched.",
        examples: &[
            ("LIMIT inside", "SELECT avg(price) FROM (SELECT price FROM products ORDER BY price DESC, id LIMIT 10)"),
            ("DISTINCT inside", "SELECT count(*) FROM (SELECT DISTINCT name, stock FROM products)"),
            ("groups inside", "SELECT max(n) FROM (SELECT count(*) AS n FROM products GROUP BY stock)"),
            (
                "a WITH table that reads itself",
                "WITH RECURSIVE c(id) AS (SELECT min(id) FROM products UNION ALL SELECT p.id FROM c JOIN products AS p ON p.id = c.id + 7) SELECT id FROM c",
            ),
            (
                "a compound inside, grouped",
                "SELECT v, count(*) FROM (SELECT name AS v FROM products UNION ALL SELECT stock FROM products) GROUP BY v",
            ),
            (
                "groups of the shard key inside",
                "SELECT max(n) FROM (SELECT count(*) AS n FROM products GROUP BY vendor_id)",
            ),
            ("rows inside", "SELECT count(*) FROM (SELECT price * stock AS worth FROM products) WHERE worth > 3"),
        ],
    },
    Shape {
        title: "DISTINCT sorted by what it does not give",
        about: "SQLite sorts by the values of the row that it keeps of several equal ones, and which that is follows from the order in which it reads them.",
        examples: &[
            ("another column", "SELECT DISTINCT id % 50 FROM products ORDER BY price, id"),
            ("a column that it gives", "SELECT DISTINCT name, stock FROM products ORDER BY stock DESC, name"),
        ],
    },
    Shape {
        title: "What a shard would answer for itself",
        about: "`random()` and `randomblob()` would be drawn by each shard, and a rowid that is no INTEGER PRIMARY KEY counts the rows of one shard.",
        examples: &[
            ("random()", "SELECT id FROM products ORDER BY random() LIMIT 3"),
            ("a rowid", "SELECT rowid, body FROM notes"),
            ("an INTEGER PRIMARY KEY", "SELECT rowid, name FROM products ORDER BY rowid DESC LIMIT 3"),
            ("the clock, which is read once", "SELECT id FROM products WHERE name < date('now')"),
        ],
    },
    Shape {
        title: "What souk cannot read for certain",
        about: "A text whose tree, printed again, does not make the same program in SQLite is never taken apart: the columns that SQLite says it reads are fetched, and \
                the text runs as it stands.",
        examples: &[(
            "a table that is not in the tree",
            "SELECT id FROM products WHERE stock < (SELECT count(*) FROM sqlite_schema)",
        )],
    },
];

const BEFORE: &str = "# One sharded table, and yet gathered

Most statements with one sharded table in FROM are routed or scattered ([How statements are answered](queries.md)). The others are below, shape by shape,
each with what comes near it and is scattered. All are answered exactly; gathering costs the transport of rows, those and the columns that the statement can need.

How much that is depends on the queries. Of a sample of SQLite's own sqllogictest, 9,895 queries whose tables are sharded by their first column where a UNIQUE
allows it, seven of ten scatter, on two shards as on seven; none is opaque. 2,613 are gathered: 1,878 have a join of sharded tables on
something other than their keys, most of them products of a table with itself or with another, and 735 have one sharded table alone in FROM. Of these

- 712 have a subquery that is tied to the row by a column that is not the shard key;
- 20 have a bare column in a group that is not of one shard key, each where its value cannot show;
- 3 are `group_concat` over all rows.

`cargo test --release --test slt -- --gathered 5 PATH` says the same of other files, with five examples of each reason.
";

/// The tables that the page is about.
const TABLES: [&str; 2] = [
    "CREATE TABLE products(vendor_id TEXT, id INTEGER PRIMARY KEY, name TEXT, price REAL, stock INTEGER)",
    "CREATE TABLE notes(vendor_id TEXT, body TEXT)",
];

const PRODUCTS: &str = "
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 40)
SELECT 'v' || (i % 8), i, substr('LampVasePotRug', i % 5 * 3 + 1, 3), i * 7 % 41 / 4.0, i * 5 % 11 FROM n";

fn shop() -> Oracle {
    let [products, notes] = TABLES;
    let tables = [
        Table::sharded(products, "vendor_id", PRODUCTS),
        Table::sharded(notes, "vendor_id", "VALUES ('v1', 'late'), ('v2', 'fragile')"),
    ];
    Oracle::new(&[Layout::Ring(4)], &tables, &[])
}

#[test]
fn the_page_says_what_is_gathered() {
    let shop = shop();
    let mut page = BEFORE.to_owned();
    for Shape { title, about, examples } in SHAPES {
        let lines: Vec<String> = examples.iter().map(|(what, sql)| line(&shop, what, sql)).collect();
        assert!(lines[0].contains("| gather |"), "{title}: {}", lines[0]);
        let lines = lines.concat();
        page += &format!(
            "\n## {title}\n\n{about}\n\n| statement | example | plan | why |\n| --- | --- | --- | --- |\n{lines}"
        );
    }
    let tables: Vec<String> = TABLES.iter().map(|sql| format!("{sql};")).collect();
    page += &format!("\n## The tables\n\n```sql\n{}\n```\n\nBoth are sharded by `vendor_id`.\n", tables.join("\n"));
    blessed::check("docs/queries-gathered.md", &page);
}
