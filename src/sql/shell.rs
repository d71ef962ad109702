//! The prompt.

use std::path::PathBuf;

use rustyline::{DefaultEditor, error::ReadlineError};
use tokio::{runtime::Handle, sync::oneshot};

use super::{dot::Dot, history, run::Runner, split::Splitter};
use crate::failure::{self, Failure};

/// Reads and runs statements until the user leaves.
pub(crate) async fn run(runner: Runner) -> Result<(), Failure> {
    let runtime = Handle::current();
    let (done, outcome) = oneshot::channel();
    // Reading a line blocks, for as long as the user thinks: a thread of its own.
    std::thread::spawn(move || {
        let shell = Shell::new(runner, runtime);
        let _ = done.send(shell.and_then(Shell::read_and_run));
    });
    outcome.await.unwrap_or_else(|_| Err(Failure::failed("the prompt broke")))
}

/// A line, or why there is none.
enum Typed {
    Line(String),
    /// Ctrl-C: forget what was typed so far.
    Discard,
    /// Ctrl-D.
    Leave,
}

struct Shell {
    editor: DefaultEditor,
    history: Option<PathBuf>,
    runner: Runner,
    runtime: Handle,
}

impl Shell {
    fn new(runner: Runner, runtime: Handle) -> Result<Shell, Failure> {
        let mut editor = DefaultEditor::new().map_err(terminal)?;
        let history = history::file();
        if let Some(file) = &history {
            // There is none at the first start.
            let _ = editor.load_history(file);
        }
        println!("souk {}: `.help` for help, statements end with `;`", env!("CARGO_PKG_VERSION"));
        Ok(Shell { editor, history, runner, runtime })
    }

    fn read_and_run(mut self) -> Result<(), Failure> {
        let mut splitter = Splitter::default();
        loop {
            match self.read_line(splitter.is_blank())? {
                Typed::Leave => return Ok(()),
                Typed::Discard => splitter = Splitter::default(),
                Typed::Line(line) if splitter.is_blank() && line.trim_start().starts_with('.') => {
                    self.remember(&line);
                    match Dot::parse(&line) {
                        Ok(Dot::Quit) => return Ok(()),
                        Ok(dot) => self.dot(dot),
                        Err(failure) => failure::print(&failure),
                    }
                }
                Typed::Line(line) => self.statements(&mut splitter, &line),
            }
        }
    }

    fn read_line(&mut self, fresh: bool) -> Result<Typed, Failure> {
        match self.editor.readline(if fresh { "souk> " } else { " ...> " }) {
            Ok(line) => Ok(Typed::Line(line)),
            Err(ReadlineError::Interrupted) => Ok(Typed::Discard),
            Err(ReadlineError::Eof) => Ok(Typed::Leave),
            Err(error) => Err(terminal(error)),
        }
    }

    /// Takes a line and runs the statements that it completes, up to the first that fails.
    fn statements(&mut self, splitter: &mut Splitter, line: &str) {
        if splitter.push(&format!("{line}\n")).is_err() {
            failure::print(&Failure::failed("the statement goes on for over 4 MiB and was dropped"));
            *splitter = Splitter::default();
        }
        while let Some(statement) = splitter.next_statement() {
            self.remember(&format!("{statement};"));
            let runner = self.runner.clone();
            if let Err(failure) = self.until_interrupted(runner.run(&statement)) {
                failure::print(&failure);
                *splitter = Splitter::default();
            }
        }
    }

    fn dot(&mut self, dot: Dot) {
        let mut runner = self.runner.clone();
        match self.until_interrupted(dot.run(&mut runner)) {
            Ok(()) => self.runner = runner,
            Err(failure) => failure::print(&failure),
        }
    }

    /// Runs to the end or to Ctrl-C; what is dropped on the way is cancelled at the coordinator.
    fn until_interrupted(&self, work: impl Future<Output = Result<(), Failure>>) -> Result<(), Failure> {
        self.runtime.block_on(async {
            tokio::select! {
                outcome = work => outcome,
                _ = tokio::signal::ctrl_c() => Err(Failure::Interrupted),
            }
        })
    }

    /// Keeps an entry; a history that cannot be written is no reason to stop.
    fn remember(&mut self, entry: &str) {
        let added = self.editor.add_history_entry(entry);
        if let (Ok(true), Some(file)) = (added, &self.history) {
            let _ = self.editor.append_history(file);
        }
    }
}

fn terminal(error: ReadlineError) -> Failure {
    Failure::failed(format!("cannot read from the terminal: {error}"))
}
