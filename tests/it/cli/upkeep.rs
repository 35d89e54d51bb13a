//! What is done besides answering: pruning by command, and what a stopping server leaves in order.

use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta, Utc};
use sea_orm::{DatabaseConnection, EntityTrait, IntoActiveModel, Set};
use serde_json::{Value, json};
use sessiongraph::{
    clock::{Clock, SystemClock},
    entity::session::{self, InvalidationReason},
};
use uuid::Uuid;

use super::support::Folder;
use crate::{
    live::socket::{EVENTS, Socket},
    support::{
        engine::{Engine, FIREFOX, SECRET},
        on_each_database,
    },
};

/// Opened sixty days ago, and then changed.
async fn put_back(
    engine: &Engine,
    id: Uuid,
    change: impl FnOnce(&mut session::ActiveModel, DateTime<Utc>),
) {
    let now = SystemClock.now();
    let mut row = engine.row(id).await.into_active_model();
    row.created_at = Set(now - TimeDelta::days(60));
    row.refreshed_at = Set(now - TimeDelta::days(60));
    change(&mut row, now);
    session::Entity::update(row).exec(&engine.db).await.unwrap();
}

async fn ids(db: &DatabaseConnection) -> Vec<Uuid> {
    let rows = session::Entity::find().all(db).await.unwrap();
    let mut ids: Vec<_> = rows.into_iter().map(|row| row.id).collect();
    ids.sort_unstable();
    ids
}

on_each_database! {
    async fn prune_deletes_what_ended_or_ran_out_long_ago_and_prints_how_many(database: TestDatabase) {
        let engine = Engine::new(&database).await;
        let mut sessions = vec![engine.sign_up("ada").await.session.id];
        while sessions.len() < 7 {
            sessions.push(engine.sign_in("ada").await.session.id);
        }
        let [live, ended, ended_long_ago, ran_out, ran_out_long_ago, over_long_ago, ended_and_ran_out] = *sessions else { unreachable!() };
        let ended_days_ago = |days: i64| move |row: &mut session::ActiveModel, now: DateTime<Utc>| {
            row.invalidated_at = Set(Some(now - TimeDelta::days(days)));
            row.invalidation_reason = Set(Some(InvalidationReason::Requested));
        };
        put_back(&engine, live, |_, _| {}).await;
        put_back(&engine, ended, ended_days_ago(29)).await;
        put_back(&engine, ended_long_ago, ended_days_ago(31)).await;
        put_back(&engine, ran_out, |row, now| row.expires_at = Set(now - TimeDelta::days(29))).await;
        put_back(&engine, ran_out_long_ago, |row, now| row.expires_at = Set(now - TimeDelta::days(31))).await;
        put_back(&engine, over_long_ago, |row, now| row.absolute_expires_at = Set(now - TimeDelta::days(31))).await;
        // It ended when it had run out: what counts is the end.
        put_back(&engine, ended_and_ran_out, |row, now| {
            ended_days_ago(1)(row, now);
            row.expires_at = Set(now - TimeDelta::days(31));
        })
        .await;

        let folder = Folder::new();
        let command = ["prune", "--database-url", &database.url, "--secret", SECRET];
        assert_eq!(folder.ok(&command), "3\n");
        let mut left = vec![live, ended, ran_out, ended_and_ran_out];
        left.sort_unstable();
        assert_eq!(ids(&engine.db).await, left);
        assert_eq!(folder.ok(&command), "0\n", "there is nothing left to do");
        let sooner = [&command[..], &["--retention", "1h"]].concat();
        assert_eq!(folder.ok(&sooner), "3\n");
        assert_eq!(ids(&engine.db).await, [live]);
    }

    async fn a_server_that_stops_completes_streams_and_writes_what_it_has_seen(database: TestDatabase) {
        let server = Folder::new().serve(&["--database-url", &database.url, "--secret", SECRET]);
        let ada = server.sign_up("ada").await;
        let token = ada["accessToken"].as_str().unwrap();
        let answer = server.query("{ session { id } }", Some(token)).await;
        let id: Uuid = answer["data"]["session"]["id"].as_str().unwrap().parse().unwrap();
        let db = database.connect().await;
        let row = || async { session::Entity::find_by_id(id).one(&db).await.unwrap().unwrap() };
        let long_ago = SystemClock.now() - TimeDelta::hours(1);
        let mut seen_long_ago = row().await.into_active_model();
        seen_long_ago.last_seen_at = Set(long_ago);
        seen_long_ago.seen_generation = Set(-1);
        session::Entity::update(seen_long_ago).exec(&db).await.unwrap();

        let mut socket = Socket::connect_to(&server.url, &[("user-agent", FIREFOX)]).await.initialised(token).await;
        socket.subscribe("1", EVENTS).await;
        let streamed = reqwest::Client::new()
            .post(format!("{}/graphql", server.url))
            .bearer_auth(token)
            .header("user-agent", FIREFOX)
            .header("accept", "text/event-stream")
            .json(&json!({ "query": EVENTS }));
        let mut streamed = streamed.send().await.unwrap();
        let second = server.query("mutation { signIn(input: { identifier: \"ada\", password: \"correct horse\" }) { session { id } } }", None).await;
        assert_eq!(second.get("errors"), None, "{second:#}");
        assert_eq!(socket.next().await["payload"]["data"]["sessionEvents"]["kind"], "CREATED");
        let seen: Value = server.query("{ session { id valid } }", Some(token)).await;
        assert_eq!(seen["data"]["session"]["valid"], true, "{seen:#}");

        let begun = Instant::now();
        server.signal("TERM");
        assert_eq!(socket.next().await, json!({ "type": "complete", "id": "1" }));
        assert_eq!(socket.closed().await, 1001);
        let mut said = String::new();
        while let Some(bytes) = streamed.chunk().await.unwrap() {
            said += std::str::from_utf8(&bytes).unwrap();
        }
        assert!(said.ends_with("event: complete\ndata: {}\n\n"), "{said}");
        let (status, log) = server.wait();
        assert_eq!(status.code(), Some(0), "{log}");
        // Nothing was in flight that it could have waited for: ten seconds for a request, and five.
        assert!(begun.elapsed() < Duration::from_secs(15), "{:?}: {log}", begun.elapsed());
        let row = row().await;
        assert!(row.last_seen_at > long_ago + TimeDelta::minutes(50), "{:?}", row.last_seen_at);
        assert_eq!(row.seen_generation, 0);
    }
}
