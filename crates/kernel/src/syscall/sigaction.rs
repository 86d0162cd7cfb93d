//! sigaction(2): rt_sigaction.

use crate::signal::action::{SaFlags, SigAction};
use crate::signal::{SigSet, set};
use crate::task::Current;
use crate::uaccess::{self, Args};
use crate::{Errno, Result};

/// `struct kernel_sigaction`: handler, flags, restorer, mask.
type Words = [usize; 4];

/// rt_sigaction(signo, new, old, sigsetsize)
pub fn sys_rt_sigaction(cur: &mut Current<'_>, args: &Args) -> Result<usize> {
    let (signo, new, old) = (args.i32(0), args.usize(1), args.usize(2));
    if args.usize(3) != size_of::<SigSet>() {
        return Err(Errno::INVAL);
    }
    let new = if new == 0 { None } else { Some(read(uaccess::get(new)?)) };
    if !set::is_valid(signo) || new.is_some() && SigSet::UNBLOCKABLE.contains(signo) {
        return Err(Errno::INVAL);
    }
    let process = cur.process();
    let before = match new {
        None => process.signals.with(|shared| shared.actions.get(signo)),
        Some(action) => crate::signal::set_action(process, signo, action),
    };
    if old != 0 {
        let words: Words =
            [before.handler, before.flags.bits() as usize, before.restorer, before.mask.0 as usize];
        uaccess::put(old, &words)?;
    }
    Ok(0)
}

fn read([handler, flags, restorer, mask]: Words) -> SigAction {
    SigAction {
        handler,
        flags: SaFlags::known(flags as u64),
        restorer,
        mask: SigSet(mask as u64).without(SigSet::UNBLOCKABLE),
    }
}
