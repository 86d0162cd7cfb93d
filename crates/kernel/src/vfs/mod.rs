//! The virtual file system: what every file system looks like to the system calls, and the tree of names.
//!
//! ```text
//! fd_table --> File (open file description) --> FileOps      (what an open file does)
//!                |
//!                v
//!              Dentry (a name in the tree) ----> Inode        (what a name stands for; a file system's own)
//! ```
//!
//! Here live the traits, the dentry tree, path resolution (`namei`) and descriptor tables. File systems live in
//! `crate::fs`; pipes, eventfd and other nameless files implement [`FileOps`] in `crate::fs` too.

mod dentry;
pub mod dnotify;
pub mod fasync;
mod fd_table;
mod file;
mod file_ops;
mod inode;
pub mod lease;
pub mod locks;
pub mod namei;
pub mod notify;
mod poll;
mod stat;

pub use dentry::{Dentry, Entries};
pub use fd_table::{Fd, FdTable, NR_OPEN};
pub use file::{File, Owner, OwnerKind, note_setid_change};
pub use file_ops::{FileOps, HOST_POSITION, MmapSource, OpenFlags, ReaddirSink, WriteAt};
pub use inode::{
    CachePolicy, FileSystem, Inode, InodeRef, MagicLink, NewNode, Reading, RenameFlags, SpecialSlot,
    WriteCount, Writing, XattrFlags, downcast_inode,
};
pub use poll::{PollEvents, PollTable, Registrations};
pub use stat::{FileType, PERMISSIONS, SetAttr, Stat, StatFs, TimeSpec};

/// Longest name of one path component (`NAME_MAX`).
pub const NAME_MAX: usize = 255;
/// Longest path with its NUL (`PATH_MAX`).
pub const PATH_MAX: usize = 4096;
/// How many symbolic links one resolution follows before `ELOOP` (path_resolution(7)).
pub const MAX_SYMLINKS: usize = 40;
/// What one read or write moves at most (`MAX_RW_COUNT`).
pub const MAX_RW_COUNT: usize = 0x7fff_f000;
