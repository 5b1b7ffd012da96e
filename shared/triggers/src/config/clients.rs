//! App clients, as tables name them.

use super::ConfigError;

/// Whether this can be the id of an app client, rather than its name: 1 to 128 letters, digits, `_` and `+`.
#[must_use]
pub fn is_client_id(text: &str) -> bool {
    // ClientIdType of the service's API: `[\w+]+`, 1 to 128.
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'+';
    (1..=128).contains(&text.len()) && text.bytes().all(fits)
}

/// Refuses what cannot be the id of an app client: a setting for one that nobody signs in at would have no effect.
///
/// # Errors
///
/// If one is none, at this key of the table at hand.
pub fn check_clients<'a>(key: &str, clients: impl IntoIterator<Item = &'a String>) -> Result<(), ConfigError> {
    match clients.into_iter().find(|client| !is_client_id(client)) {
        Some(client) => Err(ConfigError::new(format!("`{client}` is not the id of an app client"))
            .at(key)
            .remedy("write the id, e.g. `1example23456789`, not the name")),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_app_client_is_named_by_its_id() {
        for id in ["1example23456789", "a", "A_b+9", &"x".repeat(128)] {
            assert!(is_client_id(id), "{id}");
        }
        for other in ["", "web app", "*", "web-app", "caf\u{e9}", &"x".repeat(129)] {
            assert!(!is_client_id(other), "{other}");
        }
    }
}
