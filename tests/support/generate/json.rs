//! JSON: functions over it, and tables made of it.

use super::super::expression::{Node, leaf};
use super::Writer;
use super::cells::Kind;
use super::scene::{Place, Relation};

impl Writer<'_> {
    /// A number, or what may stand for one, out of JSON.
    pub(super) fn json_number(&mut self) -> Option<Node> {
        let (json, _) = self.pick_column(&[Kind::Json])?;
        let template = *self.random.pick(&[
            "json_extract(J, '$.a')",
            "(J ->> '$.a')",
            "json_array_length(J, '$.l')",
            "json_valid(J)",
            "(J ->> '$.l[1]')",
            "(J ->> 0)",
            "json_array_length(J)",
        ]);
        Some(leaf(template.replace('J', &json)))
    }

    pub(super) fn json_text(&mut self) -> Option<Node> {
        let (json, _) = self.pick_column(&[Kind::Json])?;
        let template = *self.random.pick(&[
            "json_type(J)",
            "(J -> '$.l')",
            "(J ->> '$.b')",
            "json_set(J, '$.n', 1)",
            "json_remove(J, '$.a')",
            "json_patch(J, '{\"z\":0}')",
            "json_array(J, 1, 'x', NULL)",
            "json_object('k', json(J))",
            "json_quote(J ->> '$.b')",
            "(SELECT group_concat(key, '/' ORDER BY id) FROM json_tree(J))",
            "(SELECT json_group_array(value ORDER BY id) FROM json_each(J))",
        ]);
        Some(leaf(template.replace('J', &json)))
    }

    /// `json_each` or `json_tree`, of a column to its left or of a literal.
    pub(super) fn json_table(&mut self) -> (String, Relation) {
        let column = self.only_own(|writer| writer.pick_column(&[Kind::Json]));
        let argument = match column {
            Some((column, _)) if self.random.percent(70) => column,
            _ => r#"'{"a":[1,2.5],"b":"x","c":null}'"#.to_owned(),
        };
        let function = *self.random.pick(&["json_each", "json_each", "json_tree"]);
        let path = *self.random.pick(&["", "", ", '$.l'"]);
        let columns = [
            ("key", Kind::Mixed),
            ("value", Kind::Any),
            ("type", Kind::Text),
            ("atom", Kind::Mixed),
            ("id", Kind::Integer),
        ];
        let relation = Relation {
            name: function.to_owned(),
            columns: columns.iter().map(|(name, kind)| ((*name).to_owned(), *kind)).collect(),
            unique: Some(vec!["id".into()]),
            place: Place::Composed,
            rows: 3,
            has_rowid: false,
        };
        (format!("{function}({argument}{path})"), relation)
    }
}
