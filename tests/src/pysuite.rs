//! Runs one module of CPython's test suite on the host and on the kernel under test, case by case, and compares.
//! `python/driver.py` runs the cases; here the runs are watched: one that stops, or ends early, is started again without
//! the cases it has had. Called by `tests/pysuite.rs`.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs::{self, File};
use std::io;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};

use crate::known;
use crate::run::PATH;
use crate::subject::{Subject, subject, target_dir};

const PYTHON: &str = "/usr/bin/python3";
const DRIVER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/python/driver.py");

/// A case that takes this long hangs.
const CASE_LIMIT: Duration = Duration::from_secs(120);
/// After so many hanging or crashing cases of a module, the rest is not run.
const MOST_STARTS: usize = 20;

/// What came of a module.
pub struct Verdict {
    /// How many cases did what, in one line.
    pub summary: String,
    /// The cases that pass on the host only; empty when there are none.
    pub report: String,
}

/// What came of a case: the driver's word (`ok`, `skip`, `fail`) or `hang` or `crash`, and the reason.
struct Outcome {
    word: String,
    reason: String,
}

type Outcomes = BTreeMap<String, Outcome>;

/// Which cases of a module are run.
enum Choice<'a> {
    All,
    Only(&'a BTreeSet<String>),
}

/// Runs `module` on both sides.
///
/// # Errors
/// When a run cannot be started or its results cannot be read.
pub fn judge(module: &str) -> io::Result<Verdict> {
    let subject = subject().map_err(io::Error::other)?;
    let dir = target_dir().join("tests-scratch/python-suite").join(module);
    let host = run(module, &Subject::Host, &dir.join("host"), &Choice::All)?;
    let mut ours = run(module, &subject, &dir.join("fncall"), &Choice::All)?;

    // A case with a time limit of its own may miss it on a busy machine: it gets a second chance, alone.
    let again: BTreeSet<String> = differing(&host, &ours).map(|(case, _)| case.to_owned()).collect();
    if !again.is_empty() {
        ours.extend(run(module, &subject, &dir.join("fncall-again"), &Choice::Only(&again))?);
    }

    let (mut report, mut known) = (String::new(), 0);
    for (case, outcome) in differing(&host, &ours) {
        let short = case.strip_prefix("test.").unwrap_or(case);
        if known::reason(&format!("python-suite::{short}")).is_some() {
            known += 1;
            continue;
        }
        let (word, reason) = outcome.map_or(("not run", ""), |o| (&o.word, &o.reason));
        let _ = writeln!(report, "{short}: ok on the host, {word} on fncall: {reason}");
    }
    if !report.is_empty() {
        let _ = writeln!(report, "what the programs printed: {}/*/log", dir.display());
    }
    let passed = host.values().filter(|o| o.word == "ok").count();
    let second = again.iter().filter(|case| ours.get(*case).is_some_and(|o| o.word == "ok")).count();
    let summary = format!(
        "{passed} of {} cases pass on the host; here {} of them, {second} when run a second time; {known} are known to \
         differ",
        host.len(),
        passed - differing(&host, &ours).count(),
    );
    Ok(Verdict { summary, report })
}

/// The cases that pass on the host and not here.
fn differing<'a>(
    host: &'a Outcomes,
    ours: &'a Outcomes,
) -> impl Iterator<Item = (&'a str, Option<&'a Outcome>)> {
    host.iter()
        .filter(|(_, outcome)| outcome.word == "ok")
        .map(|(case, _)| (case.as_str(), ours.get(case)))
        .filter(|(_, outcome)| outcome.is_none_or(|o| o.word != "ok"))
}

fn run(module: &str, subject: &Subject, dir: &Path, choice: &Choice<'_>) -> io::Result<Outcomes> {
    let _ = fs::remove_dir_all(dir);
    // The results are written for real; what the cases do in their working directory stays on the overlay.
    let (out, work) = (dir.join("out"), dir.join("work"));
    fs::create_dir_all(&out)?;
    fs::create_dir_all(&work)?;
    let (results, list) = (out.join("results"), out.join("list"));
    let log = File::create(dir.join("log"))?;
    let mut outcomes = Outcomes::new();
    for _ in 0..MOST_STARTS {
        let (relation, cases): (_, Vec<&str>) = match choice {
            Choice::All => ("not", outcomes.keys().map(String::as_str).collect()),
            Choice::Only(cases) => {
                let left = cases.iter().filter(|case| !outcomes.contains_key(*case));
                ("only", left.map(String::as_str).collect())
            }
        };
        fs::write(&list, cases.join("\n"))?;
        fs::write(&results, "")?;
        let argv = [
            PYTHON.into(),
            DRIVER.into(),
            module.into(),
            results.clone().into_os_string(),
            relation.into(),
            list.clone().into_os_string(),
        ];
        let options = ["--write".into(), out.clone().into_os_string()];
        let line = subject.command(&options, &argv);
        let mut command = Command::new(&line[0]);
        command
            .args(&line[1..])
            .env_clear()
            .env("PATH", PATH)
            .env("HOME", &work)
            .env("LC_ALL", "C.UTF-8")
            .env("TZ", "UTC")
            .env("TERM", "dumb")
            .current_dir(&work)
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log.try_clone()?);
        let stopped = watch(&mut command, &results)?;
        let before = outcomes.len();
        let ended = read(&results, stopped, &mut outcomes)?;
        if ended || outcomes.len() == before {
            break;
        }
    }
    Ok(outcomes)
}

/// Runs the command to its end, or until no case has begun or ended for [`CASE_LIMIT`]; then, or when it ends early,
/// the answer is what to call that.
fn watch(command: &mut Command, results: &PathBuf) -> io::Result<&'static str> {
    let mut child = command.spawn()?;
    let group = Pid::from_child(&child);
    let (mut size, mut since) = (0, Instant::now());
    let stopped = loop {
        if child.try_wait()?.is_some() {
            break "crash";
        }
        let now = fs::metadata(results)?.len();
        if now != size {
            (size, since) = (now, Instant::now());
        } else if since.elapsed() > CASE_LIMIT {
            break "hang";
        }
        thread::sleep(Duration::from_millis(20));
    };
    if stopped == "hang" {
        // Not waited for yet, so the group's number is still its own.
        let _ = kill_process_group(group, Signal::KILL);
        child.wait()?;
    }
    Ok(stopped)
}

/// Reads the driver's lines; whether it came to its end. A case that began and did not end has `stopped`.
fn read(results: &Path, stopped: &str, outcomes: &mut Outcomes) -> io::Result<bool> {
    let bytes = fs::read(results)?;
    let text = String::from_utf8_lossy(&bytes);
    for line in text.lines() {
        let mut words = line.splitn(3, ' ');
        let (Some(word), Some(case)) = (words.next(), words.next()) else { continue };
        let word = if word == "start" { stopped } else { word };
        let reason = words.next().unwrap_or_default().to_owned();
        outcomes.insert(case.to_owned(), Outcome { word: word.to_owned(), reason });
    }
    Ok(text.lines().last() == Some("end"))
}
