//! The words of a language, apart from the pages they stand in: `pl.toml`.
//!
//! Each word is plain text and a small template itself. All words of a language are filled before the page, which finds them as
//! `words`. A word without braces is the same for everybody and costs nothing.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use minijinja::value::{Enumerator, Object, Value};
use minijinja::{Environment, Error};

use crate::isolation;

/// What pages find the words under.
pub(crate) const WORDS: &str = "words";
/// The words of one language, by name.
pub(crate) type Words = BTreeMap<String, Arc<Word>>;

/// One word.
pub(crate) struct Word {
    /// The name of its template.
    template: String,
    /// Where its text stands in the file, in bytes, with its quotes.
    pub(crate) span: Range<usize>,
    pub(crate) source: String,
    /// What it comes to, in plain text and in a page, if it is the same for everybody.
    literal: Option<(Value, Value)>,
}

/// What words are filled for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    Plain,
    Page,
}

/// A word that cannot be filled, by the name of its template.
pub(crate) struct Unfilled {
    pub(crate) template: String,
    pub(crate) error: Error,
}

/// Words as a page finds them: a map that knows what it was asked for in vain.
pub(crate) struct Filled {
    words: BTreeMap<String, Value>,
    missed: Mutex<Option<String>>,
}

impl Word {
    /// A word of this text.
    pub(crate) fn new(template: String, span: Range<usize>, text: &str) -> Self {
        let source = text.replace(isolation::is_mark, "");
        let is_template = ["{{", "{%", "{#"].iter().any(|sign| source.contains(sign));
        let literal = (!is_template).then(|| {
            let text = without_end(&source);
            (Value::from(text), Value::from_safe_string(isolation::page(text)))
        });
        Self { template, span, source, literal }
    }

    /// The name of its template, if it is one.
    pub(crate) fn template(&self) -> Option<&str> {
        self.literal.is_none().then_some(self.template.as_str())
    }

    /// As it is written, if that is short.
    pub(crate) fn quote(&self) -> Option<&str> {
        let fits = self.source.chars().count() <= 80 && !self.source.contains('\n');
        fits.then_some(self.source.as_str())
    }

    fn fill(&self, engine: &Environment<'static>, context: &Value, form: Form) -> Result<Value, Error> {
        match (&self.literal, form) {
            (Some((plain, _)), Form::Plain) => Ok(plain.clone()),
            (Some((_, page)), Form::Page) => Ok(page.clone()),
            (None, _) => {
                let text = engine.get_template(&self.template)?.render(context.clone())?;
                let text = without_end(&text);
                Ok(match form {
                    Form::Plain => Value::from(text),
                    Form::Page => Value::from_safe_string(isolation::page(text)),
                })
            }
        }
    }
}

/// A text without the line breaks it ends with: a word stands within a line.
fn without_end(text: &str) -> &str {
    text.trim_end_matches(['\n', '\r'])
}

/// Fills all words. One that cannot be is empty, and told.
pub(crate) fn fill(
    words: &Words,
    engine: &Environment<'static>,
    context: &BTreeMap<String, Value>,
    form: Form,
) -> (Arc<Filled>, Vec<Unfilled>) {
    let mut context = context.clone();
    if form == Form::Page {
        let name = context.get("name").and_then(Value::as_str).map(isolation::name);
        if let Some(name) = name {
            context.insert(isolation::NAME.to_owned(), name.clone());
            context.insert("name".to_owned(), name);
        }
    }
    let context = Value::from_pairs(context);
    let (mut filled, mut unfilled) = (BTreeMap::new(), Vec::new());
    for (key, word) in words {
        let value = word.fill(engine, &context, form).unwrap_or_else(|error| {
            unfilled.push(Unfilled { template: word.template.clone(), error });
            Value::from("")
        });
        filled.insert(key.clone(), value);
    }
    (Arc::new(Filled { words: filled, missed: Mutex::default() }), unfilled)
}

impl Filled {
    /// The word that was asked for last and is not there.
    pub(crate) fn missed(&self) -> Option<String> {
        self.missed.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Object for Filled {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        self.get_value_by_str(key.as_str()?)
    }

    fn get_value_by_str(self: &Arc<Self>, key: &str) -> Option<Value> {
        let word = self.words.get(key);
        if word.is_none() {
            *self.missed.lock().unwrap_or_else(PoisonError::into_inner) = Some(key.to_owned());
        }
        word.cloned()
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Values(self.words.keys().map(|key| Value::from(key.as_str())).collect())
    }
}

impl fmt::Debug for Filled {
    /// The names alone: words may hold what a user is called.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_set().entries(self.words.keys()).finish()
    }
}
