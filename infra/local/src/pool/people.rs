//! Whoever comes to the pool: to sign up, to sign in, and once signed in.

use cognito_triggers_embedded::LocalUser;
use serde_json::Value;

use super::event::Strings;

/// Somebody who signs up, or whom an administrator creates.
#[derive(Clone, Default)]
pub struct Applicant {
    pub(super) user_name: String,
    pub(super) attributes: Strings,
    pub(super) validation_data: Strings,
    pub(super) client_metadata: Strings,
}

impl Applicant {
    /// Under this user name; where users sign in with an address, the address.
    #[must_use]
    pub fn named(user_name: impl Into<String>) -> Self {
        Self { user_name: user_name.into(), ..Self::default() }
    }

    /// With an attribute.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.attributes.insert(name.to_owned(), value.into());
        self
    }

    /// With an entry of `ValidationData`.
    #[must_use]
    pub fn validation(mut self, name: &str, value: impl Into<String>) -> Self {
        self.validation_data.insert(name.to_owned(), value.into());
        self
    }

    /// With an entry of `ClientMetadata`.
    #[must_use]
    pub fn metadata(mut self, name: &str, value: impl Into<String>) -> Self {
        self.client_metadata.insert(name.to_owned(), value.into());
        self
    }
}

/// Somebody who signs in at another provider.
#[derive(Clone)]
pub struct Federated {
    pub(super) provider: String,
    pub(super) provider_type: String,
    pub(super) user_id: String,
    pub(super) attributes: Strings,
    pub(super) client: Option<String>,
}

impl Federated {
    /// A user of a provider such as `Google`, by the id the provider has for them.
    #[must_use]
    pub fn at(provider: impl Into<String>, user_id: impl Into<String>) -> Self {
        let provider = provider.into();
        let (provider_type, user_id) = (provider.clone(), user_id.into());
        Self { provider_type, provider, user_id, attributes: Strings::new(), client: None }
    }

    /// With an attribute, as the pool maps it.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.attributes.insert(name.to_owned(), value.into());
        self
    }

    /// At another app client than the pool's own.
    #[must_use]
    pub fn through(mut self, client: impl Into<String>) -> Self {
        self.client = Some(client.into());
        self
    }

    /// "userName = `<Provider>_<idpUserId>`" (captured events).
    #[must_use]
    pub fn user_name(&self) -> String {
        format!("{}_{}", self.provider, self.user_id)
    }
}

/// Somebody who wants to sign in with a password, which the pool does not keep: it is told whether it was the right one.
#[derive(Clone)]
pub struct Credentials {
    pub(super) login: String,
    pub(super) wrong: bool,
    pub(super) client_metadata: Strings,
    pub(super) arrival: Arrival,
}

/// How somebody arrives: at which app client, and with what beside what proves who it is.
#[derive(Clone, Default)]
pub(super) struct Arrival {
    /// The app client, if not the pool's own.
    pub(super) client: Option<String>,
    /// `ClientMetadata` of `RespondToAuthChallenge`.
    pub(super) answer_metadata: Strings,
    pub(super) new_device: bool,
}

impl Credentials {
    /// With the right password. The login is the user name, the `sub` or the e-mail address.
    #[must_use]
    pub fn of(login: impl Into<String>) -> Self {
        Self { login: login.into(), wrong: false, client_metadata: Strings::new(), arrival: Arrival::default() }
    }

    /// With a wrong password.
    #[must_use]
    pub fn wrong(login: impl Into<String>) -> Self {
        Self { wrong: true, ..Self::of(login) }
    }

    /// At another app client than the pool's own.
    #[must_use]
    pub fn at(mut self, client: impl Into<String>) -> Self {
        self.arrival.client = Some(client.into());
        self
    }

    /// From a device the user never signed in from: "newDeviceUsed is only set if remembered devices are Always or User
    /// Opt-In" (developer guide, post authentication).
    #[must_use]
    pub fn from_a_new_device(mut self) -> Self {
        self.arrival.new_device = true;
        self
    }

    /// With an entry of `ClientMetadata` of `InitiateAuth`. It arrives in PreAuthentication and nowhere else.
    #[must_use]
    pub fn metadata(mut self, name: &str, value: impl Into<String>) -> Self {
        self.client_metadata.insert(name.to_owned(), value.into());
        self
    }

    /// With an entry of `ClientMetadata` of `RespondToAuthChallenge`. It arrives in PostAuthentication and token generation.
    #[must_use]
    pub fn answer_metadata(mut self, name: &str, value: impl Into<String>) -> Self {
        self.arrival.answer_metadata.insert(name.to_owned(), value.into());
        self
    }
}

/// Somebody who is signed in.
#[derive(Clone, Debug)]
pub struct SignedIn {
    /// The user.
    pub user: LocalUser,
    /// The `response` of token generation: what is to be in the tokens beyond what Cognito puts there.
    pub claims: Value,
    /// The app client.
    pub client: String,
    /// How often the user had been signed out everywhere when this began: after the next time the tokens are revoked.
    pub(super) sign_outs: u64,
}
