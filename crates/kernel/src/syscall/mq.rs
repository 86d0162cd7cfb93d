//! mq_open(2), mq_unlink(2), mq_timedsend(2), mq_timedreceive(2), mq_notify(2), mq_getsetattr(2).

use super::futex::deadline;
use super::sockaddr::socket;
use crate::fs::mqueue::{MqueueFs, Node, OpenQueue};
use crate::ipc::mqueue::{self, COOKIE_LEN, MQ_PRIO_MAX, Notify, Queue};
use crate::ipc::msg::Message;
use crate::net::netlink::NetlinkSocket;
use crate::sync::Deadline;
use crate::task::{Cred, Current, Resource};
use crate::time::clock;
use crate::uaccess::{Args, PathBuf, get, get_bytes, put, put_bytes};
use crate::vfs::{File, InodeRef, OpenFlags};
use crate::{Errno, Result};
use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec;
use core::sync::atomic::Ordering::Relaxed;
use linux_raw_sys::general as g;

/// `NAME_MAX`
const NAME_MAX: usize = 255;

/// Checks a name: one component, without the slash that the C library takes off.
fn check_name(name: &[u8]) -> Result<()> {
    match name {
        b"" => Err(Errno::NOENT),
        b"." | b".." => Err(Errno::ACCESS),
        _ if name.contains(&b'/') => Err(Errno::ACCESS),
        _ if name.len() > NAME_MAX => Err(Errno::NAMETOOLONG),
        _ => Ok(()),
    }
}

fn may(cred: &Cred, queue: &Queue, mask: u32) -> Result<()> {
    let attr = queue.attr();
    cred.check_bits(attr.mode, attr.owner.0, attr.owner.1, mask)
}

/// mq_open(name, flags, mode, attributes)
pub fn sys_mq_open(cur: &mut Current<'_>, args: &Args) -> Result<usize> {
    let (flags, mode, attr) = (OpenFlags::from_bits_retain(args.u32(1)), args.u32(2), args.usize(3));
    let attr = match attr {
        0 => None,
        addr => {
            let [_, most, size] = get::<[i64; 3]>(addr)?;
            get_bytes(&mut [0; 64], addr)?;
            Some((most, size))
        }
    };
    PathBuf::with(args.usize(0), |name| {
        if name.is_empty() {
            return Err(Errno::NOENT);
        }
        if cur.files.is_full(cur.process().nofile.load(Relaxed)) {
            return Err(Errno::MFILE);
        }
        check_name(name)?;
        let cred = cur.cred();
        let make = flags.contains(OpenFlags::CREAT);
        let queue = match mqueue::find(name) {
            Some(_) if make && flags.contains(OpenFlags::EXCL) => return Err(Errno::EXIST),
            Some(queue) => {
                let mask = match flags.bits() & 3 {
                    0 => 4,
                    1 => 2,
                    2 => 6,
                    _ => return Err(Errno::INVAL),
                };
                may(&cred, &queue, mask)?;
                queue
            }
            None if make => {
                MqueueFs::get().root().permission(&cred, 3)?;
                let mode = mode & 0o7777 & !cur.fs.umask.load(Relaxed);
                mqueue::create(name, mode, attr, &cred, cur.process().limit(Resource::Msgqueue))?
            }
            None => return Err(Errno::NOENT),
        };
        let node: InodeRef = Arc::new(Node(queue.clone()));
        let kept = OpenFlags::NONBLOCK | OpenFlags::RDWR | OpenFlags::WRONLY;
        Ok(cur.install(File::new(Box::new(OpenQueue(queue)), node, None, flags & kept), true)? as usize)
    })
}

/// mq_unlink(name)
pub fn sys_mq_unlink(cur: &mut Current<'_>, args: &Args) -> Result<usize> {
    PathBuf::with(args.usize(0), |name| {
        check_name(name)?;
        let queue = mqueue::find(name).ok_or(Errno::NOENT)?;
        let cred = cur.cred();
        let root = MqueueFs::get().root();
        root.permission(&cred, 3)?;
        // The directory is sticky.
        let sticky = root.stat()?;
        let owns = [queue.attr().owner.0, sticky.uid].contains(&cred.fsuid);
        if sticky.mode & 0o1000 != 0 && !owns && !cred.capable(g::CAP_FOWNER) {
            return Err(Errno::PERM);
        }
        mqueue::unlink(name).map(|()| 0)
    })
}

/// The file behind a descriptor of a queue.
fn open_queue(cur: &Current<'_>, fd: i32) -> Result<(Arc<File>, Arc<Queue>)> {
    let file = cur.file(fd)?;
    let queue = file.ops_as::<OpenQueue>().map(|open| open.0.clone()).ok_or(Errno::BADF)?;
    Ok((file, queue))
}

/// The absolute time-out, in nanoseconds of the clock of the day.
fn timeout(addr: usize) -> Result<Option<u64>> {
    if addr == 0 { Ok(None) } else { clock::timespec_ns(get(addr)?).map(Some) }
}

fn monotonic(timeout: Option<u64>) -> Deadline {
    timeout.map(|ns| deadline(ns, false, true))
}

/// mq_timedsend(descriptor, message, length, priority, timeout)
pub fn sys_mq_timedsend(cur: &mut Current<'_>, args: &Args) -> Result<usize> {
    let (fd, addr, len, priority) = (args.i32(0), args.usize(1), args.usize(2), args.u32(3));
    let timeout = timeout(args.usize(4))?;
    if priority >= MQ_PRIO_MAX {
        return Err(Errno::INVAL);
    }
    let (file, queue) = open_queue(cur, fd)?;
    if !file.flags().writable() {
        return Err(Errno::BADF);
    }
    if len > queue.limits.1 {
        return Err(Errno::MSGSIZE);
    }
    let mut text = vec![0; len];
    get_bytes(&mut text, addr)?;
    let message = Message::new(i64::from(priority), text)?;
    queue.send(message, !file.nonblock(), || monotonic(timeout)).map(|()| 0)
}

/// mq_timedreceive(descriptor, buffer, length, priority, timeout)
pub fn sys_mq_timedreceive(cur: &mut Current<'_>, args: &Args) -> Result<usize> {
    let (fd, addr, len, priority) = (args.i32(0), args.usize(1), args.usize(2), args.usize(3));
    let timeout = timeout(args.usize(4))?;
    let (file, queue) = open_queue(cur, fd)?;
    if !file.flags().readable() {
        return Err(Errno::BADF);
    }
    if len < queue.limits.1 {
        return Err(Errno::MSGSIZE);
    }
    let message = queue.receive(!file.nonblock(), || monotonic(timeout))?;
    if priority != 0 {
        put(priority, &(message.kind as u32))?;
    }
    put_bytes(addr, &message.text)?;
    Ok(message.text.len())
}

/// mq_notify(descriptor, event)
pub fn sys_mq_notify(cur: &mut Current<'_>, args: &Args) -> Result<usize> {
    let (fd, addr) = (args.i32(0), args.usize(1));
    let what = match addr {
        0 => None,
        _ => {
            // struct sigevent: value, signal, how.
            let mut bytes = [0; 64];
            get_bytes(&mut bytes, addr)?;
            let value = u64::from_ne_bytes(core::array::from_fn(|n| bytes[n]));
            let word = |at: usize| i32::from_ne_bytes(core::array::from_fn(|n| bytes[at + n]));
            let signo = word(8);
            Some(match word(12) as u32 {
                g::SIGEV_NONE => Notify::None,
                g::SIGEV_SIGNAL if (0..=64).contains(&signo) => Notify::Signal(signo, value),
                g::SIGEV_THREAD => {
                    let mut cookie = [0; COOKIE_LEN];
                    get_bytes(&mut cookie, value as usize)?;
                    let protocol = socket(cur, signo)?.protocol;
                    NetlinkSocket::of(&protocol).ok_or(Errno::INVAL)?.wait_for_room()?;
                    Notify::Thread(protocol, cookie)
                }
                _ => return Err(Errno::INVAL),
            })
        }
    };
    let (_, queue) = open_queue(cur, fd)?;
    queue.notify(cur.process().pid, what).map(|()| 0)
}

/// mq_getsetattr(descriptor, new, old)
pub fn sys_mq_getsetattr(cur: &mut Current<'_>, args: &Args) -> Result<usize> {
    let (fd, new, old) = (args.i32(0), args.usize(1), args.usize(2));
    let nonblock = u64::from(OpenFlags::NONBLOCK.bits());
    let new = match new {
        0 => None,
        addr => {
            let [flags, ..] = get::<[u64; 8]>(addr)?;
            if flags & !nonblock != 0 {
                return Err(Errno::INVAL);
            }
            Some(flags)
        }
    };
    let (file, queue) = open_queue(cur, fd)?;
    let flags = file.flags();
    let attr = [
        u64::from(flags.bits()) & nonblock,
        queue.limits.0 as u64,
        queue.limits.1 as u64,
        queue.len() as u64,
    ];
    if let Some(new) = new {
        let mut flags = flags;
        flags.set(OpenFlags::NONBLOCK, new != 0);
        file.set_status_flags(flags);
    }
    if old != 0 {
        let [flags, most, size, len] = attr;
        put(old, &[flags, most, size, len, 0, 0, 0, 0])?;
    }
    Ok(0)
}
