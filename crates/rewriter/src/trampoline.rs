//! The bytes of a trampoline.
//!
//! ```text
//!            [copies of the instructions before the site]
//!   restart: lea  rcx, [rip + resume]
//!            jmp  qword ptr [rip + …]      enter the kernel
//!            align 8                       the program may run with alignment checks (EFLAGS.AC)
//!            dq   entry
//!            jmp  restart                  only if the site is overwritten: resume - 2 makes
//!   resume:  lea  rcx, [rip + site + 2]      the call again, as the original bytes would
//!            [copies of the instructions behind the site]
//!            jmp  end
//! ```
//!
//! No flag, no stack and no register but `rcx` is touched; both `lea`s write what the `syscall`
//! instruction itself would have written there.
//!
//! Who calls it: `choose`, when it knows which instructions move.

use alloc::vec::Vec;

use iced_x86::Instruction;

use crate::relocate::{displacement, relative, relocate};
use crate::targets::ends_flow;
use crate::{Code, List, Moved, Refusal, SYSCALL_LEN};

/// No trampoline is longer than this, in bytes. Most are 21 to 48 bytes long.
const MAX_LEN: usize = 192;

/// The most bytes a trampoline from [`plan`](crate::plan) can have; a patch that needed more is refused.
pub fn trampoline_max_len() -> usize {
    MAX_LEN
}

/// A trampoline at its address.
pub(crate) struct Trampoline {
    pub(crate) bytes: Vec<u8>,
    /// Where the program goes on after the call.
    pub(crate) resume: u64,
    /// Where each instruction went, in order; the site itself went to `restart`.
    pub(crate) moved: List<Moved>,
    /// The jump back behind the moved instructions, and where it leads.
    pub(crate) back: Option<Moved>,
}

/// What a trampoline does in place of the program.
pub(crate) struct Contents<'a> {
    pub(crate) site: u64,
    /// The instructions before the site, up to it.
    pub(crate) before: &'a [Instruction],
    /// The site itself is overwritten, and these instructions behind it.
    pub(crate) behind: Option<&'a [Instruction]>,
}

/// Builds the trampoline that will be placed at `at` and enters the kernel at `entry`.
pub(crate) fn build(code: &Code, at: u64, entry: u64, contents: &Contents) -> Result<Trampoline, Refusal> {
    let Contents { site, before, behind } = *contents;
    let original_resume = site + SYSCALL_LEN;
    let mut bytes = Vec::with_capacity(48);
    let mut moved = Vec::with_capacity(before.len() + behind.map_or(0, <[_]>::len) + 2);
    let here = |bytes: &Vec<u8>| at.wrapping_add(bytes.len() as u64);

    for insn in before {
        // Only a straight line leads to the site.
        if ends_flow(insn) {
            return Err(Refusal::NotPositionIndependent);
        }
        moved.push((insn.ip(), here(&bytes)));
        relocate(code, insn, &mut bytes, at)?;
    }

    let restart = here(&bytes);
    moved.push((site, restart));
    const INT3: u8 = 0xcc;
    const LEA_LEN: u64 = 7;
    const JUMP_LEN: u64 = 6;
    const ENTRY_LEN: u64 = 8;
    const JUMP_SHORT_LEN: u64 = 2;
    let padding = restart.wrapping_add(LEA_LEN + JUMP_LEN).wrapping_neg() % ENTRY_LEN;
    let call_len = LEA_LEN + JUMP_LEN + padding + ENTRY_LEN + JUMP_SHORT_LEN;
    let resume = match behind {
        None => original_resume,
        // `resume - 2` would not make the call again if it were the original address.
        Some(_) => restart.wrapping_add(call_len),
    };
    load_rcx(resume, &mut bytes, at)?;
    bytes.extend([0xff, 0x25, padding as u8, 0, 0, 0]);
    bytes.resize(bytes.len() + padding as usize, INT3);
    bytes.extend(entry.to_le_bytes());

    let mut back = None;
    if let Some(behind) = behind {
        bytes.extend([0xeb, (call_len as u8).wrapping_neg()]);
        moved.push((original_resume, resume));
        load_rcx(original_resume, &mut bytes, at)?;
        for insn in behind {
            if insn.ip() != original_resume {
                moved.push((insn.ip(), here(&bytes)));
            }
            relocate(code, insn, &mut bytes, at)?;
        }
        if !behind.last().is_some_and(ends_flow) {
            let end = behind.last().map_or(original_resume, Instruction::next_ip);
            back = Some((here(&bytes), end));
            bytes.push(0xe9);
            relative(end, &mut bytes, at)?;
        }
    }
    if bytes.len() > MAX_LEN {
        return Err(Refusal::NoRoom);
    }
    Ok(Trampoline { bytes, resume, moved, back })
}

/// Appends `lea rcx, [rip + …]` with the address `value`.
fn load_rcx(value: u64, bytes: &mut Vec<u8>, at: u64) -> Result<(), Refusal> {
    bytes.extend([0x48, 0x8d, 0x0d]);
    let next = at.wrapping_add(bytes.len() as u64 + 4);
    bytes.extend(displacement(value, next)?.to_le_bytes());
    Ok(())
}
