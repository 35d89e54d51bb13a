//! What of it is in the database, and for how long.

use std::sync::Arc;

use sea_orm::ConnectionTrait;
use secrecy::SecretString;
use sessiongraph::{clock::Clock, keys::Keyring, random::SystemRandom};

use super::*;
use crate::support::{database::scalar, engine::keyring_options, on_each_database};

on_each_database! {
    async fn no_identifier_and_no_address_is_in_a_counter(database: TestDatabase) {
        let engine = Engine::new(&database).await;
        let identifier = "somebody.in.particular@example.org";
        fail(&engine, "198.51.100.1", identifier, 2).await;
        let rows = counter::Entity::find().all(&engine.db).await.unwrap();
        assert_eq!(rows.len(), 3);
        for row in &rows {
            assert_eq!((row.key.len(), row.count), (33, 2));
        }
        // The same under another key is another row: whoever reads the database cannot try identifiers out.
        let options = keyring_options("another master secret for tests, long enough", &Policy::default());
        let other = TestDatabase::sqlite().await;
        let other = Engine::with_keys(&other, engine.clock.clone(), Policy::default(), options).await;
        fail(&other, "198.51.100.1", identifier, 1).await;
        for row in counter::Entity::find().all(&other.db).await.unwrap() {
            assert!(rows.iter().all(|known| known.key != row.key));
        }
    }

    async fn a_new_master_secret_forgets_no_failure(database: TestDatabase) {
        let engine = Engine::new(&database).await;
        engine.sign_up("ada").await;
        fail(&engine, "198.51.100.1", "ada", 10).await;
        let new = "a new master secret for tests, long enough";
        let mut options = keyring_options(new, &Policy::default());
        options.secret_previous = vec![SecretString::from(crate::support::engine::SECRET)];
        let clock: Arc<dyn Clock> = Arc::new(engine.clock.clone());
        let keyring = Keyring::open(engine.db.clone(), options, clock, Arc::new(SystemRandom)).await.unwrap();
        keyring.rotate_secret(true).await.unwrap();
        let options = keyring_options(new, &Policy::default());
        let restarted = Engine::with_keys(&database, engine.clock.clone(), Policy::default(), options).await;
        assert_eq!(attempt(&restarted, "198.51.100.1", "ada", PASSWORD).await, limited(900));
    }

    async fn a_counter_goes_with_its_window(database: TestDatabase) {
        let engine = Engine::new(&database).await;
        let retention = Duration::from_hours(1);
        fail(&engine, "198.51.100.1", "ada", 1).await;
        engine.advance(1);
        fail(&engine, "198.51.100.1", "bob", 1).await;
        engine.advance(898);
        engine.sessions.prune(retention).await.unwrap();
        assert_eq!(counts(&engine, GUESSED).await, [1, 1]);
        engine.advance(1);
        engine.sessions.prune(retention).await.unwrap();
        assert_eq!((counts(&engine, GUESSED).await, counts(&engine, NETWORK).await), (vec![1], vec![]));
        engine.advance(1);
        engine.sessions.prune(retention).await.unwrap();
        assert_eq!(scalar(&engine.db, "SELECT COUNT(*) FROM counters").await, 0);
    }

    async fn more_counters_than_a_batch_go_at_once(database: TestDatabase) {
        let engine = Engine::new(&database).await;
        fail(&engine, "198.51.100.1", "ada", 1).await;
        let copies = if database.is_postgres() {
            "INSERT INTO counters SELECT decode(lpad(to_hex(n), 8, '0'), 'hex'), 1, ends_at \
             FROM counters CROSS JOIN generate_series(1, 2500) n ON CONFLICT DO NOTHING"
        } else {
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2500) \
             INSERT INTO counters SELECT CAST(printf('%08x', i) AS BLOB), 1, ends_at FROM counters CROSS JOIN n WHERE TRUE \
             ON CONFLICT DO NOTHING"
        };
        engine.db.execute_unprepared(copies).await.unwrap();
        assert_eq!(scalar(&engine.db, "SELECT COUNT(*) FROM counters").await, 2_503);
        engine.advance(900);
        engine.sessions.prune(Duration::from_hours(1)).await.unwrap();
        assert_eq!(scalar(&engine.db, "SELECT COUNT(*) FROM counters").await, 0);
    }

    async fn pruning_while_attempts_are_made_disturbs_neither(database: TestDatabase) {
        let engine = engine_with(&database, |policy| policy.sign_in_failures = Some(rate(1_000, 1))).await;
        for _ in 0..10 {
            let attempts: Vec<_> = (0..20)
                .map(|n| {
                    let engine = engine.clone();
                    tokio::spawn(async move { attempt(&engine, "198.51.100.1", &format!("nobody_{n}"), WRONG).await })
                })
                .collect();
            engine.sessions.prune(Duration::from_hours(1)).await.unwrap();
            for attempt in attempts {
                assert_eq!(attempt.await.unwrap(), failed());
            }
            engine.advance(1);
        }
    }
}
