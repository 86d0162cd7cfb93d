//! Path resolution (path_resolution(7)): from a path to a dentry, or to a directory and a last name.

use super::{Dentry, FileType, MAX_SYMLINKS, MagicLink, NAME_MAX, PATH_MAX};
use crate::task::Cred;
use crate::{Errno, Result};
use alloc::{sync::Arc, vec::Vec};

bitflags::bitflags! {
    /// `RESOLVE_*` of openat2(2).
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub struct Resolve: u64 {
        /// Do not cross mounts.
        const NO_XDEV = 0x01;
        /// Do not follow magic links of /proc.
        const NO_MAGICLINKS = 0x02;
        /// Do not follow symbolic links at all.
        const NO_SYMLINKS = 0x04;
        /// Do not leave the tree below the start.
        const BENEATH = 0x08;
        /// Treat the start as `/`.
        const IN_ROOT = 0x10;
        /// Only what is cached.
        const CACHED = 0x20;
    }
}

/// Where a resolution starts and what it may do.
#[derive(Clone, Copy, Debug)]
pub struct Walk<'a> {
    /// Who asks.
    pub cred: &'a Cred,
    /// The process's root directory.
    pub root: &'a Arc<Dentry>,
    /// Where a relative path starts.
    pub base: &'a Arc<Dentry>,
    /// Restrictions of openat2(2).
    pub resolve: Resolve,
}

/// What a path came to.
#[derive(Debug)]
pub enum Found {
    /// A name in the tree.
    Dentry(Arc<Dentry>),
    /// Through a magic link: a file without a name.
    Inode(super::InodeRef),
}

/// A path component, kept without the heap.
#[derive(Clone)]
pub struct Name {
    len: u8,
    bytes: [u8; NAME_MAX],
}

impl Name {
    /// `name` must be at most `NAME_MAX` long, as the walk has checked; what is beyond is cut off.
    fn new(name: &[u8]) -> Name {
        let len = name.len().min(NAME_MAX);
        let mut bytes = [0; NAME_MAX];
        bytes[..len].copy_from_slice(&name[..len]);
        Name { len: len as u8, bytes }
    }
}

impl core::ops::Deref for Name {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }
}

impl core::fmt::Debug for Name {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{:?}", alloc::string::String::from_utf8_lossy(self))
    }
}

/// The last component of a path.
#[derive(Clone, Debug)]
#[allow(clippy::large_enum_variant, reason = "lives on the stack for one call")]
pub enum Last {
    /// An ordinary name.
    Normal(Name),
    /// `.`, `..` or `/`: the directory itself was resolved.
    Special(&'static [u8]),
}

/// A directory and the name in it that a path ends with; the name itself was not looked up.
#[derive(Debug)]
pub struct Parent {
    /// The directory (for [`Last::Special`], the result itself).
    pub dir: Arc<Dentry>,
    /// The last name.
    pub last: Last,
    /// Whether the path ended with `/`: the name must be a directory.
    pub trailing_slash: bool,
}

/// What `open(O_CREAT)` finds.
#[derive(Debug)]
#[allow(clippy::large_enum_variant, reason = "lives on the stack for one call")]
pub enum ForCreate {
    /// It exists.
    Found(Found),
    /// It does not, or the path ends with `.`, `..` or `/`.
    Parent(Parent),
}

/// How far a resolution goes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Want {
    /// To the end.
    Target,
    /// Up to the last component.
    Parent,
    /// To the end, or up to the last component when that does not exist.
    Create,
}

/// The state of one resolution.
struct State<'a> {
    walk: Walk<'a>,
    /// `/` of this resolution.
    root: &'a Arc<Dentry>,
    here: Arc<Dentry>,
    links_followed: usize,
}

impl<'a> Walk<'a> {
    /// Resolves `path` completely.
    ///
    /// # Errors
    /// `ENOENT` (also for an empty path), `ENOTDIR`, `EACCES`, `ELOOP`, `ENAMETOOLONG`, `EXDEV` by `resolve`.
    pub fn lookup(&self, path: &[u8], follow_last: bool) -> Result<Arc<Dentry>> {
        match self.find(path, follow_last)? {
            Found::Dentry(dentry) => Ok(dentry),
            Found::Inode(inode) => Ok(Dentry::new_detached(b"", self.root, inode)),
        }
    }

    /// Resolves `path` completely; tells a file without a name apart.
    ///
    /// # Errors
    /// As [`lookup`](Self::lookup).
    pub fn find(&self, path: &[u8], follow_last: bool) -> Result<Found> {
        let mut state = self.start(path)?;
        state.run(path, follow_last, Want::Target).map(|end| match end {
            End::Found(found) => found,
            End::Parent(parent) => Found::Dentry(parent.dir),
        })
    }

    /// Resolves all but the last component; a symbolic link there is not followed.
    ///
    /// # Errors
    /// As [`lookup`](Self::lookup).
    pub fn parent(&self, path: &[u8]) -> Result<Parent> {
        let mut state = self.start(path)?;
        match state.run(path, false, Want::Parent)? {
            End::Parent(parent) => Ok(parent),
            // Not reached: the walk stops before it could find anything.
            End::Found(_) => Err(Errno::NOENT),
        }
    }

    /// Resolves `path`, or all but its last component when that does not exist (`open(O_CREAT)`). A path that ends
    /// with `/` is answered as a [`Parent`] with `trailing_slash`, whether its last component exists or not.
    ///
    /// # Errors
    /// As [`lookup`](Self::lookup).
    pub fn for_create(&self, path: &[u8], follow_last: bool) -> Result<ForCreate> {
        let mut state = self.start(path)?;
        state.run(path, follow_last, Want::Create).map(|end| match end {
            End::Found(found) => ForCreate::Found(found),
            End::Parent(parent) => ForCreate::Parent(parent),
        })
    }

    fn start(&self, path: &[u8]) -> Result<State<'a>> {
        if path.is_empty() {
            return Err(Errno::NOENT);
        }
        if path.len() >= PATH_MAX {
            return Err(Errno::NAMETOOLONG);
        }
        let scoped = self.resolve.intersects(Resolve::BENEATH | Resolve::IN_ROOT);
        let root = if scoped { self.base } else { self.root };
        // The usual case first: nothing to check before starting at `/`.
        if path[0] == b'/' && self.resolve.is_empty() {
            return Ok(State { walk: *self, root, here: root.clone(), links_followed: 0 });
        }
        let mut state = State { walk: *self, root, here: self.base.clone(), links_followed: 0 };
        if path[0] == b'/' {
            state.jump_to_root()?;
        }
        Ok(state)
    }
}

#[allow(clippy::large_enum_variant, reason = "lives on the stack for one call")]
enum End {
    Found(Found),
    Parent(Parent),
}

impl State<'_> {
    /// Walks along `path`.
    fn run(&mut self, path: &[u8], follow_last: bool, want: Want) -> Result<End> {
        // The rest of the path; replaced by "target/rest" when a link is followed.
        let mut owned: Vec<u8>;
        let mut rest = path;
        loop {
            while let [b'/', tail @ ..] = rest {
                rest = tail;
            }
            let Some((name, tail, slash)) = split(rest) else {
                return Ok(self.end_at_directory(b"/", false, want));
            };
            let is_last = tail.is_empty();
            if self.here.kind() != FileType::Directory {
                return Err(Errno::NOTDIR);
            }
            self.may_search()?;
            rest = tail;
            if let b"." | b".." = name {
                // The parent that is asked for is the directory the last component is looked up in.
                if name == b".." && !(is_last && want == Want::Parent) {
                    self.up()?;
                }
                if is_last {
                    let special: &'static [u8] = if name == b"." { b"." } else { b".." };
                    return Ok(self.end_at_directory(special, slash, want));
                }
                continue;
            }
            if name.len() > NAME_MAX {
                return Err(Errno::NAMETOOLONG);
            }
            if is_last && (want == Want::Parent || want == Want::Create && slash) {
                return Ok(self.stop_before(name, slash));
            }
            let child = match self.lookup(name) {
                Err(Errno::NOENT) if is_last && want == Want::Create => {
                    return Ok(self.stop_before(name, slash));
                }
                other => other?,
            };
            if child.kind() != FileType::Symlink || is_last && !follow_last && !slash {
                if is_last {
                    if slash && child.kind() != FileType::Directory {
                        return Err(Errno::NOTDIR);
                    }
                    return Ok(End::Found(Found::Dentry(child)));
                }
                self.here = child;
                continue;
            }
            match self.follow(&child)? {
                Step::Text(mut target) => {
                    if target.first() == Some(&b'/') {
                        self.jump_to_root()?;
                    }
                    if target.len() + tail.len() + 1 >= 2 * PATH_MAX {
                        return Err(Errno::NAMETOOLONG);
                    }
                    if !is_last || slash {
                        target.push(b'/');
                    }
                    target.extend_from_slice(tail);
                    owned = target;
                    rest = &owned;
                }
                Step::Jump(Found::Dentry(dentry)) if is_last => {
                    if slash && dentry.kind() != FileType::Directory {
                        return Err(Errno::NOTDIR);
                    }
                    return Ok(End::Found(Found::Dentry(dentry)));
                }
                Step::Jump(Found::Dentry(dentry)) => self.here = dentry,
                Step::Jump(Found::Inode(inode)) => {
                    if !is_last || slash {
                        return Err(Errno::NOTDIR);
                    }
                    return Ok(End::Found(Found::Inode(inode)));
                }
            }
        }
    }

    fn end_at_directory(&self, special: &'static [u8], slash: bool, want: Want) -> End {
        let dir = self.here.clone();
        if want == Want::Target {
            return End::Found(Found::Dentry(dir));
        }
        End::Parent(Parent { dir, last: Last::Special(special), trailing_slash: slash })
    }

    fn stop_before(&self, name: &[u8], slash: bool) -> End {
        End::Parent(Parent {
            dir: self.here.clone(),
            last: Last::Normal(Name::new(name)),
            trailing_slash: slash,
        })
    }

    fn lookup(&self, name: &[u8]) -> Result<Arc<Dentry>> {
        if self.walk.resolve.is_empty() {
            return self.here.lookup(name);
        }
        let child = if self.walk.resolve.contains(Resolve::CACHED) {
            self.here.lookup_cached(name).ok_or(Errno::AGAIN)?
        } else {
            self.here.lookup(name)?
        };
        if self.walk.resolve.contains(Resolve::NO_XDEV) && child.covered().is_some() {
            return Err(Errno::XDEV);
        }
        Ok(child)
    }

    /// Goes to `/` (`nd_jump_root`).
    fn jump_to_root(&mut self) -> Result<()> {
        if self.walk.resolve.contains(Resolve::BENEATH) {
            return Err(Errno::XDEV);
        }
        if self.walk.resolve.contains(Resolve::NO_XDEV)
            && !Arc::ptr_eq(&self.here.mount_root(), &self.root.mount_root())
        {
            return Err(Errno::XDEV);
        }
        self.here = self.root.clone();
        Ok(())
    }

    fn may_search(&self) -> Result<()> {
        if self.walk.cred.may_search_anything() {
            return Ok(());
        }
        self.here.inode().permission(self.walk.cred, 1)
    }

    fn up(&mut self) -> Result<()> {
        if Arc::ptr_eq(&self.here, self.root) {
            if self.walk.resolve.contains(Resolve::BENEATH) {
                return Err(Errno::XDEV);
            }
            return Ok(());
        }
        if Arc::ptr_eq(&self.here, self.walk.root) {
            return Ok(());
        }
        if self.walk.resolve.contains(Resolve::NO_XDEV) && self.here.covered().is_some() {
            return Err(Errno::XDEV);
        }
        if let Some(parent) = self.here.parent() {
            self.here = parent.top();
        }
        Ok(())
    }

    fn follow(&mut self, link: &Arc<Dentry>) -> Result<Step> {
        let resolve = self.walk.resolve;
        if resolve.contains(Resolve::NO_SYMLINKS) {
            return Err(Errno::LOOP);
        }
        self.links_followed += 1;
        if self.links_followed > MAX_SYMLINKS {
            return Err(Errno::LOOP);
        }
        if let Some(magic) = link.inode().magic_link() {
            if resolve.intersects(Resolve::NO_MAGICLINKS) {
                return Err(Errno::LOOP);
            }
            if resolve.intersects(Resolve::BENEATH | Resolve::IN_ROOT | Resolve::NO_XDEV) {
                return Err(Errno::XDEV);
            }
            return Ok(Step::Jump(match magic? {
                MagicLink::Dentry(dentry) => Found::Dentry(dentry),
                MagicLink::Inode(inode) => Found::Inode(inode),
            }));
        }
        let target = link.inode().readlink()?;
        if target.is_empty() {
            return Err(Errno::NOENT);
        }
        Ok(Step::Text(target))
    }
}

enum Step {
    Text(Vec<u8>),
    Jump(Found),
}

/// The first component, what follows its slashes, and whether a slash followed. `None` at the end.
fn split(path: &[u8]) -> Option<(&[u8], &[u8], bool)> {
    if path.is_empty() {
        return None;
    }
    let end = path.iter().position(|&b| b == b'/').unwrap_or(path.len());
    let (name, mut tail) = path.split_at(end);
    let slash = !tail.is_empty();
    while let [b'/', more @ ..] = tail {
        tail = more;
    }
    Some((name, tail, slash))
}
