//! How long an event takes from bytes to bytes, beside `serde_json` reading and printing the same event.
//!
//! `cargo bench -p cognito-triggers-bench --bench handling -- --check 3`
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "the tables are what this is for")]

use std::process::ExitCode;

use clap::Parser;
use cognito_triggers::*;
use cognito_triggers_bench::{Contest, Pool, ROOT_KEY, Row, code, large, parse_and_print, sign_up};

/// How long an event takes, beside reading and printing it with `serde_json`.
#[derive(Parser)]
struct Arguments {
    /// Fail if a sign-up through three rules is more than this many times the reference
    #[arg(long, value_name = "RATIO")]
    check: Option<f64>,
    /// Given by `cargo bench`
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> ExitCode {
    let Arguments { check, .. } = Arguments::parse();
    match measure() {
        Ok(ratio) => match check.filter(|bound| ratio > *bound) {
            Some(bound) => {
                eprintln!("a sign-up through three rules is {ratio:.2} times the reference, more than {bound}");
                ExitCode::FAILURE
            }
            None => ExitCode::SUCCESS,
        },
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Prints all tables; the ratio of a sign-up through three rules.
fn measure() -> Result<f64, String> {
    let keyless = Pool::of_three_rules(&[])?;
    let keyed = Pool::of_three_rules(&[("TRIGGERS_KEY", ROOT_KEY)])?;
    let mut ratio = 0.0;
    for (title, event) in [("PreSignUp", sign_up()), ("PreSignUp, 50 attributes", large())] {
        keyed.try_once(event.as_bytes())?;
        let event = event.as_bytes();
        let results = Contest::new(format!("{title}, {} bytes", event.len()))
            .work("serde_json: parse and print", || parse_and_print(event))
            .repeated("three rules", |times| keyless.handle(event, times))
            .repeated("three rules, user hashed for the log", |times| keyed.handle(event, times))
            .run();
        println!("{results}");
        ratio = results.rows.last().map_or(ratio, |row| row.ratio.max(ratio));
    }

    let event = sign_up();
    let event = event.as_bytes();
    let [none, one, ten, cautious] = [(0, "deny"), (1, "deny"), (10, "deny"), (10, "continue")]
        .map(|(rules, on_fault)| Pool::of_agreeing(rules, on_fault));
    let (none, one, ten, cautious) = (none?, one?, ten?, cautious?);
    let results = Contest::new("Boxed rules")
        .work("serde_json: parse and print", || parse_and_print(event))
        .repeated("no rule: echoed", |times| none.handle(event, times))
        .repeated("one rule", |times| one.handle(event, times))
        .repeated("ten rules", |times| ten.handle(event, times))
        .repeated("ten rules, on-fault = \"continue\"", |times| cautious.handle(event, times))
        .run();
    println!("{results}");

    let messages = Pool::of_messages()?;
    let event = code();
    let answer = messages.try_once(event.as_bytes())?;
    let results = Contest::new(format!("CustomMessage, {} bytes, answered with {}", event.len(), answer.len()))
        .work("serde_json: parse and print", || parse_and_print(event.as_bytes()))
        .work("serde_json: parse and print the answer", || parse_and_print(answer.as_bytes()))
        .repeated("templated-message", |times| messages.handle(event.as_bytes(), times))
        .run();
    println!("{results}");
    triggers();
    Ok(ratio)
}

/// Every trigger: reading its sample into its own type, and writing one key of the response over it where it has any.
fn triggers() {
    let [name, bytes, both, read, write] = ["each trigger", "bytes", "serde_json µs", "read", "write"];
    println!("{name:<28}  {bytes:>5}  {both:>13}  {read:>16}  {write:>16}");
    row::<PreSignUp>(|response| response.auto_verify_email = Some(true));
    row::<PostConfirmation>(|_| ());
    row::<PreAuthentication>(|_| ());
    row::<PostAuthentication>(|_| ());
    row::<CustomMessage>(|response| response.email_subject = Some("Welcome".into()));
    row::<PreTokenGenerationV1>(claim::<PreTokenGenerationV1>);
    row::<PreTokenGenerationV2>(claim::<PreTokenGenerationV2>);
    row::<PreTokenGenerationV3>(claim::<PreTokenGenerationV3>);
    row::<DefineAuthChallenge>(|response| response.issue_tokens = Some(true));
    row::<CreateAuthChallenge>(|response| response.challenge_metadata = Some("CAPTCHA".into()));
    row::<VerifyAuthChallengeResponse>(|response| response.answer_correct = Some(true));
    row::<UserMigration>(|response| response.message_action = Some(MessageAction::Suppress));
    row::<CustomEmailSender>(|_| ());
    row::<CustomSmsSender>(|_| ());
    row::<InboundFederation>(|response| {
        let name = ("given_name".to_owned(), "Anna".to_owned());
        response.user_attributes_to_map = Some([name].into_iter().collect());
    });
}

fn claim<T: TokenTrigger>(response: &mut T::Response) {
    T::add_claim(response, Tokens::Id, "tier", "gold");
}

fn row<T: Trigger>(set: impl Fn(&mut T::Response)) {
    // Without blanks, as Cognito prints it.
    let event = Event::<T>::sample().with_value(&["userName"], "anna");
    let text = event.raw();
    let mut response = T::Response::default();
    set(&mut response);
    let results = Contest::new(T::NAME)
        .work("both", || parse_and_print(text.as_bytes()))
        .work("read", || Event::<T>::parse(text))
        .work("write", || event.answer(&response))
        .run();
    if let [both, read, write] = &results.rows[..] {
        let cell = |row: &Row| format!("{:>6.2} µs {:>5.2}x", row.micros, row.ratio);
        let name = T::VERSION.map_or(T::NAME.to_owned(), |version| format!("{} {version}", T::NAME));
        println!("{name:<28}  {:>5}  {:>13.2}  {:>16}  {:>16}", text.len(), both.micros, cell(read), cell(write));
    }
}
