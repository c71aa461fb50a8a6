//! Large blocks: more than 1 MiB, each with a mapping of its own in slots of
//! the window. They grow by moving page tables (mremap), not bytes.
//!
//! A bounded cache keeps freed ones for a while, because programs that work
//! with buffers free and take the same sizes again and again, and mapping,
//! faulting in and unmapping them costs far more than their use. Best fit;
//! the oldest leave first.

use crate::arena::{count_given_back, mapped_bytes, wants_huge_pages};
use crate::fatal::{Corruption, corrupted};
use crate::layout::ARENA_SIZE;
use crate::options::{self, Option_};
use crate::os::{self, lock::ForkLock};
use crate::pool::{self, PoolRef, State, held};
use crate::region::{self, Slot};
use crate::span::Taken;
use core::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// Bytes of live large blocks, and of cached ones.
pub static LIVE: AtomicUsize = AtomicUsize::new(0);
pub static CACHED: AtomicUsize = AtomicUsize::new(0);

#[derive(Clone, Copy)]
struct Entry {
    address: usize,
    /// 0: the entry is empty.
    bytes: usize,
    freed: u64,
}

const ENTRIES: usize = 64;

static CACHE: ForkLock<[Entry; ENTRIES]> =
    ForkLock::new([Entry { address: 0, bytes: 0, freed: 0 }; ENTRIES]);

fn slots_for(bytes: usize) -> usize {
    bytes.div_ceil(ARENA_SIZE)
}

/// Takes a block of at least `size` bytes.
pub fn allocate(domain: usize, size: usize) -> Option<Taken> {
    let bytes = os::whole_pages(size)?;
    let (address, bytes, zeroed) = match take_cached(bytes) {
        Some(entry) => (entry.address, entry.bytes, false),
        None => (map(bytes)?, bytes, true),
    };
    LIVE.fetch_add(bytes, Relaxed);
    held(domain).add(bytes);
    if let Some(pool) = pool::of(address) {
        pool.open_single(State::Large, address, domain, bytes);
    }
    Some(Taken { address, zeroed })
}

fn map(bytes: usize) -> Option<usize> {
    let slot = region::take(slots_for(bytes), bytes)?;
    let total = mapped_bytes() + LIVE.load(Relaxed) + bytes;
    os::huge_pages(slot.address(), bytes, bytes >= ARENA_SIZE && wants_huge_pages(total));
    Some(slot.address())
}

/// Frees the large block that starts at `address`.
pub fn free(pool: PoolRef, address: usize) {
    let bytes = pool.block_size();
    let domain = pool.domain();
    if !pool.close(State::Large) {
        corrupted(Corruption::VacantPool);
    }
    LIVE.fetch_sub(bytes, Relaxed);
    held(domain).subtract(bytes);
    keep(Entry { address, bytes, freed: os::now_ms() });
}

/// Makes the block fit `size` bytes, where it is or by moving its pages.
/// Returns where it is then; None when it stays as it was.
pub fn resize(pool: PoolRef, size: usize) -> Option<usize> {
    let bytes = os::whole_pages(size)?;
    let (address, have, domain) = (pool.base(), pool.block_size(), pool.domain());
    if bytes == have {
        return Some(address);
    }
    if bytes < have {
        return Some(shrink(pool, bytes));
    }
    let (slots, more) = (slots_for(have), slots_for(bytes) - slots_for(have));
    let slot = Slot::of(address);
    if more == 0 || region::extend(slot, slots, more) {
        if os::resize_in_place(address, have, bytes) {
            account(pool, domain, have, bytes);
            return Some(address);
        }
        if more > 0 {
            region::let_go(Slot::from_index(slot.index() + slots as u32), more);
        }
    }
    let target = region::take(slots + more, bytes)?;
    if !os::move_over(address, have, target.address(), bytes) {
        os::unmap(target.address(), bytes);
        region::let_go(target, slots + more);
        return None;
    }
    pool.close(State::Large);
    region::let_go(slot, slots);
    if let Some(moved) = pool::of(target.address()) {
        moved.open_single(State::Large, target.address(), domain, have);
        account(moved, domain, have, bytes);
    }
    Some(target.address())
}

/// Keeps the block in place; lets the pages behind go when that pays.
fn shrink(pool: PoolRef, bytes: usize) -> usize {
    let (address, have, domain) = (pool.base(), pool.block_size(), pool.domain());
    let resident = os::resident(address + bytes, have - bytes);
    if have - bytes >= have / 8 && os::unmap(address + bytes, have - bytes) {
        let (keep, had) = (slots_for(bytes), slots_for(have));
        if had > keep {
            region::let_go(Slot::from_index(Slot::of(address).index() + keep as u32), had - keep);
        }
        count_given_back(resident);
        account(pool, domain, have, bytes);
    }
    address
}

fn account(pool: PoolRef, domain: usize, have: usize, bytes: usize) {
    pool.set_size(bytes);
    let grown = bytes.wrapping_sub(have);
    LIVE.fetch_add(grown, Relaxed);
    if bytes > have { held(domain).add(grown) } else { held(domain).subtract(have - bytes) }
}

/// The smallest cached mapping that holds `bytes` without wasting a quarter.
fn take_cached(bytes: usize) -> Option<Entry> {
    let mut cache = CACHE.lock();
    let best = cache
        .iter_mut()
        .filter(|e| e.bytes >= bytes && e.bytes - bytes <= e.bytes / 4)
        .min_by_key(|e| e.bytes)?;
    let entry = *best;
    best.bytes = 0;
    CACHED.fetch_sub(entry.bytes, Relaxed);
    Some(entry)
}

/// Puts a mapping in the cache, or unmaps it when it is larger than the cache.
fn keep(new: Entry) {
    let limit = options::get(Option_::LargeCacheMib) << 20;
    if new.bytes > limit {
        unmap(new);
        return;
    }
    // Unmapping is slow, so the lock is not held meanwhile.
    while let Err(oldest) = try_keep(new, limit) {
        unmap(oldest);
    }
}

/// Puts a mapping in the cache; Err is the oldest, taken out to make room.
fn try_keep(new: Entry, limit: usize) -> Result<(), Entry> {
    let mut cache = CACHE.lock();
    let used: usize = cache.iter().map(|e| e.bytes).sum();
    if used + new.bytes <= limit
        && let Some(place) = cache.iter_mut().find(|e| e.bytes == 0)
    {
        *place = new;
        CACHED.store(used + new.bytes, Relaxed);
        return Ok(());
    }
    match cache.iter_mut().filter(|e| e.bytes > 0).min_by_key(|e| e.freed) {
        Some(oldest) => {
            let leaving = *oldest;
            oldest.bytes = 0;
            CACHED.store(used - leaving.bytes, Relaxed);
            Err(leaving)
        }
        None => Ok(()),
    }
}

/// Unmaps what was freed before `before` (ms; u64::MAX means all); returns the
/// bytes.
pub fn decay(before: u64) -> usize {
    if CACHED.load(Relaxed) == 0 {
        return 0;
    }
    let mut total = 0;
    loop {
        let mut cache = CACHE.lock();
        let Some(entry) = cache.iter_mut().find(|e| e.bytes > 0 && e.freed <= before) else {
            return total;
        };
        let leaving = *entry;
        entry.bytes = 0;
        CACHED.fetch_sub(leaving.bytes, Relaxed);
        drop(cache);
        total += unmap(leaving);
    }
}

/// Returns the bytes that went back to the system.
fn unmap(entry: Entry) -> usize {
    let resident = os::resident(entry.address, entry.bytes);
    if os::unmap(entry.address, entry.bytes) {
        region::let_go(Slot::of(entry.address), slots_for(entry.bytes));
    } else if !os::give_back(entry.address, entry.bytes) {
        return 0;
    }
    // Where there was no room for one more mapping, only the pages went.
    count_given_back(resident);
    resident
}

/// Holds the cache's lock across a fork.
pub fn before_fork() {
    CACHE.hold();
}

/// # Safety
/// After `before_fork`, on the same thread or in its child.
pub unsafe fn after_fork() {
    // SAFETY: the caller's promise.
    unsafe { CACHE.let_go() }
}
