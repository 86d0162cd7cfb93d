//! statx(2).

use super::at::{self, check_flags};
use crate::task::Current;
use crate::uaccess::{Args, put};
use crate::vfs::{Dentry, Stat, TimeSpec};
use crate::{Errno, Result};
use alloc::sync::Arc;
use linux_raw_sys::general::{
    self as g, AT_EMPTY_PATH, AT_NO_AUTOMOUNT, AT_STATX_SYNC_TYPE, AT_SYMLINK_NOFOLLOW, STATX__RESERVED,
    STATX_ATTR_MOUNT_ROOT, STATX_BASIC_STATS, STATX_BTIME,
};

/// `statx(dirfd, path, flags, mask, statxbuf)`. All that is known is told, whatever the mask asks for.
pub fn sys_statx(cur: &mut Current<'_>, args: &Args) -> Result<usize> {
    let flags = args.u32(2);
    if args.u32(3) & STATX__RESERVED != 0 || flags & AT_STATX_SYNC_TYPE == AT_STATX_SYNC_TYPE {
        return Err(Errno::INVAL);
    }
    check_flags(flags, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | AT_EMPTY_PATH | AT_STATX_SYNC_TYPE)?;
    let found = at::lookup_user_or_null(cur, args.i32(0), args.usize(1), flags)?;
    let stat = found.inode().stat()?;
    put(args.usize(4), &to_user(&stat, found.dentry()))?;
    Ok(0)
}

/// Major and minor number out of `makedev`'s encoding.
const fn split_device(device: u64) -> (u32, u32) {
    let major = (device >> 8 & 0xfff) | (device >> 32 & 0xffff_f000);
    let minor = (device & 0xff) | (device >> 12 & 0xffff_ff00);
    (major as u32, minor as u32)
}

fn time(time: TimeSpec) -> g::statx_timestamp {
    g::statx_timestamp { tv_sec: time.sec, tv_nsec: time.nsec, __reserved: 0 }
}

fn to_user(stat: &Stat, dentry: Option<&Arc<Dentry>>) -> g::statx {
    let (rdev_major, rdev_minor) = split_device(stat.rdev);
    let (dev_major, dev_minor) = split_device(stat.dev);
    let is_mount_root = dentry.is_some_and(|d| d.covered().is_some() || d.parent().is_none());
    let mount_root = if is_mount_root { u64::from(STATX_ATTR_MOUNT_ROOT) } else { 0 };
    g::statx {
        stx_mask: STATX_BASIC_STATS | if stat.btime.is_some() { STATX_BTIME } else { 0 },
        stx_blksize: stat.blksize,
        stx_attributes: stat.attributes | mount_root,
        stx_nlink: stat.nlink,
        stx_uid: stat.uid,
        stx_gid: stat.gid,
        stx_mode: stat.mode as u16,
        __spare0: [0],
        stx_ino: stat.ino,
        stx_size: stat.size,
        stx_blocks: stat.blocks,
        stx_attributes_mask: stat.attributes_mask | u64::from(STATX_ATTR_MOUNT_ROOT),
        stx_atime: time(stat.atime),
        stx_btime: time(stat.btime.unwrap_or_default()),
        stx_ctime: time(stat.ctime),
        stx_mtime: time(stat.mtime),
        stx_rdev_major: rdev_major,
        stx_rdev_minor: rdev_minor,
        stx_dev_major: dev_major,
        stx_dev_minor: dev_minor,
        stx_mnt_id: 0,
        stx_dio_mem_align: 0,
        stx_dio_offset_align: 0,
        stx_subvol: 0,
        stx_atomic_write_unit_min: 0,
        stx_atomic_write_unit_max: 0,
        stx_atomic_write_segments_max: 0,
        stx_dio_read_offset_align: 0,
        stx_atomic_write_unit_max_opt: 0,
        __spare2: [0],
        __spare3: [0; 8],
    }
}

#[cfg(test)]
mod tests {
    use super::split_device;

    #[test]
    fn device_numbers_split_as_makedev_joined_them() {
        // makedev(0x12345, 0xabcde)
        let joined = 0x345 << 8 | 0xde | (0x12000u64) << 32 | 0xabc00 << 12;
        assert_eq!(split_device(joined), (0x12345, 0xabcde));
    }
}
