//! The memory devices (null(4), random(4), full(4)), the controlling terminal (tty(4)) and pseudo-terminals (pty(7)).

use crate::fs::{devpts, tty};
use crate::task::current_task;
use crate::uaccess::put;
use crate::vfs::{FileOps, MmapSource, OpenFlags, PollEvents, PollTable, WriteAt};
use crate::{Errno, Result};
use alloc::boxed::Box;
use host::io::{IoDst, IoSrc};

/// Opens the character device with this `st_rdev`.
///
/// # Errors
/// `ENXIO` when there is no such device, or no controlling terminal; those of opening a terminal.
pub fn open_device(rdev: u64, flags: OpenFlags) -> Result<Box<dyn FileOps>> {
    Ok(match rdev {
        0x103 => Box::new(Memory::Null),
        0x105 => Box::new(Memory::Zero),
        0x107 => Box::new(Memory::Full),
        0x108 | 0x109 => Box::new(Random),
        0x500 => {
            let task = current_task().ok_or(Errno::NXIO)?;
            tty::job::terminal_of(&task.process).ok_or(Errno::NXIO)?.open(flags)?
        }
        0x502 => devpts::open_ptmx(flags)?,
        // UNIX98_PTY_SLAVE_MAJOR
        _ if rdev >> 8 & 0xfff == 136 => {
            devpts::open_number((rdev & 0xff | rdev >> 12 & 0xfff00) as u32, flags)?
        }
        _ => return Err(Errno::NXIO),
    })
}

/// /dev/null, /dev/zero, /dev/full.
enum Memory {
    Null,
    Zero,
    Full,
}

impl FileOps for Memory {
    fn read(&self, dst: &mut IoDst<'_>, _offset: u64, _nonblock: bool) -> Result<usize> {
        match self {
            Memory::Null => Ok(0),
            Memory::Zero | Memory::Full => dst.put_zeros(dst.remaining()),
        }
    }
    fn write(&self, src: &mut IoSrc<'_>, at: WriteAt, _nonblock: bool) -> Result<(usize, u64)> {
        let from = if let WriteAt::Offset(offset) = at { offset } else { 0 };
        if let Memory::Full = self {
            return Err(Errno::NOSPC);
        }
        // Not even looked at: Linux accepts a bad pointer here too.
        let count = src.remaining();
        Ok((count, from + count as u64))
    }
    fn seek(&self, _offset: i64, _whence: u32, _current: u64) -> Option<Result<u64>> {
        Some(Ok(0))
    }
    fn can_poll(&self) -> bool {
        false
    }
    fn mmap(&self, _offset: u64, _len: usize, _shared: bool, _write: bool) -> Result<MmapSource> {
        match self {
            Memory::Zero => Ok(MmapSource::Anonymous),
            _ => Err(Errno::NODEV),
        }
    }
    fn ioctl(&self, _command: u32, _arg: usize) -> Result<usize> {
        Err(Errno::NOTTY)
    }
}

/// `_IOR('R', 0, int)`
const RNDGETENTCNT: u32 = 0x8004_5200;
/// What it answers (`POOL_BITS`).
const POOL_BITS: i32 = 256;

/// /dev/random and /dev/urandom: the host's generator.
struct Random;

impl FileOps for Random {
    fn signals_readiness(&self) -> bool {
        true
    }

    fn read(&self, dst: &mut IoDst<'_>, _offset: u64, _nonblock: bool) -> Result<usize> {
        let mut chunk = [0u8; 256];
        let mut done = 0;
        while !dst.is_empty() {
            let step = chunk.len().min(dst.remaining());
            host::system::random(&mut chunk[..step], 0)?;
            match dst.put(&chunk[..step]) {
                Ok(count) => done += count,
                Err(_) if done > 0 => break,
                Err(errno) => return Err(errno),
            }
        }
        Ok(done)
    }
    /// Contributions to the pool are taken and thrown away: the pool is the host's.
    fn write(&self, src: &mut IoSrc<'_>, at: WriteAt, _nonblock: bool) -> Result<(usize, u64)> {
        let from = if let WriteAt::Offset(offset) = at { offset } else { 0 };
        let mut chunk = [0u8; 256];
        let mut done = 0;
        while !src.is_empty() {
            done += src.take(&mut chunk)?;
        }
        Ok((done, from + done as u64))
    }
    fn seek(&self, _offset: i64, _whence: u32, current: u64) -> Option<Result<u64>> {
        Some(Ok(current))
    }
    fn poll(&self, _table: &mut PollTable<'_>) -> PollEvents {
        PollEvents::READABLE | PollEvents::WRITABLE
    }
    /// random(4): the pool of the host, once it is filled, always has all the bits there are.
    fn ioctl(&self, command: u32, arg: usize) -> Result<usize> {
        match command {
            RNDGETENTCNT => put(arg, &POOL_BITS).map(|()| 0),
            _ => Err(Errno::INVAL),
        }
    }
}
