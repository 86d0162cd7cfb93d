//! The test harness: runs a command on the host and under `fncall run`, and compares what both did.
//!
//! The host is the oracle. A [`case::Case`] is one command in a fresh scratch directory; it runs once on the host
//! and once on the kernel under test, and standard output (byte for byte), standard error, the exit status
//! and the files left behind must agree. Nothing here knows what the right answer is.
//!
//! Used by the integration tests in `tests/` and by the `bench` program. The environment decides:
//!
//! | variable | meaning |
//! |---|---|
//! | `FNCALL` | the binary under test; default: `fncall` of the release profile, built first |
//! | `FNCALL=host` | no kernel: run on the host twice, which checks that the cases themselves are repeatable |
//! | `FNCALL_TESTS_NO_INSTALL` | never call `apt-get`; cases whose programs are missing are skipped by name |

#![forbid(unsafe_code)]

pub mod case;
pub mod cc;
pub mod known;
pub mod needs;
pub mod pysuite;
pub mod run;
pub mod source;
pub mod subject;
pub mod suite;
pub mod tree;
