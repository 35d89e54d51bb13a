//! Hooks: the application's own steps, in the order of their registration.

use std::{
    fmt,
    pin::Pin,
    sync::{Arc, PoisonError, RwLock},
};

use serde_json::{Map, Value};

use super::{RefreshOutcome, SessionEventKind, Sessions};
use crate::{
    crypto::access_token::RESERVED_CLAIMS,
    entity::{account, session},
    error::{Error, Result},
    request::{Authentication, SessionRequest},
};

type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;
type Hook<I, O> = Arc<dyn Fn(I, HookContext) -> BoxFuture<O> + Send + Sync>;
type Registered<I, O> = RwLock<Arc<[Hook<I, O>]>>;

/// What every hook gets beside its subject.
#[derive(Debug, Clone)]
pub struct HookContext {
    /// The engine that runs the hook.
    pub sessions: Sessions,
}

/// How a request goes on after an `onRequest` handler.
#[derive(Debug)]
pub enum RequestDecision {
    /// With this request.
    Continue(SessionRequest),
    /// With this request, and an error that the fields which need a session raise: the rest is answered.
    Fail(SessionRequest, Error),
    /// Not at all: nothing is executed, and the error is the answer.
    Reject(Error),
}

/// A login result before its access token is signed.
#[derive(Debug, Clone)]
pub struct LoginDraft {
    /// What asked for it.
    pub request: SessionRequest,
    /// Whose session it is.
    pub account: account::Model,
    /// The session, as it has been written.
    pub session: session::Model,
    /// What `refreshTokens` did; `None` for a new session.
    pub outcome: Option<RefreshOutcome>,
    /// Claims to add to the access token. Those of the token itself cannot be replaced: they are passed over.
    pub claims: Map<String, Value>,
}

/// The registered hooks of one engine.
#[expect(clippy::struct_field_names, reason = "the hooks are called so")]
#[derive(Default)]
pub struct Hooks {
    on_request: Registered<SessionRequest, RequestDecision>,
    on_refresh_tokens: Registered<LoginDraft, Result<LoginDraft>>,
    on_upsert_session_error: Registered<(Error, SessionRequest), Error>,
    on_session_created: Registered<session::Model, Result<()>>,
    on_session_invalidated: Registered<session::Model, Result<()>>,
}

impl fmt::Debug for Hooks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Hooks")
    }
}

impl Hooks {
    /// Adds an `onRequest` handler. The first one is built in: it verifies the access token.
    #[doc(alias = "onRequest")]
    pub fn on_request<F, Fut>(&self, handler: F)
    where
        F: Fn(SessionRequest, HookContext) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = RequestDecision> + Send + 'static,
    {
        register(
            &self.on_request,
            Arc::new(move |request, context| Box::pin(handler(request, context))),
        );
    }

    /// Adds an `onRefreshTokens` handler, which may add claims or change the result, whenever tokens are issued. It
    /// cannot undo the rotation; where it fails, its error is the answer, and the token that was presented still gets
    /// the same successor.
    #[doc(alias = "onRefreshTokens")]
    pub fn on_refresh_tokens<F, Fut>(&self, handler: F)
    where
        F: Fn(LoginDraft, HookContext) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<LoginDraft>> + Send + 'static,
    {
        register(
            &self.on_refresh_tokens,
            Arc::new(move |draft, context| Box::pin(handler(draft, context))),
        );
    }

    /// Adds an `onUpsertSessionError` handler, which may replace the error.
    #[doc(alias = "onUpsertSessionError")]
    pub fn on_upsert_session_error<F, Fut>(&self, handler: F)
    where
        F: Fn(Error, SessionRequest, HookContext) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Error> + Send + 'static,
    {
        register(
            &self.on_upsert_session_error,
            Arc::new(move |(error, request), context| Box::pin(handler(error, request, context))),
        );
    }

    /// Adds a handler that hears of each new session, after it is committed. Its failure is logged.
    #[doc(alias = "onSessionCreated")]
    pub fn on_session_created<F, Fut>(&self, handler: F)
    where
        F: Fn(session::Model, HookContext) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<()>> + Send + 'static,
    {
        register(
            &self.on_session_created,
            Arc::new(move |session, context| Box::pin(handler(session, context))),
        );
    }

    /// Adds a handler that hears of each session that was ended, after that is committed. Its failure is logged.
    #[doc(alias = "onSessionInvalidated")]
    pub fn on_session_invalidated<F, Fut>(&self, handler: F)
    where
        F: Fn(session::Model, HookContext) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<()>> + Send + 'static,
    {
        register(
            &self.on_session_invalidated,
            Arc::new(move |session, context| Box::pin(handler(session, context))),
        );
    }
}

impl Sessions {
    /// Runs the `onRequest` waterfall behind the built-in handler, whose decision it begins with.
    pub(super) async fn run_on_request(&self, first: RequestDecision) -> Result<SessionRequest> {
        let mut decision = first;
        for handler in registered(&self.hooks().on_request).iter() {
            let request = settle(decision)?;
            decision = handler(request, self.hook_context()).await;
        }
        settle(decision)
    }

    pub(super) async fn run_on_refresh_tokens(&self, mut draft: LoginDraft) -> Result<LoginDraft> {
        for handler in registered(&self.hooks().on_refresh_tokens).iter() {
            draft = handler(draft, self.hook_context()).await?;
        }
        draft
            .claims
            .retain(|claim, _| !RESERVED_CLAIMS.contains(&claim.as_str()));
        Ok(draft)
    }

    pub(crate) async fn run_on_upsert_session_error(
        &self,
        mut error: Error,
        request: &SessionRequest,
    ) -> Error {
        for handler in registered(&self.hooks().on_upsert_session_error).iter() {
            error = handler((error, request.clone()), self.hook_context()).await;
        }
        error
    }

    /// Tells everybody that a session was opened.
    pub(super) async fn run_on_session_created(&self, session: &session::Model) {
        self.announce(session, SessionEventKind::Created, None);
        for handler in registered(&self.hooks().on_session_created).iter() {
            log_failure(
                "onSessionCreated",
                handler(session.clone(), self.hook_context()).await,
            );
        }
    }

    /// Tells everybody that sessions were ended.
    pub(crate) async fn run_on_session_invalidated(&self, sessions: &[session::Model]) {
        for session in sessions {
            self.announce(session, SessionEventKind::Invalidated, None);
        }
        for handler in registered(&self.hooks().on_session_invalidated).iter() {
            for session in sessions {
                log_failure(
                    "onSessionInvalidated",
                    handler(session.clone(), self.hook_context()).await,
                );
            }
        }
    }

    fn hook_context(&self) -> HookContext {
        HookContext {
            sessions: self.clone(),
        }
    }
}

fn settle(decision: RequestDecision) -> Result<SessionRequest> {
    match decision {
        RequestDecision::Continue(request) => Ok(request),
        RequestDecision::Fail(request, error) => Ok(SessionRequest {
            authentication: Authentication::Failed(error),
            ..request
        }),
        RequestDecision::Reject(error) => Err(error),
    }
}

fn log_failure(hook: &str, result: Result<()>) {
    if let Err(error) = result {
        tracing::error!(hook, error = ?error, "a hook failed");
    }
}

fn register<I, O>(hooks: &Registered<I, O>, hook: Hook<I, O>) {
    let mut hooks = hooks.write().unwrap_or_else(PoisonError::into_inner);
    *hooks = hooks.iter().cloned().chain([hook]).collect();
}

fn registered<I, O>(hooks: &Registered<I, O>) -> Arc<[Hook<I, O>]> {
    Arc::clone(&hooks.read().unwrap_or_else(PoisonError::into_inner))
}
