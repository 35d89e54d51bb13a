//! Fields of one response key are one field.

use serde_json::json;

use crate::support::{app::TestApp, database::scalar, engine::PASSWORD, on_each_database};

on_each_database! {
    async fn a_mutation_that_is_asked_for_twice_runs_once(database: TestDatabase) {
        let app = TestApp::new(&database).await;
        app.engine.sign_up("ada").await;
        let sessions = || scalar(&app.engine.db, "SELECT COUNT(*) FROM sessions");
        let variables = json!({ "input": { "identifier": "ada", "password": PASSWORD } });
        for document in [
            "mutation ($input: SignInInput!) { signIn(input: $input) { session { id } } signIn(input: $input) { tokens { accessToken } } }",
            "mutation ($input: SignInInput!) { ...A ...B } fragment A on Mutation { signIn(input: $input) { session { id } } }
             fragment B on Mutation { ... on Mutation { signIn(input: $input) { tokens { accessToken } } } }",
            "mutation ($input: SignInInput!) { ...A signIn(input: $input) { tokens { accessToken } } }
             fragment A on Mutation { signIn(input: $input) @include(if: true) { session { id } } }",
        ] {
            let before = sessions().await;
            let answer = app.anonymous().run(document, variables.clone()).await;
            let login = answer.data("signIn");
            assert_eq!(sessions().await, before + 1, "{document}");
            let own = app.bearer(login["tokens"]["accessToken"].as_str().unwrap()).query("{ session { id } }").await;
            assert_eq!(own.data("session")["id"], login["session"]["id"], "{document}");
        }
    }

    async fn what_is_skipped_is_not_merged_and_what_differs_is_refused(database: TestDatabase) {
        let app = TestApp::new(&database).await;
        app.engine.sign_up("ada").await;
        let variables = json!({ "input": { "identifier": "ada", "password": PASSWORD }, "no": false });
        let skipped = "mutation ($input: SignInInput!, $no: Boolean!) { signIn(input: $input) { session { id } }
            signIn(input: $input) @include(if: $no) { tokens { accessToken } } }";
        let answer = app.anonymous().run(skipped, variables.clone()).await;
        assert_eq!(answer.data("signIn").get("tokens"), None);
        let different = "mutation ($input: SignInInput!) { signIn(input: $input) { session { id } }
            signIn(input: {identifier: \"ada\", password: \"another\"}) { session { id } } }";
        let refused = app.anonymous().run(different, json!({ "input": variables["input"] })).await;
        assert_eq!(refused.code(), "GRAPHQL_VALIDATION_FAILED");
        assert_eq!(scalar(&app.engine.db, "SELECT COUNT(*) FROM sessions").await, 2);
    }
}
