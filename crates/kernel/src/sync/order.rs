//! The order in which locks are taken. A thread that holds one may take only those further down.
//!
//! ```text
//! 1  File::position; behind it the text of an open file of /proc; a pipe's or socket's reading turn, a listing that
//!    is read
//! 2  the lock of renames that move directories, then Dentry::entries (of two directories by address)
//! 3  what is about all processes: the end of a process and its reaping (`task::exit`), numbers given out
//!    (`task::clone`), the nesting of epolls
//! 4  File::fasync; the watches of `vfs::notify`
//! 5  a terminal; a process's controlling terminal, then what execve left (`ExecInfo`)
//!    IPC: a table (`ipc::{shm, sem, msg, mqueue}`), then an object
//!    the futex table
//! 6  AddressSpace (mm), then the books of code patching
//! 7  Process: descriptors, directories, threads; the table of processes; FdTable
//! 8  file systems: rename lock of the overlay, then inode state (directory before entry, of two directories the
//!    upper one first), then tables of inodes, places and descriptors (`fs::overlay`, `fs::hostfs`)
//! 9  pipe, epoll, eventfd, inotify, timer state; of sockets the tables of abstract names and of files in flight, then
//!    socket state (of two by address), then that of a connection not accepted yet
//! 10 signal state (of a process before that of a thread)
//! 11 credentials, limits, a dentry's place and children, the list of a WaitQueue: nothing is taken behind these, but the
//!    heap's
//! ```
//!
//! Each build of the image with debug assertions watches that (`host::lock_order`) and ends with a message when two kinds
//! of locks are taken both ways round, or the program goes on while its kernel side holds one:
//!
//! ```sh
//! CARGO_PROFILE_IMAGE_DEBUG_ASSERTIONS=true CARGO_PROFILE_IMAGE_OVERFLOW_CHECKS=true \
//!     cargo build --release --target-dir target/checked
//! FNCALL=$PWD/target/checked/release/fncall cargo test --release -p fncall-tests --test oracle
//! ```
//!
//! No lock is held across a user copy, a wait, or entering user mode. Exception: `File::position` is held across
//! the read or write that advances it, as `f_pos_lock` is in Linux; a pipe's or socket's reading turn likewise, but not across
//! a wait for bytes; the state of a regular file in memory across the copy from or to its pages, as `i_rwsem` is. A
//! fault in such a copy is answered by the host or ends the copy; it never comes back for a lock.
