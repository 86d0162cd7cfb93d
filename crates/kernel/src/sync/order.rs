//! The order in which locks are taken. A thread that holds one may take only those further down.
//!
//! ```text
//! 1  Process children, exit state
//! 2  AddressSpace (mm)
//! 3  FdTable
//! 4  File::position
//! 5  Dentry::children (parent before child; two directories by address)
//! 6  file-system inode state (directory before entry)
//! 7  watches (vfs::notify), then pipe, epoll, eventfd, inotify, timer state
//! 8  signal state (of a process before that of a thread)
//! 9  WaitQueue list
//! ```
//!
//! No lock is held across a user copy, a wait, or entering user mode. Exception: `File::position` is held across
//! the read or write that advances it, as `f_pos_lock` is in Linux; a pipe's reading turn likewise, but not across a wait
//! for bytes.
