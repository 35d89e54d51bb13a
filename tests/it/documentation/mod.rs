//! What the documentation says is there: links lead somewhere, names are those of the code, generated pages are up to
//! date, and commands print what is shown.

mod commands;
mod configuration;
mod deployment;
mod errors;
mod links;
mod operations;
mod pages;
mod promises;
mod walks;
