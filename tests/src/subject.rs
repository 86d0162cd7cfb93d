//! The kernel under test: where its binary is, and how a command line is put in front of it.
//! Called by `case` and the benchmark.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// What the second run of a case runs on.
#[derive(Clone, Debug)]
pub enum Subject {
    /// The `fncall` binary at this path.
    Fncall(PathBuf),
    /// The host again: checks the cases, not a kernel.
    Host,
}

/// Directory of build products (`target`), found from the place of the running test binary.
pub fn target_dir() -> PathBuf {
    let exe = std::env::current_exe().unwrap_or_default();
    exe.ancestors()
        .find(|p| p.file_name().is_some_and(|n| n == "release" || n == "debug"))
        .and_then(Path::parent)
        .map_or_else(|| PathBuf::from("target"), Path::to_path_buf)
}

/// The subject named by the environment; builds the release binary when none is named.
///
/// # Errors
/// A readable reason when there is no binary to test.
pub fn subject() -> Result<Subject, String> {
    static FOUND: OnceLock<Result<Subject, String>> = OnceLock::new();
    FOUND.get_or_init(locate).clone()
}

fn locate() -> Result<Subject, String> {
    if let Some(named) = std::env::var_os("FNCALL") {
        if named == "host" {
            return Ok(Subject::Host);
        }
        let path = PathBuf::from(named);
        let path = path.canonicalize().map_err(|e| format!("FNCALL={}: {e}", path.display()))?;
        return Ok(Subject::Fncall(path));
    }
    let target = target_dir();
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let status = Command::new(cargo)
        .args(["build", "--release", "--quiet", "--package", "fncall-cli", "--bin", "fncall", "--target-dir"])
        .arg(&target)
        .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
        .status()
        .map_err(|e| format!("cannot run cargo: {e}"))?;
    let path = target.join("release/fncall");
    match (status.success(), path.canonicalize()) {
        (true, Ok(path)) => Ok(Subject::Fncall(path)),
        (_, Err(e)) => Err(format!("{}: {e}", path.display())),
        (false, _) => Err("building fncall failed".into()),
    }
}

impl Subject {
    /// The command line that runs `argv` on this subject with the given `run` options.
    pub fn command(&self, options: &[OsString], argv: &[OsString]) -> Vec<OsString> {
        match self {
            Subject::Host => argv.to_vec(),
            Subject::Fncall(path) => {
                let mut line = vec![path.clone().into_os_string(), "run".into()];
                line.extend_from_slice(options);
                line.push("--".into());
                line.extend_from_slice(argv);
                line
            }
        }
    }
}
