//! What carries the SDK's requests: hyper, and rustls where the endpoint is one of `https`.
//!
//! The SDK has a crate for this, which links HTTP/2 and tunnels through proxies into every function, and nothing leaves them
//! out. AWS's endpoints that are called here speak HTTP/1.1. See `docs/adr/0018`.

use std::error::Error;
use std::fmt;
use std::future::{Future, poll_fn};
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::connection::{CaptureSmithyConnection, ConnectionMetadata};
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::retry::ErrorKind;
use futures_util::FutureExt;
use hyper::Uri;
use hyper::rt::{Read, ReadBuf};
use hyper_rustls::{HttpsConnector, MaybeHttpsStream};
use hyper_util::client::legacy::connect::{self, CaptureConnection, capture_connection};
use hyper_util::client::legacy::{self, Client};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::net::TcpStream;
use tower_service::Service;

use crate::names::Names;
use crate::trust::{Settings, Tls, Trust, is_from_elsewhere};

/// What all services share: connections to those whom Amazon vouches for, and to those whom the system trusts.
pub(crate) struct Clients {
    amazon: Http,
    system: Http,
}

impl Clients {
    /// An idle connection is kept for so long.
    pub(crate) const fn new(idle: Duration) -> Self {
        Self { amazon: Http::new(Trust::Amazon.tls(), idle), system: Http::new(Trust::System.tls(), idle) }
    }

    pub(crate) const fn get(&self, trust: Trust) -> &Http {
        match trust {
            Trust::Amazon => &self.amazon,
            Trust::System => &self.system,
        }
    }
}

/// Connections, those that are open and idle among them.
type Pool = Client<Connect, SdkBody>;

/// Carries requests. What was opened within one limit is not kept with what was opened within another: a client with less
/// patience would wait for the connection of one with more.
#[derive(Debug)]
pub(crate) struct Http {
    tls: &'static Tls,
    idle: Duration,
    pools: Mutex<Vec<(Connect, Pool)>>,
}

impl Http {
    pub(crate) const fn new(tls: &'static Tls, idle: Duration) -> Self {
        Self { tls, idle, pools: Mutex::new(Vec::new()) }
    }

    /// Opens a connection that the first request to this endpoint will take, within the limit as that would.
    pub(crate) async fn open_ahead(&self, to: Uri, limit: Duration) -> Result<(), BoxError> {
        let (connect, _) = self.pool(Some(limit));
        let stream = within(Some(limit), CONNECT, connect.clone().open_now(to.clone())).await?;
        let ahead = Ahead { to, opened: Instant::now(), stream };
        *connect.ahead.lock().unwrap_or_else(PoisonError::into_inner) = Some(ahead);
        Ok(())
    }

    fn pool(&self, limit: Option<Duration>) -> (Connect, Pool) {
        let mut pools = self.pools.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((connect, pool)) = pools.iter().find(|(connect, _)| connect.limit == limit) {
            return (connect.clone(), pool.clone());
        }
        let mut tcp = connect::HttpConnector::new_with_resolver(Names);
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        let connect = Connect { tcp, tls: self.tls, limit, idle: self.idle, ahead: Arc::default() };
        let pool = Client::builder(TokioExecutor::new())
            .pool_idle_timeout(self.idle)
            .pool_timer(TokioTimer::new())
            .build(connect.clone());
        pools.push((connect.clone(), pool.clone()));
        (connect, pool)
    }

    fn carrier(&self, settings: &HttpConnectorSettings) -> Carrier {
        let (_, pool) = self.pool(settings.connect_timeout());
        Carrier { pool, limit: settings.read_timeout() }
    }
}

impl HttpClient for &'static Http {
    fn http_connector(&self, settings: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
        SharedHttpConnector::new(self.carrier(settings))
    }
}

/// Carries requests of one client, each within the limit, if there is one.
#[derive(Debug)]
struct Carrier {
    pool: Pool,
    limit: Option<Duration>,
}

impl HttpConnector for Carrier {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let mut request = match request.try_into_http1x() {
            Ok(request) => request,
            Err(error) => return HttpConnectorFuture::ready(Err(ConnectorError::user(error.into()))),
        };
        let connection = capture_connection(&mut request);
        if let Some(capture) = request.extensions().get::<CaptureSmithyConnection>() {
            capture.set_connection_retriever(move || metadata(&connection));
        }
        let (answer, limit) = (self.pool.request(request), self.limit);
        HttpConnectorFuture::new(async move {
            let answer = within(limit, "HTTP read", answer).await.map_err(connector_error)?;
            HttpResponse::try_from(answer.map(SdkBody::from_body_1_x))
                .map_err(|error| ConnectorError::other(error.into(), None))
        })
    }
}

/// What the SDK asks about a connection: how to have it closed when a request on it went wrong.
fn metadata(connection: &CaptureConnection) -> Option<ConnectionMetadata> {
    connection.connection_metadata().as_ref()?;
    let connection = connection.clone();
    let poison = move || {
        if let Some(connection) = connection.connection_metadata().as_ref() {
            connection.poison();
        }
    };
    Some(ConnectionMetadata::builder().proxied(false).poison_fn(poison).build())
}

/// Opens connections, each within the limit, if there is one.
#[derive(Clone, Debug)]
struct Connect {
    tcp: connect::HttpConnector<Names>,
    tls: &'static Tls,
    limit: Option<Duration>,
    idle: Duration,
    ahead: Arc<Mutex<Option<Ahead>>>,
}

/// A connection that was opened before there was a request for it.
#[derive(Debug)]
struct Ahead {
    to: Uri,
    opened: Instant,
    stream: Stream,
}

impl Connect {
    async fn open(self, to: Uri) -> Result<Stream, BoxError> {
        match self.opened_ahead(&to) {
            Some(stream) => Ok(stream),
            None => self.open_now(to).await,
        }
    }

    /// What was opened ahead, unless it is for somebody else, is too old or was closed. A pool would see that it was closed; until
    /// it is in one, nobody looks.
    fn opened_ahead(&self, to: &Uri) -> Option<Stream> {
        let mut ahead = self.ahead.lock().unwrap_or_else(PoisonError::into_inner);
        drop(ahead.take_if(|it| it.opened.elapsed() >= self.idle));
        let mut stream =
            ahead.take_if(|it| (it.to.scheme(), it.to.authority()) == (to.scheme(), to.authority()))?.stream;
        // Nobody was asked anything yet, so whatever there is to be read but TLS's own is the end.
        let mut byte = [0];
        let mut buffer = ReadBuf::new(&mut byte);
        let read = poll_fn(|context| Pin::new(&mut stream).poll_read(context, buffer.unfilled())).now_or_never();
        read.is_none().then_some(stream)
    }

    async fn open_now(mut self, to: Uri) -> Result<Stream, BoxError> {
        match to.scheme_str() {
            Some("https") => {}
            Some("http") => return Ok(MaybeHttpsStream::Http(within(self.limit, CONNECT, self.tcp.call(to)).await?)),
            // What was meant for TLS must not go out in the clear because of a slip.
            _ => return Err("an endpoint begins with `https://` or `http://`".into()),
        }
        let settings = self.tls.settings()?;
        let error = match self.open_tls(&settings, &to).await {
            Err(error) if is_from_elsewhere(&*error) => error,
            stream => return stream,
        };
        // Nothing was sent: TLS asks for the certificate before.
        let Some(settings) = self.tls.settings_for_others(&settings)? else { return Err(error) };
        self.open_tls(&settings, &to).await
    }

    async fn open_tls(&self, settings: &Settings, to: &Uri) -> Result<Stream, BoxError> {
        let mut tls = HttpsConnector::from((self.tcp.clone(), Arc::clone(settings)));
        within(self.limit, CONNECT, tls.call(to.clone())).await
    }
}

type Stream = MaybeHttpsStream<TokioIo<TcpStream>>;

const CONNECT: &str = "HTTP connect";

impl Service<Uri> for Connect {
    type Response = Stream;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Stream, BoxError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, to: Uri) -> Self::Future {
        Box::pin(self.clone().open(to))
    }
}

async fn within<T, E: Into<BoxError>>(
    limit: Option<Duration>,
    what: &'static str,
    answer: impl Future<Output = Result<T, E>>,
) -> Result<T, BoxError> {
    let Some(limit) = limit else { return answer.await.map_err(Into::into) };
    match tokio::time::timeout(limit, answer).await {
        Ok(answer) => answer.map_err(Into::into),
        Err(_) => Err(TookTooLong(what, limit).into()),
    }
}

#[derive(Debug)]
struct TookTooLong(&'static str, Duration);

impl fmt::Display for TookTooLong {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(what, limit) = self;
        write!(formatter, "{what} timeout occurred after {limit:?}")
    }
}

impl Error for TookTooLong {}

/// What the SDK has to know of an error to decide whether it tries again. A connection that was cut counts as I/O, or as
/// transient where hyper only knows that the answer is not complete.
fn connector_error(error: BoxError) -> ConnectorError {
    if is::<TookTooLong>(&*error) {
        return ConnectorError::timeout(error);
    }
    if let Some(of_hyper) = find::<hyper::Error>(&*error) {
        return if of_hyper.is_timeout() {
            ConnectorError::timeout(error)
        } else if of_hyper.is_user() {
            ConnectorError::user(error)
        } else if of_hyper.is_closed() || of_hyper.is_canceled() || is::<io::Error>(of_hyper) {
            ConnectorError::io(error)
        } else if of_hyper.is_incomplete_message() {
            ConnectorError::other(error, Some(ErrorKind::TransientError))
        } else {
            ConnectorError::other(error, None)
        };
    }
    if could_not_connect(&*error) || is::<io::Error>(&*error) {
        return ConnectorError::io(error);
    }
    ConnectorError::other(error, None)
}

/// Whether there was no connection to send anything through.
pub(crate) fn could_not_connect(error: &(dyn Error + 'static)) -> bool {
    find::<legacy::Error>(error).is_some_and(legacy::Error::is_connect)
}

fn is<E: Error + 'static>(error: &(dyn Error + 'static)) -> bool {
    find::<E>(error).is_some()
}

/// The first error of this type among an error and what caused it.
pub(crate) fn find<'a, E: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a E> {
    causes(error).find_map(<dyn Error>::downcast_ref)
}

/// An error, and what caused it.
pub(crate) fn causes<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |&error| {
        // What an I/O error was made of is not its source.
        let inner = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        inner.map_or_else(|| error.source(), |inner| Some(inner))
    })
}

#[cfg(test)]
mod tests {
    use std::future::pending;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use aws_smithy_types::byte_stream::ByteStream;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;

    const USUAL: Duration = Duration::from_secs(90);
    const PATIENT: Duration = Duration::from_secs(30);
    const HASTY: Duration = Duration::from_millis(30);

    /// How a server treats whoever connects.
    #[derive(Clone, Copy)]
    enum Manner {
        Answers,
        /// Reads, and says nothing.
        Listens,
        /// Hangs up after a request.
        HangsUp,
        /// Says what is not HTTP.
        Babbles,
        /// Hangs up at once.
        Leaves,
    }

    struct Server {
        address: String,
        met: Arc<AtomicUsize>,
    }

    impl Server {
        async fn start(manner: Manner) -> Self {
            Self::try_start("127.0.0.1:0", manner).await.unwrap()
        }

        async fn try_start(at: &str, manner: Manner) -> io::Result<Self> {
            let listener = TcpListener::bind(at).await?;
            let (host, _) = at.rsplit_once(':').unwrap();
            let address = format!("{host}:{}", listener.local_addr()?.port());
            let server = Self { address, met: Arc::default() };
            let met = Arc::clone(&server.met);
            tokio::spawn(async move {
                while let Ok((mut connection, _)) = listener.accept().await {
                    met.fetch_add(1, Ordering::SeqCst);
                    if let Manner::Leaves = manner {
                        continue;
                    }
                    tokio::spawn(async move {
                        let mut request = [0; 1024];
                        while connection.read(&mut request).await.is_ok_and(|length| length > 0) {
                            let answer: &[u8] = match manner {
                                Manner::Answers => b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}",
                                Manner::Listens => pending().await,
                                Manner::HangsUp | Manner::Leaves => break,
                                Manner::Babbles => b"220 mail.example\r\n\r\n",
                            };
                            connection.write_all(answer).await.unwrap();
                        }
                    });
                }
            });
            Ok(server)
        }

        fn at(&self, scheme: &str) -> HttpRequest {
            HttpRequest::get(format!("{scheme}://{}/", self.address)).unwrap()
        }
    }

    impl Http {
        /// As long as the test runs, as the real ones are as long as the program does.
        pub(crate) fn leaked(tls: &'static Tls, idle: Duration) -> &'static Self {
            Box::leak(Box::new(Self::new(tls, idle)))
        }
    }

    fn http(idle: Duration) -> &'static Http {
        Http::leaked(Trust::Amazon.tls(), idle)
    }

    fn settings(connect: Duration, read: Duration) -> HttpConnectorSettings {
        HttpConnectorSettings::builder().connect_timeout(connect).read_timeout(read).build()
    }

    async fn error(request: HttpRequest, connect: Duration, read: Duration) -> ConnectorError {
        let answer = http(USUAL).carrier(&settings(connect, read)).call(request);
        tokio::time::timeout(PATIENT * 2, answer).await.unwrap().unwrap_err()
    }

    #[tokio::test]
    async fn connections_are_kept_for_their_time_and_by_those_with_the_same_patience() {
        let server = Server::start(Manner::Answers).await;
        let kept = http(USUAL);
        let carry = async |http: &Http, connect| {
            let answer = http.carrier(&settings(connect, PATIENT)).call(server.at("http")).await.unwrap();
            assert_eq!(answer.status().as_u16(), 200);
            read(answer).await;
            server.met.load(Ordering::SeqCst)
        };
        assert_eq!(carry(kept, PATIENT).await, 1);
        assert_eq!(carry(kept, PATIENT).await, 1);
        assert_eq!(carry(kept, PATIENT * 2).await, 2);
        let fresh = http(Duration::from_nanos(1));
        assert_eq!(carry(fresh, PATIENT).await, 3);
        assert_eq!(carry(fresh, PATIENT).await, 4);
    }

    #[tokio::test]
    async fn the_first_request_takes_what_was_opened_ahead_and_the_others_what_it_left() {
        let (server, http) = (Server::start(Manner::Answers).await, http(USUAL));
        http.open_ahead(server.at("http").uri().parse().unwrap(), PATIENT).await.unwrap();
        for _ in 0..2 {
            let answer = http.carrier(&settings(PATIENT, PATIENT)).call(server.at("http")).await.unwrap();
            read(answer).await;
        }
        assert_eq!(server.met.load(Ordering::SeqCst), 1);
    }

    #[tokio::test]
    async fn what_was_opened_ahead_is_left_if_it_is_for_others_too_old_or_closed() {
        let (server, other) = (Server::start(Manner::Answers).await, Server::start(Manner::Answers).await);
        let leaves = Server::start(Manner::Leaves).await;
        let ahead = async |opened: &Server, limit, idle, asked: &Server| {
            let http = http(idle);
            http.open_ahead(opened.at("http").uri().parse().unwrap(), limit).await.unwrap();
            tokio::time::sleep(HASTY).await;
            let (connect, _) = http.pool(Some(PATIENT));
            connect.opened_ahead(&asked.at("http").uri().parse().unwrap()).is_some()
        };
        assert!(ahead(&server, PATIENT, USUAL, &server).await);
        assert!(!ahead(&server, PATIENT, USUAL, &other).await);
        assert!(!ahead(&server, PATIENT * 2, USUAL, &server).await);
        assert!(!ahead(&server, PATIENT, Duration::from_millis(1), &server).await);
        assert!(!ahead(&leaves, PATIENT, USUAL, &leaves).await);
    }

    #[tokio::test]
    async fn nothing_is_opened_ahead_for_longer_than_the_limit() {
        let server = Server::start(Manner::Listens).await;
        let error = http(USUAL).open_ahead(server.at("https").uri().parse().unwrap(), HASTY).await.unwrap_err();
        assert_eq!(error.to_string(), "HTTP connect timeout occurred after 30ms");
    }

    /// A connection is idle when the answer is read to its end and its task has seen that.
    async fn read(answer: HttpResponse) {
        assert_eq!(ByteStream::new(answer.into_body()).collect().await.unwrap().to_vec(), b"{}");
        for _ in 0..10 {
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn a_poisoned_connection_takes_no_more_requests() {
        let server = Server::start(Manner::Answers).await;
        let http = http(USUAL);
        for expected in [1, 2] {
            let capture = CaptureSmithyConnection::new();
            let mut request = server.at("http");
            request.add_extension(capture.clone());
            let answer = http.carrier(&settings(PATIENT, PATIENT)).call(request).await.unwrap();
            assert_eq!(server.met.load(Ordering::SeqCst), expected);
            capture.get().unwrap().poison();
            read(answer).await;
        }
    }

    #[tokio::test]
    async fn who_does_not_finish_tls_in_time_is_a_time_out_of_connecting() {
        let server = Server::start(Manner::Listens).await;
        let error = error(server.at("https"), HASTY, PATIENT).await;
        assert!(error.is_timeout() && could_not_connect(&error), "{error:?}");
        assert_eq!(causes(&error).last().unwrap().to_string(), "HTTP connect timeout occurred after 30ms");
    }

    #[tokio::test]
    async fn who_does_not_answer_in_time_is_a_time_out_of_a_request_that_was_sent() {
        let server = Server::start(Manner::Listens).await;
        let error = error(server.at("http"), PATIENT, HASTY).await;
        assert!(error.is_timeout() && !could_not_connect(&error), "{error:?}");
    }

    #[tokio::test]
    async fn a_connection_that_is_refused_or_a_host_that_is_unknown_is_io_and_nothing_was_sent() {
        for to in ["http://127.0.0.1:1/", "https://127.0.0.1:1/", "http://[::1]:1/", "http://nobody.invalid/"] {
            let error = error(HttpRequest::get(to).unwrap(), PATIENT, PATIENT).await;
            assert!(error.is_io() && could_not_connect(&error), "{to}: {error:?}");
        }
    }

    #[tokio::test]
    async fn a_connection_that_is_cut_is_transient_and_the_request_may_have_been_heard() {
        let server = Server::start(Manner::HangsUp).await;
        let error = error(server.at("http"), PATIENT, PATIENT).await;
        assert_eq!(error.as_other(), Some(ErrorKind::TransientError), "{error:?}");
        assert!(!could_not_connect(&error));
    }

    #[tokio::test]
    async fn what_is_not_http_is_not_tried_again() {
        let server = Server::start(Manner::Babbles).await;
        let error = error(server.at("http"), PATIENT, PATIENT).await;
        assert!(error.is_other() && error.as_other().is_none(), "{error:?}");
    }

    #[tokio::test]
    async fn what_has_no_scheme_is_refused() {
        let error = error(HttpRequest::get("/nowhere").unwrap(), PATIENT, PATIENT).await;
        assert!(!error.is_io() && !error.is_timeout(), "{error:?}");
    }

    #[tokio::test]
    async fn nothing_is_sent_to_what_is_neither_http_nor_https() {
        let server = Server::start(Manner::Answers).await;
        for scheme in ["htps", "httpss", "ftp"] {
            let error = error(server.at(scheme), PATIENT, PATIENT).await;
            assert!(could_not_connect(&error), "{scheme}: {error:?}");
        }
        assert_eq!(server.met.load(Ordering::SeqCst), 0);
    }

    #[tokio::test]
    async fn hosts_have_names_and_addresses_of_both_kinds() {
        let settings = settings(PATIENT, PATIENT);
        for at in ["127.0.0.1:0", "[::1]:0", "localhost:0"] {
            // Not every machine has addresses of version 6.
            let Ok(server) = Server::try_start(at, Manner::Answers).await else { continue };
            http(USUAL).carrier(&settings).call(server.at("http")).await.unwrap();
        }
    }
}
