//! What virtual users ask for.

use hyper::body::Bytes;
use serde_json::{Value, json};

use crate::load::User;

pub(crate) fn body(query: &str, variables: &Value) -> Bytes {
    json!({ "query": query, "variables": variables })
        .to_string()
        .into()
}

/// The same request each time, with an answer that has the right value at a place.
#[derive(Clone, Default)]
pub(crate) struct Repeat {
    pub(crate) body: Bytes,
    pub(crate) token: Option<String>,
    pub(crate) place: &'static str,
    /// `None`: any value but null.
    pub(crate) expected: Option<Value>,
}

impl User for Repeat {
    fn request(&mut self) -> (Bytes, Option<&str>) {
        (self.body.clone(), self.token.as_deref())
    }

    fn answered(&mut self, answer: &Value) -> bool {
        let value = answer.pointer(self.place).unwrap_or(&Value::Null);
        match &self.expected {
            Some(expected) => value == expected,
            None => !value.is_null(),
        }
    }
}

/// Whoever has no token.
pub(crate) fn anonymous() -> Repeat {
    Repeat {
        body: body("{ __typename }", &json!({})),
        token: None,
        place: "/data/__typename",
        expected: Some("Query".into()),
    }
}

/// One session's chain of refresh tokens.
#[derive(Clone)]
pub(crate) struct Refresh {
    pub(crate) token: String,
}

const REFRESH: &str = "mutation($token: String!) { refreshTokens(input: {refreshToken: $token}) { refreshOutcome tokens { accessToken refreshToken } } }";

impl User for Refresh {
    fn request(&mut self) -> (Bytes, Option<&str>) {
        (body(REFRESH, &json!({ "token": self.token })), None)
    }

    fn answered(&mut self, answer: &Value) -> bool {
        let result = &answer["data"]["refreshTokens"];
        let Some(token) = result["tokens"]["refreshToken"].as_str() else {
            return false;
        };
        self.token = token.to_owned();
        result["refreshOutcome"] == "ROTATED" && result["tokens"]["accessToken"].is_string()
    }
}

pub(crate) fn selects(connections: usize) -> Vec<Repeat> {
    on_rows(connections, "query($id: Int!) { row(id: $id) }", |id| {
        Repeat {
            place: "/data/row",
            expected: Some(id.into()),
            ..Repeat::default()
        }
    })
}

pub(crate) fn updates(connections: usize) -> Vec<Repeat> {
    on_rows(
        connections,
        "mutation($id: Int!) { touch(id: $id) }",
        |_| Repeat {
            place: "/data/touch",
            ..Repeat::default()
        },
    )
}

/// Each user has a row of its own.
fn on_rows(connections: usize, document: &str, user: impl Fn(usize) -> Repeat) -> Vec<Repeat> {
    let with_body = |id| Repeat {
        body: body(document, &json!({ "id": id })),
        ..user(id)
    };
    (1..=connections).map(with_body).collect()
}

/// Of accounts that do nothing else: each sign-in over their limit ends a session of theirs.
pub(crate) fn sign_ins(accounts: std::ops::Range<usize>) -> Vec<Repeat> {
    let document = "mutation($name: String!) { signIn(input: {identifier: $name, password: \"correct horse\"}) { session { id } } }";
    let user = |n: usize| Repeat {
        body: body(document, &json!({ "name": format!("user{n}") })),
        place: "/data/signIn/session/id",
        ..Repeat::default()
    };
    accounts.map(user).collect()
}

pub(crate) fn verifications(connections: usize) -> Vec<Repeat> {
    let user = Repeat {
        body: body(
            "mutation { verify(password: \"correct horse\") }",
            &json!({}),
        ),
        place: "/data/verify",
        expected: Some(true.into()),
        ..Repeat::default()
    };
    vec![user; connections]
}
