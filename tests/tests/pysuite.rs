//! CPython's own test suite, as Debian packages it: every case that passes on the host must pass on fncall.
//!
//! One test per module; those that take minutes run with `-- --include-ignored` only. Cases that are known to differ are
//! listed in `known-differences.txt` as `python-suite::MODULE.CLASS.CASE`.

use fncall_tests::pysuite::{self, Verdict};
use fncall_tests::{needs, suite};
use libtest_mimic::{Completion, Trial};

/// Modules about what a kernel does.
const MODULES: &[&str] = &[
    "test_epoll",
    "test_fcntl",
    "test_file",
    "test_fork1",
    "test_mmap",
    "test_os",
    "test_pathlib",
    "test_posix",
    "test_pty",
    "test_select",
    "test_shutil",
    "test_signal",
    "test_subprocess",
    "test_tempfile",
    "test_thread",
    "test_threading",
    "test_time",
    "test_wait3",
    "test_wait4",
];

/// More than half a minute on each side.
const LONG: &[&str] = &["test_concurrent_futures", "test_io", "test_multiprocessing_fork"];

fn main() {
    let args = suite::begin();
    let quick = MODULES.iter().map(|module| trial(module));
    let long = LONG.iter().map(|module| trial(module).with_ignored_flag(true));
    suite::finish(&args, quick.chain(long).collect());
}

fn trial(module: &'static str) -> Trial {
    let name = format!("python-suite::{module}");
    Trial::ignorable_test(name.clone(), move || {
        if needs::find(needs::PYTHON_SUITE).is_none() {
            return Ok(Completion::ignored_with(format!("needs {}", needs::package(needs::PYTHON_SUITE))));
        }
        match pysuite::judge(module) {
            Ok(Verdict { summary, report }) if report.is_empty() => {
                println!("{name}: {summary}");
                Ok(Completion::Completed)
            }
            Ok(Verdict { summary, report }) => Err(format!("{summary}\n{report}").into()),
            Err(why) => Err(format!("the harness itself failed: {why}").into()),
        }
    })
}
