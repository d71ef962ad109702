//! `souk sql`, `souk import` and `souk status` against real processes.

use std::{fs, process::Stdio};

use crate::{
    cluster::{Cluster, ITEMS, VENDORS},
    service::souk,
};

struct Ran {
    code: Option<i32>,
    stdout: String,
    stderr: String,
}

/// Runs `souk ARGUMENTS --addr ...` to its end.
fn run(cluster: &Cluster, arguments: &[&str]) -> Ran {
    let address = format!("--addr=http://{}", cluster.coordinator.address);
    let output = souk(arguments).arg(address).stdin(Stdio::null()).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Ran { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
}

fn check(cluster: &Cluster, arguments: &[&str], stdout: &str) {
    let ran = run(cluster, arguments);
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(0), stdout), "{arguments:?}: {}", ran.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_come_in_every_format() {
    let cluster = Cluster::filled(2).await;
    let sql = "SELECT vendor_id AS v, name, price, NULL AS n, x'00ff' AS b FROM items WHERE id = 2 AND vendor_id < 3 ORDER BY 1 DESC";
    let format = |name| ["sql", "--format", name, "-c", sql];
    check(&cluster, &format("csv"), "v,name,price,n,b\r\n2,item 2,2.2,,x'00ff'\r\n1,item 2,1.2,,x'00ff'\r\n");
    let (two, one) = (
        r#"{"v":2,"name":"item 2","price":2.2,"n":null,"b":{"blob":"00ff"}}"#,
        r#"{"v":1,"name":"item 2","price":1.2,"n":null,"b":{"blob":"00ff"}}"#,
    );
    check(&cluster, &format("json"), &format!("[\n{two},\n{one}\n]\n"));
    check(&cluster, &format("jsonl"), &format!("{two}\n{one}\n"));
    let table = run(&cluster, &format("table"));
    assert!(table.stdout.contains("item 2") && table.stdout.contains("2 rows in "), "{}", table.stdout);
    assert!(table.stdout.contains("scatter · asked "), "{}", table.stdout);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_statement_that_writes_gives_what_it_returns() {
    let cluster = Cluster::filled(2).await;
    let ran = |sql| run(&cluster, &["sql", "--format", "csv", "-c", sql]);
    let raised = ran("UPDATE items SET price = price + 1 WHERE id = 1 AND vendor_id < 4 RETURNING vendor_id, price");
    let mut lines: Vec<&str> = raised.stdout.lines().collect();
    lines.sort_unstable();
    assert_eq!(
        (raised.code, lines),
        (Some(0), vec!["1,2.1", "2,3.1", "3,4.1", "vendor_id,price"]),
        "{}",
        raised.stderr
    );
    assert!(raised.stderr.contains("3 rows written") && raised.stderr.contains("3 shards"), "{}", raised.stderr);
    let none = ran("DELETE FROM items WHERE vendor_id = 4");
    assert_eq!((none.code, none.stdout.as_str()), (Some(0), ""), "{}", none.stderr);
    let refused = ran("INSERT INTO items(vendor_id, id) VALUES (1, 100), (2, 100), (3, 1)");
    assert_eq!(refused.code, Some(1));
    assert!(refused.stderr.contains("CONSTRAINT"), "{}", refused.stderr);
    let left = ran("SELECT count(*) AS n FROM items WHERE id = 100");
    assert_eq!(left.stdout, "n\r\n0\r\n", "nothing of it is left");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_exit_code_says_how_it_went() {
    let mut cluster = Cluster::filled(2).await;
    let count = "SELECT COUNT(*) AS n FROM items";
    check(&cluster, &["sql", "--format", "csv", "-c", count], &format!("n\r\n{}\r\n", VENDORS * ITEMS));
    check(&cluster, &["sql", "--format", "csv", "--key", "7", "-c", count], &format!("n\r\n{ITEMS}\r\n"));
    let ran = run(&cluster, &["sql", "-c", "SELECT * FROM nowhere"]);
    assert_eq!(ran.code, Some(1));
    assert!(ran.stderr.contains("NO_SUCH_TABLE"), "{}", ran.stderr);
    assert_eq!(run(&cluster, &["sql", "--format", "xml", "-c", count]).code, Some(2));
    assert_eq!(run(&cluster, &["status"]).code, Some(0));

    cluster.nodes[1].kill();
    let ran = run(&cluster, &["sql", "--format", "csv", "-c", count]);
    assert_eq!((ran.code, ran.stdout.contains(&format!("\n{}", VENDORS * ITEMS))), (Some(1), false), "{}", ran.stdout);
    assert!(ran.stderr.contains("SHARD_UNAVAILABLE") && ran.stderr.contains("`n2`"), "{}", ran.stderr);
    let ran = run(&cluster, &["sql", "--format", "csv", "--partial", "-c", count]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    assert!(ran.stderr.contains("missing: shard ") && ran.stderr.contains(" on node n2: "), "{}", ran.stderr);
    assert_eq!(run(&cluster, &["status"]).code, Some(1));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_import_is_durable_when_the_command_ends() {
    let mut cluster = Cluster::filled(2).await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("items.csv");
    let rows: String = (1..=2000).map(|n| format!("{},{},\"a, b\",{n}.25\n", n % 50, 1000 + n)).collect();
    fs::write(&file, format!("vendor_id,id,name,price\n{rows}")).unwrap();
    let file = file.to_str().unwrap();
    let ran = run(&cluster, &["import", "--table", "items", "--key", "vendor_id", file]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    assert!(ran.stdout.starts_with("loaded 2000 rows into items (0 rejected)"), "{}", ran.stdout);
    cluster.nodes.iter_mut().for_each(|node| node.kill());
    cluster.coordinator.kill();
    (0..2).for_each(|index| cluster.restart_node(index));
    cluster.restart_coordinator();
    let sql = "SELECT COUNT(*), COUNT(DISTINCT vendor_id), SUM(price), MIN(name) FROM items WHERE id > 1000";
    check(
        &cluster,
        &["sql", "--format", "jsonl", "-c", sql],
        "{\"COUNT(*)\":2000,\"COUNT(DISTINCT vendor_id)\":50,\"SUM(price)\":2001500.0,\"MIN(name)\":\"a, b\"}\n",
    );

    let again = run(&cluster, &["import", "--table", "items", "--key", "vendor_id", file]);
    assert_eq!(again.code, Some(1), "{}", again.stderr);
    assert!(again.stdout.starts_with("loaded 0 rows into items (2000 rejected)"), "{}", again.stdout);
}
