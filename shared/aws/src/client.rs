//! What all clients share: where they find AWS, who they are there, how long they wait and what carries their requests.
//!
//! `aws-config` is left out on purpose: a Lambda has its region and credentials in the environment, and looking anywhere else
//! costs a cold start more than everything else here together.

#[cfg(feature = "dynamodb")]
use std::net::IpAddr;
use std::time::Duration;

use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_smithy_runtime_api::client::behavior_version::BehaviorVersion;
use aws_smithy_runtime_api::client::stalled_stream_protection::StalledStreamProtectionConfig;
use aws_smithy_types::retry::RetryConfig;
use aws_smithy_types::timeout::TimeoutConfig;
use aws_types::SdkConfig;
use aws_types::region::Region;
use cognito_triggers::{ConfigError, Environment};

use crate::connection::{Clients, Http};
use crate::trust::Trust;

/// How long calls may take and how often they are tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Opening a connection, TLS included.
    pub connect: Duration,
    /// One attempt, connecting included: a connection that died while the function was frozen, or a server that does not
    /// answer, leaves time for another.
    pub attempt: Duration,
    /// A call with all its attempts.
    pub operation: Duration,
    /// How often a call is attempted.
    pub attempts: u32,
    /// How long a call is repeated beyond that while others have the same items in hand, beside the time its last try takes.
    pub busy: Duration,
}

impl Limits {
    /// For a function: a read and a write fit into the 4 s an event has.
    pub const EVENT: Self = Self {
        connect: Duration::from_millis(700),
        attempt: Duration::from_millis(900),
        operation: Duration::from_millis(1_900),
        attempts: 3,
        busy: Duration::from_millis(1_500),
    };

    /// For a courier: a batch is leased for two minutes, so that no call may take long, and nobody waits for its answer.
    pub const COURIER: Self = Self {
        connect: Duration::from_secs(2),
        attempt: Duration::from_secs(5),
        operation: Duration::from_secs(12),
        attempts: 4,
        busy: Duration::from_secs(5),
    };

    /// For an operator's tool, which nobody's sign-in waits for.
    pub const TOOL: Self = Self {
        connect: Duration::from_secs(5),
        attempt: Duration::from_secs(10),
        operation: Duration::from_secs(40),
        attempts: 5,
        busy: Duration::from_secs(20),
    };

    pub(crate) fn timeouts(&self) -> TimeoutConfig {
        TimeoutConfig::builder()
            .connect_timeout(self.connect)
            .operation_attempt_timeout(self.attempt)
            .operation_timeout(self.operation)
            .build()
    }
}

/// The most the first pause between attempts takes; the next may take twice that.
const PAUSE: Duration = Duration::from_millis(40);
/// The most any pause takes.
const LONGEST_PAUSE: Duration = Duration::from_millis(200);
/// How long a connection that events wait for may be idle before it is closed: hyper's default.
const USUAL_IDLE: Duration = Duration::from_secs(90);
/// How long a connection of a delivery may be idle before it is used again: less than any service keeps one.
#[cfg(any(feature = "eventbridge", feature = "s3", feature = "ses"))]
const LONGEST_IDLE: Duration = Duration::from_secs(4);

/// What the clients of one service are built from.
///
/// `service` is its name in variables that point to another endpoint: `AWS_ENDPOINT_URL_<service>`, before
/// `AWS_ENDPOINT_URL`.
///
/// # Errors
///
/// If region or credentials are missing, or the endpoint is no URL.
pub(crate) fn settings(
    service: &str,
    environment: &Environment,
    limits: &Limits,
    connections: Connections,
) -> Result<SdkConfig, ConfigError> {
    let region =
        environment.find("AWS_REGION").or_else(|| environment.find("AWS_DEFAULT_REGION")).ok_or_else(|| {
            ConfigError::new("no AWS region is known")
                .remedy("set AWS_REGION, e.g. to `eu-central-1` (Lambda sets it by itself)")
        })?;
    let endpoint = endpoint(service, environment);
    if !endpoint.is_none_or(is_url) {
        return Err(ConfigError::new(format!(
            "AWS_ENDPOINT_URL_{service} or AWS_ENDPOINT_URL is no URL of an endpoint"
        ))
        .remedy(
            "write it as in `https://vpce-1a2b3c.dynamodb.eu-central-1.vpce.amazonaws.com` or `http://localhost:4566`",
        ));
    }
    let is_on = |name| is_on(name, environment);
    let mut settings = SdkConfig::builder()
        .behavior_version(BehaviorVersion::v2026_01_12())
        .region(Region::new(region.to_owned()))
        .credentials_provider(SharedCredentialsProvider::new(credentials(environment)?))
        .http_client(connections.http(Trust::of(endpoint, environment)))
        .retry_config(
            RetryConfig::standard()
                .with_max_attempts(limits.attempts)
                .with_initial_backoff(PAUSE)
                .with_max_backoff(LONGEST_PAUSE),
        )
        .timeout_config(limits.timeouts())
        // It guards long streams. Ours are single answers of a few kilobytes, which the timeouts above guard already.
        .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
        .use_fips(is_on("AWS_USE_FIPS_ENDPOINT"))
        .use_dual_stack(is_on("AWS_USE_DUALSTACK_ENDPOINT"));
    settings.set_endpoint_url(endpoint.map(str::to_owned));
    Ok(settings.build())
}

/// Opens the connection that the first call will take, so that no event has to wait for TLS: to this endpoint, which the SDK has
/// found. What is in the way now may be gone by then, and is no error yet.
#[cfg(feature = "dynamodb")]
pub(crate) async fn open_ahead(found: &str, trust: Trust, limits: &Limits) {
    let opened = match found.parse() {
        Ok(found) => Connections::Kept.http(trust).open_ahead(found, limits.connect).await,
        Err(error) => Err(error.into()),
    };
    if let Err(error) = opened {
        tracing::debug!(endpoint = found, error, "no connection yet");
    }
}

pub(crate) fn endpoint<'a>(service: &str, environment: &'a Environment) -> Option<&'a str> {
    environment.find(&format!("AWS_ENDPOINT_URL_{service}")).or_else(|| environment.find("AWS_ENDPOINT_URL"))
}

/// Otherwise the first call would find out, and with another scheme than these nothing may be sent.
fn is_url(endpoint: &str) -> bool {
    let Ok(url) = endpoint.parse::<hyper::Uri>() else { return false };
    matches!(url.scheme_str(), Some("https" | "http")) && url.host().is_some_and(|host| !host.is_empty())
}

pub(crate) fn is_on(name: &str, environment: &Environment) -> bool {
    environment.find(name).is_some_and(|value| value.eq_ignore_ascii_case("true"))
}

/// The name of DynamoDB's host where it is plain without asking the SDK, so that it can be looked up before there is a client.
#[cfg(feature = "dynamodb")]
pub(crate) fn host_of_dynamodb(environment: &Environment) -> Option<String> {
    let Some(endpoint) = endpoint("DYNAMODB", environment) else {
        let has_another =
            ["AWS_USE_FIPS_ENDPOINT", "AWS_USE_DUALSTACK_ENDPOINT"].iter().any(|name| is_on(name, environment));
        let region = environment.find("AWS_REGION").filter(|_| !has_another)?;
        return Some(format!("dynamodb.{region}.amazonaws.com"));
    };
    let (_, rest) = endpoint.split_once("://")?;
    let authority = rest.split(['/', '?']).next()?;
    // An address needs no look-up, in brackets or not.
    let host = authority.rsplit_once(':').map_or(authority, |(host, _)| host);
    (!host.is_empty() && !host.contains([':', '[', '@']) && host.parse::<IpAddr>().is_err()).then(|| host.to_owned())
}

fn credentials(environment: &Environment) -> Result<Credentials, ConfigError> {
    let key = environment.find("AWS_ACCESS_KEY_ID");
    let secret = environment.find("AWS_SECRET_ACCESS_KEY");
    let token = environment.find("AWS_SESSION_TOKEN");
    let (Some(key), Some(secret)) = (key, secret) else {
        let missing = match (key, secret) {
            (None, None) => "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are",
            (None, _) => "AWS_ACCESS_KEY_ID is",
            _ => "AWS_SECRET_ACCESS_KEY is",
        };
        return Err(ConfigError::new(format!("no AWS credentials: {missing} not set")).remedy(
            "Lambda sets them by itself; elsewhere run `eval \"$(aws configure export-credentials --format env)\"`",
        ));
    };
    Ok(Credentials::new(key, secret, token.map(str::to_owned), None, "environment"))
}

/// What connections are kept for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Connections {
    /// What events wait for: one is kept as long as is usual.
    Kept,
    /// What only deliveries need. One that was idle for some seconds is let go: one that died while the function was frozen would
    /// take a request without telling whether it arrived, and a mail would be sent twice, or late.
    #[cfg(any(feature = "eventbridge", feature = "s3", feature = "ses"))]
    Fresh,
}

impl Connections {
    /// What carries requests, shared by all services. Roots and TLS settings are made when the first connection needs them.
    fn http(self, trust: Trust) -> &'static Http {
        static KEPT: Clients = Clients::new(USUAL_IDLE);
        #[cfg(any(feature = "eventbridge", feature = "s3", feature = "ses"))]
        static FRESH: Clients = Clients::new(LONGEST_IDLE);
        match self {
            Self::Kept => KEPT.get(trust),
            #[cfg(any(feature = "eventbridge", feature = "s3", feature = "ses"))]
            Self::Fresh => FRESH.get(trust),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(variables: &[(&str, &str)]) -> Environment {
        variables.iter().copied().collect()
    }

    const COMPLETE: [(&str, &str); 3] =
        [("AWS_REGION", "eu-central-1"), ("AWS_ACCESS_KEY_ID", "AK"), ("AWS_SECRET_ACCESS_KEY", "top secret")];

    fn complete(more: &[(&'static str, &'static str)]) -> SdkConfig {
        settings("DYNAMODB", &COMPLETE.iter().chain(more).copied().collect(), &Limits::EVENT, Connections::Kept)
            .unwrap()
    }

    #[test]
    fn a_missing_region_is_named() {
        let error = settings("DYNAMODB", &environment(&COMPLETE[1..]), &Limits::EVENT, Connections::Kept)
            .unwrap_err()
            .to_string();
        assert_eq!(error, "no AWS region is known; set AWS_REGION, e.g. to `eu-central-1` (Lambda sets it by itself)");
    }

    #[test]
    fn the_default_region_is_taken_where_there_is_no_other() {
        let region = |settings: SdkConfig| settings.region().unwrap().to_string();
        assert_eq!(region(complete(&[("AWS_DEFAULT_REGION", "us-east-1")])), "eu-central-1");
        let mut variables = COMPLETE;
        variables[0].0 = "AWS_DEFAULT_REGION";
        assert_eq!(
            region(settings("DYNAMODB", &environment(&variables), &Limits::EVENT, Connections::Kept).unwrap()),
            "eu-central-1"
        );
    }

    #[test]
    fn missing_credentials_are_named_and_present_ones_are_not_quoted() {
        let error = |variables: &[_]| {
            settings("DYNAMODB", &environment(variables), &Limits::EVENT, Connections::Kept).unwrap_err().to_string()
        };
        assert!(error(&COMPLETE[..1]).contains("AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are not set"));
        assert!(error(&COMPLETE[..2]).contains("AWS_SECRET_ACCESS_KEY is not set"));
        let half = error(&[COMPLETE[0], COMPLETE[2]]);
        assert!(half.contains("AWS_ACCESS_KEY_ID is not set"));
        assert!(!half.contains("top secret"));
    }

    #[test]
    fn an_empty_variable_counts_as_missing() {
        let variables = [COMPLETE[0], ("AWS_ACCESS_KEY_ID", ""), COMPLETE[2]];
        assert!(settings("DYNAMODB", &environment(&variables), &Limits::EVENT, Connections::Kept).is_err());
    }

    #[test]
    fn the_endpoint_of_the_service_goes_before_that_of_all() {
        let all = ("AWS_ENDPOINT_URL", "http://all");
        let one = ("AWS_ENDPOINT_URL_DYNAMODB", "http://one");
        let other = ("AWS_ENDPOINT_URL_COGNITO_IDENTITY_PROVIDER", "http://other");
        assert_eq!(complete(&[]).endpoint_url(), None);
        assert_eq!(complete(&[all, other]).endpoint_url(), Some("http://all"));
        assert_eq!(complete(&[all, one, other]).endpoint_url(), Some("http://one"));
    }

    #[test]
    fn an_endpoint_that_is_none_is_told_without_what_it_is() {
        let with = |url| {
            let variables: Environment = COMPLETE.into_iter().chain([("AWS_ENDPOINT_URL_SES", url)]).collect();
            settings("SES", &variables, &Limits::EVENT, Connections::Kept)
        };
        for good in ["https://vpce-1.example:443/", "http://localhost:4566", "HTTP://[::1]:1", "https://a/b?c"] {
            assert!(with(good).is_ok(), "{good}");
        }
        for wrong in
            ["htps://user:secret@host", "localhost:4566", "//host", "https://", "https:///x", "a b", "ftp://host"]
        {
            let error = with(wrong).unwrap_err().to_string();
            assert!(
                error.starts_with("AWS_ENDPOINT_URL_SES or AWS_ENDPOINT_URL is no URL of an endpoint; write"),
                "{error}"
            );
            assert!(!error.contains("secret"), "{error}");
        }
    }

    #[test]
    #[cfg(feature = "dynamodb")]
    fn the_host_of_dynamodb_is_known_ahead_where_it_has_a_name() {
        let host =
            |more: &[(&'static str, &'static str)]| host_of_dynamodb(&COMPLETE.iter().chain(more).copied().collect());
        assert_eq!(host(&[]).as_deref(), Some("dynamodb.eu-central-1.amazonaws.com"));
        assert_eq!(host(&[("AWS_USE_FIPS_ENDPOINT", "true")]), None);
        let at = |url| host(&[("AWS_ENDPOINT_URL", url)]);
        assert_eq!(at("https://vpce-1.example:443/").as_deref(), Some("vpce-1.example"));
        assert_eq!(at("http://localhost:4566/x").as_deref(), Some("localhost"));
        for address in
            ["http://127.0.0.1:4566", "http://[::1]:4566", "https://192.0.2.7", "localhost:4566", "http://:80"]
        {
            assert_eq!(at(address), None, "{address}");
        }
    }

    #[test]
    fn what_a_courier_leased_is_hardly_older_than_a_call() {
        let longest = Limits::COURIER.operation + Limits::COURIER.busy;
        assert!(longest * 4 < Duration::try_from(cognito_triggers::courier::LEASE).unwrap());
        assert!(Limits::COURIER.attempt * 2 < Limits::COURIER.operation);
    }

    #[test]
    fn a_read_and_a_write_fit_into_four_seconds() {
        let settings = complete(&[]);
        let timeouts = settings.timeout_config().unwrap();
        assert!(timeouts.operation_timeout().unwrap() * 2 < Duration::from_secs(4));
        assert!(timeouts.operation_attempt_timeout().unwrap() * 2 < timeouts.operation_timeout().unwrap());
        assert!(timeouts.connect_timeout().unwrap() < timeouts.operation_attempt_timeout().unwrap());
        assert_eq!(settings.retry_config().unwrap().max_attempts(), 3);
    }
}
