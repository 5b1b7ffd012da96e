//! What is shown, in its order.

use cognito_triggers::Fault;
use cognito_triggers::report::Outcome;
use jiff::SignedDuration;

use super::clumsy::MISTAKE;
use super::guide::Guide;
use super::sign_in;
use super::stage::{CODE, Stage};
use crate::paint::Paint;
use crate::pool::{Applicant, Credentials, Done, Federated, LocalPool};
use crate::witness::Seen;
use crate::world::Problem;

/// Plays every scene.
pub(super) async fn play(stage: &Stage, guide: &mut Guide<'_, '_>) -> Result<(), Problem> {
    guide.chapter("Who may sign up")?;
    domains(stage, guide).await?;
    codes(stage, guide).await?;
    guide.chapter("One name, one user")?;
    names(stage, guide).await?;
    guide.chapter("Confirmation")?;
    confirmation(stage, guide).await?;
    once(stage, guide).await?;
    tenant(stage, guide).await?;
    guide.chapter("Other ways in")?;
    other_ways(stage, guide).await?;
    sign_in::play(stage, guide).await?;
    guide.chapter("When something breaks")?;
    outage(stage, guide).await?;
    breakage(stage, guide).await
}

const SIGNED_UP: &str = "signed up; Cognito mails a code to confirm the address";

fn person(name: &str, email: &str, nickname: &str) -> Applicant {
    Applicant::named(name).with("email", email).with("nickname", nickname)
}

async fn domains(stage: &Stage, guide: &mut Guide<'_, '_>) -> Result<(), Problem> {
    guide.scene("Anna signs up: anna@example.com, nickname Anna, with the code of the house")?;
    let anna = person("anna", "anna@example.com", "Anna").with("locale", "de-AT").validation("accessCode", CODE);
    let done = stage.pool.sign_up(anna).await?;
    guide.passes("Anna", &done, SIGNED_UP).await?;
    guide.fact("", "the nickname is reserved for her for an hour", Paint::dim)?;

    guide.scene("Eve signs up: eve@evilexample.com")?;
    let eve = person("eve", "eve@evilexample.com", "Eve").validation("accessCode", CODE);
    let done = stage.pool.sign_up(eve).await?;
    guide.refused("Eve", &done, "Please sign up with your company address")?;
    guide.told(stage.pool.find("eve").await?.is_none(), "there is a user eve now")
}

async fn codes(stage: &Stage, guide: &mut Guide<'_, '_>) -> Result<(), Problem> {
    let bela = || person("bela", "bela@dev.example.org", "Bela");
    guide.scene("Bela signs up without a code")?;
    let done = stage.pool.sign_up(bela()).await?;
    guide.refused("Bela", &done, "Please enter your access code")?;

    guide.scene("Bela guesses one")?;
    let done = stage.pool.sign_up(bela().validation("accessCode", "open-sesame")).await?;
    guide.refused("Bela", &done, "This access code is not valid")?;

    let (code, key) = stage.invite(1).await?;
    guide.scene("The operator makes an invitation for one user, and Bela takes it")?;
    guide.aside(&format!("{code}: 128 random bits; the ledger has a keyed hash of it and not the code itself."))?;
    let done = stage.pool.sign_up(bela().validation("accessCode", &code)).await?;
    guide.passes("Bela", &done, SIGNED_UP).await?;
    uses(stage, guide, &key, (0, 1)).await?;

    guide.scene("Carl tries the same invitation")?;
    let carl = person("carl", "carl@example.com", "Carl").validation("accessCode", code.to_lowercase());
    let done = stage.pool.sign_up(carl).await?;
    guide.refused("Carl", &done, "This access code has been used up")?;

    guide.scene("Bela confirms the address: only now the invitation is used for good")?;
    let done = stage.pool.confirm("bela").await?;
    guide.passes("Bela", &done, "confirmed").await?;
    uses(stage, guide, &key, (1, 0)).await
}

async fn uses(
    stage: &Stage,
    guide: &mut Guide<'_, '_>,
    key: &cognito_triggers::ledger::InvitationKey,
    expected: (usize, usize),
) -> Result<(), Problem> {
    let (used, reserved) = stage.uses(key).await?;
    guide.fact("the invitation", &format!("{used} of 1 used, {reserved} reserved"), Paint::dim)?;
    guide
        .told((used, reserved) == expected, &format!("{} used and {} reserved were to be seen", expected.0, expected.1))
}

async fn names(stage: &Stage, guide: &mut Guide<'_, '_>) -> Result<(), Problem> {
    let dana = |nickname: &str| person("dana", "dana@example.com", nickname).validation("accessCode", CODE);
    guide.scene("Dana wants the nickname ＡＮＮＡ, in full-width capitals")?;
    guide.aside(
        "A name is taken by one conditional write, so of many who ask at once one gets it. Whose write is refused has the \
         rules asked again, and they look for a variation that is free.",
    )?;
    let done = stage.pool.sign_up(dana("ＡＮＮＡ")).await?;
    guide.refused_so("Dana", &done, |message| suggestion(message).is_some())?;

    guide.scene("Dana wants Аnnа, with two Cyrillic letters")?;
    let done = stage.pool.sign_up(dana("Аnnа")).await?;
    guide.refused_so("Dana", &done, |message| suggestion(message).is_some())?;

    guide.scene("Dana asks for Anna once more, and takes what is suggested")?;
    let done = stage.pool.sign_up(dana("Anna")).await?;
    guide.refused_so("Dana", &done, |message| suggestion(message).is_some_and(|name| name.starts_with("Anna")))?;
    let name = done.result.err().and_then(|refused| suggestion(&refused.message)).unwrap_or_default();
    let done = stage.pool.sign_up(dana(&name)).await?;
    guide.passes("Dana", &done, SIGNED_UP).await?;
    profile(guide, &stage.pool, "Dana", "dana", |nickname| nickname == name).await
}

/// The free name a refusal suggests.
fn suggestion(message: &str) -> Option<String> {
    let text = message.strip_prefix("PreSignUp failed with error This nickname is taken. A free one is ")?;
    text.strip_suffix('.').map(str::to_owned)
}

async fn confirmation(stage: &Stage, guide: &mut Guide<'_, '_>) -> Result<(), Problem> {
    guide.scene("Anna confirms her address: she is in")?;
    guide.aside(
        "The nickname is hers for good. What else there is to be done for her is recorded in the same write, so that nothing \
         of it is lost whatever fails now, and then done at once.",
    )?;
    let done = stage.pool.confirm("anna").await?;
    let seen = guide.passes_in_full("Anna", &done, "confirmed").await?;
    guide.told(numbers(&seen) == (2, 2, 1), "there were to be two mails, two files and an event")?;
    let greeted = |one: &Seen| matches!(one, Seen::Mail { to, .. } if to == &["anna@example.com"]);
    guide.told(seen.iter().any(greeted), "Anna was to be greeted")?;

    guide.scene("Cognito had no answer in time and sends the same event again")?;
    guide.aside(
        "It may do so with every event. Nothing happens twice: what was done is found done, and not written again.",
    )?;
    let Some(first) = done.steps.first() else { return guide.told(false, "there was no event") };
    let again = stage.pool.repeat(first).await?;
    guide.step(&again)?;
    let mut seen = stage.post.seen();
    seen.extend(guide.courier().await?);
    guide.told(again.report.outcome == Outcome::Passed, "that was to pass")?;
    guide.told(again.report.calls.writes == 0, "that was to write nothing")?;
    guide.told(seen.is_empty(), "that was to send nothing")?;
    profile(guide, &stage.pool, "Anna", "anna", |nickname| nickname == "Anna").await
}

async fn once(stage: &Stage, guide: &mut Guide<'_, '_>) -> Result<(), Problem> {
    guide.scene("Anna forgets her password and chooses another")?;
    guide.aside("Cognito says so with a PostConfirmation as well, and nobody is welcomed again.")?;
    let before = stage.count_mails();
    let done = stage.pool.confirm_forgot_password("anna").await?;
    let seen = guide.passes_in_full("Anna", &done, "has a new password").await?;
    guide.told(stage.count_mails() == before, "that was to send no mail")?;
    guide.told(numbers(&seen) == (0, 0, 1), "there was to be an event and nothing else")
}

/// How many mails, new files and events.
pub(super) fn numbers(seen: &[Seen]) -> (usize, usize, usize) {
    let count = |kind: fn(&Seen) -> bool| seen.iter().filter(|one| kind(one)).count();
    (
        count(|one| matches!(one, Seen::Mail { .. })),
        count(|one| matches!(one, Seen::File { existed: false, .. })),
        count(|one| matches!(one, Seen::Event { .. })),
    )
}

async fn tenant(stage: &Stage, guide: &mut Guide<'_, '_>) -> Result<(), Problem> {
    guide.scene("Another pool, Globex, whose policy is `assign`: two users called Kim sign up")?;
    let kim = |user: &str| person(user, &format!("{user}@example.com"), "Kim").validation("accessCode", CODE);
    let first = stage.tenant.sign_up(kim("kim.k")).await?;
    guide.passes("Kim K.", &first, SIGNED_UP).await?;
    let second = stage.tenant.sign_up(kim("kim.n")).await?;
    guide.passes("Kim N.", &second, SIGNED_UP).await?;

    guide.scene("Both confirm, and whose name is taken is given a variation")?;
    guide.aside(
        "Nothing can change an attribute before there is a user, so this is done after confirmation, and recorded in \
                 the same write as the decision: should it fail now, it is tried again later.",
    )?;
    let first = stage.tenant.confirm("kim.k").await?;
    guide.passes("Kim K.", &first, "confirmed").await?;
    profile(guide, &stage.tenant, "Kim K.", "kim.k", |nickname| nickname == "Kim").await?;
    let second = stage.tenant.confirm("kim.n").await?;
    guide.passes("Kim N.", &second, "confirmed").await?;
    profile(guide, &stage.tenant, "Kim N.", "kim.n", |nickname| nickname != "Kim" && nickname.starts_with("Kim")).await
}

async fn other_ways(stage: &Stage, guide: &mut Guide<'_, '_>) -> Result<(), Problem> {
    guide.scene("An administrator creates Fay: the domain counts, a code is not needed")?;
    let fay = person("fay", "fay@example.com", "Fay").with("email_verified", "true");
    let done = stage.pool.admin_create_user(fay).await?;
    guide.passes("Fay", &done, "created, and will choose a password at the first sign-in").await?;

    guide.scene("Fay signs in for the first time")?;
    guide.aside(
        "Cognito sends no PostConfirmation for users an administrator made, so she is met here: the nickname becomes hers, and \
         she is welcomed. A sign-in waits for no mail: the courier does it right after.",
    )?;
    let done = stage.pool.sign_in(Credentials::of("fay")).await?;
    guide.passes("Fay", &done, "signed in").await?;

    guide.scene("Gus comes from Google, where he is called Anna too")?;
    guide.aside(
        "He cannot choose another name there, so he is let in and renamed, whatever the policy. Nobody has proven that the \
         address is his, so no welcome is mailed to it; `trusted-providers` would change that.",
    )?;
    let gus =
        Federated::at("Google", "100000000000000000007").with("email", "gus@example.com").with("nickname", "Anna");
    let user = gus.user_name();
    let done = stage.pool.federated_sign_in(gus).await?;
    guide.passes("Gus", &done, "signed in").await?;
    profile(guide, &stage.pool, "Gus", &user, |nickname| nickname != "Anna" && nickname.starts_with("Anna")).await?;

    guide.scene("Bela changes his nickname to Anna in the profile, and signs in")?;
    guide.aside("No trigger sees a change of the profile, so it is put right at the next sign-in.")?;
    stage.pool.update_attributes("bela", &[("nickname", "Anna")]).await?;
    let done = stage.pool.sign_in(Credentials::of("bela")).await?;
    guide.passes("Bela", &done, "signed in").await?;
    profile(guide, &stage.pool, "Bela", "bela", |nickname| nickname != "Anna" && nickname.starts_with("Anna")).await
}

/// Shows a nickname as the directory has it.
async fn profile(
    guide: &mut Guide<'_, '_>,
    pool: &LocalPool,
    who: &str,
    user: &str,
    expected: impl Fn(&str) -> bool,
) -> Result<(), Problem> {
    let user = pool.find(user).await?.ok_or_else(|| Fault::new("the user is gone"))?;
    let nickname = user.attributes.get("nickname").map_or("", String::as_str);
    guide.fact(&format!("{who}'s profile"), &format!("nickname {nickname}"), Paint::bold)?;
    guide.told(expected(nickname), "the profile was to show another nickname")
}

async fn outage(stage: &Stage, guide: &mut Guide<'_, '_>) -> Result<(), Problem> {
    guide.scene("The mail service is down while Dana confirms her address")?;
    guide.aside("She is in and hears nothing of it. What failed stays in the outbox.")?;
    let before = stage.count_mails();
    stage.mail_service(false)?;
    let done = stage.pool.confirm("dana").await?;
    let seen = guide.passes_in_full("Dana", &done, "confirmed").await?;
    let fault = done.steps.first().and_then(|step| step.report.fault.as_ref());
    let causes = fault.map(|(_, causes)| causes.clone()).unwrap_or_default();
    guide.fact("the log has", &causes, Paint::yellow)?;
    guide.told(numbers(&seen) == (0, 2, 1) && !causes.is_empty(), "the mails were to fail, and nothing else")?;

    guide.scene("Some minutes later it is back")?;
    guide.aside(
        "The courier looks every minute for what is due. It tries for three days, later and later; what a service will never \
         take is parked for an operator to look at.",
    )?;
    stage.mail_service(true)?;
    stage.clock.pass(SignedDuration::from_mins(5));
    let seen = guide.courier().await?;
    guide.told(numbers(&seen) == (2, 0, 0) && stage.count_mails() == before + 2, "there were to be two mails")?;
    let failed = stage.post.outbox().await?.iter().filter(|delivery| delivery.fault.is_some()).count();
    guide.told(failed == 0, "nothing that failed was to be left")
}

async fn breakage(stage: &Stage, guide: &mut Guide<'_, '_>) -> Result<(), Problem> {
    guide.scene("A rule of one's own has a mistake, and Hal gives no birthdate")?;
    guide.code(MISTAKE)?;
    let done: Done<_> = stage.clumsy.sign_up(person("hal", "hal@example.com", "Hal")).await?;
    let Some(step) = done.steps.first() else { return guide.told(false, "there was no event") };
    let report = &step.report;
    let masked = format!(
        "PreSignUp failed with error Something went wrong on our side, please try again later (reference {}).",
        report.reference
    );
    guide.refused_so("Hal", &done, |message| message == masked)?;
    let causes = report.fault.as_ref().map(|(_, causes)| causes.clone()).unwrap_or_default();
    guide.fact("the log has", &format!("reference {}: {causes}", report.reference), Paint::yellow)?;
    guide.told(
        report.outcome == Outcome::Faulted && causes.contains("unwrap"),
        "that was to be a fault with its cause",
    )?;
    guide.told(stage.pool.find("hal").await?.is_none(), "there is a user hal now")
}
