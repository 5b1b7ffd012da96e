//! Every rule in one Lambda, for every trigger of a user pool.
//!
//! Attach the one function to all triggers; it tells them apart by `triggerSource`, and answers an event no rule is attached
//! to as it came. Rules without a table in `triggers.toml` are off.

use access_code::AccessCode;
use admin_notice::AdminNotice;
use domain_allow_list::DomainAllowList;
use s3_provisioning::S3Provisioning;
use unique_nickname::UniqueNickname;
use user_events::UserEvents;
use welcome_email::WelcomeEmail;

/// Every rule of the house. Among rules that cost the same, the earlier one is asked first.
pub type Rules = (DomainAllowList, AccessCode, UniqueNickname, S3Provisioning, WelcomeEmail, AdminNotice, UserEvents);
