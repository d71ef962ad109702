//! SQL as a tree of templates: enough structure to make it smaller, none that would have to know SQL.

use souk_merge::Value;

use super::values::Params;

/// A piece of SQL.
#[derive(Debug, Clone)]
pub enum Node {
    Text(String),
    /// A numbered parameter.
    Param(Value),
    /// A template with a `{}` for each child.
    Form {
        class: Class,
        template: String,
        children: Vec<Node>,
    },
    /// Items that may be left out down to `least`; nothing at all is printed for none.
    List {
        prefix: &'static str,
        separator: &'static str,
        least: usize,
        items: Vec<Node>,
    },
}

/// How a text shows where its parameters go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Places {
    /// `?1`
    Numbered,
    /// `?`
    Positional,
    /// `:p1`, or with another sign in front.
    Named(char),
}

impl Places {
    /// What stands in the text, and the parameter's name.
    fn place(self, number: usize) -> (String, String) {
        match self {
            Places::Numbered => (format!("?{number}"), String::new()),
            Places::Positional => ("?".into(), String::new()),
            Places::Named(sign) => (format!("{sign}p{number}"), format!("{sign}p{number}")),
        }
    }
}

/// What may stand for what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    Value,
    Predicate,
    Other,
}

pub fn leaf(text: impl Into<String>) -> Node {
    Node::Text(text.into())
}

pub fn value(template: impl Into<String>, children: Vec<Node>) -> Node {
    Node::Form { class: Class::Value, template: template.into(), children }
}

pub fn predicate(template: impl Into<String>, children: Vec<Node>) -> Node {
    Node::Form { class: Class::Predicate, template: template.into(), children }
}

pub fn form(template: impl Into<String>, children: Vec<Node>) -> Node {
    Node::Form { class: Class::Other, template: template.into(), children }
}

pub fn list(prefix: &'static str, separator: &'static str, least: usize, items: Vec<Node>) -> Node {
    Node::List { prefix, separator, least, items }
}

impl Node {
    /// The text with its parameters, numbered as they come.
    pub fn render(&self) -> (String, Params) {
        self.render_with(Places::Numbered)
    }

    /// The text with its parameters, each in a place of its own.
    pub fn render_with(&self, places: Places) -> (String, Params) {
        let (mut sql, mut params) = (String::new(), Params::new());
        self.write(places, &mut sql, &mut params);
        (sql, params)
    }

    fn write(&self, places: Places, sql: &mut String, params: &mut Params) {
        match self {
            Node::Text(text) => sql.push_str(text),
            Node::Param(value) => {
                let (place, name) = places.place(params.len() + 1);
                params.push((name, value.clone()));
                sql.push_str(&place);
            }
            Node::Form { template, children, .. } => {
                let mut children = children.iter();
                for (index, part) in template.split("{}").enumerate() {
                    if index > 0 {
                        children.next().expect("a child for each place").write(places, sql, params);
                    }
                    sql.push_str(part);
                }
                assert!(children.next().is_none(), "a place for each child: {template}");
            }
            Node::List { items, .. } if items.is_empty() => {}
            Node::List { prefix, separator, items, .. } => {
                for (index, item) in items.iter().enumerate() {
                    sql.push_str(if index == 0 { prefix } else { separator });
                    item.write(places, sql, params);
                }
            }
        }
    }

    /// With literals for parameters: a copy of it is the same expression to SQLite.
    pub fn without_params(self) -> Node {
        match self {
            Node::Text(_) => self,
            Node::Param(value) => leaf(super::values::show(&value)),
            Node::Form { class, template, children } => {
                Node::Form { class, template, children: children.into_iter().map(Node::without_params).collect() }
            }
            Node::List { prefix, separator, least, items } => {
                Node::List { prefix, separator, least, items: items.into_iter().map(Node::without_params).collect() }
            }
        }
    }

    fn class(&self) -> Class {
        match self {
            Node::Text(_) | Node::Param(_) => Class::Value,
            Node::Form { class, .. } => *class,
            Node::List { .. } => Class::Other,
        }
    }

    /// Trees that are a step smaller, the smallest first.
    pub fn smaller(&self) -> Vec<Node> {
        let mut all = Vec::new();
        match self {
            Node::Text(_) => {}
            Node::Param(value) => all.push(leaf(super::values::show(value))),
            Node::Form { class, template, children } => {
                all.extend(children.iter().filter(|child| child.class() == *class && *class != Class::Other).cloned());
                if *class == Class::Value {
                    all.push(leaf("1"));
                }
                for (index, child) in children.iter().enumerate() {
                    for smaller in child.smaller() {
                        let mut children = children.clone();
                        children[index] = smaller;
                        all.push(Node::Form { class: *class, template: template.clone(), children });
                    }
                }
            }
            Node::List { prefix, separator, least, items } => {
                let with = |items| Node::List { prefix, separator, least: *least, items };
                for index in 0..items.len() {
                    if items.len() > *least {
                        let mut items = items.clone();
                        items.remove(index);
                        all.push(with(items));
                    }
                    for smaller in items[index].smaller() {
                        let mut items = items.clone();
                        items[index] = smaller;
                        all.push(with(items));
                    }
                }
            }
        }
        all
    }
}
