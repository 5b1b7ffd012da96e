// The user is confirmed whatever the Lambda answers, so there is nothing to deny.
use cognito_triggers::prelude::*;

struct TooLate;

impl Rule<PostConfirmation> for TooLate {
    async fn apply(&self, _: &Event<PostConfirmation>, _: &mut Visit<PostConfirmation>) -> Answer<PostConfirmation> {
        Ok(Verdict::deny("Too late"))
    }
}

fn main() {}
