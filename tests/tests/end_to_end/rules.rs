//! Every rule through its own binary: who gets in, and what the others read, word for word.

use std::collections::BTreeMap;
use std::process::Command;
use std::time::Duration;

use cognito_triggers::ledger::{Invitation, LedgerAdmin};
use cognito_triggers::{Keys, UserStatus};
use cognito_triggers_embedded::{LocalDirectory, NewUser, SqliteLedger};
use cognito_triggers_tests::{Outcome, binary};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::kit::{House, KEY, POOL, confirmed, event, sample, set, sign_up, signed_in};
use crate::ledger::{block_on, dump};

const COMPANY: &str = "[domain-allow-list]\nallow = [\"example.com\", \"*.example.org\"]\n\
                       deny = [\"contractors.example.org\"]\nmessage = \"Please sign up with your company address\"\n";

const CLOSED: &str = "Please sign up with your company address";
const UNREADABLE: &str = "This e-mail address cannot be read, please check its spelling";

fn with_email(email: &str) -> Value {
    event("PreSignUp_SignUp", &[("email", email)])
}

#[test]
fn the_company_domain_gets_in_however_it_is_written() {
    let house = House::new();
    let function = house.function("domain-allow-list", COMPANY);
    let welcome = [
        "anna@example.com",
        "Anna+tag@EXAMPLE.Com",
        "anna@example.com.",
        "anna@staff.example.org",
        "\"a b\"@example.com",
    ];
    for email in welcome {
        function.lets_pass(&with_email(email));
    }
    let bucher = house.bare_function("domain-allow-list", "[domain-allow-list]\nallow = [\"bücher.example\"]", &[]);
    for email in ["anna@bücher.example", "anna@BÜCHER.example", "anna@xn--bcher-kva.example"] {
        bucher.lets_pass(&with_email(email));
    }
}

#[test]
fn who_only_looks_like_the_company_is_refused_with_the_configured_text() {
    let function = House::new().function("domain-allow-list", COMPANY);
    let strangers = [
        "anna@evilexample.com",
        "anna@example.com.evil.org",
        "anna@sub.example.com",
        "anna@example.org",
        "anna@contractors.example.org",
        "anna@exаmple.com", // a Cyrillic а
        "anna+example.com@evil.org",
        "\"anna@example.com\"@evil.org",
    ];
    for email in strangers {
        function.refuses(&with_email(email), CLOSED);
    }
}

#[test]
fn an_address_nobody_can_read_is_refused_with_a_sentence_a_user_understands() {
    let function = House::new().function("domain-allow-list", COMPANY);
    for email in
        ["anna@example.com@evil.org", "anna@evil.org\u{0}@example.com", "Anna <anna@example.com>", "anna@", "anna"]
    {
        function.refuses(&with_email(email), UNREADABLE);
    }
    let mut nobody = with_email("");
    set(&mut nobody, "email", Value::Null);
    function.refuses(&nobody, "Please sign up with an e-mail address");
}

#[test]
fn an_address_as_the_user_name_counts_where_there_is_no_other() {
    let function = House::new().function("domain-allow-list", COMPANY);
    let named = |name: &str| {
        let mut event = event("PreSignUp_SignUp", &[("/userName", name)]);
        set(&mut event, "email", Value::Null);
        event
    };
    function.lets_pass(&named("anna@example.com"));
    function.refuses(&named("anna@evilexample.com"), CLOSED);
}

#[test]
fn a_changed_address_is_noticed_at_the_next_sign_in_where_that_is_wished() {
    let house = House::new();
    let changed = event("PostAuthentication_Authentication", &[("email", "anna@evil.example.net")]);
    house.function("domain-allow-list", COMPANY).lets_pass(&changed);
    let strict = house.function("domain-allow-list", &format!("{COMPANY}at-sign-in = true\n"));
    strict.refuses(&changed, CLOSED);
    strict.lets_pass(&event("PostAuthentication_Authentication", &[]));
}

#[test]
fn a_source_no_rule_is_attached_to_is_echoed_to_the_letter() {
    let house = House::new();
    let all = format!("{COMPANY}[access-code]\ncodes = [{{ env = \"SIGN_UP_CODE\" }}]\n[unique-nickname]\n");
    let unknown = sample("variations/source-unknown");
    for name in ["pool", "domain-allow-list", "access-code", "unique-nickname"] {
        let function = house.function_with(name, &all, &[("SIGN_UP_CODE", "Sesam-open-up-77")]);
        let outcome = function.invoke_text(unknown.as_str()).outcome;
        assert_eq!(outcome, Outcome::Answer(unknown.trim_ascii().as_bytes().to_vec()), "{name}");
        let line = function.lines().into_iter().rfind(|line| line["message"] == "decision").unwrap();
        assert_eq!(line["outcome"], "echoed", "{name}");
    }
}

#[test]
fn a_rule_that_is_off_lets_everybody_in() {
    let function = House::new().function("pool", &format!("{COMPANY}off = true\n[access-code]\noff = true\n"));
    function.lets_pass(&with_email("anna@evilexample.com"));
    function.lets_pass(&with_email("anna@"));
}

#[test]
fn every_pool_has_its_own_settings_and_the_others_have_the_common_ones() {
    let tables = format!(
        "{COMPANY}\n[pools.\"eu-central-1_Globex\".domain-allow-list]\nallow = [\"globex.example\"]\n\
         message = \"Globex only\"\n\n[pools.\"eu-central-1_Open\".domain-allow-list]\noff = true\n"
    );
    let function = House::new().function("pool", &tables);
    let of = |pool: &str, email: &str| event("PreSignUp_SignUp", &[("/userPoolId", pool), ("email", email)]);
    function.lets_pass(&of(POOL, "anna@example.com"));
    function.refuses(&of(POOL, "anna@globex.example"), CLOSED);
    function.lets_pass(&of("eu-central-1_Globex", "anna@globex.example"));
    function.refuses(&of("eu-central-1_Globex", "anna@example.com"), "Globex only");
    // What the tenant does not say otherwise is merged over: the common list of denied domains stays.
    function.refuses(&of("eu-central-1_Globex", "anna@contractors.example.org"), "Globex only");
    function.lets_pass(&of("eu-central-1_Open", "anna@evilexample.com"));
    function.refuses(&of("eu-central-1_Else", "anna@globex.example"), CLOSED);
}

#[test]
fn one_nickname_in_two_pools_is_two_names() {
    let function = House::new().function("unique-nickname", "[unique-nickname]\n");
    let of = |pool: &str, user: &str| {
        let mut event = sign_up(user, "Dragonfly");
        set(&mut event, "/userPoolId", json!(pool));
        event
    };
    function.lets_pass(&of("eu-central-1_One", "berta"));
    function.lets_pass(&of("eu-central-1_Two", "caesar"));
    function.refusal(&of("eu-central-1_Two", "dorothea"));
}

const CODE: &str = "Sesam-open-up-77";
const STATIC: &str = "[access-code]\ncodes = [{ env = \"SIGN_UP_CODE\" }]\ninvitations = false\n";

/// The code as an application sends it.
fn with_code(mut event: Value, code: &str) -> Value {
    set(&mut event, "/request/validationData", json!({"accessCode": code}));
    event
}

#[test]
fn a_static_code_lets_in_by_validation_data_or_client_metadata() {
    // No ledger: static codes alone need none.
    let function = House::new().bare_function("access-code", STATIC, &[("SIGN_UP_CODE", CODE)]);
    function.lets_pass(&with_code(sign_up("berta", "Berta"), CODE));
    let mut by_metadata = sign_up("berta", "Berta");
    set(&mut by_metadata, "/request/clientMetadata", json!({"accessCode": CODE}));
    function.lets_pass(&by_metadata);

    function.refuses(&sign_up("berta", "Berta"), "Please enter your access code");
    for wrong in ["Sesam-open-up-78", "sesam-open-up-77", "Sesam-open-up-7", "Sesam-open-up-777", &"x".repeat(5000)] {
        function.refuses(&with_code(sign_up("berta", "Berta"), wrong), "This access code is not valid");
    }
    let mut odd = sign_up("berta", "Berta");
    set(&mut odd, "/request/validationData", json!({"accessCode": [CODE]}));
    function.refusal(&odd);
}

#[test]
fn who_is_created_by_an_administrator_or_comes_from_elsewhere_needs_no_code_unless_told_so() {
    let house = House::new();
    let others = ["PreSignUp_AdminCreateUser", "PreSignUp_ExternalProvider"];
    let function = house.bare_function("access-code", STATIC, &[("SIGN_UP_CODE", CODE)]);
    let strict = format!("{STATIC}admin-created = true\nfederated = true\n");
    let strict = house.bare_function("access-code", &strict, &[("SIGN_UP_CODE", CODE)]);
    for name in others {
        function.lets_pass(&event(name, &[]));
        strict.refuses(&event(name, &[]), "Please enter your access code");
        strict.lets_pass(&with_code(event(name, &[]), CODE));
    }
}

const INVITED: &str = "[access-code]\n";

/// An invitation in the ledger of a house; its code.
fn invite(house: &House, maximum: u32, expires: Option<Timestamp>) -> String {
    let ledger = SqliteLedger::open(&house.file()).unwrap();
    let code = access_code::new_code().unwrap();
    let [key] = Keys::parse(KEY).unwrap().invitation(POOL, &code.replace('-', "")).try_into().unwrap();
    let invitation = Invitation {
        maximum,
        created: Timestamp::UNIX_EPOCH,
        expires,
        note: None,
        revoked: false,
        uses: BTreeMap::new(),
        version: 1,
    };
    assert!(block_on(ledger.create_invitation(&key, &invitation)).unwrap());
    code
}

fn only_invitation(house: &House) -> Invitation {
    let ledger = SqliteLedger::open(&house.file()).unwrap();
    let mut all = block_on(ledger.invitations(POOL)).unwrap();
    assert_eq!(all.len(), 1);
    all.remove(0).1
}

#[test]
fn an_invitation_for_two_lets_two_in_and_the_third_reads_why() {
    let house = House::new();
    let code = invite(&house, 2, None);
    let function = house.function("access-code", INVITED);
    // Read out on the telephone, a code comes back in any spelling.
    function.lets_pass(&with_code(sign_up("berta", "Berta"), &code.to_lowercase()));
    function.lets_pass(&with_code(sign_up("caesar", "Caesar"), &code.replace('-', " ")));
    let late = with_code(sign_up("dorothea", "Dorothea"), &code);
    function.refuses(&late, "This access code has been used up");

    function.lets_pass(&confirmed("berta", "Berta", "0b000000-0000-4000-8000-000000000001"));
    function.refuses(&late, "This access code has been used up");
    let invitation = only_invitation(&house);
    assert_eq!(invitation.uses.values().filter(|until| until.is_none()).count(), 1, "{invitation:?}");
    assert_eq!(invitation.uses.len(), 2, "{invitation:?}");
    assert!(invitation.uses.keys().all(|owner| !owner.as_str().contains("berta")), "an address is kept as a hash");
}

/// The operator's program on the ledger and the directory of a house; what it prints.
#[track_caller]
fn poolctl(house: &House, arguments: &[&str]) -> String {
    let file = house.file();
    let output = Command::new(binary("poolctl"))
        .env_clear()
        .env("TRIGGERS_KEY", KEY)
        .env("TRIGGERS_LEDGER", format!("sqlite:{}", file.display()))
        .env("TRIGGERS_DIRECTORY", format!("local:{}", file.display()))
        .current_dir(house.path())
        .args(["--pool", POOL])
        .args(arguments)
        .output()
        .unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn an_invitation_the_operator_makes_lets_in_until_the_operator_takes_it_back() {
    let house = House::new();
    let code = poolctl(&house, &["invitations", "create", "--maximum", "3"]);
    let code = code.trim();
    let function = house.function("access-code", INVITED);
    function.keeps_to_itself(code);
    function.lets_pass(&with_code(sign_up("berta", "Berta"), code));
    function.lets_pass(&confirmed("berta", "Berta", "0b000000-0000-4000-8000-000000000001"));
    function.lets_pass(&with_code(sign_up("caesar", "Caesar"), code));

    let listed: Value = serde_json::from_str(&poolctl(&house, &["invitations", "list", "--json"])).unwrap();
    let counted = (&listed[0]["used"], &listed[0]["reserved"], &listed[0]["maximum"]);
    assert_eq!(counted, (&json!(1), &json!(1), &json!(3)), "{listed}");

    poolctl(&house, &["invitations", "revoke", code]);
    function.refuses(&with_code(sign_up("dorothea", "Dorothea"), code), "This access code is not valid");
}

#[test]
fn names_from_before_the_rule_are_held_once_the_operator_has_filled_them_in() {
    let house = House::new();
    let directory = LocalDirectory::open(&house.file()).unwrap();
    let sub = local_user(&directory, "berta", "Dragonfly");
    assert!(block_on(directory.confirm(POOL, &sub)).unwrap());
    poolctl(&house, &["names", "backfill"]);
    let function = house.function("unique-nickname", "[unique-nickname]\n");
    function.refusal(&sign_up("caesar", "dragonfly"));
    // Berta herself goes on as ever.
    function.lets_pass(&signed_in("berta", "Dragonfly", &sub));
    assert_eq!(shown(&directory, "berta"), "Dragonfly");
}

#[test]
fn a_retry_uses_an_invitation_up_once() {
    let house = House::new();
    let code = invite(&house, 3, None);
    let function = house.function("access-code", INVITED);
    let first = with_code(sign_up("berta", "Berta"), &code);
    let state = |event: &Value| {
        function.lets_pass(event);
        dump(&house.file(), &["members", "names", "invitations", "deliveries"])
    };
    let once = state(&first);
    assert_eq!(state(&first), once);
    assert_eq!(state(&first), once);
    let then = confirmed("berta", "Berta", "0b000000-0000-4000-8000-000000000001");
    let once = state(&then);
    assert_eq!(state(&then), once);
    assert_eq!(state(&then), once);
    assert_eq!(only_invitation(&house).uses.len(), 1);
}

#[test]
fn an_invitation_that_expired_or_never_was_lets_nobody_in() {
    let house = House::new();
    let code = invite(&house, 3, Some(Timestamp::UNIX_EPOCH));
    let function = house.function("access-code", INVITED);
    function.refuses(&with_code(sign_up("berta", "Berta"), &code), "This access code has expired");
    for invented in [access_code::new_code().unwrap(), "short".into(), "A".repeat(26), "A".repeat(5000)] {
        function.refuses(&with_code(sign_up("berta", "Berta"), &invented), "This access code is not valid");
    }
    assert!(only_invitation(&house).uses.is_empty());
}

#[test]
fn whoever_is_refused_by_another_rule_uses_no_invitation_up() {
    let house = House::new();
    let code = invite(&house, 1, None);
    let function = house.function("pool", &format!("{INVITED}[unique-nickname]\n"));
    let other = house.function("unique-nickname", "[unique-nickname]\n");
    other.lets_pass(&sign_up("berta", "Dragonfly"));
    function.refusal(&with_code(sign_up("caesar", "dragonfly"), &code));
    assert!(only_invitation(&house).uses.is_empty());
    function.lets_pass(&with_code(sign_up("caesar", "Grasshopper"), &code));
    assert_eq!(only_invitation(&house).uses.len(), 1);
}

#[test]
fn a_nickname_that_is_held_is_refused_and_the_suggestion_is_free() {
    let house = House::new();
    let function = house.function("unique-nickname", "[unique-nickname]\npolicy = \"reject\"\n");
    function.lets_pass(&sign_up("berta", "Dragonfly"));
    // Case, width, spaces and look-alikes: a Cyrillic о, a Greek omicron, a zero.
    for (number, likeness) in
        ["DRAGONFLY", " dragonfly ", "Ｄragonfly", "dragоnfly", "Dragοnfly", "Drag0nfly"].iter().enumerate()
    {
        let user = format!("caesar{number}");
        let text = function.refusal(&sign_up(&user, likeness));
        let suggestion =
            text.strip_prefix("This nickname is taken. A free one is ").unwrap_or_else(|| panic!("{likeness}: {text}"));
        function.lets_pass(&sign_up(&user, suggestion));
    }
    // A namesake once more: the first one's name is still the first one's, and the retry changes nothing.
    let before = dump(&house.file(), &["members", "names"]);
    function.lets_pass(&sign_up("berta", "Dragonfly"));
    function.lets_pass(&sign_up("berta", "Dragonfly"));
    assert_eq!(dump(&house.file(), &["members", "names"]), before);
}

#[test]
fn a_nickname_nobody_could_bear_is_refused_with_a_sentence() {
    let function = House::new().function("unique-nickname", "[unique-nickname]\nrequired = true\n");
    function.refuses(&sign_up("berta", ""), "Please choose a nickname");
    let mut none = sign_up("berta", "");
    set(&mut none, "nickname", Value::Null);
    function.refuses(&none, "Please choose a nickname");
    function.refuses(&sign_up("berta", &"x".repeat(101)), "Please choose a nickname of at most 100 characters");
}

/// A local user, unconfirmed; the `sub`.
fn local_user(directory: &LocalDirectory, user: &str, nickname: &str) -> String {
    let attributes = [("email", format!("{user}@example.com")), ("nickname", nickname.to_owned())];
    let new = NewUser {
        user_name: user.to_owned(),
        attributes: attributes.into_iter().map(|(name, value)| (name.to_owned(), value)).collect(),
        status: UserStatus::Unconfirmed,
        created: Timestamp::UNIX_EPOCH,
    };
    block_on(directory.create(POOL, new)).unwrap().unwrap().sub
}

fn shown(directory: &LocalDirectory, user: &str) -> String {
    block_on(directory.find(POOL, user)).unwrap().unwrap().attributes["nickname"].clone()
}

#[test]
fn a_namesake_is_assigned_a_variation_after_confirmation_and_the_profile_shows_it() {
    let house = House::new();
    let directory = LocalDirectory::open(&house.file()).unwrap();
    let function = house.function("unique-nickname", "[unique-nickname]\npolicy = \"assign\"\n");
    let first = local_user(&directory, "berta", "Dragonfly");
    let second = local_user(&directory, "caesar", "dragonfly");

    function.lets_pass(&sign_up("berta", "Dragonfly"));
    function.lets_pass(&sign_up("caesar", "dragonfly"));
    function.lets_pass(&confirmed("berta", "Dragonfly", &first));
    function.lets_pass(&confirmed("caesar", "dragonfly", &second));
    assert_eq!(shown(&directory, "berta"), "Dragonfly");
    let variation = shown(&directory, "caesar");
    let number = variation.strip_prefix("dragonfly").unwrap_or_else(|| panic!("{variation}"));
    assert!(!number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()), "{variation}");

    // Repeated, nothing changes: neither the ledger nor the profile, and nothing is left to be delivered.
    let before = dump(&house.file(), &["members", "names", "users", "deliveries"]);
    for _ in 0..3 {
        function.lets_pass(&confirmed("caesar", "dragonfly", &second));
        function.lets_pass(&signed_in("caesar", &variation, &second));
    }
    assert_eq!(dump(&house.file(), &["members", "names", "users", "deliveries"]), before);
    let ledger = SqliteLedger::open(&house.file()).unwrap();
    assert_eq!(block_on(ledger.deliveries(POOL)).unwrap(), []);
}

#[test]
fn a_name_changed_in_the_profile_is_put_right_at_the_next_sign_in() {
    let house = House::new();
    let directory = LocalDirectory::open(&house.file()).unwrap();
    let function = house.function("unique-nickname", "[unique-nickname]\n");
    let first = local_user(&directory, "berta", "Dragonfly");
    let second = local_user(&directory, "caesar", "Grasshopper");
    for (user, name, sub) in [("berta", "Dragonfly", &first), ("caesar", "Grasshopper", &second)] {
        function.lets_pass(&sign_up(user, name));
        function.lets_pass(&confirmed(user, name, sub));
    }
    // Free: it is held from now on, and the former one is free.
    function.lets_pass(&signed_in("caesar", "Ladybird", &second));
    function.lets_pass(&sign_up("dorothea", "Grasshopper"));
    function.refusal(&sign_up("emil", "Ladybird"));

    // Somebody else's: a variation is held, and once the courier was there the profile shows it.
    function.lets_pass(&signed_in("caesar", "DRAGONFLY", &second));
    let courier = house.function("courier", "");
    let swept = courier.invoke_with("{}", Duration::from_secs(60));
    assert_eq!(swept.json()["delivered"], 1, "{swept:?}");
    let ledger = SqliteLedger::open(&house.file()).unwrap();
    assert_eq!(block_on(ledger.deliveries(POOL)).unwrap(), []);
    let variation = shown(&directory, "caesar");
    assert!(variation.starts_with("DRAGONFLY") && variation.len() > "DRAGONFLY".len(), "{variation}");
    function.refusal(&sign_up("emil", &variation));
    assert_eq!(shown(&directory, "berta"), "Dragonfly");
}

#[test]
fn whoever_comes_from_elsewhere_cannot_choose_and_is_assigned() {
    let house = House::new();
    let directory = LocalDirectory::open(&house.file()).unwrap();
    let function = house.function("unique-nickname", "[unique-nickname]\npolicy = \"reject\"\n");
    function.lets_pass(&sign_up("berta", "Dragonfly"));
    let user = "google_100000000000000000001";
    let sub = local_user(&directory, user, "Dragonfly");
    function.lets_pass(&event("PreSignUp_ExternalProvider", &[("/userName", user), ("nickname", "Dragonfly")]));
    let values = [("/userName", user), ("nickname", "Dragonfly"), ("sub", sub.as_str()), ("email", "bela@example.org")];
    function.lets_pass(&event("PostConfirmation_ConfirmSignUp", &values));
    assert_ne!(shown(&directory, user), "Dragonfly");
}

#[test]
fn a_new_password_is_no_confirmation_and_leaves_names_and_invitations_alone() {
    let house = House::new();
    let code = invite(&house, 1, None);
    let function = house.function("access-code", INVITED);
    function.lets_pass(&with_code(sign_up("berta", "Berta"), &code));
    let before = dump(&house.file(), &["names", "invitations"]);
    // "PostConfirmation also fires after a forgotten password": PostConfirmation_ConfirmForgotPassword.
    let values = [("/userName", "berta"), ("email", "berta@example.com")];
    function.lets_pass(&event("PostConfirmation_ConfirmForgotPassword", &values));
    assert_eq!(dump(&house.file(), &["names", "invitations"]), before);
}

#[test]
fn a_reservation_lasts_as_long_as_configured() {
    let house = House::new();
    let function = house.function("unique-nickname", "[unique-nickname]\nreservation-minutes = 7\n");
    let before = crate::ledger::now();
    function.lets_pass(&sign_up("berta", "Dragonfly"));
    let after = crate::ledger::now();
    let until = crate::ledger::lapses(&house.file());
    assert!(!until.is_empty());
    let length = SignedDuration::from_mins(7);
    for until in until {
        let until = until.expect("an unconfirmed name lapses");
        assert!(until >= before + length - SignedDuration::from_millis(1) && until <= after + length, "{until}");
    }
}
