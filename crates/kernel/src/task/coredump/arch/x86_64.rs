//! x86-64: `struct user_regs_struct` and the notes with extended state (`arch/x86/kernel/ptrace.c`,
//! `arch/x86/kernel/fpu/regset.c`).

use crate::task::Current;
use crate::task::coredump::notes::Note;
use alloc::vec::Vec;
use linux_raw_sys::elf_uapi as elf;

/// `e_machine`
pub const MACHINE: u16 = elf::EM_X86_64 as u16;
const USER_CS: u64 = 0x33;
const USER_SS: u64 = 0x2b;
/// IF and the flag that is always 1: what the switch leaves out.
const ALWAYS_SET: u64 = 0x202;
const LEGACY_LEN: usize = 512;
/// Where the image says which components there are; in a signal frame, bytes of the frame's own (`xstate_fx_sw_bytes`).
const SW_RESERVED: usize = 464;

/// The 27 words of `struct user_regs_struct`.
pub type Regs = [u64; 27];

/// The calling thread's, with the instruction pointer of the program's own code where that was patched.
pub fn regs(cur: &Current<'_>) -> Regs {
    let r = cur.user.regs();
    let general = [
        r.r15, r.r14, r.r13, r.r12, r.rbp, r.rbx, r.r11, r.r10, r.r9, r.r8, r.rax, r.rcx, r.rdx, r.rsi, r.rdi,
    ];
    let mut regs = [0; 27];
    for (to, from) in regs.iter_mut().zip(general) {
        *to = from as u64;
    }
    regs[15] = cur.call_number as u64;
    regs[16] = cur.original_ip(r.rip) as u64;
    regs[17] = USER_CS;
    regs[18] = r.rflags as u64 | ALWAYS_SET;
    regs[19] = r.rsp as u64;
    regs[20] = USER_SS;
    regs[21] = cur.user.fsbase() as u64;
    regs
}

/// `NT_X86_XSAVE_LAYOUT`: where what is in each `NT_X86_XSTATE` (Linux 6.12).
const XSAVE_LAYOUT: u32 = 0x205;

/// What is said about all threads at the end of the notes.
pub fn final_note() -> Note {
    let words = host::user::xstate_components().flat_map(|it| [it.bit, it.size, it.offset, it.flags]);
    Note::linux(XSAVE_LAYOUT, words.flat_map(u32::to_le_bytes).collect())
}

/// The notes with the extended state of a thread. `frame` is that of a signal frame.
pub fn extended_notes(frame: &[u8]) -> Vec<Note> {
    let mut image = frame[..frame.len().saturating_sub(4)].to_vec();
    let mut notes = Vec::new();
    if let Some(sw) = image.get_mut(SW_RESERVED..LEGACY_LEN) {
        let features = host::user::xstate_features();
        sw.fill(0);
        notes.push(Note::core(elf::NT_PRFPREG, image[..LEGACY_LEN].to_vec()));
        image[SW_RESERVED..SW_RESERVED + 8].copy_from_slice(&features.to_le_bytes());
        notes.push(Note::linux(elf::NT_X86_XSTATE, image));
    }
    notes
}
