//! `events`: the log of sessions, as JSON lines.

use serde_json::{Value, json};
use sessiongraph::{
    clock::{Clock, SystemClock},
    session::{InvalidateSessions, Policy},
};

use super::support::Folder;
use crate::support::{
    database::scalar,
    engine::{Engine, FIREFOX, SECRET, request},
    on_each_database,
};

fn lines(text: &str) -> Vec<Value> {
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

on_each_database! {
    async fn what_happened_is_printed_oldest_first_though_the_session_is_gone(database: TestDatabase) {
        let clock = sessiongraph::clock::ManualClock::at(SystemClock.now());
        let engine = Engine::with(&database, clock, |_| {}).await;
        let (ada, second) = (engine.sign_up("ada").await, engine.sign_in("ada").await);
        engine.advance(1);
        let bob = engine.sign_up("bob").await;
        engine.advance(1);
        let mine = engine.show(&second.tokens.access_token).await;
        let caller = engine.caller(&second).await;
        engine.sessions.invalidate_sessions(&mine, &caller, None, InvalidateSessions::Others).await.unwrap();
        engine.sql("DELETE FROM sessions WHERE account_id = (SELECT account_id FROM session_records WHERE kind = 'INVALIDATED') AND invalidated_at IS NOT NULL").await;
        assert_eq!(scalar(&engine.db, "SELECT COUNT(*) FROM sessions").await, 2);

        let folder = Folder::new();
        let run = |arguments: &[&str]| {
            let command = ["events", "--database-url", &database.url, "--secret", SECRET];
            lines(&folder.ok(&[&command[..], arguments].concat()))
        };
        let all = run(&[]);
        assert_eq!(all.len(), 4, "{all:#?}");
        let at: Vec<&str> = all.iter().map(|line| line["at"].as_str().unwrap()).collect();
        assert!(at.is_sorted(), "{at:?}");
        let id = ada.session.id.to_string();
        let of_session = run(&["--session", &id]);
        assert_eq!(of_session, [
            json!({ "at": of_session[0]["at"], "kind": "CREATED", "session": id, "account": ada.account.id, "ip": "192.0.2.1", "userAgent": FIREFOX }),
            json!({ "at": at[3], "kind": "INVALIDATED", "reason": "REQUESTED", "session": id, "account": ada.account.id,
                    "ip": "192.0.2.1", "userAgent": FIREFOX, "bySession": second.session.id }),
        ]);
        let account = bob.account.id.to_string();
        for named in ["bob", "BOB", &account] {
            let of_bob = run(&["--account", named]);
            assert_eq!((of_bob.len(), &of_bob[0]["session"]), (1, &json!(bob.session.id)), "{named}");
        }
        assert_eq!(run(&["--account", "ada", "--since", at[3]]).len(), 1);
        assert_eq!(run(&["--since", "7d"]).len(), 4);
        assert!(run(&["--since", "2999-01-01T00:00:00Z"]).is_empty());
        assert!(run(&["--account", "bob", "--session", &id]).is_empty());
        for (arguments, said) in [
            (["--account", "nobody"], "no account is called"),
            (["--since", "yesterday"], "must be an instant"),
            (["--since", "200000d"], "must be an instant"),
            (["--session", "x"], "invalid"),
        ] {
            let command = ["events", "--database-url", &database.url, "--secret", SECRET];
            let errors = folder.fails(&[&command[..], &arguments].concat());
            assert!(errors.contains(said), "{errors}");
        }
    }

    async fn more_than_a_page_is_printed_once_each_and_pruned_by_command(database: TestDatabase) {
        let limit = |policy: &mut Policy| policy.max_sessions_per_account = 10_000;
        let clock = sessiongraph::clock::ManualClock::at(SystemClock.now());
        let engine = Engine::with(&database, clock, limit).await;
        let ada = engine.sign_up("ada").await;
        engine.copy_sessions(2_500).await;
        let mut mine = request();
        mine.bearer = Some(ada.tokens.access_token.clone());
        let mine = engine.sessions.handle_request(mine).await.unwrap();
        engine.sessions.invalidate_sessions(&mine, &engine.caller(&ada).await, None, InvalidateSessions::All).await.unwrap();

        let folder = Folder::new();
        let with = |arguments: &[&str]| {
            let database = ["--database-url", &database.url, "--secret", SECRET];
            folder.run(&[arguments, &database].concat())
        };
        // More than a pipe holds.
        let printed = || {
            let file = folder.path().join("events.jsonl");
            let out = std::fs::File::create(&file).unwrap();
            let command = ["events", "--database-url", &database.url, "--secret", SECRET];
            let status = folder.command(&command).stdout(out).status().unwrap();
            assert!(status.success());
            lines(&std::fs::read_to_string(file).unwrap())
        };
        let all = printed();
        let ended = all.iter().filter(|line| line["kind"] == "INVALIDATED").map(|line| line["session"].as_str().unwrap());
        let distinct: std::collections::HashSet<_> = ended.collect();
        assert_eq!((all.len(), distinct.len()), (2_502, 2_501));

        // What is kept for sessions says nothing of what is kept for records, nor the reverse.
        let pruned = with(&["prune", "--retention", "0s"]);
        assert_eq!((pruned.stdout.as_str(), pruned.stderr.as_str()), ("2501\n", "0 records\n"));
        assert_eq!(printed().len(), 2_502);
        let pruned = with(&["prune", "--audit-retention", "0s"]);
        assert_eq!((pruned.stdout.as_str(), pruned.stderr.as_str()), ("0\n", "2502 records\n"));
        assert!(printed().is_empty());
    }
}
