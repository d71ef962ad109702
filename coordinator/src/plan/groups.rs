//! Fragments that give partial groups, and the query that SQLite finishes over the merged groups.
//!
//! A fragment gives the group keys and one state an aggregate. The finishing query is the user's own with the keys and the
//! aggregates replaced by columns of the scratch, so that expressions, HAVING, ORDER BY and LIMIT are SQLite's own. A column
//! brings an affinity and a collation to comparisons that the expression it stands for may not have: references take care.

use souk_merge::{Collation, Finish, StateKind};

use super::clock::Extras;
use super::piece::column_type;
use super::rows::collation_by_name;
use super::scatter::can_group;
use super::{Fill, Part, PartMerge, RunsOn, ScratchColumn, ScratchTable};
use crate::analyze::{
    Context, affinity_of, collation_of, explicit_collation, is_aggregate, is_aggregated, is_typed, needs,
    rows_lie_by_shard,
};
use crate::sql::{
    Arguments, Body, Column, Expr, From, Function, Literal, Node, OrderKey, OrderTerm, Output, Query, Select, Source,
    SourceId, SourceKind, UnaryOp, walk_expr,
};

/// The source of a table that is made in a scratch, by the number in its name.
fn scratch_id(table: &str) -> SourceId {
    let number: usize = table.rsplit(' ').next().and_then(|number| number.parse().ok()).unwrap_or(0);
    SourceId(usize::MAX - number)
}

/// A SELECT split into a fragment and a finish.
pub(super) struct Grouping {
    pub(super) part: Part,
    pub(super) table: ScratchTable,
    /// Over the scratch table.
    pub(super) finish: Select,
    pub(super) order: Vec<OrderTerm>,
}

impl Grouping {
    /// Splits `select`, or says why it cannot be: `reason` where it does not group at all.
    pub(super) fn new(
        query: &Query,
        select: &Select,
        order: &[OrderTerm],
        reason: String,
        table: &str,
        context: &Context<'_>,
        extras: &mut Extras,
    ) -> Result<Grouping, String> {
        if !can_group(select, order) {
            return Err(reason);
        }
        rows_lie_by_shard(&grouped_rows(select, order), context)?;
        let aggregated = is_aggregated(select, order);
        let keys = match aggregated {
            true => select.group.clone(),
            false => select.outputs.iter().map(|output| output.expr.clone()).collect(),
        };
        let mut split = Split { context, table, keys, states: Vec::new(), finishes: Vec::new() };
        let outputs = select.outputs.iter().map(|output| Ok(unnamed(split.finish(&output.expr)?)));
        let outputs = outputs.collect::<Result<Vec<_>, String>>()?;
        let having = select.having.as_ref().map(|having| split.finish(having)).transpose()?;
        let order = order.iter().map(|term| split.order_term(term)).collect::<Result<_, _>>()?;
        let columns = split.keys.iter().map(|key| split.key_column(key)).collect::<Result<Vec<_>, _>>()?;
        let finish = Select {
            distinct: select.distinct && aggregated,
            outputs,
            from: Some(From::Source(scratch_source(table))),
            filter: having,
            group: Vec::new(),
            group_places: Vec::new(),
            having: None,
            windows: Vec::new(),
        };
        let part = split.part(query, select, &columns, extras);
        let table = ScratchTable { name: table.to_owned(), fill: Fill::Part { columns, finishes: split.finishes } };
        Ok(Grouping { part, table, finish, order })
    }
}

/// The rows that are grouped: the sources and predicates, with the keys and the aggregates' arguments for outputs.
fn grouped_rows(select: &Select, order: &[OrderTerm]) -> Select {
    let mut outputs = select.group.clone();
    let order = order.iter().filter_map(|term| match &term.key {
        OrderKey::Expr(expr) => Some(expr),
        OrderKey::Output(_) => None,
    });
    for expr in select.outputs.iter().map(|output| &output.expr).chain(&select.having).chain(order) {
        walk_expr(expr, &mut |node| {
            if let Node::Expr(call @ Expr::Function(function)) = node
                && is_aggregate(function)
            {
                outputs.extend(call.children().into_iter().cloned());
            }
        });
    }
    if !is_aggregated(select, &[]) {
        outputs.extend(select.outputs.iter().map(|output| output.expr.clone()));
    }
    let outputs = outputs.into_iter().map(unnamed).collect();
    Select { outputs, distinct: false, group: Vec::new(), having: None, ..select.clone() }
}

pub(super) fn unnamed(expr: Expr) -> Output {
    Output { expr, name: None }
}

pub(super) fn scratch_source(table: &str) -> Source {
    Source { id: scratch_id(table), alias: table.to_owned(), kind: SourceKind::Table(table.to_owned()) }
}

/// Columns of scratch tables are called `c1`, `c2`, ...
pub(super) fn scratch_column(table: &str, index: usize) -> Column {
    Column { source: scratch_id(table), table: table.to_owned(), name: format!("c{}", index + 1) }
}

struct Split<'a> {
    context: &'a Context<'a>,
    table: &'a str,
    keys: Vec<Expr>,
    /// What the fragment computes, and what that is.
    states: Vec<(Expr, StateKind)>,
    /// What becomes of which state.
    finishes: Vec<(usize, StateKind, Finish)>,
}

impl Split<'_> {
    /// The fragment: keys, then states, grouped by the keys.
    fn part(&self, query: &Query, select: &Select, columns: &[ScratchColumn], extras: &mut Extras) -> Part {
        let outputs = self.keys.iter().chain(self.states.iter().map(|(expr, _)| expr));
        let fragment = Select {
            distinct: false,
            outputs: outputs.map(|expr| unnamed(expr.clone())).collect(),
            // Keys by their place: a literal among them would be read as a place itself.
            group: self.keys.clone(),
            group_places: (0..self.keys.len()).map(Some).collect(),
            having: None,
            windows: Vec::new(),
            from: select.from.clone(),
            filter: select.filter.clone(),
        };
        let fragment = Query {
            ctes: query.ctes.clone(),
            recursive: query.recursive,
            ..Query::of(Body::Select(Box::new(fragment)))
        };
        let keys = columns.iter().map(|column| column.collation).collect();
        let states = self.states.iter().map(|(_, kind)| *kind).collect();
        Part {
            sql: extras.print(&fragment),
            width: self.keys.len() + self.states.len(),
            merge: PartMerge::Groups { keys, states },
            runs_on: RunsOn::Shards,
            needs: needs(select, None, self.context),
            lead: None,
            semi_join: None,
        }
    }

    fn key_column(&self, key: &Expr) -> Result<ScratchColumn, String> {
        if let Expr::Collate(_, name) = key {
            collation_by_name(name)?;
        }
        Ok(column_type(key, self.context))
    }

    fn order_term(&mut self, term: &OrderTerm) -> Result<OrderTerm, String> {
        let key = match &term.key {
            OrderKey::Output(index) => OrderKey::Output(*index),
            OrderKey::Expr(expr) => {
                // A key may be known with its COLLATE alone.
                let collated = term.collation.clone().map(|name| Expr::Collate(Box::new(expr.clone()), name));
                let key = collated.filter(|collated| self.keys.contains(collated));
                OrderKey::Expr(self.finish(key.as_ref().unwrap_or(expr))?)
            }
        };
        Ok(OrderTerm { key, ..term.clone() })
    }

    /// The expression over the scratch that stands for `expr`.
    fn finish(&mut self, expr: &Expr) -> Result<Expr, String> {
        expr.rewrite(&mut |part| self.replace(part))
    }

    fn replace(&mut self, expr: &Expr) -> Result<Option<Expr>, String> {
        if let Some(index) = self.keys.iter().position(|key| key == expr) {
            return self.key_reference(index).map(Some);
        }
        match expr {
            Expr::Function(function) if is_aggregate(function) => self.aggregate(function).map(Some),
            Expr::Column(column) => Err(format!(
                "{column} beside an aggregate without being grouped by, which SQLite takes from any row of the group"
            )),
            Expr::Exists(query) | Expr::Scalar(query) | Expr::InQuery { query, .. } if !query.is_closed() => {
                Err("a correlated subquery beside an aggregate over shards".into())
            }
            // What it reads is brought into the scratch too.
            _ => Ok(None),
        }
    }

    /// The key's column, with no more affinity and collation than the key has.
    fn key_reference(&self, index: usize) -> Result<Expr, String> {
        reference(&self.keys[index], scratch_column(self.table, index), self.context)
    }

    fn aggregate(&mut self, function: &Function) -> Result<Expr, String> {
        let (state, kind, finish) = self.state_of(function)?;
        let explicit = match &function.arguments {
            Arguments::List { list, .. } => list.iter().find_map(explicit_collation),
            Arguments::Star => None,
        };
        let state = position_or_push(&mut self.states, (state, kind));
        let place = position_or_push(&mut self.finishes, (state, kind, finish));
        let column = Expr::Column(scratch_column(self.table, self.keys.len() + place));
        Ok(collated(plain(column), explicit))
    }

    /// What the shards compute for an aggregate, and what becomes of it.
    fn state_of(&self, function: &Function) -> Result<(Expr, StateKind, Finish), String> {
        let call = |name: &str, arguments: Arguments| {
            Expr::Function(Function { name: name.to_owned(), arguments, filter: function.filter.clone(), over: None })
        };
        let (distinct, argument) = match (&function.arguments, function.name.as_str()) {
            (Arguments::Star, "count") => {
                return Ok((call("count", Arguments::Star), StateKind::Count, Finish::Value));
            }
            (Arguments::List { list, .. }, "count") if list.is_empty() => {
                return Ok((call("count", Arguments::Star), StateKind::Count, Finish::Value));
            }
            // An ORDER BY inside changes none of the aggregates below.
            (Arguments::List { distinct, list, .. }, _) if list.len() == 1 => (*distinct, &list[0]),
            _ => return Err(undividable(function)),
        };
        let one = || Arguments::List { distinct: false, list: vec![argument.clone()], order: Vec::new() };
        let collation = collation_of(argument, self.context).unwrap_or_default();
        let numeric = |finish| match distinct {
            // It looks for itself whether a value came before: cheaper than SQLite does before a call with DISTINCT.
            true => (call("souk_set", one()), StateKind::Set(collation), finish),
            false => (call("souk_sum", one()), StateKind::Sum, finish),
        };
        Ok(match function.name.as_str() {
            "count" if distinct => (call("souk_set", one()), StateKind::Set(collation), Finish::Count),
            "count" => (call("count", one()), StateKind::Count, Finish::Value),
            "sum" => numeric(Finish::Sum),
            "total" => numeric(Finish::Total),
            "avg" => numeric(Finish::Average),
            "min" => (call("min", one()), StateKind::Minimum(collation), Finish::Value),
            "max" => (call("max", one()), StateKind::Maximum(collation), Finish::Value),
            _ => return Err(undividable(function)),
        })
    }
}

/// The column of a scratch that holds the values of `expr`, with no more affinity and collation than `expr` has.
pub(super) fn reference(expr: &Expr, column: Column, context: &Context<'_>) -> Result<Expr, String> {
    let column = Expr::Column(column);
    let explicit = explicit_collation(expr);
    let bare = match expr {
        Expr::Collate(inner, _) => inner,
        other => other,
    };
    let reference = match (bare, affinity_of(bare, context), collation_of(bare, context)) {
        (Expr::Column(known), ..) if !is_typed(known, context) => {
            return Err("a column of a compound subquery among the results".into());
        }
        (Expr::Scalar(_), ..) => return Err("a subquery among the results".into()),
        (_, Some(_), Some(_)) => column,
        (_, Some(affinity), None) => Expr::Cast(Box::new(plain(column)), affinity.type_name().to_owned()),
        (_, None, Some(_)) => Expr::Unary(UnaryOp::Plus, Box::new(column)),
        (_, None, None) => plain(column),
    };
    Ok(collated(reference, explicit))
}

fn undividable(function: &Function) -> String {
    format!("the aggregate `{}` over several shards, unless it groups by the shard key", function.name)
}

/// The same value as of an expression that has neither affinity nor collation.
pub(super) fn plain(column: Expr) -> Expr {
    Expr::Function(Function {
        name: "ifnull".into(),
        arguments: Arguments::List {
            distinct: false,
            list: vec![column, Expr::Literal(Literal::Null)],
            order: Vec::new(),
        },
        filter: None,
        over: None,
    })
}

fn collated(expr: Expr, explicit: Option<Collation>) -> Expr {
    match explicit {
        None => expr,
        Some(collation) => Expr::Collate(Box::new(expr), collation.name().to_owned()),
    }
}

fn position_or_push<T: PartialEq>(items: &mut Vec<T>, item: T) -> usize {
    items.iter().position(|known| *known == item).unwrap_or_else(|| {
        items.push(item);
        items.len() - 1
    })
}
