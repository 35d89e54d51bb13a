//! `session` and `viewer`.

use crate::support::{app::TestApp, on_each_database};

on_each_database! {
    async fn a_session_answers_for_its_access_token(database: TestDatabase) {
        let app = TestApp::new(&database).await;
        let login = app.sign_up("ada").await;
        let ada = app.bearer(login["tokens"]["accessToken"].as_str().unwrap());
        let answer = ada.query("{ session { id current } viewer { username } }").await;
        assert_eq!(answer.data("session")["id"], login["session"]["id"]);
        assert_eq!(answer.data("session")["current"], true);
        assert_eq!(answer.data("viewer")["username"], "ada");
    }
}
