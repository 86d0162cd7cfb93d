//! The kernel image started in the process that carries it, without an exec: its segments are mapped from the
//! carrier's own file, where the host's page cache holds them for all instances, and its first instruction is jumped
//! to. Compared with an exec of a copy of the image, that spares making and freeing the copy and the exec itself.
//!
//! Called by the command line. What is left of it (code, heap, libraries) the kernel unmaps at boot
//! (`kernel::mm::host_ranges`); what an exec would have done besides is done here: signal handlers, restartable
//! sequences, the robust list. The stack stays, as one that the host would have made:
//!
//! ```text
//!     the carrier's frames, never returned to
//!     argument strings
//!     auxv, argv, argc                <- rsp at the image's first instruction
//! ```

use crate::io::IoDst;
use crate::layout::{ARENA_LEN, ARENA_START, KERNEL_START, PAGE_SIZE};
use crate::{Errno, Result, check, syscall1, syscall2, syscall4, syscall6};
use core::ffi::CStr;
use core::mem::zeroed;
use linux_raw_sys::elf_uapi::{PF_R, PF_W, PF_X, PT_LOAD};
use linux_raw_sys::general as g;
use rustix::fd::{AsFd, AsRawFd as _};

/// Third argument of an image that was started here: the address space holds what is left of its carrier.
pub const IN_PLACE: &CStr = c"in-place";

/// What the image finds at its stack pointer.
#[repr(C, align(16))]
struct InitialStack {
    words: [usize; 192],
    strings: [u8; 256],
}

/// Becomes the kernel image `image`, of which the open file `file` has a copy at `offset`, with `args` and
/// [`IN_PLACE`] as arguments. Returns only with an error; the process is as it was then, but without restartable
/// sequences and handlers of signals.
///
/// The caller is alone in its process. As after an exec, nothing of it runs again.
///
/// # Errors
/// `ENOEXEC` for an image that is not one, `EBUSY` when something of the process cannot be given up, those of
/// mmap(2).
pub fn in_place(file: impl AsFd, offset: u64, image: &[u8], args: [&CStr; 2]) -> Errno {
    // SAFETY: zeros are valid words and bytes.
    let mut stack: InitialStack = unsafe { zeroed() };
    let prepared = fill(&mut stack, args).and_then(|()| entry(image)).and_then(|entry| {
        map(file.as_fd().as_raw_fd(), offset, image)?;
        give_up_the_process()
            .inspect_err(|_| segments(image).flatten().for_each(|segment| unmap(&segment)))?;
        Ok(entry)
    });
    drop(file);
    match prepared {
        // SAFETY: the image is mapped, and its entry takes a stack as the host makes it. Nothing of this program
        // runs again.
        Ok(entry) => unsafe { crate::arch::jump_on_stack(&raw const stack as usize, entry) },
        Err(errno) => errno,
    }
}

/// Writes arguments and auxiliary vector.
fn fill(stack: &mut InitialStack, args: [&CStr; 2]) -> Result<()> {
    let mut words = stack.words.iter_mut();
    let mut put = |value: usize| words.next().map(|word| *word = value).ok_or(Errno::TOOBIG);
    let args = [args[0], args[1], IN_PLACE];
    put(args.len())?;
    let mut at = 0;
    for arg in args.map(CStr::to_bytes_with_nul) {
        let place = stack.strings.get_mut(at..at + arg.len()).ok_or(Errno::TOOBIG)?;
        place.copy_from_slice(arg);
        put(place.as_ptr() as usize)?;
        at += arg.len();
    }
    // The ends of argv and of an empty environment.
    put(0)?;
    put(0)?;
    let auxv = crate::file::open(None, b"/proc/self/auxv", g::O_RDONLY, 0, 0)?;
    let mut bytes = [0; 64 * 16];
    let len = auxv.read(&mut IoDst::kernel(&mut bytes), None)?;
    for word in bytes[..len].as_chunks::<8>().0 {
        put(usize::from_ne_bytes(*word))?;
    }
    // Its end, should the file have been longer.
    put(0)?;
    put(0)
}

/// A program header, as far as it is needed.
struct Segment {
    prot: u32,
    file_offset: u64,
    vaddr: usize,
    file_len: usize,
    mem_len: usize,
}

fn word(image: &[u8], at: usize) -> Result<u64> {
    let bytes = at.checked_add(8).and_then(|end| image.get(at..end)).and_then(|bytes| bytes.try_into().ok());
    bytes.map(u64::from_le_bytes).ok_or(Errno::NOEXEC)
}

/// The segments to be loaded (elf(5)), each inside the image's address range and the file.
fn segments(image: &[u8]) -> impl Iterator<Item = Result<Segment>> {
    let headers = word(image, 32).map_or(0, |phoff| phoff as usize);
    let count = word(image, 56).map_or(0, |word| word as u16);
    (0..usize::from(count)).filter_map(move |n| {
        let segment = || {
            let at = headers.checked_add(n * 56).ok_or(Errno::NOEXEC)?;
            let kind = word(image, at)?;
            if kind as u32 != PT_LOAD {
                return Ok(None);
            }
            let flags = (kind >> 32) as u32;
            let bit = |from, to| if flags & from != 0 { to } else { 0 };
            let segment = Segment {
                prot: bit(PF_R, g::PROT_READ) | bit(PF_W, g::PROT_WRITE) | bit(PF_X, g::PROT_EXEC),
                file_offset: word(image, at + 8)?,
                vaddr: word(image, at + 16)? as usize,
                file_len: word(image, at + 32)? as usize,
                mem_len: word(image, at + 40)? as usize,
            };
            let end = segment.vaddr.checked_add(segment.mem_len).ok_or(Errno::NOEXEC)?;
            let file_end = segment.file_offset.checked_add(segment.file_len as u64).ok_or(Errno::NOEXEC)?;
            let aligned = segment.file_offset as usize % PAGE_SIZE == segment.vaddr % PAGE_SIZE;
            let inside = segment.vaddr >= KERNEL_START
                && end <= ARENA_START + ARENA_LEN
                && file_end <= image.len() as u64;
            let fits = aligned && inside && segment.file_len <= segment.mem_len;
            if fits { Ok(Some(segment)) } else { Err(Errno::NOEXEC) }
        };
        segment().transpose()
    })
}

fn entry(image: &[u8]) -> Result<usize> {
    let entry = word(image, 24)? as usize;
    let ranges = segments(image).flatten().map(|segment| segment.vaddr..segment.vaddr + segment.file_len);
    let known = image.starts_with(b"\x7fELF\x02") && ranges.into_iter().any(|range| range.contains(&entry));
    if known { Ok(entry) } else { Err(Errno::NOEXEC) }
}

/// First and one past the last byte of the pages of a segment.
fn span(segment: &Segment) -> (usize, usize) {
    (segment.vaddr & !(PAGE_SIZE - 1), (segment.vaddr + segment.mem_len).next_multiple_of(PAGE_SIZE))
}

fn map(fd: i32, offset: u64, image: &[u8]) -> Result<()> {
    for (done, segment) in segments(image).enumerate() {
        let mapped = segment.and_then(|segment| {
            reserve(span(&segment))?;
            map_segment(fd, offset, &segment).inspect_err(|_| unmap(&segment))
        });
        if mapped.is_err() {
            segments(image).take(done).flatten().for_each(|segment| unmap(&segment));
            return mapped;
        }
    }
    Ok(())
}

/// Takes a range that is the kernel's and where nothing is mapped yet.
fn reserve((start, end): (usize, usize)) -> Result<()> {
    let flags = (g::MAP_PRIVATE | g::MAP_ANONYMOUS | g::MAP_NORESERVE | g::MAP_FIXED_NOREPLACE) as usize;
    // SAFETY: NOREPLACE keeps whatever might be there.
    let at = check(unsafe { syscall6(g::__NR_mmap, start, end - start, 0, flags, usize::MAX, 0) })?;
    if at != start {
        // A host that does not know the flag took the address for a wish.
        // SAFETY: the mapping just made.
        unsafe { syscall2(g::__NR_munmap, at, end - start) };
        return Err(Errno::EXIST);
    }
    Ok(())
}

fn map_segment(fd: i32, offset: u64, segment: &Segment) -> Result<()> {
    let skip = segment.vaddr % PAGE_SIZE;
    let start = segment.vaddr - skip;
    let file_end = segment.vaddr + segment.file_len;
    let end = segment.vaddr + segment.mem_len;
    let map_fixed = |start: usize, end: usize, flags: u32, fd: i32, offset: u64| {
        let flags = (flags | g::MAP_PRIVATE | g::MAP_FIXED) as usize;
        let (prot, fd) = (segment.prot as usize, fd as isize as usize);
        // SAFETY: inside the range that `map` has just reserved.
        check(unsafe { syscall6(g::__NR_mmap, start, end - start, prot, flags, fd, offset as usize) })
    };
    let zero_from = if segment.file_len > 0 {
        map_fixed(start, file_end, 0, fd, offset + segment.file_offset - skip as u64)?;
        file_end.next_multiple_of(PAGE_SIZE)
    } else {
        start
    };
    let end = end.next_multiple_of(PAGE_SIZE);
    if zero_from < end {
        map_fixed(zero_from, end, g::MAP_ANONYMOUS, -1, 0)?;
    }
    if segment.mem_len > segment.file_len && segment.prot & g::PROT_WRITE != 0 && segment.file_len > 0 {
        // SAFETY: the rest of the segment's last page of the file, just mapped, private and writable.
        unsafe { core::ptr::write_bytes(file_end as *mut u8, 0, zero_from - file_end) };
    }
    Ok(())
}

/// Takes the mapping of a segment back.
fn unmap(segment: &Segment) {
    let (start, end) = span(segment);
    // SAFETY: mapped by `map`, and not entered.
    unsafe { syscall2(g::__NR_munmap, start, end - start) };
}

/// What of the process points into memory that is going to be unmapped.
fn give_up_the_process() -> Result<()> {
    const ARCH_SHSTK_STATUS: usize = 0x5005;
    let mut features = 0u64;
    // SAFETY: writes one word; hosts and processors without shadow stacks refuse.
    let asked = unsafe { syscall2(g::__NR_arch_prctl, ARCH_SHSTK_STATUS, &raw mut features as usize) };
    if asked == 0 && features != 0 {
        return Err(Errno::BUSY);
    }
    leave_rseq()?;
    // SAFETY: no memory is involved: there is no word to clear and no list to walk at the thread's end.
    unsafe {
        syscall1(g::__NR_set_tid_address, 0);
        syscall2(g::__NR_set_robust_list, 0, size_of::<g::robust_list_head>());
    }
    for signo in 1..=64 {
        let mut old = [0usize; 4];
        // SAFETY: a `struct kernel_sigaction` of four words; a handler is replaced by SIG_DFL, as by an exec.
        unsafe {
            syscall4(g::__NR_rt_sigaction, signo, 0, &raw mut old as usize, 8);
            if old[0] > 1 {
                let default = [0usize; 4];
                syscall4(g::__NR_rt_sigaction, signo, &raw const default as usize, 0, 8);
            }
        }
    }
    Ok(())
}

/// rseq(2): the host writes to the thread's area whenever the thread is moved.
fn leave_rseq() -> Result<()> {
    /// `RSEQ_SIG` of glibc and of the host's own tests, and `RSEQ_FLAG_UNREGISTER`.
    const SIGNATURE: usize = 0x5305_3053;
    const UNREGISTER: usize = 1;
    #[repr(C, align(32))]
    struct Area([u32; 8]);

    if let Some((area, len)) = crate::arch::libc_rseq() {
        // The size that libc tells may be that of the fields in use; 32 bytes is the least that is registered.
        // SAFETY: only ends what libc has begun; the area is not needed any more.
        unsafe { syscall4(g::__NR_rseq, area, len.max(32), UNREGISTER, SIGNATURE) };
    }
    // Nothing may be left, whoever registered it: only then can an area be registered.
    let area = Area([0; 8]);
    let at = &raw const area as usize;
    // SAFETY: a live area, given up at once.
    match check(unsafe { syscall4(g::__NR_rseq, at, size_of::<Area>(), 0, SIGNATURE) }) {
        Ok(_) => {
            // SAFETY: as above.
            unsafe { syscall4(g::__NR_rseq, at, size_of::<Area>(), UNREGISTER, SIGNATURE) };
            Ok(())
        }
        Err(Errno::NOSYS) => Ok(()),
        Err(_) => Err(Errno::BUSY),
    }
}
