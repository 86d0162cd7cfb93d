//! Scenes: the shell scripts of `tests/scenes`, each a piece of somebody's working day. What one prints and how it ends
//! must be the same on the host and on fncall; the scratch directory it runs in is left untouched by fncall.
//!
//! The first lines of a script that begin with `#:` say what it takes:
//!
//! ```text
//! #: needs zsh gcc         programs or packages' files, as `needs` knows them
//! #: source lua5.4         a Debian source package, unpacked in the scratch directory as `src`
//! #: seconds 120           time limit of a run; 60 without it
//! ```
//!
//! Where fncall differs from the host by design, a file of the same name with `.out` says what it must print, and the host
//! is not asked.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use fncall_tests::case::{Case, diff};
use fncall_tests::run::{Ending, Job, run};
use fncall_tests::subject::{Subject, subject, target_dir};
use fncall_tests::{needs, source, suite, tree};
use libtest_mimic::{Completion, Failed, Trial};

fn main() {
    let args = suite::begin();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenes");
    let mut scripts = Vec::new();
    for group in entries(&root) {
        scripts.extend(entries(&group));
    }
    scripts.retain(|script| script.extension().is_some_and(|e| e == "sh"));
    let trials = scripts.iter().map(|script| trial(&root, script)).collect();
    suite::finish(&args, trials);
}

fn entries(dir: &Path) -> Vec<PathBuf> {
    let mut paths: Vec<_> =
        fs::read_dir(dir).expect("tests/scenes is part of the package").flatten().map(|e| e.path()).collect();
    paths.sort();
    paths
}

fn trial(root: &Path, script: &Path) -> Trial {
    let name = script.with_extension("");
    let name = name.strip_prefix(root).unwrap_or(&name).display().to_string().replace('/', "::");
    let text = fs::read_to_string(script).unwrap_or_default();
    let expected = script.with_extension("out");
    let mut case = Case::new(&name, ["bash".as_ref(), script.as_os_str()]);
    let mut programs = Vec::new();
    for line in text.lines().filter_map(|line| line.strip_prefix("#: ")) {
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        case = match word {
            "needs" => match rest.split(' ').map(needs::known).collect::<Option<Vec<_>>>() {
                Some(named) => {
                    programs.extend(&named);
                    case.needs(&named)
                }
                None => return suite::broken(name, format!("{line}: not in tests/src/needs.rs")),
            },
            "source" => {
                let package = rest.to_owned();
                case.unless(move || source::fetch(&package).err()).setup({
                    let package = rest.to_owned();
                    move |dir| source::unpack(&package, &dir.join("src"))
                })
            }
            "seconds" => match rest.parse() {
                Ok(seconds) => case.seconds(seconds),
                Err(_) => return suite::broken(name, format!("{line}: not a number")),
            },
            _ => return suite::broken(name, format!("{line}: unknown")),
        };
    }
    if !expected.exists() {
        return case.into();
    }
    let script = script.to_owned();
    Trial::ignorable_test(name.clone(), move || differs_by_design(&name, &programs, &script, &expected))
}

/// Runs a script on fncall alone and compares all it prints with the contents of `expected`.
fn differs_by_design(
    name: &str,
    programs: &[&'static str],
    script: &Path,
    expected: &Path,
) -> Result<Completion, Failed> {
    if let Some(missing) = programs.iter().find(|program| needs::find(program).is_none()) {
        return Ok(Completion::ignored_with(format!("needs {}", needs::package(missing))));
    }
    let subject = subject()?;
    if matches!(subject, Subject::Host) {
        return Ok(Completion::ignored_with("needs the fncall binary"));
    }
    let dir = target_dir().join("tests-scratch").join(name.replace(':', "_"));
    tree::remove(&dir)?;
    fs::create_dir_all(&dir)?;
    let argv = subject.command(&[], &["bash".into(), script.into()] as &[OsString]);
    let job = Job { argv: &argv, env: &[], stdin: b"", dir: &dir, limit: Duration::from_secs(60) };
    let outcome = run(&job)?;
    let mut report = String::new();
    diff(
        "standard output (- expected, + fncall)",
        &fs::read_to_string(expected)?,
        &String::from_utf8_lossy(&outcome.stdout),
        &mut report,
    );
    if outcome.ending != Ending::Exited(0) || !outcome.stderr.is_empty() {
        report += &format!("{:?}: {}", outcome.ending, String::from_utf8_lossy(&outcome.stderr));
    }
    if !report.is_empty() {
        return Err(report.into());
    }
    tree::remove(&dir)?;
    Ok(Completion::Completed)
}
