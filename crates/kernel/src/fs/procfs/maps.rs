//! /proc/PID/maps: its text, and `PROCMAP_QUERY`, which asks for one mapping (`linux/fs.h`).

use crate::mm::{Mapping, VmFlags, major_minor};
use crate::task::Process;
use crate::uaccess::{get, get_bytes, put_bytes};
use crate::vfs::FileOps;
use crate::{Errno, Result};
use alloc::boxed::Box;
use alloc::sync::Arc;
use host::io::IoDst;

/// `_IOWR('f', 17, struct procmap_query)`
const PROCMAP_QUERY: u32 = 0xc068_6611;

/// Bytes of `struct procmap_query`, and of the part that must be there.
const SIZE: usize = 104;
const LEAST: usize = 24;
const PAGE: usize = 4096;
/// Longest name (`PATH_MAX`).
const NAME_MAX: usize = 4096;

const READABLE: u64 = 1;
const WRITABLE: u64 = 2;
const EXECUTABLE: u64 = 4;
const SHARED: u64 = 8;
const OR_NEXT: u64 = 0x10;
const FILE_BACKED: u64 = 0x20;

/// An open file of it.
pub struct Maps {
    process: Arc<Process>,
    text: Box<dyn FileOps>,
}

impl Maps {
    /// Of `process`; `text` answers what is read.
    pub fn new(process: Arc<Process>, text: Box<dyn FileOps>) -> Maps {
        Maps { process, text }
    }

    /// `do_procmap_query`
    fn query(&self, addr: usize) -> Result<usize> {
        let size = usize::try_from(get::<u64>(addr)?).unwrap_or(usize::MAX);
        if size > PAGE {
            return Err(Errno::TOOBIG);
        }
        if size < LEAST {
            return Err(Errno::INVAL);
        }
        let mut raw = [0; PAGE];
        get_bytes(&mut raw[..size], addr)?;
        if raw[SIZE..].iter().any(|&byte| byte != 0) {
            return Err(Errno::TOOBIG);
        }
        let long = |at: usize| u64::from_ne_bytes(core::array::from_fn(|n| raw[at + n]));
        let int = |at: usize| u32::from_ne_bytes(core::array::from_fn(|n| raw[at + n])) as usize;
        let (flags, wanted) = (long(8), usize::try_from(long(16)).unwrap_or(usize::MAX));
        let (name_size, build_id_size, name_addr, build_id_addr) = (int(80), int(84), long(88), long(96));
        if flags & !(READABLE | WRITABLE | EXECUTABLE | SHARED | OR_NEXT | FILE_BACKED) != 0
            || (name_size != 0) != (name_addr != 0)
            || (build_id_size != 0) != (build_id_addr != 0)
        {
            return Err(Errno::INVAL);
        }
        if crate::task::access::host_home(&self.process).is_none() {
            return Err(Errno::SRCH);
        }
        let mm = self.process.mm.lock().clone();
        let root = self.process.fs.lock().root.lock().clone();
        let takes = |vm: VmFlags, of_file: bool| {
            told_flags(vm) & flags & (READABLE | WRITABLE | EXECUTABLE | SHARED)
                == flags & (READABLE | WRITABLE | EXECUTABLE | SHARED)
                && (of_file || flags & FILE_BACKED == 0)
        };
        let mapping = mm.find_mapping(&root, wanted, flags & OR_NEXT != 0, takes).ok_or(Errno::NOENT)?;
        if name_size != 0 && !mapping.name.is_empty() && mapping.name.len() + 1 > name_size.min(NAME_MAX) {
            return Err(Errno::NAMETOOLONG);
        }
        let out = answer(&raw, &mapping, name_size);
        if name_size != 0 && !mapping.name.is_empty() {
            let name = [&mapping.name[..], b"\0"].concat();
            put_bytes(usize::try_from(name_addr).map_err(|_| Errno::FAULT)?, &name)?;
        }
        put_bytes(addr, &out[..size.min(SIZE)])?;
        Ok(0)
    }
}

fn told_flags(vm: VmFlags) -> u64 {
    let bit = |flag, bit| if vm.contains(flag) { bit } else { 0 };
    bit(VmFlags::READ, READABLE)
        | bit(VmFlags::WRITE, WRITABLE)
        | bit(VmFlags::EXEC, EXECUTABLE)
        | bit(VmFlags::MAYSHARE, SHARED)
}

/// The struct, filled in. No build id is told: a size of 0 says that there is none.
fn answer(raw: &[u8; PAGE], mapping: &Mapping, name_size: usize) -> [u8; SIZE] {
    let mut out: [u8; SIZE] = core::array::from_fn(|n| raw[n]);
    let longs = [
        mapping.start as u64,
        mapping.end as u64,
        told_flags(mapping.flags),
        PAGE as u64,
        mapping.offset,
        mapping.ino,
    ];
    for (place, value) in out[24..].chunks_exact_mut(8).zip(longs) {
        place.copy_from_slice(&value.to_ne_bytes());
    }
    let (major, minor) = major_minor(mapping.dev);
    let name_len = match mapping.name.len() {
        0 => 0,
        len if name_size != 0 => len + 1,
        _ => 0,
    };
    for (place, value) in out[72..].chunks_exact_mut(4).zip([major as u32, minor as u32, name_len as u32, 0])
    {
        place.copy_from_slice(&value.to_ne_bytes());
    }
    out
}

impl FileOps for Maps {
    fn read(&self, dst: &mut IoDst<'_>, offset: u64, nonblock: bool) -> Result<usize> {
        self.text.read(dst, offset, nonblock)
    }

    fn seek(&self, offset: i64, whence: u32, current: u64) -> Option<Result<u64>> {
        self.text.seek(offset, whence, current)
    }

    fn ioctl(&self, command: u32, arg: usize) -> Result<usize> {
        if command == PROCMAP_QUERY { self.query(arg) } else { Err(Errno::NOTTY) }
    }
}
