//! Who a call is meant for: every call of a coordinator names the node and the build of SQLite that it expects, since a
//! connection may be made anew at any time and somebody else may be at its other end.

use tonic::metadata::{Ascii, MetadataMap, MetadataValue};
use tonic::{Request, Status};

use crate::Reason;

/// The metadata key of the node's name.
const NODE: &str = "souk-node-bin";
/// The metadata key of the build.
const BUILD: &str = "souk-build";

/// What nodes and coordinators say to each other: another number when one would misread the other.
const PROTOCOL: &str = "4";

/// A node by name and by how its SQLite is built.
#[derive(Debug, Clone)]
pub struct Identity {
    node: String,
    build: MetadataValue<Ascii>,
}

impl Identity {
    /// The node `node` with this SQLite; `compile_options` as `DescribeResponse` lists them.
    pub fn new(node: &str, sqlite_version: &str, compile_options: &[String]) -> Identity {
        Identity { node: node.to_owned(), build: MetadataValue::from(fingerprint(sqlite_version, compile_options)) }
    }

    /// Names this identity as the one that a call is meant for.
    pub fn address<T>(&self, mut request: Request<T>) -> Request<T> {
        let node = MetadataValue::from_bytes(self.node.as_bytes());
        request.metadata_mut().insert_bin(NODE, node);
        request.metadata_mut().insert(BUILD, self.build.clone());
        request
    }

    /// Refuses a call that is meant for another node or another build. A call that names nobody is let in.
    ///
    /// # Errors
    ///
    /// NODE_MISMATCH.
    pub fn check(&self, metadata: &MetadataMap) -> Result<(), Status> {
        let meant = metadata.get_bin(NODE).and_then(|node| node.to_bytes().ok());
        if let Some(meant) = meant
            && meant != self.node.as_bytes()
        {
            let meant = String::from_utf8_lossy(&meant);
            let message = format!("node `{meant}` answers as `{}`: check the addresses", self.node);
            return Err(Reason::NodeMismatch.status(message));
        }
        match metadata.get(BUILD) {
            Some(build) if *build != self.build => {
                let message = format!("node `{}` has another SQLite than its coordinator: build both alike", self.node);
                Err(Reason::NodeMismatch.status(message))
            }
            _ => Ok(()),
        }
    }
}

/// FNV-1a of protocol, version and options (<http://www.isthe.com/chongo/tech/comp/fnv/>): small, and the same in every build of souk.
fn fingerprint(sqlite_version: &str, compile_options: &[String]) -> u64 {
    let words = [PROTOCOL, sqlite_version].into_iter().chain(compile_options.iter().map(String::as_str));
    let bytes = words.flat_map(|word| word.bytes().chain([0]));
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(meant: &Identity, found: &Identity) -> Option<Reason> {
        let request = meant.address(Request::new(()));
        found.check(request.metadata()).err().and_then(|status| Reason::of(&status))
    }

    #[test]
    fn a_call_reaches_only_whom_it_is_meant_for() {
        let options = ["DQS=0".to_owned()];
        let node = Identity::new("n1", "3.54.1", &options);
        assert_eq!(check(&node, &node), None);
        assert_eq!(check(&node, &Identity::new("nöde 2", "3.54.1", &options)), Some(Reason::NodeMismatch));
        assert_eq!(check(&node, &Identity::new("n1", "3.54.2", &options)), Some(Reason::NodeMismatch));
        assert_eq!(check(&node, &Identity::new("n1", "3.54.1", &[])), Some(Reason::NodeMismatch));
        assert!(node.check(&MetadataMap::new()).is_ok());
    }
}
