//! The server and its commands; `sessiongraph help` lists them.

mod cli;

use std::process::ExitCode;

use mimalloc::MiMalloc;

/// glibc's keeps what each of its arenas has ever held: after a flood of sign-ins that is most of the memory.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

#[tokio::main]
async fn main() -> ExitCode {
    sessiongraph::crypto::keep_signing_keys();
    cli::run().await
}
