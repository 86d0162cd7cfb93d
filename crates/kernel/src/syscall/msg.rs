//! msgget(2), msgsnd(2), msgrcv(2), msgctl(2).

use super::sysvipc::{Control, SetPerm64, find_for_stat, now, put_long, put_word, read_set_perm};
use crate::ipc::ids::{IPC_NOWAIT, READ};
use crate::ipc::msg::{self, MSGMAX, MSGMNB, MSGMNI, Message};
use crate::task::Current;
use crate::uaccess::{Args, get, get_bytes, put, put_bytes};
use crate::{Errno, Result};
use alloc::vec;
use linux_raw_sys::general::CAP_SYS_RESOURCE;

const MSG_STAT: i32 = 11;
const MSG_INFO: i32 = 12;
const MSG_STAT_ANY: i32 = 13;

/// `sizeof(struct msqid64_ds)`, and where `msg_qbytes` lies.
const MSQID_DS: usize = 120;
const QBYTES_AT: usize = 88;
/// Figures of System V's own implementation (`MSGSSZ`, `MSGSEG` of `linux/msg.h`).
const MSGSSZ: i32 = 16;
/// As they are defined there, whatever the limits are set to.
const MSGPOOL: i32 = 32000 * 16384 / 1024;
const MSGMAP: i32 = 16384;
const MSGSEG: u16 = u16::MAX;

/// msgget(key, flags)
pub fn sys_msgget(cur: &mut Current<'_>, args: &Args) -> Result<usize> {
    Ok(msg::get(&cur.cred(), args.i32(0), args.u32(1))? as usize)
}

/// msgsnd(id, message, length, flags)
pub fn sys_msgsnd(cur: &mut Current<'_>, args: &Args) -> Result<usize> {
    let (id, addr, len) = (args.i32(0), args.usize(1), args.usize(2));
    let kind: i64 = get(addr)?;
    if len > MSGMAX.size() || id < 0 || kind < 1 {
        return Err(Errno::INVAL);
    }
    if len > msg::MOST {
        return Err(Errno::NOMEM);
    }
    let mut text = vec![0; len];
    get_bytes(&mut text, addr.wrapping_add(8))?;
    let wait = args.u32(3) & IPC_NOWAIT == 0;
    msg::send(&cur.cred(), cur.process().pid, id, Message::new(kind, text)?, wait).map(|()| 0)
}

/// msgrcv(id, message, length, type, flags)
pub fn sys_msgrcv(cur: &mut Current<'_>, args: &Args) -> Result<usize> {
    let (id, addr, len) = (args.i32(0), args.usize(1), args.usize(2));
    if id < 0 || (len as isize) < 0 {
        return Err(Errno::INVAL);
    }
    let message = msg::receive(&cur.cred(), cur.process().pid, id, len, args.i64(3), args.u32(4))?;
    put(addr, &message.kind)?;
    let text = &message.text[..message.text.len().min(len)];
    put_bytes(addr.wrapping_add(8), text)?;
    Ok(text.len())
}

/// msgctl(id, command, buffer)
pub fn sys_msgctl(cur: &mut Current<'_>, args: &Args) -> Result<usize> {
    let (id, command, buf) = (args.i32(0), args.i32(1), args.usize(2));
    if id < 0 || command < 0 {
        return Err(Errno::INVAL);
    }
    let cred = cur.cred();
    match command {
        Control::INFO | MSG_INFO => info(command == MSG_INFO, buf),
        Control::STAT | MSG_STAT | MSG_STAT_ANY => {
            let (queue, answer) = find_for_stat(command == Control::STAT, id, msg::find, msg::find_slot)?;
            let mut out = [0; MSQID_DS];
            queue.with(|state| {
                if command != MSG_STAT_ANY {
                    state.perm.check(&cred, READ)?;
                }
                state.perm.encode(queue.id, &mut out);
                let data = &state.data;
                let longs = [
                    data.sent.0,
                    data.received.0,
                    state.ctime,
                    data.bytes as i64,
                    data.messages.len() as i64,
                    data.max_bytes as i64,
                ];
                for (n, value) in longs.into_iter().enumerate() {
                    put_long(&mut out, 48 + n * 8, value);
                }
                put_word(&mut out, 96, data.sent.1);
                put_word(&mut out, 100, data.received.1);
                Ok(())
            })?;
            put_bytes(buf, &out)?;
            Ok(answer)
        }
        Control::SET => {
            let mut bytes = [0; MSQID_DS];
            get_bytes(&mut bytes, buf)?;
            let perm: SetPerm64 = *bytes.first_chunk().ok_or(Errno::INVAL)?;
            let max_bytes = u64::from_ne_bytes(core::array::from_fn(|n| bytes[QBYTES_AT + n]));
            let queue = msg::find(id)?;
            queue.with(|state| {
                state.perm.check_owner(&cred)?;
                if max_bytes > MSGMNB.get() && !cred.capable(CAP_SYS_RESOURCE) {
                    return Err(Errno::PERM);
                }
                state.perm.update(&read_set_perm(&perm))?;
                state.data.max_bytes = usize::try_from(max_bytes).unwrap_or(usize::MAX);
                state.ctime = now();
                Ok(())
            })?;
            msg::changed(&queue);
            Ok(0)
        }
        Control::RMID => msg::remove(id, &cred).map(|()| 0),
        _ => Err(Errno::INVAL),
    }
}

/// `struct msginfo`; answers the highest slot in use.
fn info(usage: bool, addr: usize) -> Result<usize> {
    let (most, size, queues) = (MSGMAX.get() as i32, MSGMNB.get() as i32, MSGMNI.get() as i32);
    // What never was configurable (`MSGPOOL`, `MSGMAP`, `MSGTQL`).
    let (mut pool, mut map, mut tql) = (MSGPOOL, MSGMAP, MSGMAP);
    if usage {
        let queues = msg::all();
        let count = |each: &_| {
            let each: &alloc::sync::Arc<crate::ipc::ids::Object<msg::Queue>> = each;
            let state = each.state.lock();
            (state.data.messages.len(), state.data.bytes)
        };
        let (messages, bytes) =
            queues.iter().map(count).fold((0, 0), |sum, each| (sum.0 + each.0, sum.1 + each.1));
        (pool, map, tql) = (queues.len() as i32, messages as i32, bytes as i32);
    }
    // msgpool msgmap msgmax msgmnb msgmni msgssz msgtql, and msgseg, a short.
    let words = [pool, map, most, size, queues, MSGSSZ, tql];
    let mut out = [0; 32];
    for (n, word) in words.into_iter().enumerate() {
        put_word(&mut out, n * 4, word);
    }
    out[28..30].copy_from_slice(&MSGSEG.to_ne_bytes());
    put_bytes(addr, &out)?;
    Ok(msg::max_slot())
}
