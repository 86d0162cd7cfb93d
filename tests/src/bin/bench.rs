//! `cargo run --release -p fncall-tests --bin bench`: how fast fncall is, beside the host, in the same minutes.
//!
//! Absolute times drift with the load of the machine; read the ratios. Each operation is measured alternately on the
//! host and on fncall, several times, and the medians are compared. Nothing here passes or fails.
//!
//! ```text
//! bench [--rounds N] [--ms N] [OPERATION…]     SKIP=op,op leaves operations out
//! ```
//!
//! `make` as an operation is a build of a generated C project by `make -j2`. So what processes, threads and signals
//! cost is told by
//!
//! ```text
//! bench fork_wait fork_exec vfork_exec thread_cj pipe_proc pipe_thr futex_thr signal_self segv_fix make
//! ```

#![forbid(unsafe_code)]

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use fncall_tests::cc::{self, Flavor};
use fncall_tests::needs;
use fncall_tests::run::{Ending, Job, PATH, run};
use fncall_tests::subject::{Subject, subject, target_dir};
use fncall_tests::tree;

/// Operations left out unless asked for: those that need sockets.
const SKIPPED: &str = "sockpair_proc,tcp_proc";

/// Operations on files: measured once on files in memory and once on files of the host.
const FILE_OPERATIONS: &[&str] =
    &["pread4k", "pwrite4k", "open_close", "stat", "fstat", "creat_unlink", "getdents64"];

/// The build of a C project, as an operation.
const MAKE: &str = "make";

struct Options {
    rounds: usize,
    ms: u32,
    only: Vec<String>,
    skip: String,
}

fn main() {
    let options = match parse() {
        Ok(options) => options,
        Err(why) => {
            eprintln!("bench: {why}");
            std::process::exit(2);
        }
    };
    if let Err(why) = measure(&options) {
        eprintln!("bench: {why}");
        std::process::exit(1);
    }
}

fn parse() -> Result<Options, String> {
    let mut options = Options {
        rounds: 5,
        ms: 20,
        only: Vec::new(),
        skip: std::env::var("SKIP").unwrap_or_else(|_| SKIPPED.to_owned()),
    };
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        let mut number = || {
            args.next().and_then(|n| n.parse().ok()).filter(|n| *n > 0).ok_or(format!("{arg} wants a number"))
        };
        match arg.as_str() {
            "--rounds" => options.rounds = number()? as usize,
            "--ms" => options.ms = number()?,
            _ if arg.starts_with('-') => return Err(format!("unknown option {arg}")),
            _ => options.only.push(arg),
        }
    }
    Ok(options)
}

fn measure(options: &Options) -> Result<(), String> {
    needs::install_missing();
    let subject = subject()?;
    let dir = target_dir().join("tests-scratch/bench");
    tree::remove(&dir).map_err(|e| e.to_string())?;
    fs::create_dir_all(&dir).map_err(|e| e.to_string())?;
    let bench = Bench { subject, dir };
    if options.only.iter().any(|only| only != MAKE) || options.only.is_empty() {
        for flavor in [Flavor::GlibcStatic, Flavor::MuslStatic] {
            bench.operations(flavor, options)?;
        }
    }
    if options.only.is_empty() || options.only.iter().any(|only| only == MAKE) {
        bench.make(options)?;
    }
    if options.only.is_empty() {
        bench.start_up(options)?;
        bench.memory()?;
        bench.patched()?;
    }
    tree::remove(&bench.dir).map_err(|e| e.to_string())
}

struct Bench {
    subject: Subject,
    dir: PathBuf,
}

type Times = BTreeMap<String, Vec<f64>>;

impl Bench {
    fn program(&self, name: &str, flavor: Flavor) -> Result<PathBuf, String> {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("bench").join(name);
        cc::compile(&source, flavor, &["-pthread"]).map_err(|e| format!("{name} ({}): {e:?}", flavor.name()))
    }

    fn run(&self, argv: &[OsString], env: &[(OsString, OsString)]) -> Result<Vec<u8>, String> {
        let job = Job { argv, env, stdin: b"", dir: &self.dir, limit: Duration::from_secs(600) };
        let outcome = run(&job).map_err(|e| e.to_string())?;
        match outcome.ending {
            Ending::Exited(0) => Ok(outcome.stdout),
            other => Err(format!("{argv:?}: {other:?}: {}", String::from_utf8_lossy(&outcome.stderr))),
        }
    }

    fn operations(&self, flavor: Flavor, options: &Options) -> Result<(), String> {
        let program = self.program("ops.c", flavor)?;
        let mut argv: Vec<OsString> = vec![program.into()];
        argv.extend(["-t".into(), options.ms.to_string().into(), "-r".into(), "3".into(), "-d".into()]);
        argv.push(self.dir.clone().into());
        let only: Vec<_> = options.only.iter().filter(|only| *only != MAKE).map(OsString::from).collect();
        argv.extend(only.iter().cloned());
        let env = [("SKIP".into(), OsString::from(&options.skip))];
        let write = ["--write".into(), self.dir.clone().into_os_string()];
        let (mut host, mut ours, mut through) = (Times::new(), Times::new(), Times::new());
        for _ in 0..options.rounds {
            record(&self.run(&argv, &env)?, &mut host);
            shown(self.run(&self.subject.command(&[], &argv), &env), |out| record(&out, &mut ours));
            let files: Vec<OsString> = FILE_OPERATIONS
                .iter()
                .filter(|f| options.only.is_empty() || options.only.iter().any(|o| o == *f))
                .map(OsString::from)
                .collect();
            if !files.is_empty() {
                let mut argv = argv[..argv.len() - only.len()].to_vec();
                argv.extend(files);
                shown(self.run(&self.subject.command(&write, &argv), &env), |out| record(&out, &mut through));
            }
        }
        println!("\noperations, {} ({} rounds), ns each", flavor.name(), options.rounds);
        println!("{:<28} {:>10} {:>10} {:>8}", "", "host", "fncall", "ratio");
        for (name, times) in &host {
            let base = median(times);
            row(name, base, ours.get(name));
            if let Some(times) = through.get(name) {
                row(&format!("{name} (host file)"), base, Some(times));
            }
        }
        Ok(())
    }

    /// Builds a C project from nothing, each time in a fresh tree.
    fn make(&self, options: &Options) -> Result<(), String> {
        for tool in ["make", "gcc"] {
            if needs::find(tool).is_none() {
                println!("\nmake -j2 skipped: needs {}", needs::package(tool));
                return Ok(());
            }
        }
        let project = self.dir.join("project");
        let argv = ["make", "-s", "-j2", "-C", "project"].map(OsString::from);
        let (mut host, mut ours) = (Vec::new(), Vec::new());
        for _ in 0..options.rounds {
            let built = |argv: &[OsString]| {
                tree::remove(&project).and_then(|()| write_project(&project)).map_err(|e| e.to_string())?;
                let start = Instant::now();
                self.run(argv, &[("PATH".into(), PATH.into())])?;
                Ok(start.elapsed().as_secs_f64() * 1e9)
            };
            host.push(built(&argv)?);
            shown(built(&self.subject.command(&[], &argv)), |ns| ours.push(ns));
        }
        println!("\nmake -j2 of {SOURCES} C files ({} rounds), ns", options.rounds);
        row(MAKE, median(&host), Some(&ours).filter(|ours| !ours.is_empty()));
        Ok(())
    }

    fn start_up(&self, options: &Options) -> Result<(), String> {
        println!("\nhello world, whole process, ms");
        println!("{:<28} {:>10} {:>10} {:>8}", "", "host", "fncall", "more");
        for flavor in [Flavor::MuslStatic, Flavor::GlibcStatic, Flavor::MuslDynamic, Flavor::Glibc] {
            let argv = [self.program("hello.c", flavor)?.into_os_string()];
            let under = self.subject.command(&[], &argv);
            let (mut host, mut ours) = (Vec::new(), Vec::new());
            for _ in 0..options.rounds * 20 {
                host.push(timed(&argv)?);
                shown(timed(&under), |ms| ours.push(ms));
            }
            let (host, ours) = (median(&host), median(&ours));
            println!("{:<28} {host:>10.2} {ours:>10.2} {:>8.2}", flavor.name(), ours - host);
        }
        Ok(())
    }

    fn memory(&self) -> Result<(), String> {
        println!("\nmemory of a sleeping hello, sum of PSS, KiB");
        println!("{:<28} {:>10} {:>10} {:>8}", "", "host", "fncall", "more");
        for flavor in [Flavor::MuslStatic, Flavor::GlibcStatic, Flavor::Glibc] {
            let argv = [self.program("hello.c", flavor)?.into_os_string(), "sleep".into()];
            let host = sleeping(&argv)?;
            shown(sleeping(&self.subject.command(&[], &argv)), |ours| {
                println!("{:<28} {host:>10} {ours:>10} {:>8}", flavor.name(), ours as i64 - host as i64);
            });
        }
        Ok(())
    }

    /// Which part of the calls of real programs came from a patched site.
    fn patched(&self) -> Result<(), String> {
        if matches!(self.subject, Subject::Host) {
            return Ok(());
        }
        println!("\ncalls from patched sites");
        let programs: &[&[&str]] = &[
            &["/bin/busybox", "ls", "-lR", "/usr/include"],
            &["/bin/busybox", "sha256sum", "/bin/busybox"],
            &["/bin/busybox", "find", "/usr/share"],
            &["/bin/busybox", "grep", "-r", "define", "/usr/include/linux"],
            &["ls", "-lR", "/usr/include"],
            &["find", "/usr/include", "-name", "*.h"],
            &["cat", "/bin/bash"],
            &["grep", "-r", "struct", "/usr/include/linux"],
            &["du", "-a", "/usr/include"],
            &["tar", "-cf", "/dev/null", "/usr/include/linux"],
            &[
                "/usr/bin/python3",
                "-c",
                "import os\nfor r, d, f in os.walk('/usr/include'): [os.stat(os.path.join(r, x)) for x in f]",
            ],
            &["perl", "-e", "for (1..100000) { -e '/etc/passwd' }"],
            &["lua5.4", "-e", "for i = 1, 20000 do io.open('/etc/passwd'):close() end"],
            &[
                "sqlite3",
                "x.db",
                "create table t(a); with recursive c(i) as (select 1 union all select i+1 from c where i<100000) insert into t select i from c; select count(*) from t",
            ],
            &["dd", "if=/dev/zero", "of=/dev/null", "bs=1k", "count=100000", "status=none"],
        ];
        let (mut calls, mut patched) = (0u64, 0u64);
        for argv in programs {
            if needs::find(argv[0]).is_none() && !argv[0].starts_with('/') {
                println!("  {:<50} skipped: needs {}", argv[0], needs::package(argv[0]));
                continue;
            }
            let argv: Vec<OsString> = argv.iter().map(OsString::from).collect();
            let file = self.dir.join("stats");
            let option = format!("--stats={}", file.display());
            shown(self.run(&self.subject.command(&[option.into()], &argv), &[]), drop);
            let text = fs::read_to_string(&file).unwrap_or_default();
            let line = text
                .lines()
                .find(|l| l.contains("from patched sites"))
                .unwrap_or("no such line in the statistics");
            let mut numbers = line.split(|c: char| !c.is_ascii_digit()).filter_map(|n| n.parse::<u64>().ok());
            calls += numbers.next().unwrap_or(0);
            patched += numbers.next().unwrap_or(0);
            let name: String = argv.iter().map(|a| a.to_string_lossy()).collect::<Vec<_>>().join(" ");
            println!("  {:<50} {line}", name.chars().take(50).collect::<String>().replace('\n', " "));
        }
        println!("  {:<50} {:.2} % of {calls}", "all together", patched as f64 * 100.0 / calls as f64);
        Ok(())
    }
}

/// Files of the generated project.
const SOURCES: usize = 24;

/// A program of [`SOURCES`] files with a makefile: each file has some functions and the headers that C programs have.
fn write_project(dir: &Path) -> io::Result<()> {
    fs::create_dir_all(dir)?;
    let mut calls = String::new();
    for n in 0..SOURCES {
        let mut text =
            String::from("#include <math.h>\n#include <stdio.h>\n#include <stdlib.h>\n#include <string.h>\n");
        text += "#include <sys/socket.h>\n#include <sys/stat.h>\n#include <time.h>\n#include <unistd.h>\n";
        for f in 0..40 {
            text += &format!(
                "static int f{f}(const char *s, int n) {{\n  int sum = {f};\n  for (int i = 0; i < n; i++) {{\n    \
                 if (s[i] == 'a' + {f} % 26) sum += (int)strlen(s) * i; else sum ^= s[i] << (i & 7);\n  }}\n  \
                 if (sum == -{f}) printf(\"%d\\n\", sum);\n  return sum;\n}}\n"
            );
        }
        text += &format!("int part{n}(const char *s) {{\n  int n = (int)strlen(s), sum = 0;\n");
        for f in 0..40 {
            text += &format!("  sum += f{f}(s, n);\n");
        }
        text += "  return sum;\n}\n";
        fs::write(dir.join(format!("part{n}.c")), text)?;
        calls += &format!("int part{n}(const char *);\n");
    }
    let sum: Vec<String> = (0..SOURCES).map(|n| format!("part{n}(v[0])")).collect();
    let main =
        format!("{calls}int main(int c, char **v) {{ return c > 1 ? ({}) & 1 : 0; }}\n", sum.join(" + "));
    fs::write(dir.join("main.c"), main)?;
    let makefile = "SOURCES := $(wildcard *.c)\nprog: $(SOURCES:.c=.o)\n\tgcc -o $@ $^ -lm\n\
                    %.o: %.c\n\tgcc -O1 -Wall -c -o $@ $<\n";
    fs::write(dir.join("Makefile"), makefile)
}

/// Uses a result of fncall; a failure is shown, and the other measurements go on.
fn shown<T>(result: Result<T, String>, use_it: impl FnOnce(T)) {
    match result {
        Ok(value) => use_it(value),
        Err(why) => println!("  failed: {why}"),
    }
}

fn row(name: &str, base: f64, ours: Option<&Vec<f64>>) {
    match ours {
        Some(times) => {
            let ours = median(times);
            println!("{name:<28} {base:>10.1} {ours:>10.1} {:>8.2}", ours / base);
        }
        None => println!("{name:<28} {base:>10.1} {:>10} {:>8}", "failed", "-"),
    }
}

/// Reads lines of "name median min count"; a line that says FAIL or HANG counts as nothing and is shown.
fn record(output: &[u8], times: &mut Times) {
    for line in String::from_utf8_lossy(output).lines() {
        let mut words = line.split_whitespace();
        match (words.next(), words.next().map(str::parse)) {
            (Some(name), Some(Ok(ns))) => times.entry(name.to_owned()).or_default().push(ns),
            _ => println!("  {line}"),
        }
    }
}

fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or(f64::NAN)
}

fn quiet(argv: &[OsString]) -> Command {
    let mut command = Command::new(&argv[0]);
    command.args(&argv[1..]).env_clear().env("PATH", PATH).stdin(Stdio::null());
    command
}

/// Milliseconds from before the start of a process to after its end.
fn timed(argv: &[OsString]) -> Result<f64, String> {
    let start = Instant::now();
    let status = quiet(argv).stdout(Stdio::null()).status().map_err(|e| e.to_string())?;
    let ms = start.elapsed().as_secs_f64() * 1000.0;
    if status.success() { Ok(ms) } else { Err(format!("{argv:?}: {status}")) }
}

/// Starts a program that says something and waits; answers the memory of it and of all processes it started, in KiB.
fn sleeping(argv: &[OsString]) -> Result<u64, String> {
    let mut child = quiet(argv).stdout(Stdio::piped()).spawn().map_err(|e| e.to_string())?;
    let said = child.stdout.take().map(|out| {
        let mut line = String::new();
        BufReader::new(out).read_line(&mut line).map(|_| line)
    });
    let total = match said {
        Some(Ok(line)) if line == "hello\n" => {
            family(&child).and_then(|pids| pids.iter().map(|pid| pss(*pid)).sum())
        }
        other => Err(io::Error::other(format!("{argv:?} said {other:?}"))),
    };
    let family = family(&child).unwrap_or_default();
    // The first process takes the others with it.
    let _ = child.kill();
    let _ = child.wait();
    for pid in family.into_iter().skip(1) {
        if Path::new(&format!("/proc/{pid}")).exists() {
            println!("  process {pid} outlives its parent");
        }
    }
    total.map_err(|e| e.to_string())
}

/// A process and all below it.
fn family(child: &Child) -> io::Result<Vec<u32>> {
    let mut pids = vec![child.id()];
    let mut at = 0;
    while at < pids.len() {
        let parent = pids[at];
        for entry in fs::read_dir("/proc")? {
            let Some(pid) = entry?.file_name().to_str().and_then(|n| n.parse::<u32>().ok()) else { continue };
            let Ok(stat) = fs::read_to_string(format!("/proc/{pid}/stat")) else { continue };
            // The name stands in parentheses and may hold anything; state and parent follow it.
            let ppid = stat
                .rsplit(") ")
                .next()
                .and_then(|rest| rest.split(' ').nth(1))
                .and_then(|p| p.parse::<u32>().ok());
            if ppid == Some(parent) {
                pids.push(pid);
            }
        }
        at += 1;
    }
    Ok(pids)
}

/// Proportional set size of a process in KiB.
fn pss(pid: u32) -> io::Result<u64> {
    let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup"))?;
    text.lines()
        .find_map(|l| l.strip_prefix("Pss:"))
        .and_then(|l| l.split_whitespace().next())
        .and_then(|n| n.parse().ok())
        .ok_or_else(|| io::Error::other(format!("no Pss in smaps_rollup of {pid}")))
}
