//! The tree as SQL, with every operand in parentheses: what the judge compares and what shards are sent.

use std::fmt::{self, Display, Formatter, Write as _};

use super::ast::*;

/// An identifier, quoted.
pub(crate) fn quote(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

fn comma<T: Display>(formatter: &mut Formatter<'_>, items: &[T]) -> fmt::Result {
    for (index, item) in items.iter().enumerate() {
        if index > 0 {
            formatter.write_str(", ")?;
        }
        write!(formatter, "{item}")?;
    }
    Ok(())
}

impl Display for Query {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        if !self.ctes.is_empty() {
            f.write_str(if self.recursive { "WITH RECURSIVE " } else { "WITH " })?;
            comma(f, &self.ctes)?;
            f.write_char(' ')?;
        }
        write!(f, "{}", self.body)?;
        if !self.order.is_empty() {
            f.write_str(" ORDER BY ")?;
            comma(f, &self.order)?;
        }
        if let Some(limit) = &self.limit {
            write!(f, " LIMIT {limit}")?;
        }
        if let Some(offset) = &self.offset {
            write!(f, " OFFSET {offset}")?;
        }
        Ok(())
    }
}

impl Display for Cte {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{}(", quote(&self.name))?;
        comma(f, &self.columns.iter().map(|name| quote(name)).collect::<Vec<_>>())?;
        f.write_str(match self.materialized {
            None => ") AS (",
            Some(true) => ") AS MATERIALIZED (",
            Some(false) => ") AS NOT MATERIALIZED (",
        })?;
        write!(f, "{})", self.query)
    }
}

impl Display for Body {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Body::Select(select) => write!(f, "{select}"),
            Body::Values(rows) => {
                f.write_str("VALUES ")?;
                comma(f, &rows.iter().map(|row| Parenthesised(row)).collect::<Vec<_>>())
            }
            Body::Compound { op, left, right } => {
                let op = match op {
                    SetOp::UnionAll => "UNION ALL",
                    SetOp::Union => "UNION",
                    SetOp::Except => "EXCEPT",
                    SetOp::Intersect => "INTERSECT",
                };
                write!(f, "{left} {op} {right}")
            }
        }
    }
}

struct Parenthesised<'a>(&'a [Expr]);

impl Display for Parenthesised<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_char('(')?;
        comma(f, self.0)?;
        f.write_char(')')
    }
}

impl Display for Select {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(if self.distinct { "SELECT DISTINCT " } else { "SELECT " })?;
        comma(f, &self.outputs)?;
        if let Some(from) = &self.from {
            write!(f, " FROM {from}")?;
        }
        if let Some(filter) = &self.filter {
            write!(f, " WHERE {filter}")?;
        }
        if !self.group.is_empty() {
            let term = |(index, expr): (usize, &Expr)| match self.group_places.get(index).copied().flatten() {
                Some(place) => (place + 1).to_string(),
                None => expr.to_string(),
            };
            f.write_str(" GROUP BY ")?;
            comma(f, &self.group.iter().enumerate().map(term).collect::<Vec<_>>())?;
        }
        if let Some(having) = &self.having {
            write!(f, " HAVING {having}")?;
        }
        for (index, (name, window)) in self.windows.iter().enumerate() {
            f.write_str(if index == 0 { " WINDOW " } else { ", " })?;
            write!(f, "{} AS ({window})", quote(name))?;
        }
        Ok(())
    }
}

impl Display for Output {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.expr)?;
        match &self.name {
            Some(name) => write!(f, " AS {}", quote(name)),
            None => Ok(()),
        }
    }
}

impl Display for From {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            From::Source(source) => write!(f, "{source}"),
            From::Join(join) => write!(f, "{join}"),
        }
    }
}

impl Display for Source {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match &self.kind {
            SourceKind::Table(name) => write!(f, "{}", quote(name))?,
            SourceKind::Cte(name) => write!(f, "{}", quote(name))?,
            SourceKind::Derived(query) => write!(f, "({query})")?,
            SourceKind::Function { name, arguments } => write!(f, "{}{}", quote(name), Parenthesised(arguments))?,
        }
        write!(f, " AS {}", quote(&self.alias))
    }
}

impl Display for Join {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let kind = match self.kind {
            JoinKind::Inner => "JOIN",
            JoinKind::Cross => "CROSS JOIN",
            JoinKind::Left => "LEFT JOIN",
            JoinKind::Right => "RIGHT JOIN",
            JoinKind::Full => "FULL JOIN",
        };
        match &self.right {
            From::Source(source) => write!(f, "{} {kind} {source}", self.left)?,
            From::Join(join) => write!(f, "{} {kind} ({join})", self.left)?,
        }
        match &self.constraint {
            JoinConstraint::None => Ok(()),
            JoinConstraint::On(on) => write!(f, " ON {on}"),
            JoinConstraint::Using(columns) => {
                f.write_str(" USING (")?;
                comma(f, &columns.iter().map(|column| quote(&column.name)).collect::<Vec<_>>())?;
                f.write_char(')')
            }
        }
    }
}

impl Display for OrderTerm {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match &self.key {
            OrderKey::Output(index) => write!(f, "{}", index + 1)?,
            OrderKey::Expr(expr) => write!(f, "{}", Operand(expr))?,
        }
        if let Some(collation) = &self.collation {
            write!(f, " COLLATE {}", quote(collation))?;
        }
        if self.descending {
            f.write_str(" DESC")?;
        }
        match self.nulls_last {
            None => Ok(()),
            Some(true) => f.write_str(" NULLS LAST"),
            Some(false) => f.write_str(" NULLS FIRST"),
        }
    }
}

impl Display for Column {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", quote(&self.table), quote(&self.name))
    }
}

/// An expression as an operand: in parentheses unless it is an atom.
struct Operand<'a>(&'a Expr);

impl Display for Operand<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self.0 {
            Expr::Literal(_)
            | Expr::Parameter(_)
            | Expr::Column(_)
            | Expr::Cast(..)
            | Expr::Function(_)
            | Expr::Exists(_)
            | Expr::Scalar(_)
            | Expr::Case { .. }
            | Expr::Row(_) => write!(f, "{}", self.0),
            Expr::Unary(..)
            | Expr::Binary(..)
            | Expr::Collate(..)
            | Expr::Between { .. }
            | Expr::InList { .. }
            | Expr::InQuery { .. }
            | Expr::Match { .. } => write!(f, "({})", self.0),
        }
    }
}

fn not(negated: bool) -> &'static str {
    if negated { "NOT " } else { "" }
}

impl Display for Expr {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Expr::Literal(literal) => write!(f, "{literal}"),
            Expr::Parameter(number) => write!(f, "?{number}"),
            Expr::Column(column) => write!(f, "{column}"),
            Expr::Unary(op, operand) => unary(f, *op, operand),
            Expr::Binary(op, left, right) => binary(f, *op, left, right),
            Expr::Collate(expr, collation) => write!(f, "{} COLLATE {}", Operand(expr), quote(collation)),
            Expr::Between { negated, expr, low, high } => {
                write!(f, "{} {}BETWEEN {} AND {}", Operand(expr), not(*negated), Operand(low), Operand(high))
            }
            Expr::InList { negated, expr, list } => {
                write!(f, "{} {}IN {}", Operand(expr), not(*negated), Parenthesised(list))
            }
            Expr::InQuery { negated, expr, query } => {
                write!(f, "{} {}IN ({query})", Operand(expr), not(*negated))
            }
            Expr::Match { negated, op, expr, pattern, escape } => {
                write!(f, "{} {}{} {}", Operand(expr), not(*negated), op.word(), Operand(pattern))?;
                match escape {
                    Some(escape) => write!(f, " ESCAPE {}", Operand(escape)),
                    None => Ok(()),
                }
            }
            Expr::Case { operand, whens, otherwise } => case(f, operand.as_deref(), whens, otherwise.as_deref()),
            Expr::Cast(expr, type_name) => write!(f, "CAST({expr} AS {type_name})"),
            Expr::Function(function) => write!(f, "{function}"),
            Expr::Exists(query) => write!(f, "EXISTS ({query})"),
            Expr::Scalar(query) => write!(f, "({query})"),
            Expr::Row(values) => write!(f, "{}", Parenthesised(values)),
        }
    }
}

fn unary(f: &mut Formatter<'_>, op: UnaryOp, operand: &Expr) -> fmt::Result {
    let operand = Operand(operand);
    match op {
        UnaryOp::Minus => write!(f, "- {operand}"),
        UnaryOp::Plus => write!(f, "+ {operand}"),
        UnaryOp::BitNot => write!(f, "~ {operand}"),
        UnaryOp::Not => write!(f, "NOT {operand}"),
        UnaryOp::IsNull => write!(f, "{operand} ISNULL"),
        UnaryOp::NotNull => write!(f, "{operand} NOTNULL"),
    }
}

/// A chain of one operator is printed flat: SQLite reads it to the left, and thousands of parentheses are too deep for it.
fn binary(f: &mut Formatter<'_>, op: BinaryOp, left: &Expr, right: &Expr) -> fmt::Result {
    match left {
        Expr::Binary(inner, ..) if *inner == op => write!(f, "{left}")?,
        _ => write!(f, "{}", Operand(left))?,
    }
    write!(f, " {} {}", op.word(), Operand(right))
}

fn case(
    f: &mut Formatter<'_>,
    operand: Option<&Expr>,
    whens: &[(Expr, Expr)],
    otherwise: Option<&Expr>,
) -> fmt::Result {
    f.write_str("CASE")?;
    if let Some(operand) = operand {
        write!(f, " {}", Operand(operand))?;
    }
    for (condition, result) in whens {
        write!(f, " WHEN {} THEN {}", Operand(condition), Operand(result))?;
    }
    if let Some(otherwise) = otherwise {
        write!(f, " ELSE {}", Operand(otherwise))?;
    }
    f.write_str(" END")
}

impl BinaryOp {
    fn word(self) -> &'static str {
        match self {
            BinaryOp::Or => "OR",
            BinaryOp::And => "AND",
            BinaryOp::Eq => "=",
            BinaryOp::NotEq => "<>",
            BinaryOp::Is => "IS",
            BinaryOp::IsNot => "IS NOT",
            BinaryOp::Lt => "<",
            BinaryOp::LtEq => "<=",
            BinaryOp::Gt => ">",
            BinaryOp::GtEq => ">=",
            BinaryOp::BitAnd => "&",
            BinaryOp::BitOr => "|",
            BinaryOp::ShiftLeft => "<<",
            BinaryOp::ShiftRight => ">>",
            BinaryOp::Add => "+",
            BinaryOp::Subtract => "-",
            BinaryOp::Multiply => "*",
            BinaryOp::Divide => "/",
            BinaryOp::Modulo => "%",
            BinaryOp::Concat => "||",
            BinaryOp::Arrow => "->",
            BinaryOp::LongArrow => "->>",
        }
    }
}

impl MatchOp {
    fn word(self) -> &'static str {
        match self {
            MatchOp::Like => "LIKE",
            MatchOp::Glob => "GLOB",
            MatchOp::Regexp => "REGEXP",
            MatchOp::Match => "MATCH",
        }
    }
}

impl Display for Literal {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Literal::Null => f.write_str("NULL"),
            Literal::Number(digits) => f.write_str(digits),
            Literal::Text(text) => write!(f, "'{}'", text.replace('\'', "''")),
            Literal::Blob(digits) => write!(f, "x'{digits}'"),
            Literal::Boolean(true) => f.write_str("TRUE"),
            Literal::Boolean(false) => f.write_str("FALSE"),
            Literal::Now(word) => f.write_str(word),
        }
    }
}

impl Display for Function {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{}(", quote(&self.name))?;
        match &self.arguments {
            Arguments::Star => f.write_char('*')?,
            Arguments::List { distinct, list, order } => {
                if *distinct {
                    f.write_str("DISTINCT ")?;
                }
                comma(f, list)?;
                if !order.is_empty() {
                    f.write_str(" ORDER BY ")?;
                    comma(f, order)?;
                }
            }
        }
        f.write_char(')')?;
        if let Some(filter) = &self.filter {
            write!(f, " FILTER (WHERE {filter})")?;
        }
        match &self.over {
            None => Ok(()),
            Some(Over::Name(name)) => write!(f, " OVER {}", quote(name)),
            Some(Over::Window(window)) => write!(f, " OVER ({window})"),
        }
    }
}

impl Display for Window {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        if let Some(base) = &self.base {
            write!(f, "{} ", quote(base))?;
        }
        if !self.partition.is_empty() {
            f.write_str("PARTITION BY ")?;
            comma(f, &self.partition)?;
            f.write_char(' ')?;
        }
        if !self.order.is_empty() {
            f.write_str("ORDER BY ")?;
            comma(f, &self.order)?;
            f.write_char(' ')?;
        }
        self.frame.iter().try_for_each(|frame| write!(f, "{frame}"))
    }
}

impl Display for Frame {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Frame { unit, start, end, exclude } = self;
        match end {
            None => write!(f, "{unit} {start}")?,
            Some(end) => write!(f, "{unit} BETWEEN {start} AND {end}")?,
        }
        exclude.iter().try_for_each(|exclude| write!(f, " EXCLUDE {exclude}"))
    }
}

impl Display for Bound {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Bound::CurrentRow => f.write_str("CURRENT ROW"),
            Bound::Preceding(None) => f.write_str("UNBOUNDED PRECEDING"),
            Bound::Preceding(Some(expr)) => write!(f, "{} PRECEDING", Operand(expr)),
            Bound::Following(None) => f.write_str("UNBOUNDED FOLLOWING"),
            Bound::Following(Some(expr)) => write!(f, "{} FOLLOWING", Operand(expr)),
        }
    }
}
