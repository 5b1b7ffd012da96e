//! The command line.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::application_key;
use crate::invitations::{self, CreateArguments};
use crate::maintenance::{self, OffArguments, OnArguments};
use crate::members::{self, MembersArguments};
use crate::names::{self, BackfillArguments};
use crate::open::{Missing, Opener};
use crate::outbox::{self, DropArguments, ListArguments, RedriveArguments, ShowArguments};
use crate::world::{Problem, World};

/// The operator's hand for a user pool with cognito-triggers
#[derive(Parser, Debug)]
#[command(name = "poolctl", version)]
#[command(
    after_help = "Region and credentials of AWS come from the environment (AWS_REGION, AWS_ACCESS_KEY_ID, ...); \
    from a profile: eval \"$(aws configure export-credentials --format env)\""
)]
struct Arguments {
    #[command(flatten)]
    place: Place,

    #[command(subcommand)]
    command: Command,
}

/// Where the pool is.
#[derive(Args, Debug)]
pub(crate) struct Place {
    /// The configuration whose [services] are used; without it TRIGGERS_CONFIG, else triggers.toml
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,

    /// The ledger instead: dynamodb:TABLE or sqlite:FILE
    #[arg(long, global = true, value_name = "ADDRESS")]
    pub(crate) ledger: Option<String>,

    /// The directory instead: cognito or local:FILE
    #[arg(long, global = true, value_name = "ADDRESS")]
    pub(crate) directory: Option<String>,

    /// The id of the user pool, e.g. eu-central-1_AbC123xyz
    #[arg(long, global = true, value_name = "ID")]
    pool: Option<String>,
}

#[derive(Subcommand, Debug)]
enum Command {
    /// Prints the key applications sign with what they pass along of their users: a secret, derived from TRIGGERS_KEY
    ApplicationKey,
    /// Invitations: codes that let a limited number of users in
    #[command(subcommand)]
    Invitations(Invitations),
    /// Maintenance: closes the pool or one app client at once, and opens it again
    #[command(subcommand)]
    Maintenance(Maintenance),
    /// Members: what is remembered of the users, e.g. how often and when they signed in
    Members(MembersArguments),
    /// Names that are held by one user each
    #[command(subcommand)]
    Names(Names),
    /// The outbox: mails, files and events that are not delivered yet
    #[command(subcommand)]
    Outbox(Outbox),
}

#[derive(Subcommand, Debug)]
enum Invitations {
    /// Makes invitations and prints their codes, this once: only hashes are stored
    Create(CreateArguments),
    /// Lists them, by the beginning of the hash
    List {
        /// Prints JSON
        #[arg(long)]
        json: bool,
    },
    /// Takes one back: it lets nobody in any more. Who is in stays in
    Revoke {
        /// The code, or the beginning of the hash as `list` shows it
        #[arg(value_name = "HASH|CODE")]
        which: String,
    },
}

#[derive(Subcommand, Debug)]
enum Maintenance {
    /// Closes. What was said before is replaced
    On(OnArguments),
    /// Opens again
    Off(OffArguments),
    /// Shows what is closed. Windows are in triggers.toml, and are not looked at
    Status {
        /// Prints JSON
        #[arg(long)]
        json: bool,
    },
}

#[derive(Subcommand, Debug)]
enum Names {
    /// Holds the names of users who were there before unique-nickname was switched on
    Backfill(BackfillArguments),
}

#[derive(Subcommand, Debug)]
enum Outbox {
    /// Lists deliveries: what is due, waits for another try, or is parked
    List(ListArguments),
    /// Shows one
    Show(ShowArguments),
    /// Has deliveries tried again at once, as if they had never failed
    Redrive(RedriveArguments),
    /// Gives one up for good
    Drop(DropArguments),
}

/// Runs the program and answers its exit code: 0 done, 1 not done. The first argument is the program's name.
pub async fn run(arguments: impl IntoIterator<Item = OsString>, mut world: World<'_>) -> u8 {
    let world = &mut world;
    let ended = match Arguments::try_parse_from(arguments) {
        Ok(arguments) => dispatch(arguments, world).await,
        Err(error) => usage(&error, world),
    };
    match ended.and_then(|code| Ok(world.out.flush().map(|()| code)?)) {
        Ok(code) => code,
        Err(problem) => {
            // If even this cannot be written, the exit code has to do.
            let _ = writeln!(world.err, "error: {problem}");
            1
        }
    }
}

async fn dispatch(arguments: Arguments, world: &mut World<'_>) -> Result<u8, Problem> {
    if matches!(arguments.command, Command::ApplicationKey) {
        return application_key::print(world).map(|()| 0);
    }
    // Whoever makes the first invitation may make the file for it; where all others find none, the address is wrong.
    let first = matches!(arguments.command, Command::Invitations(Invitations::Create(_)));
    let missing = if first { Missing::Made } else { Missing::Refused };
    let opener = Opener::of(&arguments.place, world.variables.clone().into_iter().collect(), missing)?;
    let pool = arguments.place.pool.filter(|pool| !pool.is_empty());
    let pool =
        pool.ok_or_else(|| Problem::new("no pool is named; name it with --pool, e.g. --pool eu-central-1_AbC123xyz"))?;
    if !pool.contains('_') {
        return Err(Problem::new(format!(
            "`{pool}` is not the id of a user pool; write the id, e.g. eu-central-1_AbC123xyz"
        )));
    }
    match arguments.command {
        // Needs no pool.
        Command::ApplicationKey => Ok(()),
        Command::Invitations(Invitations::Create(arguments)) => {
            invitations::create(&opener, &pool, &arguments, world).await
        }
        Command::Invitations(Invitations::List { json }) => invitations::list(&opener, &pool, json, world).await,
        Command::Invitations(Invitations::Revoke { which }) => invitations::revoke(&opener, &pool, &which, world).await,
        Command::Maintenance(Maintenance::On(arguments)) => maintenance::on(&opener, &pool, &arguments, world).await,
        Command::Maintenance(Maintenance::Off(arguments)) => maintenance::off(&opener, &pool, &arguments, world).await,
        Command::Maintenance(Maintenance::Status { json }) => maintenance::status(&opener, &pool, json, world).await,
        Command::Members(arguments) => members::list(&opener, &pool, &arguments, world).await,
        Command::Names(Names::Backfill(arguments)) => names::backfill(&opener, &pool, &arguments, world).await,
        Command::Outbox(Outbox::List(arguments)) => outbox::list(&opener, &pool, &arguments, world).await,
        Command::Outbox(Outbox::Show(arguments)) => outbox::show(&opener, &pool, &arguments, world).await,
        Command::Outbox(Outbox::Redrive(arguments)) => outbox::redrive(&opener, &pool, &arguments, world).await,
        Command::Outbox(Outbox::Drop(arguments)) => outbox::drop(&opener, &pool, &arguments, world).await,
    }?;
    Ok(0)
}

/// Help goes to the output and is no error; everything else is wrong usage.
fn usage(error: &clap::Error, world: &mut World<'_>) -> Result<u8, Problem> {
    let text = error.render().to_string();
    if error.use_stderr() {
        writeln!(world.err, "{}", text.trim_end())?;
        return Ok(1);
    }
    writeln!(world.out, "{}", text.trim_end())?;
    Ok(0)
}

#[cfg(test)]
mod tests;
