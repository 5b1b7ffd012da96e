//! Signing in: how often at a time, when the pool is closed, what is told of it, and how old a password may be.

use cognito_triggers::ledger::{Downtime, Member};
use jiff::SignedDuration;
use links::{Method, Request};
use serde_json::{Value, json};

use super::guide::Guide;
use super::stage::{POOL, Stage};
use crate::paint::{Paint, counted};
use crate::pool::{Credentials, Done, SignedIn};
use crate::world::Problem;

/// Plays these scenes.
pub(super) async fn play(stage: &Stage, guide: &mut Guide<'_, '_>) -> Result<(), Problem> {
    guide.chapter("Signing in")?;
    sessions(stage, guide).await?;
    maintenance(stage, guide).await?;
    not_me(stage, guide).await?;
    guide.chapter("As time goes by")?;
    win_back(stage, guide).await?;
    password_age(stage, guide).await
}

const FULL: &str = "You are signed in on too many devices. Please sign out on one of them first";

async fn sessions(stage: &Stage, guide: &mut Guide<'_, '_>) -> Result<(), Problem> {
    guide.scene("Anna signs in on her laptop and on her phone, and then on a tablet")?;
    guide.aside(
        "The configuration allows two sessions. The place is taken once everything is proven, by the one conditional write of the \
         sign-in, and kept when there are tokens. However many try at once, two get in.",
    )?;
    let laptop = stage.pool.sign_in(Credentials::of("anna")).await?;
    guide.passes("Anna", &laptop, "signed in on the laptop").await?;
    let phone = stage.pool.sign_in(Credentials::of("anna")).await?;
    guide.passes_again("Anna", &phone, "signed in on the phone").await?;
    let tablet = stage.pool.sign_in(Credentials::of("anna")).await?;
    refused(guide, "Anna", &tablet, "PostAuthentication", FULL)?;

    guide.scene("She signs out on the phone, and the application tells `session-release` so")?;
    guide.aside(
        "The session's id is in her tokens, as the claim `session_id`; the application's backend passes it on.",
    )?;
    let Some(session) = phone.result.as_ref().ok().and_then(|signed_in| claim(&signed_in.claims)) else {
        return guide.told(false, "the tokens were to have a claim `session_id`");
    };
    let Some(sub) = sub(&phone) else { return Ok(()) };
    let wish = json!({ "release": { "pool": POOL, "sub": sub, "session": session } });
    let answer = stage.release(&wish).await?;
    guide.fact("session-release", "gave the session back", Paint::green)?;
    guide.told(answer.get("released") == Some(&Value::Bool(true)), "the session was to be given back")?;
    let tablet = stage.pool.sign_in(Credentials::of("anna")).await?;
    guide.passes_again("Anna", &tablet, "signed in on the tablet").await?;

    guide.scene("An administrator signs her out everywhere")?;
    guide.aside(
        "No trigger hears of that. CloudTrail does, some minutes later, and EventBridge tells `session-release`.",
    )?;
    stage.clock.pass(SignedDuration::from_mins(10));
    let done = stage.pool.admin_user_global_sign_out("anna").await?;
    let Ok(event) = &done.result else { return guide.told(false, "that was to be done") };
    let answer = stage.release(event).await?;
    let ended = answer.pointer("/changed/sessions").and_then(Value::as_u64).unwrap_or_default();
    let heard = answer.get("event").and_then(Value::as_str).unwrap_or("nothing");
    guide.fact("session-release", &format!("heard of {heard}: {ended} sessions ended"), Paint::green)?;
    guide.told(ended == 2, "two sessions were to be ended")?;
    if let Ok(laptop) = &laptop.result {
        let refreshed = stage.pool.refresh_session(laptop).await?;
        let revoked = |message: &str| message == "Refresh Token has been revoked";
        guide.refused_so("Anna's laptop", &refreshed, revoked)?;
    }
    let member = stage.member(&sub).await?;
    let left = member.sessions.live(stage.now(), None).count();
    guide.told(left == 0, &format!("no session was to be left, and there are {left}"))?;
    counts(guide, "Anna", &member, 3)
}

/// What is remembered of sign-ins.
fn counts(guide: &mut Guide<'_, '_>, who: &str, member: &Member, expected: u64) -> Result<(), Problem> {
    let count = member.sign_ins.count;
    guide.fact("the ledger has", &format!("{who}: {} that passed", counted_sign_ins(count)), Paint::dim)?;
    guide.told(count == expected, &format!("{expected} were to be counted"))
}

fn counted_sign_ins(count: u64) -> String {
    counted(usize::try_from(count).unwrap_or(usize::MAX), "sign-in", "sign-ins")
}

async fn maintenance(stage: &Stage, guide: &mut Guide<'_, '_>) -> Result<(), Problem> {
    guide.scene("The operator closes the pool, and Bela comes")?;
    guide.code("poolctl maintenance on --message 'We are moving house[ until {until}], please come back later'")?;
    let text = "We are moving house[ until {until}], please come back later";
    let messages = [(String::new(), text.to_owned())].into();
    stage.close(Some(Downtime { messages, ..Downtime::since(stage.now()) })).await?;
    stage.clock.pass(SignedDuration::from_secs(10));
    let done = stage.pool.sign_in(Credentials::of("bela")).await?;
    refused(guide, "Bela", &done, "PreAuthentication", "We are moving house, please come back later")?;

    guide.scene("And opens it again")?;
    stage.close(None).await?;
    stage.clock.pass(SignedDuration::from_secs(10));
    let done = stage.pool.sign_in(Credentials::of("bela")).await?;
    guide.passes_again("Bela", &done, "signed in").await
}

async fn not_me(stage: &Stage, guide: &mut Guide<'_, '_>) -> Result<(), Problem> {
    guide.scene("Somebody who found out Anna's password signs in from a device of theirs")?;
    let done = stage.pool.sign_in(Credentials::of("anna").from_a_new_device()).await?;
    let seen = guide.passes_in_full("The stranger", &done, "signed in").await?;
    guide.told(super::scenes::numbers(&seen).0 == 1, "Anna was to get a mail")?;

    guide.scene("Anna gets the mail, and follows the link in it")?;
    guide.aside(
        "Opening it only asks, because scanners of mails open every link. The button signs out everywhere, has a new password \
         chosen, and tells the administrators.",
    )?;
    let Some(link) = stage.link_in_last_mail("anna@example.com") else {
        return guide.told(false, "there was to be a link in the mail");
    };
    let asked =
        stage.follow(&Request { method: Method::Get, query_token: Some(link.clone()), ..Request::default() }).await;
    guide.fact("the page", &headline(&asked), Paint::bold)?;
    let pressed = Request { method: Method::Post, form_token: Some(link), ..Request::default() };
    let acted = stage.follow(&pressed).await;
    guide.fact("and then", &headline(&acted), Paint::bold)?;
    let seen = guide.courier().await?;
    guide.told(super::scenes::numbers(&seen).0 == 1, "the administrators were to be told")?;
    if let Ok(stranger) = &done.result {
        let refreshed = stage.pool.refresh_session(stranger).await?;
        guide.refused_so("The stranger", &refreshed, |message| message == "Refresh Token has been revoked")?;
    }
    let again = stage.pool.sign_in(Credentials::of("anna")).await?;
    guide.refused_so("The old one", &again, |message| message == "Password reset required for the user")?;
    let done = stage.pool.confirm_forgot_password("anna").await?;
    guide.passes_again("Anna", &done, "has a new password").await
}

async fn win_back(stage: &Stage, guide: &mut Guide<'_, '_>) -> Result<(), Problem> {
    guide.scene("Sixty days pass, and Bela was not there")?;
    guide.aside(
        "At his last sign-in a mail was put into the outbox, due in sixty days. Every further sign-in would have had it put \
         off. Whoever is not there now gets it, if the address is verified.",
    )?;
    for _ in 0..2 {
        // Halfway Anna is there, so that she is not missed.
        stage.clock.pass(SignedDuration::from_hours(31 * 24));
        let done = stage.pool.sign_in(Credentials::of("anna")).await?;
        guide.told(done.result.is_ok(), "Anna was to get in")?;
        stage.post.seen();
    }
    let seen = guide.courier().await?;
    let missed =
        |to: &str| seen.iter().any(|one| matches!(one, crate::witness::Seen::Mail { to: all, .. } if all == &[to]));
    guide.told(missed("bela@dev.example.org") && !missed("anna@example.com"), "Bela was to be missed, and not Anna")?;

    guide.scene("Bela's mail program unsubscribes, with one click")?;
    let Some(link) = stage.link_in_last_mail("bela@dev.example.org") else {
        return guide.told(false, "there was to be a link in the mail");
    };
    let click = Request { method: Method::Post, query_token: Some(link), ..Request::default() };
    let page = stage.follow(&click).await;
    guide.fact("the answer", &headline(&page), Paint::bold)?;
    let done = stage.pool.sign_in(Credentials::of("bela")).await?;
    let before = stage.count_mails();
    guide.passes_again("Bela", &done, "signed in, and no mail welcomes him back").await?;
    guide.told(stage.count_mails() == before, "that was to send no mail")
}

async fn password_age(stage: &Stage, guide: &mut Guide<'_, '_>) -> Result<(), Problem> {
    guide.scene("Anna's password is nearly ninety days old")?;
    stage.clock.pass(SignedDuration::from_hours(22 * 24));
    let seen = guide.courier().await?;
    let warned = |one: &crate::witness::Seen| matches!(one, crate::witness::Seen::Mail { to, .. } if to == &["anna@example.com"]);
    guide.told(seen.iter().any(warned), "Anna was to be warned")?;

    guide.scene("A week later it is too old")?;
    guide.aside("Only now that it was proven, she is made to choose another: Cognito mails her a code.")?;
    stage.clock.pass(SignedDuration::from_hours(8 * 24));
    let done = stage.pool.sign_in(Credentials::of("anna")).await?;
    guide.refused_so("Anna", &done, |message| {
        message.starts_with("PostAuthentication failed with error Your password")
    })?;
    let done = stage.pool.confirm_forgot_password("anna").await?;
    guide.passes_again("Anna", &done, "has a new password").await?;
    let done = stage.pool.sign_in(Credentials::of("anna")).await?;
    guide.passes_again("Anna", &done, "signed in").await
}

/// A sign-in that is refused by this trigger with this text, word for word.
fn refused(
    guide: &mut Guide<'_, '_>,
    who: &str,
    done: &Done<SignedIn>,
    trigger: &str,
    text: &str,
) -> Result<(), Problem> {
    let expected = format!("{trigger} failed with error {text}.");
    guide.refused_so(who, done, |message| message == expected)
}

fn sub(done: &Done<SignedIn>) -> Option<String> {
    done.result.as_ref().ok().map(|signed_in| signed_in.user.sub.clone())
}

/// The session's id as it stands in the tokens.
fn claim(response: &Value) -> Option<String> {
    let claims = response.pointer("/claimsAndScopeOverrideDetails/accessTokenGeneration/claimsToAddOrOverride")?;
    claims.get("session_id")?.as_str().map(str::to_owned)
}

/// What stands above a page.
fn headline(page: &str) -> String {
    let text = page.split_once("<h1>").and_then(|(_, rest)| rest.split_once("</h1>"));
    text.map_or_else(|| "a page without a headline".to_owned(), |(text, _)| text.trim().to_owned())
}
