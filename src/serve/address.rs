//! Names of nodes, and `host:port`.

use souk_coordinator::NodeAddress;

use crate::failure::Failure;

/// Longest name of a node, in bytes.
const ID_BYTES_MAX: usize = 64;

/// Checks a node's name: it stands in file names, logs and errors.
pub(super) fn checked_id(id: String) -> Result<String, Failure> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    if id.is_empty() || id.len() > ID_BYTES_MAX || !id.bytes().all(plain) {
        return Err(Failure::Usage(format!(
            "`{id}` is no name for a node: use 1 to {ID_BYTES_MAX} of a-z, A-Z, 0-9, `-`, `_` and `.`"
        )));
    }
    Ok(id)
}

/// Checks `host:port`.
pub(super) fn checked_address(address: &str) -> Result<String, Failure> {
    match address.rsplit_once(':') {
        Some((host, port)) if !host.is_empty() && port.parse::<u16>().is_ok() => Ok(address.to_owned()),
        _ => Err(Failure::Usage(format!("`{address}` is no address: say HOST:PORT, for example 127.0.0.1:7071"))),
    }
}

/// Reads `ID=HOST:PORT` of every node; at least one, none twice.
pub(super) fn checked_nodes(nodes: &[String]) -> Result<Vec<NodeAddress>, Failure> {
    if nodes.is_empty() {
        return Err(Failure::Usage("no nodes: name each with --node ID=HOST:PORT".to_owned()));
    }
    let mut checked: Vec<NodeAddress> = Vec::with_capacity(nodes.len());
    for node in nodes {
        let node = node_address(node)?;
        let twin = checked.iter().find(|other| other.id == node.id || other.address == node.address);
        if let Some(other) = twin {
            return Err(Failure::Usage(format!(
                "the nodes `{}={}` and `{}={}` share a name or an address",
                other.id, other.address, node.id, node.address
            )));
        }
        checked.push(node);
    }
    Ok(checked)
}

fn node_address(node: &str) -> Result<NodeAddress, Failure> {
    let Some((id, address)) = node.split_once('=') else {
        return Err(Failure::Usage(format!("`{node}` is no node: say ID=HOST:PORT, for example n1=127.0.0.1:7071")));
    };
    Ok(NodeAddress { id: checked_id(id.to_owned())?, address: checked_address(address)? })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(nodes: &[&str]) -> Result<usize, String> {
        let nodes: Vec<String> = nodes.iter().map(|node| (*node).to_owned()).collect();
        checked_nodes(&nodes).map(|nodes| nodes.len()).map_err(|failure| failure.text().unwrap_or_default())
    }

    #[test]
    fn nodes_are_named_once_each() {
        assert_eq!(check(&["n1=127.0.0.1:7071", "n2=[::1]:7072"]), Ok(2));
        assert!(check(&[]).unwrap_err().contains("--node"));
        assert!(check(&["n1=a:1", "n1=a:2"]).unwrap_err().contains("share"));
        assert!(check(&["n1=a:1", "n2=a:1"]).unwrap_err().contains("share"));
        assert!(check(&["127.0.0.1:7071"]).unwrap_err().contains("ID=HOST:PORT"));
        assert!(check(&["n1=localhost"]).unwrap_err().contains("HOST:PORT"));
        assert!(check(&["n1=localhost:99999"]).unwrap_err().contains("HOST:PORT"));
        assert!(check(&["../n1=localhost:1"]).unwrap_err().contains("no name"));
    }
}
