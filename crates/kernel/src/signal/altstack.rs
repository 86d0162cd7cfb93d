//! The alternate signal stack (sigaltstack(2)).

use crate::{Errno, Result};
use linux_raw_sys::general::{MINSIGSTKSZ, SS_AUTODISARM, SS_DISABLE, SS_ONSTACK};

/// `stack_t` as it lies in user memory: `ss_sp`, `ss_flags`, padding, `ss_size`.
pub const USER_LEN: usize = 24;

/// An alternate stack, or none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AltStack {
    /// Lowest address.
    pub sp: usize,
    /// `SS_DISABLE`, `SS_AUTODISARM`, or 0.
    pub flags: u32,
    /// Length in bytes; 0 when disabled.
    pub size: usize,
}

impl Default for AltStack {
    fn default() -> Self {
        AltStack { sp: 0, flags: SS_DISABLE, size: 0 }
    }
}

impl AltStack {
    /// Whether `sp` is on it. With `SS_AUTODISARM` nothing is: it is disarmed while a handler runs there.
    pub fn contains(&self, sp: usize) -> bool {
        self.flags & SS_AUTODISARM == 0 && self.holds(sp)
    }

    /// Whether `sp` lies within its bounds, whatever the flags (`__on_sig_stack`).
    pub fn holds(&self, sp: usize) -> bool {
        sp > self.sp && sp - self.sp <= self.size
    }

    /// `SS_DISABLE`, `SS_ONSTACK` or 0 for a thread whose stack pointer is `sp` (`sas_ss_flags`).
    pub fn state(&self, sp: usize) -> u32 {
        if self.size == 0 {
            SS_DISABLE
        } else if self.contains(sp) {
            SS_ONSTACK
        } else {
            0
        }
    }

    /// What sigaltstack(2) answers as the old stack.
    pub fn shown(&self, sp: usize) -> AltStack {
        AltStack { flags: self.state(sp) | self.flags & SS_AUTODISARM, ..*self }
    }

    /// Replaces it by `new`, as a thread whose stack pointer is `sp` asks (`do_sigaltstack`).
    ///
    /// # Errors
    /// `EPERM` while on it; `EINVAL` for unknown flags; `ENOMEM` below `MINSIGSTKSZ`.
    pub fn replace(&mut self, new: AltStack, sp: usize) -> Result<()> {
        if self.contains(sp) {
            return Err(Errno::PERM);
        }
        match new.flags & !SS_AUTODISARM {
            SS_DISABLE => *self = AltStack { sp: 0, flags: new.flags, size: 0 },
            0 | SS_ONSTACK => {
                if new.size < MINSIGSTKSZ as usize {
                    return Err(Errno::NOMEM);
                }
                *self = new;
            }
            _ => return Err(Errno::INVAL),
        }
        Ok(())
    }

    /// From the words of a `stack_t`.
    pub fn from_words([sp, flags, size]: [usize; 3]) -> AltStack {
        AltStack { sp, flags: flags as u32, size }
    }

    /// The words of a `stack_t`.
    pub fn to_words(self) -> [usize; 3] {
        [self.sp, self.flags as usize, self.size]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rules_of_the_manual() {
        let mut stack = AltStack::default();
        assert_eq!(stack.shown(5).flags, SS_DISABLE);
        assert_eq!(stack.replace(AltStack { sp: 0x1000, flags: 0, size: 100 }, 5), Err(Errno::NOMEM));
        assert_eq!(stack.replace(AltStack { sp: 0x1000, flags: 4, size: 8192 }, 5), Err(Errno::INVAL));
        assert_eq!(stack.replace(AltStack { sp: 0x1000, flags: 0, size: 8192 }, 5), Ok(()));
        assert_eq!(stack.shown(0x1000).flags, 0);
        assert_eq!(stack.shown(0x3000).flags, SS_ONSTACK);
        assert_eq!(stack.replace(AltStack { sp: 0, flags: SS_DISABLE, size: 0 }, 0x2000), Err(Errno::PERM));
        assert_eq!(stack.replace(AltStack { sp: 9, flags: SS_DISABLE, size: 9 }, 5), Ok(()));
        assert_eq!(stack, AltStack::default());
    }

    #[test]
    fn an_autodisarmed_stack_may_be_replaced_from_within() {
        let mut stack = AltStack { sp: 0x1000, flags: SS_AUTODISARM, size: 8192 };
        assert_eq!(stack.shown(0x2000).flags, SS_AUTODISARM);
        assert_eq!(stack.replace(AltStack::default(), 0x2000), Ok(()));
    }
}
