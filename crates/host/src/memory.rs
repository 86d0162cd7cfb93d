//! Host mappings in user space: mmap(2) and its relatives, for user addresses only.
//!
//! Every function refuses a range that is not user space ([`is_user_range`]) with `EINVAL`. User memory is never
//! under a Rust reference, so replacing, moving or removing it cannot break the kernel's own objects: that is
//! what makes these functions safe. What is mapped where is the business of `kernel::mm`; here is no memory of it.

use crate::file::HostFd;
use crate::layout::{PAGE_SIZE, is_user_range};
use crate::mutex::Mutex;
use crate::{Errno, Result, check, syscall2, syscall3, syscall4, syscall5, syscall6};
use linux_raw_sys::general as g;

/// What a mapping holds.
#[derive(Clone, Copy, Debug)]
pub enum Content<'a> {
    /// Zero pages.
    Anonymous,
    /// An open host file from this offset on (bytes, page aligned).
    File(&'a HostFd, u64),
}

fn check_range(addr: usize, len: usize) -> Result<()> {
    if is_user_range(addr, len) { Ok(()) } else { Err(Errno::INVAL) }
}

/// mmap(2) at exactly `addr`. `flags` are `MAP_*` bits, of which exactly one of `MAP_SHARED` and `MAP_PRIVATE`;
/// `MAP_FIXED` is added unless `MAP_FIXED_NOREPLACE` is given, `MAP_ANONYMOUS` as `content` says.
///
/// # Errors
/// Those of mmap(2); `EINVAL` outside user space.
pub fn map(addr: usize, len: usize, prot: u32, flags: u32, content: Content<'_>) -> Result<()> {
    check_range(addr, len)?;
    let mut flags = flags & !(g::MAP_ANONYMOUS | g::MAP_FIXED);
    if flags & g::MAP_FIXED_NOREPLACE == 0 {
        flags |= g::MAP_FIXED;
    }
    let (fd, offset) = match content {
        Content::Anonymous => {
            flags |= g::MAP_ANONYMOUS;
            (usize::MAX, 0)
        }
        Content::File(fd, offset) => (fd.raw() as usize, offset as usize),
    };
    // SAFETY: the range is user space and the address fixed, so no kernel memory is replaced.
    let at = check(unsafe { syscall6(g::__NR_mmap, addr, len, prot as usize, flags as usize, fd, offset) })?;
    debug_assert_eq!(at, addr, "a host without MAP_FIXED_NOREPLACE");
    Ok(())
}

/// munmap(2).
///
/// # Errors
/// Those of munmap(2); `EINVAL` outside user space.
pub fn unmap(addr: usize, len: usize) -> Result<()> {
    check_range(addr, len)?;
    // SAFETY: user memory only.
    check(unsafe { syscall2(g::__NR_munmap, addr, len) }).map(drop)
}

/// mprotect(2).
///
/// # Errors
/// Those of mprotect(2); `EINVAL` outside user space.
pub fn protect(addr: usize, len: usize, prot: u32) -> Result<()> {
    check_range(addr, len)?;
    // SAFETY: user memory only.
    check(unsafe { syscall3(g::__NR_mprotect, addr, len, prot as usize) }).map(drop)
}

/// mremap(2) to exactly `to` (`None`: stay, shrink or grow in place). `flags` may hold `MREMAP_DONTUNMAP`; what
/// moving needs is added.
///
/// # Errors
/// Those of mremap(2); `EINVAL` when either range is outside user space.
pub fn remap(addr: usize, old_len: usize, new_len: usize, flags: u32, to: Option<usize>) -> Result<()> {
    check_range(addr, old_len)?;
    check_range(to.unwrap_or(addr), new_len)?;
    let flags = match to {
        Some(_) => flags | g::MREMAP_MAYMOVE | g::MREMAP_FIXED,
        None => flags & !(g::MREMAP_MAYMOVE | g::MREMAP_FIXED),
    };
    let to = to.unwrap_or(0);
    // SAFETY: both ranges are user memory, and without MREMAP_MAYMOVE the host cannot choose another place.
    check(unsafe { syscall5(g::__NR_mremap, addr, old_len, new_len, flags as usize, to) }).map(drop)
}

/// madvise(2).
///
/// # Errors
/// Those of madvise(2); `EINVAL` outside user space.
pub fn advise(addr: usize, len: usize, advice: u32) -> Result<()> {
    check_range(addr, len)?;
    // SAFETY: user memory only; advice that drops or poisons pages does so to the program's own.
    check(unsafe { syscall3(g::__NR_madvise, addr, len, advice as usize) }).map(drop)
}

/// msync(2).
///
/// # Errors
/// Those of msync(2); `EINVAL` outside user space.
pub fn sync(addr: usize, len: usize, flags: u32) -> Result<()> {
    check_range(addr, len)?;
    // SAFETY: user memory only.
    check(unsafe { syscall3(g::__NR_msync, addr, len, flags as usize) }).map(drop)
}

/// mlock2(2); `flags` may hold `MLOCK_ONFAULT`.
///
/// # Errors
/// Those of mlock2(2); `EINVAL` outside user space.
pub fn lock(addr: usize, len: usize, flags: u32) -> Result<()> {
    check_range(addr, len)?;
    // SAFETY: user memory only.
    check(unsafe { syscall3(g::__NR_mlock2, addr, len, flags as usize) }).map(drop)
}

/// munlock(2).
///
/// # Errors
/// Those of munlock(2); `EINVAL` outside user space.
pub fn unlock(addr: usize, len: usize) -> Result<()> {
    check_range(addr, len)?;
    // SAFETY: user memory only.
    check(unsafe { syscall2(g::__NR_munlock, addr, len) }).map(drop)
}

/// mincore(2): bit 0 of each byte of `pages` says whether that page from `addr` on is in memory.
///
/// # Errors
/// `ENOMEM` when not all of it is mapped; `EINVAL` outside user space.
pub fn resident(addr: usize, pages: &mut [u8]) -> Result<()> {
    let len = pages.len() * PAGE_SIZE;
    check_range(addr, len)?;
    // SAFETY: the slice has a byte for each page.
    check(unsafe { syscall3(g::__NR_mincore, addr, len, pages.as_mut_ptr() as usize) }).map(drop)
}

/// Whether the page at `addr` is mapped on the host.
pub fn is_mapped(addr: usize) -> bool {
    resident(addr, &mut [0]).is_ok()
}

/// Sets the soft `RLIMIT_STACK` of the host process: how far the host extends downward-growing mappings.
///
/// # Errors
/// `EINVAL` when it is above the hard limit.
pub fn limit_stack(bytes: u64) -> Result<()> {
    let (soft, hard) = crate::boot::host_limit(g::RLIMIT_STACK);
    if soft == bytes {
        return Ok(());
    }
    let limit = [bytes, hard];
    // SAFETY: reads one `struct rlimit64`.
    check(unsafe { syscall4(g::__NR_prlimit64, 0, g::RLIMIT_STACK as usize, limit.as_ptr() as usize, 0) })
        .map(drop)
}

/// membarrier(2) with a command and flags; -1 as processor: all.
///
/// # Errors
/// Those of membarrier(2).
pub fn membarrier(command: u32, flags: u32, cpu: i32) -> Result<usize> {
    // SAFETY: no memory is involved.
    check(unsafe { syscall3(g::__NR_membarrier, command as usize, flags as usize, cpu as usize) })
}

/// Random bytes of the host that nobody has had yet, the last ones first.
static RANDOM: Mutex<([u8; 256], usize)> = Mutex::new(([0; 256], 0));

/// Random bytes for addresses and guards, a few at a time; never waits: early in boot the host may have none yet.
///
/// # Errors
/// `EAGAIN`.
pub fn random(buf: &mut [u8]) -> Result<()> {
    let mut pool = RANDOM.lock();
    let (bytes, left) = &mut *pool;
    if buf.len() > bytes.len() {
        return fresh_random(buf);
    }
    if buf.len() > *left {
        fresh_random(bytes)?;
        *left = bytes.len();
    }
    let taken = &mut bytes[*left - buf.len()..*left];
    buf.copy_from_slice(taken);
    taken.fill(0);
    *left -= buf.len();
    Ok(())
}

/// getrandom(2), never blocking.
fn fresh_random(buf: &mut [u8]) -> Result<()> {
    let mut done = 0;
    while done < buf.len() {
        let rest = &mut buf[done..];
        // SAFETY: the slice is live and writable; GRND_NONBLOCK is 1.
        done += check(unsafe { syscall3(g::__NR_getrandom, rest.as_mut_ptr() as usize, rest.len(), 1) })?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT: usize = 0x1234_5600_0000;

    #[test]
    fn kernel_range_is_refused() {
        let kernel = crate::layout::KERNEL_START;
        let flags = g::MAP_PRIVATE;
        assert_eq!(map(kernel, PAGE_SIZE, 0, flags, Content::Anonymous), Err(Errno::INVAL));
        assert_eq!(unmap(kernel, PAGE_SIZE), Err(Errno::INVAL));
        assert_eq!(unmap(0, usize::MAX), Err(Errno::INVAL));
        assert_eq!(remap(AT, PAGE_SIZE, PAGE_SIZE, 0, Some(kernel)), Err(Errno::INVAL));
    }

    #[test]
    fn maps_moves_and_unmaps() {
        let flags = g::MAP_PRIVATE;
        map(AT, 4 * PAGE_SIZE, g::PROT_READ | g::PROT_WRITE, flags, Content::Anonymous).unwrap();
        let noreplace = flags | g::MAP_FIXED_NOREPLACE;
        assert_eq!(map(AT, PAGE_SIZE, 0, noreplace, Content::Anonymous), Err(Errno::EXIST));
        remap(AT, PAGE_SIZE, PAGE_SIZE, 0, Some(AT + 16 * PAGE_SIZE)).unwrap();
        assert!(!is_mapped(AT) && is_mapped(AT + PAGE_SIZE) && is_mapped(AT + 16 * PAGE_SIZE));
        unmap(AT, 17 * PAGE_SIZE).unwrap();
        assert!(!is_mapped(AT + PAGE_SIZE));
    }
}
