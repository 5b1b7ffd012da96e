//! What every directory promises.

use std::collections::BTreeMap;

use async_trait::async_trait;

use super::{clauses, refused_for_good};
use crate::services::{NewPassword, User};
use crate::{Directory, Fault};

type Case = super::Case<dyn Directory, dyn Registry>;

/// Makes the users the directory is asked about.
#[async_trait]
pub trait Registry: Send + Sync + 'static {
    /// A pool without users, whose users have the standard attributes and may change all of them.
    async fn pool(&self) -> String;

    /// Makes a user, confirmed or only signed up, and answers the `sub`.
    async fn create(
        &self,
        pool: &str,
        user_name: &str,
        attributes: &BTreeMap<String, String>,
        confirmed: bool,
    ) -> String;

    /// Has an administrator make a user, who has to choose a password at the first sign-in. Answers the `sub`.
    async fn invite(&self, pool: &str, user_name: &str, attributes: &BTreeMap<String, String>) -> String;

    /// Makes a user who signs in at another provider. Answers the `sub`.
    async fn federate(&self, pool: &str, user_name: &str, attributes: &BTreeMap<String, String>) -> String;

    /// Disables a user.
    async fn disable(&self, pool: &str, user_name: &str);

    /// Signs a confirmed user in, and answers what the session is known by.
    async fn sign_in(&self, pool: &str, user_name: &str) -> String;

    /// Whether a session goes on: whether there would be new tokens for it.
    async fn goes_on(&self, pool: &str, user_name: &str, session: &str) -> bool;

    /// Whether the user has to choose a new password before anything else.
    async fn must_choose(&self, pool: &str, user_name: &str) -> bool;
}

clauses! {
    dyn Directory, dyn Registry;
    once:
        a_user_is_found_by_name
        a_stranger_is_nobody
        whether_a_user_is_confirmed_is_known
        updated_attributes_are_found
        other_attributes_stay_as_they_were
        updating_to_what_is_there_changes_nothing
        every_script_survives_in_values
        an_unknown_user_is_refused_for_good
        users_of_pools_are_told_apart
        pages_bring_every_user_once
        a_pool_without_users_has_one_page
        a_user_is_found_by_sub
        a_sub_of_nobody_finds_nobody
        who_is_disabled_is_known
        signing_out_ends_every_session
        nobody_cannot_be_signed_out
        whoever_is_confirmed_can_be_made_to_choose_anew
        requiring_it_again_is_no_news
        who_has_to_choose_one_anyway_is_left_alone
        who_was_never_confirmed_has_none_to_lose
        who_signs_in_elsewhere_has_none_to_lose
        who_cannot_be_sent_a_code_keeps_the_old_one
        who_is_disabled_keeps_the_old_one
        of_nobody_no_new_password_is_required
    ;
    rounds:
        attributes_updated_at_once_are_all_set
        many_require_one_new_password
    ;
}

impl Case {
    fn name(&self, name: &str) -> String {
        format!("{name}-{}", self.mark)
    }

    async fn create(&self, pool: &str, name: &str, attributes: &[(&str, &str)]) -> String {
        self.witness.create(pool, &self.name(name), &pairs(attributes), true).await
    }

    async fn find(&self, pool: &str, name: &str) -> Option<User> {
        self.service().find(pool, &self.name(name)).await.expect("a user could not be looked up")
    }

    async fn attribute(&self, pool: &str, name: &str, attribute: &str) -> Option<String> {
        let user = self.find(pool, name).await.expect("the user is gone");
        user.attributes.find(attribute).map(str::to_owned)
    }

    async fn update(&self, pool: &str, name: &str, attributes: &[(&str, &str)]) {
        let updated = self.service().update_attributes(pool, &self.name(name), &pairs(attributes)).await;
        updated.expect("attributes were not updated");
    }
}

impl Case {
    async fn find_sub(&self, pool: &str, sub: &str) -> Option<User> {
        self.service().find_sub(pool, sub).await.expect("a user could not be looked up by the `sub`")
    }

    async fn sign_in(&self, pool: &str, name: &str) -> String {
        self.witness.sign_in(pool, &self.name(name)).await
    }

    async fn goes_on(&self, pool: &str, name: &str, session: &str) -> bool {
        self.witness.goes_on(pool, &self.name(name), session).await
    }

    async fn require(&self, pool: &str, name: &str) -> Result<NewPassword, Fault> {
        self.service().require_new_password(pool, &self.name(name)).await
    }

    async fn must_choose(&self, pool: &str, name: &str) -> bool {
        self.witness.must_choose(pool, &self.name(name)).await
    }
}

/// Somebody who can be sent a code.
const REACHED: [(&str, &str); 2] = [("email", "anna@example.com"), ("email_verified", "true")];

fn pairs(attributes: &[(&str, &str)]) -> BTreeMap<String, String> {
    attributes.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

async fn a_user_is_found_by_name(case: Case) {
    let pool = case.witness.pool().await;
    case.create(&pool, "berta", &[("email", "berta@example.com")]).await;
    let sub = case.create(&pool, "anna", &[("email", "anna@example.com"), ("locale", "de-AT")]).await;
    let user = case.find(&pool, "anna").await.expect("the user is not found");
    assert_eq!(user.user_name, case.name("anna"));
    for (name, value) in [("sub", sub.as_str()), ("email", "anna@example.com"), ("locale", "de-AT")] {
        assert_eq!(user.attributes.find(name), Some(value), "`{name}`");
    }
    assert_eq!(user.attributes.find("nickname"), None);
    assert!(user.created.as_second() > 0, "nobody was created in 1970");
}

async fn a_stranger_is_nobody(case: Case) {
    let pool = case.witness.pool().await;
    case.create(&pool, "anna", &[("email", "anna@example.com")]).await;
    for name in ["ann", "annaa", "*", "%"] {
        assert!(case.find(&pool, name).await.is_none(), "`{name}` is found");
    }
}

async fn whether_a_user_is_confirmed_is_known(case: Case) {
    let pool = case.witness.pool().await;
    for (name, confirmed) in [("anna", true), ("berta", false)] {
        case.witness.create(&pool, &case.name(name), &pairs(&[("email", "a@example.com")]), confirmed).await;
    }
    for (name, confirmed) in [("anna", true), ("berta", false)] {
        assert_eq!(case.find(&pool, name).await.map(|user| user.confirmed), Some(confirmed), "`{name}`");
    }
    let listed = case.service().users(&pool, None).await.expect("the users could not be listed").users;
    let confirmed: BTreeMap<_, _> = listed.into_iter().map(|user| (user.user_name, user.confirmed)).collect();
    assert_eq!(confirmed, BTreeMap::from([(case.name("anna"), true), (case.name("berta"), false)]));
}

async fn updated_attributes_are_found(case: Case) {
    let pool = case.witness.pool().await;
    case.create(&pool, "anna", &[("locale", "de")]).await;
    case.update(&pool, "anna", &[("nickname", "ann"), ("locale", "en")]).await;
    assert_eq!(case.attribute(&pool, "anna", "nickname").await.as_deref(), Some("ann"));
    assert_eq!(case.attribute(&pool, "anna", "locale").await.as_deref(), Some("en"));
    case.update(&pool, "anna", &[("nickname", "anni")]).await;
    assert_eq!(case.attribute(&pool, "anna", "nickname").await.as_deref(), Some("anni"));
}

async fn other_attributes_stay_as_they_were(case: Case) {
    let pool = case.witness.pool().await;
    let sub = case.create(&pool, "anna", &[("name", "Anna"), ("locale", "de")]).await;
    case.create(&pool, "berta", &[("nickname", "bert")]).await;
    case.update(&pool, "anna", &[("nickname", "ann")]).await;
    for (name, value) in [("sub", sub.as_str()), ("name", "Anna"), ("locale", "de"), ("nickname", "ann")] {
        assert_eq!(case.attribute(&pool, "anna", name).await.as_deref(), Some(value), "`{name}`");
    }
    assert_eq!(case.attribute(&pool, "berta", "nickname").await.as_deref(), Some("bert"));
}

/// The courier comes again when it could not note that it was done.
async fn updating_to_what_is_there_changes_nothing(case: Case) {
    let pool = case.witness.pool().await;
    case.create(&pool, "anna", &[("nickname", "ann")]).await;
    for _ in 0..3 {
        case.update(&pool, "anna", &[("nickname", "ann")]).await;
    }
    assert_eq!(case.attribute(&pool, "anna", "nickname").await.as_deref(), Some("ann"));
}

async fn every_script_survives_in_values(case: Case) {
    let pool = case.witness.pool().await;
    case.create(&pool, "anna", &[("locale", "de")]).await;
    let long = "x".repeat(2_048);
    for value in ["Änne \u{1f600} 日本語", "\"quoted\" \\ {{ name }} <b>", " inner  blanks ", "a=b,c;d", &long] {
        case.update(&pool, "anna", &[("nickname", value)]).await;
        assert_eq!(case.attribute(&pool, "anna", "nickname").await.as_deref(), Some(value));
    }
}

async fn an_unknown_user_is_refused_for_good(case: Case) {
    let pool = case.witness.pool().await;
    case.create(&pool, "anna", &[("nickname", "ann")]).await;
    let name = case.name("nobody");
    let updated = case.service().update_attributes(&pool, &name, &pairs(&[("nickname", "secret-nick")])).await;
    let fault = updated.expect_err("attributes of nobody were updated");
    refused_for_good(&fault, "nobody");
    let text = format!("{fault} {fault:?}");
    assert!(!text.contains(&name) && !text.contains("secret-nick"), "the fault tells about a person: {text}");
    assert!(case.find(&pool, "nobody").await.is_none(), "the user was made");
}

async fn users_of_pools_are_told_apart(case: Case) {
    let (pool, other) = (case.witness.pool().await, case.witness.pool().await);
    assert_ne!(pool, other);
    case.create(&pool, "anna", &[("nickname", "ann")]).await;
    assert!(case.find(&other, "anna").await.is_none());
    case.create(&other, "anna", &[("nickname", "other")]).await;
    case.update(&pool, "anna", &[("nickname", "new")]).await;
    assert_eq!(case.attribute(&pool, "anna", "nickname").await.as_deref(), Some("new"));
    assert_eq!(case.attribute(&other, "anna", "nickname").await.as_deref(), Some("other"));
}

/// A page of Cognito has 60 users at most.
async fn pages_bring_every_user_once(case: Case) {
    const MANY: usize = 125;
    let pool = case.witness.pool().await;
    for number in 0..MANY {
        case.create(&pool, &format!("user-{number}"), &[("nickname", &number.to_string())]).await;
    }
    let (mut nicknames, mut page) = (Vec::new(), None);
    for _ in 0..MANY {
        let found = case.service().users(&pool, page).await.expect("the users could not be listed");
        nicknames.extend(found.users.iter().filter_map(|user| user.attributes.find("nickname")?.parse::<usize>().ok()));
        page = found.next;
        if page.is_none() {
            break;
        }
    }
    assert!(page.is_none(), "there is no last page");
    nicknames.sort_unstable();
    assert_eq!(nicknames, (0..MANY).collect::<Vec<_>>());
}

async fn a_pool_without_users_has_one_page(case: Case) {
    let pool = case.witness.pool().await;
    let found = case.service().users(&pool, None).await.expect("the users could not be listed");
    assert!(found.users.is_empty() && found.next.is_none(), "{found:?}");
}

async fn attributes_updated_at_once_are_all_set(case: Case) {
    const NAMES: [&str; 8] =
        ["name", "given_name", "family_name", "middle_name", "nickname", "preferred_username", "locale", "zoneinfo"];
    let pool = case.witness.pool().await;
    case.create(&pool, "anna", &[("email", "anna@example.com")]).await;
    let wanted = pool.clone();
    case.at_once(NAMES.len(), |number, case| {
        let pool = wanted.clone();
        async move {
            // Who sets one attribute several times is not behind when the others come.
            for turn in 0..3 {
                case.update(&pool, "anna", &[(NAMES[number], &format!("{number}-{turn}"))]).await;
            }
        }
    })
    .await;
    for (number, name) in NAMES.iter().enumerate() {
        assert_eq!(case.attribute(&pool, "anna", name).await, Some(format!("{number}-2")), "`{name}`");
    }
}

async fn a_user_is_found_by_sub(case: Case) {
    let (pool, other) = (case.witness.pool().await, case.witness.pool().await);
    let berta = case.create(&pool, "berta", &[("email", "berta@example.com")]).await;
    let anna = case.create(&pool, "anna", &REACHED).await;
    for (sub, name) in [(&anna, "anna"), (&berta, "berta")] {
        let user = case.find_sub(&pool, sub).await.expect("the user is not found");
        assert_eq!(user.user_name, case.name(name));
        assert_eq!(user.attributes.find("sub"), Some(sub.as_str()));
        assert!(user.confirmed && user.enabled && user.created.as_second() > 0, "{user:?}");
        assert!(case.find_sub(&other, sub).await.is_none(), "found in another pool");
    }
    let email = case.find_sub(&pool, &anna).await.and_then(|user| user.attributes.find("email").map(str::to_owned));
    assert_eq!(email.as_deref(), Some("anna@example.com"));
}

/// A `sub` may come from outside, and whoever is found is acted upon.
async fn a_sub_of_nobody_finds_nobody(case: Case) {
    let pool = case.witness.pool().await;
    let sub = case.create(&pool, "anna", &[("nickname", "ann")]).await;
    let (begin, name) = (sub.split_at(sub.len() - 1).0, case.name("anna"));
    for wrong in ["", "*", "%", "\"", "\\", "x\" or sub ^= \"", begin, &format!("{sub}x"), &name, "\" = \"\n"] {
        assert!(case.find_sub(&pool, wrong).await.is_none(), "{wrong:?} is found");
    }
}

async fn who_is_disabled_is_known(case: Case) {
    let pool = case.witness.pool().await;
    let subs = [case.create(&pool, "anna", &REACHED).await, case.create(&pool, "berta", &REACHED).await];
    case.witness.disable(&pool, &case.name("berta")).await;
    for (name, sub, enabled) in [("anna", &subs[0], true), ("berta", &subs[1], false)] {
        assert_eq!(case.find(&pool, name).await.map(|user| user.enabled), Some(enabled), "`{name}` by name");
        assert_eq!(case.find_sub(&pool, sub).await.map(|user| user.enabled), Some(enabled), "`{name}` by `sub`");
    }
    let listed = case.service().users(&pool, None).await.expect("the users could not be listed").users;
    let enabled: BTreeMap<_, _> = listed.into_iter().map(|user| (user.user_name, user.enabled)).collect();
    assert_eq!(enabled, BTreeMap::from([(case.name("anna"), true), (case.name("berta"), false)]));
    assert!(case.find(&pool, "berta").await.is_some_and(|user| user.confirmed), "disabled is not unconfirmed");
}

async fn signing_out_ends_every_session(case: Case) {
    let pool = case.witness.pool().await;
    case.create(&pool, "anna", &REACHED).await;
    case.create(&pool, "berta", &REACHED).await;
    let sessions = [case.sign_in(&pool, "anna").await, case.sign_in(&pool, "anna").await];
    let others = case.sign_in(&pool, "berta").await;
    for session in &sessions {
        assert!(case.goes_on(&pool, "anna", session).await, "the witness sees no session");
    }
    // Whoever is nowhere signed in by then stays so.
    for _ in 0..2 {
        case.service().sign_out(&pool, &case.name("anna")).await.expect("the user was not signed out");
        for session in &sessions {
            assert!(!case.goes_on(&pool, "anna", session).await, "a session goes on");
        }
    }
    assert!(case.goes_on(&pool, "berta", &others).await, "somebody else was signed out");
    assert!(!case.must_choose(&pool, "anna").await, "the password is as it was");
    let again = case.sign_in(&pool, "anna").await;
    assert!(case.goes_on(&pool, "anna", &again).await, "the user can sign in no more");
}

async fn nobody_cannot_be_signed_out(case: Case) {
    let pool = case.witness.pool().await;
    case.create(&pool, "anna", &REACHED).await;
    let name = case.name("nobody");
    let fault = case.service().sign_out(&pool, &name).await.expect_err("nobody was signed out");
    refused_for_good(&fault, "nobody");
    assert!(!format!("{fault} {fault:?}").contains(&name), "the fault tells about a person: {fault}");
}

async fn whoever_is_confirmed_can_be_made_to_choose_anew(case: Case) {
    let pool = case.witness.pool().await;
    case.create(&pool, "anna", &REACHED).await;
    case.create(&pool, "berta", &[("phone_number", "+491701234567"), ("phone_number_verified", "true")]).await;
    case.create(&pool, "carla", &REACHED).await;
    for name in ["anna", "berta"] {
        assert_eq!(case.require(&pool, name).await.expect("it was refused"), NewPassword::Required, "`{name}`");
        assert!(case.must_choose(&pool, name).await, "`{name}` keeps the old one");
        let user = case.find(&pool, name).await.expect("the user is gone");
        assert!(user.confirmed && user.enabled, "`{name}` is still who signed up and was confirmed");
    }
    assert!(!case.must_choose(&pool, "carla").await, "nobody asked for that");
}

async fn requiring_it_again_is_no_news(case: Case) {
    let pool = case.witness.pool().await;
    case.create(&pool, "anna", &REACHED).await;
    for _ in 0..3 {
        assert_eq!(case.require(&pool, "anna").await.expect("it was refused"), NewPassword::Required);
        assert!(case.must_choose(&pool, "anna").await);
    }
}

async fn who_has_to_choose_one_anyway_is_left_alone(case: Case) {
    let pool = case.witness.pool().await;
    // Nobody has verified an address yet, and none is needed.
    case.witness.invite(&pool, &case.name("anna"), &pairs(&[("email", "anna@example.com")])).await;
    assert!(case.must_choose(&pool, "anna").await, "the witness made another user");
    assert_eq!(case.require(&pool, "anna").await.expect("it was refused"), NewPassword::Required);
    assert!(case.must_choose(&pool, "anna").await);
    assert!(!case.find(&pool, "anna").await.expect("the user is gone").confirmed);
}

async fn who_was_never_confirmed_has_none_to_lose(case: Case) {
    let pool = case.witness.pool().await;
    case.witness.create(&pool, &case.name("anna"), &pairs(&[("email", "a@example.com")]), false).await;
    assert_eq!(case.require(&pool, "anna").await.expect("it was refused"), NewPassword::None);
    assert!(!case.must_choose(&pool, "anna").await);
    assert!(!case.find(&pool, "anna").await.expect("the user is gone").confirmed, "that confirms nobody");
}

async fn who_signs_in_elsewhere_has_none_to_lose(case: Case) {
    let pool = case.witness.pool().await;
    case.witness.federate(&pool, &case.name("anna"), &pairs(&REACHED)).await;
    assert!(case.find(&pool, "anna").await.is_some_and(|user| user.confirmed), "confirmed by the other provider");
    assert_eq!(case.require(&pool, "anna").await.expect("it was refused"), NewPassword::None);
    assert!(!case.must_choose(&pool, "anna").await);
}

/// Otherwise the user is locked out for good.
async fn who_cannot_be_sent_a_code_keeps_the_old_one(case: Case) {
    let pool = case.witness.pool().await;
    let unverified = [("email", "a@example.com"), ("email_verified", "false"), ("phone_number", "+491701234567")];
    case.create(&pool, "anna", &unverified).await;
    case.create(&pool, "berta", &[("nickname", "bert")]).await;
    for name in ["anna", "berta"] {
        let fault = case.require(&pool, name).await.expect_err("a code was sent nowhere");
        refused_for_good(&fault, "nowhere to send a code to");
        let text = format!("{fault} {fault:?}");
        assert!(!text.contains(&case.name(name)) && !text.contains("a@example"), "the fault tells of a person: {text}");
        assert!(!case.must_choose(&pool, name).await, "`{name}` is locked out");
    }
}

async fn who_is_disabled_keeps_the_old_one(case: Case) {
    let pool = case.witness.pool().await;
    case.create(&pool, "anna", &REACHED).await;
    case.witness.disable(&pool, &case.name("anna")).await;
    let fault = case.require(&pool, "anna").await.expect_err("a disabled user was asked for a password");
    refused_for_good(&fault, "disabled");
    assert!(!case.must_choose(&pool, "anna").await);
}

async fn of_nobody_no_new_password_is_required(case: Case) {
    let pool = case.witness.pool().await;
    case.create(&pool, "anna", &REACHED).await;
    let fault = case.require(&pool, "nobody").await.expect_err("nobody has to choose a password");
    refused_for_good(&fault, "nobody");
    assert!(!format!("{fault} {fault:?}").contains(&case.name("nobody")), "the fault tells about a person: {fault}");
    assert!(!case.must_choose(&pool, "anna").await);
}

/// Two sign-ins at once, and the link of a mail.
async fn many_require_one_new_password(case: Case) {
    let pool = case.witness.pool().await;
    case.create(&pool, "anna", &REACHED).await;
    let wanted = pool.clone();
    let ends = case
        .at_once(super::CROWD, |_, case| {
            let pool = wanted.clone();
            async move { case.require(&pool, "anna").await.map_err(|fault| fault.causes()) }
        })
        .await;
    assert!(ends.iter().all(|end| *end == Ok(NewPassword::Required)), "{ends:?}");
    assert!(case.must_choose(&pool, "anna").await);
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use jiff::Timestamp;

    use super::super::tests::{complaint, holds, yield_once};
    use super::*;
    use crate::services::{UserPage, contract};
    use crate::{Attributes, FaultKind, Outlook};

    #[derive(Clone, Copy, Debug, PartialEq)]
    enum Flaw {
        None,
        HidesTheSub,
        FaultsOnStrangers,
        EverybodyIsConfirmed,
        UpdatesNothing,
        ForgetsTheRest,
        RefusesRepetitions,
        Ascii,
        TriesAgain,
        NamesPeople,
        OnePool,
        OnePage,
        NeverEnds,
        ReadsThenWrites,
        FindsByBeginning,
        EverybodyIsEnabled,
        SignsOutOne,
        SignsOutEverybody,
        SignsOutForEver,
        SignsOutNobody,
        ForgetsToRequire,
        UnconfirmsWhoMustChoose,
        RequiresOnce,
        RequiresOfEverybody,
        SendsCodesNowhere,
        RequiresOfTheDisabled,
        RequiresInTurn,
    }

    #[derive(Clone, Copy, Debug, PartialEq)]
    enum Status {
        SignedUp,
        Confirmed,
        Invited,
        Federated,
        MustChoose,
    }

    #[derive(Clone)]
    struct Person {
        attributes: BTreeMap<String, String>,
        status: Status,
        enabled: bool,
        sessions: Vec<String>,
    }

    type People = BTreeMap<(String, String), Person>;

    /// A book in memory, kept with more or less care.
    struct Book(Flaw, Mutex<People>);

    impl Book {
        fn key(&self, pool: &str, name: &str) -> (String, String) {
            (if self.0 == Flaw::OnePool { "one".into() } else { pool.into() }, name.into())
        }

        fn user(&self, name: &str, person: &Person) -> User {
            let mut attributes = person.attributes.clone();
            if self.0 == Flaw::HidesTheSub {
                attributes.remove("sub");
            }
            let confirmed = match person.status {
                Status::MustChoose => self.0 != Flaw::UnconfirmsWhoMustChoose,
                status => matches!(status, Status::Confirmed | Status::Federated),
            };
            User {
                user_name: name.into(),
                attributes: Attributes::from_iter(attributes),
                confirmed: confirmed || self.0 == Flaw::EverybodyIsConfirmed,
                enabled: person.enabled || self.0 == Flaw::EverybodyIsEnabled,
                created: Timestamp::constant(1, 0),
            }
        }

        fn refusal(&self, user_name: &str) -> Fault {
            let name = if self.0 == Flaw::NamesPeople { user_name } else { "such user" };
            let fault = Fault::of(FaultKind::Service, format!("there is no {name}"));
            let outlook = if self.0 == Flaw::TriesAgain { Outlook::Transient } else { Outlook::Permanent };
            fault.with_outlook(outlook)
        }

        fn add(&self, pool: &str, user_name: &str, attributes: &BTreeMap<String, String>, status: Status) -> String {
            let mut attributes = attributes.clone();
            attributes.insert("sub".into(), format!("sub of {user_name}"));
            let person = Person { attributes, status, enabled: true, sessions: Vec::new() };
            self.1.lock().unwrap().insert(self.key(pool, user_name), person);
            format!("sub of {user_name}")
        }

        fn change<T>(&self, pool: &str, user_name: &str, change: impl FnOnce(&mut Person) -> T) -> T {
            change(self.1.lock().unwrap().get_mut(&self.key(pool, user_name)).unwrap())
        }
    }

    #[async_trait]
    impl Directory for Book {
        async fn find_sub(&self, pool: &str, sub: &str) -> Result<Option<User>, Fault> {
            let people = self.1.lock().unwrap();
            let of_pool = people.iter().filter(|((of, _), _)| *of == self.key(pool, "").0);
            let is_it = |user: &User| match (self.0, user.attributes.find("sub")) {
                (Flaw::FindsByBeginning, Some(found)) => found.starts_with(sub),
                (_, found) => found == Some(sub),
            };
            Ok(of_pool.map(|((_, name), person)| self.user(name, person)).find(is_it))
        }

        async fn sign_out(&self, pool: &str, user_name: &str) -> Result<(), Fault> {
            let mut people = self.1.lock().unwrap();
            if self.0 == Flaw::SignsOutEverybody {
                people.values_mut().for_each(|person| person.sessions.clear());
            }
            match people.get_mut(&self.key(pool, user_name)) {
                Some(person) if self.0 == Flaw::SignsOutOne => drop(person.sessions.pop()),
                Some(person) => {
                    person.sessions.clear();
                    person.enabled &= self.0 != Flaw::SignsOutForEver;
                }
                None if self.0 == Flaw::SignsOutNobody => {}
                None => return Err(self.refusal(user_name)),
            }
            Ok(())
        }

        async fn require_new_password(&self, pool: &str, user_name: &str) -> Result<NewPassword, Fault> {
            let key = self.key(pool, user_name);
            let found = self.1.lock().unwrap().get(&key).cloned();
            let Some(Person { attributes, status, enabled, .. }) = found else { return Err(self.refusal(user_name)) };
            match status {
                Status::MustChoose if self.0 == Flaw::RequiresOnce => return Ok(NewPassword::None),
                Status::MustChoose | Status::Invited => return Ok(NewPassword::Required),
                Status::Confirmed => {}
                _ if self.0 == Flaw::RequiresOfEverybody => {}
                _ => return Ok(NewPassword::None),
            }
            let is_verified = |name: &str| attributes.get(name).is_some_and(|value| value == "true");
            let reached = is_verified("email_verified") || is_verified("phone_number_verified");
            let refused =
                (!enabled && self.0 != Flaw::RequiresOfTheDisabled) || (!reached && self.0 != Flaw::SendsCodesNowhere);
            if refused {
                return Err(Fault::of(FaultKind::Service, "it is refused").with_outlook(Outlook::Permanent));
            }
            if self.0 == Flaw::RequiresInTurn {
                yield_once().await;
                if self.1.lock().unwrap().get(&key).unwrap().status == Status::MustChoose {
                    return Err(Fault::of(FaultKind::Service, "somebody was quicker"));
                }
            }
            if self.0 != Flaw::ForgetsToRequire {
                self.change(pool, user_name, |person| person.status = Status::MustChoose);
            }
            Ok(NewPassword::Required)
        }

        async fn update_attributes(
            &self,
            pool: &str,
            user_name: &str,
            attributes: &BTreeMap<String, String>,
        ) -> Result<(), Fault> {
            let key = self.key(pool, user_name);
            let Some(mut person) = self.1.lock().unwrap().get(&key).cloned() else {
                return Err(self.refusal(user_name));
            };
            match self.0 {
                Flaw::UpdatesNothing => return Ok(()),
                Flaw::ForgetsTheRest => person.attributes.clear(),
                Flaw::ReadsThenWrites => yield_once().await,
                Flaw::RefusesRepetitions
                    if attributes.iter().all(|(name, value)| person.attributes.get(name) == Some(value)) =>
                {
                    return Err(Fault::new("nothing changed"));
                }
                _ => {}
            }
            let ascii = |value: &str| value.chars().filter(char::is_ascii).collect::<String>();
            for (name, value) in attributes {
                let value = if self.0 == Flaw::Ascii { ascii(value) } else { value.clone() };
                person.attributes.insert(name.clone(), value);
            }
            self.1.lock().unwrap().insert(key, person);
            Ok(())
        }

        async fn find(&self, pool: &str, user_name: &str) -> Result<Option<User>, Fault> {
            let found =
                self.1.lock().unwrap().get(&self.key(pool, user_name)).map(|person| self.user(user_name, person));
            if found.is_none() && self.0 == Flaw::FaultsOnStrangers {
                return Err(Fault::new("there is no such user"));
            }
            Ok(found)
        }

        async fn users(&self, pool: &str, page: Option<String>) -> Result<UserPage, Fault> {
            let people = self.1.lock().unwrap();
            let after = page.unwrap_or_default();
            let of = |((of, name), _): &(&(String, String), _)| *of == self.key(pool, "").0 && *name > after;
            let users: Vec<_> =
                people.iter().filter(of).take(60).map(|((_, name), person)| self.user(name, person)).collect();
            let next = users.last().filter(|_| users.len() == 60).map(|user| user.user_name.clone());
            Ok(match self.0 {
                Flaw::OnePage => UserPage { users, next: None },
                Flaw::NeverEnds => UserPage { next: Some(next.unwrap_or_default()), users },
                _ => UserPage { users, next },
            })
        }
    }

    #[async_trait]
    impl Registry for Book {
        async fn pool(&self) -> String {
            crate::random::number().unwrap().to_string()
        }

        async fn create(
            &self,
            pool: &str,
            user_name: &str,
            attributes: &BTreeMap<String, String>,
            confirmed: bool,
        ) -> String {
            self.add(pool, user_name, attributes, if confirmed { Status::Confirmed } else { Status::SignedUp })
        }

        async fn invite(&self, pool: &str, user_name: &str, attributes: &BTreeMap<String, String>) -> String {
            self.add(pool, user_name, attributes, Status::Invited)
        }

        async fn federate(&self, pool: &str, user_name: &str, attributes: &BTreeMap<String, String>) -> String {
            self.add(pool, user_name, attributes, Status::Federated)
        }

        async fn disable(&self, pool: &str, user_name: &str) {
            self.change(pool, user_name, |person| person.enabled = false);
        }

        async fn sign_in(&self, pool: &str, user_name: &str) -> String {
            let session = crate::random::number().unwrap().to_string();
            self.change(pool, user_name, |person| {
                if person.enabled {
                    person.sessions.push(session.clone());
                }
            });
            session
        }

        async fn goes_on(&self, pool: &str, user_name: &str, session: &str) -> bool {
            self.change(pool, user_name, |person| person.sessions.iter().any(|it| it == session))
        }

        async fn must_choose(&self, pool: &str, user_name: &str) -> bool {
            self.change(pool, user_name, |person| matches!(person.status, Status::MustChoose | Status::Invited))
        }
    }

    fn suite(flaw: Flaw) -> contract::Suite<dyn Directory, dyn Registry> {
        let book = Arc::new(Book(flaw, Mutex::default()));
        contract::directory(book.clone(), book)
    }

    #[test]
    fn a_careful_directory_keeps_the_contract() {
        holds(&suite(Flaw::None));
    }

    #[test]
    fn every_flaw_is_noticed_and_named() {
        for (flaw, clause) in [
            (Flaw::HidesTheSub, "a_user_is_found_by_name"),
            (Flaw::FaultsOnStrangers, "a_stranger_is_nobody"),
            (Flaw::EverybodyIsConfirmed, "whether_a_user_is_confirmed_is_known"),
            (Flaw::UpdatesNothing, "updated_attributes_are_found"),
            (Flaw::ForgetsTheRest, "other_attributes_stay_as_they_were"),
            (Flaw::RefusesRepetitions, "updating_to_what_is_there_changes_nothing"),
            (Flaw::Ascii, "every_script_survives_in_values"),
            (Flaw::TriesAgain, "an_unknown_user_is_refused_for_good"),
            (Flaw::NamesPeople, "an_unknown_user_is_refused_for_good"),
            (Flaw::OnePool, "users_of_pools_are_told_apart"),
            (Flaw::OnePage, "pages_bring_every_user_once"),
            (Flaw::NeverEnds, "a_pool_without_users_has_one_page"),
            (Flaw::ReadsThenWrites, "attributes_updated_at_once_are_all_set"),
            (Flaw::OnePool, "a_user_is_found_by_sub"),
            (Flaw::FindsByBeginning, "a_sub_of_nobody_finds_nobody"),
            (Flaw::EverybodyIsEnabled, "who_is_disabled_is_known"),
            (Flaw::SignsOutOne, "signing_out_ends_every_session"),
            (Flaw::SignsOutEverybody, "signing_out_ends_every_session"),
            (Flaw::SignsOutForEver, "signing_out_ends_every_session"),
            (Flaw::SignsOutNobody, "nobody_cannot_be_signed_out"),
            (Flaw::TriesAgain, "nobody_cannot_be_signed_out"),
            (Flaw::ForgetsToRequire, "whoever_is_confirmed_can_be_made_to_choose_anew"),
            (Flaw::UnconfirmsWhoMustChoose, "whoever_is_confirmed_can_be_made_to_choose_anew"),
            (Flaw::RequiresOnce, "requiring_it_again_is_no_news"),
            (Flaw::EverybodyIsConfirmed, "who_has_to_choose_one_anyway_is_left_alone"),
            (Flaw::RequiresOfEverybody, "who_was_never_confirmed_has_none_to_lose"),
            (Flaw::RequiresOfEverybody, "who_signs_in_elsewhere_has_none_to_lose"),
            (Flaw::SendsCodesNowhere, "who_cannot_be_sent_a_code_keeps_the_old_one"),
            (Flaw::RequiresOfTheDisabled, "who_is_disabled_keeps_the_old_one"),
            (Flaw::NamesPeople, "of_nobody_no_new_password_is_required"),
            (Flaw::RequiresInTurn, "many_require_one_new_password"),
        ] {
            let text = complaint(&suite(flaw), clause);
            let expected = format!("the directory breaks 1 of 1 clauses\n\n{clause} (round 1 of ");
            assert!(text.starts_with(&expected), "{text}");
        }
    }
}
