//! Any text may stand in `triggers.toml`. Whatever it is, reading and checking it ends, and every error names a place.

#![no_main]

use access_code::AccessCode;
use cognito_triggers::Environment;
use cognito_triggers::config::Configuration;
use domain_allow_list::DomainAllowList;
use libfuzzer_sys::fuzz_target;
use unique_nickname::UniqueNickname;

type Rules = (DomainAllowList, AccessCode, UniqueNickname);

fuzz_target!(|text: &str| {
    let errors = match Configuration::parse("triggers.toml", text) {
        Err(errors) => errors,
        Ok(configuration) => {
            let environment: Environment =
                [("TRIGGERS_KEY", "00".repeat(32)), ("SIGN_UP_CODE", "a".repeat(16))].into_iter().collect();
            // With an environment nothing is left open, so whoever passes here passes without one.
            let here = configuration.check::<Rules>(Some(&environment)).is_ok();
            match configuration.check::<Rules>(None) {
                Ok(_) => return,
                Err(errors) if here => panic!("right with variables and wrong without: {errors}"),
                Err(errors) => errors,
            }
        }
    };
    for line in errors.to_string().lines().filter(|line| !line.trim().is_empty()) {
        assert!(line.starts_with("triggers.toml:"), "{line}");
    }
});
