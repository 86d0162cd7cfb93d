//! Wait queues: who wants to be told, and the sleep of the current thread.
//!
//! The pattern is always: register, look, sleep, look again. A wake between looking and sleeping is kept in the
//! thread's parker, so it is never lost.

use crate::vfs::{PollEvents, PollTable};
use crate::{ERESTARTSYS, Errno, Result};
use alloc::{sync::Arc, vec::Vec};
use core::sync::atomic::{AtomicUsize, Ordering::*};
use host::mutex::Mutex;
use host::park::Parker;

/// Somebody who can be woken.
pub trait Wake: Send + Sync {
    /// Something happened; `events` says what, as far as the waker knows.
    fn wake(&self, events: PollEvents);

    /// As [`wake`](Self::wake), with all others of a queue. Those of whom one is enough do nothing when `taken` is set, and
    /// set it.
    fn wake_among(&self, events: PollEvents, _taken: &mut bool) {
        self.wake(events);
    }
}

/// A point on the monotonic clock, in nanoseconds, until which to wait; `None`: for ever.
pub type Deadline = Option<u64>;

/// The last number given out, and who waits under which number.
type List = (u64, Vec<(u64, Arc<dyn Wake>)>);

#[derive(Default)]
struct Inner {
    /// Lets a waker skip the lock when nobody waits, which is the common case.
    count: AtomicUsize,
    list: Mutex<List>,
}

/// So many are woken without an allocation.
const FEW: usize = 4;

/// Those who wait for one thing. Cloning gives another handle to the same queue.
#[derive(Clone, Default)]
pub struct WaitQueue(Arc<Inner>);

impl WaitQueue {
    /// An empty queue.
    pub fn new() -> Self {
        Self::default()
    }

    /// Registers `waiter` until [`remove`](Self::remove) with the number answered here.
    pub fn add(&self, waiter: &Arc<dyn Wake>) -> u64 {
        let mut list = self.0.list.lock();
        list.0 += 1;
        let id = list.0;
        list.1.push((id, waiter.clone()));
        self.0.count.store(list.1.len(), SeqCst);
        id
    }

    /// Undoes [`add`](Self::add); `false` when [`wake_one`](Self::wake_one) has done so before.
    pub fn remove(&self, id: u64) -> bool {
        let mut list = self.0.list.lock();
        let Some(at) = list.1.iter().position(|(each, _)| *each == id) else { return false };
        list.1.remove(at);
        self.0.count.store(list.1.len(), SeqCst);
        true
    }

    /// Wakes the one that has waited longest and takes it off the queue. It has to pass on what it does not use.
    pub fn wake_one(&self, events: PollEvents) {
        core::sync::atomic::fence(SeqCst);
        if self.0.count.load(SeqCst) == 0 {
            return;
        }
        let waiter = {
            let mut list = self.0.list.lock();
            if list.1.is_empty() {
                return;
            }
            let (_, waiter) = list.1.remove(0);
            self.0.count.store(list.1.len(), SeqCst);
            waiter
        };
        waiter.wake(events);
    }

    /// Wakes everybody.
    pub fn wake_all(&self, events: PollEvents) {
        core::sync::atomic::fence(SeqCst);
        if self.0.count.load(SeqCst) == 0 {
            return;
        }
        // Wakers run outside the lock: an epoll item takes its own lock there.
        let mut few = [const { None }; FEW];
        let mut more = Vec::new();
        for (n, (_, waiter)) in self.0.list.lock().1.iter().enumerate() {
            match few.get_mut(n) {
                Some(slot) => *slot = Some(waiter.clone()),
                None => more.push(waiter.clone()),
            }
        }
        let mut taken = false;
        for waiter in few.iter().flatten().chain(&more) {
            waiter.wake_among(events, &mut taken);
        }
    }

    /// Whether anybody waits.
    pub fn is_empty(&self) -> bool {
        self.0.count.load(SeqCst) == 0
    }
}

impl core::fmt::Debug for WaitQueue {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "WaitQueue({})", self.0.count.load(Relaxed))
    }
}

/// The current thread as somebody who can be woken.
pub struct Waiter(Arc<Parker>);

impl Waiter {
    /// The calling thread.
    pub fn current() -> Arc<dyn Wake> {
        Arc::new(Waiter(host::park::current()))
    }
}

impl Wake for Waiter {
    fn wake(&self, _events: PollEvents) {
        self.0.unpark();
    }
}

/// Puts the current thread to sleep until it is unparked, a watched host descriptor is ready, `deadline` has come,
/// or something wants attention (a signal, a timer). A spurious return is possible: look again.
///
/// # Errors
/// [`ERESTARTSYS`] when a signal is to be delivered; `ETIMEDOUT` at the deadline.
pub fn sleep_on(table: Option<&PollTable<'_>>, deadline: Deadline) -> Result<()> {
    let parker = host::park::current();
    // What else a kick may mean is looked after where one has come: it keeps the sleep from beginning.
    if parker.is_interrupted() || crate::task::signal_pending() {
        interrupted()?;
    }
    let mut fds: Vec<_> = table
        .into_iter()
        .flat_map(|t| t.host_fds())
        .map(|(fd, events)| host::file::PollFd::new(fd, events.bits() as i16))
        .collect();
    let ready_at = table.and_then(PollTable::deadline);
    let first = match (deadline, ready_at) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    };
    match parker.park(&mut fds, first) {
        Ok(()) => Ok(()),
        // A file's own time has come, not the caller's.
        Err(Errno::TIMEDOUT) if first != deadline => Ok(()),
        Err(Errno::INTR) => interrupted(),
        Err(errno) => Err(errno),
    }
}

/// What the host's `EINTR` means: a kick came. Runs what it may have been about; `Ok`: nothing that concerns the
/// caller, try again. Whoever makes a blocking host call (a read of a tty, say) passes its `EINTR` through here.
///
/// # Errors
/// [`ERESTARTSYS`] when a signal is to be delivered.
pub fn interrupted() -> Result<()> {
    let Some(task) = crate::task::current_task() else {
        host::park::current().clear_interrupt();
        return Ok(());
    };
    crate::signal::attend(&task);
    if crate::signal::has_deliverable(&task) { Err(ERESTARTSYS) } else { Ok(()) }
}

/// Sleeps until `ready` answers something; `queue` is where its wakers knock.
///
/// # Errors
/// [`ERESTARTSYS`] when a signal is to be delivered; `ETIMEDOUT` at the deadline.
pub fn wait_until<T>(
    queue: &WaitQueue,
    deadline: Deadline,
    mut ready: impl FnMut() -> Option<T>,
) -> Result<T> {
    if let Some(value) = ready() {
        return Ok(value);
    }
    let waiter = Waiter::current();
    let mut table = PollTable::register(&waiter);
    table.wait_on(queue);
    loop {
        if let Some(value) = ready() {
            return Ok(value);
        }
        match sleep_on(None, deadline) {
            Ok(()) => {}
            // What came together with the deadline or the signal counts first: a child's end and its SIGCHLD, say.
            Err(errno) => return ready().ok_or(errno),
        }
    }
}
