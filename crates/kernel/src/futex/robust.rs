//! What becomes of a thread's locks when it ends (get_robust_list(2), Linux's `Documentation/locking/robust-futexes`).

use super::{FUTEX_OWNER_DIED, FUTEX_TID_MASK, FUTEX_WAITERS, exchange, load, pi, wake_address};
use crate::task::Task;
use crate::uaccess::get;

/// So many locks of a list are looked at (`ROBUST_LIST_LIMIT`): a list may be a circle.
const ROBUST_LIST_LIMIT: usize = 2048;

/// Marks the robust locks that a thread holds at its end as left, and gives away those that others wait for.
pub fn exit_robust_list(task: &Task) {
    let (head, _) = core::mem::take(&mut *task.robust_list.lock());
    if head != 0 {
        walk(task, head);
    }
    pi::exit_owner(task.tid);
}

fn walk(task: &Task, head: usize) {
    // struct robust_list_head: first entry, offset of the word from an entry, entry being worked on.
    let Ok([mut entry, offset, pending]) = get::<[usize; 3]>(head) else { return };
    for _ in 0..ROBUST_LIST_LIMIT {
        if entry & !1 == head {
            break;
        }
        // The lock may be freed by whom it is given to: the next entry first.
        let Ok(next) = get::<usize>(entry & !1) else { return };
        if entry & !1 != pending & !1 {
            left(task, entry, offset, false);
        }
        entry = next;
    }
    if pending & !1 != 0 {
        left(task, pending, offset, true);
    }
}

/// One lock (`handle_futex_death`). Bit 0 of the entry: it is one with an owner in the table. `pending`: it was being
/// taken or released.
fn left(task: &Task, entry: usize, offset: usize, pending: bool) {
    let addr = (entry & !1).wrapping_add(offset);
    let with_owner = entry & 1 != 0;
    let Ok(mut word) = load(addr) else { return };
    if pending && !with_owner && word == 0 {
        // It was released, and whom to wake not yet.
        return wake_address(task, addr, 1);
    }
    while word & FUTEX_TID_MASK == task.tid as u32 {
        match exchange(addr, word, word & FUTEX_WAITERS | FUTEX_OWNER_DIED) {
            Ok(seen) if seen == word => {
                if word & FUTEX_WAITERS != 0 && !with_owner {
                    wake_address(task, addr, 1);
                }
                return;
            }
            Ok(seen) => word = seen,
            Err(_) => return,
        }
    }
}
