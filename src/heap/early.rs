//! What goes back before it has its age (`purge`).
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
use super::purge::{AT_ONCE, reclaimable, waiting};
use super::slow::FEW;
use crate::layout::ARENA_SIZE;
use crate::os::{self, lock::ForkLock};
use crate::pool::{self, Owned};
use crate::{arena, extent};
use core::sync::atomic::{AtomicI64, AtomicU64, AtomicUsize, Ordering::Relaxed};

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

    /// What is left at `now`, when each unit of time earns `each`; less than 0 when
    /// more was spent than there was.
    fn left(&self, now: u64, each: i64) -> i64 {
        let since = now.saturating_sub(self.at.swap(now, Relaxed));
        let earned = since.min(u32::MAX as u64) as i64 * each;
        let left = (self.left.fetch_add(earned, Relaxed) + earned).min(self.most);
        self.left.fetch_min(left, Relaxed);
        left
    }

    fn spend(&self, amount: i64) {
        self.left.fetch_sub(amount, Relaxed);
    }
}

/// All time (µs), a part of which scans of pools may take before those have their
/// age. Who frees in random order, and all of it, finds most in vain and each slow.
static SCANNING: Allowance = Allowance::new(PART * 100_000);
const PART: i64 = 32;
/// Pools among the sparse ones that are too young to be looked at.
const YOUNG: usize = 64;

/// What `make_room` may give back (bytes), and how it grows each millisecond. To
/// take so much anew costs a program that does nothing else a 32nd of its time.
/// Overdrawn at times: arenas go as a whole.
static ROOM: Allowance = Allowance::new(64 << 20);
const ROOM_EACH_MS: i64 = 64 << 10;

/// How long `make_room` may take (µs).
const LONGEST: u64 = 2_000;

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
    let allowed = ROOM.left(os::now_ms(), ROOM_EACH_MS);
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
        let until = os::now_us() + LONGEST;
        while given < most
            && let Some(pool) = heap.oldest_sparse()
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

impl Heap {
    /// Purges the pools that became sparse first and have few blocks left, while
    /// others are freed; returns the bytes.
    fn purge_in_passing(&self) -> usize {
        // Two, because each pool comes by two or three times.
        (0..2).filter(|_| self.sparse_count.get() > YOUNG).map(|_| self.purge_oldest()).sum()
    }

    fn purge_oldest(&self) -> usize {
        let Some(pool) = self.oldest_sparse() else {
            return 0;
        };
        if pool.live() > FEW {
            self.note_sparse_anew(pool);
            return 0;
        }
        self.purge_if_allowed(pool).unwrap_or(0)
    }

    /// `purge_pool`, while there is time for it.
    fn purge_if_allowed(&self, pool: Owned) -> Option<usize> {
        let start = os::now_us();
        if SCANNING.left(start, 1) <= 0 {
            return None;
        }
        let bytes = self.purge_pool(pool);
        SCANNING.spend(PART * (os::now_us() - start) as i64);
        Some(bytes)
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
