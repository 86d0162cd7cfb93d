//! Programs on a terminal of the host, with somebody who types: jobs, signals, sizes, settings. `terminal.py` is that
//! somebody. Each scene is played twice, without fncall and with it, and must look the same.
//!
//! The programs of a scene are started by `run`, which puts `fncall run --` in front of them or nothing.

use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use fncall_tests::run::{Ending, Job, run};
use fncall_tests::subject::{Subject, subject};
use fncall_tests::{needs, suite};
use libtest_mimic::{Completion, Failed, Trial};
use similar::TextDiff;

const PLAYER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/terminal.py");

/// Part of a scene: a command that reads lines and prints them is stopped, goes on, and comes to its end. `$echo` is
/// what the terminal shows of the command's last word.
macro_rules! stopped_cat {
    ($command:literal, $echo:literal) => {
        concat!(
            "send ",
            $command,
            r"\r
        until ",
            $echo,
            r"\r\n
        send one\r
        until one\r\none\r\n
        send \x1a
        until Stopped.*\r\n\$ $
        send fg\r
        until ",
            $echo,
            r"\r\n
        send two\r
        until two\r\ntwo\r\n
        send \x04
        "
        )
    };
}

/// Name, the program on the terminal, and what is typed (see `terminal.py`).
const SCENES: &[(&str, &[&str], &str)] = &[
    (
        "a_shell_with_jobs",
        &["./run", "bash", "--norc", "--noprofile", "-i"],
        concat!(
            r"until \$ $
        send sh -c 'echo up; exec sleep 60'\r
        until \nup\r\n
        send \x03
        until \$ $
        send echo rc=$?\r
        until =130\r\n\$ $
        send sh -c 'echo up; exec sleep 61'\r
        until \nup\r\n
        send \x1a
        until Stopped.*\r\n\$ $
        send jobs\r
        until Stopped.*\r\n\$ $
        send bg\r
        until & *\r\n\$ $
        send fg\r
        until 61'\r\n
        pause 1
        send \x1c
        until \$ $
        ",
            stopped_cat!("cat", "cat"),
            r"until \$ $
        send exit 3\r"
        ),
    ),
    (
        "a_reader_in_the_background_stops",
        &["./run", "bash", "--norc", "--noprofile", "-i"],
        r"until \$ $
        send sh -c 'read x; echo got $x' & sleep 1\r
        until Stopped
        until \$ $
        send fg\r
        until x'\r\n
        send text\r
        until got text\r\n\$ $
        send exit\r",
    ),
    (
        "names_and_sizes",
        &["./run", "bash", "--norc", "--noprofile", "-i"],
        r#"until \$ $
        send tty | tr -d 0-9; stty size; test -t 0 && echo a terminal\r
        until a terminal\r\n\$ $
        send echo read: > /dev/tty; read x < /dev/tty; echo got $x\r
        until read:\r\n
        send line\r
        until got line\r\n\$ $
        send trap 'stty size; trap - WINCH' WINCH; sleep 0.1\r
        until \$ $
        size 30 100
        send \r
        until 30 100\r\n
        pause 1
        send exit\r"#,
    ),
    (
        "jobs_of_the_shell_outside",
        &["bash", "--norc", "--noprofile", "-i"],
        concat!(
            r"until \$ $
        ",
            stopped_cat!("./run cat", "cat"),
            r"until \$ $
        ",
            stopped_cat!("./run sh -c 'cat; echo end'", "end'"),
            r"until end\r\n\$ $
        send exit\r"
        ),
    ),
    (
        "a_shell_in_a_shell_is_suspended",
        &["bash", "--norc", "--noprofile", "-i"],
        r"until \$ $
        send ./run bash --norc --noprofile -i\r
        until -i\r\n.*\$ $
        send PS1='in '\r
        until \nin $
        send sh -c 'echo up; exec sleep 60'\r
        until \nup\r\n
        send \x1a
        until Stopped.*\r\nin $
        send suspend -f\r
        until Stopped.*\r\n\$ $
        send echo outside\r
        until outside\r\n\$ $
        send fg\r
        until in $
        send jobs\r
        until Stopped.*\r\nin $
        send fg\r
        until 60'\r\n
        pause 1
        send \x03
        until in $
        send exit 5\r
        until \$ $
        send echo rc=$?\r
        until =5\r\n\$ $
        send exit\r",
    ),
    (
        "the_background_of_the_shell_outside",
        &["bash", "--norc", "--noprofile", "-i"],
        r#"until \$ $
        send ./run sh -c 'read x; echo got $x' & sleep 2\r
        until Stopped
        until \$ $
        send fg\r
        until x'\r\n
        send text\r
        until got text\r\n\$ $
        send ./run bash -c 'trap "" TTIN; read x 2> /dev/null; echo rc=$?' & wait\r
        until rc=1\r\n
        until \$ $
        send exit\r"#,
    ),
    (
        "settings_stay_as_a_program_left_them",
        &["bash", "--norc", "--noprofile"],
        r"until \$ $
        send ./run stty -echo; ./run stty tostop susp x; stty -a | grep -o -e '.echo ' -e '.tostop' -e 'susp = .'; stty sane\r
        until \$ $
        send exit\r",
    ),
];

fn main() {
    let args = suite::begin();
    let trials = SCENES.iter().map(|(name, argv, script)| {
        Trial::ignorable_test(*name, move || match subject()? {
            Subject::Fncall(path) => compare(name, argv, script, &path),
            Subject::Host => Ok(Completion::ignored_with("needs the fncall binary")),
        })
    });
    suite::finish(&args, trials.collect());
}

fn compare(name: &str, argv: &[&str], script: &str, fncall: &Path) -> Result<Completion, Failed> {
    for program in ["python3", "bash"] {
        if needs::find(program).is_none() {
            return Ok(Completion::ignored_with(format!("needs {program}")));
        }
    }
    let expected = play(name, argv, script, "")?;
    let got = play(name, argv, script, &format!("'{}' run --", fncall.display()))?;
    if expected == got {
        return Ok(Completion::Completed);
    }
    let diff = TextDiff::from_lines(&expected, &got).unified_diff().header("host", "fncall").to_string();
    Err(diff.into())
}

/// Plays a scene; answers what was seen.
fn play(name: &str, argv: &[&str], script: &str, before: &str) -> Result<String, Failed> {
    let dir = suite::scratch(&format!("terminal_{name}"))?;
    let runner = dir.join("run");
    fs::write(&runner, format!("#!/bin/sh\nexec {before} \"$@\"\n"))?;
    fs::set_permissions(&runner, fs::Permissions::from_mode(0o755))?;
    let mut line: Vec<OsString> = ["python3", PLAYER, script].map(OsString::from).into();
    line.extend(argv.iter().map(OsString::from));
    let limit = Duration::from_secs(60);
    let outcome = run(&Job { argv: &line, env: &[], stdin: &[], dir: &dir, limit })?;
    let (out, err) = (String::from_utf8_lossy(&outcome.stdout), String::from_utf8_lossy(&outcome.stderr));
    match outcome.ending {
        Ending::Exited(0) if err.is_empty() => Ok(out.into_owned()),
        ending => Err(format!("{before}: {ending:?}\n{out}{err}").into()),
    }
}
