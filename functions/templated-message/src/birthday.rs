//! Whether today is a user's birthday.
//!
//! Who was born on 29 February celebrates on 28 February in years without one: that is still the last day of the month of birth,
//! and wishes that come early are better than belated ones. The year is not looked at, so that one that is left out, `0000`
//! (OpenID Connect Core, section 5.1), does no harm.

use jiff::civil::Date;

/// Whether somebody born on the first day celebrates on the second.
pub(crate) fn is_celebrated(born: Date, today: Date) -> bool {
    let day = match (born.month(), born.day()) {
        (2, 29) if !today.in_leap_year() => (2, 28),
        day => day,
    };
    day == (today.month(), today.day())
}

#[cfg(test)]
mod tests {
    use cognito_triggers::Attributes;

    use super::*;

    fn celebrates(birthdate: &str, today: &str) -> bool {
        let attributes = Attributes::from_iter([("birthdate", birthdate)]);
        attributes.birthdate().is_some_and(|born| is_celebrated(born, today.parse().unwrap()))
    }

    #[test]
    fn a_birthday_is_the_same_day_of_any_year() {
        assert!(celebrates("1990-05-05", "2026-05-05"));
        assert!(celebrates("2026-05-05", "2026-05-05"), "the day itself");
        assert!(!celebrates("1990-05-05", "2026-05-06"));
        assert!(!celebrates("1990-05-05", "2026-06-05"));
        assert!(celebrates("1999-12-31", "2026-12-31") && celebrates("2000-01-01", "2026-01-01"));
    }

    #[test]
    fn who_was_born_on_29_february_celebrates_every_year() {
        assert!(celebrates("1992-02-29", "2028-02-29"));
        assert!(!celebrates("1992-02-29", "2028-02-28"), "the day is there");
        assert!(celebrates("1992-02-29", "2026-02-28"));
        assert!(!celebrates("1992-02-29", "2026-03-01"));
        // 2100 is divided by four and is no leap year.
        assert!(celebrates("1992-02-29", "2100-02-28"));
        assert!(!celebrates("1992-02-28", "2028-02-29"));
    }

    #[test]
    fn a_year_that_is_left_out_does_no_harm() {
        assert!(celebrates("0000-05-05", "2026-05-05"));
        assert!(celebrates("0000-02-29", "2028-02-29") && celebrates("0000-02-29", "2026-02-28"));
    }

    #[test]
    fn what_is_no_date_is_no_birthday() {
        for birthdate in ["", "1990", "0000", "1990-02-30", "1900-02-29", "05-05", "--05-05", "5 May 1990", "1990-05-5"]
        {
            assert!(!celebrates(birthdate, "2026-05-05"), "{birthdate:?}");
        }
    }
}
