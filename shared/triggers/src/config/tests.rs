//! What a user may write wrong, and what is said about it; what is read, merged and opened when it is right.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::sync::Arc;

use futures_util::FutureExt;
use jiff::Timestamp;
use proptest::prelude::*;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use super::*;
use crate::services::{Adapter, Adapters, Opening};
use crate::{
    Answer, Dispatcher, Environment, Event, Invocation, Ledger, Need, PostConfirmation, PreSignUp, Rule, Services,
    StoppedClock, Verdict,
};
use crate::{Visit, sample};

/// Lets in whom it knows.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Doorman {
    /// The names that get in.
    allow: Vec<String>,
    #[serde(default)]
    greeting: Option<String>,
    #[serde(default)]
    manner: Manner,
    #[serde(default)]
    hours: Hours,
    #[serde(default)]
    shifts: Vec<Shift>,
    #[serde(default)]
    max_guests: Option<NonZeroU32>,
}

#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum Manner {
    #[default]
    Polite,
    Strict,
}

#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
struct Hours {
    open: u8,
    close: u8,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Shift {
    #[schemars(with = "String")]
    from: Timestamp,
    who: String,
}

impl Rule<PreSignUp> for Doorman {
    async fn apply(&self, _: &Event<PreSignUp>, _: &mut Visit<PreSignUp>) -> Answer<PreSignUp> {
        let text = format!("{} {:?} {:?} {:?}", self.allow.join("+"), self.greeting, self.hours, self.manner);
        Ok(Verdict::deny(text))
    }
}

impl Configured for Doorman {
    const SECTION: &'static str = "doorman";

    fn attach(self, chains: &mut Chains) -> Result<(), ConfigError> {
        for (index, name) in self.allow.iter().enumerate() {
            if name.contains(' ') {
                let error = ConfigError::new("this is no name").at(format!("allow[{index}]"));
                return Err(error.remedy("write it without spaces"));
            }
        }
        if self.hours.open > self.hours.close {
            return Err(ConfigError::new("closes before it opens").at("hours.close").remedy("write a later hour"));
        }
        for (index, shift) in self.shifts.iter().enumerate() {
            if shift.who.is_empty() || shift.from < Timestamp::UNIX_EPOCH {
                return Err(ConfigError::new("nobody is there").at(format!("shifts[{index}].who")));
            }
        }
        if self.max_guests.is_some_and(|guests| guests.get() > 1000) {
            return Err(ConfigError::new("the house is too small"));
        }
        chains.attach(self).to::<PreSignUp>().done()
    }
}

/// Keeps coats for whoever has the word.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Cloakroom {
    #[serde(default)]
    words: Vec<Secret>,
}

impl Rule<PostConfirmation> for Cloakroom {
    async fn apply(&self, _: &Event<PostConfirmation>, _: &mut Visit<PostConfirmation>) -> Answer<PostConfirmation> {
        Ok(Verdict::Continue)
    }
}

impl Configured for Cloakroom {
    const SECTION: &'static str = "cloakroom";
    const ON_FAULT: OnFault = OnFault::Continue;

    fn attach(self, chains: &mut Chains) -> Result<(), ConfigError> {
        for (index, word) in self.words.iter().enumerate() {
            word.reveal(chains.environment()).map_err(|error| error.within(&format!("words[{index}]")))?;
        }
        chains.need(Need::Ledger).need(Need::Key).attach(self).to::<PostConfirmation>().done()
    }
}

type House = (Doorman, Cloakroom);

const KEY: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";

fn environment(variables: &[(&str, &str)]) -> Environment {
    variables.iter().copied().collect()
}

fn complaints(text: &str, variables: &[(&str, &str)]) -> String {
    let checked = Configuration::parse("triggers.toml", text)
        .and_then(|configuration| configuration.check::<House>(Some(&environment(variables))));
    checked.map_or_else(|errors| errors.to_string(), |_| String::new())
}

#[test]
fn every_wrong_configuration_is_explained() {
    let wrong: &[(&str, &str)] = &[
        (
            "[doorman]\nallow = []\ndelivery = \"later\"",
            "triggers.toml:3: doorman.delivery: there is no such choice; use `inline` or `deferred`",
        ),
        (
            "[services]\ndelivery = 1\n[doorman]\nallow = []",
            "triggers.toml:2: services.delivery: expected a string, found an integer; use `inline` or `deferred`",
        ),
        (
            "[services]\ntemplates = \" \"\n[doorman]\nallow = []",
            "triggers.toml:2: services.templates: this is not a folder; write it as `templates/`",
        ),
        ("[doorman\nallow = []", "triggers.toml:1: the table is not closed; add `]`"),
        ("[doorman]\nallow = [\"a\"", "triggers.toml:2: the array is not closed; add `]`"),
        ("[doorman]\nallow = \n", "triggers.toml:2: a value is missing; write one: `key = value`"),
        ("[doorman]\nallow = []\nallow = []", "triggers.toml:3: `allow` is given twice; keep one of them"),
        ("[doorman]\nallow = [bob]", "triggers.toml:2: this is no value; put text in double quotes"),
        ("[doorman]\nallow = [\"a]\n", "triggers.toml:2: the closing quote is missing; add `\"`"),
        ("[doorman]\nallow: []\n", "triggers.toml:2: there is a `:` after a key; write `key = value`"),
        ("[doorman]\ngreeting = \"hi\nallow = []", "triggers.toml:2: the closing quote is missing; add `\"`"),
        ("[doorman]\noff = True", "triggers.toml:2: this is no value; write `true` or `false`"),
        (
            "[doorman]\nallow =[] off = true",
            "triggers.toml:2: the line goes on after its end; write one key and its value a line",
        ),
        ("[doorman]\n[doorman]\n", "triggers.toml:2: `doorman` is given twice; keep one of them"),
        (
            "[doorman]\nallow = [\"\\d\"]",
            "triggers.toml:2: a backslash stands before what it cannot stand before; write two, or put the text in single quotes",
        ),
        (
            "[doorman]\nmax-guests = 99999999999999999999\n",
            "triggers.toml:2: the number is too large; write one of at most 18 digits",
        ),
        ("[doorman]\n", "triggers.toml:1: doorman: the key `allow` is missing; add `allow = ...`"),
        ("\n\n[doorman]\nalow = []", "triggers.toml:4: doorman.alow: there is no such key; did you mean `allow`?"),
        (
            "[doorman]\nxyz = []",
            "triggers.toml:2: doorman.xyz: there is no such key; use `allow`, `greeting`, `manner`, `hours`, `shifts`, `max-guests`, `delivery`, `off` or `on-fault`",
        ),
        (
            "[doorman]\nallow = \"bob\"",
            "triggers.toml:2: doorman.allow: expected an array, found a string; put it in brackets: `[...]`",
        ),
        (
            "[doorman]\nallow = [\n  \"bob\",\n  7,\n]",
            "triggers.toml:4: doorman.allow[1]: expected a string, found an integer; put it in quotes",
        ),
        (
            "[doorman]\nallow = [\"bob\", \"eve and anna\"]",
            "triggers.toml:2: doorman.allow[1]: this is no name; write it without spaces",
        ),
        (
            "[doorman]\nallow = []\nmax-guests = 0",
            "triggers.toml:3: doorman.max-guests: the number is out of range; use a whole number from 1",
        ),
        (
            "[doorman]\nallow = []\nmax-guests = -1",
            "triggers.toml:3: doorman.max-guests: the number is out of range; use a whole number from 1",
        ),
        (
            "[doorman]\nallow = []\nmax-guests = 1.5",
            "triggers.toml:3: doorman.max-guests: expected a whole number from 1, found a number with a fraction",
        ),
        (
            "[doorman]\nallow = []\nmax-guests = \"7\"",
            "triggers.toml:3: doorman.max-guests: expected a whole number from 1, found a string; write it without quotes",
        ),
        ("[doorman]\nallow = []\nmax-guests = 2000", "triggers.toml:1: doorman: the house is too small"),
        (
            "[doorman]\nallow = []\ngreeting = true",
            "triggers.toml:3: doorman.greeting: expected a string, found a boolean; put it in quotes",
        ),
        (
            "[doorman]\nallow = []\nmanner = \"strikt\"",
            "triggers.toml:3: doorman.manner: there is no such choice; did you mean `strict`?",
        ),
        (
            "[doorman]\nallow = []\nmanner = \"hunter2\"",
            "triggers.toml:3: doorman.manner: there is no such choice; use `polite` or `strict`",
        ),
        (
            "[doorman]\nallow = []\nmanner = 1",
            "triggers.toml:3: doorman.manner: expected a string, found an integer; use `polite` or `strict`",
        ),
        ("[doorman]\nallow = []\nhours = 7", "triggers.toml:3: doorman.hours: expected a table, found an integer"),
        (
            "[doorman]\nallow = []\n[doorman.hours]\nopen = 300",
            "triggers.toml:4: doorman.hours.open: the number is out of range; use a whole number from 0 to 255",
        ),
        (
            "[doorman]\nallow = []\n[doorman.hours]\nopen = 9\n\nclose = 7",
            "triggers.toml:6: doorman.hours.close: closes before it opens; write a later hour",
        ),
        (
            "[doorman]\nallow = []\nhours = { opne = 1 }",
            "triggers.toml:3: doorman.hours.opne: there is no such key; did you mean `open`?",
        ),
        (
            "[doorman]\nallow = []\n[[doorman.shifts]]\nfrom = 2026-01-01T00:00:00Z\nwho = \"a\"\n[[doorman.shifts]]\nfrom = \"x\"",
            "triggers.toml:7: doorman.shifts[1].from: expected four digit year (or leading sign for six digit year), but found end of input",
        ),
        (
            "[doorman]\nallow = []\n[[doorman.shifts]]\nfrom = 2026-01-01T00:00:00Z\nwho = \"\"\n",
            "triggers.toml:5: doorman.shifts[0].who: nobody is there",
        ),
        (
            "[doorman]\nallow = []\n[[doorman.shifts]]\nwho = \"\"\n",
            "triggers.toml:3: doorman.shifts[0]: the key `from` is missing; add `from = ...`",
        ),
        (
            "[doorman]\nallow = []\noff = \"yes\"",
            "triggers.toml:3: doorman.off: expected `true` or `false`, found a string; write `off = true` to switch the rule off",
        ),
        (
            "[doorman]\nallow = []\non-fault = \"ignore\"",
            "triggers.toml:3: doorman.on-fault: there is no such choice; use `deny` or `continue`",
        ),
        (
            "[doorman]\nallow = []\non-fault = false",
            "triggers.toml:3: doorman.on-fault: expected a string, found a boolean; use `deny` or `continue`",
        ),
        ("doorman = true", "triggers.toml:1: doorman: expected a table, found a boolean; write `[doorman]`"),
        ("[[doorman]]\nallow = []", "triggers.toml:1: doorman: expected a table, found an array; write `[doorman]`"),
        ("", "triggers.toml:1: no rule of this program is switched on; add a table: `[doorman]` or `[cloakroom]`"),
        (
            "[access-code]\ncodes = []",
            "triggers.toml:1: no rule of this program is switched on; add a table: `[doorman]` or `[cloakroom]`",
        ),
        ("[door-man]\nallow = []", "triggers.toml:1: door-man: there is no rule of this name; did you mean `doorman`?"),
        (
            "[acces-code]\n[doorman]\nallow = []",
            "triggers.toml:1: acces-code: there is no rule of this name; did you mean `access-code`?",
        ),
        (
            "[service]\n[doorman]\nallow = []",
            "triggers.toml:1: service: there is no rule of this name; did you mean `services`?",
        ),
        (
            "[gardener]\n[doorman]\nallow = []",
            "triggers.toml:1: gardener: there is no rule of this name; use `doorman`, `cloakroom`, `access-code`, `admin-notice`, `domain-allow-list`, `links`, `maintenance`, `password-age`, `s3-provisioning`, `session-limit`, `sign-in-alert`, `sign-in-count`, `templated-message`, `unique-nickname`, `user-events`, `welcome-email` or `win-back`",
        ),
        (
            "ledger = \"dynamodb:x\"\n[doorman]\nallow = []",
            "triggers.toml:1: ledger: this stands outside any table; write it under `[services]`",
        ),
        (
            "allow = 1\n[doorman]\nallow = []",
            "triggers.toml:1: allow: this stands outside any table; write it under the table of a rule, e.g. `[doorman]`",
        ),
        (
            "[services]\nleger = \"dynamodb:x\"\n[doorman]\nallow = []",
            "triggers.toml:2: services.leger: there is no such service; did you mean `ledger`?",
        ),
        (
            "[services]\nledger = \"cognito-triggers\"\n[doorman]\nallow = []",
            "triggers.toml:2: services.ledger: this is not the address of a ledger; write it as `dynamodb:<table>` or `sqlite:<file>`",
        ),
        (
            "[services]\nledger = { table = \"a\" }\n[doorman]\nallow = []",
            "triggers.toml:2: services.ledger: expected a string, found a table; write it as `dynamodb:<table>` or `sqlite:<file>`",
        ),
        (
            "services = 1\n[doorman]\nallow = []",
            "triggers.toml:1: services: expected a table, found an integer; write `[services]`",
        ),
        (
            "[services]\nmailer = \"hello@acme.example\"\n[doorman]\nallow = []",
            "triggers.toml:2: services.mailer: this is not the address of a mailer; write it as `ses:<sender>` or `folder:<folder>`",
        ),
        (
            "[doorman]\nallow = []\n[pools.Globex.doorman]\nallow = []",
            "triggers.toml:3: pools.\"Globex\": this is not the id of a user pool; write the id, not the name or the ARN: `eu-central-1_AbC123xyz`",
        ),
        (
            "pools = 1\n[doorman]\nallow = []",
            "triggers.toml:1: pools: expected a table, found an integer; write `[pools.\"<user pool id>\".<rule>]`",
        ),
        (
            "[doorman]\nallow = []\n[pools]\neu-central-1_Globex = 1",
            "triggers.toml:4: pools.\"eu-central-1_Globex\": expected a table, found an integer; write `[pools.\"eu-central-1_Globex\".<rule>]`",
        ),
        (
            "[doorman]\nallow = []\n[pools.eu-central-1_Globex]\noff = true",
            "triggers.toml:4: pools.\"eu-central-1_Globex\".off: this stands outside the table of a rule; write it under a rule, e.g. `[pools.\"eu-central-1_Globex\".doorman]`",
        ),
        (
            "[doorman]\nallow = []\n[pools.eu-central-1_Globex.services]\nledger = \"x:y\"",
            "triggers.toml:3: pools.\"eu-central-1_Globex\".services: all pools share the services; move it to `[services]`",
        ),
        (
            "[doorman]\nallow = []\n[pools.eu-central-1_Globex.dorman]\n",
            "triggers.toml:3: pools.\"eu-central-1_Globex\".dorman: there is no rule of this name; did you mean `doorman`?",
        ),
        (
            "[doorman]\nallow = []\n[pools.eu-central-1_Globex.doorman]\nallow = [1]",
            "triggers.toml:4: pools.\"eu-central-1_Globex\".doorman.allow[0]: expected a string, found an integer; put it in quotes",
        ),
        (
            "[doorman]\nallow = []\n[pools.eu-central-1_Globex.doorman]\nallow = [\"a b\"]",
            "triggers.toml:4: pools.\"eu-central-1_Globex\".doorman.allow[0]: this is no name; write it without spaces",
        ),
        (
            "[doorman]\nallow = [\"a b\"]\n[pools.eu-central-1_Globex.doorman]\ngreeting = \"x\"",
            "triggers.toml:2: doorman.allow[0]: this is no name; write it without spaces",
        ),
        (
            "[doorman]\nallow = []\n[pools.eu-central-1_Globex]\ndoorman = false",
            "triggers.toml:4: pools.\"eu-central-1_Globex\".doorman: expected a table, found a boolean; write `[pools.\"eu-central-1_Globex\".doorman]`",
        ),
        (
            "[cloakroom]\nwords = [{ env = \"UNSET\" }]",
            "triggers.toml:2: cloakroom.words[0]: the environment variable `UNSET` is not set; set it where the function runs",
        ),
        (
            "[cloakroom]\nwords = [{ var = \"UNSET\" }]",
            "triggers.toml:2: cloakroom.words[0].var: there is no such key; use `env`",
        ),
        (
            "[cloakroom]\nwords = [\"\"]",
            "triggers.toml:2: cloakroom.words[0]: the secret is empty; write one, or name a variable: { env = \"NAME\" }",
        ),
        (
            "[cloakroom]\nwords = [12345]",
            "triggers.toml:2: cloakroom.words[0]: expected a secret, which is a string or `{ env = \"NAME\" }`, found an integer",
        ),
        (
            "[cloakroom]\nwords = \"hunter2\"",
            "triggers.toml:2: cloakroom.words: expected an array, found a string; put it in brackets: `[...]`",
        ),
        (
            "[cloakroom]",
            "triggers.toml:1: cloakroom: needs a ledger; add `ledger = \"dynamodb:<table>\"` under [services] or set TRIGGERS_LEDGER\ntriggers.toml:1: cloakroom: needs a root key; make one with `openssl rand -base64 32` and set TRIGGERS_KEY to it where the function runs",
        ),
        (
            "[doorman]\nallow = []\n[pools.eu-central-1_Globex.cloakroom]",
            "triggers.toml:3: pools.\"eu-central-1_Globex\".cloakroom: needs a ledger; add `ledger = \"dynamodb:<table>\"` under [services] or set TRIGGERS_LEDGER\ntriggers.toml:3: pools.\"eu-central-1_Globex\".cloakroom: needs a root key; make one with `openssl rand -base64 32` and set TRIGGERS_KEY to it where the function runs",
        ),
        (
            "[doorman]\nalow = []\n[cloakroom]\nwords = 7\n[gardener]\n[services]\nleger = 1",
            "triggers.toml:2: doorman.alow: there is no such key; did you mean `allow`?\ntriggers.toml:4: cloakroom.words: expected an array, found an integer; put it in brackets: `[...]`\ntriggers.toml:5: gardener: there is no rule of this name; use `doorman`, `cloakroom`, `access-code`, `admin-notice`, `domain-allow-list`, `links`, `maintenance`, `password-age`, `s3-provisioning`, `session-limit`, `sign-in-alert`, `sign-in-count`, `templated-message`, `unique-nickname`, `user-events`, `welcome-email` or `win-back`\ntriggers.toml:7: services.leger: there is no such service; did you mean `ledger`?",
        ),
    ];
    let mut told = String::new();
    for (text, expected) in wrong {
        let said = complaints(text, &[]);
        if said != *expected {
            told.push_str(&format!("-- {text:?}\n{said}\n"));
        }
    }
    assert!(told.is_empty(), "{told}");
}

fn read(text: &str) -> Configuration {
    Configuration::parse("triggers.toml", text).unwrap()
}

/// What the doorman of a pool says, which is all his settings; `None` if there is none.
fn said(text: &str, pool: &str) -> Option<String> {
    let (base, pools) = read(text).chains::<House>(&Environment::default()).unwrap();
    let clock = Arc::new(StoppedClock::default());
    let dispatcher = Dispatcher::new(base, pools, Services::in_memory(clock));
    let mut event: Value = serde_json::from_str(sample(&crate::TriggerSource::PreSignUpSignUp, None).unwrap()).unwrap();
    event["userPoolId"] = pool.into();
    let deadline = dispatcher.services().clock.now() + jiff::SignedDuration::from_secs(4);
    let body = event.to_string();
    let handled =
        dispatcher.handle(Invocation { body: body.as_bytes(), request_id: "r", deadline }).now_or_never().unwrap();
    handled.answer.err().map(|refusal| refusal.message)
}

#[test]
fn a_pool_has_the_base_with_its_own_settings_over_it() {
    let text = r#"
        [doorman]
        allow = ["anna", "bob"]
        greeting = "hello"
        hours = { open = 8, close = 20 }

        [pools."eu-central-1_Globex".doorman]
        allow = ["zoe"]
        hours.close = 22

        [pools.local_Pool01.doorman]
        manner = "strict"
    "#;
    assert_eq!(
        said(text, "eu-central-1_Other").unwrap(),
        "anna+bob Some(\"hello\") Hours { open: 8, close: 20 } Polite"
    );
    assert_eq!(said(text, "eu-central-1_Globex").unwrap(), "zoe Some(\"hello\") Hours { open: 8, close: 22 } Polite");
    assert_eq!(said(text, "local_Pool01").unwrap(), "anna+bob Some(\"hello\") Hours { open: 8, close: 20 } Strict");
}

#[test]
fn a_pool_may_switch_a_rule_off_or_on() {
    let text = "[doorman]\nallow = [\"base\"]\n[pools.a_1.doorman]\noff = true\n";
    assert!(said(text, "b_2").unwrap().starts_with("base"));
    assert_eq!(said(text, "a_1"), None);

    let text = "[doorman]\noff = true\n[pools.a_1.doorman]\noff = false\nallow = [\"own\"]\n";
    assert_eq!(said(text, "b_2"), None);
    assert!(said(text, "a_1").unwrap().starts_with("own"));

    let text = "[pools.a_1.doorman]\nallow = [\"own\"]\n";
    assert_eq!(said(text, "b_2"), None);
    assert!(said(text, "a_1").unwrap().starts_with("own"));
}

#[test]
fn a_pool_with_settings_for_other_programs_only_has_the_base() {
    let text = "[doorman]\nallow = [\"base\"]\n[pools.a_1.access-code]\ncodes = []\n";
    let (_, pools) = read(text).chains::<House>(&Environment::default()).unwrap();
    assert!(pools.is_empty());
    assert!(said(text, "a_1").unwrap().starts_with("base"));
}

#[test]
fn what_is_switched_off_may_be_unfinished_but_not_misspelt() {
    assert_eq!(complaints("[doorman]\noff = true", &[]), "");
    let misspelt = complaints("[doorman]\noff = true\nalow = []", &[]);
    assert_eq!(misspelt, "triggers.toml:3: doorman.alow: there is no such key; did you mean `allow`?");
}

#[test]
fn an_error_of_the_base_is_told_once_however_many_pools_inherit_it() {
    let text = "[doorman]\nallow = 1\n[pools.a_1.doorman]\ngreeting = \"a\"\n[pools.b_1.doorman]\ngreeting = \"b\"\n";
    assert_eq!(complaints(text, &[]).lines().count(), 1);
}

#[test]
fn tables_of_known_rules_that_the_program_does_not_hold_are_skipped() {
    for section in KNOWN_SECTIONS {
        assert_eq!(complaints(&format!("[doorman]\nallow = []\n[{section}]\nanything = 1\n"), &[]), "");
    }
}

/// The example of the documentation, with one rule of it.
#[test]
fn the_example_of_the_documentation_is_read() {
    #[derive(Deserialize, JsonSchema)]
    #[serde(deny_unknown_fields)]
    #[allow(dead_code)]
    struct Domains {
        allow: Vec<String>,
        deny: Vec<String>,
        message: String,
    }
    impl Rule<PreSignUp> for Domains {
        async fn apply(&self, _: &Event<PreSignUp>, _: &mut Visit<PreSignUp>) -> Answer<PreSignUp> {
            Ok(Verdict::deny(self.allow.concat()))
        }
    }
    impl Configured for Domains {
        const SECTION: &'static str = "domain-allow-list";

        fn attach(self, chains: &mut Chains) -> Result<(), ConfigError> {
            chains.attach(self).to::<PreSignUp>().done()
        }
    }
    let example = r#"
[services]                                  # each can be overridden by TRIGGERS_LEDGER, TRIGGERS_MAILER, ...
ledger    = "dynamodb:cognito-triggers"     # or "sqlite:.pool/pool.db"
mailer    = "ses:Acme <hello@acme.example>" # or "folder:.pool/mail"
bucket    = "s3:acme-user-files"            # or "folder:.pool/files"
directory = "cognito"                       # or "local:.pool/pool.db"
publisher = "eventbridge:acme"              # or "file:.pool/events.jsonl"

[domain-allow-list]
allow   = ["example.com", "*.example.org"]
deny    = ["contractors.example.org"]
message = "Please sign up with your company address"

[access-code]
codes = [{ env = "SIGN_UP_CODE" }]          # plus counted invitations held in the ledger

[unique-nickname]
policy = "reject"                           # or "assign"

[session-limit]
max = 3
policy = "deny"                             # or "sign-out-others"

[maintenance]
windows = [{ from = "2026-12-24T22:00:00+01:00", until = "2026-12-25T02:00:00+01:00", message = "We are back at two" }]

[password-age]
max-days = 90

[sign-in-count]
[sign-in-alert]
when = "new-device"

[win-back]
after-days = 60

[welcome-email]
[admin-notice]
to = ["ops@acme.example"]
[s3-provisioning]
files = "provision/"
[user-events]
attributes = ["email", "locale"]
[templated-message]
templates = "templates/"

[pools."eu-central-1_Globex".domain-allow-list]   # one tenant's own settings, merged over the above
allow = ["globex.example"]
"#;
    let environment = environment(&[("TRIGGERS_BUCKET", "folder:/tmp/files")]);
    let configuration = read(example);
    let checked = configuration.check::<(Domains,)>(Some(&environment)).unwrap();
    assert_eq!(checked.rules, ["domain-allow-list"]);
    assert_eq!(checked.pools.keys().collect::<Vec<_>>(), ["eu-central-1_Globex"]);
    let addresses = configuration.services(&environment).unwrap();
    assert_eq!(addresses.ledger.as_deref(), Some("dynamodb:cognito-triggers"));
    assert_eq!(addresses.mailer.as_deref(), Some("ses:Acme <hello@acme.example>"));
    assert_eq!(addresses.bucket.as_deref(), Some("folder:/tmp/files"));
    assert_eq!(addresses.directory.as_deref(), Some("cognito"));
    assert_eq!(addresses.publisher.as_deref(), Some("eventbridge:acme"));
}

#[test]
fn a_wrong_variable_is_named() {
    let text = "[cloakroom]\n[services]\nledger = \"dynamodb:a\"";
    let wrong = [("TRIGGERS_LEDGER", "nonsense"), ("TRIGGERS_KEY", "hunter2")];
    assert_eq!(
        complaints(text, &wrong),
        "TRIGGERS_KEY: the root key is neither hexadecimal nor Base64; make one with `openssl rand -base64 32`\n\
         TRIGGERS_LEDGER: this is not the address of a ledger; write it as `dynamodb:<table>` or `sqlite:<file>`"
    );
    assert_eq!(complaints(text, &[("TRIGGERS_KEY", KEY)]), "");
    assert!(complaints("[doorman]\nallow = []", &[("TRIGGERS_KEY", "hunter2")]).starts_with("TRIGGERS_KEY: "));
}

#[test]
fn without_an_environment_what_it_would_hold_is_a_warning() {
    let configuration = read("[cloakroom]\nwords = [{ env = \"WORD\" }]\n[pools.a_1.cloakroom]\nwords = [\"a\"]\n");
    let checked = configuration.check::<House>(None).unwrap();
    let warnings: Vec<_> = checked.warnings.iter().map(ToString::to_string).collect();
    assert_eq!(
        warnings,
        [
            "triggers.toml:2: cloakroom.words[0]: the environment variable `WORD` is not set; set it where the function runs",
            "triggers.toml:3: pools.\"a_1\".cloakroom: needs a ledger; add `ledger = \"dynamodb:<table>\"` under [services] or set TRIGGERS_LEDGER",
            "triggers.toml:3: pools.\"a_1\".cloakroom: needs a root key; make one with `openssl rand -base64 32` and set TRIGGERS_KEY to it where the function runs",
        ]
    );
    assert!(configuration.check::<House>(Some(&Environment::default())).is_err());
    assert!(read("[cloakroom]\nwords = [1]").check::<House>(None).is_err());
}

/// A ledger in memory that refuses the address `no`.
fn adapters() -> Adapters {
    let open = |opening: Opening| -> futures_util::future::BoxFuture<'static, Result<Arc<dyn Ledger>, ConfigError>> {
        let opened = match opening.address.as_str() {
            "no" => Err(ConfigError::new("there is no such shelf").remedy("name another")),
            _ => Ok(Arc::new(crate::ledger::MemoryLedger::default()) as Arc<dyn Ledger>),
        };
        Box::pin(async move { opened })
    };
    Adapters::none().ledger(Adapter { scheme: "shelf", example: "shelf:<name>", embedded: true, open })
}

fn opened(text: &str, variables: &[(&str, &str)]) -> Result<Dispatcher, String> {
    let clock = Arc::new(StoppedClock::default());
    let open = async {
        let configuration = read(text);
        configuration.open::<House>(&environment(variables), &adapters(), clock).await
    };
    open.now_or_never().unwrap().map_err(|errors| errors.to_string())
}

#[test]
fn only_what_is_needed_is_opened() {
    // Nobody asks the ledger, so that it does not matter that there is none of this kind.
    let dispatcher = opened("[doorman]\nallow = []\n[services]\nledger = \"dynamodb:a\"", &[]).unwrap();
    assert!(dispatcher.services().keys.is_empty());

    let text = "[services]\nledger = \"shelf:a\"\n[pools.a_1.cloakroom]";
    let dispatcher = opened(text, &[("TRIGGERS_KEY", KEY)]).unwrap();
    assert!(!dispatcher.services().keys.is_empty());
    let read = dispatcher.services().ledger.read(&crate::Wants::default()).now_or_never().unwrap();
    assert!(read.is_ok());
}

/// Has letters delivered, by whoever can.
#[derive(Deserialize, JsonSchema)]
struct Postbox {}

impl Rule<PostConfirmation> for Postbox {
    async fn apply(&self, _: &Event<PostConfirmation>, _: &mut Visit<PostConfirmation>) -> Answer<PostConfirmation> {
        Ok(Verdict::Continue)
    }
}

impl Configured for Postbox {
    const SECTION: &'static str = "cloakroom";
    const ON_FAULT: OnFault = OnFault::Continue;

    fn attach(self, chains: &mut Chains) -> Result<(), ConfigError> {
        chains.need(Need::Mailer).need(Need::Directory).attach(self).to::<PostConfirmation>().done()
    }
}

#[test]
fn what_a_function_has_no_adapter_for_is_left_to_the_courier_unless_it_cannot_do_without() {
    let opened = |text: &str| {
        let configuration = read(text);
        let open = async {
            let clock = Arc::new(StoppedClock::default());
            configuration.open::<(Postbox,)>(&environment(&[]), &adapters(), clock).await
        };
        open.now_or_never().unwrap().map_err(|errors| errors.to_string())
    };
    let services = "[services]\nmailer = \"ses:hello@acme.example\"\ndirectory = \"cognito\"";
    let dispatcher = opened(&format!("[cloakroom]\n{services}")).unwrap();
    assert!(dispatcher.doubts().is_empty(), "{:?}", dispatcher.doubts());
    assert_eq!(dispatcher.chains("p").overview(), [("PostConfirmation", vec!["cloakroom"])]);
    // Somewhere there has to be one, for the courier.
    assert!(opened("[cloakroom]").unwrap().doubts()[0].to_string().contains("needs a"));
    let vital = opened(&format!("cloakroom.on-fault = \"deny\"\n{services}")).err().unwrap();
    assert!(vital.contains("this program has no directory called `cognito`"), "{vital}");
}

#[test]
fn a_service_that_cannot_be_opened_is_told_with_the_place_of_its_address() {
    let key = ("TRIGGERS_KEY", KEY);
    // Said to be one that people wait for: by default the cloakroom is not.
    let told = |text: &str, variables: &[(&str, &str)]| {
        opened(&text.replace("[cloakroom]", "cloakroom.on-fault = \"deny\""), variables).err().unwrap()
    };
    assert_eq!(
        told("[cloakroom]\n[services]\nledger = \"dynamodb:a\"", &[key]),
        "triggers.toml:3: services.ledger: this program has no ledger called `dynamodb`; it was built for `shelf:<name>`"
    );
    assert_eq!(
        told("[cloakroom]\n[services]\nledger = \"shelf:a\"", &[key, ("TRIGGERS_LEDGER", "shelf:no")]),
        "TRIGGERS_LEDGER: there is no such shelf; name another"
    );
    let in_lambda =
        told("[cloakroom]\n[services]\nledger = \"shelf:a\"", &[key, ("AWS_LAMBDA_INITIALIZATION_TYPE", "on-demand")]);
    assert!(in_lambda.starts_with("triggers.toml:3: services.ledger: a ledger on this machine"), "{in_lambda}");
    let nothing = told("[cloakroom]", &[]);
    assert!(nothing.contains("needs a ledger") && nothing.contains("needs a root key"), "{nothing}");
}

#[test]
fn a_rule_nobody_waits_for_is_left_out_if_its_table_is_wrong_or_it_lacks_something() {
    let doubts = |text: &str, variables: &[(&str, &str)]| -> String {
        let dispatcher = opened(text, variables).unwrap();
        dispatcher.doubts().iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
    };
    let key = ("TRIGGERS_KEY", KEY);
    assert_eq!(
        doubts("[cloakroom]\n[services]\nledger = \"dynamodb:a\"", &[key]),
        "triggers.toml:3: services.ledger: this program has no ledger called `dynamodb`; it was built for `shelf:<name>`"
    );
    let nothing = doubts("[doorman]\nallow = []\n[cloakroom]", &[]);
    assert!(nothing.contains("needs a ledger") && nothing.contains("needs a root key"), "{nothing}");
    let wrong = "[doorman]\nallow = []\n[cloakroom]\nwords = 7";
    assert!(doubts(wrong, &[key]).starts_with("triggers.toml:4: cloakroom.words: expected an array"));
    let dispatcher = opened(wrong, &[key]).unwrap();
    assert_eq!(dispatcher.chains("p").overview(), [("PreSignUp", vec!["doorman"])]);
    // Whoever checks the file hears of it as of every error.
    assert!(complaints(wrong, &[key]).contains("cloakroom.words"));

    // A gate that is off by a mistake would let everybody in, whatever its faults do.
    assert!(opened("[doorman]\non-fault = \"continue\"\nalow = []", &[]).is_err());
    assert!(opened("[cloakroom]\non-fault = \"deny\"\nwords = 7", &[key]).is_err());
    assert!(opened("[cloakrom]\n[doorman]\nallow = []", &[]).is_err());
}

#[test]
fn a_function_for_some_triggers_needs_what_they_need_and_refuses_the_others() {
    let text = "[doorman]\nallow = []\n[cloakroom]\non-fault = \"deny\"";
    // The cloakroom would need a ledger, were it not elsewhere.
    let dispatcher = opened(text, &[("TRIGGERS_ONLY", " PreSignUp , PreAuthentication")]).unwrap();
    assert_eq!(dispatcher.chains("p").overview(), [("PreSignUp", vec!["doorman"])]);
    assert!(dispatcher.chains("p").needs().is_empty());
    let handled = |source: &str| {
        let source = crate::TriggerSource::from(source);
        let body = sample(&source, None).unwrap().as_bytes();
        let invocation = Invocation { body, request_id: "1f3a9c2e", deadline: Timestamp::MAX };
        (dispatcher.handle(invocation).now_or_never().unwrap(), String::from_utf8_lossy(body).into_owned())
    };
    assert_eq!(handled("PreSignUp_SignUp").0.answer.unwrap_err().kind, "Denied");
    // No rule anywhere: it goes back, and so does what forgives, but the log has it.
    let (echoed, event) = handled("PreAuthentication_Authentication");
    assert_eq!(echoed.answer.unwrap(), event);
    let (forgiven, event) = handled("PostConfirmation_ConfirmSignUp");
    assert_eq!(forgiven.answer.unwrap(), event);
    let (_, fault) = forgiven.report.fault.unwrap();
    assert_eq!(fault, "TRIGGERS_ONLY leaves PostConfirmation to another function; attach that one to the trigger");

    let key = ("TRIGGERS_KEY", KEY);
    let dispatcher =
        opened(text, &[("TRIGGERS_ONLY", "PostConfirmation"), key, ("TRIGGERS_LEDGER", "shelf:a")]).unwrap();
    let body = sample(&crate::TriggerSource::PreSignUpSignUp, None).unwrap().as_bytes();
    let invocation = Invocation { body, request_id: "1f3a9c2e", deadline: Timestamp::MAX };
    let refused = dispatcher.handle(invocation).now_or_never().unwrap().answer.unwrap_err();
    assert_eq!(refused.kind, "Fault", "a gate whose rules are elsewhere lets nobody in");

    let told = |only: &str| opened(text, &[("TRIGGERS_ONLY", only)]).err().unwrap();
    assert!(opened(text, &[("TRIGGERS_ONLY", "presignup")]).is_ok());
    assert_eq!(
        told(","),
        "TRIGGERS_ONLY: no trigger is named; write e.g. `PreSignUp,PostConfirmation`, or leave it out for all"
    );
    let unknown = "TRIGGERS_ONLY: there is no trigger `SignUp`; write names with commas between them: `PreSignUp`, ";
    assert!(told("PreSignUp,SignUp").starts_with(unknown));
}

/// The services of a program without rules, and the doubts.
fn opened_without_rules(text: &str, variables: &[(&str, &str)]) -> Result<(Services, String), String> {
    let clock = Arc::new(StoppedClock::default());
    let open = async {
        let configuration = Configuration::parse("triggers.toml", text)?;
        configuration.open_services(&environment(variables), &adapters(), clock).await
    };
    let (services, doubts) = open.now_or_never().unwrap().map_err(|errors| errors.to_string())?;
    Ok((services, doubts.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")))
}

#[test]
fn a_program_without_rules_opens_the_ledger_and_what_it_has_adapters_for() {
    let text = "[nobodys-rule]\n[services]\nledger = \"shelf:a\"\nmailer = \"ses:Acme <a@acme.example>\"\n";
    let (services, doubts) = opened_without_rules(text, &[]).unwrap();
    assert_eq!((doubts.as_str(), services.keys.is_empty()), ("", true));
    assert!(services.ledger.read(&crate::Wants::default()).now_or_never().unwrap().is_ok());

    let linked = format!("{text}links = \"https://links.acme.example/\"\n");
    let (services, doubts) = opened_without_rules(&linked, &[("TRIGGERS_KEY", KEY)]).unwrap();
    assert_eq!((doubts.as_str(), services.keys.is_empty()), ("", false));
    let link = crate::links::Link {
        purpose: crate::links::LinkPurpose::NotMe,
        about: String::new(),
        pool: "a_1".into(),
        sub: "5".into(),
        expires: Timestamp::MAX,
    };
    assert!(services.links.url(&link, &services.keys).unwrap().starts_with("https://links.acme.example/?t="));
}

#[test]
fn a_program_without_rules_cannot_do_without_a_ledger() {
    let wrong = |text: &str, variables: &[(&str, &str)]| opened_without_rules(text, variables).err().unwrap();
    assert_eq!(
        wrong("", &[]),
        "services: this function needs a ledger; add `ledger = \"dynamodb:<table>\"` under [services] or set TRIGGERS_LEDGER"
    );
    let of_another_kind = wrong("[services]\nledger = \"dynamodb:a\"", &[]);
    assert!(of_another_kind.starts_with("triggers.toml:2: services.ledger: this program has no ledger called"));
    assert!(wrong("[services]\nledger = \"shelf:no\"", &[]).contains("there is no such shelf"));
    assert!(wrong("[services]\nledger = \"shelf:a\"", &[("TRIGGERS_KEY", "short")]).starts_with("TRIGGERS_KEY: "));
}

#[test]
fn the_file_is_found_where_the_variable_says_else_at_the_first_place_that_has_one() {
    let folder = tempfile::tempdir().unwrap();
    let place = |name: &str| folder.path().join(name).display().to_string();
    let (layer, here, named) = (place("layer.toml"), place("here.toml"), place("named.toml"));
    let places = [layer.as_str(), here.as_str()];
    let find = |variables: &[(&str, &str)]| {
        file::find(&environment(variables), &places)
            .map(|configuration| configuration.file().to_owned())
            .map_err(|errors| errors.to_string())
    };

    assert_eq!(
        find(&[]).unwrap_err(),
        format!(
            "there is no configuration at `{layer}` or `{here}`; put `triggers.toml` there, or name its path with TRIGGERS_CONFIG"
        )
    );
    std::fs::write(&here, "").unwrap();
    assert_eq!(find(&[]).unwrap(), here);
    std::fs::write(&layer, "\u{feff}[doorman]\r\nallow = []\r\n").unwrap();
    assert_eq!(find(&[]).unwrap(), layer);
    let variable = [("TRIGGERS_CONFIG", named.as_str())];
    assert_eq!(
        find(&variable).unwrap_err(),
        format!("TRIGGERS_CONFIG: there is no file `{named}`; name the configuration's path, or unset it")
    );
    std::fs::write(&named, b"[doorman]\nallow = [\"M\xfcller\"]").unwrap();
    assert_eq!(find(&variable).unwrap_err(), format!("{named}:2: the file is not UTF-8; save it as UTF-8"));
    let unreadable = [("TRIGGERS_CONFIG", folder.path().to_str().unwrap())];
    assert!(find(&unreadable).unwrap_err().contains("cannot be read"));
}

#[test]
fn the_schema_says_what_may_be_written() {
    let schema = schema::<House>();
    let doorman = &schema["properties"]["doorman"];
    assert_eq!(doorman["description"], "Lets in whom it knows.");
    assert_eq!(doorman["properties"]["allow"]["description"], "The names that get in.");
    assert_eq!(doorman["required"], json!(["allow"]));
    assert_eq!(doorman["additionalProperties"], false);
    assert_eq!(doorman["properties"]["off"]["type"], "boolean");
    assert_eq!(doorman["properties"]["on-fault"]["default"], "deny");
    assert_eq!(schema["properties"]["cloakroom"]["properties"]["on-fault"]["default"], "continue");
    assert_eq!(schema["additionalProperties"], false);
    assert_eq!(schema["properties"]["services"]["properties"].as_object().unwrap().len(), 8);
    assert_eq!(doorman["properties"]["delivery"]["enum"], json!(["inline", "deferred"]));

    let (pattern, pool) =
        schema["properties"]["pools"]["patternProperties"].as_object().unwrap().iter().next().unwrap();
    assert_eq!(pattern, r"^[\w-]+_[0-9a-zA-Z]+$");
    let own = &pool["properties"]["doorman"];
    assert_eq!(own["required"], Value::Null);
    assert_eq!(own["properties"]["allow"], doorman["properties"]["allow"]);
    // Inside an array nothing is merged: a shift is whole or wrong.
    assert_eq!(own["properties"]["shifts"], doorman["properties"]["shifts"]);
    assert_eq!(schema["$defs"]["Shift"]["required"], json!(["from", "who"]));
    for section in KNOWN_SECTIONS {
        assert_eq!(schema["properties"][section]["type"], "object");
        assert_eq!(pool["properties"][section]["type"], "object");
    }
}

/// A value that must never be seen again.
const HIDDEN: &str = "hunter2-hunter2";

fn value() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        8 => Just(format!("{HIDDEN:?}")),
        1 => Just("true".to_owned()),
        1 => any::<i64>().prop_map(|number| number.to_string()),
        1 => any::<f64>()
            .prop_filter("TOML writes no such number", |number| number.is_finite())
            .prop_map(|number| format!("{number:?}")),
        1 => Just("2026-12-24T22:00:00+01:00".to_owned()),
        1 => Just("23:00:00".to_owned()),
    ];
    leaf.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(|values| format!("[{}]", values.join(", "))),
            prop::collection::btree_map(key(), inner, 0..3).prop_map(|entries| {
                let entries: Vec<_> = entries.iter().map(|(key, value)| format!("{key} = {value}")).collect();
                format!("{{ {} }}", entries.join(", "))
            }),
        ]
    })
}

/// Keys the doorman has, and some he has not.
fn key() -> impl Strategy<Value = String> {
    let own = ["allow", "greeting", "manner", "hours", "shifts", "max-guests", "off", "on-fault"];
    let others = ["words", "env", "ledger", "open", "from", "who", "doorman", "services", "pools", "\"a.b\""];
    prop_oneof![4 => prop::sample::select(own.to_vec()), 1 => prop::sample::select(others.to_vec())]
        .prop_map(str::to_owned)
}

fn table() -> impl Strategy<Value = String> {
    let tables = ["doorman", "doorman.hours", "cloakroom", "services", "pools.a_1.doorman", "gardener"];
    prop::sample::select(tables.to_vec()).prop_map(str::to_owned)
}

fn lines(entries: &BTreeMap<String, String>) -> String {
    entries.iter().map(|(key, value)| format!("{key} = {value}\n")).collect()
}

proptest! {
    #[test]
    fn no_text_makes_it_panic(text in any::<String>()) {
        if let Ok(configuration) = Configuration::parse("t", &text) {
            let _ = configuration.check::<House>(None);
        }
    }

    #[test]
    fn no_configuration_makes_it_panic_or_quote_a_value(
        top in prop::collection::btree_map(key(), value(), 0..2),
        tables in prop::collection::btree_map(table(), prop::collection::btree_map(key(), value(), 0..5), 0..4),
    ) {
        let mut text = lines(&top);
        for (table, entries) in &tables {
            text.push_str(&format!("[{table}]\n{}", lines(entries)));
        }
        let count = text.lines().count().max(1);
        let checked = Configuration::parse("t", &text).and_then(|configuration| {
            assert!(!format!("{configuration:?}").contains(HIDDEN));
            configuration.check::<House>(Some(&Environment::default()))
        });
        if let Err(errors) = checked {
            prop_assert!(!errors.0.is_empty());
            prop_assert!(!errors.to_string().contains(HIDDEN), "{errors}");
            for error in &errors.0 {
                let (_, line) = error.place().unwrap();
                prop_assert!((1..=count).contains(&line), "{error}");
            }
        }
    }
}
