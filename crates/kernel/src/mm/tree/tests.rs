//! The tree against a model that has one entry for each page.

use super::super::vma::Backing;
use super::*;
use proptest::prelude::*;
use std::vec;

const PAGES: usize = 48;
const BASE: usize = 0x10_0000;

/// What one page is: flags, object, page of the object.
type Page = (u64, u64, u64);

#[derive(Clone, Debug)]
enum Op {
    Map { page: usize, len: usize, flags: u64, object: u64, offset: u64 },
    Unmap { page: usize, len: usize },
    Protect { page: usize, len: usize, flags: u64 },
    Find { len: usize, align_pages: usize },
}

fn addr(page: usize) -> usize {
    BASE + page * PAGE_SIZE
}

fn op() -> impl Strategy<Value = Op> {
    let range = (0..PAGES, 1..12usize).prop_map(|(page, len)| (page, len.min(PAGES - page)));
    let flags = prop_oneof![Just(1u64), Just(3), Just(5), Just(3 | 0x2000), Just(3 | 8), Just(3 | 1 << 62)];
    prop_oneof![
        3 => (range.clone(), flags.clone(), 0..3u64, 0..4u64).prop_map(|((page, len), flags, object, offset)| {
            // Few offsets, so that neighbours often continue each other.
            Op::Map { page, len, flags, object, offset: (page as u64 + offset / 3) * PAGE_SIZE as u64 }
        }),
        3 => range.clone().prop_map(|(page, len)| Op::Unmap { page, len }),
        2 => (range, flags).prop_map(|((page, len), flags)| Op::Protect { page, len, flags }),
        3 => (1..10usize, prop_oneof![4 => Just(1usize), 1 => Just(4)])
            .prop_map(|(len, align_pages)| Op::Find { len, align_pages }),
    ]
}

fn vma(page: usize, len: usize, flags: u64, object: u64, offset: u64) -> Vma {
    let backing =
        if object == 0 { Backing::Anonymous(None) } else { Backing::SharedAnonymous(object, offset) };
    Vma { start: addr(page), end: addr(page + len), flags: VmFlags::from_bits_retain(flags), backing }
}

/// The pages that a mapping says it has.
fn pages(vma: &Vma) -> impl Iterator<Item = (usize, Page)> + '_ {
    (vma.start..vma.end).step_by(PAGE_SIZE).map(|at| {
        let within = (at - vma.start) as u64;
        let (object, offset) = match vma.backing {
            Backing::SharedAnonymous(object, offset) => (object, offset + within),
            _ => (0, 0),
        };
        ((at - BASE) / PAGE_SIZE, (vma.flags.bits(), object, offset))
    })
}

fn check(tree: &VmaTree, model: &[Option<Page>]) {
    let mut seen = vec![None; PAGES];
    let mut sizes = Sizes::default();
    let mut last: Option<&Vma> = None;
    for each in tree.iter() {
        assert!(each.start < each.end);
        if let Some(last) = last {
            assert!(last.end <= each.start);
            assert!(!last.merges_with(each), "{last:?} and {each:?} are two");
        }
        last = Some(each);
        sizes.add(Sizes::of(each));
        for (page, content) in pages(each) {
            seen[page] = Some(content);
        }
    }
    assert_eq!(seen, model);
    assert_eq!(sizes, tree.sizes());
}

/// The highest multiple of `align` pages with `len` free pages from it on.
fn highest(model: &[Option<Page>], len: usize, align: usize) -> Option<usize> {
    (0..=PAGES.checked_sub(len)?).rev().find(|&at| {
        (addr(at) / PAGE_SIZE).is_multiple_of(align) && model[at..at + len].iter().all(Option::is_none)
    })
}

fn lowest(model: &[Option<Page>], len: usize, align: usize) -> Option<usize> {
    (0..=PAGES.checked_sub(len)?).find(|&at| {
        (addr(at) / PAGE_SIZE).is_multiple_of(align) && model[at..at + len].iter().all(Option::is_none)
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn tree_does_what_a_page_table_does(ops in proptest::collection::vec(op(), 1..80)) {
        let mut tree = VmaTree::default();
        let mut model: Vec<Option<Page>> = vec![None; PAGES];
        for op in ops {
            match op {
                Op::Map { page, len, flags, object, offset } => {
                    tree.remove(addr(page), addr(page + len));
                    let new = vma(page, len, flags, object, offset);
                    for (page, content) in pages(&new) {
                        model[page] = Some(content);
                    }
                    tree.insert(new);
                }
                Op::Unmap { page, len } => {
                    let removed = tree.remove(addr(page), addr(page + len));
                    let mut gone = vec![None; PAGES];
                    for each in removed {
                        for (page, content) in pages(&each) {
                            gone[page] = Some(content);
                        }
                    }
                    prop_assert_eq!(&gone[page..page + len], &model[page..page + len]);
                    prop_assert_eq!(gone.iter().flatten().count(), model[page..page + len].iter().flatten().count());
                    model[page..page + len].fill(None);
                }
                Op::Protect { page, len, flags } => {
                    tree.update(addr(page), addr(page + len), |vma| {
                        vma.flags = VmFlags::from_bits_retain(flags);
                    });
                    for slot in model[page..page + len].iter_mut().flatten() {
                        slot.0 = flags;
                    }
                }
                Op::Find { len, align_pages } => {
                    let align = align_pages * PAGE_SIZE;
                    let found = tree.find_top_down(BASE, addr(PAGES), len * PAGE_SIZE, align);
                    prop_assert_eq!(found, highest(&model, len, align_pages).map(addr));
                    let found = tree.find_bottom_up(BASE, addr(PAGES), len * PAGE_SIZE, align);
                    prop_assert_eq!(found, lowest(&model, len, align_pages).map(addr));
                }
            }
            check(&tree, &model);
        }
    }
}

#[test]
fn neighbours_merge_and_split_keeps_offsets() {
    let mut tree = VmaTree::default();
    tree.insert(vma(0, 2, 3, 7, 0));
    tree.insert(vma(4, 2, 3, 7, 4 * PAGE_SIZE as u64));
    tree.insert(vma(2, 2, 3, 7, 2 * PAGE_SIZE as u64));
    assert_eq!(tree.count(), 1);
    tree.remove(addr(1), addr(2));
    let offsets: Vec<_> = tree
        .iter()
        .map(|v| {
            (v.start, matches!(v.backing, Backing::SharedAnonymous(7, o) if o == (v.start - BASE) as u64))
        })
        .collect();
    assert_eq!(offsets, [(addr(0), true), (addr(2), true)]);
}

#[test]
fn gap_stays_below_growing_mappings() {
    let mut tree = VmaTree::default();
    let stack = Vma { flags: VmFlags::GROWSDOWN, ..vma(4096, 1, 0, 0, 0) };
    tree.insert(stack);
    let high = addr(4096);
    let found = tree.find_top_down(BASE, high, PAGE_SIZE, PAGE_SIZE);
    assert_eq!(found, Some(addr(4096) - STACK_GUARD_GAP - PAGE_SIZE));
    assert!(!tree.fits(addr(4095), PAGE_SIZE));
    assert!(tree.fits(addr(4096) - STACK_GUARD_GAP - PAGE_SIZE, PAGE_SIZE));
}

#[test]
fn nothing_fits_where_nothing_can() {
    let mut tree = VmaTree::default();
    assert_eq!(tree.find_top_down(0x1000, 0x3000, 0x3000, PAGE_SIZE), None);
    assert_eq!(tree.find_bottom_up(0x1000, 0x3000, 0x3000, PAGE_SIZE), None);
    assert_eq!(tree.find_top_down(0x1000, 0x3000, 0x2000, PAGE_SIZE), Some(0x1000));
    assert!(!tree.fits(usize::MAX - 0xfff, PAGE_SIZE));
}
