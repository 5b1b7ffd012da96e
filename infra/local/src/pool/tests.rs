use std::collections::{BTreeSet, HashMap};

use cognito_triggers::prelude::*;
use cognito_triggers::{Clock, Services, StoppedClock, sample};
use cognito_triggers_embedded::LocalDirectory;
use serde_json::json;

use super::*;

/// A pool with the chains that are attached here.
fn pool(attach: impl FnOnce(&mut Chains)) -> (tempfile::TempDir, LocalPool) {
    pool_in(tempfile::tempdir().unwrap(), attach)
}

fn pool_in(folder: tempfile::TempDir, attach: impl FnOnce(&mut Chains)) -> (tempfile::TempDir, LocalPool) {
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

/// A pool with Anna in it, signed in.
async fn with_anna(attach: impl FnOnce(&mut Chains)) -> (tempfile::TempDir, LocalPool, SignedIn) {
    let (folder, pool) = pool(attach);
    pool.sign_up(anna()).await.unwrap();
    pool.confirm("anna").await.unwrap();
    let session = signed_in(&pool).await;
    (folder, pool, session)
}

async fn signed_in(pool: &LocalPool) -> SignedIn {
    pool.sign_in(Credentials::of("anna")).await.unwrap().result.unwrap()
}

const REVOKED: &str = "NotAuthorizedException: Refresh Token has been revoked";

#[tokio::test]
async fn a_session_lives_until_the_user_signs_out_everywhere() {
    let (_folder, pool, first) = with_anna(|_| {}).await;
    let refreshed = pool.refresh_session(&first).await.unwrap();
    assert_eq!(sources(&refreshed), ["TokenGeneration_RefreshTokens"]);
    let second = refreshed.result.unwrap();

    let done = pool.global_sign_out(&second).await.unwrap();
    assert_eq!(done.steps.len(), 0, "no trigger hears of it");
    assert_eq!(done.result.unwrap()["detail"]["eventName"], "GlobalSignOut");
    for session in [&first, &second] {
        assert_eq!(refusal(pool.refresh_session(session).await.unwrap()), REVOKED);
        let again = pool.global_sign_out(session).await.unwrap();
        assert_eq!(refusal(again), "NotAuthorizedException: Access Token has been revoked");
    }
    let third = signed_in(&pool).await;
    assert!(pool.refresh_session(&third).await.unwrap().result.is_ok());
    pool.admin_user_global_sign_out("anna@example.com").await.unwrap().result.unwrap();
    assert_eq!(refusal(pool.refresh_session(&third).await.unwrap()), REVOKED);
    // Whatever refreshes regardless of a session does so still.
    assert!(pool.refresh("anna").await.unwrap().result.is_ok());
}

/// "`AdminUserGlobalSignOut` after the commit and before the answer": the tokens that are made afterwards are good.
#[tokio::test]
async fn a_sign_out_before_the_tokens_are_made_leaves_them_good() {
    struct SignsOut(LocalDirectory);
    impl Rule<PostAuthentication> for SignsOut {
        async fn apply(
            &self,
            event: &Event<PostAuthentication>,
            _: &mut Visit<PostAuthentication>,
        ) -> Answer<PostAuthentication> {
            self.0.sign_out(&event.user_pool_id, &event.user_name).await?;
            Ok(Verdict::Continue)
        }
    }
    let folder = tempfile::tempdir().unwrap();
    let directory = LocalDirectory::open(&folder.path().join("pool.db")).unwrap();
    let rule = SignsOut(directory);
    let (_folder, pool) = pool_in(folder, |chains| chains.attach(rule).to::<PostAuthentication>().done().unwrap());
    pool.sign_up(anna()).await.unwrap();
    pool.confirm("anna").await.unwrap();
    let (first, second) = (signed_in(&pool).await, signed_in(&pool).await);
    assert_eq!(refusal(pool.refresh_session(&first).await.unwrap()), REVOKED);
    assert!(pool.refresh_session(&second).await.unwrap().result.is_ok());
}

#[tokio::test]
async fn tokens_can_be_refreshed_under_the_name_of_a_sign_in() {
    let (_folder, pool, session) = with_anna(|_| {}).await;
    let done = pool.tokens_from_refresh_token(&session, &[("device", "tablet")]).await.unwrap();
    // "GetTokensFromRefreshToken documented as TokenGeneration_Authentication ... clientMetadata to PreToken".
    assert_eq!(sources(&done), ["TokenGeneration_Authentication"]);
    assert_eq!(event(&done.steps[0])["request"]["clientMetadata"], json!({"device": "tablet"}));
    pool.admin_user_global_sign_out("anna").await.unwrap();
    assert_eq!(refusal(pool.tokens_from_refresh_token(&session, &[]).await.unwrap()), REVOKED);
}

#[tokio::test]
async fn who_is_disabled_cannot_sign_in_and_loses_the_session() {
    let (_folder, pool, session) = with_anna(|_| {}).await;
    let event = pool.admin_disable_user("anna").await.unwrap().result.unwrap();
    assert_eq!(event["detail"]["eventName"], "AdminDisableUser");
    assert_eq!(refusal(pool.refresh_session(&session).await.unwrap()), REVOKED);
    for credentials in [Credentials::of("anna"), Credentials::wrong("anna")] {
        let done = pool.sign_in(credentials).await.unwrap();
        // Which comes first is not documented; a rule has to bear that it is asked.
        assert_eq!(sources(&done), ["PreAuthentication_Authentication"]);
        assert_eq!(refusal(done), "NotAuthorizedException: User is disabled.");
    }
    assert_eq!(
        refusal(pool.admin_reset_user_password("anna").await.unwrap()),
        "NotAuthorizedException: User is disabled."
    );
    assert_eq!(
        refusal(pool.confirm_forgot_password("anna").await.unwrap()),
        "NotAuthorizedException: User is disabled."
    );
    pool.admin_enable_user("anna").await.unwrap().result.unwrap();
    assert_eq!(refusal(pool.refresh_session(&session).await.unwrap()), REVOKED, "what is revoked stays so");
    assert!(pool.sign_in(Credentials::of("anna")).await.unwrap().result.is_ok());

    let gus = || Federated::at("Google", "7");
    pool.federated_sign_in(gus()).await.unwrap().result.unwrap();
    pool.admin_disable_user("Google_7").await.unwrap().result.unwrap();
    let done = pool.federated_sign_in(gus()).await.unwrap();
    assert_eq!(sources(&done), ["InboundFederation_ExternalProvider", "PreAuthentication_Authentication"]);
    assert_eq!(refusal(done), "NotAuthorizedException: User is disabled.");
}

#[tokio::test]
async fn passwords_are_changed_set_and_reset_without_a_trigger() {
    let (_folder, pool, session) = with_anna(|_| {}).await;
    let name = |event: &Value| event["detail"]["eventName"].as_str().unwrap().to_owned();
    let permanent = |event: &Value| event["detail"]["requestParameters"]["permanent"].clone();
    let status = async || pool.find("anna").await.unwrap().unwrap().status;

    let done = pool.change_password(&session).await.unwrap();
    assert_eq!((done.steps.len(), name(&done.result.unwrap()).as_str()), (0, "ChangePassword"));
    assert!(pool.refresh_session(&session).await.unwrap().result.is_ok(), "it signs nobody out");

    let event = pool.admin_set_user_password("anna", false).await.unwrap().result.unwrap();
    assert_eq!(
        (name(&event).as_str(), permanent(&event), status().await),
        ("AdminSetUserPassword", Value::Null, UserStatus::ForceChangePassword)
    );
    let done = pool.sign_in(Credentials::of("anna")).await.unwrap();
    assert_eq!(sources(&done)[2], "TokenGeneration_NewPasswordChallenge");
    pool.admin_set_user_password("anna", false).await.unwrap().result.unwrap();
    let event = pool.admin_set_user_password("anna", true).await.unwrap().result.unwrap();
    assert_eq!((permanent(&event), status().await), (json!(true), UserStatus::Confirmed));

    let event = pool.admin_reset_user_password("anna").await.unwrap().result.unwrap();
    assert_eq!((name(&event).as_str(), status().await), ("AdminResetUserPassword", UserStatus::ResetRequired));
    let done = pool.sign_in(Credentials::of("anna")).await.unwrap();
    assert_eq!(refusal(done), "PasswordResetRequiredException: Password reset required for the user");
    let done = pool.confirm_forgot_password("anna").await.unwrap();
    assert_eq!(super::tests::event(&done.steps[0])["request"]["userAttributes"]["cognito:user_status"], "CONFIRMED");
    assert_eq!(status().await, UserStatus::Confirmed);
    assert!(pool.sign_in(Credentials::of("anna")).await.unwrap().result.is_ok());
}

#[tokio::test]
async fn who_is_deleted_is_gone_for_every_operation() {
    for by_user in [true, false] {
        let (_folder, pool, session) = with_anna(|_| {}).await;
        let done =
            if by_user { pool.delete_user(&session).await } else { pool.admin_delete_user("anna").await }.unwrap();
        let event = done.result.unwrap();
        let operation = if by_user { "DeleteUser" } else { "AdminDeleteUser" };
        assert_eq!((&event["detail"]["eventName"], done.steps.len()), (&json!(operation), 0));
        assert_eq!(event["detail"]["additionalEventData"]["sub"], session.user.sub.as_str());
        assert!(pool.find("anna").await.unwrap().is_none());
        assert_eq!(refusal(pool.refresh_session(&session).await.unwrap()), REVOKED);
        let unknown = "UserNotFoundException: User does not exist.";
        assert_eq!(refusal(pool.admin_delete_user("anna").await.unwrap()), unknown);
        assert_eq!(refusal(pool.admin_user_global_sign_out("anna").await.unwrap()), unknown);
        assert_eq!(refusal(pool.admin_set_user_password("anna", true).await.unwrap()), unknown);
        // Somebody of the same name is somebody else.
        pool.sign_up(anna()).await.unwrap();
        assert_ne!(pool.find("anna").await.unwrap().unwrap().sub, session.user.sub);
    }
}

/// A record names the pool where the request does: "authorised by an access token" it does not.
#[tokio::test]
async fn records_are_to_the_second_and_hide_what_cognito_hides() {
    let (_folder, pool, session) = with_anna(|_| {}).await;
    let by_token = pool.change_password(&session).await.unwrap().result.unwrap();
    let by_admin = pool.admin_user_global_sign_out("anna").await.unwrap().result.unwrap();
    assert_eq!(by_token["detail"]["requestParameters"], json!({"accessToken": "HIDDEN_DUE_TO_SECURITY_REASONS"}));
    let request = json!({"userPoolId": "eu-central-1_Example01", "username": "HIDDEN_DUE_TO_SECURITY_REASONS"});
    assert_eq!(by_admin["detail"]["requestParameters"], request);
    assert_eq!(by_admin["detail"]["eventTime"], "2026-01-01T12:00:00Z");
    assert_eq!(by_admin["time"], by_admin["detail"]["eventTime"]);
    assert_ne!(by_token["detail"]["eventID"], by_admin["detail"]["eventID"]);
}

#[tokio::test]
async fn every_event_of_a_sign_in_names_its_app_client() {
    let (_folder, pool, _) = with_anna(|_| {}).await;
    let clients = |done: &Done<SignedIn>| -> BTreeSet<String> {
        let client = |step| event(step)["callerContext"]["clientId"].as_str().unwrap().to_owned();
        done.steps.iter().map(client).collect()
    };
    let only = |client: &str| BTreeSet::from([client.to_owned()]);
    let done = pool.sign_in(Credentials::of("anna").at("backoffice")).await.unwrap();
    assert_eq!(clients(&done), only("backoffice"));
    let session = done.result.unwrap();
    assert_eq!(clients(&pool.refresh_session(&session).await.unwrap()), only("backoffice"));
    assert_eq!(clients(&pool.sign_in(Credentials::of("anna")).await.unwrap()), only(&pool.settings.client));
    for _ in ["first", "later"] {
        let done = pool.federated_sign_in(Federated::at("Google", "7").through("backoffice")).await.unwrap();
        assert_eq!((clients(&done), done.steps.len()), (only("backoffice"), 4));
    }
}

#[tokio::test]
async fn the_second_client_metadata_and_the_device_arrive_after_the_password() {
    let (_folder, pool, _) = with_anna(|_| {}).await;
    let credentials = Credentials::of("anna").metadata("a", "1").answer_metadata("b", "2").from_a_new_device();
    let done = pool.sign_in(credentials).await.unwrap();
    let requests: Vec<_> = done.steps.iter().map(|step| event(step)["request"].clone()).collect();
    // "InitiateAuth's client metadata: NOT PostAuth"; "RespondToAuthChallenge: PostAuth, PreToken".
    assert_eq!((&requests[0]["validationData"], requests[0].get("clientMetadata")), (&json!({"a": "1"}), None));
    assert_eq!((&requests[1]["clientMetadata"], &requests[1]["newDeviceUsed"]), (&json!({"b": "2"}), &json!(true)));
    assert_eq!(requests[2]["clientMetadata"], json!({"b": "2"}));
    let usual = pool.sign_in(Credentials::of("anna")).await.unwrap();
    let request = &event(&usual.steps[1])["request"];
    assert_eq!((request.get("clientMetadata"), &request["newDeviceUsed"]), (None, &json!(false)));
}

#[tokio::test]
async fn token_generation_gets_the_groups_of_the_user() {
    let (_folder, pool, session) = with_anna(|_| {}).await;
    let groups = async || {
        let done = pool.refresh_session(&session).await.unwrap();
        event(&done.steps[0])["request"]["groupConfiguration"]["groupsToOverride"].clone()
    };
    assert_eq!(groups().await, json!([]));
    assert!(pool.admin_add_user_to_group("anna", "staff").await.unwrap());
    assert!(!pool.admin_add_user_to_group("anna@example.com", "staff").await.unwrap());
    assert!(!pool.admin_add_user_to_group("nobody", "staff").await.unwrap());
    assert_eq!(groups().await, json!(["staff"]));
    // "The user is in group `<poolId>_<provider>`" (captured events).
    let done = pool.federated_sign_in(Federated::at("Google", "7")).await.unwrap();
    let groups = &event(&done.steps[3])["request"]["groupConfiguration"]["groupsToOverride"];
    assert_eq!(groups, &json!(["eu-central-1_Example01_Google"]));
}

/// What the pool tells of is what `session-release` understands, and nothing else frees a place.
#[tokio::test]
async fn what_no_trigger_hears_of_reaches_the_ledger_through_its_record() {
    use cognito_triggers::ledger::{Amendment, Member, MemoryLedger, amend};
    let (_folder, pool, session) = with_anna(|_| {}).await;
    let ledger = Arc::new(MemoryLedger::default());
    let clock: Arc<dyn Clock> = Arc::clone(&pool.dispatcher.services().clock);
    let services = Services {
        ledger: Arc::clone(&ledger) as Arc<dyn cognito_triggers::Ledger>,
        ..Services::none(Arc::clone(&clock))
    };
    let id = pool.settings.id.clone();
    let release = session_release::SessionRelease::new(services).with_pools(vec![id.clone()]);
    let since = clock.now() - SignedDuration::from_secs(60);
    let kept = |_: &cognito_triggers::ledger::Reading| {
        let mut member = Member::default();
        member.sessions.begin("app", since, since + SignedDuration::from_hours(1)).ok()?;
        Some(Amendment { member: Some(member), ..Amendment::default() })
    };
    let tally = async |done: Done<Value>| {
        let finished = release.carry_out(done.result.unwrap().to_string().as_bytes()).await.unwrap();
        let tally = finished.outcome.tally();
        (tally.sessions, tally.passwords, tally.members)
    };
    amend(&*ledger, &id, &session.user.sub, since, kept).await.unwrap();
    assert_eq!(tally(pool.change_password(&session).await.unwrap()).await, (0, 1, 0));
    assert_eq!(tally(pool.admin_set_user_password("anna", false).await.unwrap()).await, (0, 0, 0));
    assert_eq!(tally(pool.admin_reset_user_password("anna").await.unwrap()).await, (0, 0, 0));
    assert_eq!(tally(pool.admin_enable_user("anna").await.unwrap()).await, (0, 0, 0));
    assert_eq!(tally(pool.admin_disable_user("anna").await.unwrap()).await, (1, 0, 0));
    assert_eq!(tally(pool.admin_delete_user("anna").await.unwrap()).await, (0, 0, 1));
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
