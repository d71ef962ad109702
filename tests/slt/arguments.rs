//! What is asked for, on a command line that may also be the one of a test harness.

use std::path::{Path, PathBuf};
use std::str::FromStr;

use crate::placement::Placement;
use crate::record::files;

/// How to run.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    pub(crate) shards: u32,
    pub(crate) placement: Placement,
    pub(crate) threads: usize,
    /// Queries in all; none takes all of them.
    pub(crate) sample: Option<usize>,
    pub(crate) seed: u64,
    pub(crate) failures_shown: usize,
    /// Examples of what was gathered, of each reason.
    pub(crate) gathered_shown: usize,
    /// Files and folders; none takes what the repository has.
    pub(crate) paths: Vec<PathBuf>,
}

#[derive(Debug, Clone)]
pub(crate) enum Asked {
    Run(Settings),
    /// The names of the tests.
    List,
    /// The filter leaves nothing.
    Nothing,
}

/// Options of the harness that take a value, which may not be a path then.
const HARNESS_VALUES: &[&str] =
    &["--test-threads", "--skip", "--format", "--color", "--logfile", "--shuffle-seed", "-Z"];

/// Reads the command line. Options that it does not know are the harness's.
pub(crate) fn arguments(given: impl Iterator<Item = String>) -> Result<Asked, String> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let mut settings = Settings {
        shards: 4,
        placement: Placement::Hash,
        threads: cores,
        sample: None,
        seed: 1,
        failures_shown: 40,
        gathered_shown: 0,
        paths: Vec::new(),
    };
    let mut filters = Vec::new();
    let mut list = false;
    let mut nothing = false;
    let mut given = given.flat_map(split_option);
    while let Some(argument) = given.next() {
        match argument.as_str() {
            "--shards" => settings.shards = value(&argument, given.next())?,
            "--placement" => settings.placement = value(&argument, given.next())?,
            "--threads" => settings.threads = value::<usize>(&argument, given.next())?.max(1),
            "--sample" => settings.sample = Some(value(&argument, given.next())?),
            "--seed" => settings.seed = value(&argument, given.next())?,
            "--failures" => settings.failures_shown = value(&argument, given.next())?,
            "--gathered" => settings.gathered_shown = value(&argument, given.next())?,
            "--list" => list = true,
            "--ignored" | "--bench" => nothing = true,
            "--skip" => nothing |= given.next().is_some_and(|filter| "slt".contains(&filter)),
            harness if HARNESS_VALUES.contains(&harness) => drop(given.next()),
            option if option.starts_with('-') => {}
            path if is_path(path)? => settings.paths.push(path.into()),
            filter => filters.push(filter.to_owned()),
        }
    }
    if settings.shards == 0 {
        return Err("--shards takes a number from 1".into());
    }
    let filtered = !filters.is_empty() && settings.paths.is_empty() && !filters.iter().any(|name| "slt".contains(name));
    Ok(match (list, nothing || filtered) {
        (_, true) => Asked::Nothing,
        (true, false) => Asked::List,
        (false, false) => Asked::Run(settings),
    })
}

/// `--name=value` as two words.
fn split_option(argument: String) -> Vec<String> {
    match argument.split_once('=') {
        Some((name, value)) if name.starts_with("--") => vec![name.to_owned(), value.to_owned()],
        _ => vec![argument],
    }
}

fn value<T: FromStr<Err: ToString>>(name: &str, given: Option<String>) -> Result<T, String> {
    let given = given.ok_or_else(|| format!("{name} takes a value"))?;
    given.parse().map_err(|error: T::Err| format!("{name} {given}: {}", error.to_string()))
}

/// A file, or a folder with records in it. A word that could only be a path must be one; any other is a filter of the harness.
fn is_path(word: &str) -> Result<bool, String> {
    let path = Path::new(word);
    if path.is_file() {
        return Ok(true);
    }
    let mut found = Vec::new();
    if path.is_dir() {
        files(path, &mut found)?;
    }
    match found.is_empty() && (word.contains('/') || word.contains('.')) {
        true => Err(format!("`{word}`: there is no file with records")),
        false => Ok(!found.is_empty()),
    }
}
