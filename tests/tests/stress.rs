//! Stress, about a minute of it: the sections of `stress/stress.c` print the same on the host and on fncall, and those
//! that make thousands of processes and threads leave no memory and no descriptors behind. `STRESS=N` in the
//! environment makes everything N times longer.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use fncall_tests::case::Case;
use fncall_tests::cc::{self, CompileError, Flavor};
use fncall_tests::run::PATH;
use fncall_tests::subject::{Subject, subject, target_dir};
use fncall_tests::suite;
use libtest_mimic::{Completion, Trial};

/// Sections that say `mark before` and `mark after`.
const MARKED: &[&str] =
    &["ten_thousand_processes", "ten_thousand_threads", "thousands_of_sharers", "killed_in_the_middle"];

/// How much memory may grow between the marks, in bytes: what an allocator and caches need to settle, and far below a
/// page for each of the thousands of processes and threads in between.
const GROWTH: u64 = 1 << 20;

fn main() {
    let args = suite::begin();
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("stress/stress.c");
    let trials = match cc::compile(&source, Flavor::Glibc, &["-pthread"]) {
        Ok(program) => collect(&program),
        Err(CompileError::Missing(package)) => vec![suite::skipped("stress", format!("needs {package}"))],
        Err(CompileError::Failed(why)) => vec![suite::broken("stress", why)],
    };
    suite::finish(&args, trials);
}

fn collect(program: &Path) -> Vec<Trial> {
    let listed = match Command::new(program).arg("-l").output() {
        Ok(output) => String::from_utf8_lossy(&output.stdout).into_owned(),
        Err(e) => return vec![suite::broken("stress", e.to_string())],
    };
    let factor = std::env::var("STRESS").ok();
    let limit = 120 * factor.as_deref().and_then(|f| f.parse().ok()).unwrap_or(1).max(1);
    let trial = |section: &str| {
        let mut case = Case::new(format!("stress::{section}"), [program.as_os_str(), section.as_ref()]);
        if let Some(factor) = &factor {
            case = case.env("STRESS", factor);
        }
        Trial::from(case.seconds(limit))
    };
    let leaks = MARKED.iter().map(|section| {
        let program = program.to_owned();
        Trial::ignorable_test(format!("stress::{section} [leaves nothing]"), move || {
            match leaves_nothing(&program, section) {
                Ok(None) => Ok(Completion::ignored_with("only of fncall")),
                Ok(Some(report)) if report.is_empty() => Ok(Completion::Completed),
                Ok(Some(report)) => Err(report.into()),
                Err(e) => Err(format!("the harness itself failed: {e}").into()),
            }
        })
    });
    // Those that are compared with the host do not need to be compared twice.
    let compared = listed.lines().filter(|section| !MARKED.contains(section)).map(trial);
    compared.chain(leaks).collect()
}

/// What an instance of fncall holds, as the host sees it.
#[derive(Debug, PartialEq, Eq)]
struct Held {
    descriptors: usize,
    threads: usize,
    /// Bytes: pages of the memfds (the kernel's own memory among them) and private memory.
    memory: u64,
}

fn held(pid: u32) -> io::Result<Held> {
    let proc = PathBuf::from(format!("/proc/{pid}"));
    let mut held = Held { descriptors: 0, threads: fs::read_dir(proc.join("task"))?.count(), memory: 0 };
    // Each memfd once, whether it is open, mapped, or both.
    let mut memfds = BTreeMap::new();
    let mut look_at = |path: &Path| -> io::Result<()> {
        if fs::read_link(path)?.to_string_lossy().starts_with("/memfd:") {
            let about = fs::metadata(path)?;
            memfds.insert(about.ino(), about.blocks() * 512);
        }
        Ok(())
    };
    for entry in fs::read_dir(proc.join("fd"))? {
        held.descriptors += 1;
        look_at(&entry?.path())?;
    }
    let status = fs::read_to_string(proc.join("status"))?;
    let in_memory = |what: &str| {
        let kib = status.lines().find_map(|line| line.strip_prefix(what)?.split_whitespace().next());
        kib.and_then(|kib| kib.parse::<u64>().ok()).map(|kib| kib * 1024).ok_or(io::ErrorKind::InvalidData)
    };
    // Only root may look at what is mapped. Others know what of it this one process has touched.
    let mapped = fs::read_dir(proc.join("map_files"))
        .and_then(|mut mapped| mapped.try_for_each(|entry| look_at(&entry?.path())));
    if mapped.is_err() {
        memfds.insert(0, in_memory("RssShmem:")?);
    }
    held.memory = memfds.values().sum::<u64>() + in_memory("RssAnon:")?;
    Ok(held)
}

/// Runs a section and compares what the instance holds at the marks; `None` when the subject is the host.
fn leaves_nothing(program: &Path, section: &str) -> io::Result<Option<String>> {
    let subject = subject().map_err(io::Error::other)?;
    if matches!(subject, Subject::Host) {
        return Ok(None);
    }
    let dir = target_dir().join("tests-scratch/stress");
    fs::create_dir_all(&dir)?;
    let line = subject.command(&[], &[program.as_os_str().to_owned(), section.into()]);
    let mut child = Command::new(&line[0])
        .args(&line[1..])
        .env("PATH", PATH)
        .env("STRESS_MARKS", "1")
        .current_dir(dir)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    let (mut go, out) = (child.stdin.take(), child.stdout.take());
    let (mut marks, mut bad) = (Vec::new(), String::new());
    for line in out.into_iter().flat_map(|out| BufReader::new(out).lines()) {
        let line = line?;
        if line.starts_with("mark ") {
            marks.push(held(child.id())?);
            if let Some(go) = &mut go {
                go.write_all(b"\n")?;
            }
        } else if line != "bad: 0" {
            bad.push_str(&line);
        }
    }
    let status = child.wait()?;
    let [before, after] = &marks[..] else {
        return Ok(Some(format!("{} marks instead of two; {status}; {bad}", marks.len())));
    };
    println!("stress::{section}: before {before:?}, after {after:?}");
    let grown = after.descriptors > before.descriptors
        || after.threads > before.threads
        || after.memory > before.memory + GROWTH;
    if grown || !status.success() || !bad.is_empty() {
        return Ok(Some(format!("before {before:?}\nafter  {after:?}\n{status}; {bad}")));
    }
    Ok(Some(String::new()))
}
