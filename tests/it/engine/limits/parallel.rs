//! Many attempts at once, on two replicas.

use std::collections::HashMap;

use sessiongraph::{account::Accounts, crypto::password::PasswordPolicy};
use tokio::task::JoinHandle;

use super::*;
use crate::support::{engine::PASSWORDS, on_each_database};

const GUESSED_FROM_NETWORK: u8 = 4;

/// Two replicas whose queues have room for all that comes.
async fn replicas(database: &TestDatabase, failures: Rate) -> [Engine; 2] {
    let roomy = PasswordPolicy {
        queue: 10_000,
        ..PASSWORDS
    };
    let mut one = engine_with(database, |policy| policy.sign_in_failures = Some(failures)).await;
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
        let replicas = replicas(&database, rate(10, 900)).await;
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
        let replicas = replicas(&database, rate(10, 900)).await;
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
        let replicas = replicas(&database, rate(10, 900)).await;
        let attempts: Vec<_> = (0..400)
            .map(|n| spawn(&replicas, n, "198.51.100.1".to_owned(), &format!("nobody_{n}"), WRONG))
            .collect();
        let outcomes = outcomes(attempts).await;
        assert_eq!(outcomes, expected(&[("AUTHENTICATION_FAILED", 100), ("RATE_LIMITED", 300)]));
        assert_eq!((counts(&replicas[0], NETWORK).await, counts(&replicas[0], GUESSED).await), (vec![100], vec![1; 100]));
    }

    /// All counters are new to most of them, and each is shared with some of the others.
    async fn attempts_that_share_new_counters_do_not_lock_each_other_up(database: TestDatabase) {
        let replicas = replicas(&database, rate(10, 900)).await;
        for round in 0..10 {
            let attempts = (0..60)
                .map(|n| {
                    let ip = format!("2001:db8:{round}:{}::1", n % 7);
                    spawn(&replicas, n, ip, &format!("nobody_{round}_{}", n % 9), WRONG)
                })
                .collect();
            assert_eq!(outcomes(attempts).await, expected(&[("AUTHENTICATION_FAILED", 60)]));
        }
    }

    async fn right_passwords_at_once_do_not_limit_one_another(database: TestDatabase) {
        let replicas = replicas(&database, rate(10, 900)).await;
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

/// Attempts that have looked at the counters before the first of them is written: what another transaction is about to
/// insert, they do not see and wait for.
mod on_postgres {
    use sea_orm::{
        ActiveModelTrait, ColumnTrait, DatabaseConnection, DatabaseTransaction, IntoActiveModel,
        QueryFilter, TransactionTrait,
    };

    use super::*;
    use crate::support::database::scalar;

    const WAITING: &str = "SELECT COUNT(*) FROM pg_stat_activity \
                           WHERE datname = current_database() AND wait_event_type = 'Lock'";

    /// Takes the newest counter of a kind away, and begins to insert it again.
    async fn hold(elsewhere: &DatabaseConnection, kind: u8) -> DatabaseTransaction {
        let rows = counter::Entity::find().all(elsewhere).await.unwrap();
        let of_kind = rows.into_iter().filter(|row| row.key[0] == kind);
        let row = of_kind.max_by_key(|row| row.ends_at).unwrap();
        counter::Entity::delete_many()
            .filter(counter::Column::Key.eq(row.key.clone()))
            .exec(elsewhere)
            .await
            .unwrap();
        let transaction = elsewhere.begin().await.unwrap();
        let inserting = row.into_active_model().reset_all();
        inserting.insert(&transaction).await.unwrap();
        transaction
    }

    /// Lets go of it when so many wait.
    async fn release(elsewhere: &DatabaseConnection, held: DatabaseTransaction, waiting: i64) {
        while scalar(elsewhere, WAITING).await < waiting {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        held.rollback().await.unwrap();
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn attempts_that_meet_before_a_counter_is_there_keep_its_limit() {
        let database = TestDatabase::postgres().await;
        let replicas = replicas(&database, rate(1, 900)).await;
        let elsewhere = database.connect().await;
        fail(&replicas[0], "198.51.100.1", "somebody", 1).await;
        let held = hold(&elsewhere, NETWORK).await;
        let attempts: Vec<_> = (0..16)
            .map(|n| {
                let identifier = format!("nobody_{n}");
                spawn(&replicas, n, "198.51.100.1".to_owned(), &identifier, WRONG)
            })
            .collect();
        release(&elsewhere, held, 16).await;
        let outcomes = outcomes(attempts).await;
        let ten_of_them = [("AUTHENTICATION_FAILED", 10), ("RATE_LIMITED", 6)];
        assert_eq!(outcomes, expected(&ten_of_them));
        assert_eq!(counts(&replicas[0], NETWORK).await, [10]);
        // What the others were charged for their identifiers is given back, as far as it was charged.
        let mut guessed = counts(&replicas[0], GUESSED).await;
        guessed.retain(|count| *count > 0);
        assert_eq!(guessed, [1; 11]);
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn of_two_replicas_one_has_a_fresh_networks_one_try() {
        let database = TestDatabase::postgres().await;
        let replicas = replicas(&database, rate(1, 900)).await;
        let elsewhere = database.connect().await;
        replicas[0].sign_up("ada").await;
        fail(&replicas[0], "198.51.100.1", "ada", 1).await;
        replicas[0].advance(1);
        fail(&replicas[0], "203.0.113.1", "ada", 1).await;
        // The second network's failure with this identifier.
        let held = hold(&elsewhere, GUESSED_FROM_NETWORK).await;
        let attempts: Vec<_> = (0..2)
            .map(|n| spawn(&replicas, n, "203.0.113.1".to_owned(), "ada", WRONG))
            .collect();
        release(&elsewhere, held, 2).await;
        let outcomes = outcomes(attempts).await;
        let one_of_them = [("AUTHENTICATION_FAILED", 1), ("RATE_LIMITED", 1)];
        assert_eq!(outcomes, expected(&one_of_them));
        assert_eq!(counts(&replicas[0], GUESSED).await, [3]);
        assert_eq!(counts(&replicas[0], NETWORK).await, [1, 2]);
    }
}
