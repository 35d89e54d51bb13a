//! Limits of documents. None of these tests is timed: what they are about would hang without the limit.

use serde_json::{Value, json};
use sessiongraph::scope::Scope;

use crate::support::{
    app::{Answer, Client, TestApp},
    on_each_database,
};

#[track_caller]
fn assert_over(answer: &Answer, limit: &str, allowed: u64) -> u64 {
    let error = answer.error();
    assert_eq!(
        (&error["code"], &error["limit"], &error["allowed"]),
        (&json!("QUERY_TOO_COMPLEX"), &json!(limit), &json!(allowed)),
        "{:#}",
        answer.body
    );
    assert_eq!(answer.body.get("data"), None);
    error["value"].as_u64().unwrap()
}

async fn passes(client: &Client, document: &str, variables: Value) {
    let answer = client.run(document, variables).await;
    for error in answer.errors() {
        assert_eq!(
            error["extensions"]["code"], "UNAUTHENTICATED",
            "{document}: {:#}",
            answer.body
        );
    }
}

/// Fragments that each spread the next one twice: 2^24 fields if they are written out.
fn explosive(operations: &str) -> String {
    let fragments: Vec<_> = (0..24)
        .map(|n| format!("fragment F{n} on Query {{ ...F{0} ...F{0} }}", n + 1))
        .collect();
    format!(
        "{operations} {} fragment F24 on Query {{ session {{ id }} }}",
        fragments.join(" ")
    )
}

on_each_database! {
    async fn fragments_that_multiply_are_refused_before_they_do(database: TestDatabase) {
        for flags in [&[][..], &[("max_depth", "1000")]] {
            let app = TestApp::with(&database, flags, |_| {}).await;
            let answer = app.anonymous().query(&explosive("{ ...F0 }")).await;
            assert!(assert_over(&answer, "complexity", 10_000) > 10_000_000);
        }
    }

    async fn an_operation_that_is_not_asked_for_is_weighed_too(database: TestDatabase) {
        let app = TestApp::with(&database, &[("max_depth", "1000")], |_| {}).await;
        let document = explosive("query A { __typename } query B { ...F0 }");
        for name in [json!("A"), json!("B"), json!("nothing"), json!(null)] {
            let body = json!({ "query": document, "operationName": name });
            assert_over(&app.anonymous().post(&body).await, "complexity", 10_000);
        }
    }

    async fn fragments_that_contain_themselves_are_invalid(database: TestDatabase) {
        let app = TestApp::new(&database).await;
        for document in [
            "{ ...A } fragment A on Query { ...A }",
            "{ ...A } fragment A on Query { ...B } fragment B on Query { ...A session { id } }",
            "{ ...Nothing }",
        ] {
            let answer = app.anonymous().query(document).await;
            assert!(answer.errors().iter().all(|error| error["extensions"]["code"].as_str().unwrap().starts_with("GRAPHQL_")), "{:#}", answer.body);
            assert!(!answer.errors().is_empty());
        }
    }

    async fn depth_is_limited(database: TestDatabase) {
        let app = TestApp::new(&database).await;
        let nested = |depth: usize| {
            // `session { account { sessions { nodes { …`: every level is a field.
            let levels = ["account", "sessions(first: 1)", "nodes"];
            let path: Vec<_> = (0..depth - 2).map(|n| levels[n % 3]).collect();
            format!("{{ session {{ {} {{ __typename {} }}", path.join(" { "), "}".repeat(depth - 1))
        };
        passes(&app.anonymous(), &nested(15), json!({})).await;
        assert_eq!(assert_over(&app.anonymous().query(&nested(16)).await, "depth", 15), 16);
        let shallow = TestApp::with(&database, &[("max_depth", "3")], |_| {}).await;
        passes(&shallow.anonymous(), "{ viewer { sessions { totalCount } } }", json!({})).await;
        assert_over(&shallow.anonymous().query("{ ...Q } fragment Q on Query { viewer { ... on Account { sessions { nodes { id } } } } }").await, "depth", 3);
    }

    async fn the_standard_introspection_query_passes(database: TestDatabase) {
        let app = TestApp::new(&database).await;
        let of_type = "ofType { kind name ofType { kind name ofType { kind name ofType { kind name ofType { kind name ofType { kind name ofType { kind name } } } } } } }";
        let document = format!(
            "query IntrospectionQuery {{ __schema {{ queryType {{ name }} mutationType {{ name }} subscriptionType {{ name }} \
             types {{ ...FullType }} directives {{ name description locations args {{ ...InputValue }} }} }} }} \
             fragment FullType on __Type {{ kind name description fields(includeDeprecated: true) {{ name description \
             args {{ ...InputValue }} type {{ ...TypeRef }} isDeprecated deprecationReason }} inputFields {{ ...InputValue }} \
             interfaces {{ ...TypeRef }} enumValues(includeDeprecated: true) {{ name description isDeprecated deprecationReason }} \
             possibleTypes {{ ...TypeRef }} }} fragment InputValue on __InputValue {{ name description type {{ ...TypeRef }} \
             defaultValue }} fragment TypeRef on __Type {{ kind name {of_type} }}"
        );
        assert_eq!(app.anonymous().query(&document).await.data("__schema")["queryType"]["name"], "Query");
    }

    async fn complexity_multiplies_by_the_length_of_pages(database: TestDatabase) {
        let app = TestApp::with(&database, &[("max_complexity", "1000")], |_| {}).await;
        let service = app.service(&[Scope::AccountsRead]).await;
        // accounts 1 + 10 × (nodes 1 + id 1 + sessions 1 + 20 × (nodes 1 + id 1 + status 1))
        let document = "{ accounts(first: 10) { nodes { id sessions { nodes { id status } } } } }";
        assert_eq!(assert_over(&TestApp::with(&database, &[("max_complexity", "630")], |_| {}).await.anonymous().query(document).await, "complexity", 630), 631);
        passes(&service, document, json!({})).await;
        let document = "query ($n: Int, $m: Int = 20) { accounts(first: $n) { nodes { id sessions(last: $m) { nodes { id status } } } } }";
        passes(&service, document, json!({ "n": 10 })).await;
        passes(&service, document, json!({ "n": 100, "m": 1 })).await;
        assert_over(&service.run(document, json!({ "n": 100 })).await, "complexity", 1000);
        assert_over(&service.run(document, json!({})).await, "complexity", 1000);
        assert_over(&service.run(document, json!({ "n": 50, "m": null })).await, "complexity", 1000);
        // Beyond a hundred it is the argument that is wrong, no matter of complexity.
        let answer = service.run("query ($n: Int) { accounts(first: $n) { nodes { id } } }", json!({ "n": 1_000_000 })).await;
        assert_eq!((answer.code(), &answer.error()["field"]), ("BAD_USER_INPUT", &json!("first")));
        // Through fragments, too.
        let document = "{ accounts(first: 100) { ...P } } fragment P on AccountConnection { edges { ...E } } fragment E on AccountEdge { node { id username email permissions createdAt updatedAt deactivated emailVerified } }";
        assert_over(&service.query(document).await, "complexity", 1000);
    }

    async fn ten_thousand_are_allowed_by_default(database: TestDatabase) {
        let app = TestApp::new(&database).await;
        // accounts 1 + 100 × (nodes 1 + id 1 + sessions 1 + 32 × (nodes 1 + id 1 + status 1)) = 9,901
        let document = "query ($m: Int) { accounts(first: 100) { nodes { id sessions(first: $m) { nodes { id status } } } } }";
        passes(&app.anonymous(), document, json!({ "m": 32 })).await;
        assert_over(&app.anonymous().run(document, json!({ "m": 33 })).await, "complexity", 10_000);
    }

    async fn aliases_are_limited_wherever_they_are(database: TestDatabase) {
        let app = TestApp::new(&database).await;
        let aliases = |count: usize| (0..count).map(|n| format!("a{n}: id")).collect::<Vec<_>>().join(" ");
        passes(&app.anonymous(), &format!("{{ session {{ {} }} }}", aliases(30)), json!({})).await;
        assert_eq!(assert_over(&app.anonymous().query(&format!("{{ session {{ {} }} }}", aliases(31))).await, "aliases", 30), 31);
        // Spread twice they count twice.
        let document = format!("{{ session {{ ...S }} b: session {{ ...S }} }} fragment S on Session {{ {} }}", aliases(15));
        assert_eq!(assert_over(&app.anonymous().query(&document).await, "aliases", 30), 31);
        let sign_ins: Vec<_> = (0..31).map(|n| format!("a{n}: signIn(input: {{ identifier: \"ada\", password: \"guess {n}\" }}) {{ session {{ id }} }}")).collect();
        assert_over(&app.anonymous().query(&format!("mutation {{ {} }}", sign_ins.join(" "))).await, "aliases", 30);
    }

    async fn what_is_not_executed_counts_toward_the_size_of_a_document(database: TestDatabase) {
        let client = TestApp::new(&database).await.anonymous();
        let directives = |count: usize| format!("{{ __typename {} }}", "@include(if: true) ".repeat(count));
        passes(&client, &directives(200), json!({})).await;
        assert_eq!(assert_over(&client.query(&directives(201)).await, "directives", 200), 201);
        let unused = format!("{{ __typename }} fragment F on Session {{ {} }}", "id ".repeat(15_000));
        assert_eq!(assert_over(&client.query(&unused).await, "tokens", 15_000), 15_003);
        let arguments = format!("{{ viewer({}) {{ id }} }}", "id: 1 ".repeat(8_000));
        assert_eq!(assert_over(&client.query(&arguments).await, "tokens", 15_000), 16_002);
    }

    async fn a_refused_document_costs_no_statement(database: TestDatabase) {
        let app = TestApp::new(&database).await;
        let login = app.sign_up("ada").await;
        app.engine.statements.take();
        app.signed_in(&login).query(&explosive("{ ...F0 }")).await.code();
        app.signed_in(&login).query("{ nothing }").await.code();
        assert_eq!(app.engine.statements.take().len(), 0);
    }

    async fn each_operation_of_a_batch_has_its_own_limits(database: TestDatabase) {
        let app = TestApp::with(&database, &[("max_complexity", "3")], |_| {}).await;
        let (small, large) = (json!({ "query": "{ session { id } }" }), json!({ "query": "{ session { id status valid } }" }));
        let answer = app.anonymous().post(&json!([small, large, small, small])).await;
        assert_eq!(answer.status, 200);
        let codes: Vec<_> = answer.body.as_array().unwrap().iter().map(|one| one["errors"][0]["extensions"]["code"].clone()).collect();
        assert_eq!(codes, [json!(null), json!("QUERY_TOO_COMPLEX"), json!(null), json!(null)]);
    }

    async fn one_answer_over_http_is_400_where_the_new_format_is_asked_for(database: TestDatabase) {
        let app = TestApp::new(&database).await;
        let client = app.anonymous().with("accept", "application/graphql-response+json");
        assert_eq!(client.query(&explosive("{ ...F0 }")).await.status, 400);
        assert_eq!(app.anonymous().query(&explosive("{ ...F0 }")).await.status, 200);
    }

    async fn events_of_sessions_count_as_often_as_their_pages_are_long(database: TestDatabase) {
        let app = TestApp::new(&database).await;
        let of = |sessions: u32, events: u32| format!("{{ viewer {{ sessions(first: {sessions}) {{ nodes {{ events(first: {events}) {{ nodes {{ kind at }} }} }} }} }} }}");
        let answer = app.anonymous().query(&of(100, 100)).await;
        // Two fields of each of 10,000 events, and what is above them.
        let value = assert_over(&answer, "complexity", 10_000);
        assert_eq!(value, 1 + 1 + 100 * (1 + 1 + 100 * (1 + 2)));
        passes(&app.anonymous(), &of(100, 30), json!({})).await;
    }
}
