//! Streams and sockets that foreign pages open.

use axum::{
    body::Body,
    http::{HeaderValue, Request, header},
};
use serde_json::{Value, json};

use super::{
    socket::{EVENTS, Socket},
    streams::{MULTIPART, until_begun},
};
use crate::support::{
    app::TestApp,
    database::TestDatabase,
    engine::{FIREFOX, text},
    forgery::{FLAGS, ORIGINS, OWN, SITES, cookies_count, is_trusted},
    on_each_database,
};

const ACCESS: &str = "__Host-sessiongraph_access";
const REFRESH: &str = "__Host-sessiongraph_refresh";
const EVENT_STREAM: &str = "text/event-stream";

/// An application at [`OWN`], and the cookies of a session that is there for a test.
async fn signed_up(database: &TestDatabase) -> (TestApp, String) {
    let app = TestApp::with(database, &FLAGS, |policy| {
        OWN.clone_into(&mut policy.issuer);
        policy.max_sessions_per_account = 10_000;
    })
    .await;
    let login = app.engine.sign_up("ada").await;
    let (access, refresh) = (
        text(&login.tokens.access_token),
        text(&login.tokens.refresh_token),
    );
    let cookies = format!("{ACCESS}={access}; {REFRESH}={refresh}");
    (app, cookies)
}

fn post(
    (origins, sites): (&[&'static str], &[&'static str]),
    content_type: &'static str,
    accept: &'static str,
    cookies: &str,
    document: &str,
) -> Request<Body> {
    let body = Body::from(json!({ "query": document }).to_string());
    let mut request = Request::post("/graphql").body(body).unwrap();
    let headers = request.headers_mut();
    headers.insert(header::USER_AGENT, HeaderValue::from_static(FIREFOX));
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(header::ACCEPT, HeaderValue::from_static(accept));
    headers.insert(header::COOKIE, cookies.parse().unwrap());
    for origin in origins {
        headers.append(header::ORIGIN, HeaderValue::from_static(origin));
    }
    for site in sites {
        headers.append("sec-fetch-site", HeaderValue::from_static(site));
    }
    request
}

/// How many sessions have ended or been refreshed.
async fn touched(app: &TestApp) -> i64 {
    app.count("sessions WHERE generation > 0 OR invalidated_at IS NOT NULL")
        .await
}

on_each_database! {
    async fn an_event_stream_answers_those_whose_cookies_count(database: TestDatabase) {
        let (app, cookies) = signed_up(&database).await;
        let refresh = cookies.split("; ").nth(1).unwrap();
        for origins in ORIGINS {
            for sites in SITES {
                for content_type in ["application/json", "text/plain"] {
                    let way = (*origins, *sites);
                    let counts = content_type == "application/json" && cookies_count(origins, sites);
                    let case = format!("{way:?} {content_type}");
                    let answer = app.send(post(way, content_type, EVENT_STREAM, &cookies, "{ viewer { username } }")).await;
                    assert_eq!(answer.body.to_string().contains("ada"), counts, "{case}: {}", answer.body);
                    assert!(answer.set_cookies().is_empty(), "{case}");
                    if !counts {
                        let answer = app.send(post(way, content_type, EVENT_STREAM, refresh, "{ viewer { username } }")).await;
                        assert!(!answer.body.to_string().contains("ada") && answer.set_cookies().is_empty(), "{case}: {}", answer.body);
                        let answer = app.send(post(way, content_type, EVENT_STREAM, &cookies, "mutation { logout }")).await;
                        assert!(!answer.body.to_string().contains("true") && answer.set_cookies().is_empty(), "{case}: {}", answer.body);
                    }
                }
            }
        }
        assert_eq!(touched(&app).await, 0);
    }

    async fn a_subscription_hears_where_cookies_count(database: TestDatabase) {
        let (app, cookies) = signed_up(&database).await;
        for origins in ORIGINS {
            for sites in [&["same-origin"][..], &["cross-site"], &[]] {
                for accept in [EVENT_STREAM, MULTIPART] {
                    let request = post((origins, sites), "application/json", accept, &cookies, EVENTS);
                    if cookies_count(origins, sites) {
                        let response = app.stream(request).await;
                        assert!(!response.headers().contains_key(header::SET_COOKIE));
                        until_begun(&app, &mut response.into_body().into_data_stream()).await;
                    } else {
                        let answer = app.send(request).await;
                        let said = answer.body.to_string();
                        assert!(said.contains("MISSING_TOKEN") && !said.contains("CREATED"), "{origins:?} {sites:?} {said}");
                        assert!(answer.set_cookies().is_empty(), "{origins:?} {sites:?}");
                    }
                }
            }
        }
        assert_eq!(touched(&app).await, 0);
    }

    async fn an_event_source_is_a_get_and_has_no_cookies(database: TestDatabase) {
        let (app, cookies) = signed_up(&database).await;
        for origins in ORIGINS {
            for query in ["%7Bviewer%7Busername%7D%7D", "mutation%7Blogout%7D", "subscription%7BsessionEvents%7Bkind%7D%7D"] {
                for accept in [EVENT_STREAM, "text/event-stream, */*", MULTIPART] {
                    let mut request = Request::get(format!("/graphql?query={query}"))
                        .header(header::ACCEPT, accept)
                        .header(header::COOKIE, &cookies)
                        .header("sec-fetch-site", "same-origin");
                    for origin in *origins {
                        request = request.header(header::ORIGIN, *origin);
                    }
                    let answer = app.send(request.body(Body::empty()).unwrap()).await;
                    assert!(!answer.body.to_string().contains("ada"), "{origins:?} {accept}: {}", answer.body);
                    assert!(answer.status.is_client_error() || answer.body["data"]["viewer"].is_null(), "{origins:?} {accept}");
                    assert!(answer.set_cookies().is_empty());
                }
            }
        }
        assert_eq!(touched(&app).await, 0);
    }

    async fn a_foreign_page_cannot_take_over_a_socket(database: TestDatabase) {
        let (app, cookies) = signed_up(&database).await;
        let address = format!("http://{}", app.listen().await);
        for origins in ORIGINS {
            for sites in [&["same-origin"][..], &["cross-site"], &[]] {
                let case = format!("{origins:?} {sites:?}");
                let mut headers = vec![("cookie", cookies.as_str())];
                headers.extend(origins.iter().map(|origin| ("origin", *origin)));
                headers.extend(sites.iter().map(|site| ("sec-fetch-site", *site)));
                let over_http1 = Socket::connect_to(&address, &headers).await;
                let over_http2 = Socket::connect_over_http2(&address, &headers).await;
                for mut socket in [over_http1, over_http2] {
                    socket.send(&json!({ "type": "connection_init" })).await;
                    assert_eq!(socket.next().await["type"], "connection_ack", "{case}");
                    let viewer = answer(&mut socket, "{ viewer { username } }").await;
                    if is_trusted(origins) {
                        assert_eq!(viewer["data"]["viewer"]["username"], "ada", "{case}");
                        continue;
                    }
                    assert_eq!(viewer, json!({ "data": { "viewer": null } }), "{case}");
                    let logout = answer(&mut socket, "mutation { logout }").await;
                    assert_eq!(logout, json!({ "data": { "logout": false } }), "{case}");
                    let refresh = answer(&mut socket, "mutation { refreshTokens { refreshOutcome } }").await;
                    assert_eq!(refresh["errors"][0]["extensions"]["code"], "INVALID_TOKENS", "{case}");
                    let events = answer(&mut socket, EVENTS).await;
                    assert!(events.to_string().contains("MISSING_TOKEN"), "{case} {events}");
                }
            }
        }
        assert_eq!(touched(&app).await, 0);
    }

    async fn what_is_no_access_token_opens_no_socket(database: TestDatabase) {
        let (app, cookies) = signed_up(&database).await;
        let (access, refresh) = cookies.split_once("; ").unwrap();
        let (access, refresh) = (access.split_once('=').unwrap().1, refresh.split_once('=').unwrap().1);
        let key = app.engine.sessions.create_service_key("backend", [sessiongraph::scope::Scope::AccountsRead]).await.unwrap();
        let key = text(&key);
        let address = format!("http://{}", app.listen().await);
        for cookies in [
            format!("{ACCESS}={refresh}"),
            format!("{REFRESH}={refresh}"),
            format!("{REFRESH}={access}"),
            format!("{ACCESS}={key}"),
            format!("{REFRESH}={key}"),
        ] {
            let mut socket = Socket::connect_to(&address, &[("cookie", &cookies), ("origin", OWN)]).await;
            socket.send(&json!({ "type": "connection_init" })).await;
            assert_eq!(socket.closed().await, 4401, "{}", cookies.split('=').next().unwrap());
        }
        // Twice, or by another name: as good as none.
        for cookies in [
            format!("{ACCESS}={access}; {ACCESS}={access}"),
            format!("sessiongraph_access={access}"),
            format!("__host-sessiongraph_access={access}"),
        ] {
            let mut socket = Socket::connect_to(&address, &[("cookie", &cookies), ("origin", OWN)]).await;
            socket.send(&json!({ "type": "connection_init" })).await;
            assert_eq!(socket.next().await["type"], "connection_ack");
            let viewer = answer(&mut socket, "{ viewer { username } }").await;
            assert_eq!(viewer, json!({ "data": { "viewer": null } }));
        }
        assert_eq!(touched(&app).await, 0);
    }
}

/// The only answer to an operation.
async fn answer(socket: &mut Socket, document: &str) -> Value {
    let subscribe = json!({ "type": "subscribe", "id": "1", "payload": { "query": document } });
    socket.send(&subscribe).await;
    let answer = socket.next().await;
    assert_eq!(
        socket.next().await,
        json!({ "type": "complete", "id": "1" })
    );
    answer["payload"].clone()
}
