//! Runs one command to its end and keeps what it printed. Knows nothing about fncall or comparing.
//! Called by `case` and by the benchmark.

use std::ffi::OsString;
use std::fs;
use std::io::{self, Read, Write};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process, kill_process_group};

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// It called `exit` with this status.
    Exited(i32),
    /// A signal of this number ended it.
    Killed(i32),
    /// It was still running after the time limit, and was killed with its process group.
    TimedOut,
}

/// What a finished command left on its pipes.
#[derive(Debug)]
pub struct Outcome {
    /// How it ended.
    pub ending: Ending,
    /// Standard output, all of it.
    pub stdout: Vec<u8>,
    /// Standard error, all of it.
    pub stderr: Vec<u8>,
    /// Wall time from before the spawn to after the wait.
    pub wall: Duration,
}

/// A command with everything that may differ between runs pinned down.
pub struct Job<'a> {
    /// Program and arguments. The program is looked up in [`PATH`].
    pub argv: &'a [OsString],
    /// Variables on top of the fixed environment.
    pub env: &'a [(OsString, OsString)],
    /// Bytes for standard input; empty means `/dev/null`.
    pub stdin: &'a [u8],
    /// Working directory.
    pub dir: &'a Path,
    /// Time limit.
    pub limit: Duration,
}

/// The search path of every run: the distribution's own programs, never locally installed ones.
pub const PATH: &str = "/usr/sbin:/usr/bin:/sbin:/bin";

/// Runs `job` in a process group of its own.
///
/// # Errors
/// When the program cannot be started or its pipes break.
pub fn run(job: &Job<'_>) -> io::Result<Outcome> {
    let (program, args) = job.argv.split_first().ok_or(io::ErrorKind::InvalidInput)?;
    let mut command = Command::new(program);
    command
        .args(args)
        .env_clear()
        .env("PATH", PATH)
        .env("HOME", job.dir)
        .env("LC_ALL", "C")
        .env("TZ", "UTC")
        .env("TERM", "dumb")
        .envs(job.env.iter().map(|(k, v)| (k, v)))
        .current_dir(job.dir)
        .process_group(0)
        .stdin(if job.stdin.is_empty() { Stdio::null() } else { Stdio::piped() })
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let started = Instant::now();
    let mut child = spawn(&mut command)?;
    let group = Pid::from_child(&child);
    let feed = child.stdin.take().map(|mut pipe| {
        let bytes = job.stdin.to_vec();
        // A program that does not read all of its input is no error.
        thread::spawn(move || drop(pipe.write_all(&bytes)))
    });
    let stdout = drain(child.stdout.take());
    let stderr = drain(child.stderr.take());

    let (done, finished) = mpsc::channel::<()>();
    let limit = job.limit;
    let watchdog = thread::spawn(move || match finished.recv_timeout(limit) {
        Err(mpsc::RecvTimeoutError::Timeout) => {
            // The leader has not been waited for, so the group's number cannot belong to anyone else.
            kill_descendants(group);
            let _ = kill_process_group(group, Signal::KILL);
            true
        }
        _ => false,
    });
    // The pipes end only when every process that holds them has ended: read first, then wait, so that the
    // time limit also covers a left-over child.
    let stdout = stdout.join().map_err(|_| io::ErrorKind::Other)??;
    let stderr = stderr.join().map_err(|_| io::ErrorKind::Other)??;
    let status = child.wait()?;
    drop(done);
    let timed_out = watchdog.join().unwrap_or(false);
    if let Some(feed) = feed {
        let _ = feed.join();
    }
    let ending = if timed_out { Ending::TimedOut } else { ending(status) };
    Ok(Outcome { ending, stdout, stderr, wall: started.elapsed() })
}

/// Starts a program that may have been written a moment ago. Another thread of ours may be between fork and exec, and
/// hold the file open for writing until then: the host answers "text file busy", and waiting a little helps.
fn spawn(command: &mut Command) -> io::Result<Child> {
    for _ in 0..200 {
        match command.spawn() {
            Err(e) if e.kind() == io::ErrorKind::ExecutableFileBusy => {
                thread::sleep(Duration::from_millis(5))
            }
            other => return other,
        }
    }
    command.spawn()
}

/// Kills what a process has made, even in sessions of its own, which its group does not reach.
fn kill_descendants(ancestor: Pid) {
    let parent_of = |pid: i32| {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // The name in parentheses may hold anything.
        stat.rsplit_once(") ")?.1.split(' ').nth(1)?.parse::<i32>().ok()
    };
    let names = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids: Vec<i32> = names.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect();
    let mut family = vec![ancestor.as_raw_nonzero().get()];
    let mut at = 0;
    while let Some(&parent) = family.get(at) {
        family.extend(pids.iter().filter(|&&pid| parent_of(pid) == Some(parent)));
        at += 1;
    }
    for pid in family.into_iter().skip(1).filter_map(Pid::from_raw) {
        let _ = kill_process(pid, Signal::KILL);
    }
}

fn drain(pipe: Option<impl Read + Send + 'static>) -> thread::JoinHandle<io::Result<Vec<u8>>> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(mut pipe) = pipe {
            pipe.read_to_end(&mut bytes)?;
        }
        Ok(bytes)
    })
}

fn ending(status: ExitStatus) -> Ending {
    match (status.code(), status.signal()) {
        (Some(code), _) => Ending::Exited(code),
        (None, Some(signal)) => Ending::Killed(signal),
        (None, None) => Ending::Exited(-1),
    }
}
