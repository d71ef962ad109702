//! `souk node` and `souk coordinator`: configuration, start and stop.

use std::{
    fs,
    io::{BufRead as _, BufReader},
    process::{Child, Stdio},
};

use tempfile::TempDir;

use super::{command, souk};

/// A service that is killed when it is dropped.
pub(crate) struct Service(Child);

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Starts a service and gives the line that it announces itself with.
pub(crate) fn announced(arguments: &[&str], environment: &[(&str, &str)]) -> (Service, String) {
    let mut command = command(arguments);
    command.envs(environment.iter().copied()).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut service = Service(command.spawn().unwrap());
    let mut line = String::new();
    BufReader::new(service.0.stdout.take().unwrap()).read_line(&mut line).unwrap();
    (service, line)
}

fn folder() -> (TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data").to_str().unwrap().to_owned();
    (folder, data)
}

#[test]
fn a_node_says_where_it_listens() {
    let (_folder, data) = folder();
    let (_node, line) = announced(&["node", "--id", "n1", "--listen", "127.0.0.1:0", "--data", &data], &[]);
    let port = line.strip_prefix("souk node n1 listening on 127.0.0.1:").unwrap().trim_end();
    assert_ne!(port.parse::<u16>().unwrap(), 0);
}

#[test]
fn flags_win_over_environment_over_file() {
    let (folder, data) = folder();
    let file = folder.path().join("node.toml");
    fs::write(&file, format!("id = 'file'\nlisten = '127.0.0.1:0'\ndata = '{data}'")).unwrap();
    let config = ["node", "--config", file.to_str().unwrap()];
    let check = |more: &[&str], environment: &[(&str, &str)], id: &str| {
        let (_node, line) = announced(&[&config, more].concat(), environment);
        assert!(line.starts_with(&format!("souk node {id} listening on 127.0.0.1:")), "{line}");
        fs::remove_dir_all(&data).ok();
    };
    check(&[], &[], "file");
    check(&[], &[("SOUK_ID", "environment")], "environment");
    check(&["--id", "flag"], &[("SOUK_ID", "environment")], "flag");
}

#[test]
fn a_file_may_come_by_the_environment() {
    let (folder, data) = folder();
    let file = folder.path().join("node.toml");
    fs::write(&file, format!("id = 'file'\nlisten = '127.0.0.1:0'\ndata = '{data}'")).unwrap();
    let (_node, line) = announced(&["node"], &[("SOUK_CONFIG", file.to_str().unwrap())]);
    assert!(line.starts_with("souk node file "), "{line}");
}

#[test]
fn an_unknown_key_of_the_file_is_refused_by_name() {
    let (folder, _) = folder();
    let file = folder.path().join("souk.toml");
    for (service, text, key) in [("node", "treads = 2", "treads"), ("coordinator", "[limits]\nrows = 1", "rows")] {
        fs::write(&file, text).unwrap();
        let ran = souk(&[service, "--config", file.to_str().unwrap()], "");
        assert_eq!(ran.code, Some(2), "{ran:?}");
        assert!(ran.stderr.contains(&format!("unknown field `{key}`")), "{ran:?}");
    }
}

#[test]
fn what_is_missing_is_told_with_the_flag_that_says_it() {
    let check = |arguments: &[&str], text: &str| {
        let ran = souk(arguments, "");
        assert_eq!(ran.code, Some(2), "{ran:?}");
        assert!(ran.stderr.contains(text), "{ran:?}");
    };
    check(&["node", "--data", "x"], "--id ID");
    check(&["node", "--id", "n1"], "--data DIR");
    check(&["coordinator", "--data", "x"], "--node ID=HOST:PORT");
    check(&["coordinator", "--data", "x", "--node", "n1=localhost"], "HOST:PORT");
    check(&["coordinator", "--data", "x", "--node", "n1=h:1", "--ring-shards", "3"], "--placement ring");
    check(&["node", "--config", "/nowhere.toml"], "/nowhere.toml");
}

#[test]
fn a_node_ends_with_its_parent() {
    let (_folder, data) = folder();
    let arguments = ["node", "--id", "n1", "--listen", "127.0.0.1:0", "--data", &data, "--stop-with-stdin"];
    let (mut node, _) = announced(&arguments, &[]);
    drop(node.0.stdin.take());
    assert_eq!(node.0.wait().unwrap().code(), Some(0));
}

#[test]
fn a_port_that_is_taken_is_told() {
    let (_folder, data) = folder();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let ran = souk(&["node", "--id", "n1", "--listen", &address, "--data", &data], "");
    assert_eq!(ran.code, Some(1));
    assert!(ran.stderr.contains(&format!("cannot listen on `{address}`")), "{ran:?}");
}
