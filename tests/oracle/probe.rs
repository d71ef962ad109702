use crate::fixture::market;
use crate::support::{Layout, none};
#[test]
fn probe() {
    let Ok(path) = std::env::var("PROBE") else { return };
    let market = market(&[Layout::Ring(7)]);
    for sql in std::fs::read_to_string(path).unwrap().lines() {
        println!("== {sql}\n{:?}", market.clusters[0].1.explain(sql, &none()).map(|e| (e.asked, e.text)));
        println!("{}", market.differences(sql, &none()).join("\n"));
    }
}
