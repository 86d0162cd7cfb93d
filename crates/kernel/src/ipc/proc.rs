//! What /proc says of System V objects: /proc/sysvipc/{msg,sem,shm}.

use super::{msg, sem, shm};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

/// /proc/sysvipc/NAME; `None`: no such file.
pub fn table(name: &str) -> Option<Vec<u8>> {
    let text = match name {
        "msg" => queues(),
        "sem" => sets(),
        "shm" => segments(),
        _ => return None,
    };
    Some(text.into_bytes())
}

/// Names in /proc/sysvipc.
pub const TABLES: [&str; 3] = ["msg", "sem", "shm"];

fn queues() -> String {
    let mut text = String::from(
        "       key      msqid perms      cbytes       qnum lspid lrpid   uid   gid  cuid  cgid      stime      rtime      ctime\n",
    );
    for queue in msg::all() {
        let state = queue.state.lock();
        let (perm, data) = (&state.perm, &state.data);
        text += &format!(
            "{:10} {:10}  {:4o}  {:10} {:10} {:5} {:5} {:5} {:5} {:5} {:5} {:10} {:10} {:10}\n",
            perm.key,
            queue.id,
            perm.mode,
            data.bytes,
            data.messages.len(),
            data.sent.1,
            data.received.1,
            perm.uid,
            perm.gid,
            perm.cuid,
            perm.cgid,
            data.sent.0,
            data.received.0,
            state.ctime
        );
    }
    text
}

fn sets() -> String {
    let mut text = String::from(
        "       key      semid perms      nsems   uid   gid  cuid  cgid      otime      ctime\n",
    );
    for set in sem::all() {
        let state = set.state.lock();
        let (perm, data) = (&state.perm, &state.data);
        text += &format!(
            "{:10} {:10}  {:4o} {:10} {:5} {:5} {:5} {:5} {:10} {:10}\n",
            perm.key,
            set.id,
            perm.mode,
            data.sems.len(),
            perm.uid,
            perm.gid,
            perm.cuid,
            perm.cgid,
            data.otime,
            state.ctime
        );
    }
    text
}

fn segments() -> String {
    let mut text = String::from(
        "       key      shmid perms                  size  cpid  lpid nattch   uid   gid  cuid  cgid      atime      dtime      ctime                   rss                  swap\n",
    );
    for shm in shm::all() {
        // Counted without the lock: that looks into address spaces.
        let (mappings, resident) = (shm::mappings(&shm), shm::resident(&shm));
        let state = shm.state.lock();
        let (perm, data) = (&state.perm, &state.data);
        text += &format!(
            "{:10} {:10}  {:4o} {:21} {:5} {:5}  {:5} {:5} {:5} {:5} {:5} {:10} {:10} {:10} {:21} {:21}\n",
            perm.key,
            shm.id,
            perm.mode,
            data.size,
            data.pids.0,
            data.pids.1,
            mappings,
            perm.uid,
            perm.gid,
            perm.cuid,
            perm.cgid,
            data.times.0,
            data.times.1,
            state.ctime,
            resident,
            0
        );
    }
    text
}
