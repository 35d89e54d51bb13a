//! Limits of what strangers may try.
//!
//! | what | is counted by | most | where | counts |
//! | --- | --- | --- | --- | --- |
//! | sign-in, wrong `currentPassword` | client network | `sign_in_failures` × 10 | database | failures |
//! | | IPv6 /48 | `sign_in_failures` × 100 | database | failures |
//! | | identifier, or account's id | see below | database | failures |
//! | | identifier and client network | see below | database | failures |
//! | sign-up | client network; IPv6 /48 | `sign_up_limit`; × 10 | database | all that get as far as hashing |
//! | refresh | session | `refresh_limit` | each process | each genuine token |
//!
//! A client network is an IPv4 address or an IPv6 /64. A request without an address (only a password change can be one, of
//! a program that embeds the engine) is counted by the account alone, and refused as soon as that is at its limit.
//!
//! # Guessing
//!
//! With *limit* for `sign_in_failures`, an attempt at an identifier from a client network goes on to its password:
//!
//! | the network's own counters | the identifier's failures | the network's failures with it | |
//! | --- | --- | --- | --- |
//! | at their limit | | | refused |
//! | below | below limit | any | goes on |
//! | below | at limit or more | some | refused, right password or not |
//! | below | limit to limit × 10 | none | goes on |
//! | below | limit × 10 or more | none | goes on if the account opened a session from there within `retention`, else refused |
//!
//! So nobody is locked out by others: a network that has not failed itself always has its one try. Who guesses from many
//! networks has limit × 10 tries in all, and from then on none; what that costs the owner is that only known networks get
//! through until the window ends. User name and e-mail address count apart.
//!
//! An attempt is charged to all of its counters or to none, in one statement, before its password is hashed; charging is
//! the check, so of a thousand that come at once no more go on than of a thousand that come one by one. It is given back
//! if the password was right, also that of a deactivated account, or if nothing was hashed: the database failed, or the
//! client left before its turn came. Whoever leaves later has had a try. A full queue charges nothing. What is given back
//! is what that attempt was charged, in the window that it was charged in: other failures stay. A refused attempt
//! changes no counter. Attempts at one identifier from one network take turns in each process, so that parallel ones with
//! the right password do not look like failures to one another.
//!
//! An identifier that nobody has, one that nobody can have, and an account without a password are charged alike, with the
//! same statements.
//!
//! # Windows
//!
//! A counter's window begins with the first thing counted and has a fixed length; then it begins anew. That is a row of
//! constant size, a give-back that is exact, and a `retryAfter` that can be told: what is left of the window, in whole
//! seconds, rounded up. Its price: twice the limit may fall into a span of one window's length, never more in the long
//! run. The windows are the rows', whichever replica's clock they were begun by.
//!
//! # What is stored
//!
//! A counter's name is an HMAC under a key that is derived from the one of service keys: no identifier and no address is
//! there to be read, and a new master secret loses no count. Only attempts that go on make rows, and a network is allowed
//! limit × 10 failures in a window: that makes 2 × 10 × limit + 2 rows at most (202 with the defaults), in a /48 ten times
//! as many; and an account that signs in makes two for each network that it does so from. Pruning
//! ([`Sessions::prune`](crate::session::Sessions::prune)) deletes rows whose window has ended. Refreshes are counted in 8 MiB of memory at most; where sessions beyond
//! that are refreshed at once, those are forgotten that have been quiet for longest.

mod budget;
mod counters;
mod turns;

use std::time::Duration;

use chrono::{DateTime, Utc};

pub(crate) use self::{
    budget::Budgets,
    counters::{Charge, Charged, Counter, charge, give_back, prune},
    turns::{Turn, Turns},
};
use crate::error::{Error, ErrorKind};

/// So many times in so long a window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// How many times.
    pub count: u32,
    /// How long a window is.
    pub per: Duration,
}

/// `RATE_LIMITED` until a window ends: what is left of it in whole seconds, rounded up, and one at least.
fn refusal(until: DateTime<Utc>, now: DateTime<Utc>) -> Error {
    let left = (until - now).to_std().unwrap_or_default();
    let seconds = left.as_millis().div_ceil(1_000).max(1);
    let retry_after = u64::try_from(seconds).unwrap_or(u64::MAX);
    ErrorKind::RateLimited { retry_after }.into()
}
