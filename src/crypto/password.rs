//! Passwords: Argon2id (RFC 9106) on a bounded pool with a bounded queue. Hashes of other makes are verified there too.
//!
//! A hash takes tens of milliseconds and megabytes on purpose. As many run at once as there are cores, on Linux behind
//! all else that the process does; the rest waits in a queue that is bounded, of which one client network holds a quarter at
//! most, and which sign-ups cannot fill. A place in it is taken before anything else is done for a password, so a flood is
//! refused before it costs more than that.

mod queue;
mod threads;

use std::{fmt, sync::Arc, thread, time::Instant};

use argon2::{
    Algorithm, Argon2, Params, PasswordHasher as _, Version,
    password_hash::{self, phc::PasswordHash},
};
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tracing::Span;
use unicode_normalization::UnicodeNormalization;

pub(crate) use self::queue::{Place, Waiting};
use self::{queue::Queue, threads::HashingThreads};
use super::stored_hash::{HashError, StoredHash};
use crate::{
    error::{Error, Result},
    metrics,
    random::{self, Random},
    traces,
};

const SALT_LENGTH: usize = 16;
const HASH_LENGTH: usize = 32;
/// How much memory all verifications together may take whose hashes need more than our own: imported ones.
const COSTLY_MEMORY_MIB: u32 = 512;

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
pub struct Password {
    normalised: SecretString,
    /// Where it differs: other systems, whose hashes were imported, may have hashed it so.
    typed: Option<SecretString>,
}

impl Password {
    /// Normalises what was typed. Any length: whether it may be set is [`Password::is_settable`].
    #[must_use]
    pub fn new(typed: &str) -> Self {
        let normalised: String = typed.nfkc().collect();
        Self {
            typed: (normalised != typed).then(|| typed.into()),
            normalised: normalised.into(),
        }
    }

    /// Whether it has the 8 to 256 characters that a new password needs.
    #[must_use]
    pub fn is_settable(&self) -> bool {
        (8..=256).contains(&self.normalised.expose_secret().chars().take(257).count())
    }

    fn bytes(&self) -> &[u8] {
        self.normalised.expose_secret().as_bytes()
    }

    fn verify(&self, hash: &StoredHash) -> Result<Match> {
        if hash.verify(self.bytes())? {
            return Ok(Match::Normalised);
        }
        match &self.typed {
            Some(typed) if hash.verify(typed.expose_secret().as_bytes())? => Ok(Match::AsTyped),
            _ => Ok(Match::No),
        }
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password")
    }
}

/// Which form of a password is the one that a hash was made of.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Match {
    Normalised,
    AsTyped,
    No,
}

/// What a verification found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It is the password; `outdated` where the hash should be made anew.
    Right {
        /// Whether the hash is anything but Argon2id with today's parameters, of the normalised password.
        outdated: bool,
    },
    /// It is not.
    Wrong,
}

/// Hashes and verifies passwords.
pub(crate) struct PasswordPool {
    argon2: Argon2<'static>,
    policy: PasswordPolicy,
    random: Arc<dyn Random>,
    /// Verified where there is no hash to verify, so that an unknown identifier costs what a known one does.
    dummy: StoredHash,
    workers: Arc<Semaphore>,
    threads: HashingThreads,
    /// New hashes pass through this first: however many wait, sign-ins get the other workers.
    new_hashes: Semaphore,
    /// In MiB; see [`COSTLY_MEMORY_MIB`].
    costly_memory: Arc<Semaphore>,
    queue: Queue,
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
    pub(crate) fn new(policy: PasswordPolicy, random: Arc<dyn Random>) -> Result<Self> {
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
        let dummy = StoredHash::parse(&dummy).map_err(Error::internal)?;
        Ok(Self {
            argon2,
            policy,
            random,
            dummy,
            workers: Arc::new(Semaphore::new(workers)),
            threads: HashingThreads::new(workers)?,
            new_hashes: Semaphore::new((workers / 2).max(1)),
            costly_memory: Arc::new(Semaphore::new(COSTLY_MEMORY_MIB as usize)),
            queue: Queue::of(policy.queue),
        })
    }

    /// A place in the queue for a verification, or for what belongs to one.
    ///
    /// # Errors
    ///
    /// `SERVICE_UNAVAILABLE` when the queue is full, or the client's network has its quarter of it.
    pub(crate) fn enqueue(&self, waiting: &Waiting) -> Result<Place> {
        self.queue.enter(waiting, self.policy.queue, false)
    }

    /// A place in the queue for a new password's hash. Half of the queue is always left to verifications.
    ///
    /// # Errors
    ///
    /// As [`enqueue`](Self::enqueue).
    pub(crate) fn enqueue_new(&self, waiting: &Waiting) -> Result<Place> {
        self.queue
            .enter(waiting, self.policy.queue.div_ceil(2), true)
    }

    /// The PHC string of a password.
    ///
    /// # Errors
    ///
    /// `SERVICE_UNAVAILABLE` when the client is gone before its turn.
    pub(crate) async fn hash(&self, place: Place, password: Password) -> Result<String> {
        let asked = Asked::now();
        let turn = async { self.new_hashes.acquire().await.map_err(Error::internal) };
        let _turn = if place.is_new {
            Some(place.waiting.unless_gone(turn).await?)
        } else {
            None
        };
        let salt = random::bytes::<SALT_LENGTH>(self.random.as_ref())?;
        let argon2 = self.argon2.clone();
        self.work(place, asked, move || {
            let hash: PasswordHash = argon2
                .hash_password_with_salt(password.bytes(), &salt)
                .map_err(Error::internal)?;
            Ok(hash.to_string())
        })
        .await?
    }

    /// Whether it is the password that a hash was made of. Without one, the work of one of our own is done for nothing.
    ///
    /// A hash that was imported takes as long as it takes in its own form, until it is made anew: up to then, the time of
    /// a failed sign-in can tell such an account from an identifier that nobody has.
    ///
    /// # Errors
    ///
    /// `SERVICE_UNAVAILABLE` when the client is gone before its turn, `INTERNAL_SERVER_ERROR` when the stored text is no
    /// hash: either tells nothing about the password.
    pub(crate) async fn verify(
        &self,
        place: Place,
        password: Password,
        hash: Option<String>,
    ) -> Result<Verdict> {
        let asked = Asked::now();
        let Some(text) = hash else {
            let dummy = self.dummy.clone();
            self.work(place, asked, move || password.verify(&dummy))
                .await??;
            return Ok(Verdict::Wrong);
        };
        let hash = StoredHash::parse(&text).map_err(Error::internal)?;
        let is_todays = hash.is_argon2id_with(self.argon2.params());
        let memory = self.reserve(&place, &hash).await?;
        let verified = self.work(place, asked, move || {
            let verified = password.verify(&hash);
            drop(memory);
            verified
        });
        Ok(match verified.await?? {
            Match::Normalised => Verdict::Right {
                outdated: !is_todays,
            },
            Match::AsTyped => Verdict::Right { outdated: true },
            Match::No => Verdict::Wrong,
        })
    }

    /// Whether a text is a hash that [`verify`](Self::verify) takes, at a cost that anybody may cause.
    pub(crate) fn check_imported(&self, hash: &str) -> std::result::Result<(), HashError> {
        StoredHash::parse(hash)?.ensure_affordable(self.argon2.params())
    }

    /// Whether a hash is Argon2id with today's parameters, as a sign-in leaves it behind.
    pub(crate) fn is_todays(&self, hash: &str) -> bool {
        StoredHash::parse(hash).is_ok_and(|hash| hash.is_argon2id_with(self.argon2.params()))
    }

    /// Waits until there is memory for a hash that takes more than one of our own.
    async fn reserve(
        &self,
        place: &Place,
        hash: &StoredHash,
    ) -> Result<Option<OwnedSemaphorePermit>> {
        if hash.memory_kib() <= self.argon2.params().m_cost().into() {
            return Ok(None);
        }
        // Ours from before the configuration changed may take more than all of it.
        let mib = u32::try_from(hash.memory_kib().div_ceil(1024)).unwrap_or(u32::MAX);
        let memory = Arc::clone(&self.costly_memory).acquire_many_owned(mib.min(COSTLY_MEMORY_MIB));
        let turn = async { memory.await.map_err(Error::internal) };
        place.waiting.unless_gone(turn).await.map(Some)
    }

    async fn work<T: Send + 'static>(
        &self,
        place: Place,
        asked: Asked,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T> {
        let workers = Arc::clone(&self.workers);
        let turn = async { workers.acquire_owned().await.map_err(Error::internal) };
        let turn = place.waiting.unless_gone(turn).await?;
        drop(place);
        metrics::password_waited(asked.at.elapsed());
        drop(asked);
        metrics::password_hashed();
        let span = traces::password_hash();
        let hashing = self.threads.run(move || {
            let done = work();
            drop((turn, span));
            done
        });
        hashing.await
    }
}

/// When a password asked for its turn, and the span of its wait.
struct Asked {
    at: Instant,
    _span: Span,
}

impl Asked {
    fn now() -> Self {
        Self {
            at: Instant::now(),
            _span: traces::password_wait(),
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
