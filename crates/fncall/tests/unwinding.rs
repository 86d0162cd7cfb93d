//! A kernel that panics between two runs unwinds like any other program.

mod common;

use std::arch::global_asm;
use std::panic::{AssertUnwindSafe, catch_unwind};

use common::{on_thread, program};

global_asm!(
    ".globl unwinding_count",
    // Leaves junk in every callee-saved register: the kernel must not see it.
    "unwinding_count:",
    "2: inc rax",
    ".irp r, rbx,rbp,r12,r13,r14,r15",
    "mov \\r, -1",
    ".endr",
    "call syscall_fn_entry",
    "jmp 2b",
);

unsafe extern "sysv64" {
    fn unwinding_count();
}

struct Count<'a>(&'a mut usize);

impl Drop for Count<'_> {
    fn drop(&mut self) {
        *self.0 += 1;
    }
}

#[test]
fn a_panic_after_a_run_unwinds_and_the_thread_can_run_again() {
    for hosted in [false, true] {
        on_thread(move || {
            let mut cx = program(unwinding_count);
            let mut run = |dropped: &mut usize, panic_at: usize| {
                let _guard = Count(dropped);
                loop {
                    // SAFETY: the program leaves the kernel alone.
                    unsafe { if hosted { cx.run() } else { cx.run_bare() } }
                    let count = cx.user.general.rax;
                    assert!(count != panic_at, "as planned at {count}");
                }
            };
            let mut dropped = 0;
            for panic_at in [3, 5, 9] {
                let panic = catch_unwind(AssertUnwindSafe(|| run(&mut dropped, panic_at))).unwrap_err();
                assert_eq!(*panic.downcast::<String>().unwrap(), format!("as planned at {panic_at}"));
            }
            assert_eq!(dropped, 3);
        });
    }
}
