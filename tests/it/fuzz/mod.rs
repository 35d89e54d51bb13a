//! Mutated input at every door: tokens, requests, WebSocket messages, configuration.
//!
//! Each target has a corpus of seeds in `tests/corpus`; what once went wrong is added there. `cargo test` tries the same
//! bounded number of cases each time; with `PROPTEST_CASES` (`make fuzz`) as many others as it says.

use proptest::{
    prelude::*,
    test_runner::{RngSeed, TestCaseResult, TestRunner},
};
use serde_json::Value;
use tokio::runtime::Handle;

use crate::support::app::{TestApp, access_token, refresh_token};
use sessiongraph::scope::Scope;

mod configuration;
mod explicit;
mod mutation;
mod requests;
mod sockets;
mod tokens;

/// Every code that DESIGN section 5 knows, but for those that say that the server itself is at fault.
const CODES: [&str; 22] = [
    "UNAUTHENTICATED",
    "TOKEN_VERIFICATION_FAILED",
    "INVALID_TOKEN",
    "INVALID_TOKENS",
    "SESSION_NOT_FOUND",
    "INVALID_SESSION",
    "REFRESH_TOKEN_REUSED",
    "USER_NOT_FOUND",
    "USER_DEACTIVATED",
    "AUTHENTICATION_FAILED",
    "FORBIDDEN",
    "USERNAME_TAKEN",
    "EMAIL_TAKEN",
    "BAD_USER_INPUT",
    "RATE_LIMITED",
    "INVALID_LOCATION_INFO_IP",
    "INVALID_LOCATION_INFO_USER_AGENT",
    "GRAPHQL_PARSE_FAILED",
    "GRAPHQL_VALIDATION_FAILED",
    "QUERY_TOO_COMPLEX",
    "PERSISTED_QUERY_NOT_FOUND",
    "BAD_REQUEST",
];

/// What the runner is told: `cases` that are always the same, or what `PROPTEST_CASES` asks for.
fn settings(cases: u32) -> ProptestConfig {
    let mut settings = ProptestConfig {
        failure_persistence: None,
        max_shrink_iters: 2_000,
        ..ProptestConfig::default()
    };
    #[expect(
        clippy::disallowed_methods,
        reason = "how many cases are tried is the tests' own affair"
    )]
    let asked = std::env::var_os("PROPTEST_CASES").is_some();
    if !asked {
        settings.cases = cases;
        settings.rng_seed = RngSeed::Fixed(2_718);
    }
    settings
}

/// Runs a property over many values, and says what they shrink to where it does not hold.
fn explore<S: Strategy>(
    cases: u32,
    strategy: &S,
    property: impl AsyncFn(S::Value) -> TestCaseResult,
) {
    let result = tokio::task::block_in_place(|| {
        TestRunner::new(settings(cases))
            .run(strategy, |case| Handle::current().block_on(property(case)))
    });
    if let Err(failure) = result {
        panic!("{failure}");
    }
}

/// The seeds in a file of the corpus, one a line.
fn seeds(file: &str) -> Vec<Vec<u8>> {
    let lines = corpus(file);
    let lines = lines.split(|byte| *byte == b'\n');
    lines
        .filter(|line| !line.is_empty())
        .map(<[u8]>::to_vec)
        .collect()
}

fn corpus(file: &str) -> Vec<u8> {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/corpus")
        .join(file);
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Somebody who is signed in and a backend, whose tokens and ids take the place of `{access}` and its like in a seed.
struct Cast(Vec<(&'static str, String)>);

impl Cast {
    async fn of(app: &TestApp) -> Self {
        let login = app
            .sign_up(&format!(
                "u{}",
                &uuid::Uuid::new_v4().simple().to_string()[..20]
            ))
            .await;
        let key = app
            .engine
            .sessions
            .create_service_key(&uuid::Uuid::new_v4().to_string(), Scope::ALL)
            .await
            .unwrap();
        let id = |of: &str| login[of]["id"].as_str().unwrap().to_owned();
        Self(vec![
            ("{access}", access_token(&login).to_owned()),
            ("{refresh}", refresh_token(&login).to_owned()),
            (
                "{key}",
                secrecy::ExposeSecret::expose_secret(&key).to_owned(),
            ),
            ("{account}", id("account")),
            ("{session}", id("session")),
        ])
    }

    fn put_into(&self, seed: &[u8]) -> Vec<u8> {
        let mut out = seed.to_vec();
        for (name, value) in &self.0 {
            let (name, value) = (name.as_bytes(), value.as_bytes());
            let mut at = 0;
            while let Some(found) = out[at..]
                .windows(name.len())
                .position(|window| window == name)
            {
                let start = at + found;
                out.splice(start..start + name.len(), value.iter().copied());
                at = start + value.len();
            }
        }
        out
    }
}

/// That an execution's answer has the shape that the GraphQL specification gives it, and blames nobody but the client.
fn check_response(answer: &Value) -> TestCaseResult {
    let members = answer.as_object();
    prop_assert!(
        members.is_some_and(|members| !members.is_empty()),
        "{answer}"
    );
    let errors = match answer.get("errors") {
        None => return Ok(()),
        Some(errors) => errors.as_array(),
    };
    prop_assert!(errors.is_some_and(|errors| !errors.is_empty()), "{answer}");
    errors.into_iter().flatten().try_for_each(check_error)
}

fn check_error(error: &Value) -> TestCaseResult {
    prop_assert!(
        error["message"]
            .as_str()
            .is_some_and(|message| !message.is_empty()),
        "{error}"
    );
    let code = error["extensions"]["code"].as_str().unwrap_or_default();
    prop_assert!(CODES.contains(&code), "{error}");
    Ok(())
}
