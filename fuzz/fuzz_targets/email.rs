//! Anybody may sign up with anything as an address. What passes for a domain of the list is an address of that domain.

#![no_main]

use cognito_triggers::EmailAddress;
use domain_allow_list::domains::{Decision, Patterns, ascii, decide};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    // Patterns never panic either, and read back as they are printed.
    if let Ok(pattern) = text.parse::<domain_allow_list::domains::Pattern>() {
        assert_eq!(pattern.to_string().parse(), Ok(pattern));
    }

    let Ok(address) = text.parse::<EmailAddress>() else { return };
    let domain = address.domain();
    assert!(domain.is_ascii() && domain.len() <= 253 && !domain.contains('@') && !domain.ends_with('.'));
    assert!(!domain.bytes().any(|byte| byte.is_ascii_uppercase()), "{domain}");

    let allow: Patterns = ["example.com", "*.example.org"].iter().map(|pattern| pattern.parse().unwrap()).collect();
    if decide(&allow, &Patterns::default(), domain) == Decision::Allowed {
        assert!(domain == "example.com" || domain.ends_with(".example.org"), "{domain}");
        // Its own spelling is in ASCII, or says the same in another script.
        let (_, written) = text.trim().rsplit_once('@').unwrap();
        assert_eq!(ascii(written.strip_suffix('.').unwrap_or(written)).as_deref(), Some(domain));
    }
});
