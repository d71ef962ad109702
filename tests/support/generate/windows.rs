//! Window functions.

use super::super::expression::{Node, form, leaf, list, value};
use super::Writer;
use super::cells::Kind;

/// How the rows of a partition are ordered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ordering {
    None,
    /// Rows may tie.
    Peers,
    /// By one number, so that a RANGE may count.
    Number,
    /// No two rows tie.
    Total,
}

/// A window definition, in parts.
struct Window {
    partition: Node,
    order: Node,
    ordering: Ordering,
}

const FRAMES_OF_PEERS: &[&str] = &[
    "",
    "",
    " RANGE UNBOUNDED PRECEDING",
    " RANGE BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING",
    " GROUPS BETWEEN 1 PRECEDING AND 1 FOLLOWING",
    " GROUPS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW EXCLUDE GROUP",
    " GROUPS 2 PRECEDING EXCLUDE TIES",
    " RANGE BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING EXCLUDE CURRENT ROW",
    " GROUPS BETWEEN 1 FOLLOWING AND 2 FOLLOWING EXCLUDE NO OTHERS",
];
const FRAMES_OF_NUMBERS: &[&str] = &[
    " RANGE BETWEEN 1 PRECEDING AND 2 FOLLOWING",
    " RANGE BETWEEN 2.5 PRECEDING AND CURRENT ROW",
    " RANGE BETWEEN 3 PRECEDING AND 1 PRECEDING EXCLUDE NO OTHERS",
    " RANGE BETWEEN 1 FOLLOWING AND UNBOUNDED FOLLOWING",
    " RANGE BETWEEN 1 PRECEDING AND 1 FOLLOWING EXCLUDE CURRENT ROW",
];
const FRAMES_OF_ROWS: &[&str] = &[
    "",
    " ROWS BETWEEN 1 PRECEDING AND 1 FOLLOWING",
    " ROWS UNBOUNDED PRECEDING",
    " ROWS 2 PRECEDING",
    " ROWS BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING",
    " ROWS BETWEEN 3 PRECEDING AND 1 PRECEDING",
    " ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING EXCLUDE CURRENT ROW",
    " ROWS BETWEEN 2 PRECEDING AND 2 FOLLOWING EXCLUDE TIES",
    " ROWS BETWEEN 1 FOLLOWING AND 3 FOLLOWING EXCLUDE GROUP",
    " GROUPS BETWEEN 1 PRECEDING AND CURRENT ROW",
    " RANGE BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW EXCLUDE TIES",
];

impl Writer<'_> {
    /// Some window calls, with a WINDOW clause when they name one.
    pub(super) fn window_calls(&mut self, count: usize, partition: Option<&str>) -> (Vec<Node>, Node) {
        let named = self.random.percent(30);
        if !named {
            let call = |writer: &mut Self| {
                let window = writer.window(partition);
                let frame = writer.frame(window.ordering);
                let over = form(format!("({{}}{{}}{frame})"), vec![window.partition, window.order]);
                writer.call(window.ordering, over)
            };
            return ((0..count).map(|_| call(self)).collect(), list("", "", 0, vec![]));
        }
        let window = self.window(partition);
        let name = self.name();
        let (definition, own_order) = match self.random.percent(50) {
            true => (form("{}{}", vec![window.partition, window.order]), list("", "", 0, vec![])),
            false => (window.partition, window.order),
        };
        let calls = (0..count).map(|_| {
            let frame = self.frame(window.ordering);
            let plain = frame.is_empty() && own_order.render().0.is_empty();
            let over = match plain {
                true => leaf(name.clone()),
                false => form(format!("({name}{{}}{frame})"), vec![own_order.clone()]),
            };
            self.call(window.ordering, over)
        });
        let calls = calls.collect();
        (calls, form(format!(" WINDOW {name} AS ({{}})"), vec![definition]))
    }

    /// A window; over this partition when one is given.
    fn window(&mut self, partition: Option<&str>) -> Window {
        let mut by: Vec<Node> = partition.map(leaf).into_iter().collect();
        let more = [0, 0, 1, 1, 2][self.random.below(5)];
        by.extend((0..more).map(|_| self.partition_key()));
        let (order, ordering) = self.window_order();
        Window { partition: list("PARTITION BY ", ", ", 0, by), order, ordering }
    }

    fn partition_key(&mut self) -> Node {
        match self.random.below(4) {
            0 => self.clean().without_params(),
            1 => form("{} COLLATE NOCASE", vec![self.clean_text()]),
            _ => leaf(self.any_shown_column()),
        }
    }

    fn window_order(&mut self) -> (Node, Ordering) {
        let direction = *self.random.pick(&["", "", " DESC", " ASC NULLS LAST", " DESC NULLS FIRST"]);
        let with = |terms: Vec<Node>, ordering| (list(" ORDER BY ", ", ", terms.len(), terms), ordering);
        match (self.random.below(8), self.unique()) {
            (0, _) => (list("", "", 0, vec![]), Ordering::None),
            (1, _) => with(vec![form(format!("{{}}{direction}"), vec![self.partition_key()])], Ordering::Peers),
            (2 | 3, _) => match self.only_own(|writer| writer.pick_column(&[Kind::Integer, Kind::Real])) {
                Some((column, _)) => with(vec![leaf(format!("{column}{direction}"))], Ordering::Number),
                None => with(vec![leaf("1")], Ordering::Peers),
            },
            (_, Some(total)) if !total.is_empty() => {
                let mut terms = Vec::new();
                if self.random.percent(60) {
                    terms.push(form(format!("{{}}{direction}"), vec![self.partition_key()]));
                }
                let last = *self.random.pick(&["", "", " DESC"]);
                terms.push(leaf(format!("{}{last}", total.join(", "))));
                with(terms, Ordering::Total)
            }
            _ => with(vec![form(format!("{{}}{direction}"), vec![self.partition_key()])], Ordering::Peers),
        }
    }

    fn frame(&mut self, ordering: Ordering) -> &'static str {
        match ordering {
            Ordering::None => "",
            Ordering::Number if self.random.percent(60) => self.random.pick::<&'static str>(FRAMES_OF_NUMBERS),
            Ordering::Peers | Ordering::Number => self.random.pick::<&'static str>(FRAMES_OF_PEERS),
            Ordering::Total => self.random.pick::<&'static str>(FRAMES_OF_ROWS),
        }
    }

    /// A call whose value does not depend on the order of rows that tie.
    fn call(&mut self, ordering: Ordering, over: Node) -> Node {
        if ordering == Ordering::Total && self.random.percent(50) {
            return self.positional_call(over);
        }
        if self.random.percent(20) {
            let call = *self.random.pick(&["rank()", "dense_rank()", "percent_rank()", "cume_dist()"]);
            return value(format!("{call} OVER {{}}"), vec![over]);
        }
        let (call, argument) = match self.random.below(8) {
            0 => ("count(*)", None),
            1 => ("count({})", Some(self.value(1))),
            2 | 3 => ("sum({})", Some(self.summed(|writer| writer.number(1)))),
            4 => ("total({})", Some(self.summed(|writer| writer.number(1)))),
            5 => ("avg({})", Some(self.summed(|writer| writer.number(1)))),
            6 => ("min({})", Some(self.clean())),
            _ => ("max({})", Some(self.clean())),
        };
        let mut children: Vec<Node> = argument.into_iter().collect();
        children.extend([self.aggregate_filter(), over]);
        value(format!("{call}{{}} OVER {{}}"), children)
    }

    fn positional_call(&mut self, over: Node) -> Node {
        let call = *self.random.pick(&[
            "row_number()",
            "ntile(3)",
            "lag({})",
            "lag({}, 2, 'none')",
            "lead({}, 1)",
            "first_value({})",
            "last_value({})",
            "nth_value({}, 2)",
            "group_concat({}, '-')",
            "json_group_array({})",
        ]);
        let mut children = match call {
            "json_group_array({})" => vec![self.clean_number()],
            call if call.contains("{}") => vec![self.value(1)],
            _ => vec![],
        };
        children.push(over);
        value(format!("{call} OVER {{}}"), children)
    }
}
