//! Extended attributes (xattr(7)): those of the host are read there, changes are kept in memory.

use super::node::{Lower, Node};
use crate::vfs::{FileType, TimeSpec, XattrFlags};
use crate::{Errno, Result};
use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;

/// Longest value (`XATTR_SIZE_MAX`) and longest list of names with their NULs (`XATTR_LIST_MAX`).
const MAX_VALUE: usize = 65536;
const MAX_LIST: usize = 65536;
/// Memory an attribute is counted with besides its name and value, in bytes.
const COST: u64 = 96;

/// Values by name; `None`: removed from what the host has.
type Changes = BTreeMap<Box<[u8]>, Option<Box<[u8]>>>;

/// Changed attributes.
#[derive(Default)]
pub(super) struct Xattrs(Option<Box<Changes>>);

impl Xattrs {
    /// Bytes counted against the quota.
    pub fn memory(&self) -> u64 {
        let all = self.0.iter().flat_map(|map| map.iter());
        all.map(|(name, value)| cost(name, value.as_deref())).sum()
    }

    fn get(&self, name: &[u8]) -> Option<Option<&[u8]>> {
        self.0.as_ref()?.get(name).map(Option::as_deref)
    }

    fn remove(&mut self, name: &[u8]) {
        if let Some(map) = &mut self.0 {
            map.remove(name);
        }
    }

    fn put(&mut self, name: &[u8], value: Option<&[u8]>) {
        self.0.get_or_insert_default().insert(name.into(), value.map(Into::into));
    }
}

fn cost(name: &[u8], value: Option<&[u8]>) -> u64 {
    COST + (name.len() + value.map_or(0, <[u8]>::len)) as u64
}

impl Node {
    /// Whether this kind of file can have the attribute at all.
    ///
    /// # Errors
    /// `EOPNOTSUPP` for a name space there is none of; `other_kind` for `user.` where only other kinds have it.
    fn check_name(&self, name: &[u8], other_kind: Errno) -> Result<()> {
        let space = |prefix: &[u8]| name.strip_prefix(prefix).is_some_and(|rest| !rest.is_empty());
        if space(b"user.") {
            return match self.kind {
                FileType::Regular | FileType::Directory => Ok(()),
                _ => Err(other_kind),
            };
        }
        if space(b"trusted.") || space(b"security.") { Ok(()) } else { Err(Errno::OPNOTSUPP) }
    }

    /// What the host has under `name`.
    fn lower_xattr(&self, name: &[u8]) -> Result<Vec<u8>> {
        match &self.lower {
            Lower::None => Err(Errno::NODATA),
            Lower::Directory(dir) => dir.fd()?.get_xattr(name),
            Lower::File(_) => {
                self.at_place(|dir, place| host::file::open_name(&*dir.fd()?, place)?.get_xattr(name))
            }
        }
    }

    fn lower_names(&self) -> Result<Vec<Vec<u8>>> {
        let list = match &self.lower {
            Lower::None => return Ok(Vec::new()),
            Lower::Directory(dir) => dir.fd()?.list_xattr(),
            Lower::File(_) => {
                self.at_place(|dir, place| host::file::open_name(&*dir.fd()?, place)?.list_xattr())
            }
        };
        let list = match list {
            Err(Errno::OPNOTSUPP) => return Ok(Vec::new()),
            other => other?,
        };
        Ok(list.split(|&byte| byte == 0).filter(|name| !name.is_empty()).map(<[u8]>::to_vec).collect())
    }

    pub(super) fn read_xattr(&self, name: &[u8]) -> Result<Vec<u8>> {
        let state = self.state.lock();
        match state.xattrs.get(name) {
            Some(value) => value.map(<[u8]>::to_vec).ok_or(Errno::NODATA),
            None => {
                drop(state);
                // The host also answers for what cannot be changed here, such as access control lists.
                if let Lower::None = self.lower {
                    self.check_name(name, Errno::NODATA)?;
                }
                self.lower_xattr(name)
            }
        }
    }

    pub(super) fn xattr_names(&self) -> Result<Vec<Vec<u8>>> {
        let mut names = self.lower_names()?;
        let state = self.state.lock();
        for (name, value) in state.xattrs.0.iter().flat_map(|map| map.iter()) {
            names.retain(|each| **each != **name);
            if value.is_some() {
                names.push(name.to_vec());
            }
        }
        Ok(names)
    }

    /// Whether the attribute is there, in memory or on the host.
    fn has_xattr(&self, changed: Option<Option<&[u8]>>, name: &[u8]) -> Result<bool> {
        match changed {
            Some(value) => Ok(value.is_some()),
            None => match self.lower_xattr(name) {
                Ok(_) => Ok(true),
                Err(Errno::NODATA | Errno::OPNOTSUPP) => Ok(false),
                Err(errno) => Err(errno),
            },
        }
    }

    pub(super) fn write_xattr(&self, name: &[u8], value: &[u8], flags: XattrFlags) -> Result<()> {
        if value.len() > MAX_VALUE {
            return Err(Errno::TOOBIG);
        }
        self.check_name(name, Errno::PERM)?;
        let mut state = self.state.lock();
        let old = state.xattrs.get(name);
        if !flags.is_empty() || old.is_none() {
            match self.has_xattr(old, name)? {
                true if flags.contains(XattrFlags::CREATE) => return Err(Errno::EXIST),
                false if flags.contains(XattrFlags::REPLACE) => return Err(Errno::NODATA),
                _ => {}
            }
        }
        let list: usize = state.xattrs.0.iter().flat_map(|map| map.keys()).map(|name| name.len() + 1).sum();
        if old.is_none() && list + name.len() + 1 > MAX_LIST {
            return Err(Errno::NOSPC);
        }
        let refund = old.map_or(0, |old| cost(name, old));
        let quota = &self.core.quota;
        quota.charge(cost(name, Some(value)))?;
        if let Err(errno) = self.attr(&mut state) {
            quota.refund(cost(name, Some(value)));
            return Err(errno);
        }
        quota.refund(refund);
        state.xattrs.put(name, Some(value));
        self.attr(&mut state)?.ctime = TimeSpec::now();
        Ok(())
    }

    pub(super) fn delete_xattr(&self, name: &[u8]) -> Result<()> {
        self.check_name(name, Errno::PERM)?;
        let mut state = self.state.lock();
        let old = state.xattrs.get(name);
        if !self.has_xattr(old, name)? {
            return Err(Errno::NODATA);
        }
        let refund = old.map_or(0, |old| cost(name, old));
        self.attr(&mut state)?.ctime = TimeSpec::now();
        let quota = &self.core.quota;
        if let Lower::None = self.lower {
            state.xattrs.remove(name);
            quota.refund(refund);
            return Ok(());
        }
        // The mark that hides the host's is counted too, but never refused: removing must work when all is full.
        quota.force(cost(name, None));
        quota.refund(refund);
        state.xattrs.put(name, None);
        Ok(())
    }
}
