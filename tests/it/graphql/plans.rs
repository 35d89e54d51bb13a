//! What the database does for each statement: no field of the contract scans a table, but for `totalCount` of accounts.

use std::time::Duration;

use sea_orm::{ConnectionTrait, DatabaseConnection, Statement, TransactionTrait};
use serde_json::{Value, json};
use sessiongraph::{
    account::SignIn,
    clock::Clock,
    crypto::password::Password,
    scope::Scope,
    session::{Relay, TokenTransport},
};
use uuid::Uuid;

use crate::support::{
    app::{TestApp, refresh_token},
    engine::PASSWORD,
    on_each_database,
};

const ACCOUNT: &str = "id username email emailVerified permissions deactivated createdAt updatedAt";
const SESSION: &str = "id status current connectionInfo { ip } lastSeenAt events(first: 2) { nodes { kind } } \
    e: events(last: 2) { nodes { at } totalCount }";

/// Runs every query and mutation of the contract, and returns the statements that they cost.
async fn statements(app: &TestApp) -> Vec<Statement> {
    let login = app.sign_up("ada").await;
    let (account, session) = (
        login["account"]["id"].clone(),
        login["session"]["id"].clone(),
    );
    let service = app
        .service(&[
            Scope::AccountsRead,
            Scope::AccountsWrite,
            Scope::SessionsRead,
            Scope::SessionsWrite,
        ])
        .await;
    let run = async |client: &crate::support::app::Client, document: &str, variables: Value| {
        let answer = client.run(document, variables).await;
        assert!(answer.errors().is_empty(), "{document}: {:#}", answer.body);
        answer
    };
    app.engine.statements.take();
    let ada = app.signed_in(&login);
    let pages = "sessions(first: 2) { nodes { id } } a: sessions(status: ACTIVE, last: 2) { nodes { id } totalCount } \
                 b: sessions(status: EXPIRED) { nodes { id } totalCount } c: sessions(status: INVALIDATED) { nodes { id } totalCount }";
    run(
        &ada,
        &format!("{{ session {{ {SESSION} account {{ {ACCOUNT} {pages} }} }} viewer {{ id }} }}"),
        json!({}),
    )
    .await;
    for by in [
        json!({ "id": account }),
        json!({ "username": "ada" }),
        json!({ "email": "ada@example.org" }),
    ] {
        run(
            &service,
            &format!("query ($by: AccountBy!) {{ account(by: $by) {{ {ACCOUNT} }} }}"),
            json!({ "by": by }),
        )
        .await;
    }
    let answer = run(
        &service,
        &format!(
            "{{ accounts(first: 2) {{ nodes {{ {ACCOUNT} {pages} }} pageInfo {{ endCursor }} }} }}"
        ),
        json!({}),
    )
    .await;
    let cursor = answer.data("accounts")["pageInfo"]["endCursor"].clone();
    let document = "query ($c: String) { a: accounts(after: $c, first: 2) { nodes { id sessions(after: $c) { nodes { id events(after: $c) { totalCount nodes { at } } } } } } b: accounts(before: $c, last: 2) { nodes { id sessions(before: $c, last: 1) { nodes { id events(before: $c, last: 1) { nodes { at } } } } } } }";
    run(&service, document, json!({ "c": cursor })).await;
    let all = json!([{ "__typename": "Account", "id": account }, { "__typename": "Session", "id": session }]);
    let document = format!(
        "query ($all: [_Any!]!) {{ _entities(representations: $all) {{ ... on Account {{ {ACCOUNT} }} ... on Session {{ {SESSION} account {{ {ACCOUNT} }} }} }} }}"
    );
    run(&service, &document, json!({ "all": all })).await;

    let other = app.anonymous().sign_in("ada").await.data("signIn").clone();
    fail_at_sign_in(app).await;
    app.refresh(refresh_token(&other))
        .await
        .data("refreshTokens");
    app.refresh(refresh_token(&other))
        .await
        .data("refreshTokens");
    run(
        &ada,
        "mutation ($id: ID) { invalidateSessions(input: { mode: ONE, sessionId: $id }) }",
        json!({ "id": other["session"]["id"] }),
    )
    .await;
    run(
        &ada,
        "mutation { invalidateSessions(input: { mode: OTHERS }) }",
        json!({}),
    )
    .await;
    let document = format!(
        "mutation {{ changePassword(input: {{ currentPassword: \"{PASSWORD}\", newPassword: \"another password\" }}) {{ id }} }}"
    );
    run(&ada, &document, json!({})).await;
    let document = "mutation ($id: ID!) { createSession(input: { accountId: $id, connectionInfo: { ip: \"::1\", userAgent: \"x\" } }) { session { id } } }";
    run(&service, document, json!({ "id": account })).await;
    run(&service, "mutation { createAccount(input: { username: \"grace\", email: \"grace@example.org\" }) { id } }", json!({})).await;
    run(&service, "mutation ($id: ID!) { updateAccount(input: { id: $id, permissions: [\"a\"], password: \"a third password\" }) { id } }", json!({ "id": account })).await;
    run(
        &service,
        "mutation ($id: ID!) { invalidateSessions(input: { mode: ALL, accountId: $id }) }",
        json!({ "id": account }),
    )
    .await;
    let last = app.sign_up("edsger").await;
    run(&app.signed_in(&last), "mutation { logout }", json!({})).await;
    app.engine.sessions.flush_activity().await.unwrap();
    app.engine.statements.take()
}

/// Fails until only known networks get through, and is not one of them.
async fn fail_at_sign_in(app: &TestApp) {
    for n in 0..102 {
        let mut request = crate::support::engine::request();
        request.ip = Some([203, 0, 113, n].into());
        let input = SignIn {
            identifier: "nobody".to_owned(),
            password: Password::new("a wrong password"),
            transport: TokenTransport::Body,
        };
        app.engine
            .accounts
            .sign_in(&request, input)
            .await
            .unwrap_err();
    }
}

async fn plan(
    db: &impl ConnectionTrait,
    statement: &Statement,
    prefix: &str,
    column: &str,
) -> String {
    let explained = Statement {
        sql: format!("{prefix} {}", statement.sql),
        ..statement.clone()
    };
    let rows = db
        .query_all_raw(explained)
        .await
        .unwrap_or_else(|error| panic!("{}: {error}", statement.sql));
    let lines: Vec<String> = rows
        .iter()
        .map(|row| row.try_get("", column).unwrap())
        .collect();
    lines.join("\n")
}

/// The plans of statements, each as it is asked with its values.
async fn plans(
    db: &DatabaseConnection,
    statements: Vec<Statement>,
    postgres: bool,
) -> Vec<(String, String)> {
    // One connection, that it may be told not to scan or sort where it can help it: the tables are small.
    let one = db.begin().await.unwrap();
    if postgres {
        for way in ["seqscan", "sort"] {
            let without = format!("SET LOCAL enable_{way} = off");
            one.execute_unprepared(&without).await.unwrap();
        }
    }
    let mut plans = Vec::new();
    for statement in statements {
        let plan = if postgres {
            plan(&one, &statement, "EXPLAIN", "QUERY PLAN").await
        } else {
            plan(&one, &statement, "EXPLAIN QUERY PLAN", "detail").await
        };
        plans.push((statement.sql, plan));
    }
    one.rollback().await.unwrap();
    plans
}

/// Whether a plan reads a whole table, in whatever order; an index that is walked to a limit is none.
fn scans(plan: &str) -> bool {
    plan.lines().any(|line| {
        let line = line.trim_start_matches([' ', '-', '>']);
        let of_table = [
            "accounts",
            "sessions",
            "session_records",
            "service_keys",
            "counters",
        ]
        .iter()
        .any(|table| {
            line.starts_with(&format!("Seq Scan on {table}"))
                || line.starts_with(&format!("SCAN {table}"))
        });
        of_table && !line.contains("USING INDEX") && !line.contains("USING PRIMARY KEY")
    })
}

on_each_database! {
    async fn no_statement_of_the_contract_scans_a_table(database: TestDatabase) {
        let app = TestApp::new(&database).await;
        let statements = statements(&app).await;
        assert!(statements.len() > 40, "{}", statements.len());
        for (sql, plan) in plans(&app.engine.db, statements, database.is_postgres()).await {
            assert!(!scans(&plan), "{sql}\n{plan}");
        }
        // The test would notice.
        let scanning = Statement::from_string(app.engine.db.get_database_backend(), "SELECT id FROM sessions WHERE ip = 'x'");
        let found = plans(&app.engine.db, vec![scanning], database.is_postgres()).await;
        assert!(scans(&found[0].1), "{found:?}");
    }

    async fn counting_all_accounts_is_the_only_one_that_does(database: TestDatabase) {
        let app = TestApp::new(&database).await;
        let service = app.service(&[Scope::AccountsRead]).await;
        app.engine.statements.take();
        service.query("{ accounts { nodes { id } } }").await.data("accounts");
        let without = app.engine.statements.take();
        assert!(without.iter().all(|statement| !statement.sql.to_uppercase().contains("COUNT(")));
        service.query("{ accounts { totalCount } }").await.data("accounts");
        let with = app.engine.statements.take();
        assert_eq!(with.iter().filter(|statement| statement.sql.to_uppercase().contains("COUNT(")).count(), 1);
    }

    async fn the_reading_of_events_goes_on_from_a_place_in_an_index(database: TestDatabase) {
        let app = TestApp::new(&database).await;
        app.sign_up("ada").await;
        app.engine.copy_sessions(1_499).await;
        app.engine.sql("UPDATE sessions SET invalidated_at = created_at").await;
        let relay = Relay::new(app.engine.sessions.clone(), Uuid::nil());
        app.engine.statements.take();
        relay.read_since(Clock::now(&app.engine.clock) - Duration::from_mins(1)).await.unwrap();
        let mut statements = app.engine.statements.take();
        statements.retain(|statement| statement.sql.contains("ORDER BY"));
        assert!(statements.iter().filter(|read| read.sql.contains("invalidated_at")).count() > 2);
        for (sql, plan) in plans(&app.engine.db, statements, database.is_postgres()).await {
            assert!(!scans(&plan) && !plan.contains("Sort") && !plan.contains("TEMP B-TREE"), "{sql}\n{plan}");
            let both = ["(invalidated_at,id)>", "Index Cond: (ROW(invalidated_at, id) >"];
            assert!(!sql.contains("invalidated_at") || both.iter().any(|both| plan.contains(both)), "{sql}\n{plan}");
        }
    }
}
