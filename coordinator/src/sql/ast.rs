//! The tree of a SELECT as SQLite means it: small, bound to the schema, and printable.
//!
//! Names are resolved: every column says which source it comes from. A tree is believed only after the judge has compared
//! the program of its print with the program of the user's text.

/// A source in a FROM clause, numbered over the whole statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct SourceId(pub(crate) usize);

/// A SELECT with its WITH, ORDER BY and LIMIT.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Query {
    pub(crate) ctes: Vec<Cte>,
    pub(crate) recursive: bool,
    pub(crate) body: Body,
    pub(crate) order: Vec<OrderTerm>,
    pub(crate) limit: Option<Expr>,
    pub(crate) offset: Option<Expr>,
}

/// One table of a WITH clause.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Cte {
    pub(crate) name: String,
    /// Names of all columns.
    pub(crate) columns: Vec<String>,
    pub(crate) query: Query,
    pub(crate) materialized: Option<bool>,
}

/// What a query is made of.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Body {
    Select(Box<Select>),
    Values(Vec<Vec<Expr>>),
    Compound { op: SetOp, left: Box<Body>, right: Box<Body> },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SetOp {
    UnionAll,
    Union,
    Except,
    Intersect,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Select {
    pub(crate) distinct: bool,
    pub(crate) outputs: Vec<Output>,
    pub(crate) from: Option<From>,
    pub(crate) filter: Option<Expr>,
    pub(crate) group: Vec<Expr>,
    /// For each term of the group that was written as the number of a result column: that column, from 0.
    pub(crate) group_places: Vec<Option<usize>>,
    pub(crate) having: Option<Expr>,
    pub(crate) windows: Vec<(String, Window)>,
}

impl Body {
    /// How many columns it gives.
    pub(crate) fn width(&self) -> usize {
        match self {
            Body::Select(select) => select.outputs.len(),
            Body::Values(rows) => rows.first().map_or(0, Vec::len),
            Body::Compound { left, .. } => left.width(),
        }
    }
}

/// A result column; stars are expanded.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Output {
    pub(crate) expr: Expr,
    pub(crate) name: Option<String>,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum From {
    Source(Source),
    Join(Box<Join>),
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Source {
    pub(crate) id: SourceId,
    /// The name that columns use for it.
    pub(crate) alias: String,
    pub(crate) kind: SourceKind,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum SourceKind {
    /// A table of the catalog, by its name there.
    Table(String),
    /// A table of an enclosing WITH clause.
    Cte(String),
    Derived(Box<Query>),
    /// A table-valued function such as `json_each`.
    Function {
        name: String,
        arguments: Vec<Expr>,
    },
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Join {
    pub(crate) left: From,
    pub(crate) right: From,
    pub(crate) kind: JoinKind,
    pub(crate) constraint: JoinConstraint,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum JoinKind {
    Inner,
    /// Inner, and SQLite keeps the order of the tables.
    Cross,
    Left,
    Right,
    Full,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum JoinConstraint {
    None,
    On(Expr),
    /// The names, and each with its column on the left and on the right.
    Using(Vec<UsingColumn>),
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct UsingColumn {
    pub(crate) name: String,
    pub(crate) left: Column,
    pub(crate) right: Column,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct OrderTerm {
    pub(crate) key: OrderKey,
    pub(crate) collation: Option<String>,
    pub(crate) descending: bool,
    /// NULLS FIRST or LAST where written; else SQLite's default: first ascending, last descending.
    pub(crate) nulls_last: Option<bool>,
}

impl OrderTerm {
    /// Whether NULLs come last, written or by default.
    pub(crate) fn has_nulls_last(&self) -> bool {
        self.nulls_last.unwrap_or(self.descending)
    }
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum OrderKey {
    /// A result column, from 0.
    Output(usize),
    Expr(Expr),
}

/// A column of a source.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Column {
    pub(crate) source: SourceId,
    /// The alias of its source.
    pub(crate) table: String,
    pub(crate) name: String,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Expr {
    Literal(Literal),
    /// `?N`, from 1.
    Parameter(usize),
    Column(Column),
    Unary(UnaryOp, Box<Expr>),
    Binary(BinaryOp, Box<Expr>, Box<Expr>),
    Collate(Box<Expr>, String),
    Between {
        negated: bool,
        expr: Box<Expr>,
        low: Box<Expr>,
        high: Box<Expr>,
    },
    InList {
        negated: bool,
        expr: Box<Expr>,
        list: Vec<Expr>,
    },
    InQuery {
        negated: bool,
        expr: Box<Expr>,
        query: Box<Query>,
    },
    Match {
        negated: bool,
        op: MatchOp,
        expr: Box<Expr>,
        pattern: Box<Expr>,
        escape: Option<Box<Expr>>,
    },
    Case {
        operand: Option<Box<Expr>>,
        whens: Vec<(Expr, Expr)>,
        otherwise: Option<Box<Expr>>,
    },
    Cast(Box<Expr>, String),
    Function(Function),
    Exists(Box<Query>),
    Scalar(Box<Query>),
    Row(Vec<Expr>),
}

/// A literal in the words of the statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Literal {
    Null,
    Number(String),
    Text(String),
    /// Hexadecimal digits.
    Blob(String),
    Boolean(bool),
    /// CURRENT_TIMESTAMP, CURRENT_DATE or CURRENT_TIME.
    Now(&'static str),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum UnaryOp {
    Minus,
    Plus,
    BitNot,
    Not,
    IsNull,
    NotNull,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BinaryOp {
    Or,
    And,
    Eq,
    NotEq,
    Is,
    IsNot,
    Lt,
    LtEq,
    Gt,
    GtEq,
    BitAnd,
    BitOr,
    ShiftLeft,
    ShiftRight,
    Add,
    Subtract,
    Multiply,
    Divide,
    Modulo,
    Concat,
    Arrow,
    LongArrow,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum MatchOp {
    Like,
    Glob,
    Regexp,
    Match,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Function {
    /// In lower case.
    pub(crate) name: String,
    pub(crate) arguments: Arguments,
    pub(crate) filter: Option<Box<Expr>>,
    pub(crate) over: Option<Over>,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Arguments {
    Star,
    List { distinct: bool, list: Vec<Expr>, order: Vec<OrderTerm> },
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Over {
    Name(String),
    Window(Window),
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Window {
    pub(crate) base: Option<String>,
    pub(crate) partition: Vec<Expr>,
    pub(crate) order: Vec<OrderTerm>,
    /// The frame in the words of the statement.
    pub(crate) frame: Option<Box<Frame>>,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Frame {
    /// ROWS, RANGE or GROUPS.
    pub(crate) unit: &'static str,
    pub(crate) start: Bound,
    pub(crate) end: Option<Bound>,
    /// NO OTHERS, CURRENT ROW, GROUP or TIES.
    pub(crate) exclude: Option<&'static str>,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Bound {
    CurrentRow,
    /// None is UNBOUNDED.
    Preceding(Option<Box<Expr>>),
    /// None is UNBOUNDED.
    Following(Option<Box<Expr>>),
}

impl Query {
    /// A body alone.
    pub(crate) fn of(body: Body) -> Query {
        Query { ctes: Vec::new(), recursive: false, body, order: Vec::new(), limit: None, offset: None }
    }
}

impl Select {
    /// Expressions over sources, and nothing else.
    pub(crate) fn of(outputs: impl IntoIterator<Item = Expr>, from: Option<From>) -> Select {
        Select {
            distinct: false,
            outputs: outputs.into_iter().map(|expr| Output { expr, name: None }).collect(),
            from,
            filter: None,
            group: Vec::new(),
            group_places: Vec::new(),
            having: None,
            windows: Vec::new(),
        }
    }
}

impl Expr {
    /// The conjuncts of a predicate: what AND joins at the top.
    pub(crate) fn conjuncts(&self) -> Vec<&Expr> {
        match self {
            Expr::Binary(BinaryOp::And, left, right) => {
                let mut all = left.conjuncts();
                all.extend(right.conjuncts());
                all
            }
            other => vec![other],
        }
    }
}
