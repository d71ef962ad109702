//! Runs one statement and writes what comes of it.

use std::io::{self, BufWriter, IsTerminal as _};

use clap::ValueEnum;
use souk_proto::v1::ExecuteResponse;

use super::{
    output::{self, Format, counted},
    session::{Answer, Done, Session},
    verb::{Explained, Verb, explained, verb},
};
use crate::{failure::Failure, say::say};

/// Characters under which a terminal's width is not believed: some say 0.
const WIDTH_MIN: u16 = 20;

/// How statements are run.
#[derive(Debug, Clone)]
pub(crate) struct Runner {
    /// Where.
    pub(crate) session: Session,
    /// How answers are written.
    pub(crate) format: Format,
    /// Whether to say where the time went.
    pub(crate) timer: bool,
    /// Whether statements are explained instead of answered.
    pub(crate) explain: Option<Explain>,
}

/// How statements are explained.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Explain {
    /// Without running them
    Plan,
    /// Run, and measured
    Analyze,
}

impl Runner {
    /// Runs a statement; rows go to stdout.
    pub(crate) async fn run(&self, statement: &str) -> Result<(), Failure> {
        if let Some(explained) = explained(statement) {
            return self.explain(explained).await;
        }
        match (verb(statement), self.explain) {
            (Verb::Read, None) => self.read(statement).await,
            (Verb::Read, Some(explain)) => {
                self.explain(Explained { analyze: explain == Explain::Analyze, statement }).await
            }
            (Verb::Rows | Verb::Schema, Some(_)) => {
                Err(Failure::Usage("--explain is for statements that read: leave it out to write".to_owned()))
            }
            (verb @ (Verb::Rows | Verb::Schema), None) => {
                let done = {
                    let mut sink = output::sink(self.format, BufWriter::new(io::stdout()), width());
                    self.session.execute(statement, &mut *sink).await?
                };
                self.say(&done_text(verb, &done), "")
            }
        }
    }

    async fn read(&self, statement: &str) -> Result<(), Failure> {
        let answer = {
            let mut sink = output::sink(self.format, BufWriter::new(io::stdout()), width());
            self.session.query(statement, &mut *sink).await?
        };
        let mut text = output::summary(&answer.certificate, answer.elapsed);
        if self.timer {
            text += &timer_text(&answer);
        }
        self.say(&text, &output::failures(&answer.certificate))
    }

    /// Writes a plan: as lines for people, as an object for programs.
    async fn explain(&self, explained: Explained<'_>) -> Result<(), Failure> {
        let Explained { analyze, statement } = explained;
        match self.format {
            Format::Json | Format::Jsonl => {
                let plan = self.session.explain(statement, analyze).await?;
                say(output::plan(&plan, self.format == Format::Json).map_err(Failure::of_output)?)
            }
            Format::Table | Format::Csv => {
                let sql = format!("EXPLAIN {}{statement}", if analyze { "ANALYZE " } else { "" });
                let answer = {
                    let mut sink = output::plan_sink(self.format, BufWriter::new(io::stdout()));
                    self.session.query(&sql, &mut *sink).await?
                };
                match output::failures(&answer.certificate) {
                    failures if failures.is_empty() => Ok(()),
                    failures => self.say("", &failures),
                }
            }
        }
    }

    fn say(&self, text: &str, failures: &str) -> Result<(), Failure> {
        output::write_summary(self.format, text, failures).map_err(Failure::of_output)
    }
}

/// The terminal's width, when stdout is one.
fn width() -> Option<u16> {
    let width = if io::stdout().is_terminal() { comfy_table::Table::new().width() } else { None };
    width.filter(|width| *width >= WIDTH_MIN)
}

fn done_text(verb: Verb, done: &Done) -> String {
    let ExecuteResponse { rows_affected, schema_version, shards, .. } = done.response;
    let elapsed = output::time(done.elapsed);
    match verb {
        Verb::Schema => format!("done in {elapsed} · schema {schema_version} on {}", counted(shards.into(), "shard")),
        Verb::Rows | Verb::Read => {
            format!("{} written in {elapsed} · {}", counted(rows_affected, "row"), counted(shards.into(), "shard"))
        }
    }
}

fn timer_text(answer: &Answer) -> String {
    let first = answer.first_rows.map_or_else(|| "none".to_owned(), output::time);
    let coordinator = output::time(std::time::Duration::from_micros(answer.certificate.elapsed_us));
    format!("\ntime: first rows {first}, coordinator {coordinator}, whole answer {}", output::time(answer.elapsed))
}
