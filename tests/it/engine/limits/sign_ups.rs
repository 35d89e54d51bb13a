//! Signing up.

use sessiongraph::account::SignUp;

use super::*;
use crate::support::on_each_database;

async fn sign_up(engine: &Engine, ip: &str, username: &str, password: &str) -> Outcome {
    let input = SignUp {
        username: Some(username.to_owned()),
        email: None,
        password: Password::new(password),
        transport: TokenTransport::Body,
    };
    outcome(engine.accounts.sign_up(&from(ip), input).await)
}

fn code(code: &str) -> Outcome {
    (code.to_owned(), None)
}

on_each_database! {
    async fn sign_ups_are_counted_by_network_on_all_replicas_together(database: TestDatabase) {
        let engine = engine_with(&database, |policy| policy.sign_up_limit = Some(rate(3, 3600))).await;
        let replica = engine.replica(&database).await;
        assert_eq!(sign_up(&engine, "192.0.2.1", "user_1", PASSWORD).await, ok());
        engine.advance(600);
        assert_eq!(sign_up(&replica, "192.0.2.1", "user_2", PASSWORD).await, ok());
        // That a name is taken is worth as much to who asks for names.
        assert_eq!(sign_up(&engine, "192.0.2.1", "user_1", PASSWORD).await, code("USERNAME_TAKEN"));
        for replica in [&engine, &replica] {
            engine.statements.take();
            assert_eq!(sign_up(replica, "192.0.2.1", "user_3", PASSWORD).await, limited(3000));
            assert_eq!(sign_up(replica, "192.0.2.1", "user_1", PASSWORD).await, limited(3000));
        }
        assert_eq!(sign_up(&engine, "192.0.2.2", "user_3", PASSWORD).await, ok());
        // Signing in has its own count.
        assert_eq!(attempt(&engine, "192.0.2.1", "user_1", PASSWORD).await, ok());
        engine.advance(3000);
        assert_eq!(sign_up(&engine, "192.0.2.1", "user_4", PASSWORD).await, ok());
    }

    async fn what_can_be_refused_without_asking_anybody_is_not_counted(database: TestDatabase) {
        let engine = engine_with(&database, |policy| policy.sign_up_limit = Some(rate(1, 60))).await;
        engine.statements.take();
        for (username, password) in [("a", PASSWORD), ("admin", PASSWORD), ("ada", "short")] {
            assert_eq!(sign_up(&engine, "192.0.2.1", username, password).await, code("BAD_USER_INPUT"));
        }
        assert_eq!(engine.statements.take(), []);
        assert_eq!(sign_up(&engine, "192.0.2.1", "ada", PASSWORD).await, ok());
        assert_eq!(sign_up(&engine, "192.0.2.1", "bob", PASSWORD).await, limited(60));
        assert_eq!(sign_up(&engine, "192.0.2.1", "bob", "short").await, code("BAD_USER_INPUT"));
    }

    async fn a_64_is_one_network_and_a_48_has_ten_times_its_limit(database: TestDatabase) {
        let engine = engine_with(&database, |policy| policy.sign_up_limit = Some(rate(1, 60))).await;
        for n in 0..10 {
            assert_eq!(sign_up(&engine, &format!("2001:db8:1:{n}::1"), &format!("user_{n}"), PASSWORD).await, ok());
            assert_eq!(sign_up(&engine, &format!("2001:db8:1:{n}::2"), "other", PASSWORD).await, limited(60));
        }
        assert_eq!(sign_up(&engine, "2001:db8:1:a::1", "other", PASSWORD).await, limited(60));
        assert_eq!(sign_up(&engine, "2001:db8:2::1", "other", PASSWORD).await, ok());
    }

    async fn it_can_be_switched_off_and_a_backend_is_not_limited(database: TestDatabase) {
        let engine = engine_with(&database, |policy| policy.sign_up_limit = None).await;
        for n in 0..5 {
            assert_eq!(sign_up(&engine, "192.0.2.1", &format!("user_{n}"), PASSWORD).await, ok());
        }
        assert_eq!(charged(&engine).await, 0);
        let engine = engine_with(&database, |policy| policy.sign_up_limit = Some(rate(1, 60))).await;
        for n in 5..10 {
            let new = sessiongraph::account::NewAccount {
                username: Some(format!("user_{n}")),
                password: Some(Password::new(PASSWORD)),
                ..Default::default()
            };
            engine.accounts.create(&from("192.0.2.1"), new).await.unwrap();
        }
    }

    async fn of_many_at_once_no_more_pass_than_one_by_one(database: TestDatabase) {
        let engine = engine_with(&database, |policy| policy.sign_up_limit = Some(rate(5, 60))).await;
        let replica = engine.replica(&database).await;
        let sign_ups: Vec<_> = (0..40)
            .map(|n| {
                let replica = if n % 2 == 0 { engine.clone() } else { replica.clone() };
                tokio::spawn(async move { sign_up(&replica, "192.0.2.1", &format!("user_{n}"), PASSWORD).await })
            })
            .collect();
        let mut passed = 0;
        for sign_up in sign_ups {
            let outcome = sign_up.await.unwrap();
            assert!([ok(), limited(60)].contains(&outcome), "{outcome:?}");
            passed += usize::from(outcome == ok());
        }
        assert_eq!(passed, 5);
    }
}
