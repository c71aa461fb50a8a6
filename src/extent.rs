//! Extents: memory for blocks too long for an arena, in runs of pools over as
//! many slots as it takes.
//!
//! Programs that work with buffers free and take similar sizes again and again,
//! and to map, fault in and unmap them costs far more than their use. So what
//! is freed stays for a while, joins its free neighbours, and serves requests
//! of any length: the shortest free extent that is long enough.
//!
//! A free extent is *dirty* (its pages may be resident) or *clean* (it reads as
//! zero). Dirty ones become clean after a delay, or when there are too many;
//! whole slots of clean ones are unmapped at once. The records of its first and
//! last pool say how long it is, so neighbours find each other in one step.

use crate::arena::{self, Run, count_given_back, wants_huge_pages};
use crate::clock;
use crate::layout::{ARENA_SIZE, POOL_SIZE, POOLS_PER_ARENA};
use crate::os::{self, lock::ForkLock};
use crate::pool::list::{AGE, BIN, List};
use crate::pool::{self, FreeExtent, PoolRef};
use crate::region::{self, Slot};
use core::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// Bytes mapped for extents, and bytes of the dirty ones.
static MAPPED: AtomicUsize = AtomicUsize::new(0);
static DIRTY: AtomicUsize = AtomicUsize::new(0);

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Kind {
    Clean,
    Dirty,
}

/// Memory that no block uses.
#[derive(Clone, Copy)]
struct Extent {
    address: usize,
    pools: usize,
    kind: Kind,
    /// When it, or the longest part of it, was freed (working time, ms).
    since: u64,
}

impl Extent {
    fn bytes(&self) -> usize {
        self.pools * POOL_SIZE
    }

    fn end(&self) -> usize {
        self.address + self.bytes()
    }

    /// The part behind the first `pools` pools.
    fn behind(&self, pools: usize) -> Option<Extent> {
        let rest = self.pools - pools;
        let address = self.address + pools * POOL_SIZE;
        (rest > 0).then_some(Extent { address, pools: rest, ..*self })
    }

    fn first(&self) -> PoolRef {
        record(self.address)
    }

    fn last(&self) -> PoolRef {
        record(self.end() - POOL_SIZE)
    }

    /// Gives its pages back; returns the bytes that had been in memory, None if the
    /// kernel refused (the memory is locked).
    fn give_back(&self) -> Option<usize> {
        // Else the kernel keeps the rest of a huge page.
        if self.address % ARENA_SIZE != 0 {
            os::split_huge_page(self.address);
        }
        if self.end() % ARENA_SIZE != 0 {
            os::split_huge_page(self.end() - os::page_size());
        }
        os::give_back_counted(self.address, self.bytes())
    }

    /// The free extent whose first pool is at `address`.
    fn starting_at(address: usize) -> Option<Extent> {
        Self::starting_with(pool::of(address)?)
    }

    fn starting_with(first: PoolRef) -> Option<Extent> {
        let FreeExtent { pools, dirty, since } = first.extent();
        let kind = if dirty { Kind::Dirty } else { Kind::Clean };
        let (address, pools) = (first.base(), pools as usize);
        (pools > 0).then_some(Extent { address, pools, kind, since })
    }

    /// The free extent that ends before `address`.
    fn ending_at(address: usize) -> Option<Extent> {
        let pools = pool::of(address.wrapping_sub(POOL_SIZE))?.extent().pools as usize;
        (pools > 0).then(|| Self::starting_at(address - pools * POOL_SIZE))?
    }
}

/// The record of a pool in a slot of ours.
fn record(address: usize) -> PoolRef {
    match pool::of(address) {
        Some(record) => record,
        None => unreachable!("an extent outside the window"),
    }
}

/// Bins by length: four for each doubling.
const BINS: usize = 112;

fn bin_of(pools: usize) -> usize {
    match pools {
        0..4 => pools,
        _ => {
            let log = pools.ilog2() as usize;
            4 * (log - 1) + (pools >> (log - 2)) % 4
        }
    }
}

struct Extents {
    /// By kind and length.
    bins: [[List<BIN>; BINS]; 2],
    /// Which bins have something.
    present: [u128; 2],
    /// Where the slots end that were mapped last.
    top: usize,
    /// Dirty ones, in the order in which they became so.
    dirty: List<AGE>,
}

static EXTENTS: ForkLock<Extents> = ForkLock::new(Extents {
    bins: [const { [const { List::new() }; BINS] }; 2],
    present: [0; 2],
    top: 0,
    dirty: List::new(),
});

/// Takes `pools` pools side by side; what was used lately first.
pub fn take(pools: usize) -> Option<Run> {
    let mut extents = EXTENTS.lock();
    extents.take(pools, Kind::Dirty).or_else(|| extents.take_clean(pools))
}

/// Takes a run back. Its contents are lost some time later.
pub fn release(address: usize, pools: usize) {
    let since = clock::now();
    EXTENTS.lock().store(Extent { address, pools, kind: Kind::Dirty, since });
}

/// Takes the pools behind a run as well when they are free and resident.
pub fn extend_by_dirty(address: usize, have: usize, want: usize) -> bool {
    EXTENTS.lock().extend(address, have, want, &[Kind::Dirty])
}

/// Takes the pools behind a run as well, mapping them if need be; false when
/// others use them.
pub fn extend_by_clean(address: usize, have: usize, want: usize) -> bool {
    let mut extents = EXTENTS.lock();
    extents.extend(address, have, want, &[Kind::Clean]) || {
        let end = address + have * POOL_SIZE;
        // Joined with a dirty extent, what was mapped counts as dirty.
        extents.map_behind(end, want - have)
            && extents.extend(address, have, want, &[Kind::Clean, Kind::Dirty])
    }
}

/// Moves the pages of a run into a longer one; returns where that is.
pub fn move_to_longer(address: usize, have: usize, want: usize) -> Option<usize> {
    let mut extents = EXTENTS.lock();
    // The pages of the target would be lost, so it is not a dirty one.
    let target = extents.take_clean(want)?.address;
    if os::move_over(address, have * POOL_SIZE, target, want * POOL_SIZE) {
        extents.fill_hole(address, have);
        return Some(target);
    }
    // The kernel may have unmapped it, or a part, before it refused.
    extents.unmap_and_fill(target, want);
    None
}

/// Gives back what was freed before `before` (ms; u64::MAX means all), at most
/// about `most` bytes; returns the bytes.
pub fn purge(before: u64, most: usize) -> usize {
    if dirty_bytes() == 0 { 0 } else { EXTENTS.lock().clean(before, most) }
}

/// Gives back what nobody uses: also what nobody ever used and is resident as part
/// of a huge page. Returns the bytes.
pub fn purge_all() -> usize {
    let mut extents = EXTENTS.lock();
    extents.give_back_clean() + extents.clean(u64::MAX, usize::MAX)
}

/// Bytes that `purge` could give back now.
pub fn dirty_bytes() -> usize {
    DIRTY.load(Relaxed)
}

/// Bytes mapped, in use or not.
pub fn mapped_bytes() -> usize {
    MAPPED.load(Relaxed)
}

/// So many extents of a bin are compared.
const ENOUGH: usize = 32;

impl Extents {
    /// One of the shortest that have `pools` pools.
    fn best(&self, kind: Kind, pools: usize) -> Option<Extent> {
        let mut bins = self.present[kind as usize] >> bin_of(pools) << bin_of(pools);
        while bins != 0 {
            let bin = bins.trailing_zeros() as usize;
            // All in a bin are about as long: some thousand are not worth a walk.
            let fitting = self.bins[kind as usize][bin]
                .iter()
                .take(ENOUGH)
                .filter(|first| first.extent().pools as usize >= pools);
            if let Some(first) = fitting.min_by_key(|first| first.extent().pools) {
                return Extent::starting_with(first);
            }
            bins &= bins - 1;
        }
        None
    }

    fn take(&mut self, pools: usize, kind: Kind) -> Option<Run> {
        let found = self.best(kind, pools)?;
        self.remove_front(found, pools);
        Some(Run { address: found.address, zeroed: kind == Kind::Clean })
    }

    fn take_clean(&mut self, pools: usize) -> Option<Run> {
        self.take(pools, Kind::Clean).or_else(|| {
            // What is left at the top and the slots behind it, so that blocks
            // lie side by side.
            if let Some(left) = Extent::ending_at(self.top)
                && left.kind == Kind::Clean
                && self.map_behind(left.address, pools)
            {
                return self.take(pools, Kind::Clean);
            }
            let slots = pools.div_ceil(POOLS_PER_ARENA);
            let slot = region::take(slots, slots * ARENA_SIZE)?;
            let new = self.has_mapped(slot.address(), slots);
            if let Some(rest) = new.behind(pools) {
                let rest = self.with_neighbours(rest);
                self.insert(rest);
            }
            Some(Run { address: new.address, zeroed: true })
        })
    }

    fn extend(&mut self, address: usize, have: usize, want: usize, kinds: &[Kind]) -> bool {
        let (bytes, more) = (have * POOL_SIZE, want - have);
        let next = Extent::starting_at(address + bytes);
        let Some(next) = next.filter(|next| kinds.contains(&next.kind) && next.pools >= more)
        else {
            return false;
        };
        self.remove_front(next, more);
        if next.kind == Kind::Clean {
            // As one mapping the kernel can move it later.
            if !os::unmap(next.address, more * POOL_SIZE)
                || !os::resize_in_place(address, bytes, want * POOL_SIZE)
            {
                self.unmap_and_fill(next.address, more);
                return false;
            }
        }
        true
    }

    /// Maps the slots behind `end`, so that `pools` pools are free there; false
    /// when that cannot be.
    fn map_behind(&mut self, end: usize, pools: usize) -> bool {
        let free = Extent::starting_at(end);
        let free_end = free.map_or(end, |free| free.end());
        let missing = pools - free.map_or(0, |free| free.pools).min(pools);
        if missing == 0 || free_end % ARENA_SIZE != 0 {
            return false;
        }
        let slots = missing.div_ceil(POOLS_PER_ARENA);
        let last = Slot::of(free_end - 1);
        if !region::extend(last, 1, slots) {
            return false;
        }
        // Not `store`, which would unmap it again.
        let mut new = self.has_mapped(free_end, slots);
        if let Some(free) = free {
            self.remove(free);
            new = join(free, new);
        }
        let new = self.with_neighbours(new);
        self.insert(new);
        true
    }

    /// Notes slots that were just mapped, and chooses the size of their pages.
    fn has_mapped(&mut self, address: usize, slots: usize) -> Extent {
        let bytes = slots * ARENA_SIZE;
        let mapped = MAPPED.fetch_add(bytes, Relaxed) + bytes + arena::mapped_bytes();
        os::huge_pages(address, bytes, wants_huge_pages(mapped, true));
        self.top = address + bytes;
        Extent { address, pools: bytes / POOL_SIZE, kind: Kind::Clean, since: 0 }
    }

    /// Makes a free extent of clean memory that may be unmapped in part.
    fn unmap_and_fill(&mut self, address: usize, pools: usize) {
        if os::unmap(address, pools * POOL_SIZE) {
            self.fill_hole(address, pools);
        } else {
            // No room for one more mapping, so it is still there.
            self.store(Extent { address, pools, kind: Kind::Clean, since: 0 });
        }
    }

    /// Makes a free extent of what was unmapped inside slots of ours.
    fn fill_hole(&mut self, address: usize, pools: usize) {
        let hole = Extent { address, pools, kind: Kind::Clean, since: 0 };
        for edge in self.let_go_slots(hole, |_, _| true).into_iter().flatten() {
            // Should somebody else have taken the place, it is lost to us.
            if os::map_at(edge.address, edge.bytes()) {
                self.store(edge);
            }
        }
    }

    /// Adds a free extent; the whole slots of a clean one are let go.
    fn store(&mut self, extent: Extent) {
        let extent = self.with_neighbours(extent);
        match extent.kind {
            Kind::Dirty => self.insert(extent),
            Kind::Clean => {
                for edge in self.let_go_slots(extent, os::unmap).into_iter().flatten() {
                    self.insert(edge);
                }
            }
        }
    }

    /// Takes the free neighbours out and joins them with an extent.
    fn with_neighbours(&mut self, mut extent: Extent) -> Extent {
        // A clean one between two dirty ones must not keep them apart.
        let joins = |n: &Extent, e: Extent| n.kind == e.kind || e.kind == Kind::Dirty;
        while let Some(neighbour) = Extent::ending_at(extent.address)
            .filter(|n| joins(n, extent))
            .or_else(|| Extent::starting_at(extent.end()).filter(|n| joins(n, extent)))
        {
            self.remove(neighbour);
            extent = join(neighbour, extent);
        }
        extent
    }

    /// Lets the whole slots of a clean extent go; what is left of it.
    fn let_go_slots(
        &self,
        extent: Extent,
        unmap: impl FnOnce(usize, usize) -> bool,
    ) -> [Option<Extent>; 2] {
        let first = extent.address.next_multiple_of(ARENA_SIZE);
        let end = extent.end() / ARENA_SIZE * ARENA_SIZE;
        let edge = |from: usize, to: usize| {
            let pools = to.saturating_sub(from) / POOL_SIZE;
            (pools > 0).then_some(Extent { address: from, pools, ..extent })
        };
        if first >= end || !unmap(first, end - first) {
            return [Some(extent), None];
        }
        region::let_go(Slot::of(first), (end - first) / ARENA_SIZE);
        MAPPED.fetch_sub(end - first, Relaxed);
        [edge(extent.address, first), edge(end, extent.end())]
    }

    /// Makes dirty extents clean, the oldest first; returns the bytes that had
    /// been in memory.
    fn clean(&mut self, before: u64, most: usize) -> usize {
        let (mut bytes, mut left) = (0, most);
        while left > 0
            && let Some(oldest) = self.dirty.first().and_then(Extent::starting_with)
            && oldest.since <= before
        {
            self.remove(oldest);
            // Of a long one only the end: the start is used again first.
            let keep = oldest.pools - oldest.pools.min(left.div_ceil(POOL_SIZE));
            let Some(cleaned) = oldest.behind(keep) else {
                break; // At least a pool is cleaned, so there is one.
            };
            if keep > 0 {
                self.insert(Extent { pools: keep, ..oldest });
            }
            left = left.saturating_sub(cleaned.bytes());
            match cleaned.give_back() {
                Some(resident) => {
                    bytes += resident;
                    self.store(Extent { kind: Kind::Clean, ..cleaned });
                }
                // Refused (locked memory): whole slots can go all the same.
                None => {
                    let edges =
                        self.let_go_slots(Extent { since: clock::now(), ..cleaned }, os::unmap);
                    edges.into_iter().flatten().for_each(|edge| self.store(edge));
                    break;
                }
            }
        }
        count_given_back(bytes);
        bytes
    }

    fn give_back_clean(&self) -> usize {
        let clean = self.bins[Kind::Clean as usize].iter().flat_map(|list| list.iter());
        let resident = clean
            .filter_map(Extent::starting_with)
            .filter(|extent| os::resident(extent.address, extent.bytes()) > 0);
        let bytes = resident.filter_map(|extent| extent.give_back()).sum();
        count_given_back(bytes);
        bytes
    }

    /// Takes the first `pools` pools of a free extent; the rest stays free.
    fn remove_front(&mut self, extent: Extent, pools: usize) {
        self.remove(extent);
        if let Some(rest) = extent.behind(pools) {
            self.insert(rest);
        }
    }

    fn insert(&mut self, extent: Extent) {
        let (first, kind, bin) = (extent.first(), extent.kind as usize, bin_of(extent.pools));
        let dirty = extent.kind == Kind::Dirty;
        let ends = FreeExtent { pools: extent.pools as u32, dirty, since: extent.since };
        first.set_extent(extent.address, ends);
        extent.last().set_extent(extent.end() - POOL_SIZE, ends);
        self.bins[kind][bin].push_front(first);
        self.present[kind] |= 1 << bin;
        if dirty {
            DIRTY.fetch_add(extent.bytes(), Relaxed);
            // What is left of the oldest one stays in front.
            match self.dirty.first() {
                Some(oldest) if extent.since <= oldest.extent().since => {
                    self.dirty.push_front(first)
                }
                _ => self.dirty.push_back(first),
            }
        }
    }

    fn remove(&mut self, extent: Extent) {
        let (first, kind, bin) = (extent.first(), extent.kind as usize, bin_of(extent.pools));
        first.set_extent(extent.address, FreeExtent::NONE);
        extent.last().set_extent(extent.end() - POOL_SIZE, FreeExtent::NONE);
        self.bins[kind][bin].remove(first);
        if self.bins[kind][bin].first().is_none() {
            self.present[kind] &= !(1 << bin);
        }
        if extent.kind == Kind::Dirty {
            DIRTY.fetch_sub(extent.bytes(), Relaxed);
            self.dirty.remove(first);
        }
    }
}

/// Two neighbours as one: as old as the dirty one, or as the longer.
fn join(a: Extent, b: Extent) -> Extent {
    let kind = if a.kind == b.kind { a.kind } else { Kind::Dirty };
    // What is clean has no age.
    let a_counts = if a.kind == b.kind { a.pools > b.pools } else { a.kind == Kind::Dirty };
    let since = if a_counts { a.since } else { b.since };
    Extent { address: a.address.min(b.address), pools: a.pools + b.pools, kind, since }
}

/// Checks every list and record against each other; panics on what is wrong.
pub fn verify() {
    let extents = EXTENTS.lock();
    let (mut dirty, mut dirty_extents) = (0, 0);
    for (kind, bins) in extents.bins.iter().enumerate() {
        for (bin, list) in bins.iter().enumerate() {
            assert_eq!(extents.present[kind] >> bin & 1 == 1, list.first().is_some());
            list.verify();
            for first in list.iter() {
                let Some(extent) = Extent::starting_with(first) else {
                    panic!("in a bin, but not free");
                };
                assert_eq!((extent.kind as usize, bin_of(extent.pools)), (kind, bin));
                assert!(Extent::ending_at(extent.end()).is_some_and(|e| e.pools == extent.pools));
                let next = Extent::starting_at(extent.end());
                assert!(next.is_none_or(|next| next.kind != extent.kind), "not joined");
                assert!((extent.address..extent.end()).step_by(POOL_SIZE).all(is_free_memory));
                if extent.kind == Kind::Dirty {
                    (dirty, dirty_extents) = (dirty + extent.bytes(), dirty_extents + 1);
                }
            }
        }
    }
    extents.dirty.verify();
    assert_eq!(extents.dirty.iter().count(), dirty_extents);
    assert_eq!(dirty, dirty_bytes());
}

fn is_free_memory(address: usize) -> bool {
    Slot::of(address).is_ours() && record(address).state() == pool::State::Vacant
}

/// Holds the lock across a fork.
pub fn before_fork() {
    EXTENTS.hold();
}

/// # Safety
/// After `before_fork`, on the same thread or in its child.
pub unsafe fn after_fork() {
    // SAFETY: the caller's promise.
    unsafe { EXTENTS.let_go() }
}
