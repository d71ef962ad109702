//! EXPLAIN as a call and as SQL, with and without a run.

use souk_merge::Value;
use souk_proto::{Reason, v1};

use crate::shop::shop;
use crate::support::{Cluster, Options, Oracle, none, positional, text};

const GATHERED: &str =
    "SELECT p.name, s.amount FROM products AS p JOIN sales AS s ON s.product_id = p.id WHERE p.stock > 3";
const FIRST: &str = "SELECT name, count(*) FROM products WHERE price > (SELECT avg(price) FROM products) GROUP BY name";
const ROUTED: &str = "SELECT name FROM products WHERE vendor_id = 'v1'";

fn cluster(shop: &Oracle) -> &Cluster {
    &shop.clusters[0].1
}

fn analyzed(shop: &Oracle, sql: &str) -> v1::ExplainResponse {
    let request = v1::ExplainRequest { sql: sql.to_owned(), analyze: true, ..v1::ExplainRequest::default() };
    cluster(shop).explain_with(request).unwrap_or_else(|error| panic!("{sql}: {error:?}"))
}

fn lines(shop: &Oracle, sql: &str) -> Vec<String> {
    let answer = cluster(shop).query(sql, &none()).unwrap_or_else(|error| panic!("{sql}: {error:?}"));
    assert_eq!((answer.names, answer.declared), (vec!["plan".to_owned()], vec!["TEXT".to_owned()]), "{sql}");
    let line = |row: Vec<Value>| match row.as_slice() {
        [Value::Text(line)] => String::from_utf8(line.to_vec()).expect("text"),
        other => panic!("{sql}: {other:?}"),
    };
    answer.rows.into_iter().map(line).collect()
}

/// All steps of a kind, from the top down.
fn steps(root: &v1::PlanStep, kind: v1::PlanStepKind) -> Vec<&v1::PlanStep> {
    let below = root.steps.iter().flat_map(|step| steps(step, kind));
    (root.kind() == kind).then_some(root).into_iter().chain(below).collect()
}

fn measured(step: &v1::PlanStep) -> &v1::StepMeasurement {
    step.measured.as_ref().unwrap_or_else(|| panic!("not measured: {step:?}"))
}

#[test]
fn a_plan_is_a_tree_for_programs() {
    let shop = shop();
    let plan = cluster(&shop).explain(GATHERED, &none()).expect("a plan");
    assert_eq!((plan.plan.as_str(), plan.asked, plan.pruned, plan.opaque.as_str()), ("gather", 4, 0, ""));
    assert_eq!(plan.certificate, None);
    let root = plan.root.expect("a root");
    assert_eq!(root.kind(), v1::PlanStepKind::Gather);
    assert!(root.title.contains("a join of sharded tables"), "{root:?}");
    let fragments = steps(&root, v1::PlanStepKind::Fragment);
    assert_eq!(fragments.len(), 2);
    for fragment in fragments {
        assert_eq!(fragment.targets.iter().map(|target| target.shards).sum::<u32>(), 4);
        assert!(fragment.targets.iter().all(|target| target.first_shards.len() == target.shards as usize));
        assert!(fragment.sql.starts_with("SELECT "), "{fragment:?}");
        assert_eq!(
            fragment.steps.iter().map(|step| step.kind()).collect::<Vec<_>>(),
            [v1::PlanStepKind::Merge, v1::PlanStepKind::Load]
        );
    }
    assert_eq!(steps(&root, v1::PlanStepKind::Finish).len(), 1);
    assert!(steps(&root, v1::PlanStepKind::Unspecified).is_empty());

    let first = cluster(&shop).explain(FIRST, &none()).expect("a plan").root.expect("a root");
    let subqueries = steps(&first, v1::PlanStepKind::First);
    assert_eq!((subqueries.len(), subqueries[0].steps[0].kind()), (1, v1::PlanStepKind::Scatter));
}

#[test]
fn what_cannot_be_judged_says_why() {
    let shop = shop();
    let sql = "WITH a AS (SELECT * FROM b), b AS (SELECT id FROM products) SELECT * FROM a";
    let plan = cluster(&shop).explain(sql, &none()).expect("a plan");
    assert!(!plan.opaque.is_empty() && plan.text.contains(&plan.opaque), "{plan:?}");
    let request = v1::ExplainRequest {
        sql: sql.to_owned(),
        shard_key: Some((&text("v1")).into()),
        ..v1::ExplainRequest::default()
    };
    let routed = cluster(&shop).explain_with(request).expect("a plan");
    assert_eq!((routed.plan.as_str(), routed.asked), ("route", 1));
    assert!(routed.text.contains(&format!("opaque: {}", plan.opaque)), "{}", routed.text);
}

#[test]
fn explain_is_a_statement_too() {
    let shop = shop();
    for sql in [ROUTED, FIRST, GATHERED, "SELECT 1"] {
        let plan = cluster(&shop).explain(sql, &none()).expect("a plan");
        let found = lines(&shop, &format!("/* a */ explain -- b\n {sql};"));
        let sql_lines = plan.text.lines().map(|line| line.to_owned()).collect::<Vec<_>>();
        assert_eq!(found.len(), sql_lines.len(), "{sql}");
        assert_eq!(found[0], sql_lines[0], "{sql}");
        let certificate = cluster(&shop).query(&format!("EXPLAIN {sql}"), &none()).expect("a plan").certificate;
        assert_eq!((certificate.plan.as_str(), certificate.asked, certificate.pruned), ("explain", 0, 4), "{sql}");
    }
    // In quotes it is text.
    shop.exact(["SELECT 'EXPLAIN SELECT 1'", "VALUES ('EXPLAIN ANALYZE SELECT 1')"]);
}

#[test]
fn explain_takes_parameters_and_a_shard_key() {
    let shop = shop();
    let answer = cluster(&shop)
        .query(
            "EXPLAIN SELECT id FROM products WHERE vendor_id = ? LIMIT ?",
            &positional([text("v2"), Value::Integer(3)]),
        )
        .expect("a plan");
    assert!(format!("{:?}", answer.rows[0]).len() > 2 && answer.certificate.plan == "explain");
    let options = Options { shard_key: Some(text("v1")), ..Options::default() };
    let scoped =
        cluster(&shop).query_with("EXPLAIN ANALYZE SELECT id FROM products", &none(), options).expect("a plan");
    assert_eq!((scoped.certificate.plan.as_str(), scoped.certificate.asked), ("route", 1));
    let failure = cluster(&shop).query("EXPLAIN SELECT ? + ?", &positional([text("x")])).expect_err("one is missing");
    assert_eq!(failure.reason, Some(Reason::InvalidArgument));
}

#[test]
fn what_cannot_be_explained_is_refused_in_words() {
    let shop = shop();
    let refused = |sql: &str, reason: Reason, words: &str| {
        let failure = cluster(&shop).query(sql, &none()).expect_err(sql);
        assert_eq!(failure.reason, Some(reason), "{sql}: {failure:?}");
        assert!(failure.message.contains(words), "{sql}: {failure:?}");
    };
    refused("EXPLAIN QUERY PLAN SELECT 1", Reason::UnsupportedSql, "use EXPLAIN");
    refused("EXPLAIN", Reason::SqlSyntax, "no SELECT");
    refused("EXPLAIN ANALYZE;", Reason::SqlSyntax, "no SELECT");
    refused("EXPLAIN EXPLAIN SELECT 1", Reason::UnsupportedSql, "EXPLAIN");
    refused("EXPLAIN ANALYZE DELETE FROM products", Reason::UnsupportedSql, "writing");
    refused("EXPLAIN SELECT nope FROM products", Reason::NoSuchTable, "nope");
    refused("EXPLAIN ANALYZE SELECT abs(-9223372036854775808)", Reason::SqlRuntime, "overflow");
}

#[test]
fn a_run_is_measured() {
    let shop = shop();
    for sql in [ROUTED, FIRST, GATHERED, "SELECT 1", "SELECT name FROM products ORDER BY price LIMIT 3"] {
        let rows = shop.plain.query(sql, &none()).expect(sql).rows.len() as u64;
        let plan = analyzed(&shop, sql);
        let certificate = plan.certificate.expect("it was run");
        assert_eq!((certificate.rows, certificate.plan, certificate.asked), (rows, plan.plan, plan.asked), "{sql}");
        assert_eq!(certificate.asked, certificate.answered, "{sql}");
        let root = plan.root.expect("a root");
        assert_eq!(measured(&root).rows, rows, "{sql}");
        for fragment in steps(&root, v1::PlanStepKind::Fragment) {
            let slowest = &measured(fragment).slowest;
            assert_eq!(slowest.len(), 3, "{sql}: three of four shards are named: {slowest:?}");
            assert!(slowest.is_sorted_by(|a, b| a.elapsed_us >= b.elapsed_us), "{sql}: {slowest:?}");
            assert!(slowest.iter().all(|time| time.node.starts_with("node-")), "{sql}: {slowest:?}");
        }
        assert!(plan.text.contains("planning: "), "{}", plan.text);
    }
}

#[test]
fn each_step_counts_its_own_rows() {
    let shop = shop();
    let count = |sql: &str| shop.plain.query(sql, &none()).expect(sql).rows.len() as u64;
    let root = analyzed(&shop, GATHERED).root.expect("a root");
    let loads = steps(&root, v1::PlanStepKind::Load);
    assert_eq!(measured(loads[0]).rows, count("SELECT 1 FROM products WHERE stock > 3"));
    assert_eq!(loads.iter().map(|load| measured(load).rows).collect::<Vec<_>>(), {
        let fragments = steps(&root, v1::PlanStepKind::Fragment);
        fragments.iter().map(|fragment| measured(fragment).rows).collect::<Vec<_>>()
    });
    assert_eq!(measured(steps(&root, v1::PlanStepKind::Finish)[0]).rows, count(GATHERED));
    assert!(loads.iter().all(|load| measured(load).bytes > 0), "{loads:?}");

    let first = analyzed(&shop, FIRST).root.expect("a root");
    let subquery = &steps(&first, v1::PlanStepKind::First)[0].steps[0];
    assert_eq!(measured(subquery).rows, 1);
    assert_eq!(measured(steps(subquery, v1::PlanStepKind::Fragment)[0]).rows, 3, "one group of each node");
}

#[test]
fn a_run_is_a_statement_too() {
    let shop = shop();
    for sql in [ROUTED, FIRST, GATHERED] {
        let found = lines(&shop, &format!("EXPLAIN ANALYZE {sql}"));
        assert!(found[0].contains(" rows, ") && found[0].ends_with(" ms]"), "{found:?}");
        assert!(found.iter().any(|line| line.trim_start().starts_with("slow: shard ")), "{found:?}");
        let certificate = cluster(&shop).query(&format!("EXPLAIN ANALYZE {sql}"), &none()).expect(sql).certificate;
        let plain = cluster(&shop).query(sql, &none()).expect(sql).certificate;
        assert_eq!((certificate.plan, certificate.asked), (plain.plan, plain.asked), "{sql}");
    }
}

#[test]
fn a_plan_that_is_run_because_a_step_failed_is_told() {
    let shop = shop();
    // SQLite never comes to the subquery, which overflows.
    let sql =
        "SELECT CASE WHEN stock < 0 THEN (SELECT abs(min(id) - 9223372036854775807 - 2) FROM sales) END FROM products";
    assert!(shop.plain.query(sql, &none()).is_ok(), "SQLite has an answer");
    shop.exact([sql]);
    let plan = cluster(&shop).explain(sql, &none()).expect("a plan");
    assert!(plan.text.contains("should a step fail"), "{}", plan.text);
    assert!(steps(&plan.root.expect("a root"), v1::PlanStepKind::Otherwise).is_empty());
    let root = analyzed(&shop, sql).root.expect("a root");
    let otherwise = steps(&root, v1::PlanStepKind::Otherwise);
    assert_eq!((otherwise.len(), measured(&root).rows), (1, 40), "{root:?}");
    assert_eq!(measured(&otherwise[0].steps[0]).rows, 40, "{root:?}");
}
