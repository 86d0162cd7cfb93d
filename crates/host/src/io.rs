//! Where the bytes of a read go and those of a write come from: user memory or a kernel buffer.
//!
//! An object that implements reading or writing copies straight between itself and one of these, without a
//! buffer in between; `host::file` hands user memory to the host directly.

use crate::{Errno, Result};
use usercopy::{access_ok, clear_user, copy_from_user, copy_to_user};

/// One piece of user memory, as in `struct iovec`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Segment {
    /// User address.
    pub addr: usize,
    /// Length in bytes.
    pub len: usize,
}

/// Up to this many pieces in one vector (`UIO_MAXIOV`).
pub const MAX_SEGMENTS: usize = 1024;

#[derive(Debug)]
enum Place<'a> {
    User { first: Segment, rest: &'a [Segment] },
    Kernel(&'a mut [u8]),
    KernelConst(&'a [u8]),
}

impl Place<'_> {
    fn len(&self) -> usize {
        match self {
            Place::User { first, rest } => first.len + rest.iter().map(|s| s.len).sum::<usize>(),
            Place::Kernel(buf) => buf.len(),
            Place::KernelConst(buf) => buf.len(),
        }
    }

    /// Drops `count` bytes from the front.
    #[inline]
    fn advance(&mut self, mut count: usize) {
        match self {
            Place::User { first, rest } => loop {
                let step = count.min(first.len);
                first.addr += step;
                first.len -= step;
                count -= step;
                if first.len > 0 {
                    break;
                }
                let Some((next, tail)) = rest.split_first() else { break };
                *first = *next;
                *rest = tail;
            },
            Place::Kernel(buf) => {
                let taken = core::mem::take(buf);
                *buf = &mut taken[count..];
            }
            Place::KernelConst(buf) => *buf = &buf[count..],
        }
    }
}

/// The destination of a read.
#[derive(Debug)]
pub struct IoDst<'a>(Place<'a>, usize);

/// The source of a write.
#[derive(Debug)]
pub struct IoSrc<'a>(Place<'a>, usize);

macro_rules! common {
    ($name:ident) => {
        impl<'a> $name<'a> {
            /// One piece of user memory. The caller has checked it with `access_ok` or leaves that to the copies.
            #[inline]
            pub fn user(addr: usize, len: usize) -> Self {
                $name(Place::User { first: Segment { addr, len }, rest: &[] }, 0)
            }

            /// Several pieces of user memory, in order.
            pub fn user_vec(segments: &'a [Segment]) -> Self {
                let mut place = Place::User { first: Segment::default(), rest: segments };
                place.advance(0);
                $name(place, 0)
            }

            /// Bytes still to go.
            #[inline]
            pub fn remaining(&self) -> usize {
                self.0.len()
            }

            /// Whether nothing is left to do.
            #[inline]
            pub fn is_empty(&self) -> bool {
                self.remaining() == 0
            }

            /// Bytes done so far.
            #[inline]
            pub fn done(&self) -> usize {
                self.1
            }

            /// Counts `count` bytes as done that somebody else (the host) has moved.
            ///
            /// # Panics
            /// When `count` exceeds [`remaining`](Self::remaining) of a kernel buffer.
            #[inline]
            pub fn advance(&mut self, count: usize) {
                self.0.advance(count);
                self.1 += count;
            }

            /// The pieces of user memory still to do, when it is user memory and all of it is outside the kernel.
            #[inline]
            pub(crate) fn user_segments(&self) -> Option<Result<(Segment, &'a [Segment])>> {
                match &self.0 {
                    Place::User { first, rest } => {
                        let ok =
                            access_ok(first.addr, first.len) && rest.iter().all(|s| access_ok(s.addr, s.len));
                        Some(if ok { Ok((*first, *rest)) } else { Err(Errno::FAULT) })
                    }
                    _ => None,
                }
            }
        }
    };
}
common!(IoDst);
common!(IoSrc);

impl<'a> IoDst<'a> {
    /// A kernel buffer.
    pub fn kernel(buf: &'a mut [u8]) -> Self {
        IoDst(Place::Kernel(buf), 0)
    }

    pub(crate) fn kernel_bytes(&mut self) -> Option<&mut [u8]> {
        match &mut self.0 {
            Place::Kernel(buf) => Some(buf),
            _ => None,
        }
    }

    /// Copies as much of `bytes` as fits; returns how much that was.
    ///
    /// # Errors
    /// `EFAULT` when not one byte could be copied though there was room.
    pub fn put(&mut self, bytes: &[u8]) -> Result<usize> {
        let mut total = 0;
        while total < bytes.len() {
            let (step, left) = match &mut self.0 {
                Place::User { first, .. } if first.len > 0 => {
                    let step = first.len.min(bytes.len() - total);
                    (step, copy_to_user(first.addr, &bytes[total..total + step]))
                }
                Place::Kernel(buf) if !buf.is_empty() => {
                    let step = buf.len().min(bytes.len() - total);
                    buf[..step].copy_from_slice(&bytes[total..total + step]);
                    (step, 0)
                }
                _ => break,
            };
            self.advance(step - left);
            total += step - left;
            if left > 0 {
                return if total == 0 { Err(Errno::FAULT) } else { Ok(total) };
            }
        }
        Ok(total)
    }

    /// Writes up to `count` zero bytes; returns how many.
    ///
    /// # Errors
    /// `EFAULT` when not one byte could be written though there was room.
    pub fn put_zeros(&mut self, count: usize) -> Result<usize> {
        let mut total = 0;
        while total < count {
            let (step, left) = match &mut self.0 {
                Place::User { first, .. } if first.len > 0 => {
                    let step = first.len.min(count - total);
                    (step, clear_user(first.addr, step))
                }
                Place::Kernel(buf) if !buf.is_empty() => {
                    let step = buf.len().min(count - total);
                    buf[..step].fill(0);
                    (step, 0)
                }
                _ => break,
            };
            self.advance(step - left);
            total += step - left;
            if left > 0 {
                return if total == 0 { Err(Errno::FAULT) } else { Ok(total) };
            }
        }
        Ok(total)
    }
}

impl<'a> IoSrc<'a> {
    /// A kernel buffer.
    pub fn kernel(buf: &'a [u8]) -> Self {
        IoSrc(Place::KernelConst(buf), 0)
    }

    pub(crate) fn kernel_bytes(&self) -> Option<&[u8]> {
        match &self.0 {
            Place::KernelConst(buf) => Some(buf),
            _ => None,
        }
    }

    /// Fills as much of `bytes` as there is; returns how much that was.
    ///
    /// # Errors
    /// `EFAULT` when not one byte could be copied though there was some.
    pub fn take(&mut self, bytes: &mut [u8]) -> Result<usize> {
        let mut total = 0;
        while total < bytes.len() {
            let (step, left) = match &self.0 {
                Place::User { first, .. } if first.len > 0 => {
                    let step = first.len.min(bytes.len() - total);
                    (step, copy_from_user(&mut bytes[total..total + step], first.addr))
                }
                Place::KernelConst(buf) if !buf.is_empty() => {
                    let step = buf.len().min(bytes.len() - total);
                    bytes[total..total + step].copy_from_slice(&buf[..step]);
                    (step, 0)
                }
                _ => break,
            };
            self.advance(step - left);
            total += step - left;
            if left > 0 {
                return if total == 0 { Err(Errno::FAULT) } else { Ok(total) };
            }
        }
        Ok(total)
    }
}
