//! The command line of fncall: reads options, checks them, describes the run in a [`config::BootConfig`] and
//! turns this process into the kernel image that the executable carries (`image.rs`).
//!
//! The kernel is not here, and nothing of this crate survives into it: the hand-over is like an `exec`. What can
//! be wrong with the user's input is found out before that and said in one line, with exit code 125.
//!
//! A library only so that tests can reach in.
#![forbid(unsafe_code)]

#[cfg(not(all(target_os = "linux", target_arch = "x86_64")))]
compile_error!("fncall runs on Linux on x86-64 only");

pub mod boot;
mod carrier;
mod docs;
pub mod error;
pub mod image;
pub mod options;

use std::io::Write as _;

use clap::Parser as _;
use clap::error::ErrorKind;
use config::exit_code;

use crate::error::CliError;
use crate::options::{Command, Options};

/// The whole command; the answer is the exit code, if `run` has not replaced this process.
#[must_use]
pub fn main() -> i32 {
    let options = match Options::try_parse() {
        Ok(options) => options,
        Err(error) => {
            // A reader that has gone away is no failure of ours.
            let _ = error.print();
            return match error.kind() {
                ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => 0,
                _ => exit_code::FAILURE,
            };
        }
    };
    let result = match options.command {
        Command::Run(run) => start(run),
        Command::Syscalls => image::list_syscalls(image::KERNEL).map(|never| match never {}),
        Command::Man { command } => docs::man(command.as_deref()).and_then(print),
        Command::Completions { shell } => print(docs::completions(shell)),
    };
    match result {
        Ok(()) => 0,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "fncall: {error}");
            exit_code::FAILURE
        }
    }
}

fn start(run: options::Run) -> Result<(), CliError> {
    let release = nix::sys::utsname::uname();
    let release = release.as_ref().map(|name| name.release().to_string_lossy()).unwrap_or_default();
    boot::check_release(&release)?;
    let config = boot::configure(run, &boot::Surroundings::of_this_process()?)?;
    match image::launch(image::KERNEL, &config)? {}
}

fn print(text: Vec<u8>) -> Result<(), CliError> {
    let mut out = std::io::stdout().lock();
    out.write_all(&text).and_then(|()| out.flush()).map_err(CliError::Output)
}
