//! Doubly linked lists of pools, through two links in each header: by what a
//! pool has to give (`BIN`), and by age (`AGE`). So a pool is in two lists at
//! most. Whoever may touch the pool's header may touch the list, and nobody
//! else: the owner of the heap, or the holder of the extents' lock.

use super::{Pool, PoolRef};
use core::cell::Cell;
use core::iter;

/// The bins of a heap, and those of the free extents.
pub const BIN: usize = 0;
/// Sparse pools and dirty extents, in the order in which they became so.
pub const AGE: usize = 1;

/// A place in a list; no neighbours when in none.
pub struct Link {
    next: Cell<Option<PoolRef>>,
    previous: Cell<Option<PoolRef>>,
}

impl Link {
    pub const fn new() -> Link {
        Link { next: Cell::new(None), previous: Cell::new(None) }
    }
}

impl Pool {
    fn link<const L: usize>(&self) -> &Link {
        if L == BIN { &self.bin } else { &self.age }
    }

    pub fn next<const L: usize>(&self) -> Option<PoolRef> {
        self.link::<L>().next.get()
    }

    /// Puts it between two neighbours of a list, or at its ends.
    pub fn link_between<const L: usize>(
        &'static self,
        previous: Option<PoolRef>,
        next: Option<PoolRef>,
    ) {
        let link = self.link::<L>();
        link.previous.set(previous);
        link.next.set(next);
        if let Some(previous) = previous {
            previous.link::<L>().next.set(Some(self));
        }
        if let Some(next) = next {
            next.link::<L>().previous.set(Some(self));
        }
    }

    /// Takes it out; returns those that were before and behind it.
    pub fn unlink<const L: usize>(&self) -> (Option<PoolRef>, Option<PoolRef>) {
        let link = self.link::<L>();
        let (previous, next) = (link.previous.take(), link.next.take());
        if let Some(previous) = previous {
            previous.link::<L>().next.set(next);
        }
        if let Some(next) = next {
            next.link::<L>().previous.set(previous);
        }
        (previous, next)
    }
}

/// A list with both ends.
pub struct List<const L: usize> {
    first: Cell<Option<PoolRef>>,
    last: Cell<Option<PoolRef>>,
}

impl<const L: usize> List<L> {
    pub const fn new() -> Self {
        List { first: Cell::new(None), last: Cell::new(None) }
    }

    pub fn first(&self) -> Option<PoolRef> {
        self.first.get()
    }

    pub fn push_front(&self, pool: PoolRef) {
        let second = self.first.replace(Some(pool));
        pool.link_between::<L>(None, second);
        if second.is_none() {
            self.last.set(Some(pool));
        }
    }

    pub fn push_back(&self, pool: PoolRef) {
        let before = self.last.replace(Some(pool));
        pool.link_between::<L>(before, None);
        if before.is_none() {
            self.first.set(Some(pool));
        }
    }

    /// `pool` is in this list.
    pub fn remove(&self, pool: PoolRef) {
        let (previous, next) = pool.unlink::<L>();
        if previous.is_none() {
            self.first.set(next);
        }
        if next.is_none() {
            self.last.set(previous);
        }
    }

    pub fn iter(&self) -> impl Iterator<Item = PoolRef> {
        iter::successors(self.first.get(), |pool| pool.next::<L>())
    }

    /// Checks the links back against those forward; panics when they differ.
    pub fn verify(&self) {
        let mut before: Option<PoolRef> = None;
        for pool in self.iter() {
            let previous = pool.link::<L>().previous.get();
            assert!(previous.map(core::ptr::from_ref) == before.map(core::ptr::from_ref));
            before = Some(pool);
        }
        assert!(self.last.get().map(core::ptr::from_ref) == before.map(core::ptr::from_ref));
    }
}
