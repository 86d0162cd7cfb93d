//! The crate's assembly as instructions.
#![allow(dead_code)] // each test file uses its part

use fncall as _; // links the text
use iced_x86::{Decoder, DecoderOptions, Instruction};

macro_rules! labels {
    ($($name:ident)*) => {
        unsafe extern "C" { $(static $name: u8;)* }
        /// The address of a label of the entry assembly.
        pub fn label(name: &str) -> u64 {
            match name {
                $(stringify!($name) => &raw const $name as u64,)*
                _ => panic!("no label {name}"),
            }
        }

        /// The last label at or before an address, and the distance.
        pub fn name_of(address: u64) -> String {
            let labels = [$((&raw const $name as u64, stringify!($name)),)*];
            let before = labels.into_iter().filter(|(at, _)| *at <= address);
            before.max().map_or("?".into(), |(at, name)| format!("{name}+{:#x}", address - at))
        }
    };
}

labels! {
    fncall_text_start fncall_text_end
    fncall_enter_bare fncall_enter_bare_check fncall_enter_bare_end
    fncall_enter_bare_iret fncall_enter_bare_iret_check fncall_enter_bare_iret_end
    fncall_enter_hosted fncall_enter_hosted_check fncall_enter_hosted_end
    fncall_enter_hosted_iret fncall_enter_hosted_iret_check fncall_enter_hosted_iret_end
    fncall_jump_entry_bare fncall_jump_entry_bare_begin fncall_jump_entry_bare_end
    fncall_jump_entry_hosted fncall_jump_entry_hosted_begin fncall_jump_entry_hosted_end
    fncall_call_entry_bare fncall_call_entry_bare_begin fncall_call_entry_bare_end
    fncall_call_entry_hosted fncall_call_entry_hosted_begin fncall_call_entry_hosted_end
    fncall_exit_tail fncall_restorer syscall_fn_entry
}

/// The instructions from one label to another.
pub fn decode(from: u64, to: u64) -> Vec<Instruction> {
    // SAFETY: both labels are in the same piece of text.
    let bytes = unsafe { std::slice::from_raw_parts(from as *const u8, (to - from) as usize) };
    Decoder::with_ip(64, bytes, from, DecoderOptions::NONE).into_iter().collect()
}

/// The instructions of a routine, by the name of its first label.
pub fn routine(name: &str) -> Vec<Instruction> {
    decode(label(name), label(&format!("{name}_end")))
}
