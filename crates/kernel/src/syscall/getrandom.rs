//! getrandom(2).

use crate::task::Current;
use crate::uaccess::Args;
use crate::{Errno, Result};

/// `GRND_NONBLOCK`, `GRND_RANDOM`, `GRND_INSECURE`.
const FLAGS: u32 = 1 | 2 | 4;

/// getrandom(2)
pub fn sys_getrandom(_cur: &mut Current<'_>, args: &Args) -> Result<usize> {
    let (addr, len, flags) = (args.usize(0), args.usize(1).min(0x7fff_ffff), args.u32(2));
    if flags & !FLAGS != 0 || flags & 6 == 6 {
        return Err(Errno::INVAL);
    }
    if !usercopy::access_ok(addr, len) {
        return Err(Errno::FAULT);
    }
    let mut chunk = [0u8; 256];
    let mut done = 0;
    while done < len {
        let step = chunk.len().min(len - done);
        host::system::random(&mut chunk[..step], flags)?;
        let left = usercopy::copy_to_user(addr + done, &chunk[..step]);
        done += step - left;
        if left > 0 {
            return if done == 0 { Err(Errno::FAULT) } else { Ok(done) };
        }
    }
    Ok(done)
}
