//! Sockets of the host that the instance was started with: messages, names, options (send(2), recv(2), getsockopt(2)).
//!
//! Nothing here blocks but [`HostFd::accept`], which a kick interrupts: who wants to wait polls. Control messages are
//! neither sent nor received, so no descriptor of the host's comes in or goes out; the host tells by `MSG_CTRUNC` that
//! there were some.

use super::HostFd;
use crate::arch::syscall_blocking;
use crate::io::{IoDst, IoSrc, Segment};
use crate::{Errno, Result, check, syscall2, syscall3, syscall5};
use alloc::vec::Vec;
use linux_raw_sys::general as g;
use linux_raw_sys::net as n;

/// `sizeof(struct sockaddr_storage)`
pub const ADDRESS_MAX: usize = 128;

/// The bytes of a `struct sockaddr`, and how many there are.
pub type HostAddress = ([u8; ADDRESS_MAX], usize);

/// What recvmsg(2) tells beside the bytes.
pub struct Received {
    /// Bytes that came; with `MSG_TRUNC` maybe more than there was room for.
    pub count: usize,
    /// Who sent it.
    pub from: HostAddress,
    /// `MSG_*`
    pub flags: u32,
}

/// `struct user_msghdr`
#[repr(C)]
struct Header {
    name: usize,
    name_len: u32,
    _pad: u32,
    segments: usize,
    count: usize,
    control: usize,
    control_len: usize,
    flags: u32,
    _pad2: u32,
}

impl Header {
    fn new(name: usize, name_len: usize, segments: &[Segment]) -> Header {
        Header {
            name,
            name_len: name_len as u32,
            _pad: 0,
            segments: segments.as_ptr() as usize,
            count: segments.len(),
            control: 0,
            control_len: 0,
            flags: 0,
            _pad2: 0,
        }
    }
}

fn all_segments(first: Segment, rest: &[Segment]) -> Vec<Segment> {
    let mut all = Vec::with_capacity(rest.len() + 1);
    all.push(first);
    all.extend_from_slice(rest);
    all
}

impl HostFd {
    /// sendmsg(2) straight from `src`, without waiting and without SIGPIPE; `to` may be empty.
    ///
    /// # Errors
    /// Those of sendmsg(2); `EAGAIN` where it would wait.
    pub fn send_message(&self, src: &mut IoSrc<'_>, to: &[u8], flags: u32) -> Result<usize> {
        let segments = if let Some(user) = src.user_segments() {
            let (first, rest) = user?;
            all_segments(first, rest)
        } else {
            let Some(buf) = src.kernel_bytes() else { return Err(Errno::FAULT) };
            all_segments(Segment { addr: buf.as_ptr() as usize, len: buf.len() }, &[])
        };
        let name = if to.is_empty() { 0 } else { to.as_ptr() as usize };
        let header = Header::new(name, to.len(), &segments);
        let flags = flags | n::MSG_DONTWAIT | n::MSG_NOSIGNAL;
        // SAFETY: header, address and segments are alive; the segments' memory was checked to lie outside the kernel,
        // or is a live kernel buffer, and is only read.
        let raw = unsafe {
            syscall3(g::__NR_sendmsg, self.raw() as usize, &raw const header as usize, flags as usize)
        };
        let count = check(raw)?;
        src.advance(count);
        Ok(count)
    }

    /// recvmsg(2) straight into `dst`, without waiting.
    ///
    /// # Errors
    /// Those of recvmsg(2); `EAGAIN` where it would wait.
    pub fn receive_message(&self, dst: &mut IoDst<'_>, flags: u32) -> Result<Received> {
        let room = dst.remaining();
        let segments = if let Some(user) = dst.user_segments() {
            let (first, rest) = user?;
            all_segments(first, rest)
        } else {
            let Some(buf) = dst.kernel_bytes() else { return Err(Errno::FAULT) };
            all_segments(Segment { addr: buf.as_mut_ptr() as usize, len: buf.len() }, &[])
        };
        let mut from = [0; ADDRESS_MAX];
        let mut header = Header::new(from.as_mut_ptr() as usize, ADDRESS_MAX, &segments);
        let flags = flags | n::MSG_DONTWAIT;
        // SAFETY: as in `send_message`; the host writes into the segments, the address and the header, which no other
        // reference covers meanwhile.
        let raw = unsafe {
            syscall3(g::__NR_recvmsg, self.raw() as usize, &raw mut header as usize, flags as usize)
        };
        let count = check(raw)?;
        dst.advance(count.min(room));
        let from_len = (header.name_len as usize).min(ADDRESS_MAX);
        Ok(Received { count, from: (from, from_len), flags: header.flags })
    }

    /// accept4(2) with `SOCK_CLOEXEC`, which is `O_CLOEXEC`. `EINTR` when a signal or timer wants attention.
    ///
    /// # Errors
    /// Those of accept4(2).
    pub fn accept(&self) -> Result<HostFd> {
        let args = [self.raw() as usize, 0, 0, g::O_CLOEXEC as usize, 0, 0];
        // SAFETY: no memory is involved; the descriptor is new and nobody else's.
        let raw = unsafe { syscall_blocking(g::__NR_accept4, &args, crate::park::interrupt_flag()) };
        Ok(HostFd(check(raw)? as i32))
    }

    /// getsockname(2), or getpeername(2) for `peer`.
    ///
    /// # Errors
    /// Those of getsockname(2).
    pub fn socket_name(&self, peer: bool) -> Result<HostAddress> {
        let number = if peer { g::__NR_getpeername } else { g::__NR_getsockname };
        let (mut out, mut len) = ([0; ADDRESS_MAX], ADDRESS_MAX as u32);
        // SAFETY: both are live and of the lengths that are told.
        let raw = unsafe {
            syscall3(number, self.raw() as usize, out.as_mut_ptr() as usize, &raw mut len as usize)
        };
        check(raw)?;
        Ok((out, (len as usize).min(ADDRESS_MAX)))
    }

    /// connect(2) of a socket of datagrams, which does not wait.
    ///
    /// # Errors
    /// Those of connect(2).
    pub fn connect(&self, to: &[u8]) -> Result<()> {
        // SAFETY: the bytes are alive and only read.
        let raw = unsafe { syscall3(g::__NR_connect, self.raw() as usize, to.as_ptr() as usize, to.len()) };
        check(raw).map(drop)
    }

    /// listen(2).
    ///
    /// # Errors
    /// Those of listen(2).
    pub fn listen(&self, backlog: usize) -> Result<()> {
        // SAFETY: no memory is involved.
        check(unsafe { syscall2(g::__NR_listen, self.raw() as usize, backlog) }).map(drop)
    }

    /// shutdown(2): `SHUT_RD`, `SHUT_WR` or `SHUT_RDWR`.
    ///
    /// # Errors
    /// Those of shutdown(2).
    pub fn shutdown(&self, how: u32) -> Result<()> {
        // SAFETY: no memory is involved.
        check(unsafe { syscall2(g::__NR_shutdown, self.raw() as usize, how as usize) }).map(drop)
    }

    /// getsockopt(2) into `value`; answers how long it is. The caller knows that the option holds no addresses and no
    /// descriptors.
    ///
    /// # Errors
    /// Those of getsockopt(2).
    pub fn socket_option(&self, level: i32, name: u32, value: &mut [u8]) -> Result<usize> {
        let mut len = value.len() as u32;
        let args = (value.as_mut_ptr() as usize, &raw mut len as usize);
        // SAFETY: both are live; the host writes no more than `len` bytes.
        let raw = unsafe {
            syscall5(g::__NR_getsockopt, self.raw() as usize, level as usize, name as usize, args.0, args.1)
        };
        check(raw)?;
        Ok((len as usize).min(value.len()))
    }

    /// setsockopt(2), with the same promise.
    ///
    /// # Errors
    /// Those of setsockopt(2).
    pub fn set_socket_option(&self, level: i32, name: u32, value: &[u8]) -> Result<()> {
        let (addr, len) = (value.as_ptr() as usize, value.len());
        // SAFETY: the bytes are alive and only read.
        let raw = unsafe {
            syscall5(g::__NR_setsockopt, self.raw() as usize, level as usize, name as usize, addr, len)
        };
        check(raw).map(drop)
    }
}
