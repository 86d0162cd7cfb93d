//! One case: a command line that must do the same on the host and on the kernel under test.
//! Called by the integration tests, which list the cases, and by `suite`, which runs them.

use std::ffi::OsString;
use std::fmt::Write as _;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use similar::{ChangeTag, TextDiff};

use crate::needs;
use crate::run::{Ending, Job, Outcome, run};
use crate::subject::{Subject, subject, target_dir};
use crate::tree::{self, Detail};

type Setup = Box<dyn Fn(&Path) -> io::Result<()> + Send + Sync>;
type Obstacle = Box<dyn Fn() -> Option<String> + Send + Sync>;

/// What became of a case.
pub enum Verdict {
    /// Both runs agree.
    Same,
    /// It could not be run here; the reason.
    Skipped(String),
    /// They disagree; a report for humans.
    Differs(String),
}

/// A command, its scratch directory, and what is compared.
pub struct Case {
    name: String,
    steps: Vec<Vec<OsString>>,
    env: Vec<(OsString, OsString)>,
    stdin: Vec<u8>,
    needs: Vec<&'static str>,
    obstacles: Vec<Obstacle>,
    setup: Vec<Setup>,
    write: bool,
    options: Vec<OsString>,
    opaque: Vec<&'static str>,
    sort_lines: bool,
    limit: Duration,
}

impl Case {
    /// A case called `name` that runs `argv` with the scratch directory as its working directory.
    pub fn new<S: Into<OsString>>(name: impl Into<String>, argv: impl IntoIterator<Item = S>) -> Case {
        Case {
            name: name.into(),
            steps: vec![argv.into_iter().map(Into::into).collect()],
            env: Vec::new(),
            stdin: Vec::new(),
            needs: Vec::new(),
            obstacles: Vec::new(),
            setup: Vec::new(),
            write: false,
            options: Vec::new(),
            opaque: Vec::new(),
            sort_lines: false,
            limit: Duration::from_secs(60),
        }
    }

    /// Another command after the first. Only sensible with [`Case::write`]: without it each step starts from the
    /// same files.
    #[must_use]
    pub fn then<S: Into<OsString>>(mut self, argv: impl IntoIterator<Item = S>) -> Case {
        self.steps.push(argv.into_iter().map(Into::into).collect());
        self
    }

    /// Programs that must be installed; a missing one skips the case.
    #[must_use]
    pub fn needs(mut self, programs: &[&'static str]) -> Case {
        self.needs.extend_from_slice(programs);
        self
    }

    /// Skips the case when `obstacle`, asked just before the runs, gives a reason.
    #[must_use]
    pub fn unless(mut self, obstacle: impl Fn() -> Option<String> + Send + Sync + 'static) -> Case {
        self.obstacles.push(Box::new(obstacle));
        self
    }

    /// Adds an environment variable.
    #[must_use]
    pub fn env(mut self, key: &str, value: &str) -> Case {
        self.env.push((key.into(), value.into()));
        self
    }

    /// Bytes on standard input.
    #[must_use]
    pub fn stdin(mut self, bytes: impl Into<Vec<u8>>) -> Case {
        self.stdin = bytes.into();
        self
    }

    /// Makes files in the scratch directory before each run.
    #[must_use]
    pub fn setup(mut self, f: impl Fn(&Path) -> io::Result<()> + Send + Sync + 'static) -> Case {
        self.setup.push(Box::new(f));
        self
    }

    /// A file in the scratch directory.
    #[must_use]
    pub fn file(self, path: &'static str, contents: impl Into<Vec<u8>>) -> Case {
        let contents = contents.into();
        self.setup(move |dir| {
            let path = dir.join(path);
            if let Some(parent) = path.parent() {
                fs::create_dir_all(parent)?;
            }
            fs::write(path, &contents)
        })
    }

    /// Lets the program write the scratch directory for real. Then the files it leaves must be those it leaves
    /// on the host; without it, a run must leave the directory exactly as it was.
    #[must_use]
    pub fn write(mut self) -> Case {
        self.write = true;
        self
    }

    /// An option of `fncall run`.
    #[must_use]
    pub fn option(mut self, option: impl Into<OsString>) -> Case {
        self.options.push(option.into());
        self
    }

    /// A file whose contents may differ between runs (it holds times, for example).
    #[must_use]
    pub fn opaque(mut self, path: &'static str) -> Case {
        self.opaque.push(path);
        self
    }

    /// Compare standard output as a set of lines: the order is the file system's business.
    #[must_use]
    pub fn any_order(mut self) -> Case {
        self.sort_lines = true;
        self
    }

    /// Time limit of one run, in seconds. The default is 60.
    #[must_use]
    pub fn seconds(mut self, limit: u64) -> Case {
        self.limit = Duration::from_secs(limit);
        self
    }

    /// Name of the case.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Runs it on both sides and compares.
    pub fn judge(&self) -> Verdict {
        for program in &self.needs {
            if needs::find(program).is_none() {
                return Verdict::Skipped(format!("needs {}", needs::package(program)));
            }
        }
        if let Some(why) = self.obstacles.iter().find_map(|obstacle| obstacle()) {
            return Verdict::Skipped(why);
        }
        let subject = match subject() {
            Ok(subject) => subject,
            Err(why) => return Verdict::Differs(why),
        };
        match self.compare(&subject) {
            Ok(report) if report.is_empty() => Verdict::Same,
            Ok(report) => Verdict::Differs(report),
            Err(e) => Verdict::Differs(format!("the harness itself failed: {e}")),
        }
    }

    fn compare(&self, subject: &Subject) -> io::Result<String> {
        let dir = self.scratch();
        let mut report = String::new();
        self.prepare(&dir)?;
        let mut expected = Vec::new();
        for argv in &self.steps {
            expected.push(self.run(argv, &dir)?);
        }
        let host_files = tree::picture(&dir, Detail::Outcome, &self.opaque)?;

        self.prepare(&dir)?;
        tree::settle();
        let before = tree::picture(&dir, Detail::Untouched, &[])?;
        let mut options = self.options.clone();
        if self.write {
            options.push("--write".into());
            options.push(dir.clone().into_os_string());
        }
        for (argv, expected) in self.steps.iter().zip(&expected) {
            let got = self.run(&subject.command(&options, argv), &dir)?;
            self.compare_runs(subject, expected, &got, &mut report);
        }
        if self.write || matches!(subject, Subject::Host) {
            let files = tree::picture(&dir, Detail::Outcome, &self.opaque)?;
            diff("files left behind", &host_files, &files, &mut report);
        } else {
            let after = tree::picture(&dir, Detail::Untouched, &[])?;
            diff(
                "files of the host before and after a run that may not write them",
                &before,
                &after,
                &mut report,
            );
        }
        if report.is_empty() {
            tree::remove(dir.parent().unwrap_or(&dir))?;
        } else {
            let argv = self.steps.iter().map(|s| format!("{s:?}")).collect::<Vec<_>>().join("\n  then: ");
            report = format!("in {}\n  run:  {argv}\n{report}", dir.display());
        }
        Ok(report)
    }

    fn compare_runs(&self, subject: &Subject, expected: &Outcome, got: &Outcome, report: &mut String) {
        // A program of ours that a signal ends makes `fncall` say so and exit with 128+N, as a shell does.
        let (ending, errors) = match (subject, expected.ending) {
            (Subject::Fncall(_), Ending::Killed(signal)) => {
                (Ending::Exited(128 + signal), without_own_lines(&got.stderr))
            }
            (_, ending) => (ending, got.stderr.clone()),
        };
        if got.ending != ending {
            let _ = writeln!(
                report,
                "--- ending: host {:?}, expected {ending:?}, got {:?}",
                expected.ending, got.ending
            );
        }
        let (out_a, out_b) = (self.text(&expected.stdout), self.text(&got.stdout));
        diff("standard output", &out_a, &out_b, report);
        if out_a == out_b && expected.stdout != got.stdout && !self.sort_lines {
            report.push_str("--- standard output differs in bytes that are not text\n");
        }
        diff(
            "standard error",
            &String::from_utf8_lossy(&expected.stderr),
            &String::from_utf8_lossy(&errors),
            report,
        );
    }

    fn text(&self, bytes: &[u8]) -> String {
        let text = String::from_utf8_lossy(bytes);
        if !self.sort_lines {
            return text.into_owned();
        }
        let mut lines: Vec<&str> = text.lines().collect();
        lines.sort_unstable();
        lines.join("\n")
    }

    fn run(&self, argv: &[OsString], dir: &Path) -> io::Result<Outcome> {
        run(&Job { argv, env: &self.env, stdin: &self.stdin, dir, limit: self.limit })
    }

    /// The scratch directory: the same path on both sides, because paths end up in outputs; in a directory of its
    /// own, because listings show the parent too.
    fn scratch(&self) -> PathBuf {
        let plain: String =
            self.name.chars().map(|c| if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' }).collect();
        target_dir().join("tests-scratch").join(plain).join("dir")
    }

    fn prepare(&self, dir: &Path) -> io::Result<()> {
        tree::remove(dir)?;
        fs::create_dir_all(dir)?;
        for setup in &self.setup {
            setup(dir)?;
        }
        tree::pin_times(dir.parent().unwrap_or(dir))
    }
}

/// Standard error without the lines `fncall` itself adds about the end of the program.
fn without_own_lines(stderr: &[u8]) -> Vec<u8> {
    stderr
        .split_inclusive(|b| *b == b'\n')
        .filter(|line| !line.starts_with(b"fncall: "))
        .flatten()
        .copied()
        .collect()
}

/// Appends a readable difference to `report`; nothing when the texts agree.
pub fn diff(what: &str, host: &str, ours: &str, report: &mut String) {
    const SHOWN: usize = 60;
    if host == ours {
        return;
    }
    let _ = writeln!(report, "--- {what}{}", if what.ends_with(')') { "" } else { " (- host, + fncall)" });
    // A line diff of megabytes takes minutes and helps nobody: show the first lines that differ.
    if host.len() + ours.len() > 1 << 20 {
        let at = host.lines().zip(ours.lines()).position(|(a, b)| a != b);
        let at = at.unwrap_or_else(|| host.lines().count().min(ours.lines().count()));
        let _ = writeln!(
            report,
            "  sizes {} and {}; first difference in line {}",
            host.len(),
            ours.len(),
            at + 1
        );
        for (sign, text) in [('-', host), ('+', ours)] {
            for line in text.lines().skip(at).take(5) {
                let _ = writeln!(report, "{sign} {}", clip(line));
            }
        }
        return;
    }
    let changes = TextDiff::from_lines(host, ours);
    let mut shown = 0;
    for group in changes.grouped_ops(2) {
        for op in group {
            for change in changes.iter_changes(&op) {
                let sign = match change.tag() {
                    ChangeTag::Delete => '-',
                    ChangeTag::Insert => '+',
                    ChangeTag::Equal => ' ',
                };
                if shown == SHOWN {
                    report.push_str("  … more\n");
                    return;
                }
                shown += 1;
                let _ = writeln!(report, "{sign} {}", clip(change.value().trim_end_matches('\n')));
            }
        }
    }
}

fn clip(line: &str) -> String {
    if line.chars().count() <= 300 {
        line.to_owned()
    } else {
        line.chars().take(300).chain("…".chars()).collect()
    }
}
