//! Linux's asynchronous input and output: io_setup(2), io_destroy(2), io_submit(2), io_getevents(2), io_pgetevents(2),
//! io_cancel(2). Contexts are in `crate::fs::aio`.

use super::mmap::rights;
use super::poll::set_mask;
use super::rw::{self, Buffer, RwFlags};
use crate::fs::aio::{Context, Event, Owned};
use crate::fs::eventfd::EventFd;
use crate::mm::Request;
use crate::signal;
use crate::sync::Deadline;
use crate::task::Current;
use crate::uaccess::{Args, get, put, with_iovec};
use crate::vfs::{File, FileType};
use crate::{ERESTARTNOHAND, ERESTARTSYS, Errno, Result};
use alloc::sync::Arc;
use linux_raw_sys::general as g;

/// `struct iocb` in words of 8 bytes: data; key and rw_flags; opcode, reqprio and fildes; buf; nbytes; offset;
/// reserved2; flags and resfd.
type RawIocb = [u64; 8];

/// Where `aio_key` lies in it, and what is written there (`KIOCB_KEY`).
const KEY_AT: usize = 8;
const KEY: u32 = 0;

/// Tell an eventfd (`IOCB_FLAG_RESFD`).
const FLAG_RESFD: u32 = 1;
/// `aio_reqprio` counts (`IOCB_FLAG_IOPRIO`).
const FLAG_IOPRIO: u32 = 2;

const CMD_PREAD: u16 = 0;
const CMD_PWRITE: u16 = 1;
const CMD_FSYNC: u16 = 2;
const CMD_FDSYNC: u16 = 3;
const CMD_POLL: u16 = 5;
const CMD_PREADV: u16 = 7;
const CMD_PWRITEV: u16 = 8;

/// A request as the program has written it.
struct Iocb {
    data: u64,
    rw_flags: u32,
    opcode: u16,
    priority: u16,
    fd: i32,
    buf: u64,
    len: u64,
    offset: i64,
    flags: u32,
    event_fd: i32,
}

impl Iocb {
    /// # Errors
    /// `EFAULT`; `EINVAL` for what must be 0 and is not, and for lengths below 0.
    fn read(addr: usize) -> Result<Iocb> {
        let raw: RawIocb = get(addr)?;
        if raw[6] != 0 || (raw[4] as i64) < 0 {
            return Err(Errno::INVAL);
        }
        Ok(Iocb {
            data: raw[0],
            rw_flags: (raw[1] >> 32) as u32,
            opcode: raw[2] as u16,
            priority: (raw[2] >> 16) as u16,
            fd: (raw[2] >> 32) as i32,
            buf: raw[3],
            len: raw[4],
            offset: raw[5] as i64,
            flags: raw[7] as u32,
            event_fd: (raw[7] >> 32) as i32,
        })
    }
}

/// The context that the program calls `id` (`lookup_ioctx`).
fn find(cur: &Current<'_>, id: usize) -> Result<Arc<Owned>> {
    let attached = cur.mm.attached.lock().get(&id).cloned();
    attached.and_then(|context| context.downcast().ok()).ok_or(Errno::INVAL)
}

/// `io_setup(nr_events, &context)`
pub fn sys_io_setup(cur: &mut Current<'_>, args: &Args) -> Result<usize> {
    let (max, addr) = (args.u32(0), args.usize(1));
    if get::<usize>(addr)? != 0 || max == 0 {
        return Err(Errno::INVAL);
    }
    let mut mask = [0; 1024];
    let processors = match host::sched::affinity(0, &mut mask) {
        Ok(len) => mask[..len.min(1024)].iter().map(|byte| byte.count_ones()).sum(),
        Err(_) => 1,
    };
    let (context, file, len) = Context::new(max, processors)?;
    let request = Request {
        addr: 0,
        len,
        prot: g::PROT_READ | g::PROT_WRITE,
        flags: g::MAP_SHARED,
        file: Some(&file),
        offset: 0,
    };
    let id = cur.mm.mmap(&rights(cur), &request)?;
    // One at the same address was unmapped by the program itself.
    let old = cur.mm.attached.lock().insert(id, Arc::new(Owned(context)));
    drop(old);
    if let Err(errno) = put(addr, &id) {
        destroy(cur, id)?;
        return Err(errno);
    }
    Ok(0)
}

/// `io_destroy(context)`
pub fn sys_io_destroy(cur: &mut Current<'_>, args: &Args) -> Result<usize> {
    destroy(cur, args.usize(0)).map(|()| 0)
}

fn destroy(cur: &Current<'_>, id: usize) -> Result<()> {
    let owned = find(cur, id)?;
    // Who comes second finds nothing.
    if cur.mm.attached.lock().remove(&id).is_none() {
        return Err(Errno::INVAL);
    }
    owned.0.kill();
    // The program may have unmapped it already.
    let _ = cur.mm.munmap(id, owned.0.mapped_len());
    Ok(())
}

/// `io_submit(context, nr, iocbs)`: how many were submitted; the error of the first when that failed.
pub fn sys_io_submit(cur: &mut Current<'_>, args: &Args) -> Result<usize> {
    let count = usize::try_from(args.i64(1)).map_err(|_| Errno::INVAL)?;
    let owned = find(cur, args.usize(0))?;
    let context = &owned.0;
    for n in 0..count.min(context.capacity()) {
        let submitted =
            get::<usize>(args.usize(2).wrapping_add(n * 8)).and_then(|addr| submit(cur, context, addr));
        match submitted {
            Ok(()) => {}
            Err(errno) if n == 0 => return Err(errno),
            Err(_) => return Ok(n),
        }
    }
    Ok(count.min(context.capacity()))
}

/// `io_submit_one`
fn submit(cur: &Current<'_>, context: &Arc<Context>, addr: usize) -> Result<()> {
    let iocb = Iocb::read(addr)?;
    context.reserve()?;
    let begun = begin(cur, context, addr, &iocb);
    if begun.is_err() {
        context.give_back();
    }
    begun
}

/// Does a request for which a place is reserved, and completes it.
///
/// # Errors
/// What keeps it from being begun; how it ends is told by its event.
fn begin(cur: &Current<'_>, context: &Arc<Context>, addr: usize, iocb: &Iocb) -> Result<()> {
    let file = cur.file(iocb.fd)?;
    let notify = if iocb.flags & FLAG_RESFD != 0 {
        let notify = cur.file(iocb.event_fd)?;
        notify.ops_as::<EventFd>().ok_or(Errno::INVAL)?;
        Some(notify)
    } else {
        None
    };
    put(addr.wrapping_add(KEY_AT), &KEY)?;
    let event = Event { data: iocb.data, obj: addr as u64, res: 0 };
    let result = match iocb.opcode {
        CMD_PREAD | CMD_PREADV | CMD_PWRITE | CMD_PWRITEV => transfer(cur, &file, iocb)?,
        CMD_FSYNC | CMD_FDSYNC => {
            if iocb.buf != 0 || iocb.offset != 0 || iocb.len != 0 || iocb.rw_flags != 0 {
                return Err(Errno::INVAL);
            }
            match file.ops.fsync(iocb.opcode == CMD_FDSYNC) {
                Err(Errno::INVAL) => return Err(Errno::INVAL),
                result => result.map(|()| 0),
            }
        }
        CMD_POLL => {
            let events = u16::try_from(iocb.buf).map_err(|_| Errno::INVAL)?;
            if iocb.offset != 0 || iocb.len != 0 || iocb.rw_flags != 0 {
                return Err(Errno::INVAL);
            }
            context.poll(file, u32::from(events), event, notify);
            return Ok(());
        }
        _ => return Err(Errno::INVAL),
    };
    let res = match result {
        Ok(count) => count as i64,
        // It cannot be restarted (`aio_rw_done`).
        Err(errno) if errno == ERESTARTSYS => -i64::from(Errno::INTR.raw_os_error()),
        Err(errno) => -i64::from(errno.raw_os_error()),
    };
    context.complete(Event { res, ..event }, notify.as_deref());
    Ok(())
}

/// A read or write. Answers how it ended.
///
/// # Errors
/// What keeps it from being begun (`aio_prep_rw`, `aio_read`, `aio_write`).
fn transfer(cur: &Current<'_>, file: &Arc<File>, iocb: &Iocb) -> Result<Result<usize>> {
    if iocb.flags & FLAG_IOPRIO != 0 {
        super::priority::check_ioprio(&cur.cred(), u32::from(iocb.priority))?;
    }
    let flags = RwFlags::new(iocb.rw_flags)?;
    let reads = matches!(iocb.opcode, CMD_PREAD | CMD_PREADV);
    if !(if reads { file.flags().readable() } else { file.flags().writable() }) {
        return Err(Errno::BADF);
    }
    if file.kind() == FileType::Directory {
        return Err(Errno::INVAL);
    }
    let (addr, len) = (iocb.buf as usize, iocb.len as usize);
    let go = |buffer: &mut Buffer<'_>| -> Result<Result<usize>> {
        // Files without positions take any, but one below 0.
        let offset = u64::try_from(iocb.offset).map_err(|_| Errno::INVAL)?;
        rw::check_offset(offset, buffer.len())?;
        Ok(match (reads, file.is_stream()) {
            (true, true) => rw::read(file, buffer, flags),
            (true, false) => rw::read_at(file, buffer, offset, flags),
            (false, true) => rw::write(cur, file, buffer, flags),
            (false, false) => rw::write_at(cur, file, buffer, offset, flags),
        })
    };
    match iocb.opcode {
        CMD_PREAD | CMD_PWRITE => go(&mut Buffer::one(addr, len)?),
        _ => with_iovec(addr, len, |segments| go(&mut Buffer::Many(segments))),
    }
}

/// Nanoseconds of a `struct timespec`, which is not checked (`timespec64_to_ktime`).
fn nanoseconds([seconds, nanoseconds]: [i64; 2]) -> i64 {
    seconds.saturating_mul(1_000_000_000).saturating_add(nanoseconds)
}

/// The time-out at `addr`; `None`: do not wait.
fn timeout(addr: usize) -> Result<Option<Deadline>> {
    if addr == 0 {
        return Ok(Some(None));
    }
    Ok(match nanoseconds(get(addr)?) {
        0 => None,
        ns => Some(Some(host::clock::monotonic_ns().saturating_add_signed(ns))),
    })
}

/// Arguments 0 to 3 of io_getevents(2): context, least, most, events.
fn get_events(cur: &Current<'_>, args: &Args, until: Option<Deadline>) -> Result<usize> {
    let owned = find(cur, args.usize(0))?;
    let least = usize::try_from(args.i64(1)).map_err(|_| Errno::INVAL)?;
    let most = usize::try_from(args.i64(2)).map_err(|_| Errno::INVAL)?;
    if least > most {
        return Err(Errno::INVAL);
    }
    owned.0.get_events(least, most, args.usize(3), until)
}

/// `io_getevents(context, min_nr, nr, events, timeout)`
pub fn sys_io_getevents(cur: &mut Current<'_>, args: &Args) -> Result<usize> {
    let until = timeout(args.usize(4))?;
    // It is never restarted.
    get_events(cur, args, until).map_err(|errno| if errno == ERESTARTSYS { Errno::INTR } else { errno })
}

/// `io_pgetevents(context, min_nr, nr, events, timeout, {sigmask, sigsetsize})`
pub fn sys_io_pgetevents(cur: &mut Current<'_>, args: &Args) -> Result<usize> {
    let until = timeout(args.usize(4))?;
    if args.usize(5) != 0 {
        let [mask, len] = get(args.usize(5))?;
        set_mask(cur, mask, len)?;
    }
    match get_events(cur, args, until) {
        // A handler runs under the temporary mask first.
        Err(errno) if errno == ERESTARTSYS => Err(ERESTARTNOHAND),
        result => {
            signal::restore_mask(cur.task);
            result
        }
    }
}

/// `io_cancel(context, iocb, result)`: what was cancelled is told by its event, so `result` is not used.
pub fn sys_io_cancel(cur: &mut Current<'_>, args: &Args) -> Result<usize> {
    let addr = args.usize(1);
    if get::<u32>(addr.wrapping_add(KEY_AT))? != KEY {
        return Err(Errno::INVAL);
    }
    find(cur, args.usize(0))?.0.cancel(addr as u64)?;
    Err(Errno::INPROGRESS)
}
