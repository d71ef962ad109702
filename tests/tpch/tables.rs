//! The eight tables of TPC-H and their rows, as the specification's generator makes them.
//!
//! Suppliers are the vendors: what belongs to one supplier lies on its shard. The others are replicated: a customer, an order and a
//! part belong to no supplier, since an order's lines come from several, and each is joined to lines all the time. With copies
//! beside every shard's lines these joins need no network, at the price of the copies' room.
//!
//! The specification's decimals are integers here, in cents and in hundredths. SQLite has no decimals; with reals
//! `0.06 + 0.01` is less than `0.07`, which loses a third of Q6's rows, and sums would depend on the order of the rows. Sums of integers are
//! exact, so that answers are compared bit for bit; the few reals are quotients of exact sums.

use souk_merge::Value;
use tpchgen::decimal::TPCHDecimal;
use tpchgen::generators::{
    CustomerGenerator, LineItemGenerator, NationGenerator, OrderGenerator, PartGenerator, PartSuppGenerator,
    RegionGenerator, SupplierGenerator,
};

/// A table.
pub(crate) struct Table {
    pub(crate) name: &'static str,
    /// SQLite's statement.
    pub(crate) sql: &'static str,
    /// None for a replicated table.
    pub(crate) shard_key: Option<&'static str>,
    /// The rows at a scale.
    pub(crate) rows: fn(f64) -> Rows,
}

/// Rows, made one by one.
pub(crate) type Rows = Box<dyn Iterator<Item = Vec<Value>> + Send>;

/// Small ones first.
pub(crate) const TABLES: [Table; 8] = [
    Table {
        name: "region",
        sql: "CREATE TABLE region(r_regionkey INTEGER PRIMARY KEY, r_name TEXT NOT NULL, r_comment TEXT NOT NULL)",
        shard_key: None,
        rows: regions,
    },
    Table {
        name: "nation",
        sql: "CREATE TABLE nation(n_nationkey INTEGER PRIMARY KEY, n_name TEXT NOT NULL, n_regionkey INTEGER NOT NULL, \
              n_comment TEXT NOT NULL)",
        shard_key: None,
        rows: nations,
    },
    Table {
        name: "supplier",
        sql: "CREATE TABLE supplier(s_suppkey INTEGER PRIMARY KEY, s_name TEXT NOT NULL, s_address TEXT NOT NULL, \
              s_nationkey INTEGER NOT NULL, s_phone TEXT NOT NULL, s_acctbal INTEGER NOT NULL, s_comment TEXT NOT NULL)",
        shard_key: Some("s_suppkey"),
        rows: suppliers,
    },
    Table {
        name: "customer",
        sql: "CREATE TABLE customer(c_custkey INTEGER PRIMARY KEY, c_name TEXT NOT NULL, c_address TEXT NOT NULL, \
              c_nationkey INTEGER NOT NULL, c_phone TEXT NOT NULL, c_acctbal INTEGER NOT NULL, c_mktsegment TEXT NOT NULL, \
              c_comment TEXT NOT NULL)",
        shard_key: None,
        rows: customers,
    },
    Table {
        name: "part",
        sql: "CREATE TABLE part(p_partkey INTEGER PRIMARY KEY, p_name TEXT NOT NULL, p_mfgr TEXT NOT NULL, p_brand TEXT NOT NULL, \
              p_type TEXT NOT NULL, p_size INTEGER NOT NULL, p_container TEXT NOT NULL, p_retailprice INTEGER NOT NULL, \
              p_comment TEXT NOT NULL)",
        shard_key: None,
        rows: parts,
    },
    Table {
        name: "partsupp",
        sql: "CREATE TABLE partsupp(ps_partkey INTEGER NOT NULL, ps_suppkey INTEGER NOT NULL, ps_availqty INTEGER NOT NULL, \
              ps_supplycost INTEGER NOT NULL, ps_comment TEXT NOT NULL, PRIMARY KEY (ps_partkey, ps_suppkey))",
        shard_key: Some("ps_suppkey"),
        rows: parts_of_suppliers,
    },
    Table {
        name: "orders",
        sql: "CREATE TABLE orders(o_orderkey INTEGER PRIMARY KEY, o_custkey INTEGER NOT NULL, o_orderstatus TEXT NOT NULL, \
              o_totalprice INTEGER NOT NULL, o_orderdate TEXT NOT NULL, o_orderpriority TEXT NOT NULL, o_clerk TEXT NOT NULL, \
              o_shippriority INTEGER NOT NULL, o_comment TEXT NOT NULL)",
        shard_key: None,
        rows: orders,
    },
    // Its key by the specification is (l_orderkey, l_linenumber); over shards a unique key holds the shard key too.
    Table {
        name: "lineitem",
        sql: "CREATE TABLE lineitem(l_orderkey INTEGER NOT NULL, l_partkey INTEGER NOT NULL, l_suppkey INTEGER NOT NULL, \
              l_linenumber INTEGER NOT NULL, l_quantity INTEGER NOT NULL, l_extendedprice INTEGER NOT NULL, \
              l_discount INTEGER NOT NULL, l_tax INTEGER NOT NULL, l_returnflag TEXT NOT NULL, l_linestatus TEXT NOT NULL, \
              l_shipdate TEXT NOT NULL, l_commitdate TEXT NOT NULL, l_receiptdate TEXT NOT NULL, l_shipinstruct TEXT NOT NULL, \
              l_shipmode TEXT NOT NULL, l_comment TEXT NOT NULL, PRIMARY KEY (l_orderkey, l_linenumber, l_suppkey))",
        shard_key: Some("l_suppkey"),
        rows: lines,
    },
];

/// Indices on foreign keys, which the specification allows beside those on primary keys.
pub(crate) const INDICES: [&str; 8] = [
    "CREATE INDEX nation_by_region ON nation(n_regionkey)",
    "CREATE INDEX supplier_by_nation ON supplier(s_nationkey)",
    "CREATE INDEX customer_by_nation ON customer(c_nationkey)",
    "CREATE INDEX partsupp_by_supplier ON partsupp(ps_suppkey)",
    "CREATE INDEX orders_by_customer ON orders(o_custkey)",
    "CREATE INDEX lineitem_by_part ON lineitem(l_partkey, l_suppkey)",
    "CREATE INDEX lineitem_by_supplier ON lineitem(l_suppkey)",
    "CREATE INDEX lineitem_by_order ON lineitem(l_orderkey)",
];

fn text(value: impl ToString) -> Value {
    Value::text(&value.to_string())
}

fn integer(value: impl Into<i64>) -> Value {
    Value::Integer(value.into())
}

fn hundredths(value: TPCHDecimal) -> Value {
    Value::Integer(value.into_inner())
}

fn regions(scale: f64) -> Rows {
    let rows = RegionGenerator::new(scale, 1, 1).iter();
    Box::new(rows.map(|row| vec![integer(row.r_regionkey), text(row.r_name), text(row.r_comment)]))
}

fn nations(scale: f64) -> Rows {
    let rows = NationGenerator::new(scale, 1, 1).iter();
    Box::new(
        rows.map(|row| vec![integer(row.n_nationkey), text(row.n_name), integer(row.n_regionkey), text(row.n_comment)]),
    )
}

fn suppliers(scale: f64) -> Rows {
    let rows = SupplierGenerator::new(scale, 1, 1).iter();
    Box::new(rows.map(|row| {
        vec![
            integer(row.s_suppkey),
            text(row.s_name),
            text(row.s_address),
            integer(row.s_nationkey),
            text(row.s_phone),
            hundredths(row.s_acctbal),
            text(row.s_comment),
        ]
    }))
}

fn customers(scale: f64) -> Rows {
    let rows = CustomerGenerator::new(scale, 1, 1).iter();
    Box::new(rows.map(|row| {
        vec![
            integer(row.c_custkey),
            text(row.c_name),
            text(row.c_address),
            integer(row.c_nationkey),
            text(row.c_phone),
            hundredths(row.c_acctbal),
            text(row.c_mktsegment),
            text(row.c_comment),
        ]
    }))
}

fn parts(scale: f64) -> Rows {
    let rows = PartGenerator::new(scale, 1, 1).iter();
    Box::new(rows.map(|row| {
        vec![
            integer(row.p_partkey),
            text(row.p_name),
            text(row.p_mfgr),
            text(row.p_brand),
            text(row.p_type),
            integer(row.p_size),
            text(row.p_container),
            hundredths(row.p_retailprice),
            text(row.p_comment),
        ]
    }))
}

fn parts_of_suppliers(scale: f64) -> Rows {
    let rows = PartSuppGenerator::new(scale, 1, 1).iter();
    Box::new(rows.map(|row| {
        vec![
            integer(row.ps_partkey),
            integer(row.ps_suppkey),
            integer(row.ps_availqty),
            hundredths(row.ps_supplycost),
            text(row.ps_comment),
        ]
    }))
}

fn orders(scale: f64) -> Rows {
    let rows = OrderGenerator::new(scale, 1, 1).iter();
    Box::new(rows.map(|row| {
        vec![
            integer(row.o_orderkey),
            integer(row.o_custkey),
            text(row.o_orderstatus),
            hundredths(row.o_totalprice),
            text(row.o_orderdate),
            text(row.o_orderpriority),
            text(row.o_clerk),
            integer(row.o_shippriority),
            text(row.o_comment),
        ]
    }))
}

fn lines(scale: f64) -> Rows {
    let rows = LineItemGenerator::new(scale, 1, 1).iter();
    Box::new(rows.map(|row| {
        vec![
            integer(row.l_orderkey),
            integer(row.l_partkey),
            integer(row.l_suppkey),
            integer(row.l_linenumber),
            integer(row.l_quantity),
            hundredths(row.l_extendedprice),
            hundredths(row.l_discount),
            hundredths(row.l_tax),
            text(row.l_returnflag),
            text(row.l_linestatus),
            text(row.l_shipdate),
            text(row.l_commitdate),
            text(row.l_receiptdate),
            text(row.l_shipinstruct),
            text(row.l_shipmode),
            text(row.l_comment),
        ]
    }))
}
