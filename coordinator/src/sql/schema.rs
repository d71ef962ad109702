//! The tables as SQLite understands them: what names, affinities and collations the columns have.

use std::collections::HashMap;

use souk_merge::Collation;

/// Which conversion a column applies to what is stored in it or compared with it
/// (https://www.sqlite.org/datatype3.html#determination_of_column_affinity).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Affinity {
    Integer,
    Real,
    Numeric,
    Text,
    Blob,
}

impl Affinity {
    /// SQLite's five rules, in their order.
    pub(crate) fn of_declared(declared: &str) -> Affinity {
        let upper = declared.to_ascii_uppercase();
        let has = |word| upper.contains(word);
        if has("INT") {
            Affinity::Integer
        } else if has("CHAR") || has("CLOB") || has("TEXT") {
            Affinity::Text
        } else if has("BLOB") || upper.is_empty() {
            Affinity::Blob
        } else if has("REAL") || has("FLOA") || has("DOUB") {
            Affinity::Real
        } else {
            Affinity::Numeric
        }
    }

    /// A type name that has this affinity.
    pub(crate) fn type_name(self) -> &'static str {
        match self {
            Affinity::Integer => "INTEGER",
            Affinity::Real => "REAL",
            Affinity::Numeric => "NUMERIC",
            Affinity::Text => "TEXT",
            Affinity::Blob => "BLOB",
        }
    }

    /// Whether equality under either affinity means equality of canonical keys: both convert to numbers, or neither does.
    pub(crate) fn hashes_like(self, other: Affinity) -> bool {
        let numeric = |affinity| matches!(affinity, Affinity::Integer | Affinity::Real | Affinity::Numeric);
        self == other || (numeric(self) && numeric(other))
    }
}

/// One column of a table.
#[derive(Debug, Clone)]
pub(crate) struct ColumnInfo {
    pub(crate) name: String,
    pub(crate) declared_type: String,
    pub(crate) affinity: Affinity,
    /// None for a collation that is not built in.
    pub(crate) collation: Option<Collation>,
    pub(crate) not_null: bool,
    /// Place in the primary key from 1; 0 when it is not in it.
    pub(crate) primary_key: u32,
    /// Part of a UNIQUE or PRIMARY KEY constraint.
    pub(crate) unique: bool,
    /// The expression of its default, as SQLite keeps it.
    pub(crate) default: Option<String>,
    /// Not part of `*`: hidden columns of virtual tables.
    pub(crate) hidden: bool,
    /// Its value comes from other columns.
    pub(crate) generated: bool,
}

/// How a table's rows lie over the shards.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Distribution {
    /// Each row on the shard of this column's value.
    Sharded { key: usize },
    /// Every row on every shard.
    Replicated,
}

/// One table.
#[derive(Debug, Clone)]
pub(crate) struct TableInfo {
    pub(crate) name: String,
    pub(crate) columns: Vec<ColumnInfo>,
    pub(crate) distribution: Distribution,
    /// The column that is the rowid by another name.
    pub(crate) rowid_alias: Option<usize>,
    pub(crate) without_rowid: bool,
    pub(crate) strict: bool,
    /// The tables that its foreign keys name.
    pub(crate) parents: Vec<String>,
    /// A foreign key names it.
    pub(crate) referenced: bool,
    /// The columns that foreign keys name; none stands for its primary key.
    pub(crate) referenced_columns: Vec<Option<String>>,
    /// One of its own does.
    pub(crate) refers_to_itself: bool,
    /// Rows that are inserted fire triggers.
    pub(crate) has_insert_triggers: bool,
}

impl TableInfo {
    /// The column of this name, as SQLite compares names.
    pub(crate) fn column(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|column| column.name.eq_ignore_ascii_case(name))
    }

    /// A name that means the rowid; none when there is none, or when columns took all names.
    pub(crate) fn rowid_name(&self) -> Option<&'static str> {
        let free = ["rowid", "_rowid_", "oid"].into_iter().find(|name| self.column(name).is_none());
        free.filter(|_| !self.without_rowid)
    }

    /// The columns that are stored and can be given, in order.
    pub(crate) fn stored(&self) -> impl Iterator<Item = &ColumnInfo> {
        self.columns.iter().filter(|column| !column.generated && !column.hidden)
    }

    /// The shard key's column; none for a replicated table.
    pub(crate) fn key(&self) -> Option<&ColumnInfo> {
        match self.distribution {
            Distribution::Sharded { key } => Some(&self.columns[key]),
            Distribution::Replicated => None,
        }
    }
}

/// One view.
#[derive(Debug, Clone)]
pub(crate) struct ViewInfo {
    pub(crate) name: String,
    /// The statement that made it.
    pub(crate) sql: String,
    /// The names of its columns, as SQLite gives them.
    pub(crate) columns: Vec<String>,
}

/// All tables and views, by their names in lower case.
#[derive(Debug, Clone, Default)]
pub(crate) struct Schema {
    tables: HashMap<String, TableInfo>,
    views: HashMap<String, ViewInfo>,
}

impl Schema {
    pub(crate) fn new(tables: Vec<TableInfo>) -> Schema {
        let tables = tables.into_iter().map(|table| (table.name.to_ascii_lowercase(), table)).collect();
        Schema { tables, views: HashMap::new() }
    }

    /// The same with these views.
    pub(crate) fn with_views(self, views: Vec<ViewInfo>) -> Schema {
        Schema { views: views.into_iter().map(|view| (view.name.to_ascii_lowercase(), view)).collect(), ..self }
    }

    pub(crate) fn view(&self, name: &str) -> Option<&ViewInfo> {
        self.views.get(&name.to_ascii_lowercase())
    }

    pub(crate) fn table(&self, name: &str) -> Option<&TableInfo> {
        self.tables.get(&name.to_ascii_lowercase())
    }

    /// All tables, sorted by name.
    pub(crate) fn tables(&self) -> Vec<&TableInfo> {
        let mut tables: Vec<_> = self.tables.values().collect();
        tables.sort_by(|a, b| a.name.cmp(&b.name));
        tables
    }
}
