//! Keys that differ by tenant: another tenant's token is none of ours.

use std::sync::Arc;

use async_trait::async_trait;
use secrecy::SecretString;
use sessiongraph::{
    account::{Accounts, SignUp},
    crypto::password::Password,
    error::Result,
    keys::{FixedSecret, KeySet, TokenKeys},
    request::SessionRequest,
    scope::Scope,
    session::{LoginResult, RefreshTokensInput, Sessions, TokenTransport},
};

use crate::support::{
    database::TestDatabase,
    engine::{PASSWORD, PASSWORDS, request, told},
    on_each_database,
};

#[derive(Clone, Copy, PartialEq)]
enum Tenant {
    One,
    Other,
}

#[derive(Debug)]
struct ByTenant {
    one: FixedSecret,
    other: FixedSecret,
}

#[async_trait]
impl TokenKeys for ByTenant {
    async fn keys(&self, request: &SessionRequest) -> Result<Arc<KeySet>> {
        match request.extensions.get() {
            Some(Tenant::Other) => self.other.keys(request).await,
            _ => self.one.keys(request).await,
        }
    }
}

fn of(tenant: Tenant) -> SessionRequest {
    let mut request = request();
    request.extensions.insert(tenant);
    request
}

async fn sessions(database: &TestDatabase) -> Sessions {
    let secret = |text: &str| FixedSecret::new(&SecretString::from(text)).unwrap();
    let keys = ByTenant {
        one: secret("the secret of the first tenant, long enough"),
        other: secret("the secret of the other tenant, long enough"),
    };
    Sessions::builder(database.connect().await)
        .keys(keys)
        .build()
        .unwrap()
}

async fn sign_up(sessions: &Sessions, tenant: Tenant) -> LoginResult {
    let input = SignUp {
        username: Some("ada".to_owned()),
        email: None,
        password: Password::new(PASSWORD),
        transport: TokenTransport::Body,
    };
    let accounts = Accounts::new(sessions.clone(), PASSWORDS).unwrap();
    accounts.sign_up(&of(tenant), input).await.unwrap()
}

async fn refresh(sessions: &Sessions, tenant: Tenant, token: &SecretString) -> Result<LoginResult> {
    let input = RefreshTokensInput {
        refresh_token: Some(token.clone()),
    };
    sessions.refresh_tokens(&of(tenant), input).await
}

async fn show(sessions: &Sessions, tenant: Tenant, token: &SecretString) -> SessionRequest {
    let mut request = of(tenant);
    request.bearer = Some(token.clone());
    sessions.handle_request(request).await.unwrap()
}

on_each_database! {
    async fn another_tenants_token_of_either_kind_is_not_verified(database: TestDatabase) {
        let sessions = sessions(&database).await;
        let login = sign_up(&sessions, Tenant::Other).await;
        for token in [&login.tokens.refresh_token, &login.tokens.access_token] {
            let error = refresh(&sessions, Tenant::One, token).await.unwrap_err();
            assert_eq!(error.code(), "TOKEN_VERIFICATION_FAILED");
            let error = sessions.logout(&mut of(Tenant::One), Some(token)).await.unwrap_err();
            assert_eq!(error.code(), "TOKEN_VERIFICATION_FAILED");
            let error = show(&sessions, Tenant::One, token).await.session_claims().unwrap_err();
            assert_eq!((told(&error).0, told(&error).1), ("UNAUTHENTICATED", Some("TOKEN_VERIFICATION_FAILED")));
        }
        // Its own are.
        let request = show(&sessions, Tenant::Other, &login.tokens.access_token).await;
        assert!(sessions.require_session(&request).await.is_ok());
        let refreshed = refresh(&sessions, Tenant::Other, &login.tokens.refresh_token).await.unwrap();
        assert_eq!(refreshed.session.generation, 1);
    }

    async fn a_fixed_secret_is_all_that_an_engine_needs(database: TestDatabase) {
        let sessions = sessions(&database).await;
        let login = sign_up(&sessions, Tenant::One).await;
        let key = sessions.create_service_key("backend", Scope::ALL).await.unwrap();
        assert_eq!(show(&sessions, Tenant::One, &key).await.session_claims().unwrap_err().code(), "FORBIDDEN");
        assert!(sessions.logout(&mut of(Tenant::One), Some(&login.tokens.access_token)).await.unwrap());
        let error = refresh(&sessions, Tenant::One, &login.tokens.refresh_token).await.unwrap_err();
        assert_eq!(error.reason(), Some("INVALIDATED"));
    }
}
