//! Has the playground embedded anew whenever it was built anew.

use std::fs;

const PLAYGROUND: &str = "playground/dist";

fn main() {
    // Cargo takes a path that is not there for one that has changed, each time. Where it cannot be made nothing is lost
    // but that time.
    let _ = fs::create_dir_all(PLAYGROUND);
    println!("cargo:rerun-if-changed={PLAYGROUND}");
}
