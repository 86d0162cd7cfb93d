//! Opening what is not a regular file, directory or link: fifos, sockets and device nodes, wherever they lie.
//!
//! A file system knows such a node's attributes but not what stands behind it. It keeps a slot for that
//! ([`Inode::special_slot`](crate::vfs::Inode::special_slot)) and asks here when the node is opened.

use super::{devfs, pipe};
use crate::vfs::{FileOps, FileType, InodeRef, OpenFlags};
use crate::{Errno, Result};
use alloc::boxed::Box;

/// Opens a special file (fifo(7), socket or device node).
///
/// # Errors
/// `ENXIO`: nothing stands behind the node, as for a device without a driver or a socket (open(2)); also what the
/// opening of a fifo or device answers.
pub fn open(inode: &InodeRef, flags: OpenFlags) -> Result<Box<dyn FileOps>> {
    match inode.kind() {
        FileType::Fifo => pipe::open_fifo(inode, flags),
        FileType::CharDevice => devfs::open_device(inode.stat()?.rdev, flags),
        _ => Err(Errno::NXIO),
    }
}
