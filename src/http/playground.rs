//! The playground: a page and its assets, which `make playground` builds and the binary embeds.

use std::{
    borrow::Cow,
    future::{Ready, ready},
    io::{self, Cursor, SeekFrom},
    marker::PhantomData,
    path::{Component, Path, PathBuf},
    pin::Pin,
    task::{Context, Poll},
    time::{Duration, SystemTime},
};

use axum::{
    Router,
    extract::Request,
    http::{HeaderName, HeaderValue, header},
    middleware::{Next, from_fn},
    response::{Html, Redirect, Response},
    routing,
};
use rust_embed::Embed;
use tokio::io::{AsyncRead, AsyncSeek, ReadBuf};
use tower_http::services::fs::{Backend, File, Metadata, ServeDir};

/// Where `make playground` puts it: each file, and beside it the same compressed. Without it the folder is empty.
#[derive(Embed)]
#[folder = "playground/dist/"]
#[allow_missing = true]
struct Assets;

/// What is there instead as long as nobody has built it.
const NOT_BUILT: &str = include_str!("../../playground/not-built.html");

/// The page runs its own scripts and talks to its own origin, and to nothing else. Style elements are allowed: the
/// editor (Monaco) writes its themes and measures into such, without a nonce. Its style sheet brings fonts as `data:`.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; worker-src 'self'; \
     connect-src 'self'; style-src 'self' 'unsafe-inline'; font-src 'self' data:; img-src 'self' data:; \
     base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

const HEADERS: [(HeaderName, HeaderValue); 6] = [
    (
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static(CONTENT_SECURITY_POLICY),
    ),
    (
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    ),
    (
        header::REFERRER_POLICY,
        HeaderValue::from_static("no-referrer"),
    ),
    (
        HeaderName::from_static("cross-origin-opener-policy"),
        HeaderValue::from_static("same-origin"),
    ),
    (
        HeaderName::from_static("cross-origin-resource-policy"),
        HeaderValue::from_static("same-origin"),
    ),
    (
        HeaderName::from_static("permissions-policy"),
        HeaderValue::from_static("camera=(), geolocation=(), microphone=()"),
    ),
];

/// `/`, which leads there, `/playground`, and what is below it.
pub(super) fn routes<S: Clone + Send + Sync + 'static>() -> Router<S> {
    routes_of::<Assets, S>()
}

fn routes_of<A: Embed + 'static, S: Clone + Send + Sync + 'static>() -> Router<S> {
    let routes = if A::get("index.html").is_some() {
        let assets = ServeDir::with_backend("", Embedded::<A>(PhantomData))
            .precompressed_br()
            .precompressed_gzip();
        Router::new().nest_service("/playground", assets)
    } else {
        Router::new().route("/playground", routing::get(Html(NOT_BUILT)))
    };
    let root = routing::get(async || Redirect::temporary("/playground"));
    routes.layer(from_fn(with_headers)).route("/", root)
}

/// Assets have a digest in their names, so what one of them says never changes; the page names them, and does.
async fn with_headers(request: Request, next: Next) -> Response {
    let is_asset = request.uri().path().starts_with("/playground/assets/");
    let mut response = next.run(request).await;
    let is_there = !response.status().is_client_error();
    let headers = response.headers_mut();
    headers.extend(HEADERS);
    let lifetime = if is_asset && is_there {
        "public, max-age=31536000, immutable"
    } else {
        "no-cache"
    };
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(lifetime));
    response
}

/// Embedded files, for a service that otherwise reads from a disk.
struct Embedded<A>(PhantomData<fn() -> A>);

impl<A> Clone for Embedded<A> {
    fn clone(&self) -> Self {
        Self(PhantomData)
    }
}

impl<A: Embed + 'static> Backend for Embedded<A> {
    type File = EmbeddedFile;
    type Metadata = EmbeddedMetadata;
    type OpenFuture = Ready<io::Result<EmbeddedFile>>;
    type MetadataFuture = Ready<io::Result<EmbeddedMetadata>>;

    fn open(&self, path: PathBuf) -> Self::OpenFuture {
        ready(file::<A>(&path).ok_or_else(|| io::ErrorKind::NotFound.into()))
    }

    fn metadata(&self, path: PathBuf) -> Self::MetadataFuture {
        let metadata = match file::<A>(&path) {
            Some(file) => Some(file.metadata),
            None if is_folder::<A>(&path) => Some(EmbeddedMetadata::FOLDER),
            None => None,
        };
        ready(metadata.ok_or_else(|| io::ErrorKind::NotFound.into()))
    }
}

fn file<A: Embed>(path: &Path) -> Option<EmbeddedFile> {
    let file = A::get(&name(path))?;
    let modified = file.metadata.last_modified().unwrap_or_default();
    Some(EmbeddedFile {
        metadata: EmbeddedMetadata {
            is_folder: false,
            length: file.data.len() as u64,
            modified: SystemTime::UNIX_EPOCH + Duration::from_secs(modified),
        },
        data: Cursor::new(file.data),
    })
}

fn is_folder<A: Embed>(path: &Path) -> bool {
    let path = name(path);
    path.is_empty() || A::iter().any(|file| file.starts_with(&format!("{path}/")))
}

/// The service asks for `./assets/a.js`; it has made sure that no path leads out of the folder.
fn name(path: &Path) -> String {
    let names = path.components().filter_map(|component| match component {
        Component::Normal(name) => name.to_str(),
        _ => None,
    });
    names.collect::<Vec<_>>().join("/")
}

struct EmbeddedFile {
    metadata: EmbeddedMetadata,
    data: Cursor<Cow<'static, [u8]>>,
}

impl File for EmbeddedFile {
    type Metadata = EmbeddedMetadata;
    type MetadataFuture<'a> = Ready<io::Result<EmbeddedMetadata>>;

    fn metadata(&self) -> Self::MetadataFuture<'_> {
        ready(Ok(self.metadata))
    }
}

impl AsyncRead for EmbeddedFile {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.data).poll_read(context, buffer)
    }
}

impl AsyncSeek for EmbeddedFile {
    fn start_seek(mut self: Pin<&mut Self>, position: SeekFrom) -> io::Result<()> {
        Pin::new(&mut self.data).start_seek(position)
    }

    fn poll_complete(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<u64>> {
        Pin::new(&mut self.data).poll_complete(context)
    }
}

#[derive(Clone, Copy)]
struct EmbeddedMetadata {
    is_folder: bool,
    length: u64,
    modified: SystemTime,
}

impl EmbeddedMetadata {
    const FOLDER: Self = Self {
        is_folder: true,
        length: 0,
        modified: SystemTime::UNIX_EPOCH,
    };
}

impl Metadata for EmbeddedMetadata {
    fn is_dir(&self) -> bool {
        self.is_folder
    }

    fn modified(&self) -> io::Result<SystemTime> {
        Ok(self.modified)
    }

    fn len(&self) -> u64 {
        self.length
    }
}

#[cfg(test)]
mod tests {
    use axum::{
        body::{Body, to_bytes},
        http::{HeaderMap, Method, StatusCode},
    };
    use tower::ServiceExt;

    use super::*;

    #[derive(Embed)]
    #[folder = "tests/it/http/sample-playground/"]
    struct Built;

    #[derive(Embed)]
    #[folder = "tests/it/http/no-playground/"]
    #[allow_missing = true]
    struct NotBuilt;

    async fn answer_of<A: Embed + 'static>(
        method: Method,
        path: &str,
        headers: &[(HeaderName, &str)],
    ) -> (StatusCode, HeaderMap, String) {
        let mut request = Request::builder().method(method).uri(path);
        for (name, value) in headers {
            request = request.header(name, *value);
        }
        let request = request.body(Body::empty()).unwrap();
        let response = routes_of::<A, ()>().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = to_bytes(body, 1 << 20).await.unwrap();
        let body = String::from_utf8(body.to_vec()).unwrap();
        (parts.status, parts.headers, body)
    }

    async fn get(path: &str, headers: &[(HeaderName, &str)]) -> (StatusCode, HeaderMap, String) {
        answer_of::<Built>(Method::GET, path, headers).await
    }

    #[tokio::test]
    async fn the_page_is_asked_for_anew_each_time_and_sent_when_it_has_changed() {
        for path in ["/playground", "/playground/"] {
            let (status, headers, body) = get(path, &[]).await;
            assert_eq!(status, 200, "{path}");
            assert_eq!(body, "the page\n");
            assert_eq!(headers[header::CONTENT_TYPE], "text/html");
            assert_eq!(headers[header::CACHE_CONTROL], "no-cache");
            let tag = headers[header::ETAG].to_str().unwrap();
            let (status, headers, body) = get(path, &[(header::IF_NONE_MATCH, tag)]).await;
            assert_eq!((status.as_u16(), &*body), (304, ""));
            assert_eq!(headers[header::ETAG], tag);
            assert_eq!(headers[header::CACHE_CONTROL], "no-cache");
            let (status, ..) = get(path, &[(header::IF_NONE_MATCH, "\"another\"")]).await;
            assert_eq!(status, 200);
        }
    }

    #[tokio::test]
    async fn assets_are_kept_for_good() {
        let (status, headers, body) = get("/playground/assets/app-1a2b.js", &[]).await;
        assert_eq!((status.as_u16(), &*body), (200, "the program\n"));
        assert_eq!(headers[header::CONTENT_TYPE], "text/javascript");
        assert_eq!(
            headers[header::CACHE_CONTROL],
            "public, max-age=31536000, immutable"
        );
        let (_, headers, _) = get("/playground/icon.svg", &[]).await;
        assert_eq!(headers[header::CONTENT_TYPE], "image/svg+xml");
        assert_eq!(headers[header::CACHE_CONTROL], "no-cache");
    }

    #[tokio::test]
    async fn what_the_client_can_unpack_is_sent_compressed() {
        for (accepted, sent, content) in [
            ("gzip, deflate, br", Some("br"), "the program, as br\n"),
            ("gzip", Some("gzip"), "the program, as gz\n"),
            ("br;q=0, gzip;q=0.5", Some("gzip"), "the program, as gz\n"),
            ("zstd", None, "the program\n"),
        ] {
            let accept = [(header::ACCEPT_ENCODING, accepted)];
            let (_, headers, body) = get("/playground/assets/app-1a2b.js", &accept).await;
            let encoding = headers.get(header::CONTENT_ENCODING);
            assert_eq!(encoding.map(|it| it.to_str().unwrap()), sent, "{accepted}");
            assert_eq!(body, content, "{accepted}");
            assert_eq!(headers[header::CONTENT_TYPE], "text/javascript");
            assert_eq!(headers[header::VARY], "accept-encoding", "{accepted}");
        }
    }

    #[tokio::test]
    async fn everything_is_under_the_policy() {
        for path in [
            "/playground",
            "/playground/assets/app-1a2b.js",
            "/playground/no",
        ] {
            let (_, headers, _) = get(path, &[]).await;
            let policy = headers[header::CONTENT_SECURITY_POLICY].to_str().unwrap();
            let directives: Vec<&str> = policy.split(';').map(str::trim).collect();
            for directive in [
                "default-src 'none'",
                "script-src 'self'",
                "connect-src 'self'",
                "worker-src 'self'",
                "base-uri 'none'",
                "form-action 'none'",
                "frame-ancestors 'none'",
            ] {
                assert!(directives.contains(&directive), "{directive} in {policy}");
            }
            assert!(
                !policy.contains("unsafe-eval") && !policy.contains("http"),
                "{policy}"
            );
            assert_eq!(headers[header::X_CONTENT_TYPE_OPTIONS], "nosniff");
            assert_eq!(headers[header::REFERRER_POLICY], "no-referrer");
            assert_eq!(headers["cross-origin-opener-policy"], "same-origin");
            assert_eq!(headers["cross-origin-resource-policy"], "same-origin");
        }
    }

    #[tokio::test]
    async fn nothing_else_is_there() {
        for path in [
            "/playground/assets/gone.js",
            "/playground/assets/",
            "/playground/../Cargo.toml",
            "/playground/%2e%2e/Cargo.toml",
            "/playground/assets/..%2f..%2fCargo.toml",
        ] {
            let (status, headers, body) = get(path, &[]).await;
            assert_eq!((status.as_u16(), &*body), (404, ""), "{path}");
            if let Some(lifetime) = headers.get(header::CACHE_CONTROL) {
                assert_eq!(lifetime, "no-cache", "{path}");
            }
        }
        let (status, ..) = answer_of::<Built>(Method::POST, "/playground", &[]).await;
        assert_eq!(status, 405);
        let (status, headers, body) = answer_of::<Built>(Method::HEAD, "/playground", &[]).await;
        assert_eq!((status.as_u16(), &*body), (200, ""));
        assert_eq!(headers[header::CONTENT_LENGTH], "9");
    }

    #[tokio::test]
    async fn a_binary_without_it_says_how_to_build_it() {
        let (status, headers, body) = answer_of::<NotBuilt>(Method::GET, "/playground", &[]).await;
        assert_eq!(status, 200);
        assert!(body.contains("make run") && body.contains("make playground"));
        assert_eq!(headers[header::CACHE_CONTROL], "no-cache");
        assert!(headers.contains_key(header::CONTENT_SECURITY_POLICY));
        let (status, headers, _) = answer_of::<NotBuilt>(Method::GET, "/", &[]).await;
        assert!(status.is_redirection());
        assert_eq!(headers[header::LOCATION], "/playground");
    }
}
