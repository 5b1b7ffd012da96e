//! The courier.
fn main() {}
