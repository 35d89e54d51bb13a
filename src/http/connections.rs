//! Connections: each is served by a task of its own, until the server stops.

mod activity;
mod polled_again;

use std::{convert::Infallible, net::SocketAddr, pin::pin, sync::Arc, time::Duration};

use axum::{Router, body::Body, extract::ConnectInfo, serve::Listener};
use http::Request;
use hyper::{body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::{conn::auto, graceful::GracefulShutdown},
};
use sea_orm::DbBackend;
use tokio_util::{io::InspectWriter, sync::CancellationToken};
use tower::ServiceExt;

use self::{
    activity::{Activity, until_given_up},
    polled_again::PolledAgain,
};

/// How long a connection may do nothing, or bring nothing but a part of a request's head. Clients keep idle connections to use
/// them again, those of Go and of hyper for 90 seconds: they should be the first to close them, or a request meets the
/// close.
pub(super) const PATIENCE: Duration = Duration::from_secs(100);

/// Serves what connects until `shutdown`; then nothing more is accepted, and connections end with the answers to what they
/// have asked. A connection on which no whole head comes within `patience` is closed; after its first request, within twice
/// that. Over HTTP/2 that is so for the first one; later, for who does not answer a ping.
///
/// Where the database answers over a socket, a connection that wakes itself is polled again at once. SQLite answers from a
/// thread of its own, often sooner than a worker is asleep again: there, the one that was woken for nothing hears it.
pub(super) async fn serve<L>(
    mut listener: L,
    router: Router,
    database: DbBackend,
    patience: Duration,
    shutdown: impl Future<Output = ()> + Send,
) where
    L: Listener<Addr = SocketAddr>,
{
    let mut http = auto::Builder::new(TokioExecutor::new());
    http.http1().header_read_timeout(None);
    http.http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(patience)
        // WebSockets over HTTP/2 (RFC 8441).
        .enable_connect_protocol();
    let open = GracefulShutdown::new();
    let stopping = CancellationToken::new();
    let mut shutdown = pin!(shutdown);
    loop {
        let (socket, peer) = tokio::select! {
            connected = listener.accept() => connected,
            () = &mut shutdown => break,
        };
        let activity = Arc::new(Activity::default());
        let written = Arc::clone(&activity);
        let socket = InspectWriter::new(socket, move |_: &[u8]| written.written());
        let router = router.clone();
        let asked = Arc::clone(&activity);
        let service = service_fn(move |request: Request<Incoming>| {
            let in_flight = asked.asked(request.version());
            let mut request = request.map(Body::new);
            request.extensions_mut().insert(ConnectInfo(peer));
            let answer = router.clone().oneshot(request);
            async { Ok::<_, Infallible>(answer.await?.map(|body| in_flight.until_sent(body))) }
        });
        let connection = http.serve_connection_with_upgrades(TokioIo::new(socket), service);
        let connection = open.watch(connection.into_owned());
        let stopping = stopping.clone();
        let served = async move {
            let stopping = stopping.cancelled();
            if let Some(Err(error)) =
                until_given_up(connection, &activity, patience, stopping).await
            {
                tracing::trace!(error = %error, "a connection failed");
            }
        };
        match database {
            DbBackend::Sqlite => tokio::spawn(served),
            _ => tokio::spawn(PolledAgain::new(served)),
        };
    }
    drop(listener);
    stopping.cancel();
    open.shutdown().await;
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use axum::routing;
    use futures_util::stream;
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::{TcpListener, TcpStream},
        task::JoinHandle,
        time::{sleep, timeout},
    };

    use super::*;

    /// More than a socket's buffers take.
    const MUCH: usize = 48 << 20;
    const HALF_A_HEAD: &[u8] = b"GET / HTTP/1.1\r\nhost: localhost\r\n";
    const HTTP2_PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

    /// A server, and how to stop it.
    struct Server {
        address: SocketAddr,
        stop: CancellationToken,
        served: JoinHandle<()>,
    }

    impl Server {
        async fn start(patience: Duration) -> Self {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = listener.local_addr().unwrap();
            let later = move || async move {
                sleep(patience * 5 / 2).await;
                Ok::<_, Infallible>("answered")
            };
            let router = Router::new()
                .route("/", routing::get(|| async { "answered" }))
                .route("/later", routing::get(later))
                .route(
                    "/in-parts",
                    routing::get(async move || Body::from_stream(stream::once(later()))),
                )
                .route("/much", routing::get(|| async { vec![b'.'; MUCH] }));
            let stop = CancellationToken::new();
            let shutdown = stop.clone().cancelled_owned();
            let served = serve(listener, router, DbBackend::Sqlite, patience, shutdown);
            Self {
                address,
                stop,
                served: tokio::spawn(served),
            }
        }

        async fn told(&self, bytes: &[u8]) -> TcpStream {
            let mut socket = TcpStream::connect(self.address).await.unwrap();
            socket.write_all(bytes).await.unwrap();
            socket
        }
    }

    /// A whole request, and its answer.
    async fn ask(socket: &mut TcpStream) {
        socket.write_all(HALF_A_HEAD).await.unwrap();
        socket.write_all(b"\r\n").await.unwrap();
        let mut answer = String::new();
        while !answer.ends_with("answered") {
            let mut bytes = [0; 256];
            let length = socket.read(&mut bytes).await.unwrap();
            assert_ne!(length, 0, "closed after {answer:?}");
            answer.push_str(std::str::from_utf8(&bytes[..length]).unwrap());
        }
    }

    /// Waits until the server has closed a connection.
    async fn closed(mut socket: TcpStream) {
        let mut rest = Vec::new();
        // Reset, where the server has not read everything.
        let _ = timeout(Duration::from_secs(20), socket.read_to_end(&mut rest))
            .await
            .expect("the connection is closed");
    }

    #[tokio::test]
    async fn who_asks_nothing_is_not_waited_for() {
        let patience = Duration::from_millis(300);
        let server = Server::start(patience).await;
        for said in [b"", HALF_A_HEAD, &HTTP2_PREFACE[..5], HTTP2_PREFACE] {
            let begun = Instant::now();
            closed(server.told(said).await).await;
            assert!(begun.elapsed() >= patience, "{said:?}");
        }
    }

    #[tokio::test]
    async fn who_has_asked_may_ask_again_and_is_then_not_waited_for_either() {
        let patience = Duration::from_secs(1);
        let server = Server::start(patience).await;
        for said in [b"", HALF_A_HEAD] {
            let mut socket = server.told(b"").await;
            let begun = Instant::now();
            while begun.elapsed() < patience * 3 / 2 {
                ask(&mut socket).await;
                sleep(patience / 10).await;
            }
            socket.write_all(said).await.unwrap();
            closed(socket).await;
        }
    }

    #[tokio::test]
    async fn who_waits_for_an_answer_is_waited_for() {
        let patience = Duration::from_millis(400);
        let server = Server::start(patience).await;
        for path in ["/later", "/in-parts"] {
            let head =
                format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
            let mut answer = String::new();
            let mut socket = server.told(head.as_bytes()).await;
            socket.read_to_string(&mut answer).await.unwrap();
            assert!(answer.contains("answered"), "{path}: {answer:?}");
        }
    }

    #[tokio::test]
    async fn who_takes_an_answer_slowly_gets_all_of_it() {
        let patience = Duration::from_millis(400);
        let server = Server::start(patience).await;
        let mut socket = server
            .told(b"GET /much HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")
            .await;
        let (begun, mut taken) = (Instant::now(), 0);
        let mut bytes = vec![0; 2 << 20];
        loop {
            sleep(patience / 8).await;
            match socket.read(&mut bytes).await.unwrap() {
                0 => break,
                length => taken += length,
            }
        }
        assert!(begun.elapsed() > patience * 2, "{:?}", begun.elapsed());
        assert!(taken > MUCH, "{taken}");
    }

    #[tokio::test]
    async fn a_server_that_stops_waits_for_nobody_who_asks_nothing() {
        for said in [b"", HALF_A_HEAD, &HTTP2_PREFACE[..5], HTTP2_PREFACE] {
            let server = Server::start(PATIENCE).await;
            let silent = server.told(said).await;
            let mut kept = server.told(b"").await;
            ask(&mut kept).await;
            kept.write_all(said).await.unwrap();
            // The server has read what was said before this is answered.
            ask(&mut server.told(b"").await).await;
            server.stop.cancel();
            let stopped = timeout(Duration::from_secs(20), server.served).await;
            stopped.expect("the server stops").unwrap();
            closed(silent).await;
            closed(kept).await;
        }
    }
}
