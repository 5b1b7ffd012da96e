//! The users of local pools, in the same file as what the pools remember of them.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use cognito_triggers::services::{NewPassword, User, UserPage};
use cognito_triggers::{Adapter, Attributes, ConfigError, Directory, Fault, FaultKind, Outlook, UserStatus, random};
use jiff::Timestamp;
use rusqlite::{Row, Transaction};

use crate::store::Store;

/// `local:<file>`.
pub const DIRECTORY: Adapter<dyn Directory> = Adapter {
    scheme: "local",
    example: "local:.pool/pool.db",
    embedded: true,
    open: |opening| {
        Box::pin(async move {
            let directory = LocalDirectory::open(Path::new(&opening.address))?;
            Ok(Arc::new(directory) as Arc<dyn Directory>)
        })
    },
};

/// [`DIRECTORY`], for those who prefer a call.
#[must_use]
pub fn directory_adapter() -> Adapter<dyn Directory> {
    DIRECTORY
}

/// The users of every local pool of one file.
///
/// User names and e-mail addresses are compared without regard to case, as in every pool that was not made otherwise
/// ("Cognito user pools are case insensitive by default", Cognito developer guide).
#[derive(Clone)]
pub struct LocalDirectory(Store);

/// A user to be made.
#[derive(Clone)]
pub struct NewUser {
    /// The user's name in the pool.
    pub user_name: String,
    /// The attributes. A `sub` among them is left out: the directory gives one.
    pub attributes: BTreeMap<String, String>,
    /// Where the user stands: `Unconfirmed` after a sign-up, `ForceChangePassword` if made by an administrator.
    pub status: UserStatus,
    /// When.
    pub created: Timestamp,
}

/// A user of a local pool. `Debug` shows nothing of the user.
#[derive(Clone, PartialEq, Eq)]
pub struct LocalUser {
    /// The one name that never changes: a random UUID.
    pub sub: String,
    /// The user's name in the pool.
    pub user_name: String,
    /// Where the user stands.
    pub status: UserStatus,
    /// The attributes, `sub` among them.
    pub attributes: BTreeMap<String, String>,
    /// When the user was made, to the millisecond.
    pub created: Timestamp,
    /// Whether the user may sign in.
    pub enabled: bool,
    /// How often the user was signed out everywhere: what was begun before the last time is at an end.
    pub sign_outs: u64,
}

/// How many users stand on a page: as many as on one of Cognito's ("Default 60, maximum 60", ListUsers).
const PAGE: usize = 60;

const COLUMNS: &str = "sub, user_name, status, attributes, created, enabled, sign_outs";

impl LocalDirectory {
    /// Opens the file; it and its folder are made if need be.
    ///
    /// # Errors
    ///
    /// Names the file and what to do, if it cannot be made or written, is no database, another program's, or was written by
    /// a newer version.
    pub fn open(path: &Path) -> Result<Self, ConfigError> {
        Store::open(path).map(Self)
    }

    /// Makes a user. `None` if the name is given already. A user name that is a UUID is the `sub` too, see [`new_user_name`].
    ///
    /// # Errors
    ///
    /// If the file cannot be written.
    pub async fn create(&self, pool: &str, user: NewUser) -> Result<Option<LocalUser>, Fault> {
        let pool = pool.to_owned();
        let NewUser { user_name, mut attributes, status, created } = user;
        // Where users sign in with an address, "`userName` is already the UUID that becomes `sub`" (captured events).
        let sub = if is_uuid(&user_name) { user_name.clone() } else { uuid(random::bytes()?) };
        attributes.insert("sub".into(), sub.clone());
        let created = Timestamp::from_millisecond(created.as_millisecond())?;
        let user = LocalUser { sub, user_name, status, attributes, created, enabled: true, sign_outs: 0 };
        self.0
            .write(move |file| {
                let insert = "INSERT INTO users (pool, sub, user_name, login, email, status, attributes, created)
                              VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8) ON CONFLICT (pool, login) DO NOTHING";
                let attributes = serde_json::to_string(&user.attributes)?;
                let made = file.prepare_cached(insert)?.execute((
                    &pool,
                    &user.sub,
                    &user.user_name,
                    user.user_name.to_lowercase(),
                    email(&user.attributes),
                    status_text(&user.status),
                    attributes,
                    user.created.as_millisecond(),
                ))?;
                Ok((made == 1).then_some(user))
            })
            .await
    }

    /// Sets where a user stands, e.g. `Confirmed`. `false` if there is no such user, or the user stands there already.
    ///
    /// # Errors
    ///
    /// If the file cannot be written.
    pub async fn set_status(&self, pool: &str, sub: &str, status: UserStatus) -> Result<bool, Fault> {
        let (pool, sub) = (pool.to_owned(), sub.to_owned());
        self.0
            .write(move |file| {
                let update = "UPDATE users SET status = ?3 WHERE pool = ?1 AND sub = ?2 AND status <> ?3";
                Ok(file.prepare_cached(update)?.execute((&pool, &sub, status_text(&status)))? == 1)
            })
            .await
    }

    /// Confirms a user. `false` if there is no such user, or the user is confirmed already: of several who confirm at once
    /// one hears `true`.
    ///
    /// # Errors
    ///
    /// If the file cannot be written.
    pub async fn confirm(&self, pool: &str, sub: &str) -> Result<bool, Fault> {
        self.set_status(pool, sub, UserStatus::Confirmed).await
    }

    /// Disables a user, or enables one again. `false` if there is no such user.
    ///
    /// # Errors
    ///
    /// If the file cannot be written.
    pub async fn enable(&self, pool: &str, sub: &str, enabled: bool) -> Result<bool, Fault> {
        let (pool, sub) = (pool.to_owned(), sub.to_owned());
        self.0
            .write(move |file| {
                let update = "UPDATE users SET enabled = ?3 WHERE pool = ?1 AND sub = ?2";
                Ok(file.prepare_cached(update)?.execute((&pool, &sub, enabled))? == 1)
            })
            .await
    }

    /// Removes a user. `false` if there is none.
    ///
    /// # Errors
    ///
    /// If the file cannot be written.
    pub async fn remove(&self, pool: &str, sub: &str) -> Result<bool, Fault> {
        let (pool, sub) = (pool.to_owned(), sub.to_owned());
        self.0
            .write(move |file| {
                let delete = "DELETE FROM users WHERE pool = ?1 AND sub = ?2";
                Ok(file.prepare_cached(delete)?.execute((&pool, &sub))? == 1)
            })
            .await
    }

    /// The user who signs in with this: the user name, else the `sub`, else the e-mail address. Of several users with one
    /// address it is the one whose address is verified, else the oldest.
    ///
    /// # Errors
    ///
    /// If the file cannot be read.
    pub async fn find(&self, pool: &str, login: &str) -> Result<Option<LocalUser>, Fault> {
        let (pool, login) = (pool.to_owned(), login.to_owned());
        self.0
            .read(move |file| {
                if let Some(user) = by_name(file, &pool, &login)? {
                    return Ok(Some(user));
                }
                let mut users = by_email(file, &pool, &login)?;
                let verified =
                    users.iter().position(|user| user.attributes.get("email_verified").is_some_and(|v| v == "true"));
                let chosen = verified.unwrap_or(0);
                Ok((chosen < users.len()).then(|| users.swap_remove(chosen)))
            })
            .await
    }

    /// Everybody with this e-mail address, verified or not, the oldest first.
    ///
    /// # Errors
    ///
    /// If the file cannot be read.
    pub async fn with_email(&self, pool: &str, address: &str) -> Result<Vec<LocalUser>, Fault> {
        let (pool, address) = (pool.to_owned(), address.to_owned());
        self.0.read(move |file| by_email(file, &pool, &address)).await
    }

    /// Every user of a pool, the oldest first.
    ///
    /// # Errors
    ///
    /// If the file cannot be read.
    pub async fn list(&self, pool: &str) -> Result<Vec<LocalUser>, Fault> {
        let pool = pool.to_owned();
        self.0.read(move |file| select(file, "pool = ?1 ORDER BY created, sub", (&pool,))).await
    }
}

#[async_trait]
impl Directory for LocalDirectory {
    /// An empty value removes the attribute, as in Cognito ("submit the attribute in your API request with a blank value",
    /// AdminUpdateUserAttributes).
    async fn update_attributes(
        &self,
        pool: &str,
        user_name: &str,
        attributes: &BTreeMap<String, String>,
    ) -> Result<(), Fault> {
        if attributes.contains_key("sub") {
            let fault = Fault::of(FaultKind::Service, "the attribute `sub` cannot be changed");
            return Err(fault.with_outlook(Outlook::Permanent));
        }
        let (pool, user_name, attributes) = (pool.to_owned(), user_name.to_owned(), attributes.clone());
        self.0
            .write(move |file| {
                let Some(mut user) = by_name(file, &pool, &user_name)? else { return Err(no_such_user(&pool)) };
                for (name, value) in attributes {
                    if value.is_empty() {
                        user.attributes.remove(&name);
                    } else {
                        user.attributes.insert(name, value);
                    }
                }
                let update = "UPDATE users SET attributes = ?3, email = ?4 WHERE pool = ?1 AND sub = ?2";
                let text = serde_json::to_string(&user.attributes)?;
                file.prepare_cached(update)?.execute((&pool, &user.sub, text, email(&user.attributes)))?;
                Ok(())
            })
            .await
    }

    async fn find(&self, pool: &str, user_name: &str) -> Result<Option<User>, Fault> {
        let (pool, user_name) = (pool.to_owned(), user_name.to_owned());
        self.0.read(move |file| Ok(by_name(file, &pool, &user_name)?.map(User::from))).await
    }

    async fn find_sub(&self, pool: &str, sub: &str) -> Result<Option<User>, Fault> {
        let (pool, sub) = (pool.to_owned(), sub.to_owned());
        self.0.read(move |file| Ok(select(file, "pool = ?1 AND sub = ?2", (&pool, &sub))?.pop().map(User::from))).await
    }

    async fn sign_out(&self, pool: &str, user_name: &str) -> Result<(), Fault> {
        let (pool, user_name) = (pool.to_owned(), user_name.to_owned());
        self.0
            .write(move |file| {
                let Some(user) = by_name(file, &pool, &user_name)? else { return Err(no_such_user(&pool)) };
                let update = "UPDATE users SET sign_outs = sign_outs + 1 WHERE pool = ?1 AND sub = ?2";
                file.prepare_cached(update)?.execute((&pool, &user.sub))?;
                Ok(())
            })
            .await
    }

    async fn require_new_password(&self, pool: &str, user_name: &str) -> Result<NewPassword, Fault> {
        let (pool, user_name) = (pool.to_owned(), user_name.to_owned());
        self.0
            .write(move |file| {
                let Some(user) = by_name(file, &pool, &user_name)? else { return Err(no_such_user(&pool)) };
                match user.status {
                    UserStatus::ResetRequired | UserStatus::ForceChangePassword => return Ok(NewPassword::Required),
                    UserStatus::Confirmed => {}
                    _ => return Ok(NewPassword::None),
                }
                let refused = |why: &'static str| Fault::of(FaultKind::Service, why).with_outlook(Outlook::Permanent);
                if !user.enabled {
                    return Err(refused("the user is disabled"));
                }
                if !has_verified_contact(&user.attributes) {
                    return Err(refused("the user has no verified address or number for a code"));
                }
                let update = "UPDATE users SET status = ?3 WHERE pool = ?1 AND sub = ?2";
                let status = status_text(&UserStatus::ResetRequired);
                file.prepare_cached(update)?.execute((&pool, &user.sub, status))?;
                Ok(NewPassword::Required)
            })
            .await
    }

    async fn users(&self, pool: &str, page: Option<String>) -> Result<UserPage, Fault> {
        let pool = pool.to_owned();
        self.0
            .read(move |file| {
                let after = page.unwrap_or_default();
                let limit = i64::try_from(PAGE).unwrap_or(i64::MAX);
                let users = select(file, "pool = ?1 AND sub > ?2 ORDER BY sub LIMIT ?3", (&pool, after, limit))?;
                let next = users.last().filter(|_| users.len() == PAGE).map(|last| last.sub.clone());
                Ok(UserPage { users: users.into_iter().map(User::from).collect(), next })
            })
            .await
    }
}

fn has_verified_contact(attributes: &BTreeMap<String, String>) -> bool {
    let is_verified = |name: &str, mark: &str| {
        attributes.contains_key(name) && attributes.get(mark).is_some_and(|value| value.eq_ignore_ascii_case("true"))
    };
    is_verified("email", "email_verified") || is_verified("phone_number", "phone_number_verified")
}

fn no_such_user(pool: &str) -> Fault {
    Fault::of(FaultKind::Service, format!("the pool `{pool}` has no such user")).with_outlook(Outlook::Permanent)
}

impl From<LocalUser> for User {
    fn from(user: LocalUser) -> Self {
        Self {
            user_name: user.user_name,
            attributes: Attributes::from_iter(user.attributes),
            confirmed: is_confirmed(&user.status),
            enabled: user.enabled,
            created: user.created,
        }
    }
}

/// Who has to choose a new password was confirmed before. Somebody made by an administrator who never signed in is not.
fn is_confirmed(status: &UserStatus) -> bool {
    matches!(status, UserStatus::Confirmed | UserStatus::ExternalProvider | UserStatus::ResetRequired)
}

impl fmt::Debug for LocalUser {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("LocalUser").field("status", &self.status).finish_non_exhaustive()
    }
}

impl fmt::Debug for NewUser {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("NewUser").field("status", &self.status).finish_non_exhaustive()
    }
}

/// By user name, else by `sub`: the directory takes either, as Cognito does.
fn by_name(file: &Transaction<'_>, pool: &str, name: &str) -> Result<Option<LocalUser>, Fault> {
    let mut users = select(file, "pool = ?1 AND login = ?2", (pool, name.to_lowercase()))?;
    if users.is_empty() {
        users = select(file, "pool = ?1 AND sub = ?2", (pool, name))?;
    }
    Ok(users.pop())
}

fn by_email(file: &Transaction<'_>, pool: &str, address: &str) -> Result<Vec<LocalUser>, Fault> {
    select(file, "pool = ?1 AND email = ?2 ORDER BY created, sub", (pool, address.to_lowercase()))
}

fn select(file: &Transaction<'_>, which: &str, values: impl rusqlite::Params) -> Result<Vec<LocalUser>, Fault> {
    let mut select = file.prepare_cached(&format!("SELECT {COLUMNS} FROM users WHERE {which}"))?;
    let mut rows = select.query(values)?;
    let mut users = Vec::new();
    while let Some(row) = rows.next()? {
        users.push(user(row)?);
    }
    Ok(users)
}

fn user(row: &Row<'_>) -> Result<LocalUser, Fault> {
    let attributes = serde_json::from_str(&row.get::<_, String>(3)?)
        // The text itself is not quoted: it tells about a person.
        .map_err(|_| Fault::of(FaultKind::Service, "the stored attributes of a user cannot be read"))?;
    Ok(LocalUser {
        sub: row.get(0)?,
        user_name: row.get(1)?,
        status: status(&row.get::<_, String>(2)?),
        attributes,
        created: Timestamp::from_millisecond(row.get(4)?)?,
        enabled: row.get(5)?,
        sign_outs: row.get::<_, i64>(6).map(|count| u64::try_from(count).unwrap_or(0))?,
    })
}

fn email(attributes: &BTreeMap<String, String>) -> Option<String> {
    attributes.get("email").map(|address| address.to_lowercase())
}

fn status_text(status: &UserStatus) -> &str {
    match status {
        UserStatus::Unconfirmed => "UNCONFIRMED",
        UserStatus::Confirmed => "CONFIRMED",
        UserStatus::ExternalProvider => "EXTERNAL_PROVIDER",
        UserStatus::ForceChangePassword => "FORCE_CHANGE_PASSWORD",
        UserStatus::ResetRequired => "RESET_REQUIRED",
        UserStatus::Other(other) => other,
        _ => "UNKNOWN",
    }
}

fn status(text: &str) -> UserStatus {
    let attributes = Attributes::from_iter([("cognito:user_status", text)]);
    attributes.user_status().unwrap_or_else(|| UserStatus::Other(text.to_owned()))
}

/// A user name as Cognito makes one up where users sign in with an address.
///
/// # Errors
///
/// If the system has no randomness to give.
pub fn new_user_name() -> Result<String, Fault> {
    Ok(uuid(random::bytes()?))
}

fn is_uuid(text: &str) -> bool {
    let groups: Vec<usize> = text.split('-').map(str::len).collect();
    groups == [8, 4, 4, 4, 12] && text.bytes().all(|byte| matches!(byte, b'-' | b'0'..=b'9' | b'a'..=b'f'))
}

/// A random UUID, version 4 (RFC 9562), as Cognito gives for a `sub`.
pub(crate) fn uuid(bytes: [u8; 16]) -> String {
    let number = u128::from_be_bytes(bytes);
    let number = (number & !(0xf << 76)) | (0x4 << 76);
    let number = (number & !(0b11 << 62)) | (0b10 << 62);
    let text = format!("{number:032x}");
    let part = |from: usize, to: usize| text.get(from..to).unwrap_or_default();
    format!("{}-{}-{}-{}-{}", part(0, 8), part(8, 12), part(12, 16), part(16, 20), part(20, 32))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use cognito_triggers::services::contract;
    use futures_util::future::BoxFuture;

    use super::*;

    fn directory() -> (tempfile::TempDir, LocalDirectory) {
        let folder = tempfile::tempdir().unwrap();
        let directory = LocalDirectory::open(&folder.path().join("pool.db")).unwrap();
        (folder, directory)
    }

    fn anna(attributes: &[(&str, &str)]) -> NewUser {
        named("Anna", attributes)
    }

    fn named(name: &str, attributes: &[(&str, &str)]) -> NewUser {
        NewUser {
            user_name: name.into(),
            attributes: attributes.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect(),
            status: UserStatus::Unconfirmed,
            created: "2026-03-01T10:00:00.123Z".parse().unwrap(),
        }
    }

    fn attributes(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect()
    }

    struct Office(LocalDirectory);

    #[async_trait]
    impl contract::Registry for Office {
        async fn pool(&self) -> String {
            format!("local_{}", new_user_name().unwrap())
        }

        async fn create(
            &self,
            pool: &str,
            user_name: &str,
            attributes: &BTreeMap<String, String>,
            confirmed: bool,
        ) -> String {
            let status = if confirmed { UserStatus::Confirmed } else { UserStatus::Unconfirmed };
            self.add(pool, user_name, attributes, status).await
        }

        async fn invite(&self, pool: &str, user_name: &str, attributes: &BTreeMap<String, String>) -> String {
            self.add(pool, user_name, attributes, UserStatus::ForceChangePassword).await
        }

        async fn federate(&self, pool: &str, user_name: &str, attributes: &BTreeMap<String, String>) -> String {
            self.add(pool, user_name, attributes, UserStatus::ExternalProvider).await
        }

        async fn disable(&self, pool: &str, user_name: &str) {
            let sub = self.user(pool, user_name).await.sub;
            assert!(self.0.enable(pool, &sub, false).await.unwrap());
        }

        /// "What was begun before the last time is at an end": a session is known by how often the user was signed out before.
        async fn sign_in(&self, pool: &str, user_name: &str) -> String {
            self.user(pool, user_name).await.sign_outs.to_string()
        }

        async fn goes_on(&self, pool: &str, user_name: &str, session: &str) -> bool {
            self.user(pool, user_name).await.sign_outs.to_string() == session
        }

        async fn must_choose(&self, pool: &str, user_name: &str) -> bool {
            let status = self.user(pool, user_name).await.status;
            matches!(status, UserStatus::ResetRequired | UserStatus::ForceChangePassword)
        }
    }

    impl Office {
        async fn add(
            &self,
            pool: &str,
            user_name: &str,
            attributes: &BTreeMap<String, String>,
            status: UserStatus,
        ) -> String {
            let user = NewUser { attributes: attributes.clone(), status, ..named(user_name, &[]) };
            self.0.create(pool, user).await.unwrap().unwrap().sub
        }

        async fn user(&self, pool: &str, user_name: &str) -> LocalUser {
            self.0.find(pool, user_name).await.unwrap().unwrap()
        }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn it_keeps_the_contract() {
        let (folder, directory) = directory();
        let second = Arc::new(LocalDirectory::open(&folder.path().join("pool.db")).unwrap());
        let spawn = |task| -> BoxFuture<'static, ()> {
            let task = tokio::spawn(task);
            Box::pin(async move { task.await.unwrap() })
        };
        let office = Arc::new(Office(directory.clone()));
        contract::directory(Arc::new(directory), office).client(second).spawn(spawn).holds().await;
    }

    #[tokio::test]
    async fn a_user_is_found_by_name_sub_and_address() {
        let (_folder, directory) = directory();
        let made =
            directory.create("p", anna(&[("email", "Anna@Example.com"), ("sub", "forged")])).await.unwrap().unwrap();
        assert_ne!(made.sub, "forged");
        assert_eq!(made.attributes.get("sub"), Some(&made.sub));
        for login in ["Anna", "aNNA", &made.sub, "anna@example.COM"] {
            assert_eq!(directory.find("p", login).await.unwrap().as_ref(), Some(&made), "{login}");
            assert_eq!(directory.find("q", login).await.unwrap(), None, "{login} in another pool");
        }
        assert_eq!(directory.find("p", "").await.unwrap(), None);
        assert_eq!(directory.find("p", "%").await.unwrap(), None);
    }

    #[tokio::test]
    async fn a_name_is_given_once_in_a_pool() {
        let (_folder, directory) = directory();
        let first = directory.create("p", anna(&[])).await.unwrap().unwrap();
        assert_eq!(directory.create("p", named("ANNA", &[("email", "x@example.com")])).await.unwrap(), None);
        assert_eq!(directory.list("p").await.unwrap(), [first]);
        assert!(directory.create("q", anna(&[])).await.unwrap().is_some());
    }

    #[tokio::test]
    async fn of_many_who_confirm_one_hears_so() {
        let (_folder, directory) = directory();
        let sub = directory.create("p", anna(&[])).await.unwrap().unwrap().sub;
        let all = futures_util::future::join_all((0..8).map(|_| directory.confirm("p", &sub))).await;
        assert_eq!(all.into_iter().filter(|confirmed| *confirmed.as_ref().unwrap()).count(), 1);
        assert_eq!(directory.find("p", &sub).await.unwrap().unwrap().status, UserStatus::Confirmed);
        assert!(!directory.confirm("p", "nobody").await.unwrap());
    }

    #[tokio::test]
    async fn the_verified_owner_of_an_address_comes_before_older_ones() {
        let (_folder, directory) = directory();
        let later = |name, pairs: &[(&str, &str)]| NewUser {
            created: "2027-01-01T00:00:00Z".parse().unwrap(),
            ..named(name, pairs)
        };
        directory.create("p", anna(&[("email", "a@example.com")])).await.unwrap();
        directory
            .create("p", later("second", &[("email", "A@example.com"), ("email_verified", "true")]))
            .await
            .unwrap();
        assert_eq!(directory.find("p", "a@example.com").await.unwrap().unwrap().user_name, "second");
        let all = directory.with_email("p", "a@EXAMPLE.com").await.unwrap();
        assert_eq!(all.iter().map(|user| user.user_name.as_str()).collect::<Vec<_>>(), ["Anna", "second"]);
    }

    #[tokio::test]
    async fn attributes_are_set_kept_and_removed() {
        let (_folder, directory) = directory();
        directory.create("p", anna(&[("email", "a@example.com"), ("locale", "de")])).await.unwrap();
        let update = attributes(&[("nickname", "Änne \u{1f600}"), ("email", "b@example.com"), ("locale", "")]);
        for _ in 0..2 {
            directory.update_attributes("p", "anna", &update).await.unwrap();
        }
        let user = directory.find("p", "b@example.com").await.unwrap().expect("the new address finds nobody");
        assert_eq!(directory.find("p", "a@example.com").await.unwrap(), None);
        let expected = attributes(&[("sub", &user.sub), ("nickname", "Änne \u{1f600}"), ("email", "b@example.com")]);
        assert_eq!(user.attributes, expected);
    }

    #[tokio::test]
    async fn a_refused_update_says_why_without_naming_anybody() {
        let (_folder, directory) = directory();
        directory.create("p", anna(&[])).await.unwrap();
        let fault = directory.update_attributes("p", "berta", &attributes(&[("nickname", "b")])).await.unwrap_err();
        assert_eq!(fault.kind(), FaultKind::Service);
        assert!(fault.causes().ends_with("the pool `p` has no such user"), "{fault}");
        assert!(!fault.causes().contains("berta"), "{fault}");
        let fault = directory.update_attributes("p", "anna", &attributes(&[("sub", "x")])).await.unwrap_err();
        assert!(fault.causes().contains("`sub` cannot be changed"), "{fault}");
    }

    #[tokio::test]
    async fn pages_bring_every_user_once() {
        let (_folder, directory) = directory();
        for number in 0..121 {
            directory.create("p", named(&format!("user-{number}"), &[])).await.unwrap().unwrap();
        }
        directory.create("q", anna(&[])).await.unwrap();
        let (mut names, mut sizes, mut page) = (BTreeSet::new(), Vec::new(), None);
        loop {
            let found = directory.users("p", page).await.unwrap();
            sizes.push(found.users.len());
            names.extend(found.users.into_iter().map(|user| user.user_name));
            page = found.next;
            if page.is_none() {
                break;
            }
        }
        assert_eq!((names.len(), sizes), (121, vec![60, 60, 1]));
    }

    #[tokio::test]
    async fn a_user_who_was_removed_is_gone() {
        let (_folder, directory) = directory();
        let sub = directory.create("p", anna(&[])).await.unwrap().unwrap().sub;
        assert!(!directory.remove("q", &sub).await.unwrap());
        assert!(directory.remove("p", &sub).await.unwrap());
        assert!(!directory.remove("p", &sub).await.unwrap());
        assert_eq!(directory.find("p", "anna").await.unwrap(), None);
    }

    #[tokio::test]
    async fn a_user_name_that_was_made_up_is_the_sub() {
        let (_folder, directory) = directory();
        let name = new_user_name().unwrap();
        let made = directory.create("p", named(&name, &[("email", "a@example.com")])).await.unwrap().unwrap();
        assert_eq!((&made.sub, &made.user_name), (&name, &name));
        assert_eq!(directory.create("p", named(&name, &[])).await.unwrap(), None);
    }

    #[test]
    fn a_sub_is_a_uuid() {
        assert_eq!(uuid([0; 16]), "00000000-0000-4000-8000-000000000000");
        assert_eq!(uuid([255; 16]), "ffffffff-ffff-4fff-bfff-ffffffffffff");
    }

    #[test]
    fn every_status_comes_back() {
        for text in
            ["UNCONFIRMED", "CONFIRMED", "EXTERNAL_PROVIDER", "FORCE_CHANGE_PASSWORD", "RESET_REQUIRED", "NEW_ONE"]
        {
            assert_eq!(status_text(&status(text)), text);
        }
    }

    #[test]
    fn debug_shows_nothing_of_the_user() {
        let text = format!("{:?}", anna(&[("email", "a@example.com")]));
        assert_eq!(text, "NewUser { status: Unconfirmed, .. }");
    }
}
