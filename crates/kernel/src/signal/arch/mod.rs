//! What of signals depends on the processor: the frame on the program's stack, restarts, exception numbers.

mod x86_64;

pub use x86_64::*;
