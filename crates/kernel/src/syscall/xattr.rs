//! xattr(7): setxattr(2), getxattr(2), listxattr(2), removexattr(2), each with an `l`, an `f` and an `at` form.

use super::at::{self, CWD, Named, check_flags};
use crate::task::{Cred, Current};
use crate::uaccess::{Args, get, get_bytes, get_string, put_bytes};
use crate::vfs::notify::Events;
use crate::vfs::{Fd, FileType, InodeRef, XattrFlags};
use crate::{Errno, Result};
use alloc::vec::Vec;
use linux_raw_sys::general::{
    AT_EMPTY_PATH, AT_SYMLINK_NOFOLLOW, CAP_SETFCAP, CAP_SYS_ADMIN, XATTR_LIST_MAX, XATTR_NAME_MAX,
    XATTR_SIZE_MAX,
};

/// `struct xattr_args` of the `at` forms: value, then size and flags in one word.
type XattrArgs = [u64; 2];

/// Where the path argument's file is: `""`, `l` and `f` forms.
enum Way {
    Follow,
    Link,
    Descriptor,
}

fn find(cur: &Current<'_>, args: &Args, way: &Way) -> Result<Named> {
    match way {
        Way::Follow => at::lookup_user(cur, CWD, args.usize(0), 0),
        Way::Link => at::lookup_user(cur, CWD, args.usize(0), AT_SYMLINK_NOFOLLOW),
        Way::Descriptor => cur.file(args.i32(0)).map(Named::File),
    }
}

fn find_at(cur: &Current<'_>, args: &Args) -> Result<Named> {
    let flags = args.u32(2);
    check_flags(flags, AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH)?;
    let dirfd: Fd = args.i32(0);
    match at::lookup_user_or_null(cur, dirfd, args.usize(1), flags)? {
        Named::File(file) if file.flags().contains(crate::vfs::OpenFlags::PATH) => Err(Errno::BADF),
        found => Ok(found),
    }
}

macro_rules! forms {
    ($($name:ident $way:ident $what:ident, $doc:literal;)*) => { $(
        #[doc = $doc]
        pub fn $name(cur: &mut Current<'_>, args: &Args) -> Result<usize> {
            $what(cur, args, &Way::$way)
        }
    )* };
}

forms! {
    sys_setxattr Follow set, "`setxattr(path, name, value, size, flags)`";
    sys_lsetxattr Link set, "`lsetxattr(path, name, value, size, flags)`";
    sys_fsetxattr Descriptor set, "`fsetxattr(fd, name, value, size, flags)`";
    sys_getxattr Follow fetch, "`getxattr(path, name, value, size)`";
    sys_lgetxattr Link fetch, "`lgetxattr(path, name, value, size)`";
    sys_fgetxattr Descriptor fetch, "`fgetxattr(fd, name, value, size)`";
    sys_listxattr Follow list, "`listxattr(path, list, size)`";
    sys_llistxattr Link list, "`llistxattr(path, list, size)`";
    sys_flistxattr Descriptor list, "`flistxattr(fd, list, size)`";
    sys_removexattr Follow remove, "`removexattr(path, name)`";
    sys_lremovexattr Link remove, "`lremovexattr(path, name)`";
    sys_fremovexattr Descriptor remove, "`fremovexattr(fd, name)`";
}

fn set(cur: &Current<'_>, args: &Args, way: &Way) -> Result<usize> {
    let change = Change::read(args.usize(1), args.usize(2), args.usize(3), args.u32(4))?;
    change.apply(cur, &find(cur, args, way)?)
}

fn fetch(cur: &Current<'_>, args: &Args, way: &Way) -> Result<usize> {
    let name = name(args.usize(1))?;
    fetch_of(cur, &find(cur, args, way)?, &name, args.usize(2), args.usize(3))
}

fn list(cur: &Current<'_>, args: &Args, way: &Way) -> Result<usize> {
    list_of(cur, &find(cur, args, way)?, args.usize(1), args.usize(2))
}

fn remove(cur: &Current<'_>, args: &Args, way: &Way) -> Result<usize> {
    let name = name(args.usize(1))?;
    remove_of(cur, &find(cur, args, way)?, &name)
}

/// `setxattrat(dirfd, path, at_flags, name, args, size)`
pub fn sys_setxattrat(cur: &mut Current<'_>, args: &Args) -> Result<usize> {
    let [value, rest] = xattr_args(args)?;
    let (size, flags) = (rest as u32 as usize, (rest >> 32) as u32);
    let change = Change::read(args.usize(3), value as usize, size, flags)?;
    change.apply(cur, &find_at(cur, args)?)
}

/// `getxattrat(dirfd, path, at_flags, name, args, size)`
pub fn sys_getxattrat(cur: &mut Current<'_>, args: &Args) -> Result<usize> {
    let [value, rest] = xattr_args(args)?;
    if rest >> 32 != 0 {
        return Err(Errno::INVAL);
    }
    let name = name(args.usize(3))?;
    fetch_of(cur, &find_at(cur, args)?, &name, value as usize, rest as u32 as usize)
}

/// `listxattrat(dirfd, path, at_flags, list, size)`
pub fn sys_listxattrat(cur: &mut Current<'_>, args: &Args) -> Result<usize> {
    list_of(cur, &find_at(cur, args)?, args.usize(3), args.usize(4))
}

/// `removexattrat(dirfd, path, at_flags, name)`
pub fn sys_removexattrat(cur: &mut Current<'_>, args: &Args) -> Result<usize> {
    let name = name(args.usize(3))?;
    remove_of(cur, &find_at(cur, args)?, &name)
}

fn xattr_args(args: &Args) -> Result<XattrArgs> {
    let (addr, size) = (args.usize(4), args.usize(5));
    if size < size_of::<XattrArgs>() {
        return Err(Errno::INVAL);
    }
    if size > 4096 {
        return Err(Errno::TOOBIG);
    }
    for at in size_of::<XattrArgs>()..size {
        if get::<u8>(addr.wrapping_add(at))? != 0 {
            return Err(Errno::TOOBIG);
        }
    }
    get(addr)
}

/// # Errors
/// `ERANGE` for an empty name or one beyond `XATTR_NAME_MAX`.
fn name(addr: usize) -> Result<Vec<u8>> {
    let name = get_string(addr, XATTR_NAME_MAX as usize, Errno::RANGE)?;
    if name.is_empty() { Err(Errno::RANGE) } else { Ok(name) }
}

/// What a setxattr asks for.
struct Change {
    name: Vec<u8>,
    value: Vec<u8>,
    flags: XattrFlags,
}

impl Change {
    fn read(name_at: usize, value_at: usize, size: usize, flags: u32) -> Result<Change> {
        let flags = XattrFlags::from_bits(flags).ok_or(Errno::INVAL)?;
        let name = name(name_at)?;
        if size > XATTR_SIZE_MAX as usize {
            return Err(Errno::TOOBIG);
        }
        let mut value = alloc::vec![0; size];
        get_bytes(&mut value, value_at)?;
        Ok(Change { name, value, flags })
    }

    fn apply(&self, cur: &Current<'_>, found: &Named) -> Result<usize> {
        let inode = found.inode();
        may_change(&cur.cred(), inode, &self.name)?;
        inode.set_xattr(&self.name, &self.value, self.flags)?;
        found.changed(Events::ATTRIB);
        Ok(0)
    }
}

fn fetch_of(cur: &Current<'_>, found: &Named, name: &[u8], to: usize, size: usize) -> Result<usize> {
    let inode = found.inode();
    may_access(&cur.cred(), inode, name, 4)?;
    let value = inode.get_xattr(name)?;
    if size == 0 {
        return Ok(value.len());
    }
    if value.len() > size {
        return Err(Errno::RANGE);
    }
    put_bytes(to, &value)?;
    Ok(value.len())
}

fn list_of(cur: &Current<'_>, found: &Named, to: usize, size: usize) -> Result<usize> {
    let all = cur.cred().capable(CAP_SYS_ADMIN);
    let mut out = Vec::new();
    for name in found.inode().list_xattr()? {
        if all || !name.starts_with(b"trusted.") {
            out.extend_from_slice(&name);
            out.push(0);
        }
    }
    if out.len() > XATTR_LIST_MAX as usize {
        return Err(Errno::TOOBIG);
    }
    if size == 0 {
        return Ok(out.len());
    }
    if out.len() > size {
        return Err(Errno::RANGE);
    }
    put_bytes(to, &out)?;
    Ok(out.len())
}

fn remove_of(cur: &Current<'_>, found: &Named, name: &[u8]) -> Result<usize> {
    let inode = found.inode();
    may_change(&cur.cred(), inode, name)?;
    inode.remove_xattr(name)?;
    found.changed(Events::ATTRIB);
    Ok(0)
}

/// `xattr_permission` with write, and what the capability module adds (`cap_inode_setxattr`).
fn may_change(cred: &Cred, inode: &InodeRef, name: &[u8]) -> Result<()> {
    may_access(cred, inode, name, 2)?;
    if name.starts_with(b"security.") {
        let needed = if name == b"security.capability" { CAP_SETFCAP } else { CAP_SYS_ADMIN };
        if !cred.capable(needed) {
            return Err(Errno::PERM);
        }
    }
    Ok(())
}

/// # Errors
/// `EOPNOTSUPP` for a namespace there is none of; `EPERM` (`ENODATA` for reading) where the kind of file or the
/// missing privilege excludes it; `EACCES`.
fn may_access(cred: &Cred, inode: &InodeRef, name: &[u8], mask: u32) -> Result<()> {
    let refused = if mask & 2 != 0 { Errno::PERM } else { Errno::NODATA };
    if name.starts_with(b"security.") {
        return Ok(());
    }
    if name.starts_with(b"trusted.") {
        return if cred.capable(CAP_SYS_ADMIN) { Ok(()) } else { Err(refused) };
    }
    if name == b"user." {
        return Err(Errno::INVAL);
    }
    if !name.starts_with(b"user.") {
        // Access control lists can be asked for, but there are none and none can be made.
        let list = name.starts_with(b"system.posix_acl_");
        return Err(if list && mask & 2 == 0 { Errno::NODATA } else { Errno::OPNOTSUPP });
    }
    match inode.kind() {
        FileType::Regular => {}
        FileType::Directory => {
            if mask & 2 != 0 && inode.stat()?.mode & 0o1000 != 0 && !cred.owns(&**inode)? {
                return Err(Errno::PERM);
            }
        }
        _ => return Err(refused),
    }
    inode.permission(cred, mask)
}
