//! One WebSocket connection, from its initialisation to its close.

use std::{collections::HashMap, sync::Arc, time::Duration};

use axum::extract::ws::{Message, WebSocket};
use futures_util::StreamExt;
use serde_json::Value;
use tokio::{
    sync::mpsc,
    task::AbortHandle,
    time::{Instant, interval_at, sleep_until, timeout},
};
use tokio_util::sync::{CancellationToken, DropGuard};
use tracing::field;
use uuid::Uuid;

use super::{
    operation,
    own_end::{Heard, OwnEnd},
    protocol::{self, ClientMessage, Close},
    socket::{close_answered, write},
};
use crate::{
    http::{App, graphql_over_http::never_executed},
    request::{Authentication, SessionRequest},
    traces,
};

/// How long a client may take to initialise.
const INIT_TIMEOUT: Duration = Duration::from_secs(10);
/// How often an idle client is pinged. One that has sent nothing in two of these is gone.
const PING_INTERVAL: Duration = Duration::from_secs(30);
/// How long the last event of a session that has ended may take.
const ENDING: Duration = Duration::from_secs(5);
/// How long a closing connection may take.
const FAREWELL_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a client may take to answer a close.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);
/// Operations at a time.
const MAX_OPERATIONS: usize = 50;
/// Responses that wait to be written.
const MAX_OUTGOING: usize = 64;
/// How soon a caller that could not be looked up is looked up again.
const LOOK_AGAIN: Duration = Duration::from_secs(1);
/// For ever, as far as timers go.
const FAR: Duration = Duration::from_hours(8760);

pub(super) struct Connection {
    app: Arc<App>,
    /// The token as it was last renewed; each operation is authenticated anew.
    request: SessionRequest,
    initialised: bool,
    expires_at: Instant,
    own_end: OwnEnd,
    /// When the caller is looked up, because its end may have been missed.
    look_at: Option<Instant>,
    ends_at: Option<Instant>,
    operations: HashMap<String, Running>,
    /// How many operations there have been: tells those apart that use one id after the other.
    begun: u64,
    /// Until when answers that are under way are waited for, once the server stops.
    stops_at: Option<Instant>,
    sender: mpsc::Sender<Outgoing>,
    receiver: mpsc::Receiver<Outgoing>,
}

/// An operation under way; nobody waits for it any more when it is dropped.
struct Running {
    number: u64,
    subscribes: bool,
    task: AbortHandle,
    _client: DropGuard,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// What an operation has to say.
struct Outgoing {
    id: String,
    number: u64,
    message: Message,
    is_last: bool,
}

impl Connection {
    pub(super) fn new(app: Arc<App>, request: SessionRequest) -> Self {
        let (sender, receiver) = mpsc::channel(MAX_OUTGOING);
        Self {
            app,
            request,
            initialised: false,
            expires_at: Instant::now() + INIT_TIMEOUT,
            own_end: OwnEnd::never(),
            look_at: None,
            ends_at: None,
            operations: HashMap::new(),
            begun: 0,
            stops_at: None,
            sender,
            receiver,
        }
    }

    /// Serves the connection until either side closes it.
    pub(super) async fn run(mut self, mut socket: WebSocket) {
        let Err(close) = self.serve(&mut socket).await else {
            // The answer to the client's close (RFC 6455 section 5.5.1) is written by reading on.
            let _ = timeout(CLOSE_TIMEOUT, socket.recv()).await;
            return;
        };
        // An operation ends with the session or the server; a connection that breaks ends none.
        let ended: Vec<String> = if close.ends_operations() {
            self.operations.keys().cloned().collect()
        } else {
            Vec::new()
        };
        self.operations.clear();
        let farewell = async {
            for id in ended {
                socket.send(protocol::complete(&id)).await?;
            }
            socket.send(close.into_message()).await
        };
        if let Ok(Ok(())) = timeout(FAREWELL_TIMEOUT, farewell).await {
            let _ = timeout(CLOSE_TIMEOUT, close_answered(&mut socket)).await;
        }
    }

    /// Ends well when the client has closed.
    async fn serve(&mut self, socket: &mut WebSocket) -> Result<(), Close> {
        let mut pings = interval_at(Instant::now() + PING_INTERVAL, PING_INTERVAL);
        let mut heard_at = Instant::now();
        loop {
            tokio::select! {
                message = socket.recv() => {
                    heard_at = Instant::now();
                    match message {
                        None | Some(Ok(Message::Close(_))) => return Ok(()),
                        // Too long, or no WebSocket frame; whose connection broke does not hear of it.
                        Some(Err(_)) => return Err(Close::bad_request("The message cannot be read")),
                        Some(Ok(Message::Text(text))) => {
                            if let Some(answer) = self.handle(ClientMessage::parse(&text)?).await? {
                                write(socket, answer).await?;
                            }
                        }
                        Some(Ok(Message::Binary(_))) => return Err(Close::bad_request("Invalid message")),
                        Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                    }
                }
                Some(outgoing) = self.receiver.recv() => {
                    let Outgoing { id, number, message, is_last } = outgoing;
                    // Of one that has been ended since, and whose id another one may have by now, nothing is said.
                    if self.operations.get(&id).is_some_and(|running| running.number == number) {
                        if is_last {
                            self.operations.remove(&id);
                        }
                        write(socket, message).await?;
                    }
                }
                heard = self.own_end.heard(&self.request.authentication), if self.ends_at.is_none() => {
                    match heard {
                        Heard::End => self.ends_at = Some(Instant::now() + ENDING),
                        Heard::Gap => {
                            // Hears first and looks then: what happens in between is heard.
                            self.hear_own_end();
                            self.look_at = Some(Instant::now());
                        }
                    }
                }
                () = sleep_until(self.look_at.unwrap_or_else(|| Instant::now() + FAR)), if self.ends_at.is_none() => {
                    self.look().await;
                }
                () = sleep_until(self.expires_at) => {
                    return Err(if self.initialised {
                        Close::unauthorized("Token expired")
                    } else {
                        Close::new(4408, "Connection initialisation timeout")
                    });
                }
                () = sleep_until(self.ends_at.unwrap_or_else(|| Instant::now() + FAR)) => {
                    return Err(Close::forbidden("Session ended"));
                }
                _ = pings.tick() => {
                    if heard_at.elapsed() > 2 * PING_INTERVAL {
                        return Err(Close::new(3008, "Keep-alive timeout"));
                    }
                    write(socket, protocol::ping()).await?;
                }
                () = self.app.shutdown.cancelled(), if self.stops_at.is_none() => {
                    self.stops_at = Some(Instant::now() + self.app.request_timeout);
                }
                () = sleep_until(self.stops_at.unwrap_or_else(|| Instant::now() + FAR)) => {
                    return Err(Close::going_away());
                }
            }
            if self.stops_at.is_some() && self.operations.values().all(|running| running.subscribes)
            {
                return Err(Close::going_away());
            }
            if self.ends_at.is_some() && self.operations.is_empty() {
                return Err(Close::forbidden("Session ended"));
            }
        }
    }

    async fn handle(&mut self, message: ClientMessage) -> Result<Option<Message>, Close> {
        match message {
            ClientMessage::ConnectionInit { .. } if self.initialised => {
                Err(Close::new(4429, "Too many initialisation requests"))
            }
            ClientMessage::ConnectionInit { payload } => {
                self.initialise(payload.as_ref()).await?;
                Ok(Some(protocol::acknowledged()))
            }
            ClientMessage::Ping { payload } => {
                if self.initialised {
                    self.renew(payload.as_ref()).await?;
                }
                Ok(Some(protocol::pong(None)))
            }
            ClientMessage::Pong {} => Ok(None),
            ClientMessage::Subscribe { .. } if !self.initialised => {
                Err(Close::unauthorized("Unauthorized"))
            }
            ClientMessage::Subscribe { id, .. } if self.operations.contains_key(&id) => Err(
                Close::new(4409, format!("Subscriber for {id} already exists")),
            ),
            // Nothing is begun that would not be ended.
            ClientMessage::Subscribe { .. } if self.stops_at.is_some() => Ok(None),
            ClientMessage::Subscribe { .. } if self.operations.len() >= MAX_OPERATIONS => {
                Err(Close::bad_request("Too many operations at a time"))
            }
            ClientMessage::Subscribe { id, payload } => {
                self.begin(id, *payload);
                Ok(None)
            }
            ClientMessage::Complete { id } => {
                self.operations.remove(&id);
                Ok(None)
            }
        }
    }

    /// Authenticates the connection: by the payload's token, else by the cookies of the upgrade.
    async fn initialise(&mut self, payload: Option<&Value>) -> Result<(), Close> {
        let bearer = protocol::token(payload).or_else(|| self.request.bearer.clone());
        let request = SessionRequest {
            bearer,
            ..self.request.clone()
        };
        self.request = self.identify(request).await?;
        self.hear_own_end();
        self.check(&self.request).await?;
        self.initialised = true;
        self.expires_at = self.token_end();
        Ok(())
    }

    fn hear_own_end(&mut self) {
        let events = self.app.sessions.events();
        self.own_end = OwnEnd::of(&self.request.authentication, events);
    }

    /// A fresh token of the same session takes the place of the old one.
    async fn renew(&mut self, payload: Option<&Value>) -> Result<(), Close> {
        let Some(token) = protocol::token(payload) else {
            return Ok(());
        };
        let request = SessionRequest {
            bearer: Some(token),
            ..self.request.clone()
        };
        let renewed = self.identify(request).await?;
        self.check(&renewed).await?;
        let is_same = match (&self.request.authentication, &renewed.authentication) {
            (Authentication::Session(old), Authentication::Session(new)) => {
                old.session_id == new.session_id
            }
            (Authentication::Service(old), Authentication::Service(new)) => old.id == new.id,
            _ => false,
        };
        if !is_same {
            return Err(Close::unauthorized(
                "Not a token of this connection's session",
            ));
        }
        self.request = renewed;
        self.expires_at = self.token_end();
        Ok(())
    }

    /// Who a request is from, if its token holds; nobody is somebody too.
    async fn identify(&self, request: SessionRequest) -> Result<SessionRequest, Close> {
        let request = self
            .app
            .sessions
            .handle_request(request)
            .await
            .map_err(|error| Close::from(&error))?;
        match &request.authentication {
            Authentication::Failed(error) => Err(Close::from(error)),
            _ => Ok(request),
        }
    }

    /// Whether its session or service key stands.
    async fn check(&self, request: &SessionRequest) -> Result<(), Close> {
        let sessions = &self.app.sessions;
        let stands = match &request.authentication {
            Authentication::Service(identity) => sessions.service_key_stands(identity.id).await,
            _ => sessions.current_session(request).await.map(|_| true),
        };
        match stands {
            Ok(true) => Ok(()),
            Ok(false) => Err(Close::forbidden("Service key revoked")),
            Err(error) => Err(Close::from(&error)),
        }
    }

    /// Looks up whether the caller still stands. A database that does not answer ends nobody's session.
    async fn look(&mut self) {
        self.look_at = None;
        match self.check(&self.request).await {
            Ok(()) => {}
            Err(close) if close.is_temporary() => {
                self.look_at = Some(Instant::now() + LOOK_AGAIN);
            }
            Err(_) => self.ends_at = Some(Instant::now() + ENDING),
        }
    }

    fn token_end(&self) -> Instant {
        let Authentication::Session(claims) = &self.request.authentication else {
            return Instant::now() + FAR;
        };
        let sessions = &self.app.sessions;
        let left = sessions.access_ends_at(&claims.claims) - sessions.clock().now();
        Instant::now() + left.to_std().unwrap_or_default()
    }

    fn begin(&mut self, id: String, mut request: async_graphql::Request) {
        let client_gone = CancellationToken::new();
        let session_request = SessionRequest {
            authentication: Authentication::Nobody,
            client_gone: client_gone.clone(),
            ..self.request.clone()
        };
        let subscribes = operation::subscribes(&self.app, &mut request);
        let request_id = Uuid::new_v4().to_string();
        let trace_id = field::Empty;
        let span = tracing::info_span!("request", id = request_id, trace_id);
        let app = Arc::clone(&self.app);
        self.begun += 1;
        let number = self.begun;
        let (sender, name) = (self.sender.clone(), id.clone());
        let answering = async move {
            let outgoing = |message, is_last| Outgoing {
                id: name.clone(),
                number,
                message,
                is_last,
            };
            let responses = operation::run(app, request, session_request, request_id.into());
            let mut responses = std::pin::pin!(responses);
            while let Some(response) = responses.next().await {
                let failed = never_executed(&response);
                let message = if failed {
                    protocol::error(&name, &response.errors)
                } else {
                    protocol::next(&name, &response)
                };
                if sender.send(outgoing(message, failed)).await.is_err() || failed {
                    return;
                }
            }
            let _ = sender.send(outgoing(protocol::complete(&name), true)).await;
        };
        let task = tokio::spawn(traces::logged(span, answering));
        let running = Running {
            number,
            subscribes,
            task: task.abort_handle(),
            _client: client_gone.drop_guard(),
        };
        self.operations.insert(id, running);
    }
}
