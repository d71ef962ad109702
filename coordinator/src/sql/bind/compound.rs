//! Compounds, and what their ORDER BY names.

use sqlparser::ast as sp;

use super::super::ast::*;
use super::{Binder, Naming, Result, alias_index, ordinal, peel_collation, unsupported, with_options};

/// For each term of an ORDER BY: the result column that it names.
type Named = Vec<Option<usize>>;

impl Binder<'_> {
    pub(super) fn body(&mut self, body: &sp::SetExpr, naming: Naming) -> Result<Body> {
        self.compound(body, naming, &[]).map(|(body, _)| body)
    }

    /// A compound with the ORDER BY that follows it. SQLite reads compounds strictly from the left, whatever the operators.
    pub(super) fn compound(
        &mut self,
        body: &sp::SetExpr,
        naming: Naming,
        terms: &[&sp::OrderByExpr],
    ) -> Result<(Body, Vec<OrderTerm>)> {
        let mut arms = Vec::new();
        flatten(body, None, &mut arms)?;
        let mut arms = arms.into_iter();
        let (_, first) = arms.next().ok_or("an empty compound")?;
        let (mut left, mut named) = self.arm(first, naming, terms)?;
        for (op, arm) in arms {
            let op = op.ok_or("a compound without an operator")?;
            let (right, also_named) = self.arm(arm, Naming::Free, terms)?;
            left = Body::Compound { op, left: Box::new(left), right: Box::new(right) };
            // The first part that knows a term decides.
            named = named.into_iter().zip(also_named).map(|(first, later)| first.or(later)).collect();
        }
        let order = terms.iter().zip(named).map(|(term, index)| order_term(term, index)).collect::<Result<_>>()?;
        Ok((left, order))
    }

    fn arm(&mut self, arm: &sp::SetExpr, naming: Naming, terms: &[&sp::OrderByExpr]) -> Result<(Body, Named)> {
        match arm {
            sp::SetExpr::Select(select) => {
                let named = |binder: &mut Self, outputs: &[Output]| -> Result<Named> {
                    terms.iter().map(|term| binder.named_output(term, outputs)).collect()
                };
                let (select, named) = self.select(select, naming, named)?;
                Ok((Body::Select(Box::new(select)), named))
            }
            sp::SetExpr::Values(values) => {
                let rows = values.rows.iter().map(|row| self.exprs(&row.content)).collect::<Result<_>>()?;
                let numbers = terms.iter().map(|term| Ok(ordinal(peel_collation(&term.expr)?.0)));
                Ok((Body::Values(rows), numbers.collect::<Result<_>>()?))
            }
            _ => unsupported("this body"),
        }
    }

    /// The result column that a term names: by number, by alias, or by its own expression.
    fn named_output(&mut self, term: &sp::OrderByExpr, outputs: &[Output]) -> Result<Option<usize>> {
        let (bare, _) = peel_collation(&term.expr)?;
        if let Some(index) = ordinal(bare) {
            return Ok(Some(index));
        }
        if let sp::Expr::Identifier(name) = bare
            && let Some(index) = alias_index(outputs, &name.value)
        {
            return Ok(Some(index));
        }
        // What means nothing in this part may mean something in another.
        let expr = self.expr(bare).ok();
        Ok(expr.and_then(|expr| outputs.iter().position(|output| output.expr == expr)))
    }
}

fn order_term(term: &sp::OrderByExpr, index: Option<usize>) -> Result<OrderTerm> {
    let (_, collation) = peel_collation(&term.expr)?;
    let index = index.ok_or("an ORDER BY of a compound that names no column of its parts")?;
    with_options(OrderKey::Output(index), collation, &term.options)
}

/// The arms of a compound from left to right, each with the operator before it.
fn flatten<'a>(
    body: &'a sp::SetExpr,
    before: Option<SetOp>,
    arms: &mut Vec<(Option<SetOp>, &'a sp::SetExpr)>,
) -> Result<()> {
    let sp::SetExpr::SetOperation { left, op, set_quantifier, right } = body else {
        arms.push((before, body));
        return Ok(());
    };
    let op = match (op, set_quantifier) {
        (sp::SetOperator::Union, sp::SetQuantifier::All) => SetOp::UnionAll,
        (sp::SetOperator::Union, sp::SetQuantifier::None) => SetOp::Union,
        (sp::SetOperator::Except, sp::SetQuantifier::None) => SetOp::Except,
        (sp::SetOperator::Intersect, sp::SetQuantifier::None) => SetOp::Intersect,
        _ => return unsupported(format_args!("{op} {set_quantifier}")),
    };
    flatten(left, before, arms)?;
    flatten(right, Some(op), arms)
}
