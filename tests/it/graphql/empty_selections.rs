//! Selections of which directives leave nothing: objects without fields, and no nulls.

use serde_json::json;

use crate::support::{app::TestApp, on_each_database};

on_each_database! {
    async fn an_object_of_which_nothing_is_selected_is_empty_and_not_null(database: TestDatabase) {
        let app = TestApp::new(&database).await;
        let ada = app.signed_in(&app.sign_up("ada").await);
        for (document, expected) in [
            ("{ viewer { username @include(if: false) } }", json!({ "viewer": {} })),
            ("{ viewer { username @include(if: true) } }", json!({ "viewer": { "username": "ada" } })),
            ("{ session { account { id @skip(if: true) } } }", json!({ "session": { "account": {} } })),
            ("{ viewer { sessions { nodes { id @skip(if: true) } pageInfo { endCursor @skip(if: true) } } } }",
                json!({ "viewer": { "sessions": { "nodes": [{}], "pageInfo": {} } } })),
            ("{ viewer @skip(if: true) { id } }", json!({})),
            ("{ viewer { ... @skip(if: true) { id } } }", json!({ "viewer": {} })),
            ("{ viewer { ...F } } fragment F on Account { id @skip(if: true) }", json!({ "viewer": {} })),
            ("{ ...F viewer { ...G @skip(if: true) } } fragment F on Query { session @skip(if: true) { id } } fragment G on Account { id }",
                json!({ "viewer": {} })),
            ("query A { viewer { id @skip(if: true) } session { ... on Session { id @skip(if: true) valid } } }",
                json!({ "viewer": {}, "session": { "valid": true } })),
            ("mutation { logout @skip(if: true) }", json!({})),
        ] {
            let answer = ada.query(document).await;
            assert_eq!(answer.body, json!({ "data": expected }), "{document}");
        }
        // Nobody stays null.
        let answer = app.anonymous().query("{ viewer { id @skip(if: true) } }").await;
        assert_eq!(answer.body, json!({ "data": { "viewer": null } }));
    }
}
