use std::collections::{BTreeSet, HashMap};

use cognito_triggers::prelude::*;
use cognito_triggers::{Clock, Services, StoppedClock, sample};
use cognito_triggers_embedded::LocalDirectory;
use serde_json::json;

use super::*;

/// A pool with the chains that are attached here.
fn pool(attach: impl FnOnce(&mut Chains)) -> (tempfile::TempDir, LocalPool) {
    let folder = tempfile::tempdir().unwrap();
    let directory = LocalDirectory::open(&folder.path().join("pool.db")).unwrap();
    let clock: Arc<dyn Clock> = Arc::new(StoppedClock::default());
    let mut chains = Chains::default();
    attach(&mut chains);
    let dispatcher = Arc::new(Dispatcher::new(chains, HashMap::new(), Services::none(clock)));
    (folder, LocalPool::new(PoolSettings::of("eu-central-1_Example01"), dispatcher, directory))
}

fn anna() -> Applicant {
    Applicant::named("anna").with("email", "anna@example.com")
}

fn sources<T>(done: &Done<T>) -> Vec<&str> {
    done.steps.iter().map(|step| step.source.as_str()).collect()
}

fn event(step: &Step) -> Value {
    serde_json::from_str(&step.event).unwrap()
}

fn refusal<T>(done: Done<T>) -> String {
    done.result.err().expect("it passed").to_string()
}

#[tokio::test]
async fn who_is_refused_is_not_created_and_reads_cognitos_words() {
    let deny = |_: &Event<PreSignUp>, _: &mut Visit<PreSignUp>| Ok(Verdict::deny("We are closed"));
    let (_folder, pool) = pool(|chains| chains.attach(deny).to::<PreSignUp>().done().unwrap());
    let done = pool.sign_up(anna()).await.unwrap();
    assert_eq!(sources(&done), ["PreSignUp_SignUp"]);
    assert_eq!(refusal(done), "UserLambdaValidationException: PreSignUp failed with error We are closed.");
    assert!(pool.find("anna").await.unwrap().is_none());
}

#[tokio::test]
async fn a_sign_up_is_confirmed_once() {
    let (_folder, pool) = pool(|_| {});
    let user = pool.sign_up(anna()).await.unwrap().result.unwrap();
    assert_eq!((user.status, user.attributes["email_verified"].as_str()), (UserStatus::Unconfirmed, "false"));
    assert_eq!(
        refusal(pool.sign_in(Credentials::of("anna")).await.unwrap()),
        "UserNotConfirmedException: User is not confirmed."
    );

    let done = pool.confirm("anna").await.unwrap();
    assert_eq!(sources(&done), ["PostConfirmation_ConfirmSignUp"]);
    let attributes = &event(&done.steps[0])["request"]["userAttributes"];
    assert_eq!(attributes["cognito:user_status"], "CONFIRMED");
    assert_eq!(attributes["email_verified"], "true");
    assert_eq!(attributes["sub"], user.sub.as_str());

    let again = pool.confirm("anna").await.unwrap();
    assert_eq!(again.steps.len(), 0);
    assert_eq!(refusal(again), "NotAuthorizedException: User cannot be confirmed. Current status is CONFIRMED");
}

fn flags(confirm: bool, verify: bool) -> impl Rule<PreSignUp> {
    move |_: &Event<PreSignUp>, visit: &mut Visit<PreSignUp>| {
        visit.response.auto_confirm_user = Some(confirm);
        visit.response.auto_verify_email = Some(verify);
        Ok(Verdict::Continue)
    }
}

#[tokio::test]
async fn a_rule_may_confirm_and_verify() {
    let (_folder, pool) = pool(|chains| chains.attach(flags(true, true)).to::<PreSignUp>().done().unwrap());
    let done = pool.sign_up(anna().metadata("campaign", "spring")).await.unwrap();
    // "Auto-confirmed users reach it at SignUp time: SignUp is listed among ClientMetadata sources for this trigger".
    assert_eq!(sources(&done), ["PreSignUp_SignUp", "PostConfirmation_ConfirmSignUp"]);
    assert_eq!(event(&done.steps[1])["request"]["clientMetadata"], json!({"campaign": "spring"}));
    assert_eq!(
        done.steps[0].set,
        [("autoConfirmUser", true), ("autoVerifyEmail", true)].map(|(k, v)| (k.to_owned(), json!(v)))
    );
    let user = done.result.unwrap();
    assert_eq!((user.status, user.attributes["email_verified"].as_str()), (UserStatus::Confirmed, "true"));
    // "autoVerifyX needs non-null attribute or sign-up errors".
    let done = pool.sign_up(Applicant::named("bela")).await.unwrap();
    assert!(refusal(done).starts_with("InvalidLambdaResponseException: "));
    assert!(pool.find("bela").await.unwrap().is_none());
}

#[tokio::test]
async fn an_administrators_user_is_never_confirmed_by_a_trigger() {
    // "Flags ignored for AdminCreateUser."
    let (_folder, pool) = pool(|chains| chains.attach(flags(true, true)).to::<PreSignUp>().done().unwrap());
    let done = pool.admin_create_user(anna()).await.unwrap();
    assert_eq!(sources(&done), ["PreSignUp_AdminCreateUser"]);
    assert_eq!(event(&done.steps[0])["callerContext"]["clientId"], "CLIENT_ID_NOT_APPLICABLE");
    assert_eq!(done.result.unwrap().status, UserStatus::ForceChangePassword);
    let first = pool.sign_in(Credentials::of("anna")).await.unwrap();
    assert_eq!(
        sources(&first),
        [
            "PreAuthentication_Authentication",
            "PostAuthentication_Authentication",
            "TokenGeneration_NewPasswordChallenge"
        ]
    );
    let later = pool.sign_in(Credentials::of("anna@example.com")).await.unwrap();
    assert_eq!(sources(&later)[2], "TokenGeneration_Authentication");
    assert_eq!(event(&later.steps[2])["version"], "2");
}

#[tokio::test]
async fn a_federated_user_takes_another_way_the_first_time() {
    let (_folder, pool) = pool(|_| {});
    let gus = || Federated::at("Google", "7").with("email", "gus@example.com");
    let first = pool.federated_sign_in(gus()).await.unwrap();
    assert_eq!(
        sources(&first),
        [
            "InboundFederation_ExternalProvider",
            "PreSignUp_ExternalProvider",
            "PostConfirmation_ConfirmSignUp",
            "TokenGeneration_HostedAuth"
        ]
    );
    assert_eq!(event(&first.steps[1])["userName"], "Google_7");
    let attributes = &event(&first.steps[2])["request"]["userAttributes"];
    assert_eq!(attributes["cognito:user_status"], "EXTERNAL_PROVIDER");
    assert!(attributes["identities"].as_str().unwrap().contains("\"userId\":\"7\""));

    let later = pool.federated_sign_in(gus().with("locale", "de")).await.unwrap();
    assert_eq!(
        sources(&later),
        [
            "InboundFederation_ExternalProvider",
            "PreAuthentication_Authentication",
            "PostAuthentication_Authentication",
            "TokenGeneration_HostedAuth"
        ]
    );
    let user = later.result.unwrap().user;
    assert_eq!(user.attributes["locale"], "de");
    assert_eq!(user.sub, first.result.unwrap().user.sub);
}

#[tokio::test]
async fn a_refused_federated_user_is_not_created() {
    fn deny(_: &Event<PreSignUp>, _: &mut Visit<PreSignUp>) -> Answer<PreSignUp> {
        Ok(Verdict::deny("Not you"))
    }
    let (_folder, pool) = pool(|chains| chains.attach(deny).to::<PreSignUp>().done().unwrap());
    let done = pool.federated_sign_in(Federated::at("Google", "7")).await.unwrap();
    assert_eq!(sources(&done).len(), 2);
    assert!(refusal(done).ends_with("PreSignUp failed with error Not you."));
    assert!(pool.find("Google_7").await.unwrap().is_none());
}

#[tokio::test]
async fn the_first_trigger_of_a_sign_in_runs_before_the_password_is_checked() {
    let (_folder, pool) = pool(|_| {});
    pool.sign_up(anna()).await.unwrap();
    pool.confirm("anna").await.unwrap();
    let wrong = pool.sign_in(Credentials::wrong("anna").metadata("ip", "192.0.2.1")).await.unwrap();
    assert_eq!(sources(&wrong), ["PreAuthentication_Authentication"]);
    // "ClientMetadata param arrives as validationData in PreAuthentication".
    assert_eq!(event(&wrong.steps[0])["request"]["validationData"], json!({"ip": "192.0.2.1"}));
    let text = "NotAuthorizedException: Incorrect username or password.";
    assert_eq!(refusal(wrong), text);

    let unknown = pool.sign_in(Credentials::of("nobody")).await.unwrap();
    assert_eq!(event(&unknown.steps[0])["request"]["userNotFound"], true);
    assert_eq!(refusal(unknown), text);
    let open = LocalPool { settings: PoolSettings { hides_users: false, ..pool.settings.clone() }, ..pool };
    let unknown = open.sign_in(Credentials::of("nobody")).await.unwrap();
    assert_eq!(unknown.steps.len(), 0);
    assert_eq!(refusal(unknown), "UserNotFoundException: User does not exist.");
}

#[tokio::test]
async fn a_denial_after_the_password_withholds_the_tokens() {
    fn deny(_: &Event<PostAuthentication>, _: &mut Visit<PostAuthentication>) -> Answer<PostAuthentication> {
        Ok(Verdict::deny("Too many devices"))
    }
    let (_folder, pool) = pool(|chains| chains.attach(deny).to::<PostAuthentication>().done().unwrap());
    pool.sign_up(anna()).await.unwrap();
    pool.confirm("anna").await.unwrap();
    let done = pool.sign_in(Credentials::of("anna")).await.unwrap();
    assert_eq!(sources(&done), ["PreAuthentication_Authentication", "PostAuthentication_Authentication"]);
    assert_eq!(refusal(done), "UserLambdaValidationException: PostAuthentication failed with error Too many devices.");
}

#[tokio::test]
async fn a_name_that_is_given_reaches_the_trigger_and_is_refused() {
    let (_folder, pool) = pool(|_| {});
    pool.sign_up(anna()).await.unwrap();
    let again = pool.sign_up(anna()).await.unwrap();
    assert_eq!(again.steps.len(), 1);
    assert_eq!(refusal(again), "UsernameExistsException: User already exists");
}

#[tokio::test]
async fn where_the_address_is_the_login_every_try_has_another_name() {
    let (_folder, pool) = pool(|_| {});
    let pool = LocalPool { settings: PoolSettings { login: Login::Email, ..pool.settings.clone() }, ..pool };
    let done = pool.sign_up(Applicant::named("anna@example.com")).await.unwrap();
    let first = event(&done.steps[0]);
    assert_eq!(first["request"]["userAttributes"], json!({"email": "anna@example.com"}));
    // "userName is already the UUID that becomes sub".
    let user = done.result.unwrap();
    assert_eq!((first["userName"].as_str(), &user.user_name), (Some(user.sub.as_str()), &user.sub));

    let again = pool.sign_up(Applicant::named("Anna@example.com")).await.unwrap();
    assert_ne!(event(&again.steps[0])["userName"], first["userName"]);
    assert_eq!(refusal(again), "UsernameExistsException: An account with the given email already exists.");
    assert!(pool.confirm("anna@example.com").await.unwrap().result.is_ok());
    assert!(pool.sign_in(Credentials::of("ANNA@example.com")).await.unwrap().result.is_ok());
}

#[tokio::test]
async fn the_profile_and_deletion_run_no_trigger() {
    let (_folder, pool) = pool(|_| {});
    pool.sign_up(anna()).await.unwrap();
    pool.update_attributes("anna", &[("nickname", "Anni")]).await.unwrap();
    assert_eq!(pool.find("anna").await.unwrap().unwrap().attributes["nickname"], "Anni");
    assert!(pool.delete("anna").await.unwrap());
    assert!(!pool.delete("anna").await.unwrap());
}

/// Every event has the keys the captured and documented ones have, in envelope, request and response.
#[tokio::test]
async fn events_are_shaped_like_those_of_cognito() {
    let (_folder, pool) = pool(|_| {});
    let mut steps = pool.sign_up(anna()).await.unwrap().steps;
    steps.extend(pool.confirm("anna").await.unwrap().steps);
    steps.extend(pool.confirm_forgot_password("anna").await.unwrap().steps);
    steps.extend(pool.sign_in(Credentials::of("anna").metadata("a", "b")).await.unwrap().steps);
    steps.extend(pool.refresh("anna").await.unwrap().steps);
    steps.extend(pool.admin_create_user(Applicant::named("fay")).await.unwrap().steps);
    steps.extend(pool.federated_sign_in(Federated::at("Google", "7")).await.unwrap().steps);
    assert_eq!(steps.len(), 12);
    for step in steps {
        let event = event(&step);
        let source = TriggerSource::from(step.source.as_str());
        let text = sample(&source, event["version"].as_str()).unwrap();
        let expected: Value = serde_json::from_str(text).unwrap();
        for place in ["", "/callerContext", "/request", "/response"] {
            let keys = |document: &Value| {
                document.pointer(place).unwrap().as_object().unwrap().keys().cloned().collect::<BTreeSet<_>>()
            };
            let (mut ours, mut theirs) = (keys(&event), keys(&expected));
            // Sent or not, as the application likes.
            for keys in [&mut ours, &mut theirs] {
                keys.remove("clientMetadata");
                keys.remove("userNotFound");
                keys.remove("validationData");
            }
            assert_eq!(ours, theirs, "{source} {place}");
        }
        assert!(step.answer.is_ok());
    }
}

#[tokio::test]
async fn an_event_can_be_sent_again() {
    let (_folder, pool) = pool(|_| {});
    let done = pool.sign_up(anna()).await.unwrap();
    let again = pool.repeat(&done.steps[0]).await.unwrap();
    assert_eq!((&again.event, again.answer.as_ref()), (&done.steps[0].event, done.steps[0].answer.as_ref()));
    assert_ne!(again.report.reference, done.steps[0].report.reference);
}

#[test]
fn an_answer_that_is_not_the_event_is_unrecognizable() {
    let event = r#"{"version":"1","userName":"anna","response":{}}"#;
    assert_eq!(accepted(event, r#"{"version":"1","userName":"anna","response":{"a":1}}"#), Ok(json!({"a": 1})));
    for answer in [r#"{"version":"1","response":{}}"#, r#"{"version":"1","userName":"anna"}"#, "[]"] {
        assert_eq!(accepted(event, answer).unwrap_err().message, "Unrecognizable lambda output", "{answer}");
    }
    assert!(accepted(event, "nonsense").unwrap_err().message.ends_with("Invalid JSON"));
}
