//! memfd_create(2).

use crate::fs::memfd::Memfd;
use crate::task::Current;
use crate::uaccess::{Args, get_string};
use crate::vfs::{Dentry, File, Inode, OpenFlags};
use crate::{Errno, Result};

/// Flags of `linux/memfd.h`.
const MFD_CLOEXEC: u32 = 1;
const MFD_ALLOW_SEALING: u32 = 2;
const MFD_HUGETLB: u32 = 4;
const MFD_NOEXEC_SEAL: u32 = 8;
const MFD_EXEC: u32 = 16;
/// The size of huge pages, as a logarithm (`MFD_HUGE_MASK << MFD_HUGE_SHIFT`).
const MFD_HUGE_SIZE: u32 = 0x3f << 26;
/// `NAME_MAX` less the "memfd:" before the name.
const MAX_NAME: usize = 249;

/// `memfd_create(name, flags)`
pub fn sys_memfd_create(cur: &mut Current<'_>, args: &Args) -> Result<usize> {
    let flags = args.u32(1);
    let mut known = MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_HUGETLB | MFD_NOEXEC_SEAL | MFD_EXEC;
    if flags & MFD_HUGETLB != 0 {
        known |= MFD_HUGE_SIZE;
    }
    if flags & !known != 0 || flags & (MFD_EXEC | MFD_NOEXEC_SEAL) == MFD_EXEC | MFD_NOEXEC_SEAL {
        return Err(Errno::INVAL);
    }
    let name = get_string(args.usize(0), MAX_NAME, Errno::INVAL)?;
    let cred = cur.cred();
    let inode = Memfd::new(&name, flags, cred.fsuid, cred.fsgid)?;
    let open_flags = OpenFlags::RDWR | OpenFlags::LARGEFILE;
    let ops = inode.clone().open(open_flags)?;
    // /proc/self/fd tells it as "/memfd:name (deleted)".
    let root = cur.fs.root.lock().clone();
    let dentry = Dentry::new_unnamed(&[b"memfd:", &name[..]].concat(), &root, inode.clone(), false);
    let file = File::new(ops, inode, Some(dentry), open_flags);
    Ok(cur.install(file, flags & MFD_CLOEXEC != 0)? as usize)
}
