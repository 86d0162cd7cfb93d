//! shmget(2), shmat(2), shmdt(2), shmctl(2).

use super::mmap::rights;
use super::sysvipc::{Control, SetPerm64, find_for_stat, put_long, put_word, read_set_perm};
use crate::ipc::ids::{EXECUTE, READ, WRITE};
use crate::ipc::shm;
use crate::mm::{PAGE_SIZE, Request};
use crate::sysctl::Sysctl;
use crate::task::{Current, Resource};
use crate::uaccess::{Args, get_bytes, put_bytes};
use crate::vfs::OpenFlags;
use crate::{Errno, Result};
use linux_raw_sys::general as g;

const SHM_RDONLY: u32 = 0o10000;
const SHM_RND: u32 = 0o20000;
const SHM_REMAP: u32 = 0o40000;
const SHM_EXEC: u32 = 0o100000;

const SHM_LOCK: i32 = 11;
const SHM_UNLOCK: i32 = 12;
const SHM_STAT: i32 = 13;
const SHM_INFO: i32 = 14;
const SHM_STAT_ANY: i32 = 15;

/// `sizeof(struct shmid64_ds)`
const SHMID_DS: usize = 112;

/// shmget(key, size, flags)
pub fn sys_shmget(cur: &mut Current<'_>, args: &Args) -> Result<usize> {
    let id = shm::get(&cur.cred(), cur.process().pid, args.i32(0), args.u64(1), args.u32(2))?;
    Ok(id as usize)
}

/// shmat(id, address, flags)
pub fn sys_shmat(cur: &mut Current<'_>, args: &Args) -> Result<usize> {
    let (id, mut addr, flags) = (args.i32(0), args.usize(1), args.u32(2));
    if id < 0 {
        return Err(Errno::INVAL);
    }
    // At an address, or where there is room.
    let mut map = g::MAP_SHARED;
    if addr != 0 {
        if !addr.is_multiple_of(PAGE_SIZE) {
            if flags & SHM_RND == 0 {
                return Err(Errno::INVAL);
            }
            addr &= !(PAGE_SIZE - 1);
            if addr == 0 && flags & SHM_REMAP != 0 {
                return Err(Errno::INVAL);
            }
        }
        map |= g::MAP_FIXED;
    } else if flags & SHM_REMAP != 0 {
        return Err(Errno::INVAL);
    }
    let (mut prot, mut wanted, open) = match flags & SHM_RDONLY != 0 {
        true => (g::PROT_READ, READ, OpenFlags::empty()),
        false => (g::PROT_READ | g::PROT_WRITE, READ | WRITE, OpenFlags::RDWR),
    };
    if flags & SHM_EXEC != 0 {
        prot |= g::PROT_EXEC;
        wanted |= EXECUTE;
    }
    let segment = shm::find(id)?;
    let cred = cur.cred();
    let len = segment.with(|state| {
        state.perm.check(&cred, wanted)?;
        usize::try_from(state.data.size).map_err(|_| Errno::NOMEM)
    })?;
    let file = shm::open(&segment, open)?;
    if addr != 0 && flags & SHM_REMAP == 0 {
        let end = addr.checked_add(len).ok_or(Errno::INVAL)?;
        if cur.mm.has_mapping(addr, end) {
            return Err(Errno::INVAL);
        }
    }
    let request = Request { addr, len, prot, flags: map, file: Some(&file), offset: 0 };
    let at = cur.mm.mmap(&rights(cur), &request)?;
    shm::mapped(&segment);
    Ok(at)
}

/// shmdt(address)
pub fn sys_shmdt(cur: &mut Current<'_>, args: &Args) -> Result<usize> {
    let addr = args.usize(0);
    if !addr.is_multiple_of(PAGE_SIZE) {
        return Err(Errno::INVAL);
    }
    // All that is left of the mapping that began here.
    let pieces = cur.mm.pieces_of(addr, shm::is_attachment);
    if pieces.is_empty() {
        return Err(Errno::INVAL);
    }
    for (start, len) in pieces {
        cur.mm.munmap(start, len)?;
    }
    Ok(0)
}

/// `SHMMIN`
static ONE: Sysctl = Sysctl::new(1, 1, 1);

/// shmctl(id, command, buffer)
pub fn sys_shmctl(cur: &mut Current<'_>, args: &Args) -> Result<usize> {
    let (id, command, buf) = (args.i32(0), args.i32(1), args.usize(2));
    if id < 0 || command < 0 {
        return Err(Errno::INVAL);
    }
    let cred = cur.cred();
    match command {
        Control::INFO => {
            let mut out = [0; 72];
            for (n, value) in [&shm::SHMMAX, &ONE, &shm::SHMMNI, &shm::SHMMNI, &shm::SHMALL]
                .map(Sysctl::get)
                .into_iter()
                .enumerate()
            {
                put_long(&mut out, n * 8, value as i64);
            }
            put_bytes(buf, &out)?;
            Ok(shm::usage().2)
        }
        SHM_INFO => {
            let (used, pages, max_slot) = shm::usage();
            let resident: u64 = shm::all().iter().map(shm::resident).sum();
            let mut out = [0; 48];
            put_word(&mut out, 0, used as i32);
            put_long(&mut out, 8, pages as i64);
            put_long(&mut out, 16, (resident / PAGE_SIZE as u64) as i64);
            put_bytes(buf, &out)?;
            Ok(max_slot)
        }
        Control::STAT | SHM_STAT | SHM_STAT_ANY => {
            let (segment, answer) = find_for_stat(command == Control::STAT, id, shm::find, shm::find_slot)?;
            if command != SHM_STAT_ANY {
                segment.with(|state| state.perm.check(&cred, READ))?;
            }
            let mappings = shm::mappings(&segment);
            let mut out = [0; SHMID_DS];
            segment.with(|state| {
                let data = &state.data;
                state.perm.encode(segment.id, &mut out);
                for (at, value) in
                    [(48, data.size as i64), (56, data.times.0), (64, data.times.1), (72, state.ctime)]
                {
                    put_long(&mut out, at, value);
                }
                put_word(&mut out, 80, data.pids.0);
                put_word(&mut out, 84, data.pids.1);
                put_long(&mut out, 88, mappings as i64);
                Ok(())
            })?;
            put_bytes(buf, &out)?;
            Ok(answer)
        }
        Control::SET => {
            let mut bytes: SetPerm64 = [0; 48];
            get_bytes(&mut bytes, buf)?;
            shm::find(id)?.with(|state| {
                state.perm.check_owner(&cred)?;
                state.perm.update(&read_set_perm(&bytes))?;
                state.ctime = super::sysvipc::now();
                Ok(0)
            })
        }
        Control::RMID => shm::remove(id, &cred).map(|()| 0),
        SHM_LOCK | SHM_UNLOCK => {
            let segment = shm::find(id)?;
            let limit = cur.process().limit(Resource::Memlock);
            segment.with(|state| {
                if !cred.capable(g::CAP_IPC_LOCK) {
                    if cred.euid != state.perm.uid && cred.euid != state.perm.cuid {
                        return Err(Errno::PERM);
                    }
                    if command == SHM_LOCK && limit == 0 {
                        return Err(Errno::PERM);
                    }
                }
                match command {
                    SHM_LOCK => state.perm.mode |= shm::SHM_LOCKED,
                    _ => state.perm.mode &= !shm::SHM_LOCKED,
                }
                Ok(0)
            })
        }
        _ => Err(Errno::INVAL),
    }
}
