//! A kernel whose user threads are futures: the run loop of each is `loop { run; handle.await }`, and a system call
//! that has to wait is an `await`. The scheduler is a small executor.
//!
//! `cargo run -p fncall --example async-kernel`

use std::cell::RefCell;
use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::{Arc, Mutex};
use std::task::{Context as TaskContext, Poll, Wake, Waker};

use fncall::{Context, TRAP_SYSCALL};

/// The programs; see `toy-kernel` for what they may not do.
mod user {
    use std::arch::asm;

    pub const SYS_SEND: usize = 1;
    pub const SYS_RECEIVE: usize = 2;
    pub const SYS_PRINT: usize = 3;
    pub const SYS_EXIT: usize = 60;

    fn syscall(nr: usize, a: usize) -> usize {
        let ret;
        // SAFETY: the entry keeps every register but rax.
        unsafe {
            asm!("call {entry}", entry = sym fncall::syscall_fn_entry, inlateout("rax") nr => ret, in("rdi") a);
        }
        ret
    }

    fn exit(code: usize) -> ! {
        // SAFETY: as above; this call does not come back.
        unsafe {
            asm!("call {entry}", "ud2", entry = sym fncall::syscall_fn_entry, in("rax") SYS_EXIT,
                in("rdi") code, options(noreturn));
        }
    }

    /// Sends 1 to 5, and 0 for the end. The box holds one number: each further one waits for `consumer`.
    pub extern "sysv64" fn producer() -> ! {
        let mut n = 1;
        while n <= 5 {
            syscall(SYS_SEND, n);
            n += 1;
        }
        syscall(SYS_SEND, 0);
        exit(0)
    }

    /// Prints the square of every number.
    pub extern "sysv64" fn consumer() -> ! {
        let mut sum = 0;
        loop {
            match syscall(SYS_RECEIVE, 0) {
                0 => break,
                n => {
                    syscall(SYS_PRINT, n * n);
                    sum += n * n;
                }
            }
        }
        exit(sum)
    }
}

/// A box for one number, and who waits for it to fill or to empty.
#[derive(Default)]
struct Mailbox {
    value: Option<usize>,
    waiting: Vec<Waker>,
    waits: usize,
}

impl Mailbox {
    /// Tries `change` now and after every other change, until it gives something.
    fn when<T>(
        this: &RefCell<Mailbox>,
        mut change: impl FnMut(&mut Option<usize>) -> Option<T>,
    ) -> impl Future<Output = T> {
        poll_fn(move |cx| {
            let mut mailbox = this.borrow_mut();
            match change(&mut mailbox.value) {
                Some(done) => {
                    mailbox.waiting.drain(..).for_each(Waker::wake);
                    Poll::Ready(done)
                }
                None => {
                    mailbox.waits += 1;
                    mailbox.waiting.push(cx.waker().clone());
                    Poll::Pending
                }
            }
        })
    }
}

/// A user thread.
async fn thread(name: &'static str, entry: extern "sysv64" fn() -> !, mailbox: Rc<RefCell<Mailbox>>) {
    let mut stack = vec![0u128; 4096];
    let mut context = Box::new(Context::new()); // it must not move between two runs
    context.user.set_ip(entry as *const () as usize);
    context.user.set_sp(stack.as_mut_ptr_range().end as usize - 8);
    loop {
        // SAFETY: the programs leave the kernel's memory alone; the executor has one thread.
        unsafe { context.run() };
        if context.user.trap_num != TRAP_SYSCALL {
            println!("{name}: trap {}", context.user.trap_num);
            return;
        }
        let [arg, ..] = context.user.get_syscall_args();
        let ret = match context.user.get_syscall_num() {
            user::SYS_SEND => {
                Mailbox::when(&mailbox, |value| value.is_none().then(|| *value = Some(arg))).await;
                0
            }
            user::SYS_RECEIVE => Mailbox::when(&mailbox, Option::take).await,
            user::SYS_PRINT => {
                println!("{name}: {arg}");
                0
            }
            user::SYS_EXIT => {
                println!("{name}: exit({arg})");
                return;
            }
            _ => -libc::ENOSYS as usize,
        };
        context.user.set_syscall_ret(ret);
    }
}

/// Which futures can go on.
type Ready = Arc<Mutex<VecDeque<usize>>>;

struct WakeOne(usize, Ready);

impl Wake for WakeOne {
    fn wake(self: Arc<Self>) {
        self.1.lock().unwrap().push_back(self.0);
    }
}

/// Polls the futures that were woken until all have ended. Says false when some wait and nobody can wake them.
fn run_all(futures: Vec<Pin<Box<dyn Future<Output = ()>>>>) -> bool {
    let ready: Ready = Arc::new(Mutex::new((0..futures.len()).collect()));
    let mut futures: Vec<_> = futures.into_iter().map(Some).collect();
    loop {
        let Some(n) = ready.lock().unwrap().pop_front() else {
            return futures.iter().all(Option::is_none);
        };
        let waker = Waker::from(Arc::new(WakeOne(n, ready.clone())));
        if let Some(future) = &mut futures[n]
            && future.as_mut().poll(&mut TaskContext::from_waker(&waker)).is_ready()
        {
            futures[n] = None;
        }
    }
}

fn main() {
    let mailbox = Rc::new(RefCell::new(Mailbox::default()));
    let all_ended = run_all(vec![
        Box::pin(thread("consumer", user::consumer, mailbox.clone())),
        Box::pin(thread("producer", user::producer, mailbox.clone())),
    ]);
    assert!(all_ended, "deadlock");
    println!("all threads ended; system calls that waited: {}", mailbox.borrow().waits);
}
