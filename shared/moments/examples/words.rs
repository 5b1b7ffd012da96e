//! Words one time, as a function does: for `docs/adr/0014-how-times-are-worded.md`, beside `words_of_icu`.

use cognito_triggers_moments::{Zone, in_words};

#[allow(clippy::print_stdout, reason = "it prints what it words")]
fn main() -> Result<(), jiff::Error> {
    let mut arguments = std::env::args().skip(1);
    let mut next = || arguments.next().unwrap_or_default();
    let (time, zone, language) = (next().parse()?, next(), next());
    println!("{}", in_words(time, &Zone::of(&zone).unwrap_or_else(Zone::utc), &language));
    Ok(())
}
