//! Tokens in cookies: set, counted, refused, cleared.

use serde_json::json;
use sessiongraph::scope::Scope;

use crate::support::{
    app::{Answer, Browser, Client, ORIGIN, TestApp, access_token, forged, refresh_token},
    engine::PASSWORD,
    on_each_database,
};

const ACCESS: &str = "__Host-sessiongraph_access";
const REFRESH: &str = "__Host-sessiongraph_refresh";
const REFRESH_TOKENS: &str =
    "mutation { refreshTokens { refreshOutcome tokens { accessToken } session { id } } }";
const SESSION: &str = "{ session { id } }";

/// Both cookies are set, with these lives, and nothing else.
#[track_caller]
fn assert_set(answer: &Answer, access_life: u64, refresh_life: u64) {
    let set = answer.set_cookies();
    assert_eq!(set.len(), 2, "{set:?} {:#}", answer.body);
    for (line, name, life) in [
        (&set[0], ACCESS, access_life),
        (&set[1], REFRESH, refresh_life),
    ] {
        let mut parts = line.split("; ");
        let (found, value) = parts.next().unwrap().split_once('=').unwrap();
        assert_eq!(found, name);
        assert!(value.len() > 40 && !value.contains('"'), "{line}");
        let mut attributes: Vec<_> = parts.map(str::to_owned).collect();
        attributes.sort();
        let mut expected = vec![
            "HttpOnly".to_owned(),
            "Secure".into(),
            "SameSite=Lax".into(),
            "Path=/".into(),
            format!("Max-Age={life}"),
        ];
        expected.sort();
        // A token's dates are whole seconds, the clock's are not.
        let shorter = format!("Max-Age={}", life - 1);
        let attributes: Vec<_> = attributes
            .into_iter()
            .map(|a| {
                if a == shorter {
                    format!("Max-Age={life}")
                } else {
                    a
                }
            })
            .collect();
        assert_eq!(attributes, expected, "{line}");
    }
}

#[track_caller]
fn assert_cleared(answer: &Answer) {
    let set = answer.set_cookies();
    assert_eq!(set.len(), 2, "{set:?}");
    for (line, name) in set.iter().zip([ACCESS, REFRESH]) {
        assert!(
            line.starts_with(&format!("{name}=;"))
                && line.contains("Max-Age=0")
                && line.contains("Path=/")
                && line.contains("Secure"),
            "{line}"
        );
        assert!(!line.contains("Expires"), "{line}");
    }
}

fn sign_in(name: &str) -> String {
    format!(
        "mutation {{ signIn(input: {{ identifier: \"{name}\", password: \"{PASSWORD}\", transport: COOKIE }}) {{ session {{ id }} tokens {{ accessToken }} }} }}"
    )
}

fn cookies(browser: &Browser) -> String {
    let all: Vec<_> = browser
        .cookies
        .iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    all.join("; ")
}

fn with_cookies(client: Client, browser: &Browser) -> Client {
    client.with("cookie", &cookies(browser))
}

on_each_database! {
    async fn signing_up_and_in_set_both_cookies_and_show_no_token(database: TestDatabase) {
        let app = TestApp::new(&database).await;
        let mut browser = app.browser();
        let answer = browser.sign_up("ada").await;
        assert_eq!(answer.data("signUp")["tokens"], json!(null));
        assert_set(&answer, 300, 7 * 24 * 60 * 60);
        let session = answer.data("signUp")["session"]["id"].clone();
        assert_eq!(browser.query(SESSION).await.data("session")["id"], session);
        let mut other = app.browser();
        let answer = other.query(&sign_in("ada")).await;
        assert_eq!(answer.data("signIn")["tokens"], json!(null));
        assert_set(&answer, 300, 7 * 24 * 60 * 60);
        assert_eq!(other.query(SESSION).await.data("session")["id"], answer.data("signIn")["session"]["id"]);
    }

    async fn the_access_cookie_lives_no_longer_than_the_session(database: TestDatabase) {
        let app = TestApp::with(&database, &[], |policy| policy.session_max_ttl = std::time::Duration::from_secs(100)).await;
        assert_set(&app.browser().sign_up("ada").await, 100, 100);
    }

    async fn refreshing_takes_the_cookie_and_gives_cookies_back(database: TestDatabase) {
        let app = TestApp::new(&database).await;
        let mut browser = app.browser();
        let answer = browser.sign_up("ada").await;
        let session = answer.data("signUp")["session"]["id"].clone();
        app.engine.advance(6 * 60);
        let before = browser.cookies.clone();
        for document in [
            REFRESH_TOKENS,
            "mutation { refreshTokens(input: {}) { refreshOutcome tokens { accessToken } session { id } } }",
            "mutation { refreshTokens(input: { transport: COOKIE }) { refreshOutcome tokens { accessToken } session { id } } }",
            "mutation { refreshTokens(input: { transport: null, refreshToken: null }) { refreshOutcome tokens { accessToken } session { id } } }",
        ] {
            let answer = browser.query(document).await;
            assert_eq!(answer.data("refreshTokens"), &json!({ "refreshOutcome": "ROTATED", "tokens": null, "session": { "id": session } }));
            assert_set(&answer, 300, 7 * 24 * 60 * 60);
        }
        assert_ne!(browser.cookies, before);
        assert_eq!(browser.query(SESSION).await.data("session")["id"], session);
    }

    async fn a_token_from_a_cookie_never_goes_into_a_body(database: TestDatabase) {
        let app = TestApp::new(&database).await;
        let mut browser = app.browser();
        browser.sign_up("ada").await;
        let answer = browser.query("mutation { refreshTokens(input: { transport: BODY }) { tokens { refreshToken } } }").await;
        assert_eq!(answer.error(), &json!({ "code": "BAD_USER_INPUT", "field": "transport" }));
        assert!(answer.set_cookies().is_empty());
        // Nothing was rotated.
        assert_eq!(browser.query(REFRESH_TOKENS).await.data("refreshTokens")["refreshOutcome"], "ROTATED");
    }

    async fn a_token_of_the_input_goes_where_it_is_told(database: TestDatabase) {
        let app = TestApp::new(&database).await;
        let mut browser = app.browser();
        browser.sign_up("ada").await;
        let other = app.sign_up("grace").await;
        let document = format!("mutation {{ refreshTokens(input: {{ refreshToken: \"{}\" }}) {{ session {{ id }} tokens {{ accessToken refreshToken }} }} }}", refresh_token(&other));
        let answer = browser.query(&document).await;
        let renewed = answer.data("refreshTokens").clone();
        assert_eq!(renewed["session"]["id"], other["session"]["id"]);
        assert!(answer.set_cookies().is_empty());
        let document = format!("mutation {{ refreshTokens(input: {{ refreshToken: \"{}\", transport: COOKIE }}) {{ tokens {{ accessToken }} }} }}", refresh_token(&renewed));
        assert_set(&browser.query(&document).await, 300, 7 * 24 * 60 * 60);
        assert_eq!(browser.query(SESSION).await.data("session")["id"], other["session"]["id"]);
    }

    async fn cookies_count_only_where_a_foreign_page_could_not_have_sent_them(database: TestDatabase) {
        let app = TestApp::with(&database, &[("allowed_origins", "https://app.example")], |_| {}).await;
        let mut browser = app.browser();
        let session = browser.sign_up("ada").await.data("signUp")["session"]["id"].clone();
        let plain = with_cookies(app.anonymous(), &browser);
        for client in [
            plain.clone().with("origin", ORIGIN),
            plain.clone().with("origin", "https://app.example"),
            plain.clone().with("sec-fetch-site", "same-origin"),
            plain.clone().with("origin", ORIGIN).with("sec-fetch-site", "cross-site"),
        ] {
            assert_eq!(client.query(SESSION).await.data("session")["id"], session);
        }
        for client in [
            plain.clone(),
            plain.clone().with("origin", "null"),
            plain.clone().with("origin", "https://evil.example"),
            plain.clone().with("origin", "https://app.example.evil.example"),
            plain.clone().with("origin", "http://127.0.0.1:4001"),
            plain.clone().with("origin", "http://127.0.0.1:4000/"),
            plain.clone().with("origin", "https://evil.example").with("sec-fetch-site", "same-origin"),
            plain.clone().with("sec-fetch-site", "same-site"),
            plain.clone().with("sec-fetch-site", "cross-site"),
            plain.clone().with("sec-fetch-site", "none"),
        ] {
            let answer = client.query(SESSION).await;
            assert_eq!(answer.data("session"), &json!(null));
            // As good as none: neither refreshed, nor ended, nor cleared.
            assert_eq!(client.query(REFRESH_TOKENS).await.code(), "INVALID_TOKENS");
            let answer = client.query("mutation { logout }").await;
            assert_eq!(answer.data("logout"), false);
            assert!(answer.set_cookies().is_empty());
            for document in [sign_in("ada"), sign_in("ada").replace("signIn(input: { identifier", "signUp(input: { username")] {
                let answer = client.query(&document).await;
                assert_eq!(answer.error(), &json!({ "code": "BAD_USER_INPUT", "field": "transport" }), "{document}");
                assert!(answer.set_cookies().is_empty());
            }
        }
        assert_eq!(browser.query(SESSION).await.data("session")["id"], session);
    }

    async fn a_cookie_that_comes_twice_is_as_good_as_none(database: TestDatabase) {
        let app = TestApp::new(&database).await;
        let mut browser = app.browser();
        browser.sign_up("ada").await;
        let twice = format!("{0}; {0}", cookies(&browser));
        let client = app.anonymous().with("origin", ORIGIN).with("cookie", &twice);
        assert_eq!(client.query(SESSION).await.data("session"), &json!(null));
        assert_eq!(client.query(REFRESH_TOKENS).await.code(), "INVALID_TOKENS");
        // It is a request that has cookies, so they go.
        let answer = client.query("mutation { logout }").await;
        assert_eq!(answer.data("logout"), false);
        assert_cleared(&answer);
    }

    async fn the_header_goes_before_the_cookies(database: TestDatabase) {
        let app = TestApp::new(&database).await;
        let mut browser = app.browser();
        let own = browser.sign_up("ada").await.data("signUp")["session"]["id"].clone();
        let grace = app.sign_up("grace").await;
        let both = with_cookies(app.signed_in(&grace).with("origin", ORIGIN), &browser);
        assert_eq!(both.query(SESSION).await.data("session")["id"], grace["session"]["id"]);
        let bad = with_cookies(app.bearer("garbage").with("origin", ORIGIN), &browser);
        assert_eq!(bad.query(SESSION).await.error()["reason"], "TOKEN_VERIFICATION_FAILED");
        // An empty header is none.
        let empty = with_cookies(app.anonymous().with("authorization", "Bearer").with("origin", ORIGIN), &browser);
        assert_eq!(empty.query(SESSION).await.data("session")["id"], own);
        // Logging out ends the header's session, and the cookies go all the same.
        let answer = both.query("mutation { logout }").await;
        assert_eq!(answer.data("logout"), true);
        assert_cleared(&answer);
        assert_eq!(browser.query(SESSION).await.data("session")["id"], own);
        assert_eq!(app.signed_in(&grace).query(SESSION).await.error()["reason"], "INVALID_SESSION");
    }

    async fn logging_out_ends_the_session_and_clears_the_cookies(database: TestDatabase) {
        let app = TestApp::new(&database).await;
        let mut browser = app.browser();
        browser.sign_up("ada").await;
        let stale = browser.clone();
        let answer = browser.query("mutation { logout }").await;
        assert_eq!(answer.data("logout"), true);
        assert_cleared(&answer);
        assert!(browser.cookies.is_empty());
        // Whatever the answer is.
        let answer = stale.clone().query("mutation { logout }").await;
        assert_eq!(answer.data("logout"), false);
        assert_cleared(&answer);
        let mut garbled = stale.clone();
        for value in garbled.cookies.values_mut() {
            "garbage".clone_into(value);
        }
        let answer = garbled.query("mutation { logout }").await;
        assert_eq!(answer.error(), &json!({ "code": "TOKEN_VERIFICATION_FAILED", "action": "SIGN_IN" }));
        assert_cleared(&answer);
        let answer = browser.query("mutation { logout }").await;
        assert_eq!(answer.data("logout"), false);
        assert!(answer.set_cookies().is_empty());
    }

    async fn logging_out_does_with_either_cookie(database: TestDatabase) {
        let app = TestApp::new(&database).await;
        for (index, lost) in [ACCESS, REFRESH].into_iter().enumerate() {
            for expired in [false, true] {
                let mut browser = app.browser();
                browser.sign_up(&format!("ada_{index}_{expired}")).await;
                browser.cookies.remove(lost);
                if expired {
                    app.engine.advance(60 * 60);
                }
                assert_eq!(browser.query("mutation { logout }").await.data("logout"), true, "{lost} {expired}");
            }
        }
        assert_eq!(app.count("sessions WHERE invalidated_at IS NULL").await, 0);
    }

    async fn signing_in_again_ends_the_session_whose_cookies_came(database: TestDatabase) {
        let app = TestApp::new(&database).await;
        let mut browser = app.browser();
        browser.sign_up("ada").await;
        app.engine.advance(1);
        let second = browser.query(&sign_in("ada")).await;
        assert_set(&second, 300, 7 * 24 * 60 * 60);
        let answer = browser.query("{ session { id } viewer { sessions { nodes { id status invalidationReason } } } }").await;
        let nodes = &answer.data("viewer")["sessions"]["nodes"];
        assert_eq!(nodes[0], json!({ "id": answer.data("session")["id"], "status": "ACTIVE", "invalidationReason": null }));
        assert_eq!((&nodes[1]["status"], &nodes[1]["invalidationReason"]), (&json!("INVALIDATED"), &json!("LOGOUT")));
        // Another account, by signing up.
        browser.sign_up("grace").await.data("signUp");
        assert_eq!(app.count("sessions WHERE invalidation_reason = 'LOGOUT'").await, 2);
        // Not by a wrong password, and not where the tokens come in the body.
        browser.query(&sign_in("ada").replace(PASSWORD, "wrong password")).await.code();
        browser.query(&sign_in("ada").replace(", transport: COOKIE", "")).await.data("signIn");
        assert_eq!(app.count("sessions WHERE invalidation_reason = 'LOGOUT'").await, 2);
        // Cookies that are none of ours are no obstacle.
        for value in browser.cookies.values_mut() {
            *value = forged(value);
        }
        browser.query(&sign_in("ada")).await.data("signIn");
    }

    async fn a_backend_may_ask_for_cookies(database: TestDatabase) {
        let app = TestApp::new(&database).await;
        let login = app.sign_up("ada").await;
        let service = app.service(&[Scope::SessionsWrite]).await;
        let document = "mutation ($id: ID!) { createSession(input: { accountId: $id, transport: COOKIE, connectionInfo: { ip: \"::1\", userAgent: \"x\" } }) { session { id } tokens { accessToken } } }";
        let answer = service.run(document, json!({ "id": login["account"]["id"] })).await;
        assert_eq!(answer.data("createSession")["tokens"], json!(null));
        assert_set(&answer, 300, 7 * 24 * 60 * 60);
        assert_eq!(app.count("sessions WHERE invalidated_at IS NULL").await, 2);
    }

    async fn a_service_key_in_a_cookie_is_nobodys(database: TestDatabase) {
        let app = TestApp::new(&database).await;
        let key = app.engine.sessions.create_service_key("backend", [Scope::AccountsRead]).await.unwrap();
        let mut browser = app.browser();
        browser.cookies.insert(ACCESS.to_owned(), secrecy::ExposeSecret::expose_secret(&key).to_owned());
        let answer = browser.query("{ accounts { totalCount } }").await;
        assert_eq!(answer.error()["reason"], "INVALID_TOKEN");
    }

    async fn a_token_too_long_for_a_cookie_is_refused_and_leaves_no_session(database: TestDatabase) {
        let app = TestApp::new(&database).await;
        let login = app.sign_up("ada").await;
        app.engine.sessions.hooks().on_refresh_tokens(|mut draft, _| async move {
            draft.claims.insert("much".into(), "x".repeat(4_000).into());
            Ok(draft)
        });
        let answer = app.browser().query(&sign_in("ada")).await;
        assert_eq!(answer.error(), &json!({ "code": "BAD_USER_INPUT", "field": "transport" }));
        assert!(answer.set_cookies().is_empty());
        assert_eq!(app.count("sessions WHERE invalidated_at IS NULL").await, 1);
        app.signed_in(&login).query(SESSION).await.data("session");
        assert!(access_token(app.anonymous().sign_in("ada").await.data("signIn")).len() > 4_000);
    }

    async fn plain_http_has_cookies_without_the_prefix(database: TestDatabase) {
        let app = TestApp::with(&database, &[("cookie_secure", "false")], |_| {}).await;
        let mut browser = app.browser();
        let answer = browser.sign_up("ada").await;
        for (line, name) in answer.set_cookies().iter().zip(["sessiongraph_access=", "sessiongraph_refresh="]) {
            assert!(line.starts_with(name) && !line.contains("Secure") && line.contains("HttpOnly"), "{line}");
        }
        browser.query(SESSION).await.data("session");
    }
}
