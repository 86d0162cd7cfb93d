//! What is known about a signal (`siginfo_t`, sigaction(2)).

use crate::uaccess;
use crate::{Errno, Result};
use linux_raw_sys::general as g;

/// Size of `siginfo_t` in user memory.
pub const USER_LEN: usize = g::SI_MAX_SIZE as usize;
/// How much of it the kernel keeps (`struct kernel_siginfo`).
const KEPT: usize = 48;

/// The 48 bytes of a `siginfo_t` that mean something, in Linux's layout; the 80 after them are zero.
///
/// ```text
///  0 si_signo   4 si_errno   8 si_code
/// 16 si_pid    20 si_uid    24 si_value            kill, tgkill, sigqueue
/// 16 si_timerid 20 si_overrun 24 si_value          POSIX timers
/// 16 si_pid    20 si_uid    24 si_status 32 si_utime 40 si_stime    SIGCHLD
/// 16 si_addr                                       faults
/// 16 si_band   24 si_fd                            SIGIO
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SigInfo([u64; KEPT / 8]);

impl SigInfo {
    /// A signal with a code and nothing else.
    pub fn new(signo: i32, code: i32) -> SigInfo {
        SigInfo([u64::from(signo as u32), u64::from(code as u32), 0, 0, 0, 0])
    }

    /// From the kernel itself (`SI_KERNEL`).
    pub fn kernel(signo: i32) -> SigInfo {
        SigInfo::new(signo, g::SI_KERNEL as i32)
    }

    /// From kill(2) or tgkill(2): `code` is `SI_USER` or `SI_TKILL`.
    pub fn user(signo: i32, code: i32, pid: i32, uid: u32) -> SigInfo {
        let mut info = SigInfo::new(signo, code);
        info.set_pair(2, pid as u32, uid);
        info
    }

    /// With a value, as sigqueue(3) and mq_notify(3) send it.
    pub fn queued(signo: i32, code: i32, pid: i32, uid: u32, value: u64) -> SigInfo {
        let mut info = SigInfo::user(signo, code, pid, uid);
        info.0[3] = value;
        info
    }

    /// A fault at `addr`.
    pub fn fault(signo: i32, code: i32, addr: usize) -> SigInfo {
        let mut info = SigInfo::new(signo, code);
        info.0[2] = addr as u64;
        info
    }

    /// The end, stop or continuation of a child. Times in clock ticks of 10 ms.
    pub fn child(code: i32, pid: i32, uid: u32, status: i32, utime: i64, stime: i64) -> SigInfo {
        let mut info = SigInfo::user(g::SIGCHLD as i32, code, pid, uid);
        info.0[3] = u64::from(status as u32);
        info.0[4] = utime as u64;
        info.0[5] = stime as u64;
        info
    }

    /// A POSIX timer that expired, and how often more than once.
    pub fn timer(signo: i32, timer: i32, overrun: i32, value: u64) -> SigInfo {
        let mut info = SigInfo::new(signo, g::SI_TIMER);
        info.set_pair(2, timer as u32, overrun as u32);
        info.0[3] = value;
        info
    }

    /// Readiness of a descriptor (`F_SETSIG`): `code` is one of `POLL_*`, `band` the events of poll(2).
    pub fn io(signo: i32, code: i32, band: i64, fd: i32) -> SigInfo {
        let mut info = SigInfo::new(signo, code);
        info.0[2] = band as u64;
        info.0[3] = u64::from(fd as u32);
        info
    }

    fn set_pair(&mut self, word: usize, low: u32, high: u32) {
        self.0[word] = u64::from(low) | u64::from(high) << 32;
    }

    /// `si_signo`
    pub fn signo(&self) -> i32 {
        self.0[0] as i32
    }

    /// Sets `si_signo`.
    pub fn set_signo(&mut self, signo: i32) {
        self.0[0] = self.0[0] & !0xffff_ffff | u64::from(signo as u32);
    }

    /// `si_errno`
    pub fn errno(&self) -> i32 {
        (self.0[0] >> 32) as i32
    }

    /// `si_code`
    pub fn code(&self) -> i32 {
        self.0[1] as i32
    }

    /// The word at byte 16, low half: `si_pid`, `si_timerid`.
    pub fn pid(&self) -> i32 {
        self.0[2] as i32
    }

    /// The word at byte 16, high half: `si_uid`, `si_overrun`.
    pub fn uid(&self) -> u32 {
        (self.0[2] >> 32) as u32
    }

    /// The word at byte 16: `si_addr`, `si_band`.
    pub fn addr(&self) -> u64 {
        self.0[2]
    }

    /// The word at byte 24: `si_value`; its low half is `si_status` and `si_fd`.
    pub fn value(&self) -> u64 {
        self.0[3]
    }

    /// The words at bytes 32 and 40: `si_utime` and `si_stime`.
    pub fn times(&self) -> (u64, u64) {
        (self.0[4], self.0[5])
    }

    /// Sets `si_overrun`.
    pub fn set_overrun(&mut self, overrun: i32) {
        self.set_pair(2, self.0[2] as u32, overrun as u32);
    }

    /// Whether only the kernel makes such a code (`SI_FROMKERNEL`).
    pub fn from_kernel(&self) -> bool {
        self.code() > 0
    }

    /// The bytes as the program sees them.
    pub fn to_bytes(self) -> [u8; USER_LEN] {
        let mut bytes = [0; USER_LEN];
        self.write_to(&mut bytes);
        bytes
    }

    /// Writes what is not zero of that to the beginning of `bytes`.
    pub fn write_to(&self, bytes: &mut [u8]) {
        for (chunk, word) in bytes.chunks_exact_mut(8).zip(self.0) {
            chunk.copy_from_slice(&word.to_le_bytes());
        }
    }

    /// Writes it to user memory.
    ///
    /// # Errors
    /// `EFAULT`.
    pub fn put(self, addr: usize) -> Result<()> {
        uaccess::put_bytes(addr, &self.to_bytes())
    }

    /// Reads one that a program made (rt_sigqueueinfo(2)).
    ///
    /// # Errors
    /// `EFAULT`; `E2BIG` when signal (`signo`, or its own) and code are unknown and bytes that the kernel does not keep are
    /// set.
    pub fn get(addr: usize, signo: Option<i32>) -> Result<SigInfo> {
        let words: [u64; USER_LEN / 8] = uaccess::get(addr)?;
        let mut kept = [0; KEPT / 8];
        kept.copy_from_slice(&words[..KEPT / 8]);
        let mut info = SigInfo(kept);
        if let Some(signo) = signo {
            info.set_signo(signo);
        }
        if !info.has_known_layout() && words[KEPT / 8..].iter().any(|word| *word != 0) {
            return Err(Errno::TOOBIG);
        }
        Ok(info)
    }

    /// Whether signal and code say what the fields are, so that there is nothing in the rest (`known_siginfo_layout`).
    fn has_known_layout(&self) -> bool {
        /// `SI_ASYNCNL`, `SI_DETHREAD`; the codes between the latter and `SI_USER` are all known.
        const ASYNCNL: i32 = -60;
        const DETHREAD: i32 = -7;
        let code = self.code();
        if code <= g::SI_USER as i32 {
            return code >= DETHREAD || code == ASYNCNL;
        }
        // The highest code of a signal that has its own (`NSIGILL` … in `siginfo.h`); others have those of SIGIO.
        let last = match self.signo() as u32 {
            g::SIGILL => 11,
            g::SIGFPE => 15,
            g::SIGSEGV => 10,
            g::SIGBUS => 5,
            g::SIGTRAP | g::SIGCHLD | g::SIGIO => 6,
            g::SIGSYS => 2,
            _ => 6,
        };
        code <= last || code == g::SI_KERNEL as i32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_lie_where_linux_has_them() {
        let bytes = SigInfo::user(10, -6, 0x1234, 1000).to_bytes();
        assert_eq!(bytes[..4], 10i32.to_le_bytes());
        assert_eq!(bytes[8..12], (-6i32).to_le_bytes());
        assert_eq!(bytes[16..20], 0x1234i32.to_le_bytes());
        assert_eq!(bytes[20..24], 1000u32.to_le_bytes());
        let bytes = SigInfo::child(1, 7, 8, 9, 10, 11).to_bytes();
        assert_eq!(bytes[24..28], 9i32.to_le_bytes());
        assert_eq!(bytes[32..40], 10u64.to_le_bytes());
        assert_eq!(bytes[40..48], 11u64.to_le_bytes());
        let mut timer = SigInfo::timer(14, 3, 0, 99);
        timer.set_overrun(5);
        assert_eq!((timer.pid(), timer.uid(), timer.value()), (3, 5, 99));
    }
}
