//! PostgreSQL: one server; in its database `coordinator` the tables are partitioned by vendor, and each partition is a foreign
//! table over postgres_fdw whose rows lie in another database.
//!
//! postgres_fdw has one connection a foreign server, and behind it one process. There are as many foreign servers, each with a
//! database of its own, as the machine has processors: more processes at a time would only take turns. All are databases of one
//! server, since processes of two would do the same with two caches.

mod client;
mod load;

use std::{path::Path, thread};

use postgres::{Config, NoTls};

use self::client::Connection;
use super::{
    About, Kind, Peer,
    folder::Folder,
    server::{Programs, Served, Server},
};
use crate::data::Data;

const PROGRAMS: Programs = Programs { package: "postgresql-15", user: "postgres", stop: "INT" };
const INITDB: &str = "/usr/lib/postgresql/15/bin/initdb";
const POSTGRES: &str = "/usr/lib/postgresql/15/bin/postgres";
const WRAPPER: &str = "/usr/share/postgresql/15/extension/postgres_fdw.control";

/// The superuser.
const USER: &str = "souk";

/// The database that is asked.
const COORDINATOR: &str = "coordinator";

/// Options of foreign servers. Estimates of the remote side are asked for once, as plans are kept; with them joins are made there.
/// All rows of a partition come with one fetch.
const FOREIGN: [(&str, &str); 3] =
    [("async_capable", "true"), ("fetch_size", "10000"), ("use_remote_estimate", "true")];

/// Of each connection. Statements are prepared: after a few runs a plan over all partitions, which takes longer to make than the
/// query takes, is kept; the one of a single partition is quicker made anew.
const SESSION: [(&str, &str); 1] = [("plan_cache_mode", "auto")];

/// Caches hold all rows, and nothing waits for a disk while they are loaded. Partition-wise aggregates are off: a foreign scan below one
/// is not asynchronous, and no part of one is ever sent to the remote side.
fn server_settings(data: &Data) -> Vec<(&'static str, String)> {
    // A statement locks every partition that it plans for, and loading locks all that it makes until its end.
    let locks = data.size().vendors.max(64);
    let mut settings: Vec<_> = [
        ("shared_buffers", "1GB"),
        ("work_mem", "64MB"),
        ("jit", "off"),
        ("enable_partitionwise_join", "on"),
        ("enable_partitionwise_aggregate", "off"),
        ("autovacuum", "off"),
        ("fsync", "off"),
        ("synchronous_commit", "off"),
        ("full_page_writes", "off"),
        ("wal_level", "minimal"),
        ("max_wal_senders", "0"),
        ("max_wal_size", "4GB"),
        ("max_connections", "32"),
        ("max_files_per_process", "10000"),
    ]
    .map(|(name, value)| (name, value.to_owned()))
    .into();
    settings.push(("max_locks_per_transaction", locks.to_string()));
    settings
}

/// Sees that its package is there.
pub(crate) fn ensure_installed() -> anyhow::Result<()> {
    PROGRAMS.ensure_installed(&[INITDB, POSTGRES, WRAPPER])
}

/// Starts it, with its rows loaded.
pub(crate) fn start(data: &Data) -> anyhow::Result<Peer> {
    let databases = thread::available_parallelism()?.get();
    let settings = server_settings(data);
    let setup = vec![
        format!("{databases} foreign servers, a database each; {}", listed(&FOREIGN)),
        listed(&settings),
        listed(&SESSION),
    ];
    let folder = Folder::within(data.folder(), "postgres", setup.join("\n"));
    let complete = folder.is_complete();
    if !complete {
        folder.empty(PROGRAMS.user)?;
        initialize(&folder.join("data"))?;
    }
    let (server, mut postgres) = serve(&folder, &settings)?;
    if complete {
        load::readdress(&mut config(server.port, COORDINATOR).connect(NoTls)?, server.port, databases)?;
    } else {
        load::fill(&mut postgres, server.port, databases, data.size())?;
        folder.complete()?;
    }
    let connection = Connection::open(&config(server.port, COORDINATOR))?;
    let version = format!("PostgreSQL {}", postgres.query_one("SHOW server_version", &[])?.get::<_, String>(0));
    let about = About { kind: Kind::Postgres, version, setup };
    Ok(Peer { about, client: Box::new(Served::new(connection, server)) })
}

/// Texts are compared by their bytes, as SQLite does.
fn initialize(folder: &Path) -> anyhow::Result<()> {
    let folder = folder.display().to_string();
    let arguments = ["-D", &folder, "-U", USER, "-A", "trust", "--no-locale", "-E", "UTF8", "--no-sync"];
    PROGRAMS.run(INITDB, &arguments)
}

fn serve(folder: &Folder, settings: &[(&'static str, String)]) -> anyhow::Result<(Server, postgres::Client)> {
    let arguments = |port: u16| {
        let fixed = [("port", port.to_string()), ("listen_addresses", "127.0.0.1".to_owned())];
        let no_socket = ("unix_socket_directories", String::new());
        let all = fixed.iter().chain([&no_socket]).chain(settings);
        let settings = all.flat_map(|(name, value)| ["-c".to_owned(), format!("{name}={value}")]);
        ["-D".to_owned(), folder.join("data").display().to_string()].into_iter().chain(settings).collect()
    };
    let connect = |port| Ok(config(port, "postgres").connect(NoTls)?);
    PROGRAMS.serve(POSTGRES, arguments, &folder.join("log"), connect)
}

fn config(port: u16, database: &str) -> Config {
    let mut config = Config::new();
    config.host("127.0.0.1").port(port).user(USER).dbname(database);
    config
}

fn listed<V: AsRef<str>>(settings: &[(&str, V)]) -> String {
    let settings = settings.iter().map(|(name, value)| format!("{name}={}", value.as_ref()));
    settings.collect::<Vec<_>>().join(", ")
}
