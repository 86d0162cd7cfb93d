//! From options to the [`BootConfig`] of the kernel: paths are resolved and looked at, the environment is put
//! together. Whatever cannot be used is refused here, before anything runs.

use std::env;
use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io;
use std::os::fd::{AsFd as _, IntoRawFd as _, OwnedFd};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::{Path, PathBuf};

use config::{BootConfig, LogLevel, StatsTarget};
use nix::fcntl::{FcntlArg, FdFlag, OFlag, OpenHow, ResolveFlag, fcntl, open, openat2};
use nix::sys::personality::{self, Persona};
use nix::sys::stat::Mode;

use crate::error::CliError;
use crate::options::{Run, split_assignment};

/// What a run takes from the process that started it.
#[derive(Debug, Clone)]
pub struct Surroundings {
    /// Environment, in order.
    pub environment: Vec<(OsString, OsString)>,
    /// The current directory.
    pub current_dir: PathBuf,
    /// The caller has switched address randomisation off (personality(2)).
    pub fixed_addresses: bool,
}

impl Surroundings {
    /// Those of this process.
    pub fn of_this_process() -> Result<Self, CliError> {
        Ok(Self {
            environment: env::vars_os().collect(),
            current_dir: env::current_dir().map_err(CliError::CurrentDirectory)?,
            fixed_addresses: personality::get().is_ok_and(|p| p.contains(Persona::ADDR_NO_RANDOMIZE)),
        })
    }
}

/// Refuse a host without Syscall User Dispatch by its release, such as `6.1.0-18-amd64`. One whose release
/// cannot be read is left to the kernel's own attempt.
pub fn check_release(release: &str) -> Result<(), CliError> {
    let mut numbers = release.split(|c: char| !c.is_ascii_digit()).map(str::parse::<u32>);
    match (numbers.next(), numbers.next()) {
        (Some(Ok(major)), Some(Ok(minor))) if (major, minor) < (5, 11) => {
            Err(CliError::HostTooOld(release.to_owned()))
        }
        _ => Ok(()),
    }
}

/// Describe the run to the kernel. With `--stats=FILE` the file is created and left open.
pub fn configure(run: Run, around: &Surroundings) -> Result<BootConfig, CliError> {
    let resolve = |option: &'static str, path: &Path| {
        let full = around.current_dir.join(path);
        existing_directory(&full).map_err(|source| CliError::Path { option, path: path.to_owned(), source })
    };
    let log = match around.environment.iter().find(|(name, _)| name == "FNCALL_LOG") {
        Some((_, value)) => {
            value.to_str().and_then(LogLevel::from_name).ok_or_else(|| CliError::LogLevel(value.clone()))?
        }
        None => LogLevel::default(),
    };
    let root = run.root.as_deref().map(|path| resolve("--root", path)).transpose()?;
    // The host's own root is what there is without the option.
    let root = root.filter(|root| root != Path::new("/"));

    let writable = run.write.iter().map(|path| {
        let full = resolve("--write", path)?;
        match &root {
            None => Ok(full),
            Some(root) => match full.strip_prefix(root) {
                Ok(inside) => Ok(Path::new("/").join(inside)),
                Err(_) => Err(CliError::OutsideRoot { path: path.clone(), root: root.clone() }),
            },
        }
    });
    let writable = writable.collect::<Result<Vec<_>, CliError>>()?;

    let workdir = match (&root, &run.workdir) {
        (None, None) => around.current_dir.clone(),
        (None, Some(path)) => resolve("--workdir", path)?,
        (Some(_), None) => PathBuf::from("/"),
        (Some(root), Some(path)) => {
            let inside = Path::new("/").join(path);
            directory_inside(root, &inside).map_err(|errno| CliError::Path {
                option: "--workdir",
                path: path.clone(),
                source: errno.into(),
            })?;
            inside
        }
    };

    let stats = match &run.stats {
        None => None,
        Some(None) => Some(StatsTarget::Stderr),
        Some(Some(path)) => {
            let open = || keep_open(File::create(around.current_dir.join(path))?.into());
            let target =
                open().map_err(|source| CliError::Path { option: "--stats", path: path.clone(), source })?;
            Some(StatsTarget::Descriptor(target))
        }
    };

    let argv: Vec<Vec<u8>> = run.command.into_iter().map(OsString::into_vec).collect();
    Ok(BootConfig {
        program: argv.first().cloned().unwrap_or_default(),
        argv,
        envp: environment(&around.environment, &run.env),
        root: root.map(path_bytes),
        writable: writable.into_iter().map(path_bytes).collect(),
        workdir: path_bytes(workdir),
        aslr: !run.no_aslr && !around.fixed_addresses,
        strict: run.strict,
        stats,
        log,
        upper_limit_bytes: run.upper_limit,
    })
}

fn path_bytes(path: PathBuf) -> Vec<u8> {
    path.into_os_string().into_vec()
}

/// The directory's path without links and dots.
fn existing_directory(path: &Path) -> io::Result<PathBuf> {
    let path = fs::canonicalize(path)?;
    if !fs::metadata(&path)?.is_dir() {
        return Err(io::Error::from(nix::errno::Errno::ENOTDIR));
    }
    Ok(path)
}

/// Check that `path` is a directory when `root` is `/`, so that links in it are followed inside.
fn directory_inside(root: &Path, path: &Path) -> nix::Result<()> {
    let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
    let root = open(root, flags, Mode::empty())?;
    let how = OpenHow::new().flags(flags).resolve(ResolveFlag::RESOLVE_IN_ROOT);
    openat2(root, path, how).map(drop)
}

/// Make a descriptor survive `exec`, above the standard ones even if those are closed: a program that
/// started without standard output must not find a file of ours there.
pub(crate) fn keep_open(file: OwnedFd) -> io::Result<i32> {
    // std duplicates to 3 or higher.
    let file = file.as_fd().try_clone_to_owned()?;
    fcntl(&file, FcntlArg::F_SETFD(FdFlag::empty()))?;
    Ok(file.into_raw_fd())
}

/// The environment with assignments applied: a known variable is replaced where it stands.
fn environment(inherited: &[(OsString, OsString)], assignments: &[OsString]) -> Vec<Vec<u8>> {
    let mut variables: Vec<(&OsStr, &OsStr)> =
        inherited.iter().map(|(name, value)| (name.as_os_str(), value.as_os_str())).collect();
    for (name, value) in assignments.iter().filter_map(|text| split_assignment(text)) {
        match variables.iter_mut().find(|(known, _)| *known == name) {
            Some(variable) => variable.1 = value,
            None => variables.push((name, value)),
        }
    }
    variables.iter().map(|(name, value)| [name.as_bytes(), b"=", value.as_bytes()].concat()).collect()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use clap::Parser as _;

    use super::*;
    use crate::options::{Command, Options};

    fn run(args: &[&str]) -> Run {
        match Options::try_parse_from(["fncall", "run"].iter().chain(args)).unwrap().command {
            Command::Run(run) => run,
            other => panic!("{other:?}"),
        }
    }

    fn around(current_dir: &Path, environment: &[(&str, &str)]) -> Surroundings {
        Surroundings {
            environment: environment.iter().map(|(name, value)| (name.into(), value.into())).collect(),
            current_dir: current_dir.to_owned(),
            fixed_addresses: false,
        }
    }

    /// A directory of the test's own, gone at the end.
    struct Tree(PathBuf);

    impl Tree {
        fn new(name: &str) -> Self {
            let path = env::temp_dir().join(format!("fncall-boot-{}-{name}", std::process::id()));
            fs::create_dir_all(path.join("tree/in/deep")).unwrap();
            fs::create_dir(path.join("out")).unwrap();
            symlink("tree/in", path.join("link")).unwrap();
            symlink("/in", path.join("tree/absolute")).unwrap();
            Self(fs::canonicalize(path).unwrap())
        }

        fn path(&self, inside: &str) -> Vec<u8> {
            path_bytes(self.0.join(inside))
        }
    }

    impl Drop for Tree {
        fn drop(&mut self) {
            fs::remove_dir_all(&self.0).unwrap();
        }
    }

    #[test]
    fn plain_run_is_here_and_as_it_is() {
        let config = configure(run(&["ls", "-l"]), &around(Path::new("/tmp"), &[("A", "1")])).unwrap();
        assert_eq!(config.program, b"ls");
        assert_eq!(config.argv, [b"ls", b"-l"]);
        assert_eq!(config.envp, [b"A=1"]);
        assert_eq!(config.workdir, b"/tmp");
        assert_eq!((config.root, config.writable, config.stats), (None, vec![], None));
        assert_eq!((config.aslr, config.strict, config.log), (true, false, LogLevel::Error));
        assert_eq!(config.upper_limit_bytes, None);
    }

    #[test]
    fn relative_paths_start_at_the_current_directory() {
        let tree = Tree::new("relative");
        let around = around(&tree.0, &[]);
        let config =
            configure(run(&["--write", "out", "--write", "link/..", "--workdir", "link", "x"]), &around)
                .unwrap();
        assert_eq!(config.writable, [tree.path("out"), tree.path("tree")]);
        assert_eq!(config.workdir, tree.path("tree/in"));
        // Inside a root, the work directory is a path of the program's tree and links are its own.
        let config = configure(run(&["--root", "tree", "--write", "link/deep", "x"]), &around).unwrap();
        assert_eq!((config.root, config.workdir), (Some(tree.path("tree")), b"/".to_vec()));
        assert_eq!(config.writable, [b"/in/deep"]);
        for (given, workdir) in
            [("in", "/in"), ("/in/deep", "/in/deep"), ("/absolute/deep", "/absolute/deep")]
        {
            let config = configure(run(&["--root", "tree", "--workdir", given, "x"]), &around).unwrap();
            assert_eq!(config.workdir, workdir.as_bytes());
        }
        // Not even by dots is the host's own tree seen from inside.
        assert!(configure(run(&["--root", "tree", "--workdir", "../out", "x"]), &around).is_err());
        assert!(configure(run(&["--root", "tree", "--write", "out", "x"]), &around).is_err());
        assert_eq!(configure(run(&["--root", "/", "x"]), &around).unwrap().root, None);
    }

    #[test]
    fn assignments_replace_in_place_or_come_last() {
        let inherited = around(Path::new("/"), &[("A", "1"), ("B", "2"), ("FNCALL_LOG", "debug")]);
        let config =
            configure(run(&["--env", "C=x=y", "--env", "A=", "--env", "C=z", "x"]), &inherited).unwrap();
        assert_eq!(config.envp, [b"A=".as_slice(), b"B=2", b"FNCALL_LOG=debug", b"C=z"]);
        // Said of the program, not to fncall.
        assert_eq!(config.log, LogLevel::Debug);
    }

    #[test]
    fn bytes_that_are_no_utf8_pass() {
        let mut around = around(Path::new("/"), &[]);
        around.environment =
            vec![(OsString::from_vec(b"N\xff".to_vec()), OsString::from_vec(b"\xfe".to_vec()))];
        let args = [b"fncall".as_slice(), b"run", b"\x80", b"\x81"].map(OsStr::from_bytes);
        let Command::Run(run) = Options::try_parse_from(args).unwrap().command else { panic!() };
        let config = configure(run, &around).unwrap();
        assert_eq!((config.argv, config.envp), (vec![vec![0x80], vec![0x81]], vec![b"N\xff=\xfe".to_vec()]));
    }

    #[test]
    fn switches_arrive() {
        let around = around(Path::new("/"), &[]);
        let config =
            configure(run(&["--no-aslr", "--strict", "--stats", "--upper-limit", "1M", "x"]), &around)
                .unwrap();
        assert_eq!((config.aslr, config.strict, config.stats), (false, true, Some(StatsTarget::Stderr)));
        assert_eq!(config.upper_limit_bytes, Some(1 << 20));
        let fixed = Surroundings { fixed_addresses: true, ..around };
        assert!(!configure(run(&["x"]), &fixed).unwrap().aslr);
    }

    #[test]
    fn statistics_file_is_open_when_the_kernel_starts() {
        let tree = Tree::new("stats");
        let config = configure(run(&["--stats=file", "x"]), &around(&tree.0, &[])).unwrap();
        let Some(StatsTarget::Descriptor(fd)) = config.stats else { panic!("{:?}", config.stats) };
        assert!(fd > 2);
        let info = fs::read_to_string(format!("/proc/self/fdinfo/{fd}")).unwrap();
        let flags = info.lines().find_map(|line| line.strip_prefix("flags:")).unwrap();
        let flags = i32::from_str_radix(flags.trim(), 8).unwrap();
        assert_eq!(flags & OFlag::O_CLOEXEC.bits(), 0, "{flags:o}");
        assert_eq!(path_bytes(fs::read_link(format!("/proc/self/fd/{fd}")).unwrap()), tree.path("file"));
    }

    #[test]
    fn old_hosts_are_refused_by_release() {
        for release in ["5.10.0-28-amd64", "4.18.0", "3.10.0-1160.el7.x86_64"] {
            assert!(check_release(release).is_err(), "{release}");
        }
        for release in ["5.11.0", "5.15.0-91-generic", "6.1", "6.18.44-fc", "10.0.0", "", "unknown"] {
            assert!(check_release(release).is_ok(), "{release}");
        }
    }
}
