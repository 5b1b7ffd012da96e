//! The command line.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Parser, Subcommand};

use crate::check::CheckArguments;
use crate::event::EventArguments;
use crate::gallery::GalleryArguments;
use crate::home::{DEFAULT_FOLDER, Home};
use crate::invoke::InvokeArguments;
use crate::members::MembersArguments;
use crate::outbox::OutboxArguments;
use crate::package::PackageArguments;
use crate::policy::PolicyArguments;
use crate::sessions::SessionsArguments;
use crate::starter::StarterArguments;
use crate::world::{Problem, World};
use crate::{check, event, gallery, grants, invoke, members, outbox, package, policy, sessions, starter, tour};

/// A user pool on this machine. Without a command: a guided tour
#[derive(Parser, Debug)]
#[command(name = "local", bin_name = "cargo local", version)]
#[command(after_help = "Exit codes: 0 done or passed, 1 wrong usage or configuration, 2 denied, 3 fault")]
struct Arguments {
    /// The folder of the local pool
    #[arg(long, global = true, value_name = "FOLDER", default_value = DEFAULT_FOLDER)]
    folder: PathBuf,

    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand, Debug)]
enum Command {
    /// Shows what the rules do, against a fresh pool (this is what happens without a command)
    Tour,
    /// Prints a realistic event of a trigger source
    Event(EventArguments),
    /// Runs one event through the real handler of a function, and delivers what it leaves to be delivered
    Invoke(InvokeArguments),
    /// Lists mails, files and events that are not delivered yet, and delivers what is due
    Outbox(OutboxArguments),
    /// Lists what the ledger remembers of each user
    Members(MembersArguments),
    /// Lists where users are signed in
    Sessions(SessionsArguments),
    /// Checks a configuration and shows what it does
    Check(CheckArguments),
    /// Shows every mail and message of a configuration in the browser
    Gallery(GalleryArguments),
    /// Copies built-in templates into a folder, to be changed
    Starter(StarterArguments),
    /// Writes what a Lambda layer needs: a configuration with its templates
    Package(PackageArguments),
    /// Prints the IAM policy a function's role needs for a configuration
    Policy(PolicyArguments),
    /// Prints what every function's role may need of AWS
    Grants,
    /// Prints the JSON Schema of triggers.toml, for editors
    Schema,
}

/// Runs the program and answers its exit code. The first argument is the program's name.
pub async fn run(arguments: impl IntoIterator<Item = OsString>, mut world: World<'_>) -> u8 {
    let world = &mut world;
    let ended = match Arguments::try_parse_from(arguments) {
        Ok(arguments) => dispatch(arguments, world).await,
        Err(error) => usage(&error, world),
    };
    let ended = ended.and_then(|code| Ok(world.out.flush().map(|()| code)?));
    match ended {
        Ok(code) => code,
        Err(problem) => {
            let word = world.error_paint().red("error:");
            for line in problem.to_string().lines() {
                // A line that is moved in belongs to the one before. If nothing can be written, the exit code has to do.
                let _ = if line.starts_with(' ') {
                    writeln!(world.err, "{line}")
                } else {
                    writeln!(world.err, "{word} {line}")
                };
            }
            1
        }
    }
}

async fn dispatch(arguments: Arguments, world: &mut World<'_>) -> Result<u8, Problem> {
    let home = Home::at(&arguments.folder);
    match arguments.command {
        None | Some(Command::Tour) => tour::run(&home, world).await,
        Some(Command::Event(arguments)) => event::run(&arguments, world),
        Some(Command::Invoke(arguments)) => invoke::run(&arguments, &home, world).await,
        Some(Command::Outbox(arguments)) => outbox::run(&arguments, &home, world).await,
        Some(Command::Members(arguments)) => members::run(&arguments, &home, world).await,
        Some(Command::Sessions(arguments)) => sessions::run(&arguments, &home, world).await,
        Some(Command::Check(arguments)) => check::run(&arguments, world),
        Some(Command::Gallery(arguments)) => gallery::run(&arguments, world).await,
        Some(Command::Starter(arguments)) => starter::run(&arguments, world),
        Some(Command::Package(arguments)) => package::run(&arguments, world),
        Some(Command::Policy(arguments)) => policy::run(&arguments, world),
        Some(Command::Grants) => grants::run(world),
        Some(Command::Schema) => {
            let schema =
                cognito_triggers::config::schema_with::<pool::Rules, links::Settings>(links::Settings::SECTION);
            let text = serde_json::to_string_pretty(&schema).map_err(|error| Problem::new(error.to_string()))?;
            writeln!(world.out, "{text}")?;
            Ok(0)
        }
    }
}

/// Help goes to the output and is no error; everything else is wrong usage.
fn usage(error: &clap::Error, world: &mut World<'_>) -> Result<u8, Problem> {
    let text = error.render();
    if error.use_stderr() {
        let text = if world.error_colours { text.ansi().to_string() } else { text.to_string() };
        writeln!(world.err, "{}", text.trim_end())?;
        return Ok(1);
    }
    let text = if world.colours { text.ansi().to_string() } else { text.to_string() };
    writeln!(world.out, "{}", text.trim_end())?;
    Ok(0)
}

#[cfg(test)]
pub(crate) mod tests {
    use std::collections::BTreeMap;
    use std::path::Path;

    use boon::{Compiler, Schemas};

    use super::*;

    /// Exit code, output, error output.
    pub(crate) async fn local(folder: &Path, arguments: &[&str], input: &str) -> (u8, String, String) {
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let world = World {
            out: &mut out,
            err: &mut err,
            input: &mut input.as_bytes(),
            variables: BTreeMap::new(),
            colours: false,
            error_colours: false,
        };
        let folder = format!("--folder={}", folder.display());
        let code = run(["local", &folder].iter().chain(arguments).map(OsString::from), world).await;
        (code, String::from_utf8(out).unwrap(), String::from_utf8(err).unwrap())
    }

    fn place() -> tempfile::TempDir {
        tempfile::tempdir().unwrap()
    }

    pub(crate) fn configured(text: &str) -> (tempfile::TempDir, String) {
        let folder = place();
        let file = folder.path().join("triggers.toml");
        std::fs::write(&file, text).unwrap();
        (folder, file.display().to_string())
    }

    #[tokio::test]
    async fn every_source_has_an_event_in_any_case() {
        let folder = place();
        for source in cognito_triggers::TriggerSource::ALL {
            let (code, out, err) = local(folder.path(), &["event", &source.as_str().to_uppercase()], "").await;
            assert_eq!((code, err.as_str()), (0, ""), "{source}");
            let event: serde_json::Value = serde_json::from_str(&out).unwrap();
            assert_eq!(event["triggerSource"], source.as_str());
        }
        let (_, list, _) = local(folder.path(), &["event", "--list"], "").await;
        let listed = list.lines().filter(|line| !line.is_empty()).count();
        assert_eq!(listed, cognito_triggers::TriggerSource::ALL.len());
        assert!(!folder.path().join("key").exists(), "an event needs no key");
    }

    #[tokio::test]
    async fn an_event_is_changed_where_it_is_told_to() {
        let folder = place();
        let set = |set: &'static str| ["event", "PreSignUp_SignUp", "--set", set];
        for (change, pointer, expected) in [
            (
                "request.userAttributes.email=a@b.example",
                "/request/userAttributes/email",
                serde_json::json!("a@b.example"),
            ),
            (
                "request.userAttributes.custom:plan=gold",
                "/request/userAttributes/custom:plan",
                serde_json::json!("gold"),
            ),
            (r#"request.clientMetadata.a\.b=[1,"x"]"#, "/request/clientMetadata/a.b", serde_json::json!([1, "x"])),
            ("request.userAttributes.email=null", "/request/userAttributes/email", serde_json::json!(null)),
            (r#"userName="7""#, "/userName", serde_json::json!("7")),
            ("userName=a=b", "/userName", serde_json::json!("a=b")),
        ] {
            let (code, out, err) = local(folder.path(), &set(change), "").await;
            assert_eq!((code, err.as_str()), (0, ""), "{change}");
            let event: serde_json::Value = serde_json::from_str(&out).unwrap();
            assert_eq!(event.pointer(pointer), Some(&expected), "{change}");
            assert!(out.starts_with("{\n  \"version\""), "the order of keys is Cognito's");
        }
        let (code, _, err) = local(folder.path(), &set("userName"), "").await;
        assert_eq!(
            (code, err.as_str()),
            (1, "error: --set userName: a value is missing; write --set userName=<value>\n")
        );
        let version = ["event", "TokenGeneration_Authentication", "--version", "3"];
        assert!(local(folder.path(), &version, "").await.1.contains("\"version\": \"3\""));
    }

    #[tokio::test]
    async fn a_misspelt_source_is_set_right() {
        let folder = place();
        let (code, out, err) = local(folder.path(), &["event", "PreSingUp_SignUp"], "").await;
        assert_eq!((code, out.as_str()), (1, ""));
        assert!(
            err.starts_with("error: there is no trigger source `PreSingUp_SignUp`; did you mean\n  PreSignUp_SignUp\n"),
            "{err}"
        );
        let (_, _, err) = local(folder.path(), &["event", "pretokengeneration"], "").await;
        assert!(err.contains("\n  TokenGeneration_HostedAuth\n"), "{err}");
    }

    #[tokio::test]
    async fn the_exit_code_is_the_outcome() {
        let (folder, file) = configured(
            "[services]\nledger = \"dynamodb:prod\"\n[domain-allow-list]\nallow = [\"example.com\"]\n[unique-nickname]\n",
        );
        let (_, event, _) = local(folder.path(), &["event", "PreSignUp_SignUp"], "").await;
        let invoke = ["invoke", "pool", "-", "--config", &file];
        let (code, out, err) = local(folder.path(), &invoke, &event).await;
        assert_eq!((code, out.trim_end()), (0, event.trim_end()), "{err}");
        assert!(err.contains("not dynamodb:prod") && err.contains("\n  passed\n"), "{err}");

        let stranger = event.replace("@example.com", "@evilexample.com");
        let (code, out, err) = local(folder.path(), &invoke, &stranger).await;
        assert_eq!(code, 2);
        let answer: serde_json::Value = serde_json::from_str(&out).unwrap();
        assert_eq!(answer["errorType"], "Denied");
        assert!(err.contains("denied by domain-allow-list") && err.contains("PreSignUp failed with error "), "{err}");

        // The database is gone, and a folder stands in its place.
        let broken = format!("[services]\nledger = \"sqlite:{}\"\n[unique-nickname]\n", folder.path().display());
        let (_other, broken) = configured(&broken);
        let (code, _, err) = local(folder.path(), &["invoke", "pool", "-", "--config", &broken], &event).await;
        assert_eq!(code, 1, "{err}");
    }

    #[tokio::test]
    async fn what_needs_no_service_leaves_nothing_behind() {
        let (folder, file) = configured("[domain-allow-list]\nallow = [\"example.com\"]\n");
        let (_, event, _) = local(folder.path(), &["event", "PreSignUp_SignUp"], "").await;
        let (code, _, _) = local(folder.path(), &["invoke", "domain-allow-list", "-", "--config", &file], &event).await;
        assert_eq!(
            (code, folder.path().join("key").exists(), folder.path().join("pool.db").exists()),
            (0, false, false)
        );
    }

    #[tokio::test]
    async fn a_fault_ends_with_three_and_shows_its_cause() {
        let (folder, file) = configured("[unique-nickname]\n");
        let (_, event, _) = local(folder.path(), &["event", "PreSignUp_SignUp"], "").await;
        let invoke = ["invoke", "unique-nickname", "-", "--config", &file];
        assert_eq!(local(folder.path(), &invoke, &event).await.0, 0);
        spoil(&folder.path().join("pool.db"));
        let (code, out, err) = local(folder.path(), &invoke, &event.replace("Anni", "Berta")).await;
        assert_eq!(code, 3, "{out}{err}");
        assert!(out.contains("Something went wrong on our side") && err.contains("the log has"), "{out}{err}");
        assert!(!out.contains("spoilt"), "the cause reaches the user: {out}");
    }

    /// Makes every write to the database fail from now on.
    fn spoil(file: &Path) {
        let database = rusqlite::Connection::open(file).unwrap();
        let tables: Vec<String> = database
            .prepare("SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite%'")
            .unwrap()
            .query_map((), |row| row.get(0))
            .unwrap()
            .collect::<Result<_, _>>()
            .unwrap();
        for table in tables {
            let trigger = format!(
                "CREATE TRIGGER spoilt_{table} BEFORE INSERT ON {table} BEGIN SELECT RAISE(FAIL, 'spoilt'); END"
            );
            database.execute(&trigger, ()).unwrap();
        }
    }

    #[tokio::test]
    async fn what_is_no_event_is_refused_with_its_place() {
        let (folder, file) = configured("[domain-allow-list]\nallow = [\"example.com\"]\n");
        let invoke = |event: &'static str| ["invoke", "pool", event, "--config"].map(str::to_owned).to_vec();
        for (event, input, expected) in [
            ("-", "{\"a\":\n  x}", "error: the standard input:2:3: this is not JSON"),
            ("-", "[]", "error: the standard input: an event is a JSON object"),
            ("-", " \n", "error: the standard input is empty"),
            ("no.json", "", "error: there is no file `no.json`"),
        ] {
            let mut arguments = invoke(event);
            arguments.push(file.clone());
            let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
            let (code, out, err) = local(folder.path(), &arguments, input).await;
            assert_eq!((code, out.as_str()), (1, ""));
            assert!(err.starts_with(expected), "{err}");
        }
        let (code, _, err) = local(folder.path(), &["invoke", "unique-nicknam", "-"], "{}").await;
        assert!(code == 1 && err.contains("did you mean `unique-nickname`?"), "{err}");
        for other in ["courier", "links", "session_release"] {
            let (code, _, err) = local(folder.path(), &["invoke", other, "-"], "{}").await;
            assert!(code == 1 && err.contains("answers no trigger") && !err.contains("did you mean"), "{err}");
        }
    }

    #[tokio::test]
    async fn an_event_is_as_deep_as_the_function_lets_it_be() {
        let (folder, file) = configured("[domain-allow-list]\nallow = [\"example.com\"]\n");
        let (_, event, _) = local(folder.path(), &["event", "PreSignUp_SignUp"], "").await;
        let deep = format!("{}1e999{}", "[".repeat(1_000), "]".repeat(1_000));
        let event = event.replacen('{', &format!("{{\n  \"later\": {deep},"), 1);
        let (code, out, err) = local(folder.path(), &["invoke", "pool", "-", "--config", &file], &event).await;
        assert_eq!((code, out.trim_end()), (0, event.trim_end()), "{err}");
    }

    #[tokio::test]
    async fn a_variable_that_is_missing_is_to_be_set_here() {
        let (folder, file) = configured("[access-code]\ncodes = [{ env = \"SIGN_UP_CODE\" }]\n");
        let (code, out, err) = local(folder.path(), &["invoke", "pool", "-", "--config", &file], "{}").await;
        assert_eq!((code, out.as_str()), (1, ""));
        assert!(err.ends_with("the environment variable `SIGN_UP_CODE` is not set; set it and try again\n"), "{err}");
    }

    #[tokio::test]
    async fn every_mistake_of_a_configuration_is_a_line() {
        let (folder, file) = configured("[domain-allow-list]\nalow = []\n\n[unique-nicknam]\n");
        let (code, out, err) = local(folder.path(), &["check", &file], "").await;
        assert_eq!((code, out.as_str()), (1, ""));
        let lines: Vec<_> = err.lines().collect();
        assert_eq!(lines.len(), 2, "{err}");
        assert!(lines[0].starts_with(&format!("error: {file}:2: domain-allow-list.alow: ")), "{err}");
        assert!(lines[1].starts_with(&format!("error: {file}:4: unique-nicknam: ")), "{err}");
        let (code, _, err) = local(folder.path(), &["check", "no.toml"], "").await;
        assert_eq!((code, err.as_str()), (1, "error: there is no file `no.toml`; name the path of a triggers.toml\n"));
    }

    #[tokio::test]
    async fn a_sound_configuration_is_shown() {
        let (folder, file) = configured(
            "[services]\nledger = \"dynamodb:t\"\ndirectory = \"cognito\"\n[domain-allow-list]\nallow = [\"example.com\"]\n\
             [access-code]\ncodes = [{ env = \"SIGN_UP_CODE\" }]\n[pools.\"eu-central-1_Q\".access-code]\noff = true\n",
        );
        let (code, out, err) = local(folder.path(), &["check", &file], "").await;
        assert_eq!((code, err.as_str()), (0, ""));
        let out = out.replace(&file, "triggers.toml");
        insta::assert_snapshot!(out);
    }

    #[tokio::test]
    async fn templates_and_the_sender_are_checked_too() {
        let (folder, file) =
            configured("[services]\nledger = \"dynamodb:t\"\nmailer = \"ses:Acme <hello>\"\n[welcome-email]\n");
        let (code, out, err) = local(folder.path(), &["check", &file], "").await;
        assert_eq!((code, out.as_str()), (1, ""));
        assert!(err.starts_with(&format!("error: {file}:3: services.mailer: this is not a mailbox")), "{err}");

        std::fs::write(&file, std::fs::read_to_string(&file).unwrap().replace("hello", "hello@acme.example")).unwrap();
        assert_eq!(local(folder.path(), &["check", &file], "").await.0, 0);
        let template = folder.path().join("templates/welcome-email");
        std::fs::create_dir_all(&template).unwrap();
        std::fs::write(template.join("en.subject"), "Welcome").unwrap();
        std::fs::write(template.join("en.html"), "<p>Hello\n{{ user.given_nmae }}</p>").unwrap();
        let (code, out, err) = local(folder.path(), &["check", &file], "").await;
        assert_eq!((code, out.as_str()), (1, ""));
        assert!(err.contains("en.html:2") && err.contains("user.given_nmae"), "{err}");
    }

    #[tokio::test]
    async fn the_table_of_the_pages_is_checked_too() {
        let checked = async |links: &str, more: &str| {
            let (folder, file) = configured(&format!(
                "[services]\nledger = \"dynamodb:t\"\ndirectory = \"cognito\"\nmailer = \"ses:Acme <hello@acme.example>\"\n\
                 links = \"{links}\"\n[win-back]\nafter-days = 60\n{more}\n"
            ));
            let template = folder.path().join("templates/not-me-notice");
            std::fs::create_dir_all(&template).unwrap();
            std::fs::write(template.join("en.subject"), "Look").unwrap();
            std::fs::write(template.join("en.txt"), "{{ user_nmae }}").unwrap();
            let (code, out, err) = local(folder.path(), &["check", &file], "").await;
            (code, out.replace(&file, "triggers.toml"), err.replace(&file, "triggers.toml"))
        };
        let (code, out, _) = checked("https://links.acme.example/", "").await;
        assert!(code == 0 && out.contains(&format!("  {:30}https://links.acme.example/\n", "links")), "{out}");
        assert!(out.contains("not-me-notice: no rule uses this template"), "nobody is told: {out}");

        let (code, _, err) = checked("http://links.acme.example/", "").await;
        assert_eq!(code, 1);
        assert!(err.starts_with("error: triggers.toml:5: services.links: this is not an address"), "{err}");

        for pool in ["links", "pools.\"eu-central-1_Q\".links"] {
            let more = format!("[{pool}]\nadministrators = \"ops\"\n[win-bakc]");
            let (code, _, err) = checked("https://links.acme.example/", &more).await;
            let starts = [format!("9: {pool}.administrators: "), "10: win-bakc: ".to_owned()];
            assert_eq!((code, err.lines().count()), (1, starts.len()), "{err}");
            for (line, start) in err.lines().zip(starts) {
                assert!(line.starts_with(&format!("error: triggers.toml:{start}")), "{err}");
            }
        }

        for pool in ["links", "pools.\"eu-central-1_Q\".links"] {
            let more = format!("[{pool}]\nadministrators = \"ops@acme.example\"");
            let (code, _, err) = checked("https://links.acme.example/", &more).await;
            assert!(code == 1 && err.contains("not-me-notice/en.txt:1") && err.contains("user_nmae"), "{err}");
        }
    }

    #[tokio::test]
    async fn what_is_used_and_what_is_not_is_told() {
        let (folder, file) = configured(
            "[services]\nledger = \"dynamodb:t\"\nmailer = \"smtp:localhost\"\ntemplates = \"texts\"\n[welcome-email]\n\
             [s3-provisioning]\nfiles = \"provision/\"\n",
        );
        std::fs::create_dir_all(folder.path().join("provision")).unwrap();
        std::fs::write(folder.path().join("provision/first.md"), "# Hello").unwrap();
        let (code, out, _) = local(folder.path(), &["check", &file], "").await;
        assert_eq!(code, 0);
        let has = |line: &str| assert!(out.lines().any(|it| it.trim_start().starts_with(line)), "{line} in {out}");
        has(&format!("{:30}built in", "welcome-email"));
        has(&format!("{:30}{}", "provision", folder.path().join("provision").display()));
        has(&format!("! {file}:3: services.mailer: the functions of this repository have no mailer called `smtp`; "));
        has("! services.templates: there is no folder ");

        let misnamed = folder.path().join("texts/welcome-mail");
        std::fs::create_dir_all(&misnamed).unwrap();
        let (_, out, _) = local(folder.path(), &["check", &file], "").await;
        assert!(out.contains(&format!("! {}: no rule uses this template; ", misnamed.display())), "{out}");
        assert!(!out.contains("there is no folder"), "{out}");
    }

    #[tokio::test]
    async fn a_folder_has_a_sender_too() {
        let (folder, file) = configured("[services]\nmailer = \"folder:mail?from=Acme\"\n[welcome-email]\n");
        let (code, _, err) = local(folder.path(), &["check", &file], "").await;
        assert_eq!(code, 1);
        assert!(err.starts_with(&format!("error: {file}:2: services.mailer: this is not a mailbox")), "{err}");
        assert!(!folder.path().join("mail").exists(), "a check makes nothing");
    }

    #[tokio::test]
    async fn the_schema_names_every_rule() {
        let folder = place();
        let (code, out, _) = local(folder.path(), &["schema"], "").await;
        let schema: serde_json::Value = serde_json::from_str(&out).unwrap();
        assert_eq!(code, 0);
        let rules = crate::functions::Function::ALL.iter().map(|function| function.name()).filter(|it| *it != "pool");
        for rule in rules.chain(["services", "pools"]) {
            assert!(schema["properties"][rule].is_object(), "{rule}");
        }
    }

    #[tokio::test]
    async fn in_the_table_of_the_pages_the_schema_refuses_what_a_check_refuses() {
        let (_, schema, _) = local(place().path(), &["schema"], "").await;
        let (mut schemas, mut compiler) = (Schemas::new(), Compiler::new());
        compiler.add_resource("triggers.json", serde_json::from_str(&schema).unwrap()).unwrap();
        let index = compiler.compile("triggers.json", &mut schemas).unwrap();

        let long = format!("product-name = \"{}\"", "x".repeat(61));
        for (settings, is_right) in [
            ("", true),
            ("administrators = \"ops@acme.example\"\nfrom = \"Acme <hello@acme.example>\"", true),
            ("administrators = [\"ops@acme.example\"]\nproduct-name = \"Acme\"\nlocale = \"de-AT\"", true),
            ("administrator = \"ops@acme.example\"", false),
            ("off = true", false),
            ("locale = \"Deutsch\"", false),
            (long.as_str(), false),
        ] {
            for table in ["links", "pools.\"eu-central-1_Q\".links"] {
                let text = format!("[sign-in-count]\n[services]\nledger = \"dynamodb:t\"\n[{table}]\n{settings}\n");
                let (folder, file) = configured(&text);
                let (code, _, err) = local(folder.path(), &["check", &file], "").await;
                assert_eq!(code == 0, is_right, "{text}{err}");
                let table = serde_json::to_value(text.parse::<toml::Table>().unwrap()).unwrap();
                let judged = schemas.validate(&table, index).map_err(|error| error.to_string());
                assert_eq!(judged.is_ok(), is_right, "{text}{judged:?}");
            }
        }
    }

    #[tokio::test]
    async fn wrong_usage_is_one_and_help_is_none() {
        let folder = place();
        let (code, _, err) = local(folder.path(), &["evnt"], "").await;
        assert!(code == 1 && err.contains("'event'"), "{err}");
        assert_eq!(local(folder.path(), &["event"], "").await.0, 1);
        let (code, out, _) = local(folder.path(), &["--help"], "").await;
        assert!(code == 0 && out.contains("cargo local"), "{out}");
    }
}
