//! Debian source packages, for scenes that build real programs. Called by the `scenes` test.
//!
//! They are fetched with apt's own means from the mirrors that the machine uses, but with package lists of our own: those
//! of the machine stay as they are. Where that cannot be done (no apt, no network), a scene is skipped with the reason.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;

use crate::needs;
use crate::subject::target_dir;

/// Makes the source package at hand, once; later calls find it.
///
/// # Errors
/// Why it cannot be had, in words for whoever reads the list of skipped tests.
pub fn fetch(package: &str) -> Result<PathBuf, String> {
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _guard = ONE_AT_A_TIME.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let dir = target_dir().join("tests-sources").join(package);
    if description(&dir).is_some() {
        return Ok(dir);
    }
    for tool in ["apt-get", "dpkg-source"] {
        if needs::find(tool).is_none() {
            return Err(format!("needs {tool} for the source of {package}"));
        }
    }
    if std::env::var_os("FNCALL_TESTS_NO_INSTALL").is_some() {
        return Err(format!("needs the source of {package}"));
    }
    fs::create_dir_all(&dir).map_err(|e| format!("{}: {e}", dir.display()))?;
    let options = lists().map_err(|e| format!("lists of source packages: {e}"))?;
    apt(&options, &["source", "--download-only", "-q", package], &dir)?;
    description(&dir).map(|_| dir).ok_or(format!("apt-get source {package} brought no description"))
}

/// Unpacks a fetched package, with Debian's patches, as `to`.
///
/// # Errors
/// When `dpkg-source` fails.
pub fn unpack(package: &str, to: &Path) -> io::Result<()> {
    let dir = target_dir().join("tests-sources").join(package);
    let description = description(&dir).ok_or(io::ErrorKind::NotFound)?;
    let output = Command::new("dpkg-source")
        .args(["--no-check", "-x"])
        .args([&description, to])
        .stdin(Stdio::null())
        .output()?;
    if output.status.success() {
        Ok(())
    } else {
        Err(io::Error::other(String::from_utf8_lossy(&output.stderr).into_owned()))
    }
}

/// The `.dsc` file of a fetched package.
fn description(dir: &Path) -> Option<PathBuf> {
    fs::read_dir(dir).ok()?.flatten().map(|e| e.path()).find(|p| p.extension().is_some_and(|e| e == "dsc"))
}

/// Package lists of the machine's mirrors with sources, in a place of our own: options for `apt-get`.
fn lists() -> Result<Vec<String>, String> {
    let place = target_dir().join("tests-sources/apt");
    fs::create_dir_all(place.join("lists/partial")).map_err(|e| e.to_string())?;
    let mut one_line = String::new();
    let mut stanzas = String::new();
    let parts = fs::read_dir("/etc/apt/sources.list.d").into_iter().flatten().flatten().map(|e| e.path());
    for path in parts.chain([PathBuf::from("/etc/apt/sources.list")]) {
        let Ok(text) = fs::read_to_string(&path) else { continue };
        // What is not Debian's own has nothing to do here.
        if !text.contains("debian.org") && !text.contains("/debian") {
            continue;
        }
        if path.extension().is_some_and(|e| e == "sources") {
            let lines = text.lines().map(|l| if l.starts_with("Types:") { "Types: deb-src" } else { l });
            stanzas.extend(lines.flat_map(|l| [l, "\n"]));
            stanzas.push('\n');
        } else {
            let lines = text.lines().filter_map(|l| l.strip_prefix("deb "));
            one_line.extend(lines.map(|l| format!("deb-src {l}\n")));
        }
    }
    // One of the two forms is enough; apt tells them apart by the name.
    let (name, text) = if stanzas.is_empty() { ("src.list", one_line) } else { ("src.sources", stanzas) };
    if text.is_empty() {
        return Err("no mirror of Debian in /etc/apt".into());
    }
    let list = place.join(name);
    fs::write(&list, text).map_err(|e| e.to_string())?;
    let options = [
        format!("Dir::Etc::sourcelist={}", list.display()),
        "Dir::Etc::sourceparts=/nonexistent".into(),
        format!("Dir::State::lists={}", place.join("lists").display()),
        "Dir::Cache::pkgcache=".into(),
        "Dir::Cache::srcpkgcache=".into(),
        "APT::Sandbox::User=root".into(),
    ];
    let options: Vec<String> = options.into_iter().flat_map(|o| ["-o".into(), o]).collect();
    apt(&options, &["update", "-q"], &place)?;
    Ok(options)
}

fn apt(options: &[String], command: &[&str], dir: &Path) -> Result<(), String> {
    let output = Command::new("apt-get")
        .args(options)
        .args(command)
        .current_dir(dir)
        .stdin(Stdio::null())
        .output()
        .map_err(|e| format!("apt-get: {e}"))?;
    if output.status.success() {
        return Ok(());
    }
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    let line = errors.lines().find(|l| l.starts_with("E:")).unwrap_or("failed");
    Err(format!("apt-get {}: {line}", command.join(" ")))
}
