//! The order in which locks are taken. A thread that holds one may take only those further down.
//!
//! ```text
//! 1  Process children, exit state
//!    System V IPC: a table (`ipc::{shm, sem, msg}`), then an object
//! 2  AddressSpace (mm)
//! 3  FdTable
//! 4  File::position
//! 5  Dentry::children (parent before child; two directories by address)
//! 6  file systems: rename lock of the overlay, then inode state (directory before entry, of two directories the
//!    upper one first), then tables of inodes, places and descriptors (`fs::overlay`, `fs::hostfs`)
//! 7  watches (vfs::notify), then pipe, epoll, eventfd, inotify, timer state; of sockets the tables of abstract names
//!    and of files in flight, then socket state (of two by address), then that of a connection not accepted yet
//! 8  signal state (of a process before that of a thread)
//! 9  WaitQueue list
//! ```
//!
//! No lock is held across a user copy, a wait, or entering user mode. Exception: `File::position` is held across
//! the read or write that advances it, as `f_pos_lock` is in Linux; a pipe's or socket's reading turn likewise, but not across
//! a wait for bytes; the state of a regular file in memory across the copy from or to its pages, as `i_rwsem` is. A
//! fault in such a copy is answered by the host or ends the copy; it never comes back for a lock.
