// A denial cannot be made past the gate either.
use cognito_triggers::Denial;
use cognito_triggers::prelude::*;

fn main() {
    let _: Verdict<CustomMessage> = Verdict::Deny(Denial { message: "No".into(), trigger: Default::default() });
}
