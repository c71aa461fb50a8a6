//! Large blocks: more than 1 MiB, each an extent. They grow by moving page
//! tables (mremap), not bytes.

use crate::extent;
use crate::layout::POOL_SIZE;
use crate::options::{self, Option_};
use crate::pool::{PoolRef, State};
use crate::span::{self, Taken, pools_for};
use core::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// Bytes of live large blocks.
pub static LIVE: AtomicUsize = AtomicUsize::new(0);

/// Takes a block of at least `size` bytes.
pub fn allocate(domain: usize, size: usize) -> Option<Taken> {
    let run = extent::take(pools_for(size))?;
    open(run.address, domain, pools_for(size));
    Some(Taken { address: run.address, zeroed: run.zeroed })
}

/// Frees a large block.
pub fn free(pool: PoolRef) {
    let (address, pools) = (pool.base(), close(pool));
    extent::release(address, pools);
    // What is kept for the next block is bounded: by OXMALLOC_LARGE_CACHE_MIB,
    // or by twice what is live (some of it was never resident).
    let limit = (options::get(Option_::LargeCacheMib) << 20).max(2 * LIVE.load(Relaxed));
    let excess = extent::dirty_bytes().saturating_sub(limit);
    if excess > 0 {
        extent::purge(u64::MAX, excess);
    }
}

/// Makes the block fit `size` bytes, where it is or by moving its pages.
/// Returns where it is then; None when it stays as it was. `will_be_resident`
/// is told how many bytes it will take that were not.
pub fn resize(pool: PoolRef, size: usize, will_be_resident: impl Fn(usize)) -> Option<usize> {
    let (address, domain) = (pool.base(), pool.domain());
    let (have, want) = (pool.block_size() / POOL_SIZE, pools_for(size));
    // Closed first: once the pages have moved, others may take the address.
    close(pool);
    let resident = want <= have || extent::extend_by_dirty(address, have, want);
    let target = if resident || extent::extend_by_clean(address, have, want) {
        Some(address)
    } else {
        extent::move_to_longer(address, have, want)
    };
    let Some(target) = target else {
        open(address, domain, have);
        return None;
    };
    open(target, domain, want);
    if want < have {
        extent::release(address + want * POOL_SIZE, have - want);
    }
    if !resident {
        will_be_resident((want - have) * POOL_SIZE);
    }
    Some(target)
}

fn open(address: usize, domain: usize, pools: usize) {
    LIVE.fetch_add(pools * POOL_SIZE, Relaxed);
    span::become_block(State::Large, address, domain, pools);
}

/// Returns how many pools it had.
fn close(pool: PoolRef) -> usize {
    let pools = span::end_block(State::Large, pool);
    LIVE.fetch_sub(pools * POOL_SIZE, Relaxed);
    pools
}
