//! Requests that foreign pages forge: all combinations of who sends them, how, and what they ask for.

use axum::{
    body::Body,
    http::{HeaderValue, Request, StatusCode, header},
};
use sea_orm::{ConnectionTrait, Statement};
use serde_json::{Value, json};

use crate::support::{
    app::{Answer, TestApp},
    database::TestDatabase,
    engine::{FIREFOX, PASSWORD, text},
    forgery::{FLAGS, ORIGINS, OWN, SITES, cookies_count},
    on_each_database,
};

const ACCESS: &str = "__Host-sessiongraph_access";
const REFRESH: &str = "__Host-sessiongraph_refresh";
const SESSION: &str = "{ session { id } }";
const JSON: Form = Form::Post(&["application/json"]);

/// How a request is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Get,
    /// With these `Content-Type` headers.
    Post(&'static [&'static str]),
}

const FORMS: [Form; 7] = [
    JSON,
    Form::Post(&["application/json;charset=utf-8"]),
    Form::Post(&["text/plain"]),
    Form::Post(&["application/x-www-form-urlencoded"]),
    Form::Post(&["multipart/form-data; boundary=x"]),
    Form::Post(&[]),
    Form::Get,
];

/// What browsers let any page send, made to look like JSON, and what is no JSON to the letter.
const DISGUISES: [Form; 8] = [
    Form::Post(&["text/plain; application/json"]),
    Form::Post(&["text/plain;charset=application/json"]),
    Form::Post(&["multipart/form-data; boundary=application/json"]),
    Form::Post(&["application/json, text/plain"]),
    Form::Post(&["text/plain, application/json"]),
    Form::Post(&["text/plain", "application/json"]),
    Form::Post(&["application/json", "text/plain"]),
    Form::Post(&["application/json+x"]),
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Asks {
    Session,
    /// With the refresh cookie alone, so that it has to be renewed.
    Renewal,
    Refresh,
    Logout,
    SignIn,
}

const ALL: [Asks; 5] = [
    Asks::Session,
    Asks::Renewal,
    Asks::Refresh,
    Asks::Logout,
    Asks::SignIn,
];

impl Asks {
    fn document(self) -> String {
        match self {
            Self::Session | Self::Renewal => SESSION.to_owned(),
            Self::Refresh => "mutation { refreshTokens { refreshOutcome } }".to_owned(),
            Self::Logout => "mutation { logout }".to_owned(),
            Self::SignIn => format!(
                "mutation {{ signIn(input: {{ identifier: \"ada\", password: \"{PASSWORD}\", transport: COOKIE }}) {{ session {{ id }} tokens {{ accessToken }} }} }}"
            ),
        }
    }

    const fn is_query(self) -> bool {
        matches!(self, Self::Session | Self::Renewal)
    }

    /// What changes in the database where the cookies count: sessions, refreshes, ended ones.
    const fn changes(self) -> [i64; 3] {
        match self {
            Self::Session => [0, 0, 0],
            Self::Renewal | Self::Refresh => [0, 1, 0],
            Self::Logout => [0, 0, 1],
            Self::SignIn => [1, 0, 1],
        }
    }
}

/// Somebody who is signed in with cookies.
struct Victim {
    app: TestApp,
    session: Value,
    access: String,
    refresh: String,
}

impl Victim {
    async fn new(database: &TestDatabase) -> Self {
        let app = TestApp::with(database, &FLAGS, |policy| {
            OWN.clone_into(&mut policy.issuer);
            policy.refresh_limit = None;
        })
        .await;
        app.engine.sign_up("ada").await;
        let mut victim = Self {
            app,
            session: Value::Null,
            access: String::new(),
            refresh: String::new(),
        };
        victim.sign_in().await;
        victim
    }

    async fn sign_in(&mut self) {
        let login = self.app.engine.sign_in("ada").await;
        self.session = json!(login.session.id);
        text(&login.tokens.access_token).clone_into(&mut self.access);
        text(&login.tokens.refresh_token).clone_into(&mut self.refresh);
    }

    fn cookies(&self) -> String {
        format!("{ACCESS}={}; {REFRESH}={}", self.access, self.refresh)
    }

    /// How many sessions there are, how often they have been refreshed, and how many have ended.
    async fn state(&self) -> [i64; 3] {
        let db = &self.app.engine.db;
        let sql =
            "SELECT COUNT(*), CAST(SUM(generation) AS BIGINT), COUNT(invalidated_at) FROM sessions";
        let statement = Statement::from_string(db.get_database_backend(), sql);
        let row = db.query_one_raw(statement).await.unwrap().unwrap();
        [0, 1, 2].map(|index| row.try_get_by_index(index).unwrap())
    }

    async fn send(
        &self,
        (origins, sites, form): (&[&'static str], &[&'static str], Form),
        cookies: &str,
        document: &str,
    ) -> Answer {
        let mut request = match form {
            Form::Get => {
                let query: String =
                    url::form_urlencoded::byte_serialize(document.as_bytes()).collect();
                Request::get(format!("/graphql?query={query}"))
                    .body(Body::empty())
                    .unwrap()
            }
            Form::Post(_) => {
                let body = json!({ "query": document }).to_string();
                Request::post("/graphql").body(Body::from(body)).unwrap()
            }
        };
        let headers = request.headers_mut();
        headers.insert(header::USER_AGENT, HeaderValue::from_static(FIREFOX));
        headers.insert(header::COOKIE, cookies.parse().unwrap());
        for origin in origins {
            headers.append(header::ORIGIN, HeaderValue::from_static(origin));
        }
        for site in sites {
            headers.append("sec-fetch-site", HeaderValue::from_static(site));
        }
        if let Form::Post(types) = form {
            for each in types {
                headers.append(header::CONTENT_TYPE, HeaderValue::from_static(each));
            }
        }
        self.app.send(request).await
    }

    /// Sends one request and compares everything that can be seen of it with what is promised.
    async fn try_out(
        &mut self,
        way: (&[&'static str], &[&'static str], Form),
        asks: Asks,
        is_json: bool,
    ) {
        let (origins, sites, form) = way;
        let case = format!("{origins:?} {sites:?} {form:?} {asks:?}");
        let counts = is_json && cookies_count(origins, sites);
        let before = self.state().await;
        let cookies = match asks {
            Asks::Renewal => format!("{REFRESH}={}", self.refresh),
            _ => self.cookies(),
        };
        let answer = self.send(way, &cookies, &asks.document()).await;
        let case = format!("{case}: {:#}", answer.body);

        let executed = is_json || (form == Form::Get && asks.is_query());
        if executed {
            assert_eq!(answer.status, StatusCode::OK, "{case}");
        } else {
            let refused = match form {
                Form::Get => StatusCode::METHOD_NOT_ALLOWED,
                Form::Post(_) => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            };
            assert_eq!(answer.status, refused, "{case}");
            assert!(answer.body.get("data").is_none(), "{case}");
        }
        let (errors, data) = (&answer.body["errors"], &answer.body["data"]);
        let set = answer.set_cookies();
        if counts {
            assert_eq!(errors, &Value::Null, "{case}");
            match asks {
                Asks::Session | Asks::Renewal => {
                    assert_eq!(data["session"]["id"], self.session, "{case}");
                }
                Asks::Refresh => {
                    assert_eq!(data["refreshTokens"]["refreshOutcome"], "ROTATED", "{case}");
                }
                Asks::Logout => assert_eq!(data["logout"], true, "{case}"),
                Asks::SignIn => {
                    assert_eq!(data["signIn"]["tokens"], Value::Null, "{case}");
                    self.session = data["signIn"]["session"]["id"].clone();
                }
            }
        } else if executed {
            match asks {
                Asks::Session | Asks::Renewal => {
                    assert_eq!(
                        (errors, &data["session"]),
                        (&Value::Null, &Value::Null),
                        "{case}"
                    );
                }
                Asks::Refresh => assert_eq!(answer.code(), "INVALID_TOKENS", "{case}"),
                Asks::Logout => assert_eq!(
                    (errors, &data["logout"]),
                    (&Value::Null, &json!(false)),
                    "{case}"
                ),
                Asks::SignIn => {
                    let refused = json!({ "code": "BAD_USER_INPUT", "field": "transport" });
                    assert_eq!(answer.error(), &refused, "{case}");
                }
            }
        }
        let sets = if counts && asks != Asks::Session {
            2
        } else {
            0
        };
        assert_eq!(set.len(), sets, "{case} {set:?}");
        let expected = if counts { asks.changes() } else { [0, 0, 0] };
        let after = self.state().await;
        let changes = [0, 1, 2].map(|index| after[index] - before[index]);
        assert_eq!(changes, expected, "{case}");
        if asks == Asks::Logout && counts {
            assert!(set.iter().all(|line| line.contains("Max-Age=0")), "{set:?}");
            self.sign_in().await;
        } else {
            self.take(&set);
        }
    }

    fn take(&mut self, set: &[String]) {
        for line in set {
            let (name, value) = line.split(';').next().unwrap().split_once('=').unwrap();
            let kept = if name == ACCESS {
                &mut self.access
            } else {
                &mut self.refresh
            };
            assert!(value.len() > 40, "{line}");
            value.clone_into(kept);
        }
    }
}

on_each_database! {
    async fn cookies_count_where_the_documentation_says_so_and_nowhere_else(database: TestDatabase) {
        let mut victim = Victim::new(&database).await;
        for origins in ORIGINS {
            for sites in SITES {
                for form in FORMS {
                    let is_json = matches!(form, Form::Post([only]) if only.starts_with("application/json"));
                    for asks in ALL {
                        victim.try_out((origins, sites, form), asks, is_json).await;
                    }
                }
            }
        }
    }

    async fn a_body_that_only_looks_like_json_is_none_whoever_sends_it(database: TestDatabase) {
        let mut victim = Victim::new(&database).await;
        for form in DISGUISES {
            for asks in ALL {
                victim.try_out((&[OWN], &["same-origin"], form), asks, false).await;
            }
        }
        // And to the letter of RFC 9110, these are.
        for form in [Form::Post(&["Application/JSON"]), Form::Post(&["application/json ; charset=\"UTF-8\""])] {
            for asks in ALL {
                victim.try_out((&[OWN], &["same-origin"], form), asks, true).await;
            }
        }
    }

    async fn other_methods_execute_nothing(database: TestDatabase) {
        let victim = Victim::new(&database).await;
        let before = victim.state().await;
        for method in ["PUT", "PATCH", "DELETE", "HEAD", "QUERY"] {
            for (override_header, uri) in [("x-other", "/graphql"), ("x-http-method-override", "/graphql?_method=POST")] {
                let request = Request::builder()
                    .method(method)
                    .uri(uri)
                    .header(header::ORIGIN, OWN)
                    .header(header::CONTENT_TYPE, "application/json")
                    .header(header::COOKIE, victim.cookies())
                    .header(override_header, "POST")
                    .body(Body::from(json!({ "query": "mutation { logout }" }).to_string()));
                let answer = victim.app.send(request.unwrap()).await;
                assert_eq!(answer.status, StatusCode::METHOD_NOT_ALLOWED, "{method}");
                assert!(answer.set_cookies().is_empty(), "{method}");
            }
        }
        assert_eq!(victim.state().await, before);
    }

    async fn cookies_of_other_names_are_not_ours(database: TestDatabase) {
        let victim = Victim::new(&database).await;
        let (access, refresh) = (&victim.access, &victim.refresh);
        for (first, second) in [
            ("sessiongraph_access", "sessiongraph_refresh"),
            ("__Secure-sessiongraph_access", "__Secure-sessiongraph_refresh"),
            ("__host-sessiongraph_access", "__host-sessiongraph_refresh"),
            ("__HOST-SESSIONGRAPH_ACCESS", "__HOST-SESSIONGRAPH_REFRESH"),
            ("__Host-sessiongraph-access", "__Host-sessiongraph-refresh"),
            ("__Host-sessiongraph%5Faccess", "__Host-sessiongraph%5Frefresh"),
            ("$__Host-sessiongraph_access", "$__Host-sessiongraph_refresh"),
            ("=__Host-sessiongraph_access", "=__Host-sessiongraph_refresh"),
            ("x__Host-sessiongraph_access", "x__Host-sessiongraph_refresh"),
            // Separators of other protocols.
            ("a=1,__Host-sessiongraph_access", "b=1,__Host-sessiongraph_refresh"),
            ("a=1&__Host-sessiongraph_access", "b=1&__Host-sessiongraph_refresh"),
        ] {
            assert_nobody(&victim, &format!("{first}={access}; {second}={refresh}")).await;
        }
    }

    async fn a_name_without_the_prefix_is_for_plain_http_alone(database: TestDatabase) {
        let app = TestApp::with(&database, &[("cookie_secure", "false")], |_| {}).await;
        let login = app.engine.sign_up("ada").await;
        let (access, refresh) = (text(&login.tokens.access_token), text(&login.tokens.refresh_token));
        for (prefix, there) in [("__Host-", false), ("__Secure-", false), ("", true)] {
            let mut browser = app.browser();
            browser.cookies.insert(format!("{prefix}sessiongraph_access"), access.to_owned());
            browser.cookies.insert(format!("{prefix}sessiongraph_refresh"), refresh.to_owned());
            assert_eq!(browser.query(SESSION).await.data("session")["id"].is_string(), there, "{prefix}");
            let answer = browser.query("mutation { logout }").await;
            assert_eq!(answer.data("logout"), there, "{prefix}");
            assert_eq!(answer.set_cookies().len(), if there { 2 } else { 0 }, "{prefix}");
        }
    }

    async fn each_cookie_holds_its_own_token_only(database: TestDatabase) {
        let victim = Victim::new(&database).await;
        let (access, refresh) = (&victim.access, &victim.refresh);
        let key = victim.app.engine.sessions.create_service_key("backend", [sessiongraph::scope::Scope::SessionsWrite]).await.unwrap();
        let key = text(&key);
        let before = victim.state().await;
        for cookies in [
            format!("{ACCESS}={refresh}"),
            format!("{REFRESH}={access}"),
            format!("{ACCESS}={refresh}; {REFRESH}={access}"),
            format!("{ACCESS}={key}"),
            format!("{REFRESH}={key}"),
            format!("{ACCESS}=\"{access}\""),
            format!("{ACCESS}=Bearer {access}"),
        ] {
            let answer = victim.send((&[OWN], &[], JSON), &cookies, SESSION).await;
            assert_eq!(answer.code(), "UNAUTHENTICATED", "{cookies}");
            let answer = victim.send((&[OWN], &[], JSON), &cookies, "{ accounts { totalCount } }").await;
            assert!(["UNAUTHENTICATED", "FORBIDDEN"].contains(&answer.code()), "{cookies}");
            assert!(answer.set_cookies().is_empty(), "{cookies}");
        }
        for refresh in [access.as_str(), key] {
            let cookies = format!("{REFRESH}={refresh}");
            let answer = victim.send((&[OWN], &[], JSON), &cookies, &Asks::Refresh.document()).await;
            assert_eq!(answer.code(), "INVALID_TOKEN");
            assert!(answer.set_cookies().is_empty());
        }
        assert_eq!(victim.state().await, before);
    }

    async fn a_planted_cookie_neither_replaces_nor_ends_anything(database: TestDatabase) {
        let victim = Victim::new(&database).await;
        let before = victim.state().await;
        let mallory = victim.app.sign_up("mallory").await;
        let planted = mallory["tokens"]["accessToken"].as_str().unwrap();
        for cookies in [
            format!("{ACCESS}={planted}; {ACCESS}={}", victim.access),
            format!("{ACCESS}={}; {ACCESS}={planted}", victim.access),
            format!("{ACCESS}={}; {ACCESS}=", victim.access),
            format!("{ACCESS}={0}; {ACCESS}={0}", victim.access),
        ] {
            assert_nobody(&victim, &cookies).await;
        }
        let after = victim.state().await;
        assert_eq!(after, [before[0] + 1, before[1], before[2]], "mallory's alone is new");
    }
}

/// With these cookies, on a request on which cookies count, nobody is there.
async fn assert_nobody(victim: &Victim, cookies: &str) {
    let before = victim.state().await;
    let way = (&[OWN][..], &["same-origin"][..], JSON);
    let answer = victim.send(way, cookies, SESSION).await;
    assert_eq!(answer.data("session"), &Value::Null, "{cookies}");
    assert!(answer.set_cookies().is_empty(), "{cookies}");
    let answer = victim.send(way, cookies, &Asks::Refresh.document()).await;
    assert_eq!(answer.code(), "INVALID_TOKENS", "{cookies}");
    assert!(answer.set_cookies().is_empty(), "{cookies}");
    let answer = victim.send(way, cookies, &Asks::Logout.document()).await;
    assert_eq!(answer.data("logout"), false, "{cookies}");
    assert_eq!(victim.state().await, before, "{cookies}");
}
