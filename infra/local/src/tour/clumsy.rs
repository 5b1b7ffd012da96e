//! A rule with a mistake in it, to show what a mistake comes to.

use cognito_triggers::prelude::*;
use schemars::JsonSchema;
use serde::Deserialize;

/// Lets in who was born in time, and takes for granted that everybody says when that was.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct AdultsOnly {
    /// The last year of birth that gets in.
    born_until: i16,
}

/// The line that is shown.
pub(super) const MISTAKE: &str = r#"let born = event.attributes().birthdate().unwrap();"#;

impl Configured for AdultsOnly {
    const SECTION: &'static str = "adults-only";

    fn attach(self, chains: &mut Chains) -> Result<(), ConfigError> {
        chains.attach(self).to::<PreSignUp>().done()
    }
}

impl Rule<PreSignUp> for AdultsOnly {
    #[allow(clippy::unwrap_used, reason = "this is the mistake")]
    async fn apply(&self, event: &Event<PreSignUp>, _: &mut Visit<PreSignUp>) -> Answer<PreSignUp> {
        let born = event.attributes().birthdate().unwrap();
        if born.year() > self.born_until {
            return Ok(Verdict::deny("Please come back when you are older"));
        }
        Ok(Verdict::Continue)
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_line_that_is_shown_is_the_one_that_is_run() {
        assert_eq!(include_str!("clumsy.rs").matches(super::MISTAKE).count(), 2);
    }
}
