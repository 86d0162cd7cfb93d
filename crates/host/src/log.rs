//! Messages of the kernel to the person who runs it, on a private duplicate of standard error.

use core::fmt::{self, Write};
use core::sync::atomic::{AtomicI32, AtomicU8, Ordering::Relaxed};
use linux_raw_sys::general::__NR_write;

static FD: AtomicI32 = AtomicI32::new(2);
static LEVEL: AtomicU8 = AtomicU8::new(1);

/// How important a message is; `FNCALL_LOG` chooses how much is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Level {
    /// Nothing goes on after this.
    Error = 1,
    /// Something the person may want to know.
    Warn = 2,
    /// What the kernel does.
    Info = 3,
    /// Details.
    Debug = 4,
    /// Every system call.
    Trace = 5,
}

/// Shows messages up to `level` (0: none).
pub fn set_level(level: u8) {
    LEVEL.store(level, Relaxed);
}

/// Whether messages of `level` are shown.
#[inline]
pub fn enabled(level: Level) -> bool {
    level as u8 <= LEVEL.load(Relaxed)
}

/// Sends messages to this host descriptor from now on.
pub fn set_fd(fd: i32) {
    FD.store(fd, Relaxed);
}

/// Collects a line, so that it is written in one piece.
struct Line {
    bytes: [u8; 512],
    len: usize,
}

impl Line {
    fn flush(&mut self) {
        let fd = FD.load(Relaxed);
        // SAFETY: the bytes are live; a message that cannot be written is lost, there is nowhere else to say so.
        unsafe { crate::syscall3(__NR_write, fd as usize, self.bytes.as_ptr() as usize, self.len) };
        self.len = 0;
    }
}

impl Write for Line {
    fn write_str(&mut self, s: &str) -> fmt::Result {
        for &b in s.as_bytes() {
            if self.len == self.bytes.len() {
                self.flush();
            }
            self.bytes[self.len] = b;
            self.len += 1;
        }
        Ok(())
    }
}

/// Writes `fncall: message` and a newline.
pub fn message(args: fmt::Arguments<'_>) {
    let mut line = Line { bytes: [0; 512], len: 0 };
    // A `Line` never fails.
    let _ = line.write_fmt(format_args!("fncall: {args}\n"));
    line.flush();
}

/// Writes text as it is.
pub fn raw(args: fmt::Arguments<'_>) {
    let mut line = Line { bytes: [0; 512], len: 0 };
    let _ = line.write_fmt(args);
    line.flush();
}

/// `log!(Warn, "…")`: a message of that level.
#[macro_export]
macro_rules! log {
    ($level:ident, $($arg:tt)*) => {
        if $crate::log::enabled($crate::log::Level::$level) {
            $crate::log::message(format_args!($($arg)*));
        }
    };
}
