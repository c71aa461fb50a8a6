//! The one lock of this library.

use super::{nap, yield_now};
use parking_lot::{Mutex, MutexGuard};

/// A mutex that never parks. A thread that parks does so in process-wide
/// tables, and after a fork those belong to threads that no longer exist: the
/// child would wait for ever. Spinning, yielding and sleeping have no such
/// memory, and the sections behind these locks are short.
///
/// Before a fork every ForkLock is taken (heap::life), so that the child finds
/// what they guard whole.
pub struct ForkLock<T>(Mutex<T>);

impl<T> ForkLock<T> {
    pub const fn new(value: T) -> Self {
        ForkLock(Mutex::new(value))
    }

    pub fn lock(&self) -> MutexGuard<'_, T> {
        let mut tries = 0u32;
        loop {
            if let Some(guard) = self.0.try_lock() {
                return guard;
            }
            tries += 1;
            match tries {
                ..64 => core::hint::spin_loop(),
                64..160 => yield_now(),
                // To yield is nothing to a real-time thread: the holder, of a
                // lesser priority on the same processor, would never go on.
                _ => nap(),
            }
        }
    }

    /// Takes the lock across a fork.
    pub fn hold(&self) {
        core::mem::forget(self.lock());
    }

    /// # Safety
    /// The calling thread took the lock by `hold`, or is the only thread of a
    /// child whose parent did.
    pub unsafe fn let_go(&self) {
        // SAFETY: the caller's promise.
        unsafe { self.0.force_unlock() }
    }
}
