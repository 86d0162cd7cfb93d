//! Where the kernel image lies in the file of this very executable, so that it can be mapped from there.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{FileExt as _, MetadataExt as _};

/// This executable, and where in it the bytes lie that are at `address` in memory. `None` where that cannot be
/// told: without /proc, for instance, or when this process is not as a program's usually is.
pub fn locate(address: usize, image: &[u8]) -> Option<(File, u64)> {
    if !is_alone() {
        return None;
    }
    let file = File::open("/proc/self/exe").ok()?;
    let offset = offset_in(&file, address, program_headers_address()?).ok()??;
    // Cheap, and whatever was misunderstood above would show.
    let mut head = [0; 4096];
    let head = &mut head[..image.len().min(4096)];
    file.read_exact_at(head, offset).ok()?;
    (image.starts_with(head) && offset.is_multiple_of(4096)).then_some((file, offset))
}

/// Whether no other thread runs here, which a preloaded library may have started.
fn is_alone() -> bool {
    // A directory's own links and one for each thread.
    fs::metadata("/proc/self/task").is_ok_and(|task| task.nlink() == 3)
}

/// `AT_PHDR` of getauxval(3).
fn program_headers_address() -> Option<usize> {
    const AT_PHDR: usize = 3;
    let vector = fs::read("/proc/self/auxv").ok()?;
    let word = |bytes: &[u8; 8]| usize::from_ne_bytes(*bytes);
    vector
        .as_chunks::<8>()
        .0
        .chunks_exact(2)
        .find(|pair| word(&pair[0]) == AT_PHDR)
        .map(|pair| word(&pair[1]))
}

/// The offset in an ELF file (elf(5)) of what is at `address`, when the program headers are at `headers_address`.
fn offset_in(file: &File, address: usize, headers_address: usize) -> io::Result<Option<u64>> {
    const PT_LOAD: u32 = 1;
    const HEADER_LEN: usize = 56;
    let mut head = [0; 4096];
    let len = file.read_at(&mut head, 0)?;
    let head = &head[..len];
    let word = |at: usize| {
        let bytes =
            at.checked_add(8).and_then(|end| head.get(at..end)).and_then(|bytes| bytes.try_into().ok());
        bytes.map(u64::from_le_bytes)
    };
    let (Some(phoff), Some(phnum)) = (word(32), word(56)) else { return Ok(None) };
    let segments = || {
        (0..usize::from(phnum as u16)).filter_map(|n| {
            let at = usize::try_from(phoff).ok()?.checked_add(n * HEADER_LEN)?;
            let load = word(at)? as u32 == PT_LOAD;
            load.then_some((word(at + 8)?, word(at + 16)?, word(at + 32)?))
        })
    };
    // The headers lie in a segment themselves: that tells how far the program was moved.
    let holds = |from: u64, len: u64, what: u64| what.checked_sub(from).filter(|&distance| distance < len);
    let headers_vaddr = segments()
        .find_map(|(offset, vaddr, len)| holds(offset, len, phoff).and_then(|into| vaddr.checked_add(into)));
    let Some(moved) = headers_vaddr.map(|vaddr| (headers_address as u64).wrapping_sub(vaddr)) else {
        return Ok(None);
    };
    let vaddr = (address as u64).wrapping_sub(moved);
    Ok(segments().find_map(|(offset, start, len)| Some(offset + holds(start, len, vaddr)?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    static WITNESS: [u8; 32] = *b"here I am, in the file as loaded";

    #[test]
    fn bytes_in_memory_are_found_in_the_file() {
        let file = File::open("/proc/self/exe").unwrap();
        let headers = program_headers_address().unwrap();
        let offset = offset_in(&file, WITNESS.as_ptr() as usize, headers).unwrap().unwrap();
        let mut found = [0; 32];
        file.read_exact_at(&mut found, offset).unwrap();
        assert_eq!(found, WITNESS);
        // Not of the file: this variable.
        let local = 0u8;
        assert_eq!(offset_in(&file, &raw const local as usize, headers).unwrap(), None);
    }

    #[test]
    fn a_process_with_threads_is_not_taken() {
        // The harness runs tests in threads.
        assert!(!is_alone());
    }
}
