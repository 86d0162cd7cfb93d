//! The entry of the `fncall` command. Everything else is in the library beside it.
//!
//! On glibc the C entry is taken instead of Rust's: Rust's ignores SIGPIPE and opens /dev/null in place of
//! closed standard descriptors, and the program to be run would inherit both.
#![deny(unsafe_code)]
#![cfg_attr(target_env = "gnu", no_main)]

/// Called by libc. The arguments are not needed: std has them from libc's initialisation.
#[cfg(target_env = "gnu")]
#[expect(unsafe_code, reason = "an unmangled symbol; libc calls `main` once, and no other crate defines it")]
#[unsafe(no_mangle)]
extern "C" fn main() -> std::ffi::c_int {
    // Unwinding into C would abort with a core dump.
    std::panic::catch_unwind(fncall_cli::main).unwrap_or(config::exit_code::FAILURE)
}

#[cfg(not(target_env = "gnu"))]
fn main() {
    std::process::exit(fncall_cli::main());
}
