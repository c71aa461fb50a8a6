//! The one lock of this library.

use super::{nap, tls, yield_now};
use core::ops::{Deref, DerefMut};
use core::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use parking_lot::{Mutex, MutexGuard};

/// A mutex that never parks. A thread that parks does so in process-wide
/// tables, and after a fork those belong to threads that no longer exist: the
/// child would wait for ever. Spinning, yielding and sleeping have no such
/// memory, and the sections behind these locks are short.
///
/// Before a fork every ForkLock is taken (heap::life), so that the child finds
/// what they guard whole.
pub struct ForkLock<T>(Mutex<T>);

/// The thread that holds every ForkLock across a fork, as `this_thread` names
/// it; 0 when none does.
static FORKING: AtomicUsize = AtomicUsize::new(0);

/// The same in a forked child, as a thread's number is not.
fn this_thread() -> usize {
    core::ptr::from_ref(tls::address::<0, u8>()) as usize
}

/// Access to what a ForkLock guards.
pub enum Guard<'l, T> {
    Taken(MutexGuard<'l, T>),
    /// The thread holds the lock already, and all others, across a fork.
    Forking(&'l mut T),
}

impl<T> ForkLock<T> {
    pub const fn new(value: T) -> Self {
        ForkLock(Mutex::new(value))
    }

    pub fn lock(&self) -> Guard<'_, T> {
        let mut tries = 0u32;
        loop {
            if let Some(guard) = self.0.try_lock() {
                return Guard::Taken(guard);
            }
            // Handlers that were registered before ours run while we hold the
            // locks, and may allocate.
            if FORKING.load(Relaxed) == this_thread() {
                // SAFETY: `pass_all` was called by this thread after every `hold`,
                // whose guards are forgotten; and no thread locks twice.
                return Guard::Forking(unsafe { &mut *self.0.data_ptr() });
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

/// The calling thread passes every ForkLock from now on.
///
/// # Safety
/// It holds all of them, by `hold`.
pub unsafe fn pass_all() {
    FORKING.store(this_thread(), Relaxed);
}

/// Ends `pass_all`; before the first lock is let go.
pub fn pass_none() {
    FORKING.store(0, Relaxed);
}

impl<T> Deref for Guard<'_, T> {
    type Target = T;
    fn deref(&self) -> &T {
        match self {
            Guard::Taken(guard) => guard,
            Guard::Forking(value) => value,
        }
    }
}

impl<T> DerefMut for Guard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        match self {
            Guard::Taken(guard) => guard,
            Guard::Forking(value) => value,
        }
    }
}
