//! The real binary.

mod accounts;
mod configuration;
mod faults;
mod keys;
mod replicas;
mod secret_rotation;
mod secrets;
mod serve;
mod sign_in;
mod support;
