//! The processes of a demonstration: nodes and a coordinator.

use std::path::Path;

use super::process::Process;

/// A running cluster on this machine; stopped when it is dropped, the coordinator first.
#[derive(Debug)]
pub(super) struct Cluster {
    coordinator: Process,
    nodes: Vec<Process>,
}

/// How a process is started.
type Arguments = Vec<String>;

impl Cluster {
    /// Starts `nodes` nodes and a coordinator, with their data in `folder`.
    pub(super) fn start(folder: &Path, nodes: u32) -> anyhow::Result<Cluster> {
        let nodes = (1..=nodes).map(|number| start_node(folder, number)).collect::<anyhow::Result<Vec<_>>>()?;
        let addresses: Vec<&str> = nodes.iter().map(|node| &*node.address).collect();
        let arguments = coordinator(folder, "127.0.0.1:0", &addresses);
        let coordinator = Process::start(&arguments, &folder.join("coordinator.log"))?;
        Ok(Cluster { coordinator, nodes })
    }

    /// `host:port` of the coordinator.
    pub(super) fn address(&self) -> &str {
        &self.coordinator.address
    }

    /// The commands that start the same cluster again, from its folder.
    pub(super) fn commands(&self, folder: &Path) -> Vec<String> {
        let addresses: Vec<&str> = self.nodes.iter().map(|node| &*node.address).collect();
        let nodes = (1..).zip(&addresses).map(|(number, address)| node(folder, number, address));
        let all = nodes.chain([coordinator(folder, self.address(), &addresses)]);
        all.map(|arguments| format!("souk {}", shell_words(&arguments))).collect()
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        // All at once: each is then waited for as it is dropped.
        self.coordinator.ask_to_stop();
        self.nodes.iter_mut().for_each(Process::ask_to_stop);
    }
}

fn start_node(folder: &Path, number: u32) -> anyhow::Result<Process> {
    Process::start(&node(folder, number, "127.0.0.1:0"), &folder.join(format!("n{number}.log")))
}

fn node(folder: &Path, number: u32, listen: &str) -> Arguments {
    let id = format!("n{number}");
    let data = folder.join(&id).display().to_string();
    ["node", "--id", &id, "--listen", listen, "--data", &data].map(str::to_owned).to_vec()
}

fn coordinator(folder: &Path, listen: &str, nodes: &[&str]) -> Arguments {
    let data = folder.join("coordinator").display().to_string();
    let fixed = ["coordinator", "--listen", listen, "--data", &data, "--placement", "own", "--shop"];
    let mut arguments = fixed.map(str::to_owned).to_vec();
    for (number, address) in (1..).zip(nodes) {
        arguments.extend(["--node".to_owned(), format!("n{number}={address}")]);
    }
    arguments
}

/// The arguments as a shell takes them.
fn shell_words(arguments: &[String]) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./:=@,".contains(&byte);
    let word = |argument: &String| {
        if argument.bytes().all(plain) { argument.clone() } else { format!("'{}'", argument.replace('\'', "'\\''")) }
    };
    arguments.iter().map(word).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_survive_the_shell() {
        let arguments = coordinator(Path::new("/a b'c"), "127.0.0.1:7070", &["127.0.0.1:7071"]);
        assert_eq!(
            shell_words(&arguments),
            "coordinator --listen 127.0.0.1:7070 --data '/a b'\\''c/coordinator' --placement own --shop --node n1=127.0.0.1:7071"
        );
    }
}
