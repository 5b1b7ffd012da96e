//! `cargo local gallery`: every mail and message of a configuration in the browser, to look at before users do.
//!
//! A server for this machine alone shows a page. What stands in it is made by the very code that makes mails and answers
//! Cognito, anew whenever a file is saved: [`project`] finds what there is to be shown, [`render`] makes it.

mod item;
mod packaged;
mod preview;
mod project;
mod render;
mod segments;
mod server;
mod trouble;
mod watched;

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::sync::Arc;

use clap::Args;
use futures_util::future::{Either, select};
use tokio::net::TcpListener;

use crate::world::{Problem, World};
use project::{Project, Source};
use server::Gallery;

/// What is to be shown, and where.
#[derive(Args, Debug)]
pub(crate) struct GalleryArguments {
    /// The configuration; without it the one a function would take: TRIGGERS_CONFIG, else triggers.toml, else all that is
    /// built in
    file: Option<PathBuf>,

    /// The port on this machine; 0 takes a free one
    #[arg(long, default_value_t = 4680)]
    port: u16,
}

/// Where a function finds its configuration if no variable names one.
const PLACES: [&str; 2] = ["/opt/triggers/triggers.toml", "triggers.toml"];

pub(crate) async fn run(arguments: &GalleryArguments, world: &mut World<'_>) -> Result<u8, Problem> {
    let there = world.variables.contains_key("TRIGGERS_CONFIG") || PLACES.iter().any(|place| Path::new(place).exists());
    let source = match &arguments.file {
        Some(file) => Source::File(Some(file.clone())),
        None if there => Source::File(None),
        None => Source::BuiltIn,
    };
    let project = Project::new(source, world.variables.clone());
    // What is wrong from the beginning is not for the page to say: most likely it is another file that is meant.
    project.open()?;
    let listener = bind(arguments.port).await?;
    let address = listener.local_addr()?;
    let what = project.name();
    writeln!(world.out, "The gallery of {what} is at http://{address}/")?;
    if project.is_built_in() {
        writeln!(world.out, "There is no triggers.toml here: name one to see its own mails and messages")?;
    }
    writeln!(world.out, "Ctrl-C ends it")?;
    // Whoever waits for the address reads a pipe as well as a terminal.
    world.out.flush()?;
    let serving = pin!(server::serve(listener, Arc::new(Gallery::new(project, address.port()))));
    match select(serving, pin!(tokio::signal::ctrl_c())).await {
        Either::Left(((), _)) => Err(Problem::new("the gallery has ended by itself; start it again")),
        Either::Right((Ok(()), _)) => Ok(0),
        Either::Right((Err(error), _)) => Err(Problem::new(format!("Ctrl-C cannot be waited for: {error}"))),
    }
}

/// Listens on this machine, where no other can ask.
async fn bind(port: u16) -> Result<TcpListener, Problem> {
    TcpListener::bind(("127.0.0.1", port)).await.map_err(|error| match error.kind() {
        ErrorKind::AddrInUse => Problem::new(format!(
            "port {port} is taken, perhaps by another gallery; end that one, or take a free port with --port 0"
        )),
        _ => Problem::new(format!("port {port} cannot be listened on: {error}; take a free one with --port 0")),
    })
}

#[cfg(test)]
mod tests;
