//! What the browser asks for. Only this machine may ask, and only a page of this very server: names of other hosts that lead
//! here (DNS rebinding) and pages of other origins are sent away.

use std::convert::Infallible;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::stream::unfold;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, Limited, StreamBody};
use hyper::body::{Bytes, Frame, Incoming};
use hyper::header::{self, HeaderMap, HeaderName, HeaderValue};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use serde::Serialize;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::sync::watch;

use super::preview::{Previews, Scheme, shown};
use super::project::Project;
use super::render::{self, Wanted};

const PAGE: &str = include_str!("page.html");
const STYLE: &str = include_str!("page.css");
const SCRIPTS: [(&str, &str); 3] = [
    ("/page.js", include_str!("page.js")),
    ("/views.js", include_str!("views.js")),
    ("/elements.js", include_str!("elements.js")),
];

/// How often files are looked at.
const LOOKED: Duration = Duration::from_millis(300);
/// After how long a line that says nothing keeps a connection alive.
const QUIET: Duration = Duration::from_secs(15);
/// How long the head of a request may take.
const HEAD: Duration = Duration::from_secs(10);
/// The largest request.
const LARGEST: usize = 256 << 10;

/// What a page may do: run and look like what this server sends, and nothing else.
const PAGE_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; frame-src 'self'; \
    img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; \
    trusted-types 'none'";
/// What a mail in a frame may do: look like itself.
const PREVIEW_POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; \
    form-action 'none'; frame-ancestors 'self'; sandbox";

/// A project and whoever looks at it.
pub(super) struct Gallery {
    project: Project,
    previews: Mutex<Previews>,
    version: watch::Sender<String>,
    port: u16,
}

type Answer = Response<UnsyncBoxBody<Bytes, Infallible>>;

impl Gallery {
    pub(super) fn new(project: Project, port: u16) -> Self {
        Self { project, previews: Mutex::default(), version: watch::Sender::new(String::new()), port }
    }

    /// Whether a name is this server's.
    fn is_own(&self, host: &str) -> bool {
        let (name, port) = match host.rsplit_once(':') {
            Some((name, port)) if !port.ends_with(']') => (name, port.parse().ok()),
            _ => (host, Some(80)),
        };
        port == Some(self.port) && ["127.0.0.1", "localhost", "[::1]"].iter().any(|own| own.eq_ignore_ascii_case(name))
    }

    /// Whether the request comes from a page of this server, or from no page at all.
    fn is_welcome<B>(&self, request: &Request<B>) -> bool {
        let one = |name: HeaderName| {
            let mut all = request.headers().get_all(name).iter();
            (all.next().map(|value| value.to_str().unwrap_or_default()), all.next().is_none())
        };
        let own_host = matches!(one(header::HOST), (Some(host), true) if self.is_own(host));
        let own_authority = request.uri().authority().is_none_or(|authority| self.is_own(authority.as_str()));
        let own_origin = match one(header::ORIGIN) {
            (None, _) => true,
            (Some(origin), alone) => alone && origin.strip_prefix("http://").is_some_and(|host| self.is_own(host)),
        };
        own_host && own_authority && own_origin
    }

    /// Says so whenever the project has changed.
    async fn watch(self: Arc<Self>) {
        loop {
            let gallery = Arc::clone(&self);
            let version = tokio::task::spawn_blocking(move || gallery.project.now().version.clone()).await;
            if let Ok(version) = version {
                self.version.send_if_modified(|known| {
                    let changed = *known != version;
                    *known = version;
                    changed
                });
            }
            tokio::time::sleep(LOOKED).await;
        }
    }
}

/// Answers until it is dropped.
pub(super) async fn serve(listener: TcpListener, gallery: Arc<Gallery>) {
    let _watching = Ended(tokio::spawn(Arc::clone(&gallery).watch()));
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            // Too many open files: some will be closed soon.
            tokio::time::sleep(LOOKED).await;
            continue;
        };
        let gallery = Arc::clone(&gallery);
        tokio::spawn(async move {
            let service = service_fn(move |request| answer_to(Arc::clone(&gallery), request));
            let mut http = hyper::server::conn::http1::Builder::new();
            http.timer(TokioTimer::new()).header_read_timeout(HEAD);
            // A browser that goes away is no failure.
            let _ = http.serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

/// A task that ends with whoever began it.
struct Ended(tokio::task::JoinHandle<()>);

impl Drop for Ended {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn answer_to(gallery: Arc<Gallery>, request: Request<Incoming>) -> Result<Answer, Infallible> {
    let mut answer = route(gallery, request).await;
    let headers = answer.headers_mut();
    for (name, value) in [
        (header::CACHE_CONTROL, "no-store"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers.entry(header::CONTENT_SECURITY_POLICY).or_insert(HeaderValue::from_static(PAGE_POLICY));
    Ok(answer)
}

async fn route(gallery: Arc<Gallery>, request: Request<Incoming>) -> Answer {
    if !gallery.is_welcome(&request) {
        return plain(StatusCode::FORBIDDEN, "this is for pages of this server alone\n");
    }
    let path = request.uri().path().to_owned();
    match (request.method(), path.as_str()) {
        (&Method::GET, "/") => text("text/html; charset=utf-8", PAGE),
        (&Method::GET, "/page.css") => text("text/css; charset=utf-8", STYLE),
        (&Method::GET, "/api/list") => list(gallery).await,
        (&Method::GET, "/api/events") => events(&gallery),
        (&Method::POST, "/api/render") => rendered(gallery, request).await,
        (&Method::GET, path) => {
            match (path.strip_prefix("/preview/"), SCRIPTS.iter().find(|(name, _)| *name == path)) {
                (Some(name), _) => preview(&gallery, name, Scheme::of(request.uri().query())),
                (None, Some((_, script))) => text("text/javascript; charset=utf-8", *script),
                (None, None) => plain(StatusCode::NOT_FOUND, "there is nothing here\n"),
            }
        }
        (&Method::POST, _) => plain(StatusCode::NOT_FOUND, "there is nothing here\n"),
        _ => {
            let mut answer = plain(StatusCode::METHOD_NOT_ALLOWED, "this is not how it is asked for\n");
            answer.headers_mut().insert(header::ALLOW, HeaderValue::from_static("GET, POST"));
            answer
        }
    }
}

/// Everything there is to be shown, and what is wrong with it.
async fn list(gallery: Arc<Gallery>) -> Answer {
    blocking(move || {
        let snapshot = gallery.project.now();
        let users: Vec<_> = cognito_triggers::message::sample_users()
            .into_iter()
            .map(|user| json!({ "about": user.about, "attributes": user.attributes }))
            .collect();
        as_json(&json!({
            "version": snapshot.version,
            "page": page_version(),
            "configuration": gallery.project.name(),
            "builtIn": gallery.project.is_built_in(),
            "problems": snapshot.problems,
            "items": snapshot.items,
            "users": users,
        }))
    })
    .await
}

async fn rendered(gallery: Arc<Gallery>, request: Request<Incoming>) -> Answer {
    let is_json = |headers: &HeaderMap| {
        let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        kind.split(';').next().is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/json"))
    };
    if !is_json(request.headers()) {
        return plain(StatusCode::UNSUPPORTED_MEDIA_TYPE, "this is asked for in JSON\n");
    }
    let Ok(body) = Limited::new(request.into_body(), LARGEST).collect().await else {
        return plain(StatusCode::PAYLOAD_TOO_LARGE, "this is too much\n");
    };
    let wanted: Wanted = match serde_json::from_slice(&body.to_bytes()) {
        Ok(wanted) => wanted,
        Err(error) => return plain(StatusCode::BAD_REQUEST, &format!("this is not what can be shown: {error}\n")),
    };
    blocking(move || {
        let snapshot = gallery.project.now();
        let Some(item) = snapshot.items.iter().find(|item| item.id == wanted.message) else {
            return plain(StatusCode::NOT_FOUND, "there is no such message any more\n");
        };
        let views = render::views(&snapshot, item, &wanted, &gallery.previews);
        as_json(&json!({ "version": snapshot.version, "message": item.id, "views": views }))
    })
    .await
}

fn preview(gallery: &Gallery, name: &str, scheme: Scheme) -> Answer {
    let previews = gallery.previews.lock().unwrap_or_else(PoisonError::into_inner);
    let mut answer = match previews.find(name) {
        Some(page) => text("text/html; charset=utf-8", shown(page, scheme)),
        None => plain(StatusCode::NOT_FOUND, "this preview is gone: reload the gallery\n"),
    };
    answer.headers_mut().insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(PREVIEW_POLICY));
    answer
}

/// The version of the project, at once and whenever it has changed.
fn events(gallery: &Gallery) -> Answer {
    let versions = gallery.version.subscribe();
    let lines = unfold((versions, true), async |(mut versions, first)| {
        let moved = if first { Ok(Ok(())) } else { tokio::time::timeout(QUIET, versions.changed()).await };
        let line = match moved {
            Ok(Ok(())) => {
                let version = versions.borrow_and_update().clone();
                format!("event: version\ndata: {version} {}\n\n", page_version())
            }
            Ok(Err(_)) => return None,
            Err(_) => ": still here\n\n".to_owned(),
        };
        Some((Ok::<_, Infallible>(Frame::data(Bytes::from(line))), (versions, false)))
    });
    with_body("text/event-stream", StreamBody::new(lines).boxed_unsync())
}

/// The same for the same page: one that waited for a newer server has to be loaded again.
fn page_version() -> String {
    let mut hasher = DefaultHasher::new();
    (PAGE, STYLE, SCRIPTS).hash(&mut hasher);
    format!("{:016x}", hasher.finish())
}

/// What takes a while does not keep others waiting.
async fn blocking(work: impl FnOnce() -> Answer + Send + 'static) -> Answer {
    let failed = |_| plain(StatusCode::INTERNAL_SERVER_ERROR, "this is a mistake in the gallery itself\n");
    tokio::task::spawn_blocking(work).await.unwrap_or_else(failed)
}

fn as_json(value: &impl Serialize) -> Answer {
    match serde_json::to_string(value) {
        Ok(json) => text("application/json", json),
        Err(error) => plain(StatusCode::INTERNAL_SERVER_ERROR, &format!("this cannot be told: {error}\n")),
    }
}

fn text(kind: &'static str, text: impl Into<Bytes>) -> Answer {
    with_body(kind, Full::new(text.into()).boxed_unsync())
}

fn plain(status: StatusCode, words: &str) -> Answer {
    let mut answer = text("text/plain; charset=utf-8", words.to_owned());
    *answer.status_mut() = status;
    answer
}

fn with_body(kind: &'static str, body: UnsyncBoxBody<Bytes, Infallible>) -> Answer {
    let mut answer = Response::new(body);
    answer.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    answer
}
