//! `struct msghdr` and `struct mmsghdr` of recvmsg(2) and sendmmsg(2), as they lie in user memory.

use crate::uaccess::{get, get_iovec, put};
use crate::{Errno, Result};
use alloc::vec::Vec;
use host::io::{MAX_SEGMENTS, Segment};

/// `sizeof(struct mmsghdr)`: a `struct msghdr`, a count and padding.
pub(super) const MMSGHDR: usize = 64;
/// Where in a `struct mmsghdr` the count is.
const MSG_LEN: usize = 56;

/// A `struct msghdr`.
pub(super) struct MsgHdr {
    addr: usize,
    /// Address of the other side; 0: none.
    pub name: usize,
    /// Its length, or the room for it.
    pub name_len: i32,
    /// Where the bytes are, or go.
    pub segments: Vec<Segment>,
    /// Control messages.
    pub control: usize,
    /// Bytes of them, or room for them.
    pub control_len: usize,
}

impl MsgHdr {
    /// Reads it (`copy_msghdr_from_user`).
    ///
    /// # Errors
    /// `EFAULT`; `EINVAL` for a negative length of the name; `EMSGSIZE` for too many segments.
    pub(super) fn read(addr: usize) -> Result<MsgHdr> {
        let [name, name_len, segments, count, control, control_len, _flags] = get::<[u64; 7]>(addr)?;
        let name_len = name_len as i32;
        let name_len = if name == 0 { 0 } else { name_len };
        if name_len < 0 {
            return Err(Errno::INVAL);
        }
        if count > MAX_SEGMENTS as u64 {
            return Err(Errno::MSGSIZE);
        }
        Ok(MsgHdr {
            addr,
            name: name as usize,
            // More than any address is cut off.
            name_len: name_len.min(128),
            segments: get_iovec(segments as usize, count as usize)?,
            control: control as usize,
            control_len: control_len as usize,
        })
    }

    /// User address of the length of the name.
    pub(super) fn name_len_at(&self) -> usize {
        self.addr + 8
    }

    /// Stores the flags and the length of control messages after a message was received.
    ///
    /// # Errors
    /// `EFAULT`.
    pub(super) fn finish(&self, flags: u32, control_len: usize) -> Result<()> {
        put(self.addr + 48, &flags)?;
        put(self.addr + 40, &(control_len as u64))
    }
}

/// Stores in the `struct mmsghdr` at `addr` how many bytes were sent or received.
///
/// # Errors
/// `EFAULT`.
pub(super) fn put_count(addr: usize, count: usize) -> Result<()> {
    put(addr.wrapping_add(MSG_LEN), &(count as u32))
}
