//! What the calls of sysvipc(7) share: commands and the layout of their structs.

use crate::Result;
use crate::ipc::ids::{Object, SetPerm};
use alloc::sync::Arc;

/// Commands that all three kinds have.
pub(super) struct Control;

impl Control {
    pub(super) const RMID: i32 = 0;
    pub(super) const SET: i32 = 1;
    pub(super) const STAT: i32 = 2;
    pub(super) const INFO: i32 = 3;
}

/// `struct ipc64_perm`, as `IPC_SET` reads it.
pub(super) type SetPerm64 = [u8; 48];

/// What counts of it.
pub(super) fn read_set_perm(bytes: &[u8]) -> SetPerm {
    let word =
        |at: usize| bytes.get(at..at + 4).and_then(|b| b.try_into().ok()).map_or(0, u32::from_ne_bytes);
    SetPerm { uid: word(4), gid: word(8), mode: word(20) }
}

/// Writes an `int` at `at`.
pub(super) fn put_word(out: &mut [u8], at: usize, value: i32) {
    out[at..at + 4].copy_from_slice(&value.to_ne_bytes());
}

/// Writes a `long` at `at`.
pub(super) fn put_long(out: &mut [u8], at: usize, value: i64) {
    out[at..at + 8].copy_from_slice(&value.to_ne_bytes());
}

/// The object for `IPC_STAT`, by identifier, or for the other commands, by slot; and what the call answers then.
pub(super) fn find_for_stat<T>(
    by_id: bool,
    id: i32,
    find: fn(i32) -> Result<Arc<Object<T>>>,
    find_slot: fn(i32) -> Result<Arc<Object<T>>>,
) -> Result<(Arc<Object<T>>, usize)> {
    if by_id {
        return Ok((find(id)?, 0));
    }
    let object = find_slot(id)?;
    let answer = object.id as usize;
    Ok((object, answer))
}

/// Seconds since the epoch.
pub(super) fn now() -> i64 {
    (host::clock::realtime_ns() / 1_000_000_000) as i64
}
