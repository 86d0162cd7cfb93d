//! What `execve` has to know about a file: is it a script or an ELF image, which pieces of it belong where
//! in memory, and what lies on the stack when its first instruction runs.
//!
//! Bytes come in through [`ReadAt`], plans go out: nothing here maps, opens or enters anything. The kernel
//! (`mm`, `task`) carries the plans out and owns every policy: address-space layout, credentials, limits on
//! recursion of scripts. Also here, because they read the same tables: the function around an address
//! ([`function_range`], for the rewriter) and the symbol nearest to one ([`symbolize`], for reports).
//!
//! Sources of facts: elf(5), execve(2), getauxval(3), the System V ABI for AMD64, and the behaviour of Linux
//! itself, which `tests/linux_verdict.rs` asks about every kind of broken file.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

mod error;
mod executable;
mod raw;
mod script;
mod stack;
mod symbols;
mod unwind;

pub use error::LoadError;
pub use executable::{Executable, Kind, Prot, Segment, parse, parse_interpreter};
pub use script::{Format, HEAD_LEN, Script, identify};
pub use stack::{InitialStack, MAX_ARG_STRLEN, StackSpec, argument_limit, initial_stack};
pub use symbols::symbolize;
pub use unwind::function_range;

/// Bytes per page.
pub const PAGE_SIZE: u64 = 4096;

/// One past the highest user address of a process with four-level page tables (`TASK_SIZE`): the last page
/// below the canonical hole stays unused.
pub const TASK_SIZE: u64 = 0x7fff_ffff_f000;

/// A file that can be read at any offset, as pread(2) does.
pub trait ReadAt {
    /// Read up to `buf.len()` bytes from `offset` on; fewer only at the end of the file, 0 past it. The error
    /// is an errno.
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<usize, i32>;

    /// Length of the file in bytes.
    fn size(&self) -> u64;
}

impl ReadAt for &[u8] {
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<usize, i32> {
        let rest = usize::try_from(offset).ok().and_then(|start| self.get(start..)).unwrap_or(&[]);
        let count = rest.len().min(buf.len());
        buf[..count].copy_from_slice(&rest[..count]);
        Ok(count)
    }

    fn size(&self) -> u64 {
        self.len() as u64
    }
}

/// Fill `buf` from `offset`, across short reads. `Ok(false)`: the file ends before `buf` is full.
fn read_full(src: &dyn ReadAt, mut offset: u64, mut buf: &mut [u8]) -> Result<bool, LoadError> {
    while !buf.is_empty() {
        let count = src.read_at(offset, buf).map_err(LoadError::Io)?.min(buf.len());
        if count == 0 {
            return Ok(false);
        }
        buf = &mut buf[count..];
        let Some(next) = offset.checked_add(count as u64) else { return Ok(false) };
        offset = next;
    }
    Ok(true)
}

/// Round down to a page boundary.
const fn page_down(address: u64) -> u64 {
    address & !(PAGE_SIZE - 1)
}

/// Round up to a page boundary; `None` when that overflows.
fn page_up(address: u64) -> Option<u64> {
    address.checked_add(PAGE_SIZE - 1).map(page_down)
}
