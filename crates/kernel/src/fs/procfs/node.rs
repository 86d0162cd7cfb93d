//! The tree of /proc: what each name is.

mod dir;

use super::maps::Maps;
use super::mem::ProcMem;
use super::pagemap::PageMap;
use super::text::Text;
use super::usage::Whose;
use super::{ProcFs, fds, locks, machine, process, sysctl};
use crate::ipc::proc as ipc;
use crate::net::proc::FILES as NET;
use crate::task::access::{self, Ids, may_access};
use crate::task::{Cred, Process, Task, find_process, find_thread, processes};
use crate::vfs::{
    CachePolicy, Fd, FileOps, FileSystem, FileType, Inode, InodeRef, MagicLink, NewNode, OpenFlags, SetAttr,
    Stat, TimeSpec,
};
use crate::{Errno, Result};
use alloc::boxed::Box;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::hash::{BuildHasher, Hasher};
use core::sync::atomic::Ordering::Relaxed;
use host::file::HostFd;

/// What a node is.
#[derive(Clone)]
enum What {
    Root,
    /// `self` and `thread-self`.
    SelfLink(bool),
    /// `mounts` and `net` of the root: links below `self`.
    RootLink(&'static str),
    /// A file or directory of the host's /proc about the machine, by its path below /proc.
    Machine(Vec<u8>, FileType),
    Process(Arc<Process>),
    TaskDir(Arc<Process>),
    Task(Arc<Process>, Arc<Task>),
    File(Arc<Process>, Arc<Task>, usize, Whose),
    /// `exe`, `cwd`, `root`.
    Link(Arc<Process>, &'static str),
    FdDir(Arc<Process>),
    FdLink(Arc<Process>, Fd),
    FdInfoDir(Arc<Process>),
    FdInfo(Arc<Process>, Fd),
    Memory(Arc<Process>),
    PageMap(Arc<Process>),
    NetDir,
    /// A file of /proc/PID/net, by its place in `NET`.
    Net(usize),
    NsDir,
    /// /proc/locks.
    Locks,
    /// /proc/sysvipc and its files.
    IpcDir,
    Ipc(&'static str),
}

const LINKS: [&str; 3] = ["cwd", "exe", "root"];
/// Directories of /proc/PID.
const DIRS: [&str; 5] = ["fd", "fdinfo", "net", "ns", "task"];

struct Node {
    fs: Arc<ProcFs>,
    what: What,
}

/// The root directory.
pub fn root(fs: &Arc<ProcFs>) -> InodeRef {
    Arc::new(Node { fs: fs.clone(), what: What::Root })
}

/// The process whose directory `inode` is.
pub fn process_of(inode: &InodeRef) -> Option<Arc<Process>> {
    match &crate::vfs::downcast_inode::<Node>(inode)?.what {
        What::Process(process) => Some(process.clone()),
        _ => None,
    }
}

fn caller() -> Result<Arc<Task>> {
    crate::task::current_task().ok_or(Errno::NOENT)
}

/// The thread that /proc/PID shows: the first one, even when it has ended, or when all have.
fn main_task(process: &Arc<Process>) -> Result<Arc<Task>> {
    if let Some(ended) = process.family.dead_leader.lock().clone() {
        return Ok(ended);
    }
    let tasks = process.tasks.lock();
    let leader = tasks.iter().find(|task| task.tid == process.pid).or(tasks.first());
    leader.cloned().ok_or(Errno::NOENT)
}

/// A process by its number, or by that of a thread: there is a directory for those too, which no listing shows.
fn by_number(number: i32) -> Option<What> {
    if let Some(process) = find_process(number) {
        return Some(What::Process(process));
    }
    find_thread(number).map(|task| What::Task(task.process.clone(), task))
}

/// The threads that /proc/PID/task shows, the first one as long as the process is there.
fn tasks(process: &Arc<Process>) -> Vec<Arc<Task>> {
    let mut tasks: Vec<_> = process.family.dead_leader.lock().iter().cloned().collect();
    tasks.extend(process.tasks.lock().iter().cloned());
    tasks.sort_by_key(|task| task.tid);
    tasks
}

/// Whether the caller may follow the links of a process and see what they lead to (`proc_fd_access_allowed`).
fn may_follow(process: &Arc<Process>) -> Result<()> {
    if may_access(process, Ids::Fs) { Ok(()) } else { Err(Errno::ACCESS) }
}

fn number<T: core::str::FromStr>(name: &[u8]) -> Option<T> {
    // Linux takes no sign and no leading zero.
    if name.is_empty() || name.len() > 1 && name[0] == b'0' || !name.iter().all(u8::is_ascii_digit) {
        return None;
    }
    core::str::from_utf8(name).ok()?.parse().ok()
}

impl What {
    fn kind(&self) -> FileType {
        match self {
            What::Machine(_, kind) => *kind,
            What::SelfLink(_) | What::RootLink(_) | What::Link(..) | What::FdLink(..) => FileType::Symlink,
            What::File(..)
            | What::FdInfo(..)
            | What::Memory(_)
            | What::PageMap(_)
            | What::Net(_)
            | What::Ipc(_)
            | What::Locks => FileType::Regular,
            _ => FileType::Directory,
        }
    }

    fn mode(&self) -> u32 {
        match self {
            What::File(_, _, n, _) => process::FILES[*n].1,
            What::FdInfo(..) | What::PageMap(_) => 0o400,
            What::Ipc(_) | What::Locks => 0o444,
            What::Memory(_) => 0o600,
            What::Net(_) => 0o444,
            What::FdDir(_) | What::FdInfoDir(_) => 0o500,
            What::NsDir => 0o511,
            What::Machine(path, _) => {
                let mode = machine::mode(path).unwrap_or(0o444);
                if sysctl::is_writable(path) { mode } else { mode & 0o555 }
            }
            What::FdLink(process, fd) => {
                let flags = process.files.lock().get(*fd).map_or(OpenFlags::empty(), |file| file.flags());
                let read = if flags.readable() || flags.contains(OpenFlags::PATH) { 0o500 } else { 0o100 };
                read | if flags.writable() { 0o300 } else { 0o100 }
            }
            what if what.kind() == FileType::Symlink => 0o777,
            _ => 0o555,
        }
    }

    fn process(&self) -> Option<&Arc<Process>> {
        match self {
            What::Process(p) | What::TaskDir(p) | What::Task(p, _) | What::File(p, ..) | What::Link(p, _) => {
                Some(p)
            }
            What::FdDir(p)
            | What::FdLink(p, _)
            | What::FdInfoDir(p)
            | What::FdInfo(p, _)
            | What::Memory(p)
            | What::PageMap(p) => Some(p),
            _ => None,
        }
    }

    /// A number that is the same for the same thing, as inode number.
    fn ino(&self) -> u64 {
        let mut hasher = foldhash_like();
        let pid = self.process().map_or(0, |process| process.pid);
        hasher.write_i32(pid);
        match self {
            What::Root => return 1,
            What::SelfLink(thread) => hasher.write(&[1, u8::from(*thread)]),
            What::RootLink(name) | What::Link(_, name) => hasher.write(name.as_bytes()),
            What::Machine(path, _) => hasher.write(path),
            What::Process(_) => hasher.write_u8(2),
            What::TaskDir(_) => hasher.write_u8(3),
            What::Task(_, task) => hasher.write_i32(task.tid),
            What::File(_, task, n, whose) => {
                hasher.write_i32(task.tid);
                hasher.write(&[*n as u8, *whose as u8]);
            }
            What::FdDir(_) => hasher.write_u8(4),
            What::FdLink(_, fd) => hasher.write_i32(*fd),
            What::FdInfoDir(_) => hasher.write_u8(5),
            What::FdInfo(_, fd) => hasher.write_i32(-*fd - 1),
            What::Memory(_) => hasher.write_u8(6),
            What::PageMap(_) => hasher.write_u8(11),
            What::NetDir => hasher.write_u8(7),
            What::NsDir => hasher.write_u8(8),
            What::Net(n) => hasher.write(&[9, *n as u8]),
            What::IpcDir => hasher.write_u8(9),
            What::Locks => hasher.write_u8(10),
            What::Ipc(name) => hasher.write(name.as_bytes()),
        }
        // Below the dynamic numbers of Linux's procfs there are none, so this range is free.
        0x1000_0000 | hasher.finish() & 0x0fff_ffff
    }

    /// The child called `name`.
    fn lookup(&self, name: &[u8]) -> Result<What> {
        let text = core::str::from_utf8(name).map_err(|_| Errno::NOENT)?;
        match self {
            What::Root => match text {
                "self" => Ok(What::SelfLink(false)),
                "thread-self" => Ok(What::SelfLink(true)),
                "mounts" => Ok(What::RootLink("self/mounts")),
                "net" => Ok(What::RootLink("self/net")),
                "sys" | "tty" => Ok(What::Machine(name.to_vec(), FileType::Directory)),
                "sysvipc" => Ok(What::IpcDir),
                "locks" => Ok(What::Locks),
                _ if machine::ROOT.contains(&text) => Ok(What::Machine(name.to_vec(), machine::kind(name)?)),
                _ => number(name).and_then(by_number).ok_or(Errno::NOENT),
            },
            What::Machine(path, FileType::Directory) => {
                let path = [path, &b"/"[..], name].concat();
                let kind = machine::kind(&path)?;
                Ok(What::Machine(path, kind))
            }
            What::Process(p) => match text {
                "fd" => Ok(What::FdDir(p.clone())),
                "fdinfo" => Ok(What::FdInfoDir(p.clone())),
                "task" => Ok(What::TaskDir(p.clone())),
                process::CHILDREN => Err(Errno::NOENT),
                _ => Self::task_entry(p, &main_task(p)?, text, Whose::Process),
            },
            What::Task(p, task) => match text {
                "fd" => Ok(What::FdDir(p.clone())),
                "fdinfo" => Ok(What::FdInfoDir(p.clone())),
                _ => Self::task_entry(p, task, text, Whose::Thread),
            },
            What::TaskDir(p) => {
                let tid: i32 = number(name).ok_or(Errno::NOENT)?;
                let task = tasks(p).into_iter().find(|task| task.tid == tid);
                Ok(What::Task(p.clone(), task.ok_or(Errno::NOENT)?))
            }
            What::FdDir(p) | What::FdInfoDir(p) => {
                let fd: Fd = number(name).ok_or(Errno::NOENT)?;
                p.files.lock().get(fd).map_err(|_| Errno::NOENT)?;
                Ok(if let What::FdDir(_) = self {
                    What::FdLink(p.clone(), fd)
                } else {
                    What::FdInfo(p.clone(), fd)
                })
            }
            What::NetDir => {
                let n = NET.iter().position(|(known, _)| *known == text).ok_or(Errno::NOENT)?;
                Ok(What::Net(n))
            }
            What::NsDir => Err(Errno::NOENT),
            What::IpcDir => {
                let known = ipc::TABLES.into_iter().find(|known| *known == text);
                known.map(What::Ipc).ok_or(Errno::NOENT)
            }
            _ => Err(Errno::NOTDIR),
        }
    }

    /// What /proc/PID and /proc/PID/task/TID have in common.
    fn task_entry(p: &Arc<Process>, task: &Arc<Task>, name: &str, whose: Whose) -> Result<What> {
        match name {
            "net" => return Ok(What::NetDir),
            "ns" => return Ok(What::NsDir),
            "mem" => return Ok(What::Memory(p.clone())),
            "pagemap" => return Ok(What::PageMap(p.clone())),
            _ => {}
        }
        if let Some(link) = LINKS.iter().find(|link| **link == name) {
            return Ok(What::Link(p.clone(), link));
        }
        let n = process::FILES.iter().position(|(known, _)| *known == name).ok_or(Errno::NOENT)?;
        Ok(What::File(p.clone(), task.clone(), n, whose))
    }

    /// The number that `name` is, in a directory of processes, threads or descriptors.
    fn number(&self, name: &[u8]) -> Option<u64> {
        match self {
            What::Root | What::TaskDir(_) | What::FdDir(_) | What::FdInfoDir(_) => {
                core::str::from_utf8(name).ok()?.parse().ok()
            }
            _ => None,
        }
    }

    /// Names of all children; numbers come last and rise.
    fn list(&self) -> Result<Vec<Vec<u8>>> {
        let mut names: Vec<Vec<u8>> = Vec::new();
        let mut add = |name: &str| names.push(name.as_bytes().to_vec());
        match self {
            What::Root => {
                ["self", "thread-self", "locks", "mounts", "net", "sys", "sysvipc", "tty"]
                    .iter()
                    .for_each(|name| add(name));
                machine::ROOT
                    .iter()
                    .filter(|name| machine::kind(name.as_bytes()).is_ok())
                    .for_each(|name| add(name));
                let mut pids: Vec<i32> = processes().iter().map(|process| process.pid).collect();
                pids.sort_unstable();
                pids.iter().for_each(|pid| add(&alloc::format!("{pid}")));
            }
            What::Machine(path, _) => {
                return Ok(machine::list(path)?.into_iter().map(|(name, _)| name).collect());
            }
            What::IpcDir => ipc::TABLES.iter().for_each(|name| add(name)),
            What::Process(_) | What::Task(..) => {
                let is_task = matches!(self, What::Task(..));
                DIRS.iter().filter(|name| !is_task || **name != "task").for_each(|name| add(name));
                let files = process::FILES.iter().map(|(name, _)| name);
                files.filter(|name| is_task || **name != process::CHILDREN).for_each(|name| add(name));
                LINKS.iter().for_each(|name| add(name));
                add("mem");
                add("pagemap");
            }
            What::TaskDir(p) => tasks(p).iter().for_each(|task| add(&alloc::format!("{}", task.tid))),
            What::NetDir => NET.iter().for_each(|(name, _)| add(name)),
            What::FdDir(p) | What::FdInfoDir(p) => {
                let files = p.files.lock().clone();
                files.list(0, usize::MAX).iter().for_each(|fd| add(&alloc::format!("{fd}")));
            }
            _ => {}
        }
        Ok(names)
    }
}

/// A fixed-seed hasher: inode numbers are stable within an instance.
fn foldhash_like() -> impl Hasher {
    hashbrown::DefaultHashBuilder::default().build_hasher()
}

impl Inode for Node {
    fn kind(&self) -> FileType {
        self.what.kind()
    }

    fn stat(&self) -> Result<Stat> {
        let now = TimeSpec::from_ns(self.fs.made_ns);
        let mode = self.what.mode();
        let (uid, gid) = self.what.process().map_or((0, 0), |process| {
            let cred = process.cred();
            // What a process that must not be looked into has is root's (`task_dump_owner`).
            let own =
                process.dumpable.load(Relaxed) == 1 || self.kind() == FileType::Directory && mode == 0o555;
            if own { (cred.euid, cred.egid) } else { (0, 0) }
        });
        let dir = self.kind() == FileType::Directory;
        let size = match &self.what {
            What::FdLink(..) => 64,
            _ => 0,
        };
        Ok(Stat {
            dev: 0x16,
            ino: self.what.ino(),
            mode: self.kind().mode_bits() | mode,
            nlink: if dir { 2 } else { 1 },
            uid,
            gid,
            size,
            blksize: 1024,
            atime: now,
            mtime: now,
            ctime: now,
            ..Stat::default()
        })
    }

    fn file_system(&self) -> Arc<dyn FileSystem> {
        self.fs.clone()
    }

    fn set_attr(&self, attr: &SetAttr) -> Result<()> {
        // Opening a writable file with O_TRUNC is fine.
        if attr.size.is_some() && attr.mode.is_none() { Ok(()) } else { Err(Errno::PERM) }
    }

    fn permission(&self, cred: &Cred, mask: u32) -> Result<()> {
        if mask & 2 != 0 && matches!(&self.what, What::Machine(path, _) if !sysctl::is_writable(path)) {
            return Err(Errno::ACCESS);
        }
        if let What::FdInfoDir(process) = &self.what {
            may_follow(process)?;
        }
        let result = cred.check_mode(&self.stat()?, mask);
        // A process may always look at its own descriptors (`proc_fd_permission`).
        match &self.what {
            What::FdDir(process) | What::FdLink(process, _)
                if caller().is_ok_and(|task| Arc::ptr_eq(&task.process, process)) =>
            {
                Ok(())
            }
            _ => result,
        }
    }

    fn cache_policy(&self) -> CachePolicy {
        CachePolicy::Never
    }

    fn lookup(&self, name: &[u8]) -> Result<InodeRef> {
        Ok(Arc::new(Node { fs: self.fs.clone(), what: self.what.lookup(name)? }))
    }

    /// Nothing can be made here (`proc_root_lookup` of a name that is not there).
    fn create(&self, _name: &[u8], _node: &NewNode<'_>) -> Result<InodeRef> {
        Err(Errno::NOENT)
    }

    fn readlink(&self) -> Result<Vec<u8>> {
        match &self.what {
            What::SelfLink(false) => Ok(alloc::format!("{}", caller()?.process.pid).into_bytes()),
            What::SelfLink(true) => {
                let task = caller()?;
                Ok(alloc::format!("{}/task/{}", task.process.pid, task.tid).into_bytes())
            }
            What::RootLink(target) => Ok(target.as_bytes().to_vec()),
            What::Link(p, _) | What::FdLink(p, _) if may_follow(p).is_err() => Err(Errno::ACCESS),
            What::Link(p, _) => match self.magic_link().ok_or(Errno::NOENT)?? {
                MagicLink::Dentry(dentry) => fds::dentry_text(p, &dentry),
                MagicLink::Inode(_) => Err(Errno::NOENT),
            },
            What::FdLink(p, fd) => {
                let files = p.files.lock().clone();
                let file = files.get(*fd).map_err(|_| Errno::NOENT)?;
                fds::link_text(p, &file)
            }
            _ => Err(Errno::INVAL),
        }
    }

    fn magic_link(&self) -> Option<Result<MagicLink>> {
        match &self.what {
            What::Link(p, _) | What::FdLink(p, _) if may_follow(p).is_err() => Some(Err(Errno::ACCESS)),
            What::Link(p, _) if p.family.ended.lock().is_some() => Some(Err(Errno::NOENT)),
            What::Link(p, name) => Some(match *name {
                "cwd" => Ok(MagicLink::Dentry(p.fs.lock().cwd.lock().clone())),
                "root" => Ok(MagicLink::Dentry(p.fs.lock().root.lock().clone())),
                _ => p.exec.lock().exe.clone().map(MagicLink::Dentry).ok_or(Errno::NOENT),
            }),
            What::FdLink(p, fd) => {
                let files = p.files.lock().clone();
                Some(files.get(*fd).map(|file| fds::target(&file)).map_err(|_| Errno::NOENT))
            }
            _ => None,
        }
    }

    fn open(self: Arc<Self>, flags: OpenFlags) -> Result<Box<dyn FileOps>> {
        match &self.what {
            What::File(p, task, n, whose) => {
                let (name, mode) = process::FILES[*n];
                process::may_open(name, p)?;
                let whose = *whose;
                let (p, task) = (p.clone(), task.clone());
                let writer = task.clone();
                let generate = Box::new(move || process::read(name, &p, &task, whose));
                if name == "maps" {
                    return Ok(Box::new(Maps::new(writer.process.clone(), Text::readable(generate))));
                }
                if matches!(name, "mounts" | "mountinfo") {
                    return Ok(Text::watchable(generate));
                }
                Ok(if mode & 0o200 != 0 {
                    Text::writable(generate, Box::new(move |bytes| process::write(name, &writer, bytes)))
                } else {
                    Text::readable(generate)
                })
            }
            What::FdInfo(p, fd) => {
                let (p, fd) = (p.clone(), *fd);
                Ok(Text::readable(Box::new(move || {
                    let files = p.files.lock().clone();
                    let file = files.get(fd).map_err(|_| Errno::NOENT)?;
                    let mut text = fds::info(&file, files.cloexec(fd).unwrap_or(false));
                    text.extend(locks::of_file(&file, files.lock_owner()));
                    Ok(text)
                })))
            }
            What::Net(n) => {
                let (_, text) = NET[*n];
                Ok(Text::readable(Box::new(move || Ok(text()))))
            }
            What::Machine(path, FileType::Regular) => {
                let (entry, path) = (sysctl::find(path), path.clone());
                let generate = Box::new(move || machine::read(&path));
                Ok(match entry {
                    Some(entry) => {
                        Text::writable(generate, Box::new(move |bytes| sysctl::write(entry, bytes)))
                    }
                    None => Text::readable(generate),
                })
            }
            What::Locks => Ok(Text::readable(Box::new(|| Ok(locks::all())))),
            What::Ipc(name) => {
                let name = *name;
                Ok(Text::readable(Box::new(move || ipc::table(name).ok_or(Errno::NOENT))))
            }
            What::Memory(p) => Ok(Box::new(ProcMem::new(p.clone(), open_host(p, "mem", flags)?))),
            What::PageMap(p) => {
                let host = open_host(p, "pagemap", OpenFlags::empty())?;
                Ok(Box::new(PageMap::new(p.clone(), host)))
            }
            what if what.kind() == FileType::Directory => Ok(Box::new(dir::OpenDir { what: what.clone() })),
            _ => Err(Errno::LOOP),
        }
    }
}

/// Opens a file of the host process behind `process`, for whom may look into it.
fn open_host(process: &Arc<Process>, name: &str, flags: OpenFlags) -> Result<HostFd> {
    may_follow(process)?;
    let home = access::host_home(process).ok_or(Errno::SRCH)?;
    let path = alloc::format!("/proc/{home}/{name}");
    host::file::open(None, path.as_bytes(), flags.bits() & 3, 0, 0)
}

impl core::fmt::Debug for What {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let pid = self.process().map(|process| process.pid);
        f.write_str(&String::from("/proc node"))?;
        write!(f, " {pid:?}")
    }
}
