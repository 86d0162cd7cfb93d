//! How the extended state of a context comes into the processor and out of it, beyond what the entries do at every
//! system call. Called by `run` when another context's state is in the processor, by `signal` when a hosted user was
//! interrupted, and by whoever detaches, clones or saves a context.
//!
//! ```text
//!            load_image                    enter
//!   Image ──────────────►  Parked  ──────────────────►  Bare or Hosted
//!     ▲                      │ ▲                           │
//!     └──────────────────────┘ └───────────────────────────┘
//!       write_image                   park
//! ```
//!
//! Registers are moved by plain moves and fxsave. xsavec and xrstor cost half as much again where this was measured
//! (Zen 5: 97 ns a pair, the registers and fxsave with fxrstor 75), and would leave the state in a form that the
//! entries cannot use. What is in use is seen in what fxsave wrote, not asked by xgetbv(1), which some virtual machines
//! trap: 82 µs were measured once. Components that are neither vectors, x87 nor protection keys (see `xstate::rest`)
//! move by XSAVE.

use core::sync::atomic::Ordering::Relaxed;

use super::anchor::{Anchor, Switching, current_anchor};
use super::context::{Context, Place};
use super::cpu;
use super::xstate::{
    self, FCW, FP_XSTATE_MAGIC1, HEADER, IMAGE_LEN, INITIAL, Image, LEGACY_LEN, MXCSR, SSE, ST, SW_RESERVED,
    USUAL_FCW, VECTORS, X87, XMM,
};

impl Context {
    /// Makes the context self-contained: brings the extended state that is still in the processor home. Needed before
    /// the context moves in memory or to another thread; the next run works either way.
    ///
    /// # Panics
    /// If the extended state is in the processor of another thread.
    pub fn detach(&mut self) {
        let place = self.place;
        if !place.is_live() {
            return;
        }
        self.park();
        if place == Place::Hosted {
            cpu::fninit(); // what is there is not the kernel's
        }
    }

    fn is_live_here(&self) -> bool {
        current_anchor().is_some_and(|anchor| core::ptr::eq(anchor.live.load(Relaxed), self))
    }

    /// # Panics
    /// If the extended state is in the processor of another thread, or the context was moved.
    pub(crate) fn assert_here(&self) {
        assert!(
            self.is_live_here(),
            "the context's extended state is on another thread, or the context was moved: detach it first"
        );
    }

    /// Takes the state of a live context out of the processor, which keeps a copy.
    fn park(&mut self) {
        self.assert_here();
        if let Some(anchor) = current_anchor() {
            let _switching = Switching::on(anchor);
            self.collect();
            anchor.forget(self);
        }
    }

    /// The same for a copy of a live context.
    pub(crate) fn collect(&mut self) {
        let level = xstate::vector_level();
        // SAFETY: the image is aligned and long enough; what the asm changes, it names.
        unsafe {
            match self.place {
                Place::Image | Place::Parked => return,
                Place::Bare => cpu::store_bare(self.image.0.as_mut_ptr(), level),
                Place::Hosted if self.x87_in_image => (),
                Place::Hosted => {
                    let mxcsr = self.image.u32(MXCSR);
                    cpu::fxsave(self.image.0.as_mut_ptr());
                    self.image.set_u32(MXCSR, mxcsr);
                }
            }
            if xstate::has_keys() {
                self.pkru = cpu::rdpkru();
            }
        }
        self.place = Place::Parked;
        if xstate::rest() != 0 {
            let mut image = Image::new();
            self.write_image(&mut image.0);
            // SAFETY: the image has room for all components.
            unsafe { cpu::xsave(image.0.as_mut_ptr(), xstate::rest()) };
            self.image = image;
            self.place = Place::Image;
        }
    }

    /// Brings the state into the processor, so that the routine for `place` can enter. Takes that of the context which
    /// was there home.
    ///
    /// # Safety
    /// `anchor` is the calling thread's; the context it calls live is still there. `place` is `Bare` or `Hosted`.
    pub(crate) unsafe fn attach(&mut self, anchor: &Anchor, place: Place) {
        if self.place == place {
            return self.assert_here();
        }
        if self.place.is_live() {
            self.park();
        }
        let mut x87_is_initial = false;
        // SAFETY: by the contract of `run` a live context stays where it is until it is detached or dropped.
        if let Some(other) = unsafe { anchor.live.load(Relaxed).as_mut() } {
            other.park();
            x87_is_initial = !other.x87_in_image && other.image.x87_is_initial();
        }
        self.load_image();
        if place == Place::Bare {
            self.load_bare(x87_is_initial);
        } else {
            self.load_hosted(x87_is_initial);
        }
        self.place = place;
        anchor.live.store(self, Relaxed);
        if xstate::has_keys() {
            // SAFETY: the processor has them, and the host uses them.
            unsafe {
                if cpu::rdpkru() != self.pkru {
                    cpu::wrpkru(self.pkru);
                }
            }
        }
    }

    /// From `Place::Image` to `Place::Parked`.
    fn load_image(&mut self) {
        if self.place != Place::Image {
            return;
        }
        let in_use = self.image.features();
        if xstate::rest() != 0 {
            // SAFETY: the image came from xsave or from the host, or was checked by `load_xstate`.
            unsafe { cpu::xrstor(self.image.0.as_ptr(), xstate::rest()) };
        }
        if in_use & X87 == 0 {
            reset_x87(&mut self.image.0);
        }
        if in_use & VECTORS == 0 {
            self.image.block_mut().fill(0);
        } else {
            let image = self.image.clone(); // the block takes the place of its extended part
            xstate::spread(&image.0, in_use, self.image.block_mut());
        }
        self.place = Place::Parked;
    }

    /// `x87_is_initial`: that of the processor is, as is known.
    fn load_bare(&mut self, x87_is_initial: bool) {
        let skip_x87 = x87_is_initial && self.image.x87_is_initial();
        // SAFETY: the image is whole, from xsave, fxsave or the host, or was checked by `load_xstate`.
        unsafe {
            if skip_x87 {
                cpu::ldmxcsr(self.image.u32(MXCSR));
            } else {
                cpu::fxrstor(self.image.0.as_ptr());
            }
            cpu::load_bare(self.image.0.as_mut_ptr(), xstate::vector_level());
        }
        self.x87_in_image = false;
    }

    /// The vector registers and control words are loaded by the entry. The kernel may find x87 registers in the
    /// processor, but no control word other than the usual one: with another one the entry loads all of x87, too.
    fn load_hosted(&mut self, x87_is_initial: bool) {
        cpu::default_mxcsr();
        self.x87_in_image = self.image.u16(FCW) != USUAL_FCW;
        if self.x87_in_image {
            return cpu::fninit();
        }
        if !(x87_is_initial && self.image.x87_is_initial()) {
            let mxcsr = self.image.u32(MXCSR);
            self.image.set_u32(MXCSR, cpu::KERNEL_MXCSR);
            // SAFETY: as in `load_bare`; the control words are the kernel's.
            unsafe { cpu::fxrstor(self.image.0.as_ptr()) };
            self.image.set_u32(MXCSR, mxcsr);
        }
    }

    /// A hosted user was interrupted: takes its vector registers and control words from the signal frame, and makes
    /// the frame return to the kernel. Afterwards the context is as after a system call: what the kernel does not
    /// touch stays in the frame, and so comes back to the processor.
    ///
    /// # Safety
    /// `frame` is the `fpstate` of the host's signal frame; the context is live on this thread, after a hosted run.
    pub(crate) unsafe fn take_frame(&mut self, frame: *mut u8) {
        // SAFETY: the host wrote at least 512 bytes, and `xstate_size` bytes if it says so.
        let (frame, extended) = unsafe {
            let sw = frame.add(SW_RESERVED).cast::<u32>();
            let extended = sw.read() == FP_XSTATE_MAGIC1;
            let len = if extended { sw.add(4).read() as usize } else { LEGACY_LEN };
            (core::slice::from_raw_parts_mut(frame, len.min(IMAGE_LEN)), extended)
        };
        let mut in_use = X87 | SSE;
        if extended && let Some(header) = frame[HEADER..].first_chunk_mut() {
            in_use = u64::from_le_bytes(*header);
            *header = (in_use & !VECTORS).to_le_bytes();
        }
        xstate::spread(frame, in_use, self.image.block_mut());
        let control = &frame[MXCSR..MXCSR + 4];
        self.image.0[MXCSR..MXCSR + 4].copy_from_slice(control);
        frame[MXCSR..MXCSR + 4].copy_from_slice(&cpu::KERNEL_MXCSR.to_le_bytes());
        // Interrupted in the middle of a computation, it may have no register free for the kernel.
        let is_usual = frame[FCW..FCW + 2] == USUAL_FCW.to_le_bytes() && frame[xstate::FTW] == 0;
        self.x87_in_image = in_use & X87 != 0 && !is_usual;
        if self.x87_in_image {
            take_x87(&mut self.image, frame);
        } else {
            self.image.0[FCW..FCW + 2].copy_from_slice(&USUAL_FCW.to_le_bytes());
        }
    }
}

fn take_x87(image: &mut Image, frame: &mut [u8]) {
    image.0[..MXCSR].copy_from_slice(&frame[..MXCSR]);
    image.0[ST..XMM].copy_from_slice(&frame[ST..XMM]);
    reset_x87(frame);
}

/// Makes the x87 registers of an image as the processor initialises them.
pub(crate) fn reset_x87(image: &mut [u8]) {
    image[..MXCSR].copy_from_slice(&INITIAL.0[..MXCSR]);
    image[ST..XMM].fill(0);
}

/// Makes a signal frame return to a hosted kernel that had not left yet: default control words, the rest as it is,
/// because it may be the only copy of the x87 registers; `x87_in_image` says that it is not.
///
/// # Safety
/// As [`Context::take_frame`].
pub(crate) unsafe fn clean_frame_control(frame: *mut u8, x87_in_image: bool) {
    // SAFETY: as in `take_frame`.
    let frame = unsafe { core::slice::from_raw_parts_mut(frame, LEGACY_LEN) };
    frame[MXCSR..MXCSR + 4].copy_from_slice(&cpu::KERNEL_MXCSR.to_le_bytes());
    if x87_in_image {
        reset_x87(frame);
    }
}
