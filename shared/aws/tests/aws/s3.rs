//! The bucket against ministack's S3: the contract every bucket keeps, what a call costs, and what happens when the network or
//! the service fails.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_s3::Client;
use aws_sdk_s3::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_s3::types::{BucketLocationConstraint, CreateBucketConfiguration};
use cognito_triggers::grants;
use cognito_triggers::services::contract::{self, Shelf};
use cognito_triggers::services::{Object, Opening, Placed};
use cognito_triggers::{Bucket, FaultKind, Outlook, random};
use cognito_triggers_aws::{BUCKET, Limits, S3Bucket};

use crate::grants::{asked, granted};
use crate::http::http;
use crate::ministack::Ministack;
use crate::proxy::{Proxy, Trouble};
use crate::{environment, run};

/// What a user sees: S3 itself.
fn s3(ministack: &Ministack) -> Client {
    let config = aws_sdk_s3::Config::builder()
        .behavior_version(BehaviorVersion::v2026_01_12())
        .region(Region::new("eu-central-1"))
        .credentials_provider(Credentials::new("test", "test", None, None, "test"))
        .endpoint_url(ministack.endpoint())
        .force_path_style(true)
        .http_client(http())
        .build();
    Client::from_conf(config)
}

/// A new bucket.
async fn made(ministack: &Ministack) -> String {
    let name = format!("test-{}", random::number().unwrap());
    let here = CreateBucketConfiguration::builder().location_constraint(BucketLocationConstraint::EuCentral1).build();
    s3(ministack).create_bucket().bucket(&name).create_bucket_configuration(here).send().await.unwrap();
    name
}

/// A new bucket, reached through a proxy, and the proxy.
async fn proxied(ministack: &Ministack, folder: &str) -> (S3Bucket, Proxy, String) {
    let name = made(ministack).await;
    let proxy = Proxy::before(ministack.address()).await;
    let mut limits = Limits::COURIER;
    // Long enough for a busy machine, short enough to wait for.
    limits.attempt = Duration::from_secs(2);
    let bucket = S3Bucket::open(&format!("{name}{folder}"), &environment(&proxy.endpoint()), limits).unwrap();
    (bucket, proxy, name)
}

fn text(body: &str) -> Object {
    Object { content_type: "text/plain; charset=utf-8".into(), body: body.into() }
}

fn refusal(status: u16, code: &str) -> Trouble {
    let said = "users/11111111/Secret Name.txt";
    Trouble::Answered(
        status,
        format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>{code}</Code><Message>{said}</Message>\
             <Key>{said}</Key><RequestId>a-request</RequestId><HostId>h</HostId></Error>"
        ),
    )
}

/// What S3 gives whoever asks for an object.
struct Store(Client, String);

impl Store {
    async fn body(&self, key: &str) -> Option<String> {
        Some(String::from_utf8(self.object(key).await?.body).unwrap())
    }
}

#[async_trait]
impl Shelf for Store {
    async fn object(&self, key: &str) -> Option<Object> {
        let answer = match self.0.get_object().bucket(&self.1).key(key).send().await {
            Ok(answer) => answer,
            Err(error) if error.as_service_error().is_some_and(|error| error.is_no_such_key()) => return None,
            Err(error) => panic!("{error:?}"),
        };
        let content_type = answer.content_type.unwrap_or_default();
        Some(Object { content_type, body: answer.body.collect().await.unwrap().to_vec() })
    }
}

#[test]
fn the_contract_holds() {
    let ministack = Ministack::shared();
    run(async move {
        let name = made(&ministack).await;
        let proxy = Proxy::before(ministack.address()).await;
        let open = async || {
            let opening = Opening { address: name.clone(), environment: environment(&proxy.endpoint()) };
            (BUCKET.open)(opening).await.unwrap()
        };
        let witness = Arc::new(Store(s3(&ministack), name.clone()));
        let suite = contract::bucket(open().await, witness)
            .client(open().await)
            .spawn(|task| {
                let task = tokio::spawn(task);
                Box::pin(async move { task.await.unwrap() })
            })
            // Amazon's does: "Copies the object only if the object key name at the destination does not already exist".
            .except("of_many_who_put_and_copy_one_creates", "ministack looks at If-None-Match of a put only");
        suite.holds().await;
        assert_eq!(asked(&proxy.exchanges()), granted(&[grants::BUCKET]));
    });
}

#[test]
fn an_object_is_put_with_one_request_that_overwrites_nothing() {
    let ministack = Ministack::shared();
    run(async move {
        let (bucket, proxy, name) = proxied(&ministack, "/some/prefix").await;
        assert_eq!(proxy.connections(), 0, "nothing is done before the first file");
        assert_eq!(bucket.put_new("users/1/Grüße.txt", &text("first")).await.unwrap(), Placed::Created);
        assert_eq!(bucket.put_new("users/1/Grüße.txt", &text("second")).await.unwrap(), Placed::Existed);
        assert_eq!(proxy.requests(), ["PutObject"; 2]);
        let head = proxy.exchanges()[0].head.to_ascii_lowercase();
        let line = format!("put /{name}/some/prefix/users/1/gr%c3%bc%c3%9fe.txt?x-id=putobject http/1.1\r\n");
        assert!(head.starts_with(&line), "{head}");
        for header in ["if-none-match: *", "content-type: text/plain; charset=utf-8", "x-amz-checksum-crc32: "] {
            assert!(head.contains(header), "{header} is missing: {head}");
        }
        let store = Store(s3(&ministack), name);
        assert_eq!(store.body("some/prefix/users/1/Grüße.txt").await.as_deref(), Some("first"));
        assert_eq!(bucket.list("users/", 10).await.unwrap(), ["users/1/Grüße.txt"], "the folder is not for others");
    });
}

#[test]
fn a_copy_is_made_by_s3_and_overwrites_nothing() {
    let ministack = Ministack::shared();
    run(async move {
        let (bucket, proxy, name) = proxied(&ministack, "/f").await;
        let html = Object { content_type: "text/html; charset=utf-8".into(), body: "<p>".into() };
        bucket.put_new("new/a b+c%20ü?.html", &html).await.unwrap();
        proxy.requests();
        assert_eq!(bucket.copy_new("new/a b+c%20ü?.html", "users/1/a.html").await.unwrap(), Placed::Created);
        let seen = proxy.exchanges().pop().unwrap();
        assert_eq!(seen.operation, "CopyObject");
        assert!(seen.body.is_empty() && seen.head.contains("if-none-match: *"), "{}", seen.head);
        let source = format!("x-amz-copy-source: {name}/f/new/a%20b%2Bc%2520%C3%BC%3F.html\r\n");
        assert!(seen.head.contains(&source), "{}", seen.head);
        let store = Store(s3(&ministack), name);
        assert!(store.object("f/users/1/a.html").await == Some(html.clone()));
        // What a user made of it stays.
        bucket.put_new("users/2/a.html", &text("mine")).await.unwrap();
        assert_eq!(bucket.copy_new("new/a b+c%20ü?.html", "users/2/a.html").await.unwrap(), Placed::Existed);
        assert_eq!(store.body("f/users/2/a.html").await.as_deref(), Some("mine"));
        // As Amazon's S3 says it.
        proxy.make("CopyObject", refusal(412, "PreconditionFailed"));
        assert_eq!(bucket.copy_new("new/a b+c%20ü?.html", "users/3/a.html").await.unwrap(), Placed::Existed);
    });
}

#[test]
fn a_copy_of_nothing_and_an_error_after_the_first_byte_are_noticed() {
    let ministack = Ministack::shared();
    run(async move {
        let (bucket, proxy, _) = proxied(&ministack, "").await;
        let fault = bucket.copy_new("missing", "users/1/a").await.unwrap_err();
        assert_eq!((fault.kind(), fault.outlook()), (FaultKind::Service, Outlook::Transient));
        assert!(fault.causes().starts_with("S3 CopyObject failed: there is nothing to copy: NoSuchKey"), "{fault}");
        // "A 200 OK response can contain either a success or an error" (API reference, CopyObject).
        bucket.put_new("a", &text("a")).await.unwrap();
        proxy.requests();
        proxy.make("CopyObject", refusal(200, "InternalError"));
        assert_eq!(bucket.copy_new("a", "users/1/a").await.unwrap(), Placed::Created);
        assert_eq!(proxy.requests(), ["HeadObject", "CopyObject", "CopyObject"]);
    });
}

#[test]
fn a_list_takes_a_request_for_every_thousand_and_none_for_folders() {
    let ministack = Ministack::shared();
    run(async move {
        let (bucket, proxy, name) = proxied(&ministack, "").await;
        let store = s3(&ministack);
        // As the console makes a folder.
        store.put_object().bucket(&name).key("new/").send().await.unwrap();
        for number in 0..1_001 {
            store.put_object().bucket(&name).key(format!("new/{number:04}")).send().await.unwrap();
        }
        let all: Vec<_> = (0..1_001).map(|number| format!("new/{number:04}")).collect();
        assert_eq!(bucket.list("new/", 5_000).await.unwrap(), all);
        assert_eq!(proxy.requests(), ["ListObjectsV2"; 2]);
        assert_eq!(bucket.list("new/", 3).await.unwrap(), all[..3]);
        assert!(bucket.list("", 0).await.unwrap().is_empty());
    });
}

#[test]
fn a_bucket_that_does_not_exist_is_a_mistake_somebody_can_mend() {
    let ministack = Ministack::shared();
    run(async move {
        let bucket = S3Bucket::open("acme-nowhere", &environment(&ministack.endpoint()), Limits::COURIER).unwrap();
        let put = bucket.put_new("users/1/a", &text("a")).await.unwrap_err();
        let list = bucket.list("new/", 10).await.unwrap_err();
        for (fault, operation) in [(put, "PutObject"), (list, "ListObjectsV2")] {
            assert_eq!((fault.kind(), fault.outlook()), (FaultKind::Configuration, Outlook::Transient));
            let text = fault.causes();
            let expected =
                format!("S3 {operation} failed: there is no bucket `acme-nowhere`: create it, or name another");
            assert!(text.starts_with(&expected), "{text}");
            assert!(!text.contains("users/1"), "{text}");
        }
        bucket.copy_new("a", "b").await.unwrap_err();
    });
}

#[test]
fn what_s3_refuses_is_judged_and_quotes_no_key() {
    let ministack = Ministack::shared();
    run(async move {
        let (bucket, proxy, name) = proxied(&ministack, "").await;
        let attempts = Limits::COURIER.attempts as usize;
        let (setup, service) = (FaultKind::Configuration, FaultKind::Service);
        for (status, code, kind, outlook, why, requests) in [
            (403, "AccessDenied", setup, Outlook::Transient, format!("`{name}`: allow `s3:PutObject` on it"), 1),
            (301, "PermanentRedirect", setup, Outlook::Transient, "another region than `eu-central-1`".into(), 1),
            (400, "KMS.DisabledException", setup, Outlook::Transient, "the key that encrypts".into(), 1),
            (400, "KeyTooLongError", service, Outlook::Permanent, "will not take this object".into(), 1),
            (400, "EntityTooLarge", service, Outlook::Permanent, "will not take this object".into(), 1),
            (400, "BadDigest", service, Outlook::Transient, "BadDigest".into(), 1),
            (503, "SlowDown", service, Outlook::Throttled, "over what S3 takes".into(), attempts),
            (500, "InternalError", service, Outlook::Transient, "InternalError".into(), attempts),
            (409, "ConditionalRequestConflict", service, Outlook::Transient, "Conflict".into(), attempts),
        ] {
            proxy.requests();
            (0..requests).for_each(|_| proxy.make("PutObject", refusal(status, code)));
            let fault = bucket.put_new("users/1/a", &text("a")).await.unwrap_err();
            let told = fault.causes();
            assert_eq!((fault.kind(), fault.outlook()), (kind, outlook), "{told}");
            assert!(told.starts_with("S3 PutObject failed") && told.contains(&why) && told.contains(code), "{told}");
            assert!(!told.contains("Secret") && !told.contains("users/"), "{told}");
            assert_eq!(proxy.requests().len(), requests, "{code}");
        }
        // A refusal of HeadObject has no body.
        proxy.make("HeadObject", Trouble::Answered(403, String::new()));
        let fault = bucket.copy_new("a", "b").await.unwrap_err();
        assert_eq!(fault.kind(), setup, "{fault}");
    });
}

#[test]
fn whatever_befalls_a_put_the_object_is_there_once_and_whole() {
    let ministack = Ministack::shared();
    run(async move {
        let (bucket, proxy, name) = proxied(&ministack, "").await;
        let store = Store(s3(&ministack), name);
        for (number, (trouble, placed)) in [
            (Trouble::Cut, Placed::Created),
            (Trouble::Silence, Placed::Created),
            // It was ours, but who can tell.
            (Trouble::LostAnswer, Placed::Existed),
            (refusal(500, "InternalError"), Placed::Created),
            (refusal(503, "SlowDown"), Placed::Created),
            (refusal(409, "ConditionalRequestConflict"), Placed::Created),
            (refusal(412, "PreconditionFailed"), Placed::Existed),
        ]
        .into_iter()
        .enumerate()
        {
            let key = format!("users/1/{number}");
            let expected = if matches!(&trouble, Trouble::Answered(412, _)) { 1 } else { 2 };
            proxy.requests();
            proxy.make("PutObject", trouble.clone());
            assert_eq!(bucket.put_new(&key, &text(&key)).await.unwrap(), placed, "{trouble:?}");
            assert_eq!(proxy.requests().len(), expected, "{trouble:?}");
            let there = (expected == 2).then_some(key.clone());
            assert_eq!(store.body(&key).await, there, "{trouble:?}");
        }
    });
}
