//! x86-64. `regs` and `context` are the data; `entry` holds the assembly of the way in and out; `anchor` is the
//! block behind `gs`; `signal` turns host signals into traps; `xstate` is everything that XSAVE knows, `park` what moves it, `frame` what
//! moves it to and from the program's own signal frames; `cpu` and `linux` are single instructions and single host calls.

mod anchor;
mod context;
mod cpu;
mod entry;
mod frame;
mod hosted;
mod linux;
mod park;
mod regs;
mod run;
mod signal;
mod sud;
mod xstate;

#[doc(hidden)]
pub use anchor::{ANCHOR_FIELDS, without_fsgsbase};
pub use anchor::{
    Anchor, anchor_data, clear_kick, current_anchor, install_thread, set_anchor_data, set_user_fsbase,
    user_fsbase, was_kicked,
};
pub use context::{Context, Fault};
pub use entry::{jump_entry_addr_bare, jump_entry_addr_hosted, syscall_fn_entry};
pub use hosted::{INITIAL_TLS_ABOVE, INITIAL_TLS_BELOW};
pub use regs::{GeneralRegs, TRAP_KICK, TRAP_REENTRY, TRAP_SYSCALL, UserContext};
pub use run::resume_gone;
pub use signal::{FaultAction, HandlerConfig, KernelFault, install_handlers};
pub use sud::{disable_sud, enable_sud};
#[doc(hidden)]
pub use xstate::keep_only;
pub use xstate::{
    BadXstate, XstateComponent, xstate_components, xstate_features, xstate_frame_size, xstate_size,
};
