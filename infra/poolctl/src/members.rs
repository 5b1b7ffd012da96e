//! Members: what the pool remembers of its users, for people, programs and spreadsheets.
//!
//! A pool may have more members than fit into memory, so they are printed page by page as they are read, in no particular order.
//! Names are personal and are shown only where they are asked for. What users wrote stands in CSV so that no spreadsheet takes it
//! for a formula.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;

use clap::Args;
use cognito_triggers::ledger::{ClientSignIns, Member, SignIns};
use jiff::Timestamp;
use serde::{Serialize, Serializer};

use crate::open::Opener;
use crate::table::shown;
use crate::when;
use crate::world::{Problem, World};

/// How members are listed.
#[derive(Args, Debug)]
pub(crate) struct MembersArguments {
    /// Prints CSV with a header, for spreadsheets; times are RFC 3339, in UTC
    #[arg(long)]
    csv: bool,

    /// Prints JSON
    #[arg(long, conflicts_with = "csv")]
    json: bool,

    /// Shows a row for each app client a user signed in at, instead of one for the user
    #[arg(long)]
    per_client: bool,

    /// Shows the names users hold, too, e.g. their nicknames
    #[arg(long, conflicts_with = "per_client")]
    names: bool,
}

pub(crate) async fn list(
    opener: &Opener,
    pool: &str,
    arguments: &MembersArguments,
    world: &mut World<'_>,
) -> Result<(), Problem> {
    let (now, ledger) = (world.clock.now(), opener.ledger()?);
    let mut sheet = Sheet::new(arguments);
    let (mut page, mut members) = (None, 0_usize);
    loop {
        let read = ledger.members(pool, page.take()).await.map_err(|fault| {
            Problem::new(format!("{}; the list is not complete, it ends after {members} members", fault.causes()))
        })?;
        if members == 0 {
            sheet.begin(world.out)?;
        }
        for (sub, member) in &read.members {
            let rows = if arguments.per_client { of_clients(sub, member, now) } else { vec![of(sub, member, now)] };
            for mut row in rows {
                row.truncate(sheet.columns.len());
                sheet.add(world.out, &row)?;
            }
        }
        members = members.saturating_add(read.members.len());
        world.out.flush()?;
        // Reading the rest would cost, and nobody would see it.
        if world.out.is_gone() {
            return Ok(());
        }
        page = read.next;
        if page.is_none() {
            break;
        }
    }
    sheet.end(world.out)?;
    if members == 0 && sheet.form == Form::Table {
        writeln!(world.err, "{pool} has no members: no rule has remembered anything of its users")?;
    }
    Ok(())
}

/// What stands in one column of one row.
#[derive(Clone, Debug, PartialEq)]
enum Cell {
    Text(String),
    Number(u64),
    Time(Option<Timestamp>),
    List(Vec<String>),
    /// Each with its namespace.
    Names(BTreeMap<String, String>),
}

/// A column: its name for programs, that for people, and how wide it is for them.
type Column = (&'static str, &'static str, usize);

const SUB: Column = ("sub", "SUB", 36);
const CLIENT: Column = ("client", "CLIENT", 26);
const FIRST: Column = ("first_sign_in", "FIRST (UTC)", 16);
const LAST: Column = ("last_sign_in", "LAST (UTC)", 16);
const COUNT: Column = ("sign_ins", "SIGN-INS", 8);
const SESSIONS: Column = ("sessions", "SESSIONS", 8);
const PASSWORD: Column = ("password_chosen", "PASSWORD (UTC)", 16);
const GROUPS: Column = ("groups", "GROUPS", 12);
const UNSUBSCRIBED: Column = ("unsubscribed", "UNSUBSCRIBED", 12);
const NAMES: Column = ("names", "NAMES", 12);

const OF_A_MEMBER: &[Column] = &[SUB, FIRST, LAST, COUNT, SESSIONS, PASSWORD, GROUPS, UNSUBSCRIBED];
const WITH_NAMES: &[Column] = &[SUB, FIRST, LAST, COUNT, SESSIONS, PASSWORD, GROUPS, UNSUBSCRIBED, NAMES];
const OF_A_CLIENT: &[Column] = &[SUB, CLIENT, FIRST, LAST, COUNT, SESSIONS];

/// The row of a member, with the names last.
fn of(sub: &str, member: &Member, now: Timestamp) -> Vec<Cell> {
    let SignIns { count, first, last, .. } = &member.sign_ins;
    let names = member.names.iter().map(|(namespace, name)| (namespace.clone(), name.held.clone()));
    vec![
        Cell::Text(sub.to_owned()),
        Cell::Time(*first),
        // Other rules note the last one, too.
        Cell::Time((*last).max(member.last_sign_in)),
        Cell::Number(*count),
        Cell::Number(member.sessions.live(now, None).count() as u64),
        Cell::Time(member.password.chosen),
        Cell::List(member.groups.clone()),
        Cell::List(member.unsubscribed.keys().cloned().collect()),
        Cell::Names(names.collect()),
    ]
}

/// A row for each client where sign-ins were counted or sessions live.
fn of_clients(sub: &str, member: &Member, now: Timestamp) -> Vec<Vec<Cell>> {
    let counted = member.sign_ins.clients.keys().map(String::as_str);
    let clients: BTreeSet<&str> =
        counted.chain(member.sessions.live(now, None).map(|session| session.client.as_str())).collect();
    let row = |client: &str| {
        let ClientSignIns { count, first, last } = member.sign_ins.clients.get(client).cloned().unwrap_or_default();
        vec![
            Cell::Text(sub.to_owned()),
            Cell::Text(client.to_owned()),
            Cell::Time(first),
            Cell::Time(last),
            Cell::Number(count),
            Cell::Number(member.sessions.live(now, Some(client)).count() as u64),
        ]
    };
    clients.into_iter().map(row).collect()
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    Table,
    Csv,
    Json,
}

/// Rows on their way out.
struct Sheet {
    form: Form,
    columns: &'static [Column],
    is_empty: bool,
    has_begun: bool,
}

impl Sheet {
    fn new(arguments: &MembersArguments) -> Self {
        let form = match arguments {
            MembersArguments { csv: true, .. } => Form::Csv,
            MembersArguments { json: true, .. } => Form::Json,
            _ => Form::Table,
        };
        let columns = match arguments {
            MembersArguments { per_client: true, .. } => OF_A_CLIENT,
            MembersArguments { names: true, .. } => WITH_NAMES,
            _ => OF_A_MEMBER,
        };
        Self { form, columns, is_empty: true, has_begun: false }
    }

    /// What stands before the first row. People see a heading only if there is one.
    fn begin(&mut self, out: &mut dyn Write) -> Result<(), Problem> {
        if !std::mem::replace(&mut self.has_begun, true) && self.form == Form::Csv {
            write_csv(out, self.columns.iter().map(|(name, ..)| (*name).to_owned()))?;
        }
        Ok(())
    }

    fn add(&mut self, out: &mut dyn Write, row: &[Cell]) -> Result<(), Problem> {
        let is_first = std::mem::replace(&mut self.is_empty, false);
        match self.form {
            Form::Csv => write_csv(out, row.iter().map(Cell::in_csv)),
            Form::Json => {
                let before = if is_first { "[" } else { "," };
                Ok(write!(out, "{before}\n{}", serde_json::to_string(&Object { columns: self.columns, row })?)?)
            }
            Form::Table => {
                if is_first {
                    self.write_line(out, self.columns.iter().map(|(_, heading, _)| (*heading).to_owned()))?;
                }
                self.write_line(out, row.iter().map(Cell::for_people))
            }
        }
    }

    fn end(&self, out: &mut dyn Write) -> Result<(), Problem> {
        if self.form == Form::Json {
            writeln!(out, "{}", if self.is_empty { "[]" } else { "\n]" })?;
        }
        Ok(())
    }

    fn write_line(&self, out: &mut dyn Write, cells: impl Iterator<Item = String>) -> Result<(), Problem> {
        let padded = cells.zip(self.columns).map(|(cell, (_, _, width))| format!("{cell:width$}"));
        Ok(writeln!(out, "{}", padded.collect::<Vec<_>>().join("  ").trim_end())?)
    }
}

fn write_csv(out: &mut dyn Write, cells: impl Iterator<Item = String>) -> Result<(), Problem> {
    let mut writer = csv::WriterBuilder::new().buffer_capacity(512).from_writer(Vec::new());
    let written = writer.write_record(cells.map(String::into_bytes));
    let failed = |error: &dyn std::fmt::Display| Problem::new(format!("a row cannot be written as CSV: {error}"));
    written.map_err(|error| failed(&error))?;
    let line = writer.into_inner().map_err(|error| failed(&error.error()))?;
    Ok(out.write_all(&line)?)
}

/// A row as an object, in the order of its columns.
struct Object<'a> {
    columns: &'static [Column],
    row: &'a [Cell],
}

impl Serialize for Object<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.columns.iter().map(|(name, ..)| name).zip(self.row))
    }
}

impl Serialize for Cell {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Text(text) => serializer.serialize_str(text),
            Self::Number(number) => serializer.serialize_u64(*number),
            Self::Time(time) => time.map(rfc_3339).serialize(serializer),
            Self::List(list) => list.serialize(serializer),
            Self::Names(names) => names.serialize(serializer),
        }
    }
}

impl Cell {
    fn in_csv(&self) -> String {
        match self {
            Self::Text(text) => inert(text),
            Self::Number(number) => number.to_string(),
            Self::Time(time) => time.map(rfc_3339).unwrap_or_default(),
            Self::List(_) | Self::Names(_) => inert(&self.joined()),
        }
    }

    fn for_people(&self) -> String {
        match self {
            Self::Text(text) => shown(text),
            Self::Number(number) => number.to_string(),
            Self::Time(time) => time.map_or_else(|| "-".to_owned(), when::shown),
            Self::List(_) | Self::Names(_) => shown(&self.joined()),
        }
    }

    /// The name of a group has no space, `[\p{L}\p{M}\p{S}\p{N}\p{P}]+` (Cognito API reference, `CreateGroup`), nor has that of a
    /// list of mails.
    fn joined(&self) -> String {
        match self {
            Self::List(list) => list.join(" "),
            Self::Names(names) => {
                let named = names.iter().map(|(namespace, name)| format!("{namespace}: {name}"));
                named.collect::<Vec<_>>().join(", ")
            }
            _ => String::new(),
        }
    }
}

/// To the second, in UTC.
fn rfc_3339(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// A text that no spreadsheet takes for a formula, whatever it was told separates cells: what would begin one has a `'` in front
/// ("CSV Injection", OWASP).
fn inert(text: &str) -> String {
    let mut inert = String::with_capacity(text.len() + 1);
    let mut may_begin = true;
    for letter in text.chars() {
        if may_begin && BEGINS_FORMULA.contains(&letter) {
            inert.push('\'');
        }
        may_begin = SEPARATES.contains(&letter) || may_begin && letter.is_whitespace();
        inert.push(if letter.is_control() { '\u{fffd}' } else { letter });
    }
    inert
}

/// The same letters in full width count as well.
const BEGINS_FORMULA: [char; 11] = ['=', '+', '-', '@', '\t', '\r', '\n', '＝', '＋', '－', '＠'];
const SEPARATES: [char; 7] = [',', ';', '|', '\t', '\r', '\n', '"'];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_spreadsheet_would_take_for_a_formula_is_made_inert() {
        for (text, expected) in [
            ("=1+1", "'=1+1"),
            ("+1", "'+1"),
            ("-1", "'-1"),
            ("@SUM(1)", "'@SUM(1)"),
            ("\t=1", "'\u{fffd}'=1"),
            ("\r\n=1", "'\u{fffd}'\u{fffd}'=1"),
            (" =1", " '=1"),
            ("＝1", "'＝1"),
            ("a;=1", "a;'=1"),
            ("a, =1", "a, '=1"),
            ("a\",=1", "a\",'=1"),
            ("a-b=c", "a-b=c"),
            ("0a1b2c3d-0000", "0a1b2c3d-0000"),
            ("", ""),
        ] {
            assert_eq!(inert(text), expected, "{text:?}");
        }
    }
}
