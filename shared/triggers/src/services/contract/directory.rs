//! What every directory promises.

use std::collections::BTreeMap;

use async_trait::async_trait;

use super::{clauses, refused_for_good};
use crate::Directory;
use crate::services::User;

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
    ;
    rounds:
        attributes_updated_at_once_are_all_set
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

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use jiff::Timestamp;

    use super::super::tests::{complaint, holds, yield_once};
    use super::*;
    use crate::services::{NewPassword, UserPage, contract};
    use crate::{Attributes, Fault, FaultKind, Outlook};

    #[derive(Clone, Copy, PartialEq)]
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
    }

    type People = BTreeMap<(String, String), (BTreeMap<String, String>, bool)>;

    /// A book in memory, kept with more or less care.
    struct Book(Flaw, Mutex<People>);

    impl Book {
        fn key(&self, pool: &str, name: &str) -> (String, String) {
            (if self.0 == Flaw::OnePool { "one".into() } else { pool.into() }, name.into())
        }

        fn user(&self, name: &str, (attributes, confirmed): &(BTreeMap<String, String>, bool)) -> User {
            let mut attributes = attributes.clone();
            if self.0 == Flaw::HidesTheSub {
                attributes.remove("sub");
            }
            User {
                user_name: name.into(),
                attributes: Attributes::from_iter(attributes),
                confirmed: *confirmed || self.0 == Flaw::EverybodyIsConfirmed,
                enabled: true,
                created: Timestamp::constant(1, 0),
            }
        }
    }

    #[async_trait]
    impl Directory for Book {
        async fn find_sub(&self, pool: &str, sub: &str) -> Result<Option<User>, Fault> {
            let people = self.1.lock().unwrap();
            let of_pool = people.iter().filter(|((of, _), _)| self.0 == Flaw::OnePool || of == pool);
            let found = of_pool.map(|((_, name), person)| self.user(name, person));
            Ok(found.into_iter().find(|user| user.attributes.find("sub") == Some(sub)))
        }

        async fn sign_out(&self, _: &str, _: &str) -> Result<(), Fault> {
            Ok(())
        }

        async fn require_new_password(&self, _: &str, _: &str) -> Result<NewPassword, Fault> {
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
                let name = if self.0 == Flaw::NamesPeople { user_name } else { "such user" };
                let fault = Fault::of(FaultKind::Service, format!("there is no {name}"));
                let outlook = if self.0 == Flaw::TriesAgain { Outlook::Transient } else { Outlook::Permanent };
                return Err(fault.with_outlook(outlook));
            };
            match self.0 {
                Flaw::UpdatesNothing => return Ok(()),
                Flaw::ForgetsTheRest => person.0.clear(),
                Flaw::ReadsThenWrites => yield_once().await,
                Flaw::RefusesRepetitions
                    if attributes.iter().all(|(name, value)| person.0.get(name) == Some(value)) =>
                {
                    return Err(Fault::new("nothing changed"));
                }
                _ => {}
            }
            let ascii = |value: &str| value.chars().filter(char::is_ascii).collect::<String>();
            for (name, value) in attributes {
                let value = if self.0 == Flaw::Ascii { ascii(value) } else { value.clone() };
                person.0.insert(name.clone(), value);
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
            let mut attributes = attributes.clone();
            attributes.insert("sub".into(), format!("sub of {user_name}"));
            self.1.lock().unwrap().insert(self.key(pool, user_name), (attributes, confirmed));
            format!("sub of {user_name}")
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
        ] {
            let text = complaint(&suite(flaw), clause);
            let expected = format!("the directory breaks 1 of 1 clauses\n\n{clause} (round 1 of ");
            assert!(text.starts_with(&expected), "{text}");
        }
    }
}
