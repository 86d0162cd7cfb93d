//! POSIX message queues (mq_overview(7)): the queues by name, and what is done to them. `fs::mqueue` shows them as
//! files.

use super::msg::Message;
use crate::net::ProtocolRef;
use crate::net::netlink::NetlinkSocket;
use crate::signal::{self, SigInfo};
use crate::sync::{Deadline, WaitQueue, wait_until};
use crate::sysctl::{INT_MAX, Sysctl};
use crate::task::{Cred, current_task, find_process};
use crate::vfs::{PollEvents, PollTable, TimeSpec};
use crate::{Errno, Result};
use alloc::collections::{BTreeMap, VecDeque};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use hashbrown::HashMap;
use host::mutex::Mutex;
use linux_raw_sys::general::CAP_SYS_RESOURCE;

/// Queues there may be (/proc/sys/fs/mqueue/queues_max).
pub static QUEUES_MAX: Sysctl = Sysctl::new(256, 0, INT_MAX);
/// Messages in a queue: to begin with, at most, and at most for whom limits do not bind.
pub static MSG_DEFAULT: Sysctl = Sysctl::new(10, 1, HARD_MSGMAX as i128);
/// At most.
pub static MSG_MAX: Sysctl = Sysctl::new(10, 1, HARD_MSGMAX as i128);
const HARD_MSGMAX: i64 = 65536;
/// Bytes in a message, likewise.
pub static MSGSIZE_DEFAULT: Sysctl = Sysctl::new(8192, 128, HARD_MSGSIZEMAX as i128);
/// At most.
pub static MSGSIZE_MAX: Sysctl = Sysctl::new(8192, 128, HARD_MSGSIZEMAX as i128);
const HARD_MSGSIZEMAX: i64 = 16 << 20;
/// Priorities are below this.
pub const MQ_PRIO_MAX: u32 = 32768;
/// What Linux counts for a message and for a priority in use, against `RLIMIT_MSGQUEUE`.
const MESSAGE_COST: u64 = 48;
const PRIORITY_COST: u64 = 48;

/// `SI_MESGQ`
const SI_MESGQ: i32 = -3;

/// Bytes of a [`Cookie`] (`NOTIFY_COOKIE_LEN`); the last tells what has happened.
pub const COOKIE_LEN: usize = 32;
/// What goes to the socket of who is notified by a thread.
pub type Cookie = [u8; COOKIE_LEN];
/// A message has come (`NOTIFY_WOKENUP`).
const WOKEN: u8 = 1;
/// Nothing will come any more (`NOTIFY_REMOVED`).
const REMOVED: u8 = 2;

/// What is done when a message comes to an empty queue.
#[derive(Clone)]
pub enum Notify {
    /// Nothing (`SIGEV_NONE`).
    None,
    /// A signal, with its value (`SIGEV_SIGNAL`).
    Signal(i32, u64),
    /// A message to a netlink(7) socket, where a thread of the C library waits (`SIGEV_THREAD`).
    Thread(ProtocolRef, Cookie),
}

impl Notify {
    /// Tells a thread, if it is to be told.
    fn tell_thread(&self, event: u8) {
        if let Notify::Thread(socket, cookie) = self
            && let Some(socket) = NetlinkSocket::of(socket)
        {
            let mut cookie = *cookie;
            cookie[COOKIE_LEN - 1] = event;
            socket.deliver(&cookie);
        }
    }
}

/// What changes, under the queue's lock.
struct State {
    /// The next to be received first.
    messages: VecDeque<Arc<Message>>,
    bytes: usize,
    receivers: usize,
    notify: Option<(i32, Notify)>,
    mode: u32,
    owner: (u32, u32),
    /// Access, modification, change.
    times: [TimeSpec; 3],
}

/// A queue.
pub struct Queue {
    /// Its name, without a slash.
    pub name: Vec<u8>,
    /// A number of its own.
    pub ino: u64,
    /// Most messages, and bytes in each.
    pub limits: (usize, usize),
    /// It has no name any more.
    pub unlinked: AtomicBool,
    /// User whose limit it counts against, and how much.
    charged: (u32, u64),
    state: Mutex<State>,
    readable: WaitQueue,
    writable: WaitQueue,
}

/// Attributes of the file of a queue.
#[derive(Clone, Copy, Debug)]
pub struct FileAttr {
    /// Permission bits.
    pub mode: u32,
    /// User and group.
    pub owner: (u32, u32),
    /// Access, modification, change.
    pub times: [TimeSpec; 3],
}

static QUEUES: Mutex<BTreeMap<Vec<u8>, Arc<Queue>>> = Mutex::new(BTreeMap::new());
/// Bytes by user (`RLIMIT_MSGQUEUE`).
static CHARGES: Mutex<Option<HashMap<u32, u64>>> = Mutex::new(None);
static LAST_INO: AtomicU64 = AtomicU64::new(1);

/// The queue with a name.
pub fn find(name: &[u8]) -> Option<Arc<Queue>> {
    QUEUES.lock().get(name).cloned()
}

/// All queues that have names.
pub fn all() -> Vec<Arc<Queue>> {
    QUEUES.lock().values().cloned().collect()
}

/// Messages and their size in a queue made without attributes, within what is allowed (`mqueue_get_inode`).
fn defaults() -> (i64, i64) {
    let least = |a: &Sysctl, b: &Sysctl| a.get().min(b.get()) as i64;
    (least(&MSG_MAX, &MSG_DEFAULT), least(&MSGSIZE_MAX, &MSGSIZE_DEFAULT))
}

fn now() -> TimeSpec {
    TimeSpec::from_ns(host::clock::realtime_ns())
}

/// Makes a queue called `name`. `attr`: most messages and bytes in each. `limit`: `RLIMIT_MSGQUEUE`.
///
/// # Errors
/// `EEXIST`, `ENOSPC`, `EINVAL`, `EOVERFLOW`; `EMFILE` beyond the limit.
pub fn create(
    name: &[u8],
    mode: u32,
    attr: Option<(i64, i64)>,
    cred: &Cred,
    limit: u64,
) -> Result<Arc<Queue>> {
    let mut queues = QUEUES.lock();
    if queues.contains_key(name) {
        return Err(Errno::EXIST);
    }
    let exempt = cred.capable(CAP_SYS_RESOURCE);
    if queues.len() >= QUEUES_MAX.size() && !exempt {
        return Err(Errno::NOSPC);
    }
    let (most, size) = attr.unwrap_or_else(defaults);
    let (most_allowed, size_allowed) = if exempt {
        (HARD_MSGMAX, HARD_MSGSIZEMAX)
    } else {
        (MSG_MAX.get() as i64, MSGSIZE_MAX.get() as i64)
    };
    if most <= 0 || size <= 0 || most > most_allowed || size > size_allowed {
        return Err(Errno::INVAL);
    }
    let (most, size) = (most as u64, size as u64);
    let charge = most * MESSAGE_COST + most.min(u64::from(MQ_PRIO_MAX)) * PRIORITY_COST + most * size;
    {
        let mut charges = CHARGES.lock();
        let charged = charges.get_or_insert_with(HashMap::new).entry(cred.uid).or_default();
        if charged.saturating_add(charge) > limit {
            return Err(Errno::MFILE);
        }
        *charged += charge;
    }
    let now = now();
    let queue = Arc::new(Queue {
        name: name.to_vec(),
        ino: LAST_INO.fetch_add(1, Relaxed) + 1,
        limits: (most as usize, size as usize),
        unlinked: AtomicBool::new(false),
        charged: (cred.uid, charge),
        state: Mutex::new(State {
            messages: VecDeque::new(),
            bytes: 0,
            receivers: 0,
            notify: None,
            mode: mode & 0o7777,
            owner: (cred.fsuid, cred.fsgid),
            times: [now; 3],
        }),
        readable: WaitQueue::new(),
        writable: WaitQueue::new(),
    });
    queues.insert(name.to_vec(), queue.clone());
    Ok(queue)
}

/// Takes the name away; the queue lives as long as it is open.
///
/// # Errors
/// `ENOENT`.
pub fn unlink(name: &[u8]) -> Result<()> {
    let queue = QUEUES.lock().remove(name).ok_or(Errno::NOENT)?;
    queue.unlinked.store(true, Relaxed);
    Ok(())
}

impl Drop for Queue {
    fn drop(&mut self) {
        let (uid, charge) = self.charged;
        if let Some(charged) = CHARGES.lock().as_mut().and_then(|charges| charges.get_mut(&uid)) {
            *charged = charged.saturating_sub(charge);
        }
    }
}

impl Queue {
    /// Puts a message in, by priority, behind those of the same (mq_timedsend(2)).
    ///
    /// # Errors
    /// `EAGAIN` when it is full and `wait` is not wanted; `ETIMEDOUT`; those of the sleep.
    pub fn send(&self, message: Message, wait: bool, deadline: impl FnOnce() -> Deadline) -> Result<()> {
        let message = Arc::new(message);
        let put = || {
            let mut state = self.state.lock();
            if state.messages.len() >= self.limits.0 {
                return None;
            }
            let was_empty = state.messages.is_empty();
            let at = state.messages.partition_point(|each| each.kind >= message.kind);
            state.bytes += message.text.len();
            state.messages.insert(at, message.clone());
            let now = now();
            (state.times[1], state.times[2]) = (now, now);
            // Whoever waits for a message gets it, and nobody is notified.
            let tell = was_empty && state.receivers == 0;
            Some(if tell { state.notify.take() } else { None })
        };
        let notify = match put() {
            Some(notify) => notify,
            None if !wait => return Err(Errno::AGAIN),
            None => wait_until(&self.writable, deadline(), put)?,
        };
        self.readable.wake_all(PollEvents::READABLE);
        if let Some((_, notify)) = &notify {
            notify.tell_thread(WOKEN);
        }
        if let Some((pid, Notify::Signal(signo, value))) = notify
            && let Some(owner) = find_process(pid)
            && signo != 0
        {
            let (pid, uid) =
                current_task().map_or((0, 0), |task| (task.process.pid, task.process.cred().uid));
            // Who has no room for it goes without, as in Linux.
            let _ = signal::to_process(&owner, SigInfo::queued(signo, SI_MESGQ, pid, uid, value));
        }
        Ok(())
    }

    /// Takes the oldest of the highest priority (mq_timedreceive(2)).
    ///
    /// # Errors
    /// `EAGAIN` when it is empty and `wait` is not wanted; `ETIMEDOUT`; those of the sleep.
    pub fn receive(&self, wait: bool, deadline: impl FnOnce() -> Deadline) -> Result<Arc<Message>> {
        let take = || {
            let mut state = self.state.lock();
            let message = state.messages.pop_front()?;
            state.bytes -= message.text.len();
            state.times = [now(); 3];
            Some(message)
        };
        let message = match take() {
            Some(message) => message,
            None if !wait => return Err(Errno::AGAIN),
            None => {
                self.state.lock().receivers += 1;
                let result = wait_until(&self.readable, deadline(), take);
                self.state.lock().receivers -= 1;
                result?
            }
        };
        self.writable.wake_all(PollEvents::WRITABLE);
        Ok(message)
    }

    /// How many messages there are.
    pub fn len(&self) -> usize {
        self.state.lock().messages.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Asks for one notification of `pid`, or takes it back (mq_notify(3)).
    ///
    /// # Errors
    /// `EBUSY` when another process has asked.
    pub fn notify(&self, pid: i32, what: Option<Notify>) -> Result<()> {
        let mut state = self.state.lock();
        let owner = state.notify.as_ref().map(|(owner, _)| *owner);
        match what {
            None if owner == Some(pid) => {
                let removed = state.notify.take();
                drop(state);
                if let Some((_, removed)) = removed {
                    removed.tell_thread(REMOVED);
                }
            }
            None => {}
            // One that has ended without closing is no longer asked for.
            Some(_) if owner.is_some_and(|owner| find_process(owner).is_some()) => return Err(Errno::BUSY),
            Some(what) => {
                let old = state.notify.replace((pid, what));
                let now = now();
                (state.times[0], state.times[2]) = (now, now);
                drop(state);
                // Which may be the last of a socket.
                drop(old);
            }
        }
        Ok(())
    }

    /// Readiness.
    pub fn poll(&self, table: &mut PollTable<'_>) -> PollEvents {
        table.wait_on(&self.readable);
        table.wait_on(&self.writable);
        let len = self.len();
        let mut events = PollEvents::empty();
        events.set(PollEvents::READABLE, len > 0);
        events.set(PollEvents::WRITABLE, len < self.limits.0);
        events
    }

    /// What a read of its file says.
    pub fn text(&self) -> Vec<u8> {
        let state = self.state.lock();
        // What is in `sigev_notify`.
        let (pid, kind, signo) = match &state.notify {
            Some((pid, Notify::Signal(signo, _))) => (*pid, 0, *signo),
            Some((pid, Notify::None)) => (*pid, 1, 0),
            Some((pid, Notify::Thread(..))) => (*pid, 2, 0),
            None => (0, 0, 0),
        };
        alloc::format!("QSIZE:{:<10} NOTIFY:{kind:<5} SIGNO:{signo:<5} NOTIFY_PID:{pid:<6}\n", state.bytes)
            .into_bytes()
    }

    /// Attributes of its file.
    pub fn attr(&self) -> FileAttr {
        let state = self.state.lock();
        FileAttr { mode: state.mode, owner: state.owner, times: state.times }
    }

    /// Changes them.
    pub fn set_attr(&self, change: impl FnOnce(&mut FileAttr)) {
        let mut state = self.state.lock();
        let mut attr = FileAttr { mode: state.mode, owner: state.owner, times: state.times };
        change(&mut attr);
        attr.times[2] = now();
        (state.mode, state.owner, state.times) = (attr.mode, attr.owner, attr.times);
    }
}
