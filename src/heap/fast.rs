//! The hot path. Everything that malloc, free and a realloc in place do in the
//! usual case is on this page; what is unusual is a tail call into `slow`.
//!
//! malloc: size -> class (one load) -> my bin's pool -> its first free block.
//! free: address -> pool header (arithmetic) -> mine? -> in front of its list.
//! realloc: address -> pool header -> does its class fit the new size?

use super::{Word, slow};
use crate::pool::{self, Owned, Pushed};
use crate::size_class::SizeClass;
use core::ffi::c_void;

/// A domain with blocks of ours.
pub trait Domain {
    /// layout::MEM or layout::OBJ.
    const INDEX: usize;

    /// Frees a block that is not ours; NULL as well.
    ///
    /// # Safety
    /// `address` came from the allocator that was installed before us.
    unsafe fn free_foreign(address: usize);
}

/// At least `size` bytes, or null when out of memory.
#[inline(always)]
pub fn malloc<W: Word, D: Domain>(size: usize) -> *mut c_void {
    let Some(class) = SizeClass::of(size) else {
        return slow::malloc_beyond_classes::<W>(D::INDEX, size);
    };
    let heap = W::heap();
    #[cfg(feature = "paranoid")]
    let _inside = super::Inside::new(heap);
    // SAFETY: this thread's word points to `heap`, so the thread is its owner
    // (or it is the empty heap, whose pool has nothing to give).
    let pool = unsafe { Owned::new(heap.bin(D::INDEX, class).get()) };
    match pool.pop() {
        Some(block) => block as *mut c_void,
        None => slow::malloc::<W>(D::INDEX, class),
    }
}

/// Frees a block. (The slow paths take the heap first and the address second:
/// where they are already, so that the hot path needs no move.)
///
/// # Safety
/// `address` is 0, a live block of ours, or one that `D::free_foreign` takes.
#[inline(always)]
pub unsafe fn free<W: Word, D: Domain>(address: usize) {
    let Some(pool) = pool::of_block(address) else {
        // SAFETY: the caller's promise.
        return unsafe { slow::free_foreign::<D>(address) };
    };
    let heap = W::heap();
    if pool.owner() != heap.id() {
        // SAFETY: the caller's promise.
        return unsafe { slow::free::<W, D>(heap, address) };
    }
    #[cfg(feature = "paranoid")]
    let _inside = super::Inside::new(heap);
    // SAFETY: the pool's owner is the heap that this thread's word points to.
    let pool = unsafe { Owned::new(pool) };
    // SAFETY: the caller gives the block up, and it lies in the pool.
    match unsafe { pool.push(address) } {
        Pushed::Done => {}
        Pushed::AtFloor => slow::at_floor(heap, address, pool),
        Pushed::DoubleFree => slow::double_free(),
    }
}

/// Whether a block of a pool of this thread's heap serves `size` bytes as well.
/// Where it would be used to less than 3/4 it should not: pymalloc's rule.
#[inline(always)]
pub fn fits<W: Word>(address: usize, size: usize) -> bool {
    pool::of_block(address).is_some_and(|pool| {
        pool.owner() == W::heap().id() && pool.class_fits(size) && pool.has_block(address)
    })
}
