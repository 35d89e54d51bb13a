//! Verifying a password as one attempt: the rules of [`crate::limit`] for whoever guesses, and for sign-ups.

use std::net::IpAddr;

use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QuerySelect};
use uuid::Uuid;

use super::{Accounts, Identifier};
use crate::{
    crypto::{
        counter_key::CounterKey,
        password::{Password, Verdict, Waiting},
    },
    entity::{account, session},
    error::{Error, ErrorKind, Result},
    limit::{self, Charge, Charged, Counter, Rate, Turn},
    network::{client_network, client_site},
    request::SessionRequest,
};

/// A client network has so many times an identifier's limit, a /48 so many times a /64's, and so many times its limit an
/// identifier is open to networks that have not failed for it.
const TIMES: i64 = 10;

/// Kinds of counters. All that attempts share are locked in the order of these numbers.
mod kind {
    pub(super) const SITE: u8 = 1;
    pub(super) const NETWORK: u8 = 2;
    pub(super) const GUESSED: u8 = 3;
    pub(super) const GUESSED_FROM_NETWORK: u8 = 4;
    pub(super) const SIGN_UP_SITE: u8 = 5;
    pub(super) const SIGN_UP_NETWORK: u8 = 6;
}

/// Whose password somebody claims to know.
pub(super) enum Guessed<'a> {
    /// Of whoever has this identifier, as it was typed.
    Identifier(&'a str),
    /// Of an account that is there.
    Account(account::Model),
}

impl Guessed<'_> {
    /// What is counted: equal for all ways to type one identifier, and apart for a user name and an address.
    fn counted(&self) -> (&'static str, String) {
        match self {
            Self::Account(account) => ("account", account.id.to_string()),
            Self::Identifier(typed) => match Identifier::parse(typed) {
                Some(Identifier::Username(username)) => ("username", username.into_string()),
                Some(Identifier::Email(email)) => ("email", email.into_string()),
                None => ("nobody", typed.trim().to_lowercase()),
            },
        }
    }
}

/// An attempt that has been charged, while it has its turn.
struct Attempt {
    charge: Charge,
    _turn: Turn,
}

impl Accounts {
    /// The account, if the password is its own.
    pub(super) async fn verify(
        &self,
        request: &SessionRequest,
        guessed: Guessed<'_>,
        password: Password,
    ) -> Result<account::Model> {
        let waiting = request.waiting();
        // First of all: a full queue costs no statement, and nobody's attempt.
        let place = self.passwords.enqueue(&waiting)?;
        let attempt = self.begin(&guessed, &waiting).await?;
        let verified = async {
            let account = self.guessed(guessed).await?;
            let hash = account
                .as_ref()
                .and_then(|account| account.password_hash.clone());
            let verdict = self.passwords.verify(place, password.clone(), hash).await?;
            Ok::<_, Error>((account, verdict))
        }
        .await;
        if let Some(attempt) = attempt
            && !matches!(verified, Ok((_, Verdict::Wrong)))
            && let Err(error) = limit::give_back(self.db(), &attempt.charge).await
        {
            tracing::warn!(error = ?error, "an attempt that did not fail could not be given back: it counts until its window ends");
        }
        match verified? {
            (Some(account), Verdict::Right { outdated }) => {
                if outdated {
                    self.rehash(&waiting, &account, password).await;
                }
                Ok(account)
            }
            _ => Err(ErrorKind::AuthenticationFailed.into()),
        }
    }

    /// Charges a sign-up.
    pub(super) async fn charge_sign_up(&self, ip: IpAddr) -> Result<()> {
        let Some(rate) = self.sessions.policy().sign_up_limit else {
            return Ok(());
        };
        let key = self.sessions.counter_key().await?;
        let kinds = [kind::SIGN_UP_SITE, kind::SIGN_UP_NETWORK];
        let counters = of_network(&key, kinds, ip, rate.count.into());
        match self.charge(rate, &counters).await? {
            Charged::Yes(_) => Ok(()),
            Charged::No(refused) => Err(refused.into_error()),
        }
    }

    /// Charges an attempt when its turn has come; `None` where failures are not counted.
    async fn begin(&self, guessed: &Guessed<'_>, waiting: &Waiting) -> Result<Option<Attempt>> {
        let Some(rate) = self.sessions.policy().sign_in_failures else {
            return Ok(None);
        };
        let (what, whose) = guessed.counted();
        let key = self.sessions.counter_key().await?;
        let counters = Counters::new(&key, rate, what, &whose, waiting.ip);
        let turn = self.turns.take(counters.turn.clone());
        let turn = waiting.unless_gone(async { Ok(turn.await) }).await?;
        let charged = match self.charge(rate, &counters.usual()).await? {
            Charged::No(refused) if refused.is_below(&counters.known()) => {
                if !self.is_known(guessed, waiting.ip).await? {
                    return Err(refused.into_error());
                }
                self.charge(rate, &counters.known()).await?
            }
            charged => charged,
        };
        match charged {
            Charged::Yes(charge) => Ok(Some(Attempt {
                charge,
                _turn: turn,
            })),
            Charged::No(refused) => Err(refused.into_error()),
        }
    }

    async fn charge(&self, rate: Rate, counters: &[Counter]) -> Result<Charged> {
        limit::charge(self.db(), self.sessions.clock().now(), rate, counters).await
    }

    async fn guessed(&self, guessed: Guessed<'_>) -> Result<Option<account::Model>> {
        match guessed {
            Guessed::Account(account) => Ok(Some(account)),
            Guessed::Identifier(typed) => match Identifier::parse(typed) {
                Some(identifier) => self.find(identifier.into()).await,
                None => Ok(None),
            },
        }
    }

    /// Whether the account has opened a session from the client's network within the retention. An account that is not
    /// there is asked for all the same: it costs what another does.
    async fn is_known(&self, guessed: &Guessed<'_>, ip: Option<IpAddr>) -> Result<bool> {
        let Some(ip) = ip else { return Ok(false) };
        let account_id = match guessed {
            Guessed::Account(account) => account.id,
            Guessed::Identifier(typed) => {
                let account = self.guessed(Guessed::Identifier(typed)).await?;
                account.map_or(Uuid::nil(), |account| account.id)
            }
        };
        let since = self.sessions.clock().now() - self.sessions.policy().retention;
        let opened: Option<Uuid> = session::Entity::find()
            .select_only()
            .column(session::Column::Id)
            .filter(session::Column::AccountId.eq(account_id))
            .filter(session::Column::OpenedIn.eq(client_network(ip).to_string()))
            .filter(session::Column::CreatedAt.gte(since))
            .limit(1)
            .into_tuple()
            .one(self.db())
            .await?;
        Ok(opened.is_some())
    }
}

/// What an attempt at a password is charged to.
struct Counters {
    of_network: Vec<Counter>,
    guessed: Vec<u8>,
    /// Absent where the client has no address.
    guessed_from_network: Option<Vec<u8>>,
    /// Attempts with the same one take turns.
    turn: Vec<u8>,
    limit: i64,
}

impl Counters {
    fn new(key: &CounterKey, rate: Rate, what: &str, whose: &str, ip: Option<IpAddr>) -> Self {
        let limit = i64::from(rate.count);
        let kinds = [kind::SITE, kind::NETWORK];
        let guessed = key.name(kind::GUESSED, &[what, whose]);
        let guessed_from_network = ip.map(|ip| {
            let network = client_network(ip).to_string();
            key.name(kind::GUESSED_FROM_NETWORK, &[what, whose, &network])
        });
        Self {
            of_network: ip.map_or_else(Vec::new, |ip| of_network(key, kinds, ip, limit * TIMES)),
            turn: guessed_from_network
                .clone()
                .unwrap_or_else(|| guessed.clone()),
            guessed,
            guessed_from_network,
            limit,
        }
    }

    /// An identifier below its limit is open to all; below ten times that, to networks that have not failed for it.
    fn usual(&self) -> Vec<Counter> {
        let strangers = match self.guessed_from_network {
            Some(_) => self.limit * TIMES,
            None => self.limit,
        };
        self.with([self.limit, strangers], [i64::MAX, 1])
    }

    /// To a known network it is open however often others have failed.
    fn known(&self) -> Vec<Counter> {
        match self.guessed_from_network {
            Some(_) => self.with([i64::MAX; 2], [1; 2]),
            None => self.usual(),
        }
    }

    fn with(&self, guessed: [i64; 2], guessed_from_network: [i64; 2]) -> Vec<Counter> {
        let mut counters = self.of_network.clone();
        counters.push(Counter {
            name: self.guessed.clone(),
            below: guessed,
        });
        counters.extend(self.guessed_from_network.clone().map(|name| Counter {
            name,
            below: guessed_from_network,
        }));
        counters
    }
}

/// The counters of a client network and of the /48 that it is in.
fn of_network(key: &CounterKey, kinds: [u8; 2], ip: IpAddr, limit: i64) -> Vec<Counter> {
    let [site, network] = kinds;
    let site =
        client_site(ip).map(|ip| Counter::new(key.name(site, &[&ip.to_string()]), limit * TIMES));
    let network = key.name(network, &[&client_network(ip).to_string()]);
    site.into_iter()
        .chain([Counter::new(network, limit)])
        .collect()
}
