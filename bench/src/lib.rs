//! What is measured here is always beside the reference it is compared with: figures drift from machine to machine and
//! from minute to minute, ratios hold. The measurements are the binaries and benches of this package; here is what they
//! have in common.

mod contest;
mod subjects;

pub use contest::{Contest, Results, Row, median};
pub use subjects::{Pool, ROOT_KEY, code, large, parse_and_print, sign_up};
