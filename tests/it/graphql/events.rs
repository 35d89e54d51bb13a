//! `Session.events`: what happened to a session, for whoever may see it.

use chrono::{DateTime, TimeDelta, Utc};
use sea_orm::{EntityTrait, IntoActiveModel};
use serde_json::{Value, json};
use sessiongraph::{
    clock::Clock,
    entity::session_record::{Model, RecordKind},
    scope::Scope::{AccountsRead, AccountsWrite, SessionsRead, SessionsWrite},
};
use uuid::Uuid;

use crate::support::{
    app::{Client, TestApp, refresh_token},
    engine::{FIREFOX, SAFARI},
    on_each_database,
};

const EVENT: &str = "kind at refreshOutcome session { id } connectionInfo { ip userAgent browser } bySession byServiceKey";

/// A field of a session by its id.
async fn of_session(client: &Client, id: &Value, field: &str) -> Value {
    let document = format!(
        r#"{{ _entities(representations: [{{ __typename: "Session", id: {id} }}]) {{ ... on Session {{ {field} }} }} }}"#
    );
    client.query(&document).await.data("_entities")[0].clone()
}

async fn events(client: &Client, id: &Value) -> Value {
    let field = format!("events {{ totalCount nodes {{ {EVENT} }} }}");
    of_session(client, id, &field).await["events"].clone()
}

/// Adds so many records to a session, one a second.
async fn add_records(app: &TestApp, session: Uuid, account: Uuid, count: i64) {
    let engine = &app.engine;
    let start: DateTime<Utc> = engine.clock.now();
    let mut rows = Vec::new();
    for n in 1..=count {
        let at = start + TimeDelta::seconds(n);
        let millis = u64::try_from(at.timestamp_millis()).unwrap();
        let id = uuid::Builder::from_unix_timestamp_millis(millis, &[7; 10]).into_uuid();
        rows.push(Model {
            id,
            session_id: session,
            account_id: account,
            kind: RecordKind::Recovered,
            reason: None,
            at,
            ip: Some("192.0.2.1".to_owned()),
            user_agent: Some(String::new()),
            by_session_id: Some(session),
            by_service_key: None,
        });
    }
    let rows = rows.into_iter().map(IntoActiveModel::into_active_model);
    let rows = rows.map(sea_orm::ActiveModelTrait::reset_all);
    sessiongraph::entity::session_record::Entity::insert_many(rows)
        .exec_without_returning(&engine.db)
        .await
        .unwrap();
    engine.advance(u64::try_from(count).unwrap() + 1);
}

struct Page(Value);

impl Page {
    async fn of(client: &Client, arguments: &str) -> Self {
        let fields = "edges { cursor node { at } } nodes { at } pageInfo { hasNextPage hasPreviousPage startCursor endCursor } totalCount";
        let document = format!("{{ session {{ events{arguments} {{ {fields} }} }} }}");
        let answer = client.query(&document).await;
        Self(answer.data("session")["events"].clone())
    }

    fn instants(&self) -> Vec<DateTime<Utc>> {
        let nodes = self.0["nodes"].as_array().unwrap();
        let instants: Vec<DateTime<Utc>> = nodes
            .iter()
            .map(|node| node["at"].as_str().unwrap().parse().unwrap())
            .collect();
        assert!(instants.is_sorted_by(|newer, older| newer > older));
        instants
    }

    fn more(&self) -> (bool, bool) {
        let more = |field: &str| self.0["pageInfo"][field].as_bool().unwrap();
        (more("hasPreviousPage"), more("hasNextPage"))
    }

    fn cursor(&self, field: &str) -> &str {
        self.0["pageInfo"][field].as_str().unwrap()
    }
}

on_each_database! {
    async fn the_owner_sees_what_happened_and_who_did_it(database: TestDatabase) {
        let app = TestApp::new(&database).await;
        let (first, own) = (app.sign_up("ada").await, app.anonymous().with("user-agent", SAFARI).sign_in("ada").await.data("signIn").clone());
        let id = &first["session"]["id"];
        app.engine.advance(1);
        // An answer is lost, and recovered from after the grace.
        app.refresh(refresh_token(&first)).await.data("refreshTokens");
        app.engine.advance(60);
        let recovered = app.anonymous().refresh(refresh_token(&first)).await;
        assert_eq!(recovered.data("refreshTokens")["refreshOutcome"], "RECOVERED");
        app.engine.advance(1);
        let ada = app.signed_in(&own).with("user-agent", SAFARI);
        let document = "mutation ($id: ID) { invalidateSessions(input: { mode: ONE, sessionId: $id }) }";
        assert_eq!(ada.run(document, json!({ "id": id })).await.data("invalidateSessions"), 1);

        let found = events(&ada, id).await;
        let at: Vec<_> = found["nodes"].as_array().unwrap().iter().map(|node| node["at"].clone()).collect();
        let from = |user_agent: &str, browser: &str| json!({ "ip": "192.0.2.1", "userAgent": user_agent, "browser": browser });
        let session = json!({ "id": id });
        assert_eq!(found, json!({ "totalCount": 3, "nodes": [
            { "kind": "INVALIDATED", "at": at[0], "refreshOutcome": null, "session": session, "connectionInfo": from(SAFARI, "Safari"), "bySession": own["session"]["id"], "byServiceKey": null },
            { "kind": "REFRESHED", "at": at[1], "refreshOutcome": "RECOVERED", "session": session, "connectionInfo": from(FIREFOX, "Firefox"), "bySession": id, "byServiceKey": null },
            { "kind": "CREATED", "at": at[2], "refreshOutcome": null, "session": session, "connectionInfo": from(FIREFOX, "Firefox"), "bySession": null, "byServiceKey": null },
        ] }));
        let row = of_session(&ada, id, "createdAt invalidatedAt").await;
        assert_eq!((&at[0], &at[2]), (&row["invalidatedAt"], &row["createdAt"]));
    }

    async fn a_service_key_is_named(database: TestDatabase) {
        let app = TestApp::new(&database).await;
        let login = app.sign_up("ada").await;
        let key = app.engine.sessions.create_service_key("support desk", [SessionsRead, SessionsWrite]).await.unwrap();
        let desk = app.bearer(secrecy::ExposeSecret::expose_secret(&key));
        let document = "mutation ($id: ID!) { createSession(input: { accountId: $id, connectionInfo: { ip: \"203.0.113.5\", userAgent: \"x\" } }) { \
                        session { id events { nodes { kind byServiceKey bySession connectionInfo { ip userAgent } } } } } }";
        let created = desk.run(document, json!({ "id": login["account"]["id"] })).await.data("createSession")["session"].clone();
        let opened = json!([{ "kind": "CREATED", "byServiceKey": "support desk", "bySession": null, "connectionInfo": { "ip": "203.0.113.5", "userAgent": "x" } }]);
        assert_eq!(created["events"]["nodes"], opened);
        app.engine.advance(1);
        desk.run("mutation ($id: ID) { invalidateSessions(input: { mode: ONE, sessionId: $id }) }", json!({ "id": created["id"] })).await.data("invalidateSessions");
        let found = events(&app.signed_in(&login), &created["id"]).await;
        let end = &found["nodes"][0];
        // Where the back end is does not concern the user.
        assert_eq!((&end["kind"], &end["byServiceKey"], &end["connectionInfo"]), (&json!("INVALIDATED"), &json!("support desk"), &json!(null)));
        assert_eq!(found["nodes"][1]["connectionInfo"]["ip"], "203.0.113.5");
        let end = events(&desk, &created["id"]).await["nodes"][0].clone();
        assert_eq!((&end["byServiceKey"], &end["connectionInfo"]["ip"]), (&json!("support desk"), &json!("192.0.2.1")));
    }

    async fn only_the_account_and_readers_of_sessions_see_events(database: TestDatabase) {
        let app = TestApp::new(&database).await;
        let (ada, grace) = (app.sign_up("ada").await, app.sign_up("grace").await);
        let id = &ada["session"]["id"];
        let second = app.anonymous().sign_in("ada").await.data("signIn").clone();
        for client in [app.signed_in(&ada), app.signed_in(&second), app.service(&[SessionsRead]).await] {
            assert_eq!(events(&client, id).await["totalCount"], 1);
        }
        for client in [app.anonymous(), app.signed_in(&grace), app.bearer("garbage"), app.service(&[AccountsRead, AccountsWrite, SessionsWrite]).await] {
            assert_eq!(of_session(&client, id, "id events { totalCount }").await, json!(null));
        }
        // A session that is found by its account shows itself, but not its log, to readers of accounts.
        let document = "{ accounts { nodes { sessions { nodes { id events { totalCount } } } } } }";
        for (scopes, seen) in [(&[AccountsRead][..], json!(null)), (&[AccountsRead, SessionsRead], json!({ "totalCount": 1 }))] {
            let answer = app.service(scopes).await.query(document).await;
            let nodes = answer.data("accounts")["nodes"].as_array().unwrap();
            let all: Vec<_> = nodes.iter().flat_map(|node| node["sessions"]["nodes"].as_array().unwrap()).collect();
            assert_eq!(all.len(), 3);
            assert!(all.iter().all(|session| session["events"] == seen), "{all:?}");
        }
        // Whoever is given a session's tokens sees everything of it, and of its account.
        let document = "mutation ($id: ID!) { createSession(input: { accountId: $id, connectionInfo: { ip: \"::1\", userAgent: \"x\" } }) { \
                        session { events { totalCount } } account { sessions { nodes { events { totalCount } } } } } }";
        let created = app.service(&[SessionsWrite]).await.run(document, json!({ "id": ada["account"]["id"] })).await;
        let created = created.data("createSession");
        assert_eq!(created["session"]["events"], json!({ "totalCount": 1 }));
        let all = created["account"]["sessions"]["nodes"].as_array().unwrap();
        assert!(all.len() == 3 && all.iter().all(|session| session["events"] == json!({ "totalCount": 1 })), "{all:?}");
        let signed_in = format!("mutation {{ signIn(input: {{ identifier: \"ada\", password: \"{}\" }}) {{ session {{ events {{ totalCount }} }} \
                        account {{ sessions(first: 1) {{ nodes {{ events {{ totalCount }} }} }} }} }} }}", crate::support::engine::PASSWORD);
        let answer = app.anonymous().query(&signed_in).await;
        let answer = answer.data("signIn");
        assert_eq!((&answer["session"]["events"], &answer["account"]["sessions"]["nodes"][0]["events"]), (&json!({ "totalCount": 1 }), &json!({ "totalCount": 1 })));
    }

    async fn pages_of_events_can_be_turned_in_both_directions(database: TestDatabase) {
        let app = TestApp::with(&database, &[], |policy| policy.access_token_ttl = std::time::Duration::from_hours(1)).await;
        let login = app.sign_up("ada").await;
        let id = |of: &str| login[of]["id"].as_str().unwrap().parse().unwrap();
        // Another session's are in no page of this one.
        app.anonymous().sign_in("ada").await.data("signIn");
        add_records(&app, id("session"), id("account"), 24).await;
        let ada = app.signed_in(&login);
        let all = Page::of(&ada, "(first: 100)").await;
        assert_eq!((all.instants().len(), all.more(), all.0["totalCount"].as_i64()), (25, (false, false), Some(25)));
        let all = all.instants();

        let first = Page::of(&ada, "").await;
        assert_eq!((first.instants(), first.more()), (all[..20].to_vec(), (false, true)));
        let rest = Page::of(&ada, &format!("(after: \"{}\")", first.cursor("endCursor"))).await;
        assert_eq!((rest.instants(), rest.more(), &rest.0["totalCount"]), (all[20..].to_vec(), (true, false), &json!(25)));
        let last = Page::of(&ada, "(last: 3)").await;
        assert_eq!((last.instants(), last.more()), (all[22..].to_vec(), (true, false)));
        let before = Page::of(&ada, &format!("(last: 2, before: \"{}\")", last.cursor("startCursor"))).await;
        assert_eq!((before.instants(), before.more()), (all[20..22].to_vec(), (true, true)));
        let edges = first.0["edges"].as_array().unwrap();
        let between = format!("(first: 100, after: \"{}\", before: \"{}\")", edges[0]["cursor"].as_str().unwrap(), edges[5]["cursor"].as_str().unwrap());
        assert_eq!(Page::of(&ada, &between).await.instants(), all[1..5]);
        let none = Page::of(&ada, "(first: 0)").await;
        assert_eq!((none.instants().len(), none.more().1, &none.0["totalCount"]), (0, true, &json!(25)));
        for (arguments, field) in [("(first: 101)", "first"), ("(last: -1)", "last"), ("(first: 1, last: 1)", "last"), ("(after: \"!\")", "after"), ("(before: \"x\")", "before")] {
            let answer = ada.query(&format!("{{ session {{ events{arguments} {{ totalCount }} }} }}")).await;
            assert_eq!((answer.code(), &answer.error()["field"]), ("BAD_USER_INPUT", &json!(field)));
        }
    }
}
