//! Messages that Cognito sends: it asks for their words, and refuses what it cannot send.

use cognito_triggers::message::{Occasion, Part, Placeholders, refusals};
use cognito_triggers::report::Outcome as Ended;
use cognito_triggers::{Fault, UserStatus};
use cognito_triggers_embedded::LocalUser;
use serde_json::Value;

use super::event::{Call, NO_CLIENT, Strings};
use super::step::Step;
use super::{Done, LocalPool, Outcome, Refused, disabled, unknown};

impl LocalPool {
    /// `ResendConfirmationCode`.
    ///
    /// # Errors
    ///
    /// As [`LocalPool::sign_up`].
    pub async fn resend_confirmation_code(&self, login: &str) -> Result<Done<LocalUser>, Fault> {
        let mut steps = Vec::new();
        let result = match self.find(login).await? {
            None => Err(unknown()),
            Some(user) if user.status != UserStatus::Unconfirmed => {
                // Seen with the API: "User is already confirmed."
                Err(Refused::new("InvalidParameterException", "User is already confirmed."))
            }
            Some(user) => self.write_to(Occasion::ResendCode, &user, &Strings::new(), &mut steps).await?.map(|()| user),
        };
        Ok(Done { steps, result })
    }

    /// `ForgotPassword`: a code is sent. With it and a new password follows [`LocalPool::confirm_forgot_password`].
    ///
    /// # Errors
    ///
    /// As [`LocalPool::sign_up`].
    pub async fn forgot_password(&self, login: &str) -> Result<Done<LocalUser>, Fault> {
        let mut steps = Vec::new();
        let result = match self.find(login).await? {
            None => Err(unknown()),
            Some(user) if !user.enabled => Err(disabled()),
            Some(user) => {
                let written = self.write_to(Occasion::ForgotPassword, &user, &Strings::new(), &mut steps).await?;
                written.map(|()| user)
            }
        };
        Ok(Done { steps, result })
    }

    /// Asks for the words of a message. A pool has this trigger only where it wants other words than its own: an event no rule is
    /// attached to leaves no step.
    pub(super) async fn write_to(
        &self,
        occasion: Occasion,
        user: &LocalUser,
        client_metadata: &Strings,
        steps: &mut Vec<Step>,
    ) -> Outcome<()> {
        let call = Call::custom_message(occasion, user, client_metadata);
        let before = steps.len();
        let answer = self.call(call, steps).await?;
        if steps.last().is_some_and(|step| step.report.outcome == Ended::Echoed) {
            steps.truncate(before);
        }
        Ok(answer.and_then(|response| sendable(occasion, &response)))
    }
}

impl Call {
    /// "codeParameter, usernameParameter, clientMetadata" (developer guide, custom message); `linkParameter` was seen as well.
    fn custom_message(occasion: Occasion, user: &LocalUser, client_metadata: &Strings) -> Self {
        let Placeholders { code, user_name, link } = Placeholders::sample(occasion);
        let request =
            serde_json::json!({ "codeParameter": code, "linkParameter": link, "usernameParameter": user_name });
        let response = serde_json::json!({ "smsMessage": null, "emailMessage": null, "emailSubject": null });
        let client = (occasion == Occasion::AdminCreateUser).then(|| NO_CLIENT.to_owned());
        Self { client, ..Self::about(occasion.source(), user, request, client_metadata, response) }
    }
}

/// Whether Cognito could send it: "InvalidParameterException: 1 validation error detected: Value at 'emailBody' failed to satisfy
/// constraint" (amazon-cognito-identity-js#99).
fn sendable(occasion: Occasion, response: &Value) -> Result<(), Refused> {
    let parts = [(Part::Subject, "emailSubject"), (Part::Email, "emailMessage"), (Part::Sms, "smsMessage")];
    for (part, key) in parts {
        let Some(text) = response.get(key).and_then(Value::as_str) else { continue };
        // This pool does not say whether it verifies by code or by link: what either way can be sent is.
        let fits = |by_link| refusals(part, text, occasion, by_link, &Placeholders::sample(occasion)).is_empty();
        if !fits(false) && !fits(true) {
            let message = format!("1 validation error detected: Value at '{key}' failed to satisfy constraint");
            return Err(Refused::new("InvalidParameterException", message));
        }
    }
    Ok(())
}
