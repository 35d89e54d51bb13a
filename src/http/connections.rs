//! Connections: each is served by a task of its own, until the server stops.

use std::{
    future::poll_fn,
    net::SocketAddr,
    pin::{Pin, pin},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU8, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
    time::Duration,
};

use axum::{Router, body::Body, extract::ConnectInfo, serve::Listener};
use futures_util::task::AtomicWaker;
use http::Request;
use hyper::{body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::{conn::auto, graceful::GracefulShutdown},
};
use sea_orm::DbBackend;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

/// How long a request's head may take to come, and how long a connection may be idle before the next one: hyper has one timer
/// for both. Clients keep idle connections to use them again, those of Go and of hyper for 90 seconds: they should be the
/// first to close them, or a request meets the close.
pub(super) const HEAD_TIMEOUT: Duration = Duration::from_secs(100);

/// Serves what connects until `shutdown`; then nothing more is accepted, and connections end with the answers to what they
/// have asked. A connection on which no whole head comes within `head_timeout` is closed. Over HTTP/2 that is so for the first
/// one; later, for who does not answer a ping.
///
/// Where the database answers over a socket, a connection that wakes itself is polled again at once. SQLite answers from a
/// thread of its own, often sooner than a worker is asleep again: there, the one that was woken for nothing hears it.
pub(super) async fn serve<L>(
    mut listener: L,
    router: Router,
    database: DbBackend,
    head_timeout: Duration,
    shutdown: impl Future<Output = ()> + Send,
) where
    L: Listener<Addr = SocketAddr>,
{
    let mut http = auto::Builder::new(TokioExecutor::new());
    http.http1()
        .timer(TokioTimer::new())
        .header_read_timeout(head_timeout);
    http.http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(head_timeout)
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
        let router = router.clone();
        let asked = Arc::new(AtomicBool::new(false));
        let was_asked = Arc::clone(&asked);
        let service = service_fn(move |request: Request<Incoming>| {
            was_asked.store(true, Ordering::Relaxed);
            let mut request = request.map(Body::new);
            request.extensions_mut().insert(ConnectInfo(peer));
            router.clone().oneshot(request)
        });
        let connection = http.serve_connection_with_upgrades(TokioIo::new(socket), service);
        let connection = open.watch(connection.into_owned());
        let stopping = stopping.clone();
        let served = async move {
            let given_up = timeout(head_timeout, stopping.cancelled());
            if let Some(Err(error)) = until_given_up(connection, &asked, given_up).await {
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

/// What a connection ends with; `None` where it is given up before anything was asked.
///
/// hyper's own timer begins when the version of HTTP is known, and HTTP/2 has none; and when the server stops, hyper waits
/// for the rest of a first head.
async fn until_given_up<C: Future>(
    connection: C,
    asked: &AtomicBool,
    given_up: impl Future,
) -> Option<C::Output> {
    let mut connection = pin!(connection);
    let mut given_up = pin!(given_up);
    poll_fn(|context| match connection.as_mut().poll(context) {
        Poll::Ready(ended) => Poll::Ready(Some(ended)),
        Poll::Pending if asked.load(Ordering::Relaxed) => Poll::Pending,
        Poll::Pending => given_up.as_mut().poll(context).map(|_| None),
    })
    .await
}

/// A future that is polled again at once where it was woken while it was polled.
///
/// hyper hands a request's body over by a channel within the connection's task, which so wakes itself. tokio queues a task
/// that is woken while it runs, and wakes a sleeping worker for what is queued: for each request one that finds nothing to
/// do, or takes the connection to another core.
struct PolledAgain<F> {
    future: Pin<Box<F>>,
    wakes: Arc<Wakes>,
    waker: Waker,
}

/// So many times in turn; then others have theirs.
const MAX_POLLS: usize = 4;

/// Who is told of a wake: the task, or, while it is polled, whoever polls it.
#[derive(Default)]
struct Wakes {
    state: AtomicU8,
    task: AtomicWaker,
}

/// It is being polled.
const POLLED: u8 = 1;
/// It was woken since.
const WOKEN: u8 = 2;

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if self.state.fetch_or(WOKEN, Ordering::AcqRel) & POLLED == 0 {
            self.task.wake();
        }
    }
}

impl<F> PolledAgain<F> {
    fn new(future: F) -> Self {
        let wakes = Arc::<Wakes>::default();
        Self {
            future: Box::pin(future),
            waker: Arc::clone(&wakes).into(),
            wakes,
        }
    }
}

impl<F: Future> Future for PolledAgain<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let this = &mut *self;
        this.wakes.task.register(context.waker());
        for _ in 0..MAX_POLLS {
            this.wakes.state.swap(POLLED, Ordering::AcqRel);
            let polled = this
                .future
                .as_mut()
                .poll(&mut Context::from_waker(&this.waker));
            let state = this.wakes.state.swap(0, Ordering::AcqRel);
            if polled.is_ready() || state & WOKEN == 0 {
                return polled;
            }
        }
        context.waker().wake_by_ref();
        Poll::Pending
    }
}

#[cfg(test)]
mod tests {
    use std::{sync::atomic::AtomicUsize, thread, time::Instant};

    use axum::routing;
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::{TcpListener, TcpStream},
        task::JoinHandle,
        time::sleep,
    };

    use super::*;

    const HALF_A_HEAD: &[u8] = b"GET / HTTP/1.1\r\nhost: localhost\r\n";
    const HTTP2_PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

    /// A server, and how to stop it.
    struct Server {
        address: SocketAddr,
        stop: CancellationToken,
        served: JoinHandle<()>,
    }

    impl Server {
        async fn start(head_timeout: Duration) -> Self {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = listener.local_addr().unwrap();
            let router = Router::new().route("/", routing::get(|| async { "answered" }));
            let stop = CancellationToken::new();
            let shutdown = stop.clone().cancelled_owned();
            let served = serve(listener, router, DbBackend::Sqlite, head_timeout, shutdown);
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
        let head_timeout = Duration::from_millis(300);
        let server = Server::start(head_timeout).await;
        for said in [b"", HALF_A_HEAD, &HTTP2_PREFACE[..5], HTTP2_PREFACE] {
            let begun = Instant::now();
            closed(server.told(said).await).await;
            assert!(begun.elapsed() >= head_timeout, "{said:?}");
        }
    }

    #[tokio::test]
    async fn who_has_asked_may_ask_again_and_is_then_not_waited_for_either() {
        let head_timeout = Duration::from_secs(1);
        let server = Server::start(head_timeout).await;
        for said in [b"", HALF_A_HEAD] {
            let mut socket = server.told(b"").await;
            let begun = Instant::now();
            while begun.elapsed() < head_timeout * 3 / 2 {
                ask(&mut socket).await;
                sleep(head_timeout / 10).await;
            }
            socket.write_all(said).await.unwrap();
            closed(socket).await;
        }
    }

    #[tokio::test]
    async fn a_server_that_stops_waits_for_nobody_who_asks_nothing() {
        for said in [b"", HALF_A_HEAD, &HTTP2_PREFACE[..5], HTTP2_PREFACE] {
            let server = Server::start(HEAD_TIMEOUT).await;
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

    /// Counts how often a task is woken.
    #[derive(Default)]
    struct Task(AtomicUsize);

    impl Wake for Task {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    impl Task {
        fn wakes(&self) -> usize {
            self.0.load(Ordering::SeqCst)
        }
    }

    fn poll<F: Future>(future: &mut PolledAgain<F>, task: &Arc<Task>) -> Poll<F::Output> {
        let waker = Waker::from(Arc::clone(task));
        Pin::new(future).poll(&mut Context::from_waker(&waker))
    }

    /// A future that wakes itself while it is polled, so many times.
    fn wakes_itself(times: usize) -> impl Future<Output = ()> {
        let mut polls = 0;
        poll_fn(move |context| {
            polls += 1;
            if polls > times {
                return Poll::Ready(());
            }
            context.waker().wake_by_ref();
            Poll::Pending
        })
    }

    #[test]
    fn who_wakes_itself_is_polled_again_and_nobody_hears_of_it() {
        let (mut future, task) = (PolledAgain::new(wakes_itself(2)), Arc::default());
        assert!(poll(&mut future, &task).is_ready());
        assert_eq!(task.wakes(), 0);
    }

    #[test]
    fn who_wakes_itself_without_end_gives_way_to_others() {
        let (mut future, task) = (PolledAgain::new(wakes_itself(MAX_POLLS)), Arc::default());
        assert!(poll(&mut future, &task).is_pending());
        assert_eq!(task.wakes(), 1);
        assert!(poll(&mut future, &task).is_ready());
    }

    #[test]
    fn who_is_woken_by_others_wakes_its_task() {
        let (sender, receiver) = tokio::sync::oneshot::channel();
        let (mut future, task) = (PolledAgain::new(receiver), Arc::default());
        assert!(poll(&mut future, &task).is_pending());
        assert_eq!(task.wakes(), 0);
        sender.send(7).unwrap();
        assert_eq!(task.wakes(), 1);
        assert_eq!(poll(&mut future, &task), Poll::Ready(Ok(7)));
    }

    #[test]
    fn a_later_task_is_the_one_that_is_woken() {
        let (sender, receiver) = tokio::sync::oneshot::channel();
        let mut future = PolledAgain::new(receiver);
        let (first, second) = (Arc::default(), Arc::default());
        assert!(poll(&mut future, &first).is_pending());
        assert!(poll(&mut future, &second).is_pending());
        sender.send(7).unwrap();
        assert_eq!((first.wakes(), second.wakes()), (0, 1));
    }

    /// Whenever a wake comes, before, while or after it is polled: it is not lost.
    #[test]
    fn no_wake_of_another_thread_is_lost() {
        let (sender, mut receiver) = tokio::sync::mpsc::channel(1);
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .build()
            .unwrap();
        let sum = runtime.spawn(PolledAgain::new(async move {
            let mut total = 0_u64;
            while let Some(number) = receiver.recv().await {
                total += number;
            }
            total
        }));
        let sending = thread::spawn(move || {
            for number in 1..=20_000 {
                sender.blocking_send(number).unwrap();
            }
        });
        let begun = Instant::now();
        while !sum.is_finished() && begun.elapsed() < Duration::from_mins(1) {
            thread::sleep(Duration::from_millis(5));
        }
        assert!(sum.is_finished(), "a wake was lost");
        assert_eq!(runtime.block_on(sum).unwrap(), 200_010_000);
        sending.join().unwrap();
    }
}
