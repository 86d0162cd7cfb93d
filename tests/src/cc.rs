//! Compiles the C programs of `tests/c` and `tests/bench`, once per content.
//! Called by the test binaries while they collect their cases.

use std::fs;
use std::hash::{DefaultHasher, Hasher};
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::needs;
use crate::subject::target_dir;

/// How a program is linked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flavor {
    /// glibc, position-independent, with an interpreter: the distribution's default.
    Glibc,
    /// glibc, static, position-dependent.
    GlibcStatic,
    /// glibc, static and position-independent.
    GlibcStaticPie,
    /// glibc, dynamic, linked at a fixed address.
    GlibcNoPie,
    /// musl, static.
    MuslStatic,
    /// musl, with musl's interpreter.
    MuslDynamic,
}

const KERNEL_HEADERS: &str = "-idirafter/usr/include";
const MACHINE_HEADERS: &str = "-idirafter/usr/include/x86_64-linux-gnu";

impl Flavor {
    /// Short name, used in test names and paths.
    pub const fn name(self) -> &'static str {
        match self {
            Flavor::Glibc => "glibc",
            Flavor::GlibcStatic => "glibc-static",
            Flavor::GlibcStaticPie => "glibc-static-pie",
            Flavor::GlibcNoPie => "glibc-nopie",
            Flavor::MuslStatic => "musl-static",
            Flavor::MuslDynamic => "musl",
        }
    }

    /// The compiler driver.
    pub const fn compiler(self) -> &'static str {
        match self {
            Flavor::MuslStatic | Flavor::MuslDynamic => "musl-gcc",
            _ => "gcc",
        }
    }

    const fn flags(self) -> &'static [&'static str] {
        match self {
            Flavor::Glibc => &["-fPIE", "-pie"],
            Flavor::GlibcStatic => &["-static", "-no-pie"],
            // musl comes without the kernel's own headers: take the distribution's, after musl's.
            Flavor::MuslStatic => &["-static", "-no-pie", KERNEL_HEADERS, MACHINE_HEADERS],
            Flavor::MuslDynamic => &["-fPIE", "-pie", KERNEL_HEADERS, MACHINE_HEADERS],
            Flavor::GlibcStaticPie => &["-static-pie", "-fPIE"],
            Flavor::GlibcNoPie => &["-no-pie", "-fno-pie"],
        }
    }
}

/// Directory of the C sources.
pub fn sources() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("c")
}

/// Compiles `source` and returns the program's path. Unchanged sources are not compiled again.
///
/// # Errors
/// `Missing` when there is no compiler, `Failed` with the compiler's words when it refuses.
pub fn compile(source: &Path, flavor: Flavor, extra: &[&str]) -> Result<PathBuf, CompileError> {
    let compiler = needs::find(flavor.compiler())
        .ok_or(CompileError::Missing(needs::package(flavor.compiler()).to_owned()))?;
    // Sections are listed in the order of the linker, which must be that of the source.
    let flags = ["-O2", "-g", "-Wall", "-Wextra", "-fno-omit-frame-pointer", "-fno-toplevel-reorder"];
    let mut hasher = DefaultHasher::new();
    hasher.write(&fs::read(source)?);
    if let Ok(header) = fs::read(source.with_file_name("facts.h")) {
        hasher.write(&header);
    }
    for flag in flags.iter().chain(flavor.flags()).chain(extra) {
        hasher.write(flag.as_bytes());
    }
    let stem = source.file_stem().unwrap_or_default().to_string_lossy();
    let dir = target_dir().join("tests-c").join(flavor.name());
    let program = dir.join(format!("{stem}-{:016x}", hasher.finish()));
    if program.exists() {
        return Ok(program);
    }
    fs::create_dir_all(&dir)?;
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let fresh = dir.join(format!("{stem}-{}-{number}.new", std::process::id()));
    let output = Command::new(compiler)
        .args(flags)
        .args(flavor.flags())
        .args(extra)
        .arg("-o")
        .arg(&fresh)
        .arg(source)
        .arg("-lm")
        .output()?;
    if !output.status.success() {
        return Err(CompileError::Failed(String::from_utf8_lossy(&output.stderr).into_owned()));
    }
    // Another test may be building the same program: the last rename wins, both are equal.
    fs::rename(&fresh, &program)?;
    Ok(program)
}

/// Why there is no program.
#[derive(Debug)]
pub enum CompileError {
    /// This package is not installed.
    Missing(String),
    /// The compiler's messages.
    Failed(String),
}

impl From<io::Error> for CompileError {
    fn from(e: io::Error) -> Self {
        CompileError::Failed(e.to_string())
    }
}
