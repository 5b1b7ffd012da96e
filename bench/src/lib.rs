//! What is measured here is always beside the reference it is compared with: figures drift from machine to machine and
//! from minute to minute, ratios hold. The measurements are the binaries and benches of this package; here is what they
//! have in common.

mod contest;
mod dynamodb;
mod signature;
mod subjects;
mod work;

pub use contest::{Contest, Results, Row, median};
pub use dynamodb::{Call, Dynamodb};
pub use subjects::{Pool, ROOT_KEY, code, large, parse_and_print, sign_up};
pub use work::Work;

#[cfg(test)]
mod tests {
    #[test]
    fn the_references_are_built_as_the_functions_are() {
        let profile = |manifest: &'static str| {
            let (_, rest) = manifest.split_once("[profile.release]\n").unwrap();
            rest.lines().take_while(|line| line.contains(" = ")).collect::<Vec<_>>()
        };
        let ours = profile(include_str!("../../Cargo.toml"));
        assert!(ours.contains(&"lto = \"fat\""), "{ours:?}");
        assert_eq!(profile(include_str!("../reference/Cargo.toml")), ours);
    }
}
