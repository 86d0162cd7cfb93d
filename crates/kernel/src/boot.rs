//! From the configuration of the command line to the first program, and from its end to the exit of the instance.

use crate::fs;
use crate::task::{Cred, ExecError, FIRST_PID, FsContext, Limits, Process, Task};
use crate::vfs::{Dentry, FdTable};
use crate::{Errno, Result, stats, task};
use alloc::sync::Arc;
use alloc::vec::Vec;
use config::{BootConfig, exit_code};
use core::sync::atomic::Ordering;
use host::boot::die;
use host::file::HostFd;
use host::io::IoDst;
use host::mutex::OnceLock;
use host::user::UserThread;

static CONFIG: OnceLock<BootConfig> = OnceLock::new();

/// The configuration of this instance; none in unit tests.
pub fn config() -> Option<&'static BootConfig> {
    CONFIG.get()
}

/// Boots, runs the program, ends.
pub fn main() -> ! {
    if host::boot::args().get(1).is_some_and(|arg| arg == config::LIST_SYSCALLS.as_bytes()) {
        list_syscalls();
    }
    let config = match read_config() {
        Ok(config) => config,
        Err(reason) => die(format_args!("{reason}")),
    };
    host::log::set_level(config.log as u8);
    // The table of descriptors is read before the kernel opens any of its own.
    let inherited = host::file::open_descriptors();
    host::boot::raise_descriptor_limit();
    stats::enable(config.stats.is_some());
    let program = config.program.clone();
    // Set once, here.
    let _ = CONFIG.set(config);
    let Some(config) = CONFIG.get() else { die(format_args!("no configuration")) };

    let root = match fs::mount_all(config) {
        Ok(root) => root,
        Err((what, errno)) => die(format_args!("{}: {errno}", what.escape_ascii())),
    };
    let cwd = match start_directory(config, &root) {
        Ok(cwd) => cwd,
        Err(errno) => die(format_args!("{}: {errno}", config.workdir.escape_ascii())),
    };
    if let Err(errno) = host::user::attach_thread() {
        die(format_args!(
            "cannot take over system calls (Syscall User Dispatch, Linux 5.11 or later): {errno}"
        ));
    }
    host::foreign::allow_access();
    let task = first_task(&root, &cwd);
    fs::tty::host::attach(&task.process);
    for fd in inherited {
        if Some(fd) == stats_descriptor(config) {
            continue;
        }
        if let Err(errno) = adopt(&task, fd) {
            host::log!(Warn, "descriptor {fd} is not passed on: {errno}");
        }
    }
    host::park::current().set_slot(Some(task.clone()));
    let blocked = host::signal::take_mask();
    match host::signal::forward_signals() {
        Ok(ignored) => crate::signal::inherit(&task, blocked, ignored),
        Err(errno) => die(format_args!("cannot handle signals: {errno}")),
    }

    let mut user = UserThread::new();
    let files = task.process.files.lock().clone();
    let fs_context = task.process.fs.lock().clone();
    let mm = task.process.mm.lock().clone();
    let mut cur = task::Current::new(&task, &files, &fs_context, &mm, &mut user);
    let mut failure: Option<ExecError> = None;
    for path in config.candidates() {
        match task::execve(&mut cur, &path, config.argv.clone(), config.envp.clone()) {
            Ok(()) => {
                failure = None;
                break;
            }
            Err(error) => {
                let go_on = matches!(error.errno, Errno::NOENT | Errno::NOTDIR | Errno::ACCESS);
                // Something that was found and refused says more than what was not found.
                let better = failure.as_ref().is_none_or(|old| old.errno == Errno::NOENT);
                if better {
                    failure = Some(error);
                }
                if !go_on {
                    break;
                }
            }
        }
    }
    if let Some(error) = failure {
        cannot_start(&program, &error);
    }
    task::exit::set_first_host_pid(host::signal::host_pid());
    task::share::set_first_memory(task.process.mm.lock().clone());
    task.process.family.host_pid.store(host::signal::host_pid(), core::sync::atomic::Ordering::Relaxed);
    let status = task::run(&task, user);
    let status = task::exit::leave_first(&task, status);
    let left = |process: &Arc<Process>| process.pid > FIRST_PID && process.family.ended.lock().is_none();
    if status & 0x7f != 0 || task::processes().iter().any(left) {
        // Who was killed had no time to leave the terminal as it was.
        fs::tty::host::restore_settings();
    }
    finish(config, status)
}

/// Prints the system-call table instead of running anything.
fn list_syscalls() -> ! {
    let text = crate::syscall::list::list();
    let stdout = HostFd::adopt(1);
    let mut src = host::io::IoSrc::kernel(text.as_bytes());
    while !src.is_empty() {
        match stdout.write(&mut src, None) {
            Ok(1..) => {}
            Ok(_) => die(format_args!("standard output takes no more")),
            Err(errno) => die(format_args!("cannot write the output: {errno}")),
        }
    }
    host::boot::exit(0)
}

fn read_config() -> core::result::Result<BootConfig, alloc::string::String> {
    let args = host::boot::args();
    let fd = args.get(1).and_then(|arg| core::str::from_utf8(arg).ok()?.parse::<i32>().ok());
    let Some(fd) = fd else {
        return Err("the kernel image is started by the fncall command, not by hand".into());
    };
    let fd = HostFd::adopt(fd);
    let mut bytes = Vec::new();
    let mut buf = alloc::vec![0; 64 << 10];
    loop {
        let mut dst = IoDst::kernel(&mut buf);
        match fd.read(&mut dst, Some(bytes.len() as u64)) {
            Ok(0) => break,
            Ok(count) => bytes.extend_from_slice(&buf[..count]),
            Err(errno) => return Err(alloc::format!("cannot read the configuration: {errno}")),
        }
    }
    BootConfig::decode(&bytes).map_err(|error| alloc::format!("{error}"))
}

fn stats_descriptor(config: &BootConfig) -> Option<i32> {
    match config.stats {
        Some(config::StatsTarget::Descriptor(fd)) => Some(fd),
        _ => None,
    }
}

fn start_directory(config: &BootConfig, root: &Arc<Dentry>) -> Result<Arc<Dentry>> {
    let cred = host_cred();
    let walk = crate::vfs::namei::Walk { cred: &cred, root, base: root, resolve: Default::default() };
    let dir = walk.lookup(&config.workdir, true)?;
    if dir.inode().is_dir() { Ok(dir) } else { Err(Errno::NOTDIR) }
}

/// The person who runs fncall, as the program sees itself. Root has all capabilities over the kernel's own tree;
/// what reaches the host is still decided by the host.
pub fn host_cred() -> Cred {
    let ([uid, euid, gid, egid], groups) = host::boot::ids();
    let all = (1 << 41) - 1;
    let caps = if euid == 0 { all } else { 0 };
    Cred {
        uid,
        euid,
        suid: euid,
        fsuid: euid,
        gid,
        egid,
        sgid: egid,
        fsgid: egid,
        groups,
        cap_effective: caps,
        cap_permitted: caps,
        cap_inheritable: 0,
        cap_bounding: all,
        cap_ambient: 0,
        securebits: 0,
        no_new_privs: false,
    }
}

fn host_limits() -> Limits {
    Limits(core::array::from_fn(|n| host::boot::host_limit(n as u32)))
}

fn first_task(root: &Arc<Dentry>, cwd: &Arc<Dentry>) -> Arc<Task> {
    let mm = crate::mm::AddressSpace::new_for_boot();
    task::make_init(Arc::new(host_cred()), FsContext::new(root.clone(), root.clone(), 0o022), host_limits());
    let process = Arc::new(Process::new(
        FIRST_PID,
        Arc::new(host_cred()),
        mm,
        FdTable::new(),
        FsContext::new(root.clone(), cwd.clone(), host::boot::host_umask()),
        host_limits(),
    ));
    process.family.exit_signal.store(linux_raw_sys::general::SIGCHLD as i32, Ordering::Relaxed);
    let task = Arc::new(Task::new(FIRST_PID, &process, host::park::current()));
    process.tasks.lock().push(task.clone());
    task::enter(&process);
    task
}

/// Passes a descriptor the host process was started with on to the program, under the same number.
fn adopt(task: &Arc<Task>, fd: i32) -> Result<()> {
    let file = fs::hostfs::inherited(HostFd::adopt(fd))?;
    let files = task.process.files.lock().clone();
    files.replace(fd, file, false, i32::MAX as u64)?;
    Ok(())
}

fn cannot_start(program: &[u8], error: &ExecError) -> ! {
    let path = if error.errno == Errno::NOENT && !program.contains(&b'/') { program } else { &error.path };
    host::log::message(format_args!("{}: {}", path.escape_ascii(), error.reason));
    let missing = matches!(error.errno, Errno::NOENT | Errno::NOTDIR);
    host::boot::exit(if missing { exit_code::NOT_FOUND } else { exit_code::CANNOT_EXECUTE })
}

/// Tells what is to be told and ends with the program's status (a wait status as of wait(2)).
fn finish(config: &BootConfig, status: i32) -> ! {
    stats::report(config);
    let signo = status & 0x7f;
    if signo == 0 {
        task::exit::end_instance(status >> 8 & 0xff);
    }
    let core = if status & 0x80 != 0 { " (core dumped)" } else { "" };
    host::log::message(format_args!("killed by signal {signo} ({}){core}", crate::signal::name(signo)));
    task::exit::end_instance(exit_code::SIGNAL_BASE + signo)
}
