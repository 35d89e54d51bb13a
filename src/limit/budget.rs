//! Budgets in memory, by session.

use std::{
    collections::HashMap,
    mem,
    sync::{Mutex, PoisonError},
};

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::{Rate, refusal};
use crate::error::Result;

/// What all windows together take at most, in bytes; a table of the standard library has room for twice its entries.
const MAX_BYTES: usize = 8 * 1024 * 1024;
/// So many windows are kept in either half.
const HALF: usize = MAX_BYTES / 2 / 2 / mem::size_of::<(Uuid, Window)>();

#[derive(Debug, Clone, Copy)]
struct Window {
    count: u32,
    ends_at: DateTime<Utc>,
}

/// How often each session has done something in its present window, in this process.
///
/// In two halves: when the newer one is full, the older one is forgotten. What is used often stays.
#[derive(Debug, Default)]
pub(crate) struct Budgets(Mutex<Halves>);

#[derive(Debug, Default)]
struct Halves {
    newer: HashMap<Uuid, Window>,
    older: HashMap<Uuid, Window>,
}

impl Budgets {
    /// Counts once more; what is refused is not counted.
    ///
    /// # Errors
    ///
    /// `RATE_LIMITED`.
    pub(crate) fn charge(&self, session: Uuid, rate: Rate, now: DateTime<Utc>) -> Result<()> {
        let mut halves = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let found = match halves.newer.get(&session) {
            Some(window) => Some(*window),
            None => halves.older.remove(&session),
        };
        let mut window = found
            .filter(|window| now < window.ends_at)
            .unwrap_or(Window {
                count: 0,
                ends_at: now + rate.per,
            });
        let refused = window.count >= rate.count;
        if !refused {
            window.count += 1;
        }
        halves.newer.insert(session, window);
        if halves.newer.len() >= HALF {
            halves.older = mem::take(&mut halves.newer);
        }
        if refused {
            return Err(refusal(window.ends_at, now));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const RATE: Rate = Rate {
        count: 2,
        per: Duration::from_mins(1),
    };

    fn at(millis: u64) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + Duration::from_millis(millis)
    }

    #[test]
    fn a_window_ends_with_its_time_and_not_before() {
        let budgets = Budgets::default();
        let session = Uuid::from_u128(1);
        let charge = |millis| {
            let charged = budgets.charge(session, RATE, at(millis));
            charged.map_err(|error| error.retry_after().unwrap())
        };
        assert_eq!(charge(0), Ok(()));
        assert_eq!(charge(30_000), Ok(()));
        assert_eq!(charge(30_000), Err(30));
        assert_eq!(charge(59_001), Err(1));
        assert_eq!(charge(59_999), Err(1));
        assert_eq!(
            budgets.charge(Uuid::from_u128(2), RATE, at(59_999)).ok(),
            Some(())
        );
        assert_eq!(charge(60_000), Ok(()));
    }

    #[test]
    fn what_is_kept_is_bounded_and_what_is_used_often_stays() {
        let budgets = Budgets::default();
        let busy = Uuid::from_u128(u128::MAX);
        budgets.charge(busy, RATE, at(0)).unwrap();
        budgets.charge(busy, RATE, at(0)).unwrap();
        for n in 0..5 * HALF as u128 {
            budgets.charge(Uuid::from_u128(n), RATE, at(0)).unwrap();
            if n % 1_000 == 0 {
                assert!(budgets.charge(busy, RATE, at(0)).is_err());
            }
        }
        let halves = budgets.0.into_inner().unwrap();
        assert!(halves.newer.len() <= HALF && halves.older.len() <= HALF);
        let entry = mem::size_of::<(Uuid, Window)>();
        assert!((halves.newer.capacity() + halves.older.capacity()) * entry <= MAX_BYTES);
    }
}
