//! Whom TLS trusts.
//!
//! AWS's endpoints have certificates of Amazon Trust Services, so its five roots are built in: reading the system's takes many
//! times as long, at every start. Amazon warns against trusting these and no others for ever
//! (<https://www.amazontrust.com/repository>), and an endpoint in China or behind an inspecting proxy may have a certificate from
//! elsewhere. So where these roots know no issuer, the system's are asked as well, from then on.

use std::error::Error;
use std::fmt;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_http_client::tls::{Provider, TlsContext, TrustStore};
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use cognito_triggers::Environment;

use crate::names::Names;

/// Amazon Root CA 1 to 4 and the Starfield Services Root CA, G2: what Amazon recommends for a store of one's own.
const AMAZON: &str = include_str!("roots.pem");

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
}

/// HTTP clients that are made when they are needed, and then shared. They keep an idle connection for so long.
pub(crate) struct Clients {
    idle: Option<Duration>,
    amazon: OnceLock<SharedHttpClient>,
    both: OnceLock<SharedHttpClient>,
    system: OnceLock<SharedHttpClient>,
}

impl Clients {
    /// `None`: as long as is usual, a minute and a half.
    pub(crate) const fn new(idle: Option<Duration>) -> Self {
        Self { idle, amazon: OnceLock::new(), both: OnceLock::new(), system: OnceLock::new() }
    }

    pub(crate) fn get(&'static self, trust: Trust) -> SharedHttpClient {
        let amazon = || TrustStore::empty().with_pem_certificate(AMAZON);
        match trust {
            Trust::Amazon => self.amazon.get_or_init(|| {
                let both =
                    move || self.both.get_or_init(|| http_client(self.idle, amazon().with_native_roots(true))).clone();
                SharedHttpClient::new(AmazonFirst::new(http_client(self.idle, amazon()), both))
            }),
            Trust::System => {
                self.system.get_or_init(|| http_client(self.idle, TrustStore::empty().with_native_roots(true)))
            }
        }
        .clone()
    }
}

fn http_client(idle: Option<Duration>, roots: TrustStore) -> SharedHttpClient {
    // ring: AWS-LC spends a hundred times as long at start, gathering entropy from the CPU's jitter.
    let mut builder = aws_smithy_http_client::Builder::new();
    builder.set_pool_idle_timeout(idle.map(Some));
    let builder = builder.tls_provider(Provider::Rustls(CryptoMode::Ring));
    match TlsContext::builder().with_trust_store(roots).build() {
        Ok(context) => builder.tls_context(context).build_with_resolver(Names),
        // Its default context trusts the system's roots.
        Err(_) => builder.build_with_resolver(Names),
    }
}

/// Asks `both` for a client, which trusts the system's roots too, when `amazon` has met a certificate from elsewhere.
#[derive(Clone)]
struct AmazonFirst<F> {
    amazon: SharedHttpClient,
    both: F,
    has_met_others: Arc<AtomicBool>,
}

impl<F> AmazonFirst<F> {
    fn new(amazon: SharedHttpClient, both: F) -> Self {
        Self { amazon, both, has_met_others: Arc::default() }
    }
}

impl<F> fmt::Debug for AmazonFirst<F> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("AmazonFirst").finish_non_exhaustive()
    }
}

impl<F: Fn() -> SharedHttpClient + Clone + Send + Sync + 'static> HttpClient for AmazonFirst<F> {
    fn http_connector(&self, settings: &HttpConnectorSettings, components: &RuntimeComponents) -> SharedHttpConnector {
        if self.has_met_others.load(Ordering::Relaxed) {
            return (self.both)().http_connector(settings, components);
        }
        SharedHttpConnector::new(Connector {
            amazon: self.amazon.http_connector(settings, components),
            clients: self.clone(),
            settings: settings.clone(),
            components: components.clone(),
        })
    }
}

struct Connector<F> {
    amazon: SharedHttpConnector,
    clients: AmazonFirst<F>,
    settings: HttpConnectorSettings,
    components: RuntimeComponents,
}

impl<F> fmt::Debug for Connector<F> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.clients.fmt(formatter)
    }
}

impl<F: Fn() -> SharedHttpClient + Clone + Send + Sync + 'static> HttpConnector for Connector<F> {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let again = request.try_clone();
        let first = self.amazon.call(request);
        let (clients, settings, components) = (self.clients.clone(), self.settings.clone(), self.components.clone());
        HttpConnectorFuture::new(async move {
            let error = match first.await {
                Err(error) if is_from_elsewhere(&error) => error,
                answer => return answer,
            };
            if !clients.has_met_others.swap(true, Ordering::Relaxed) {
                tracing::info!("a certificate is not from Amazon's roots; from now on the system's are asked, too");
            }
            // Nothing was sent: TLS asks for the certificate before.
            let Some(request) = again else { return Err(error) };
            (clients.both)().http_connector(&settings, &components).call(request).await
        })
    }
}

/// Whether a certificate was refused since nobody knows its issuer.
fn is_from_elsewhere(error: &ConnectorError) -> bool {
    let unknown = rustls::Error::InvalidCertificate(rustls::CertificateError::UnknownIssuer);
    let mut cause: Option<&(dyn Error + 'static)> = Some(error);
    while let Some(error) = cause {
        if error.downcast_ref() == Some(&unknown) {
            return true;
        }
        // What an I/O error was made of is not its source.
        let inner = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        cause = inner.map_or_else(|| error.source(), |inner| Some(inner));
    }
    false
}

#[cfg(test)]
#[cfg(feature = "dynamodb")]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use aws_sdk_dynamodb::config::{BehaviorVersion, Credentials, Region};
    use aws_sdk_dynamodb::error::DisplayErrorContext;
    use rcgen::{CertifiedKey, generate_simple_self_signed};
    use rustls::RootCertStore;
    use rustls::pki_types::pem::PemObject;
    use rustls::pki_types::{CertificateDer, PrivateKeyDer};
    use sha2::{Digest, Sha256};
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;
    use tokio_rustls::TlsAcceptor;

    use super::*;

    /// A service of AWS with a certificate from nowhere. It says nothing but `{}`.
    struct Service {
        endpoint: String,
        certificate: String,
        met: Arc<AtomicUsize>,
        asked: Arc<AtomicUsize>,
    }

    impl Service {
        async fn start() -> Self {
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
                    met.fetch_add(1, Ordering::SeqCst);
                    let Ok(mut connection) = acceptor.accept(connection).await else { continue };
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
        async fn list(&self, client: impl HttpClient + 'static) -> (Result<(), String>, usize, usize) {
            let config = aws_sdk_dynamodb::Config::builder()
                .behavior_version(BehaviorVersion::latest())
                .region(Region::new("eu-central-1"))
                .credentials_provider(Credentials::new("AK", "secret", None, None, "test"))
                .endpoint_url(&self.endpoint)
                .http_client(client)
                .retry_config(aws_sdk_dynamodb::config::retry::RetryConfig::disabled())
                .build();
            let listed = aws_sdk_dynamodb::Client::from_conf(config).list_tables().send().await;
            let listed = listed.map(drop).map_err(|error| DisplayErrorContext(error).to_string());
            (listed, self.met.load(Ordering::SeqCst), self.asked.load(Ordering::SeqCst))
        }
    }

    fn trusting(pem: &str) -> SharedHttpClient {
        http_client(None, TrustStore::empty().with_pem_certificate(pem))
    }

    #[tokio::test]
    async fn a_certificate_that_is_not_from_amazon_is_asked_of_the_system_and_from_then_on_at_once() {
        let service = Service::start().await;
        let system = trusting(&service.certificate);
        let client = AmazonFirst::new(trusting(AMAZON), move || system.clone());
        assert_eq!(service.list(client.clone()).await, (Ok(()), 2, 1));
        assert_eq!(service.list(client).await, (Ok(()), 2, 2));
    }

    #[tokio::test]
    async fn nobody_is_talked_to_whom_neither_knows() {
        let service = Service::start().await;
        let client = AmazonFirst::new(trusting(AMAZON), || trusting(AMAZON));
        let (listed, met, asked) = service.list(client).await;
        assert!(listed.unwrap_err().contains("UnknownIssuer"));
        assert_eq!((met, asked), (2, 0));
    }

    #[tokio::test]
    async fn what_amazon_knows_is_not_asked_of_the_system_nor_is_whatever_else_goes_wrong() {
        let service = Service::start().await;
        let client = AmazonFirst::new(trusting(&service.certificate), || unreachable!());
        assert_eq!(service.list(client.clone()).await, (Ok(()), 1, 1));
        let nobody = Service { endpoint: "https://localhost:1".into(), ..service };
        assert!(nobody.list(client).await.0.unwrap_err().contains("onnect"));
    }

    /// <https://www.amazontrust.com/repository> lists the hashes of their public keys.
    #[test]
    fn the_roots_are_the_five_that_amazon_recommends() {
        let mut hashes: Vec<_> = CertificateDer::pem_slice_iter(AMAZON.as_bytes())
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
