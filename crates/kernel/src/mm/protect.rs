//! mprotect(2) (`do_mprotect_pkey`).

use super::space::{AddressSpace, Inner, MAX_MAP_COUNT, Rights};
use super::vma::{PAGE_SIZE, VmFlags, page_up};
use crate::{Errno, Result};
use linux_raw_sys::general as g;

impl AddressSpace {
    /// mprotect(2). Mappings before the one that refuses are changed, as on Linux.
    ///
    /// # Errors
    /// `EINVAL`, `ENOMEM` at a gap or a limit, `EACCES` for what the file behind a mapping does not allow, `EPERM`
    /// for sealed mappings.
    pub fn mprotect(&self, rights: &Rights, addr: usize, len: usize, prot: u32) -> Result<()> {
        let grows = prot & (g::PROT_GROWSDOWN | g::PROT_GROWSUP);
        let prot = prot & !(g::PROT_GROWSDOWN | g::PROT_GROWSUP);
        if grows == g::PROT_GROWSDOWN | g::PROT_GROWSUP || !addr.is_multiple_of(PAGE_SIZE) {
            return Err(Errno::INVAL);
        }
        if len == 0 {
            return Ok(());
        }
        let len = page_up(len);
        let end = addr.checked_add(len).filter(|&end| end > addr).ok_or(Errno::NOMEM)?;
        if prot & !(g::PROT_READ | g::PROT_WRITE | g::PROT_EXEC | g::PROT_SEM) != 0 {
            return Err(Errno::INVAL);
        }
        let prot = prot & !g::PROT_SEM;

        let mut inner = self.inner.lock();
        let inner = &mut *inner;
        if grows == 0
            && let Some(done) = inner.protect_plain(rights, addr, end, prot)
        {
            return done;
        }
        inner.sync_growth(addr, end);
        let first = inner.tree.find_next(addr).filter(|vma| vma.is_visible()).ok_or(Errno::NOMEM)?;
        let mut start = addr;
        if grows == g::PROT_GROWSDOWN {
            if first.start >= end {
                return Err(Errno::NOMEM);
            }
            start = first.start;
            if !first.flags.contains(VmFlags::GROWSDOWN) {
                return Err(Errno::INVAL);
            }
        } else if first.start > start {
            return Err(Errno::NOMEM);
        } else if grows == g::PROT_GROWSUP {
            // Nothing grows upwards on this architecture.
            return Err(Errno::INVAL);
        }

        // How far it goes before something refuses, and what that says. Mappings in a row that get the same
        // protection are changed by one host call.
        let mut at = start;
        let mut run = start;
        let mut run_prot = prot;
        let mut new_data = 0;
        let mut verdict = Ok(());
        let mut runs: [(usize, usize, u32); 2] = [(0, 0, 0); 2];
        let mut more = alloc::vec::Vec::new();
        let mut count = 0;
        let mut push = |from: usize, to: usize, prot: u32| {
            if from < to {
                match runs.get_mut(count) {
                    Some(slot) => *slot = (from, to, prot),
                    None => more.push((from, to, prot)),
                }
                count += 1;
            }
        };
        for vma in inner.tree.overlapping(start, end) {
            if vma.start.max(start) != at || !vma.is_visible() {
                verdict = Err(Errno::NOMEM);
                break;
            }
            let mut prot = prot;
            if rights.read_implies_exec && prot & g::PROT_READ != 0 && vma.flags.contains(VmFlags::MAYEXEC) {
                prot |= g::PROT_EXEC;
            }
            let may = (vma.flags.bits() >> 4) as u32 & 7;
            if prot & !may != 0 {
                verdict = Err(Errno::ACCESS);
                break;
            }
            let flags = vma.flags.with_prot(prot);
            let (from, to) = (vma.start.max(start), vma.end.min(end));
            if flags != vma.flags {
                if vma.flags.contains(VmFlags::SEALED) {
                    verdict = Err(Errno::PERM);
                    break;
                }
                if flags.is_data() && !vma.flags.is_data() {
                    new_data += to - from;
                    let now = inner.tree.sizes().data as u64;
                    if now + new_data as u64 > rights.data {
                        verdict = Err(Errno::NOMEM);
                        break;
                    }
                }
                let splits = usize::from(from > vma.start) + usize::from(to < vma.end);
                if inner.tree.count() + splits > MAX_MAP_COUNT.size() {
                    verdict = Err(Errno::NOMEM);
                    break;
                }
            }
            if prot != run_prot {
                push(run, at, run_prot);
                run = at;
                run_prot = prot;
            }
            at = to;
        }
        push(run, at, run_prot);
        if verdict.is_ok() && at < end {
            verdict = Err(Errno::NOMEM);
        }
        for (from, to, prot) in runs.into_iter().chain(more).filter(|(from, to, _)| from < to) {
            inner.protect_run(from, to, prot)?;
        }
        verdict
    }
}

impl Inner {
    /// The common case: a part of one mapping, and nothing that could refuse. `None`: look closer.
    fn protect_plain(&mut self, rights: &Rights, start: usize, end: usize, prot: u32) -> Option<Result<()>> {
        let special = VmFlags::SEALED | VmFlags::KERNEL | VmFlags::HOST;
        let vma = self.tree.find(start).filter(|vma| end <= vma.end && !vma.flags.intersects(special))?;
        let may = (vma.flags.bits() >> 4) as u32 & 7;
        let flags = vma.flags.with_prot(prot);
        let becomes_data = flags.is_data() && !vma.flags.is_data() && rights.data != u64::MAX;
        if prot & !may != 0
            || rights.read_implies_exec
            || becomes_data
            || self.tree.count() + 2 > MAX_MAP_COUNT.size()
        {
            return None;
        }
        Some(self.protect_run(start, end, prot))
    }

    /// Changes what is mapped without a gap and allowed to change.
    fn protect_run(&mut self, start: usize, end: usize, prot: u32) -> Result<()> {
        if prot & g::PROT_WRITE != 0 {
            // Whoever writes code wants to find the original bytes.
            self.restore_code(start, end);
        } else {
            self.settle_code(start, end);
        }
        host::memory::protect(start, end - start, prot)?;
        self.tree.update(start, end, |vma| {
            vma.flags = vma.flags.with_prot(prot);
            vma.note_write();
        });
        Ok(())
    }
}
