//! MariaDB: one server; in its database `front` the tables are partitioned by vendor, and each partition is a table of the engine
//! Spider over one of InnoDB in another database.
//!
//! Spider has one connection a client and a foreign server, and behind it one thread. There are as many foreign servers, each with a
//! database of its own, as the machine has processors. All are databases of the same server, which Spider has to be told is meant.

mod client;
mod load;

use std::thread;

use anyhow::ensure;
use mysql::{Conn, Opts, OptsBuilder, prelude::Queryable as _};

use self::client::Connection;
use super::{
    About, Kind, Peer,
    folder::Folder,
    server::{Programs, Served, Server},
};
use crate::data::Data;

const PROGRAMS: Programs = Programs { package: "mariadb-server", user: "mysql", stop: "TERM" };
const SPIDER: Programs = Programs { package: "mariadb-plugin-spider", ..PROGRAMS };
const INSTALL: &str = "/usr/bin/mariadb-install-db";
const MARIADBD: &str = "/usr/sbin/mariadbd";
const PLUGIN: &str = "/usr/lib/mysql/plugin/ha_spider.so";

/// The user, whom Spider connects as too.
const USER: &str = "root";

/// The database that is asked.
const FRONT: &str = "front";

/// What a table can have.
const PARTITIONS_MAX: u64 = 8192;

/// Of the server. The query cache would answer from what it kept. Statistics of partitions are asked for once a day: nothing is written.
const SERVER: [(&str, &str); 20] = [
    ("innodb_buffer_pool_size", "1G"),
    ("innodb_log_file_size", "512M"),
    ("innodb_flush_log_at_trx_commit", "0"),
    ("innodb_stats_persistent", "0"),
    ("innodb_open_files", "8192"),
    ("table_open_cache", "16384"),
    ("table_open_cache_instances", "1"),
    ("table_definition_cache", "16384"),
    ("open_files_limit", "20000"),
    ("max_allowed_packet", "256M"),
    ("query_cache_type", "OFF"),
    ("performance_schema", "OFF"),
    ("character_set_server", "utf8mb4"),
    ("collation_server", "utf8mb4_bin"),
    ("spider_same_server_link", "ON"),
    ("spider_sts_interval", "86400"),
    ("spider_crd_interval", "86400"),
    ("spider_sts_bg_mode", "0"),
    ("spider_crd_bg_mode", "0"),
    ("spider_remote_sql_log_off", "1"),
];

/// Of each connection. Partitions are read by a thread of each foreign server, whole, and without naming the database before each, which
/// is a call by itself. A join without an index at hand is a hash join; means have digits enough to be those of reals.
const SESSION: [(&str, &str); 8] = [
    ("spider_use_default_database", "OFF"),
    ("spider_bgs_mode", "3"),
    ("spider_quick_mode", "0"),
    ("spider_direct_aggregate", "ON"),
    ("join_cache_level", "4"),
    ("join_buffer_size", "67108864"),
    ("join_buffer_space_limit", "1073741824"),
    ("div_precision_increment", "12"),
];

/// Sees that its packages are there.
pub(crate) fn ensure_installed() -> anyhow::Result<()> {
    PROGRAMS.ensure_installed(&[INSTALL, MARIADBD])?;
    SPIDER.ensure_installed(&[PLUGIN])
}

/// Starts it, with its rows loaded.
pub(crate) fn start(data: &Data) -> anyhow::Result<Peer> {
    let vendors = data.size().vendors;
    ensure!(vendors <= PARTITIONS_MAX, "a table has {PARTITIONS_MAX} partitions at most, not {vendors}");
    let databases = thread::available_parallelism()?.get();
    let setup = vec![format!("{databases} foreign servers, a database each"), listed(&SERVER), listed(&SESSION)];
    let folder = Folder::within(data.folder(), "mariadb", setup.join("\n"));
    let complete = folder.is_complete();
    if !complete {
        folder.empty(PROGRAMS.user)?;
        let data = format!("--datadir={}", folder.join("data").display());
        let no_password = "--auth-root-authentication-method=normal";
        let arguments = ["--no-defaults", &data, no_password, "--skip-test-db", "--skip-name-resolve"];
        PROGRAMS.run(INSTALL, &arguments)?;
    }
    let (server, mut connection) = serve(&folder)?;
    if complete {
        load::readdress(&mut connection, server.port, databases)?;
    } else {
        load::fill(&mut connection, server.port, databases, data.size())?;
        folder.complete()?;
    }
    let version = connection.query_first::<String, _>("SELECT version()")?.unwrap_or_default();
    let about = About { kind: Kind::Mariadb, version: format!("MariaDB {version}"), setup };
    let connection = Connection::open(options(server.port, Some(FRONT)))?;
    Ok(Peer { about, client: Box::new(Served::new(connection, server)) })
}

fn serve(folder: &Folder) -> anyhow::Result<(Server, Conn)> {
    let arguments = |port| {
        let path = |name: &str| folder.join(name).display().to_string();
        let fixed = [
            "--no-defaults".to_owned(),
            format!("--datadir={}", path("data")),
            format!("--tmpdir={}", path("")),
            format!("--socket={}", path("socket")),
            format!("--pid-file={}", path("pid")),
            format!("--port={port}"),
            "--bind-address=127.0.0.1".to_owned(),
            "--skip-name-resolve".to_owned(),
            "--plugin-load-add=ha_spider.so".to_owned(),
        ];
        fixed.into_iter().chain(SERVER.map(|(name, value)| format!("--{name}={value}"))).collect()
    };
    let connect = |port| Ok(Conn::new(options(port, None))?);
    PROGRAMS.serve(MARIADBD, arguments, &folder.join("log"), connect)
}

/// Over TCP, as all others: the client would change to the socket.
fn options(port: u16, database: Option<&str>) -> Opts {
    let options = OptsBuilder::new().ip_or_hostname(Some("127.0.0.1")).tcp_port(port).prefer_socket(false);
    options.user(Some(USER)).db_name(database).into()
}

fn listed(settings: &[(&str, &str)]) -> String {
    let settings = settings.iter().map(|(name, value)| format!("{name}={value}"));
    settings.collect::<Vec<_>>().join(", ")
}
