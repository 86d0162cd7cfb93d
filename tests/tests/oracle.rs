//! The C programs of `tests/c`: each section prints facts about system calls, once on the host and once on fncall.
//! One test per section, program flavour and way of writing: `openat::excl`, `openat::excl [write]` …

use std::fs;
use std::process::Command;

use fncall_tests::case::Case;
use fncall_tests::cc::{self, CompileError, Flavor};
use fncall_tests::suite;
use libtest_mimic::Trial;

fn main() {
    let args = suite::begin();
    let mut sources: Vec<_> = fs::read_dir(cc::sources())
        .expect("tests/c is part of the package")
        .filter_map(|entry| entry.ok().map(|e| e.path()))
        .filter(|path| path.extension().is_some_and(|e| e == "c"))
        .collect();
    sources.sort();
    let mut trials = Vec::new();
    for source in &sources {
        let text = fs::read_to_string(source).unwrap_or_default();
        // The first lines of a program say how to build and run it.
        let has = |word: &str| text.lines().take(5).any(|l| l.starts_with("//:") && l.contains(word));
        let mut flavors = vec![Flavor::Glibc];
        if has("musl") {
            flavors.push(Flavor::MuslStatic);
        }
        if has("static") {
            flavors.push(Flavor::GlibcStatic);
        }
        for flavor in flavors {
            collect(source, flavor, has("files"), &mut trials);
        }
    }
    suite::finish(&args, trials);
}

fn collect(source: &std::path::Path, flavor: Flavor, files: bool, trials: &mut Vec<Trial>) {
    let stem = source.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let title = |section: &str, mode: &str| match flavor {
        Flavor::Glibc => format!("{stem}::{section}{mode}"),
        other => format!("{stem}::{section}{mode} ({})", other.name()),
    };
    let program = match cc::compile(source, flavor, &[]) {
        Ok(program) => program,
        Err(CompileError::Missing(package)) => {
            trials.push(suite::skipped(title("all", ""), format!("needs {package}")));
            return;
        }
        Err(CompileError::Failed(why)) => {
            trials.push(suite::broken(title("compile", ""), why));
            return;
        }
    };
    let listed = match Command::new(&program).arg("-l").output() {
        Ok(output) if output.status.success() => String::from_utf8_lossy(&output.stdout).into_owned(),
        other => {
            trials.push(suite::broken(title("list", ""), format!("{}: {other:?}", program.display())));
            return;
        }
    };
    for section in listed.lines() {
        let argv = || [program.clone().into_os_string(), section.into()];
        trials.push(Case::new(title(section, ""), argv()).seconds(30).into());
        // The same section on files of the host, where the kernel under test passes changes through.
        if files && flavor == Flavor::Glibc {
            trials.push(Case::new(title(section, " [write]"), argv()).seconds(30).write().into());
        }
    }
}
