//! The text of `triggers.toml` as a tree that knows its lines, and how a pool's tables are merged over the base.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use toml::de::{DeTable, DeValue};

use super::ConfigError;

/// A table: its keys and what they hold.
pub(super) type Table = BTreeMap<String, Node>;

/// One value of the file. `Debug` shows where it is and of what kind, never the value: it may be a secret.
#[derive(Clone)]
pub(super) struct Node {
    /// Its line, counted from 1; 0 where there is none.
    pub(super) line: usize,
    /// Whether it stands under `[pools]`.
    pub(super) of_pool: bool,
    pub(super) value: Value,
}

/// What a key can hold.
#[derive(Clone)]
pub(super) enum Value {
    Text(String),
    Integer(i64),
    Fraction(f64),
    Boolean(bool),
    /// A date or a time, in the form of RFC 3339.
    Time(String),
    List(Vec<Node>),
    Table(Table),
}

impl Node {
    pub(super) fn as_table(&self) -> Option<&Table> {
        match &self.value {
            Value::Table(table) => Some(table),
            _ => None,
        }
    }

    /// What it is, for messages: `a string`.
    pub(super) fn kind(&self) -> &'static str {
        match self.value {
            Value::Text(_) => "a string",
            Value::Integer(_) => "an integer",
            Value::Fraction(_) => "a number with a fraction",
            Value::Boolean(_) => "a boolean",
            Value::Time(_) => "a date or time",
            Value::List(_) => "an array",
            Value::Table(_) => "a table",
        }
    }

    /// This with a pool's settings over it: tables merge, anything else is replaced.
    pub(super) fn under(&self, over: &Self) -> Self {
        let (Value::Table(base), Value::Table(own)) = (&self.value, &over.value) else {
            return over.clone();
        };
        let mut table = base.clone();
        for (key, node) in own {
            let merged = base.get(key).map_or_else(|| node.clone(), |base| base.under(node));
            table.insert(key.clone(), merged);
        }
        Self { line: over.line, of_pool: over.of_pool, value: Value::Table(table) }
    }

    /// The node at a path such as `windows[1].from`, or the innermost one on the way that is there.
    pub(super) fn nearest(&self, path: &str) -> &Self {
        let mut node = self;
        let mut rest = path;
        while !rest.is_empty() {
            let (next, after) = node.step(rest);
            let Some(next) = next else { break };
            node = next;
            rest = after;
        }
        node
    }

    /// The node one step along a path, and what is left of the path.
    fn step<'p>(&self, path: &'p str) -> (Option<&Self>, &'p str) {
        let path = path.strip_prefix('.').unwrap_or(path);
        if let Some((index, rest)) = path.strip_prefix('[').and_then(|path| path.split_once(']')) {
            let Value::List(nodes) = &self.value else { return (None, rest) };
            return (index.parse::<usize>().ok().and_then(|index| nodes.get(index)), rest);
        }
        let (key, rest) = match path.strip_prefix('"').and_then(|path| path.split_once('"')) {
            Some(quoted) => quoted,
            None => path.split_at(path.find(['.', '[']).unwrap_or(path.len())),
        };
        (self.as_table().and_then(|table| table.get(key)), rest)
    }
}

impl fmt::Debug for Node {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.value {
            Value::Table(table) => formatter.debug_map().entries(table).finish(),
            Value::List(nodes) => formatter.debug_list().entries(nodes).finish(),
            _ => write!(formatter, "{} in line {}", self.kind(), self.line),
        }
    }
}

/// A key as it is written in a path: quoted unless TOML takes it bare.
pub(super) fn key_name(key: &str) -> Cow<'_, str> {
    let bare = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    if !key.is_empty() && key.bytes().all(bare) { Cow::Borrowed(key) } else { Cow::Owned(format!("{key:?}")) }
}

/// Reads the text.
///
/// # Errors
///
/// If it is not TOML.
pub(super) fn read(file: &str, text: &str) -> Result<Table, ConfigError> {
    let lines = Lines::of(text);
    let (parsed, errors) = DeTable::parse_recoverable(text);
    // What comes first in the text is the cause, the rest mostly follows from it; of two in one place the later says more.
    let start = |error: &&toml::de::Error| error.span().map_or(usize::MAX, |span| span.start);
    if let Some(error) = errors.iter().rev().min_by_key(start) {
        let span = error.span().unwrap_or_default();
        let line = lines.at(span.start);
        return Err(not_toml(error.message(), text.get(span).unwrap_or_default()).placed(file, line));
    }
    let mut reader = Reader { lines, of_pool: false, overflow: None };
    let table = reader.table(parsed.into_inner(), true);
    match reader.overflow {
        Some(line) => {
            Err(ConfigError::new("the number is too large").remedy("write one of at most 18 digits").placed(file, line))
        }
        None => Ok(table),
    }
}

/// What the parser found wrong, in the words of somebody who does not know its grammar; `found` is the text it is about.
fn not_toml(message: &str, found: &str) -> ConfigError {
    let (what, wanted) = message.split_once(", expected ").unwrap_or((message, ""));
    if found == ":" {
        return ConfigError::new("there is a `:` after a key").remedy("write `key = value`");
    }
    match what {
        "string values must be quoted" if found.is_empty() => {
            ConfigError::new("a value is missing").remedy("write one: `key = value`")
        }
        "string values must be quoted" => ConfigError::new("this is no value").remedy("put text in double quotes"),
        "invalid boolean" => ConfigError::new("this is no value").remedy("write `true` or `false`"),
        "duplicate key" => ConfigError::new(format!("`{found}` is given twice")).remedy("keep one of them"),
        "key with no value" => ConfigError::new("a key has no value").remedy("write `key = value`"),
        "missing escaped value" => ConfigError::new("a backslash stands before what it cannot stand before")
            .remedy("write two, or put the text in single quotes"),
        "invalid basic string" | "invalid literal string" if found.is_empty() => {
            ConfigError::new("the closing quote is missing").remedy(format!("add {wanted}"))
        }
        "unexpected key or value" => {
            ConfigError::new("the line goes on after its end").remedy("write one key and its value a line")
        }
        "recursion limit" => ConfigError::new("tables and arrays are nested too deeply"),
        _ => match what.strip_prefix("unclosed ") {
            Some(open) => ConfigError::new(format!("the {open} is not closed")).remedy(format!("add {wanted}")),
            None => ConfigError::new(format!("this is not TOML: {message}")),
        },
    }
}

/// Where the lines of a text end.
struct Lines(Vec<usize>);

impl Lines {
    fn of(text: &str) -> Self {
        Self(text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n').map(|(offset, _)| offset).collect())
    }

    /// The line an offset is in, counted from 1.
    fn at(&self, offset: usize) -> usize {
        self.0.partition_point(|end| *end < offset) + 1
    }
}

struct Reader {
    lines: Lines,
    of_pool: bool,
    overflow: Option<usize>,
}

impl Reader {
    fn table(&mut self, table: DeTable<'_>, top: bool) -> Table {
        let mut read = Table::new();
        for (key, value) in table {
            let line = self.lines.at(key.span().start);
            let key = key.into_inner().into_owned();
            if top {
                self.of_pool = key == "pools";
            }
            let node = self.node(line, value.into_inner());
            read.insert(key, node);
        }
        read
    }

    fn node(&mut self, line: usize, value: DeValue<'_>) -> Node {
        let value = match value {
            DeValue::String(text) => Value::Text(text.into_owned()),
            DeValue::Integer(number) => match i64::from_str_radix(number.as_str(), number.radix()) {
                Ok(number) => Value::Integer(number),
                Err(_) => {
                    self.overflow.get_or_insert(line);
                    Value::Integer(0)
                }
            },
            DeValue::Float(number) => Value::Fraction(number.as_str().parse().unwrap_or(f64::NAN)),
            DeValue::Boolean(boolean) => Value::Boolean(boolean),
            DeValue::Datetime(time) => Value::Time(time.to_string()),
            DeValue::Array(array) => {
                let mut nodes = Vec::with_capacity(array.len());
                for element in array {
                    let line = self.lines.at(element.span().start);
                    nodes.push(self.node(line, element.into_inner()));
                }
                Value::List(nodes)
            }
            DeValue::Table(table) => Value::Table(self.table(table, false)),
        };
        Node { line, of_pool: self.of_pool, value }
    }
}
