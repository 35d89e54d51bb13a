//! Randomness as a parameter, and the time-ordered ids made of it.

use std::fmt;

use aws_lc_rs::rand::{SecureRandom, SystemRandom as AwsSystemRandom};
use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::error::{Error, Result};

/// A source of random bytes.
pub trait Random: fmt::Debug + Send + Sync + 'static {
    /// Fills the buffer.
    ///
    /// # Errors
    ///
    /// `INTERNAL_SERVER_ERROR` when the source is exhausted or broken.
    fn fill(&self, buffer: &mut [u8]) -> Result<()>;
}

/// The operating system's generator, through aws-lc.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemRandom;

impl Random for SystemRandom {
    fn fill(&self, buffer: &mut [u8]) -> Result<()> {
        AwsSystemRandom::new()
            .fill(buffer)
            .map_err(|_| Error::internal("the system's random generator failed"))
    }
}

/// As many random bytes as the caller asks for.
pub(crate) fn bytes<const N: usize>(random: &dyn Random) -> Result<[u8; N]> {
    let mut buffer = [0; N];
    random.fill(&mut buffer)?;
    Ok(buffer)
}

/// A new `UUIDv7` (RFC 9562 section 5.7). Its twelve bits behind the milliseconds are the fraction of one (section 6.2,
/// method 3), so that ids order by time to the quarter of a microsecond.
pub(crate) fn new_id(now: DateTime<Utc>, random: &dyn Random) -> Result<Uuid> {
    Ok(id_of(now, bytes(random)?))
}

/// The least of the ids that [`new_id`] makes at an instant.
pub(crate) fn first_id(at: DateTime<Utc>) -> Uuid {
    id_of(at, [0; 10])
}

fn id_of(at: DateTime<Utc>, mut tail: [u8; 10]) -> Uuid {
    let fraction = (u64::from(at.timestamp_subsec_micros()) % 1000) * 4096 / 1000;
    let [.., high, low] = fraction.to_be_bytes();
    tail[0] = high;
    tail[1] = low;
    let millis = u64::try_from(at.timestamp_millis()).unwrap_or_default();
    uuid::Builder::from_unix_timestamp_millis(millis, &tail).into_uuid()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::{Clock, SystemClock};

    #[test]
    fn ids_order_by_the_microsecond_they_were_made_in() {
        let start = SystemClock.now();
        let mut previous = new_id(start, &SystemRandom).unwrap();
        assert_eq!(previous.get_version_num(), 7);
        for microsecond in 1..3000 {
            let at = start + chrono::TimeDelta::microseconds(microsecond);
            let id = new_id(at, &SystemRandom).unwrap();
            assert!(id > previous, "{id} after {previous}");
            assert!(id >= first_id(at) && previous < first_id(at));
            previous = id;
        }
    }
}
