//! membarrier(2): the host's, with books of our own about what the program has registered for, because patching
//! code registers too.

use super::space::AddressSpace;
use crate::{Errno, Result};
use linux_raw_sys::general::membarrier_cmd as cmd;

const GLOBAL: u32 = cmd::MEMBARRIER_CMD_GLOBAL as u32;
const GLOBAL_EXPEDITED: u32 = cmd::MEMBARRIER_CMD_GLOBAL_EXPEDITED as u32;
const REGISTER_GLOBAL_EXPEDITED: u32 = cmd::MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED as u32;
const PRIVATE_EXPEDITED: u32 = cmd::MEMBARRIER_CMD_PRIVATE_EXPEDITED as u32;
const REGISTER_PRIVATE_EXPEDITED: u32 = cmd::MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED as u32;
const SYNC_CORE: u32 = cmd::MEMBARRIER_CMD_PRIVATE_EXPEDITED_SYNC_CORE as u32;
const REGISTER_SYNC_CORE: u32 = cmd::MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_SYNC_CORE as u32;
const GET_REGISTRATIONS: u32 = 1 << 9;

/// The commands there are; those for restartable sequences are not, as rseq(2) is not.
const OFFERED: u32 = GLOBAL
    | GLOBAL_EXPEDITED
    | REGISTER_GLOBAL_EXPEDITED
    | PRIVATE_EXPEDITED
    | REGISTER_PRIVATE_EXPEDITED
    | SYNC_CORE
    | REGISTER_SYNC_CORE
    | GET_REGISTRATIONS;

impl AddressSpace {
    /// membarrier(2). `QUERY` answers the commands that both the host and this kernel have.
    ///
    /// # Errors
    /// `EINVAL` for unknown commands and flags; `EPERM` without registration.
    pub fn membarrier(&self, command: i32, flags: u32) -> Result<usize> {
        if flags != 0 {
            return Err(Errno::INVAL);
        }
        let host = |command: u32| host::memory::membarrier(command, 0, 0);
        let command = command as u32;
        if command == cmd::MEMBARRIER_CMD_QUERY as u32 {
            return Ok(host(command)? & OFFERED as usize);
        }
        if !command.is_power_of_two() || command & OFFERED == 0 {
            return Err(Errno::INVAL);
        }
        match command {
            GET_REGISTRATIONS => Ok(self.inner.lock().membarrier as usize),
            REGISTER_GLOBAL_EXPEDITED | REGISTER_PRIVATE_EXPEDITED | REGISTER_SYNC_CORE => {
                host(command)?;
                self.inner.lock().membarrier |= command;
                Ok(0)
            }
            PRIVATE_EXPEDITED | SYNC_CORE => {
                // Each registration is the bit above its command.
                if self.inner.lock().membarrier & command << 1 == 0 {
                    return Err(Errno::PERM);
                }
                match host(command) {
                    // A forked child of the host begins unregistered; ours inherits.
                    Err(Errno::PERM) => host(command << 1).and_then(|_| host(command)),
                    other => other,
                }
            }
            _ => host(command),
        }
    }
}
