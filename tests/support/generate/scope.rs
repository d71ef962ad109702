//! The rows that an expression sees.

use super::Writer;
use super::cells::Kind;
use super::scene::Relation;

/// What a FROM clause reads, as expressions see it.
#[derive(Debug, Clone)]
pub(super) struct Source {
    /// Empty for columns that USING made one of two.
    pub(super) alias: String,
    pub(super) columns: Vec<(String, Kind)>,
    /// Columns that tell its rows apart; none when rows may be the same.
    pub(super) unique: Option<Vec<String>>,
    pub(super) rows: usize,
    pub(super) has_rowid: bool,
}

impl Source {
    pub(super) fn new(relation: &Relation, alias: &str) -> Source {
        Source {
            alias: alias.to_owned(),
            columns: relation.columns.clone(),
            unique: relation.unique.clone(),
            rows: relation.rows,
            has_rowid: relation.has_rowid,
        }
    }

    pub(super) fn column(&self, name: &str) -> String {
        match self.alias.is_empty() {
            true => name.to_owned(),
            false => format!("{}.{name}", self.alias),
        }
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.columns.iter().any(|(known, _)| known == name)
    }

    fn all(&self) -> impl Iterator<Item = (String, Kind)> {
        self.columns.iter().map(|(name, kind)| (self.column(name), *kind))
    }
}

impl Writer<'_> {
    /// The sources of the SELECT that is being written.
    pub(super) fn own(&self) -> &[Source] {
        self.scopes.last().expect("a SELECT is being written")
    }

    /// Writes with a SELECT of its own.
    pub(super) fn nested<T>(&mut self, write: impl FnOnce(&mut Self) -> T) -> T {
        self.scopes.push(Vec::new());
        let written = write(self);
        self.scopes.pop();
        written
    }

    /// Writes while the SELECT has other sources.
    pub(super) fn over<T>(&mut self, sources: Vec<Source>, write: impl FnOnce(&mut Self) -> T) -> T {
        let place = self.scopes.len() - 1;
        let hidden = std::mem::replace(&mut self.scopes[place], sources);
        let written = write(self);
        self.scopes[place] = hidden;
        written
    }

    /// Writes what may use columns of its own SELECT alone.
    pub(super) fn only_own<T>(&mut self, write: impl FnOnce(&mut Self) -> T) -> T {
        let before = std::mem::replace(&mut self.only_own, true);
        let written = write(self);
        self.only_own = before;
        written
    }

    /// Writes the argument of what adds up.
    pub(super) fn summed<T>(&mut self, write: impl FnOnce(&mut Self) -> T) -> T {
        let before = std::mem::replace(&mut self.exact, true);
        let written = self.only_own(write);
        self.exact = before;
        written
    }

    /// A column of these kinds: mostly of the SELECT itself, sometimes of one around it.
    pub(super) fn pick_column(&mut self, wanted: &[Kind]) -> Option<(String, Kind)> {
        let outer = self.scopes.len() > 1 && !self.only_own && self.random.percent(25);
        if outer && let Some(column) = self.outer_column(wanted) {
            return Some(column);
        }
        if wanted.contains(&Kind::Integer) && self.random.percent(4) {
            let rowids: Vec<String> =
                self.own().iter().filter(|source| source.has_rowid).map(|source| source.column("rowid")).collect();
            if !rowids.is_empty() {
                return Some((self.random.pick(&rowids).clone(), Kind::Integer));
            }
        }
        let all: Vec<(String, Kind)> =
            self.own().iter().flat_map(Source::all).filter(|(_, kind)| wanted.contains(kind)).collect();
        (!all.is_empty()).then(|| self.random.pick(&all).clone())
    }

    fn outer_column(&mut self, wanted: &[Kind]) -> Option<(String, Kind)> {
        let around = &self.scopes[..self.scopes.len() - 1];
        // A name without a table could be found nearer.
        let sources = around.iter().flatten().filter(|source| !source.alias.is_empty());
        let all: Vec<(String, Kind)> =
            sources.flat_map(Source::all).filter(|(_, kind)| wanted.contains(kind)).collect();
        (!all.is_empty()).then(|| self.random.pick(&all).clone())
    }

    /// Any column of which equal values are the same.
    pub(super) fn any_clean_column(&mut self) -> String {
        self.pick_column(&Kind::CLEAN).map_or("'one'".into(), |(column, _)| column)
    }

    /// Whether a star would show which of several equal texts stands for them.
    pub(super) fn has_folded_column(&self) -> bool {
        self.own().iter().flat_map(Source::all).any(|(_, kind)| kind == Kind::Folded)
    }

    pub(super) fn any_shown_column(&mut self) -> String {
        self.pick_column(&Kind::SHOWN).map_or("1".into(), |(column, _)| column)
    }

    /// A column that holds the shard key: of the first source that has one, which no LEFT JOIN fills with NULLs.
    pub(super) fn key_column(&self) -> Option<String> {
        let keys = |kind| {
            let key = move |source: &Source| {
                let name = &source.columns.iter().find(|(_, known)| *known == kind)?.0;
                Some(source.column(name))
            };
            self.own().iter().find_map(key)
        };
        keys(Kind::Key).or_else(|| keys(Kind::OtherKey))
    }

    /// Columns that tell all rows of the SELECT apart; none when rows may be the same.
    pub(super) fn unique(&self) -> Option<Vec<String>> {
        let mut all = Vec::new();
        for source in self.own().iter().filter(|source| !source.alias.is_empty()) {
            all.extend(source.unique.as_ref()?.iter().map(|name| source.column(name)));
        }
        Some(all)
    }

    /// What a column of the SELECT holds.
    pub(super) fn kind_of(&self, column: &str) -> Kind {
        let mut all = self.own().iter().flat_map(Source::all);
        all.find(|(known, _)| known == column).map_or(Kind::Any, |(_, kind)| kind)
    }

    /// A name that nothing has yet.
    pub(super) fn name(&mut self) -> String {
        const LETTERS: &[u8] = b"abcdefgh";
        let (round, letter) = (self.names / LETTERS.len(), char::from(LETTERS[self.names % LETTERS.len()]));
        self.names += 1;
        if round == 0 { letter.into() } else { format!("{letter}{round}") }
    }
}
