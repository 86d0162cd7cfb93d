//! Past the point of no return: the old program goes, the new one is mapped and the thread set on its start.

use super::image::{Image, Part, exe_of};
use super::{ExecError, ExecResult};
use crate::mm::{Backing, Bounds, PAGE_SIZE, VmFlags, page_down};
use crate::signal::{self, TaskSignals};
use crate::task::{Current, ExecInfo, Task};
use crate::vfs::MmapSource;
use crate::{Errno, Result};
use alloc::sync::Arc;
use core::sync::atomic::Ordering::Relaxed;
use host::mutex::Mutex;
use linux_raw_sys::general::SIGCHLD;

/// Bytes of stack below the arguments that are there from the start (`setup_arg_pages`).
const STACK_EXPAND: usize = 128 << 10;

/// Flags of `rflags` in a fresh program: interrupts on, and the bit that is always one.
const RFLAGS: usize = 0x202;

/// Carries `image` out.
pub fn replace(cur: &mut Current<'_>, image: Image) -> ExecResult<()> {
    let fail = |errno| ExecError::of_errno(errno, &image.path);
    detach(cur).map_err(fail)?;
    crate::futex::exit_robust_list(cur.task);
    // From here on the old program is gone, whatever happens.
    let entered = enter(cur, &image);
    become_leader(cur);
    if let Err(errno) = entered {
        return Err(ExecError { fatal: true, ..fail(errno) });
    }
    Ok(())
}

/// Leaves the thread alone in its process.
///
/// # Errors
/// `EAGAIN` when the process is ending already.
pub fn detach(cur: &mut Current<'_>) -> Result<()> {
    if cur.process().tasks.lock().len() > 1 {
        signal::end_other_threads(cur.task)?;
        cur.process().family.sweep();
    }
    Ok(())
}

/// Gives the calling thread the number of its process, when another thread has had it.
fn become_leader(cur: &mut Current<'_>) {
    let (process, old) = (cur.process().clone(), cur.task);
    if old.tid == process.pid {
        return;
    }
    let signals = TaskSignals::inherit(&old.signals, true);
    let new = Task::new(process.pid, &process, old.parker.clone());
    let task = Arc::new(Task { name: Mutex::new(*old.name.lock()), signals, ..new });
    task.parker.set_slot(Some(task.clone()));
    *process.tasks.lock() = alloc::vec![task.clone()];
    let ended = process.family.dead_leader.lock().take();
    drop(ended);
    // After the exchange: what is sent from now on reaches the new one.
    signal::move_pending(old, &task);
    cur.reload = true;
}

fn enter(cur: &mut Current<'_>, image: &Image) -> Result<()> {
    let mm = cur.mm.clone();
    let process = cur.process().clone();
    mm.clear(image.layout);
    signal::reset_on_exec(cur.task);
    crate::time::clear_on_exec(&process);
    close_on_exec(cur);

    map(&mm, &image.program)?;
    if let Some(part) = &image.interpreter {
        map(&mm, part)?;
        // Only the program itself stays protected from being written to.
        part.file.allow_write();
    }
    let stack = &image.stack;
    let (sp, top) = (stack.sp as usize, image.layout.stack_top);
    let mut flags = VmFlags::READ | VmFlags::WRITE | VmFlags::GROWSDOWN;
    if image.program.plan.exec_stack {
        flags |= VmFlags::EXEC;
    }
    let start = page_down(sp).saturating_sub(STACK_EXPAND);
    // It is the host that extends it, so the host has to know how far. A limit it refuses is lower than its own.
    if let Err(errno) = host::memory::limit_stack(image.stack_limit) {
        host::log!(Info, "the host does not take a stack limit of {} bytes: {errno}", image.stack_limit);
    }
    mm.map_stack(start, top - start, flags)?;
    crate::uaccess::put_bytes(sp, &stack.bytes)?;

    // It has nothing of its parent's any more, and is an ordinary child from now on (`de_thread`).
    process.family.exit_signal.store(SIGCHLD as i32, Relaxed);
    process.family.execs.fetch_add(1, Relaxed);
    crate::task::share::release(&process);

    let plan = &image.program.plan;
    let range = |(from, to): (u64, u64)| (image.program.at(from), image.program.at(to));
    let (code, data) = (range(plan.code), range(plan.data));
    mm.set_bounds(Bounds { start_brk: image.brk, brk: image.brk, code, data, start_stack: sp });
    *process.exec.lock() = ExecInfo {
        exe: exe_of(&image.program),
        arg: (stack.arg_start as usize, stack.arg_end as usize),
        env: (stack.env_start as usize, stack.env_end as usize),
        auxv: stack.auxv.clone(),
        start_stack: sp,
        code,
        data,
    };
    let same = image.cred.uid == image.cred.euid && image.cred.gid == image.cred.egid;
    process.dumpable.store(i32::from(same), Relaxed);
    *process.cred.lock() = Arc::new(image.cred.clone());
    cur.task.set_comm(&image.comm);
    cur.task.clear_child_tid.store(0, Relaxed);
    *cur.task.robust_list.lock() = (0, 0);

    cur.user.reset();
    let first = image.interpreter.as_ref().unwrap_or(&image.program);
    let regs = cur.user.regs_mut();
    regs.rip = first.at(first.plan.entry);
    regs.rsp = sp;
    regs.rflags = RFLAGS;
    Ok(())
}

/// Maps the segments of one image.
fn map(mm: &crate::mm::AddressSpace, part: &Part) -> Result<()> {
    for segment in &part.plan.segments {
        let start = part.at(segment.vaddr);
        let file_len = segment.file_len as usize;
        if file_len > 0 {
            let source = part.file.ops.mmap(segment.file_offset, file_len, false, false)?;
            let backing = Backing::File(part.file.clone(), segment.file_offset);
            mm.map_image(start, file_len, VmFlags::from_prot(segment.prot.bits()), backing, &source)?;
        }
        let rest = (segment.mem_len as usize).saturating_sub(file_len);
        if rest > 0 {
            let flags = VmFlags::from_prot(segment.zero_prot.bits());
            mm.map_image(start + file_len, rest, flags, Backing::Anonymous(None), &MmapSource::Anonymous)?;
        }
        if let Some(from) = segment.zero_from {
            let from = part.at(from);
            let tail = from.next_multiple_of(PAGE_SIZE) - from;
            if usercopy::clear_user(from, tail) != 0 {
                return Err(Errno::FAULT);
            }
        }
    }
    Ok(())
}

/// Closes what is marked close-on-exec, in a table that is this process's alone.
fn close_on_exec(cur: &mut Current<'_>) {
    let table = cur.task.files();
    // One count is the process's, one the running thread's, one `table`: more belong to somebody else.
    let table = if Arc::strong_count(&table) > 3 { table.duplicate() } else { table };
    // What the thread had of its own is the process's now.
    cur.task.set_files(table.clone());
    cur.task.set_fs(cur.task.fs());
    cur.reload = true;
    table.close_on_exec();
}
