//! Configuration files: TOML with the flags' names, underscores for dashes.

use std::path::Path;

use serde::de::DeserializeOwned;

use crate::failure::Failure;

/// Reads a configuration file; none reads as an empty one.
pub(super) fn read<Raw: DeserializeOwned + Default>(path: Option<&Path>) -> Result<Raw, Failure> {
    let Some(path) = path else { return Ok(Raw::default()) };
    let text = std::fs::read_to_string(path)
        .map_err(|error| Failure::Usage(format!("cannot read the configuration `{}`: {error}", path.display())))?;
    toml::from_str(&text).map_err(|error| Failure::Usage(format!("the configuration `{}`: {error}", path.display())))
}
