//! What is to be executed: the file, its interpreters, the addresses, the initial stack. Nothing is changed here.

use super::{ExecError, ExecResult, Strings};
use crate::mm::{ELF_ET_DYN_BASE, Layout, PAGE_SIZE, Placer, page_down, page_up};
use crate::task::{Cred, Current, Resource};
use crate::vfs::namei::Found;
use crate::vfs::{Dentry, Fd, File, FileType, OpenFlags};
use crate::{Errno, Result};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::Ordering::Relaxed;
use host::io::IoDst;
use linux_raw_sys::auxvec::*;
use linux_raw_sys::general::{AT_EMPTY_PATH, AT_FDCWD, AT_SYMLINK_NOFOLLOW};
use loader::{Executable, Format, HEAD_LEN, InitialStack, Kind, ReadAt, StackSpec};

/// How often a script's interpreter may be a script itself.
const MAX_SCRIPT_DEPTH: usize = 5;

/// `ADDR_NO_RANDOMIZE` of personality(2).
const ADDR_NO_RANDOMIZE: u32 = 0x0004_0000;

/// Clock ticks per second that times(2) counts in.
const CLOCKS_PER_SEC: u64 = 100;

/// An image and where it goes.
#[derive(Debug)]
pub struct Part {
    /// The open file.
    pub file: Arc<File>,
    /// Its plan.
    pub plan: Executable,
    /// What to add to its addresses.
    pub bias: usize,
}

impl Part {
    /// An address of the image, where it is in memory.
    pub fn at(&self, vaddr: u64) -> usize {
        (vaddr as usize).wrapping_add(self.bias)
    }
}

/// All that is needed to start a program.
#[derive(Debug)]
pub struct Image {
    /// The path as it was given, for messages.
    pub path: Vec<u8>,
    /// The last component of what was executed: the thread's name.
    pub comm: Vec<u8>,
    /// The program.
    pub program: Part,
    /// Its dynamic loader.
    pub interpreter: Option<Part>,
    /// Where things go.
    pub layout: Layout,
    /// Where the heap begins.
    pub brk: usize,
    /// What lies on the stack.
    pub stack: InitialStack,
    /// Soft `RLIMIT_STACK` in bytes.
    pub stack_limit: u64,
    /// Credentials after it.
    pub cred: Cred,
}

impl Image {
    /// Finds out everything about executing `path`.
    ///
    /// # Errors
    /// Those of execveat(2).
    pub fn find(
        cur: &Current<'_>,
        dirfd: Fd,
        path: &[u8],
        flags: u32,
        strings: impl FnOnce() -> Result<Strings>,
    ) -> ExecResult<Image> {
        let mut file = open(cur, dirfd, path, flags)?;
        let Strings { mut argv, envp } = strings().map_err(|errno| ExecError::of_errno(errno, path))?;
        let execfn = displayed(dirfd, path);
        let comm = execfn.rsplit(|&b| b == b'/').next().unwrap_or_default().to_vec();
        let mut name = execfn.clone();
        let mut depth = 0;
        let plan = loop {
            let source = Source::open(&file).map_err(|errno| ExecError::of_errno(errno, &name))?;
            let head = &source.head[..source.head.len().min(HEAD_LEN)];
            match loader::identify(head).map_err(|error| ExecError::of_load(error, &name))? {
                Format::Elf => {
                    break loader::parse(&source).map_err(|error| ExecError::of_load(error, &name))?;
                }
                Format::Script(script) => {
                    if depth == MAX_SCRIPT_DEPTH {
                        return Err(ExecError::of_errno(Errno::LOOP, &execfn));
                    }
                    depth += 1;
                    // The interpreter opens the script by name: a descriptor that closes now has none.
                    if dirfd != AT_FDCWD && !path.starts_with(b"/") && cur.files.cloexec(dirfd) == Ok(true) {
                        return Err(ExecError::of_errno(Errno::NOENT, &name));
                    }
                    let mut args = Vec::with_capacity(argv.len() + 2);
                    args.push(script.interpreter.clone());
                    args.extend(script.argument);
                    args.push(core::mem::take(&mut name));
                    args.extend(argv.drain(..).skip(1));
                    argv = args;
                    file = open(cur, AT_FDCWD, &script.interpreter, 0).map_err(|mut error| {
                        error.reason = alloc::format!(
                            "its interpreter {}: {}",
                            script.interpreter.escape_ascii(),
                            error.reason
                        );
                        error.path = execfn.clone();
                        error
                    })?;
                    name = script.interpreter;
                }
            }
        };
        mappable(&file, &name)?;
        let interpreter = match &plan.interpreter {
            Some(path) => Some(open_interpreter(cur, path, &name)?),
            None => None,
        };
        let limits = *cur.process().limits.lock();
        let stack_limit = limits.soft(Resource::Stack);
        let fixed = cur.process().personality.load(Relaxed) & ADDR_NO_RANDOMIZE != 0;
        let aslr = !fixed && crate::boot::config().is_some_and(|config| config.aslr);
        let layout = Layout::choose(aslr, stack_limit);
        let (program, interpreter) = place(&layout, file, plan, interpreter)
            .map_err(|errno| ExecError { fatal: true, ..ExecError::of_errno(errno, &name) })?;
        let cred = cred_after(&cur.cred());
        let auxv = auxiliary_vector(&program, interpreter.as_ref(), &cred);
        let mut random = [0; 16];
        // Without randomness of the host the guards are weak, but the program runs.
        let _ = host::memory::random(&mut random);
        let stack = loader::initial_stack(&StackSpec {
            argv: &argv,
            envp: &envp,
            execfn: &execfn,
            platform: b"x86_64",
            random,
            auxv: &auxv,
            top: layout.stack_top as u64,
            stack_limit,
        })
        .map_err(|error| ExecError::of_load(error, &name))?;
        // A relocatable image without an interpreter lies among the mappings, where a heap would not have room.
        let end = match (program.plan.kind, &interpreter) {
            (Kind::Relocatable, None) => ELF_ET_DYN_BASE,
            _ => program.at(program.plan.brk),
        };
        let brk = layout.brk_start(end);
        Ok(Image { path: execfn, comm, program, interpreter, layout, brk, stack, stack_limit, cred })
    }
}

/// A file's bytes for the loader. Nearly all it wants to see lies in the first ones, which are read at once.
struct Source<'a> {
    file: &'a Arc<File>,
    head: Vec<u8>,
}

/// So many of them, where headers and the path of the interpreter lie in what linkers make.
const SOURCE_HEAD: usize = 1024;

impl Source<'_> {
    fn open(file: &Arc<File>) -> Result<Source<'_>> {
        let mut head = alloc::vec![0; SOURCE_HEAD];
        let mut done = 0;
        while done < head.len() {
            match file.ops.read(&mut IoDst::kernel(&mut head[done..]), done as u64, false)? {
                0 => break,
                count => done += count,
            }
        }
        head.truncate(done);
        Ok(Source { file, head })
    }
}

impl ReadAt for Source<'_> {
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> core::result::Result<usize, i32> {
        let known = usize::try_from(offset).ok().and_then(|from| self.head.get(from..)?.get(..buf.len()));
        if let Some(known) = known {
            buf.copy_from_slice(known);
            return Ok(known.len());
        }
        self.file.ops.read(&mut IoDst::kernel(buf), offset, false).map_err(|errno| errno.raw_os_error())
    }

    fn size(&self) -> u64 {
        self.file.inode.stat().map_or(0, |stat| stat.size)
    }
}

/// The file to execute, opened for reading, with the checks of `do_open_execat`.
fn open(cur: &Current<'_>, dirfd: Fd, path: &[u8], flags: u32) -> ExecResult<Arc<File>> {
    let fail = |errno| ExecError::of_errno(errno, path);
    let (inode, dentry) = if path.is_empty() {
        if flags & AT_EMPTY_PATH == 0 || dirfd == AT_FDCWD {
            // With AT_EMPTY_PATH and AT_FDCWD it is the working directory.
            return Err(fail(if flags & AT_EMPTY_PATH == 0 { Errno::NOENT } else { Errno::ACCESS }));
        }
        let file = cur.file_or_path(dirfd).map_err(fail)?;
        (file.inode.clone(), file.dentry.clone())
    } else {
        let follow = flags & AT_SYMLINK_NOFOLLOW == 0;
        match cur.walk(dirfd, path, |walk| walk.find(path, follow)).map_err(fail)? {
            Found::Dentry(dentry) => (dentry.inode().clone(), Some(dentry)),
            Found::Inode(inode) => (inode, None),
        }
    };
    match inode.kind() {
        FileType::Regular => {}
        FileType::Symlink => return Err(fail(Errno::LOOP)),
        FileType::Directory => return Err(ExecError::new(Errno::ACCESS, path, "is a directory")),
        _ => return Err(ExecError::new(Errno::ACCESS, path, "not a regular file")),
    }
    if inode.file_system().options().split(',').any(|option| option == "noexec") {
        return Err(ExecError::new(Errno::ACCESS, path, "on a file system mounted noexec"));
    }
    inode.permission(&cur.cred(), 1).map_err(|errno| match errno {
        Errno::ACCESS => ExecError::new(errno, path, "not executable (no x permission)"),
        _ => fail(errno),
    })?;
    crate::vfs::lease::break_for(&inode, false, false).map_err(fail)?;
    let ops = inode.clone().open(OpenFlags::empty()).map_err(fail)?;
    let file = File::new(ops, inode, dentry, OpenFlags::empty());
    // Until the file is closed, which for a program is when its last mapping goes.
    file.deny_write().map_err(fail)?;
    Ok(file)
}

/// The path as the program will see it (`bprm->filename`).
fn displayed(dirfd: Fd, path: &[u8]) -> Vec<u8> {
    if dirfd == AT_FDCWD || path.starts_with(b"/") {
        return path.to_vec();
    }
    let mut shown = alloc::format!("/dev/fd/{dirfd}").into_bytes();
    if !path.is_empty() {
        shown.push(b'/');
        shown.extend_from_slice(path);
    }
    shown
}

/// Whether the file can be mapped at all: better found out while the old program is there.
fn mappable(file: &Arc<File>, path: &[u8]) -> ExecResult<()> {
    match file.ops.mmap(0, PAGE_SIZE, false, false) {
        Ok(_) => Ok(()),
        Err(_) => Err(ExecError::new(Errno::NOEXEC, path, "lies on a file system that cannot map files")),
    }
}

/// Opens and reads the image's dynamic loader.
fn open_interpreter(cur: &Current<'_>, path: &[u8], program: &[u8]) -> ExecResult<(Arc<File>, Executable)> {
    let because = |error: ExecError| ExecError {
        path: program.to_vec(),
        reason: alloc::format!("its ELF interpreter {}: {}", path.escape_ascii(), error.reason),
        ..error
    };
    let file = open(cur, AT_FDCWD, if path.is_empty() { b"." } else { path }, 0).map_err(because)?;
    let source = Source::open(&file).map_err(|errno| because(ExecError::of_errno(errno, program)))?;
    let plan =
        loader::parse_interpreter(&source).map_err(|error| because(ExecError::of_load(error, program)))?;
    mappable(&file, path).map_err(because)?;
    Ok((file, plan))
}

/// Chooses addresses for both images.
fn place(
    layout: &Layout,
    file: Arc<File>,
    plan: Executable,
    interpreter: Option<(Arc<File>, Executable)>,
) -> Result<(Part, Option<Part>)> {
    let mut placer = Placer::new(*layout);
    let alone = interpreter.is_none();
    let program = place_one(&mut placer, file, plan, if alone { None } else { Some(layout.pie_base()) })?;
    let interpreter = match interpreter {
        Some((file, plan)) => Some(place_one(&mut placer, file, plan, None)?),
        None => None,
    };
    Ok((program, interpreter))
}

/// Chooses an address for one image: its own, `wanted` when that is free, or any.
fn place_one(placer: &mut Placer, file: Arc<File>, plan: Executable, wanted: Option<usize>) -> Result<Part> {
    let len = (plan.span.1 - plan.span.0) as usize;
    let align = plan.align as usize;
    let bias_at =
        |at: usize| plan.bias_at(at as u64).map_err(|error| Errno::from_raw_os_error(error.errno()));
    let start = |bias: u64| (plan.span.0 as usize).wrapping_add(bias as usize);
    let mut bias = None;
    if plan.kind == Kind::Fixed {
        bias = Some(0);
        if !placer.is_free(start(0), len) {
            return Err(Errno::NOMEM);
        }
    } else if let Some(wanted) = wanted {
        bias = bias_at(wanted).ok().filter(|&bias| placer.is_free(start(bias), len));
    }
    let bias = match bias {
        Some(bias) => bias,
        None => {
            // Room to move down to a multiple of the alignment.
            let at = placer.find(len.checked_add(align - PAGE_SIZE).ok_or(Errno::NOMEM)?)?;
            bias_at(page_up(at.checked_add(align - PAGE_SIZE).ok_or(Errno::NOMEM)?))?
        }
    };
    placer.take(page_down(start(bias)), len);
    Ok(Part { file, plan, bias: bias as usize })
}

/// The credentials of the new program (`cap_bprm_creds_from_file`), without set-user-ID and file capabilities.
fn cred_after(old: &Cred) -> Cred {
    /// `SECBIT_NOROOT`, `SECBIT_KEEP_CAPS`
    const NOROOT: u32 = 1;
    const KEEP_CAPS: u32 = 1 << 4;
    let mut new = old.clone();
    let root = old.securebits & NOROOT == 0;
    new.cap_permitted = old.cap_ambient;
    if root && (old.uid == 0 || old.euid == 0) {
        new.cap_permitted = old.cap_inheritable | old.cap_bounding;
    }
    let raised = root && old.euid == 0;
    new.cap_effective = if raised { new.cap_permitted } else { old.cap_ambient };
    (new.suid, new.fsuid, new.sgid, new.fsgid) = (new.euid, new.euid, new.egid, new.egid);
    new.securebits &= !KEEP_CAPS;
    new
}

/// Key and value in Linux's order (`create_elf_tables`); what points into the stack is added by the loader.
fn auxiliary_vector(program: &Part, interpreter: Option<&Part>, cred: &Cred) -> Vec<(u64, u64)> {
    let host = |key: u32| host::boot::host_auxv(key as usize).map(|value| value as u64);
    let secure = cred.euid != cred.uid || cred.egid != cred.gid;
    let plan = &program.plan;
    let phdr = if plan.phdr_vaddr == 0 { 0 } else { program.at(plan.phdr_vaddr) as u64 };
    [
        (AT_SYSINFO_EHDR, host(AT_SYSINFO_EHDR)),
        (AT_MINSIGSTKSZ, host(AT_MINSIGSTKSZ)),
        (AT_HWCAP, host(AT_HWCAP)),
        (AT_PAGESZ, Some(PAGE_SIZE as u64)),
        (AT_CLKTCK, Some(CLOCKS_PER_SEC)),
        (AT_PHDR, Some(phdr)),
        (AT_PHENT, Some(plan.phentsize.into())),
        (AT_PHNUM, Some(plan.phnum.into())),
        (AT_BASE, Some(interpreter.map_or(0, |part| part.bias as u64))),
        (AT_FLAGS, Some(0)),
        (AT_ENTRY, Some(program.at(plan.entry) as u64)),
        (AT_UID, Some(cred.uid.into())),
        (AT_EUID, Some(cred.euid.into())),
        (AT_GID, Some(cred.gid.into())),
        (AT_EGID, Some(cred.egid.into())),
        (AT_SECURE, Some(secure.into())),
        (AT_HWCAP2, host(AT_HWCAP2)),
    ]
    .into_iter()
    .filter_map(|(key, value)| Some((key.into(), value?)))
    .collect()
}

/// Where a name in the tree is kept for /proc/PID/exe.
pub fn exe_of(part: &Part) -> Option<Arc<Dentry>> {
    part.file.dentry.clone()
}
