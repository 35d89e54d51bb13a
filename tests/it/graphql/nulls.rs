//! Nulls and paths where fields fail, as the GraphQL specification has them (section 6.4.4), in a small schema with our
//! error extension. What the specification says is computed by hand for each document.

#![expect(
    clippy::unused_async,
    reason = "the library calls every resolver asynchronously"
)]

use async_graphql::{EmptySubscription, Error, Object, Request, Schema};
use serde_json::{Value, json};
use sessiongraph::{error::ErrorKind, graphql::ErrorExtension};

struct Query;
struct Mutation;
#[derive(Clone, Copy)]
struct Node(i32);

fn forbidden<T>() -> Result<T, sessiongraph::error::Error> {
    Err(ErrorKind::Forbidden.into())
}

/// Fields named by their type: `n` for nullable, `l` for a list; those that fail begin with `bad`.
#[Object]
impl Node {
    async fn id(&self) -> i32 {
        self.0
    }

    /// `Int!`
    async fn bad(&self) -> Result<i32, sessiongraph::error::Error> {
        forbidden()
    }

    /// `Int`
    async fn bad_n(&self) -> Result<Option<i32>, sessiongraph::error::Error> {
        forbidden()
    }

    /// `Int!`, of odd nodes only.
    async fn odd(&self) -> Result<i32, sessiongraph::error::Error> {
        if self.0 % 2 == 1 {
            forbidden()
        } else {
            Ok(self.0)
        }
    }

    /// `Node!`
    async fn node(&self) -> Self {
        *self
    }

    /// `Node`
    async fn node_n(&self) -> Option<Self> {
        Some(*self)
    }

    /// `[Node!]!`
    async fn list(&self) -> Vec<Self> {
        vec![Self(0), Self(1), Self(2), Self(3)]
    }

    /// `[Node]!`
    async fn list_of_n(&self) -> Vec<Option<Self>> {
        vec![Some(Self(0)), Some(Self(1)), None, Some(Self(3))]
    }

    /// `[Node!]`
    async fn list_n(&self) -> Option<Vec<Self>> {
        Some(vec![Self(0), Self(1)])
    }

    /// `[Node]`
    async fn list_n_of_n(&self) -> Option<Vec<Option<Self>>> {
        Some(vec![Some(Self(0)), Some(Self(1))])
    }

    /// `[[Node!]]!`
    async fn lists(&self) -> Vec<Option<Vec<Self>>> {
        vec![
            Some(vec![Self(0), Self(2)]),
            Some(vec![Self(0), Self(1)]),
            None,
        ]
    }
}

#[Object]
impl Query {
    async fn node(&self) -> Node {
        Node(0)
    }

    async fn node_n(&self) -> Option<Node> {
        Some(Node(0))
    }

    async fn bad(&self) -> Result<Node, sessiongraph::error::Error> {
        forbidden()
    }

    async fn bad_n(&self) -> Result<Option<Node>, sessiongraph::error::Error> {
        forbidden()
    }

    async fn foreign_n(&self) -> Result<Option<i32>, Error> {
        Err("postgres://user:password@host".into())
    }

    async fn fine(&self, times: Option<i32>) -> i32 {
        times.unwrap_or(1)
    }
}

#[Object]
impl Mutation {
    async fn set_n(&self, to: i32) -> Result<Option<Node>, sessiongraph::error::Error> {
        if to % 2 == 1 {
            forbidden()
        } else {
            Ok(Some(Node(to)))
        }
    }

    async fn set(&self, to: i32) -> Result<Node, sessiongraph::error::Error> {
        if to % 2 == 1 {
            forbidden()
        } else {
            Ok(Node(to))
        }
    }
}

async fn run(document: impl Into<Request>) -> Value {
    let schema = Schema::build(Query, Mutation, EmptySubscription)
        .extension(ErrorExtension)
        .finish();
    serde_json::to_value(schema.execute(document.into()).await).unwrap()
}

/// The data, and the paths of the errors.
async fn assert_answer(document: &str, data: Value, paths: &[Value]) {
    let answer = run(document).await;
    assert_eq!(answer["data"], data, "{document}: {answer:#}");
    let errors = answer["errors"].as_array().cloned().unwrap_or_default();
    let mut found: Vec<_> = errors
        .iter()
        .map(|error| error["path"].to_string())
        .collect();
    let mut expected: Vec<_> = paths.iter().map(ToString::to_string).collect();
    found.sort();
    expected.sort();
    assert_eq!(found, expected, "{document}: {answer:#}");
    for error in errors {
        assert_eq!(
            error["extensions"],
            json!({ "code": "FORBIDDEN" }),
            "{document}"
        );
        assert!(error["locations"][0]["line"].is_number(), "{document}");
    }
}

#[tokio::test]
async fn a_nullable_field_that_fails_is_null_beside_its_error() {
    assert_answer(
        "{ badN { id } fine }",
        json!({ "badN": null, "fine": 1 }),
        &[json!(["badN"])],
    )
    .await;
    assert_answer(
        "{ node { id badN } }",
        json!({ "node": { "id": 0, "badN": null } }),
        &[json!(["node", "badN"])],
    )
    .await;
    let document = "{ x: node { y: badN z: badN id } }";
    assert_answer(
        document,
        json!({ "x": { "y": null, "z": null, "id": 0 } }),
        &[json!(["x", "y"]), json!(["x", "z"])],
    )
    .await;
}

#[tokio::test]
async fn a_non_null_field_that_fails_nulls_its_nearest_nullable_ancestor() {
    assert_answer("{ bad { id } fine }", json!(null), &[json!(["bad"])]).await;
    assert_answer(
        "{ node { bad } fine }",
        json!(null),
        &[json!(["node", "bad"])],
    )
    .await;
    assert_answer(
        "{ nodeN { bad id } fine }",
        json!({ "nodeN": null, "fine": 1 }),
        &[json!(["nodeN", "bad"])],
    )
    .await;
    let document = "{ node { id nodeN { id node { node { bad } } } } fine }";
    assert_answer(
        document,
        json!({ "node": { "id": 0, "nodeN": null }, "fine": 1 }),
        &[json!(["node", "nodeN", "node", "node", "bad"])],
    )
    .await;
    let document = "{ a: nodeN { b: nodeN { c: node { d: bad } } id } }";
    assert_answer(
        document,
        json!({ "a": { "b": null, "id": 0 } }),
        &[json!(["a", "b", "c", "d"])],
    )
    .await;
    // The same place under another name is another place.
    let document = "{ a: nodeN { bad } b: nodeN { id } }";
    assert_answer(
        document,
        json!({ "a": null, "b": { "id": 0 } }),
        &[json!(["a", "bad"])],
    )
    .await;
}

#[tokio::test]
async fn items_that_may_be_null_are_and_others_null_their_list() {
    let document = "{ node { listOfN { id odd } } }";
    let data = json!({ "node": { "listOfN": [{ "id": 0, "odd": 0 }, null, null, null] } });
    assert_answer(
        document,
        data,
        &[
            json!(["node", "listOfN", 1, "odd"]),
            json!(["node", "listOfN", 3, "odd"]),
        ],
    )
    .await;

    let document = "{ node { id listN { odd } } }";
    assert_answer(
        document,
        json!({ "node": { "id": 0, "listN": null } }),
        &[json!(["node", "listN", 1, "odd"])],
    )
    .await;

    let document = "{ node { listNOfN { odd } } }";
    assert_answer(
        document,
        json!({ "node": { "listNOfN": [{ "odd": 0 }, null] } }),
        &[json!(["node", "listNOfN", 1, "odd"])],
    )
    .await;

    let document = "{ nodeN { list { odd } } fine }";
    let paths = [
        json!(["nodeN", "list", 1, "odd"]),
        json!(["nodeN", "list", 3, "odd"]),
    ];
    assert_answer(document, json!({ "nodeN": null, "fine": 1 }), &paths).await;
    assert_answer(
        "{ node { list { odd } } }",
        json!(null),
        &[
            json!(["node", "list", 1, "odd"]),
            json!(["node", "list", 3, "odd"]),
        ],
    )
    .await;

    let document = "{ node { list { id nodeN { odd } } } }";
    let data = json!({ "node": { "list": [
        { "id": 0, "nodeN": { "odd": 0 } }, { "id": 1, "nodeN": null }, { "id": 2, "nodeN": { "odd": 2 } }, { "id": 3, "nodeN": null },
    ] } });
    assert_answer(
        document,
        data,
        &[
            json!(["node", "list", 1, "nodeN", "odd"]),
            json!(["node", "list", 3, "nodeN", "odd"]),
        ],
    )
    .await;
}

#[tokio::test]
async fn lists_of_lists_have_both_indexes_in_their_paths() {
    let data = json!({ "node": { "lists": [[{ "odd": 0 }, { "odd": 2 }], null, null] } });
    assert_answer(
        "{ node { lists { odd } } }",
        data,
        &[json!(["node", "lists", 1, 1, "odd"])],
    )
    .await;
    let data = json!({ "node": { "lists": [[{ "badN": null }, { "badN": null }], [{ "badN": null }, { "badN": null }], null] } });
    let paths = [[0, 0], [0, 1], [1, 0], [1, 1]]
        .map(|[one, two]| json!(["node", "lists", one, two, "badN"]));
    assert_answer("{ node { lists { badN } } }", data, &paths).await;
}

#[tokio::test]
async fn fragments_change_nothing() {
    let document = "query { ...Q ... on Query { b: nodeN { ...N } } } \
                    fragment Q on Query { a: node { nodeN { ...N id } ... { x: badN } } } fragment N on Node { ... on Node { bad } }";
    let data = json!({ "a": { "nodeN": null, "x": null }, "b": null });
    assert_answer(
        document,
        data,
        &[
            json!(["a", "nodeN", "bad"]),
            json!(["a", "x"]),
            json!(["b", "bad"]),
        ],
    )
    .await;
    let document = "{ node { listOfN { ...N } } } fragment N on Node { id odd }";
    let data = json!({ "node": { "listOfN": [{ "id": 0, "odd": 0 }, null, null, null] } });
    assert_answer(
        document,
        data,
        &[
            json!(["node", "listOfN", 1, "odd"]),
            json!(["node", "listOfN", 3, "odd"]),
        ],
    )
    .await;
}

#[tokio::test]
async fn the_fields_of_a_mutation_fail_by_themselves_where_they_may() {
    let document = "mutation { a: setN(to: 0) { id } b: setN(to: 1) { id } c: setN(to: 2) { bad } d: set(to: 4) { id } }";
    let data = json!({ "a": { "id": 0 }, "b": null, "c": null, "d": { "id": 4 } });
    assert_answer(document, data, &[json!(["b"]), json!(["c", "bad"])]).await;
    assert_answer(
        "mutation { a: setN(to: 0) { id } b: set(to: 1) { id } }",
        json!(null),
        &[json!(["b"])],
    )
    .await;
}

#[tokio::test]
async fn skipped_fields_do_not_fail() {
    assert_answer(
        "{ node @skip(if: true) { bad } fine }",
        json!({ "fine": 1 }),
        &[],
    )
    .await;
    assert_answer(
        "{ nodeN { bad @include(if: false) id } }",
        json!({ "nodeN": { "id": 0 } }),
        &[],
    )
    .await;
}

#[tokio::test]
async fn an_error_of_somebody_elses_shows_nothing() {
    let answer = run("{ foreignN fine }").await;
    assert_eq!(answer["data"], json!({ "foreignN": null, "fine": 1 }));
    assert_eq!(answer["errors"][0]["message"], "Internal server error.");
    assert_eq!(
        answer["errors"][0]["extensions"]["code"],
        "INTERNAL_SERVER_ERROR"
    );
    assert!(!answer.to_string().contains("password"));
}

#[tokio::test]
async fn failures_of_one_request_are_not_those_of_the_next() {
    let schema = Schema::build(Query, Mutation, EmptySubscription)
        .extension(ErrorExtension)
        .finish();
    for _ in 0..3 {
        let failed = schema.execute("{ nodeN { bad } }").await;
        assert_eq!(failed.errors.len(), 1);
        let fine = serde_json::to_value(schema.execute("{ nodeN { id } }").await).unwrap();
        assert_eq!(fine["data"], json!({ "nodeN": { "id": 0 } }));
        assert_eq!(fine.get("errors"), None);
    }
}
