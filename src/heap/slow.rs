//! The way when the hot path cannot go on: a pool ran out, a count reached its
//! floor, the block is another heap's, or it has no size class.

use super::fast::Domain;
use super::life::{self, Owner};
use super::{Heap, Word, early, purge};
use crate::fatal::{Corruption, corrupted};
use crate::layout::{ARENA_SIZE, MAX_SPAN, POOL_SIZE};
use crate::pool::{self, Owned, Pool, PoolRef, Pushed, State, held};
use crate::size_class::SizeClass;
use crate::span::Taken;
use crate::{arena, find, large, os, region, span};
use core::ffi::c_void;
use core::ptr;
use core::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// Blocks freed by threads that did not own their heap, once collected.
pub static REMOTE_FREES: AtomicUsize = AtomicUsize::new(0);

/// malloc, when the head of the bin has no block or the thread has no heap.
#[cold]
#[inline(never)]
pub fn malloc<W: Word>(domain: usize, class: SizeClass) -> *mut c_void {
    let block = match life::owner::<W>() {
        Owner::This(heap) => heap.take_block(domain, class),
        Owner::Exiting => life::with_fallback(|heap| heap.take_block(domain, class)),
    };
    block.map_or_else(out_of_memory, |block| block as *mut c_void)
}

/// malloc of more than MAX_CLASS bytes.
#[cold]
#[inline(never)]
pub fn malloc_beyond_classes<W: Word>(domain: usize, size: usize) -> *mut c_void {
    match take_beyond_classes::<W>(domain, size) {
        Some(taken) => taken.address as *mut c_void,
        None => out_of_memory(),
    }
}

/// As `early::make_room`, for a large block that grew.
pub fn make_room<W: Word>(bytes: usize) {
    early::make_room(W::heap().if_real(), bytes);
}

/// NULL, with errno as malloc sets it.
pub fn out_of_memory() -> *mut c_void {
    os::set_out_of_memory();
    ptr::null_mut()
}

/// A span or a large block of at least `size` (more than MAX_CLASS) bytes.
pub fn take_beyond_classes<W: Word>(domain: usize, size: usize) -> Option<Taken> {
    let heap = W::heap().if_real();
    if heap.is_none() && !life::start() {
        return None;
    }
    purge::tick(heap);
    if size <= MAX_SPAN {
        let run = take_pools(heap, span::pools_for(size), span::fills(size))?;
        return Some(span::open(run, domain, size));
    }
    if !region::could_hold(size) {
        return None; // Nothing that we could give back makes room for it.
    }
    let taken = or_after_giving_back(heap, || large::allocate(domain, size))?;
    if taken.zeroed {
        early::make_room(heap, size);
    }
    Some(taken)
}

/// Pools side by side, the pages of which will be `filled` or not: from a mapped arena,
/// or from one more.
fn take_pools(heap: Option<&Heap>, pools: usize, filled: bool) -> Option<arena::Run> {
    arena::take(pools).or_else(|| {
        let run = or_after_giving_back(heap, || arena::take_from_new(pools, filled))?;
        early::make_room(heap, ARENA_SIZE);
        Some(run)
    })
}

/// What the system refuses it may grant after we gave back what we only keep
/// for later: RLIMIT_AS counts that as well.
fn or_after_giving_back<T>(heap: Option<&Heap>, take: impl Fn() -> Option<T>) -> Option<T> {
    take().or_else(|| {
        purge::unused(heap);
        take()
    })
}

/// free, of what is no block of ours: NULL, somebody else's, or nonsense.
///
/// # Safety
/// As `fast::free`.
#[cold]
#[inline(never)]
pub unsafe fn free_foreign<D: Domain>(address: usize) {
    if pool_of_block(address).is_none() {
        // SAFETY: the caller's promise.
        unsafe { D::free_foreign(address) }
    }
}

/// The pool, span or large block of a live block; None when the address is
/// somebody else's. Ends the process when it is ours but no block.
pub fn pool_of_block(address: usize) -> Option<PoolRef> {
    let pool = pool::of(address)?;
    if pool.is_block(address) {
        return Some(pool);
    }
    if find::holder(address).is_some() {
        corrupted(Corruption::NotABlock);
    }
    if region::Slot::of(address).was_ever_ours() {
        corrupted(Corruption::VacantPool);
    }
    None // Somebody else's mapping inside the window.
}

/// free, when the pool is not of the heap that this thread's word points to.
///
/// # Safety
/// As `fast::free`.
#[cold]
#[inline(never)]
pub unsafe fn free<W: Word, D: Domain>(heap: &'static Heap, address: usize) {
    let Some(pool) = pool_of_block(address) else {
        // SAFETY: the caller's promise.
        return unsafe { D::free_foreign(address) };
    };
    match pool.state() {
        State::Used | State::Full => return free_into_pool::<W>(pool, address),
        State::Span => span::free(pool, address),
        State::Large => large::free(pool),
        State::Vacant => corrupted(Corruption::VacantPool),
    }
    purge::after_free(heap.if_real());
}

fn free_into_pool<W: Word>(pool: PoolRef, address: usize) {
    let heap = life::owner_to_free::<W>();
    if pool.owner() == heap.id() {
        #[cfg(feature = "paranoid")]
        let _inside = super::Inside::new(heap);
        // SAFETY: this thread owns the heap, and the heap the pool.
        let pool = unsafe { Owned::new(pool) };
        // SAFETY: the block was given up by the caller of free.
        match unsafe { pool.push(address) } {
            Pushed::Done => {}
            Pushed::AtFloor => at_floor(heap, address, pool),
            Pushed::DoubleFree => double_free(),
        }
        return;
    }
    // The owner's identity first: once pushed, the block may be taken again.
    let owner = pool.owner();
    if owner == 0 {
        corrupted(Corruption::VacantPool); // Closed meanwhile: freed twice.
    }
    // SAFETY: the block was given up.
    if unsafe { pool.push_remote(address) } {
        // SAFETY: heaps live for ever, and a pool with live blocks (this one
        // counts as live until it is collected) keeps its owner.
        unsafe { &*(owner as *const Heap) }.announce(pool);
    }
}

/// The count of a pool of `heap` reached its floor after `address` was freed.
#[cold]
#[inline(never)]
pub fn at_floor(heap: &Heap, address: usize, pool: Owned) {
    pool.demand_block(address);
    heap.settle(pool);
    purge::after_free(Some(heap));
}

#[cold]
#[inline(never)]
pub fn double_free() -> ! {
    corrupted(Corruption::DoubleFree)
}

/// With so few blocks a pool has little left to give back.
pub(super) const FEW: i32 = 4;

/// The next count that is worth a look while blocks of a pool are freed: where
/// it becomes sparse, where it has few blocks left, where it is empty.
pub(super) fn next_floor(pool: Owned) -> i32 {
    let half = pool.capacity() as i32 / 2;
    let marks = [half, FEW.min(half)];
    let marks = marks.into_iter().filter(|_| os::page_size() < POOL_SIZE);
    marks.filter(|mark| *mark < pool.live()).max().unwrap_or(0)
}

impl Heap {
    /// None for the static heaps that stand for "no heap".
    pub(super) fn if_real(&'static self) -> Option<&'static Heap> {
        let real = !ptr::eq(self, &super::EMPTY) && !ptr::eq(self, &super::EXITING);
        real.then_some(self)
    }

    /// A block of a class; None when out of memory.
    pub(super) fn take_block(&self, domain: usize, class: SizeClass) -> Option<usize> {
        #[cfg(feature = "paranoid")]
        let _inside = super::Inside::new(self);
        if self.is_watched(domain, class) {
            purge::look(Some(self));
        } else {
            purge::tick(Some(self));
        }
        let class = self.serving(domain, class);
        loop {
            let Some(pool) = self.head(domain, class) else {
                if !self.collect() {
                    self.open_pool(domain, class)?;
                }
                continue;
            };
            if !pool.is_exhausted() || self.touch_more(pool) {
                if let Some(block) = pool.pop() {
                    return Some(block);
                }
            }
            if pool.live() != pool.capacity() as i32 {
                corrupted(Corruption::FreeList); // A link was cut.
            }
            self.unlink(pool);
            self.forget_sparse(pool);
            pool.set_full();
        }
    }

    /// The class whose pools serve a request. A class that is rarely asked for
    /// borrows blocks at first: a pool of its own would cost a page, and in a
    /// small program there are dozens of such classes.
    fn serving(&self, domain: usize, class: SizeClass) -> SizeClass {
        let borrowed = &self.borrowed[domain][class.index()];
        if borrowed.get() == class.loans() || self.head(domain, class).is_some() {
            return class;
        }
        borrowed.set(borrowed.get() + 1);
        class.lender()
    }

    /// Makes free blocks of untouched ones; false when there are none.
    fn touch_more(&self, pool: Owned) -> bool {
        let touched = pool.touch_more();
        // It may have been sparse, and grows again.
        if touched && pool.floor() >= 0 && pool.floor() < pool.capacity() as i32 / 2 {
            pool.set_floor(next_floor(pool));
        }
        touched
    }

    fn open_pool(&self, domain: usize, class: SizeClass) -> Option<()> {
        let run = take_pools(Some(self), 1, class.fills(os::page_size()))?;
        let pool = pool::of(run.address)?;
        pool.open(self.id(), run.address, domain, class);
        held(domain).add(POOL_SIZE);
        // SAFETY: the pool is this heap's now, and the caller owns the heap.
        self.link(unsafe { Owned::new(pool) });
        Some(())
    }

    /// Gives an empty pool, in no bin, back to its arena.
    pub(super) fn close_pool(&self, pool: Owned) {
        self.forget_sparse(pool);
        held(pool.domain()).subtract(POOL_SIZE);
        pool.close(State::Used);
        arena::release(pool.base(), 1);
    }

    /// Decides what becomes of a pool whose count reached its floor.
    pub(super) fn settle(&self, pool: Owned) {
        if pool.live() < 0 {
            corrupted(Corruption::TooManyFrees);
        }
        if pool.state() == State::Full {
            pool.set_used(next_floor(pool));
            self.link(pool);
        }
        if pool.live() > pool.floor() {
            return;
        }
        if pool.live() > 0 {
            self.note_sparse(pool);
            pool.set_floor(next_floor(pool));
        } else if self.head(pool.domain(), pool.class()).is_some_and(|h| ptr::eq(&*h, &*pool)) {
            // Kept for the next block: a floor below zero is not reached again
            // unless more is freed than was allocated.
            pool.set_floor(-1);
        } else {
            self.unlink(pool);
            self.close_pool(pool);
        }
    }

    /// Another pool took the place at the head of the bin.
    pub(super) fn is_no_longer_head(&self, pool: Owned) {
        if pool.floor() < 0 {
            pool.set_floor(next_floor(pool));
            if pool.live() == 0 {
                self.unlink(pool);
                self.close_pool(pool);
            }
        }
    }

    /// Tells the owner that a pool has blocks in its remote list.
    fn announce(&self, pool: PoolRef) {
        let address = ptr::from_ref(pool) as usize;
        self.pending.push(address, |next| pool.pending_next.store(next, Relaxed));
    }

    /// Takes in what other threads freed; true when there was something.
    pub(super) fn collect(&self) -> bool {
        let mut at = self.pending.take();
        let mut total = 0;
        while at != 0 {
            // SAFETY: pool headers live for ever.
            let pool: PoolRef = unsafe { &*(at as *const Pool) };
            // The link first: once the list is taken, the next free may
            // announce the pool anew.
            at = pool.pending_next.load(Relaxed);
            // SAFETY: an announced pool has live blocks, so it still belongs
            // to this heap, which the caller owns.
            let pool = unsafe { Owned::new(pool) };
            total += pool.collect_remote();
            if pool.live() <= pool.floor() {
                self.settle(pool);
            }
        }
        REMOTE_FREES.fetch_add(total, Relaxed);
        total > 0
    }
}
