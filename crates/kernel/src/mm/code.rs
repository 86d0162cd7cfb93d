//! Patched system-call sites.

use super::space::Inner;
use crate::task::Current;

/// The patches of one address space.
#[derive(Clone, Debug, Default)]
pub struct Patches {}

impl Inner {
    /// `start..end` is about to be unmapped: patches in it are gone.
    pub(super) fn forget_code(&mut self, _start: usize, _end: usize) {}
    /// `start..end` is about to be replaced: patches in it are gone, and those whose trampolines lie there are undone.
    pub(super) fn evict_code(&mut self, _start: usize, _end: usize) {}
    /// `start..end` is about to be written by the program: its bytes become the original ones.
    pub(super) fn restore_code(&mut self, _start: usize, _end: usize) {}
}

/// A system call came by SIGSYS: patch the site (`rip - 2`) if that can be done, and set `rip` to where the
/// program goes on.
pub fn on_trap(_cur: &mut Current<'_>) {}
/// Sites patched by route and sites left as traps, for `--stats`.
pub fn write_stats(_out: &mut alloc::string::String) {}
