//! Whom TLS trusts.
//!
//! AWS's endpoints have certificates of Amazon Trust Services, so its five roots are built in: reading the system's takes many
//! times as long, at every start. Amazon warns against trusting these and no others for ever
//! (<https://www.amazontrust.com/repository>), and an endpoint in China or behind an inspecting proxy may have a certificate from
//! elsewhere. So where these roots know no issuer, the system's are asked as well, from then on.

use std::error::Error;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use cognito_triggers::Environment;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{CertificateError, ClientConfig, RootCertStore};

use crate::connection::find;

/// Amazon Root CA 1 to 4 and the Starfield Services Root CA, G2: what Amazon recommends for a store of one's own.
const AMAZONS: &str = include_str!("roots.pem");

/// Whose certificates are good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trust {
    /// Those from Amazon's roots and, once one is from elsewhere, from the system's as well.
    Amazon,
    /// Those from the system's roots.
    System,
}

impl Trust {
    /// For AWS's own endpoint, unless somebody names other roots by the variables that OpenSSL and the system's store heed.
    pub(crate) fn of(endpoint: Option<&str>, environment: &Environment) -> Self {
        let is_told = ["SSL_CERT_FILE", "SSL_CERT_DIR"].iter().any(|name| environment.find(name).is_some());
        if endpoint.is_some() || is_told { Self::System } else { Self::Amazon }
    }

    pub(crate) const fn tls(self) -> &'static Tls {
        match self {
            Self::Amazon => &AMAZON,
            Self::System => &SYSTEM,
        }
    }
}

/// How TLS is spoken, and whom it trusts.
pub(crate) type Settings = Arc<ClientConfig>;

/// Settings of TLS that are made when they are needed: those for the first attempt, and those for when it met a certificate from
/// elsewhere.
#[derive(Debug)]
pub(crate) struct Tls {
    first: Roots,
    others: Option<Roots>,
    has_met_others: AtomicBool,
}

static AMAZON: Tls = Tls::new(Roots::built_in(AMAZONS), Some(Roots::with_the_systems(AMAZONS)));
static SYSTEM: Tls = Tls::new(Roots::with_the_systems(""), None);

impl Tls {
    const fn new(first: Roots, others: Option<Roots>) -> Self {
        Self { first, others, has_met_others: AtomicBool::new(false) }
    }

    /// What to begin with.
    pub(crate) fn settings(&self) -> Result<Settings, rustls::Error> {
        match &self.others {
            Some(others) if self.has_met_others.load(Ordering::Relaxed) => others.settings(),
            _ => self.first.settings(),
        }
    }

    /// What to go on with, from now on, when these settings met a certificate from elsewhere; `None` if nobody else is trusted.
    pub(crate) fn settings_for_others(&self, met_by: &Settings) -> Result<Option<Settings>, rustls::Error> {
        let Some(others) = &self.others else { return Ok(None) };
        if !self.has_met_others.swap(true, Ordering::Relaxed) {
            tracing::info!("a certificate is not from Amazon's roots; from now on the system's are asked, too");
        }
        Ok(Some(others.settings()?).filter(|settings| !Arc::ptr_eq(settings, met_by)))
    }
}

/// Certificates, as PEM, and the system's if it is asked. They are read when somebody wants the settings.
#[derive(Debug)]
struct Roots {
    pem: &'static str,
    asks_system: bool,
    settings: OnceLock<Result<Settings, rustls::Error>>,
}

impl Roots {
    const fn built_in(pem: &'static str) -> Self {
        Self { pem, asks_system: false, settings: OnceLock::new() }
    }

    const fn with_the_systems(pem: &'static str) -> Self {
        Self { pem, asks_system: true, settings: OnceLock::new() }
    }

    fn settings(&self) -> Result<Settings, rustls::Error> {
        self.settings.get_or_init(|| settings(self.read())).clone()
    }

    fn read(&self) -> RootCertStore {
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(CertificateDer::pem_slice_iter(self.pem.as_bytes()).flatten());
        if self.asks_system {
            let system = rustls_native_certs::load_native_certs();
            if !system.errors.is_empty() {
                tracing::warn!(errors = ?system.errors, "some of the system's root certificates cannot be read");
            }
            roots.add_parsable_certificates(system.certs);
        }
        if roots.is_empty() {
            tracing::warn!("the system has no root certificates");
        }
        roots
    }
}

fn settings(roots: RootCertStore) -> Result<Settings, rustls::Error> {
    // ring: AWS-LC spends a hundred times as long at start, gathering entropy from the CPU's jitter.
    let mut settings = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    settings.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(settings))
}

/// Whether a certificate was refused since nobody knows its issuer.
pub(crate) fn is_from_elsewhere(error: &(dyn Error + 'static)) -> bool {
    find(error) == Some(&rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer))
}

#[cfg(test)]
#[cfg(feature = "dynamodb")]
mod tests {
    use std::sync::atomic::AtomicUsize;
    use std::time::Duration;

    use aws_sdk_dynamodb::config::retry::RetryConfig;
    use aws_sdk_dynamodb::config::timeout::TimeoutConfig;
    use aws_sdk_dynamodb::config::{BehaviorVersion, Credentials, Region};
    use aws_sdk_dynamodb::error::DisplayErrorContext;
    use rcgen::{CertifiedKey, generate_simple_self_signed};
    use rustls::pki_types::PrivateKeyDer;
    use sha2::{Digest, Sha256};
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;
    use tokio_rustls::TlsAcceptor;

    use super::*;
    use crate::connection::Http;

    const CONNECT: Duration = Duration::from_secs(5);

    /// A service of AWS with a certificate from nowhere. It says nothing but `{}`.
    struct Service {
        endpoint: String,
        certificate: String,
        met: Arc<AtomicUsize>,
        asked: Arc<AtomicUsize>,
    }

    impl Service {
        async fn start() -> Self {
            Self::start_leaving(0).await
        }

        /// One that closes its first connections as soon as TLS is agreed upon.
        async fn start_leaving(first: usize) -> Self {
            let CertifiedKey { cert, signing_key } = generate_simple_self_signed(["localhost".to_owned()]).unwrap();
            let key = PrivateKeyDer::try_from(signing_key.serialize_der()).unwrap();
            let provider = Arc::new(rustls::crypto::ring::default_provider());
            let config = rustls::ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
            let config = config.unwrap().with_no_client_auth().with_single_cert(vec![cert.der().clone()], key).unwrap();
            let (acceptor, listener) =
                (TlsAcceptor::from(Arc::new(config)), TcpListener::bind("127.0.0.1:0").await.unwrap());
            let endpoint = format!("https://localhost:{}", listener.local_addr().unwrap().port());
            let service = Self { endpoint, certificate: cert.pem(), met: Arc::default(), asked: Arc::default() };
            let (met, asked) = (Arc::clone(&service.met), Arc::clone(&service.asked));
            tokio::spawn(async move {
                while let Ok((connection, _)) = listener.accept().await {
                    let earlier = met.fetch_add(1, Ordering::SeqCst);
                    let Ok(mut connection) = acceptor.accept(connection).await else { continue };
                    if earlier < first {
                        continue;
                    }
                    let asked = Arc::clone(&asked);
                    tokio::spawn(async move {
                        let mut request = [0; 4096];
                        while connection.read(&mut request).await.is_ok_and(|length| length > 0) {
                            asked.fetch_add(1, Ordering::SeqCst);
                            let answer = b"HTTP/1.1 200 OK\r\ncontent-type: application/x-amz-json-1.0\r\ncontent-length: 2\r\n\r\n{}";
                            connection.write_all(answer).await.unwrap();
                        }
                    });
                }
            });
            service
        }

        /// What came of listing the tables, and how many connections and requests arrived until now.
        async fn list(&self, tls: &'static Tls) -> (Result<(), String>, usize, usize) {
            self.list_over(Http::leaked(tls, Duration::from_secs(90))).await
        }

        async fn list_over(&self, http: &'static Http) -> (Result<(), String>, usize, usize) {
            let config = aws_sdk_dynamodb::Config::builder()
                .behavior_version(BehaviorVersion::latest())
                .region(Region::new("eu-central-1"))
                .credentials_provider(Credentials::new("AK", "secret", None, None, "test"))
                .endpoint_url(&self.endpoint)
                .http_client(http)
                .timeout_config(TimeoutConfig::builder().connect_timeout(CONNECT).build())
                .retry_config(RetryConfig::disabled())
                .build();
            let listed = aws_sdk_dynamodb::Client::from_conf(config).list_tables().send().await;
            let listed = listed.map(drop).map_err(|error| DisplayErrorContext(error).to_string());
            (listed, self.met.load(Ordering::SeqCst), self.asked.load(Ordering::SeqCst))
        }
    }

    /// As long as the test runs, as the real ones are as long as the program does.
    fn tls(first: &str, others: Option<&str>) -> &'static Tls {
        let roots = |pem: &str| Roots::built_in(String::leak(pem.to_owned()));
        Box::leak(Box::new(Tls::new(roots(first), others.map(roots))))
    }

    #[tokio::test]
    async fn a_certificate_that_is_not_from_amazon_is_asked_of_the_system_and_from_then_on_at_once() {
        let service = Service::start().await;
        let tls = tls(AMAZONS, Some(&service.certificate));
        assert_eq!(service.list(tls).await, (Ok(()), 2, 1));
        assert_eq!(service.list(tls).await, (Ok(()), 3, 2));
    }

    #[tokio::test]
    async fn nobody_is_talked_to_whom_neither_knows() {
        let service = Service::start().await;
        for (others, expected) in [(Some(AMAZONS), 2), (None, 3)] {
            let (listed, met, asked) = service.list(tls(AMAZONS, others)).await;
            assert!(listed.unwrap_err().contains("UnknownIssuer"));
            assert_eq!((met, asked), (expected, 0));
        }
        // Who did not know him a moment ago is not asked twice.
        let tls = tls(AMAZONS, Some(AMAZONS));
        assert_eq!(service.list(tls).await.1, 5);
        assert_eq!(service.list(tls).await.1, 6);
    }

    /// A server of TLS 1.3 leaves tickets behind, which must not be taken for a sign of life.
    #[tokio::test]
    async fn a_connection_that_was_opened_ahead_and_closed_is_left() {
        for (leaves, expected) in [(0, 1), (1, 2)] {
            let service = Service::start_leaving(leaves).await;
            let http = Http::leaked(tls(&service.certificate, None), Duration::from_secs(90));
            http.open_ahead(service.endpoint.parse().unwrap(), CONNECT).await.unwrap();
            tokio::time::sleep(Duration::from_millis(50)).await;
            assert_eq!(service.list_over(http).await, (Ok(()), expected, 1));
        }
    }

    #[tokio::test]
    async fn a_connection_that_is_opened_ahead_is_trusted_alike() {
        let service = Service::start().await;
        let http = Http::leaked(tls(AMAZONS, Some(&service.certificate)), Duration::from_secs(90));
        http.open_ahead(service.endpoint.parse().unwrap(), CONNECT).await.unwrap();
        assert_eq!((service.met.load(Ordering::SeqCst), service.asked.load(Ordering::SeqCst)), (2, 0));
        let nobody = Http::leaked(tls(AMAZONS, None), Duration::from_secs(90));
        let error = nobody.open_ahead(service.endpoint.parse().unwrap(), CONNECT).await.unwrap_err();
        assert!(is_from_elsewhere(&*error), "{error:?}");
    }

    #[tokio::test]
    async fn what_amazon_knows_is_not_asked_of_the_system_nor_is_whatever_else_goes_wrong() {
        let service = Service::start().await;
        let tls = tls(&service.certificate, Some(AMAZONS));
        assert_eq!(service.list(tls).await, (Ok(()), 1, 1));
        let of_another_name = Service { endpoint: service.endpoint.replace("localhost", "127.0.0.1"), ..service };
        assert!(of_another_name.list(tls).await.0.unwrap_err().contains("NotValidForName"));
        let nobody = Service { endpoint: "https://localhost:1".into(), ..of_another_name };
        assert!(nobody.list(tls).await.0.unwrap_err().contains("onnect"));
        assert!(tls.others.as_ref().unwrap().settings.get().is_none());
    }

    #[test]
    fn the_systems_roots_are_the_last_for_amazons_endpoints_and_the_only_ones_for_others() {
        assert!(SYSTEM.first.asks_system && SYSTEM.first.pem.is_empty() && SYSTEM.others.is_none());
        assert!(!AMAZON.first.asks_system && AMAZON.others.as_ref().unwrap().asks_system);
        assert_eq!(AMAZON.first.read().len(), 5);
    }

    /// <https://www.amazontrust.com/repository> lists the hashes of their public keys.
    #[test]
    fn the_roots_are_the_five_that_amazon_recommends() {
        let mut hashes: Vec<_> = CertificateDer::pem_slice_iter(AMAZONS.as_bytes())
            .map(|root| {
                let mut store = RootCertStore::empty();
                store.add(root.unwrap()).unwrap();
                let key = store.roots[0].subject_public_key_info.as_ref();
                let length = u16::try_from(key.len()).unwrap();
                let head = if length < 128 {
                    vec![0x30, key.len() as u8]
                } else {
                    [&[0x30, 0x82], &length.to_be_bytes()[..]].concat()
                };
                data_encoding::HEXLOWER.encode(&Sha256::digest([&head, key].concat()))
            })
            .collect();
        hashes.sort();
        assert_eq!(
            hashes,
            [
                "2b071c59a0a0ae76b0eadb2bad23bad4580b69c3601b630c2eaf0613afa83f92",
                "36abc32656acfc645c61b71613c4bf21c787f5cabbee48348d58597803d7abc9",
                "7f4296fc5b6a4e3b35d3c369623e364ab1af381d8fa7121533c9d6c633ea2461",
                "f7ecded5c66047d28ed6466b543c40e0743abe81d109254dcf845d4c2c7853c5",
                "fbe3018031f9586bcbf41727e417b7d1c45c2f47f93be372a17b96b50757d5a2",
            ]
        );
    }

    #[test]
    fn amazons_roots_are_for_its_own_endpoints_unless_others_are_named() {
        let of = |endpoint, variables: &[(&str, &str)]| Trust::of(endpoint, &variables.iter().copied().collect());
        assert_eq!(of(None, &[]), Trust::Amazon);
        assert_eq!(of(Some("http://localhost:4566"), &[]), Trust::System);
        assert_eq!(of(None, &[("SSL_CERT_FILE", "/etc/ssl/own.pem")]), Trust::System);
        assert_eq!(of(None, &[("SSL_CERT_DIR", "/etc/ssl/own")]), Trust::System);
    }
}
