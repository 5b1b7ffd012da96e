//! Signing in by challenges of one's own: what is asked next, the question, and whether the answer is right.
//!
//! All three also run for names nobody has, with `userNotFound`, where the pool hides which users exist: do the same work
//! then, so that nobody can tell. None is a gate: an attempt ends by `failAuthentication`.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::value::RawValue;

use super::Trigger;
use crate::attributes::{Attributes, Metadata};
use crate::{lenient, raw};

/// Chooses the next challenge, or ends the sign-in: with tokens or without.
///
/// Look at the name of a challenge, not only at its result, before tokens are issued: challenges for a second factor follow
/// `PASSWORD_VERIFIER` by themselves and are in the session too
/// (<https://docs.aws.amazon.com/cognito/latest/developerguide/user-pool-lambda-define-auth-challenge.html>).
pub struct DefineAuthChallenge;

impl Trigger for DefineAuthChallenge {
    const NAME: &'static str = "DefineAuthChallenge";
    type Request = DefineAuthChallengeRequest;
    type Response = DefineAuthChallengeResponse;
}

/// What Cognito asks between two challenges.
#[derive(Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct DefineAuthChallengeRequest {
    /// The user's attributes.
    #[serde(deserialize_with = "lenient::field")]
    pub user_attributes: Attributes,
    /// The challenges so far, oldest first; empty at the start of a sign-in without SRP.
    #[serde(deserialize_with = "challenges")]
    pub session: Vec<ChallengeResult>,
    /// The `ClientMetadata` of `RespondToAuthChallenge`; that of `InitiateAuth` never arrives.
    #[serde(deserialize_with = "lenient::field")]
    pub client_metadata: Metadata,
    /// Nobody has this name. Only sent where the pool has `PreventUserExistenceErrors` enabled; absent is `false`.
    #[serde(deserialize_with = "lenient::field")]
    pub user_not_found: bool,
}

request!(DefineAuthChallengeRequest: user_attributes, client_metadata);

/// How one challenge ended. An entry that cannot be read counts as one that failed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ChallengeResult {
    /// `CUSTOM_CHALLENGE`, `SRP_A`, `PASSWORD_VERIFIER`, `SMS_MFA`, `EMAIL_OTP`, `SOFTWARE_TOKEN_MFA`,
    /// `NEW_PASSWORD_REQUIRED`, ...
    #[serde(deserialize_with = "lenient::field")]
    pub challenge_name: String,
    /// Whether it was solved.
    #[serde(deserialize_with = "lenient::field")]
    pub challenge_result: bool,
    /// The name [`CreateAuthChallenge`] gave to a challenge of one's own.
    #[serde(deserialize_with = "lenient::field")]
    pub challenge_metadata: Option<String>,
}

/// What may be answered: one of the three.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DefineAuthChallengeResponse {
    /// The next challenge: `CUSTOM_CHALLENGE`, or one Cognito carries out. Users who have to change their password need
    /// `NEW_PASSWORD_REQUIRED` after `PASSWORD_VERIFIER`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub challenge_name: Option<String>,
    /// Enough was proven: the user gets tokens.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub issue_tokens: Option<bool>,
    /// Ends the sign-in without tokens.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fail_authentication: Option<bool>,
}

/// Makes the question and its answer, once [`DefineAuthChallenge`] chose `CUSTOM_CHALLENGE`
/// (<https://docs.aws.amazon.com/cognito/latest/developerguide/user-pool-lambda-create-auth-challenge.html>).
pub struct CreateAuthChallenge;

impl Trigger for CreateAuthChallenge {
    const NAME: &'static str = "CreateAuthChallenge";
    type Request = CreateAuthChallengeRequest;
    type Response = CreateAuthChallengeResponse;
}

/// What Cognito asks when a question is needed.
#[derive(Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct CreateAuthChallengeRequest {
    /// The user's attributes.
    #[serde(deserialize_with = "lenient::field")]
    pub user_attributes: Attributes,
    /// The name of the challenge, `CUSTOM_CHALLENGE`.
    #[serde(deserialize_with = "lenient::field")]
    pub challenge_name: Option<String>,
    /// The challenges so far, oldest first.
    #[serde(deserialize_with = "challenges")]
    pub session: Vec<ChallengeResult>,
    /// Documented to be the `ClientMetadata` of `RespondToAuthChallenge`, and not seen to arrive.
    #[serde(deserialize_with = "lenient::field")]
    pub client_metadata: Metadata,
    /// Nobody has this name. Only sent where the pool has `PreventUserExistenceErrors` enabled; absent is `false`.
    #[serde(deserialize_with = "lenient::field")]
    pub user_not_found: bool,
}

request!(CreateAuthChallengeRequest: user_attributes, client_metadata);

/// The question and its answer. `Debug` shows the names of the parameters only.
#[derive(Clone, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CreateAuthChallengeResponse {
    /// What the client needs to ask the user.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub public_challenge_parameters: Option<BTreeMap<String, String>>,
    /// What [`VerifyAuthChallengeResponse`] needs to check the answer. The client never sees it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub private_challenge_parameters: Option<BTreeMap<String, String>>,
    /// A name for this challenge, to be found in the session later.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub challenge_metadata: Option<String>,
}

impl fmt::Debug for CreateAuthChallengeResponse {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("CreateAuthChallengeResponse")
            .field("public_challenge_parameters", &self.public_challenge_parameters.as_ref().map(Names))
            .field("private_challenge_parameters", &self.private_challenge_parameters.as_ref().map(Names))
            .finish_non_exhaustive()
    }
}

/// Says whether the answer to a challenge is right
/// (<https://docs.aws.amazon.com/cognito/latest/developerguide/user-pool-lambda-verify-auth-challenge-response.html>).
pub struct VerifyAuthChallengeResponse;

impl Trigger for VerifyAuthChallengeResponse {
    const NAME: &'static str = "VerifyAuthChallengeResponse";
    // One table of the developer guide has the short form; events were only seen with the long one.
    const SOURCES: &'static [&'static str] = &["VerifyAuthChallengeResponse", "VerifyAuthChallenge"];
    type Request = VerifyAuthChallengeResponseRequest;
    type Response = VerifyAuthChallengeResponseResponse;
}

/// What Cognito asks when the client sent an answer.
#[derive(Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct VerifyAuthChallengeResponseRequest {
    /// The user's attributes.
    #[serde(deserialize_with = "lenient::field")]
    pub user_attributes: Attributes,
    /// What [`CreateAuthChallenge`] kept to itself. Compare in constant time.
    #[serde(deserialize_with = "lenient::field")]
    pub private_challenge_parameters: Metadata,
    /// What the client answered; JSON text where that is not a string.
    #[serde(deserialize_with = "answer")]
    pub challenge_answer: Option<String>,
    /// The `ClientMetadata` of `RespondToAuthChallenge`.
    #[serde(deserialize_with = "lenient::field")]
    pub client_metadata: Metadata,
    /// Nobody has this name. Only sent where the pool has `PreventUserExistenceErrors` enabled; absent is `false`.
    #[serde(deserialize_with = "lenient::field")]
    pub user_not_found: bool,
}

request!(VerifyAuthChallengeResponseRequest: user_attributes, client_metadata);

/// Whether the answer was right.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct VerifyAuthChallengeResponseResponse {
    /// `true` if the challenge is solved. Set it every time: unset is left as Cognito sent it, `null`, and what that does is
    /// not documented.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub answer_correct: Option<bool>,
}

/// The `Debug` form of a map whose values are nobody's business.
pub(super) struct Names<'a, V>(pub(super) &'a BTreeMap<String, V>);

impl<V> fmt::Debug for Names<'_, V> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_set().entries(self.0.keys()).finish()
    }
}

/// Each entry is read on its own: one that is odd must neither hide the others nor change their number.
fn challenges<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<ChallengeResult>, D::Error> {
    let entries: Vec<Box<RawValue>> = lenient::field(deserializer)?;
    Ok(entries.iter().map(|entry| serde_json::from_str(entry.get()).unwrap_or_default()).collect())
}

fn answer<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    Box::<RawValue>::deserialize(deserializer).map(raw::text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_odd_entry_of_a_session_counts_as_a_failed_challenge() {
        let request: DefineAuthChallengeRequest = serde_json::from_str(
            r#"{"session": [{"challengeName": "SRP_A", "challengeResult": true, "new": 1e400}, null,
                            {"challengeName": 7, "challengeResult": "true", "challengeMetadata": null}]}"#,
        )
        .unwrap();
        let solved =
            ChallengeResult { challenge_name: "SRP_A".into(), challenge_result: true, challenge_metadata: None };
        assert_eq!(request.session, [solved, ChallengeResult::default(), ChallengeResult::default()]);
    }

    #[test]
    fn an_answer_is_text_whatever_the_client_sent() {
        let answer = |json: &str| {
            serde_json::from_str::<VerifyAuthChallengeResponseRequest>(&format!(r#"{{"challengeAnswer": {json}}}"#))
                .unwrap()
                .challenge_answer
        };
        assert_eq!(answer(r#""4\u0037""#).as_deref(), Some("47"));
        assert_eq!(answer("1e400").as_deref(), Some("1e400"));
        assert_eq!(answer(r#"{"a": 1}"#).as_deref(), Some(r#"{"a": 1}"#));
        assert_eq!(answer("null"), None);
    }

    #[test]
    fn the_debug_form_of_a_question_hides_its_answer() {
        let response = CreateAuthChallengeResponse {
            private_challenge_parameters: Some(BTreeMap::from([("answer".into(), "482913".into())])),
            ..Default::default()
        };
        let shown = format!("{response:?}");
        assert!(shown.contains("answer") && !shown.contains("482913"), "{shown}");
    }
}
