//! Nodes and a coordinator as processes of their own, each with a folder and an address that it keeps over restarts.

use std::{
    fs,
    path::{Path, PathBuf},
};

use tempfile::TempDir;

use crate::{client::Client, service::Service, transactions::Chance};

/// Vendors in the tables of [`Cluster::filled`], from 1, and the items of each.
pub(crate) const VENDORS: i64 = 20;
pub(crate) const ITEMS: i64 = 5;

const SCHEMA: [&str; 3] = [
    "CREATE TABLE items(vendor_id INTEGER NOT NULL, id INTEGER NOT NULL, name TEXT, price REAL, PRIMARY KEY (vendor_id, id)) \
     SHARD KEY (vendor_id)",
    "CREATE TABLE kinds(kind TEXT PRIMARY KEY NOT NULL, title TEXT) REPLICATED",
    "INSERT INTO kinds VALUES ('a', 'first'), ('b', 'second')",
];

/// A process, or the place where it was.
pub(crate) struct Member {
    pub(crate) id: String,
    pub(crate) data: PathBuf,
    pub(crate) address: String,
    service: Option<Service>,
}

pub(crate) struct Cluster {
    pub(crate) nodes: Vec<Member>,
    pub(crate) coordinator: Member,
    /// A second coordinator of the same folder, where there is one.
    pub(crate) second: Option<Member>,
    pub(crate) client: Client,
    _folder: TempDir,
}

impl Member {
    pub(crate) fn kill(&mut self) {
        self.service.take().expect("it runs").kill();
    }

    fn start_as_coordinator(&mut self, nodes: &[Member]) {
        self.service = Some(start_coordinator(&self.address, self.data.to_str().unwrap(), nodes).unwrap());
    }

    pub(crate) fn file(&self, shard: u64) -> PathBuf {
        Member::file_in(&self.data, shard)
    }

    /// A shard's file in a node's folder.
    pub(crate) fn file_in(data: &Path, shard: u64) -> PathBuf {
        data.join("shards").join(format!("{:02x}", shard & 0xff)).join(format!("{shard}.db"))
    }

    /// The shards that have a file here, sorted.
    pub(crate) fn shards(&self) -> Vec<u64> {
        Member::shards_in(&self.data)
    }

    /// The shards that have a file in a node's folder, sorted.
    pub(crate) fn shards_in(data: &Path) -> Vec<u64> {
        let folders = fs::read_dir(data.join("shards")).unwrap();
        let files = folders.flat_map(|folder| fs::read_dir(folder.unwrap().path()).unwrap());
        let number = |name: String| name.strip_suffix(".db")?.parse().ok();
        let mut shards: Vec<u64> =
            files.filter_map(|file| number(file.unwrap().file_name().into_string().unwrap())).collect();
        shards.sort_unstable();
        shards
    }
}

/// Starts a node anew or again.
pub(crate) fn start_node(id: &str, listen: &str, data: &str) -> Result<Service, (Option<i32>, String)> {
    Service::start(&["node", "--id", id, "--listen", listen, "--data", data])
}

impl Cluster {
    /// Starts `nodes` nodes and a coordinator that gives each vendor a shard of its own.
    pub(crate) fn start(nodes: usize) -> Cluster {
        Cluster::start_in(tempfile::tempdir().unwrap(), nodes)
    }

    /// The same with everything in this folder: node `n1` in `n1`, and so on.
    pub(crate) fn start_in(folder: TempDir, nodes: usize) -> Cluster {
        let nodes: Vec<Member> = (1..=nodes)
            .map(|number| {
                let id = format!("n{number}");
                let data = folder.path().join(&id);
                let service = start_node(&id, "127.0.0.1:0", data.to_str().unwrap()).unwrap();
                Member { id, data, address: service.address.to_string(), service: Some(service) }
            })
            .collect();
        let data = folder.path().join("coordinator");
        let service = start_coordinator("127.0.0.1:0", data.to_str().unwrap(), &nodes).unwrap();
        let address = service.address.to_string();
        let client = Client::new(&address);
        let coordinator = Member { id: "coordinator".to_owned(), data, address, service: Some(service) };
        Cluster { nodes, coordinator, second: None, client, _folder: folder }
    }

    /// Starts a second coordinator beside the first.
    pub(crate) fn start_second(&mut self) -> Client {
        let data = self.coordinator.data.clone();
        let service = start_coordinator("127.0.0.1:0", data.to_str().unwrap(), &self.nodes).unwrap();
        let address = service.address.to_string();
        let client = Client::new(&address);
        self.second = Some(Member { id: "second".to_owned(), data, address, service: Some(service) });
        client
    }

    /// As [`Cluster::start`], with [`ITEMS`] rows for each of [`VENDORS`] vendors.
    pub(crate) async fn filled(nodes: usize) -> Cluster {
        let cluster = Cluster::start(nodes);
        for statement in SCHEMA {
            cluster.client.execute(statement).await.unwrap();
        }
        for vendor in 1..=VENDORS {
            let rows: Vec<String> =
                (1..=ITEMS).map(|id| format!("({vendor}, {id}, 'item {id}', {vendor}.{id})")).collect();
            cluster.client.execute(&format!("INSERT INTO items VALUES {}", rows.join(", "))).await.unwrap();
        }
        cluster
    }

    /// Kills one of the first two nodes or a coordinator, and starts it again.
    pub(crate) fn kill_one(&mut self, chance: &mut Chance) {
        match chance.below(3 + u64::from(self.second.is_some())) as usize {
            2 => {
                self.coordinator.kill();
                self.restart_coordinator();
            }
            3 => self.restart_second(),
            node => {
                self.nodes[node].kill();
                self.restart_node(node);
            }
        }
    }

    pub(crate) fn restart_node(&mut self, index: usize) {
        let node = &mut self.nodes[index];
        node.service = Some(start_node(&node.id, &node.address, node.data.to_str().unwrap()).unwrap());
    }

    pub(crate) fn restart_coordinator(&mut self) {
        self.coordinator.start_as_coordinator(&self.nodes);
    }

    fn restart_second(&mut self) {
        let second = self.second.as_mut().expect("there is a second");
        second.kill();
        second.start_as_coordinator(&self.nodes);
    }
}

pub(crate) fn start_coordinator(listen: &str, data: &str, nodes: &[Member]) -> Result<Service, (Option<i32>, String)> {
    let nodes: Vec<String> = nodes.iter().map(|node| format!("--node={}={}", node.id, node.address)).collect();
    let mut arguments = vec!["coordinator", "--listen", listen, "--data", data, "--placement", "own"];
    arguments.extend(nodes.iter().map(String::as_str));
    Service::start(&arguments)
}
