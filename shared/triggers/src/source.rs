//! Why a trigger fired: the values of `triggerSource`, and room for those to come.

use std::fmt;

macro_rules! sources {
    ($($variant:ident = $text:literal,)*) => {
        /// Why a trigger fired. Open: a source this crate does not know is kept as text and is never an error.
        #[derive(Clone, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum TriggerSource {
            $(#[doc = concat!("`", $text, "`")] $variant,)*
            /// Another one, newer than this crate.
            Other(Box<str>),
        }

        impl TriggerSource {
            /// Every source Cognito documents.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The text as Cognito writes it.
            #[must_use]
            pub fn as_str(&self) -> &str {
                match self {
                    $(Self::$variant => $text,)*
                    Self::Other(text) => text,
                }
            }
        }

        impl From<&str> for TriggerSource {
            fn from(text: &str) -> Self {
                match text {
                    $($text => Self::$variant,)*
                    _ => Self::Other(text.into()),
                }
            }
        }
    };
}

sources! {
    PreSignUpSignUp = "PreSignUp_SignUp",
    PreSignUpAdminCreateUser = "PreSignUp_AdminCreateUser",
    PreSignUpExternalProvider = "PreSignUp_ExternalProvider",
    PostConfirmationConfirmSignUp = "PostConfirmation_ConfirmSignUp",
    PostConfirmationConfirmForgotPassword = "PostConfirmation_ConfirmForgotPassword",
    PreAuthenticationAuthentication = "PreAuthentication_Authentication",
    PostAuthenticationAuthentication = "PostAuthentication_Authentication",
    CustomMessageSignUp = "CustomMessage_SignUp",
    CustomMessageAdminCreateUser = "CustomMessage_AdminCreateUser",
    CustomMessageResendCode = "CustomMessage_ResendCode",
    CustomMessageForgotPassword = "CustomMessage_ForgotPassword",
    CustomMessageUpdateUserAttribute = "CustomMessage_UpdateUserAttribute",
    CustomMessageVerifyUserAttribute = "CustomMessage_VerifyUserAttribute",
    CustomMessageAuthentication = "CustomMessage_Authentication",
    TokenGenerationHostedAuth = "TokenGeneration_HostedAuth",
    TokenGenerationAuthentication = "TokenGeneration_Authentication",
    TokenGenerationNewPasswordChallenge = "TokenGeneration_NewPasswordChallenge",
    TokenGenerationAuthenticateDevice = "TokenGeneration_AuthenticateDevice",
    TokenGenerationRefreshTokens = "TokenGeneration_RefreshTokens",
    TokenGenerationClientCredentials = "TokenGeneration_ClientCredentials",
    DefineAuthChallengeAuthentication = "DefineAuthChallenge_Authentication",
    CreateAuthChallengeAuthentication = "CreateAuthChallenge_Authentication",
    VerifyAuthChallengeResponseAuthentication = "VerifyAuthChallengeResponse_Authentication",
    UserMigrationAuthentication = "UserMigration_Authentication",
    UserMigrationForgotPassword = "UserMigration_ForgotPassword",
    CustomEmailSenderSignUp = "CustomEmailSender_SignUp",
    CustomEmailSenderAuthentication = "CustomEmailSender_Authentication",
    CustomEmailSenderForgotPassword = "CustomEmailSender_ForgotPassword",
    CustomEmailSenderResendCode = "CustomEmailSender_ResendCode",
    CustomEmailSenderUpdateUserAttribute = "CustomEmailSender_UpdateUserAttribute",
    CustomEmailSenderVerifyUserAttribute = "CustomEmailSender_VerifyUserAttribute",
    CustomEmailSenderAdminCreateUser = "CustomEmailSender_AdminCreateUser",
    CustomEmailSenderAccountTakeOverNotification = "CustomEmailSender_AccountTakeOverNotification",
    CustomSmsSenderSignUp = "CustomSMSSender_SignUp",
    CustomSmsSenderAuthentication = "CustomSMSSender_Authentication",
    CustomSmsSenderForgotPassword = "CustomSMSSender_ForgotPassword",
    CustomSmsSenderResendCode = "CustomSMSSender_ResendCode",
    CustomSmsSenderUpdateUserAttribute = "CustomSMSSender_UpdateUserAttribute",
    CustomSmsSenderVerifyUserAttribute = "CustomSMSSender_VerifyUserAttribute",
    CustomSmsSenderAdminCreateUser = "CustomSMSSender_AdminCreateUser",
    InboundFederationExternalProvider = "InboundFederation_ExternalProvider",
}

impl TriggerSource {
    /// What picks the trigger: the text up to the first `_`.
    #[must_use]
    pub fn prefix(&self) -> &str {
        let text = self.as_str();
        text.split_once('_').map_or(text, |(prefix, _)| prefix)
    }
}

impl From<String> for TriggerSource {
    fn from(text: String) -> Self {
        Self::from(text.as_str())
    }
}

impl fmt::Display for TriggerSource {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_source_reads_back_and_strangers_are_kept() {
        for source in TriggerSource::ALL {
            assert_eq!(&TriggerSource::from(source.as_str()), source);
        }
        let stranger = TriggerSource::from("PreSignUp_SomethingNew");
        assert_eq!((stranger.as_str(), stranger.prefix()), ("PreSignUp_SomethingNew", "PreSignUp"));
    }
}
