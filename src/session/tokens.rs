//! Tokens of a session: issuing them, and telling what a text is.

use std::{fmt, sync::Arc};

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use chrono::{DateTime, TimeDelta, Utc};
use secrecy::{ExposeSecret, SecretString};
use serde_json::Map;
use uuid::Uuid;

use super::{LoginDraft, Sessions};
use crate::{
    crypto::{
        access_token::{self, Claims, Refusal},
        opaque_token::{REFRESH_TOKEN_PREFIX, RefreshToken, SERVICE_KEY_PREFIX, ServiceKeyToken},
    },
    entity::{account, session},
    error::{Action, Error, ErrorKind, Result, UnauthenticatedReason},
    keys::KeySet,
    random,
    request::SessionRequest,
};

/// What `refreshTokens` did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RefreshOutcome {
    /// The current refresh token was exchanged for its successor.
    Rotated,
    /// Another request had exchanged it within the grace: the same successor, again.
    Converged,
    /// The answer to an earlier exchange never arrived: a new successor, and the lost one is void.
    Recovered,
}

/// A session's tokens.
#[derive(Clone)]
pub struct Tokens {
    /// A signed JWT.
    pub access_token: SecretString,
    /// When it expires.
    pub access_token_expires_at: DateTime<Utc>,
    /// Opaque; single use.
    pub refresh_token: SecretString,
    /// When it expires: with the session, unless that is refreshed before.
    pub refresh_token_expires_at: DateTime<Utc>,
}

impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tokens")
    }
}

/// What signing in, signing up and refreshing give.
#[derive(Debug, Clone)]
pub struct LoginResult {
    /// Whose session it is.
    pub account: account::Model,
    /// The session.
    pub session: session::Model,
    /// Its tokens.
    pub tokens: Tokens,
    /// What `refreshTokens` did; `None` for a new session.
    pub outcome: Option<RefreshOutcome>,
    /// The claims of the access token.
    pub claims: Arc<Claims>,
}

/// What a text that claims to be a token turned out to be. All variants are genuine; an access token may be expired.
pub(super) enum Presented {
    Access(Arc<Claims>),
    Refresh(RefreshToken),
    Service(ServiceKeyToken),
}

impl Sessions {
    /// Tells what a text is. Only an access token of an unknown key may cost a statement, once a second.
    ///
    /// # Errors
    ///
    /// `TOKEN_VERIFICATION_FAILED` where it is none of ours, `INVALID_TOKEN` where it is a JWT of another kind.
    pub(super) async fn present(
        &self,
        request: &SessionRequest,
        token: &SecretString,
    ) -> Result<Presented, Refused> {
        let text = token.expose_secret();
        let keys = self.0.keys.keys(request).await?;
        if text.starts_with(REFRESH_TOKEN_PREFIX) {
            return keys
                .refresh
                .verify(text)
                .map(Presented::Refresh)
                .ok_or(Refused::NotGenuine);
        }
        if text.starts_with(SERVICE_KEY_PREFIX) {
            return keys
                .service
                .verify(text)
                .map(Presented::Service)
                .ok_or(Refused::NotGenuine);
        }
        let verify = |keys: &KeySet| self.0.verifier.verify(text, |kid| keys.find(kid));
        let verified = match verify(&keys) {
            Err(Refusal::UnknownKey) => match self.0.keys.keys_again(request).await {
                Ok(keys) => verify(&keys),
                Err(error) => {
                    tracing::warn!(error = ?error, "a token names an unknown key, and the keys could not be read again");
                    Err(Refusal::UnknownKey)
                }
            },
            verified => verified,
        };
        match verified {
            Ok(claims) if self.is_too_early(&claims) => Err(Refused::NotGenuine),
            Ok(claims) => {
                // Shown is seen, expired or not: it proves that the answer which carried it arrived.
                let generation = claims.generation().unwrap_or_default();
                self.note_shown(claims.sid, generation);
                Ok(Presented::Access(claims))
            }
            Err(Refusal::NotGenuine) => Err(Refused::NotGenuine),
            Err(Refusal::UnknownKey) => Err(Refused::UnknownKey),
            Err(Refusal::WrongKind) => Err(Refused::WrongKind),
        }
    }

    /// Notes that a token was shown where it is not exchanged: it proves that the answer which carried it arrived.
    pub(super) fn note_shown(&self, session_id: Uuid, generation: u32) {
        let now = self.0.clock.now();
        self.0.activity.note(session_id, generation, now);
    }

    /// When an access token runs out, clock skew allowed for.
    pub(crate) fn access_ends_at(&self, claims: &Claims) -> DateTime<Utc> {
        let skew = TimeDelta::from_std(self.0.policy.clock_skew).unwrap_or_default();
        let ends_at = claims.expires_at().checked_add_signed(skew);
        ends_at.unwrap_or(DateTime::<Utc>::MAX_UTC)
    }

    /// Whether an access token is not yet to be accepted (RFC 7519 section 4.1.5), clock skew allowed for.
    fn is_too_early(&self, claims: &Claims) -> bool {
        let latest = self.0.clock.now() + self.0.policy.clock_skew;
        claims.nbf.is_some_and(|nbf| nbf > latest.timestamp())
    }

    /// Whether an access token has run out, clock skew allowed for.
    pub(super) fn has_expired(&self, claims: &Claims) -> bool {
        self.access_ends_at(claims) <= self.0.clock.now()
    }

    /// Issues tokens for a session as it has just been written.
    pub(super) async fn issue(
        &self,
        request: &SessionRequest,
        account: account::Model,
        session: session::Model,
        outcome: Option<RefreshOutcome>,
    ) -> Result<LoginResult> {
        let draft = LoginDraft {
            request: request.clone(),
            account,
            session,
            outcome,
            claims: Map::new(),
        };
        // What the tokens are of, no hook changes.
        let (account_id, session_id) = (draft.account.id, draft.session.id);
        let (generation, ends_at) = (draft.session.generation, draft.session.expires_at);
        let scope = draft.account.permissions.clone();
        let draft = self.run_on_refresh_tokens(draft).await?;
        let generation = u32::try_from(generation).map_err(Error::internal)?;

        let now = self.0.clock.now();
        let expires_at = (now + self.0.policy.access_token_ttl).min(ends_at);
        let claims = Claims {
            iss: self.0.policy.issuer.clone(),
            aud: self.0.policy.audience.clone(),
            sub: account_id,
            sid: session_id,
            client_id: self.0.policy.audience.clone(),
            jti: self.token_id(generation)?,
            iat: now.timestamp(),
            exp: expires_at.timestamp(),
            nbf: None,
            scope,
            extra: draft.claims,
        };
        let keys = self.0.keys.keys(request).await?;
        let tokens = Tokens {
            access_token: access_token::sign(&keys.signing, &claims)?,
            access_token_expires_at: claims.expires_at(),
            refresh_token: keys.refresh.make(RefreshToken {
                session_id,
                generation,
            }),
            refresh_token_expires_at: ends_at,
        };
        Ok(LoginResult {
            account: draft.account,
            session: draft.session,
            tokens,
            outcome,
            claims: Arc::new(claims),
        })
    }

    /// A `jti` (RFC 7519 section 4.1.7) that carries the generation as well.
    fn token_id(&self, generation: u32) -> Result<String> {
        let unique = BASE64_URL_SAFE_NO_PAD.encode(random::bytes::<16>(self.random())?);
        Ok(format!("{unique}.{generation}"))
    }

    /// A new id.
    pub(crate) fn new_id(&self, now: DateTime<Utc>) -> Result<Uuid> {
        random::new_id(now, self.random())
    }
}

/// Why a text was refused, before the place where it was presented gives that a code.
#[derive(Debug)]
pub(super) enum Refused {
    NotGenuine,
    UnknownKey,
    WrongKind,
    /// The keys could not be had.
    Failed(Error),
}

impl From<Error> for Refused {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

impl Refused {
    /// As the error of a field that needs a session.
    pub(super) fn unauthenticated(self) -> Error {
        match self {
            Self::NotGenuine => {
                Error::unauthenticated(UnauthenticatedReason::TokenVerificationFailed)
            }
            // The key may have been rotated away or revoked; the refresh token may still be good.
            Self::UnknownKey => {
                Error::unauthenticated(UnauthenticatedReason::TokenVerificationFailed)
                    .with_action(Action::Refresh)
            }
            Self::WrongKind => Error::unauthenticated(UnauthenticatedReason::InvalidToken),
            Self::Failed(error) => error,
        }
    }

    /// As the error of a mutation that was handed the token.
    pub(super) fn handed_over(self) -> Error {
        match self {
            Self::NotGenuine | Self::UnknownKey => ErrorKind::TokenVerificationFailed.into(),
            Self::WrongKind => ErrorKind::InvalidToken.into(),
            Self::Failed(error) => error,
        }
    }
}
