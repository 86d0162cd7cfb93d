//! A kernel of `tests/freestanding` links without a C library and runs.

use std::process::Command;

#[test]
fn a_kernel_without_a_c_library_links_and_runs() {
    let status = Command::new(env!("CARGO"))
        .args(["run", "--quiet", "--offline", "--manifest-path"])
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/freestanding/Cargo.toml"))
        .args(["--target-dir", concat!(env!("CARGO_TARGET_TMPDIR"), "/freestanding")])
        // The compiler that built this, wherever it is started from.
        .env("RUSTC", std::path::Path::new(env!("CARGO")).with_file_name("rustc"))
        .env("RUSTFLAGS", "-Clink-args=-nostdlib -Clink-args=-static -Crelocation-model=static")
        .status()
        .unwrap();
    // The number says which of its expectations failed.
    assert_eq!(status.code(), Some(0));
}
