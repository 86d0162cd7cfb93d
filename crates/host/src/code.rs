//! Stores into the program's code while other threads may be executing it.
//!
//! The rules are those of the processor manuals for cross-modifying code (SDM vol. 3A, 10.1.3): a store that
//! others may execute is one aligned 8-byte word, and before the next store all other threads of the address
//! space have passed a serialising instruction, which membarrier(2) sees to. What to store in which order is
//! decided by the `rewriter`; here it is only carried out.

use crate::layout::PAGE_SIZE;
use crate::memory::{membarrier, protect};
use crate::{Errno, Result};
use core::sync::atomic::{AtomicBool, Ordering::Relaxed};
use linux_raw_sys::general::{
    PROT_WRITE, membarrier_cmd::MEMBARRIER_CMD_PRIVATE_EXPEDITED_SYNC_CORE as SYNC_CORE,
    membarrier_cmd::MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_SYNC_CORE as REGISTER_SYNC_CORE,
};
use usercopy::{copy_from_user, copy_to_user};

/// One store.
#[derive(Clone, Copy, Debug)]
pub struct CodeWrite<'a> {
    /// Address of the first byte.
    pub addr: usize,
    /// What to store.
    pub bytes: &'a [u8],
    /// The bytes lie in one aligned 8-byte word, which is to be stored as a whole.
    pub whole_word: bool,
}

/// Stores `writes` in order into code that is mapped with `prot` (`PROT_*`) everywhere from the lowest to the highest
/// page of them; it has that protection again afterwards. With `sync`, other threads see each store before the
/// next.
///
/// # Errors
/// `EINVAL` outside user space; `EFAULT` when something is not mapped; those of mprotect(2). Stores made before
/// the error stay.
pub fn write(prot: u32, writes: &[CodeWrite<'_>], sync: bool) -> Result<()> {
    let start = writes.iter().map(|w| w.addr).min().unwrap_or(0) & !(PAGE_SIZE - 1);
    let end = writes.iter().map(|w| w.addr.saturating_add(w.bytes.len())).max().unwrap_or(0);
    let len = end.saturating_sub(start).next_multiple_of(PAGE_SIZE);
    if writes.is_empty() {
        return Ok(());
    }
    let writable = prot & PROT_WRITE != 0;
    if !writable {
        // Execution goes on meanwhile: the right to execute stays.
        protect(start, len, prot | PROT_WRITE)?;
    }
    let mut done = Ok(());
    for each in writes {
        done = store(each).and_then(|()| if sync { synchronize() } else { Ok(()) });
        if done.is_err() {
            break;
        }
    }
    if !writable {
        protect(start, len, prot)?;
    }
    done
}

fn store(write: &CodeWrite<'_>) -> Result<()> {
    let within = write.addr % 8;
    if !write.whole_word || within + write.bytes.len() > 8 {
        return if copy_to_user(write.addr, write.bytes) == 0 { Ok(()) } else { Err(Errno::FAULT) };
    }
    let mut word = [0; 8];
    let at = write.addr - within;
    if copy_from_user(&mut word, at) != 0 {
        return Err(Errno::FAULT);
    }
    word[within..within + write.bytes.len()].copy_from_slice(write.bytes);
    // Eight bytes at an aligned address are copied by one `mov`: see `usercopy`'s copy routine.
    if copy_to_user(at, &word) == 0 { Ok(()) } else { Err(Errno::FAULT) }
}

/// Whether the host has refused `SYNC_CORE` (Linux before 4.16, or a fence that forbids it).
static UNSUPPORTED: AtomicBool = AtomicBool::new(false);

/// Whether stores can be made visible to other threads in order. Without that, only patches of a single word may be
/// made while other threads run.
pub fn can_synchronize() -> bool {
    !UNSUPPORTED.load(Relaxed) && synchronize().is_ok()
}

/// Called before the first thread of an address space is made: what [`write()`] needs while threads run is asked of the
/// host now, when it costs nothing; with threads running, asking takes the host some milliseconds.
pub fn prepare_for_threads() {
    if membarrier(REGISTER_SYNC_CORE as u32, 0, 0).is_err() {
        UNSUPPORTED.store(true, Relaxed);
    }
}

/// Makes every other thread of the address space pass a serialising instruction.
fn synchronize() -> Result<()> {
    let all = |command: u32| membarrier(command, 0, 0);
    let result = match all(SYNC_CORE as u32) {
        // Not registered yet: each address space of the host does so once, at its first patch.
        Err(Errno::PERM) => all(REGISTER_SYNC_CORE as u32).and_then(|_| all(SYNC_CORE as u32)),
        other => other,
    };
    if result.is_err() {
        UNSUPPORTED.store(true, Relaxed);
    }
    result.map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::{Content, map, unmap};
    use linux_raw_sys::general::{MAP_PRIVATE, PROT_EXEC, PROT_READ};

    #[test]
    fn stores_reach_protected_code_and_leave_it_protected() {
        const AT: usize = 0x1234_6600_0000;
        let prot = PROT_READ | PROT_EXEC;
        map(AT, 2 * PAGE_SIZE, prot, MAP_PRIVATE, Content::Anonymous).unwrap();
        let plain = CodeWrite { addr: AT + PAGE_SIZE - 2, bytes: &[1, 2, 3, 4], whole_word: false };
        let word = CodeWrite { addr: AT + 13, bytes: &[5, 6], whole_word: true };
        assert!(can_synchronize());
        write(prot, &[plain, word], true).unwrap();
        let mut bytes = [0; 4];
        assert_eq!(copy_from_user(&mut bytes, AT + PAGE_SIZE - 2), 0);
        assert_eq!(bytes, [1, 2, 3, 4]);
        assert_eq!(copy_from_user(&mut bytes, AT + 12), 0);
        assert_eq!(bytes, [0, 5, 6, 0]);
        unmap(AT, 2 * PAGE_SIZE).unwrap();
        assert!(write(prot, &[word], true).is_err());
    }
}
