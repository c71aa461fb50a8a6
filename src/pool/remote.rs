//! The list by which threads hand things to the owner of a heap: the blocks of
//! a pool that others freed, and the pools that have such blocks.
//!
//! LIFO, with many pushers and one taker at a time, who takes all of it in one
//! swap: so there is no pop, and no ABA problem. The link of an element is
//! written by a closure, because the elements are raw memory and the model
//! checker (tests/loom.rs) has no raw memory.

#[cfg(not(loom))]
use core::sync::atomic::AtomicUsize;
#[cfg(loom)]
use loom::sync::atomic::AtomicUsize;

use core::sync::atomic::Ordering::{AcqRel, Relaxed};

/// The list; elements are not zero.
pub struct List(AtomicUsize);

impl List {
    #[cfg(not(loom))]
    pub const fn new() -> List {
        List(AtomicUsize::new(0))
    }

    #[cfg(loom)]
    pub fn new() -> List {
        List(AtomicUsize::new(0))
    }

    /// Puts `element` in front; `link` stores what follows it. True when the
    /// list was empty: the caller then announces it to the owner.
    #[inline]
    pub fn push(&self, element: usize, link: impl Fn(usize)) -> bool {
        let mut head = self.0.load(Relaxed);
        loop {
            link(head);
            // Release: the taker sees the link, and all that this thread did
            // with the block before. Acquire, and Release in `take`: who finds
            // the list empty comes after the one who emptied it, so that what
            // it writes next (the pool's own link, anew) is not mixed up with
            // what that one read and others wrote before.
            match self.0.compare_exchange_weak(head, element, AcqRel, Relaxed) {
                Ok(_) => return head == 0,
                Err(now) => head = now,
            }
        }
    }

    /// Takes all; 0 when there is nothing.
    pub fn take(&self) -> usize {
        if self.is_empty() { 0 } else { self.0.swap(0, AcqRel) }
    }

    pub fn is_empty(&self) -> bool {
        self.0.load(Relaxed) == 0
    }
}
