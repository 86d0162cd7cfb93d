//! The extended state looks as the host's own signal frames do.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};

static SIZE: AtomicU32 = AtomicU32::new(0);
static EXTENDED_SIZE: AtomicU32 = AtomicU32::new(0);
static FEATURES: AtomicU64 = AtomicU64::new(0);

extern "C" fn look(_: i32, _: *mut libc::siginfo_t, uc: *mut libc::ucontext_t) {
    // SAFETY: the host's frame; `struct _fpx_sw_bytes` is at 464.
    unsafe {
        let sw = (*uc).uc_mcontext.fpregs.cast::<u8>().add(464);
        assert_eq!(sw.cast::<u32>().read(), 0x4650_5853);
        EXTENDED_SIZE.store(sw.add(4).cast::<u32>().read(), Relaxed);
        FEATURES.store(sw.add(8).cast::<u64>().read(), Relaxed);
        SIZE.store(sw.add(16).cast::<u32>().read(), Relaxed);
    }
}

#[test]
fn an_image_is_as_long_as_the_hosts() {
    // SAFETY: the handler reads the frame and stores to statics.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = look as *const () as usize;
        action.sa_flags = libc::SA_SIGINFO;
        libc::sigaction(libc::SIGUSR1, &action, std::ptr::null_mut());
        libc::raise(libc::SIGUSR1);
    }
    const AMX: u64 = 1 << 17 | 1 << 18;
    assert_eq!(fncall::xstate_features(), FEATURES.load(Relaxed) & !AMX);
    if FEATURES.load(Relaxed) & AMX == 0 {
        assert_eq!(fncall::xstate_size(), SIZE.load(Relaxed) as usize);
        assert_eq!(fncall::xstate_frame_size(), EXTENDED_SIZE.load(Relaxed) as usize);
    }
}

#[test]
fn what_was_saved_loads_and_saves_the_same() {
    let mut first = vec![0xff; fncall::xstate_frame_size() + 7];
    let mut context = fncall::Context::new();
    assert_eq!(context.save_xstate(&mut first[..fncall::xstate_frame_size() - 1]), 0, "too short");
    let len = context.save_xstate(&mut first);
    assert_eq!(len, fncall::xstate_frame_size());
    assert_eq!(first[len..], [0xff; 7]);
    first.truncate(len);
    // Values in the legacy area that any processor takes.
    first[160..416].fill(0x5a);
    first[24] = 0xa0;
    context.load_xstate(&first).unwrap();
    let mut second = vec![0; len];
    context.clone().save_xstate(&mut second);
    assert_eq!(first, second);
    // Without the magic number at the end it is 512 bytes of x87 and SSE, as for the host.
    first[len - 1] ^= 1;
    context.load_xstate(&first).unwrap();
    context.save_xstate(&mut second);
    assert_eq!(first[..464], second[..464]);
    assert!(second[576..len - 4].iter().all(|byte| *byte == 0));
}
