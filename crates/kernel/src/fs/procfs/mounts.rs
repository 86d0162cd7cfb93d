//! /proc/PID/mounts, mountinfo and mountstats.

use crate::task::Process;
use alloc::sync::Arc;
use alloc::vec::Vec;

/// Octal escapes, as Linux writes them, of what would break the columns.
fn escape(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    for &b in text {
        match b {
            b' ' | b'\t' | b'\n' | b'\\' => out.extend_from_slice(alloc::format!("\\{b:03o}").as_bytes()),
            _ => out.push(b),
        }
    }
    out
}

/// /proc/PID/mounts: device, mount point, type, options.
pub fn mounts(process: &Arc<Process>) -> Vec<u8> {
    let root = process.fs.lock().root.lock().clone();
    let mut out = Vec::new();
    for mount in crate::fs::mounts() {
        let Some(path) = mount.dentry.path_from(&root) else { continue };
        out.extend_from_slice(&escape(&mount.source));
        out.push(b' ');
        out.extend_from_slice(&escape(&path));
        out.extend_from_slice(alloc::format!(" {} {} 0 0\n", mount.fs.name(), mount.fs.options()).as_bytes());
    }
    out
}

/// /proc/PID/mountinfo.
pub fn mountinfo(process: &Arc<Process>) -> Vec<u8> {
    let root = process.fs.lock().root.lock().clone();
    let mounts = crate::fs::mounts();
    let mut out = Vec::new();
    for (n, mount) in mounts.iter().enumerate() {
        let Some(path) = mount.dentry.path_from(&root) else { continue };
        // The mount it stands on: the one whose root lies closest above.
        let above = mount.dentry.covered().map(|covered| covered.mount_root());
        let parent =
            above.and_then(|above| mounts.iter().position(|other| Arc::ptr_eq(&other.dentry, &above)));
        let dev = mount.dentry.inode().stat().map_or(0, |stat| stat.dev);
        let (major, minor) = (dev >> 8 & 0xfff, dev & 0xff | dev >> 12 & 0xfff00);
        let (id, parent) = (n + 21, parent.map_or(1, |parent| parent + 21));
        out.extend_from_slice(alloc::format!("{id} {parent} {major}:{minor} / ").as_bytes());
        out.extend_from_slice(&escape(&path));
        let (name, options) = (mount.fs.name(), mount.fs.options());
        out.extend_from_slice(alloc::format!(" {options} - {name} ").as_bytes());
        out.extend_from_slice(&escape(&mount.source));
        out.extend_from_slice(b" rw\n");
    }
    out
}
