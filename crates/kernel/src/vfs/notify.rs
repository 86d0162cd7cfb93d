//! Who watches which inode, and telling them what happens to it (`fs/notify/` of Linux). Observers are inotify(7), in
//! `crate::fs::inotify`, and `dnotify`; events come from this layer and from the system calls.
//!
//! As long as nobody watches anything, each of the functions that tell costs one load.
//!
//! | what happens | who is told |
//! |---|---|
//! | reading, writing, opening, closing, changed attributes | watches of the file; watches of its directory, with the name |
//! | an entry is made, removed or moved | watches of the directory, with the name |
//! | the file itself goes or moves | watches of the file |

use super::{Dentry, File, FileType, InodeRef, OpenFlags};
use crate::{Errno, Result};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicU32, AtomicUsize, Ordering::Relaxed};
use hashbrown::HashMap;
use host::mutex::{Mutex, OnceLock};

bitflags::bitflags! {
    /// What happens, with the values of inotify(7), and how a watch behaves.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct Events: u32 {
        /// Read.
        const ACCESS = 0x1;
        /// Written or truncated.
        const MODIFY = 0x2;
        /// Attributes were changed.
        const ATTRIB = 0x4;
        /// A file open for writing was closed.
        const CLOSE_WRITE = 0x8;
        /// A file not open for writing was closed.
        const CLOSE_NOWRITE = 0x10;
        /// Opened.
        const OPEN = 0x20;
        /// An entry was moved away.
        const MOVED_FROM = 0x40;
        /// An entry was moved here.
        const MOVED_TO = 0x80;
        /// An entry was made.
        const CREATE = 0x100;
        /// An entry was removed.
        const DELETE = 0x200;
        /// The file itself is gone.
        const DELETE_SELF = 0x400;
        /// The file itself was moved.
        const MOVE_SELF = 0x800;
        /// An entry got another name in the same directory (only for directory notification).
        const RENAME = 0x1000_0000;
        /// It is about a directory.
        const ISDIR = 0x4000_0000;
    }
}

/// Somebody who watches.
pub trait Observer: Send + Sync {
    /// `events` happened to what the watch `wd` is about; `name` is that of an entry of it, or empty. Called with the
    /// table of watches locked: only to take a note.
    fn note(&self, wd: i32, events: Events, cookie: u32, name: &[u8]);
    /// The watch `wd` is no more. Called as [`note`](Self::note).
    fn ended(&self, wd: i32);
    /// Called after notes were taken, when no lock is held.
    fn wake(&self);
}

/// How a watch is to be made.
#[derive(Clone, Copy, Debug)]
pub struct Request {
    /// What to tell.
    pub events: Events,
    /// It ends with its first event.
    pub once: bool,
    /// Nothing about entries that were removed from the directory.
    pub no_unlinked: bool,
    /// What to do with a watch of the same observer on the same inode.
    pub existing: Existing,
}

/// What becomes of a watch that there is already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Existing {
    /// Its events are replaced.
    Replace,
    /// The new events are added to it.
    Extend,
    /// `EEXIST`.
    Refuse,
}

struct Watch {
    observer: Arc<dyn Observer>,
    wd: i32,
    request: Request,
}

/// An inode that is watched. It is kept: the watch must find it again.
struct Watched {
    inode: InodeRef,
    /// Device and inode number, as told when the first watch was made.
    number: Option<(u64, u64)>,
    watches: Vec<Watch>,
}

type Table = HashMap<Place, Watched>;

/// Watches there are.
static COUNT: AtomicUsize = AtomicUsize::new(0);
static TABLE: OnceLock<Mutex<Table>> = OnceLock::new();
static COOKIE: AtomicU32 = AtomicU32::new(0);

fn table() -> &'static Mutex<Table> {
    if TABLE.get().is_none() {
        // Who loses the race uses the other's.
        let _ = TABLE.set(Mutex::new(HashMap::new()));
    }
    match TABLE.get() {
        Some(table) => table,
        None => table(),
    }
}

/// Where in the table an inode is. Good for as long as there is a watch, which keeps the inode.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Place(usize);

impl Place {
    pub(super) fn of(inode: &InodeRef) -> Place {
        Place(Arc::as_ptr(inode).addr())
    }
}

fn same(a: &Arc<dyn Observer>, b: &Arc<dyn Observer>) -> bool {
    Arc::as_ptr(a).addr() == Arc::as_ptr(b).addr()
}

/// Whether anybody watches anything.
#[inline]
pub fn is_active() -> bool {
    COUNT.load(Relaxed) != 0
}

/// How many watches there are.
pub fn count() -> usize {
    COUNT.load(Relaxed)
}

/// Watches `inode`; answers the number of the watch, which `new_wd` gives to a new one.
///
/// # Errors
/// `EEXIST` by the request; what `new_wd` answers.
pub fn watch(
    inode: &InodeRef,
    observer: &Arc<dyn Observer>,
    request: Request,
    new_wd: impl FnOnce(Place) -> Result<i32>,
) -> Result<i32> {
    let number = number(inode);
    let mut table = table().lock();
    let there = table
        .get_mut(&Place::of(inode))
        .and_then(|watched| watched.watches.iter_mut().find(|watch| same(&watch.observer, observer)));
    if let Some(watch) = there {
        match request.existing {
            Existing::Refuse => return Err(Errno::EXIST),
            Existing::Replace => watch.request = request,
            Existing::Extend => {
                watch.request.events |= request.events;
                watch.request.once |= request.once;
                watch.request.no_unlinked |= request.no_unlinked;
            }
        }
        return Ok(watch.wd);
    }
    let wd = new_wd(Place::of(inode))?;
    let watched = table.entry(Place::of(inode)).or_insert_with(|| Watched {
        inode: inode.clone(),
        number,
        watches: Vec::new(),
    });
    watched.watches.push(Watch { observer: observer.clone(), wd, request });
    COUNT.fetch_add(1, Relaxed);
    Ok(wd)
}

/// Ends the watch `wd` of `observer` at `place`; answers whether there was one.
pub fn unwatch(observer: &Arc<dyn Observer>, wd: i32, place: Place) -> bool {
    let mut telling = Telling::new();
    telling.end(place, |watch| watch.wd == wd && same(&watch.observer, observer));
    let found = !telling.to_wake.is_empty();
    telling.finish();
    found
}

/// Ends all watches of `observer`, which are at `places`, without telling it.
pub fn unwatch_all(observer: &Arc<dyn Observer>, places: &[Place]) {
    let mut unwatched = Vec::new();
    let mut table = table().lock();
    for place in places {
        unwatched.extend(take(&mut table, *place, |watch| same(&watch.observer, observer)).1);
    }
    drop(table);
    // The inodes go when nothing is locked.
    drop(unwatched);
}

/// The inode that `observer` watches at `place`, and how.
pub fn find(observer: &Arc<dyn Observer>, place: Place) -> Option<(InodeRef, Request)> {
    let table = table().lock();
    let watched = table.get(&place)?;
    let watch = watched.watches.iter().find(|watch| same(&watch.observer, observer))?;
    Some((watched.inode.clone(), watch.request))
}

/// Takes the watches that `choose` picks out of the table, and the inode with the last of them; the caller drops it
/// when the table is unlocked.
fn take(
    table: &mut Table,
    place: Place,
    choose: impl FnMut(&mut Watch) -> bool,
) -> (Vec<Watch>, Option<InodeRef>) {
    let Some(watched) = table.get_mut(&place) else { return (Vec::new(), None) };
    let taken: Vec<_> = watched.watches.extract_if(.., choose).collect();
    COUNT.fetch_sub(taken.len(), Relaxed);
    let unwatched = if watched.watches.is_empty() { table.remove(&place) } else { None };
    (taken, unwatched.map(|watched| watched.inode))
}

/// One telling: notes taken with the table locked, then wakes.
struct Telling {
    table: host::mutex::MutexGuard<'static, Table>,
    to_wake: Vec<Arc<dyn Observer>>,
    /// To be dropped when the table is unlocked.
    unwatched: Vec<InodeRef>,
}

impl Telling {
    fn new() -> Telling {
        Telling { table: table().lock(), to_wake: Vec::new(), unwatched: Vec::new() }
    }

    fn is_watched(&self, inode: &InodeRef) -> bool {
        self.table.contains_key(&Place::of(inode))
    }

    fn tell(&mut self, inode: &InodeRef, events: Events, cookie: u32, name: &[u8], unlinked: bool) {
        let Some(watched) = self.table.get_mut(&Place::of(inode)) else { return };
        let (to_wake, mut once) = (&mut self.to_wake, false);
        for watch in &mut watched.watches {
            if !watch.request.events.intersects(events) || unlinked && watch.request.no_unlinked {
                continue;
            }
            watch.observer.note(watch.wd, events, cookie, name);
            to_wake.push(watch.observer.clone());
            if watch.request.once {
                // Tells nothing more, and is taken out below.
                watch.request.events = Events::empty();
                once = true;
            }
        }
        if once {
            let spent = |watch: &mut Watch| watch.request.once && watch.request.events.is_empty();
            self.end(Place::of(inode), spent);
        }
    }

    fn gone(&mut self, inode: &InodeRef) {
        self.tell(inode, Events::DELETE_SELF, 0, b"", false);
        self.end(Place::of(inode), |_| true);
    }

    fn end(&mut self, place: Place, choose: impl FnMut(&mut Watch) -> bool) {
        let (taken, unwatched) = take(&mut self.table, place, choose);
        self.unwatched.extend(unwatched);
        for watch in taken {
            watch.observer.ended(watch.wd);
            self.to_wake.push(watch.observer);
        }
    }

    fn finish(self) {
        drop(self.table);
        for observer in self.to_wake {
            observer.wake();
        }
    }
}

fn of_kind(events: Events, kind: FileType) -> Events {
    if kind == FileType::Directory { events | Events::ISDIR } else { events }
}

/// Something happened to a file known by its name: its directory is told first.
#[inline]
pub fn on_dentry(dentry: &Arc<Dentry>, events: Events) {
    if is_active() {
        tell_dentry(dentry, events);
    }
}

#[cold]
fn tell_dentry(dentry: &Arc<Dentry>, events: Events) {
    let events = of_kind(events, dentry.kind());
    let parent = dentry.parent_in_mount();
    let mut telling = Telling::new();
    if let Some(parent) = &parent
        && telling.is_watched(parent.inode())
    {
        telling.tell(parent.inode(), events, 0, &dentry.name(), dentry.is_unlinked());
    }
    telling.tell(dentry.inode(), events, 0, b"", false);
    telling.finish();
}

/// Something happened to an open file.
#[inline]
pub fn on_file(file: &File, events: Events) {
    if is_active() {
        tell_file(file, events);
    }
}

#[cold]
fn tell_file(file: &File, events: Events) {
    match &file.dentry {
        Some(dentry) => tell_dentry(dentry, events),
        None => on_inode(&file.inode, events),
    }
}

/// An open file is closed for good.
#[inline]
pub(super) fn on_close(file: &File) {
    if is_active() && !file.flags().contains(OpenFlags::PATH) {
        let written = file.flags().writable();
        tell_file(file, if written { Events::CLOSE_WRITE } else { Events::CLOSE_NOWRITE });
    }
}

/// Something happened to an inode itself.
#[inline]
pub fn on_inode(inode: &InodeRef, events: Events) {
    if is_active() {
        let mut telling = Telling::new();
        telling.tell(inode, of_kind(events, inode.kind()), 0, b"", false);
        telling.finish();
    }
}

/// An entry of `dir` was made.
#[inline]
pub(super) fn on_create(dir: &InodeRef, name: &[u8], kind: FileType) {
    if is_active() {
        let mut telling = Telling::new();
        telling.tell(dir, of_kind(Events::CREATE, kind), 0, name, false);
        telling.finish();
    }
}

/// An entry of `dir` was made for a file that had a name already.
#[inline]
pub(super) fn on_link(dir: &InodeRef, name: &[u8], target: &InodeRef) {
    if is_active() {
        let mut telling = Telling::new();
        telling.tell(target, Events::ATTRIB, 0, b"", false);
        telling.tell(dir, Events::CREATE, 0, name, false);
        telling.finish();
    }
}

/// The entry `name` of `dir`, which was `victim`, was removed. `last`: nobody else uses that name any more.
#[inline]
pub(super) fn on_remove(dir: &InodeRef, name: &[u8], victim: &InodeRef, last: bool) {
    if is_active() {
        let gone = last && is_gone(victim);
        let mut telling = Telling::new();
        if victim.kind() != FileType::Directory {
            telling.tell(victim, Events::ATTRIB, 0, b"", false);
        }
        if gone {
            telling.gone(victim);
        }
        telling.tell(dir, of_kind(Events::DELETE, victim.kind()), 0, name, false);
        telling.finish();
    }
}

/// The last user of a name that was removed is gone (`fsnotify_inoderemove`).
#[inline]
pub(super) fn on_last_use(inode: &InodeRef) {
    if is_active() && is_gone(inode) {
        let mut telling = Telling::new();
        telling.gone(inode);
        telling.finish();
    }
}

/// Whether a watched inode has no name any more. A file system of the host may tell of another file that has taken
/// the name.
#[cold]
fn is_gone(inode: &InodeRef) -> bool {
    let watched = table().lock().get(&Place::of(inode)).map(|watched| watched.number);
    let Some(before) = watched else { return false };
    match inode.stat() {
        Ok(stat) => stat.nlink == 0 || Some((stat.dev, stat.ino)) != before,
        Err(_) => true,
    }
}

fn number(inode: &InodeRef) -> Option<(u64, u64)> {
    inode.stat().ok().map(|stat| (stat.dev, stat.ino))
}

/// `source` was moved; `replaced` is what the new name stood for, or the other half of an exchange.
#[inline]
pub fn on_rename(
    source: &InodeRef,
    from: (&InodeRef, &[u8]),
    to: (&InodeRef, &[u8]),
    replaced: Option<&InodeRef>,
    exchange: bool,
) {
    if !is_active() {
        return;
    }
    let mut telling = Telling::new();
    moved(&mut telling, source, from, to, replaced.filter(|_| !exchange));
    if let Some(other) = replaced.filter(|_| exchange) {
        moved(&mut telling, other, to, from, None);
    }
    telling.finish();
}

/// One half (`fsnotify_move`). The cookie ties the two events of the directories together.
fn moved(
    telling: &mut Telling,
    source: &InodeRef,
    from: (&InodeRef, &[u8]),
    to: (&InodeRef, &[u8]),
    replaced: Option<&InodeRef>,
) {
    let cookie = COOKIE.fetch_add(1, Relaxed).wrapping_add(1);
    let kind = source.kind();
    telling.tell(from.0, of_kind(Events::MOVED_FROM, kind), cookie, from.1, false);
    if Place::of(from.0) == Place::of(to.0) {
        telling.tell(from.0, of_kind(Events::RENAME, kind), cookie, from.1, false);
    }
    telling.tell(to.0, of_kind(Events::MOVED_TO, kind), cookie, to.1, false);
    if let Some(replaced) = replaced {
        telling.tell(replaced, of_kind(Events::ATTRIB, replaced.kind()), 0, b"", false);
    }
    telling.tell(source, Events::MOVE_SELF, 0, b"", false);
}
