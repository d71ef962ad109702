//! Processes are killed while four clients write and one changes the schema: what was acknowledged is there, what was refused is not, and nothing is half
//! done.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicI64, Ordering},
    },
    time::Duration,
};

use rusqlite::{Connection, OpenFlags};
use souk_proto::Reason;
use tokio::time::{Instant, sleep, timeout};

use crate::{
    client::{Client, integers},
    cluster::{Cluster, Member},
};

const VENDORS: i64 = 8;
const CLIENTS: u64 = 4;

/// Columns that are added to a table, at most.
const COLUMNS_MAX: usize = 200;

/// How long a client waits for one statement.
const PATIENCE: Duration = Duration::from_secs(20);

const SCHEMA: [&str; 2] = [
    "CREATE TABLE t(vendor_id INTEGER NOT NULL, id INTEGER NOT NULL, n INTEGER, PRIMARY KEY (vendor_id, id)) SHARD KEY (vendor_id)",
    "CREATE TABLE u(id INTEGER PRIMARY KEY, at TEXT DEFAULT CURRENT_TIMESTAMP) REPLICATED",
];

/// How often a process is killed: `SOUK_KILLS`, else 200.
fn kills() -> u64 {
    std::env::var("SOUK_KILLS").ok().map_or(200, |kills| kills.parse().expect("SOUK_KILLS is a number"))
}

/// xorshift64*, which a seed replays.
pub(crate) struct Chance(pub(crate) u64);

impl Chance {
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) % bound
    }
}

/// What a statement is to leave behind: a row with its number in so many places, all of them or none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    OneShard,
    TwoShards,
    EveryShard,
    /// Two shards and every shard, in a request with a name: what is not told is asked for.
    Named,
}

/// What a client was told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Told {
    Done,
    NotDone,
    Unknown,
}

type Log = BTreeMap<i64, (Kind, Told)>;

async fn tell(client: &Client, sql: &str) -> Told {
    match timeout(PATIENCE, client.try_execute(sql)).await {
        Ok(Ok(_)) => Told::Done,
        Ok(Err(Some((_, message)))) if !message.contains("unknown") => Told::NotDone,
        Ok(Err(_)) | Err(_) => Told::Unknown,
    }
}

async fn write(client: Client, numbers: Arc<AtomicI64>, stop: Arc<AtomicBool>, mut chance: Chance) -> Log {
    let mut log = Log::new();
    while !stop.load(Ordering::Relaxed) {
        let number = numbers.fetch_add(1, Ordering::Relaxed);
        let one = 1 + chance.below(VENDORS as u64) as i64;
        let other = 1 + (one + chance.below(VENDORS as u64 - 1) as i64) % VENDORS;
        let rows = format!("INSERT INTO t(vendor_id, id, n) VALUES ({one}, {number}, 1)");
        let (kind, sql) = match chance.below(6) {
            0 => (Kind::OneShard, rows),
            1 | 2 => (Kind::TwoShards, format!("{rows}, ({other}, {number}, 1)")),
            4 => {
                let statements =
                    [format!("{rows}, ({other}, {number}, 1)"), format!("INSERT INTO u(id) VALUES ({number})")];
                log.insert(number, (Kind::Named, tell_named(&client, &number.to_string(), &statements, &stop).await));
                continue;
            }
            3 => (Kind::EveryShard, format!("INSERT INTO u(id) VALUES ({number})")),
            _ => {
                // What one has more the other has less: the sum stays.
                let change = format!("CASE vendor_id WHEN {one} THEN -1 ELSE 1 END");
                let sql = format!("UPDATE t SET n = n + {change} WHERE id = 0 AND vendor_id IN ({one}, {other})");
                tell(&client, &sql).await;
                continue;
            }
        };
        let told = tell(&client, &sql).await;
        log.insert(number, (kind, told));
        if told == Told::Unknown {
            // Who is down is not asked as fast as it refuses.
            sleep(Duration::from_millis(20)).await;
        }
    }
    log
}

/// Sends a request with a name, again when the answer is lost, or asks what became of it: in the end it is known.
async fn tell_named(client: &Client, id: &str, statements: &[String], stop: &AtomicBool) -> Told {
    for sent in 0.. {
        match timeout(PATIENCE, client.transact(id, statements)).await {
            Ok(Ok(_)) => return Told::Done,
            // It was asked about before, and that answer was lost.
            Ok(Err(Some((Reason::RequestIdReused, message)))) if message.contains("ended by asking") => {
                return Told::NotDone;
            }
            Ok(Err(Some((Reason::RequestIdReused, message)))) => panic!("{id}: {message}"),
            Ok(Err(Some((_, message)))) if !message.contains("unknown") && sent == 0 => return Told::NotDone,
            Ok(Err(_)) | Err(_) => sleep(Duration::from_millis(50)).await,
        }
        if sent % 2 == 1 || stop.load(Ordering::Relaxed) {
            match client.is_done(id).await {
                Some(true) => return Told::Done,
                Some(false) => return Told::NotDone,
                None => sleep(Duration::from_millis(50)).await,
            }
        }
    }
    Told::Unknown
}

/// Adds columns, and makes and drops an index, as long as others write.
async fn change_schema(client: Client, stop: Arc<AtomicBool>) -> BTreeMap<String, Told> {
    let mut columns = BTreeMap::new();
    let mut number = 0;
    while !stop.load(Ordering::Relaxed) {
        number += 1;
        for sql in ["CREATE INDEX IF NOT EXISTS by_n ON t(n)", "DROP INDEX IF EXISTS by_n"] {
            tell(&client, sql).await;
            sleep(Duration::from_millis(300)).await;
        }
        if columns.len() < COLUMNS_MAX {
            let told = match timeout(PATIENCE, client.try_execute(&format!("ALTER TABLE t ADD COLUMN c{number}"))).await
            {
                Ok(Ok(_)) => Told::Done,
                Ok(Err(Some((_, message)))) if message.contains("is done") => Told::Done,
                Ok(Err(Some((_, message)))) if !message.contains("broke down") => Told::NotDone,
                Ok(Err(_)) | Err(_) => Told::Unknown,
            };
            columns.insert(format!("c{number}"), told);
        }
    }
    columns
}

#[tokio::test(flavor = "multi_thread")]
async fn kills_leave_nothing_half_done() {
    let seed = std::env::var("SOUK_SEED").ok().map_or(20_261_127, |seed| seed.parse().expect("SOUK_SEED is a number"));
    println!("SOUK_SEED={seed} SOUK_KILLS={}", kills());
    let mut cluster = Cluster::start(2);
    for sql in SCHEMA {
        cluster.client.execute(sql).await.unwrap();
    }
    let rows: Vec<String> = (1..=VENDORS).map(|vendor| format!("({vendor}, 0, 0)")).collect();
    cluster.client.execute(&format!("INSERT INTO t(vendor_id, id, n) VALUES {}", rows.join(", "))).await.unwrap();

    let (numbers, stop) = (Arc::new(AtomicI64::new(1)), Arc::new(AtomicBool::new(false)));
    let writers: Vec<_> = (0..CLIENTS)
        .map(|writer| {
            let client = Client::new(&cluster.coordinator.address);
            let chance = Chance(seed * CLIENTS + writer + 1);
            tokio::spawn(write(client, Arc::clone(&numbers), Arc::clone(&stop), chance))
        })
        .collect();
    let changer = tokio::spawn(change_schema(Client::new(&cluster.coordinator.address), Arc::clone(&stop)));
    let mut chance = Chance(seed);
    for _ in 0..kills() {
        sleep(Duration::from_millis(50 + chance.below(450))).await;
        cluster.kill_one(&mut chance);
    }
    stop.store(true, Ordering::Relaxed);
    let mut log = Log::new();
    for writer in writers {
        log.extend(writer.await.unwrap());
    }
    let columns = changer.await.unwrap();
    settle(&cluster.client).await;
    check(&cluster.client, &log).await;
    check_columns(&cluster.client, &columns).await;
    // Killed once more: the files themselves.
    cluster.coordinator.kill();
    cluster.nodes.iter_mut().for_each(Member::kill);
    check_files(&cluster.nodes);
}

/// Waits until no shard waits for a word: then a statement that changes all of them goes through.
async fn settle(client: &Client) {
    let until = Instant::now() + Duration::from_secs(60);
    loop {
        let all = [tell(client, "UPDATE t SET n = n WHERE id = 0").await, tell(client, "UPDATE u SET id = id").await];
        if all == [Told::Done; 2] {
            return;
        }
        assert!(Instant::now() < until, "shards still wait for the word of a transaction");
        sleep(Duration::from_millis(100)).await;
    }
}

async fn check(client: &Client, log: &Log) {
    let mut found: BTreeMap<i64, i64> = BTreeMap::new();
    for sql in ["SELECT id, count(*) FROM t WHERE id > 0 GROUP BY id", "SELECT id, 1 FROM u"] {
        for row in client.query(sql).await.unwrap().rows {
            let [id, count] = integers(&row)[..] else { panic!("{row:?}") };
            *found.entry(id).or_default() += count;
        }
    }
    let mut told: BTreeMap<String, usize> = BTreeMap::new();
    for (number, (kind, outcome)) in log {
        *told.entry(format!("{kind:?} {outcome:?}")).or_default() += 1;
        let whole = match kind {
            Kind::OneShard | Kind::EveryShard => 1,
            Kind::TwoShards => 2,
            Kind::Named => 3,
        };
        let there = found.remove(number).unwrap_or(0);
        let is_right = match outcome {
            Told::Done => there == whole,
            Told::NotDone => there == 0,
            Told::Unknown => there == whole || there == 0,
        };
        assert!(is_right, "{number}: {kind:?} was told {outcome:?}, and {there} of its {whole} rows are there");
    }
    println!("{told:?}");
    assert!(found.is_empty(), "rows that nobody wrote: {found:?}");
    let done = log.values().filter(|(_, told)| *told == Told::Done).count();
    // On a machine that does much else little comes through between two kills.
    assert!(done as u64 * 4 > kills(), "only {done} statements were done");
    let sum = client.query("SELECT sum(n) FROM t WHERE id = 0").await.unwrap().rows;
    assert_eq!(integers(&sum[0]), [0], "what one has more the other has less");
}

/// Columns that were acknowledged are there, and no others.
async fn check_columns(client: &Client, told: &BTreeMap<String, Told>) {
    let schema = client.schema().await;
    let table = schema.tables.iter().find(|table| table.name == "t").expect("the table");
    let there: BTreeSet<&str> = table.columns.iter().map(|column| column.name.as_str()).collect();
    for (column, told) in told {
        match told {
            Told::Done => assert!(there.contains(column.as_str()), "{column} was acknowledged and is missing"),
            Told::NotDone => assert!(!there.contains(column.as_str()), "{column} was refused and is there"),
            Told::Unknown => {}
        }
    }
    let done = told.values().filter(|told| **told == Told::Done).count();
    println!("{} columns were asked for, {done} acknowledged", told.len());
    assert!(done > 0, "no schema change came through");
    let status = client.status().await;
    for node in status.nodes {
        assert_eq!(
            (node.schema_version, node.shards_at_schema),
            (status.schema_version, node.shards_held),
            "{}",
            node.node
        );
    }
}

/// Every file is sound, waits for nothing, and has the replicated rows of all others.
fn check_files(nodes: &[Member]) {
    let (mut replicated, mut schemas) = (BTreeSet::new(), BTreeSet::new());
    for node in nodes {
        for shard in node.shards() {
            let flags = OpenFlags::SQLITE_OPEN_READ_WRITE;
            let file = Connection::open_with_flags(node.file(shard), flags).unwrap();
            let text = |sql: &str| file.query_row(sql, [], |row| row.get::<_, String>(0)).unwrap();
            assert_eq!(text("PRAGMA integrity_check"), "ok", "shard {shard}");
            let intents = "SELECT count(*) || '' FROM sqlite_schema WHERE name = '_souk_intent'";
            if text(intents) == "1" {
                assert_eq!(text("SELECT count(*) || '' FROM _souk_intent"), "0", "shard {shard}");
            }
            schemas.insert(text("SELECT group_concat(sql, ';' ORDER BY name) FROM sqlite_schema WHERE tbl_name NOT LIKE '\\_souk%' ESCAPE '\\'"));
            replicated.insert(text("SELECT coalesce(group_concat(id || ' ' || at, ',' ORDER BY id), '') FROM u"));
        }
    }
    assert_eq!(replicated.len(), 1, "replicated rows differ");
    assert_eq!(schemas.len(), 1, "schemas differ: {schemas:?}");
}
