//! The Debian packages the cases compare with: which are missing, and how to get them.
//! Called by `suite` once at start and by `case` before each run.

use std::path::Path;
use std::process::{Command, Stdio};

use crate::run::PATH;

/// Every program (or file, by its full path) a case may name, with the package that brings it.
pub const PACKAGES: &[(&str, &str)] = &[
    ("ipcmk", "util-linux"),
    ("ipcs", "util-linux"),
    ("ipcrm", "util-linux"),
    ("busybox", "busybox-static"),
    ("gcc", "gcc"),
    ("musl-gcc", "musl-tools"),
    ("ls", "coreutils"),
    ("grep", "grep"),
    ("sed", "sed"),
    ("mawk", "mawk"),
    ("tar", "tar"),
    ("gzip", "gzip"),
    ("xz", "xz-utils"),
    ("bc", "bc"),
    ("diff", "diffutils"),
    ("find", "findutils"),
    ("python3", "python3"),
    ("perl", "perl"),
    ("lua5.4", "lua5.4"),
    ("sqlite3", "sqlite3"),
    ("fio", "fio"),
    ("git", "git"),
    ("file", "file"),
    ("gdb", "gdb"),
    ("readelf", "binutils"),
    ("dash", "dash"),
    ("bash", "bash"),
    ("g++", "g++"),
    ("make", "make"),
    ("zstd", "zstd"),
    ("node", "nodejs"),
    ("go", "golang-go"),
    ("java", "default-jre-headless"),
    ("pkill", "procps"),
    ("setsid", "util-linux"),
    ("tmux", "tmux"),
    ("script", "bsdutils"),
    (PYTHON_SUITE, "libpython3.11-testsuite"),
    ("javac", "default-jdk-headless"),
    ("ps", "procps"),
    ("pgrep", "procps"),
    ("pstree", "psmisc"),
    ("top", "procps"),
    ("free", "procps"),
    ("uptime", "procps"),
    ("vmstat", "procps"),
    ("w", "procps"),
    ("ip", "iproute2"),
    ("ss", "iproute2"),
    ("netstat", "net-tools"),
    ("ifconfig", "net-tools"),
    ("strace", "strace"),
    ("gdb", "gdb"),
    ("zsh", "zsh"),
    ("ninja", "ninja-build"),
    ("cmake", "cmake"),
    ("ccache", "ccache"),
    ("rsync", "rsync"),
    ("parallel", "parallel"),
    ("ruby", "ruby"),
    ("/usr/lib/python3/dist-packages/xdist", "python3-pytest-xdist"),
    ("/usr/lib/python3.11/ensurepip", "python3-venv"),
    ("expect", "expect"),
    ("screen", "screen"),
    ("vim.basic", "vim"),
    ("less", "less"),
    ("flock", "util-linux"),
    ("setpriv", "util-linux"),
    ("start-stop-daemon", "dpkg"),
    ("dpkg-source", "dpkg-dev"),
    ("redis-check-rdb", "redis-tools"),
    ("redis-benchmark", "redis-tools"),
];

/// Servers, which Debian starts when their package is installed: the tests use them where they are, and do not install
/// them.
const SERVERS: &[(&str, &str)] = &[("/usr/lib/postgresql/15/bin/initdb", "postgresql-15")];

/// A file of CPython's own test suite.
pub const PYTHON_SUITE: &str = "/usr/lib/python3.11/test/test_os.py";

/// Full path of `program` on the fixed search path.
pub fn find(program: &str) -> Option<String> {
    if program.starts_with('/') {
        return Path::new(program).exists().then(|| program.to_owned());
    }
    PATH.split(':').map(|dir| format!("{dir}/{program}")).find(|path| Path::new(path).exists())
}

/// `program` as the tables here name it, if they do.
pub fn known(program: &str) -> Option<&'static str> {
    PACKAGES.iter().chain(SERVERS).map(|(p, _)| *p).find(|p| *p == program)
}

/// Package that brings `program`.
pub fn package(program: &str) -> &str {
    PACKAGES.iter().chain(SERVERS).find(|(p, _)| *p == program).map_or(program, |(_, package)| package)
}

/// Installs what is missing when that is possible (root, `apt-get`, not forbidden); says what it does.
///
/// A failure is no error: the cases concerned are skipped by name.
pub fn install_missing() {
    let mut missing: Vec<&str> =
        PACKAGES.iter().filter(|(p, _)| find(p).is_none()).map(|(_, pkg)| *pkg).collect();
    missing.dedup();
    if missing.is_empty() || std::env::var_os("FNCALL_TESTS_NO_INSTALL").is_some() {
        return;
    }
    if !rustix::process::geteuid().is_root() || find("apt-get").is_none() {
        println!("missing packages (tests that need them are skipped): {}", missing.join(" "));
        return;
    }
    println!("installing: {}", missing.join(" "));
    let apt = |args: &[&str]| {
        Command::new("apt-get")
            .args(args)
            .env("DEBIAN_FRONTEND", "noninteractive")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .status()
            .is_ok_and(|s| s.success())
    };
    let install = |packages: &[&str]| {
        let mut args = vec!["install", "-y", "-q", "--no-install-recommends"];
        args.extend(packages);
        apt(&args)
    };
    // Package lists may be absent on a fresh machine.
    if install(&missing) || (apt(&["update", "-q"]) && install(&missing)) {
        return;
    }
    // One that this distribution does not have must not keep the others away.
    for package in &missing {
        if !install(&[package]) {
            println!("cannot be installed: {package}");
        }
    }
}
