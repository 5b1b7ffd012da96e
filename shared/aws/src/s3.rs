//! Users' files in an S3 bucket. What is there already is never overwritten.
//!
//! # The address
//!
//! `s3:acme-user-files`, or with a folder within the bucket `s3:acme-user-files/some/prefix`: all keys then begin with
//! `some/prefix/`, and nothing outside is read or written. A bucket is named by its name or by the alias of an access point.
//!
//! # What it costs
//!
//! One request an object: `PutObject` or, for a copy, `CopyObject`, which moves no byte through the function and keeps content
//! type and metadata. Both bear `If-None-Match: *`, so that S3 itself decides whether the key is free: 412 means that it was not,
//! and is a success. 409 means that somebody else is writing that key, and is tried again. Of an S3 elsewhere
//! (`AWS_ENDPOINT_URL`) is first asked with `HeadObject` whether a copy is there, since many look at that header only when an
//! object is put; two copies that race there write the same bytes twice. Listing takes a request for every 1,000 keys.
//!
//! Nothing is done at start: the client is made and the connection is opened for the first file, so that a start that puts
//! none does not wait for it.
//!
//! # What becomes of errors
//!
//! | S3 says | outlook |
//! |---|---|
//! | `SlowDown` | throttled |
//! | the key cannot be used, the object is too big | permanent |
//! | there is no such bucket, it is in another region, the role may not | transient, kind `configuration`: it can be mended within three days, and every file arrives |
//! | anything else, or nothing | transient |
//!
//! A call is repeated whenever that may help, because it does no harm. No message of S3 reaches a log: they quote keys.
//!
//! # Limits
//!
//! Of S3 (user guide, "Naming Amazon S3 objects", and API reference): keys of 1,024 bytes in UTF-8, the folder included; 5 GB for
//! one `PutObject` or `CopyObject`. Refused besides are keys that S3 takes and that cause trouble wherever they are used: with
//! control characters, or with a part that is `.` or `..`. The empty objects with a `/` at the end by which the console shows
//! folders are not listed.
//!
//! # What a role needs
//!
//! `s3:PutObject` on the objects; for copies also `s3:GetObject` (with tags `s3:GetObjectTagging` and `s3:PutObjectTagging`), and
//! `s3:ListBucket` on the bucket. Where a key encrypts the bucket, `kms:GenerateDataKey` and `kms:Decrypt` on it.

use std::fmt;
use std::sync::{Arc, OnceLock};

use async_trait::async_trait;
use aws_sdk_s3::Client;
use aws_sdk_s3::primitives::ByteStream;
use aws_smithy_runtime_api::client::interceptors::context::InterceptorContext;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_runtime_api::client::retries::classifiers::{ClassifyRetry, RetryAction};
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use aws_types::SdkConfig;
use aws_types::request_id::RequestId;
use cognito_triggers::services::{Bucket, Object, Opening, Placed};
use cognito_triggers::{Adapter, ConfigError, Environment, Fault, FaultKind, Outlook};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::client::{self, Connections, Limits};
use crate::error::{code, fault, fault_because, is_throttling, misconfigured};

/// Users' files in an S3 bucket: `s3:<bucket>` or `s3:<bucket>/<prefix>`.
pub const BUCKET: Adapter<dyn Bucket> = Adapter {
    scheme: "s3",
    example: "s3:acme-user-files",
    embedded: false,
    open: |Opening { address, environment }| {
        Box::pin(
            async move { Ok(Arc::new(S3Bucket::open(&address, &environment, Limits::COURIER)?) as Arc<dyn Bucket>) },
        )
    },
};

/// Users' files in an S3 bucket.
#[derive(Debug)]
pub struct S3Bucket {
    bucket: String,
    /// Empty, or ends with `/`.
    prefix: String,
    settings: SdkConfig,
    client: OnceLock<Client>,
}

/// The most bytes of a key.
const LONGEST_KEY: usize = 1_024;
/// How many keys one answer lists at most.
const PAGE: usize = 1_000;
/// What stands for itself in the header that names what is to be copied.
const PLAIN: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b'/');

impl S3Bucket {
    /// A bucket, or a folder in it, written as in the module's documentation. Region and credentials come from the environment,
    /// as Lambda sets them; `AWS_ENDPOINT_URL_S3` or `AWS_ENDPOINT_URL` point to another S3. Nothing is called yet.
    ///
    /// # Errors
    ///
    /// If there can be no bucket of this name, or region or credentials are missing.
    pub fn open(address: &str, environment: &Environment, limits: Limits) -> Result<Self, ConfigError> {
        let (bucket, prefix) = address.split_once('/').unwrap_or((address, ""));
        if !is_bucket(bucket) {
            return Err(ConfigError::new(format!("`{bucket}` cannot be the name of an S3 bucket")).remedy(
                "name it as in `s3:acme-user-files` or `s3:acme-user-files/some/prefix`: 3 to 63 lower-case letters, digits, `-` \
                 or `.`; an access point by its alias",
            ));
        }
        let prefix = prefix.trim_matches('/');
        let prefix = if prefix.is_empty() { String::new() } else { format!("{prefix}/") };
        let settings = client::settings("S3", environment, &limits, Connections::Fresh)?;
        Ok(Self { bucket: bucket.to_owned(), prefix, settings, client: OnceLock::new() })
    }

    fn client(&self) -> &Client {
        self.client.get_or_init(|| {
            let config = aws_sdk_s3::config::Builder::from(&self.settings)
                // Elsewhere no name of a host leads to a bucket.
                .force_path_style(self.is_elsewhere())
                // A session costs a request more and saves none here.
                .disable_s3_express_session_auth(true)
                .retry_classifier(Conflict);
            Client::from_conf(config.build())
        })
    }

    /// Whether it is another S3 than that of AWS.
    fn is_elsewhere(&self) -> bool {
        self.settings.endpoint_url().is_some()
    }

    /// The key within the bucket.
    fn full(&self, key: &str) -> Result<String, Fault> {
        let full = format!("{}{key}", self.prefix);
        let why = if key.is_empty() || full.len() > LONGEST_KEY {
            format!("a key in S3 has 1 to {LONGEST_KEY} bytes, and this one has {}", full.len())
        } else if full.contains(char::is_control) {
            "a key with a control character cannot be listed".to_owned()
        } else if full.split('/').any(|part| part == "." || part == "..") {
            "a part of a key cannot be `.` or `..`: many programs would look elsewhere".to_owned()
        } else {
            return Ok(full);
        };
        Err(Fault::of(FaultKind::Service, why).with_outlook(Outlook::Permanent))
    }

    async fn has(&self, key: &str) -> Result<bool, Fault> {
        match self.client().head_object().bucket(&self.bucket).key(key).send().await {
            Ok(_) => Ok(true),
            Err(error) if error.as_service_error().is_some_and(|error| error.is_not_found()) => Ok(false),
            Err(error) => Err(self.refused("S3 HeadObject", "s3:GetObject", error)),
        }
    }

    /// What became of a call, as a fault. `action` is what the role must be allowed for it.
    fn refused<E>(&self, operation: &'static str, action: &str, error: SdkError<E, HttpResponse>) -> Fault
    where
        E: std::error::Error + ProvideErrorMetadata + RequestId + Send + Sync + 'static,
    {
        let status = error.raw_response().map(|answer| answer.status().as_u16());
        let code = code(&error).unwrap_or_default();
        let bucket = &self.bucket;
        let mend = |why: String| misconfigured(operation, why, &error);
        match code {
            code if is_throttling(code) => {
                fault_because(operation, "over what S3 takes at a time", error).with_outlook(Outlook::Throttled)
            }
            "KeyTooLongError" | "EntityTooLarge" => {
                fault_because(operation, "S3 will not take this object", error).with_outlook(Outlook::Permanent)
            }
            "NoSuchBucket" => mend(format!("there is no bucket `{bucket}`: create it, or name another as `bucket`")),
            "NoSuchKey" => fault_because(operation, "there is nothing to copy", error),
            "PermanentRedirect" | "AuthorizationHeaderMalformed" | "IllegalLocationConstraintException" => {
                mend(format!(
                    "the bucket `{bucket}` is in another region than `{}`: name one of this region",
                    self.settings.region().map_or("", |region| region.as_ref())
                ))
            }
            code if code.starts_with("KMS.") => {
                mend(format!("the key that encrypts the bucket `{bucket}` cannot be used: allow it to the role"))
            }
            "AccessDenied" => mend(format!("the role may not use the bucket `{bucket}`: allow `{action}` on it")),
            // Without a body there is no code.
            "" if status == Some(403) => {
                mend(format!("the role may not use the bucket `{bucket}`: allow `{action}` on it"))
            }
            _ => fault(operation, error),
        }
    }
}

#[async_trait]
impl Bucket for S3Bucket {
    async fn put_new(&self, key: &str, object: &Object) -> Result<Placed, Fault> {
        let call = self
            .client()
            .put_object()
            .bucket(&self.bucket)
            .key(self.full(key)?)
            .if_none_match("*")
            .content_type(&object.content_type)
            .body(ByteStream::from(object.body.clone()));
        match call.send().await {
            Ok(_) => Ok(Placed::Created),
            Err(error) if existed(&error) => Ok(Placed::Existed),
            Err(error) => Err(self.refused("S3 PutObject", "s3:PutObject", error)),
        }
    }

    async fn copy_new(&self, from: &str, to: &str) -> Result<Placed, Fault> {
        let (from, to) = (self.full(from)?, self.full(to)?);
        if self.is_elsewhere() && self.has(&to).await? {
            return Ok(Placed::Existed);
        }
        let source = format!("{}/{from}", self.bucket);
        let call = self
            .client()
            .copy_object()
            .bucket(&self.bucket)
            .key(to)
            .copy_source(utf8_percent_encode(&source, PLAIN).to_string())
            .if_none_match("*");
        match call.send().await {
            Ok(_) => Ok(Placed::Created),
            Err(error) if existed(&error) => Ok(Placed::Existed),
            Err(error) => Err(self.refused("S3 CopyObject", "s3:GetObject` and `s3:PutObject", error)),
        }
    }

    async fn list(&self, prefix: &str, most: usize) -> Result<Vec<String>, Fault> {
        let whole = format!("{}{prefix}", self.prefix);
        let mut keys = Vec::new();
        let mut next = None;
        while keys.len() < most {
            let page = i32::try_from(PAGE.min(most)).unwrap_or(i32::MAX);
            let call = self.client().list_objects_v2().bucket(&self.bucket).prefix(&whole).max_keys(page);
            let answer = call.set_continuation_token(next).send().await;
            let answer = answer.map_err(|error| self.refused("S3 ListObjectsV2", "s3:ListBucket", error))?;
            for object in answer.contents.unwrap_or_default() {
                let is_folder = object.size == Some(0) && object.key().is_some_and(|key| key.ends_with('/'));
                if !is_folder {
                    keys.extend(object.key().and_then(|key| key.strip_prefix(&self.prefix)).map(str::to_owned));
                }
            }
            next = answer.next_continuation_token;
            if next.is_none() {
                break;
            }
        }
        keys.sort_unstable();
        keys.truncate(most);
        Ok(keys)
    }
}

/// Whether something was there already.
fn existed<E>(error: &SdkError<E, HttpResponse>) -> bool {
    error.raw_response().is_some_and(|answer| answer.status().as_u16() == 412)
}

/// Has a call repeated that met another one for the same key: "On a 409 failure you should retry the upload" (API reference,
/// `PutObject`).
struct Conflict;

impl ClassifyRetry for Conflict {
    fn classify_retry(&self, context: &InterceptorContext) -> RetryAction {
        if context.response().is_some_and(|answer| answer.status().as_u16() == 409) {
            return RetryAction::transient_error();
        }
        RetryAction::NoActionIndicated
    }

    fn name(&self) -> &'static str {
        "conflicting writes"
    }
}

impl fmt::Debug for Conflict {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

/// As S3 names buckets (user guide, "General purpose bucket naming rules"), as far as a slip is likely.
fn is_bucket(name: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    (3..=63).contains(&name.len())
        && name.bytes().all(|byte| is_plain(byte) || byte == b'-' || byte == b'.')
        && name.bytes().next().is_some_and(is_plain)
        && name.bytes().next_back().is_some_and(is_plain)
        && !name.contains("..")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(address: &str) -> Result<S3Bucket, ConfigError> {
        let environment =
            [("AWS_REGION", "eu-central-1"), ("AWS_ACCESS_KEY_ID", "AK"), ("AWS_SECRET_ACCESS_KEY", "secret")];
        S3Bucket::open(address, &environment.into_iter().collect(), Limits::COURIER)
    }

    #[test]
    fn an_address_is_a_bucket_and_a_folder_in_it() {
        let opened = |address| open(address).map(|bucket| (bucket.bucket, bucket.prefix)).unwrap();
        assert_eq!(opened("acme-user-files"), ("acme-user-files".into(), String::new()));
        assert_eq!(opened("acme-user-files/"), ("acme-user-files".into(), String::new()));
        assert_eq!(opened("acme.files/some/prefix"), ("acme.files".into(), "some/prefix/".into()));
        assert_eq!(opened("acme.files//some/prefix/").1, "some/prefix/");
    }

    #[test]
    fn what_can_be_no_bucket_is_named_with_what_to_do() {
        let long = "x".repeat(64);
        for bad in ["", "ab", "Acme", "acme_files", "-acme", "acme.", "a..b", "arn:aws:s3:::acme", long.as_str()] {
            let error = open(bad).unwrap_err().to_string();
            let what = format!("`{bad}` cannot be the name of an S3 bucket; name it as in `s3:acme-user-files`");
            assert!(error.starts_with(&what), "{error}");
        }
    }

    #[test]
    fn a_key_is_counted_in_bytes_with_its_folder() {
        let bucket = open("acme-user-files/some/prefix").unwrap();
        let room = LONGEST_KEY - "some/prefix/".len();
        assert_eq!(bucket.full(&"x".repeat(room)).unwrap().len(), LONGEST_KEY);
        for key in [String::new(), "x".repeat(room + 1), "ü".repeat(room / 2 + 1)] {
            assert_eq!(bucket.full(&key).unwrap_err().outlook(), Outlook::Permanent);
        }
    }

    #[test]
    fn a_key_that_causes_trouble_is_refused_for_good() {
        let bucket = open("acme-user-files").unwrap();
        for key in ["..", "a/..", "a/../b", "./a", "a\nb", "\u{0}", "a\u{7f}"] {
            assert_eq!(bucket.full(key).unwrap_err().outlook(), Outlook::Permanent, "{key:?}");
        }
        for key in ["a", "..a", "a../b", ".hidden", "a//b", "a/", "a b+c%20d"] {
            assert_eq!(bucket.full(key).unwrap(), key);
        }
    }
}
