//! Statistics: derived from the pools' counters when somebody asks.
//!
//! No lock is taken and nothing is allocated: records stay mapped for ever, so
//! they can be read at any time. While other threads allocate the result is a
//! close snapshot, not a consistent one.

use crate::counting::{self, LARGE, ROWS, SPANS};
use crate::heap::{life, slow};
use crate::interface::{
    OX_DOMAIN_MEM, OX_KIND_CLASS, OX_KIND_LARGE, OX_KIND_SPAN, OX_POOL_EMPTY, OX_POOL_FULL,
    OX_POOL_LARGE, OX_POOL_SPAN, OX_POOL_USED, OxArenaInfo, OxClassStats, OxDomainStats,
    OxPoolInfo, OxStats,
};
use crate::layout::{self, ARENA_SIZE, DOMAINS, POOL_SIZE, POOLS_PER_ARENA};
use crate::os::Residency;
use crate::pool::{self, PoolRef, State, held};
use crate::region::{self, Slot};
use crate::size_class::SizeClass;
use crate::{arena, extent, os};
use core::sync::atomic::Ordering::Relaxed;

/// How many arenas there are.
pub fn arena_count() -> usize {
    our_slots().filter_map(arena::view).count()
}

/// Every arena in order of address, with what is resident of it.
pub fn arenas() -> impl Iterator<Item = (OxArenaInfo, Residency)> {
    our_slots().filter_map(|slot| {
        let view = arena::view(slot)?;
        let resident = Residency::of(view.address, ARENA_SIZE);
        let mut info = OxArenaInfo {
            size: size_of::<OxArenaInfo>(),
            address: view.address,
            bytes: ARENA_SIZE,
            pools: POOLS_PER_ARENA,
            pools_vacant: view.vacant.count_ones() as usize,
            pools_clean: (view.vacant & !view.dirty).count_ones() as usize,
            resident_bytes: resident.bytes(view.address, ARENA_SIZE),
            ..OxArenaInfo::default()
        };
        for pool in pool::in_slot(slot).filter_map(self::info) {
            info.live_blocks += pool.live;
            info.live_bytes += pool.live * pool.block_bytes;
            info.free_bytes += pool.free * pool.block_bytes;
            info.untouched_bytes += pool.untouched * pool.block_bytes;
            info.purged_bytes += pool.purged_bytes;
        }
        Some((info, resident))
    })
}

/// Calls `visit` for every pool, span and large block until it returns
/// something else than 0.
pub fn visit_pools(mut visit: impl FnMut(&OxPoolInfo) -> i32) -> i32 {
    each_pool(|pool| match info(pool) {
        Some(info) => visit(&info),
        None => 0,
    })
}

fn each_pool(visit: impl FnMut(PoolRef) -> i32) -> i32 {
    our_slots().flat_map(pool::in_slot).map(visit).find(|answer| *answer != 0).unwrap_or(0)
}

/// The slots that hold an arena or large blocks.
fn our_slots() -> impl Iterator<Item = Slot> {
    Slot::all().filter(|slot| slot.is_ours())
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
        age_ms: pool.age_ms(),
    })
}

/// Calls `visit` with the address and length of each piece of memory that large
/// blocks lie in, live and freed ones.
pub fn visit_extents(mut visit: impl FnMut(usize, usize) -> i32) -> i32 {
    let mut slots = our_slots().filter(|slot| arena::view(*slot).is_none()).peekable();
    while let Some(first) = slots.next() {
        let mut end = first.address() + ARENA_SIZE;
        while slots.next_if(|slot| slot.address() == end).is_some() {
            end += ARENA_SIZE;
        }
        let answer = visit(first.address(), end - first.address());
        if answer != 0 {
            return answer;
        }
    }
    0
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
            }
        }
        0
    });
    // Of arenas and extents alike; both are made of whole slots.
    totals.resident_bytes = our_slots().map(|slot| os::resident(slot.address(), ARENA_SIZE)).sum();
    for (index, domain) in domains.iter_mut().enumerate() {
        domain.pool_bytes = held(index).now();
        domain.peak_bytes = held(index).peak();
    }
    (totals.mem, totals.obj) = (domains[layout::MEM], domains[layout::OBJ]);
    totals.arenas = arena::TOTALS.arenas.load(Relaxed);
    totals.arenas_peak = arena::TOTALS.arenas_peak.load(Relaxed);
    totals.large_cached_bytes = extent::dirty_bytes();
    totals.mapped_bytes = arena::mapped_bytes() + extent::mapped_bytes();
    totals.metadata_bytes = region::record_bytes() + life::HEAP_BYTES.load(Relaxed);
    totals.given_back_bytes = arena::TOTALS.given_back.load(Relaxed);
    totals.given_back_calls = arena::TOTALS.given_back_calls.load(Relaxed);
    (totals.heaps, totals.heaps_idle) = life::count();
    totals.handovers = life::HANDOVERS.load(Relaxed);
    totals.remote_frees = slow::REMOTE_FREES.load(Relaxed);
    totals
}

/// Rows of `classes`.
pub const CLASSES: usize = DOMAINS * ROWS;

/// The size classes of each domain, its spans, its large blocks.
pub fn classes() -> [OxClassStats; CLASSES] {
    let mut classes: [OxClassStats; CLASSES] = core::array::from_fn(empty_class);
    for slot in our_slots() {
        let resident = Residency::of(slot.address(), ARENA_SIZE);
        for pool in pool::in_slot(slot) {
            let (Some(row), Some(info)) = (counting::row_of(pool), info(pool)) else { continue };
            let class = &mut classes[pool.domain() * ROWS + row];
            class.pools += 1;
            class.pool_bytes += info.bytes;
            class.live_blocks += info.live;
            class.live_bytes += info.live * info.block_bytes;
            class.free_bytes += info.free * info.block_bytes;
            class.untouched_bytes += info.untouched * info.block_bytes;
            class.purged_bytes += info.purged_bytes;
            class.resident_bytes += match row {
                LARGE => os::resident(info.address, info.bytes),
                _ => resident.bytes(info.address, info.bytes),
            };
        }
    }
    classes
}

fn empty_class(index: usize) -> OxClassStats {
    let (domain, row) = (index / ROWS, index % ROWS);
    let [taken, freed] = counting::counted(domain, row);
    OxClassStats {
        size: size_of::<OxClassStats>(),
        domain: domain as u32 + OX_DOMAIN_MEM as u32,
        kind: match row {
            SPANS => OX_KIND_SPAN,
            LARGE => OX_KIND_LARGE,
            _ => OX_KIND_CLASS,
        },
        block_bytes: SizeClass::from_index(row).map_or(0, SizeClass::block_size),
        taken_blocks: taken.0,
        taken_bytes: taken.1,
        freed_blocks: freed.0,
        freed_bytes: freed.1,
        ..OxClassStats::default()
    }
}
