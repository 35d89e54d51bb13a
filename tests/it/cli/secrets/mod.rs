//! Nothing that is secret leaves a server but to whom it belongs: not in the log at its most talkative, not in an error, a
//! metric, a trace, or what the commands print.

use std::collections::BTreeSet;

use http::{HeaderMap, HeaderName};
use serde_json::{Value, json};

use super::{
    support::{Folder, Server},
    traces::collector::Collector,
};
use crate::support::{database::TestDatabase, engine::FIREFOX};

mod requests;

/// Is in everything that is secret here and that we choose ourselves.
const TELLTALE: &str = "TELLTALE";
const ORIGIN: &str = "http://localhost:4000";
const PASSWORD: &str = "TELLTALE of a password";
const MASTER: &str = "TELLTALE of a master secret, long enough";
const PREVIOUS: &str = "TELLTALE of an earlier master secret";
/// What a stored password begins with.
const HASH: &str = "$argon2id$";

/// A client that keeps what it is given, and what it is told is wrong.
struct Snoop<'a> {
    server: &'a Server,
    client: reqwest::Client,
    /// Tokens, keys and cookies, whole and the part that makes them genuine.
    issued: BTreeSet<String>,
    told: Vec<String>,
}

impl Snoop<'_> {
    fn keep(&mut self, token: &str) {
        self.issued.insert(token.to_owned());
        if let Some((_, signature)) = token.rsplit_once('.') {
            self.issued.insert(signature.to_owned());
        }
    }

    /// Sends a request, keeps the tokens in its answer, and of its errors what they say.
    async fn send(&mut self, request: reqwest::RequestBuilder) -> Value {
        let response = request.send().await.unwrap();
        for cookie in response.headers().get_all("set-cookie") {
            let pair = cookie.to_str().unwrap().split(';').next().unwrap();
            let (_, value) = pair.split_once('=').unwrap();
            if !value.is_empty() {
                self.keep(value);
            }
        }
        let text = response.text().await.unwrap();
        let Ok(answer) = serde_json::from_str::<Value>(&text) else {
            self.told.push(text);
            return Value::Null;
        };
        self.told.push(answer["errors"].to_string());
        for login in answer["data"]
            .as_object()
            .into_iter()
            .flat_map(|data| data.values())
        {
            for token in ["accessToken", "refreshToken"] {
                if let Some(token) = login["tokens"][token].as_str() {
                    self.keep(token);
                }
            }
        }
        answer
    }

    fn post(&self) -> reqwest::RequestBuilder {
        self.client
            .post(format!("{}/graphql", self.server.url))
            .header("user-agent", FIREFOX)
    }

    async fn run(&mut self, document: &str, variables: Value, headers: &[(&str, &str)]) -> Value {
        let mut request = self
            .post()
            .json(&json!({ "query": document, "variables": variables }));
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            let name: HeaderName = name.parse().unwrap();
            map.insert(name, value.parse().unwrap());
        }
        // They take the place of those that every request has.
        request = request.headers(map);
        self.send(request).await
    }
}

/// A PostgreSQL's URL with a password in it, which nobody asks for.
fn with_password(url: &str) -> String {
    let mut url = url::Url::parse(url).unwrap();
    url.set_password(Some("TELLTALE-of-a-database-password"))
        .unwrap();
    url.into()
}

async fn nothing_leaks(database: TestDatabase, format: &str) {
    let folder = Folder::new();
    let url = if database.is_postgres() {
        with_password(&database.url)
    } else {
        database.url.clone()
    };
    folder.write(
        "sessiongraph.toml",
        &format!(
            "secret = '{MASTER}'\nsecret_previous = ['{PREVIOUS}']\ndatabase_url = '{url}'\npublic_url = '{ORIGIN}'\n\
             argon2_memory_kib = 64\nrefresh_grace = '0s'\nclock_skew = '0s'\n"
        ),
    );
    let scopes = [
        "accounts:read",
        "accounts:write",
        "sessions:read",
        "sessions:write",
    ];
    let mut create = vec!["service-key", "create", "--name", "backend"];
    create.extend(scopes.iter().flat_map(|scope| ["--scope", *scope]));
    let key = folder.ok(&create).trim().to_owned();
    let collector = Collector::start(http::StatusCode::OK).await;
    let variables = [("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url.as_str())];
    // A log alone is written in another way than one beside traces.
    let exports = format == "json";
    let server = folder.serve_with(
        if exports { &variables } else { &[] },
        &["--log", "trace", "--log-format", format],
    );
    let mut snoop = Snoop {
        server: &server,
        client: reqwest::Client::new(),
        issued: BTreeSet::from([key.clone()]),
        told: Vec::new(),
    };
    requests::send_all(&mut snoop, &key).await;
    let metrics = server.get("/metrics").await.text().await.unwrap();
    let Snoop { issued, told, .. } = snoop;
    assert!(issued.len() > 15, "{issued:?}");
    assert!(told.len() > 100 && told.concat().contains("AUTHENTICATION_FAILED"));
    let (_, log) = server.stop();
    let traces = collector.requests().into_iter();
    let traces: Vec<_> = traces
        .map(|(_, body)| String::from_utf8_lossy(&body).into_owned())
        .collect();
    let traces = traces.join("\n");
    assert_eq!(traces.contains("password hash"), exports);
    // It has said all that it could.
    for said in [
        "TRACE",
        "tower_http",
        "h2::",
        "was reused",
        "another user agent",
    ] {
        assert!(log.contains(said), "{said}");
    }
    let printed: Vec<_> = [
        &["config"][..],
        &["signing-key", "list"],
        &["service-key", "list"],
    ]
    .into_iter()
    .map(|arguments| folder.ok(arguments))
    .collect();
    let told = told.join("\n");
    let printed = printed.join("\n");
    for (what, text) in [
        ("the log", &log),
        ("the metrics", &metrics),
        ("a trace", &traces),
        ("an error", &told),
        ("a command", &printed),
    ] {
        let secrets = issued.iter().map(String::as_str).chain([TELLTALE, HASH]);
        for secret in secrets {
            let found: Vec<_> = text.lines().filter(|line| line.contains(secret)).collect();
            assert!(found.is_empty(), "{what} has {secret}: {found:#?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_secret_leaves_the_server_in_text_on_sqlite() {
    nothing_leaks(TestDatabase::sqlite().await, "text").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_secret_leaves_the_server_in_json_on_postgres() {
    nothing_leaks(TestDatabase::postgres().await, "json").await;
}

#[test]
fn a_database_that_does_not_answer_is_complained_of_without_its_password() {
    let folder = Folder::new();
    let complaint = folder.fails(&[
        "serve",
        "--log",
        "trace",
        "--secret",
        MASTER,
        "--database-acquire-timeout",
        "1s",
        "--database-url",
        "postgres://ada:TELLTALE@127.0.0.1:1/x",
    ]);
    assert!(
        complaint.contains("error: ") && !complaint.contains(TELLTALE),
        "{complaint}"
    );
}
