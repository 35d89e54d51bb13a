//! By identifier.

use sessiongraph::{
    account::{ChangePassword, NewAccount},
    error::Action,
};

use super::*;
use crate::support::{engine::told, on_each_database};

/// 100 failures at an identifier, none of them from a network that the tests use otherwise.
async fn fail_from_everywhere(engine: &Engine, identifier: &str) {
    fail(engine, "198.51.100.1", identifier, 10).await;
    for n in 0..90 {
        fail(engine, &format!("203.0.113.{n}"), identifier, 1).await;
    }
}

on_each_database! {
    async fn an_identifier_at_its_limit_is_closed_to_the_network_that_failed_right_password_or_not(database: TestDatabase) {
        let engine = Engine::new(&database).await;
        engine.sign_up("ada").await;
        fail(&engine, "192.0.2.1", "ada", 10).await;
        engine.statements.take();
        for password in [WRONG, PASSWORD, ""] {
            let error = sign_in(&engine, "192.0.2.1", "ada", password).await.unwrap_err();
            assert_eq!(told(&error), ("RATE_LIMITED", None, Some(Action::Retry)));
            assert_eq!(error.to_string(), "Too many attempts.");
        }
        // Nothing was verified: the account was not even read.
        let statements = engine.statements.take();
        assert!(statements.iter().all(|statement| statement.sql.contains("counters")), "{statements:?}");
        // Others are open to it.
        engine.sign_up("bob").await;
        assert_eq!(attempt(&engine, "192.0.2.1", "bob", PASSWORD).await, ok());
    }

    async fn from_a_network_that_has_not_failed_the_right_password_signs_in(database: TestDatabase) {
        let engine = Engine::new(&database).await;
        engine.sign_up("ada").await;
        fail(&engine, "198.51.100.1", "ada", 10).await;
        for _ in 0..15 {
            assert_eq!(attempt(&engine, "192.0.2.77", "ada", PASSWORD).await, ok());
        }
        // That erased nobody's failures.
        assert_eq!(attempt(&engine, "198.51.100.1", "ada", PASSWORD).await, limited(900));
    }

    async fn such_a_network_has_one_try(database: TestDatabase) {
        let engine = Engine::new(&database).await;
        engine.sign_up("ada").await;
        fail(&engine, "198.51.100.1", "ada", 10).await;
        fail(&engine, "192.0.2.77", "ada", 1).await;
        assert_eq!(attempt(&engine, "192.0.2.77", "ada", PASSWORD).await, limited(900));
        assert_eq!(attempt(&engine, "192.0.2.78", "ada", PASSWORD).await, ok());
    }

    async fn below_the_limit_whoever_failed_may_go_on(database: TestDatabase) {
        let engine = Engine::new(&database).await;
        engine.sign_up("ada").await;
        fail(&engine, "192.0.2.1", "ada", 9).await;
        assert_eq!(attempt(&engine, "192.0.2.1", "ada", PASSWORD).await, ok());
        fail(&engine, "192.0.2.1", "ada", 1).await;
        assert_eq!(attempt(&engine, "192.0.2.1", "ada", PASSWORD).await, limited(900));
    }

    async fn one_network_locks_nobody_out_however_often_it_tries(database: TestDatabase) {
        let engine = Engine::new(&database).await;
        engine.sign_up("ada").await;
        fail(&engine, "198.51.100.1", "ada", 10).await;
        for _ in 0..300 {
            assert_eq!(attempt(&engine, "198.51.100.1", "ada", WRONG).await, limited(900));
        }
        // What was refused changed nothing.
        assert_eq!((counts(&engine, GUESSED).await, counts(&engine, NETWORK).await), (vec![10], vec![10]));
        assert_eq!(attempt(&engine, "192.0.2.77", "ada", PASSWORD).await, ok());
        // Nor does it close the attacker's network to others.
        engine.sign_up("bob").await;
        assert_eq!(attempt(&engine, "198.51.100.1", "bob", PASSWORD).await, ok());
    }

    async fn many_networks_have_ten_times_the_limit_and_then_only_known_ones_get_through(database: TestDatabase) {
        let engine = Engine::new(&database).await;
        // Opened here, and refreshed elsewhere.
        let login = engine.sign_up("ada").await;
        engine.refresh_from(&from("192.0.2.88"), &login.tokens.refresh_token).await.unwrap();
        fail_from_everywhere(&engine, "ada").await;
        for fresh in ["192.0.2.77", "192.0.2.88", "198.51.100.1", "203.0.113.1"] {
            assert_eq!(attempt(&engine, fresh, "ada", PASSWORD).await, limited(900), "{fresh}");
        }
        for _ in 0..3 {
            assert_eq!(attempt(&engine, "192.0.2.1", "ada", PASSWORD).await, ok());
        }
        // It has one try, as any network that has not failed.
        fail(&engine, "192.0.2.1", "ada", 1).await;
        assert_eq!(attempt(&engine, "192.0.2.1", "ada", PASSWORD).await, limited(900));
        engine.advance(900);
        assert_eq!(attempt(&engine, "192.0.2.77", "ada", PASSWORD).await, ok());
    }

    async fn a_network_is_known_for_as_long_as_the_retention(database: TestDatabase) {
        let engine = engine_with(&database, |policy| policy.session_max_ttl = Duration::from_hours(24 * 365)).await;
        engine.sign_up("ada").await;
        engine.advance(30 * 24 * 3600);
        fail_from_everywhere(&engine, "ada").await;
        assert_eq!(attempt(&engine, "192.0.2.1", "ada", WRONG).await, failed());
        engine.advance(900);
        fail_from_everywhere(&engine, "ada").await;
        assert_eq!(attempt(&engine, "192.0.2.1", "ada", PASSWORD).await, limited(900));
    }

    async fn user_name_and_address_count_apart(database: TestDatabase) {
        let engine = Engine::new(&database).await;
        let ada = NewAccount {
            username: Some("ada".to_owned()),
            email: Some("ada@example.org".to_owned()),
            password: Some(Password::new(PASSWORD)),
            ..NewAccount::default()
        };
        engine.accounts.create(&request(), ada).await.unwrap();
        fail(&engine, "192.0.2.1", "ada", 10).await;
        fail(&engine, "192.0.2.1", "ada@example.org", 9).await;
        assert_eq!(attempt(&engine, "192.0.2.1", "ada", PASSWORD).await, limited(900));
        assert_eq!(attempt(&engine, "192.0.2.1", "ada@example.org", PASSWORD).await, ok());
    }

    async fn however_it_is_typed_it_is_one_identifier(database: TestDatabase) {
        let engine = Engine::new(&database).await;
        for typed in [["ada", " ADA "], ["ada@example.org", "Ada@Example.ORG"], ["no such thing", " No such THING"]] {
            for n in 0..10 {
                fail(&engine, "192.0.2.1", typed[n % 2], 1).await;
            }
            assert_eq!(attempt(&engine, "192.0.2.1", typed[0], WRONG).await, limited(900), "{typed:?}");
        }
    }

    async fn an_identifier_that_nobody_has_is_limited_just_like_one(database: TestDatabase) {
        let engine = Engine::new(&database).await;
        engine.sign_up("ada").await;
        let without_password = NewAccount { username: Some("bob".to_owned()), ..NewAccount::default() };
        engine.accounts.create(&request(), without_password).await.unwrap();
        let mut seen = Vec::new();
        for identifier in ["ada", "bob", "nobody", "nobody@example.org"] {
            engine.statements.take();
            let mut outcomes = Vec::new();
            for n in 0..12 {
                outcomes.push((attempt(&engine, "198.51.100.1", identifier, WRONG).await, engine.statements.take().len()));
                if n == 5 {
                    engine.advance(7);
                }
            }
            for n in 0..92 {
                let ip = format!("203.0.113.{n}");
                outcomes.push((attempt(&engine, &ip, identifier, WRONG).await, engine.statements.take().len()));
            }
            assert_eq!(outcomes[10..13], [(limited(893), 2), (limited(893), 2), (failed(), 2)]);
            assert_eq!(outcomes[102].0, limited(893));
            seen.push(outcomes);
            // The networks are as they were.
            engine.advance(900);
        }
        assert!(seen.iter().all(|outcomes| outcomes == &seen[0]), "{seen:?}");
    }

    async fn a_window_ends_with_its_time_and_says_what_is_left_of_it(database: TestDatabase) {
        let engine = Engine::new(&database).await;
        engine.sign_up("ada").await;
        fail(&engine, "192.0.2.1", "ada", 1).await;
        engine.advance(100);
        fail(&engine, "192.0.2.1", "ada", 9).await;
        // The window began with the first failure.
        assert_eq!(attempt(&engine, "192.0.2.1", "ada", PASSWORD).await, limited(800));
        engine.clock.advance(Duration::from_millis(100));
        assert_eq!(attempt(&engine, "192.0.2.1", "ada", PASSWORD).await, limited(800));
        engine.clock.advance(Duration::from_millis(900));
        assert_eq!(attempt(&engine, "192.0.2.1", "ada", PASSWORD).await, limited(799));
        engine.clock.advance(Duration::from_micros(798_999_999));
        assert_eq!(attempt(&engine, "192.0.2.1", "ada", PASSWORD).await, limited(1));
        engine.clock.advance(Duration::from_micros(1));
        assert_eq!(attempt(&engine, "192.0.2.1", "ada", PASSWORD).await, ok());
        // The next window is a whole one.
        fail(&engine, "192.0.2.1", "ada", 10).await;
        assert_eq!(attempt(&engine, "192.0.2.1", "ada", PASSWORD).await, limited(900));
    }

    async fn a_wrong_current_password_counts_by_the_accounts_id(database: TestDatabase) {
        let engine = Engine::new(&database).await;
        let login = engine.sign_up("ada").await;
        let other = engine.sign_up("bob").await;
        let change = async |login: &LoginResult, ip: Option<&str>, current: &str| {
            let mut request = engine.show(&login.tokens.access_token).await;
            request.ip = ip.map(|ip| ip.parse().unwrap());
            let change = ChangePassword {
                current: Password::new(current),
                new: Password::new(PASSWORD),
                invalidate_other_sessions: false,
            };
            outcome(engine.accounts.change_password(&request, change).await)
        };
        let (here, there) = (Some("192.0.2.1"), Some("198.51.100.1"));
        for _ in 0..12 {
            assert_eq!(change(&login, here, PASSWORD).await, ok());
        }
        for _ in 0..10 {
            assert_eq!(change(&login, here, WRONG).await, failed());
        }
        assert_eq!(change(&login, here, PASSWORD).await, limited(900));
        assert_eq!(change(&login, there, PASSWORD).await, ok());
        assert_eq!(change(&other, here, PASSWORD).await, ok());
        // Apart from the user name, but not from the network.
        assert_eq!(attempt(&engine, "192.0.2.1", "ada", PASSWORD).await, ok());
        assert_eq!(counts(&engine, NETWORK).await, [0, 10]);
        // Without an address there is the account's count alone.
        assert_eq!(change(&login, None, PASSWORD).await, limited(900));
        assert_eq!(change(&other, None, PASSWORD).await, ok());
        for _ in 0..10 {
            assert_eq!(change(&other, None, WRONG).await, failed());
        }
        assert_eq!(change(&other, None, PASSWORD).await, limited(900));
        assert_eq!(change(&other, there, PASSWORD).await, ok());
    }

    async fn it_can_be_switched_off(database: TestDatabase) {
        let engine = engine_with(&database, |policy| policy.sign_in_failures = None).await;
        engine.sign_up("ada").await;
        fail(&engine, "192.0.2.1", "ada", 120).await;
        assert_eq!(attempt(&engine, "192.0.2.1", "ada", PASSWORD).await, ok());
        assert!(counts(&engine, GUESSED).await.is_empty());
    }

    async fn the_limit_is_the_configured_one(database: TestDatabase) {
        let engine = engine_with(&database, |policy| policy.sign_in_failures = Some(rate(2, 60))).await;
        engine.sign_up("ada").await;
        fail(&engine, "198.51.100.1", "ada", 2).await;
        assert_eq!(attempt(&engine, "198.51.100.1", "ada", PASSWORD).await, limited(60));
        for n in 0..18 {
            fail(&engine, &format!("203.0.113.{n}"), "ada", 1).await;
        }
        assert_eq!(attempt(&engine, "192.0.2.77", "ada", PASSWORD).await, limited(60));
        assert_eq!(attempt(&engine, "192.0.2.1", "ada", PASSWORD).await, ok());
    }

    async fn replicas_count_together(database: TestDatabase) {
        let engine = Engine::new(&database).await;
        let replica = engine.replica(&database).await;
        engine.sign_up("ada").await;
        fail(&engine, "192.0.2.1", "ada", 5).await;
        fail(&replica, "192.0.2.1", "ada", 5).await;
        for replica in [&engine, &replica] {
            assert_eq!(attempt(replica, "192.0.2.1", "ada", PASSWORD).await, limited(900));
            assert_eq!(attempt(replica, "192.0.2.77", "ada", PASSWORD).await, ok());
        }
    }
}
