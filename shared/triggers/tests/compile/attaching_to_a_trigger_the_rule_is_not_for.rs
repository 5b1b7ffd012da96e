// The rule knows PreSignUp only.
use cognito_triggers::prelude::*;

struct AtSignUp;

impl Rule<PreSignUp> for AtSignUp {
    async fn apply(&self, _: &Event<PreSignUp>, _: &mut Visit<PreSignUp>) -> Answer<PreSignUp> {
        Ok(Verdict::Continue)
    }
}

fn attach(chains: &mut Chains) -> Result<(), ConfigError> {
    chains.attach(AtSignUp).to::<PreSignUp>().to::<PostAuthentication>().done()
}

fn main() {}
