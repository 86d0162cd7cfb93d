//! Ends that nobody inside asked for: the host kills processes of an instance, or somebody signals `fncall` itself.
//!
//! All host processes of an instance are in the process group of the first one, which is how they are found here.

use std::ffi::OsStr;
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use fncall_tests::cc::{self, Flavor};
use fncall_tests::run::PATH;
use fncall_tests::suite;
use rustix::process::{Pid, Signal, kill_process, kill_process_group};

/// How long anything may take before it counts as hanging.
const LIMIT: Duration = Duration::from_secs(30);

type Check = fn(&Bench) -> Result<(), String>;

/// Name, program it needs, what it does.
const CHECKS: &[(&str, &str, Check)] = &[
    ("killed_first_leaves_nothing", "bash", |bench| {
        bench.start("sleep 100 & (sleep 100 & sleep 100) & echo ready; wait")?.kill_first_leaves_nothing()
    }),
    ("killed_first_leaves_no_child_of_a_thread", "python3", |bench| {
        let script = "import subprocess as s, threading as t\n\
            def f(): s.Popen(['sh', '-c', 'sleep 100 & sleep 100'])\n\
            x = t.Thread(target=f); x.start(); x.join()\n\
            print('ready', flush=True); t.Event().wait()";
        bench.start_program(&["python3", "-c", script])?.kill_first_leaves_nothing()
    }),
    ("killed_first_leaves_no_busy_child", "bash", |bench| {
        bench
            .start("while :; do :; done & (while :; do :; done) & echo ready; wait")?
            .kill_first_leaves_nothing()
    }),
    ("hang_up", "bash", |bench| bench.signal_to_first(Signal::HUP)),
    ("interrupt", "bash", |bench| bench.signal_to_first(Signal::INT)),
    ("quit", "bash", |bench| bench.signal_to_first(Signal::QUIT)),
    ("terminate", "bash", |bench| bench.signal_to_first(Signal::TERM)),
    ("interrupt_of_the_group", "bash", |bench| {
        let mut run = bench.start("sleep 100 & sleep 100 | cat & exec cat <(echo ready; exec sleep 100)")?;
        kill_process_group(run.group(), Signal::INT).map_err(text)?;
        run.ends_with(128 + 2, &["killed by signal 2"])
    }),
    ("killed_sleeping_child", "bash", |bench| {
        bench.child_is_killed(": >up; exec sleep 100", Signal::KILL, 128 + 9)
    }),
    ("killed_busy_child", "bash", |bench| {
        bench.child_is_killed(": >up; while :; do :; done", Signal::KILL, 128 + 9)
    }),
    ("terminated_child", "bash", |bench| {
        bench.child_is_killed(": >up; exec sleep 100", Signal::TERM, 128 + 15)
    }),
    ("killed_child_of_its_own_handlers", "bash", |bench| {
        bench.child_is_killed("trap : TERM; : >up; while :; do sleep 100; done", Signal::KILL, 128 + 9)
    }),
    ("killed_child_with_threads", "python3", |bench| {
        let threads = "exec python3 -c \"\nimport threading as t\ndef f():\n  while 1: pass\n\
            for x in (f, t.Event().wait, t.Event().wait): t.Thread(target=x).start()\nopen('up', 'w')\n\"";
        bench.child_is_killed(threads, Signal::KILL, 128 + 9)
    }),
    ("killed_reader_breaks_the_pipe", "bash", |bench| {
        // It holds the pipe's end for the read that it sleeps in.
        let script = "mkfifo f; cat f >/dev/null & exec 3>f; sleep 0.3; echo ready; wait $!; echo $?; \
            trap '' PIPE; echo x >&3 || echo broken; exit 5";
        let mut run = bench.start(script)?;
        run.kill_child(Signal::KILL)?;
        run.prints(&["137", "broken"])?;
        run.ends_with(5, &[])
    }),
    ("killed_writer_ends_the_file", "bash", |bench| {
        let script = "mkfifo f; sleep 100 >f & exec 4<f; sleep 0.3; echo ready; cat <&4; echo end; exit 6";
        let mut run = bench.start(script)?;
        run.kill_child(Signal::KILL)?;
        run.prints(&["end"])?;
        run.ends_with(6, &[])
    }),
    ("killed_child_never_hangs", "dd", |bench| {
        // Most of the time it is in a system call: then the instance may end, with a message, but nothing waits for ever.
        for round in 0..15 {
            let mut run =
                bench.start("dd if=/dev/zero of=/dev/null bs=1 & echo ready; wait $!; echo $?; exit 4")?;
            sleep(Duration::from_millis(round));
            run.kill_child(Signal::KILL)?;
            let (status, output, errors) = run.end()?;
            let as_killed = status.code() == Some(4) && output == "137\n";
            let stopped = status.code() == Some(125) && errors.contains("while it worked in the kernel");
            if !as_killed && !stopped {
                return Err(format!("round {round}: {status}, printed {output:?}, said {errors:?}"));
            }
            run.nothing_is_left()?;
        }
        Ok(())
    }),
    ("fault_from_outside_ends_everything", "bash", |bench| {
        let mut run = bench.start("sleep 100 & echo ready; wait")?;
        kill_process(run.first(), Signal::SEGV).map_err(text)?;
        let (status, _, errors) = run.end()?;
        if status.signal() != Some(11) && status.code() != Some(128 + 11) {
            return Err(format!("{status}, said {errors:?}"));
        }
        run.nothing_is_left()
    }),
    ("failed_kernel_of_a_child_ends_everything", "gcc", |bench| {
        let source = cc::sources().join("crash/leave.c");
        let program = cc::compile(&source, Flavor::Glibc, &[]).map_err(|e| format!("{e:?}"))?;
        let program = program.display();
        bench.start(&format!("sleep 100 & echo ready; {program} 125; echo not reached"))?.ends_with(125, &[])
    }),
    ("failed_kernel_of_the_first_ends_everything", "gcc", |bench| {
        let source = cc::sources().join("crash/leave.c");
        let program = cc::compile(&source, Flavor::Glibc, &[]).map_err(|e| format!("{e:?}"))?;
        let program = program.display();
        bench.start(&format!("sleep 100 & echo ready; exec {program} 125"))?.ends_with(125, &[])
    }),
    ("killed_child_that_shares_memory", "gcc", |bench| {
        let mut run = bench.start(&format!("exec {} child", sharer()?))?;
        run.kill_child(Signal::KILL)?;
        run.prints(&["9 1"])?;
        run.ends_with(3, &[])
    }),
    ("first_that_executes_beside_another_is_told", "gcc", |bench| {
        let mut run = bench.start(&format!("exec {} executes", sharer()?))?;
        kill_process(run.first(), Signal::TERM).map_err(text)?;
        run.prints(&["told"])?;
        run.ends_with(7, &[])
    }),
    ("first_that_executes_beside_another_is_killed", "gcc", |bench| {
        bench.start(&format!("exec {} executes", sharer()?))?.kill_first_leaves_nothing()
    }),
    ("started_with_sigchld_ignored", "bash", |bench| {
        let script = "sleep 100 & sleep 0.5; echo ready; wait $!; echo $?; exit 3";
        let mut run = bench.start_with("--ignore-signal=CHLD", &["bash", "-c", script])?;
        run.kill_child(Signal::KILL)?;
        run.prints(&["137"])?;
        run.ends_with(3, &[])
    }),
];

fn main() {
    let args = suite::begin();
    let trials = CHECKS
        .iter()
        .map(|&(name, program, check)| {
            suite::check("death", name, Some(program), move |dir, fncall| {
                check(&Bench { dir: dir.to_path_buf(), fncall })
            })
        })
        .collect();
    suite::finish(&args, trials);
}

/// The program of `crash/sharer.c`.
fn sharer() -> Result<String, String> {
    let program = cc::compile(&cc::sources().join("crash/sharer.c"), Flavor::Glibc, &[]);
    program.map(|program| program.display().to_string()).map_err(|e| format!("{e:?}"))
}

fn text(e: impl std::fmt::Display) -> String {
    e.to_string()
}

/// What one check has at hand: an empty directory and the binary.
struct Bench {
    dir: PathBuf,
    fncall: PathBuf,
}

/// An instance that runs.
struct Run {
    child: Child,
    output: BufReader<std::process::ChildStdout>,
}

impl Bench {
    /// Runs a script of bash, up to its line `ready`.
    fn start(&self, script: &str) -> Result<Run, String> {
        self.start_program(&["bash", "-c", script])
    }

    fn start_program(&self, argv: &[&str]) -> Result<Run, String> {
        // Whatever this test was started with.
        self.start_with("--default-signal=INT,QUIT,HUP,TERM", argv)
    }

    /// With an option of env(1) that changes signals.
    fn start_with(&self, signals: &str, argv: &[&str]) -> Result<Run, String> {
        let mut run = self.spawn(signals, argv)?;
        run.prints(&["ready"])?;
        Ok(run)
    }

    fn spawn(&self, signals: &str, argv: &[&str]) -> Result<Run, String> {
        let mut child = Command::new("env")
            .arg(signals)
            .arg(&self.fncall)
            .args(["run", "--"])
            .args(argv)
            .env_clear()
            .env("PATH", PATH)
            .current_dir(&self.dir)
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(text)?;
        let output = BufReader::new(child.stdout.take().ok_or("no pipe")?);
        Ok(Run { child, output })
    }

    /// A signal to the first host process alone is one to the program, which it ends, and with it everything. The program
    /// is not bash, which ignores SIGQUIT.
    fn signal_to_first(&self, signal: Signal) -> Result<(), String> {
        let mut run = self.start("sleep 100 & sleep 100 | cat & exec cat <(echo ready; exec sleep 100)")?;
        kill_process(run.first(), signal).map_err(text)?;
        let number = signal.as_raw();
        run.ends_with(128 + number, &[&format!("killed by signal {number}")])
    }

    /// The host process of a child gets a signal: the program sees the child end with `status`, and goes on.
    fn child_is_killed(&self, child: &str, signal: Signal, status: i32) -> Result<(), String> {
        let script = format!(
            "({child}) & until [ -e up ]; do sleep 0.1; done; sleep 0.5; echo ready; wait $!; echo $?; (exit 3); exit $?"
        );
        let mut run = self.start(&script)?;
        run.kill_child(signal)?;
        run.prints(&[&status.to_string()])?;
        run.ends_with(3, &[])
    }
}

impl Run {
    fn first(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    fn group(&self) -> Pid {
        self.first()
    }

    /// The next lines of its standard output are these.
    fn prints(&mut self, lines: &[&str]) -> Result<(), String> {
        for expected in lines {
            let mut line = String::new();
            self.output.read_line(&mut line).map_err(text)?;
            if line.trim_end() != *expected {
                return Err(format!("expected the line {expected:?}, got {line:?}"));
            }
        }
        Ok(())
    }

    /// The other host processes of the instance, the oldest first.
    fn others(&self) -> Vec<Pid> {
        let group = self.group().as_raw_nonzero().get();
        let mut others = Vec::new();
        for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
            let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<i32>().ok()) else {
                continue;
            };
            if pid != group && is_alive_in(&entry.path(), group) {
                others.extend(Pid::from_raw(pid));
            }
        }
        others.sort_by_key(|pid| pid.as_raw_nonzero());
        others
    }

    /// Signals the oldest of them, once there is one.
    fn kill_child(&self, signal: Signal) -> Result<(), String> {
        let pid = within(|| self.others().first().copied()).ok_or("there is no child")?;
        kill_process(pid, signal).map_err(text)
    }

    fn kill_first_leaves_nothing(mut self) -> Result<(), String> {
        within(|| (self.others().len() >= 2).then_some(())).ok_or("the children were not made")?;
        kill_process(self.first(), Signal::KILL).map_err(text)?;
        let status = self.child.wait().map_err(text)?;
        if status.signal() != Some(9) {
            return Err(format!("it ended with {status}"));
        }
        self.nothing_is_left()
    }

    fn nothing_is_left(&self) -> Result<(), String> {
        match within(|| self.others().is_empty().then_some(())) {
            Some(()) => Ok(()),
            None => Err(format!("left behind: {:?}", self.others())),
        }
    }

    /// Waits for the end: status, the rest of standard output, standard error.
    fn end(&mut self) -> Result<(ExitStatus, String, String), String> {
        let Some(status) = within(|| self.child.try_wait().ok().flatten()) else {
            let _ = kill_process_group(self.group(), Signal::KILL);
            return Err("it hangs".into());
        };
        let (mut output, mut errors) = (String::new(), String::new());
        self.output.read_to_string(&mut output).map_err(text)?;
        if let Some(mut pipe) = self.child.stderr.take() {
            pipe.read_to_string(&mut errors).map_err(text)?;
        }
        Ok((status, output, errors))
    }

    /// It ends with this exit status, having said these words on standard error, and leaves nothing behind.
    fn ends_with(&mut self, code: i32, words: &[&str]) -> Result<(), String> {
        let (status, _, errors) = self.end()?;
        if status.code() != Some(code) {
            return Err(format!("expected exit status {code}, got {status}; it said {errors:?}"));
        }
        match words.iter().find(|word| !errors.contains(**word)) {
            Some(word) => Err(format!("the message does not say {word:?}: {errors:?}")),
            None => self.nothing_is_left(),
        }
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        // Nothing of a check that failed is to disturb the others.
        let _ = kill_process_group(self.group(), Signal::KILL);
        let _ = self.child.wait();
    }
}

/// Whether a process is in the group and has not ended: its parent may take its time to wait for it.
fn is_alive_in(proc: &Path, group: i32) -> bool {
    let Ok(stat) = fs::read_to_string(proc.join(OsStr::new("stat"))) else { return false };
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    !matches!(fields.first(), Some(&"Z" | &"X"))
        && fields.get(2).and_then(|field| field.parse().ok()) == Some(group)
}

/// Asks until there is an answer, or [`LIMIT`] has passed.
fn within<T>(mut ask: impl FnMut() -> Option<T>) -> Option<T> {
    let end = Instant::now() + LIMIT;
    loop {
        match ask() {
            Some(answer) => return Some(answer),
            None if Instant::now() > end => return None,
            None => sleep(Duration::from_millis(5)),
        }
    }
}
