//! Passwords: Argon2id (RFC 9106) on a bounded pool with a bounded queue.
//!
//! A hash takes tens of milliseconds and megabytes on purpose. As many run at once as there are cores; the rest waits in
//! a queue that is bounded, of which one client network holds a quarter at most, and which sign-ups cannot fill. A place in
//! it is taken before anything else is done for a password, so a flood is refused before it costs more than that.

use std::{
    collections::HashMap,
    fmt,
    net::IpAddr,
    sync::{Arc, Mutex, PoisonError},
    thread,
    time::Instant,
};

use argon2::{
    Algorithm, Argon2, Params, PasswordHasher as _, PasswordVerifier as _, Version,
    password_hash::{self, phc::PasswordHash},
};
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use unicode_normalization::UnicodeNormalization;

use crate::{
    error::{Error, Result},
    metrics::{self, PasswordRefusal},
    network::client_network,
    random::{self, Random},
};

const SALT_LENGTH: usize = 16;
const HASH_LENGTH: usize = 32;

/// Costs of one hash, and how many may wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PasswordPolicy {
    /// Memory in KiB.
    pub memory_kib: u32,
    /// Passes over the memory.
    pub iterations: u32,
    /// Lanes.
    pub parallelism: u32,
    /// How many verifications and hashes may wait.
    pub queue: usize,
}

/// OWASP's second recommendation for Argon2id.
impl Default for PasswordPolicy {
    fn default() -> Self {
        Self {
            memory_kib: 19_456,
            iterations: 2,
            parallelism: 1,
            queue: 256,
        }
    }
}

/// A password, normalised to NFKC, so that the same keys typed on another system give the same bytes.
#[derive(Clone)]
pub struct Password(SecretString);

impl Password {
    /// Normalises what was typed. Any length: whether it may be set is [`Password::is_settable`].
    #[must_use]
    pub fn new(typed: &str) -> Self {
        Self(SecretString::from(typed.nfkc().collect::<String>()))
    }

    /// Whether it has the 8 to 256 characters that a new password needs.
    #[must_use]
    pub fn is_settable(&self) -> bool {
        (8..=256).contains(&self.0.expose_secret().chars().take(257).count())
    }

    fn bytes(&self) -> &[u8] {
        self.0.expose_secret().as_bytes()
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password")
    }
}

/// What a verification found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It is the password; `outdated` where the hash was made with other parameters and should be made anew.
    Right {
        /// Whether the hash has other parameters than today's.
        outdated: bool,
    },
    /// It is not.
    Wrong,
}

/// Who waits for a hash: whose share of the queue it takes, and how it learns that nobody waits any more.
#[derive(Debug, Clone, Default)]
pub struct Waiting {
    /// The client's address.
    pub ip: Option<IpAddr>,
    /// Cancelled when the client has gone away.
    pub client_gone: CancellationToken,
}

impl Waiting {
    /// Waits for a turn, but not for a client that is gone.
    pub(crate) async fn unless_gone<T>(&self, turn: impl Future<Output = Result<T>>) -> Result<T> {
        tokio::select! {
            biased;
            () = self.client_gone.cancelled() => Err(Error::unavailable()),
            turn = turn => turn,
        }
    }
}

/// Hashes and verifies passwords.
pub struct PasswordPool {
    argon2: Argon2<'static>,
    policy: PasswordPolicy,
    random: Arc<dyn Random>,
    /// Verified where there is no hash to verify, so that an unknown identifier costs what a known one does.
    dummy: String,
    workers: Arc<Semaphore>,
    /// New hashes pass through this first: however many wait, sign-ins get the other workers.
    new_hashes: Semaphore,
    queued: Arc<Mutex<Queue>>,
}

impl fmt::Debug for PasswordPool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PasswordPool")
            .field("policy", &self.policy)
            .finish_non_exhaustive()
    }
}

impl PasswordPool {
    /// A pool with as many workers as there are cores.
    ///
    /// # Errors
    ///
    /// `BAD_USER_INPUT` where Argon2 does not take the parameters.
    pub fn new(policy: PasswordPolicy, random: Arc<dyn Random>) -> Result<Self> {
        let params = Params::new(
            policy.memory_kib,
            policy.iterations,
            policy.parallelism,
            Some(HASH_LENGTH),
        )
        .map_err(|error| Error::bad_user_input("argon2_memory_kib", error.to_string()))?;
        let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params.clone());
        let workers = thread::available_parallelism().map_or(1, usize::from);
        let dummy = dummy_hash(&params, random.as_ref())?;
        Ok(Self {
            argon2,
            policy,
            random,
            dummy,
            workers: Arc::new(Semaphore::new(workers)),
            new_hashes: Semaphore::new((workers / 2).max(1)),
            queued: Arc::default(),
        })
    }

    /// A place in the queue for a verification, or for what belongs to one.
    ///
    /// # Errors
    ///
    /// `SERVICE_UNAVAILABLE` when the queue is full, or the client's network has its quarter of it.
    pub fn enqueue(&self, waiting: &Waiting) -> Result<Place> {
        self.place(waiting, self.policy.queue, false)
    }

    /// A place in the queue for a new password's hash. Half of the queue is always left to verifications.
    ///
    /// # Errors
    ///
    /// As [`enqueue`](Self::enqueue).
    pub fn enqueue_new(&self, waiting: &Waiting) -> Result<Place> {
        self.place(waiting, self.policy.queue.div_ceil(2), true)
    }

    /// The PHC string of a password.
    ///
    /// # Errors
    ///
    /// `SERVICE_UNAVAILABLE` when the client is gone before its turn.
    pub async fn hash(&self, place: Place, password: Password) -> Result<String> {
        let asked = Instant::now();
        let turn = async { self.new_hashes.acquire().await.map_err(Error::internal) };
        let _turn = if place.is_new {
            Some(place.waiting.unless_gone(turn).await?)
        } else {
            None
        };
        let salt = random::bytes::<SALT_LENGTH>(self.random.as_ref())?;
        let argon2 = self.argon2.clone();
        self.work(place, asked, move || {
            let hash: PasswordHash = argon2.hash_password_with_salt(password.bytes(), &salt)?;
            Ok(hash.to_string())
        })
        .await?
        .map_err(Error::internal)
    }

    /// Whether it is the password that a PHC string was made of. Without one, the same work is done for nothing.
    ///
    /// # Errors
    ///
    /// `SERVICE_UNAVAILABLE` when the client is gone before its turn, `INTERNAL_SERVER_ERROR` when the stored text is no
    /// hash: either tells nothing about the password.
    pub async fn verify(
        &self,
        place: Place,
        password: Password,
        hash: Option<String>,
    ) -> Result<Verdict> {
        let (argon2, known) = (self.argon2.clone(), hash.is_some());
        let hash = hash.unwrap_or_else(|| self.dummy.clone());
        let verified = self
            .work(place, Instant::now(), move || {
                let hash = PasswordHash::new(&hash)?;
                argon2.verify_password(password.bytes(), &hash)?;
                Ok(Params::try_from(&hash).ok())
            })
            .await?;
        match verified {
            Ok(params) if known => Ok(Verdict::Right {
                outdated: params.as_ref() != Some(self.argon2.params()),
            }),
            Ok(_) | Err(password_hash::Error::PasswordInvalid) => Ok(Verdict::Wrong),
            Err(error) => Err(Error::internal(error)),
        }
    }

    async fn work<T: Send + 'static>(
        &self,
        place: Place,
        asked: Instant,
        work: impl FnOnce() -> password_hash::Result<T> + Send + 'static,
    ) -> Result<password_hash::Result<T>> {
        let workers = Arc::clone(&self.workers);
        let turn = async { workers.acquire_owned().await.map_err(Error::internal) };
        let turn = place.waiting.unless_gone(turn).await?;
        drop(place);
        metrics::password_waited(asked.elapsed());
        metrics::password_hashed();
        tokio::task::spawn_blocking(move || {
            let done = work();
            drop(turn);
            done
        })
        .await
        .map_err(Error::internal)
    }

    fn place(&self, waiting: &Waiting, limit: usize, is_new: bool) -> Result<Place> {
        let network = waiting.ip.map(client_network);
        let mut queue = self.queued.lock().unwrap_or_else(PoisonError::into_inner);
        let share = self.policy.queue.div_ceil(4);
        let of_network = network.map_or(0, |network| {
            queue.by_network.get(&network).copied().unwrap_or(0)
        });
        let refusal = if queue.total >= limit {
            Some(PasswordRefusal::QueueFull)
        } else {
            (of_network >= share).then_some(PasswordRefusal::NetworkShare)
        };
        if let Some(refusal) = refusal {
            metrics::password_refused(refusal);
            return Err(Error::unavailable());
        }
        queue.total += 1;
        if let Some(network) = network {
            *queue.by_network.entry(network).or_default() += 1;
        }
        Ok(Place {
            waiting: waiting.clone(),
            is_new,
            network,
            queue: Arc::clone(&self.queued),
        })
    }
}

#[derive(Default)]
struct Queue {
    total: usize,
    by_network: HashMap<IpAddr, usize>,
}

/// A place in the queue, given back when dropped.
pub struct Place {
    waiting: Waiting,
    is_new: bool,
    network: Option<IpAddr>,
    queue: Arc<Mutex<Queue>>,
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Place")
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        queue.total -= 1;
        if let Some(network) = self.network
            && let Some(count) = queue.by_network.get_mut(&network)
        {
            *count -= 1;
            if *count == 0 {
                queue.by_network.remove(&network);
            }
        }
    }
}

/// A hash with today's parameters that no password has: its output is random.
fn dummy_hash(params: &Params, random: &dyn Random) -> Result<String> {
    let hash = PasswordHash {
        algorithm: Algorithm::Argon2id.ident(),
        version: Some(Version::V0x13.into()),
        params: params
            .try_into()
            .map_err(|error: password_hash::Error| Error::internal(error))?,
        salt: Some(
            password_hash::phc::Salt::new(&random::bytes::<SALT_LENGTH>(random)?)
                .map_err(Error::internal)?,
        ),
        hash: Some(
            password_hash::phc::Output::new(&random::bytes::<HASH_LENGTH>(random)?)
                .map_err(Error::internal)?,
        ),
    };
    Ok(hash.to_string())
}

#[cfg(test)]
mod tests;
