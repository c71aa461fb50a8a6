//! Spans: blocks of more than 32 KiB and up to 1 MiB, each a run of whole
//! pools in an arena. They share arenas because a mapping each would run into
//! the kernel's limit on mappings (vm.max_map_count).
//!
//! No heap owns a span: whoever frees it gives it straight back to its arena.

use crate::arena::{self, Run};
use crate::fatal::{Corruption, corrupted};
use crate::layout::{MAX_SPAN, POOL_SIZE};
use crate::pool::{self, PoolRef, State, held};

/// A block that was taken.
pub struct Taken {
    pub address: usize,
    /// It reads as zero.
    pub zeroed: bool,
}

/// Makes a run of pools the block of a span. `run` is as long as `pools_for`
/// says.
pub fn open(run: Run, domain: usize, size: usize) -> Taken {
    become_block(State::Span, run.address, domain, pools_for(size));
    Taken { address: run.address, zeroed: run.zeroed }
}

/// Makes pools side by side one block: a span or a large block.
pub fn become_block(state: State, address: usize, domain: usize, pools: usize) {
    held(domain).add(pools * POOL_SIZE);
    if let Some(pool) = pool::of(address) {
        pool.open_single(state, address, domain, pools * POOL_SIZE);
    }
}

/// Ends such a block; returns how many pools it had.
pub fn end_block(state: State, pool: PoolRef) -> usize {
    let (bytes, domain) = (pool.block_size(), pool.domain());
    if !pool.close(state) {
        corrupted(Corruption::VacantPool);
    }
    held(domain).subtract(bytes);
    bytes / POOL_SIZE
}

/// How many pools a block of `size` bytes takes.
pub fn pools_for(size: usize) -> usize {
    size.div_ceil(POOL_SIZE)
}

/// Whether a span of `size` bytes leaves little of its last pool: not more than a large
/// block does.
pub fn fills(size: usize) -> bool {
    (pools_for(size) * POOL_SIZE - size) * (MAX_SPAN / POOL_SIZE) <= size
}

/// Frees the span that starts at `address`.
pub fn free(pool: PoolRef, address: usize) {
    arena::release(address, end_block(State::Span, pool));
}

/// Makes the span fit `size` bytes where it is, if that can be.
pub fn resize_in_place(pool: PoolRef, size: usize) -> bool {
    let (have, want) = (pool.block_size() / POOL_SIZE, pools_for(size));
    let address = pool.base();
    if want == 0 || size > MAX_SPAN {
        return false;
    }
    if want > have {
        if !arena::extend(address, have, want) {
            return false;
        }
        held(pool.domain()).add((want - have) * POOL_SIZE);
        pool.set_size(want * POOL_SIZE);
    } else if want < have {
        pool.set_size(want * POOL_SIZE);
        held(pool.domain()).subtract((have - want) * POOL_SIZE);
        arena::release(address + want * POOL_SIZE, have - want);
    }
    true
}
