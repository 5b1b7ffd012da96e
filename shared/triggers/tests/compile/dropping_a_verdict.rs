// A verdict that is not returned has no effect.
#![deny(unused_must_use)]
use cognito_triggers::prelude::*;

fn closed(_: &Event<PreSignUp>, _: &mut Visit<PreSignUp>) -> Answer<PreSignUp> {
    Verdict::<PreSignUp>::deny("We are closed");
    Ok(Verdict::Continue)
}

fn main() {
    let _ = Trial::of(closed);
}
