//! The prompt's own commands, which begin with a dot.

use souk_proto::v1::Table;

use super::{output, run::Runner};
use crate::{failure::Failure, say::say, status};

/// What `.help` says.
const HELP: &str = "\
SELECT ...;        statements end with `;` and may take several lines
.tables            the tables and their shard keys
.schema [TABLE]    the statements that made them
.explain SELECT    how a query would be answered; with `EXPLAIN ANALYZE SELECT ...;` what it takes, too
.timer on|off      say where the time goes
.status            nodes and shards
.help              this
.quit              leave (Ctrl-D too); Ctrl-C stops a running query";

/// A command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Dot {
    Tables,
    Schema(Option<String>),
    Explain(String),
    Timer(bool),
    Status,
    Help,
    Quit,
}

impl Dot {
    /// Reads a line that begins with a dot.
    pub(super) fn parse(line: &str) -> Result<Dot, Failure> {
        let line = line.trim();
        let (word, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
        let rest = rest.trim().trim_end_matches(';').trim_end();
        match (word, rest) {
            (".tables", "") => Ok(Dot::Tables),
            (".schema", "") => Ok(Dot::Schema(None)),
            (".schema", table) => Ok(Dot::Schema(Some(table.to_owned()))),
            (".explain", "") => Err(Failure::Usage("say `.explain SELECT ...`".to_owned())),
            (".explain", sql) => Ok(Dot::Explain(sql.to_owned())),
            (".timer", "on") => Ok(Dot::Timer(true)),
            (".timer", "off") => Ok(Dot::Timer(false)),
            (".timer", _) => Err(Failure::Usage("say `.timer on` or `.timer off`".to_owned())),
            (".status", "") => Ok(Dot::Status),
            (".help", "") => Ok(Dot::Help),
            (".quit" | ".exit", "") => Ok(Dot::Quit),
            _ => Err(Failure::Usage(format!("`{line}` is no command; `.help` lists them"))),
        }
    }

    /// Does it. Quitting is the prompt's own affair.
    pub(super) async fn run(self, runner: &mut Runner) -> Result<(), Failure> {
        match self {
            Dot::Tables => say(tables(&runner.session.schema().await?.tables))?,
            Dot::Schema(table) => say(schema(&runner.session.schema().await?.tables, table.as_deref())?)?,
            Dot::Explain(sql) => runner.run(&format!("EXPLAIN {sql}")).await?,
            Dot::Timer(on) => runner.timer = on,
            Dot::Status => say(status::text(&status::get(&runner.session.client).await?))?,
            Dot::Help => say(HELP)?,
            Dot::Quit => {}
        }
        Ok(())
    }
}

fn tables(tables: &[Table]) -> String {
    let place = |table: &Table| match table.shard_key.as_str() {
        "" => "replicated".to_owned(),
        key => format!("sharded by {key}"),
    };
    let rows = tables.iter().map(|table| vec![table.name.clone(), place(table)]).collect();
    output::print_table(&["table".to_owned(), "place".to_owned()], &[false, false], rows, None).to_string()
}

fn schema(tables: &[Table], name: Option<&str>) -> Result<String, Failure> {
    let wanted = |table: &&Table| name.is_none_or(|name| table.name.eq_ignore_ascii_case(name));
    let found: Vec<&Table> = tables.iter().filter(wanted).collect();
    if let (Some(name), []) = (name, found.as_slice()) {
        return Err(Failure::failed(format!("there is no table `{name}`; `.tables` lists them")));
    }
    let statements = found.iter().flat_map(|table| std::iter::once(&table.sql).chain(&table.indices));
    let lines: Vec<String> = statements.map(|sql| format!("{sql};")).collect();
    Ok(lines.join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_read_with_their_arguments() {
        let parse = |line| Dot::parse(line).map_err(|failure| failure.text().unwrap_or_default());
        assert_eq!(parse(".tables"), Ok(Dot::Tables));
        assert_eq!(parse(" .schema  products ; "), Ok(Dot::Schema(Some("products".to_owned()))));
        assert_eq!(parse(".explain SELECT  1;"), Ok(Dot::Explain("SELECT  1".to_owned())));
        assert_eq!(parse(".timer off"), Ok(Dot::Timer(false)));
        assert!(parse(".timer").unwrap_err().contains(".timer on"));
        assert!(parse(".tables x").unwrap_err().contains(".help"));
    }

    #[test]
    fn a_schema_is_asked_for_by_name() {
        let table = Table {
            name: "T".into(),
            sql: "CREATE TABLE T(x)".into(),
            indices: vec!["CREATE INDEX i ON T(x)".into()],
            ..Table::default()
        };
        let tables = [table, Table { name: "u".into(), sql: "CREATE TABLE u(y)".into(), ..Table::default() }];
        assert_eq!(schema(&tables, Some("t")).unwrap(), "CREATE TABLE T(x);\nCREATE INDEX i ON T(x);");
        assert_eq!(schema(&tables, None).unwrap().lines().count(), 3);
        assert!(schema(&tables, Some("v")).is_err());
    }
}
