//! A mutex that sleeps on a shared futex, so that it works between threads and between processes of one instance.
//!
//! Three states as in Drepper, "Futexes Are Tricky": 0 free, 1 held, 2 held and somebody may sleep.

use crate::{Errno, syscall6};
use core::cell::UnsafeCell;
use core::ops::{Deref, DerefMut};
use core::sync::atomic::{AtomicU32, Ordering::*};
use linux_raw_sys::general::{__NR_futex, __kernel_timespec, FUTEX_WAIT, FUTEX_WAKE};

/// Mutual exclusion around `T`. Short critical sections only: no user copy, no wait inside.
#[derive(Debug, Default)]
pub struct Mutex<T: ?Sized> {
    state: AtomicU32,
    value: UnsafeCell<T>,
}

// SAFETY: the lock hands out one exclusive reference at a time.
unsafe impl<T: ?Sized + Send> Send for Mutex<T> {}
// SAFETY: as above.
unsafe impl<T: ?Sized + Send> Sync for Mutex<T> {}

impl<T> Mutex<T> {
    /// A free mutex around `value`.
    pub const fn new(value: T) -> Self {
        Mutex { state: AtomicU32::new(0), value: UnsafeCell::new(value) }
    }

    /// The value, when nobody else can hold the lock.
    pub fn into_inner(self) -> T {
        self.value.into_inner()
    }
}

impl<T: ?Sized> Mutex<T> {
    /// Waits until the lock is free and takes it.
    #[inline]
    #[cfg_attr(debug_assertions, track_caller)]
    pub fn lock(&self) -> MutexGuard<'_, T> {
        #[cfg(debug_assertions)]
        crate::lock_order::taken::<T>(self.state.as_ptr() as usize, true, core::panic::Location::caller());
        if self.state.compare_exchange(0, 1, Acquire, Relaxed).is_err() {
            self.lock_slow();
        }
        MutexGuard { mutex: self }
    }

    /// Takes the lock when it is free.
    #[cfg_attr(debug_assertions, track_caller)]
    pub fn try_lock(&self) -> Option<MutexGuard<'_, T>> {
        self.state.compare_exchange(0, 1, Acquire, Relaxed).ok()?;
        #[cfg(debug_assertions)]
        crate::lock_order::taken::<T>(self.state.as_ptr() as usize, false, core::panic::Location::caller());
        Some(MutexGuard { mutex: self })
    }

    /// The value, when nobody else can hold the lock.
    pub fn get_mut(&mut self) -> &mut T {
        self.value.get_mut()
    }

    #[cold]
    fn lock_slow(&self) {
        // Sleep soon: the holder may have lost its CPU, and then spinning only delays it.
        for _ in 0..64 {
            if self.state.load(Relaxed) == 0 && self.state.compare_exchange(0, 1, Acquire, Relaxed).is_ok() {
                return;
            }
            core::hint::spin_loop();
        }
        let mut seconds = 0;
        while self.state.swap(2, Acquire) != 0 {
            if futex(&self.state, FUTEX_WAIT, 2) == TIMED_OUT {
                seconds += 1;
                if seconds >= PATIENCE {
                    crate::thread::end_if_reaper_is_stuck();
                }
            }
        }
    }
}

/// So often it looks before it believes that. Counted, not timed: a process that the host has stopped does not count.
const PATIENCE: u32 = 5;
/// A sleeper looks this often whether the one who holds the lock has been killed.
static LOOK_AGAIN: __kernel_timespec = __kernel_timespec { tv_sec: 1, tv_nsec: 0 };
/// What a sleep answers then.
const TIMED_OUT: isize = -(Errno::TIMEDOUT.raw_os_error() as isize);

/// One futex call on a kernel word, without the private flag: other processes of the instance share the word. The time
/// is for sleeps; waking ignores it.
fn futex(word: &AtomicU32, op: u32, value: u32) -> isize {
    let time = &raw const LOOK_AGAIN as usize;
    // SAFETY: the word is alive for the duration of the call; the host only reads it and the time, and sleeps or wakes.
    // EINTR and EAGAIN are handled by the caller's loop.
    unsafe { syscall6(__NR_futex, word.as_ptr() as usize, op as usize, value as usize, time, 0, 0) }
}

/// Unlocks when dropped.
#[derive(Debug)]
pub struct MutexGuard<'a, T: ?Sized> {
    mutex: &'a Mutex<T>,
}

impl<T: ?Sized> Deref for MutexGuard<'_, T> {
    type Target = T;
    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: the guard holds the lock.
        unsafe { &*self.mutex.value.get() }
    }
}

impl<T: ?Sized> DerefMut for MutexGuard<'_, T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: the guard holds the lock.
        unsafe { &mut *self.mutex.value.get() }
    }
}

impl<T: ?Sized> Drop for MutexGuard<'_, T> {
    #[inline]
    fn drop(&mut self) {
        #[cfg(debug_assertions)]
        crate::lock_order::released(self.mutex.state.as_ptr() as usize);
        if self.mutex.state.swap(0, Release) == 2 {
            futex(&self.mutex.state, FUTEX_WAKE, 1);
        }
    }
}

/// What a lock protects that is about an action: a type of its own, by which the lock is known where locks are watched.
#[derive(Debug)]
struct Setting;

/// A value set once and read without a lock afterwards.
#[derive(Debug)]
pub struct OnceLock<T> {
    ready: AtomicU32,
    setting: Mutex<Setting>,
    value: UnsafeCell<Option<T>>,
}

// SAFETY: written once under `setting`, read only after `ready` was seen set.
unsafe impl<T: Send + Sync> Sync for OnceLock<T> {}
// SAFETY: owns its value.
unsafe impl<T: Send> Send for OnceLock<T> {}

impl<T> Default for OnceLock<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> OnceLock<T> {
    /// An empty cell.
    pub const fn new() -> Self {
        OnceLock { ready: AtomicU32::new(0), setting: Mutex::new(Setting), value: UnsafeCell::new(None) }
    }

    /// The value, once set.
    #[inline]
    pub fn get(&self) -> Option<&T> {
        if self.ready.load(Acquire) == 0 {
            return None;
        }
        // SAFETY: `ready` was released after the value was written, and nobody writes it again.
        unsafe { (*self.value.get()).as_ref() }
    }

    /// Sets the value; gives it back when there is one already.
    pub fn set(&self, value: T) -> Result<(), T> {
        let _guard = self.setting.lock();
        if self.ready.load(Relaxed) != 0 {
            return Err(value);
        }
        // SAFETY: nobody reads before `ready`, and `setting` excludes other writers.
        unsafe { *self.value.get() = Some(value) };
        self.ready.store(1, Release);
        Ok(())
    }
}
