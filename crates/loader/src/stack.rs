//! The top of a new program's stack: arguments, environment, auxiliary vector. See execve(2), "Limits on size
//! of arguments and environment", getauxval(3), and the AMD64 ABI, "Initial Stack and Register State".
//!
//! ```text
//!   top        ┌────────────────────────┐
//!              │ 8 zero bytes           │
//!              │ execfn                 │ ← AT_EXECFN
//!   env_end    ├────────────────────────┤
//!              │ environment strings    │ envp[0] lowest
//!   env_start  ├────────────────────────┤ = arg_end
//!              │ argument strings       │ argv[0] lowest
//!   arg_start  ├────────────────────────┤
//!              │ (gap, to 16 bytes)     │
//!              │ platform               │ ← AT_PLATFORM
//!              │ 16 random bytes        │ ← AT_RANDOM
//!              │ (gap, to 16 bytes)     │
//!              │ auxv: (key, value)…    │ closed by AT_NULL
//!              │ envp: pointers…, NULL  │
//!              │ argv: pointers…, NULL  │
//!   sp         │ argc                   │ 16-byte aligned
//!              └────────────────────────┘
//! ```

use alloc::vec::Vec;

use linux_raw_sys::auxvec::{AT_EXECFN, AT_NULL, AT_PLATFORM, AT_RANDOM};
use linux_raw_sys::general::ARG_MAX;

use crate::LoadError;

/// Longest argument or environment string in bytes, its NUL included (32 pages).
pub const MAX_ARG_STRLEN: usize = 128 * 1024;

/// Three quarters of the default stack: no `RLIMIT_STACK` makes room for more.
const MAX_ARGUMENTS: u64 = 6 * 1024 * 1024;

const WORD: u64 = 8;

/// What goes on the stack.
#[derive(Debug, Clone)]
pub struct StackSpec<'a> {
    /// Arguments, without NULs at their ends. Empty: Linux puts one empty string there, so do we.
    pub argv: &'a [Vec<u8>],
    /// Environment strings.
    pub envp: &'a [Vec<u8>],
    /// Path given to execve.
    pub execfn: &'a [u8],
    /// For `AT_PLATFORM`, `x86_64`.
    pub platform: &'a [u8],
    /// For `AT_RANDOM`: libc's stack protector and pointer guard come from here.
    pub random: [u8; 16],
    /// Key and value of the auxiliary vector, in order, without `AT_NULL`. The three pointers (`AT_RANDOM`,
    /// `AT_EXECFN`, `AT_PLATFORM`) are added after them, and must not be among them.
    pub auxv: &'a [(u64, u64)],
    /// One past the highest byte of the stack; page aligned.
    pub top: u64,
    /// Soft `RLIMIT_STACK` in bytes.
    pub stack_limit: u64,
}

/// Bytes to be put at `sp`, ending at the stack's top, and where the parts lie.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InitialStack {
    /// Contents of `sp..top`.
    pub bytes: Vec<u8>,
    /// Initial stack pointer.
    pub sp: u64,
    /// The strings that `/proc/PID/cmdline` shows.
    pub arg_start: u64,
    /// One past them.
    pub arg_end: u64,
    /// The strings that `/proc/PID/environ` shows.
    pub env_start: u64,
    /// One past them.
    pub env_end: u64,
    /// The auxiliary vector with its pointers and `AT_NULL`, as `/proc/PID/auxv` shows it.
    pub auxv: Vec<u8>,
}

/// How many bytes strings and pointers of arguments and environment may take together, path included, for a
/// soft `RLIMIT_STACK` of `stack_limit` bytes: a quarter of it, within 128 KiB … 6 MiB.
#[must_use]
pub fn argument_limit(stack_limit: u64) -> u64 {
    (stack_limit / 4).clamp(u64::from(ARG_MAX), MAX_ARGUMENTS)
}

/// Bytes of the strings with their NULs; `ArgumentsTooLong` when one of them is over [`MAX_ARG_STRLEN`].
fn strings_len(strings: &[Vec<u8>]) -> Result<u64, LoadError> {
    strings.iter().try_fold(0, |sum, string| {
        if string.len() >= MAX_ARG_STRLEN {
            return Err(LoadError::ArgumentsTooLong);
        }
        Ok(sum + string.len() as u64 + 1)
    })
}

/// Lay the stack out. `ArgumentsTooLong` (`E2BIG`) under Linux's rules, `TooBig` when `top` leaves no room.
pub fn initial_stack(spec: &StackSpec<'_>) -> Result<InitialStack, LoadError> {
    let no_arguments = [Vec::new()];
    let argv = if spec.argv.is_empty() { &no_arguments } else { spec.argv };
    let argc = argv.len() as u64;
    let envc = spec.envp.len() as u64;

    let pointers = (argc + envc) * WORD;
    let args_len = strings_len(argv)?;
    let env_len = strings_len(spec.envp)?;
    let execfn_len = spec.execfn.len() as u64 + 1;
    let limit = argument_limit(spec.stack_limit);
    if pointers >= limit || pointers + args_len + env_len + execfn_len > limit {
        return Err(LoadError::ArgumentsTooLong);
    }

    // Downwards from the top, as in the picture.
    let below = |at: u64, len: u64| at.checked_sub(len).ok_or(LoadError::TooBig);
    let execfn = below(spec.top, WORD + execfn_len)?;
    let env_start = below(execfn, env_len)?;
    let arg_start = below(env_start, args_len)?;
    let platform = below(arg_start & !15, spec.platform.len() as u64 + 1)?;
    let random = below(platform, spec.random.len() as u64)?;

    let mut auxv = Vec::with_capacity((spec.auxv.len() + 4) * 16);
    let pointers = [
        (u64::from(AT_RANDOM), random),
        (u64::from(AT_EXECFN), execfn),
        (u64::from(AT_PLATFORM), platform),
        (u64::from(AT_NULL), 0),
    ];
    for (key, value) in spec.auxv.iter().chain(&pointers) {
        auxv.extend_from_slice(&key.to_le_bytes());
        auxv.extend_from_slice(&value.to_le_bytes());
    }
    let words = (1 + argc + 1 + envc + 1) * WORD + auxv.len() as u64;
    let sp = below(random, words)? & !15;

    // Upwards again: now every address is known.
    let len = usize::try_from(spec.top - sp).map_err(|_| LoadError::TooBig)?;
    let mut stack = Writer { bytes: Vec::with_capacity(len), base: sp };
    stack.word(argc);
    stack.pointers(argv, arg_start);
    stack.pointers(spec.envp, env_start);
    stack.bytes.extend_from_slice(&auxv);
    stack.pad_to(random);
    stack.bytes.extend_from_slice(&spec.random);
    stack.string(spec.platform);
    stack.pad_to(arg_start);
    argv.iter().chain(spec.envp).for_each(|string| stack.string(string));
    stack.string(spec.execfn);
    stack.pad_to(spec.top);
    Ok(InitialStack {
        bytes: stack.bytes,
        sp,
        arg_start,
        arg_end: env_start,
        env_start,
        env_end: execfn,
        auxv,
    })
}

/// Bytes being laid down from `base` upwards.
struct Writer {
    bytes: Vec<u8>,
    base: u64,
}

impl Writer {
    fn word(&mut self, value: u64) {
        self.bytes.extend_from_slice(&value.to_le_bytes());
    }

    fn string(&mut self, string: &[u8]) {
        self.bytes.extend_from_slice(string);
        self.bytes.push(0);
    }

    /// Pointers to strings that lie one after the other from `at` on, and a NULL.
    fn pointers(&mut self, strings: &[Vec<u8>], mut at: u64) {
        for string in strings {
            self.word(at);
            at += string.len() as u64 + 1;
        }
        self.word(0);
    }

    fn pad_to(&mut self, address: u64) {
        self.bytes.resize((address - self.base) as usize, 0);
    }
}
