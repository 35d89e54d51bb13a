//! Whole HTTP requests, through the real router.

use std::{
    cell::{Cell, RefCell},
    time::Duration,
};

use axum::{
    body::{Body, to_bytes},
    http::{HeaderName, HeaderValue, Method, Request, Uri, header},
};
use proptest::{collection::vec, prelude::*, sample::Index, test_runner::TestCaseResult};
use serde_json::{Value, json};
use tokio::time::timeout;

use super::{
    Cast, check_response, corpus, explore,
    mutation::{Bytes, mutated, mutated_by},
    seeds,
};
use crate::support::{app::TestApp, database::TestDatabase, engine::FIREFOX, on_each_database};

const SEEDS: &str = "requests/seeds.jsonl";
/// How many requests one cast plays in: some of them log it out.
const SCENE: u32 = 20;

/// Beside the endpoint.
const PAGES: [&str; 9] = [
    "/",
    "/playground",
    "/.well-known/jwks.json",
    "/health/live",
    "/health/ready",
    "/metrics",
    "/nothing",
    "//",
    "/graphql/",
];

#[derive(Debug, Clone)]
struct Hostile {
    method: &'static str,
    query_string: Bytes,
    /// The default ones go without saying, most of the time.
    is_json: bool,
    headers: Vec<Bytes>,
    body: Bytes,
}

/// What variables are replaced by.
fn odd_values() -> Vec<Value> {
    let mut deep = json!(1);
    for _ in 0..60 {
        deep = json!([{ "a": deep }]);
    }
    let texts = [
        "",
        " ",
        "\0",
        "a\0b",
        "\u{feff}",
        "\u{202e}",
        "\u{10ffff}",
        "null",
        "0",
        "-1",
        "../..",
        "' OR 1=1 --",
        "%00",
    ];
    let mut values: Vec<Value> = texts.iter().map(|text| json!(text)).collect();
    values.extend([
        json!(null),
        json!(true),
        json!(-1),
        json!(0.1),
        json!(101),
        json!(i64::MIN),
        json!(u64::MAX),
        json!(1e308),
        json!([]),
        json!({}),
        json!([[null]]),
        json!({ "\0": 1 }),
        json!("a".repeat(5_000)),
        json!("\u{e4}".repeat(300)),
        json!(uuid::Uuid::nil()),
        json!("ADA@EXAMPLE.ORG"),
        deep,
    ]);
    values
}

/// Puts a value in the place of the variable, or the part of one, that an index picks.
fn replace(request: &mut Value, at: Index, value: Value) {
    fn places(value: &Value, path: &str, found: &mut Vec<String>) {
        found.push(path.to_owned());
        match value {
            Value::Object(members) => {
                for (name, member) in members {
                    places(member, &format!("{path}/{name}"), found);
                }
            }
            Value::Array(items) => {
                for (index, item) in items.iter().enumerate() {
                    places(item, &format!("{path}/{index}"), found);
                }
            }
            _ => {}
        }
    }
    let mut found = Vec::new();
    places(request, "", &mut found);
    if let Some(place) = request.pointer_mut(&found[at.index(found.len())]) {
        *place = value;
    }
}

/// Bodies that are JSON all the same, with a changed document or changed values, and such that are changed as bytes.
fn bodies() -> impl Strategy<Value = Bytes> + Clone {
    let requests: Vec<Value> = seeds(SEEDS)
        .iter()
        .map(|line| serde_json::from_slice(line).unwrap())
        .collect();
    let documents = requests
        .iter()
        .filter_map(|request| Some(request.get("query")?.as_str()?.as_bytes().to_vec()))
        .collect();
    let with_document = (
        proptest::sample::select(requests.clone()),
        mutated(documents),
    )
        .prop_map(|(mut request, document)| {
            // Its own document as often as another one: then its variables do not fit.
            if request.is_object() {
                request["query"] = json!(document.text());
            }
            Bytes(request.to_string().into_bytes())
        });
    let with_values = (
        proptest::sample::select(requests),
        vec(
            (any::<Index>(), proptest::sample::select(odd_values())),
            0..3,
        ),
    )
        .prop_map(|(mut request, changes)| {
            for (at, value) in changes {
                replace(&mut request, at, value);
            }
            Bytes(request.to_string().into_bytes())
        });
    let raw = mutated(seeds(SEEDS));
    let one = prop_oneof![3 => with_document, 4 => with_values, 3 => raw].boxed();
    let batch = vec(one.clone(), 0..4).prop_map(|all| {
        let all: Vec<_> = all.into_iter().map(|body| body.0).collect();
        Bytes([b"[".as_slice(), &all.join(&b','), b"]"].concat())
    });
    prop_oneof![9 => one, 1 => batch]
}

fn query_strings() -> impl Strategy<Value = Bytes> {
    let all = seeds(SEEDS)
        .iter()
        .filter_map(|line| {
            let request: Value = serde_json::from_slice(line).unwrap();
            let mut pairs = url::form_urlencoded::Serializer::new(String::new());
            for (name, value) in request.as_object()? {
                let text = value
                    .as_str()
                    .map_or_else(|| value.to_string(), str::to_owned);
                pairs.append_pair(name, &text);
            }
            Some(pairs.finish().into_bytes())
        })
        .collect();
    mutated(all)
}

fn hostile_requests() -> impl Strategy<Value = Hostile> {
    let lines = corpus("headers/seeds.txt")
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty())
        .map(<[u8]>::to_vec)
        .collect::<Vec<_>>();
    let header = prop_oneof![2 => proptest::sample::select(lines.clone()).prop_map(Bytes), 1 => mutated_by(lines, 1..3)];
    (
        prop_oneof![
            12 => Just("POST"),
            6 => Just("GET"),
            1 => proptest::sample::select(&["HEAD", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "BREW"][..]),
        ],
        query_strings(),
        proptest::bool::weighted(0.9),
        vec(header, 0..5),
        bodies(),
    )
        .prop_map(|(method, query_string, is_json, headers, body)| Hostile { method, query_string, is_json, headers, body })
}

impl Hostile {
    /// What HTTP lets through: hyper refuses the rest itself.
    fn request(&self, path: &str, cast: &Cast) -> Request<Body> {
        let mut uri = path.to_owned();
        if self.method == "GET" {
            // The names in braces are percent-encoded here.
            let text = self
                .query_string
                .text()
                .replace("%7B", "{")
                .replace("%7D", "}");
            let text = String::from_utf8_lossy(&cast.put_into(text.as_bytes())).into_owned();
            uri = format!("{path}?{}", text.replace('{', "%7B").replace('}', "%7D"));
        }
        let uri = uri
            .parse::<Uri>()
            .unwrap_or_else(|_| Uri::try_from(path).unwrap());
        let body = Body::from(cast.put_into(&self.body.0));
        let mut request = Request::new(body);
        *request.method_mut() = Method::from_bytes(self.method.as_bytes()).unwrap();
        *request.uri_mut() = uri;
        let headers = request.headers_mut();
        for line in &self.headers {
            let line = cast.put_into(&line.0);
            let Some(colon) = line.iter().position(|byte| *byte == b':') else {
                continue;
            };
            let value: Vec<u8> = line[colon + 1..]
                .iter()
                .copied()
                .filter(|byte| *byte >= 32 && *byte != 127)
                .collect();
            let name = HeaderName::from_bytes(&line[..colon]);
            if let (Ok(name), Ok(value)) = (name, HeaderValue::from_bytes(value.trim_ascii())) {
                headers.append(name, value);
            }
        }
        if self.is_json && !headers.contains_key(header::CONTENT_TYPE) {
            headers.insert(
                header::CONTENT_TYPE,
                HeaderValue::from_static("application/json"),
            );
        }
        if self.is_json && !headers.contains_key(header::USER_AGENT) {
            headers.insert(header::USER_AGENT, HeaderValue::from_static(FIREFOX));
        }
        request
    }
}

/// Sends it, and checks the answer, of whichever format it is.
async fn check(app: &TestApp, request: Request<Body>) -> TestCaseResult {
    let is_head = request.method() == Method::HEAD;
    let is_preflight = request.method() == Method::OPTIONS;
    let response = app.stream(request).await;
    let (parts, body) = response.into_parts();
    prop_assert!(!parts.status.is_server_error(), "{}", parts.status);
    if is_head || (is_preflight && parts.status == 200) || parts.status == 101 {
        return Ok(());
    }
    let format = parts
        .headers
        .get(header::CONTENT_TYPE)
        .map(|value| value.to_str().unwrap_or_default());
    let Some(format) = format else {
        return Err(TestCaseError::fail(format!(
            "no media type, {}",
            parts.status
        )));
    };
    prop_assert_eq!(&parts.headers[header::CACHE_CONTROL], "no-store");
    if format.starts_with("text/event-stream") || format.starts_with("multipart/mixed") {
        // Some have an end, others go on as long as their session: what comes at once is looked at.
        if let Ok(Ok(bytes)) = timeout(Duration::from_millis(20), to_bytes(body, usize::MAX)).await
        {
            let text = String::from_utf8_lossy(&bytes);
            prop_assert!(!text.contains("INTERNAL_SERVER_ERROR"), "{text}");
        }
        return Ok(());
    }
    let bytes = to_bytes(body, usize::MAX).await.unwrap();
    let answer: Value = serde_json::from_slice(&bytes)
        .map_err(|error| TestCaseError::fail(format!("{error}: {}", bytes.escape_ascii())))?;
    if parts.status.is_client_error() {
        let refused = answer["errors"].is_array() && answer.get("data").is_none();
        prop_assert!(refused || answer.is_array(), "{} {answer}", parts.status);
    }
    match answer.as_array() {
        Some(answers) => {
            prop_assert!(!answers.is_empty());
            answers.iter().try_for_each(check_response)
        }
        None => check_response(&answer),
    }
}

/// An application with everything switched on that reads what a request brings.
async fn app(database: &TestDatabase, forwarded_header: &str) -> TestApp {
    let flags = [
        ("trusted_proxies", "192.0.2.0/24"),
        ("forwarded_header", forwarded_header),
        ("allowed_origins", "https://shop.example"),
    ];
    TestApp::with(database, &flags, |_| {}).await
}

on_each_database! {
    async fn every_request_has_an_answer_that_blames_nobody_else(database: TestDatabase) {
        let forwarded_header = if database.is_postgres() { "forwarded" } else { "x-forwarded-for" };
        let app = app(&database, forwarded_header).await;
        let (cast, played) = (RefCell::new(Cast::of(&app).await), Cell::new(0));
        explore(2_500, &hostile_requests(), async |hostile| {
            played.set(played.get() + 1);
            if played.get() % SCENE == 0 {
                cast.replace(Cast::of(&app).await);
            }
            let request = hostile.request("/graphql", &cast.borrow());
            check(&app, request).await
        });
    }

    async fn no_page_fails_whatever_the_headers(database: TestDatabase) {
        let app = app(&database, "forwarded").await;
        let cast = Cast::of(&app).await;
        let strategy = (proptest::sample::select(&PAGES[..]), hostile_requests());
        explore(100, &strategy, async |(page, hostile)| {
            let response = app.stream(hostile.request(page, &cast)).await;
            prop_assert!(!response.status().is_server_error(), "{}", response.status());
            Ok(())
        });
    }

    async fn the_seeds_speak_of_every_operation_there_is(database: TestDatabase) {
        let app = TestApp::new(&database).await;
        let document = "{ __schema { queryType { fields { name } } mutationType { fields { name } } subscriptionType { fields { name } } } }";
        let answer = app.anonymous().query(document).await;
        let schema = answer.data("__schema");
        let seeds = String::from_utf8(corpus(SEEDS)).unwrap();
        let roots = ["queryType", "mutationType", "subscriptionType"];
        let fields: Vec<_> = roots.iter().flat_map(|root| schema[root]["fields"].as_array().unwrap()).collect();
        assert!(fields.len() > 12, "{fields:?}");
        for field in fields {
            let name = field["name"].as_str().unwrap();
            let spoken = seeds.split(|c: char| !c.is_alphanumeric() && c != '_').any(|word| word == name);
            assert!(spoken, "no seed asks for {name}");
        }
    }
}
