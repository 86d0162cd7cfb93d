//! Real programs, from the distribution and from compilers here, on the host and on fncall.
//!
//! Cases that change files come twice: on the overlay, where the host's files must stay untouched, and with `[write]`,
//! where they must change as the host changes them.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::{Command, Stdio};

use fncall_tests::case::Case;
use fncall_tests::suite;
use libtest_mimic::Trial;

mod binaries;
mod debuggers;
mod languages;
mod python;
mod sockets;
mod storage;
mod text;
mod tools;

fn main() {
    let args = suite::begin();
    let mut all = Collection::default();
    tools::busybox(&mut all);
    tools::coreutils(&mut all);
    tools::util_linux(&mut all);
    text::text_tools(&mut all);
    text::archives(&mut all);
    python::python(&mut all);
    languages::languages(&mut all);
    sockets::sockets(&mut all);
    storage::sqlite(&mut all);
    storage::git(&mut all);
    binaries::binaries(&mut all);
    binaries::compiled(&mut all);
    languages::scripts(&mut all);
    debuggers::core_files(&mut all);
    suite::finish(&args, all.trials);
}

#[derive(Default)]
struct Collection {
    trials: Vec<Trial>,
}

impl Collection {
    fn add(&mut self, case: Case) {
        self.trials.push(case.into());
    }

    /// A case that changes files: on the overlay and for real.
    fn both(&mut self, case: impl Fn(String) -> Case, name: &str) {
        self.add(case(name.to_owned()));
        self.add(case(format!("{name} [write]")).write());
    }

    /// Many one-line commands of one program, in a directory with some files.
    fn lines(&mut self, group: &str, program: &'static str, lines: &[(&str, &[&str])]) {
        for (name, args) in lines {
            let argv: Vec<OsString> =
                std::iter::once(program).chain(args.iter().copied()).map(OsString::from).collect();
            self.add(garden(Case::new(format!("{group}::{name}"), argv).needs(&[program])));
        }
    }
}

/// Numbered lines in a scrambled but fixed order.
fn scrambled(lines: u64) -> String {
    (0..lines).map(|i| format!("{} line {i} of some text\n", i * 7919 % lines)).collect()
}

/// A directory with a bit of everything.
fn garden(case: Case) -> Case {
    case.file("words", scrambled(2000))
        .file("a.txt", "alpha\nbeta\ngamma\ndelta\n")
        .file("b.txt", "alpha\nbeta\nGAMMA\nepsilon\n")
        .file("empty", "")
        .file("bytes", (0..=255u8).cycle().take(100_000).collect::<Vec<_>>())
        .file("dir/one", "1\n")
        .file("dir/two", "22\n")
        .file("dir/sub/three", "333\n")
        .setup(|dir| {
            symlink("a.txt", dir.join("link"))?;
            symlink("nowhere", dir.join("dangling"))?;
            fs::hard_link(dir.join("b.txt"), dir.join("hard"))?;
            fs::set_permissions(dir.join("dir/two"), fs::Permissions::from_mode(0o600))
        })
}

/// Prepares files with a program of the host.
fn host(dir: &Path, argv: &[&str]) -> io::Result<()> {
    let output = Command::new(argv[0])
        .args(&argv[1..])
        .current_dir(dir)
        .env("LC_ALL", "C")
        .stdin(Stdio::null())
        .output()?;
    if output.status.success() {
        Ok(())
    } else {
        Err(io::Error::other(String::from_utf8_lossy(&output.stderr).into_owned()))
    }
}
