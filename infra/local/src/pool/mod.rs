//! A user pool on this machine that behaves towards triggers as Cognito does: which of them it calls for what, in which
//! order, with which data, and what an error of each means.
//!
//! Every call goes through the [`Dispatcher`] as bytes, as in a Lambda, and yields a [`Step`].
//!
//! It asks for the words of messages it would send, and sends none. What else it does not do: keep passwords, aliases or devices,
//! challenge anybody, migrate users, and sign tokens. Groups it keeps until it is dropped. Where Cognito's order is not
//! documented it takes the one that is harder for a rule: a sign-up under a user name that is given reaches the trigger before
//! it is refused, and so does the sign-in of a disabled user.
//!
//! What no trigger hears of (signing out, deleting, changing a password) answers the event CloudTrail would make of it, for
//! `functions/session-release`.

mod account;
mod event;
mod message;
mod people;
mod step;
mod trail;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use cognito_triggers::message::Occasion;
use cognito_triggers::{Directory, Dispatcher, Fault, Invocation, TriggerSource, UserStatus, random};
use cognito_triggers_embedded::{LocalDirectory, LocalUser, NewUser, new_user_name};
use jiff::SignedDuration;
use serde_json::Value;

use event::{Body, Call, Caller, Strings};
use people::Arrival;
pub use people::{Applicant, Credentials, Federated, SignedIn};
pub use step::{Done, Refused, Step};
pub(crate) use step::{changed, refusal_text};

/// What Cognito waits for an answer, less what the way there and back takes.
const BUDGET: SignedDuration = SignedDuration::from_secs(4);

/// Which version of events token generation gets, `PreTokenGenerationConfig.LambdaVersion`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TokenVersion {
    /// `V1_0`.
    V1,
    /// `V2_0`.
    #[default]
    V2,
    /// `V3_0`.
    V3,
}

impl TokenVersion {
    const fn as_str(self) -> &'static str {
        match self {
            Self::V1 => "1",
            Self::V2 => "2",
            Self::V3 => "3",
        }
    }
}

/// What users sign in with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Login {
    /// A name each chooses.
    #[default]
    Name,
    /// Their e-mail address (`UsernameAttributes: email`). Every try to sign up has another user name then, a UUID that becomes
    /// the `sub`.
    Email,
}

/// How a pool is set up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PoolSettings {
    /// Its id, e.g. `eu-central-1_Example01`. The region is what stands before the `_`.
    pub id: String,
    /// What users sign in with.
    pub login: Login,
    /// The app client that people sign in with.
    pub client: String,
    /// What token generation gets.
    pub tokens: TokenVersion,
    /// `PreventUserExistenceErrors`: whether an unknown user is treated like a known one with a wrong password.
    pub hides_users: bool,
}

impl PoolSettings {
    /// The usual ones for a pool of this id.
    #[must_use]
    pub fn of(id: impl Into<String>) -> Self {
        Self {
            id: id.into(),
            login: Login::default(),
            client: "1example23456789".into(),
            tokens: TokenVersion::default(),
            hides_users: true,
        }
    }
}

/// The pool.
#[derive(Clone)]
pub struct LocalPool {
    settings: PoolSettings,
    dispatcher: Arc<Dispatcher>,
    directory: LocalDirectory,
    /// The groups of users, by `sub`.
    groups: Arc<Mutex<BTreeMap<String, Vec<String>>>>,
}

/// The calls of one operation, and why it ended early.
type Outcome<T> = Result<Result<T, Refused>, Fault>;

impl LocalPool {
    /// A pool whose users stand in the directory and whose triggers are the dispatcher's.
    #[must_use]
    pub fn new(settings: PoolSettings, dispatcher: Arc<Dispatcher>, directory: LocalDirectory) -> Self {
        Self { settings, dispatcher, directory, groups: Arc::default() }
    }

    /// Its settings.
    #[must_use]
    pub fn settings(&self) -> &PoolSettings {
        &self.settings
    }

    /// `SignUp`.
    ///
    /// # Errors
    ///
    /// If the directory cannot be read or written. What the pool refuses is in [`Done`].
    pub async fn sign_up(&self, applicant: Applicant) -> Result<Done<LocalUser>, Fault> {
        let mut steps = Vec::new();
        let result = self.signed_up(applicant, &mut steps).await?;
        Ok(Done { steps, result })
    }

    async fn signed_up(&self, applicant: Applicant, steps: &mut Vec<Step>) -> Outcome<LocalUser> {
        let applicant = self.received(applicant)?;
        let Applicant { user_name, mut attributes, validation_data, client_metadata } = applicant;
        let source = TriggerSource::PreSignUpSignUp;
        let call = Call::pre_sign_up(source, &user_name, &attributes, &validation_data, &client_metadata);
        let response = match self.call(call, steps).await? {
            Ok(response) => response,
            Err(refused) => return Ok(Err(refused)),
        };
        let flag = |name: &str| response.get(name).and_then(Value::as_bool).unwrap_or_default();
        let verified = [("autoVerifyEmail", "email"), ("autoVerifyPhone", "phone_number")];
        for (flag_name, attribute) in verified {
            let has = attributes.get(attribute).is_some_and(|value| !value.is_empty());
            // "autoVerifyEmail needs a non-null attribute, or sign-up errors" (developer guide, pre sign-up). The wording is ours.
            if flag(flag_name) && !has {
                let message = format!("{flag_name} is set, and the user has no {attribute}");
                return Ok(Err(Refused::new("InvalidLambdaResponseException", message)));
            }
            if has {
                attributes.insert(format!("{attribute}_verified"), flag(flag_name).to_string());
            }
        }
        let confirmed = flag("autoConfirmUser");
        let status = if confirmed { UserStatus::Confirmed } else { UserStatus::Unconfirmed };
        let user = match self.create(&user_name, attributes, status).await? {
            Ok(user) => user,
            Err(refused) => return Ok(Err(refused)),
        };
        if confirmed {
            // "Auto-confirmed users reach it at SignUp time".
            let source = TriggerSource::PostConfirmationConfirmSignUp;
            let call = Call::post_confirmation(source, &user, &client_metadata);
            if let Err(refused) = self.call(call, steps).await? {
                return Ok(Err(refused));
            }
        }
        if !confirmed && let Err(refused) = self.write_to(Occasion::SignUp, &user, &client_metadata, steps).await? {
            return Ok(Err(refused));
        }
        Ok(Ok(self.again(user).await?))
    }

    /// `ConfirmSignUp` with the right code; whether the code is right is not this pool's business.
    ///
    /// # Errors
    ///
    /// As [`LocalPool::sign_up`].
    pub async fn confirm(&self, login: &str) -> Result<Done<LocalUser>, Fault> {
        let mut steps = Vec::new();
        let result = self.confirmed(login, &mut steps).await?;
        Ok(Done { steps, result })
    }

    async fn confirmed(&self, login: &str, steps: &mut Vec<Step>) -> Outcome<LocalUser> {
        let Some(user) = self.find(login).await? else { return Ok(Err(unknown())) };
        if !matches!(user.status, UserStatus::Unconfirmed)
            || !self.directory.confirm(&self.settings.id, &user.sub).await?
        {
            // "User cannot be confirmed. Current status is CONFIRMED", so the trigger is not run again.
            let message = "User cannot be confirmed. Current status is CONFIRMED";
            return Ok(Err(Refused::new("NotAuthorizedException", message)));
        }
        let verified = if user.attributes.contains_key("email") { "email_verified" } else { "phone_number_verified" };
        self.update_attributes(&user.user_name, &[(verified, "true")]).await?;
        let user = self.again(user).await?;
        let call = Call::post_confirmation(TriggerSource::PostConfirmationConfirmSignUp, &user, &Strings::new());
        // An error changes nothing: "the user is actually confirmed" (amplify-cli#2735).
        if let Err(refused) = self.call(call, steps).await? {
            return Ok(Err(refused));
        }
        Ok(Ok(self.again(user).await?))
    }

    /// `ConfirmForgotPassword` with the right code. The user is confirmed again, if a reset was asked for.
    ///
    /// # Errors
    ///
    /// As [`LocalPool::sign_up`].
    pub async fn confirm_forgot_password(&self, login: &str) -> Result<Done<LocalUser>, Fault> {
        let mut steps = Vec::new();
        let result = self.password_confirmed(login, &mut steps).await?;
        Ok(Done { steps, result })
    }

    async fn password_confirmed(&self, login: &str, steps: &mut Vec<Step>) -> Outcome<LocalUser> {
        let Some(user) = self.find(login).await? else { return Ok(Err(unknown())) };
        if !user.enabled {
            return Ok(Err(disabled()));
        }
        if user.status == UserStatus::ResetRequired {
            self.directory.confirm(&self.settings.id, &user.sub).await?;
        }
        let user = self.again(user).await?;
        let source = TriggerSource::PostConfirmationConfirmForgotPassword;
        if let Err(refused) = self.call(Call::post_confirmation(source, &user, &Strings::new()), steps).await? {
            return Ok(Err(refused));
        }
        Ok(Ok(self.again(user).await?))
    }

    /// `AdminCreateUser`. "Flags ignored for AdminCreateUser"; "PostConfirmation: not fired for admin-created users, nor when
    /// they complete FORCE_CHANGE_PASSWORD" (developer guide).
    ///
    /// # Errors
    ///
    /// As [`LocalPool::sign_up`].
    pub async fn admin_create_user(&self, applicant: Applicant) -> Result<Done<LocalUser>, Fault> {
        let mut steps = Vec::new();
        let applicant = self.received(applicant)?;
        let Applicant { user_name, attributes, validation_data, client_metadata } = applicant;
        let source = TriggerSource::PreSignUpAdminCreateUser;
        let call = Call::pre_sign_up(source, &user_name, &attributes, &validation_data, &client_metadata);
        if let Err(refused) = self.call(call, &mut steps).await? {
            return Ok(Done { steps, result: Err(refused) });
        }
        let mut result = self.create(&user_name, attributes, UserStatus::ForceChangePassword).await?;
        if let Ok(user) = &result
            && let Err(refused) = self.write_to(Occasion::AdminCreateUser, user, &client_metadata, &mut steps).await?
        {
            result = Err(refused);
        }
        Ok(Done { steps, result })
    }

    /// `InitiateAuth` and what follows until there are tokens. A user made by an administrator chooses a password on the way.
    ///
    /// # Errors
    ///
    /// As [`LocalPool::sign_up`].
    pub async fn sign_in(&self, credentials: Credentials) -> Result<Done<SignedIn>, Fault> {
        let mut steps = Vec::new();
        let result = self.signed_in(credentials, &mut steps).await?;
        Ok(Done { steps, result })
    }

    async fn signed_in(&self, credentials: Credentials, steps: &mut Vec<Step>) -> Outcome<SignedIn> {
        let Credentials { login, wrong, client_metadata, arrival } = credentials;
        let user = self.find(&login).await?.filter(|user| user.status != UserStatus::ExternalProvider);
        // "Not fired for unknown user unless PreventUserExistenceErrors=ENABLED"; "before its password is checked, so a wrong
        // password reaches it too".
        if user.is_some() || self.settings.hides_users {
            let name = user.as_ref().map_or(login.as_str(), |user| &user.user_name);
            let call = Call::pre_authentication(name, user.as_ref(), &client_metadata).at(arrival.client.as_deref());
            if let Err(refused) = self.call(call, steps).await? {
                return Ok(Err(refused));
            }
        }
        let Some(mut user) = user else {
            return Ok(Err(if self.settings.hides_users { incorrect() } else { unknown() }));
        };
        // "NotAuthorizedException: User is disabled." (amplify-js#5503). Whether the trigger has run by then is not documented.
        if !user.enabled {
            return Ok(Err(disabled()));
        }
        if wrong {
            return Ok(Err(incorrect()));
        }
        let mut source = TriggerSource::TokenGenerationAuthentication;
        match user.status {
            UserStatus::Unconfirmed => {
                return Ok(Err(Refused::new("UserNotConfirmedException", "User is not confirmed.")));
            }
            UserStatus::ResetRequired => {
                return Ok(Err(Refused::new("PasswordResetRequiredException", "Password reset required for the user")));
            }
            UserStatus::ForceChangePassword => {
                self.directory.confirm(&self.settings.id, &user.sub).await?;
                user = self.again(user).await?;
                source = TriggerSource::TokenGenerationNewPasswordChallenge;
            }
            _ => {}
        }
        self.admitted(user, source, &arrival, steps).await
    }

    /// `InitiateAuth` with a refresh token that is good, whatever has happened; see
    /// [`refresh_session`](Self::refresh_session) for that of a certain sign-in.
    ///
    /// # Errors
    ///
    /// As [`LocalPool::sign_up`].
    pub async fn refresh(&self, login: &str) -> Result<Done<SignedIn>, Fault> {
        let mut steps = Vec::new();
        let Some(user) = self.find(login).await? else { return Ok(Done { steps, result: Err(incorrect()) }) };
        let source = TriggerSource::TokenGenerationRefreshTokens;
        let result = self.tokens(user, source, &Arrival::default(), &mut steps).await?;
        Ok(Done { steps, result })
    }

    /// A sign-in at another provider. "First: InboundFederation → PreSignUp_ExternalProvider →
    /// PostConfirmation_ConfirmSignUp → TokenGeneration_HostedAuth. Later: InboundFederation → PreAuthentication →
    /// PostAuthentication → TokenGeneration_HostedAuth" (developer guide, confirmed by captured events).
    ///
    /// # Errors
    ///
    /// As [`LocalPool::sign_up`].
    pub async fn federated_sign_in(&self, federated: Federated) -> Result<Done<SignedIn>, Fault> {
        let mut steps = Vec::new();
        let result = self.federated(federated, &mut steps).await?;
        Ok(Done { steps, result })
    }

    async fn federated(&self, federated: Federated, steps: &mut Vec<Step>) -> Outcome<SignedIn> {
        let user_name = federated.user_name();
        let Federated { provider, provider_type, user_id, mut attributes, client } = federated;
        let arrival = Arrival { client, ..Arrival::default() };
        let client = arrival.client.as_deref();
        let call = Call::inbound(&user_name, &provider, &provider_type, &attributes).at(client);
        let mapped = match self.call(call, steps).await? {
            Ok(response) => response,
            Err(refused) => return Ok(Err(refused)),
        };
        // "ALL attributes to keep; omitted = dropped; `{}` = no-op".
        if let Some(map) = mapped.get("userAttributesToMap").and_then(Value::as_object).filter(|map| !map.is_empty()) {
            let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            attributes = map.iter().map(|(name, value)| (name.clone(), text(value))).collect();
        }
        if let Some(user) = self.find(&user_name).await? {
            // Mapped attributes are written over those of the user at every sign-in.
            let update: Vec<_> = attributes.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
            self.update_attributes(&user_name, &update).await?;
            let user = self.again(user).await?;
            let call = Call::pre_authentication(&user_name, Some(&user), &Strings::new()).at(client);
            return match self.call(call, steps).await? {
                Ok(_) if !user.enabled => Ok(Err(disabled())),
                Ok(_) => self.admitted(user, TriggerSource::TokenGenerationHostedAuth, &arrival, steps).await,
                Err(refused) => Ok(Err(refused)),
            };
        }
        if attributes.contains_key("email") {
            attributes.entry("email_verified".into()).or_insert_with(|| "false".into());
        }
        let source = TriggerSource::PreSignUpExternalProvider;
        let call = Call::pre_sign_up(source, &user_name, &attributes, &Strings::new(), &Strings::new()).at(client);
        if let Err(refused) = self.call(call, steps).await? {
            return Ok(Err(refused));
        }
        let identity = serde_json::json!([{
            "userId": user_id,
            "providerName": provider,
            "providerType": provider_type,
            "issuer": null,
            "primary": true,
            "dateCreated": self.dispatcher.services().clock.now().as_millisecond(),
        }]);
        attributes.insert("identities".into(), identity.to_string());
        let user = match self.create(&user_name, attributes, UserStatus::ExternalProvider).await? {
            Ok(user) => user,
            Err(refused) => return Ok(Err(refused)),
        };
        // "The user is in group `<poolId>_<provider>`" (captured events).
        self.join(&user.sub, format!("{}_{provider}", self.settings.id));
        let source = TriggerSource::PostConfirmationConfirmSignUp;
        let call = Call::post_confirmation(source, &user, &Strings::new()).at(client);
        if let Err(refused) = self.call(call, steps).await? {
            return Ok(Err(refused));
        }
        // "Not fired on first federated sign-in": no PostAuthentication.
        let user = self.again(user).await?;
        self.tokens(user, TriggerSource::TokenGenerationHostedAuth, &arrival, steps).await
    }

    /// `AdminUpdateUserAttributes`, or the user in the profile: runs no trigger that could decide. An empty value removes the
    /// attribute.
    ///
    /// # Errors
    ///
    /// If there is no such user, or the directory cannot be written.
    pub async fn update_attributes(&self, user_name: &str, attributes: &[(&str, &str)]) -> Result<(), Fault> {
        let attributes = attributes.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        self.directory.update_attributes(&self.settings.id, user_name, &attributes).await
    }

    /// `AdminDeleteUser`: runs no trigger. `false` if there is no such user.
    ///
    /// # Errors
    ///
    /// If the directory cannot be written.
    pub async fn delete(&self, login: &str) -> Result<bool, Fault> {
        match self.find(login).await? {
            Some(user) => self.directory.remove(&self.settings.id, &user.sub).await,
            None => Ok(false),
        }
    }

    /// A user by user name, `sub` or e-mail address.
    ///
    /// # Errors
    ///
    /// If the directory cannot be read.
    pub async fn find(&self, login: &str) -> Result<Option<LocalUser>, Fault> {
        self.directory.find(&self.settings.id, login).await
    }

    /// Sends the same event once more, as Cognito does when no answer came in time.
    ///
    /// # Errors
    ///
    /// If the system has no randomness to give.
    pub async fn repeat(&self, step: &Step) -> Result<Step, Fault> {
        self.send(step.event.clone()).await
    }

    /// The password is proven: PostAuthentication, then tokens.
    async fn admitted(
        &self,
        user: LocalUser,
        source: TriggerSource,
        arrival: &Arrival,
        steps: &mut Vec<Step>,
    ) -> Outcome<SignedIn> {
        let call = Call::post_authentication(&user, arrival.new_device, &arrival.answer_metadata);
        if let Err(refused) = self.call(call.at(arrival.client.as_deref()), steps).await? {
            return Ok(Err(refused));
        }
        let user = self.again(user).await?;
        self.tokens(user, source, arrival, steps).await
    }

    /// Token generation. What signs out meanwhile ends these tokens, too: they are of before.
    async fn tokens(
        &self,
        user: LocalUser,
        source: TriggerSource,
        arrival: &Arrival,
        steps: &mut Vec<Step>,
    ) -> Outcome<SignedIn> {
        let sign_outs = user.sign_outs;
        let client = arrival.client.clone().unwrap_or_else(|| self.settings.client.clone());
        let groups = self.groups_of(&user.sub);
        let call = Call::tokens(source, &user, &groups, self.settings.tokens, &arrival.answer_metadata);
        let response = self.call(call.at(Some(&client)), steps).await?;
        Ok(response.map(|claims| SignedIn { user, claims, client, sign_outs }))
    }

    /// The applicant as the triggers get to know them.
    fn received(&self, mut applicant: Applicant) -> Result<Applicant, Fault> {
        if self.settings.login == Login::Email {
            let address = std::mem::replace(&mut applicant.user_name, new_user_name()?);
            applicant.attributes.entry("email".into()).or_insert(address);
        }
        Ok(applicant)
    }

    async fn create(&self, user_name: &str, attributes: Strings, status: UserStatus) -> Outcome<LocalUser> {
        let id = &self.settings.id;
        if let (Login::Email, Some(address)) = (self.settings.login, attributes.get("email"))
            && status != UserStatus::ExternalProvider
            && !self.directory.with_email(id, address).await?.is_empty()
        {
            return Ok(Err(Refused::new("UsernameExistsException", "An account with the given email already exists.")));
        }
        let created = self.dispatcher.services().clock.now();
        let user = NewUser { user_name: user_name.to_owned(), attributes, status, created };
        let made = self.directory.create(id, user).await?;
        Ok(made.ok_or_else(|| Refused::new("UsernameExistsException", "User already exists")))
    }

    /// The user as the directory has them now.
    async fn again(&self, user: LocalUser) -> Result<LocalUser, Fault> {
        Ok(self.find(&user.sub).await?.unwrap_or(user))
    }

    /// Calls the Lambda and answers `response`, or what the user reads.
    async fn call(&self, call: Call, steps: &mut Vec<Step>) -> Outcome<Value> {
        let id = &self.settings.id;
        let body = Body {
            version: call.version,
            trigger_source: call.source.as_str(),
            region: id.split_once('_').map_or(id, |(region, _)| region),
            user_pool_id: id,
            user_name: &call.user_name,
            caller_context: Caller {
                aws_sdk_version: "aws-sdk-unknown-unknown",
                client_id: call.client.as_deref().unwrap_or(&self.settings.client),
            },
            request: &call.request,
            response: &call.response,
        };
        let step = self.send(serde_json::to_string(&body)?).await?;
        let result = match &step.answer {
            Ok(answer) => accepted(&step.event, answer),
            Err(refusal) => Err(Refused::by(&step.source, refusal)),
        };
        steps.push(step);
        Ok(result)
    }

    async fn send(&self, event: String) -> Result<Step, Fault> {
        let clock = &self.dispatcher.services().clock;
        let request_id = format!("{:032x}", u128::from_be_bytes(random::bytes()?));
        let deadline = clock.now().checked_add(BUDGET)?;
        let started = Instant::now();
        let invocation = Invocation { body: event.as_bytes(), request_id: &request_id, deadline };
        let handled = self.dispatcher.handle(invocation).await;
        let micros = u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX);
        let read = |text: &str| serde_json::from_str(text).unwrap_or(Value::Null);
        let set = handled.answer.as_ref().map(|answer| changed(&read(&event), &read(answer))).unwrap_or_default();
        Ok(Step {
            source: handled.report.source.clone(),
            event,
            answer: handled.answer,
            report: handled.report,
            set,
            micros,
        })
    }
}

/// What Cognito takes for an answer: the event with another `response`.
fn accepted(event: &str, answer: &str) -> Result<Value, Refused> {
    let unrecognizable = || Refused::new("InvalidLambdaResponseException", "Unrecognizable lambda output");
    let mut event: Value = serde_json::from_str(event).map_err(|_| unrecognizable())?;
    let mut answer: Value = serde_json::from_str(answer)
        .map_err(|_| Refused::new("InvalidLambdaResponseException", "Invalid lambda function output : Invalid JSON"))?;
    let take = |document: &mut Value| document.as_object_mut().and_then(|object| object.remove("response"));
    take(&mut event);
    let response = take(&mut answer);
    if event != answer {
        return Err(unrecognizable());
    }
    response.filter(Value::is_object).ok_or_else(unrecognizable)
}

fn unknown() -> Refused {
    Refused::new("UserNotFoundException", "User does not exist.")
}

fn incorrect() -> Refused {
    Refused::new("NotAuthorizedException", "Incorrect username or password.")
}

fn disabled() -> Refused {
    Refused::new("NotAuthorizedException", "User is disabled.")
}
