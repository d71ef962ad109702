//! The time of a statement: read once by the coordinator and bound for every shard.

use super::Extra;
use crate::sql::{Arguments, Expr, Function, Literal, Query, map_query};

/// Numbers of the parameters that the coordinator adds behind the user's.
#[derive(Debug, Clone)]
pub(super) struct Extras {
    pub(super) base: usize,
    pub(super) extras: Vec<Extra>,
}

impl Extras {
    /// `base` is how many parameters the user has.
    pub(super) fn new(base: usize) -> Extras {
        Extras { base, extras: Vec::new() }
    }

    /// The parameter that holds this value.
    pub(super) fn parameter(&mut self, extra: Extra) -> Expr {
        let known = self.extras.iter().position(|known| *known == extra);
        let index = known.unwrap_or_else(|| {
            self.extras.push(extra);
            self.extras.len() - 1
        });
        Expr::Parameter(self.base + index + 1)
    }

    /// The parameter behind all that there are.
    pub(super) fn next(&self) -> Expr {
        Expr::Parameter(self.base + self.extras.len() + 1)
    }

    /// The query as it is sent or run: the present is a parameter.
    pub(super) fn print(&mut self, query: &Query) -> String {
        let mut query = query.clone();
        bind_now(&mut query, self);
        query.to_string()
    }
}

/// Replaces every mention of the present by a parameter.
fn bind_now(query: &mut Query, extras: &mut Extras) {
    map_query(query, &mut |expr| match expr {
        Expr::Literal(Literal::Now(word)) => *expr = extras.parameter(Extra::Current(word)),
        Expr::Function(function) => bind_now_in(function, extras),
        _ => {}
    });
}

/// SQLite's date functions take 'now', or no time at all, as the present (https://www.sqlite.org/lang_datefunc.html).
fn bind_now_in(function: &mut Function, extras: &mut Extras) {
    let places: &[usize] = match function.name.as_str() {
        "date" | "time" | "datetime" | "julianday" | "unixepoch" => &[0],
        "strftime" => &[1],
        "timediff" => &[0, 1],
        _ => return,
    };
    let Arguments::List { list, .. } = &mut function.arguments else { return };
    for &place in places {
        if list.len() == place {
            list.push(Expr::Literal(Literal::Text("now".into())));
        }
        let Some(argument) = list.get_mut(place) else { continue };
        match argument {
            Expr::Literal(Literal::Text(text)) if text.eq_ignore_ascii_case("now") => {
                *argument = extras.parameter(Extra::Now);
            }
            // For the time this modifier stands behind an unwritten 'now'.
            Expr::Literal(Literal::Text(text))
                if ["subsec", "subsecond"].contains(&text.to_ascii_lowercase().as_str()) =>
            {
                list.insert(place, extras.parameter(Extra::Now));
            }
            Expr::Parameter(number) => *argument = extras.parameter(Extra::NowOr(*number)),
            _ => {}
        }
    }
}
