//! How the code of an invitation looks.

use cognito_triggers::{Fault, random};
use data_encoding::BASE32_NOPAD;

/// A new code: 128 random bits, written in groups that can be read out on the telephone, e.g.
/// `K7QG-2M4X-...`. It holds neither `0`, `1`, `8` nor `9`, so `O` and `I` cannot be mistaken.
///
/// # Errors
///
/// If the system has no randomness to give.
pub fn new_code() -> Result<String, Fault> {
    let text = BASE32_NOPAD.encode(&random::bytes::<16>()?);
    let groups: Vec<&str> = (0..text.len()).step_by(4).filter_map(|at| text.get(at..text.len().min(at + 4))).collect();
    Ok(groups.join("-"))
}

/// The code as it is hashed: upper case, without hyphens and spaces, with what is easily mistaken put right. `None` for what
/// cannot be the code of an invitation.
#[must_use]
pub fn normal(code: &str) -> Option<String> {
    let mut text = String::with_capacity(26);
    for letter in code.chars() {
        match letter.to_ascii_uppercase() {
            '-' | ' ' | '\u{2010}'..='\u{2015}' => {}
            '0' => text.push('O'),
            '1' => text.push('I'),
            '8' => text.push('B'),
            letter @ ('A'..='Z' | '2'..='7') => text.push(letter),
            _ => return None,
        }
    }
    (text.len() == 26).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_code_reads_back_in_any_spelling() {
        let code = new_code().unwrap();
        let plain = code.replace('-', "");
        assert_eq!(normal(&code), Some(plain.clone()));
        assert_eq!(normal(&code.to_lowercase().replace('-', " ")), Some(plain.clone()));
        assert_eq!(normal(&plain.replace('O', "0").replace('I', "1").replace('B', "8")), Some(plain));
    }

    #[test]
    fn a_new_code_has_128_random_bits() {
        let code = new_code().unwrap().replace('-', "");
        assert_eq!(code.len(), 26);
        assert_ne!(new_code().unwrap().replace('-', ""), code);
    }

    #[test]
    fn what_cannot_be_a_code_is_not_looked_up() {
        for text in ["", "short", &"A".repeat(27), "äääääääääääääääääääääääääää"] {
            assert_eq!(normal(text), None, "{text}");
        }
    }
}
