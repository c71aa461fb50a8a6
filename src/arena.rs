//! Arenas: 2 MiB each, cut into 32 pools that are handed out and taken back.
//!
//! An arena knows which of its pools are vacant, and which of the vacant ones
//! are *dirty*: still resident, because nobody gave their pages back yet.
//! Requests are for one pool or for a run of pools side by side, and are served
//! from the fullest arena that has such a run, so that the emptier ones can
//! become wholly vacant and go back to the system: CPython's own order.
//!
//! Vacant memory is given back after a delay (`purge`); an arena that is wholly
//! vacant then is unmapped.
//!
//! The lists are indexed by the number of vacant pools and the longest run of
//! them, so "fullest arena with a run of n" is found in at most 32 steps, for a
//! single pool in one, whatever the number of arenas.

use crate::bits;
use crate::clock;
use crate::layout::{ARENA_SIZE, POOL_SIZE, POOLS_PER_ARENA};
use crate::options::{self, Option_};
use crate::os::{self, lock::ForkLock};
use crate::region::{self, SLOT_USER_RECORD, Slot};
use core::cell::Cell;
use core::sync::atomic::{AtomicU32, AtomicUsize, Ordering::Relaxed};

/// An arena's record, in the record of its slot. Written under the lock; the
/// statistics, and `part` before it takes the lock, read single fields without it.
#[repr(C)]
struct Arena {
    /// One bit for each pool that is vacant.
    vacant: AtomicU32,
    /// Of these, the ones to give back: they may be resident. What nobody used
    /// does not count as long as it is part of a huge page.
    dirty: AtomicU32,
    /// Pools that may not read as zero when they are vacant.
    written: AtomicU32,
    /// 1 while it may have huge pages.
    huge: AtomicU32,
    /// NONE or MAPPED.
    state: AtomicU32,
    /// Neighbours among the arenas of the same shape.
    shape: Link,
    /// Neighbours among the arenas with dirty pools, longest unchanged first.
    age: Link,
    /// When a pool was last added to the dirty ones (working time, ms).
    changed: Cell<u64>,
}

const _: () = assert!(size_of::<Arena>() <= SLOT_USER_RECORD);

/// As zeroed memory reads: the slot is no arena.
const NONE: u32 = 0;
const MAPPED: u32 = 1;

/// A place in a doubly linked list of slots; 0 is none, else index + 1.
#[repr(C)]
struct Link {
    next: Cell<u32>,
    previous: Cell<u32>,
}

/// The first and last of such a list.
#[derive(Clone, Copy)]
struct List {
    first: u32,
    last: u32,
}

impl List {
    const EMPTY: List = List { first: 0, last: 0 };

    fn push_back(&mut self, slot: Slot, link: fn(&Arena) -> &Link) {
        let id = slot.index() + 1;
        let this = link(arena(slot));
        this.next.set(0);
        this.previous.set(self.last);
        match self.last {
            0 => self.first = id,
            last => link(arena(Slot::from_index(last - 1))).next.set(id),
        }
        self.last = id;
    }

    fn remove(&mut self, slot: Slot, link: fn(&Arena) -> &Link) {
        let this = link(arena(slot));
        let (next, previous) = (this.next.get(), this.previous.get());
        match next {
            0 => self.last = previous,
            n => link(arena(Slot::from_index(n - 1))).previous.set(previous),
        }
        match previous {
            0 => self.first = next,
            p => link(arena(Slot::from_index(p - 1))).next.set(next),
        }
    }

    fn first(&self) -> Option<Slot> {
        self.first.checked_sub(1).map(Slot::from_index)
    }
}

/// The record of a slot, as an arena.
fn arena(slot: Slot) -> &'static Arena {
    // SAFETY: records stay mapped for ever, are zero at first, and zero is a
    // valid Arena. Writers hold the lock of ARENAS.
    unsafe { &*slot.record().cast::<Arena>() }
}

/// A run of pools that was taken.
pub struct Run {
    pub address: usize,
    /// Nobody has written to it since the system gave it: it reads as zero.
    pub zeroed: bool,
}

struct Arenas {
    /// By number of vacant pools and longest run.
    shapes: [[List; POOLS_PER_ARENA + 1]; POOLS_PER_ARENA + 1],
    /// For each number, which longest runs have arenas; and which numbers have.
    runs: [u64; POOLS_PER_ARENA + 1],
    counts: u64,
    /// Arenas with dirty pools, longest unchanged first.
    dirty: List,
}

static ARENAS: ForkLock<Arenas> = ForkLock::new(Arenas {
    shapes: [[List::EMPTY; POOLS_PER_ARENA + 1]; POOLS_PER_ARENA + 1],
    runs: [0; POOLS_PER_ARENA + 1],
    counts: 0,
    dirty: List::EMPTY,
});

/// Totals, for statistics and for the decision when to give back.
pub struct Totals {
    pub arenas: AtomicUsize,
    pub arenas_peak: AtomicUsize,
    pub dirty_pools: AtomicUsize,
    /// Pools that were taken while they were not resident, ever.
    pub fresh_pools: AtomicUsize,
    pub given_back: AtomicUsize,
    pub given_back_calls: AtomicUsize,
}

pub static TOTALS: Totals = Totals {
    arenas: AtomicUsize::new(0),
    arenas_peak: AtomicUsize::new(0),
    dirty_pools: AtomicUsize::new(0),
    fresh_pools: AtomicUsize::new(0),
    given_back: AtomicUsize::new(0),
    given_back_calls: AtomicUsize::new(0),
};

/// Counts bytes that went back to the system.
pub fn count_given_back(bytes: usize) {
    if bytes == 0 {
        return;
    }
    TOTALS.given_back.fetch_add(bytes, Relaxed);
    TOTALS.given_back_calls.fetch_add(1, Relaxed);
}

/// Takes `pools` pools side by side from an arena that is mapped already.
pub fn take(pools: usize) -> Option<Run> {
    let mut arenas = ARENAS.lock();
    let slot = arenas.fullest_with(pools)?;
    Some(arenas.take_from(slot, pools))
}

/// Maps one more arena and takes `pools` pools from it. `filled`: their pages will be
/// used, nearly all of them. Only then may it have huge pages, which are resident as a
/// whole; who takes the rest of its pools is not known yet.
pub fn take_from_new(pools: usize, filled: bool) -> Option<Run> {
    let mut arenas = ARENAS.lock();
    // Another thread may have been faster.
    if let Some(slot) = arenas.fullest_with(pools) {
        return Some(arenas.take_from(slot, pools));
    }
    let slot = region::take(1, ARENA_SIZE)?;
    let mapped = TOTALS.arenas.fetch_add(1, Relaxed) + 1;
    TOTALS.arenas_peak.fetch_max(mapped, Relaxed);
    let huge = wants_huge_pages(mapped * ARENA_SIZE, filled);
    os::huge_pages(slot.address(), ARENA_SIZE, huge);
    let this = arena(slot);
    this.huge.store(huge as u32, Relaxed);
    this.vacant.store(u32::MAX, Relaxed);
    this.dirty.store(0, Relaxed);
    this.written.store(0, Relaxed);
    this.state.store(MAPPED, Relaxed);
    arenas.enter(slot);
    Some(arenas.take_from(slot, pools))
}

/// Whether memory that is mapped when `mapped` bytes are, and that will be filled or
/// not, should have huge pages.
pub fn wants_huge_pages(mapped: usize, filled: bool) -> bool {
    match options::get(Option_::HugePages) {
        options::HUGE_AUTO => filled && mapped >= options::get(Option_::HugePagesFromMib) << 20,
        choice => choice != options::HUGE_NEVER,
    }
}

/// Takes a run back; its pages are given back later.
pub fn release(address: usize, pools: usize) {
    let mut arenas = ARENAS.lock();
    let (slot, bits) = place(address, pools);
    let this = arena(slot);
    debug_assert!(this.vacant.load(Relaxed) & bits == 0, "released twice");
    arenas.leave(slot);
    this.vacant.store(this.vacant.load(Relaxed) | bits, Relaxed);
    arenas.enter(slot);
    arenas.set_dirty(slot, this.dirty.load(Relaxed) | bits);
}

/// Takes the pools behind a run as well; false when they are not vacant.
pub fn extend(address: usize, have: usize, want: usize) -> bool {
    let first = address + have * POOL_SIZE;
    if Slot::of(address) != Slot::of(address + want * POOL_SIZE - 1) {
        return false;
    }
    let mut arenas = ARENAS.lock();
    let (slot, bits) = place(first, want - have);
    if arena(slot).vacant.load(Relaxed) & bits != bits {
        return false;
    }
    arenas.take_bits(slot, bits);
    true
}

/// Before pages of an arena go back while others stay, `page` the first: has it
/// small pages from now on, or the kernel would keep the memory, and fill the
/// gaps again (khugepaged).
pub fn part(page: usize) {
    if arena(Slot::of(page)).huge.load(Relaxed) == 1 {
        ARENAS.lock().part(page);
    }
}

/// Has every arena small pages in which a vacant pool is resident only as part of
/// a huge page: for `purge`, which gives it back then.
pub fn part_unused() {
    for slot in Slot::all() {
        let mut arenas = ARENAS.lock();
        if let Some(View { address, vacant, dirty }) = view(slot)
            && vacant != dirty
        {
            arenas.part(address + vacant.trailing_zeros() as usize * POOL_SIZE);
        }
    }
}

/// Gives back the pages of vacant pools in arenas unchanged since `before`
/// (ms; u64::MAX means all), at most about `most` bytes; returns those that
/// were resident. Arenas that are wholly vacant are unmapped.
pub fn purge(before: u64, most: usize) -> usize {
    let (mut bytes, mut seen) = (0, 0);
    while seen < most {
        let mut arenas = ARENAS.lock();
        let Some(slot) = arenas.dirty.first() else {
            break;
        };
        let this = arena(slot);
        if before != u64::MAX && this.changed.get() > before {
            break;
        }
        seen += this.dirty.load(Relaxed).count_ones() as usize * POOL_SIZE;
        let vacant = this.vacant.load(Relaxed) == u32::MAX;
        let resident = if vacant { os::resident(slot.address(), ARENA_SIZE) } else { 0 };
        let given =
            if vacant && arenas.unmap(slot) { resident } else { arenas.give_back_dirty(slot) };
        count_given_back(given);
        bytes += given;
    }
    bytes
}

/// Bytes that `purge` could give back now.
pub fn dirty_bytes() -> usize {
    TOTALS.dirty_pools.load(Relaxed) * POOL_SIZE
}

/// Bytes that were taken while they were not resident, since the start.
pub fn fresh_bytes() -> usize {
    TOTALS.fresh_pools.load(Relaxed) * POOL_SIZE
}

/// Bytes mapped for arenas.
pub fn mapped_bytes() -> usize {
    TOTALS.arenas.load(Relaxed) * ARENA_SIZE
}

/// What `visit` shows of an arena.
pub struct View {
    pub address: usize,
    pub vacant: u32,
    pub dirty: u32,
}

/// The arena in a slot, without the lock: a moment's view.
pub fn view(slot: Slot) -> Option<View> {
    let this = arena(slot);
    (this.state.load(Relaxed) == MAPPED).then(|| View {
        address: slot.address(),
        vacant: this.vacant.load(Relaxed),
        dirty: this.dirty.load(Relaxed),
    })
}

fn place(address: usize, pools: usize) -> (Slot, u32) {
    let slot = Slot::of(address);
    let first = (address - slot.address()) / POOL_SIZE;
    debug_assert!(first + pools <= POOLS_PER_ARENA);
    (slot, bits::run(first, pools))
}

impl Arenas {
    fn fullest_with(&self, pools: usize) -> Option<Slot> {
        let mut counts = self.counts >> pools << pools;
        while counts != 0 {
            let count = counts.trailing_zeros() as usize;
            let runs = self.runs[count] >> pools << pools;
            if runs != 0 {
                return self.shapes[count][runs.trailing_zeros() as usize].first();
            }
            counts &= counts - 1;
        }
        None
    }

    fn take_from(&mut self, slot: Slot, pools: usize) -> Run {
        let this = arena(slot);
        let vacant = this.vacant.load(Relaxed);
        // Dirty memory first: it is resident, the rest costs page faults.
        let resident = bits::starts(this.dirty.load(Relaxed), pools);
        let candidates = if resident != 0 { resident } else { bits::starts(vacant, pools) };
        let first = candidates.trailing_zeros() as usize;
        let bits = bits::run(first, pools);
        let written = this.written.load(Relaxed);
        self.take_bits(slot, bits);
        Run { address: slot.address() + first * POOL_SIZE, zeroed: written & bits == 0 }
    }

    fn take_bits(&mut self, slot: Slot, bits: u32) {
        let this = arena(slot);
        let fresh = (bits & !this.dirty.load(Relaxed)).count_ones() as usize;
        TOTALS.fresh_pools.fetch_add(fresh, Relaxed);
        self.leave(slot);
        this.vacant.store(this.vacant.load(Relaxed) & !bits, Relaxed);
        this.written.store(this.written.load(Relaxed) | bits, Relaxed);
        self.enter(slot);
        self.set_dirty(slot, this.dirty.load(Relaxed) & !bits);
    }

    fn shape(slot: Slot) -> (usize, usize) {
        let vacant = arena(slot).vacant.load(Relaxed);
        (vacant.count_ones() as usize, bits::longest_run(vacant))
    }

    fn enter(&mut self, slot: Slot) {
        let (count, run) = Self::shape(slot);
        self.shapes[count][run].push_back(slot, |a| &a.shape);
        self.runs[count] |= 1 << run;
        self.counts |= 1 << count;
    }

    fn leave(&mut self, slot: Slot) {
        let (count, run) = Self::shape(slot);
        let list = &mut self.shapes[count][run];
        list.remove(slot, |a| &a.shape);
        if list.first == 0 {
            self.runs[count] &= !(1 << run);
            if self.runs[count] == 0 {
                self.counts &= !(1 << count);
            }
        }
    }

    fn set_dirty(&mut self, slot: Slot, dirty: u32) {
        let this = arena(slot);
        let before = this.dirty.swap(dirty, Relaxed);
        let grown = dirty.count_ones() > before.count_ones();
        TOTALS.dirty_pools.fetch_add(
            (dirty.count_ones() as usize).wrapping_sub(before.count_ones() as usize),
            Relaxed,
        );
        if grown {
            this.changed.set(clock::now());
        }
        // To the young end when something was added, out when nothing is left.
        if before != 0 && (grown || dirty == 0) {
            self.dirty.remove(slot, |a| &a.age);
        }
        if dirty != 0 && (grown || before == 0) {
            self.dirty.push_back(slot, |a| &a.age);
        }
    }

    fn unmap(&mut self, slot: Slot) -> bool {
        let this = arena(slot);
        if !os::unmap(slot.address(), ARENA_SIZE) {
            return false;
        }
        self.leave(slot);
        self.set_dirty(slot, 0);
        this.vacant.store(0, Relaxed);
        this.state.store(NONE, Relaxed);
        TOTALS.arenas.fetch_sub(1, Relaxed);
        region::let_go(slot, 1);
        true
    }

    /// As `arena::part`.
    fn part(&mut self, page: usize) {
        let slot = Slot::of(page);
        let this = arena(slot);
        if this.huge.swap(0, Relaxed) == 1 {
            os::huge_pages(slot.address(), ARENA_SIZE, false);
            os::split_huge_page(page);
            // What came with the huge page stays until it is given back.
            self.set_dirty(slot, this.vacant.load(Relaxed));
        }
    }

    fn give_back_dirty(&mut self, slot: Slot) -> usize {
        let dirty = || arena(slot).dirty.load(Relaxed);
        self.part(slot.address() + dirty().trailing_zeros() as usize * POOL_SIZE);
        let mut bytes = 0;
        for run in bits::runs(dirty()) {
            // Refused (locked memory), the contents stay: no more than a waste.
            let address = slot.address() + run.first * POOL_SIZE;
            if let Some(resident) = os::give_back_counted(address, run.length * POOL_SIZE) {
                bytes += resident;
                let written = &arena(slot).written;
                written.store(written.load(Relaxed) & !run.bits(), Relaxed);
            }
        }
        self.set_dirty(slot, 0);
        bytes
    }
}

/// Checks every list and bit against each other; panics on what is wrong.
pub fn verify() {
    let arenas = ARENAS.lock();
    let (mut seen, mut dirty_pools) = (0, 0);
    for count in 0..=POOLS_PER_ARENA {
        assert_eq!(arenas.counts >> count & 1 == 1, arenas.runs[count] != 0);
        for run in 0..=POOLS_PER_ARENA {
            let list = arenas.shapes[count][run];
            assert_eq!(arenas.runs[count] >> run & 1 == 1, list.first != 0);
            let mut at = list.first;
            while at != 0 {
                let slot = Slot::from_index(at - 1);
                let this = arena(slot);
                assert!(this.state.load(Relaxed) == MAPPED);
                assert_eq!(Arenas::shape(slot), (count, run));
                assert_eq!(this.dirty.load(Relaxed) & !this.vacant.load(Relaxed), 0);
                dirty_pools += this.dirty.load(Relaxed).count_ones() as usize;
                seen += 1;
                at = this.shape.next.get();
            }
        }
    }
    assert_eq!(seen, TOTALS.arenas.load(Relaxed));
    assert_eq!(dirty_pools, TOTALS.dirty_pools.load(Relaxed));
    let mut at = arenas.dirty.first;
    while at != 0 {
        let this = arena(Slot::from_index(at - 1));
        assert!(this.dirty.load(Relaxed) != 0);
        dirty_pools -= this.dirty.load(Relaxed).count_ones() as usize;
        at = this.age.next.get();
    }
    assert_eq!(dirty_pools, 0);
}

/// Holds the arenas' lock across a fork.
pub fn before_fork() {
    ARENAS.hold();
}

/// # Safety
/// After `before_fork`, on the same thread or in its child.
pub unsafe fn after_fork() {
    // SAFETY: the caller's promise.
    unsafe { ARENAS.let_go() }
}
