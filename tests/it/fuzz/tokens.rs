//! Texts that are handed in as tokens.

use std::collections::HashSet;

use proptest::prelude::*;
use secrecy::SecretString;
use sessiongraph::{error::Error, request::Authentication, scope::Scope};

use super::{explore, mutation::mutated_by, seeds};
use crate::support::{
    engine::{Engine, request, text},
    on_each_database,
};

/// Codes and reasons of a text that is no genuine token, or not of the right kind.
const REFUSALS: [&str; 2] = ["TOKEN_VERIFICATION_FAILED", "INVALID_TOKEN"];

/// The tables of the keyring.
const KEYRING: [&str; 2] = ["signing_keys", "secret_keys"];

fn refused(error: &Error) -> bool {
    REFUSALS.contains(&error.reason().unwrap_or(error.code()))
}

on_each_database! {
    async fn no_changed_token_is_taken_and_none_ends_a_session(database: TestDatabase) {
        let engine = Engine::new(&database).await;
        let login = engine.sign_up("ada").await;
        let superseded = engine.sign_in("ada").await;
        let successor = engine.refresh(&superseded.tokens.refresh_token).await.unwrap();
        let key = engine.sessions.create_service_key("backend", Scope::ALL).await.unwrap();
        let genuine: HashSet<_> = [
            &login.tokens.access_token,
            &login.tokens.refresh_token,
            &superseded.tokens.access_token,
            &superseded.tokens.refresh_token,
            &successor.tokens.access_token,
            &successor.tokens.refresh_token,
            &key,
        ]
        .map(|token| text(token).as_bytes().to_vec())
        .into();
        let mut all = seeds("tokens/seeds.txt");
        // A file's share of the cases, and the genuine ones at least as much.
        let times = all.len().div_ceil(genuine.len());
        for _ in 0..times {
            all.extend(genuine.iter().cloned());
        }
        explore(3_000, &mutated_by(all, 1..4), async |changed| {
            let token = changed.text();
            if genuine.contains(token.as_bytes()) {
                return Ok(());
            }
            engine.statements.take();
            let token = SecretString::from(token);
            let shown = engine.show(&token).await;
            match &shown.authentication {
                Authentication::Failed(error) => prop_assert!(refused(error), "shown: {error:?}"),
                // A text of nothing is no token.
                Authentication::Nobody if changed.text().trim().is_empty() => {}
                other => prop_assert!(false, "shown: {other:?}"),
            }
            let error = engine.refresh(&token).await.unwrap_err();
            prop_assert!(refused(&error), "refreshed: {error:?}");
            let error = engine.sessions.logout(&mut request(), Some(&token)).await.unwrap_err();
            prop_assert!(refused(&error), "logged out: {error:?}");
            // But for the keyring, which is read again where a key is not known, a second at least apart.
            let statements = engine.statements.take();
            prop_assert!(statements.iter().all(|statement| KEYRING.iter().any(|table| statement.sql.contains(table))), "{statements:?}");
            Ok(())
        });
        for login in [&login, &successor] {
            assert_eq!(engine.ended_with(login.session.id).await, None);
        }
        engine.refresh(&successor.tokens.refresh_token).await.unwrap();
    }
}
