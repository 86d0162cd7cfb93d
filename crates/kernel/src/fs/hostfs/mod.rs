//! Passthrough of host directories.
use crate::vfs::File;
use crate::{Errno, Result};
use alloc::sync::Arc;
use host::file::HostFd;
/// A file over a descriptor the host process was started with.
pub fn inherited(_fd: HostFd) -> Result<Arc<File>> {
    Err(Errno::NOSYS)
}
