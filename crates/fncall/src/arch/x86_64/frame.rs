//! The extended state on its way to a signal frame of the program's own and back, for a kernel that delivers signals as
//! Linux does. Called by such a kernel; what the format is and what is valid is in `xstate`.
//!
//! A context that is live after a bare run stays so: the state is not taken out of the processor and put back, which
//! would cost more than all the rest of a signal. XRSTOR is avoided where it can be: on Zen 5 it takes 95 ns whatever is
//! in use, xsave 41, and the plain moves that do the same a handful. So x87 is loaded only when what is there, or what
//! is to be there, is not its initial state.

use super::anchor::{Switching, current_anchor};
use super::context::{Context, Place};
use super::cpu;
use super::park::reset_x87;
use super::xstate::{
    self, AVX, BadXstate, HI16_ZMM, INIT_PKRU, INITIAL, Image, MXCSR, OPMASK, SSE, X87, XMM, XMM_LEN,
    ZMM_HI256, offset_of_component, xstate_features, xstate_frame_size, xstate_size,
};

impl Context {
    /// Shows `put` the complete extended state as [`Context::save_xstate`] writes it, for the frame of a handler; if
    /// `put` takes it, the handler starts with the state of [`Context::reset_xstate`].
    ///
    /// # Errors
    /// Those of `put`; the program's state then stays as it is.
    ///
    /// # Panics
    /// As [`Context::detach`].
    pub fn push_xstate<E>(&mut self, put: impl FnOnce(&[u8]) -> Result<(), E>) -> Result<(), E> {
        if self.place != Place::Bare {
            self.detach();
            let mut image = Image::new();
            self.write_image(&mut image.0[..xstate_size()]);
            let len = image.seal();
            put(&image.0[..len])?;
            self.reset_xstate();
            return Ok(());
        }
        self.assert_here();
        // SAFETY: the image is aligned and has room for everything; these components are enabled.
        unsafe { cpu::xsave_bare(self.image.0.as_mut_ptr(), xstate_features()) };
        let len = self.image.seal();
        let taken = put(&self.image.0[..len]);
        self.image.unseal();
        taken?;
        let x87_was_initial = self.image.x87_is_initial();
        reset_x87(&mut self.image.0);
        self.image.0[MXCSR..MXCSR + 4].copy_from_slice(&INITIAL.0[MXCSR..MXCSR + 4]);
        self.image.set_features(0);
        self.pkru = if xstate::has_keys() { INIT_PKRU } else { 0 };
        self.reload_bare(x87_was_initial);
        Ok(())
    }

    /// The reverse: `get` fills the buffer it is given from a frame, as far as there is one, and answers how many bytes
    /// that were. The next run starts with exactly this state. What is accepted is what [`Context::load_xstate`] accepts.
    ///
    /// # Errors
    /// As [`Context::load_xstate`]. The state is then that of [`Context::reset_xstate`], as on Linux.
    ///
    /// # Panics
    /// As [`Context::detach`].
    pub fn pop_xstate(&mut self, get: impl FnOnce(&mut [u8]) -> usize) -> Result<(), BadXstate> {
        let mut x87_was_initial = false;
        if self.place == Place::Bare {
            self.assert_here();
            // SAFETY: the image is aligned, and nothing in it is needed any more.
            unsafe { cpu::fxsave(self.image.0.as_mut_ptr()) };
            x87_was_initial = self.image.x87_is_initial();
        } else {
            self.detach();
        }
        let room = xstate_frame_size();
        let len = get(&mut self.image.0[..room]).min(room);
        match self.image.accept(len) {
            Err(bad) => {
                self.reset_xstate();
                Err(bad)
            }
            Ok(pkru) => {
                self.pkru = pkru;
                if self.place == Place::Bare {
                    self.reload_bare(x87_was_initial);
                } else {
                    self.place = Place::Image;
                }
                Ok(())
            }
        }
    }

    /// Loads what a live context keeps in the processor from its image, which is a valid one in standard format, and
    /// `pkru`. `x87_was_initial`: that of the processor is, as is known.
    fn reload_bare(&mut self, x87_was_initial: bool) {
        let _switching = current_anchor().map(Switching::on);
        let in_use = self.image.features();
        if in_use & X87 == 0 {
            reset_x87(&mut self.image.0);
        }
        if in_use & SSE == 0 {
            self.image.0[XMM..XMM + XMM_LEN].fill(0);
        }
        let image = self.image.0.as_ptr();
        let component = |bit: usize| match in_use & 1 << bit {
            0 => core::ptr::null(),
            _ => image.wrapping_add(offset_of_component(bit)),
        };
        // SAFETY: the image is a whole and valid one, and has room for each component; the processor has the registers of
        // this level.
        unsafe {
            if xstate::rest() != 0 {
                cpu::xrstor(image, xstate::rest());
            }
            if x87_was_initial && self.image.x87_is_initial() {
                cpu::ldmxcsr(self.image.u32(MXCSR));
            } else {
                cpu::fxrstor(image);
            }
            cpu::load_uppers(
                xstate::vector_level(),
                component(AVX),
                component(ZMM_HI256),
                component(HI16_ZMM),
                component(OPMASK),
            );
            if xstate::has_keys() && cpu::rdpkru() != self.pkru {
                cpu::wrpkru(self.pkru);
            }
        }
    }
}
