//! The guided tour: what the rules do, shown on a fresh pool by the real handlers.
//!
//! Every scene says what should happen, does it, and looks whether it did. What is printed is what happened.

mod clock;
mod clumsy;
mod guide;
mod scenes;
mod sign_in;
mod stage;

#[cfg(test)]
mod tests;

use crate::home::Home;
use crate::world::{Problem, World};
use guide::Guide;
use stage::Stage;

/// Takes the tour. The exit code is 0 if every scene went as told.
pub(crate) async fn run(home: &Home, world: &mut World<'_>) -> Result<u8, Problem> {
    let stage = Stage::set(home).await?;
    let mut guide = Guide::new(world, &stage);
    guide.welcome()?;
    scenes::play(&stage, &mut guide).await?;
    guide.farewell()
}
