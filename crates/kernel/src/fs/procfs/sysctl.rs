//! /proc/sys: what is this kernel's own and may be changed by root. The rest of the tree is the host's, to be read.

use crate::sysctl::Sysctl;
use crate::task::coredump;
use crate::vfs::{dnotify, lease};
use crate::{Errno, Result};
use crate::{fs, ipc, mm, task, vfs};
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

/// What a file is.
pub enum Entry {
    /// Numbers, one behind the other.
    Numbers(&'static [&'static Sysctl]),
    /// A number that can only be read.
    Told(fn() -> u64),
    /// The capacity of pipes, which is rounded.
    PipeSize,
    /// The number of the last process made.
    LastPid,
    /// How core files are called, by the name in `kernel`.
    CoreFiles(&'static str),
    /// `vm.drop_caches`: this kernel keeps nothing that could be read again.
    DropCaches,
}

use Entry::{CoreFiles, DropCaches, LastPid, Numbers, PipeSize, Told};

/// By path below /proc/sys.
static ENTRIES: &[(&str, Entry)] = &[
    ("fs/aio-max-nr", Numbers(&[&fs::aio::MAX_NR])),
    ("fs/aio-nr", Told(fs::aio::nr)),
    ("fs/dir-notify-enable", Numbers(&[&dnotify::ENABLED])),
    ("fs/inotify/max_queued_events", Numbers(&[&fs::inotify::MAX_QUEUED_EVENTS])),
    ("fs/inotify/max_user_instances", Numbers(&[&fs::inotify::MAX_USER_INSTANCES])),
    ("fs/inotify/max_user_watches", Numbers(&[&fs::inotify::MAX_USER_WATCHES])),
    ("fs/lease-break-time", Numbers(&[&lease::BREAK_TIME])),
    ("fs/leases-enable", Numbers(&[&lease::ENABLED])),
    ("fs/mqueue/msg_default", Numbers(&[&ipc::mqueue::MSG_DEFAULT])),
    ("fs/mqueue/msg_max", Numbers(&[&ipc::mqueue::MSG_MAX])),
    ("fs/mqueue/msgsize_default", Numbers(&[&ipc::mqueue::MSGSIZE_DEFAULT])),
    ("fs/mqueue/msgsize_max", Numbers(&[&ipc::mqueue::MSGSIZE_MAX])),
    ("fs/mqueue/queues_max", Numbers(&[&ipc::mqueue::QUEUES_MAX])),
    ("fs/nr_open", Numbers(&[&vfs::NR_OPEN])),
    ("fs/pipe-max-size", PipeSize),
    ("fs/pipe-user-pages-hard", Told(|| 0)),
    ("fs/pipe-user-pages-soft", Numbers(&[&fs::pipe::limits::USER_PAGES_SOFT])),
    ("kernel/core_pattern", CoreFiles("core_pattern")),
    ("kernel/core_uses_pid", CoreFiles("core_uses_pid")),
    ("kernel/msg_next_id", Numbers(&[&ipc::msg::NEXT_ID])),
    ("kernel/msgmax", Numbers(&[&ipc::msg::MSGMAX])),
    ("kernel/msgmnb", Numbers(&[&ipc::msg::MSGMNB])),
    ("kernel/msgmni", Numbers(&[&ipc::msg::MSGMNI])),
    ("kernel/ns_last_pid", LastPid),
    ("kernel/pid_max", Numbers(&[&task::PID_MAX])),
    ("kernel/sem", Numbers(&[&ipc::sem::SEMMSL, &ipc::sem::SEMMNS, &ipc::sem::SEMOPM, &ipc::sem::SEMMNI])),
    ("kernel/sem_next_id", Numbers(&[&ipc::sem::NEXT_ID])),
    ("kernel/shm_next_id", Numbers(&[&ipc::shm::NEXT_ID])),
    ("kernel/shm_rmid_forced", Told(|| 0)),
    ("kernel/shmall", Numbers(&[&ipc::shm::SHMALL])),
    ("kernel/shmmax", Numbers(&[&ipc::shm::SHMMAX])),
    ("kernel/shmmni", Numbers(&[&ipc::shm::SHMMNI])),
    ("vm/drop_caches", DropCaches),
    ("vm/max_map_count", Numbers(&[&mm::MAX_MAP_COUNT])),
];

/// The file at `path` below /proc.
pub fn find(path: &[u8]) -> Option<&'static Entry> {
    let path = core::str::from_utf8(path.strip_prefix(b"sys/")?).ok()?;
    let at = ENTRIES.binary_search_by(|(name, _)| (*name).cmp(path)).ok()?;
    Some(&ENTRIES[at].1)
}

/// Whether it can be written, by somebody whom its permission bits let.
pub fn is_writable(path: &[u8]) -> bool {
    find(path).is_some_and(|entry| !matches!(entry, Told(_)))
}

/// Its content.
pub fn read(entry: &Entry) -> Vec<u8> {
    let text = match entry {
        Numbers(numbers) => {
            let words: Vec<String> = numbers.iter().map(|number| number.signed().to_string()).collect();
            words.join("\t")
        }
        Told(value) => format!("{}", value()),
        PipeSize => format!("{}", fs::pipe::limits::MAX_SIZE.get()),
        LastPid => format!("{}", task::last_pid()),
        CoreFiles(name) => return coredump::name::sysctl(name),
        DropCaches => String::from("0"),
    };
    format!("{text}\n").into_bytes()
}

/// Takes what was written to it. As Linux: fewer numbers than there are change the first ones, nothing changes nothing.
///
/// # Errors
/// `EINVAL` for what is no number or out of its range.
pub fn write(entry: &Entry, bytes: &[u8]) -> Result<()> {
    if let CoreFiles(name) = entry {
        return coredump::name::set_sysctl(name, bytes);
    }
    let text = core::str::from_utf8(bytes).map_err(|_| Errno::INVAL)?;
    let words = text.split([' ', '\t', '\n', '\0']).filter(|word| !word.is_empty());
    let mut numbers = words.map(|word| word.parse::<i64>().map(i128::from).or_else(|_| parse_large(word)));
    match entry {
        Numbers(places) => {
            for (place, number) in places.iter().zip(numbers) {
                place.set(number?)?;
            }
            Ok(())
        }
        PipeSize => numbers.next().map_or(Ok(()), |number| fs::pipe::limits::set_max_size(number?)),
        LastPid => numbers.next().map_or(Ok(()), |number| task::set_last_pid(number?)),
        DropCaches => match numbers.next() {
            None => Ok(()),
            Some(number) => {
                if (1..=4).contains(&number?) {
                    Ok(())
                } else {
                    Err(Errno::INVAL)
                }
            }
        },
        Told(_) | CoreFiles(_) => Err(Errno::INVAL),
    }
}

fn parse_large(word: &str) -> Result<i128> {
    word.parse::<u64>().map(i128::from).map_err(|_| Errno::INVAL)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_in_order_and_found() {
        assert!(ENTRIES.is_sorted_by_key(|(name, _)| *name));
        assert!(find(b"sys/kernel/msgmni").is_some());
        assert!(find(b"sys/kernel/nonsense").is_none());
    }

    #[test]
    fn numbers_are_set_within_their_range() {
        static ENTRY: Entry = Numbers(&[&lease::ENABLED, &lease::BREAK_TIME]);
        assert_eq!(write(&ENTRY, b" 1  44\n"), Ok(()));
        assert_eq!(read(&ENTRY), b"1\t44\n");
        assert_eq!(write(&ENTRY, b"1 -1"), Err(Errno::INVAL));
        assert_eq!(write(&ENTRY, b"x"), Err(Errno::INVAL));
        assert_eq!(write(&ENTRY, b"1 45"), Ok(()));
    }
}
