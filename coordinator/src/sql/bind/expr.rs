//! Expressions.

use sqlparser::ast as sp;

use super::super::ast::*;
use super::super::rewrite::split_exclude;
use super::{Binder, Naming, Result, ident, unsupported, with_options};

impl Binder<'_> {
    pub(super) fn exprs(&mut self, exprs: &[sp::Expr]) -> Result<Vec<Expr>> {
        exprs.iter().map(|expr| self.expr(expr)).collect()
    }

    fn boxed(&mut self, expr: &sp::Expr) -> Result<Box<Expr>> {
        self.expr(expr).map(Box::new)
    }

    fn boxed_option(&mut self, expr: Option<&sp::Expr>) -> Result<Option<Box<Expr>>> {
        expr.map(|expr| self.boxed(expr)).transpose()
    }

    fn subquery(&mut self, query: &sp::Query) -> Result<Box<Query>> {
        self.query(query, Naming::Free).map(Box::new)
    }

    pub(super) fn expr(&mut self, expr: &sp::Expr) -> Result<Expr> {
        match expr {
            sp::Expr::Nested(inner) => self.expr(inner),
            sp::Expr::Identifier(name) => self.name(None, &name.value),
            sp::Expr::CompoundIdentifier(parts) => match parts.as_slice() {
                [table, name] => self.name(Some(&table.value), &name.value),
                [schema, table, name] if schema.value.eq_ignore_ascii_case("main") => {
                    self.name(Some(&table.value), &name.value)
                }
                _ => unsupported(expr),
            },
            sp::Expr::Value(value) => literal(&value.value),
            sp::Expr::IsNull(inner) => Ok(Expr::Unary(UnaryOp::IsNull, self.boxed(inner)?)),
            sp::Expr::IsNotNull(inner) => Ok(Expr::Unary(UnaryOp::NotNull, self.boxed(inner)?)),
            sp::Expr::IsNotDistinctFrom(left, right) => self.binary(BinaryOp::Is, left, right),
            sp::Expr::IsDistinctFrom(left, right) => self.binary(BinaryOp::IsNot, left, right),
            sp::Expr::InList { expr, list, negated } => {
                Ok(Expr::InList { negated: *negated, expr: self.boxed(expr)?, list: self.exprs(list)? })
            }
            sp::Expr::InSubquery { expr, subquery, negated } => {
                Ok(Expr::InQuery { negated: *negated, expr: self.boxed(expr)?, query: self.subquery(subquery)? })
            }
            sp::Expr::Between { expr, negated, low, high } => Ok(Expr::Between {
                negated: *negated,
                expr: self.boxed(expr)?,
                low: self.boxed(low)?,
                high: self.boxed(high)?,
            }),
            sp::Expr::Like { negated, any: false, expr, pattern, escape_char } => Ok(Expr::Match {
                negated: *negated,
                op: MatchOp::Like,
                expr: self.boxed(expr)?,
                pattern: self.boxed(pattern)?,
                escape: self.boxed_option(escape_char.as_deref())?,
            }),
            sp::Expr::UnaryOp { op, expr } => self.unary(*op, expr),
            sp::Expr::BinaryOp { left, op, right } => self.operator(left, op, right),
            sp::Expr::Cast { kind: sp::CastKind::Cast, expr, data_type, format: None } => {
                Ok(Expr::Cast(self.boxed(expr)?, data_type.to_string()))
            }
            sp::Expr::Collate { expr, collation } => Ok(Expr::Collate(self.boxed(expr)?, ident(collation)?.to_owned())),
            sp::Expr::Function(function) => self.function(function),
            sp::Expr::Case { operand, conditions, else_result, .. } => Ok(Expr::Case {
                operand: self.boxed_option(operand.as_deref())?,
                whens: conditions
                    .iter()
                    .map(|when| Ok((self.expr(&when.condition)?, self.expr(&when.result)?)))
                    .collect::<Result<_>>()?,
                otherwise: self.boxed_option(else_result.as_deref())?,
            }),
            sp::Expr::Exists { subquery, negated } => {
                let exists = Expr::Exists(self.subquery(subquery)?);
                Ok(if *negated { Expr::Unary(UnaryOp::Not, exists.into()) } else { exists })
            }
            sp::Expr::Subquery(query) => Ok(Expr::Scalar(self.subquery(query)?)),
            sp::Expr::Tuple(values) => Ok(Expr::Row(self.exprs(values)?)),
            other => unsupported(other),
        }
    }

    /// From the innermost query outwards.
    fn name(&mut self, qualifier: Option<&str>, name: &str) -> Result<Expr> {
        for scope in self.scopes.iter().rev() {
            if let Some(expr) = scope.resolve(qualifier, name)? {
                return Ok(expr);
            }
        }
        Err(format!("`{name}` was not found"))
    }

    fn unary(&mut self, op: sp::UnaryOperator, expr: &sp::Expr) -> Result<Expr> {
        let op = match op {
            sp::UnaryOperator::Minus => UnaryOp::Minus,
            sp::UnaryOperator::Plus => UnaryOp::Plus,
            sp::UnaryOperator::BitwiseNot => UnaryOp::BitNot,
            sp::UnaryOperator::Not => UnaryOp::Not,
            other => return unsupported(other),
        };
        Ok(Expr::Unary(op, self.boxed(expr)?))
    }

    fn binary(&mut self, op: BinaryOp, left: &sp::Expr, right: &sp::Expr) -> Result<Expr> {
        Ok(Expr::Binary(op, self.boxed(left)?, self.boxed(right)?))
    }

    fn operator(&mut self, left: &sp::Expr, op: &sp::BinaryOperator, right: &sp::Expr) -> Result<Expr> {
        use sp::BinaryOperator as Op;
        let op = match op {
            Op::Or => BinaryOp::Or,
            Op::And => BinaryOp::And,
            Op::Eq => BinaryOp::Eq,
            Op::NotEq => BinaryOp::NotEq,
            Op::Lt => BinaryOp::Lt,
            Op::LtEq => BinaryOp::LtEq,
            Op::Gt => BinaryOp::Gt,
            Op::GtEq => BinaryOp::GtEq,
            Op::BitwiseAnd => BinaryOp::BitAnd,
            Op::BitwiseOr => BinaryOp::BitOr,
            Op::PGBitwiseShiftLeft => BinaryOp::ShiftLeft,
            Op::PGBitwiseShiftRight => BinaryOp::ShiftRight,
            Op::Plus => BinaryOp::Add,
            Op::Minus => BinaryOp::Subtract,
            Op::Multiply => BinaryOp::Multiply,
            Op::Divide => BinaryOp::Divide,
            Op::Modulo => BinaryOp::Modulo,
            Op::StringConcat => BinaryOp::Concat,
            Op::Arrow => BinaryOp::Arrow,
            Op::LongArrow => BinaryOp::LongArrow,
            Op::Glob => return self.matching(MatchOp::Glob, left, right),
            Op::Regexp => return self.matching(MatchOp::Regexp, left, right),
            Op::Match => return self.matching(MatchOp::Match, left, right),
            other => return unsupported(other),
        };
        self.binary(op, left, right)
    }

    fn matching(&mut self, op: MatchOp, left: &sp::Expr, right: &sp::Expr) -> Result<Expr> {
        let (expr, pattern) = (self.boxed(left)?, self.boxed(right)?);
        Ok(Expr::Match { negated: false, op, expr, pattern, escape: None })
    }

    fn function(&mut self, function: &sp::Function) -> Result<Expr> {
        let name = ident(&function.name)?.to_ascii_lowercase();
        let arguments = match &function.args {
            sp::FunctionArguments::None => return now(&name),
            sp::FunctionArguments::Subquery(_) => return unsupported(function),
            sp::FunctionArguments::List(list) => self.arguments(list)?,
        };
        let filter = self.boxed_option(function.filter.as_deref())?;
        let over = match &function.over {
            None => None,
            Some(sp::WindowType::NamedWindow(name)) => Some(Over::Name(name.value.clone())),
            Some(sp::WindowType::WindowSpec(spec)) => Some(Over::Window(self.window(spec)?)),
        };
        Ok(Expr::Function(Function { name, arguments, filter, over }))
    }

    fn arguments(&mut self, list: &sp::FunctionArgumentList) -> Result<Arguments> {
        if let [sp::FunctionArg::Unnamed(sp::FunctionArgExpr::Wildcard)] = list.args.as_slice() {
            return Ok(Arguments::Star);
        }
        let distinct = matches!(list.duplicate_treatment, Some(sp::DuplicateTreatment::Distinct));
        let mut order = Vec::new();
        for clause in &list.clauses {
            match clause {
                sp::FunctionArgumentClause::OrderBy(terms) => {
                    order = terms.iter().map(|term| self.inner_order(term)).collect::<Result<_>>()?;
                }
                other => return unsupported(other),
            }
        }
        let list = list.args.iter().map(|arg| self.argument(arg)).collect::<Result<_>>()?;
        Ok(Arguments::List { distinct, list, order })
    }

    pub(super) fn argument(&mut self, argument: &sp::FunctionArg) -> Result<Expr> {
        match argument {
            sp::FunctionArg::Unnamed(sp::FunctionArgExpr::Expr(expr)) => self.expr(expr),
            other => unsupported(other),
        }
    }

    /// An ORDER BY inside a call or a window: its terms are expressions, whatever they look like.
    fn inner_order(&mut self, term: &sp::OrderByExpr) -> Result<OrderTerm> {
        with_options(OrderKey::Expr(self.expr(&term.expr)?), None, &term.options)
    }

    pub(super) fn named_window(&mut self, window: &sp::NamedWindowDefinition) -> Result<(String, Window)> {
        match &window.1 {
            sp::NamedWindowExpr::WindowSpec(spec) => Ok((window.0.value.clone(), self.window(spec)?)),
            sp::NamedWindowExpr::NamedWindow(_) => unsupported(window),
        }
    }

    fn window(&mut self, spec: &sp::WindowSpec) -> Result<Window> {
        let (exclude, base) = spec.window_name.as_ref().map_or((None, None), |name| split_exclude(&name.value));
        Ok(Window {
            base: base.map(str::to_owned),
            partition: self.exprs(&spec.partition_by)?,
            order: spec.order_by.iter().map(|term| self.inner_order(term)).collect::<Result<_>>()?,
            frame: spec.window_frame.as_ref().map(|frame| self.frame(frame, exclude).map(Box::new)).transpose()?,
        })
    }

    fn frame(&mut self, frame: &sp::WindowFrame, exclude: Option<&'static str>) -> Result<Frame> {
        let unit = match frame.units {
            sp::WindowFrameUnits::Rows => "ROWS",
            sp::WindowFrameUnits::Range => "RANGE",
            sp::WindowFrameUnits::Groups => "GROUPS",
        };
        let end = frame.end_bound.as_ref().map(|bound| self.bound(bound)).transpose()?;
        Ok(Frame { unit, start: self.bound(&frame.start_bound)?, end, exclude })
    }

    fn bound(&mut self, bound: &sp::WindowFrameBound) -> Result<Bound> {
        Ok(match bound {
            sp::WindowFrameBound::CurrentRow => Bound::CurrentRow,
            sp::WindowFrameBound::Preceding(expr) => Bound::Preceding(self.boxed_option(expr.as_deref())?),
            sp::WindowFrameBound::Following(expr) => Bound::Following(self.boxed_option(expr.as_deref())?),
        })
    }
}

fn now(name: &str) -> Result<Expr> {
    let word = match name {
        "current_timestamp" => "CURRENT_TIMESTAMP",
        "current_date" => "CURRENT_DATE",
        "current_time" => "CURRENT_TIME",
        other => return unsupported(other),
    };
    Ok(Expr::Literal(Literal::Now(word)))
}

fn literal(value: &sp::Value) -> Result<Expr> {
    Ok(Expr::Literal(match value {
        sp::Value::Null => Literal::Null,
        sp::Value::Number(digits, false) => Literal::Number(digits.clone()),
        sp::Value::SingleQuotedString(text) => Literal::Text(text.clone()),
        sp::Value::HexStringLiteral(digits) => Literal::Blob(digits.clone()),
        sp::Value::Boolean(value) => Literal::Boolean(*value),
        sp::Value::Placeholder(name) => {
            let number = name.strip_prefix('?').and_then(|digits| digits.parse().ok());
            return number.map(Expr::Parameter).ok_or_else(|| format!("the parameter {name}"));
        }
        other => return unsupported(other),
    }))
}
