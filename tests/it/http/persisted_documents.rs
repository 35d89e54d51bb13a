//! Automatic persisted queries (Apollo's protocol): a document's digest stands for the document.

use aws_lc_rs::digest::{SHA256, digest};
use axum::{body::Body, http::Request};
use serde_json::{Value, json};

use crate::support::{
    app::{Answer, TestApp, access_token},
    engine::PASSWORD,
    on_each_database,
};

fn hash(document: &str) -> String {
    hex::encode(digest(&SHA256, document.as_bytes()))
}

fn persisted(hash: &str) -> Value {
    json!({ "persistedQuery": { "version": 1, "sha256Hash": hash } })
}

/// By its digest alone.
fn by_hash(document: &str, variables: &Value) -> Value {
    json!({ "extensions": persisted(&hash(document)), "variables": variables })
}

/// Both, as a client sends them that has been told that the digest is not known.
fn registering(document: &str, variables: &Value) -> Value {
    json!({ "query": document, "extensions": persisted(&hash(document)), "variables": variables })
}

async fn get(app: &TestApp, document: &str, hash: &str) -> Answer {
    let extensions = persisted(hash).to_string();
    let query: String = form_urlencoded(&[("query", document), ("extensions", &extensions)]);
    let request = Request::get(format!("/graphql?{query}"));
    app.send(request.body(Body::empty()).unwrap()).await
}

fn form_urlencoded(pairs: &[(&str, &str)]) -> String {
    let mut url = url::Url::parse("http://localhost/").unwrap();
    url.query_pairs_mut()
        .extend_pairs(pairs.iter().filter(|(_, value)| !value.is_empty()));
    url.query().unwrap_or_default().to_owned()
}

const SESSION: &str = "query Mine { session { id account { username } } }";
const SIGN_UP: &str = "mutation ($input: SignUpInput!) { signUp(input: $input) { account { username } tokens { accessToken } } }";

on_each_database! {
    async fn a_digest_is_known_once_its_document_was_sent(database: TestDatabase) {
        let app = TestApp::new(&database).await;
        let ada = app.sign_up("ada").await;
        let ada = app.bearer(access_token(&ada));
        let unknown = ada.post(&by_hash(SESSION, &json!(null))).await;
        // As Apollo's clients look for it: status 200, code and message.
        assert_eq!((unknown.status.as_u16(), unknown.code()), (200, "PERSISTED_QUERY_NOT_FOUND"));
        assert_eq!(unknown.body["errors"][0]["message"], "PersistedQueryNotFound");
        let registered = ada.post(&registering(SESSION, &json!(null))).await;
        assert_eq!(registered.data("session")["account"]["username"], "ada");
        let known = ada.post(&by_hash(SESSION, &json!(null))).await;
        assert_eq!(known.body, registered.body);
        // Whoever it is from, the document is the same and the rights are not.
        let nobody = app.anonymous().post(&by_hash(SESSION, &json!(null))).await;
        assert_eq!(nobody.data("session"), &Value::Null);
        // In capital letters, in a batch, over GET.
        let batch = json!([by_hash(SESSION, &json!(null)), { "query": "{ __typename }" }]);
        assert_eq!(ada.post(&batch).await.body[0], registered.body);
        let capital = json!({ "extensions": persisted(&hash(SESSION).to_uppercase()) });
        assert_eq!(ada.post(&capital).await.body, registered.body);
        assert_eq!(get(&app, "", &hash(SESSION)).await.data("session"), &Value::Null);
    }

    async fn a_get_registers_queries_only(database: TestDatabase) {
        let app = TestApp::new(&database).await;
        let document = "{ __typename }";
        assert_eq!(get(&app, "", &hash(document)).await.code(), "PERSISTED_QUERY_NOT_FOUND");
        assert_eq!(get(&app, document, &hash(document)).await.data("__typename"), "Query");
        assert_eq!(get(&app, "", &hash(document)).await.data("__typename"), "Query");
        // A mutation that is known by its digest does not become safe to repeat.
        let input = json!({ "input": { "username": "ada", "password": PASSWORD } });
        app.anonymous().post(&registering(SIGN_UP, &input)).await.data("signUp");
        assert_eq!(get(&app, "", &hash(SIGN_UP)).await.status, 405);
        assert_eq!(app.count("accounts").await, 1);
    }

    async fn variables_are_each_requests_own(database: TestDatabase) {
        let app = TestApp::new(&database).await;
        let input = |name: &str| json!({ "input": { "username": name, "password": PASSWORD } });
        let ada = app.anonymous().post(&registering(SIGN_UP, &input("ada"))).await;
        let bob = app.anonymous().post(&by_hash(SIGN_UP, &input("bob"))).await;
        assert_eq!(ada.data("signUp")["account"]["username"], "ada");
        assert_eq!(bob.data("signUp")["account"]["username"], "bob");
        for wrong in [json!({}), json!({ "input": 1 }), json!({ "input": { "username": "x" } })] {
            let refused = app.anonymous().post(&by_hash(SIGN_UP, &wrong)).await;
            assert_eq!(refused.code(), "GRAPHQL_VALIDATION_FAILED", "{wrong}");
        }
        // Limits are weighed with the variables at hand.
        let page = "query ($first: Int) { viewer { sessions(first: $first) { nodes { account { sessions(first: $first) { nodes { id } } } } } } }";
        let ada = app.bearer(access_token(ada.data("signUp")));
        ada.post(&registering(page, &json!({ "first": 1 }))).await.data("viewer");
        assert_eq!(ada.post(&by_hash(page, &json!({ "first": 100 }))).await.code(), "QUERY_TOO_COMPLEX");
        ada.post(&by_hash(page, &json!({ "first": 2 }))).await.data("viewer");
    }

    async fn what_is_refused_is_refused_each_time(database: TestDatabase) {
        let app = TestApp::with(&database, &[("introspection", "false")], |_| {}).await;
        for (document, code) in [
            ("{ nothing }", "GRAPHQL_VALIDATION_FAILED"),
            ("{ session { id }", "GRAPHQL_PARSE_FAILED"),
            ("{ __schema { types { name } } }", "GRAPHQL_VALIDATION_FAILED"),
            ("query A { session { id } } query B { __typename }", "GRAPHQL_VALIDATION_FAILED"),
        ] {
            for _ in 0..3 {
                assert_eq!(app.anonymous().query(document).await.code(), code, "{document}");
            }
        }
    }

    async fn a_digest_that_is_wrong_is_named(database: TestDatabase) {
        let app = TestApp::new(&database).await;
        let mut other = registering("{ __typename }", &json!(null));
        other["query"] = "{ session { id } }".into();
        let refusals = [
            (other, "sha256Hash"),
            (json!({ "query": "{ __typename }", "extensions": persisted("abc") }), "sha256Hash"),
            (json!({ "extensions": persisted(&"zz".repeat(32)) }), "sha256Hash"),
            (json!({ "extensions": { "persistedQuery": { "version": 2, "sha256Hash": hash("x") } } }), "version"),
            (json!({ "query": "{ __typename }", "extensions": { "persistedQuery": true } }), "object"),
        ];
        for (body, what) in refusals {
            let refused = app.anonymous().post(&body).await;
            assert_eq!((refused.status.as_u16(), refused.code()), (400, "BAD_REQUEST"), "{body}");
            let message = refused.body["errors"][0]["message"].as_str().unwrap();
            assert!(message.starts_with("extensions.persistedQuery: ") && message.contains(what), "{message}");
        }
        let absent = json!({ "query": "{ __typename }", "extensions": { "persistedQuery": null } });
        app.anonymous().post(&absent).await.data("__typename");
    }

    async fn a_document_with_a_password_in_it_is_not_kept(database: TestDatabase) {
        let app = TestApp::new(&database).await;
        let sign_up = format!("mutation {{ signUp(input: {{ username: \"ada\", password: \"{PASSWORD}\" }}) {{ account {{ id }} }} }}");
        app.anonymous().post(&registering(&sign_up, &json!(null))).await.data("signUp");
        let again = app.anonymous().post(&by_hash(&sign_up, &json!(null))).await;
        assert_eq!(again.code(), "PERSISTED_QUERY_NOT_FOUND");
    }
}
