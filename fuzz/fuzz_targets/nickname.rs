//! Anybody may wish for anything as a nickname. Its keys can be stored, spelling it otherwise changes none of them, and its
//! variation can be held beside it.

#![no_main]

use libfuzzer_sys::fuzz_target;
use unique_nickname::name;

fuzz_target!(|input: (&str, u32, u32)| {
    let (nickname, digits, random) = input;
    let variation = name::variation(nickname, digits, random);
    let own = name::keys(&variation).expect("a variation can always be held");
    let Ok(keys) = name::keys(nickname) else { return };

    assert!(!keys.clashes_with(&own), "the variation is the name itself");
    // A partition key has at most 2,048 bytes.
    assert!((2..=3).contains(&keys.iter().count()) && keys.iter().all(|key| key.len() <= 1024));
    let padded = name::keys(&format!("\u{3000}{nickname} ")).expect("outer spaces do not count");
    assert_eq!(keys, padded);
    let upper: String = nickname.chars().map(|letter| letter.to_ascii_uppercase()).collect();
    if let Ok(upper) = name::keys(&upper) {
        assert!(keys.clashes_with(&upper), "case makes no difference");
    }
});
