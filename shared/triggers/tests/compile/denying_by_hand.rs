// A denial cannot be made past the gate either.
use cognito_triggers::Denial;
use cognito_triggers::prelude::*;

fn main() {
    let denial = Denial { message: "No".into(), acts: Vec::new(), trigger: Default::default() };
    let _: Verdict<CustomMessage> = Verdict::Deny(denial);
}
