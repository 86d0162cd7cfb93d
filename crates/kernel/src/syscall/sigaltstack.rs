//! sigaltstack(2).

use crate::Result;
use crate::signal::{AltStack, stack_pointer};
use crate::task::Current;
use crate::uaccess::{self, Args};

/// sigaltstack(new, old)
pub fn sys_sigaltstack(cur: &mut Current<'_>, args: &Args) -> Result<usize> {
    let (new, old) = (args.usize(0), args.usize(1));
    let new = if new == 0 { None } else { Some(AltStack::from_words(uaccess::get(new)?)) };
    let rsp = stack_pointer(cur);
    let before = {
        let mut stack = cur.task.signals.alt_stack.lock();
        let before = stack.shown(rsp);
        if let Some(new) = new {
            stack.replace(new, rsp)?;
        }
        before
    };
    if old != 0 {
        uaccess::put(old, &before.to_words())?;
    }
    Ok(0)
}
