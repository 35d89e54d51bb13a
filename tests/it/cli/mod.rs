//! The real binary.

mod accounts;
mod configuration;
mod keys;
mod killed;
mod postgres_faults;
mod replicas;
mod serve;
mod sqlite_faults;
mod support;
mod upkeep;
