//! Statements from the command line, a file or a pipe.

use std::{
    fs::File,
    io::{self, BufRead, BufReader, Cursor},
    path::PathBuf,
};

use super::{run::Runner, split::Splitter};
use crate::failure::Failure;

/// Where statements come from.
pub(super) struct Source {
    /// For errors.
    name: String,
    lines: Box<dyn BufRead + Send>,
}

impl Source {
    /// The command, else the file, else stdin; none when stdin is a terminal, for a prompt.
    pub(super) fn choose(
        command: Option<String>,
        file: Option<PathBuf>,
        terminal: bool,
    ) -> Result<Option<Source>, Failure> {
        if let Some(text) = command {
            return Ok(Some(Source { name: "-c".to_owned(), lines: Box::new(Cursor::new(text)) }));
        }
        if let Some(path) = file {
            let name = path.display().to_string();
            let file = File::open(&path).map_err(|error| Failure::failed(format!("cannot read `{name}`: {error}")))?;
            return Ok(Some(Source { name, lines: Box::new(BufReader::new(file)) }));
        }
        if terminal {
            return Ok(None);
        }
        Ok(Some(Source { name: "stdin".to_owned(), lines: Box::new(BufReader::new(io::stdin())) }))
    }
}

/// Runs every statement in turn, up to the first that fails.
pub(super) async fn run(runner: &Runner, source: Source) -> Result<(), Failure> {
    let Source { name, mut lines } = source;
    let mut splitter = Splitter::default();
    let mut line = String::new();
    for number in 1.. {
        line.clear();
        let place = |what: String| Failure::failed(format!("`{name}` line {number}: {what}"));
        let bytes = lines.read_line(&mut line).map_err(|error| place(error.to_string()))?;
        if bytes == 0 {
            break;
        }
        splitter
            .push(&line)
            .map_err(|_| place("a statement goes on for over 4 MiB; is a quote left open?".to_owned()))?;
        while let Some(statement) = splitter.next_statement() {
            runner.run(&statement).await?;
        }
    }
    match splitter.finish() {
        Some(statement) => runner.run(&statement).await,
        None => Ok(()),
    }
}
