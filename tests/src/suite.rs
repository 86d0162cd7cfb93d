//! Collects cases and runs them under the usual test command line (`--list`, name filters, `--exact` …).
//! Called by each integration test's `main`.

use std::fs;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use libtest_mimic::{Arguments, Completion, Failed, Trial};

use crate::case::{Case, Verdict};
use crate::subject::{Subject, subject, target_dir};
use crate::{known, needs, tree};

/// Parses the command line and installs what the cases need. Call first.
pub fn begin() -> Arguments {
    drop_inherited_descriptors();
    let mut args = Arguments::from_args();
    // The programs compete for the processor with the kernel under test; more at once only makes time
    // limits a matter of luck.
    args.test_threads = Some(args.test_threads.unwrap_or(2).min(2));
    if !args.list {
        needs::install_missing();
    }
    args
}

/// Programs print descriptor numbers, so a case must start with standard input, output and error only; whoever
/// started the tests may have left more open. Starts the test binary again without them.
fn drop_inherited_descriptors() {
    const AGAIN: &str = "FNCALL_TESTS_AGAIN";
    let open: Vec<u32> = std::fs::read_dir("/proc/self/fd")
        .map(|dir| dir.filter_map(|e| e.ok()?.file_name().to_str()?.parse().ok()).collect())
        .unwrap_or_default();
    // The directory being read is one of them, and closed by now.
    let extra: Vec<u32> = open
        .into_iter()
        .filter(|fd| *fd > 2 && std::fs::exists(format!("/proc/self/fd/{fd}")).unwrap_or(false))
        .collect();
    if extra.is_empty() || std::env::var_os(AGAIN).is_some() {
        return;
    }
    let Ok(exe) = std::env::current_exe() else { return };
    let redirections: String = extra.iter().map(|fd| format!(" {fd}>&-")).collect();
    let error = Command::new("bash")
        .arg("-c")
        .arg(format!("exec \"$0\" \"$@\"{redirections}"))
        .arg(exe)
        .args(std::env::args_os().skip(1))
        .env(AGAIN, "1")
        .exec();
    println!("descriptors {extra:?} are open and may show in outputs: {error}");
}

/// Runs the trials, prints the closing line and exits.
pub fn finish(args: &Arguments, trials: Vec<Trial>) -> ! {
    libtest_mimic::run(args, trials).exit()
}

impl From<Case> for Trial {
    fn from(case: Case) -> Trial {
        let name = case.name().to_owned();
        let known = known::reason(&name);
        Trial::ignorable_test(name, move || match case.judge() {
            Verdict::Same => Ok(Completion::Completed),
            Verdict::Skipped(why) => Ok(Completion::ignored_with(why)),
            Verdict::Differs(_) if let Some(reason) = known => {
                Ok(Completion::ignored_with(format!("known difference: {reason}")))
            }
            Verdict::Differs(report) => Err(report.into()),
        })
    }
}

/// A check of fncall alone, beside no host: `check` gets an empty directory, which goes when it succeeds, and the binary.
/// `program` is what it needs, if anything. `group` tells apart what several test files have under one name.
pub fn check(
    group: &str,
    name: &str,
    program: Option<&'static str>,
    check: impl FnOnce(&Path, PathBuf) -> Result<(), String> + Send + 'static,
) -> Trial {
    let directory = format!("{group}_{name}");
    Trial::ignorable_test(name, move || {
        let Subject::Fncall(fncall) = subject()? else {
            return Ok(Completion::ignored_with("needs the fncall binary"));
        };
        if let Some(program) = program.filter(|program| needs::find(program).is_none()) {
            return Ok(Completion::ignored_with(format!("needs {}", needs::package(program))));
        }
        let dir = scratch(&directory)?;
        check(&dir, fncall).map_err(Failed::from)?;
        tree::remove(&dir)?;
        Ok(Completion::Completed)
    })
}

/// An empty directory with this name.
///
/// # Errors
/// Those of making it.
pub fn scratch(name: &str) -> std::io::Result<PathBuf> {
    let dir = target_dir().join("tests-scratch").join(name);
    tree::remove(&dir)?;
    fs::create_dir_all(&dir)?;
    Ok(dir)
}

/// A case that could not even be collected, because of a missing package.
pub fn skipped(name: impl Into<String>, why: String) -> Trial {
    Trial::ignorable_test(name, move || Ok(Completion::ignored_with(why)))
}

/// A case that could not be collected because it is wrong.
pub fn broken(name: impl Into<String>, why: String) -> Trial {
    Trial::test(name, move || Err(why.into()))
}
