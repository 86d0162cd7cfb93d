//! Message queues of System V (msgget(2), msgsnd(2), msgrcv(2), msgctl(2)).

use super::ids::{IPCMNI, Ids, Object, READ, State, WRITE};
use crate::sync::{WaitQueue, wait_until};
use crate::sysctl::{INT_MAX, Sysctl};
use crate::task::Cred;
use crate::vfs::PollEvents;
use crate::{ERESTARTSYS, Errno, Result};
use alloc::collections::VecDeque;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use host::mutex::Mutex;

/// Queues there may be (`MSGMNI`).
pub static MSGMNI: Sysctl = Sysctl::new(32000, 0, IPCMNI);
/// Bytes of a message (`MSGMAX`).
pub static MSGMAX: Sysctl = Sysctl::new(8192, 0, INT_MAX);
/// Bytes of a queue to begin with (`MSGMNB`).
pub static MSGMNB: Sysctl = Sysctl::new(16384, 0, INT_MAX);
/// The identifier that the next queue gets, if it can (`msg_next_id`).
pub static NEXT_ID: Sysctl = Sysctl::new(-1, -1, INT_MAX);

/// Take what fits of a message that is too long.
pub const MSG_NOERROR: u32 = 0o10000;
/// Any type but this one.
pub const MSG_EXCEPT: u32 = 0o20000;
/// A copy of the message at a position.
pub const MSG_COPY: u32 = 0o40000;

/// Bytes that all messages together may take of the kernel's memory; Linux counts them against the control group.
pub const MOST: usize = 256 << 20;
/// What an empty message takes.
const OVERHEAD: usize = 64;

static TAKEN: AtomicUsize = AtomicUsize::new(0);

/// A message.
#[derive(Debug)]
pub struct Message {
    /// Its type, at least 1.
    pub kind: i64,
    /// Its text.
    pub text: Vec<u8>,
}

impl Message {
    /// # Errors
    /// `ENOMEM` when all messages together are too many.
    pub fn new(kind: i64, text: Vec<u8>) -> Result<Message> {
        let message = Message { kind, text };
        // Given back by drop in either case.
        let before = TAKEN.fetch_add(message.cost(), Relaxed);
        if before > MOST { Err(Errno::NOMEM) } else { Ok(message) }
    }

    fn cost(&self) -> usize {
        self.text.len() + OVERHEAD
    }
}

impl Drop for Message {
    fn drop(&mut self) {
        TAKEN.fetch_sub(self.cost(), Relaxed);
    }
}

/// What a queue has beyond owner and mode.
#[derive(Debug)]
pub struct Queue {
    /// Oldest first.
    pub messages: VecDeque<Arc<Message>>,
    /// Bytes in it.
    pub bytes: usize,
    /// Bytes it may hold; also how many messages.
    pub max_bytes: usize,
    /// When somebody sent, in seconds, and who.
    pub sent: (i64, i32),
    /// When somebody received, and who.
    pub received: (i64, i32),
    /// Where senders and receivers wait.
    waiting: WaitQueue,
}

static TABLE: Mutex<Option<Ids<Queue>>> = Mutex::new(None);

fn with_table<R>(then: impl FnOnce(&mut Ids<Queue>) -> R) -> R {
    then(TABLE.lock().get_or_insert_with(Ids::default))
}

/// All queues.
pub fn all() -> Vec<Arc<Object<Queue>>> {
    with_table(|table| table.iter().cloned().collect())
}

/// The highest slot in use.
pub fn max_slot() -> usize {
    with_table(|table| table.max_slot())
}

/// msgget(2).
///
/// # Errors
/// Those of msgget(2).
pub fn get(cred: &Cred, key: i32, flags: u32) -> Result<i32> {
    let make = || {
        Ok(Queue {
            messages: VecDeque::new(),
            bytes: 0,
            max_bytes: MSGMNB.size(),
            sent: (0, 0),
            received: (0, 0),
            waiting: WaitQueue::new(),
        })
    };
    with_table(|table| table.find_or_make((key, flags, MSGMNI.size()), &NEXT_ID, cred, |_| Ok(()), make))
}

/// The queue with an identifier.
///
/// # Errors
/// `EINVAL`.
pub fn find(id: i32) -> Result<Arc<Object<Queue>>> {
    with_table(|table| table.get(id))
}

/// The queue in the slot of an identifier.
///
/// # Errors
/// `EINVAL`.
pub fn find_slot(id: i32) -> Result<Arc<Object<Queue>>> {
    with_table(|table| table.slot(id)).ok_or(Errno::INVAL)
}

/// `IPC_RMID`.
///
/// # Errors
/// `EINVAL`, `EPERM`, `EIDRM`.
pub fn remove(id: i32, cred: &Cred) -> Result<()> {
    let (messages, waiting) = with_table(|table| {
        let queue = table.get(id)?;
        queue.with(|state| state.perm.check_owner(cred))?;
        table.remove(&queue);
        let mut state = queue.state.lock();
        Ok((core::mem::take(&mut state.data.messages), state.data.waiting.clone()))
    })?;
    waiting.wake_all(PollEvents::empty());
    drop(messages);
    Ok(())
}

/// Who waits looks again: something about the queue was changed.
pub fn changed(queue: &Object<Queue>) {
    let waiting = queue.state.lock().data.waiting.clone();
    waiting.wake_all(PollEvents::empty());
}

/// Tries until something comes of it: `None` means wait, or `busy` when the caller would not.
fn wait_for<R>(
    queue: &Object<Queue>,
    wait: bool,
    busy: Errno,
    mut attempt: impl FnMut(&mut State<Queue>) -> Result<Option<R>>,
) -> Result<R> {
    let mut look = || queue.with(&mut attempt).transpose();
    let waiting = queue.state.lock().data.waiting.clone();
    let result = match look() {
        Some(result) => result,
        None if !wait => return Err(busy),
        None => match wait_until(&waiting, None, look) {
            Ok(result) => result,
            Err(ERESTARTSYS) => Err(Errno::INTR),
            Err(errno) => Err(errno),
        },
    };
    if result.is_ok() {
        waiting.wake_all(PollEvents::empty());
    }
    result
}

/// msgsnd(2).
///
/// # Errors
/// Those of msgsnd(2).
pub fn send(cred: &Cred, pid: i32, id: i32, message: Message, wait: bool) -> Result<()> {
    let queue = find(id)?;
    let message = Arc::new(message);
    wait_for(&queue, wait, Errno::AGAIN, |state| {
        state.perm.check(cred, WRITE)?;
        let data = &mut state.data;
        if data.bytes + message.text.len() > data.max_bytes || data.messages.len() >= data.max_bytes {
            return Ok(None);
        }
        data.bytes += message.text.len();
        data.messages.push_back(message.clone());
        data.sent = (super::now(), pid);
        Ok(Some(()))
    })
}

/// Which message a receiver wants.
#[derive(Clone, Copy, Debug)]
enum Want {
    First,
    Kind(i64),
    Except(i64),
    /// Of the lowest type up to this one.
    Lowest(i64),
    At(i64),
}

impl Want {
    /// `convert_mode`
    fn new(kind: i64, flags: u32) -> Want {
        match kind {
            _ if flags & MSG_COPY != 0 => Want::At(kind),
            0 => Want::First,
            ..0 => Want::Lowest(kind.checked_neg().unwrap_or(i64::MAX)),
            _ if flags & MSG_EXCEPT != 0 => Want::Except(kind),
            _ => Want::Kind(kind),
        }
    }

    fn find(self, messages: &VecDeque<Arc<Message>>) -> Option<usize> {
        match self {
            Want::First => (!messages.is_empty()).then_some(0),
            Want::Kind(kind) => messages.iter().position(|each| each.kind == kind),
            Want::Except(kind) => messages.iter().position(|each| each.kind != kind),
            Want::Lowest(most) => {
                let fit = messages.iter().enumerate().filter(|(_, each)| each.kind <= most);
                fit.min_by_key(|(at, each)| (each.kind, *at)).map(|(at, _)| at)
            }
            Want::At(at) => usize::try_from(at).ok().filter(|at| *at < messages.len()),
        }
    }
}

/// msgrcv(2): a message of at most `len` bytes, or longer with `MSG_NOERROR`.
///
/// # Errors
/// Those of msgrcv(2).
pub fn receive(cred: &Cred, pid: i32, id: i32, len: usize, kind: i64, flags: u32) -> Result<Arc<Message>> {
    let wait = flags & super::ids::IPC_NOWAIT == 0;
    if flags & MSG_COPY != 0 && (flags & MSG_EXCEPT != 0 || wait) {
        return Err(Errno::INVAL);
    }
    let queue = find(id)?;
    let want = Want::new(kind, flags);
    wait_for(&queue, wait, Errno::NOMSG, |state| {
        state.perm.check(cred, READ)?;
        let data = &mut state.data;
        let Some(at) = want.find(&data.messages) else { return Ok(None) };
        if data.messages[at].text.len() > len && flags & MSG_NOERROR == 0 {
            return Err(Errno::TOOBIG);
        }
        if flags & MSG_COPY != 0 {
            // The copy is made of the message, not of what fits (`copy_msg`).
            let fits = data.messages[at].text.len() <= len;
            return if fits { Ok(Some(data.messages[at].clone())) } else { Err(Errno::INVAL) };
        }
        let message = data.messages.remove(at);
        data.bytes -= message.as_ref().map_or(0, |message| message.text.len());
        data.received = (super::now(), pid);
        Ok(message)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn queue(kinds: &[i64]) -> VecDeque<Arc<Message>> {
        kinds.iter().map(|&kind| Arc::new(Message::new(kind, Vec::new()).expect("room"))).collect()
    }

    #[test]
    fn the_type_chooses_as_the_manual_says() {
        let queue = queue(&[5, 3, 4, 3]);
        let at = |kind, flags| Want::new(kind, flags).find(&queue);
        assert_eq!((at(0, 0), at(3, 0), at(9, 0)), (Some(0), Some(1), None));
        assert_eq!((at(5, MSG_EXCEPT), at(-4, 0), at(-2, 0)), (Some(1), Some(1), None));
        assert_eq!((at(i64::MIN, 0), at(2, MSG_COPY), at(4, MSG_COPY)), (Some(1), Some(2), None));
        assert_eq!(at(-1, MSG_COPY), None);
    }
}
