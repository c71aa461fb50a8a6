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
//! When the process grows, by one more arena or large block, it gives back as
//! much (`make_room`): when there is more than a 32nd, and not faster than it
//! can afford.
//!
//! A program that drops most of what it has and then sleeps passes by for the
//! last time while it frees. So the freeing itself gives back at once when much
//! of what is mapped is idle (`after_free`); unless what went that way was soon
//! taken again, then it waits, longer each time.

use super::Heap;
use super::slow::{FEW, next_floor};
use crate::layout::{ARENA_SIZE, POOL_SIZE};
use crate::options::{self, Option_};
use crate::os::{self, lock::ForkLock};
use crate::pool::{self, Owned, State};
use crate::{arena, clock, extent};
use core::sync::atomic::{AtomicI64, AtomicU32, AtomicU64, AtomicUsize, Ordering::Relaxed};

/// Milliseconds of an epoch, in which sparse pools are aged.
const EPOCH: u64 = 250;
/// How long one look may take (µs): a 32nd of the time since the last one, within
/// limits. A program that rests comes by seldom, and has time.
const SLICE: core::ops::RangeInclusive<u64> = 2_000..=20_000;
/// And how long the next one waits when it did not get through (ms).
const PAUSE: u64 = 20;

/// When the next look has something to do (ms).
static NEXT: AtomicU64 = AtomicU64::new(0);

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
    }
    if let Some(heap) = heap {
        heap.keep_watch(now);
    }
}

fn give_back_due(heap: Option<&Heap>, now: u64) {
    static LAST: AtomicU64 = AtomicU64::new(0);
    let since = now.saturating_sub(LAST.swap(now, Relaxed));
    let until = os::now_us() + (since * 1000 / 32).clamp(*SLICE.start(), *SLICE.end());
    let delay = options::get(Option_::PurgeDelayMs) as u64;
    NEXT.store(now + (delay / 2).clamp(1, EPOCH), Relaxed);
    let worked = clock::advance();
    if give_back_aged(heap, worked, delay, until) {
        NEXT.store(now + PAUSE, Relaxed); // The rest soon.
    }
    if let Some(heap) = heap {
        heap.watch(waiting(Some(heap)));
    }
}

/// Gives back what has its age (ms), until (µs); whether there is more.
fn give_back_aged(heap: Option<&Heap>, worked: u64, delay: u64, until: u64) -> bool {
    if let Some(heap) = heap {
        heap.close_empty();
        let aged = ((worked / EPOCH) as u32, (delay / EPOCH) as u32);
        while let Some(pool) = heap.oldest_sparse(Some(aged)) {
            heap.purge_pool(pool);
            if os::now_us() >= until {
                return true;
            }
        }
    }
    let before = worked.saturating_sub(delay);
    while extent::purge(before, AT_ONCE) + arena::purge(before, AT_ONCE) >= AT_ONCE {
        if os::now_us() >= until {
            return true;
        }
    }
    false
}

/// How much goes back between two looks at the clock: about a millisecond of work.
const AT_ONCE: usize = 4 << 20;

/// About what arenas could give back.
fn reclaimable(heap: Option<&Heap>) -> usize {
    let sparse = heap.map_or(0, |heap| heap.sparse_count.get() * POOL_SIZE / 2);
    arena::dirty_bytes() + sparse
}

/// The same and large blocks.
fn waiting(heap: Option<&Heap>) -> usize {
    reclaimable(heap) + extent::dirty_bytes()
}

/// Below this much it is not worth the system calls.
const WORTH_IT: usize = 12 * ARENA_SIZE;

/// Below so much mapped, pools are not scanned while others are freed.
const WORTH_SCANNING: usize = 64 * ARENA_SIZE;

/// Bytes that were taken while they were not resident, since the start.
fn taken_fresh() -> usize {
    arena::fresh_bytes() + pool::refilled_bytes()
}

/// What the freeing itself gave back lately.
static LATELY: ForkLock<Lately> =
    ForkLock::new(Lately { at: 0, bytes: 0, fresh: 0, wait: 0, not_before: 0 });

struct Lately {
    /// When last (ms), how much, and how many bytes had been taken fresh before.
    at: u64,
    bytes: usize,
    fresh: usize,
    /// How long to wait after it was for nothing (ms), and until when.
    wait: u64,
    not_before: u64,
}

/// What is taken again within this time (ms) was given back for nothing.
const SOON: u64 = 10_000;
/// How long to wait then before it is tried again (ms); each further time so much
/// longer. A program that always takes it again hardly ever pays for a trial.
const FIRST_WAIT: u64 = 30_000;
const LONGER: u64 = 4;
const LONGEST_WAIT: u64 = 3_600_000;

impl Lately {
    /// Whether giving back now is likely to last.
    fn allows(&mut self, now: u64) -> bool {
        if now < self.not_before {
            return false;
        }
        let taken = taken_fresh() - self.fresh;
        let lasted = now.saturating_sub(self.at) > SOON + self.wait;
        let for_nothing = !lasted && self.bytes > 0 && taken * 2 >= self.bytes;
        if for_nothing {
            self.wait = (self.wait * LONGER).clamp(FIRST_WAIT, LONGEST_WAIT);
            self.not_before = now + self.wait;
        } else if lasted {
            self.wait = 0;
        }
        if for_nothing || lasted {
            self.bytes = 0;
            self.fresh = taken_fresh();
        }
        !for_nothing
    }

    fn gave_back(&mut self, now: u64, bytes: usize) {
        if bytes > 0 {
            self.at = now;
            self.bytes += bytes;
        }
    }
}

/// After a pool came down to a floor, or a span or large block was freed. Gives
/// back at once when much of what is mapped is idle, counting what went from
/// pools that are still in use: vacant pools from a half on; sparse ones, which
/// take a look at every free block, from a quarter on but in large heaps only.
pub fn after_free(heap: Option<&Heap>) {
    tick(heap);
    if let Some(heap) = heap {
        heap.watch_growing(waiting(Some(heap)));
    }
    let idle = reclaimable(heap) + pool::purged_bytes();
    let mapped = arena::mapped_bytes();
    let vacant = idle > mapped / 2 && arena::dirty_bytes() >= WORTH_IT;
    let sparse = idle > mapped / 4 && mapped >= WORTH_SCANNING;
    if !vacant && !sparse {
        return;
    }
    let now = os::now_ms();
    if !LATELY.lock().allows(now) {
        return;
    }
    let mut bytes = 0;
    if vacant {
        bytes += arena::purge(u64::MAX, AT_ONCE);
    }
    if let Some(heap) = heap.filter(|_| sparse) {
        bytes += heap.purge_in_passing();
    }
    LATELY.lock().gave_back(now, bytes);
}

/// What may be spent on giving back early: grows with the time, up to a limit.
struct Allowance {
    left: AtomicI64,
    /// Up to when it has grown.
    at: AtomicU64,
    most: i64,
}

impl Allowance {
    const fn new(most: i64) -> Allowance {
        Allowance { left: AtomicI64::new(0), at: AtomicU64::new(0), most }
    }

    /// What is left at `now`, when it grows by `earned` of the time since the last
    /// look; less than 0 when more was spent than there was.
    fn left(&self, now: u64, earned: impl Fn(i64) -> i64) -> i64 {
        let since = now.saturating_sub(self.at.swap(now, Relaxed));
        let earned = earned(since.min(u32::MAX as u64) as i64);
        let left = (self.left.fetch_add(earned, Relaxed) + earned).min(self.most);
        self.left.fetch_min(left, Relaxed);
        left
    }

    fn spend(&self, amount: i64) {
        self.left.fetch_sub(amount, Relaxed);
    }
}

/// Time to scan pools in before they have their age (µs): a part of all time. Who
/// frees in random order, and all of it, finds most scans in vain and each slow.
static SCANNING: Allowance = Allowance::new(100_000);
const EARLY: i64 = 32;
/// Pools among the sparse ones that are too young to be looked at.
const YOUNG: usize = 64;

/// What `make_room` may give back (bytes), and how it grows each millisecond. To
/// take so much anew costs a program that does nothing else a 32nd of its time.
/// Overdrawn at times: arenas go as a whole.
static ROOM: Allowance = Allowance::new(64 << 20);
const ROOM_EACH_MS: i64 = 64 << 10;

/// When `bytes` were taken that will be resident once they are used: gives back
/// as many that nobody uses.
pub fn make_room(heap: Option<&Heap>, bytes: usize) {
    /// Bytes taken since the last time; little is saved up.
    static TAKEN: AtomicUsize = AtomicUsize::new(0);
    if TAKEN.fetch_add(bytes, Relaxed) + bytes < ARENA_SIZE {
        return;
    }
    let taken = TAKEN.swap(0, Relaxed);
    let mapped = arena::mapped_bytes() + extent::mapped_bytes();
    if waiting(heap) <= (mapped / 32).max(ARENA_SIZE) {
        return;
    }
    let allowed = ROOM.left(os::now_ms(), |ms| ms * ROOM_EACH_MS);
    if allowed > 0 {
        let given = give_back(heap, taken.min(allowed as usize));
        ROOM.spend(given as i64);
    }
}

/// Gives back about `most` bytes; returns how many it was.
fn give_back(heap: Option<&Heap>, most: usize) -> usize {
    let mut given = arena::purge(u64::MAX, most);
    if let Some(heap) = heap {
        // Pools with a block on every page have nothing to give.
        let until = os::now_us() + SLICE.start();
        while given < most
            && let Some(pool) = heap.oldest_sparse(None)
            && let Some(bytes) = heap.purge_if_allowed(pool)
        {
            given += bytes;
            if os::now_us() >= until {
                break;
            }
        }
    }
    if given < most {
        given += extent::purge(u64::MAX, most - given);
    }
    given
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

    /// The first sparse pool that is due: any, or with `(epoch, age)` the first
    /// that has not changed for `age` epochs. Those that changed meanwhile go
    /// back to the end.
    fn oldest_sparse(&self, aged: Option<(u32, u32)>) -> Option<Owned> {
        while let Some(pool) = self.sparse.first() {
            // SAFETY: the list holds pools of this heap, which the caller owns.
            let pool = unsafe { Owned::new(pool) };
            let live = pool.live();
            if live > pool.capacity() as i32 / 2 {
                self.forget_sparse(pool); // No longer sparse.
                if pool.state() == State::Used && pool.floor() >= 0 {
                    pool.set_floor(next_floor(pool));
                }
                continue;
            }
            let Some((epoch, age)) = aged else {
                return Some(pool);
            };
            if epoch.saturating_sub(pool.sparse_since.get()) < age {
                return None;
            }
            if live == pool.sparse_live.get() {
                return Some(pool);
            }
            self.forget_sparse(pool);
            self.note_sparse(pool);
            if age == 0 {
                return Some(pool);
            }
        }
        None
    }

    /// Purges the pools that became sparse first and have few blocks left, while
    /// others are freed; returns the bytes.
    fn purge_in_passing(&self) -> usize {
        // Two, because each pool comes by two or three times.
        (0..2).filter(|_| self.sparse_count.get() > YOUNG).map(|_| self.purge_oldest()).sum()
    }

    fn purge_oldest(&self) -> usize {
        let Some(pool) = self.oldest_sparse(None) else {
            return 0;
        };
        if pool.live() > FEW {
            self.forget_sparse(pool);
            self.note_sparse(pool); // To the end.
            return 0;
        }
        self.purge_if_allowed(pool).unwrap_or(0)
    }

    /// `purge_pool`, while there is time for it.
    fn purge_if_allowed(&self, pool: Owned) -> Option<usize> {
        let start = os::now_us();
        if SCANNING.left(start, |us| us / EARLY) <= 0 {
            return None;
        }
        let bytes = self.purge_pool(pool);
        SCANNING.spend((os::now_us() - start) as i64);
        Some(bytes)
    }

    /// Gives a pool's idle pages back; it is looked at again when a quarter of
    /// its blocks has gone.
    fn purge_pool(&self, pool: Owned) -> usize {
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

/// Holds the lock across a fork.
pub fn before_fork() {
    LATELY.hold();
}

/// # Safety
/// After `before_fork`, on the same thread or in its child.
pub unsafe fn after_fork() {
    // SAFETY: the caller's promise.
    unsafe { LATELY.let_go() }
}
