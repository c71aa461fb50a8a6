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
/// value was written before the block was handed to it; where another thread
/// may be writing at that moment (a window that grows) every value it could
/// see is a good one, and it reads once.
#[repr(transparent)]
pub struct Plain<T>(UnsafeCell<T>);

// SAFETY: shared accesses are atomic, but for `read`, whose callers answer for
// it.
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
        // SAFETY: initialised, aligned, and by the caller's promise not torn:
        // a word.
        unsafe { *self.0.get() }
    }

    /// # Safety
    /// The calling thread is the only writer.
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
