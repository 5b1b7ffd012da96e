//! Users to try templates with.

use serde_json::{Map, Value};

/// A user who might well sign up.
#[derive(Clone, Debug, PartialEq)]
pub struct SampleUser {
    /// What is special, e.g. `long names`.
    pub about: &'static str,
    /// The attributes, by name.
    pub attributes: Map<String, Value>,
}

/// Users with short and long names, in several scripts and in both directions of writing, one who told nothing, and one who
/// means harm.
#[must_use]
pub fn sample_users() -> Vec<SampleUser> {
    let sub = "0a1b2c3d-0000-4000-8000-00000000a77a";
    let user = |about, told: &[(&str, &str)]| {
        let mut attributes = Map::new();
        attributes.extend(told.iter().map(|(name, value)| ((*name).to_owned(), Value::from(*value))));
        attributes.insert("sub".to_owned(), sub.into());
        SampleUser { about, attributes }
    };
    let (family, nickname) = ("von Hohenstein-Ebersbach zu Weissenfels und Altmark ".repeat(8), "x".repeat(2048));
    let hostile =
        "</p><script>alert(1)</script>{{ code }}{####}{% raw %}\r\nBcc: x@evil.example\u{202e}\u{200d}\u{0}\u{e000}";
    vec![
        user(
            "somebody",
            &[
                ("email", "anna@example.com"),
                ("email_verified", "true"),
                ("name", "Anna Schmidt"),
                ("given_name", "Anna"),
                ("family_name", "Schmidt"),
                ("nickname", "Anni"),
                ("preferred_username", "anna"),
                ("locale", "de-DE"),
                ("zoneinfo", "Europe/Berlin"),
                ("birthdate", "1992-02-29"),
                ("phone_number", "+491700000000"),
            ],
        ),
        user("nothing told", &[("email", "b@example.org")]),
        user("a short name", &[("email", "o@example.net"), ("given_name", "O"), ("family_name", "Å"), ("name", "O Å")]),
        user(
            "long names",
            &[
                ("email", "maximiliane.von.hohenstein-ebersbach.zu.weissenfels@subdomain.department.example.com"),
                ("given_name", "Maximiliane Theodora Wilhelmine Friederike-Charlotte"),
                ("family_name", family.trim_end()),
                ("nickname", &nickname),
                ("locale", "en-GB"),
            ],
        ),
        user(
            "another script",
            &[
                ("email", "yuki@example.jp"),
                ("name", "山田 雪子"),
                ("given_name", "雪子"),
                ("family_name", "山田"),
                ("nickname", "🧑‍🚀ゆき"),
                ("locale", "ja"),
                ("zoneinfo", "Asia/Tokyo"),
                ("birthdate", "1990-05-05"),
            ],
        ),
        user(
            "written from right to left",
            &[
                ("email", "layla@example.com"),
                ("name", "ليلى بنت عبد الرحمن"),
                ("given_name", "ليلى"),
                ("family_name", "عبد\u{200c}الرحمن"),
                ("locale", "ar-EG"),
                ("zoneinfo", "Africa/Cairo"),
            ],
        ),
        user(
            "means harm",
            &[
                ("email", "x@example.com"),
                ("given_name", hostile),
                ("family_name", hostile),
                ("name", hostile),
                ("nickname", "https://evil.example/win"),
                ("locale", hostile),
                ("zoneinfo", hostile),
                ("birthdate", hostile),
                ("custom:plan", hostile),
            ],
        ),
    ]
}
