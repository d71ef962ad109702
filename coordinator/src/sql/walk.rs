//! Walking and rewriting trees.

use std::collections::HashSet;

use super::ast::*;

/// What a walk meets.
pub(crate) enum Node<'a> {
    Query(&'a Query),
    Expr(&'a Expr),
    Source(&'a Source),
    Using(&'a UsingColumn),
}

/// The queries in the walk's way are walked too.
pub(crate) fn walk_query<'a>(query: &'a Query, visit: &mut dyn FnMut(Node<'a>)) {
    visit(Node::Query(query));
    query.ctes.iter().for_each(|cte| walk_query(&cte.query, visit));
    walk_body(&query.body, visit);
    walk_order(&query.order, visit);
    query.limit.iter().chain(&query.offset).for_each(|expr| walk_expr(expr, visit));
}

fn walk_order<'a>(order: &'a [OrderTerm], visit: &mut dyn FnMut(Node<'a>)) {
    for term in order {
        if let OrderKey::Expr(expr) = &term.key {
            walk_expr(expr, visit);
        }
    }
}

pub(crate) fn walk_body<'a>(body: &'a Body, visit: &mut dyn FnMut(Node<'a>)) {
    match body {
        Body::Select(select) => walk_select(select, visit),
        Body::Values(rows) => rows.iter().flatten().for_each(|expr| walk_expr(expr, visit)),
        Body::Compound { left, right, .. } => {
            walk_body(left, visit);
            walk_body(right, visit);
        }
    }
}

pub(crate) fn walk_select<'a>(select: &'a Select, visit: &mut dyn FnMut(Node<'a>)) {
    select.outputs.iter().for_each(|output| walk_expr(&output.expr, visit));
    if let Some(from) = &select.from {
        walk_from(from, visit);
    }
    select.filter.iter().chain(&select.group).chain(&select.having).for_each(|expr| walk_expr(expr, visit));
    select.window_exprs().for_each(|expr| walk_expr(expr, visit));
}

pub(crate) fn walk_from<'a>(from: &'a From, visit: &mut dyn FnMut(Node<'a>)) {
    match from {
        From::Source(source) => {
            visit(Node::Source(source));
            match &source.kind {
                SourceKind::Table(_) | SourceKind::Cte(_) => {}
                SourceKind::Derived(query) => walk_query(query, visit),
                SourceKind::Function { arguments, .. } => arguments.iter().for_each(|expr| walk_expr(expr, visit)),
            }
        }
        From::Join(join) => {
            walk_from(&join.left, visit);
            walk_from(&join.right, visit);
            match &join.constraint {
                JoinConstraint::None => {}
                JoinConstraint::On(on) => walk_expr(on, visit),
                JoinConstraint::Using(columns) => columns.iter().for_each(|column| visit(Node::Using(column))),
            }
        }
    }
}

/// The expression, then all below it.
pub(crate) fn walk_expr<'a>(expr: &'a Expr, visit: &mut dyn FnMut(Node<'a>)) {
    visit(Node::Expr(expr));
    expr.children().into_iter().for_each(|child| walk_expr(child, visit));
    if let Some(query) = expr.query() {
        walk_query(query, visit);
    }
}

impl Query {
    /// Whether every column in it is one of its own sources'.
    pub(crate) fn is_closed(&self) -> bool {
        let mut own = HashSet::new();
        let mut used = HashSet::new();
        walk_query(self, &mut |node| match node {
            Node::Source(source) => drop(own.insert(source.id)),
            Node::Expr(Expr::Column(column)) => drop(used.insert(column.source)),
            Node::Expr(_) | Node::Query(_) | Node::Using(_) => {}
        });
        used.is_subset(&own)
    }

    /// The WITH tables that it mentions, its own among them.
    pub(crate) fn ctes_mentioned(&self) -> HashSet<&str> {
        let mut names = HashSet::new();
        walk_query(self, &mut |node| {
            if let Node::Source(Source { kind: SourceKind::Cte(name), .. }) = node {
                names.insert(name.as_str());
            }
        });
        names
    }
}

impl Expr {
    /// The same expression with another subquery in place of its own.
    pub(crate) fn with_query(&self, query: Query) -> Expr {
        let mut copy = self.clone();
        if let Expr::InQuery { query: own, .. } | Expr::Exists(own) | Expr::Scalar(own) = &mut copy {
            **own = query;
        }
        copy
    }

    /// The subquery that this expression is, if it is one.
    pub(crate) fn query(&self) -> Option<&Query> {
        match self {
            Expr::InQuery { query, .. } | Expr::Exists(query) | Expr::Scalar(query) => Some(query),
            Expr::Literal(_)
            | Expr::Parameter(_)
            | Expr::Column(_)
            | Expr::Unary(..)
            | Expr::Binary(..)
            | Expr::Collate(..)
            | Expr::Between { .. }
            | Expr::InList { .. }
            | Expr::Match { .. }
            | Expr::Case { .. }
            | Expr::Cast(..)
            | Expr::Function(_)
            | Expr::Row(_) => None,
        }
    }

    /// The expressions right below, those of subqueries not among them.
    pub(crate) fn children(&self) -> Vec<&Expr> {
        match self {
            Expr::Literal(_) | Expr::Parameter(_) | Expr::Column(_) | Expr::Exists(_) | Expr::Scalar(_) => vec![],
            Expr::Unary(_, expr) | Expr::Collate(expr, _) | Expr::Cast(expr, _) | Expr::InQuery { expr, .. } => {
                vec![expr]
            }
            Expr::Binary(_, left, right) => vec![left, right],
            Expr::Between { expr, low, high, .. } => vec![expr, low, high],
            Expr::InList { expr, list, .. } => std::iter::once(expr.as_ref()).chain(list).collect(),
            Expr::Match { expr, pattern, escape, .. } => {
                [Some(expr), Some(pattern), escape.as_ref()].into_iter().flatten().map(AsRef::as_ref).collect()
            }
            Expr::Case { operand, whens, otherwise } => {
                let whens = whens.iter().flat_map(|(condition, result)| [condition, result]);
                operand.as_deref().into_iter().chain(whens).chain(otherwise.as_deref()).collect()
            }
            Expr::Function(function) => function.children(),
            Expr::Row(values) => values.iter().collect(),
        }
    }

    /// The same expression with every part that `replace` knows replaced, from the top down; subqueries stay as they are.
    pub(crate) fn rewrite<E>(&self, replace: &mut dyn FnMut(&Expr) -> Result<Option<Expr>, E>) -> Result<Expr, E> {
        let mut copy = self.clone();
        copy.rewrite_in_place(replace)?;
        Ok(copy)
    }

    /// Copied once, above: a copy at every level would make long chains quadratic.
    fn rewrite_in_place<E>(&mut self, replace: &mut dyn FnMut(&Expr) -> Result<Option<Expr>, E>) -> Result<(), E> {
        match replace(self)? {
            Some(other) => *self = other,
            None => self.children_mut().into_iter().try_for_each(|child| child.rewrite_in_place(replace))?,
        }
        Ok(())
    }

    fn children_mut(&mut self) -> Vec<&mut Expr> {
        match self {
            Expr::Literal(_) | Expr::Parameter(_) | Expr::Column(_) | Expr::Exists(_) | Expr::Scalar(_) => vec![],
            Expr::Unary(_, expr) | Expr::Collate(expr, _) | Expr::Cast(expr, _) | Expr::InQuery { expr, .. } => {
                vec![expr]
            }
            Expr::Binary(_, left, right) => vec![left, right],
            Expr::Between { expr, low, high, .. } => vec![expr, low, high],
            Expr::InList { expr, list, .. } => std::iter::once(expr.as_mut()).chain(list).collect(),
            Expr::Match { expr, pattern, escape, .. } => {
                [Some(expr), Some(pattern), escape.as_mut()].into_iter().flatten().map(AsMut::as_mut).collect()
            }
            Expr::Case { operand, whens, otherwise } => {
                let whens = whens.iter_mut().flat_map(|(condition, result)| [condition, result]);
                operand.as_deref_mut().into_iter().chain(whens).chain(otherwise.as_deref_mut()).collect()
            }
            Expr::Function(function) => function.children_mut(),
            Expr::Row(values) => values.iter_mut().collect(),
        }
    }
}

impl Function {
    fn children(&self) -> Vec<&Expr> {
        let mut children = Vec::new();
        if let Arguments::List { list, order, .. } = &self.arguments {
            children.extend(list);
            children.extend(order.iter().filter_map(order_expr));
        }
        children.extend(self.filter.as_deref());
        if let Some(Over::Window(window)) = &self.over {
            children.extend(window.exprs());
        }
        children
    }

    fn children_mut(&mut self) -> Vec<&mut Expr> {
        let mut children = Vec::new();
        if let Arguments::List { list, order, .. } = &mut self.arguments {
            children.extend(list);
            children.extend(order.iter_mut().filter_map(order_expr_mut));
        }
        children.extend(self.filter.as_deref_mut());
        if let Some(Over::Window(window)) = &mut self.over {
            children.extend(window.exprs_mut());
        }
        children
    }
}

impl Window {
    /// By what it partitions and orders. A frame has constants alone.
    fn exprs(&self) -> impl Iterator<Item = &Expr> {
        self.partition.iter().chain(self.order.iter().filter_map(order_expr))
    }

    fn exprs_mut(&mut self) -> impl Iterator<Item = &mut Expr> {
        self.partition.iter_mut().chain(self.order.iter_mut().filter_map(order_expr_mut))
    }
}

fn order_expr(term: &OrderTerm) -> Option<&Expr> {
    match &term.key {
        OrderKey::Output(_) => None,
        OrderKey::Expr(expr) => Some(expr),
    }
}

fn order_expr_mut(term: &mut OrderTerm) -> Option<&mut Expr> {
    match &mut term.key {
        OrderKey::Output(_) => None,
        OrderKey::Expr(expr) => Some(expr),
    }
}

/// The sources of a FROM clause, those of derived tables not among them.
pub(crate) fn own_sources(from: &From) -> HashSet<SourceId> {
    fn collect(from: &From, own: &mut HashSet<SourceId>) {
        match from {
            From::Source(source) => drop(own.insert(source.id)),
            From::Join(join) => {
                collect(&join.left, own);
                collect(&join.right, own);
            }
        }
    }
    let mut own = HashSet::new();
    collect(from, &mut own);
    own
}

impl Select {
    /// The expressions of the windows that its WINDOW clause names.
    pub(crate) fn window_exprs(&self) -> impl Iterator<Item = &Expr> {
        self.windows.iter().flat_map(|(_, window)| window.exprs())
    }

    /// A copy without its FROM, which may be deep.
    pub(crate) fn without_from(&self) -> Select {
        Select {
            distinct: self.distinct,
            outputs: self.outputs.clone(),
            from: None,
            filter: self.filter.clone(),
            group: self.group.clone(),
            group_places: self.group_places.clone(),
            having: self.having.clone(),
            windows: self.windows.clone(),
        }
    }

    /// The same SELECT with every expression replaced; its FROM, which may be deep, is left to who asks.
    pub(crate) fn rewrite<E>(&self, replace: &mut dyn FnMut(&Expr) -> Result<Expr, E>) -> Result<Select, E> {
        let mut copy = self.without_from();
        let outputs = copy.outputs.iter_mut().map(|output| &mut output.expr);
        let rest = copy.filter.iter_mut().chain(&mut copy.group).chain(&mut copy.having);
        for expr in outputs.chain(rest) {
            *expr = replace(expr)?;
        }
        for (_, window) in &mut copy.windows {
            for expr in window.exprs_mut() {
                *expr = replace(expr)?;
            }
        }
        Ok(copy)
    }
}

impl OrderTerm {
    /// The same term with its expression replaced.
    pub(crate) fn rewrite<E>(&self, replace: &mut dyn FnMut(&Expr) -> Result<Expr, E>) -> Result<OrderTerm, E> {
        let mut copy = self.clone();
        if let Some(expr) = order_expr_mut(&mut copy) {
            *expr = replace(expr)?;
        }
        Ok(copy)
    }
}

/// Rewrites every expression of a query, subqueries among them, bottom up.
pub(crate) fn map_query(query: &mut Query, map: &mut dyn FnMut(&mut Expr)) {
    query.ctes.iter_mut().for_each(|cte| map_query(&mut cte.query, map));
    map_body(&mut query.body, map);
    query.order.iter_mut().filter_map(order_expr_mut).for_each(|expr| map_expr(expr, map));
    query.limit.iter_mut().chain(&mut query.offset).for_each(|expr| map_expr(expr, map));
}

fn map_body(body: &mut Body, map: &mut dyn FnMut(&mut Expr)) {
    match body {
        Body::Select(select) => map_select(select, map),
        Body::Values(rows) => rows.iter_mut().flatten().for_each(|expr| map_expr(expr, map)),
        Body::Compound { left, right, .. } => {
            map_body(left, map);
            map_body(right, map);
        }
    }
}

fn map_select(select: &mut Select, map: &mut dyn FnMut(&mut Expr)) {
    select.outputs.iter_mut().for_each(|output| map_expr(&mut output.expr, map));
    if let Some(from) = &mut select.from {
        map_from(from, map);
    }
    let rest = select.filter.iter_mut().chain(&mut select.group).chain(&mut select.having);
    rest.for_each(|expr| map_expr(expr, map));
    for (_, window) in &mut select.windows {
        window.exprs_mut().for_each(|expr| map_expr(expr, map));
    }
}

fn map_from(from: &mut From, map: &mut dyn FnMut(&mut Expr)) {
    match from {
        From::Source(source) => match &mut source.kind {
            SourceKind::Table(_) | SourceKind::Cte(_) => {}
            SourceKind::Derived(query) => map_query(query, map),
            SourceKind::Function { arguments, .. } => arguments.iter_mut().for_each(|expr| map_expr(expr, map)),
        },
        From::Join(join) => {
            map_from(&mut join.left, map);
            map_from(&mut join.right, map);
            if let JoinConstraint::On(on) = &mut join.constraint {
                map_expr(on, map);
            }
        }
    }
}

fn map_expr(expr: &mut Expr, map: &mut dyn FnMut(&mut Expr)) {
    expr.children_mut().into_iter().for_each(|child| map_expr(child, map));
    if let Expr::InQuery { query, .. } | Expr::Exists(query) | Expr::Scalar(query) = expr {
        map_query(query, map);
    }
    map(expr);
}
