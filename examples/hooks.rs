//! All hooks, on an engine without GraphQL and without HTTP.
//!
//! ```sh
//! cargo run --example hooks
//! ```

use std::{
    error::Error,
    io::Write,
    sync::{Arc, Mutex, PoisonError},
};

use sessiongraph::{
    account::{Accounts, SignUp},
    crypto::password::{Password, PasswordPolicy},
    database::{DatabaseOptions, connect, migrate},
    error::{ErrorKind, Result},
    keys::FixedSecret,
    request::SessionRequest,
    session::{
        HookContext, LoginDraft, RefreshTokensInput, RequestDecision, Sessions, TokenTransport,
    },
};

/// What the application did in its hooks.
#[derive(Clone, Default)]
pub(crate) struct Diary(Arc<Mutex<Vec<String>>>);

impl Diary {
    fn note(&self, line: String) {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(line);
    }

    fn lines(&self) -> Vec<String> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

/// Before anything else of a request: it goes on, fails where a session is needed, or is rejected as a whole.
async fn close_at_night(request: SessionRequest, _: HookContext) -> RequestDecision {
    if request.extensions.get::<Night>().is_some() {
        return RequestDecision::Reject(
            ErrorKind::Custom {
                code: "CLOSED".into(),
                message: "We open at eight.".into(),
            }
            .into(),
        );
    }
    RequestDecision::Continue(request)
}

/// What another part of the application knows about a request, a middleware for instance.
#[derive(Clone)]
struct Night;

/// Whenever tokens are issued: claims for services that verify tokens by themselves. What identifies a token (`sub`, `exp`
/// and so on) cannot be replaced.
async fn add_claims(mut draft: LoginDraft, _: HookContext) -> Result<LoginDraft> {
    draft.claims.insert("plan".to_owned(), "free".into());
    Ok(draft)
}

pub(crate) fn register(sessions: &Sessions, diary: &Diary) {
    let hooks = sessions.hooks();
    hooks.on_request(close_at_night);
    hooks.on_refresh_tokens(add_claims);
    let errors = diary.clone();
    hooks.on_upsert_session_error(move |error, request, _| {
        errors.note(format!("{} for {:?}", error.code(), request.ip));
        async move { error }
    });
    // After the commit: a mail about a new device, a cache to be emptied. A failure is logged.
    let opened = diary.clone();
    hooks.on_session_created(move |session, _| {
        opened.note(format!("a session was opened from {}", session.ip));
        async { Ok(()) }
    });
    let ended = diary.clone();
    hooks.on_session_invalidated(move |session, _| {
        ended.note(format!(
            "a session ended: {:?}",
            session.invalidation_reason
        ));
        async { Ok(()) }
    });
}

/// Signs up, refreshes, fails to, logs out; returns what the hooks noted on the way.
///
/// # Errors
///
/// What the engine says where it should not.
pub(crate) async fn run() -> Result<Vec<String>> {
    let db = connect(&DatabaseOptions::new("sqlite::memory:")).await?;
    migrate(&db).await?;
    let keys = FixedSecret::new(&"a secret of thirty-two bytes or more".into())?;
    let sessions = Sessions::builder(db).keys(keys).build()?;
    let accounts = Accounts::new(sessions.clone(), PasswordPolicy::default())?;
    let diary = Diary::default();
    register(&sessions, &diary);

    let mut request = SessionRequest::new();
    request.ip = Some([192, 0, 2, 1].into());
    request.user_agent = Some("example".to_owned());
    let ada = SignUp {
        username: Some("ada".to_owned()),
        email: None,
        password: Password::new("correct horse battery staple"),
        transport: TokenTransport::Body,
    };
    let login = accounts.sign_up(&request, ada).await?;
    diary.note(format!("plan: {}", login.claims.extra["plan"]));

    let refresh_token = |token| RefreshTokensInput {
        refresh_token: Some(token),
    };
    let token = login.tokens.refresh_token.clone();
    sessions
        .refresh_tokens(&request, refresh_token(token.clone()))
        .await?;
    sessions.logout(&mut request.clone(), Some(&token)).await?;
    let late = sessions
        .refresh_tokens(&request, refresh_token(token))
        .await;
    diary.note(format!("refreshed after the end: {}", late.is_ok()));

    request.extensions.insert(Night);
    if let Err(error) = sessions.handle_request(request).await {
        diary.note(format!("at night: {}", error.code()));
    }
    Ok(diary.lines())
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error + Send + Sync>> {
    for line in run().await? {
        writeln!(std::io::stdout(), "{line}")?;
    }
    Ok(())
}
