//! Pages: Relay's Cursor Connections Specification, newest first.

use std::time::Duration;

use proptest::{
    prelude::{ProptestConfig, Strategy},
    strategy::ValueTree,
    test_runner::TestRunner,
};
use sea_orm::EntityTrait;
use serde_json::{Value, json};
use sessiongraph::{entity::session, scope::Scope};
use uuid::Uuid;

use crate::support::{
    app::{Client, TestApp},
    on_each_database,
};

const FIELDS: &str = "edges { cursor node { id createdAt } } nodes { id createdAt } pageInfo { hasNextPage hasPreviousPage startCursor endCursor } totalCount";

/// The two connections of the contract.
#[derive(Debug, Clone, Copy)]
enum List {
    Accounts,
    Sessions,
}

impl List {
    async fn page(self, client: &Client, arguments: &str) -> Page {
        let arguments = if arguments.is_empty() {
            String::new()
        } else {
            format!("({arguments})")
        };
        let (document, name) = match self {
            Self::Accounts => (
                format!("{{ accounts{arguments} {{ {FIELDS} }} }}"),
                "accounts",
            ),
            Self::Sessions => (
                format!("{{ viewer {{ sessions{arguments} {{ {FIELDS} }} }} }}"),
                "viewer",
            ),
        };
        let answer = client.query(&document).await;
        let data = answer.data(name);
        let page = Page(if name == "viewer" {
            data["sessions"].clone()
        } else {
            data.clone()
        });
        page.check();
        page
    }
}

struct Page(Value);

impl Page {
    /// What is so on every page.
    fn check(&self) {
        let edges = self.0["edges"].as_array().unwrap();
        let nodes: Vec<_> = edges.iter().map(|edge| edge["node"].clone()).collect();
        assert_eq!(self.0["nodes"], json!(nodes));
        let created: Vec<chrono::DateTime<chrono::Utc>> = nodes
            .iter()
            .map(|node| node["createdAt"].as_str().unwrap().parse().unwrap())
            .collect();
        assert!(
            created.is_sorted_by(|newer, older| newer >= older),
            "{created:?}"
        );
        let cursor = |edge: Option<&Value>| edge.map_or(Value::Null, |edge| edge["cursor"].clone());
        assert_eq!(self.0["pageInfo"]["startCursor"], cursor(edges.first()));
        assert_eq!(self.0["pageInfo"]["endCursor"], cursor(edges.last()));
    }

    fn ids(&self) -> Vec<String> {
        let nodes = self.0["nodes"].as_array().unwrap().iter();
        nodes
            .map(|node| node["id"].as_str().unwrap().to_owned())
            .collect()
    }

    fn more(&self) -> (bool, bool) {
        let info = &self.0["pageInfo"];
        (
            info["hasPreviousPage"].as_bool().unwrap(),
            info["hasNextPage"].as_bool().unwrap(),
        )
    }

    fn start(&self) -> &str {
        self.0["pageInfo"]["startCursor"].as_str().unwrap()
    }

    fn end(&self) -> &str {
        self.0["pageInfo"]["endCursor"].as_str().unwrap()
    }

    fn total(&self) -> i64 {
        self.0["totalCount"].as_i64().unwrap()
    }
}

/// An account with sessions (newest first), and other accounts; and who may list which.
async fn filled(
    database: &crate::support::database::TestDatabase,
    count: usize,
) -> (TestApp, [(List, Client, Vec<String>); 2]) {
    let app = TestApp::with(database, &[], |policy| {
        policy.max_sessions_per_account = 1_000;
    })
    .await;
    let first = app.engine.sign_up("user_0").await;
    let (mut sessions, mut accounts) = (
        vec![first.session.id.to_string()],
        vec![first.account.id.to_string()],
    );
    for n in 1..count {
        // Some at the same instant, in whatever order.
        app.engine
            .clock
            .advance(Duration::from_micros(u64::from(n % 3 == 0)));
        sessions.push(app.engine.sign_in("user_0").await.session.id.to_string());
        accounts.push(
            app.engine
                .sign_up(&format!("user_{n}"))
                .await
                .account
                .id
                .to_string(),
        );
    }
    // The lister's own session is the newest.
    app.engine.advance(1);
    let login = app
        .anonymous()
        .sign_in("user_0")
        .await
        .data("signIn")
        .clone();
    sessions.push(login["session"]["id"].as_str().unwrap().to_owned());
    for ids in [&mut sessions, &mut accounts] {
        ids.sort_unstable_by(|one, other| other.cmp(one));
    }
    let service = app.service(&[Scope::AccountsRead]).await;
    let lists = [
        (List::Accounts, service, accounts),
        (List::Sessions, app.signed_in(&login), sessions),
    ];
    (app, lists)
}

on_each_database! {
    async fn a_page_has_twenty_of_the_newest_and_tells_whether_there_are_more(database: TestDatabase) {
        let (_, lists) = filled(&database, 25).await;
        for (list, client, all) in lists {
            let page = list.page(&client, "").await;
            assert_eq!(page.ids(), all[..20], "{list:?}");
            assert_eq!(page.more(), (false, true));
            assert_eq!(usize::try_from(page.total()).unwrap(), all.len());
            let rest = list.page(&client, &format!("after: \"{}\"", page.end())).await;
            assert_eq!(rest.ids(), all[20..]);
            assert_eq!(rest.more(), (true, false));
            assert_eq!(rest.total(), page.total());
        }
    }

    async fn pages_can_be_turned_in_both_directions(database: TestDatabase) {
        let (_, lists) = filled(&database, 8).await;
        for (list, client, all) in lists {
            let (length, count) = (all.len(), i64::try_from(all.len()).unwrap());
            let last = list.page(&client, "last: 3").await;
            assert_eq!(last.ids(), all[length - 3..]);
            assert_eq!(last.more(), (true, false));
            let before = list.page(&client, &format!("last: 2, before: \"{}\"", last.start())).await;
            assert_eq!(before.ids(), all[length - 5..length - 3]);
            assert_eq!(before.more(), (true, true));
            let first = list.page(&client, &format!("last: 100, before: \"{}\"", before.start())).await;
            assert_eq!(first.ids(), all[..length - 5]);
            assert_eq!(first.more(), (false, true));
            // Between two cursors.
            let (after, before) = (list.page(&client, "first: 1").await, list.page(&client, "last: 1").await);
            let middle = list.page(&client, &format!("first: 100, after: \"{}\", before: \"{}\"", after.end(), before.start())).await;
            assert_eq!(middle.ids(), all[1..length - 1]);
            assert_eq!(middle.total(), count);
            // Exactly all, and none.
            let exactly = list.page(&client, &format!("first: {length}")).await;
            assert_eq!((exactly.ids(), exactly.more()), (all.clone(), (false, false)));
            let none = list.page(&client, "first: 0").await;
            assert_eq!((none.ids().len(), none.total(), none.more().1), (0, count, true));
            let beyond = list.page(&client, &format!("after: \"{}\"", before.end())).await;
            assert_eq!((beyond.ids().len(), beyond.more().1), (0, false));
            // Of a hundred at most.
            assert_eq!(list.page(&client, "first: 100").await.ids(), all);
        }
    }

    async fn sessions_can_be_asked_for_by_status(database: TestDatabase) {
        let app = TestApp::new(&database).await;
        let expired = app.engine.sign_up("ada").await;
        app.engine.advance(3 * 24 * 60 * 60);
        let ended = app.engine.sign_in("ada").await;
        app.signed_in(&json!({ "tokens": { "accessToken": secrecy::ExposeSecret::expose_secret(&ended.tokens.access_token) } }))
            .query("mutation { logout }").await.data("logout");
        app.engine.advance(5 * 24 * 60 * 60);
        let active = app.anonymous().sign_in("ada").await.data("signIn").clone();
        let client = app.signed_in(&active);
        for (status, id) in [
            ("ACTIVE", active["session"]["id"].as_str().unwrap().to_owned()),
            ("EXPIRED", expired.session.id.to_string()),
            ("INVALIDATED", ended.session.id.to_string()),
        ] {
            let page = List::Sessions.page(&client, &format!("status: {status}")).await;
            assert_eq!((page.ids(), page.total()), (vec![id], 1), "{status}");
        }
        // An ended session stays ended when its time is over as well.
        app.engine.advance(4 * 24 * 60 * 60);
        let client = app.signed_in(&app.anonymous().sign_in("ada").await.data("signIn").clone());
        assert_eq!(List::Sessions.page(&client, "status: INVALIDATED").await.total(), 1);
        assert_eq!(List::Sessions.page(&client, "").await.total(), 4);
    }

    async fn pages_of_any_length_have_every_row_once_and_in_order(database: TestDatabase) {
        let (_, lists) = filled(&database, 14).await;
        let mut runner = TestRunner::new(ProptestConfig::default());
        let lengths = proptest::collection::vec(1..8_usize, 16);
        for _ in 0..12 {
            let lengths = (&lengths).prop_map(|lengths| lengths).new_tree(&mut runner).unwrap().current();
            for (list, client, all) in &lists {
                for forward in [true, false] {
                    let (mut seen, mut cursor) = (Vec::new(), None::<String>);
                    for length in lengths.iter().cycle() {
                        let from = cursor.as_ref().map_or_else(String::new, |cursor| {
                            format!(", {}: \"{cursor}\"", if forward { "after" } else { "before" })
                        });
                        let page = list.page(client, &format!("{}: {length}{from}", if forward { "first" } else { "last" })).await;
                        let (previous, next) = page.more();
                        let more = if forward { next } else { previous };
                        assert!(page.ids().len() == *length || !more, "{lengths:?}");
                        if forward {
                            seen.extend(page.ids());
                            cursor = Some(page.end().to_owned());
                        } else {
                            seen.splice(0..0, page.ids());
                            cursor = Some(page.start().to_owned());
                        }
                        if !more {
                            break;
                        }
                    }
                    assert_eq!(&seen, all, "{list:?} {lengths:?} forward: {forward}");
                }
            }
        }
    }

    async fn a_row_that_comes_or_goes_meanwhile_disturbs_no_cursor(database: TestDatabase) {
        let (app, lists) = filled(&database, 6).await;
        let [_, (list, client, all)] = lists;
        let first = list.page(&client, "first: 3").await;
        app.engine.advance(1);
        app.engine.sign_in("user_0").await;
        session::Entity::delete_by_id(all[2].parse::<Uuid>().unwrap()).exec(&app.engine.db).await.unwrap();
        let second = list.page(&client, &format!("first: 100, after: \"{}\"", first.end())).await;
        assert_eq!(second.ids(), all[3..]);
    }
}
