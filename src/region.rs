//! Regions: address ranges from the operating system, and the map from an
//! address to what we know about it.
//!
//! The process has one *window* of addresses, chosen at start-up far from
//! where anything else lives. It is planned, not reserved: nothing is mapped
//! before it is used, so RLIMIT_AS and containers see only what we use.
//!
//! ```text
//!   base of the plan                     base of the window
//!   | pool records      | slot records   | slot 0 | slot 1 | slot 2 | ...
//!   | 128 B per 64 KiB  | 64 B per slot  | 2 MiB each
//!   ^ grown in step with the slots       ^ an arena, or (part of) a large block
//! ```
//!
//! The pool records *are* the address map: "is this ours, and which pool is
//! it?" is one subtraction, one comparison and one shift, for any value of the
//! pointer, and never reads memory near it. Fresh records are zero. User blocks
//! and records are gigabytes apart, so no overflow of a block reaches one.
//!
//! Mappings are placed with a hint and checked, never forced. Should a slot
//! hold somebody else's mapping, it is passed over.

use crate::layout::{ALIGNMENT, ARENA_SHIFT, ARENA_SIZE, POOL_SHIFT, POOLS_PER_ARENA};
use crate::os::{self, lock::ForkLock};
use crate::plain::Plain;
use core::ptr::NonNull;
use core::sync::atomic::{AtomicU32, Ordering::Relaxed};

/// Bytes of a pool's record: two cache lines.
pub const RECORD: usize = 128;
const RECORD_SHIFT: u32 = RECORD.trailing_zeros();
/// Bytes of a slot's record: one cache line, of which the layer that uses the
/// slot has all but the first word.
const SLOT_RECORD: usize = 64;
/// Bytes of the records of a slot's pools.
const POOL_RECORDS: usize = POOLS_PER_ARENA * RECORD;
pub const SLOT_USER_RECORD: usize = SLOT_RECORD - 8;

/// The largest window: 8 TiB, of 4 Mi slots.
const MAX_SLOTS: usize = 4 << 20;

/// Read on every free. Written once, when it is chosen, and `units` last; that
/// one grows.
struct Window {
    base: Plain<usize>,
    /// How far it has records, in units of ALIGNMENT bytes.
    units: Plain<usize>,
    records: Plain<usize>,
    slot_records: Plain<usize>,
    /// How many slots it has room for; 0 until it is chosen.
    limit: Plain<usize>,
}

/// Where the window is before it is anywhere: farther than `units` ever reaches
/// from every address that a process can have. So who frees a foreign block
/// while another thread chooses the window may see `units` first.
const NOWHERE: usize = 1 << 63;

static WINDOW: Window = Window {
    base: Plain::new(NOWHERE),
    units: Plain::new(0),
    records: Plain::new(0),
    slot_records: Plain::new(0),
    limit: Plain::new(0),
};

/// The record of the pool that `address` lies in; None when it is outside the
/// window, so certainly not ours. Any value may be asked.
#[inline]
pub fn record_of(address: usize) -> Option<NonNull<u8>> {
    record_of_block(address & !(ALIGNMENT - 1))
}

/// As `record_of`, for what should be a block: None also when `address` is not
/// aligned as every block is.
#[inline(always)]
pub fn record_of_block(address: usize) -> Option<NonNull<u8>> {
    // SAFETY: for an address of ours, they were written before it was handed
    // out, and every newer value of `units` is good as well. For any other, what
    // is older than the window leads to None: see NOWHERE.
    let (base, units, records) =
        unsafe { (WINDOW.base.read(), WINDOW.units.read(), WINDOW.records.read()) };
    // In units of 16 bytes; what is not a multiple gets its odd bits at the
    // top, and so is far too large: one comparison serves both.
    let unit = address.wrapping_sub(base).rotate_right(ALIGNMENT.trailing_zeros());
    if unit >= units {
        return None;
    }
    let pool = unit >> (POOL_SHIFT - ALIGNMENT.trailing_zeros());
    // SAFETY: inside a mapping, so not null.
    Some(unsafe { NonNull::new_unchecked((records + (pool << RECORD_SHIFT)) as *mut u8) })
}

/// A 2 MiB step of the window.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Slot(u32);

impl Slot {
    /// The slot that an address of the window lies in.
    pub fn of(address: usize) -> Slot {
        Slot(((address - WINDOW.base.load()) >> ARENA_SHIFT) as u32)
    }

    /// Every slot that has a record, whatever it is used for.
    pub fn all() -> impl Iterator<Item = Slot> {
        (0..slots()).map(Slot)
    }

    pub fn from_index(index: u32) -> Slot {
        Slot(index)
    }

    pub fn index(self) -> u32 {
        self.0
    }

    pub fn address(self) -> usize {
        WINDOW.base.load() + ((self.0 as usize) << ARENA_SHIFT)
    }

    /// Its record: SLOT_USER_RECORD bytes, zero until somebody writes to it.
    pub fn record(self) -> *mut u8 {
        (WINDOW.slot_records.load() + self.0 as usize * SLOT_RECORD + 8) as *mut u8
    }

    /// Whether the slot is ours, or has been: what lies in any other belongs
    /// to somebody else, even inside the window.
    pub fn was_ever_ours(self) -> bool {
        self.use_() != UNUSED
    }

    pub fn is_ours(self) -> bool {
        self.use_() == TAKEN
    }

    fn use_(self) -> u32 {
        // How far the records reach first: that says they are there to read.
        if self.0 < slots() { self.use_word().load(Relaxed) } else { UNUSED }
    }

    fn use_word(self) -> &'static AtomicU32 {
        // SAFETY: the first word of the slot's record, mapped for ever.
        unsafe { &*self.record().sub(8).cast::<AtomicU32>() }
    }
}

/// What the first word of a slot's record says; zeroed memory reads UNUSED.
const UNUSED: u32 = 0;
const TAKEN: u32 = 1;
const LET_GO: u32 = 2;

/// How many slots have records.
pub fn slots() -> u32 {
    (WINDOW.units.load() / (ARENA_SIZE / ALIGNMENT)) as u32
}

/// Only when their records are mapped, and of the window everything is written:
/// whoever sees the larger window uses them.
fn set_slots(slots: usize) {
    WINDOW.units.store(slots * (ARENA_SIZE / ALIGNMENT));
}

/// Bytes mapped for records.
pub fn record_bytes() -> usize {
    slots() as usize * (POOL_RECORDS + SLOT_RECORD)
}

/// Records are mapped for this many slots at a time: whole pages of slot
/// records, whatever the page size.
fn step() -> usize {
    64.max(os::page_size() / SLOT_RECORD)
}

/// Maps both kinds of records for some slots, or neither.
fn map_records(records: usize, slot_records: usize, slots: usize) -> bool {
    let (bytes, slot_bytes) = (slots * POOL_RECORDS, slots * SLOT_RECORD);
    if !os::map_at(records, bytes) {
        return false;
    }
    if !os::map_at(slot_records, slot_bytes) {
        os::unmap(records, bytes);
        return false;
    }
    os::huge_pages(records, bytes, false);
    os::huge_pages(slot_records, slot_bytes, false);
    true
}

/// Which slots are taken, one bit each; in .bss, touched as the window grows.
struct Region {
    busy: [u64; MAX_SLOTS / 64],
    /// No slot below is free.
    lowest: usize,
}

static REGION: ForkLock<Region> = ForkLock::new(Region { busy: [0; MAX_SLOTS / 64], lowest: 0 });

/// Chooses the window, once. False when there is no place for it now.
pub fn start() -> bool {
    let _one_at_a_time = REGION.lock();
    limit() > 0 || choose_window()
}

fn choose_window() -> bool {
    const TIB: usize = 1 << 40;
    const GIB: usize = 1 << 30;
    // Between 16 and 80 TiB nothing is placed unless asked for; which part
    // of it differs from process to process. The others are for smaller
    // address spaces (39 and 42 bits on aarch64, Valgrind).
    let spread = (os::random_bits() % (56 * TIB)) & !(ARENA_SIZE - 1);
    let candidates = [
        (17 * TIB + spread, MAX_SLOTS),
        (4 * TIB, TIB / ARENA_SIZE),
        (TIB, TIB / ARENA_SIZE),
        (192 * GIB, 64 * GIB / ARENA_SIZE),
        (96 * GIB, 32 * GIB / ARENA_SIZE),
    ];
    candidates.into_iter().any(|(plan, limit)| try_window(plan, limit))
}

/// A window is good when its first slot can be had there, and the records.
fn try_window(plan: usize, limit: usize) -> bool {
    let slot_records = plan + limit * POOL_RECORDS;
    let base = (slot_records + limit * SLOT_RECORD).next_multiple_of(ARENA_SIZE);
    let slots = step();
    if !os::is_free(base, ARENA_SIZE) || !map_records(plan, slot_records, slots) {
        return false;
    }
    WINDOW.base.store(base);
    WINDOW.records.store(plan);
    WINDOW.slot_records.store(slot_records);
    WINDOW.limit.store(limit);
    set_slots(slots);
    true
}

/// Slots that the window has room for.
fn limit() -> usize {
    WINDOW.limit.load()
}

/// Whether a block of `bytes` fits the window when nothing else is in it.
pub fn could_hold(bytes: usize) -> bool {
    bytes <= limit() << ARENA_SHIFT
}

/// Takes `slots` slots side by side and maps the first `bytes` of them; None
/// when memory or addresses are short. The memory is zero.
pub fn take(slots: usize, bytes: usize) -> Option<Slot> {
    debug_assert!(bytes <= slots << ARENA_SHIFT);
    let mut region = REGION.lock();
    // Each refusal finds a slot that somebody else uses, so this ends; a
    // kernel without memory refuses at once.
    for _ in 0..1024 {
        let first = region.find(slots)?;
        let slot = Slot(first as u32);
        match os::map(slot.address(), bytes) {
            Some(got) if got == slot.address() => {
                return region.enter(first, slots, bytes).then_some(slot);
            }
            Some(elsewhere) => {
                os::unmap(elsewhere, bytes);
                region.skip(first_occupied(first, slots));
            }
            None => return None,
        }
    }
    None
}

/// Takes and maps `more` slots directly behind `slot`'s run of `have`; false when
/// one of them is in use, or memory is short.
pub fn extend(slot: Slot, have: usize, more: usize) -> bool {
    let mut region = REGION.lock();
    let first = slot.0 as usize + have;
    if first + more > limit() || (first..first + more).any(|i| region.is_busy(i)) {
        return false;
    }
    let bytes = more << ARENA_SHIFT;
    os::map_at(Slot(first as u32).address(), bytes) && region.enter(first, more, bytes)
}

/// Lets slots go whose memory the caller has unmapped.
pub fn let_go(slot: Slot, slots: usize) {
    let mut region = REGION.lock();
    let first = slot.0 as usize;
    region.mark(first, slots, LET_GO);
    region.lowest = region.lowest.min(first);
}

/// The first slot of a run that somebody else uses; known to be one of them.
fn first_occupied(mut first: usize, mut slots: usize) -> usize {
    while slots > 1 {
        let half = slots / 2;
        if os::is_free(Slot(first as u32).address(), half << ARENA_SHIFT) {
            (first, slots) = (first + half, slots - half);
        } else {
            slots = half;
        }
    }
    first
}

impl Region {
    /// Takes slots whose first `bytes` are mapped; unmaps them when there is no memory
    /// for their records. Those come last because they stay for ever.
    fn enter(&mut self, first: usize, slots: usize, bytes: usize) -> bool {
        if self.grow_records(first + slots) {
            self.mark(first, slots, TAKEN);
            return true;
        }
        os::unmap(Slot(first as u32).address(), bytes);
        false
    }

    /// Has records for the first `slots` slots.
    fn grow_records(&mut self, slots: usize) -> bool {
        let have = self::slots() as usize;
        if slots <= have {
            return true;
        }
        let want = slots.next_multiple_of(step());
        let records = WINDOW.records.load() + have * POOL_RECORDS;
        let slot_records = WINDOW.slot_records.load() + have * SLOT_RECORD;
        let grown = map_records(records, slot_records, want - have);
        if grown {
            set_slots(want);
        }
        grown
    }

    fn is_busy(&self, slot: usize) -> bool {
        self.busy[slot / 64] >> (slot % 64) & 1 == 1
    }

    fn mark(&mut self, first: usize, slots: usize, state: u32) {
        for slot in first..first + slots {
            debug_assert!(self.is_busy(slot) != (state == TAKEN));
            self.busy[slot / 64] ^= 1 << (slot % 64);
            Slot(slot as u32).use_word().store(state, Relaxed);
        }
        self.raise_lowest();
    }

    /// Never uses a slot in which something of somebody else's is mapped.
    fn skip(&mut self, slot: usize) {
        self.busy[slot / 64] |= 1 << (slot % 64);
        self.raise_lowest();
    }

    fn raise_lowest(&mut self) {
        while self.lowest < limit() && self.busy[self.lowest / 64] == u64::MAX {
            self.lowest = (self.lowest / 64 + 1) * 64;
        }
    }

    /// The lowest run of `slots` free slots.
    fn find(&self, slots: usize) -> Option<usize> {
        let mut run = 0;
        let mut slot = self.lowest;
        while slot < limit() {
            if slot % 64 == 0 && self.busy[slot / 64] == u64::MAX {
                run = 0;
                slot += 64;
                continue;
            }
            run = if self.is_busy(slot) { 0 } else { run + 1 };
            slot += 1;
            if run == slots {
                return Some(slot - slots);
            }
        }
        None
    }
}

/// Holds the region's lock across a fork.
pub fn before_fork() {
    REGION.hold();
}

/// # Safety
/// After `before_fork`, on the same thread or in its child.
pub unsafe fn after_fork() {
    // SAFETY: the caller's promise.
    unsafe { REGION.let_go() }
}
