//! Columns below each other, and what stands in them.

use jiff::Timestamp;

use crate::paint::Paint;

/// The rows below their heading, each column as wide as its widest cell.
pub(crate) fn table(heading: &[&str], rows: &[Vec<String>], paint: Paint) -> Vec<String> {
    let heading: Vec<String> = heading.iter().map(|cell| (*cell).to_owned()).collect();
    let width = |column: usize| {
        let cells = std::iter::once(&heading).chain(rows).filter_map(|row| row.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or_default()
    };
    let widths: Vec<usize> = (0..heading.len()).map(width).collect();
    let line = |row: &Vec<String>| {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}"));
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    std::iter::once(paint.bold(&line(&heading))).chain(rows.iter().map(line)).collect()
}

/// A time to the minute, in UTC.
pub(crate) fn minute(time: Timestamp) -> String {
    time.strftime("%Y-%m-%d %H:%M").to_string()
}

/// The beginning of an id: enough to tell it from the others.
pub(crate) fn beginning(id: &str) -> String {
    let mut chars = id.chars();
    let text: String = chars.by_ref().take(8).collect();
    plain(&if chars.next().is_some() { format!("{text}…") } else { text })
}

/// Text from users as it may be shown in a terminal: control characters would have an effect there.
pub(crate) fn plain(text: &str) -> String {
    text.chars().map(|letter| if letter.is_control() { '\u{fffd}' } else { letter }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_stand_below_each_other() {
        let rows = [vec!["é".to_owned(), "1".to_owned()], vec!["long".to_owned(), String::new()]];
        assert_eq!(table(&["A", "B"], &rows, Paint(false)), ["A     B", "é     1", "long"]);
    }

    #[test]
    fn an_id_is_cut_and_has_no_effect_on_the_terminal() {
        assert_eq!(beginning("12345678"), "12345678");
        assert_eq!(beginning("1234567\u{1b}[31m"), "1234567\u{fffd}…");
    }
}
