//! mmap(2).

use crate::mm::{PAGE_SIZE, Request, Rights};
use crate::task::{Current, Resource};
use crate::uaccess::Args;
use crate::{Errno, Result};
use core::sync::atomic::Ordering::Relaxed;
use linux_raw_sys::general::MAP_ANONYMOUS;

/// `CAP_IPC_LOCK` and `CAP_SYS_RAWIO` (capabilities(7)).
const CAP_IPC_LOCK: u32 = 14;
const CAP_SYS_RAWIO: u32 = 17;

/// `READ_IMPLIES_EXEC` of personality(2).
const READ_IMPLIES_EXEC: u32 = 0x0040_0000;

/// What limits the mappings of the calling process.
pub(super) fn rights(cur: &Current<'_>) -> Rights {
    let process = cur.process();
    let (address_space, data, memlock) = {
        let limits = process.limits.lock();
        (limits.soft(Resource::As), limits.soft(Resource::Data), limits.soft(Resource::Memlock))
    };
    let cred = process.cred.lock();
    Rights {
        address_space,
        data,
        memlock,
        may_lock_any: cred.capable(CAP_IPC_LOCK),
        raw_io: cred.capable(CAP_SYS_RAWIO),
        read_implies_exec: process.personality.load(Relaxed) & READ_IMPLIES_EXEC != 0,
    }
}

/// mmap(2): address, length, protection, flags, descriptor, offset.
pub fn sys_mmap(cur: &mut Current<'_>, args: &Args) -> Result<usize> {
    let offset = args.u64(5);
    if !offset.is_multiple_of(PAGE_SIZE as u64) {
        return Err(Errno::INVAL);
    }
    let flags = args.u32(3);
    let file = if flags & MAP_ANONYMOUS == 0 { Some(cur.file(args.i32(4))?) } else { None };
    cur.mm.mmap(
        &rights(cur),
        &Request {
            addr: args.usize(0),
            len: args.usize(1),
            prot: args.u32(2),
            flags,
            file: file.as_ref(),
            offset,
        },
    )
}
