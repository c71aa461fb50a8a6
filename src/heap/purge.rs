//! When memory goes back to the system, and which.
//!
//! Nothing here is on the hot path, and no thread of ours runs: the slow paths
//! pass by (`tick`) and look at a coarse clock; while much waits, `watch` has
//! quiet programs pass by as well. What was freed and not used
//! again for a while (OXMALLOC_PURGE_DELAY_MS) goes back:
//!
//! - vacant pools and arenas, and cached large blocks, by their own layers;
//! - empty pools that a bin kept for the next block;
//! - of *sparse* pools (at most half of the blocks allocated), the pages on
//!   which nothing lives. A pool is noted when its count crosses a floor; it
//!   is looked at when it has not changed for the delay, and again only after
//!   a quarter of its blocks has gone.
//!
//! Some of it goes earlier (`early`).

use super::slow::next_floor;
use super::{Heap, early};
use crate::layout::POOL_SIZE;
use crate::options::{self, Option_};
use crate::os;
use crate::pool::{Owned, State};
use crate::{arena, clock, extent};
use core::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};

/// Milliseconds of an epoch, in which sparse pools are aged.
const EPOCH: u64 = 250;
/// How long one look may take (µs): an 8th of the time since the last one, within
/// limits. A program that rests comes by seldom, and has time.
const SLICE: core::ops::RangeInclusive<u64> = 2_000..=10_000;
/// And how long the next one waits when it did not get through (ms).
const PAUSE: u64 = 20;

/// When the next look has something to do (ms).
static NEXT: AtomicU64 = AtomicU64::new(0);

/// After memory was freed.
pub fn after_free(heap: Option<&Heap>) {
    tick(heap);
    if let Some(heap) = heap {
        heap.watch_growing(waiting(Some(heap)), os::now_ms);
    }
    early::after_free(heap);
}

/// `look`, every few times.
pub fn tick(heap: Option<&Heap>) {
    // Even a cheap clock is dear for who comes by every few blocks.
    static PASSED: AtomicU32 = AtomicU32::new(0);
    let passed = PASSED.load(Relaxed).wrapping_add(1);
    PASSED.store(passed, Relaxed);
    if passed % 8 == 0 {
        look(heap);
    }
}

/// Gives back what is due, if it is time. `heap` is the caller's own, if it has one.
pub fn look(heap: Option<&Heap>) {
    let now = os::now_ms();
    if now >= NEXT.load(Relaxed) {
        give_back_due(heap, now);
    } else if let Some(heap) = heap {
        // Others may have dropped what waits.
        heap.watch_growing(waiting(Some(heap)), || now);
    }
    if let Some(heap) = heap {
        heap.keep_watch(now);
    }
}

fn give_back_due(heap: Option<&Heap>, now: u64) {
    let since = clock::advance(now);
    let until = os::now_us() + (since * 1000 / 8).clamp(*SLICE.start(), *SLICE.end());
    let delay = options::get(Option_::PurgeDelayMs) as u64;
    NEXT.store(now + (delay / 2).clamp(1, EPOCH), Relaxed);
    if give_back_aged(heap, delay, until) {
        NEXT.store(now + PAUSE, Relaxed); // The rest soon.
    }
    if let Some(heap) = heap {
        heap.watch(waiting(Some(heap)));
    }
}

/// Gives back what has its age (ms), until (µs); whether there is more.
fn give_back_aged(heap: Option<&Heap>, delay: u64, until: u64) -> bool {
    let worked = clock::now();
    if let Some(heap) = heap {
        heap.close_empty();
        while heap.purge_aged((worked / EPOCH) as u32, (delay / EPOCH) as u32) {
            if os::now_us() >= until {
                return true;
            }
        }
    }
    let before = worked.saturating_sub(delay);
    loop {
        // Counted as it waits, resident or not.
        let waited = waiting(None);
        extent::purge(before, AT_ONCE);
        arena::purge(before, AT_ONCE);
        if waited.saturating_sub(waiting(None)) < AT_ONCE {
            return false;
        }
        if os::now_us() >= until {
            return true;
        }
    }
}

/// How much goes back between two looks at the clock: about a millisecond of work.
pub(super) const AT_ONCE: usize = 4 << 20;

/// About what arenas could give back.
pub(super) fn reclaimable(heap: Option<&Heap>) -> usize {
    let sparse = heap.map_or(0, |heap| heap.sparse_count.get() * POOL_SIZE / 2);
    arena::dirty_bytes() + sparse
}

/// The same and large blocks.
pub(super) fn waiting(heap: Option<&Heap>) -> usize {
    reclaimable(heap) + extent::dirty_bytes()
}

/// Gives back what nobody uses, wholly vacant arenas above all, because the
/// system has no more.
pub fn unused(heap: Option<&Heap>) {
    if let Some(heap) = heap {
        heap.collect();
        heap.close_empty();
    }
    below_heaps();
}

/// Gives back all that can be of `heap`; what it closes is only vacant then,
/// for `below_heaps`. Returns the bytes.
pub fn everything(heap: &Heap) -> usize {
    heap.collect();
    heap.close_empty();
    let mut bytes = 0;
    heap.each_linked(|pool| bytes += heap.purge_pool(pool));
    heap.watch(0); // What is left is for `below_heaps`.
    bytes
}

/// Gives back what no heap holds: vacant pools, arenas, cached large blocks.
/// Returns the bytes.
pub fn below_heaps() -> usize {
    arena::part_unused();
    extent::purge_all() + arena::purge(u64::MAX, usize::MAX)
}

impl Heap {
    /// Closes the pools that bins keep though every block is free.
    fn close_empty(&self) {
        // Any other was closed when it became empty, or lost its place.
        self.each_head(|pool| {
            if pool.live() == 0 {
                self.unlink(pool);
                self.close_pool(pool);
            }
        });
    }

    pub(super) fn note_sparse(&self, pool: Owned) {
        if pool.sparse_live.get() >= 0 {
            return;
        }
        pool.sparse_live.set(pool.live());
        pool.sparse_since.set((clock::now() / EPOCH) as u32);
        self.sparse.push_back(pool.pool());
        self.sparse_count.set(self.sparse_count.get() + 1);
    }

    pub(super) fn forget_sparse(&self, pool: Owned) {
        if pool.sparse_live.replace(-1) < 0 {
            return;
        }
        self.sparse.remove(pool.pool());
        self.sparse_count.set(self.sparse_count.get() - 1);
    }

    /// Puts a sparse pool at the end, as it is now.
    pub(super) fn note_sparse_anew(&self, pool: Owned) {
        self.forget_sparse(pool);
        self.note_sparse(pool);
    }

    /// The first sparse pool; those before it that no longer are leave the list.
    pub(super) fn oldest_sparse(&self) -> Option<Owned> {
        while let Some(pool) = self.sparse.first() {
            // SAFETY: the list holds pools of this heap, which the caller owns.
            let pool = unsafe { Owned::new(pool) };
            if pool.live() <= pool.capacity() as i32 / 2 {
                return Some(pool);
            }
            self.forget_sparse(pool);
            if pool.state() == State::Used && pool.floor() >= 0 {
                pool.set_floor(next_floor(pool));
            }
        }
        None
    }

    /// Purges the first sparse pool if it has not changed for `age` epochs; one that
    /// has goes back to the end. False when it is too young, or there is none.
    fn purge_aged(&self, epoch: u32, age: u32) -> bool {
        let old = |pool: &Owned| epoch.saturating_sub(pool.sparse_since.get()) >= age;
        let Some(pool) = self.oldest_sparse().filter(old) else {
            return false;
        };
        if age == 0 || pool.live() == pool.sparse_live.get() {
            self.purge_pool(pool);
        } else {
            self.note_sparse_anew(pool);
        }
        true
    }

    /// Gives a pool's idle pages back; it is looked at again when a quarter of
    /// its blocks has gone.
    pub(super) fn purge_pool(&self, pool: Owned) -> usize {
        self.forget_sparse(pool);
        let bytes = pool.purge_pages();
        if pool.state() == State::Used && pool.floor() >= 0 {
            pool.set_floor(pool.live() * 3 / 4);
        }
        bytes
    }

    /// The pools noted as sparse, for `verify`.
    pub(super) fn verify_sparse(&self) {
        self.sparse.verify();
        let mut count = 0;
        for pool in self.sparse.iter() {
            assert!(pool.sparse_live.get() >= 0 && pool.owner() == self.id());
            assert!(pool.state() == State::Used);
            count += 1;
        }
        assert_eq!(count, self.sparse_count.get());
    }
}
