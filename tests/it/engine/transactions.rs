//! A write that fails in the middle: nothing of what came before it stays.

use sea_orm::DbBackend;
use sessiongraph::{
    account::{AccountChanges, ChangePassword},
    crypto::password::Password,
};

use crate::support::{
    database::{row_counts, scalar},
    engine::{Engine, PASSWORD, request},
    on_each_database,
};

/// Makes every write of a kind to a table fail.
async fn break_writes(engine: &Engine, write: &str, table: &str) {
    let sql = if engine.db.get_database_backend() == DbBackend::Postgres {
        format!(
            "CREATE FUNCTION broken() RETURNS trigger AS $$ BEGIN RAISE 'broken'; END $$ LANGUAGE plpgsql; \
             CREATE TRIGGER broken BEFORE {write} ON {table} FOR EACH ROW EXECUTE FUNCTION broken()"
        )
    } else {
        format!(
            "CREATE TRIGGER broken BEFORE {write} ON {table} BEGIN SELECT RAISE(ABORT, 'broken'); END"
        )
    };
    engine.sql(&sql).await;
}

async fn mend(engine: &Engine, table: &str) {
    let sql = match engine.db.get_database_backend() {
        DbBackend::Postgres => &format!("DROP TRIGGER broken ON {table}"),
        _ => "DROP TRIGGER broken",
    };
    engine.sql(sql).await;
}

/// How many rows each table has, counters of limits apart: an attempt counts, whatever comes of it.
async fn rows(engine: &Engine) -> Vec<(String, i64)> {
    let mut counts = row_counts(&engine.db).await;
    counts.retain(|(table, _)| table != "counters");
    counts
}

on_each_database! {
    async fn an_account_whose_session_cannot_be_written_is_not_opened(database: TestDatabase) {
        let engine = Engine::new(&database).await;
        break_writes(&engine, "INSERT", "sessions").await;
        let error = engine.try_sign_up("ada").await.unwrap_err();
        assert_eq!(error.code(), "INTERNAL_SERVER_ERROR");
        assert_eq!(scalar(&engine.db, "SELECT COUNT(*) FROM accounts").await, 0);
    }

    async fn a_password_stays_where_the_other_sessions_cannot_be_ended(database: TestDatabase) {
        let engine = Engine::new(&database).await;
        let mine = engine.sign_up("ada").await;
        engine.sign_in("ada").await;
        let signed_in = engine.show(&mine.tokens.access_token).await;
        break_writes(&engine, "UPDATE", "sessions").await;
        let change = ChangePassword {
            current: Password::new(PASSWORD),
            new: Password::new("a new password"),
            invalidate_other_sessions: true,
        };
        let error = engine.accounts.change_password(&signed_in, change).await.unwrap_err();
        assert_eq!(error.code(), "INTERNAL_SERVER_ERROR");
        let deactivate = AccountChanges {
            username: Some("eve".into()),
            password: Some(Password::new("a new password")),
            deactivated: Some(true),
            ..AccountChanges::default()
        };
        let error = engine.accounts.update(&request(), mine.account.id, deactivate).await.unwrap_err();
        assert_eq!(error.code(), "INTERNAL_SERVER_ERROR");
        mend(&engine, "sessions").await;
        assert_eq!(engine.sign_in("ada").await.account, mine.account);
        let live = "SELECT COUNT(*) FROM sessions WHERE invalidated_at IS NULL";
        assert_eq!(scalar(&engine.db, live).await, 3);
    }

    async fn nothing_happens_that_cannot_be_recorded(database: TestDatabase) {
        let engine = Engine::new(&database).await;
        let mine = engine.sign_up("ada").await;
        let lost = engine.refresh_and_advance(&mine.tokens.refresh_token, 36).await;
        let counts = rows(&engine).await;
        let (row, signed_in) = (engine.row(mine.session.id).await, engine.show(&mine.tokens.access_token).await);
        break_writes(&engine, "INSERT", "session_records").await;
        let deactivate = AccountChanges { deactivated: Some(true), ..AccountChanges::default() };
        for error in [
            engine.try_sign_up("bob").await.unwrap_err(),
            engine.try_sign_in("ada", PASSWORD).await.unwrap_err(),
            engine.refresh(&mine.tokens.refresh_token).await.unwrap_err(),
            engine.sessions.logout(&mut signed_in.clone(), None).await.unwrap_err(),
            engine.accounts.update(&request(), mine.account.id, deactivate).await.unwrap_err(),
        ] {
            assert_eq!(error.code(), "INTERNAL_SERVER_ERROR");
        }
        assert_eq!(rows(&engine).await, counts);
        assert_eq!(engine.row(mine.session.id).await, row);
        // A usual refresh needs no record.
        engine.refresh(&lost.tokens.refresh_token).await.unwrap();
        mend(&engine, "session_records").await;
        assert!(engine.sessions.logout(&mut signed_in.clone(), None).await.unwrap());
    }

    async fn what_cannot_be_done_is_not_recorded(database: TestDatabase) {
        let engine = Engine::new(&database).await;
        let mine = engine.sign_up("ada").await;
        engine.sign_up("bob").await;
        let counts = rows(&engine).await;
        // The sessions are ended first, and then the name is taken.
        let rename = AccountChanges { username: Some("bob".into()), deactivated: Some(true), ..AccountChanges::default() };
        let error = engine.accounts.update(&request(), mine.account.id, rename).await.unwrap_err();
        assert_eq!(error.code(), "USERNAME_TAKEN");
        assert_eq!(engine.try_sign_up("bob").await.unwrap_err().code(), "USERNAME_TAKEN");
        assert_eq!(rows(&engine).await, counts);
        assert_eq!(engine.row(mine.session.id).await, mine.session);
    }
}
