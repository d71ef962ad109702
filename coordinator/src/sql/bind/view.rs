//! Views: each is the derived table that its definition says.

use super::super::ast::*;
use super::super::parse::parse_view;
use super::super::schema::ViewInfo;
use super::{Binder, Naming, Result, Views, output_names};

/// Views of one statement, those in views among them: a view of views can grow beyond all bounds.
const VIEWS_MAX: usize = 100;

impl<'a> Binder<'a> {
    /// What a view is in the tree.
    pub(super) fn view(&mut self, view: &'a ViewInfo) -> Result<SourceKind> {
        match self.views {
            Views::Named => Ok(SourceKind::Table(view.name.clone())),
            Views::Read => Ok(SourceKind::Derived(Box::new(self.view_query(view)?))),
        }
    }

    /// The query of a view, its columns named as the view names them.
    fn view_query(&mut self, view: &'a ViewInfo) -> Result<Query> {
        if self.views_read.len() == VIEWS_MAX {
            return Err(format!("more than {VIEWS_MAX} views"));
        }
        self.views_read.push(view);
        let parsed = parse_view(&view.sql)?;
        // A view sees the schema, and nothing of the statement that reads it.
        let materialized = std::mem::replace(&mut self.materialized, parsed.materialized);
        let (scopes, ctes) = (std::mem::take(&mut self.scopes), std::mem::take(&mut self.ctes));
        let bound = self.query(&parsed.query, Naming::Named);
        (self.materialized, self.scopes, self.ctes) = (materialized, scopes, ctes);
        self.renamed(bound?, &view.columns)
    }

    /// The same query with other names for its result columns.
    fn renamed(&mut self, mut query: Query, names: &[String]) -> Result<Query> {
        let known = output_names(&query.body);
        if known.len() != names.len() {
            return Err("a view with other columns than its query".into());
        }
        if let Some(outputs) = first_outputs(&mut query.body) {
            outputs.iter_mut().zip(names).for_each(|(output, name)| output.name = Some(name.clone()));
            return Ok(query);
        }
        // The columns of VALUES have names of their own.
        let (id, alias) = self.next_source();
        let column = |name| Expr::Column(Column { source: id, table: alias.clone(), name });
        let outputs =
            known.into_iter().zip(names).map(|(known, name)| Output { expr: column(known), name: Some(name.clone()) });
        let outputs = outputs.collect();
        let from = From::Source(Source { id, alias: alias.clone(), kind: SourceKind::Derived(Box::new(query)) });
        Ok(select_from(outputs, from))
    }
}

/// The result columns of the leftmost SELECT.
fn first_outputs(body: &mut Body) -> Option<&mut Vec<Output>> {
    match body {
        Body::Select(select) => Some(&mut select.outputs),
        Body::Values(_) => None,
        Body::Compound { left, .. } => first_outputs(left),
    }
}

fn select_from(outputs: Vec<Output>, from: From) -> Query {
    let select = Select {
        distinct: false,
        outputs,
        from: Some(from),
        filter: None,
        group: Vec::new(),
        group_places: Vec::new(),
        having: None,
        windows: Vec::new(),
    };
    let body = Body::Select(Box::new(select));
    Query { ctes: Vec::new(), recursive: false, body, order: Vec::new(), limit: None, offset: None }
}
