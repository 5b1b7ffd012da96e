// A rule without a table in triggers.toml cannot be in a function's list.
use cognito_triggers::RuleSet;
use cognito_triggers::prelude::*;

struct Unconfigured;

impl Rule<PreSignUp> for Unconfigured {
    async fn apply(&self, _: &Event<PreSignUp>, _: &mut Visit<PreSignUp>) -> Answer<PreSignUp> {
        Ok(Verdict::Continue)
    }
}

fn serve<R: RuleSet>() {}

fn main() {
    serve::<(Unconfigured,)>();
}
