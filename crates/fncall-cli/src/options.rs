//! The options, as clap reads them and as `--help` and the manual page show them. Only their form is checked
//! here; whether paths exist, `boot.rs` finds out.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt as _;
use std::path::PathBuf;

use clap::builder::{OsStringValueParser, TypedValueParser as _};
use clap::{Args, Parser, Subcommand};
use clap_complete::Shell;

/// Exit codes of `fncall run`, in the words of help and manual page.
pub(crate) const EXIT_CODES: [(&str, &str); 5] = [
    ("125", "fncall itself failed: bad option, unsuitable host, an error in the kernel"),
    ("126", "the program was found but cannot be executed"),
    ("127", "the program was not found"),
    ("128+N", "the program was killed by signal N"),
    ("else", "the program's own"),
];

/// Environment variables that matter to `fncall run` itself.
pub(crate) const ENVIRONMENT: [(&str, &str); 2] = [
    (
        "FNCALL_LOG",
        "what the kernel reports on standard error: off, error (default), warn, info, debug, trace",
    ),
    ("PATH", "where a program named without a slash is looked up, in the program's own tree"),
];

fn notes() -> String {
    let table = |title: &str, rows: &[(&str, &str)]| {
        let rows = rows.iter().map(|(name, meaning)| format!("\n  {name:<10}  {meaning}"));
        format!("{title}:{}", rows.collect::<String>())
    };
    format!("{}\n\n{}", table("Environment", &ENVIRONMENT), table("Exit codes", &EXIT_CODES))
}

/// Run unmodified Linux programs on a kernel in the same process.
#[derive(Debug, Parser)]
#[command(
    name = "fncall",
    bin_name = "fncall",
    version,
    max_term_width = 100,
    disable_help_subcommand = true
)]
pub struct Options {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run a program
    ///
    /// The program sees the files of the host but changes only its own copy of them, in memory, unless --write
    /// names a directory. The environment and all open descriptors are passed on. Options end at the name of
    /// the program; put -- before a name that begins with a dash.
    Run(Run),
    /// List the system calls of Linux and how much of each there is
    Syscalls,
    /// Print a manual page, in roff
    Man {
        /// The command to describe; without it, fncall itself
        command: Option<String>,
    },
    /// Print a completion script for a shell
    Completions {
        /// The shell
        shell: Shell,
    },
}

/// Options of `fncall run`.
#[derive(Debug, Args)]
#[command(
    after_help = notes(),
    override_usage = "fncall run [OPTIONS] [--] PROGRAM [ARGS]..."
)]
pub struct Run {
    /// Use DIR as the root of the program's file tree
    #[arg(long, value_name = "DIR", value_hint = clap::ValueHint::DirPath)]
    pub root: Option<PathBuf>,

    /// Let changes inside DIR, a directory of the host, reach the host (may be repeated)
    #[arg(long, value_name = "DIR", value_hint = clap::ValueHint::DirPath)]
    pub write: Vec<PathBuf>,

    /// Set an environment variable of the program; NAME= sets it to nothing (may be repeated)
    #[arg(long, value_name = "NAME=VALUE", value_parser = OsStringValueParser::new().try_map(assignment))]
    pub env: Vec<OsString>,

    /// Start in DIR of the program's tree [default: the current directory, or / with --root]
    #[arg(long, value_name = "DIR", value_hint = clap::ValueHint::DirPath)]
    pub workdir: Option<PathBuf>,

    /// When the program has ended, write statistics to FILE or to standard error
    #[arg(long, value_name = "FILE", num_args = 0..=1, require_equals = true, value_hint = clap::ValueHint::FilePath)]
    pub stats: Option<Option<PathBuf>>,

    /// Always use the same addresses, as `setarch -R` does
    #[arg(long)]
    pub no_aslr: bool,

    /// Stop when a system call cannot be made a jump, instead of letting it stay a trap
    #[arg(long)]
    pub strict: bool,

    /// Keep at most SIZE of changed files in memory: bytes, or with K, M, G, T [default: half of
    /// the machine's memory]
    #[arg(long, value_name = "SIZE", value_parser = size)]
    pub upper_limit: Option<u64>,

    /// The program, a path or a name to be looked up in PATH, and its arguments
    // One list, because only the last positional argument ends the options.
    #[arg(
        required = true,
        num_args = 1..,
        trailing_var_arg = true,
        value_names = ["PROGRAM", "ARGS"],
        value_hint = clap::ValueHint::CommandWithArguments
    )]
    pub command: Vec<OsString>,
}

/// `NAME=VALUE` with a name.
fn assignment(text: OsString) -> Result<OsString, String> {
    match split_assignment(&text) {
        Some((name, _)) if !name.is_empty() => Ok(text),
        Some(_) => Err("the name is missing".into()),
        None => Err("write NAME=VALUE".into()),
    }
}

/// Name and value of an assignment.
pub(crate) fn split_assignment(text: &OsStr) -> Option<(&OsStr, &OsStr)> {
    let bytes = text.as_bytes();
    let equals = bytes.iter().position(|&b| b == b'=')?;
    Some((OsStr::from_bytes(&bytes[..equals]), OsStr::from_bytes(&bytes[equals + 1..])))
}

/// A number of bytes, with a binary multiple.
fn size(text: &str) -> Result<u64, String> {
    let (digits, shift) = match text.as_bytes().last() {
        Some(b'K' | b'k') => (&text[..text.len() - 1], 10),
        Some(b'M' | b'm') => (&text[..text.len() - 1], 20),
        Some(b'G' | b'g') => (&text[..text.len() - 1], 30),
        Some(b'T' | b't') => (&text[..text.len() - 1], 40),
        _ => (text, 0),
    };
    // u64's own parser would allow a sign.
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return Err("write a number of bytes such as 4096, 64M or 2G".into());
    }
    let number = digits.parse::<u64>().ok();
    number
        .and_then(|number| number.checked_mul(1 << shift))
        .ok_or_else(|| "more than 64 bits can hold".into())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn definition_is_consistent() {
        Options::command().debug_assert();
    }

    #[test]
    fn sizes_are_binary_multiples() {
        for (text, bytes) in
            [("0", 0), ("4096", 4096), ("1K", 1024), ("64m", 64 << 20), ("2G", 2 << 30), ("1T", 1 << 40)]
        {
            assert_eq!(size(text), Ok(bytes), "{text}");
        }
        for text in ["", "M", "-1", "+1", "1.5G", "1GB", "x", "18446744073709551616", "16777216T", "1\u{e9}"]
        {
            assert!(size(text).is_err(), "{text}");
        }
    }

    #[test]
    fn options_end_at_the_program() {
        let parse = |args: &[&str]| {
            let args = ["fncall", "run"].iter().chain(args);
            match Options::try_parse_from(args).map(|options| options.command) {
                Ok(Command::Run(run)) => Ok(run),
                Ok(other) => panic!("{other:?}"),
                Err(error) => Err(error.kind()),
            }
        };
        let run = parse(&["--strict", "ls", "--strict", "-l", "--", "x"]).unwrap();
        assert_eq!(run.command, ["ls", "--strict", "-l", "--", "x"]);
        assert_eq!(parse(&["ls", "--", "x"]).unwrap().command, ["ls", "--", "x"]);
        assert_eq!(parse(&["--", "-x", "--root"]).unwrap().command, ["-x", "--root"]);
        assert_eq!(parse(&["--stats", "ls"]).unwrap().stats, Some(None));
        assert_eq!(parse(&["--stats=f", "ls"]).unwrap().stats, Some(Some("f".into())));
        assert_eq!(parse(&["ls"]).unwrap().stats, None);
        assert!(parse(&["--env", "=x", "ls"]).is_err());
        assert!(parse(&["--env", "x", "ls"]).is_err());
        assert!(parse(&["--upper-limit", "lots", "ls"]).is_err());
        assert!(parse(&[]).is_err());
    }
}
