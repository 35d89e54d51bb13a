//! The real binary.

mod accounts;
mod configuration;
mod keys;
mod serve;
mod support;
