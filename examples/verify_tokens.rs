//! Access tokens verified by another service: no database, none of this crate, nothing but the public keys.
//!
//! ```sh
//! cargo run -- serve                       # in one terminal
//! cargo run --example verify_tokens        # in another
//! curl http://127.0.0.1:4002/me -H "authorization: Bearer $ACCESS_TOKEN"
//! ```
//!
//! A token is believed until it expires, five minutes at most: that a session has ended in the meantime, only the server
//! knows. Ask it (`{ session { valid } }`) before what cannot be undone.

use std::{
    error::Error,
    str::FromStr,
    sync::Arc,
    time::{Duration, Instant},
};

use axum::{
    Json, Router,
    extract::State,
    http::{StatusCode, header::WWW_AUTHENTICATE},
    response::{IntoResponse, Response},
    routing::get,
};
use axum_extra::{
    TypedHeader,
    headers::{Authorization, authorization::Bearer},
};
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header, jwk::JwkSet};
use serde::{Deserialize, Serialize};
use tokio::{
    net::TcpListener,
    sync::{Mutex, RwLock},
};

/// How long the server may take to answer with its keys.
const TIMEOUT: Duration = Duration::from_secs(5);

/// What is read of a token.
#[derive(Debug, Serialize, Deserialize)]
struct Claims {
    /// The account.
    sub: String,
    /// The session.
    sid: String,
    /// The account's permissions, separated by spaces.
    scope: String,
}

/// Verifies the tokens of one issuer for one audience.
pub(crate) struct TokenVerifier {
    /// The server's `public_url`.
    pub(crate) issuer: String,
    /// Where its public keys are: the issuer, and `/.well-known/jwks.json`.
    pub(crate) jwks_url: String,
    /// The server's `audience`.
    pub(crate) audience: String,
    /// A stranger's token may name any key: it must not make us ask for the keys each time.
    pub(crate) reload_at_most_every: Duration,
    /// The keys that were read last.
    pub(crate) keys: RwLock<Option<Arc<JwkSet>>>,
    /// When they were last asked for.
    pub(crate) asked_at: Mutex<Option<Instant>>,
    pub(crate) http: reqwest::Client,
}

/// Why a token is not believed.
#[derive(Debug)]
enum Refused {
    /// It is not genuine, not for us, or has expired.
    Token,
    /// The keys cannot be read, so nobody knows.
    Unavailable,
}

impl TokenVerifier {
    async fn verify(&self, token: &str) -> Result<Claims, Refused> {
        let header = decode_header(token).map_err(|_| Refused::Token)?;
        // An access token, and no other JWT of the same issuer (RFC 9068 section 4).
        if header.typ.as_deref() != Some("at+jwt") {
            return Err(Refused::Token);
        }
        let kid = header.kid.ok_or(Refused::Token)?;
        let keys = self.keys_with(&kid).await?;
        let key = keys.find(&kid).ok_or(Refused::Token)?;
        // The key says which algorithm it is for; the token must not choose (RFC 8725 section 3.1).
        let algorithm = key.common.key_algorithm.ok_or(Refused::Token)?;
        let algorithm = Algorithm::from_str(&algorithm.to_string()).map_err(|_| Refused::Token)?;
        let mut validation = Validation::new(algorithm);
        validation.set_issuer(&[&self.issuer]);
        validation.set_audience(&[&self.audience]);
        validation.set_required_spec_claims(&["iss", "aud", "exp", "sub"]);
        validation.leeway = 5;
        let key = DecodingKey::from_jwk(key).map_err(|_| Refused::Token)?;
        let token = decode(token, &key, &validation).map_err(|_| Refused::Token)?;
        Ok(token.claims)
    }

    /// The keys; read again where one is wanted that is not among them. The server publishes a key long before it signs, so
    /// that this happens once in a month.
    async fn keys_with(&self, kid: &str) -> Result<Arc<JwkSet>, Refused> {
        let known = |keys: &Arc<JwkSet>| keys.find(kid).is_some();
        if let Some(keys) = self.keys.read().await.clone().filter(known) {
            return Ok(keys);
        }
        // One asks, the others wait for its answer; who finds the key that it wants waits for nobody.
        let mut asked_at = self.asked_at.lock().await;
        if asked_at.is_none_or(|at| at.elapsed() >= self.reload_at_most_every) {
            *asked_at = Some(Instant::now());
            let keys = self.read_keys().await.map_err(|_| Refused::Unavailable)?;
            *self.keys.write().await = Some(Arc::new(keys));
        }
        self.keys.read().await.clone().ok_or(Refused::Unavailable)
    }

    async fn read_keys(&self) -> reqwest::Result<JwkSet> {
        let response = self
            .http
            .get(&self.jwks_url)
            .timeout(TIMEOUT)
            .send()
            .await?;
        response.error_for_status()?.json().await
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        match self {
            Self::Token => {
                let challenge = [(WWW_AUTHENTICATE, "Bearer error=\"invalid_token\"")];
                (StatusCode::UNAUTHORIZED, challenge).into_response()
            }
            Self::Unavailable => StatusCode::SERVICE_UNAVAILABLE.into_response(),
        }
    }
}

async fn me(
    State(verifier): State<Arc<TokenVerifier>>,
    bearer: Option<TypedHeader<Authorization<Bearer>>>,
) -> Response {
    let Some(TypedHeader(bearer)) = bearer else {
        return (StatusCode::UNAUTHORIZED, [(WWW_AUTHENTICATE, "Bearer")]).into_response();
    };
    match verifier.verify(bearer.token()).await {
        Ok(claims) => Json(claims).into_response(),
        Err(refused) => refused.into_response(),
    }
}

/// The whole service.
pub(crate) fn app(verifier: TokenVerifier) -> Router {
    Router::new()
        .route("/me", get(me))
        .with_state(Arc::new(verifier))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error + Send + Sync>> {
    let issuer = "http://127.0.0.1:4000";
    let router = app(TokenVerifier {
        issuer: issuer.to_owned(),
        jwks_url: format!("{issuer}/.well-known/jwks.json"),
        audience: "sessiongraph".to_owned(),
        reload_at_most_every: Duration::from_secs(10),
        keys: RwLock::default(),
        asked_at: Mutex::default(),
        http: reqwest::Client::new(),
    });
    axum::serve(TcpListener::bind("127.0.0.1:4002").await?, router).await?;
    Ok(())
}
