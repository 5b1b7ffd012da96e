//! What an SMS is counted as: segments of GSM 7-bit or UCS-2, each of which is paid for.
//!
//! 3GPP TS 23.038, sections 6.1.1 and 6.2.1: 160 septets in one message or 153 in each of several, where a character of the
//! extension table takes two; otherwise 70 or 67 units of UTF-16. What takes two is never torn apart.

use serde::Serialize;

/// The basic table but for the letters and digits of ASCII (section 6.2.1).
const BASIC: &str = "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./:;<=>?¡ÄÖÑÜ§¿äöñüà";
/// The extension table (section 6.2.1.1): an escape goes before each.
const EXTENSION: &str = "\u{c}^{}\\[~]|€";

/// How the letters of an SMS are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(super) enum Encoding {
    /// Seven bits each.
    #[serde(rename = "GSM-7")]
    Gsm7,
    /// Sixteen.
    #[serde(rename = "UCS-2")]
    Ucs2,
}

/// What is counted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Count {
    pub(super) encoding: Encoding,
    /// Septets, or units of UTF-16.
    pub(super) units: usize,
    pub(super) segments: usize,
    /// How many units the segments could hold.
    pub(super) room: usize,
    /// The characters because of which it is not GSM 7-bit, each once.
    pub(super) beyond: String,
}

/// Counts a text.
pub(super) fn count(text: &str) -> Count {
    let mut beyond: Vec<char> = text.chars().filter(|character| septets(*character).is_none()).collect();
    beyond.sort_unstable();
    beyond.dedup();
    let (encoding, alone, of_several) =
        if beyond.is_empty() { (Encoding::Gsm7, 160, 153) } else { (Encoding::Ucs2, 70, 67) };
    let widths: Vec<usize> = text
        .chars()
        .map(|character| match encoding {
            Encoding::Gsm7 => septets(character).unwrap_or(1),
            Encoding::Ucs2 => character.len_utf16(),
        })
        .collect();
    let units = widths.iter().sum();
    let (segments, most) = if units <= alone { (1, alone) } else { (packed(&widths, of_several), of_several) };
    Count { encoding, units, segments, room: segments * most, beyond: beyond.into_iter().collect() }
}

/// How many segments of this size they fill.
fn packed(widths: &[usize], size: usize) -> usize {
    let mut segments = 1;
    let mut filled = 0;
    for width in widths {
        if filled + width > size {
            segments += 1;
            filled = 0;
        }
        filled += width;
    }
    segments
}

fn septets(character: char) -> Option<usize> {
    if character.is_ascii_alphanumeric() || BASIC.contains(character) {
        Some(1)
    } else {
        EXTENSION.contains(character).then_some(2)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counted(text: &str) -> (Encoding, usize, usize) {
        let Count { encoding, units, segments, .. } = count(text);
        (encoding, units, segments)
    }

    #[test]
    fn a_message_of_seven_bits_holds_160_and_each_of_several_153() {
        assert_eq!(counted(""), (Encoding::Gsm7, 0, 1));
        assert_eq!(counted(&"x".repeat(160)), (Encoding::Gsm7, 160, 1));
        assert_eq!(counted(&"x".repeat(161)), (Encoding::Gsm7, 161, 2));
        assert_eq!(counted(&"é".repeat(306)), (Encoding::Gsm7, 306, 2));
        assert_eq!(counted(&"é".repeat(307)), (Encoding::Gsm7, 307, 3));
    }

    #[test]
    fn what_is_behind_an_escape_counts_twice_and_is_not_torn_apart() {
        assert_eq!(counted(&"€".repeat(80)), (Encoding::Gsm7, 160, 1));
        assert_eq!(counted(&"{".repeat(81)), (Encoding::Gsm7, 162, 2));
        // 152 and a pair do not fit into 153.
        assert_eq!(counted(&format!("{}€{}", "x".repeat(152), "x".repeat(151))), (Encoding::Gsm7, 305, 2));
        assert_eq!(counted(&format!("{}€{}", "x".repeat(152), "x".repeat(152))), (Encoding::Gsm7, 306, 3));
    }

    #[test]
    fn one_letter_beyond_makes_it_70_and_67() {
        assert_eq!(counted(&"ж".repeat(70)), (Encoding::Ucs2, 70, 1));
        assert_eq!(counted(&"ж".repeat(71)), (Encoding::Ucs2, 71, 2));
        assert_eq!(counted(&"ж".repeat(134)), (Encoding::Ucs2, 134, 2));
        assert_eq!(counted(&"ж".repeat(135)), (Encoding::Ucs2, 135, 3));
        assert_eq!(count(&format!("{}’", "x".repeat(69))).beyond, "’");
        // 33 pairs are 66 units: the 34th does not fit into 67.
        assert_eq!(counted(&"🧑".repeat(36)), (Encoding::Ucs2, 72, 2));
        assert_eq!(counted(&"🧑".repeat(67)), (Encoding::Ucs2, 134, 3));
    }

    #[test]
    fn the_tables_are_those_of_the_standard() {
        // 128 places, less 62 letters and digits, less the escape.
        assert_eq!(BASIC.chars().count(), 128 - 62 - 1);
        assert_eq!(EXTENSION.chars().count(), 10);
        assert_eq!(counted("ç"), (Encoding::Ucs2, 1, 1), "only the capital is in it");
    }
}
