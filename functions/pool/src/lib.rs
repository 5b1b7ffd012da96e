//! Every rule in one Lambda, for every trigger of a user pool.
//!
//! Attach the one function to all triggers; it tells them apart by `triggerSource`, and answers an event no rule is attached
//! to as it came. Rules without a table in `triggers.toml` are off.

use access_code::AccessCode;
use admin_notice::AdminNotice;
use domain_allow_list::DomainAllowList;
use maintenance::Maintenance;
use password_age::PasswordAge;
use s3_provisioning::S3Provisioning;
use session_limit::SessionLimit;
use sign_in_alert::SignInAlert;
use sign_in_count::SignInCount;
use templated_message::TemplatedMessage;
use unique_nickname::UniqueNickname;
use user_events::UserEvents;
use welcome_email::WelcomeEmail;
use win_back::WinBack;

/// Every rule of the house. Among rules that cost the same, the earlier one is asked first.
pub type Rules = (
    Maintenance,
    DomainAllowList,
    AccessCode,
    UniqueNickname,
    PasswordAge,
    SessionLimit,
    S3Provisioning,
    WelcomeEmail,
    AdminNotice,
    UserEvents,
    SignInCount,
    SignInAlert,
    WinBack,
    TemplatedMessage,
);
