//! Signing up.

use crate::support::{database::scalar, engine::Engine, on_each_database};

on_each_database! {
    async fn it_creates_an_account_and_its_first_session(database: TestDatabase) {
        let engine = Engine::new(&database).await;
        let login = engine.sign_up("Ada").await;
        assert_eq!(login.account.username.as_deref(), Some("ada"));
        assert_eq!(login.session.account_id, login.account.id);
        assert_eq!(scalar(&engine.db, "SELECT COUNT(*) FROM sessions").await, 1);
    }
}
