//! Who gets files, where they go, and which settings are refused.

use cognito_triggers::config::Configuration;
use cognito_triggers::ledger::Condition;
use cognito_triggers::onboarding::Onboard;
use cognito_triggers::{Calls, Environment, Seen, TriggerSource};
use jiff::SignedDuration;
use serde_json::json;

use super::*;

mod delivered;

const ANNA: &str = "0a1b2c3d-0000-4000-8000-00000000a77a";

fn settings(text: &str) -> S3Provisioning {
    toml::from_str(text).unwrap()
}

fn rule(text: &str) -> Trial<Onboard<Provision>> {
    Trial::of(Onboard(settings(text).try_into().unwrap()))
}

fn confirmed() -> Event<PostConfirmation> {
    Event::sample()
}

fn signed_in() -> Event<PostAuthentication> {
    Event::sample()
}

/// The files of the only delivery that was staged.
fn files<T: Trigger>(seen: &Seen<T>) -> &Files {
    let [delivery] = seen.deliveries.as_slice() else { panic!("{} deliveries", seen.deliveries.len()) };
    assert_eq!(delivery.id.key, "s3-provisioning");
    let Task::Files(files) = &delivery.task else { panic!("{:?}", delivery.task) };
    files
}

/// What is said about a configuration.
fn complaint(table: &str) -> String {
    let services = "[services]\nledger = \"dynamodb:t\"\nbucket = \"s3:b\"\n";
    let text = format!("{services}[s3-provisioning]\n{table}");
    let here = Environment::default();
    let checked =
        Configuration::parse("triggers.toml", &text).and_then(|file| file.check::<(S3Provisioning,)>(Some(&here)));
    checked.map_or_else(|errors| errors.to_string(), |_| String::new())
}

#[test]
fn all_files_of_a_user_are_one_delivery() {
    let seen = rule("files = 'provision/'").handles(&confirmed());
    let files = files(&seen);
    assert_eq!(files.from, FileSource::Folder("provision".into()));
    assert_eq!(files.to, format!("users/{ANNA}/"));
    assert_eq!(files.context["user"]["given_name"], "Anna");
    assert_eq!(files.context["pool"], "eu-central-1_Example01");
    assert_eq!(seen.deliveries[0].only_if, None);
    assert_eq!(seen.calls, Calls { reads: 1, writes: 1, acknowledgements: 0 });
}

#[test]
fn three_confirmations_stage_them_once_ever() {
    let rule = rule("files = 'provision/'");
    let staged = || rule.handles(&confirmed()).deliveries.len() + rule.handles(&signed_in()).deliveries.len();
    assert_eq!([staged(), staged(), staged()], [1, 0, 0]);
    rule.pass(SignedDuration::from_hours(24 * 3650));
    assert_eq!(staged(), 0);
}

#[test]
fn a_forgotten_password_makes_nobody_new() {
    // "PostConfirmation: ConfirmSignUp, AdminConfirmSignUp, ...; ConfirmForgotPassword" (one trigger, two sources)
    let event = Event::<PostConfirmation>::sample_of(&TriggerSource::PostConfirmationConfirmForgotPassword);
    let seen = rule("files = 'provision/'").handles(&event);
    assert!(seen.deliveries.is_empty());
    assert_eq!(seen.calls, Calls::default());
}

#[test]
fn who_was_never_confirmed_is_met_at_a_sign_in() {
    // "Not fired for admin-created users, nor when they complete FORCE_CHANGE_PASSWORD"
    let seen = rule("files = 'provision/'").handles(&signed_in());
    assert_eq!(files(&seen).to, format!("users/{ANNA}/"));
    assert_eq!(seen.deliveries[0].only_if, None);
}

#[test]
fn old_users_are_left_alone_if_it_is_said_since_when_users_are_new() {
    let text = "files = 'provision/'\nonboard-since = '2026-01-01'";
    let seen = rule(text).handles(&signed_in());
    let since = "2026-01-01T00:00:00Z".parse().unwrap();
    assert_eq!(seen.deliveries[0].only_if, Some(Condition::CreatedSince { user_name: "anna".into(), since }));
    // Who is confirmed now is new, whenever the account was created.
    assert_eq!(rule(text).handles(&confirmed()).deliveries[0].only_if, None);
}

#[test]
fn no_name_a_user_chose_is_in_a_key() {
    let event = confirmed()
        .with_value(&["userName"], "../../everybody")
        .with("preferred_username", "../x")
        .with("nickname", "{{ pool }}");
    for (prefix, expected) in [
        ("users/{{ sub }}/", format!("users/{ANNA}/")),
        ("{{ pool }}/{{ sub }}/inbox/", format!("eu-central-1_Example01/{ANNA}/inbox/")),
    ] {
        let seen = rule(&format!("files = 'provision'\nprefix = '{prefix}'")).handles(&event);
        assert_eq!(files(&seen).to, expected);
    }
}

#[test]
fn a_sub_that_would_lead_elsewhere_is_a_fault_and_stages_nothing() {
    let rule = rule("files = 'provision/'");
    for sub in ["../other", "a/b", "..", "a\u{0}"] {
        let seen = rule.handles(&confirmed().with("sub", sub));
        assert_eq!(seen.verdict.unwrap_err().causes(), "the sub cannot be part of a key in the bucket");
        assert!(seen.deliveries.is_empty());
    }
    assert!(rule.handles(&confirmed().with("sub", "")).deliveries.is_empty());
}

#[test]
fn only_attributes_that_are_named_are_kept_for_the_files() {
    let seen = rule("files = 'provision/'\nattributes = ['locale', 'custom:plan']").handles(&confirmed());
    assert_eq!(files(&seen).context["user"], json!({ "sub": ANNA, "locale": "de-DE" }));
    let seen = rule("files = 'provision/'\nattributes = []").handles(&confirmed());
    assert_eq!(files(&seen).context["user"], json!({ "sub": ANNA }));
}

#[test]
fn copies_need_to_know_nothing_of_the_user() {
    let seen = rule("copy-from = 'templates/new-user/'").handles(&confirmed());
    assert_eq!(files(&seen).from, FileSource::Prefix("templates/new-user/".into()));
    assert_eq!(files(&seen).context, Map::new());
}

#[test]
fn no_user_stands_where_the_templates_are() {
    let rule = rule("copy-from = 'users/template/'");
    assert_eq!(rule.handles(&confirmed()).deliveries.len(), 1);
    let seen = rule.handles(&confirmed().with("sub", "template"));
    let fault = seen.verdict.unwrap_err().causes();
    assert_eq!(fault, "a user's files would be among those that are copied for every user");
}

#[test]
fn at_sign_in_can_be_left_out() {
    let attached = |text: &str| {
        let mut chains = Chains::default();
        settings(text).attach(&mut chains).unwrap();
        let needs: Vec<_> = chains.needs().iter().map(|(need, _)| *need).collect();
        (chains.overview().into_iter().map(|(trigger, _)| trigger).collect::<Vec<_>>(), needs)
    };
    let (triggers, needs) = attached("files = 'a'");
    assert_eq!(triggers, ["PostAuthentication", "PostConfirmation"]);
    assert_eq!(needs, [Need::Ledger, Need::Bucket]);
    assert_eq!(attached("files = 'a'\nat-sign-in = false").0, ["PostConfirmation"]);
    assert_eq!(attached("files = 'a'\nonboard-since = '2026-01-01'").1, [Need::Ledger, Need::Bucket, Need::Directory]);
}

#[test]
fn templates_are_tried_with_what_files_may_be_filled_with() {
    let samples = |text: &str| {
        let mut chains = Chains::default();
        settings(text).attach(&mut chains).unwrap();
        chains.templates().to_vec()
    };
    let uses = samples("files = 'provision/'\nattributes = ['email']");
    let [(TemplateUse::Files { folder, samples: contexts }, _)] = uses.as_slice() else { panic!("{uses:?}") };
    assert_eq!(folder, "provision");
    assert!(contexts.iter().all(|context| context["user"].get("given_name").is_none()));
    assert!(contexts.iter().any(|context| context["user"].get("email").is_some()));
    assert!(samples("copy-from = 'templates/'").is_empty());
}

#[test]
fn every_wrong_setting_is_explained() {
    let wrong = [
        (
            "",
            "triggers.toml:4: s3-provisioning: neither `files` nor `copy-from` says where the files come from; write files = \"provision/\" for a folder beside the configuration, or copy-from = \"templates/\" for objects of the bucket",
        ),
        (
            "files = \"a/\"\ncopy-from = \"b/\"",
            "triggers.toml:6: s3-provisioning.copy-from: the files come from two places; keep `files` for a folder that is shipped with the function, or `copy-from` for objects of the bucket",
        ),
        (
            "copy-from = \"b/\"\nattributes = []",
            "triggers.toml:6: s3-provisioning.attributes: what is copied is not filled with attributes; remove it, or ship the files in a folder named by `files`",
        ),
        (
            "files = \"a\"\nattributes = [\"custom:plan\", \"given-name\"]",
            "triggers.toml:6: s3-provisioning.attributes[1]: users have no such attribute: did you mean `given_name`?",
        ),
        (
            "files = \"a\"\nattributes = [\"identities\"]",
            "triggers.toml:6: s3-provisioning.attributes: no file can be filled with `identities`; remove it: it is about the account, and not given to templates",
        ),
        (
            "copy-from = \"users/\"",
            "triggers.toml:5: s3-provisioning.copy-from: users' files would be among the templates, and be copied to the next user; keep the templates apart from `prefix`, e.g. under `templates/new-user/`",
        ),
        (
            "files = \"a\"\nprefix = \"users/{{ user.nickname }}/{{ sub }}/\"",
            "triggers.toml:6: s3-provisioning.prefix: there is no such placeholder; use `{{ sub }}` or `{{ pool }}`, since users can choose everything else",
        ),
        (
            "files = \"a\"\nprefix = \"users/\"",
            "triggers.toml:6: s3-provisioning.prefix: without `{{ sub }}` all users would share their files; write e.g. `users/{{ sub }}/`",
        ),
        (
            "files = \"a\"\nonboard-since = \"last year\"",
            "triggers.toml:6: s3-provisioning.onboard-since: expected a date such as 2026-01-31, or a time with its offset such as 2026-01-31T09:00:00+01:00",
        ),
        ("file = \"a\"", "triggers.toml:5: s3-provisioning.file: there is no such key; did you mean `files`?"),
    ];
    for (table, expected) in wrong {
        assert_eq!(complaint(table), expected);
    }
    let no_folder = "this is not a folder beside the configuration";
    for files in ["", ".", "./", "/etc", "..", "a/../b", "a//b", "../a", " ", "a\\\\b"] {
        assert!(complaint(&format!("files = \"{files}\"")).contains(no_folder), "{files}");
    }
    for from in ["", "/", "/templates/", "templates"] {
        assert!(complaint(&format!("copy-from = \"{from}\"")).contains("keys of templates begin with"), "{from}");
    }
    assert!(complaint("files = \"a\"\nonboard-since = 2026-01-31").contains("s3-provisioning: needs a directory"));
    for right in ["files = \"a/b/\"", "copy-from = \"t/\"\nprefix = \"{{ sub }}/\"", "copy-from = \"users/t/\""] {
        assert_eq!(complaint(right), "");
    }
}
