//! The real binary.

mod accounts;
mod configuration;
mod faults;
mod keys;
mod replicas;
mod serve;
mod support;
