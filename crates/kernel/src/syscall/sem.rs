//! semget(2), semop(2), semtimedop(2), semctl(2).

use super::sysvipc::{Control, SetPerm64, find_for_stat, now, put_long, put_word, read_set_perm};
use crate::ipc::ids::{READ, WRITE};
use crate::ipc::sem::{self, Op, SEMMNI, SEMMNS, SEMMSL, SEMOPM, SEMVMX};
use crate::task::Current;
use crate::uaccess::{Args, get, get_bytes, put_bytes};
use crate::{Errno, Result};
use alloc::vec;
use alloc::vec::Vec;

const GETPID: i32 = 11;
const GETVAL: i32 = 12;
const GETALL: i32 = 13;
const GETNCNT: i32 = 14;
const GETZCNT: i32 = 15;
const SETVAL: i32 = 16;
const SETALL: i32 = 17;
const SEM_STAT: i32 = 18;
const SEM_INFO: i32 = 19;
const SEM_STAT_ANY: i32 = 20;

/// `sizeof(struct semid64_ds)`
const SEMID_DS: usize = 104;
/// `SEMUSZ`, a size of System V's own undo structure.
const SEMUSZ: i32 = 20;

/// semget(key, count, flags)
pub fn sys_semget(cur: &mut Current<'_>, args: &Args) -> Result<usize> {
    Ok(sem::get(&cur.cred(), args.i32(0), args.i32(1), args.u32(2))? as usize)
}

/// semop(id, operations, count)
pub fn sys_semop(cur: &mut Current<'_>, args: &Args) -> Result<usize> {
    operate(cur, args, None)
}

/// semtimedop(id, operations, count, timeout)
pub fn sys_semtimedop(cur: &mut Current<'_>, args: &Args) -> Result<usize> {
    let timeout = match args.usize(3) {
        0 => None,
        addr => Some(get::<[i64; 2]>(addr)?),
    };
    operate(cur, args, timeout)
}

fn operate(cur: &Current<'_>, args: &Args, timeout: Option<[i64; 2]>) -> Result<usize> {
    let (id, addr, count) = (args.i32(0), args.usize(1), args.u32(2) as usize);
    if count > SEMOPM.size() {
        return Err(Errno::TOOBIG);
    }
    if count < 1 {
        return Err(Errno::INVAL);
    }
    let mut ops = Vec::with_capacity(count);
    for n in 0..count {
        let [num, op, flags] = get::<[u16; 3]>(addr.wrapping_add(n * 6))?;
        ops.push(Op { num, op: op as i16, flags: flags as i16 });
    }
    if id < 0 {
        return Err(Errno::INVAL);
    }
    let deadline = match timeout {
        None => None,
        Some([sec, nsec]) if sec >= 0 && (0..1_000_000_000).contains(&nsec) => {
            let ns = (sec as u64).saturating_mul(1_000_000_000).saturating_add(nsec as u64);
            Some(host::clock::monotonic_ns().saturating_add(ns))
        }
        Some(_) => return Err(Errno::INVAL),
    };
    let process = cur.process();
    let author = sem::Author { pid: process.pid, undos: process.family.undos.id() };
    sem::operate(&cur.cred(), author, id, ops, deadline).map(|()| 0)
}

/// semctl(id, number, command, argument)
pub fn sys_semctl(cur: &mut Current<'_>, args: &Args) -> Result<usize> {
    let (id, num, command, arg) = (args.i32(0), args.i32(1), args.i32(2), args.usize(3));
    if id < 0 {
        return Err(Errno::INVAL);
    }
    let (cred, pid) = (cur.cred(), cur.process().pid);
    match command {
        Control::INFO | SEM_INFO => info(command == SEM_INFO, arg),
        Control::STAT | SEM_STAT | SEM_STAT_ANY => {
            let (set, answer) = find_for_stat(command == Control::STAT, id, sem::find, sem::find_slot)?;
            let mut out = [0; SEMID_DS];
            set.with(|state| {
                if command != SEM_STAT_ANY {
                    state.perm.check(&cred, READ)?;
                }
                state.perm.encode(set.id, &mut out);
                put_long(&mut out, 48, state.data.otime);
                put_long(&mut out, 64, state.ctime);
                put_long(&mut out, 80, state.data.sems.len() as i64);
                Ok(())
            })?;
            put_bytes(arg, &out)?;
            Ok(answer)
        }
        GETALL | SETALL => {
            let set = sem::find(id)?;
            let count = set.with(|state| {
                state.perm.check(&cred, if command == SETALL { WRITE } else { READ })?;
                Ok(state.data.sems.len())
            })?;
            let mut bytes = vec![0u8; count * 2];
            if command == GETALL {
                set.with(|state| {
                    for (place, sem) in bytes.chunks_exact_mut(2).zip(&state.data.sems) {
                        place.copy_from_slice(&(sem.value as u16).to_ne_bytes());
                    }
                    Ok(())
                })?;
                return put_bytes(arg, &bytes).map(|()| 0);
            }
            get_bytes(&mut bytes, arg)?;
            let values: Vec<u16> =
                bytes.chunks_exact(2).map(|pair| u16::from_ne_bytes([pair[0], pair[1]])).collect();
            if values.iter().any(|value| i32::from(*value) > SEMVMX) {
                return Err(Errno::RANGE);
            }
            set.with(|state| {
                state.data.set(None, &values, pid);
                state.ctime = now();
                Ok(0)
            })
        }
        GETVAL | GETPID | GETNCNT | GETZCNT => sem::find(id)?.with(|state| {
            state.perm.check(&cred, READ)?;
            let data = &state.data;
            let n = usize::try_from(num).map_err(|_| Errno::INVAL)?;
            let sem = data.sems.get(n).ok_or(Errno::INVAL)?;
            Ok(match command {
                GETVAL => sem.value as usize,
                GETPID => sem.pid as usize,
                _ => data.waiting(n, command == GETZCNT),
            })
        }),
        SETVAL => {
            let value = u16::try_from(arg as i32).ok().filter(|value| i32::from(*value) <= SEMVMX);
            let value = value.ok_or(Errno::RANGE)?;
            sem::find(id)?.with(|state| {
                let n = usize::try_from(num).ok().filter(|n| *n < state.data.sems.len());
                let n = n.ok_or(Errno::INVAL)?;
                state.perm.check(&cred, WRITE)?;
                state.data.set(Some(n), &[value], pid);
                state.ctime = now();
                Ok(0)
            })
        }
        Control::SET => {
            let mut bytes: SetPerm64 = [0; 48];
            get_bytes(&mut bytes, arg)?;
            sem::find(id)?.with(|state| {
                state.perm.check_owner(&cred)?;
                state.perm.update(&read_set_perm(&bytes))?;
                state.ctime = now();
                Ok(0)
            })
        }
        Control::RMID => sem::remove(id, &cred).map(|()| 0),
        _ => Err(Errno::INVAL),
    }
}

/// `struct seminfo`; answers the highest slot in use.
fn info(usage: bool, addr: usize) -> Result<usize> {
    let (sets, used, max_slot) = sem::usage();
    let (semusz, semaem) = if usage { (sets as i32, used as i32) } else { (SEMUSZ, SEMVMX) };
    let (all, ops) = (SEMMNS.get() as i32, SEMOPM.get() as i32);
    // semmap semmni semmns semmnu semmsl semopm semume semusz semvmx semaem
    let words = [all, SEMMNI.get() as i32, all, all, SEMMSL.get() as i32, ops, ops, semusz, SEMVMX, semaem];
    let mut out = [0; 40];
    for (n, word) in words.into_iter().enumerate() {
        put_word(&mut out, n * 4, word);
    }
    put_bytes(addr, &out)?;
    Ok(max_slot)
}
