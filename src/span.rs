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
    let bytes = pools_for(size) * POOL_SIZE;
    held(domain).add(bytes);
    if let Some(pool) = pool::of(run.address) {
        pool.open_single(State::Span, run.address, domain, bytes);
    }
    Taken { address: run.address, zeroed: run.zeroed }
}

/// How many pools a block of `size` bytes takes.
pub fn pools_for(size: usize) -> usize {
    size.div_ceil(POOL_SIZE)
}

/// Frees the span that starts at `address`.
pub fn free(pool: PoolRef, address: usize) {
    let bytes = pool.block_size();
    let domain = pool.domain();
    if !pool.close(State::Span) {
        corrupted(Corruption::VacantPool);
    }
    held(domain).subtract(bytes);
    arena::release(address, bytes / POOL_SIZE);
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
