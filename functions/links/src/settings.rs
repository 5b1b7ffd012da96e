//! `[links]` in `triggers.toml`: who is told, and how the pages look.

use cognito_triggers::Mailbox;
use cognito_triggers::mailing::{Locale, Mailboxes};
use cognito_triggers::services::TemplateUse;
use schemars::JsonSchema;
use serde::de::Error;
use serde::{Deserialize, Deserializer};

use crate::act;

/// The pages behind links in mails, and who is told: the table `[links]`. All of it may be left out, and a pool may have its own.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub struct Settings {
    /// Who is told by mail that a user took back a sign-in ("this was not me"): a mailbox or up to 50. Left out, nobody.
    pub administrators: Mailboxes,
    /// Who that mail is from. Left out, whom the mailer names.
    pub from: Option<Mailbox>,
    /// What stands above the pages, at most 60 characters.
    #[serde(deserialize_with = "product_name")]
    #[schemars(length(max = LONGEST_NAME))]
    pub product_name: String,
    /// The language of the administrators, and of those whose browser asks for none of the pages' languages.
    pub locale: Locale,
}

impl Settings {
    /// Its table.
    pub const SECTION: &str = "links";

    /// The template it takes, if anybody is told: for those who look at it beforehand.
    #[must_use]
    pub fn uses(&self) -> Option<TemplateUse> {
        let notice = || TemplateUse::Mail { template: act::NOTICE.into(), samples: act::samples() };
        (!self.administrators.is_empty()).then(notice)
    }
}

/// The most characters of a name that stand on one line.
const LONGEST_NAME: usize = 60;

fn product_name<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let name = String::deserialize(deserializer)?;
    if name.chars().count() > LONGEST_NAME || name.contains(char::is_control) {
        return Err(D::Error::custom(format!(
            "this is not a name: write at most {LONGEST_NAME} characters in one line"
        )));
    }
    Ok(name.trim().to_owned())
}
