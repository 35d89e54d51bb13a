//! Shared statements: what is asked for while a statement is under way is asked together, in the next one.
//!
//! Nobody waits for company: who comes alone asks at once and by itself. Nothing is kept: an answer is of a statement that
//! was sent after its question came. Who leaves takes nothing away from the others.

use std::{
    mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use futures_util::future::BoxFuture;
use tokio::{
    runtime::Handle,
    sync::oneshot,
    time::{Instant, sleep_until},
};

use crate::error::{Error, Result};

/// Asks for all of the keys with one statement, and answers in their order.
pub(super) type Ask<K, V> = Arc<dyn Fn(Vec<K>) -> BoxFuture<'static, Vec<Result<V>>> + Send + Sync>;

/// The questions of one kind.
pub(super) struct Shared<K, V>(Arc<Mutex<Queue<K, V>>>);

struct Queue<K, V> {
    waiting: Vec<Waiting<K, V>>,
    under_way: Vec<UnderWay>,
    next_turn: u64,
    watched: bool,
}

type Waiting<K, V> = (K, oneshot::Sender<Result<V>>);

/// A statement that those who wait wait for.
struct UnderWay {
    turn: u64,
    since: Instant,
}

impl<K, V> Clone for Shared<K, V> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<K, V> Default for Shared<K, V> {
    fn default() -> Self {
        let queue = Queue {
            waiting: Vec::new(),
            under_way: Vec::with_capacity(MAX_UNDER_WAY),
            next_turn: 0,
            watched: false,
        };
        Self(Arc::new(Mutex::new(queue)))
    }
}

/// Statements at a time.
const MAX_UNDER_WAY: usize = 2;
/// A statement that takes longer (its row is locked, its connection is gone) holds up nobody: the next one is sent.
const PATIENCE: Duration = Duration::from_millis(100);
/// Questions in a statement.
const MAX_TOGETHER: usize = 128;

impl<K, V> Queue<K, V> {
    /// A new turn, where there is one.
    fn take_turn(&mut self) -> Option<u64> {
        let now = Instant::now();
        self.under_way.retain(|statement| now < statement.end());
        if self.under_way.len() >= MAX_UNDER_WAY {
            return None;
        }
        let turn = self.next_turn;
        self.next_turn += 1;
        self.under_way.push(UnderWay { turn, since: now });
        Some(turn)
    }

    fn statement_of(&mut self, turn: u64) -> Option<&mut UnderWay> {
        self.under_way
            .iter_mut()
            .find(|statement| statement.turn == turn)
    }

    /// Those whom the next statement is for. Whoever has left is not asked for.
    fn take_waiting(&mut self) -> Vec<Waiting<K, V>> {
        self.waiting.retain(|(_, answer)| !answer.is_closed());
        let rest = self.waiting.len().min(MAX_TOGETHER);
        let rest = self.waiting.split_off(rest);
        mem::replace(&mut self.waiting, rest)
    }
}

impl UnderWay {
    /// When nobody waits for it any longer.
    fn end(&self) -> Instant {
        self.since + PATIENCE
    }
}

impl<K: Send + 'static, V: Send + 'static> Shared<K, V> {
    /// The answer to one question.
    pub(super) async fn ask(&self, key: K, ask: impl Fn() -> Ask<K, V>) -> Result<V> {
        let place = {
            let mut queue = self.lock();
            if let Some(turn) = queue.take_turn() {
                Ok((turn, key))
            } else {
                let (sender, answer) = oneshot::channel();
                queue.waiting.push((key, sender));
                if !mem::replace(&mut queue.watched, true) {
                    tokio::spawn(self.clone().watch(ask()));
                }
                Err(answer)
            }
        };
        match place {
            Err(answer) => answer.await.unwrap_or_else(|_| Err(given_up())),
            Ok((turn, key)) => {
                let ask = ask();
                let _turn = self.turn(turn, &ask);
                let answers = ask(vec![key]).await;
                answers
                    .into_iter()
                    .next()
                    .unwrap_or_else(|| Err(given_up()))
            }
        }
    }

    /// Asks for those who wait, until nobody does, or the turn is over.
    async fn go_on(self, turn: u64, ask: Ask<K, V>) {
        let _turn = self.turn(turn, &ask);
        loop {
            let waiting = {
                let mut queue = self.lock();
                let Some(statement) = queue.statement_of(turn) else {
                    return;
                };
                statement.since = Instant::now();
                queue.take_waiting()
            };
            if waiting.is_empty() {
                return;
            }
            let (keys, askers): (Vec<_>, Vec<_>) = waiting.into_iter().unzip();
            for (asker, answer) in askers.into_iter().zip(ask(keys).await) {
                // It may have left.
                let _ = asker.send(answer);
            }
        }
    }

    /// Sees to it that those who wait do not wait for a statement that takes long. A clock for each statement would cost
    /// every lone question something; this one runs where somebody waits.
    async fn watch(self, ask: Ask<K, V>) {
        loop {
            let end = {
                let mut queue = self.lock();
                if queue.waiting.is_empty() {
                    queue.watched = false;
                    return;
                }
                if let Some(turn) = queue.take_turn() {
                    tokio::spawn(self.clone().go_on(turn, Arc::clone(&ask)));
                }
                let ends = queue.under_way.iter().map(UnderWay::end);
                ends.min().unwrap_or_else(Instant::now)
            };
            sleep_until(end).await;
        }
    }

    fn turn(&self, number: u64, ask: &Ask<K, V>) -> Turn<K, V> {
        Turn {
            shared: self.clone(),
            number,
            ask: Arc::clone(ask),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Queue<K, V>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One of the statements that may be under way. Whoever had it leaves it to those who wait, also when it is given up.
struct Turn<K: Send + 'static, V: Send + 'static> {
    shared: Shared<K, V>,
    number: u64,
    ask: Ask<K, V>,
}

impl<K: Send + 'static, V: Send + 'static> Drop for Turn<K, V> {
    fn drop(&mut self) {
        let mut queue = self.shared.lock();
        let nobody_waits = queue.waiting.is_empty();
        let Some(statement) = queue.statement_of(self.number) else {
            return;
        };
        match Handle::try_current() {
            Ok(runtime) if !nobody_waits => {
                statement.since = Instant::now();
                let next = self
                    .shared
                    .clone()
                    .go_on(self.number, Arc::clone(&self.ask));
                runtime.spawn(next);
            }
            _ => queue
                .under_way
                .retain(|statement| statement.turn != self.number),
        }
    }
}

fn given_up() -> Error {
    Error::internal("a shared statement was given up")
}

#[cfg(test)]
mod tests {
    use futures_util::{FutureExt, future::join_all};
    use tokio::{sync::Semaphore, time::timeout};

    use super::*;

    const UNLUCKY: u32 = 1_000_000;

    /// Answers ten times the key, when it is let; notes how many were asked for together.
    #[derive(Clone)]
    struct Database {
        may_answer: Arc<Semaphore>,
        statements: Arc<Mutex<Vec<usize>>>,
    }

    impl Database {
        fn new(permits: usize) -> Self {
            Self {
                may_answer: Arc::new(Semaphore::new(permits)),
                statements: Arc::default(),
            }
        }

        fn ask(&self) -> Ask<u32, u32> {
            let database = self.clone();
            Arc::new(move |keys: Vec<u32>| {
                let database = database.clone();
                async move {
                    database.statements.lock().unwrap().push(keys.len());
                    database.may_answer.acquire().await.unwrap().forget();
                    assert!(!keys.contains(&UNLUCKY), "a panic");
                    keys.into_iter().map(|key| Ok(key * 10)).collect()
                }
                .boxed()
            })
        }

        fn statements(&self) -> Vec<usize> {
            self.statements.lock().unwrap().clone()
        }
    }

    async fn settled() {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }

    #[tokio::test(start_paused = true)]
    async fn who_comes_alone_asks_alone_and_at_once() {
        let (shared, database) = (Shared::default(), Database::new(10));
        for key in 0..3 {
            assert_eq!(shared.ask(key, || database.ask()).await.unwrap(), key * 10);
        }
        assert_eq!(database.statements(), [1, 1, 1]);
    }

    #[tokio::test(start_paused = true)]
    async fn who_comes_while_statements_are_under_way_shares_the_next() {
        let (shared, database) = (Shared::default(), Database::new(0));
        let all: Vec<_> = (0..100)
            .map(|key| {
                let (shared, database) = (shared.clone(), database.clone());
                tokio::spawn(async move { shared.ask(key, || database.ask()).await.unwrap() })
            })
            .collect();
        settled().await;
        assert_eq!(database.statements(), [1, 1]);
        database.may_answer.add_permits(100);
        let answers: Vec<u32> = join_all(all)
            .await
            .into_iter()
            .map(Result::unwrap)
            .collect();
        assert_eq!(answers, (0..100).map(|key| key * 10).collect::<Vec<_>>());
        assert_eq!(database.statements(), [1, 1, 98]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_statement_is_not_longer_than_it_may_be() {
        let (shared, database) = (Shared::default(), Database::new(0));
        let all: Vec<_> = (0..300)
            .map(|key| {
                let (shared, database) = (shared.clone(), database.clone());
                tokio::spawn(async move { shared.ask(key, || database.ask()).await.unwrap() })
            })
            .collect();
        settled().await;
        database.may_answer.add_permits(100);
        join_all(all).await;
        let mut statements = database.statements();
        statements.sort_unstable();
        assert_eq!(statements, [1, 1, 42, 128, 128]);
    }

    #[tokio::test(start_paused = true)]
    async fn who_leaves_takes_nothing_from_the_others() {
        let (shared, database) = (Shared::default(), Database::new(0));
        let ask = |key| {
            let (shared, database) = (shared.clone(), database.clone());
            tokio::spawn(async move { shared.ask(key, || database.ask()).await.unwrap() })
        };
        let (first, second, third, fourth) = (ask(1), ask(2), ask(3), ask(4));
        settled().await;
        // Two whose statements are under way, and one who waits.
        first.abort();
        second.abort();
        third.abort();
        settled().await;
        database.may_answer.add_permits(1);
        let answer = timeout(Duration::from_secs(5), fourth).await;
        assert_eq!(answer.unwrap().unwrap(), 40);
        assert_eq!(
            database.statements(),
            [1, 1, 1],
            "who has left is not asked for"
        );
        database.may_answer.add_permits(1);
        assert_eq!(ask(5).await.unwrap(), 50);
    }

    #[tokio::test(start_paused = true)]
    async fn statements_that_hang_hold_up_nobody_for_long() {
        let (shared, hanging) = (Shared::default(), Database::new(0));
        let hung: Vec<_> = (0..5)
            .map(|key| {
                let (shared, hanging) = (shared.clone(), hanging.clone());
                tokio::spawn(async move { shared.ask(key, || hanging.ask()).await })
            })
            .collect();
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert_eq!(hanging.statements(), [1, 1, 3]);
        let database = Database::new(10);
        for key in [7, 8, 9] {
            assert_eq!(shared.ask(key, || database.ask()).await.unwrap(), key * 10);
        }
        hung.iter().for_each(tokio::task::JoinHandle::abort);
    }

    #[tokio::test(start_paused = true)]
    async fn who_waits_for_statements_that_hang_waits_no_longer_than_they_may_take() {
        let (shared, hanging) = (Shared::default(), Database::new(0));
        let ask = |key| {
            let (shared, hanging) = (shared.clone(), hanging.clone());
            tokio::spawn(async move { shared.ask(key, || hanging.ask()).await.unwrap() })
        };
        let _hung = [ask(1), ask(2)];
        tokio::time::sleep(PATIENCE / 4).await;
        let waits = ask(3);
        tokio::time::sleep(PATIENCE / 2).await;
        assert_eq!(hanging.statements(), [1, 1]);
        tokio::time::sleep(PATIENCE / 2).await;
        assert_eq!(hanging.statements(), [1, 1, 1]);
        hanging.may_answer.add_permits(3);
        assert_eq!(waits.await.unwrap(), 30);
        // Nobody waits any more: nothing is watched, and who comes alone asks at once again.
        tokio::time::sleep(PATIENCE * 2).await;
        let queue = shared.lock();
        assert!(!queue.watched && queue.under_way.is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn a_panic_ends_its_own_statement_alone() {
        let (shared, database) = (Shared::default(), Database::new(0));
        let ask = |key| {
            let (shared, database) = (shared.clone(), database.clone());
            tokio::spawn(async move { shared.ask(key, || database.ask()).await })
        };
        let under_way = [ask(1), ask(2)];
        settled().await;
        let together = [ask(UNLUCKY), ask(14)];
        settled().await;
        database.may_answer.add_permits(10);
        for (answer, expected) in join_all(under_way).await.into_iter().zip([10, 20]) {
            assert_eq!(answer.unwrap().unwrap(), expected);
        }
        for answer in join_all(together).await {
            assert_eq!(answer.unwrap().unwrap_err().code(), "INTERNAL_SERVER_ERROR");
        }
        for key in [5, 6, 7] {
            assert_eq!(ask(key).await.unwrap().unwrap(), key * 10);
        }
    }
}
