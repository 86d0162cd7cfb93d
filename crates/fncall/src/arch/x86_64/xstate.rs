//! Extended state: what XSAVE knows, in its standard format (Intel SDM volume 1, chapter 13), and the way Linux
//! puts it in a signal frame (`arch/x86/include/uapi/asm/sigcontext.h`).
//!
//! After an entry 16 xmm registers are in the context's image and the rest is still in the processor, because the
//! kernel touches neither the upper halves nor x87. `detach` completes the image, `attach` is the reverse.
//! AMX tiles are left out: they are 8 KiB, and no program has them without asking the kernel first.

use core::arch::x86_64::{__cpuid, __cpuid_count};
use core::sync::atomic::{AtomicU16, AtomicU32, AtomicU64, AtomicUsize, Ordering::Relaxed};

use super::anchor::{Anchor, current_anchor};
use super::context::{Context, Place};
use super::cpu;

/// Room for x87, SSE, AVX, MPX or APX, AVX-512 and PKRU wherever a processor puts them.
pub(crate) const IMAGE_LEN: usize = 2752;

const LEGACY_LEN: usize = 512;
const HEADER: usize = 512;
const MIN_LEN: usize = 576;
/// Offset of the 16 xmm registers in an image.
pub(crate) const XMM: usize = 160;
const XMM_LEN: usize = 256;
const ST: usize = 32;
const USUAL_FCW: u16 = 0x037f;
pub(crate) const FCW: usize = 0;
pub(crate) const MXCSR: usize = 24;
const MXCSR_MASK: usize = 28;
/// Linux's own bytes at the end of the legacy area of a signal frame (`struct _fpx_sw_bytes`).
const SW_RESERVED: usize = 464;
const FP_XSTATE_MAGIC1: u32 = 0x4650_5853;
const FP_XSTATE_MAGIC2: u32 = 0x4650_5845;

/// Where a hosted context keeps its vector registers, in place of the image's extended part: 32 times 64 bytes of
/// zmm (or ymm or xmm, at the same distance) and 8 times 8 bytes of k. One store per register instead of the three
/// that the image's split halves would take.
pub(crate) const BLOCK: usize = MIN_LEN;
const BLOCK_K: usize = 32 * 64;
const BLOCK_LEN: usize = BLOCK_K + 64;
const _: () = assert!(BLOCK + BLOCK_LEN <= IMAGE_LEN && BLOCK.is_multiple_of(64));

pub(crate) const X87: u64 = 1;
pub(crate) const SSE: u64 = 2;
const AVX: usize = 2;
const OPMASK: usize = 5;
const ZMM_HI256: usize = 6;
const HI16_ZMM: usize = 7;
const AVX512: u64 = 1 << OPMASK | 1 << ZMM_HI256 | 1 << HI16_ZMM;
const VECTORS: u64 = SSE | 1 << AVX | AVX512;
const PKRU: usize = 9;
const AMX: u64 = 1 << 17 | 1 << 18;
/// A new program may use protection key 0 only (`init_pkru_value` of Linux).
const INIT_PKRU: u32 = 0x5555_5554;

/// An image that the host or a program gave is not one the processor would take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BadXstate;

impl core::fmt::Display for BadXstate {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("not a valid XSAVE image")
    }
}

impl core::error::Error for BadXstate {}

/// An XSAVE image in standard format. Bytes 464–511 are kept zero.
#[repr(C, align(64))]
#[derive(Clone)]
pub(crate) struct Image(pub(crate) [u8; IMAGE_LEN]);

impl Image {
    /// Everything as the processor initialises it.
    pub(crate) const fn new() -> Self {
        let mut bytes = [0; IMAGE_LEN];
        // FCW 0x37f and MXCSR 0x1f80: xrstor takes MXCSR from here even when the header says "initial".
        bytes[0] = 0x7f;
        bytes[1] = 0x03;
        bytes[MXCSR] = 0x80;
        bytes[MXCSR + 1] = 0x1f;
        Image(bytes)
    }

    fn u16(&self, at: usize) -> u16 {
        u16::from_le_bytes([self.0[at], self.0[at + 1]])
    }

    pub(crate) fn u32(&self, at: usize) -> u32 {
        u32::from(self.u16(at)) | u32::from(self.u16(at + 2)) << 16
    }

    pub(crate) fn u64(&self, at: usize) -> u64 {
        u64::from(self.u32(at)) | u64::from(self.u32(at + 4)) << 32
    }

    pub(crate) fn set_u32(&mut self, at: usize, value: u32) {
        self.0[at..at + 4].copy_from_slice(&value.to_le_bytes());
    }

    pub(crate) fn set_u64(&mut self, at: usize, value: u64) {
        self.0[at..at + 8].copy_from_slice(&value.to_le_bytes());
    }

    /// Copies the 16 xmm from an image in fxsave format.
    ///
    /// # Safety
    /// `from` points to at least 512 readable bytes.
    pub(crate) unsafe fn take_xmm(&mut self, from: *const u8) {
        // SAFETY: both have the xmm at this offset.
        unsafe { from.add(XMM).copy_to_nonoverlapping(self.0.as_mut_ptr().add(XMM), XMM_LEN) };
    }

    /// XSTATE_BV: the components that are not in their initial state.
    pub(crate) fn features(&self) -> u64 {
        self.u64(HEADER)
    }

    pub(crate) fn set_features(&mut self, features: u64) {
        self.set_u64(HEADER, features);
    }
}

/// What this processor and this host have; asked once, because CPUID and XGETBV are slow in a virtual machine.
static FEATURES: AtomicU64 = AtomicU64::new(0);
static SIZE: AtomicUsize = AtomicUsize::new(0);
/// Where components 0–9 are in an image.
static OFFSETS: [AtomicU16; 10] = [const { AtomicU16::new(0) }; 10];
static VALID_MXCSR: AtomicU32 = AtomicU32::new(0);

/// The XSAVE components this crate keeps: those the host has enabled in XCR0, without AMX. The bits are those of
/// XCR0.
#[inline]
pub fn xstate_features() -> u64 {
    match FEATURES.load(Relaxed) {
        0 => ask_processor(),
        features => features,
    }
}

/// The length in bytes of a standard-format image of [`xstate_features`], without the 4 bytes that end a frame.
pub fn xstate_size() -> usize {
    xstate_features();
    SIZE.load(Relaxed)
}

/// The length in bytes of what [`Context::save_xstate`] writes.
pub fn xstate_frame_size() -> usize {
    xstate_size() + 4
}

fn offset_of_component(bit: usize) -> usize {
    OFFSETS[bit].load(Relaxed).into()
}

/// Which vector registers exist here, as `Anchor::vectors` says it: 0 xmm, 1 ymm, 2 zmm and k.
pub(crate) fn vector_level() -> u8 {
    match xstate_features() {
        features if features & AVX512 == AVX512 => 2,
        features if features & 1 << AVX != 0 => 1,
        _ => 0,
    }
}

/// # Panics
/// Without XSAVE (processors before 2008).
#[cold]
fn ask_processor() -> u64 {
    const OSXSAVE: u32 = 1 << 27;
    assert!(__cpuid(1).ecx & OSXSAVE != 0, "fncall needs a processor and a host with XSAVE");
    // SAFETY: OSXSAVE is set.
    let enabled = unsafe { cpu::xcr0() };
    let mut features = X87 | SSE;
    let mut size = MIN_LEN;
    for bit in 2..63 {
        if enabled & !AMX & 1 << bit == 0 {
            continue;
        }
        let component = __cpuid_count(0xd, bit);
        let end = (component.eax + component.ebx) as usize;
        if end > IMAGE_LEN {
            continue;
        }
        features |= 1 << bit;
        size = size.max(end);
        if let Some(offset) = OFFSETS.get(bit as usize) {
            offset.store(component.ebx as u16, Relaxed);
        }
    }
    let mut image = Image::new();
    // SAFETY: the image is aligned and has room for x87 and SSE.
    unsafe { cpu::xsave(image.0.as_mut_ptr(), X87 | SSE) };
    VALID_MXCSR.store(
        match image.u32(MXCSR_MASK) {
            0 => 0xffbf, // what a processor means that does not tell (SDM volume 1, 11.6.6)
            mask => mask,
        },
        Relaxed,
    );
    SIZE.store(size, Relaxed);
    FEATURES.store(features, Relaxed);
    features
}

impl Context {
    /// Makes the context self-contained: brings the extended state that is still in the processor to the image.
    /// Needed before the context moves in memory or to another thread; the next run works either way.
    ///
    /// # Panics
    /// If the extended state is in the processor of another thread.
    pub fn detach(&mut self) {
        if self.place.is_live() {
            self.image = self.live_image();
            if self.place == Place::Hosted {
                cpu::fninit(); // what is there is not the kernel's
            }
            self.place = Place::Image;
            if let Some(anchor) = current_anchor() {
                anchor.forget(self);
            }
        }
    }

    /// A fresh program, as after `exec`: the extended state as the processor initialises it, and Linux's initial
    /// protection keys. General registers stay.
    pub fn reset_xstate(&mut self) {
        self.drop_live();
        self.image = Image::new();
        let features = xstate_features();
        if features & 1 << PKRU != 0 {
            self.image.set_u32(offset_of_component(PKRU), INIT_PKRU);
            self.image.set_features(1 << PKRU);
        }
    }

    /// Writes the complete extended state as Linux puts it in a signal frame: a standard-format image with
    /// `fx_sw_reserved` filled in, and `FP_XSTATE_MAGIC2` behind it.
    ///
    /// Returns the number of bytes written, [`xstate_frame_size`], or 0 when `area` is too short. The context
    /// stays as it is. Panics as [`Context::detach`].
    pub fn save_xstate(&mut self, area: &mut [u8]) -> usize {
        let size = xstate_size();
        let len = size + 4;
        if area.len() < len {
            return 0;
        }
        let mut copy = match self.place {
            Place::Image => self.image.clone(),
            Place::Bare | Place::Hosted => self.live_image(),
        };
        copy.set_u32(SW_RESERVED, FP_XSTATE_MAGIC1);
        copy.set_u32(SW_RESERVED + 4, len as u32);
        copy.set_u64(SW_RESERVED + 8, xstate_features());
        copy.set_u32(SW_RESERVED + 16, size as u32);
        // Linux marks these two as in use in every frame (`update_regs_in_sigframe`), for old programs that
        // change the legacy area without knowing of the header.
        copy.set_features(copy.features() | X87 | SSE);
        area[..size].copy_from_slice(&copy.0[..size]);
        area[size..len].copy_from_slice(&FP_XSTATE_MAGIC2.to_le_bytes());
        len
    }

    /// Takes an image in the format of [`Context::save_xstate`]; the next run starts with exactly this state.
    /// As Linux's `rt_sigreturn` does, an image without the magic numbers counts as 512 bytes of x87 and SSE, and
    /// components that the image lacks become initial.
    ///
    /// # Errors
    /// [`BadXstate`] when the processor would refuse it: fewer than 512 bytes, reserved MXCSR bits, a header that
    /// names components this machine lacks or is not in standard format. The context then stays as it was.
    pub fn load_xstate(&mut self, image: &[u8]) -> Result<(), BadXstate> {
        if image.len() < LEGACY_LEN {
            return Err(BadXstate);
        }
        let mut new = Image::new();
        new.0[..LEGACY_LEN].copy_from_slice(&image[..LEGACY_LEN]);
        xstate_features();
        if new.u32(MXCSR) & !VALID_MXCSR.load(Relaxed) != 0 {
            return Err(BadXstate);
        }
        let sw_size = new.u32(SW_RESERVED + 16) as usize;
        let sw_features = new.u64(SW_RESERVED + 8);
        let extended = new.u32(SW_RESERVED) == FP_XSTATE_MAGIC1
            && (MIN_LEN..=xstate_size()).contains(&sw_size)
            && new.u32(SW_RESERVED + 4) as usize >= sw_size + 4
            && image.get(sw_size..sw_size + 4) == Some(&FP_XSTATE_MAGIC2.to_le_bytes());
        if extended {
            new.0[HEADER..sw_size].copy_from_slice(&image[HEADER..sw_size]);
            let header_rest = &new.0[HEADER + 8..MIN_LEN];
            if new.features() & !xstate_features() != 0 || header_rest.iter().any(|byte| *byte != 0) {
                return Err(BadXstate);
            }
            new.set_features(new.features() & sw_features);
        } else {
            new.set_features(X87 | SSE);
        }
        new.0[SW_RESERVED..LEGACY_LEN].fill(0);
        self.drop_live();
        self.image = new;
        Ok(())
    }

    /// Gives up what is in the processor; the image is about to be replaced.
    fn drop_live(&mut self) {
        if self.place.is_live() {
            self.place = Place::Image;
            if let Some(anchor) = current_anchor() {
                anchor.forget(self);
            }
        }
    }

    fn is_live_here(&self) -> bool {
        current_anchor().is_some_and(|anchor| core::ptr::eq(anchor.live.load(Relaxed), self))
    }

    /// The complete state of a context that is in part in the processor.
    pub(crate) fn live_image(&self) -> Image {
        assert!(self.is_live_here(), "{NOT_HERE}");
        let features = xstate_features();
        let mut image = Image::new();
        // SAFETY: the image is aligned and has room for all of `xstate_features`.
        unsafe { cpu::xsave(image.0.as_mut_ptr(), features) };
        if self.place == Place::Bare {
            // The xmm in the processor are the kernel's by now; the user's were saved by the entry.
            image.0[XMM..XMM + XMM_LEN].copy_from_slice(&self.image.0[XMM..XMM + XMM_LEN]);
            image.set_features(image.features() | SSE);
        } else {
            if self.image.u16(FCW) != USUAL_FCW {
                image.0[..MXCSR].copy_from_slice(&self.image.0[..MXCSR]);
                image.0[ST..XMM].copy_from_slice(&self.image.0[ST..XMM]);
                image.set_features(image.features() | X87);
            }
            image.set_u32(MXCSR, self.image.u32(MXCSR));
            image.set_features(image.features() | features & VECTORS);
            let block = &self.image.0[BLOCK..BLOCK + BLOCK_LEN];
            for (at, from, len) in block_pieces(features) {
                image.0[at..at + len].copy_from_slice(&block[from..from + len]);
            }
        }
        image
    }

    /// Loads what a bare run does not load by itself: everything but the general registers and the xmm. Saves the
    /// state of the context that was there.
    ///
    /// # Safety
    /// `anchor` is the calling thread's; the context it calls live is still there.
    pub(crate) unsafe fn attach_bare(&mut self, anchor: &Anchor) {
        if self.place == Place::Bare {
            return assert!(self.is_live_here(), "{NOT_HERE}");
        }
        self.detach();
        // SAFETY: by the contract of `run` a live context stays where it is until it is detached or dropped.
        if let Some(other) = unsafe { anchor.live.load(Relaxed).as_mut() } {
            other.detach();
        }
        if self.image.features() & SSE == 0 {
            // The entry code loads xmm from the image without a look at the header.
            self.image.0[XMM..XMM + XMM_LEN].fill(0);
        }
        // SAFETY: the image came from xsave or from the host, or was checked by `load_xstate`.
        unsafe { cpu::xrstor(self.image.0.as_ptr(), xstate_features()) };
        self.place = Place::Bare;
        anchor.live.store(self, Relaxed);
    }

    /// The same for a hosted run, which loads the vector registers and the control words by itself.
    ///
    /// # Safety
    /// As [`Context::attach_bare`].
    pub(crate) unsafe fn attach_hosted(&mut self, anchor: &Anchor) {
        if self.place == Place::Hosted {
            return assert!(self.is_live_here(), "{NOT_HERE}");
        }
        self.detach();
        // SAFETY: as in `attach_bare`.
        if let Some(other) = unsafe { anchor.live.load(Relaxed).as_mut() } {
            other.detach();
        }
        let features = xstate_features();
        // The kernel may find x87 registers in the processor, but no control word other than the usual one.
        // With another one the entry loads all of x87 by itself.
        cpu::fninit();
        cpu::default_mxcsr();
        let mut mask = features & !VECTORS;
        if self.image.features() & X87 == 0 {
            self.image.0[FCW..FCW + 2].copy_from_slice(&USUAL_FCW.to_le_bytes());
        } else if self.image.u16(FCW) != USUAL_FCW {
            mask &= !X87;
        }
        // SAFETY: as in `attach_bare`.
        unsafe { cpu::xrstor(self.image.0.as_ptr(), mask) };
        let mut block = [0; BLOCK_LEN];
        for (at, to, len) in block_pieces(features & self.image.features()) {
            block[to..to + len].copy_from_slice(&self.image.0[at..at + len]);
        }
        self.image.0[BLOCK..BLOCK + BLOCK_LEN].copy_from_slice(&block);
        self.place = Place::Hosted;
        anchor.live.store(self, Relaxed);
    }

    /// Takes the complete state from the image of a signal frame; nothing of it is in the processor any more.
    ///
    /// # Safety
    /// `frame` is the `fpstate` of the host's signal frame; `anchor` is the calling thread's.
    pub(crate) unsafe fn take_frame(&mut self, anchor: &Anchor, frame: *const u8) {
        let features = xstate_features();
        // SAFETY: the host wrote at least 512 bytes, and `extended_size` bytes if it says so.
        unsafe {
            let sw = frame.add(SW_RESERVED);
            let extended = sw.cast::<u32>().read() == FP_XSTATE_MAGIC1;
            let len = if extended { sw.add(16).cast::<u32>().read() as usize } else { LEGACY_LEN };
            let len = len.min(IMAGE_LEN);
            frame.copy_to_nonoverlapping(self.image.0.as_mut_ptr(), len);
            self.image.0[SW_RESERVED..LEGACY_LEN].fill(0);
            if !extended {
                self.image.0[HEADER..MIN_LEN].fill(0);
                self.image.set_features(X87 | SSE);
            }
            self.image.set_features(self.image.features() & features);
        }
        self.place = Place::Image;
        anchor.forget(self);
    }
}

const NOT_HERE: &str =
    "the context's extended state is on another thread, or the context was moved: detach it first";

/// Makes a signal frame return to a hosted kernel: default control words, everything else initial but the
/// protection keys, which stay the user's as after a system call.
///
/// # Safety
/// As [`Context::take_frame`].
pub(crate) unsafe fn clean_frame(frame: *mut u8) {
    // SAFETY: as in `take_frame`.
    unsafe {
        frame.copy_from_nonoverlapping(INITIAL.0.as_ptr(), SW_RESERVED);
        if frame.add(SW_RESERVED).cast::<u32>().read() == FP_XSTATE_MAGIC1 {
            let features = frame.add(HEADER).cast::<u64>();
            features.write(features.read() & (1 << PKRU));
        }
    }
}

/// Makes a signal frame return to a hosted kernel that had not left yet: default control words, the rest as it is,
/// because it may be the only copy of the x87 registers (see `Place::Hosted`).
///
/// # Safety
/// As [`Context::take_frame`].
pub(crate) unsafe fn clean_frame_control(frame: *mut u8) {
    // SAFETY: as in `take_frame`.
    unsafe {
        frame.add(MXCSR).cast::<u32>().write(0x1f80);
        if frame.add(FCW).cast::<u16>().read() != USUAL_FCW {
            frame.copy_from_nonoverlapping(INITIAL.0.as_ptr(), MXCSR);
            frame.add(ST).write_bytes(0, XMM - ST);
        }
    }
}

static INITIAL: Image = Image::new();

/// How the vector registers lie in the image and in the block: offset in the image, offset in the block, length.
fn block_pieces(features: u64) -> impl Iterator<Item = (usize, usize, usize)> {
    // component, its base in the image, bytes per register, first register, offset within the register
    let vector = |component: usize, base: usize, len: usize, first: usize, at: usize| {
        let count = if features & 1 << component != 0 { 16 } else { 0 };
        (0..count).map(move |n| (base + len * n, 64 * (first + n) + at, len))
    };
    let masks = if features & 1 << OPMASK != 0 { 1 } else { 0 };
    vector(1, XMM, 16, 0, 0)
        .chain(vector(AVX, offset_of_component(AVX), 16, 0, 16))
        .chain(vector(ZMM_HI256, offset_of_component(ZMM_HI256), 32, 0, 32))
        .chain(vector(HI16_ZMM, offset_of_component(HI16_ZMM), 64, 16, 0))
        .chain((0..masks).map(|_| (offset_of_component(OPMASK), BLOCK_K, 64)))
}
