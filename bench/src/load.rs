//! The load: virtual users on keep-alive connections, each carrying what the last answer gave it into the next request.

use std::{
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use http_body_util::{BodyExt, Full};
use hyper::{Request, body::Bytes, client::conn::http1, header};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpStream;

/// What one virtual user does, again and again.
pub(crate) trait User: Send + 'static {
    /// The body of the next request, and its bearer token.
    fn request(&mut self) -> (Bytes, Option<&str>);

    /// Whether the answer is the right one; what the next request needs is kept.
    fn answered(&mut self, answer: &Value) -> bool;
}

/// What was measured.
#[derive(Debug, Clone, Default)]
pub(crate) struct Measured {
    /// Of each right answer.
    pub(crate) latencies: Vec<Duration>,
    pub(crate) errors: u64,
    pub(crate) elapsed: Duration,
}

impl Measured {
    pub(crate) fn rate(&self) -> f64 {
        self.latencies.len() as f64 / self.elapsed.as_secs_f64()
    }

    /// The latency that this share of the answers kept.
    pub(crate) fn percentile(&self, share: f64) -> Duration {
        let mut sorted = self.latencies.clone();
        sorted.sort_unstable();
        let at = (sorted.len() as f64 * share) as usize;
        sorted
            .get(at.min(sorted.len().saturating_sub(1)))
            .copied()
            .unwrap_or_default()
    }
}

/// A connection that stays open.
pub(crate) struct Connection {
    sender: http1::SendRequest<Full<Bytes>>,
    host: String,
}

pub(crate) type Failure = Box<dyn std::error::Error + Send + Sync>;

impl Connection {
    pub(crate) async fn open(address: SocketAddr) -> Result<Self, Failure> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        let host = address.to_string();
        Ok(Self { sender, host })
    }

    pub(crate) async fn post(
        &mut self,
        body: Bytes,
        token: Option<&str>,
    ) -> Result<Value, Failure> {
        Ok(serde_json::from_slice(&self.ask(body, token).await?)?)
    }

    /// The answer as it came.
    async fn ask(&mut self, body: Bytes, token: Option<&str>) -> Result<Bytes, Failure> {
        let mut request = Request::post("/graphql")
            .header(header::HOST, &self.host)
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::USER_AGENT, AGENT);
        if let Some(token) = token {
            request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
        }
        self.sender.ready().await?;
        let answer = self
            .sender
            .send_request(request.body(Full::new(body))?)
            .await?;
        Ok(answer.into_body().collect().await?.to_bytes())
    }
}

const AGENT: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:144.0) Gecko/20100101 Firefox/144.0";

/// Lets the users run for a while, each on a connection of its own, and gives them back.
pub(crate) async fn run<U: User>(
    address: SocketAddr,
    users: Vec<U>,
    duration: Duration,
) -> Result<(Measured, Vec<U>), Failure> {
    let begin = Arc::new(tokio::sync::Barrier::new(users.len()));
    let tasks: Vec<_> = users
        .into_iter()
        .map(|mut user| {
            let begin = Arc::clone(&begin);
            tokio::spawn(async move {
                let mut connection = Connection::open(address).await?;
                let mut measured = Measured::default();
                begin.wait().await;
                let started = Instant::now();
                while started.elapsed() < duration {
                    let (body, token) = user.request();
                    let asked = Instant::now();
                    let answer = connection.ask(body, token).await?;
                    // Reading what it says is the load's work, and no answer is later for it.
                    let latency = asked.elapsed();
                    let answer = serde_json::from_slice(&answer)?;
                    if user.answered(&answer) {
                        measured.latencies.push(latency);
                    } else {
                        measured.errors += 1;
                        if measured.errors == 1 {
                            crate::note(&format!("not the right answer: {answer}"));
                        }
                    }
                }
                measured.elapsed = started.elapsed();
                Ok::<_, Failure>((measured, user))
            })
        })
        .collect();
    let mut all = Measured::default();
    let mut users = Vec::new();
    for task in tasks {
        let (measured, user) = task.await??;
        all.latencies.extend(measured.latencies);
        all.errors += measured.errors;
        all.elapsed = all.elapsed.max(measured.elapsed);
        users.push(user);
    }
    Ok((all, users))
}
