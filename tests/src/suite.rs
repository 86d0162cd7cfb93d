//! Collects cases and runs them under the usual test command line (`--list`, name filters, `--exact` …).
//! Called by each integration test's `main`.

use libtest_mimic::{Arguments, Completion, Trial};

use crate::case::{Case, Verdict};
use crate::needs;

/// Parses the command line and installs what the cases need. Call first.
pub fn begin() -> Arguments {
    let mut args = Arguments::from_args();
    // The programs compete for the processor with the kernel under test; more at once only makes time
    // limits a matter of luck.
    args.test_threads = Some(args.test_threads.unwrap_or(2).min(2));
    if !args.list {
        needs::install_missing();
    }
    args
}

/// Runs the trials, prints the closing line and exits.
pub fn finish(args: &Arguments, trials: Vec<Trial>) -> ! {
    libtest_mimic::run(args, trials).exit()
}

impl From<Case> for Trial {
    fn from(case: Case) -> Trial {
        let name = case.name().to_owned();
        Trial::ignorable_test(name, move || match case.judge() {
            Verdict::Same => Ok(Completion::Completed),
            Verdict::Skipped(why) => Ok(Completion::ignored_with(why)),
            Verdict::Differs(report) => Err(report.into()),
        })
    }
}

/// A case that could not even be collected, because of a missing package.
pub fn skipped(name: impl Into<String>, why: String) -> Trial {
    Trial::ignorable_test(name, move || Ok(Completion::ignored_with(why)))
}

/// A case that could not be collected because it is wrong.
pub fn broken(name: impl Into<String>, why: String) -> Trial {
    Trial::test(name, move || Err(why.into()))
}
