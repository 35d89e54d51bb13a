//! A write that fails in the middle: nothing of what came before it stays.

use sea_orm::DbBackend;
use sessiongraph::{
    account::{AccountChanges, ChangePassword},
    crypto::password::Password,
};

use crate::support::{
    database::scalar,
    engine::{Engine, PASSWORD, request},
    on_each_database,
};

/// Makes every write of a kind to `sessions` fail.
async fn break_sessions(engine: &Engine, write: &str) {
    let sql = if engine.db.get_database_backend() == DbBackend::Postgres {
        format!(
            "CREATE FUNCTION broken() RETURNS trigger AS $$ BEGIN RAISE 'broken'; END $$ LANGUAGE plpgsql; \
             CREATE TRIGGER broken BEFORE {write} ON sessions FOR EACH ROW EXECUTE FUNCTION broken()"
        )
    } else {
        format!(
            "CREATE TRIGGER broken BEFORE {write} ON sessions BEGIN SELECT RAISE(ABORT, 'broken'); END"
        )
    };
    engine.sql(&sql).await;
}

async fn mend_sessions(engine: &Engine) {
    let sql = match engine.db.get_database_backend() {
        DbBackend::Postgres => "DROP TRIGGER broken ON sessions",
        _ => "DROP TRIGGER broken",
    };
    engine.sql(sql).await;
}

on_each_database! {
    async fn an_account_whose_session_cannot_be_written_is_not_opened(database: TestDatabase) {
        let engine = Engine::new(&database).await;
        break_sessions(&engine, "INSERT").await;
        let error = engine.try_sign_up("ada").await.unwrap_err();
        assert_eq!(error.code(), "INTERNAL_SERVER_ERROR");
        assert_eq!(scalar(&engine.db, "SELECT COUNT(*) FROM accounts").await, 0);
    }

    async fn a_password_stays_where_the_other_sessions_cannot_be_ended(database: TestDatabase) {
        let engine = Engine::new(&database).await;
        let mine = engine.sign_up("ada").await;
        engine.sign_in("ada").await;
        let signed_in = engine.show(&mine.tokens.access_token).await;
        break_sessions(&engine, "UPDATE").await;
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
        mend_sessions(&engine).await;
        assert_eq!(engine.sign_in("ada").await.account, mine.account);
        let live = "SELECT COUNT(*) FROM sessions WHERE invalidated_at IS NULL";
        assert_eq!(scalar(&engine.db, live).await, 3);
    }
}
