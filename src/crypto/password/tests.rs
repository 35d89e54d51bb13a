use super::*;
use crate::random::SystemRandom;

const CHEAP: PasswordPolicy = PasswordPolicy {
    memory_kib: 64,
    iterations: 1,
    parallelism: 1,
    queue: 8,
};

fn pool(policy: PasswordPolicy) -> PasswordPool {
    PasswordPool::new(policy, Arc::new(SystemRandom)).unwrap()
}

async fn hash(pool: &PasswordPool, password: &str) -> String {
    let place = pool.enqueue_new(&Waiting::default()).unwrap();
    pool.hash(place, Password::new(password)).await.unwrap()
}

async fn verify(pool: &PasswordPool, password: &str, hash: Option<&str>) -> Verdict {
    let place = pool.enqueue(&Waiting::default()).unwrap();
    let verified = pool.verify(place, Password::new(password), hash.map(str::to_owned));
    verified.await.unwrap()
}

fn from(ip: &str) -> Waiting {
    Waiting {
        ip: ip.parse().ok(),
        ..Waiting::default()
    }
}

#[tokio::test]
async fn the_password_is_told_from_others_however_it_was_typed() {
    let pool = pool(CHEAP);
    // One text has the letter with its ring composed, the other decomposed.
    let hash = hash(&pool, "\u{c5}ngstr\u{f6}m 1234").await;
    let right = Verdict::Right { outdated: false };
    let decomposed = "A\u{30a}ngstro\u{308}m 1234";
    assert_eq!(verify(&pool, decomposed, Some(&hash)).await, right);
    assert_eq!(verify(&pool, "other", Some(&hash)).await, Verdict::Wrong);
    assert_eq!(verify(&pool, "other", None).await, Verdict::Wrong);
}

#[tokio::test]
async fn a_hash_with_other_parameters_is_outdated() {
    let hash = hash(&pool(CHEAP), "long enough").await;
    let costlier = pool(PasswordPolicy {
        iterations: 2,
        ..CHEAP
    });
    let verdict = verify(&costlier, "long enough", Some(&hash)).await;
    assert_eq!(verdict, Verdict::Right { outdated: true });
}

#[tokio::test]
async fn one_network_holds_a_quarter_of_the_queue_and_all_hold_no_more_than_it() {
    let pool = pool(CHEAP);
    let places = [(); 2].map(|()| pool.enqueue(&from("192.0.2.1")).unwrap());
    assert!(pool.enqueue(&from("192.0.2.1")).is_err());
    let of_a_64 = ["2001:db8::1", "2001:db8::ffff:1"].map(|ip| pool.enqueue(&from(ip)).unwrap());
    let error = pool.enqueue(&from("2001:db8::2")).unwrap_err();
    assert_eq!(
        (error.code(), error.retry_after()),
        ("SERVICE_UNAVAILABLE", Some(1))
    );
    let others: Vec<_> = (2..6)
        .map(|n| pool.enqueue(&from(&format!("192.0.2.{n}"))).unwrap())
        .collect();
    assert!(pool.enqueue(&from("198.51.100.1")).is_err());
    drop((places, of_a_64));
    assert!(pool.enqueue(&from("192.0.2.1")).is_ok());
    drop(others);
    assert_eq!(pool.queue.taken().total, 0);
    assert!(pool.queue.taken().by_network.is_empty());
}

#[tokio::test]
async fn new_passwords_leave_half_of_the_queue_to_sign_ins() {
    let pool = pool(CHEAP);
    let new: Vec<_> = (0..4)
        .map(|n| pool.enqueue_new(&from(&format!("192.0.2.{n}"))).unwrap())
        .collect();
    assert!(pool.enqueue_new(&from("198.51.100.1")).is_err());
    let sign_ins: Vec<_> = (0..4)
        .map(|n| pool.enqueue(&from(&format!("203.0.113.{n}"))).unwrap())
        .collect();
    assert!(pool.enqueue(&from("198.51.100.1")).is_err());
    drop((new, sign_ins));
}

/// However many new passwords wait, no more of them than their share stand in line for a worker.
#[tokio::test]
async fn a_sign_in_passes_the_new_passwords_that_wait() {
    let pool = Arc::new(pool(PasswordPolicy {
        queue: 256,
        ..CHEAP
    }));
    let workers = u32::try_from(pool.workers.available_permits()).unwrap();
    let mut busy = pool.workers.acquire_many(workers).await.unwrap();
    let new: Vec<_> = (0..100)
        .map(|n| {
            let place = pool.enqueue_new(&from(&format!("192.0.2.{n}"))).unwrap();
            let pool = Arc::clone(&pool);
            tokio::spawn(async move { pool.hash(place, Password::new("a new password")).await })
        })
        .collect();
    // Each of them waits before the sign-in comes.
    tokio::task::yield_now().await;
    let place = pool.enqueue(&from("203.0.113.1")).unwrap();
    let sign_in = {
        let pool = Arc::clone(&pool);
        tokio::spawn(async move { pool.verify(place, Password::new("x"), None).await })
    };
    tokio::task::yield_now().await;
    // One worker serves them in the order in which they stand in line.
    drop(busy.split(1));
    assert_eq!(sign_in.await.unwrap().unwrap(), Verdict::Wrong);
    let served = new.iter().filter(|hash| hash.is_finished()).count();
    assert!(served < 90, "{served}");
    drop(busy);
    for hash in new {
        hash.await.unwrap().unwrap();
    }
    assert_eq!(pool.workers.available_permits(), workers as usize);
}

#[tokio::test]
async fn a_client_that_is_gone_leaves_the_queue() {
    let pool = Arc::new(pool(CHEAP));
    let workers = u32::try_from(pool.workers.available_permits()).unwrap();
    let _busy = pool.workers.acquire_many(workers).await.unwrap();
    let waiting = from("192.0.2.1");
    let wait = {
        let (pool, waiting) = (Arc::clone(&pool), waiting.clone());
        async move {
            let place = pool.enqueue(&waiting)?;
            pool.verify(place, Password::new("password"), None).await
        }
    };
    let waits = tokio::spawn(wait);
    while pool.queue.taken().total == 0 {
        tokio::task::yield_now().await;
    }
    waiting.client_gone.cancel();
    assert!(waits.await.unwrap().is_err());
    assert_eq!(pool.queue.taken().total, 0);
}

/// Also where nobody says so: whoever stops waiting drops the future.
#[tokio::test]
async fn a_future_that_is_dropped_leaves_the_queue() {
    let pool = pool(CHEAP);
    let workers = u32::try_from(pool.workers.available_permits()).unwrap();
    let _busy = pool.workers.acquire_many(workers).await.unwrap();
    let place = pool.enqueue_new(&from("192.0.2.1")).unwrap();
    let hash = pool.hash(place, Password::new("a new password"));
    let waited = tokio::time::timeout(std::time::Duration::from_millis(10), hash).await;
    assert!(waited.is_err());
    assert_eq!(pool.queue.taken().total, 0);
    assert!(pool.new_hashes.available_permits() > 0);
}

#[test]
fn lengths_are_counted_in_characters() {
    assert!(!Password::new("seven77").is_settable());
    assert!(Password::new("\u{1f600}".repeat(8).as_str()).is_settable());
    assert!(!Password::new(&"a".repeat(257)).is_settable());
}

/// As a system that does not normalise would have hashed it: a ligature, and a letter with its accent apart.
#[tokio::test]
async fn an_imported_hash_may_be_of_the_password_as_it_is_typed() {
    let pool = pool(CHEAP);
    let typed = "e\u{301}te\u{301} 20 \u{fb01}n";
    let hash = "$2b$04$eOnmKvdls0x3G6VJKzsv1.CzGhO7KYdC6CzbniTGOO9YgbL.brZ8.";
    let right = Verdict::Right { outdated: true };
    assert_eq!(verify(&pool, typed, Some(hash)).await, right);
    assert_eq!(
        verify(&pool, "\u{e9}t\u{e9} 20 fin", Some(hash)).await,
        Verdict::Wrong
    );
    assert_eq!(verify(&pool, "other", Some(hash)).await, Verdict::Wrong);
}

#[tokio::test]
async fn hashes_that_take_much_memory_wait_for_it() {
    let pool = Arc::new(pool(CHEAP));
    // 64 MiB.
    let hash =
        "$scrypt$ln=16,r=8,p=1$aM15713r3Xsvxbi31lqr1Q$nFNh2CVHVjNldFVKDHDlm4CbdRSCdEBsjjJxD+iCs5E";
    let taken = pool
        .costly_memory
        .acquire_many(COSTLY_MEMORY_MIB - 63)
        .await
        .unwrap();
    let waits = {
        let pool = Arc::clone(&pool);
        tokio::spawn(async move { verify(&pool, "password", Some(hash)).await })
    };
    tokio::task::yield_now().await;
    assert!(!waits.is_finished());
    // Others pass it.
    assert_eq!(verify(&pool, "password", None).await, Verdict::Wrong);
    drop(taken);
    let right = Verdict::Right { outdated: true };
    assert_eq!(waits.await.unwrap(), right);
    let left = pool.costly_memory.available_permits();
    assert_eq!(left, COSTLY_MEMORY_MIB as usize);
}
