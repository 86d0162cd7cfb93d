//! The `fncall` command from outside, as far as it goes without its kernel: what it prints, what it refuses and
//! with which exit code.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::process::{Command, Output};

fn fncall(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_fncall")).args(args).env_remove("FNCALL_LOG").output().unwrap()
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// Refused with 125 and a message that has all of these in it.
#[track_caller]
fn refused(output: &Output, words: &[&str]) {
    let message = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(125), "{message}");
    assert!(words.iter().all(|word| message.contains(word)), "{message}");
    assert!(output.stdout.is_empty());
}

#[test]
fn help_names_every_option_and_exit_code() {
    let help = fncall(&["run", "--help"]);
    assert_eq!(help.status.code(), Some(0));
    let text = stdout(&help);
    for word in [
        "--root <DIR>",
        "--write <DIR>",
        "--env <NAME=VALUE>",
        "--workdir <DIR>",
        "--stats[=<FILE>]",
        "--no-aslr",
        "--strict",
        "--upper-limit <SIZE>",
        "FNCALL_LOG",
        "125",
        "126",
        "127",
        "128+N",
    ] {
        assert!(text.contains(word), "{word}");
    }
    assert!(text.lines().all(|line| line.len() <= 120), "{text}");
    let help = stdout(&fncall(&["--help"]));
    for word in ["Usage: fncall <COMMAND>", "run", "syscalls", "man", "completions"] {
        assert!(help.contains(word), "{word}");
    }
    assert_eq!(stdout(&fncall(&["--version"])), format!("fncall {}\n", env!("CARGO_PKG_VERSION")));
}

#[test]
fn bad_usage_is_125() {
    refused(&fncall(&[]), &["Usage: fncall"]);
    refused(&fncall(&["run"]), &["PROGRAM"]);
    refused(&fncall(&["walk"]), &["walk"]);
    refused(&fncall(&["run", "--frob", "ls"]), &["--frob"]);
    refused(&fncall(&["run", "--upper-limit", "much", "ls"]), &["64M"]);
    refused(&fncall(&["run", "--env", "A", "ls"]), &["NAME=VALUE"]);
}

#[test]
fn unusable_paths_are_named_with_their_option() {
    for option in ["--root", "--write", "--workdir"] {
        refused(&fncall(&["run", option, "/no/such", "ls"]), &["fncall: ", option, "/no/such: No such file"]);
        refused(&fncall(&["run", option, "/dev/null", "ls"]), &[option, "/dev/null: Not a directory"]);
    }
    refused(&fncall(&["run", "--root", "/usr", "--workdir", "/no/such", "ls"]), &["--workdir /no/such"]);
    refused(&fncall(&["run", "--root", "/usr", "--write", "/etc", "ls"]), &["--write /etc", "root /usr"]);
    refused(&fncall(&["run", "--stats=/no/such/file", "ls"]), &["--stats /no/such/file"]);
}

#[test]
fn unusable_log_level_is_refused() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_fncall"));
    command.args(["run", "ls"]);
    refused(&command.env("FNCALL_LOG", "loud").output().unwrap(), &["FNCALL_LOG=loud", "trace"]);
    refused(&command.env("FNCALL_LOG", OsStr::from_bytes(b"\xff")).output().unwrap(), &["FNCALL_LOG="]);
}

#[test]
fn vanished_current_directory_is_refused() {
    let directory = std::env::temp_dir().join(format!("fncall-gone-{}", std::process::id()));
    fs::create_dir(&directory).unwrap();
    let script = "cd \"$1\" && rmdir \"$1\" && exec \"$0\" run ls";
    let mut shell = Command::new("sh");
    shell.args(["-c", script, env!("CARGO_BIN_EXE_fncall")]).arg(&directory).env_remove("FNCALL_LOG");
    refused(&shell.output().unwrap(), &["current directory"]);
}

#[test]
fn manual_pages_are_sound_roff() {
    for (args, words) in [
        (&["man"][..], ["fncall", "completions"]),
        (&["man", "run"], ["EXIT STATUS", "upper\\-limit"]),
        (&["man", "completions"], ["fncall\\-completions", "zsh"]),
    ] {
        let page = fncall(args);
        let text = stdout(&page);
        assert_eq!(page.status.code(), Some(0));
        assert!(text.contains(".TH fncall") && words.iter().all(|word| text.contains(word)), "{text}");
    }
    refused(&fncall(&["man", "walk"]), &["walk"]);
}

#[test]
fn completions_know_the_options() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = fncall(&["completions", shell]);
        assert_eq!(script.status.code(), Some(0));
        let text = stdout(&script);
        assert!(text.contains("upper-limit") && text.contains("no-aslr"), "{shell}");
    }
    refused(&fncall(&["completions", "tcsh"]), &["bash"]);
}

#[test]
fn bash_accepts_its_completions() {
    let script = "source <(\"$0\" completions bash) && complete -p fncall";
    let output = Command::new("bash").args(["-c", script, env!("CARGO_BIN_EXE_fncall")]).output().unwrap();
    assert!(stdout(&output).contains("-F _fncall fncall"), "{output:?}");
}

#[test]
fn syscalls_are_listed_by_the_kernel_itself() {
    let list = fncall(&["syscalls"]);
    let text = stdout(&list);
    assert_eq!(list.status.code(), Some(0), "{list:?}");
    let rows: Vec<Vec<&str>> = text.lines().map(|line| line.split_whitespace().collect()).collect();
    let row = |name: &str| rows.iter().find(|row| row.get(1) == Some(&name)).unwrap();
    assert_eq!(row("read")[0], "0");
    assert_eq!(row("clone3")[0], "435");
    assert_eq!(row("exit_group")[2], "full");
    assert!(rows.last().unwrap().contains(&"(ENOSYS)"));
}
