//! A set of files for every new user.
//!
//! ```toml
//! [s3-provisioning]
//! files         = "provision/"              # a folder beside triggers.toml, or
//! # copy-from   = "templates/new-user/"     # objects of the same bucket
//! prefix        = "users/{{ sub }}/"
//! onboard-since = 2026-01-31                # in a pool that had users before
//! ```
//!
//! Every user gets the whole set once, under keys of the user's own ([`prefix`]). Files of a folder are filled with what is
//! known of the user; objects are copied within the bucket as they are. It is recorded in the ledger in the same write that
//! marks the user as provided for, and carried out after the confirmation at once or by the courier later. A file that is there
//! already is left as it is, so that trying again neither doubles a file nor overwrites what the user made of it.
//!
//! Who never passes the confirmation, because an administrator created the user or the ledger was down, is provided for at the
//! first completed sign-in.
//!
//! What it does not do: bring a file back that the user removed, or change files when the set changes.

use std::collections::BTreeSet;

use cognito_triggers::AttributeName;
use cognito_triggers::grants::{self, Grant, When};
use cognito_triggers::ledger::{FileSource, Files};
use cognito_triggers::onboarding::{self, Newcomer, Onboarding, Onboards, Since};
use cognito_triggers::prelude::*;
use cognito_triggers::services::{TemplateUse, sample_contexts};
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};

pub mod prefix;

#[cfg(test)]
mod tests;

use prefix::Prefix;

/// The settings. Exactly one of `files` and `copy-from` says where the files come from.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct S3Provisioning {
    /// A folder beside `triggers.toml` that is shipped with the function, e.g. `provision/`: at most 100 files. Placeholders in
    /// text files and names are filled for each user.
    #[serde(default)]
    files: Option<String>,
    /// What the keys of the objects begin with that every user gets a copy of, e.g. `templates/new-user/`: at most 100 objects
    /// of the same bucket. Nothing in them is filled.
    #[serde(default)]
    copy_from: Option<String>,
    /// What the keys of a user's files begin with. `{{ sub }}` stands for the user and has to be there, `{{ pool }}` for the id
    /// of the pool.
    #[serde(default)]
    prefix: Prefix,
    /// The attributes that files may be filled with, beside `sub`. Left out, all. What is not named here is not kept until the
    /// files are put.
    #[serde(default)]
    attributes: Option<BTreeSet<AttributeName>>,
    /// Whether users who were not heard of before are provided for at a sign-in. Costs one read of the ledger per sign-in.
    #[serde(default = "yes")]
    at_sign_in: bool,
    /// Provides at a sign-in only for users created at this time or later: a date, in UTC, or a time with its offset. Left out,
    /// everybody who was not heard of before counts as new. Needs a directory.
    #[serde(default)]
    onboard_since: Option<Since>,
}

const fn yes() -> bool {
    true
}

const COPIED: &[When] = &[When::set("copy-from")];
const COPIED_INLINE: &[When] = &[grants::INLINE, When::set("copy-from")];

impl Configured for S3Provisioning {
    const SECTION: &'static str = "s3-provisioning";
    const ON_FAULT: OnFault = OnFault::Continue;
    const TRIGGERS: &'static [&'static str] = &[PostConfirmation::NAME, PostAuthentication::NAME];
    const GRANTS: &'static [Grant] = &[
        grants::READ,
        grants::WRITE,
        grants::PUT_FILES.inline(),
        grants::READ_FILES.inline().when(COPIED_INLINE),
        grants::LIST_FILES.inline().when(COPIED_INLINE),
        grants::ACKNOWLEDGE.inline(),
        grants::PUT_FILES.by_courier(),
        grants::READ_FILES.by_courier().when(COPIED),
        grants::LIST_FILES.by_courier().when(COPIED),
        grants::FIND_NEWCOMER,
    ];

    fn attach(self, chains: &mut Chains) -> Result<(), ConfigError> {
        let at_sign_in = self.at_sign_in;
        let rule = Provision::try_from(self)?;
        chains.need(Need::Ledger).need(Need::Bucket);
        if let FileSource::Folder(folder) = &rule.from {
            let samples = sample_contexts().into_iter().map(|context| rule.told(context)).collect();
            chains.uses(TemplateUse::Files { folder: folder.clone(), samples });
        }
        onboarding::attach(rule, at_sign_in, chains)
    }
}

/// The rule: settings that make sense.
#[derive(Debug)]
struct Provision {
    from: FileSource,
    prefix: Prefix,
    attributes: Option<BTreeSet<AttributeName>>,
    since: Option<Since>,
}

impl Onboards for Provision {
    const KEY: &'static str = S3Provisioning::SECTION;

    fn onboard_since(&self) -> Option<Timestamp> {
        self.since.map(|Since(time)| time)
    }

    fn onboard(&self, newcomer: &Newcomer<'_>) -> Result<Option<Onboarding>, Fault> {
        let to = self.prefix.of(newcomer.pool, newcomer.sub)?;
        let context = match &self.from {
            FileSource::Prefix(prefix) if to.starts_with(prefix.as_str()) => {
                return Err(Fault::new("a user's files would be among those that are copied for every user"));
            }
            // What is copied is not filled.
            FileSource::Prefix(_) => Map::new(),
            FileSource::Folder(_) => self.told(newcomer.context()),
        };
        Ok(Some(Task::Files(Files { from: self.from.clone(), to, context }).into()))
    }
}

impl Provision {
    /// What of a context files may be filled with.
    fn told(&self, mut context: Map<String, Value>) -> Map<String, Value> {
        if let (Some(names), Some(Value::Object(user))) = (&self.attributes, context.get_mut("user")) {
            user.retain(|name, _| name == "sub" || names.contains(name.as_str()));
        }
        context
    }
}

impl TryFrom<S3Provisioning> for Provision {
    type Error = ConfigError;

    fn try_from(settings: S3Provisioning) -> Result<Self, ConfigError> {
        let S3Provisioning { files, copy_from, prefix, attributes, onboard_since: since, .. } = settings;
        let from = match (files, copy_from) {
            (Some(files), None) => {
                if let Some(name) = attributes.iter().flatten().find(|name| name.is_of_account()) {
                    return Err(ConfigError::new(format!("no file can be filled with `{name}`"))
                        .at("attributes")
                        .remedy("remove it: it is about the account, and not given to templates"));
                }
                FileSource::Folder(folder(&files).map_err(|error| error.at("files"))?)
            }
            (None, Some(from)) => {
                let from = templates(from, &prefix).map_err(|error| error.at("copy-from"))?;
                if attributes.is_some() {
                    return Err(ConfigError::new("what is copied is not filled with attributes")
                        .at("attributes")
                        .remedy("remove it, or ship the files in a folder named by `files`"));
                }
                FileSource::Prefix(from)
            }
            (Some(_), Some(_)) => {
                return Err(ConfigError::new("the files come from two places").at("copy-from").remedy(
                    "keep `files` for a folder that is shipped with the function, or `copy-from` for objects of the bucket",
                ));
            }
            (None, None) => {
                return Err(ConfigError::new("neither `files` nor `copy-from` says where the files come from").remedy(
                    "write files = \"provision/\" for a folder beside the configuration, or copy-from = \"templates/\" for objects of the bucket",
                ));
            }
        };
        Ok(Self { from, prefix, attributes, since })
    }
}

/// A folder below that of the configuration, without its closing `/`.
fn folder(text: &str) -> Result<String, ConfigError> {
    let folder = text.strip_suffix('/').unwrap_or(text);
    // The folder of the configuration itself would hand the configuration to every user.
    if folder.split('/').any(|step| matches!(step.trim(), "" | "." | "..")) || folder.contains('\\') {
        return Err(ConfigError::new("this is not a folder beside the configuration")
            .remedy("write it as `provision/`, with neither `.` nor `..`"));
    }
    Ok(folder.to_owned())
}

/// What the keys of templates begin with.
fn templates(from: String, to: &Prefix) -> Result<String, ConfigError> {
    if from.is_empty() || from.starts_with('/') || !from.ends_with('/') {
        return Err(ConfigError::new("this is not what keys of templates begin with")
            .remedy("write it with a `/` at the end and none at the start, e.g. `templates/new-user/`"));
    }
    if to.common().starts_with(&from) {
        return Err(ConfigError::new("users' files would be among the templates, and be copied to the next user")
            .remedy("keep the templates apart from `prefix`, e.g. under `templates/new-user/`"));
    }
    Ok(from)
}
