//! adjtimex(2) and clock_adjtime(2): reading only, the host's clock is not ours to steer.

use crate::task::Current;
use crate::time::clock;
use crate::uaccess::{self, Args};
use crate::{Errno, Result};
use host::clock::Timex;

/// `ADJ_OFFSET_SS_READ`: the one mode that changes nothing.
const OFFSET_SS_READ: u32 = 0xa001;

/// adjtimex(buffer)
pub fn sys_adjtimex(_cur: &mut Current<'_>, args: &Args) -> Result<usize> {
    adjust(args.usize(0))
}

/// clock_adjtime(clock, buffer)
pub fn sys_clock_adjtime(_cur: &mut Current<'_>, args: &Args) -> Result<usize> {
    match args.i32(0) {
        clock::REALTIME => adjust(args.usize(1)),
        0..=9 | 11 => Err(Errno::OPNOTSUPP),
        _ => Err(Errno::INVAL),
    }
}

fn adjust(addr: usize) -> Result<usize> {
    let mut timex: Timex = uaccess::get(addr)?;
    // The modes are the low half of the first word.
    if timex[0] as u32 != 0 && timex[0] as u32 != OFFSET_SS_READ {
        return Err(Errno::PERM);
    }
    let state = host::clock::adjtimex(&mut timex)?;
    uaccess::put(addr, &timex)?;
    Ok(state)
}
