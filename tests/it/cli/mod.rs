//! The real binary.

mod accounts;
mod configuration;
mod events;
mod keys;
mod killed;
mod metrics;
mod moving_in;
mod postgres_faults;
mod replicas;
mod secret_rotation;
mod secrets;
mod serve;
mod sign_in;
mod sqlite_faults;
mod support;
mod traces;
mod upkeep;
