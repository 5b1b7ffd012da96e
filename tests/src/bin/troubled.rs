//! A function that gets into trouble, for the tests of what the user and the log then read: its rule and its services panic,
//! hang or fail wherever the configuration says.
//!
//! ```toml
//! [services]
//! ledger = "trouble:panic"                   # or "trouble:hang", "trouble:fail", "trouble:panic-at-start"
//!
//! [trouble]
//! does = "panic"                             # or "hang", "fail", "verify"
//! ```

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use cognito_triggers::ledger::{Change, Committed, DeliveryId, Reading};
use cognito_triggers::prelude::*;
use cognito_triggers::services::{NewPassword, Opening, User, UserPage};
use cognito_triggers::{Adapter, Adapters, Directory, Ledger, Wants};
use schemars::JsonSchema;
use serde::Deserialize;

fn main() -> ExitCode {
    let ledger =
        Adapter { scheme: "trouble", example: "trouble:panic", embedded: false, open: |at| Box::pin(open(at)) };
    let directory = Adapter {
        scheme: "trouble",
        example: "trouble:panic",
        embedded: false,
        open: |at| Box::pin(open_directory(at)),
    };
    let adapters = Adapters::none().ledger(ledger).directory(directory);
    cognito_triggers_lambda::serve::<(Trouble, access_code::AccessCode, unique_nickname::UniqueNickname)>(adapters)
}

/// The rule.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Trouble {
    does: Does,
}

/// What goes wrong.
#[derive(Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum Does {
    /// Nothing; it sets a key of the response.
    Verify,
    /// It fails and quotes the user.
    Fail,
    /// It panics and quotes the user.
    Panic,
    /// It waits and never comes back.
    Hang,
}

impl Configured for Trouble {
    const SECTION: &'static str = "trouble";

    fn attach(self, chains: &mut Chains) -> Result<(), ConfigError> {
        chains.attach(self).to::<PreSignUp>().to::<PostConfirmation>().to::<PostAuthentication>().done()
    }
}

impl Rule<PreSignUp> for Trouble {
    async fn apply(&self, event: &Event<PreSignUp>, visit: &mut Visit<PreSignUp>) -> Answer<PreSignUp> {
        // Set before it goes wrong: a half-built response must not get out.
        visit.response.auto_verify_email = Some(true);
        self.does.happen(&whole(event)).await?;
        Ok(Verdict::Continue)
    }
}

impl Rule<PostConfirmation> for Trouble {
    async fn apply(
        &self,
        event: &Event<PostConfirmation>,
        _: &mut Visit<PostConfirmation>,
    ) -> Answer<PostConfirmation> {
        self.does.happen(&whole(event)).await?;
        Ok(Verdict::Continue)
    }
}

impl Rule<PostAuthentication> for Trouble {
    async fn apply(
        &self,
        event: &Event<PostAuthentication>,
        _: &mut Visit<PostAuthentication>,
    ) -> Answer<PostAuthentication> {
        self.does.happen(&whole(event)).await?;
        Ok(Verdict::Continue)
    }
}

/// All that a careless author could quote.
fn whole<T: Trigger>(event: &Event<T>) -> String {
    let name = event.attribute("nickname").unwrap_or_default();
    let email = event.attribute("email").unwrap_or_default();
    format!("{} aka {name} <{email}> in {}", event.user_name, event.raw())
}

impl Does {
    async fn happen(self, who: &str) -> Result<(), Fault> {
        match self {
            Self::Verify => Ok(()),
            Self::Fail => Err(Fault::service("the oracle is silent", format!("no answer for {who}"))),
            #[expect(clippy::panic, reason = "this is what is to be survived")]
            Self::Panic => panic!("did not expect {who}"),
            Self::Hang => {
                tokio::time::sleep(Duration::from_secs(600)).await;
                Ok(())
            }
        }
    }
}

/// Services that get into trouble at every call.
struct Troubled(Does);

async fn open(opening: Opening) -> Result<Arc<dyn Ledger>, ConfigError> {
    Ok(Arc::new(troubled(&opening)?))
}

async fn open_directory(opening: Opening) -> Result<Arc<dyn Directory>, ConfigError> {
    Ok(Arc::new(troubled(&opening)?))
}

fn troubled(opening: &Opening) -> Result<Troubled, ConfigError> {
    let does = match opening.address.as_str() {
        "panic" => Does::Panic,
        "hang" => Does::Hang,
        "fail" => Does::Fail,
        #[expect(clippy::panic, reason = "this is what is to be survived")]
        "panic-at-start" => panic!("the oracle did not open"),
        _ => return Err(ConfigError::new("there is no such trouble").remedy("use `panic`, `hang` or `fail`")),
    };
    Ok(Troubled(does))
}

#[async_trait]
impl Ledger for Troubled {
    async fn read(&self, wants: &Wants) -> Result<Reading, Fault> {
        self.0.happen(&format!("{wants:?}")).await?;
        Ok(Reading::default())
    }

    async fn commit(&self, change: &Change) -> Result<Committed, Fault> {
        self.0.happen(&format!("{change:?}")).await?;
        Ok(Committed::Done)
    }

    async fn acknowledge(&self, deliveries: &[DeliveryId]) -> Result<(), Fault> {
        self.0.happen(&format!("{deliveries:?}")).await
    }
}

#[async_trait]
impl Directory for Troubled {
    async fn update_attributes(&self, _: &str, user: &str, values: &BTreeMap<String, String>) -> Result<(), Fault> {
        self.0.happen(&format!("{user}: {values:?}")).await
    }

    async fn find(&self, _: &str, user: &str) -> Result<Option<User>, Fault> {
        self.0.happen(user).await?;
        Ok(None)
    }

    async fn find_sub(&self, _: &str, sub: &str) -> Result<Option<User>, Fault> {
        self.0.happen(sub).await?;
        Ok(None)
    }

    async fn sign_out(&self, _: &str, user: &str) -> Result<(), Fault> {
        self.0.happen(user).await
    }

    async fn require_new_password(&self, _: &str, user: &str) -> Result<NewPassword, Fault> {
        self.0.happen(user).await?;
        Ok(NewPassword::Required)
    }

    async fn users(&self, _: &str, _: Option<String>) -> Result<UserPage, Fault> {
        self.0.happen("everybody").await?;
        Ok(UserPage::default())
    }
}
