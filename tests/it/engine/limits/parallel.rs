//! Many attempts at once, on two replicas.

use std::collections::HashMap;

use sessiongraph::{account::Accounts, crypto::password::PasswordPolicy};
use tokio::task::JoinHandle;

use super::*;
use crate::support::{engine::PASSWORDS, on_each_database};

const GUESSED_FROM_NETWORK: u8 = 4;

/// Two replicas whose queues have room for all that comes.
async fn replicas(database: &TestDatabase) -> [Engine; 2] {
    let roomy = PasswordPolicy {
        queue: 10_000,
        ..PASSWORDS
    };
    let mut one = Engine::new(database).await;
    let mut two = one.replica(database).await;
    for replica in [&mut one, &mut two] {
        replica.accounts = Accounts::new(replica.sessions.clone(), roomy).unwrap();
    }
    [one, two]
}

/// One of many attempts.
fn spawn(
    replicas: &[Engine; 2],
    n: usize,
    ip: String,
    identifier: &str,
    password: &str,
) -> JoinHandle<Outcome> {
    let (replica, identifier, password) = (
        replicas[n % 2].clone(),
        identifier.to_owned(),
        password.to_owned(),
    );
    tokio::spawn(async move { attempt(&replica, &ip, &identifier, &password).await })
}

/// How many attempts came to what; what is left of the window is the same for all, as nobody moves the clock.
async fn outcomes(attempts: Vec<JoinHandle<Outcome>>) -> HashMap<String, usize> {
    let mut outcomes = HashMap::new();
    for attempt in attempts {
        *outcomes.entry(attempt.await.unwrap().0).or_insert(0) += 1;
    }
    outcomes
}

fn expected(outcomes: &[(&str, usize)]) -> HashMap<String, usize> {
    outcomes
        .iter()
        .map(|(code, count)| ((*code).to_owned(), *count))
        .collect()
}

on_each_database! {
    async fn of_a_thousand_attempts_from_one_network_ten_are_hashed_and_the_owner_gets_in(database: TestDatabase) {
        let replicas = replicas(&database).await;
        replicas[0].sign_up("ada").await;
        let mut attempts: Vec<_> = (0..1_000)
            .map(|n| spawn(&replicas, n, "198.51.100.1".to_owned(), "ada", WRONG))
            .collect();
        let owner = spawn(&replicas, 0, "192.0.2.77".to_owned(), "ada", PASSWORD);
        attempts.extend((0..100).map(|n| spawn(&replicas, n, "198.51.100.1".to_owned(), "ada", WRONG)));
        assert_eq!(owner.await.unwrap(), ok());
        let outcomes = outcomes(attempts).await;
        assert_eq!(outcomes, expected(&[("AUTHENTICATION_FAILED", 10), ("RATE_LIMITED", 1_090)]));
        assert_eq!((counts(&replicas[0], GUESSED).await, counts(&replicas[0], NETWORK).await), (vec![10], vec![0, 10]));
    }

    async fn of_many_networks_at_once_each_has_one_try_and_all_have_ten_times_the_limit(database: TestDatabase) {
        let replicas = replicas(&database).await;
        replicas[0].sign_up("ada").await;
        let attempts: Vec<_> = (0..800)
            .map(|n| {
                let network = n / 4;
                spawn(&replicas, n, format!("10.0.{}.{}", network / 200, network % 200), "ada", WRONG)
            })
            .collect();
        let outcomes = outcomes(attempts).await;
        assert_eq!(outcomes, expected(&[("AUTHENTICATION_FAILED", 100), ("RATE_LIMITED", 700)]));
        assert_eq!(counts(&replicas[0], GUESSED).await, [100]);
        // Beyond the first ten attempts none had a second try.
        let from_networks = counts(&replicas[0], GUESSED_FROM_NETWORK).await;
        assert_eq!(from_networks.iter().sum::<i64>(), 100);
        assert!(from_networks.iter().filter(|count| **count > 1).sum::<i64>() <= 10, "{from_networks:?}");
    }

    async fn of_many_identifiers_at_once_a_network_has_ten_times_the_limit(database: TestDatabase) {
        let replicas = replicas(&database).await;
        let attempts: Vec<_> = (0..400)
            .map(|n| spawn(&replicas, n, "198.51.100.1".to_owned(), &format!("nobody_{n}"), WRONG))
            .collect();
        let outcomes = outcomes(attempts).await;
        assert_eq!(outcomes, expected(&[("AUTHENTICATION_FAILED", 100), ("RATE_LIMITED", 300)]));
        assert_eq!((counts(&replicas[0], NETWORK).await, counts(&replicas[0], GUESSED).await), (vec![100], vec![1; 100]));
    }

    async fn right_passwords_at_once_do_not_limit_one_another(database: TestDatabase) {
        let replicas = replicas(&database).await;
        replicas[0].sign_up("ada").await;
        fail(&replicas[0], "192.0.2.1", "ada", 8).await;
        let attempts = (0..60).map(|n| spawn(&replicas, n, "192.0.2.1".to_owned(), "ada", PASSWORD)).collect();
        assert_eq!(outcomes(attempts).await, expected(&[("OK", 60)]));
        assert_eq!(counts(&replicas[0], GUESSED).await, [8]);
        // Over the limit, from networks that have not failed, at one replica each.
        fail(&replicas[0], "192.0.2.1", "ada", 2).await;
        let attempts = (0..40).map(|n| spawn(&replicas, n, format!("192.0.2.{}", 10 + n % 2), "ada", PASSWORD)).collect();
        assert_eq!(outcomes(attempts).await, expected(&[("OK", 40)]));
        assert_eq!(counts(&replicas[0], GUESSED).await, [10]);
    }
}
