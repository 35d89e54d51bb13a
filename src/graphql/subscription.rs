//! The contract's subscription.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use async_graphql::{Context, ID, Subscription};
use futures_util::{Stream, StreamExt};

use super::{
    current::{Requester, request, requester, sessions},
    types::{self, SessionEvent},
};
use crate::{
    error::{ErrorKind, Result},
    scope::Scope,
    session::Subscriber,
};

/// The subscription, to merge into a schema of your own.
#[derive(Debug, Clone, Copy, Default)]
pub struct SessionSubscription;

#[Subscription]
impl SessionSubscription {
    /// What happens to sessions, as it happens, from whichever replica it happens on. A signed-in account sees its own; a
    /// service key with sessions:read sees all, or one account's. The stream of a caller whose own session ends delivers
    /// that event and then completes.
    async fn session_events(
        &self,
        ctx: &Context<'_>,
        account_id: Option<ID>,
    ) -> Result<impl Stream<Item = Result<SessionEvent>>> {
        let named = account_id.as_ref().map(types::id_or_nobodys);
        let subscriber = match requester(ctx).await? {
            Requester::User(own) => {
                if named.is_some_and(|named| named != own.account.id) {
                    return Err(ErrorKind::Forbidden.into());
                }
                Subscriber::Session(request(ctx)?.session_claims()?.clone())
            }
            Requester::Service(identity) if identity.scopes.contains(Scope::SessionsRead) => {
                Subscriber::Service(identity, named)
            }
            Requester::Service(_) => return Err(ErrorKind::Forbidden.into()),
        };
        let sees_account = matches!(&subscriber, Subscriber::Session(_));
        let events = sessions(ctx)?.session_events(subscriber);
        if let Some(opened) = ctx.data_opt::<Opened>() {
            opened.0.store(true, Ordering::Relaxed);
        }
        Ok(events.map(move |event| event.map(|event| SessionEvent::new(event, sees_account))))
    }
}

/// Tells who put it into a request's data when its stream is open, from where on it waits for events.
#[derive(Debug, Clone, Default)]
pub(crate) struct Opened(Arc<AtomicBool>);

impl Opened {
    #[cfg(feature = "server")]
    pub(crate) fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

impl SessionEvent {
    fn new(event: crate::session::SessionEvent, sees_account: bool) -> Self {
        let session = if sees_account {
            types::Session::of_account(event.session, Arc::new(event.account))
        } else {
            types::Session::by_requester(event.session)
        };
        Self {
            kind: event.kind.into(),
            session,
            at: event.at,
            refresh_outcome: event.outcome.map(Into::into),
            connection_info: None,
            by_session: None,
            by_service_key: None,
        }
    }
}
