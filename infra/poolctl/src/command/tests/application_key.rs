//! The key for applications.

use super::*;

/// Worked out with Python's `hmac`: HKDF-SHA256 without salt over the root, `cognito-triggers/v1/application` as info, 32 bytes.
const DERIVED: &str = "coD2okXXdCduRjJRCWJi+qelk4dUGkO5ZEaolr/4ntw=\n";

#[tokio::test]
async fn the_key_for_applications_needs_neither_a_pool_nor_a_ledger() {
    let bench = Bench::new();
    let (code, out, err) = bench.run_bare(&["poolctl", "application-key"]).await;
    assert_eq!((code, out.as_str()), (0, DERIVED), "{err}");
    assert!(err.starts_with("This is a secret"), "it goes where it is not piped on with the key");
    assert_eq!(bench.run(&["application-key"]).await.1, DERIVED);
}

#[tokio::test]
async fn without_a_usable_root_key_it_says_what_to_do() {
    let run = async |key| Bench { key, ..Bench::new() }.run_bare(&["poolctl", "application-key"]).await;
    let (code, out, err) = run(None).await;
    assert_eq!((code, out.as_str()), (1, ""));
    assert_eq!(err, "error: TRIGGERS_KEY: there is no root key to derive it from; set it to what the functions have\n");
    let (code, _, err) = run(Some("hunter2")).await;
    assert_eq!(code, 1);
    assert!(err.starts_with("error: TRIGGERS_KEY: the root key") && !err.contains("hunter2"), "{err}");
}
