//! `_entities`.

use serde_json::{Value, json};
use sessiongraph::scope::Scope;

use crate::support::{
    app::{Answer, Client, TestApp},
    on_each_database,
};

async fn entities(client: &Client, representations: Value) -> Answer {
    let document = "query ($representations: [_Any!]!) { _entities(representations: $representations) {
        __typename ... on Account { id username } ... on Session { id status account { id username } } } }";
    client
        .run(document, json!({ "representations": representations }))
        .await
}

fn account(id: &Value) -> Value {
    json!({ "__typename": "Account", "id": id })
}

fn session(id: &Value) -> Value {
    json!({ "__typename": "Session", "id": id })
}

on_each_database! {
    async fn an_account_shows_itself_to_its_owner_and_its_id_to_everybody(database: TestDatabase) {
        let app = TestApp::new(&database).await;
        let (ada, bob) = (app.sign_up("ada").await, app.sign_up("bob").await);
        let (ada_id, bob_id) = (&ada["account"]["id"], &bob["account"]["id"]);
        let both = json!([account(ada_id), account(bob_id)]);

        let as_ada = app.bearer(ada["tokens"]["accessToken"].as_str().unwrap());
        let seen = entities(&as_ada, both.clone()).await;
        assert_eq!(seen.data("_entities")[0]["username"], "ada");
        assert_eq!(seen.data("_entities")[1], json!({ "__typename": "Account", "id": bob_id, "username": null }));

        let by_nobody = entities(&app.anonymous(), both.clone()).await;
        assert_eq!(by_nobody.data("_entities")[0]["username"], Value::Null);
        let by_a_backend = entities(&app.service(&[Scope::AccountsRead]).await, both).await;
        assert_eq!(by_a_backend.data("_entities")[1]["username"], "bob");
    }

    async fn a_session_shows_itself_to_its_owner_and_to_keys_that_may_read_sessions(database: TestDatabase) {
        let app = TestApp::new(&database).await;
        let (ada, bob) = (app.sign_up("ada").await, app.sign_up("bob").await);
        let both = json!([session(&ada["session"]["id"]), session(&bob["session"]["id"])]);

        let as_ada = app.bearer(ada["tokens"]["accessToken"].as_str().unwrap());
        let seen = entities(&as_ada, both.clone()).await;
        assert_eq!(seen.data("_entities")[0]["account"]["username"], "ada");
        assert_eq!(seen.data("_entities")[1], Value::Null);
        assert_eq!(*entities(&app.anonymous(), both.clone()).await.data("_entities"), json!([null, null]));

        let reader = app.service(&[Scope::SessionsRead]).await;
        let read = entities(&reader, both.clone()).await;
        assert_eq!(read.data("_entities")[1]["status"], "ACTIVE");
        assert_eq!(read.data("_entities")[1]["account"], json!({ "id": bob["account"]["id"], "username": null }));
        let accounts_only = app.service(&[Scope::AccountsRead]).await;
        assert_eq!(*entities(&accounts_only, both).await.data("_entities"), json!([null, null]));
    }

    async fn a_bad_representation_is_an_error_at_its_own_index(database: TestDatabase) {
        let app = TestApp::new(&database).await;
        let ada = app.sign_up("ada").await;
        let as_ada = app.bearer(ada["tokens"]["accessToken"].as_str().unwrap());
        let nobody = json!("01920000-0000-7000-8000-000000000000");
        let representations = json!([
            session(&ada["session"]["id"]),
            { "__typename": "Planet", "id": "1" },
            session(&nobody),
            { "__typename": "Account" },
            "Account",
            { "id": "1" },
            account(&ada["account"]["id"]),
        ]);
        let answer = entities(&as_ada, representations).await;
        let all = answer.body["data"]["_entities"].as_array().unwrap();
        assert_eq!(all[0]["status"], "ACTIVE");
        assert_eq!(all[6]["username"], "ada");
        assert!(all[1..=5].iter().all(Value::is_null));
        let mut failed: Vec<_> = answer.body["errors"].as_array().unwrap().iter().collect();
        failed.sort_by_key(|error| error["path"][1].as_u64());
        let paths: Vec<_> = failed.iter().map(|error| error["path"].clone()).collect();
        assert_eq!(paths, [1, 3, 4, 5].map(|index| json!(["_entities", index])));
        for error in failed {
            assert_eq!(error["extensions"]["code"], "BAD_USER_INPUT");
            assert_eq!(error["extensions"]["field"], "representations");
        }
    }

    async fn more_than_a_thousand_are_refused(database: TestDatabase) {
        let app = TestApp::new(&database).await;
        let many: Vec<_> = (0..1_001).map(|n| account(&json!(n.to_string()))).collect();
        let refused = entities(&app.anonymous(), json!(many)).await;
        assert_eq!(refused.code(), "BAD_USER_INPUT");
        assert_eq!(refused.error()["field"], "representations");
        assert_eq!(entities(&app.anonymous(), json!(many[1..])).await.body["errors"], Value::Null);
    }

    async fn a_hundred_of_one_type_cost_one_statement(database: TestDatabase) {
        let app = TestApp::new(&database).await;
        let mut logins = Vec::new();
        for n in 0..100 {
            logins.push(app.engine.sign_up(&format!("user_{n}")).await);
        }
        let accounts: Vec<_> = logins.iter().map(|login| account(&json!(login.account.id))).collect();
        let sessions: Vec<_> = logins.iter().map(|login| session(&json!(login.session.id))).collect();
        let backend = app.service(&[Scope::AccountsRead, Scope::SessionsRead]).await;
        for (representations, statements) in [(accounts, 1), (sessions, 2)] {
            app.engine.statements.take();
            let answer = entities(&backend, json!(representations)).await;
            assert_eq!(answer.data("_entities").as_array().unwrap().len(), 100);
            // One more reads the service key; sessions show their accounts, which are one more batch.
            let run: Vec<_> = app.engine.statements.take().iter().map(ToString::to_string).collect();
            assert_eq!(run.len(), statements + 1, "{run:#?}");
        }
    }

    async fn entities_are_the_same_however_they_are_asked_for(database: TestDatabase) {
        let app = TestApp::new(&database).await;
        let (ada, bob) = (app.sign_up("ada").await, app.sign_up("bob").await);
        let (ada_id, bob_id) = (&ada["account"]["id"], &bob["account"]["id"]);
        let nobody = json!("01920000-0000-7000-8000-000000000000");
        let backend = app.service(&[Scope::AccountsRead, Scope::SessionsRead]).await;
        let document = format!(
            "query ($all: [_Any!]!, $one: _Any!, $name: String!, $no: Boolean!) {{
                all: _entities(representations: $all) {{ ...of_account ...of_session }}
                some: _entities(representations: [$one, {{ __typename: $name, id: {bob_id} }}]) {{ ...of_account ...of_session }}
                single: _entities(representations: {{ __typename: $name, id: {ada_id} }}) {{ ...of_account ...of_session }}
                left_out: _entities(representations: $all) @include(if: $no) {{ ...of_account ...of_session }}
                ... on Query {{ within: _entities(representations: $all) {{ ...of_account ...of_session }} }}
            }}
            fragment of_account on Account {{ username }}
            fragment of_session on Session {{ account {{ username }} }}"
        );
        let all = json!([account(bob_id), account(ada_id), session(&ada["session"]["id"]), account(&nobody), account(bob_id), session(&nobody)]);
        let variables = json!({ "all": all, "one": account(ada_id), "name": "Account", "no": false });
        app.engine.statements.take();
        let answer = backend.run(&document, variables).await;
        let (ada, bob) = (json!({ "username": "ada" }), json!({ "username": "bob" }));
        let of_session = json!({ "account": { "username": "ada" } });
        let all = json!([bob, ada, of_session, null, bob, null]);
        assert_eq!(
            answer.body,
            json!({ "data": { "all": all, "some": [ada, bob], "single": [ada], "within": all } })
        );
        // The key, accounts and sessions, and the accounts of sessions; what is in a fragment may come too late for the
        // first statement of accounts.
        let statements = app.engine.statements.take().len();
        assert!((4..=6).contains(&statements), "{statements}");
    }
}
