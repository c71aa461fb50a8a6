//! Spans: blocks of more than 32 KiB and up to 1 MiB, each a run of whole
//! pools in an arena. They share arenas because a mapping each would run into
//! the kernel's limit on mappings (vm.max_map_count).
//!
//! No heap owns a span: whoever frees it gives it straight back to its arena.
//!
//! A block ends with a page, its last pool often later. That *tail* is as it was
//! left by whoever had the pool before, resident as a rule; when the
//! process grows, tails are given back.

use crate::arena::{self, Run};
use crate::fatal::{Corruption, corrupted};
use crate::layout::{MAX_PAGES_PER_POOL, MAX_SPAN, POOL_SIZE, POOLS_PER_ARENA};
use crate::os;
use crate::pool::{self, PoolRef, State, held};
use crate::region::{self, Slot};
use core::sync::atomic::{AtomicU32, AtomicUsize, Ordering::Relaxed};

/// A block that was taken.
pub struct Taken {
    pub address: usize,
    /// It reads as zero.
    pub zeroed: bool,
}

/// Makes a run of pools the block of a span. `run` is as long as `pools_for`
/// says.
pub fn open(run: Run, domain: usize, size: usize) -> Taken {
    let bytes = size.next_multiple_of(os::page_size());
    if let Some(pool) = pool::of(run.address) {
        pool.set_purged(if run.zeroed { tail(bytes) } else { 0 });
        TAIL_BYTES.fetch_add(resident_tail(pool, bytes), Relaxed);
    }
    become_block(State::Span, run.address, domain, bytes);
    Taken { address: run.address, zeroed: run.zeroed }
}

/// Makes pools side by side one block: a span or a large block.
pub fn become_block(state: State, address: usize, domain: usize, bytes: usize) {
    held(domain).add(pools_for(bytes) * POOL_SIZE);
    if let Some(pool) = pool::of(address) {
        pool.open_single(state, address, domain, bytes);
    }
}

/// Ends such a block; returns how many pools it had.
pub fn end_block(state: State, pool: PoolRef) -> usize {
    let (pools, domain) = (pool.pools(), pool.domain());
    if !pool.close(state) {
        corrupted(Corruption::VacantPool);
    }
    held(domain).subtract(pools * POOL_SIZE);
    pools
}

/// How many pools a block of `size` bytes takes.
pub fn pools_for(size: usize) -> usize {
    size.div_ceil(POOL_SIZE)
}

/// Frees the span that starts at `address`.
pub fn free(pool: PoolRef, address: usize) {
    let mut arenas = arena::lock();
    TAIL_BYTES.fetch_sub(resident_tail(pool, pool.block_size()), Relaxed);
    arenas.release(address, end_block(State::Span, pool));
}

/// Makes the span fit `size` bytes where it is, if that can be.
pub fn resize_in_place(pool: PoolRef, size: usize) -> bool {
    let (have, want) = (pool.pools(), pools_for(size));
    let (old, new) = (pool.block_size(), size.next_multiple_of(os::page_size()));
    let address = pool.base();
    if want == 0 || size > MAX_SPAN {
        return false;
    }
    let mut arenas = arena::lock();
    if want > have && !arenas.extend(address, have, want) {
        return false;
    }
    let before = resident_tail(pool, old);
    // What it grows into, and another last pool, may be resident from now on.
    pool.set_purged(if want == have { pool.purged() & tail(new) } else { 0 });
    pool.set_size(new);
    TAIL_BYTES.fetch_add(resident_tail(pool, new).wrapping_sub(before), Relaxed);
    if want > have {
        held(pool.domain()).add((want - have) * POOL_SIZE);
    } else if want < have {
        held(pool.domain()).subtract((have - want) * POOL_SIZE);
        arenas.release(address + want * POOL_SIZE, have - want);
    }
    true
}

// ----------------------------------------------------------------------- tails

/// Bytes of tails that may be resident. Changed, as the tails are, under the
/// arenas' lock, or while the span is not open yet.
static TAIL_BYTES: AtomicUsize = AtomicUsize::new(0);

/// Bytes that `purge_tails` could give back now.
pub fn tail_bytes() -> usize {
    TAIL_BYTES.load(Relaxed)
}

/// The pages of the last pool behind a block of `bytes`, as bits.
fn tail(bytes: usize) -> u16 {
    let page = os::page_size();
    let pages = POOL_SIZE / page;
    let used = (bytes - 1) % POOL_SIZE / page + 1;
    let bits = |n: usize| u16::MAX >> (MAX_PAGES_PER_POOL - n);
    bits(pages) & !bits(used)
}

fn resident_tail(pool: PoolRef, bytes: usize) -> usize {
    (tail(bytes) & !pool.purged()).count_ones() as usize * os::page_size()
}

/// Gives back about `most` bytes of tails; returns the bytes that had been in
/// memory. Goes on where it stopped the last time.
pub fn purge_tails(most: usize) -> usize {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let (mut bytes, slots) = (0, region::slots());
    for _ in 0..slots {
        if bytes >= most || tail_bytes() == 0 {
            break;
        }
        bytes += purge_tails_in(Slot::from_index(NEXT.fetch_add(1, Relaxed) % slots));
    }
    bytes
}

fn purge_tails_in(slot: Slot) -> usize {
    // Nobody frees or resizes a span meanwhile.
    let _arenas = arena::lock();
    if arena::view(slot).is_none() {
        return 0;
    }
    spans_in(slot).map(purge_tail).sum()
}

fn spans_in(slot: Slot) -> impl Iterator<Item = PoolRef> {
    let pools = (0..POOLS_PER_ARENA).filter_map(move |i| pool::of(slot.address() + i * POOL_SIZE));
    pools.filter(|pool| pool.state() == State::Span)
}

fn purge_tail(pool: PoolRef) -> usize {
    let tail = tail(pool.block_size());
    let resident = tail & !pool.purged();
    if resident == 0 {
        return 0;
    }
    TAIL_BYTES.fetch_sub(resident.count_ones() as usize * os::page_size(), Relaxed);
    pool.set_purged(tail);
    pool::give_back_pages(pool.base() + (pool.pools() - 1) * POOL_SIZE, resident)
}

/// Checks the bytes of tails against every span; panics when they differ.
pub fn verify() {
    let _arenas = arena::lock();
    let slots = (0..region::slots()).map(Slot::from_index);
    let spans = slots.filter(|slot| arena::view(*slot).is_some()).flat_map(spans_in);
    let resident: usize = spans.map(|span| resident_tail(span, span.block_size())).sum();
    assert_eq!(resident, tail_bytes());
}
