//! Statistics: derived from the pools' counters when somebody asks.
//!
//! No lock is taken and nothing is allocated: records stay mapped for ever, so
//! they can be read at any time. While other threads allocate the result is a
//! close snapshot, not a consistent one.

use crate::heap::{life, slow};
use crate::interface::{
    OX_DOMAIN_MEM, OX_POOL_EMPTY, OX_POOL_FULL, OX_POOL_LARGE, OX_POOL_SPAN, OX_POOL_USED,
    OxArenaInfo, OxDomainStats, OxPoolInfo, OxStats,
};
use crate::layout::{self, ARENA_SIZE, DOMAINS, POOL_SIZE, POOLS_PER_ARENA};
use crate::pool::{self, PoolRef, State, held};
use crate::region::{self, Slot};
use crate::{arena, extent, os};
use core::sync::atomic::Ordering::Relaxed;

/// Calls `visit` for every arena until it returns something else than 0.
pub fn visit_arenas(mut visit: impl FnMut(&OxArenaInfo) -> i32) -> i32 {
    for view in (0..region::slots()).filter_map(|index| arena::view(Slot::from_index(index))) {
        let info = OxArenaInfo {
            size: size_of::<OxArenaInfo>(),
            address: view.address,
            bytes: ARENA_SIZE,
            pools: POOLS_PER_ARENA,
            pools_vacant: view.vacant.count_ones() as usize,
            pools_clean: (view.vacant & !view.dirty).count_ones() as usize,
        };
        let answer = visit(&info);
        if answer != 0 {
            return answer;
        }
    }
    0
}

/// Calls `visit` for every pool, span and large block until it returns
/// something else than 0.
pub fn visit_pools(mut visit: impl FnMut(&OxPoolInfo) -> i32) -> i32 {
    each_pool(|pool| match info(pool) {
        Some(info) => visit(&info),
        None => 0,
    })
}

fn each_pool(mut visit: impl FnMut(PoolRef) -> i32) -> i32 {
    for slot in (0..region::slots()).map(Slot::from_index).filter(|slot| slot.is_ours()) {
        for index in 0..POOLS_PER_ARENA {
            if let Some(pool) = pool::of(slot.address() + index * POOL_SIZE) {
                let answer = visit(pool);
                if answer != 0 {
                    return answer;
                }
            }
        }
    }
    0
}

fn info(pool: PoolRef) -> Option<OxPoolInfo> {
    let state = pool.state();
    let single = matches!(state, State::Span | State::Large);
    let (block_bytes, capacity) = (pool.block_size(), pool.capacity());
    // What others freed is free, though its owner has not collected it yet.
    let live = (pool.live() - pool.remote_count() as i32).clamp(0, capacity as i32) as usize;
    let untouched = if single { 0 } else { pool.untouched().min(capacity - live) };
    Some(OxPoolInfo {
        size: size_of::<OxPoolInfo>(),
        address: pool.base(),
        bytes: if single { block_bytes } else { POOL_SIZE },
        domain: pool.domain() as u32 + OX_DOMAIN_MEM as u32,
        state: match state {
            State::Vacant => return None,
            State::Span => OX_POOL_SPAN,
            State::Large => OX_POOL_LARGE,
            State::Used | State::Full if live == 0 => OX_POOL_EMPTY,
            State::Used | State::Full if live == capacity => OX_POOL_FULL,
            State::Used | State::Full => OX_POOL_USED,
        },
        block_bytes,
        capacity,
        live,
        free: capacity - live - untouched,
        untouched,
        purged_bytes: if single { 0 } else { pool.purged_bytes() },
    })
}

/// The totals of the heap.
pub fn totals() -> OxStats {
    let mut totals = OxStats::default();
    let mut domains = [OxDomainStats::default(); DOMAINS];
    each_pool(|pool| {
        let Some(info) = info(pool) else { return 0 };
        let domain = &mut domains[pool.domain()];
        domain.live_blocks += info.live;
        domain.live_bytes += info.live * info.block_bytes;
        domain.free_bytes += info.free * info.block_bytes;
        domain.untouched_bytes += info.untouched * info.block_bytes;
        match info.state {
            OX_POOL_USED => totals.pools_used += 1,
            OX_POOL_FULL => totals.pools_full += 1,
            OX_POOL_EMPTY => totals.pools_empty += 1,
            OX_POOL_SPAN => totals.spans += 1,
            _ => {
                totals.large_blocks += 1;
                totals.large_bytes += info.bytes;
                totals.resident_bytes += os::resident(info.address, info.bytes);
            }
        }
        0
    });
    visit_arenas(|arena| {
        totals.resident_bytes += os::resident(arena.address, arena.bytes);
        0
    });
    for (index, domain) in domains.iter_mut().enumerate() {
        domain.pool_bytes = held(index).now();
        domain.peak_bytes = held(index).peak();
    }
    (totals.mem, totals.obj) = (domains[layout::MEM], domains[layout::OBJ]);
    totals.arenas = arena::TOTALS.arenas.load(Relaxed);
    totals.arenas_peak = arena::TOTALS.arenas_peak.load(Relaxed);
    totals.large_cached_bytes = extent::dirty_bytes();
    // At most: some of it may never have been resident. To ask the kernel would
    // take a lock, and a signal handler may want the statistics.
    totals.resident_bytes += totals.large_cached_bytes;
    totals.mapped_bytes = arena::mapped_bytes() + extent::mapped_bytes();
    totals.metadata_bytes = region::record_bytes() + life::HEAP_BYTES.load(Relaxed);
    totals.given_back_bytes = arena::TOTALS.given_back.load(Relaxed);
    totals.given_back_calls = arena::TOTALS.given_back_calls.load(Relaxed);
    (totals.heaps, totals.heaps_idle) = life::count();
    totals.handovers = life::HANDOVERS.load(Relaxed);
    totals.remote_frees = slow::REMOTE_FREES.load(Relaxed);
    totals
}
