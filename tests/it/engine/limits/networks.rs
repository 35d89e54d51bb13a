//! By client network.

use super::*;
use crate::support::on_each_database;

/// Fails at so many identifiers that nobody has.
async fn fail_at_many(engine: &Engine, ip: &str, identifiers: usize) {
    for n in 0..identifiers {
        fail(engine, ip, &format!("nobody_{n}"), 1).await;
    }
}

on_each_database! {
    async fn a_network_has_ten_times_an_identifiers_limit(database: TestDatabase) {
        let engine = Engine::new(&database).await;
        engine.sign_up("ada").await;
        fail_at_many(&engine, "198.51.100.1", 100).await;
        for identifier in ["ada", "nobody_1", "somebody_else"] {
            assert_eq!(attempt(&engine, "198.51.100.1", identifier, PASSWORD).await, limited(900));
        }
        // Its neighbour is another one, and its own address in IPv6 is not.
        assert_eq!(attempt(&engine, "198.51.100.2", "ada", PASSWORD).await, ok());
        assert_eq!(attempt(&engine, "::ffff:198.51.100.1", "ada", PASSWORD).await, limited(900));
        engine.advance(900);
        assert_eq!(attempt(&engine, "198.51.100.1", "ada", PASSWORD).await, ok());
    }

    async fn the_addresses_of_a_64_are_one_network(database: TestDatabase) {
        let engine = Engine::new(&database).await;
        engine.sign_up("ada").await;
        for n in 0..10 {
            fail(&engine, &format!("2001:db8:1:1::{n}"), "ada", 1).await;
        }
        assert_eq!(attempt(&engine, "2001:db8:1:1:ffff::1", "ada", PASSWORD).await, limited(900));
        assert_eq!(attempt(&engine, "2001:db8:1:2::1", "ada", PASSWORD).await, ok());
        for n in 0..90 {
            fail(&engine, &format!("2001:db8:1:1:{n}::1"), &format!("nobody_{n}"), 1).await;
        }
        assert_eq!(attempt(&engine, "2001:db8:1:1::1", "somebody", PASSWORD).await, limited(900));
        assert_eq!(attempt(&engine, "2001:db8:1:2::1", "ada", PASSWORD).await, ok());
    }

    async fn a_48_has_ten_times_the_limit_of_a_64(database: TestDatabase) {
        let engine = engine_with(&database, |policy| policy.sign_in_failures = Some(rate(1, 900))).await;
        engine.sign_up("ada").await;
        for network in 0..10 {
            let ip = format!("2001:db8:1:{network}::1");
            for n in 0..10 {
                fail(&engine, &ip, &format!("nobody_{network}_{n}"), 1).await;
            }
            assert_eq!(attempt(&engine, &ip, "ada", PASSWORD).await, limited(900));
        }
        assert_eq!(attempt(&engine, "2001:db8:1:ffff::1", "ada", PASSWORD).await, limited(900));
        assert_eq!(attempt(&engine, "2001:db8:2::1", "ada", PASSWORD).await, ok());
        // What was refused for the /48 did not count for its /64s.
        assert_eq!(counts(&engine, NETWORK).await, [vec![0], vec![10; 10]].concat());
    }

    async fn a_known_network_is_a_whole_64(database: TestDatabase) {
        let engine = engine_with(&database, |policy| policy.sign_in_failures = Some(rate(1, 900))).await;
        engine.sign_up("ada").await;
        assert_eq!(attempt(&engine, "2001:db8:1:1::1", "ada", PASSWORD).await, ok());
        for n in 0..10 {
            fail(&engine, &format!("203.0.113.{n}"), "ada", 1).await;
        }
        assert_eq!(attempt(&engine, "2001:db8:1:2::1", "ada", PASSWORD).await, limited(900));
        assert_eq!(attempt(&engine, "2001:db8:1:1::ffff", "ada", PASSWORD).await, ok());
    }

    async fn a_network_at_its_limit_leaves_no_rows(database: TestDatabase) {
        let engine = Engine::new(&database).await;
        let rows = async || counter::Entity::find().all(&engine.db).await.unwrap().len();
        fail_at_many(&engine, "198.51.100.1", 100).await;
        // One for each identifier, one for each identifier from there, and the network's own.
        assert_eq!(rows().await, 201);
        for n in 0..50 {
            assert_eq!(attempt(&engine, "198.51.100.1", &format!("other_{n}"), WRONG).await, limited(900));
        }
        assert_eq!(rows().await, 201);
    }
}
