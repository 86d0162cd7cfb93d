//! /sys: the host's, read-only (sysfs(5)).
//!
//! Programs look there for processors, caches and devices, and those are the host's. Nothing can be changed: every
//! attempt answers `EROFS`, as with a sysfs that is mounted read-only. The files themselves are passed through by
//! [`super::hostfs`].

use super::hostfs::HostFs;
use crate::Result;
use crate::vfs::{FileSystem, InodeRef, StatFs};
use alloc::sync::Arc;
use linux_raw_sys::general::{O_DIRECTORY, O_PATH};

/// The file system.
pub struct SysFs(Arc<HostFs>);

impl SysFs {
    /// The host's /sys.
    ///
    /// # Errors
    /// Those of open(2), when the host has none.
    pub fn new() -> Result<Arc<SysFs>> {
        let dir = host::file::open(None, b"/sys", O_PATH | O_DIRECTORY, 0, 0)?;
        Ok(Arc::new(SysFs(HostFs::new_read_only(dir)?)))
    }

    /// The root directory.
    pub fn root(&self) -> InodeRef {
        self.0.root()
    }
}

impl FileSystem for SysFs {
    fn name(&self) -> &'static str {
        "sysfs"
    }

    fn statfs(&self) -> Result<StatFs> {
        self.0.statfs()
    }

    fn options(&self) -> &'static str {
        self.0.options()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Errno;
    use crate::testing::cred;
    use crate::vfs::{FileType, NewNode, OpenFlags, SetAttr};

    #[test]
    fn shows_the_host_and_changes_nothing() {
        let sys = SysFs::new().expect("a host with /sys");
        let root = sys.root();
        let kernel = root.lookup(b"kernel").unwrap();
        assert_eq!(kernel.kind(), FileType::Directory);
        let node = NewNode { kind: FileType::Regular, mode: 0o644, uid: 0, gid: 0, target: b"", rdev: 0 };
        assert_eq!(root.create(b"new", &node).err(), Some(Errno::ROFS));
        assert_eq!(root.rmdir(b"kernel"), Err(Errno::ROFS));
        assert_eq!(kernel.set_attr(&SetAttr { mode: Some(0), ..SetAttr::default() }), Err(Errno::ROFS));
        assert_eq!(kernel.permission(&cred(0, 0, &[]), 2), Err(Errno::ROFS));
        assert_eq!(kernel.permission(&cred(0, 0, &[]), 5), Ok(()));
        let file = kernel.lookup(b"uevent_seqnum").unwrap();
        assert_eq!(file.clone().open(OpenFlags::RDWR).err(), Some(Errno::ROFS));
        let mut bytes = [0; 16];
        let open = file.open(OpenFlags::empty()).unwrap();
        assert!(open.read(&mut host::io::IoDst::kernel(&mut bytes), 0, false).unwrap() > 0);
        assert!(bytes[0].is_ascii_digit());
        assert_eq!(sys.statfs().unwrap().flags & 1, 1);
    }
}
