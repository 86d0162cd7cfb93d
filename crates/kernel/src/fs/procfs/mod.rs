//! /proc (proc(5)): the kernel's own processes, and what the host says of the machine.
//!
//! `node` is the tree: which names there are and what each is. `process`, `status` and `fds` write what is in the files of a
//! process, `usage` asks the host what it has used; `machine` passes on what the host's /proc says of the machine.

mod fds;
mod locks;
mod machine;
mod maps;
mod mem;
mod mounts;
mod node;
mod pagemap;
mod process;
mod status;
mod sysctl;
mod text;
mod usage;
mod vm;

pub use machine::read_file as host_text;

use crate::Result;
use crate::vfs::{FileSystem, InodeRef, StatFs};
use alloc::sync::Arc;

/// The file system.
pub struct ProcFs {
    made_ns: u64,
}

impl ProcFs {
    /// Makes it.
    pub fn new() -> Arc<ProcFs> {
        Arc::new(ProcFs { made_ns: host::clock::realtime_ns() })
    }

    /// The root directory.
    pub fn root(self: &Arc<Self>) -> InodeRef {
        node::root(self)
    }
}

/// The process whose directory `inode` is.
pub fn process_of(inode: &InodeRef) -> Option<Arc<crate::task::Process>> {
    node::process_of(inode)
}

impl FileSystem for ProcFs {
    fn name(&self) -> &'static str {
        "proc"
    }
    fn statfs(&self) -> Result<StatFs> {
        Ok(StatFs { kind: 0x9fa0, bsize: 4096, frsize: 4096, namelen: 255, ..StatFs::default() })
    }
    fn options(&self) -> &'static str {
        "rw,nosuid,nodev,noexec,relatime"
    }
}
