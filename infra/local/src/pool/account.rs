//! What users and administrators do to an account beside signing up and in: groups, sessions, passwords, deletion. Most of it
//! runs no trigger ("declare no Lambda exception: ChangePassword, AdminSetUserPassword, GlobalSignOut, AdminUserGlobalSignOut,
//! RevokeToken, AdminDisableUser, DeleteUser", API model), and answers the event CloudTrail would make of it.

use std::collections::BTreeMap;
use std::sync::{MutexGuard, PoisonError};

use cognito_triggers::{Directory, Fault, TriggerSource, UserStatus};
use cognito_triggers_embedded::LocalUser;
use serde_json::Value;

use super::event::Strings;
use super::people::Arrival;
use super::trail::record;
use super::{Done, LocalPool, Outcome, Refused, SignedIn, unknown};

impl LocalPool {
    /// `AdminAddUserToGroup`. `false` if there is no such user, or the user is in the group already.
    ///
    /// # Errors
    ///
    /// If the directory cannot be read.
    pub async fn admin_add_user_to_group(&self, login: &str, group: &str) -> Result<bool, Fault> {
        let user = self.find(login).await?;
        Ok(user.is_some_and(|user| self.join(&user.sub, group.to_owned())))
    }

    /// `InitiateAuth` with the refresh token of a sign-in. "NotAuthorizedException: Refresh Token has been revoked"
    /// (aws-sdk-net#1936) after a sign-out everywhere, and of a user who is disabled or gone.
    ///
    /// # Errors
    ///
    /// As [`LocalPool::sign_up`].
    pub async fn refresh_session(&self, session: &SignedIn) -> Result<Done<SignedIn>, Fault> {
        self.refreshed(session, TriggerSource::TokenGenerationRefreshTokens, Strings::new()).await
    }

    /// `GetTokensFromRefreshToken`, which "is documented as TokenGeneration_Authentication" and passes `ClientMetadata` on.
    ///
    /// # Errors
    ///
    /// As [`LocalPool::sign_up`].
    pub async fn tokens_from_refresh_token(
        &self,
        session: &SignedIn,
        client_metadata: &[(&str, &str)],
    ) -> Result<Done<SignedIn>, Fault> {
        let metadata = client_metadata.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        self.refreshed(session, TriggerSource::TokenGenerationAuthentication, metadata).await
    }

    async fn refreshed(
        &self,
        of: &SignedIn,
        source: TriggerSource,
        metadata: Strings,
    ) -> Result<Done<SignedIn>, Fault> {
        let mut steps = Vec::new();
        let user = match self.of_session(of, "Refresh Token has been revoked").await? {
            Ok(user) => user,
            Err(refused) => return Ok(Done { steps, result: Err(refused) }),
        };
        let arrival = Arrival { client: Some(of.client.clone()), answer_metadata: metadata, ..Arrival::default() };
        let result = self.tokens(user, source, &arrival, &mut steps).await?;
        Ok(Done { steps, result })
    }

    /// `GlobalSignOut`: the user, everywhere.
    ///
    /// # Errors
    ///
    /// If the directory cannot be read or written. What the pool refuses is in [`Done`].
    pub async fn global_sign_out(&self, session: &SignedIn) -> Result<Done<Value>, Fault> {
        let user = self.by_token(session).await?;
        self.silently("GlobalSignOut", user, async |user| {
            self.directory.sign_out(&self.settings.id, &user.user_name).await
        })
        .await
    }

    /// `AdminUserGlobalSignOut`.
    ///
    /// # Errors
    ///
    /// As [`LocalPool::global_sign_out`].
    pub async fn admin_user_global_sign_out(&self, login: &str) -> Result<Done<Value>, Fault> {
        let (user, operation) = (self.by_name(login).await?, "AdminUserGlobalSignOut");
        self.silently(operation, user, async |user| self.directory.sign_out(&self.settings.id, &user.user_name).await)
            .await
    }

    /// `AdminDisableUser`: "deactivates a user profile and revokes all access tokens for the user" (API reference); refresh
    /// tokens too, as was seen (cognito-local#381).
    ///
    /// # Errors
    ///
    /// As [`LocalPool::global_sign_out`].
    pub async fn admin_disable_user(&self, login: &str) -> Result<Done<Value>, Fault> {
        let user = self.by_name(login).await?;
        self.silently("AdminDisableUser", user, async |user| {
            self.directory.sign_out(&self.settings.id, &user.user_name).await?;
            self.directory.enable(&self.settings.id, &user.sub, false).await.map(drop)
        })
        .await
    }

    /// `AdminEnableUser`.
    ///
    /// # Errors
    ///
    /// As [`LocalPool::global_sign_out`].
    pub async fn admin_enable_user(&self, login: &str) -> Result<Done<Value>, Fault> {
        let user = self.by_name(login).await?;
        self.silently("AdminEnableUser", user, async |user| {
            self.directory.enable(&self.settings.id, &user.sub, true).await.map(drop)
        })
        .await
    }

    /// `DeleteUser`: the user themselves.
    ///
    /// # Errors
    ///
    /// As [`LocalPool::global_sign_out`].
    pub async fn delete_user(&self, session: &SignedIn) -> Result<Done<Value>, Fault> {
        let user = self.by_token(session).await?;
        self.silently("DeleteUser", user, async |user| self.removed(user).await).await
    }

    /// `AdminDeleteUser`.
    ///
    /// # Errors
    ///
    /// As [`LocalPool::global_sign_out`].
    pub async fn admin_delete_user(&self, login: &str) -> Result<Done<Value>, Fault> {
        let user = self.by_name(login).await?;
        self.silently("AdminDeleteUser", user, async |user| self.removed(user).await).await
    }

    async fn removed(&self, user: &LocalUser) -> Result<(), Fault> {
        self.groups().remove(&user.sub);
        self.directory.remove(&self.settings.id, &user.sub).await.map(drop)
    }

    /// `ChangePassword`, with the right old one.
    ///
    /// # Errors
    ///
    /// As [`LocalPool::global_sign_out`].
    pub async fn change_password(&self, session: &SignedIn) -> Result<Done<Value>, Fault> {
        let user = self.by_token(session).await?;
        self.silently("ChangePassword", user, async |_| Ok(())).await
    }

    /// `AdminSetUserPassword`. A permanent one confirms the user; after a temporary one "the user must change it at the next
    /// sign-in" (`FORCE_CHANGE_PASSWORD`).
    ///
    /// # Errors
    ///
    /// As [`LocalPool::global_sign_out`].
    pub async fn admin_set_user_password(&self, login: &str, permanent: bool) -> Result<Done<Value>, Fault> {
        let user = self.by_name(login).await?;
        let status = if permanent { UserStatus::Confirmed } else { UserStatus::ForceChangePassword };
        let set = async |user: &LocalUser| {
            self.directory.set_status(&self.settings.id, &user.sub, status.clone()).await.map(drop)
        };
        let mut done = self.silently("AdminSetUserPassword", user, set).await?;
        // "True if the password is permanent"; without it, it is not.
        if let Ok(event) = &mut done.result
            && let Some(request) = event.pointer_mut("/detail/requestParameters").and_then(Value::as_object_mut)
            && permanent
        {
            request.insert("permanent".into(), Value::Bool(true));
        }
        Ok(done)
    }

    /// `AdminResetUserPassword`: `RESET_REQUIRED`, and a code, which this pool does not send.
    ///
    /// # Errors
    ///
    /// As [`LocalPool::global_sign_out`].
    pub async fn admin_reset_user_password(&self, login: &str) -> Result<Done<Value>, Fault> {
        let user = match self.by_name(login).await? {
            // "Reset password for a disabled user: NotAuthorizedException, User is disabled" (amazon-cognito-identity-js#373).
            Ok(user) if !user.enabled => Err(super::disabled()),
            other => other,
        };
        self.silently("AdminResetUserPassword", user, async |user| {
            self.directory.set_status(&self.settings.id, &user.sub, UserStatus::ResetRequired).await.map(drop)
        })
        .await
    }

    /// Does what runs no trigger, and answers the event of it.
    async fn silently(
        &self,
        operation: &str,
        user: Result<LocalUser, Refused>,
        change: impl AsyncFnOnce(&LocalUser) -> Result<(), Fault>,
    ) -> Result<Done<Value>, Fault> {
        let user = match user {
            Ok(user) => user,
            Err(refused) => return Ok(Done { steps: Vec::new(), result: Err(refused) }),
        };
        change(&user).await?;
        let event = record(&self.settings.id, operation, &user.sub, self.dispatcher.services().clock.now())?;
        Ok(Done { steps: Vec::new(), result: Ok(event) })
    }

    async fn by_name(&self, login: &str) -> Outcome<LocalUser> {
        Ok(self.find(login).await?.ok_or_else(unknown))
    }

    async fn by_token(&self, session: &SignedIn) -> Outcome<LocalUser> {
        self.of_session(session, "Access Token has been revoked").await
    }

    /// Whose tokens these are, unless they were revoked.
    async fn of_session(&self, session: &SignedIn, revoked: &str) -> Outcome<LocalUser> {
        let user = self.find(&session.user.sub).await?;
        let good = user.filter(|user| user.enabled && user.sign_outs == session.sign_outs);
        Ok(good.ok_or_else(|| Refused::new("NotAuthorizedException", revoked)))
    }

    /// `false` if the user is in the group already.
    pub(super) fn join(&self, sub: &str, group: String) -> bool {
        let mut groups = self.groups();
        let groups = groups.entry(sub.to_owned()).or_default();
        let is_new = !groups.contains(&group);
        if is_new {
            groups.push(group);
        }
        is_new
    }

    pub(super) fn groups_of(&self, sub: &str) -> Vec<String> {
        self.groups().get(sub).cloned().unwrap_or_default()
    }

    fn groups(&self) -> MutexGuard<'_, BTreeMap<String, Vec<String>>> {
        self.groups.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
