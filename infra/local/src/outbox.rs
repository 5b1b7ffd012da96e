//! `cargo local outbox`: what is not delivered yet, and the courier by hand.

use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use cognito_triggers::{Clock, Need};
use cognito_triggers_lambda::SystemClock;

use crate::account;
use crate::check::configuration;
use crate::functions::{Bound, Function};
use crate::home::Home;
use crate::invoke::{needs, substitute};
use crate::paint::{Paint, counted};
use crate::post::{News, Post, left};
use crate::world::{Problem, World};

/// What is to be done.
#[derive(Args, Debug)]
pub(crate) struct OutboxArguments {
    /// The configuration; without it the one a function would take: TRIGGERS_CONFIG, else triggers.toml
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,

    /// Carries out what is due first, as `invoke` and the tour do after every event
    #[arg(long)]
    deliver: bool,
}

pub(crate) async fn run(arguments: &OutboxArguments, home: &Home, world: &mut World<'_>) -> Result<u8, Problem> {
    let configuration = configuration(arguments.config.as_deref(), world)?;
    let mut needed = needs(&Bound::new(&configuration, Function::Pool), &world.environment())?;
    needed.push(Need::Ledger);
    substitute(&configuration, &needed, home, world)?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let (post, doubts) = Post::open(&configuration, &world.environment(), clock).await?;
    let paint = world.paint();
    let mut failed = false;
    if arguments.deliver {
        let word = world.error_paint().yellow("warning:");
        for doubt in doubts {
            writeln!(world.err, "{word} {doubt}")?;
        }
        let news = post.sweep().await;
        failed = !(news.trouble.is_empty() && news.left.iter().all(|delivery| delivery.fault.is_none()));
        // What is left is listed anyway.
        let rest = News { left: Vec::new(), ..news };
        for line in post.tell(&rest.seen, 0, paint).into_iter().chain(post.tell_left(&rest, 0, paint)) {
            writeln!(world.out, "{line}")?;
        }
    }
    list(&post, paint, world).await?;
    Ok(if failed { 3 } else { 0 })
}

/// Everything that is not carried out, and how many of it are of which kind.
async fn list(post: &Post, paint: Paint, world: &mut World<'_>) -> Result<(), Problem> {
    let (all, now) = (post.outbox().await?, post.now());
    if all.is_empty() {
        writeln!(world.out, "{}", paint.green("everything is delivered"))?;
        return Ok(());
    }
    let mut pool = "";
    for delivery in &all {
        if delivery.id.pool != pool {
            pool = &delivery.id.pool;
            writeln!(world.out, "{}", paint.bold(pool))?;
        }
        let (state, text) = left(delivery, now);
        let colour = |text: &str| if delivery.parked.is_some() { paint.red(text) } else { paint.yellow(text) };
        for line in account::beside(state, &text, 0, colour) {
            writeln!(world.out, "{line}")?;
        }
    }
    let parked = all.iter().filter(|delivery| delivery.parked.is_some()).count();
    let due = all.iter().filter(|delivery| delivery.is_due(now)).count();
    let all = counted(all.len(), "delivery", "deliveries");
    writeln!(world.out, "{}", paint.dim(&format!("{all}, {due} due, {parked} parked")))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use cognito_triggers::ledger::LedgerAdmin;
    use cognito_triggers_embedded::SqliteLedger;

    use crate::command::tests::{configured, local};

    const RULES: &str = "[welcome-email]\n[admin-notice]\nto = \"ops@acme.example\"\n[s3-provisioning]\n\
        files = \"provision/\"\n[user-events]\n";
    const POOL: &str = "eu-central-1_Example01";

    /// A configuration with rules that deliver, and no services.
    fn place() -> (tempfile::TempDir, String) {
        let (folder, file) = configured(RULES);
        std::fs::create_dir(folder.path().join("provision")).unwrap();
        std::fs::write(folder.path().join("provision/hello.txt"), "Hello {{ name }}").unwrap();
        (folder, file)
    }

    async fn invoke(folder: &Path, file: &str, source: &str) -> (u8, String) {
        let (_, event, _) = local(folder, &["event", source], "").await;
        let (code, out, err) = local(folder, &["invoke", "pool", "-", "--config", file], &event).await;
        assert_eq!(out.trim_end(), event.trim_end(), "{err}");
        (code, err)
    }

    fn files(folder: &Path) -> Vec<String> {
        let entries = std::fs::read_dir(folder).into_iter().flatten();
        entries.map(|file| file.unwrap().file_name().into_string().unwrap()).collect()
    }

    #[tokio::test]
    async fn what_an_event_leaves_is_delivered_and_shown() {
        let (folder, file) = place();
        let home = folder.path();
        let (code, err) = invoke(home, &file, "PostConfirmation_ConfirmSignUp").await;
        assert_eq!(code, 0, "{err}");
        for name in files(&home.join("mail")) {
            assert!(err.replace("\n", "").replace(' ', "").contains(&name), "{name} is not told:\n{err}");
        }
        assert_eq!(files(&home.join("mail")).len(), 2);
        for told in [
            "to anna@example.com: ",
            "to ops@acme.example: ",
            "users/0a1b2c3d-0000-4000-8000-00000000a77a/hello.txt",
            "user.confirmed, in ",
            "4 deliveries carried out",
        ] {
            assert!(err.contains(told), "{told} is missing:\n{err}");
        }
        let put = home.join("files/users/0a1b2c3d-0000-4000-8000-00000000a77a/hello.txt");
        assert_eq!(std::fs::read_to_string(put).unwrap(), "Hello Anna");

        let (_, err) = invoke(home, &file, "PostConfirmation_ConfirmSignUp").await;
        assert!(!err.contains("anna@example.com"), "{err}");
        assert_eq!(files(&home.join("mail")).len(), 2, "{err}");
        let (code, out, err) = local(home, &["outbox", "--config", &file], "").await;
        assert_eq!((code, out.as_str(), err.as_str()), (0, "everything is delivered\n", ""));
    }

    #[tokio::test]
    async fn what_cannot_be_delivered_is_listed_and_delivered_by_hand() {
        let (folder, file) = place();
        let home = folder.path();
        // A file in the place of the folder for mails.
        std::fs::write(home.join("mail"), "").unwrap();
        let (code, err) = invoke(home, &file, "PostAuthentication_Authentication").await;
        assert_eq!(code, 0, "{err}");
        let told = err.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(told.contains("waits the mail welcome-email: ") && told.contains("; tried again in "), "{err}");
        assert!(err.contains("hello.txt"), "what can be delivered is: {err}");
        let outbox = ["outbox", "--config", &file];
        let (code, out, _) = local(home, &outbox, "").await;
        assert_eq!(code, 0, "{out}");
        assert!(out.starts_with(POOL) && out.contains("the mail admin-notice"), "{out}");
        assert!(out.ends_with("2 deliveries, 0 due, 0 parked\n"), "{out}");

        redrive(&home.join("pool.db")).await;
        let (_, out, _) = local(home, &outbox, "").await;
        assert!(out.ends_with("2 deliveries, 2 due, 0 parked\n"), "{out}");
        let deliver = ["outbox", "--deliver", "--config", &file];
        let (code, out, _) = local(home, &deliver, "").await;
        assert!(code == 3 && out.ends_with("2 deliveries, 0 due, 0 parked\n"), "{out}");

        std::fs::remove_file(home.join("mail")).unwrap();
        redrive(&home.join("pool.db")).await;
        let (code, out, err) = local(home, &deliver, "").await;
        assert_eq!((code, err.as_str()), (0, ""), "{out}");
        assert!(out.contains("to anna@example.com: ") && out.ends_with("everything is delivered\n"), "{out}");
        assert_eq!(files(&home.join("mail")).len(), 2);
    }

    /// As `poolctl outbox redrive` does.
    async fn redrive(database: &Path) {
        let ledger = SqliteLedger::open(database).unwrap();
        for delivery in ledger.deliveries(POOL).await.unwrap() {
            // One that is tried in a moment is due then.
            assert!(ledger.redrive(&delivery.id, delivery.staged).await.unwrap());
        }
    }

    #[tokio::test]
    async fn a_folder_that_stands_in_for_a_mailer_on_aws_keeps_its_sender() {
        let sender = "ses:R&D <hello@acme.example>?configuration-set=acme&reply-to=help@acme.example";
        let (folder, file) = configured(&format!("[services]\nmailer = \"{sender}\"\n[welcome-email]\n"));
        let home = folder.path();
        let (code, err) = invoke(home, &file, "PostConfirmation_ConfirmSignUp").await;
        let mails = files(&home.join("mail"));
        assert_eq!((code, mails.len()), (0, 1), "{err}");
        let mail = std::fs::read_to_string(home.join("mail").join(&mails[0])).unwrap();
        assert!(mail.contains("From: \"R&D\" <hello@acme.example>\r\n"), "{mail}");
        assert!(mail.contains("Reply-To: <help@acme.example>\r\n"), "{mail}");
    }

    #[tokio::test]
    async fn an_outbox_that_was_never_used_is_empty() {
        let (folder, file) = place();
        let (code, out, err) = local(folder.path(), &["outbox", "--config", &file], "").await;
        assert_eq!((code, out.as_str(), err.as_str()), (0, "everything is delivered\n", ""));
        let (code, _, err) = local(folder.path(), &["outbox", "--config", "no.toml"], "").await;
        assert!(code == 1 && err.contains("there is no file `no.toml`"), "{err}");
    }
}
