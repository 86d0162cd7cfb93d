//! Extended state: what XSAVE knows, in its standard format (Intel SDM volume 1, chapter 13), and the way Linux
//! puts it in a signal frame (`arch/x86/include/uapi/asm/sigcontext.h`).
//!
//! Here are the format and what a kernel does with it (save, load, reset). What moves the state between a context and
//! the processor is in `park`.
//! AMX tiles are left out: they are 8 KiB, and no program has them without asking the kernel first.

use core::arch::x86_64::{__cpuid, __cpuid_count};
use core::sync::atomic::{AtomicU16, AtomicU32, AtomicU64, AtomicUsize, Ordering::Relaxed};

use super::anchor::current_anchor;
use super::context::{Context, Place};
use super::cpu;

/// Room for x87, SSE, AVX, MPX or APX, AVX-512 and PKRU wherever a processor puts them.
pub(crate) const IMAGE_LEN: usize = 2752;
/// An image and what ends a frame.
const ROOM: usize = IMAGE_LEN + 64;

pub(crate) const LEGACY_LEN: usize = 512;
pub(crate) const HEADER: usize = 512;
pub(crate) const MIN_LEN: usize = 576;
/// Offset of the 16 xmm registers in an image.
pub(crate) const XMM: usize = 160;
pub(crate) const XMM_LEN: usize = 256;
pub(crate) const ST: usize = 32;
pub(crate) const USUAL_FCW: u16 = 0x037f;
pub(crate) const FCW: usize = 0;
/// One bit for each x87 register in use.
pub(crate) const FTW: usize = 4;
pub(crate) const MXCSR: usize = 24;
const MXCSR_MASK: usize = 28;
/// Linux's own bytes at the end of the legacy area of a signal frame (`struct _fpx_sw_bytes`).
pub(crate) const SW_RESERVED: usize = 464;
pub(crate) const FP_XSTATE_MAGIC1: u32 = 0x4650_5853;
const FP_XSTATE_MAGIC2: u32 = 0x4650_5845;

/// Where a hosted context keeps its vector registers, in place of the image's extended part: 32 times 64 bytes of
/// zmm (or ymm or xmm, at the same distance) and 8 times 8 bytes of k. One store per register instead of the three
/// that the image's split halves would take.
pub(crate) const BLOCK: usize = MIN_LEN;
pub(crate) const BLOCK_K: usize = 32 * 64;
pub(crate) const BLOCK_LEN: usize = BLOCK_K + 64;
const _: () = assert!(BLOCK + BLOCK_LEN <= IMAGE_LEN && BLOCK.is_multiple_of(64));

pub(crate) const X87: u64 = 1;
pub(crate) const SSE: u64 = 2;
pub(crate) const AVX: usize = 2;
pub(crate) const OPMASK: usize = 5;
pub(crate) const ZMM_HI256: usize = 6;
pub(crate) const HI16_ZMM: usize = 7;
pub(crate) const AVX512: u64 = 1 << OPMASK | 1 << ZMM_HI256 | 1 << HI16_ZMM;
pub(crate) const VECTORS: u64 = SSE | 1 << AVX | AVX512;
pub(crate) const PKRU: usize = 9;
const AMX: u64 = 1 << 17 | 1 << 18;
/// A new program may use protection key 0 only (`init_pkru_value` of Linux).
pub(crate) const INIT_PKRU: u32 = 0x5555_5554;

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
pub(crate) struct Image(pub(crate) [u8; ROOM]);

impl Image {
    /// Everything as the processor initialises it.
    pub(crate) const fn new() -> Self {
        let mut bytes = [0; ROOM];
        // FCW 0x37f and MXCSR 0x1f80: xrstor takes MXCSR from here even when the header says "initial".
        bytes[0] = 0x7f;
        bytes[1] = 0x03;
        bytes[MXCSR] = 0x80;
        bytes[MXCSR + 1] = 0x1f;
        Image(bytes)
    }

    pub(crate) fn u16(&self, at: usize) -> u16 {
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

    /// Whether the x87 registers are as the processor initialises them. AMD's fxsave leaves the addresses of the last
    /// instruction and operand (bytes 8–23) as they were unless an exception is pending; they do not count.
    pub(crate) fn x87_is_initial(&self) -> bool {
        self.u64(FCW) == USUAL_FCW.into() && is_zero(&self.0[ST..XMM])
    }

    /// Makes it a signal frame's: fills in what Linux adds to what the processor writes. The frame are the bytes up to
    /// the answer.
    pub(crate) fn seal(&mut self) -> usize {
        let size = xstate_size();
        // Linux marks these two as in use in every frame (`update_regs_in_sigframe`), for old programs that
        // change the legacy area without knowing of the header.
        self.0[HEADER] |= (X87 | SSE) as u8;
        self.set_u32(SW_RESERVED, FP_XSTATE_MAGIC1);
        self.set_u32(SW_RESERVED + 4, size as u32 + 4);
        self.set_u64(SW_RESERVED + 8, xstate_features());
        self.set_u32(SW_RESERVED + 16, size as u32);
        self.set_u32(size, FP_XSTATE_MAGIC2);
        size + 4
    }

    /// Undoes [`seal`](Self::seal), but for the header.
    pub(crate) fn unseal(&mut self) {
        self.0[SW_RESERVED..LEGACY_LEN].fill(0);
    }

    /// Of an image whose first `len` bytes are a signal frame's makes one that the processor takes; answers the
    /// protection keys, which are no longer in it. As Linux's `rt_sigreturn` does, a frame without the magic numbers
    /// counts as 512 bytes of x87 and SSE, and components that it lacks become initial.
    pub(crate) fn accept(&mut self, len: usize) -> Result<u32, BadXstate> {
        xstate_features();
        if len < LEGACY_LEN || self.u32(MXCSR) & !VALID_MXCSR.load(Relaxed) != 0 {
            return Err(BadXstate);
        }
        let sw_size = self.u32(SW_RESERVED + 16) as usize;
        let sw_features = self.u64(SW_RESERVED + 8);
        let extended = self.u32(SW_RESERVED) == FP_XSTATE_MAGIC1
            && (MIN_LEN..=xstate_size()).contains(&sw_size)
            && self.u32(SW_RESERVED + 4) as usize >= sw_size + 4
            && sw_size + 4 <= len
            && self.u32(sw_size) == FP_XSTATE_MAGIC2;
        if extended {
            let header_rest = &self.0[HEADER + 8..MIN_LEN];
            if self.features() & !xstate_features() != 0 || header_rest.iter().any(|byte| *byte != 0) {
                return Err(BadXstate);
            }
            if sw_size < xstate_size() {
                self.0[sw_size..xstate_size()].fill(0);
            }
            self.set_features(self.features() & sw_features);
        } else {
            self.0[HEADER..].fill(0);
            self.set_features(X87 | SSE);
        }
        self.unseal();
        let has_pkru = self.features() & 1 << PKRU != 0;
        self.set_features(self.features() & !(1 << PKRU));
        Ok(if has_pkru { self.u32(offset_of_component(PKRU)) } else { 0 })
    }

    /// The vector registers in the form of [`BLOCK`].
    pub(crate) fn block(&self) -> &[u8] {
        &self.0[BLOCK..BLOCK + BLOCK_LEN]
    }

    pub(crate) fn block_mut(&mut self) -> &mut [u8] {
        &mut self.0[BLOCK..BLOCK + BLOCK_LEN]
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

/// Where in an image a component is that is not in its first 576 bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct XstateComponent {
    /// Its bit in XCR0.
    pub bit: u32,
    /// Its length in bytes.
    pub size: u32,
    /// Where it begins.
    pub offset: u32,
    /// What else CPUID says of it (leaf 0xd, ECX).
    pub flags: u32,
}

/// Those of [`xstate_features`], by their bits. Asks the processor, which takes some virtual machines long.
pub fn xstate_components() -> impl Iterator<Item = XstateComponent> {
    let features = xstate_features();
    (2..63).filter(move |bit| features & 1 << bit != 0).map(|bit| {
        let asked = __cpuid_count(0xd, bit);
        XstateComponent { bit, size: asked.eax, offset: asked.ebx, flags: asked.ecx }
    })
}

/// The length in bytes of what [`Context::save_xstate`] writes.
pub fn xstate_frame_size() -> usize {
    xstate_size() + 4
}

pub(crate) fn offset_of_component(bit: usize) -> usize {
    OFFSETS[bit].load(Relaxed).into()
}

/// From now on this process does as if the host had enabled these components only (x87 and SSE always are), and
/// protection keys even where it has not, if bit 9 is set. For tests.
#[doc(hidden)]
pub fn keep_only(features: u64) {
    let kept = xstate_features() & (features | X87 | SSE) | features & 1 << PKRU;
    if kept & 1 << PKRU != 0 && offset_of_component(PKRU) == 0 {
        OFFSETS[PKRU].store((IMAGE_LEN - 8) as u16, Relaxed);
        SIZE.store(IMAGE_LEN, Relaxed);
    }
    FEATURES.store(kept, Relaxed);
}

/// Whether the processor has protection keys, and the host uses them.
pub(crate) fn has_keys() -> bool {
    xstate_features() & 1 << PKRU != 0
}

/// The components that no entry and no `park` knows: they move by XSAVE only.
pub(crate) fn rest() -> u64 {
    xstate_features() & !(X87 | VECTORS | 1 << PKRU)
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
    const AVX512BW: u32 = 1 << 30;
    assert!(__cpuid(1).ecx & OSXSAVE != 0, "fncall needs a processor and a host with XSAVE");
    // SAFETY: OSXSAVE is set.
    let enabled = unsafe { cpu::xcr0() };
    let mut features = X87 | SSE;
    let mut size = MIN_LEN;
    let mut kept = enabled & !AMX;
    if __cpuid_count(7, 0).ebx & AVX512BW == 0 {
        kept &= !AVX512; // Knights Landing: there k registers have 16 bits, and the entries use all 64
    }
    for bit in 2..63 {
        if kept & 1 << bit == 0 {
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
    /// A fresh program, as after `exec`: the extended state as the processor initialises it, and Linux's initial
    /// protection keys. General registers stay.
    pub fn reset_xstate(&mut self) {
        self.drop_live();
        self.image = Image::new();
        self.place = Place::Image;
        self.pkru = if has_keys() { INIT_PKRU } else { 0 };
    }

    /// Writes the complete extended state as Linux puts it in a signal frame: a standard-format image with
    /// `fx_sw_reserved` filled in, and `FP_XSTATE_MAGIC2` behind it.
    ///
    /// Returns the number of bytes written, [`xstate_frame_size`], or 0 when `area` is too short. The program's state
    /// stays as it is; it is detached.
    ///
    /// # Panics
    /// As [`Context::detach`].
    pub fn save_xstate(&mut self, area: &mut [u8]) -> usize {
        let size = xstate_size();
        let len = size + 4;
        if area.len() < len {
            return 0;
        }
        self.detach();
        let mut image = Image::new();
        self.write_image(&mut image.0[..size]);
        image.seal();
        area[..len].copy_from_slice(&image.0[..len]);
        len
    }

    /// Writes the state of a context of which nothing is in the processor to a standard-format image.
    pub(crate) fn write_image(&self, image: &mut [u8]) {
        let mut in_use = self.image.features();
        match self.place {
            Place::Parked => {
                image.fill(0);
                image[..XMM].copy_from_slice(&self.image.0[..XMM]);
                in_use = X87 | SSE | gather(self.image.block(), image);
            }
            _ => image.copy_from_slice(&self.image.0[..image.len()]),
        }
        if self.pkru != 0 {
            in_use |= 1 << PKRU;
            image[offset_of_component(PKRU)..][..4].copy_from_slice(&self.pkru.to_le_bytes());
        }
        image[HEADER..][..8].copy_from_slice(&in_use.to_le_bytes());
    }

    /// Takes an image in the format of [`Context::save_xstate`]; the next run starts with exactly this state.
    /// As Linux's `rt_sigreturn` does, an image without the magic numbers counts as 512 bytes of x87 and SSE, and
    /// components that the image lacks become initial.
    ///
    /// # Errors
    /// [`BadXstate`] when the processor would refuse it: fewer than 512 bytes, reserved MXCSR bits, a header that
    /// names components this machine lacks or is not in standard format. The context then stays as it was.
    pub fn load_xstate(&mut self, image: &[u8]) -> Result<(), BadXstate> {
        let mut new = Image::new();
        let len = image.len().min(xstate_frame_size());
        new.0[..len].copy_from_slice(&image[..len]);
        let pkru = new.accept(len)?;
        self.drop_live();
        self.pkru = pkru;
        self.image = new;
        self.place = Place::Image;
        Ok(())
    }

    /// Gives up what is in the processor; the image is about to be replaced.
    fn drop_live(&mut self) {
        if self.place.is_live()
            && let Some(anchor) = current_anchor()
        {
            anchor.forget(self);
        }
    }
}

pub(crate) static INITIAL: Image = Image::new();

fn is_zero(bytes: &[u8]) -> bool {
    bytes.as_chunks::<16>().0.iter().fold(0, |any, word| any | u128::from_le_bytes(*word)) == 0
}

/// A component of vector registers, 16 of `LEN` bytes: where in an image they lie one behind the other, and where in a
/// block, 64 bytes apart.
struct Vectors<const LEN: usize> {
    component: usize,
    image: usize,
    block: usize,
}

impl<const LEN: usize> Vectors<LEN> {
    fn is_in(&self, features: u64) -> bool {
        features & 1 << self.component != 0
    }

    #[inline(always)]
    fn spread(&self, image: &[u8], block: &mut [u8]) {
        for n in 0..16 {
            block[self.block + 64 * n..][..LEN].copy_from_slice(&image[self.image + LEN * n..][..LEN]);
        }
    }

    /// Answers the component's bit if the registers are not all zero.
    #[inline(always)]
    fn gather(&self, block: &[u8], image: &mut [u8]) -> u64 {
        for n in 0..16 {
            image[self.image + LEN * n..][..LEN].copy_from_slice(&block[self.block + 64 * n..][..LEN]);
        }
        u64::from(!is_zero(&image[self.image..][..16 * LEN])) << self.component
    }
}

const XMM_LOW: Vectors<16> = Vectors { component: 1, image: XMM, block: 0 };

fn ymm_high() -> Vectors<16> {
    Vectors { component: AVX, image: offset_of_component(AVX), block: 16 }
}

fn zmm_high() -> Vectors<32> {
    Vectors { component: ZMM_HI256, image: offset_of_component(ZMM_HI256), block: 32 }
}

fn zmm_above() -> Vectors<64> {
    Vectors { component: HI16_ZMM, image: offset_of_component(HI16_ZMM), block: 16 * 64 }
}

/// Fills a block from an image, of which the components `in_use` count; the rest of the block becomes zero.
pub(crate) fn spread(image: &[u8], in_use: u64, block: &mut [u8]) {
    let features = xstate_features();
    if features & VECTORS & !in_use != 0 {
        block.fill(0);
    }
    let in_use = in_use & features;
    if XMM_LOW.is_in(in_use) {
        XMM_LOW.spread(image, block);
    }
    if ymm_high().is_in(in_use) {
        ymm_high().spread(image, block);
    }
    if zmm_high().is_in(in_use) {
        zmm_high().spread(image, block);
    }
    if zmm_above().is_in(in_use) {
        zmm_above().spread(image, block);
    }
    if in_use & 1 << OPMASK != 0 {
        block[BLOCK_K..][..64].copy_from_slice(&image[offset_of_component(OPMASK)..][..64]);
    }
}

/// The reverse. Answers the components that are not all zero.
fn gather(block: &[u8], image: &mut [u8]) -> u64 {
    let features = xstate_features();
    let mut in_use = XMM_LOW.gather(block, image);
    if ymm_high().is_in(features) {
        in_use |= ymm_high().gather(block, image);
    }
    if zmm_high().is_in(features) {
        in_use |= zmm_high().gather(block, image);
    }
    if zmm_above().is_in(features) {
        in_use |= zmm_above().gather(block, image);
    }
    if features & 1 << OPMASK != 0 {
        let masks = &mut image[offset_of_component(OPMASK)..][..64];
        masks.copy_from_slice(&block[BLOCK_K..][..64]);
        in_use |= u64::from(!is_zero(masks)) << OPMASK;
    }
    in_use
}
