//! `poolctl application-key`: what an application signs with.

use cognito_triggers::{ConfigError, Keys};

use crate::world::{Problem, World};

/// Prints the key, and beside it that it is one.
pub(crate) fn print(world: &mut World<'_>) -> Result<(), Problem> {
    let root = world.variables.get("TRIGGERS_KEY").map_or("", String::as_str);
    if root.is_empty() {
        let error = ConfigError::new("there is no root key to derive it from").at("TRIGGERS_KEY");
        return Err(error.remedy("set it to what the functions have").into());
    }
    let keys = Keys::parse(root).map_err(|error| error.at("TRIGGERS_KEY"))?;
    let key = keys.application_key().ok_or_else(|| Problem::new("TRIGGERS_KEY holds no key"))?;
    writeln!(world.out, "{key}")?;
    writeln!(world.err, "This is a secret: keep it on the application's server, in no browser, app or repository.")?;
    Ok(())
}
