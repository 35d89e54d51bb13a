//! The server and its commands; `sessiongraph help` lists them.

mod cli;

use std::process::ExitCode;

/// mimalloc: glibc's allocator keeps what each of its arenas has ever held, after a flood of sign-ins most of the memory.
#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// There `malloc` itself is mimalloc's, SQLite's too (its feature `override`), and Rust's allocator calls it. `MiMalloc`
/// would ask for an alignment each time, which takes longer, and for most sizes a larger block. It is named for linkers,
/// which leave out what nothing refers to.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
#[used]
static ALLOCATOR: &(dyn std::alloc::GlobalAlloc + Sync) = &mimalloc::MiMalloc;

#[tokio::main]
async fn main() -> ExitCode {
    sessiongraph::crypto::keep_signing_keys();
    cli::run().await
}
