//! The server's one extension does what the single ones do, registered one after the other.

use async_graphql::{Request, Variables};
use futures_util::StreamExt;
use serde_json::{Value, json};
use sessiongraph::graphql::{
    DocumentLimits, Documents, Mutation, Query, RequestId, Schema, SchemaOptions, Subgraph,
    Subscription, extend, schema,
};

use crate::support::{
    engine::{Engine, request},
    on_each_database,
};

const LIMITS: DocumentLimits = DocumentLimits {
    depth: 6,
    complexity: 200,
    aliases: 3,
    introspection: true,
};

fn merged(engine: &Engine) -> Schema {
    let options = SchemaOptions {
        subgraph_sdl: true,
        limits: LIMITS,
    };
    schema(engine.accounts.clone(), Documents::default(), options)
}

fn single(engine: &Engine) -> Schema {
    let roots = Schema::build(
        Subgraph::<Query>::default(),
        Mutation::default(),
        Subscription::default(),
    );
    extend(
        roots.enable_subscription_in_federation(),
        engine.accounts.clone(),
    )
    .extension(LIMITS)
    .extension(Documents::default())
    .finish()
}

/// Documents with their variables: what each hook has something to do with.
fn requests() -> Vec<(&'static str, Value, Value)> {
    let by_hash = |hash: &str| json!({ "persistedQuery": { "version": 1, "sha256Hash": hash } });
    let of_typename = "7f56e67dd21ab3f30d1ff8b7bed08893f0a0db86449836189b361dd1e56ddb4b";
    let none = json!({});
    let plain = |document| (document, none.clone(), none.clone());
    vec![
        plain("{ session { id } __typename }"),
        plain("{ viewer { id } }"),
        plain("{ __typename"),
        plain("{ nothing }"),
        plain("{ a: __typename b: __typename c: __typename d: __typename }"),
        plain(
            "{ viewer { sessions { nodes { account { sessions { nodes { account { id } } } } } } } }",
        ),
        plain("{ accounts(first: 100) { nodes { sessions(first: 100) { nodes { id } } } } }"),
        (
            "query ($id: ID!) { account(by: { id: $id }) { id } }",
            none.clone(),
            none.clone(),
        ),
        (
            "query ($id: ID!) { account(by: { id: $id }) { id } }",
            json!({ "id": [1] }),
            none.clone(),
        ),
        plain(
            r#"{ _entities(representations: [{ __typename: "Session", id: "x" }, { __typename: "Account", id: "y" }]) { __typename ... on Account { id username } } }"#,
        ),
        plain(
            r#"mutation { signIn(input: { identifier: "ada", password: "a wrong one" }) { tokens { accessToken } } }"#,
        ),
        plain(r#"mutation { signUp(input: { username: "a", password: "b" }) { account { id } } }"#),
        plain(r#"mutation { a: logout(input: {}) b: logout(input: { token: "x" }) }"#),
        plain("subscription { sessionEvents { kind } }"),
        plain("subscription { sessionEvents { kind } b: sessionEvents { kind } }"),
        ("", none.clone(), by_hash(of_typename)),
        ("{ __typename }", none.clone(), by_hash(of_typename)),
        ("{ viewer { id } }", none.clone(), by_hash(of_typename)),
        ("", none.clone(), by_hash("x")),
    ]
}

async fn answers(schema: &Schema) -> Vec<Value> {
    let mut answers = Vec::new();
    // Twice: what has been read and validated is remembered.
    for (document, variables, extensions) in [requests(), requests()].concat() {
        let mut asked = Request::new(document)
            .variables(Variables::from_json(variables))
            .data(request())
            .data(RequestId("r-1".into()));
        asked.extensions = serde_json::from_value(extensions).unwrap();
        let answer = if document.starts_with("subscription") {
            let stream = schema.execute_stream(asked);
            Box::pin(stream).next().await.unwrap()
        } else {
            schema.execute(asked).await
        };
        answers.push(serde_json::to_value(answer).unwrap());
    }
    answers
}

on_each_database! {
    async fn one_extension_does_what_the_single_ones_do(database: TestDatabase) {
        let engine = Engine::new(&database).await;
        engine.sign_up("ada").await;
        let (merged, single) = (answers(&merged(&engine)).await, answers(&single(&engine)).await);
        for ((document, ..), (merged, single)) in [requests(), requests()].concat().iter().zip(merged.iter().zip(&single)) {
            assert_eq!(merged, single, "{document}");
        }
        // Each kind of failure is there.
        let codes: Vec<_> = merged.iter().filter_map(|answer| answer["errors"][0]["extensions"]["code"].as_str()).collect();
        for code in [
            "AUTHENTICATION_FAILED", "BAD_REQUEST", "BAD_USER_INPUT", "GRAPHQL_PARSE_FAILED", "GRAPHQL_VALIDATION_FAILED",
            "PERSISTED_QUERY_NOT_FOUND", "QUERY_TOO_COMPLEX", "UNAUTHENTICATED",
        ] {
            assert!(codes.contains(&code), "{code}: {codes:?}");
        }
    }
}
