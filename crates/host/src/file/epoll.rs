//! The host's epoll, in the place of wait queues: files behind which stands a host descriptor cannot tell the kernel
//! when they become ready, the host can.

use super::HostFd;
use crate::{Errno, Result, check, syscall1, syscall4};
use alloc::sync::Arc;
use linux_raw_sys::general as g;

/// A set of host descriptors whose changes are reported once each.
#[derive(Debug)]
pub struct HostEpoll(Arc<HostFd>);

/// `struct epoll_event`, which is packed on x86-64.
#[repr(C, packed)]
#[derive(Clone, Copy, Default)]
struct Event {
    events: u32,
    data: u64,
}

/// How many changes one harvest takes.
const BATCH: usize = 32;

impl HostEpoll {
    /// An empty set.
    ///
    /// # Errors
    /// Those of epoll_create(2).
    pub fn new() -> Result<HostEpoll> {
        // SAFETY: no memory is involved.
        let raw = check(unsafe { syscall1(g::__NR_epoll_create1, g::EPOLL_CLOEXEC as usize) })?;
        Ok(HostEpoll(Arc::new(HostFd::adopt(raw as i32))))
    }

    /// The descriptor, readable when there is something to harvest.
    pub fn fd(&self) -> &Arc<HostFd> {
        &self.0
    }

    /// Watches `fd` for every kind of change (`EPOLLET`); they are reported with its number. Closing the descriptor
    /// ends that. One that is watched already is reported once more if it is ready.
    ///
    /// # Errors
    /// `EPERM` for files that are always ready; those of epoll_ctl(2).
    pub fn watch(&self, fd: &HostFd) -> Result<()> {
        let mut event = Event {
            events: g::EPOLLIN | g::EPOLLOUT | g::EPOLLPRI | g::EPOLLRDHUP | g::EPOLLET,
            data: fd.raw() as u64,
        };
        match self.control(g::EPOLL_CTL_ADD, fd, &mut event) {
            Err(Errno::EXIST) => self.control(g::EPOLL_CTL_MOD, fd, &mut event),
            result => result,
        }
    }

    /// Watches `fd` no longer.
    pub fn forget(&self, fd: &HostFd) {
        // One that is not there is as good.
        let _ = self.control(g::EPOLL_CTL_DEL, fd, &mut Event::default());
    }

    fn control(&self, op: u32, fd: &HostFd, event: &mut Event) -> Result<()> {
        let args = [self.0.raw() as usize, op as usize, fd.raw() as usize, &raw mut *event as usize];
        // SAFETY: `event` is live and laid out as the host's struct.
        check(unsafe { syscall4(g::__NR_epoll_ctl, args[0], args[1], args[2], args[3]) })?;
        Ok(())
    }

    /// Takes changes since the last harvest, without waiting: `change` gets each descriptor's number and events.
    pub fn harvest(&self, mut change: impl FnMut(i32, u32)) {
        let mut events = [Event::default(); BATCH];
        loop {
            // SAFETY: the array is live and of the length given.
            let raw = unsafe {
                syscall4(g::__NR_epoll_wait, self.0.raw() as usize, events.as_mut_ptr() as usize, BATCH, 0)
            };
            let count = check(raw).unwrap_or(0).min(BATCH);
            for event in &events[..count] {
                change(event.data as i32, event.events);
            }
            if count < BATCH {
                return;
            }
        }
    }
}
