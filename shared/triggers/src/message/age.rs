//! Which characters are older than Unicode 7.0, of 2014: what whoever looks up a character has heard of.
//!
//! Cognito permits characters by their category, and does not say which version of Unicode it asks. One it has not heard of has no
//! category, and the user's call fails.

use std::ops::RangeInclusive;

/// Where later versions put characters into the basic plane, each range with what was free beside them (the property `Age`).
const LATER: [(u16, u16); 92] = [
    (0x037F, 0x0383),
    (0x0528, 0x0530),
    (0x0560, 0x0560),
    (0x0588, 0x0588),
    (0x058B, 0x058E),
    (0x05EB, 0x05EF),
    (0x0605, 0x0605),
    (0x061C, 0x061D),
    (0x07FB, 0x07FF),
    (0x085F, 0x089F),
    (0x08A1, 0x08A1),
    (0x08AD, 0x08E3),
    (0x08FF, 0x08FF),
    (0x0978, 0x0978),
    (0x0980, 0x0980),
    (0x09FC, 0x0A00),
    (0x0A76, 0x0A80),
    (0x0AF2, 0x0B00),
    (0x0B4E, 0x0B55),
    (0x0BFB, 0x0C00),
    (0x0C04, 0x0C04),
    (0x0C34, 0x0C34),
    (0x0C3A, 0x0C3C),
    (0x0C5A, 0x0C5F),
    (0x0C70, 0x0C77),
    (0x0C80, 0x0C81),
    (0x0C84, 0x0C84),
    (0x0CD7, 0x0CDD),
    (0x0CF3, 0x0D01),
    (0x0D04, 0x0D04),
    (0x0D3B, 0x0D3C),
    (0x0D4F, 0x0D56),
    (0x0D58, 0x0D5F),
    (0x0D76, 0x0D78),
    (0x0D80, 0x0D81),
    (0x0DE0, 0x0DF1),
    (0x0E85, 0x0E86),
    (0x0E89, 0x0E89),
    (0x0E8B, 0x0E8C),
    (0x0E8E, 0x0E93),
    (0x0E98, 0x0E98),
    (0x0EA0, 0x0EA0),
    (0x0EA8, 0x0EA9),
    (0x0EAC, 0x0EAC),
    (0x0EBA, 0x0EBA),
    (0x0ECE, 0x0ECF),
    (0x13F5, 0x13FF),
    (0x16F1, 0x16FF),
    (0x170D, 0x170D),
    (0x1715, 0x171F),
    (0x180F, 0x180F),
    (0x1878, 0x187F),
    (0x191D, 0x191F),
    (0x1AAE, 0x1AFF),
    (0x1B4C, 0x1B4F),
    (0x1B7D, 0x1B7F),
    (0x1C80, 0x1CBF),
    (0x1CF7, 0x1CFF),
    (0x1DE7, 0x1DFB),
    (0x2065, 0x2069),
    (0x20BB, 0x20CF),
    (0x218A, 0x218F),
    (0x23F4, 0x23FF),
    (0x2427, 0x243F),
    (0x2700, 0x2700),
    (0x2B4D, 0x2B4F),
    (0x2B5A, 0x2BFF),
    (0x2C2F, 0x2C2F),
    (0x2C5F, 0x2C5F),
    (0x2E3C, 0x2E7F),
    (0x2FFC, 0x2FFF),
    (0x312E, 0x3130),
    (0x31BB, 0x31BF),
    (0x31E4, 0x31EF),
    (0x32FF, 0x32FF),
    (0x4DB6, 0x4DBF),
    (0x9FCD, 0x9FFF),
    (0xA698, 0xA69E),
    (0xA78F, 0xA78F),
    (0xA794, 0xA79F),
    (0xA7AB, 0xA7F7),
    (0xA82C, 0xA82F),
    (0xA8C5, 0xA8CD),
    (0xA8FC, 0xA8FF),
    (0xA9E0, 0xA9FF),
    (0xAA7C, 0xAA7F),
    (0xAB2F, 0xABBF),
    (0xFBC2, 0xFBD2),
    (0xFD40, 0xFD4F),
    (0xFDC8, 0xFDCF),
    (0xFDFE, 0xFDFF),
    (0xFE27, 0xFE2F),
];

/// Beyond the basic plane the other way round: the ideographs and pictures that were there, as far as they are in use.
const BEYOND: [RangeInclusive<char>; 18] = [
    '\u{1F1E6}'..='\u{1F1FF}',
    '\u{1F300}'..='\u{1F320}',
    '\u{1F330}'..='\u{1F335}',
    '\u{1F337}'..='\u{1F37C}',
    '\u{1F380}'..='\u{1F393}',
    '\u{1F3A0}'..='\u{1F3C4}',
    '\u{1F3C6}'..='\u{1F3CA}',
    '\u{1F3E0}'..='\u{1F3F0}',
    '\u{1F400}'..='\u{1F43E}',
    '\u{1F442}'..='\u{1F4F7}',
    '\u{1F4F9}'..='\u{1F4FC}',
    '\u{1F500}'..='\u{1F53D}',
    '\u{1F5FB}'..='\u{1F640}',
    '\u{1F645}'..='\u{1F64F}',
    '\u{1F680}'..='\u{1F6C5}',
    '\u{20000}'..='\u{2A6D6}',
    '\u{2A700}'..='\u{2B734}',
    '\u{2F800}'..='\u{2FA1D}',
];

/// Whether it is as old as that.
pub(super) fn is_long_known(character: char) -> bool {
    let Ok(unit) = u16::try_from(u32::from(character)) else {
        return BEYOND.iter().any(|range| range.contains(&character));
    };
    let next = LATER.partition_point(|(first, _)| *first <= unit);
    let range = next.checked_sub(1).and_then(|before| LATER.get(before));
    range.is_none_or(|(_, last)| unit > *last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_came_later_is_told_from_what_was_there() {
        for old in "aé\u{20BA}ЖяعबあĀ漢€\u{FFFD}🎉😀𠀀".chars() {
            assert!(is_long_known(old), "{old:?}");
        }
        // The lari, the rouble, a capital Georgian letter, and pictures of 2015 and later.
        for new in "\u{20BE}\u{20BD}\u{1C90}\u{A7C0}\u{2E5D}\u{9FEF}\u{1F643}\u{1F9D1}\u{1FAE0}".chars() {
            assert!(!is_long_known(new), "{new:?}");
        }
        assert!(LATER.is_sorted_by(|one, next| one.0 <= one.1 && one.1 < next.0));
    }
}
