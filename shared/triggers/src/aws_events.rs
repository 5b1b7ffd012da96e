//! Conversions to and from the event types of `aws_lambda_events` 1, for handlers that were written for it.
//!
//! A handler of that kind becomes a rule in three lines: `From<&Event<T>>` gives it the event it knows, and
//! [`AwsEvent::take_over`] carries over what it set in the response.
//!
//! ```
//! use aws_lambda_events::cognito::CognitoEventUserPoolsPreSignup;
//! use cognito_triggers::aws_events::AwsEvent;
//! use cognito_triggers::prelude::*;
//!
//! fn written_long_ago(mut event: CognitoEventUserPoolsPreSignup) -> CognitoEventUserPoolsPreSignup {
//!     event.response.auto_verify_email = true;
//!     event
//! }
//!
//! struct WrittenLongAgo;
//!
//! impl Rule<PreSignUp> for WrittenLongAgo {
//!     async fn apply(&self, event: &Event<PreSignUp>, visit: &mut Visit<PreSignUp>) -> Answer<PreSignUp> {
//!         let handled = written_long_ago(event.into());
//!         handled.take_over(event, &mut visit.response)?;
//!         Ok(Verdict::Continue)
//!     }
//! }
//! ```
//!
//! # What those types lose
//!
//! Nothing of it is lost on the way to Cognito, because the answer is made from the text that arrived; the handler only does
//! not see it:
//!
//! - trigger sources it does not know: `trigger_source` is then `None`, for `TokenGeneration_ClientCredentials` too;
//! - `userNotFound` before authentication, `enableSMSMFA` in a migration, `linkParameter` in a message, unknown fields;
//! - the difference between an absent map, `null` and an empty one, and between an absent `newDeviceUsed` and `false`.
//!
//! There are no types for [`CustomEmailSender`](crate::CustomEmailSender), [`CustomSmsSender`](crate::CustomSmsSender) and
//! [`InboundFederation`](crate::InboundFederation). [`PreTokenGenerationV3`] uses the type of version 2.
//!
//! The other way, `TryFrom<CognitoEventUserPools..>` for [`Event`], can only give back what is left: prefer
//! [`Event::parse`] wherever the text is at hand.

use std::collections::{BTreeMap, HashMap};

use aws_lambda_events::cognito as aws;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::raw::Members;
use crate::{
    Attributes, ChallengeResult, CreateAuthChallenge, CreateAuthChallengeResponse, CustomMessage,
    CustomMessageResponse, DefineAuthChallenge, DefineAuthChallengeResponse, DeliveryMedium, Event, Fault,
    FinalUserStatus, GroupConfiguration, MessageAction, PostAuthentication, PostConfirmation, PreAuthentication,
    PreSignUp, PreSignUpResponse, PreTokenGenerationV1, PreTokenGenerationV1Response, PreTokenGenerationV2,
    PreTokenGenerationV2Response, PreTokenGenerationV3, Trigger, UserMigration, UserMigrationResponse,
    VerifyAuthChallengeResponse, VerifyAuthChallengeResponseResponse,
};

/// An event type of `aws_lambda_events`, as one of the trigger `T`.
pub trait AwsEvent<T: Trigger>: for<'a> From<&'a Event<T>> {
    /// Carries over what a handler set in the response since it was given `event`; what it left alone stays as it is, also
    /// what another rule has set.
    ///
    /// Groups are carried over only if the handler set any. That crate cannot leave them out: as soon as a handler sets one
    /// claim it answers with an empty `groupOverrideDetails`, by which Cognito takes all groups out of the token. To do just
    /// that, use [`TokenTrigger::set_groups`](crate::TokenTrigger::set_groups).
    ///
    /// # Errors
    ///
    /// If the handler set a word Cognito does not know, e.g. as `finalUserStatus`.
    fn take_over(&self, event: &Event<T>, response: &mut T::Response) -> Result<(), Fault>;
}

/// The conversions of one pair of types; `$read` fills the request, `$write` the response.
macro_rules! conversions {
    ($($aws:ident = $trigger:ident: $request:ident $response:ident, $read:expr, $write:expr;)*) => {$(
        impl From<&Event<$trigger>> for aws::$aws {
            fn from(event: &Event<$trigger>) -> Self {
                let mut to = Self::default();
                to.cognito_event_user_pools_header = header(event);
                let read: fn(&Event<$trigger>, &mut Self) = $read;
                read(event, &mut to);
                to.$response = member(event, "response").unwrap_or_default();
                to
            }
        }

        impl TryFrom<aws::$aws> for Event<$trigger> {
            type Error = Fault;

            fn try_from(event: aws::$aws) -> Result<Self, Fault> {
                text(&event).and_then(Self::parse)
            }
        }

        impl AwsEvent<$trigger> for aws::$aws {
            fn take_over(&self, event: &Event<$trigger>, response: &mut <$trigger as Trigger>::Response) -> Result<(), Fault> {
                let write: fn(Change<'_, _>, &mut <$trigger as Trigger>::Response) -> Result<(), Fault> = $write;
                let before = Self::from(event);
                write(Change { before: &before.$response, after: &self.$response }, response)
            }
        }
    )*};
}

/// A response before and after the handler.
struct Change<'a, R> {
    before: &'a R,
    after: &'a R,
}

impl<R> Change<'_, R> {
    /// A part of it, if the handler changed it.
    fn of<V: PartialEq>(&self, part: impl Fn(&R) -> &V) -> Option<&V> {
        let after = part(self.after);
        (part(self.before) != after).then_some(after)
    }
}

conversions! {
    CognitoEventUserPoolsPreSignup = PreSignUp: request response, |event, to| {
        to.request.user_attributes = map(&event.request.user_attributes);
        to.request.validation_data = map(&event.request.validation_data);
        to.request.client_metadata = map(&event.request.client_metadata);
    }, |change: Change<'_, aws::CognitoEventUserPoolsPreSignupResponse>, to: &mut PreSignUpResponse| {
        set(&mut to.auto_confirm_user, change.of(|response| &response.auto_confirm_user).copied());
        set(&mut to.auto_verify_email, change.of(|response| &response.auto_verify_email).copied());
        set(&mut to.auto_verify_phone, change.of(|response| &response.auto_verify_phone).copied());
        Ok(())
    };

    CognitoEventUserPoolsPostConfirmation = PostConfirmation: request response, |event, to| {
        to.request.user_attributes = map(&event.request.user_attributes);
        to.request.client_metadata = map(&event.request.client_metadata);
    }, |_: Change<'_, aws::CognitoEventUserPoolsPostConfirmationResponse>, _| Ok(());

    CognitoEventUserPoolsPreAuthentication = PreAuthentication: request response, |event, to| {
        to.request.user_attributes = map(&event.request.user_attributes);
        to.request.validation_data = map(&event.request.validation_data);
    }, |_: Change<'_, aws::CognitoEventUserPoolsPreAuthenticationResponse>, _| Ok(());

    CognitoEventUserPoolsPostAuthentication = PostAuthentication: request response, |event, to| {
        to.request.new_device_used = event.request.new_device_used.unwrap_or_default();
        to.request.user_attributes = map(&event.request.user_attributes);
        to.request.client_metadata = map(&event.request.client_metadata);
    }, |_: Change<'_, aws::CognitoEventUserPoolsPostAuthenticationResponse>, _| Ok(());

    CognitoEventUserPoolsDefineAuthChallenge = DefineAuthChallenge: request response, |event, to| {
        to.request.user_attributes = map(&event.request.user_attributes);
        to.request.session = session(&event.request.session);
        to.request.client_metadata = map(&event.request.client_metadata);
        to.request.user_not_found = event.request.user_not_found;
    }, |change: Change<'_, aws::CognitoEventUserPoolsDefineAuthChallengeResponse>, to: &mut DefineAuthChallengeResponse| {
        set(&mut to.challenge_name, change.of(|response| &response.challenge_name).cloned().flatten());
        // A decision, and `false` is one: what Cognito makes of the `null` that stands there is not documented.
        to.issue_tokens = Some(change.after.issue_tokens);
        to.fail_authentication = Some(change.after.fail_authentication);
        Ok(())
    };

    CognitoEventUserPoolsCreateAuthChallenge = CreateAuthChallenge: request response, |event, to| {
        to.request.user_attributes = map(&event.request.user_attributes);
        to.request.challenge_name = event.request.challenge_name.clone();
        to.request.session = session(&event.request.session);
        to.request.client_metadata = map(&event.request.client_metadata);
        to.request.user_not_found = event.request.user_not_found;
    }, |change: Change<'_, aws::CognitoEventUserPoolsCreateAuthChallengeResponse>, to: &mut CreateAuthChallengeResponse| {
        let sorted = |map: &HashMap<String, String>| map.clone().into_iter().collect();
        set(&mut to.public_challenge_parameters, change.of(|response| &response.public_challenge_parameters).map(sorted));
        set(&mut to.private_challenge_parameters, change.of(|response| &response.private_challenge_parameters).map(sorted));
        set(&mut to.challenge_metadata, change.of(|response| &response.challenge_metadata).cloned().flatten());
        Ok(())
    };

    CognitoEventUserPoolsVerifyAuthChallenge = VerifyAuthChallengeResponse: request response, |event, to| {
        to.request.user_attributes = map(&event.request.user_attributes);
        to.request.private_challenge_parameters = map(&event.request.private_challenge_parameters);
        let answer = |text: &String| sent(event, "challengeAnswer").unwrap_or_else(|| text.clone().into());
        to.request.challenge_answer = event.request.challenge_answer.as_ref().map(answer);
        to.request.client_metadata = map(&event.request.client_metadata);
        to.request.user_not_found = event.request.user_not_found;
    }, |change: Change<'_, aws::CognitoEventUserPoolsVerifyAuthChallengeResponse>, to: &mut VerifyAuthChallengeResponseResponse| {
        to.answer_correct = Some(change.after.answer_correct);
        Ok(())
    };

    CognitoEventUserPoolsCustomMessage = CustomMessage: request response, |event, to| {
        to.request.user_attributes = sent(event, "userAttributes").unwrap_or_else(|| {
            event.request.user_attributes.iter().map(|(name, value)| (name.to_owned(), value.into())).collect()
        });
        to.request.code_parameter = event.request.code_parameter.clone();
        to.request.username_parameter = event.request.username_parameter.clone();
        to.request.client_metadata = map(&event.request.client_metadata);
    }, |change: Change<'_, aws::CognitoEventUserPoolsCustomMessageResponse>, to: &mut CustomMessageResponse| {
        set(&mut to.sms_message, change.of(|response| &response.sms_message).cloned().flatten());
        set(&mut to.email_message, change.of(|response| &response.email_message).cloned().flatten());
        set(&mut to.email_subject, change.of(|response| &response.email_subject).cloned().flatten());
        Ok(())
    };

    CognitoEventUserPoolsMigrateUser = UserMigration:
        cognito_event_user_pools_migrate_user_request cognito_event_user_pools_migrate_user_response, |event, to| {
        let request = &mut to.cognito_event_user_pools_migrate_user_request;
        request.password = event.request.password.clone();
        request.validation_data = map(&event.request.validation_data);
        request.client_metadata = map(&event.request.client_metadata);
    }, migrated;

    CognitoEventUserPoolsPreTokenGen = PreTokenGenerationV1: request response, |event, to| {
        to.request.user_attributes = map(&event.request.user_attributes);
        to.request.group_configuration = groups(&event.request.group_configuration);
        to.request.client_metadata = map(&event.request.client_metadata);
    }, |change: Change<'_, aws::CognitoEventUserPoolsPreTokenGenResponse>, to: &mut PreTokenGenerationV1Response| {
        let Some(Some(details)) = change.of(|response| &response.claims_override_details) else { return Ok(()) };
        let to = &mut to.claims_override_details;
        add(&mut to.claims_to_add_or_override, &details.claims_to_add_or_override);
        include(&mut to.claims_to_suppress, &details.claims_to_suppress);
        set(&mut to.group_override_details, ours(&details.group_override_details));
        Ok(())
    };

    CognitoEventUserPoolsPreTokenGenV2 = PreTokenGenerationV2: request response, |event, to| {
        to.request.user_attributes = map(&event.request.user_attributes);
        to.request.group_configuration = groups(&event.request.group_configuration);
        to.request.scopes = event.request.scopes.clone();
        to.request.client_metadata = map(&event.request.client_metadata);
    }, claims_and_scopes;

    CognitoEventUserPoolsPreTokenGenV2 = PreTokenGenerationV3: request response, |event, to| {
        to.request.user_attributes = map(&event.request.user_attributes);
        to.request.group_configuration = groups(&event.request.group_configuration);
        to.request.scopes = event.request.scopes.clone();
        to.request.client_metadata = map(&event.request.client_metadata);
    }, claims_and_scopes;
}

fn migrated(
    change: Change<'_, aws::CognitoEventUserPoolsMigrateUserResponse>,
    to: &mut UserMigrationResponse,
) -> Result<(), Fault> {
    let unknown =
        |key: &str, known: &str| Fault::new(format!("the handler set a {key} Cognito does not know: use {known}"));
    if let Some(Some(status)) = change.of(|response| &response.final_user_status) {
        to.final_user_status = Some(match status.as_str() {
            "CONFIRMED" => FinalUserStatus::Confirmed,
            "RESET_REQUIRED" => FinalUserStatus::ResetRequired,
            _ => return Err(unknown("finalUserStatus", "CONFIRMED or RESET_REQUIRED")),
        });
    }
    if let Some(Some(action)) = change.of(|response| &response.message_action) {
        to.message_action = Some(match action.as_str() {
            "SUPPRESS" => MessageAction::Suppress,
            _ => return Err(unknown("messageAction", "SUPPRESS")),
        });
    }
    if let Some(Some(mediums)) = change.of(|response| &response.desired_delivery_mediums) {
        let medium = |medium: &String| match medium.as_str() {
            "EMAIL" => Ok(DeliveryMedium::Email),
            "SMS" => Ok(DeliveryMedium::Sms),
            _ => Err(unknown("desiredDeliveryMediums", "EMAIL or SMS")),
        };
        to.desired_delivery_mediums = Some(mediums.iter().map(medium).collect::<Result<_, _>>()?);
    }
    let attributes = change.of(|response| &response.user_attributes);
    set(&mut to.user_attributes, attributes.map(|map| map.clone().into_iter().collect()));
    set(&mut to.force_alias_creation, change.of(|response| &response.force_alias_creation).copied());
    Ok(())
}

fn claims_and_scopes(
    change: Change<'_, aws::CognitoEventUserPoolsPreTokenGenResponseV2>,
    to: &mut PreTokenGenerationV2Response,
) -> Result<(), Fault> {
    let Some(Some(details)) = change.of(|response| &response.claims_and_scope_override_details) else { return Ok(()) };
    let to = &mut to.claims_and_scope_override_details;
    if let Some(id) = &details.id_token_generation {
        add(&mut to.id_token_generation.claims_to_add_or_override, &id.claims_to_add_or_override);
        include(&mut to.id_token_generation.claims_to_suppress, &id.claims_to_suppress);
    }
    if let Some(access) = &details.access_token_generation {
        add(&mut to.access_token_generation.claims_to_add_or_override, &access.claims_to_add_or_override);
        include(&mut to.access_token_generation.claims_to_suppress, &access.claims_to_suppress);
        include(&mut to.access_token_generation.scopes_to_add, &access.scopes_to_add);
        include(&mut to.access_token_generation.scopes_to_suppress, &access.scopes_to_suppress);
    }
    set(&mut to.group_override_details, ours(&details.group_override_details));
    Ok(())
}

fn header<T: Trigger, S: DeserializeOwned + Default>(event: &Event<T>) -> aws::CognitoEventUserPoolsHeader<S> {
    let filled = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    let mut header = aws::CognitoEventUserPoolsHeader::<S>::default();
    header.version = filled(&event.version);
    // Its list of sources is closed: one it does not know is absent instead of an error.
    header.trigger_source = serde_json::from_value(event.source.as_str().into()).ok();
    header.region = filled(&event.region);
    header.user_pool_id = filled(&event.user_pool_id);
    header.caller_context.awssdk_version = filled(&event.caller.aws_sdk_version);
    header.caller_context.client_id = event.caller.client_id.clone();
    header.user_name = filled(&event.user_name);
    header
}

/// The event as text, without the groups that crate writes although nobody set them.
fn text(event: &impl Serialize) -> Result<String, Fault> {
    let mut event = serde_json::to_value(event)?;
    for key in ["claimsOverrideDetails", "claimsAndScopeOverrideDetails"] {
        let details = event.get_mut("response").and_then(|response| response.get_mut(key));
        if let Some(details) = details.and_then(Value::as_object_mut) {
            let groups = details.get("groupOverrideDetails");
            let nobody_set = serde_json::to_value(aws::GroupConfiguration::default())?;
            if groups == Some(&nobody_set) {
                details.remove("groupOverrideDetails");
            }
        }
    }
    Ok(event.to_string())
}

fn member<T: Trigger, V: DeserializeOwned>(event: &Event<T>, name: &str) -> Option<V> {
    serde_json::from_str(Members::parse(event.raw()).ok()?.find(name)?.get()).ok()
}

/// A field of the request in the shape it was sent; `None` if it has another one, or a number no double can hold.
fn sent<T: Trigger, V: DeserializeOwned>(event: &Event<T>, name: &str) -> Option<V> {
    let request = Members::parse(event.raw()).ok()?.find("request")?;
    serde_json::from_str(Members::parse(request.get()).ok()?.find(name)?.get()).ok()
}

fn map(attributes: &Attributes) -> HashMap<String, String> {
    attributes.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

fn session(session: &[ChallengeResult]) -> Vec<Option<aws::CognitoEventUserPoolsChallengeResult>> {
    let entry = |entry: &ChallengeResult| {
        let mut to = aws::CognitoEventUserPoolsChallengeResult::default();
        to.challenge_name = (!entry.challenge_name.is_empty()).then(|| entry.challenge_name.clone());
        to.challenge_result = entry.challenge_result;
        to.challenge_metadata = entry.challenge_metadata.clone();
        Some(to)
    };
    session.iter().map(entry).collect()
}

fn groups(from: &GroupConfiguration) -> aws::GroupConfiguration {
    let mut to = aws::GroupConfiguration::default();
    to.groups_to_override = from.groups_to_override.clone();
    to.iam_roles_to_override = from.iam_roles_to_override.clone();
    to.preferred_role = from.preferred_role.clone();
    to
}

/// The groups a handler set; none if they are what the crate writes by itself.
fn ours(groups: &aws::GroupConfiguration) -> Option<GroupConfiguration> {
    (*groups != aws::GroupConfiguration::default()).then(|| GroupConfiguration {
        groups_to_override: groups.groups_to_override.clone(),
        iam_roles_to_override: groups.iam_roles_to_override.clone(),
        preferred_role: groups.preferred_role.clone(),
    })
}

fn set<V>(to: &mut Option<V>, value: Option<V>) {
    if value.is_some() {
        *to = value;
    }
}

fn add<V: Clone>(to: &mut BTreeMap<String, V>, from: &HashMap<String, V>) {
    to.extend(from.iter().map(|(name, value)| (name.clone(), value.clone())));
}

fn include(to: &mut Vec<String>, from: &[String]) {
    for name in from {
        if !to.contains(name) {
            to.push(name.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_claim_of_a_handler_leaves_the_groups_alone() {
        // "Group loss: ClaimsOverrideDetails / ClaimsAndScopeOverrideDetailsV2 have NON-optional group_override_details; setting
        // one claim serialises {"groupsToOverride":[],...} which AWS documents as suppressing cognito:groups"
        let event = Event::<PreTokenGenerationV1>::sample();
        let mut handled = aws::CognitoEventUserPoolsPreTokenGen::from(&event);
        let details = handled.response.claims_override_details.get_or_insert_default();
        details.claims_to_add_or_override.insert("tier".into(), "gold".into());
        assert!(serde_json::to_string(&handled).unwrap().contains(r#""groupsToOverride":[]"#), "the trap is gone");

        let mut response = PreTokenGenerationV1Response::default();
        handled.take_over(&event, &mut response).unwrap();
        assert_eq!(
            serde_json::to_value(&response).unwrap(),
            json!({"claimsOverrideDetails": {"claimsToAddOrOverride": {"tier": "gold"}}})
        );
        let back = Event::<PreTokenGenerationV1>::try_from(handled).unwrap();
        assert!(!back.raw().contains("groupOverrideDetails"), "{}", back.raw());
    }

    #[test]
    fn groups_a_handler_set_are_carried_over_and_so_are_scopes() {
        let event = Event::<PreTokenGenerationV3>::sample();
        let mut handled = aws::CognitoEventUserPoolsPreTokenGenV2::from(&event);
        let details = handled.response.claims_and_scope_override_details.get_or_insert_default();
        details.group_override_details = handled.request.group_configuration.clone();
        details.access_token_generation.get_or_insert_default().scopes_to_add.push("orders/read".into());
        let mut response = PreTokenGenerationV2Response::default();
        handled.take_over(&event, &mut response).unwrap();
        let details = response.claims_and_scope_override_details;
        assert_eq!(details.group_override_details.as_ref(), Some(&event.request.group_configuration));
        assert_eq!(details.access_token_generation.scopes_to_add, ["orders/read"]);
        assert!(details.id_token_generation.is_empty());
    }

    #[test]
    fn a_handler_that_does_nothing_changes_nothing() {
        let event = Event::<PreSignUp>::sample();
        let mut response = PreSignUpResponse { auto_confirm_user: Some(true), ..Default::default() };
        aws::CognitoEventUserPoolsPreSignup::from(&event).take_over(&event, &mut response).unwrap();
        assert_eq!(serde_json::to_value(&response).unwrap(), json!({"autoConfirmUser": true}));

        let event = Event::<UserMigration>::sample();
        let mut response = UserMigrationResponse::default();
        aws::CognitoEventUserPoolsMigrateUser::from(&event).take_over(&event, &mut response).unwrap();
        assert_eq!(event.answer(&response).unwrap(), event.raw());
    }

    #[test]
    fn a_migration_is_carried_over_and_an_unknown_word_is_a_fault() {
        let event = Event::<UserMigration>::sample();
        let mut handled = aws::CognitoEventUserPoolsMigrateUser::from(&event);
        let theirs = &mut handled.cognito_event_user_pools_migrate_user_response;
        theirs.user_attributes.insert("email".into(), "anna@example.com".into());
        theirs.final_user_status = Some("CONFIRMED".into());
        theirs.message_action = Some("SUPPRESS".into());
        theirs.desired_delivery_mediums = Some(vec!["EMAIL".into()]);
        let mut response = UserMigrationResponse::default();
        handled.take_over(&event, &mut response).unwrap();
        assert_eq!(
            serde_json::to_value(&response).unwrap(),
            json!({"userAttributes": {"email": "anna@example.com"}, "finalUserStatus": "CONFIRMED",
                   "messageAction": "SUPPRESS", "desiredDeliveryMediums": ["EMAIL"]})
        );
        handled.cognito_event_user_pools_migrate_user_response.final_user_status = Some("OK".into());
        assert!(handled.take_over(&event, &mut response).unwrap_err().to_string().contains("finalUserStatus"));
    }

    #[test]
    fn a_refused_answer_to_a_challenge_is_written_out() {
        let event = Event::<VerifyAuthChallengeResponse>::sample();
        let handled = aws::CognitoEventUserPoolsVerifyAuthChallenge::from(&event);
        assert_eq!(handled.request.challenge_answer, Some(json!("482913")));
        let odd = |value: Value| Event::sample().with_value(&["request", "challengeAnswer"], value);
        let list = json!(["482913", 7]);
        assert_eq!(
            aws::CognitoEventUserPoolsVerifyAuthChallenge::from(&odd(list.clone())).request.challenge_answer,
            Some(list)
        );
        let mut response = VerifyAuthChallengeResponseResponse::default();
        handled.take_over(&event, &mut response).unwrap();
        assert_eq!(response.answer_correct, Some(false));
    }

    #[test]
    fn what_that_crate_cannot_read_still_reaches_a_handler() {
        // Each of these is a parse error in the crate itself: a new source, a boolean attribute, no response.
        let event = Event::<PreSignUp>::parse(
            r#"{"triggerSource": "PreSignUp_New", "userName": "anna", "request": {"userAttributes": {"email_verified": true}}}"#,
        )
        .unwrap();
        assert!(serde_json::from_str::<aws::CognitoEventUserPoolsPreSignup>(event.raw()).is_err());
        let theirs = aws::CognitoEventUserPoolsPreSignup::from(&event);
        assert_eq!(theirs.cognito_event_user_pools_header.trigger_source, None);
        assert_eq!(theirs.request.user_attributes["email_verified"], "true");
    }

    #[test]
    fn an_event_of_that_crate_becomes_one_of_ours() {
        let event = Event::<DefineAuthChallenge>::sample();
        let theirs = aws::CognitoEventUserPoolsDefineAuthChallenge::from(&event);
        let back = Event::<DefineAuthChallenge>::try_from(theirs).unwrap();
        assert_eq!((&back.source, &back.user_name), (&event.source, &event.user_name));
        assert_eq!(back.request.session, event.request.session);
        assert_eq!(back.attributes(), event.attributes());
    }
}
