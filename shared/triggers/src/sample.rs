//! One realistic event for every trigger source, for tests and for trying rules out.

use serde_json::json;

use crate::{Event, Trigger, TriggerSource};

/// The text of the sample for a source; for token generation in the version asked for, in the oldest if none is.
/// `None` for a source or a version there is no sample of.
///
/// The cast is made up: user `anna` (anna@example.com), the pool `eu-central-1_Example01`.
///
/// ```
/// use cognito_triggers::{TriggerSource, sample};
///
/// let text = sample(&TriggerSource::PreSignUpSignUp, None).unwrap();
/// assert!(text.contains("anna@example.com"));
/// ```
#[must_use]
pub fn sample(source: &TriggerSource, version: Option<&str>) -> Option<&'static str> {
    let has =
        |(name, of, _): &&(&str, &str, &str)| *name == source.as_str() && version.is_none_or(|asked| asked == *of);
    SAMPLES.iter().find(has).map(|(_, _, text)| *text)
}

impl<T: Trigger> Event<T> {
    /// A realistic event of this trigger: of its first source there is a sample of, in its version.
    ///
    /// For a trigger of your own it is a bare envelope; see [`with_value`](Self::with_value) to fill it.
    #[must_use]
    pub fn sample() -> Self {
        let ours = |source: &&TriggerSource| T::SOURCES.contains(&source.prefix());
        let found = TriggerSource::ALL.iter().filter(ours).find_map(|source| sample(source, T::VERSION));
        let prefix = T::SOURCES.first().unwrap_or(&T::NAME);
        read(found, &TriggerSource::from(format!("{prefix}_Sample")))
    }

    /// A realistic event of this trigger for one of its sources.
    ///
    /// Where there is no sample of that source, it is [`sample`](Self::sample) under that source's name.
    #[must_use]
    pub fn sample_of(source: &TriggerSource) -> Self {
        match sample(source, T::VERSION) {
            Some(text) => read(Some(text), source),
            None => Self::sample().with_value(&["triggerSource"], source.as_str()),
        }
    }
}

fn read<T: Trigger>(text: Option<&'static str>, source: &TriggerSource) -> Event<T> {
    if let Some(event) = text.and_then(|text| Event::parse(text).ok()) {
        return event;
    }
    let bare = json!({
        "version": T::VERSION.unwrap_or("1"),
        "triggerSource": source.as_str(),
        "region": "eu-central-1",
        "userPoolId": "eu-central-1_Example01",
        "userName": "anna",
        "callerContext": {"awsSdkVersion": "aws-sdk-unknown-unknown", "clientId": "1example23456789"},
        "request": {},
        "response": {},
    });
    match Event::parse(bare.to_string()) {
        Ok(event) => event,
        // An object that was just printed is an object.
        Err(_) => unreachable!("a bare envelope reads"),
    }
}

macro_rules! samples {
    ($($source:literal $version:literal $file:literal,)*) => {
        const SAMPLES: &[(&str, &str, &str)] = &[
            $(($source, $version, include_str!(concat!("../../../tests/events/", $file, ".json"))),)*
        ];
    };
}

samples! {
    "PreSignUp_SignUp" "1" "PreSignUp_SignUp",
    "PreSignUp_AdminCreateUser" "1" "PreSignUp_AdminCreateUser",
    "PreSignUp_ExternalProvider" "1" "PreSignUp_ExternalProvider",
    "PostConfirmation_ConfirmSignUp" "1" "PostConfirmation_ConfirmSignUp",
    "PostConfirmation_ConfirmForgotPassword" "1" "PostConfirmation_ConfirmForgotPassword",
    "PreAuthentication_Authentication" "1" "PreAuthentication_Authentication",
    "PostAuthentication_Authentication" "1" "PostAuthentication_Authentication",
    "CustomMessage_SignUp" "1" "CustomMessage_SignUp",
    "CustomMessage_AdminCreateUser" "1" "CustomMessage_AdminCreateUser",
    "CustomMessage_ResendCode" "1" "CustomMessage_ResendCode",
    "CustomMessage_ForgotPassword" "1" "CustomMessage_ForgotPassword",
    "CustomMessage_UpdateUserAttribute" "1" "CustomMessage_UpdateUserAttribute",
    "CustomMessage_VerifyUserAttribute" "1" "CustomMessage_VerifyUserAttribute",
    "CustomMessage_Authentication" "1" "CustomMessage_Authentication",
    "TokenGeneration_HostedAuth" "1" "TokenGeneration_HostedAuth",
    "TokenGeneration_HostedAuth" "2" "TokenGeneration_HostedAuth.v2",
    "TokenGeneration_Authentication" "1" "TokenGeneration_Authentication",
    "TokenGeneration_Authentication" "2" "TokenGeneration_Authentication.v2",
    "TokenGeneration_Authentication" "3" "TokenGeneration_Authentication.v3",
    "TokenGeneration_NewPasswordChallenge" "1" "TokenGeneration_NewPasswordChallenge",
    "TokenGeneration_AuthenticateDevice" "1" "TokenGeneration_AuthenticateDevice",
    "TokenGeneration_RefreshTokens" "1" "TokenGeneration_RefreshTokens",
    "TokenGeneration_RefreshTokens" "2" "TokenGeneration_RefreshTokens.v2",
    "TokenGeneration_RefreshTokens" "3" "TokenGeneration_RefreshTokens.v3",
    "TokenGeneration_ClientCredentials" "3" "TokenGeneration_ClientCredentials",
    "DefineAuthChallenge_Authentication" "1" "DefineAuthChallenge_Authentication",
    "CreateAuthChallenge_Authentication" "1" "CreateAuthChallenge_Authentication",
    "VerifyAuthChallengeResponse_Authentication" "1" "VerifyAuthChallengeResponse_Authentication",
    "UserMigration_Authentication" "1" "UserMigration_Authentication",
    "UserMigration_ForgotPassword" "1" "UserMigration_ForgotPassword",
    "CustomEmailSender_SignUp" "1" "CustomEmailSender_SignUp",
    "CustomEmailSender_Authentication" "1" "CustomEmailSender_Authentication",
    "CustomEmailSender_ForgotPassword" "1" "CustomEmailSender_ForgotPassword",
    "CustomEmailSender_ResendCode" "1" "CustomEmailSender_ResendCode",
    "CustomEmailSender_UpdateUserAttribute" "1" "CustomEmailSender_UpdateUserAttribute",
    "CustomEmailSender_VerifyUserAttribute" "1" "CustomEmailSender_VerifyUserAttribute",
    "CustomEmailSender_AdminCreateUser" "1" "CustomEmailSender_AdminCreateUser",
    "CustomEmailSender_AccountTakeOverNotification" "1" "CustomEmailSender_AccountTakeOverNotification",
    "CustomSMSSender_SignUp" "1" "CustomSMSSender_SignUp",
    "CustomSMSSender_Authentication" "1" "CustomSMSSender_Authentication",
    "CustomSMSSender_ForgotPassword" "1" "CustomSMSSender_ForgotPassword",
    "CustomSMSSender_ResendCode" "1" "CustomSMSSender_ResendCode",
    "CustomSMSSender_UpdateUserAttribute" "1" "CustomSMSSender_UpdateUserAttribute",
    "CustomSMSSender_VerifyUserAttribute" "1" "CustomSMSSender_VerifyUserAttribute",
    "CustomSMSSender_AdminCreateUser" "1" "CustomSMSSender_AdminCreateUser",
    "InboundFederation_ExternalProvider" "1" "InboundFederation_ExternalProvider",
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::*;

    #[test]
    fn every_source_has_a_sample_that_reads_as_its_own() {
        for source in TriggerSource::ALL {
            let envelope = Envelope::parse(sample(source, None).unwrap()).unwrap();
            assert_eq!(&envelope.source, source);
        }
        for (source, version, text) in SAMPLES {
            let envelope = Envelope::parse(*text).unwrap();
            assert_eq!((envelope.source.as_str(), envelope.version.as_str()), (*source, *version));
        }
    }

    #[test]
    fn every_sample_file_is_listed() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/events");
        let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        let mut count = 0;
        for file in files.filter(|path| path.extension().is_some_and(|extension| extension == "json")) {
            let text = std::fs::read_to_string(&file).unwrap();
            assert!(SAMPLES.iter().any(|(_, _, listed)| *listed == text), "{} is not in the list", file.display());
            count += 1;
        }
        assert_eq!(count, SAMPLES.len());
    }

    #[test]
    fn a_trigger_gets_a_sample_of_its_own_version() {
        assert_eq!(Event::<PreSignUp>::sample().source, TriggerSource::PreSignUpSignUp);
        assert_eq!(Event::<PreTokenGenerationV1>::sample().version, "1");
        assert_eq!(Event::<PreTokenGenerationV2>::sample().version, "2");
        let tokens = Event::<PreTokenGenerationV3>::sample();
        assert_eq!((tokens.version.as_str(), tokens.request.scopes.is_empty()), ("3", false));
        assert_eq!(Event::<CustomSmsSender>::sample().source.prefix(), "CustomSMSSender");
        assert_eq!(Event::<UserMigration>::sample().request.password.as_deref(), Some("Correct-Horse-Battery-7"));
        let machine = Event::<PreTokenGenerationV3>::sample_of(&TriggerSource::TokenGenerationClientCredentials);
        assert_eq!(machine.source, TriggerSource::TokenGenerationClientCredentials);
    }

    #[test]
    fn a_source_without_a_sample_borrows_one() {
        let source = TriggerSource::from("PreSignUp_SomethingNew");
        let event = Event::<PreSignUp>::sample_of(&source);
        assert_eq!((&event.source, event.attribute("email")), (&source, Some("anna@example.com")));
    }

    #[test]
    fn a_trigger_of_ones_own_gets_a_bare_envelope() {
        #[derive(Default, serde::Deserialize)]
        struct Nothing {}
        impl Request for Nothing {}
        struct Stranger;
        impl Trigger for Stranger {
            const NAME: &'static str = "Stranger";
            type Request = Nothing;
            type Response = PostConfirmationResponse;
        }
        let event = Event::<Stranger>::sample();
        assert_eq!((event.source.as_str(), event.user_name.as_str()), ("Stranger_Sample", "anna"));
    }

    #[test]
    fn what_is_secret_is_not_in_the_debug_form_of_an_event() {
        let migration = format!("{:?}", Event::<UserMigration>::sample());
        assert!(!migration.contains("Correct-Horse") && !migration.contains("anna"), "{migration}");
        let sender = Event::<CustomEmailSender>::sample();
        let code = sender.request.code.clone().unwrap();
        assert!(!format!("{sender:?}").contains(&code));
    }
}
