//! Address spaces over real mappings of the test process, in a window that nobody else uses.

use super::*;
use crate::Errno;
use linux_raw_sys::general as g;
use std::sync::Arc;
use std::vec::Vec;

const P: usize = PAGE_SIZE;
const RW: u32 = g::PROT_READ | g::PROT_WRITE;
const ANON: u32 = g::MAP_PRIVATE | g::MAP_ANONYMOUS;

/// Each test gets a window of its own: they run at the same time.
fn space(window: usize) -> (Arc<AddressSpace>, usize) {
    let base = 0x2000_0000_0000 + (window << 36);
    let layout =
        Layout { aslr: false, stack_top: base + (1 << 35), mmap_base: base, legacy_base: base + (1 << 34) };
    let space = AddressSpace::new(layout);
    // Another test may have told what the host has: only the kernel's own range is of interest here.
    let kernel = host::layout::KERNEL_START..host::layout::KERNEL_END;
    let mut inner = space.inner.lock();
    inner.tree.remove(0, kernel.start);
    inner.tree.remove(kernel.end, TASK_SIZE);
    drop(inner);
    (space, base)
}

fn anon(addr: usize, len: usize, prot: u32, flags: u32) -> Request<'static> {
    Request { addr, len, prot, flags, file: None, offset: 0 }
}

fn ranges(space: &AddressSpace) -> Vec<(usize, usize)> {
    let inner = space.inner.lock();
    inner
        .tree
        .iter()
        .filter(|vma| !vma.flags.contains(VmFlags::HOST))
        .map(|vma| (vma.start, vma.end))
        .collect()
}

const R: Rights = Rights::UNLIMITED;

#[test]
fn mappings_go_down_from_the_base_and_merge() {
    let (space, base) = space(0);
    let a = space.mmap(&R, &anon(0, 3 * P - 5, RW, ANON)).unwrap();
    let b = space.mmap(&R, &anon(0, P, RW, ANON)).unwrap();
    assert_eq!((a, b), (base - 3 * P, base - 4 * P));
    assert_eq!(ranges(&space), [(base - 4 * P, base)]);
    // The host agrees: what was mapped can be written to its end.
    assert_eq!(usercopy::clear_user(b, 4 * P), 0);
    space.munmap(base - 3 * P, P).unwrap();
    assert_eq!(ranges(&space), [(base - 4 * P, base - 3 * P), (base - 2 * P, base)]);
    assert!(!host::memory::is_mapped(base - 3 * P));
    assert_eq!(space.mmap(&R, &anon(0, P, RW, ANON)), Ok(base - 3 * P));
    space.clear(space.layout());
    assert!(ranges(&space).is_empty() && !host::memory::is_mapped(base - P));
}

#[test]
fn errors_come_in_linux_order() {
    let (space, base) = space(1);
    let fixed = ANON | g::MAP_FIXED;
    let at = base - 64 * P;
    let map = |addr, len, flags| space.mmap(&R, &anon(addr, len, RW, flags));
    assert_eq!(map(at, 0, fixed), Err(Errno::INVAL));
    assert_eq!(map(at, usize::MAX, ANON), Err(Errno::NOMEM));
    assert_eq!(map(at, usize::MAX - P, ANON), Err(Errno::NOMEM));
    assert_eq!(map(at + 1, P, fixed), Err(Errno::INVAL));
    assert_eq!(map(TASK_SIZE, P, fixed), Err(Errno::NOMEM));
    assert_eq!(map(0, P, fixed), Err(Errno::PERM));
    assert_eq!(map(at, P, g::MAP_ANONYMOUS), Err(Errno::INVAL));
    assert_eq!(map(at, P, g::MAP_ANONYMOUS | g::MAP_SHARED_VALIDATE), Err(Errno::INVAL));
    assert_eq!(map(at, P, g::MAP_ANONYMOUS | g::MAP_SHARED | g::MAP_GROWSDOWN), Err(Errno::INVAL));
    assert_eq!(map(at, P, ANON | g::MAP_HUGETLB), Err(Errno::NOMEM));
    assert_eq!(map(at, P, fixed), Ok(at));
    assert_eq!(map(at, P, ANON | g::MAP_FIXED_NOREPLACE), Err(Errno::EXIST));
    assert_eq!(map(host::layout::KERNEL_START, P, fixed), Err(Errno::NOMEM));
    // A hint that is taken is only a hint; one that is free is honoured.
    assert_eq!(map(at, P, ANON), Ok(base - P));
    assert_eq!(map(at - P + 7, P, ANON), Ok(at - P));
    assert_eq!(space.munmap(at + 1, P), Err(Errno::INVAL));
    assert_eq!(space.munmap(at, 0), Err(Errno::INVAL));
    assert_eq!(space.munmap(0, TASK_SIZE + P), Err(Errno::INVAL));
    // Everything, with the kernel in the middle: it stays.
    assert_eq!(space.munmap(0, TASK_SIZE), Ok(()));
    assert!(ranges(&space).is_empty());
}

#[test]
fn limits_are_kept() {
    let (space, base) = space(2);
    let rights = Rights { address_space: 4 * P as u64, data: 2 * P as u64, ..R };
    assert_eq!(space.mmap(&rights, &anon(0, 3 * P, RW, ANON)), Err(Errno::NOMEM));
    let a = space.mmap(&rights, &anon(0, 2 * P, RW, ANON)).unwrap();
    assert_eq!(space.mmap(&rights, &anon(0, P, RW, ANON)), Err(Errno::NOMEM));
    let b = space.mmap(&rights, &anon(0, 2 * P, g::PROT_READ, ANON)).unwrap();
    assert_eq!(space.mmap(&rights, &anon(0, P, g::PROT_READ, ANON)), Err(Errno::NOMEM));
    assert_eq!(space.mprotect(&rights, b, P, RW), Err(Errno::NOMEM));
    // What is replaced does not count.
    assert_eq!(space.mmap(&rights, &anon(a, 2 * P, 0, ANON | g::MAP_FIXED)), Ok(a));
    assert_eq!(space.mprotect(&rights, b, P, RW), Ok(()));
    let locked = Rights { memlock: P as u64, may_lock_any: false, ..R };
    assert_eq!(space.mmap(&locked, &anon(0, 2 * P, RW, ANON | g::MAP_LOCKED)), Err(Errno::AGAIN));
    let none = Rights { memlock: 0, may_lock_any: false, ..R };
    assert_eq!(space.mmap(&none, &anon(0, P, RW, ANON | g::MAP_LOCKED)), Err(Errno::PERM));
    space.clear(space.layout());
    assert!(!host::memory::is_mapped(base - P));
}

#[test]
fn mprotect_changes_what_lies_before_a_gap() {
    let (space, base) = space(3);
    let at = base - 16 * P;
    space.mmap(&R, &anon(at, 4 * P, RW, ANON | g::MAP_FIXED)).unwrap();
    space.munmap(at + 2 * P, P).unwrap();
    assert_eq!(space.mprotect(&R, at + P, 3 * P, g::PROT_READ), Err(Errno::NOMEM));
    assert_eq!(ranges(&space), [(at, at + P), (at + P, at + 2 * P), (at + 3 * P, at + 4 * P)]);
    assert_eq!(usercopy::copy_to_user(at, &[1]), 0);
    assert_eq!(space.mprotect(&R, at, P, 0x10), Err(Errno::INVAL));
    assert_eq!(space.mprotect(&R, at + 1, P, RW), Err(Errno::INVAL));
    assert_eq!(space.mprotect(&R, at + 2 * P, P, RW), Err(Errno::NOMEM));
    assert_eq!(space.mprotect(&R, at, P, RW | g::PROT_GROWSDOWN), Err(Errno::INVAL));
    assert_eq!(space.mprotect(&R, at + 2 * P, 0, RW), Ok(()));
    assert_eq!(space.mprotect(&R, at, usize::MAX, RW), Err(Errno::NOMEM));
    space.clear(space.layout());
}

#[test]
fn heap_grows_shrinks_and_stops_at_a_neighbour() {
    let (space, base) = space(4);
    let start = base - (1 << 30);
    space.set_bounds(Bounds { start_brk: start, brk: start, ..Bounds::default() });
    assert_eq!(space.brk(&R, 0), start);
    assert_eq!(space.brk(&R, start + 10), start + 10);
    assert_eq!(usercopy::clear_user(start, P), 0);
    assert_eq!(space.brk(&R, start + 3 * P), start + 3 * P);
    assert_eq!(ranges(&space), [(start, start + 3 * P)]);
    assert_eq!(space.brk(&R, start + P), start + P);
    assert!(!host::memory::is_mapped(start + P));
    let wall = start + 8 * P;
    space.mmap(&R, &anon(wall, P, 0, ANON | g::MAP_FIXED)).unwrap();
    assert_eq!(space.brk(&R, wall), start + P);
    assert_eq!(space.brk(&R, wall - P), wall - P);
    let rights = Rights { data: 2 * P as u64, ..R };
    assert_eq!(space.brk(&rights, start + 3 * P), wall - P);
    space.clear(space.layout());
}

#[test]
fn stack_that_the_host_has_extended_is_seen() {
    let (space, base) = space(5);
    let top = base - P;
    space.map_stack(top - 4 * P, 4 * P, VmFlags::READ | VmFlags::WRITE).unwrap();
    // Far below what is mapped, within RLIMIT_STACK.
    let deep = top - 300 * P;
    assert_eq!(usercopy::clear_user(deep, 8), 0);
    space.munmap(0, P).unwrap();
    space.mprotect(&R, top - 10 * P, P, RW).unwrap();
    assert_eq!(ranges(&space)[0].0, deep);
    // The gap below stays free, whatever is asked for.
    let next = space.mmap(&R, &anon(0, P, RW, ANON)).unwrap();
    assert_eq!(next, base - P);
    let below = space.mmap(&R, &anon(0, P, RW, ANON)).unwrap();
    assert_eq!(below, deep - STACK_GUARD_GAP - P);
    space.clear(space.layout());
    assert!(!host::memory::is_mapped(deep));
}

#[test]
fn fork_leaves_out_what_it_shall_not_copy() {
    let (space, base) = space(6);
    let at = space.mmap(&R, &anon(0, 2 * P, RW, ANON)).unwrap();
    space.inner.lock().tree.update(at, at + P, |vma| vma.flags |= VmFlags::DONTCOPY);
    let child = space.fork(|child| child);
    assert_eq!(ranges(&child), [(at + P, base)]);
    assert_eq!(ranges(&space), [(at, at + P), (at + P, base)]);
    space.clear(space.layout());
}

#[test]
fn maps_look_as_on_linux() {
    use crate::testing::memfs::MemFs;
    use crate::vfs::Dentry;
    let (space, base) = space(7);
    let root = Dentry::new_root(MemFs::root(), None);
    space.mmap(&R, &anon(base - 4 * P, P, RW, ANON | g::MAP_FIXED)).unwrap();
    let shared = g::MAP_SHARED | g::MAP_ANONYMOUS | g::MAP_FIXED;
    space.mmap(&R, &anon(base - 2 * P, P, g::PROT_READ, shared)).unwrap();
    space.set_bounds(Bounds { start_brk: base, brk: base, ..Bounds::default() });
    space.brk(&R, base + 1);
    let text = std::string::String::from_utf8(space.maps_text(&root)).unwrap();
    let lines: Vec<_> = text.lines().filter(|line| !line.ends_with("[vsyscall]")).collect();
    assert_eq!(lines[0], std::format!("{:08x}-{:08x} rw-p 00000000 00:00 0 ", base - 4 * P, base - 3 * P));
    let (head, name) = lines[1].split_at(73);
    assert!(head.starts_with(&std::format!("{:08x}-{:08x} r--s 00000000 00:01 ", base - 2 * P, base - P)));
    assert_eq!(name, "/dev/zero (deleted)");
    let heap = std::format!("{base:08x}-{:08x} rw-p 00000000 00:00 0", base + P);
    assert_eq!(lines[2], std::format!("{heap:<73}[heap]"));
    assert_eq!(lines.len(), 3);
    assert_eq!(space.vm_stats().sizes, Sizes { total: 3 * P, data: 2 * P, ..Sizes::default() });
    space.clear(space.layout());
}

#[test]
fn names_of_anonymous_memory_divide_mappings() {
    let (space, base) = space(14);
    let a = space.mmap(&R, &anon(0, 4 * P, RW, ANON)).unwrap();
    assert_eq!(space.set_anon_name(a + P, P, Some(b"name")), Ok(()));
    assert_eq!(ranges(&space), [(a, a + P), (a + P, a + 2 * P), (a + 2 * P, base)]);
    assert_eq!(space.set_anon_name(a, 2 * P - 1, Some(b"name")), Ok(()));
    assert_eq!(ranges(&space), [(a, a + 2 * P), (a + 2 * P, base)]);
    assert_eq!(space.set_anon_name(a, 4 * P, None), Ok(()));
    assert_eq!(ranges(&space), [(a, base)]);
    assert_eq!(space.set_anon_name(a + 1, P, None), Err(Errno::INVAL));
    assert_eq!(space.set_anon_name(a, 0, None), Ok(()));
    // What lies beyond the mappings is told after the rest was done.
    assert_eq!(space.set_anon_name(a + 3 * P, 2 * P, Some(b"end")), Err(Errno::NOMEM));
    assert_eq!(ranges(&space), [(a, a + 3 * P), (a + 3 * P, base)]);
    space.clear(space.layout());
}
