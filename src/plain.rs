//! Words that the hot path reads as plain memory.

use core::cell::UnsafeCell;
use core::sync::atomic::{
    AtomicI32, AtomicUsize, Ordering::Acquire, Ordering::Relaxed, Ordering::Release,
};

/// A word with one writer at a time, which the hot path reads plainly and
/// anybody else atomically.
///
/// Why not simply an atomic: compilers do not fold a relaxed load into the
/// instruction that uses it, which costs the hot path a third more of them.
/// A plain read is sound where the reading thread is the writer, or where the
/// value was written before the block was handed to it.
///
/// Two uses go beyond what the language promises: a plain read while another
/// thread writes (a window that grows), and a plain write while another thread
/// reads (statistics look at the owner's count; a relaxed store costs malloc and
/// free two instructions each). They rely on the compiler to make one access of
/// a plain access to an aligned word; then every value that can be seen is one
/// that was written, and the callers answer for it that each of them is good.
#[repr(transparent)]
pub struct Plain<T>(UnsafeCell<T>);

// SAFETY: shared accesses are atomic, but for `read` and `write`, whose callers
// answer for them.
unsafe impl<T: Send> Sync for Plain<T> {}

impl<T: Copy> Plain<T> {
    pub const fn new(value: T) -> Self {
        Plain(UnsafeCell::new(value))
    }

    /// # Safety
    /// The calling thread is the only writer, or each value that may be there
    /// is a good one for it.
    #[inline(always)]
    pub unsafe fn read(&self) -> T {
        // SAFETY: initialised and aligned; the rest is the caller's promise.
        unsafe { *self.0.get() }
    }

    /// # Safety
    /// The calling thread is the only writer, and whoever loads the word
    /// meanwhile may see the old value or the new.
    #[inline(always)]
    pub unsafe fn write(&self, value: T) {
        // SAFETY: as above.
        unsafe { *self.0.get() = value }
    }
}

impl Plain<usize> {
    fn atomic(&self) -> &AtomicUsize {
        // SAFETY: a word of the same layout, alive as long as self.
        unsafe { AtomicUsize::from_ptr(self.0.get()) }
    }

    pub fn load(&self) -> usize {
        self.atomic().load(Acquire)
    }

    pub fn store(&self, value: usize) {
        self.atomic().store(value, Release);
    }
}

impl Plain<i32> {
    fn atomic(&self) -> &AtomicI32 {
        // SAFETY: as above.
        unsafe { AtomicI32::from_ptr(self.0.get()) }
    }

    pub fn load(&self) -> i32 {
        self.atomic().load(Relaxed)
    }

    pub fn store(&self, value: i32) {
        self.atomic().store(value, Release);
    }
}
