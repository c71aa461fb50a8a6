//! The shadow model: a program is a list of `Op`s, and beside the heap the
//! model keeps what the program may expect of it.
//!
//! Of every block it knows where it is, how long it is and what it holds. With
//! each step it checks that blocks are aligned, hold what they should (zeros
//! after a calloc, the old contents after a realloc), do not overlap and leave
//! errno alone; that the statistics say what is live; that arenas, pools and
//! blocks tell one story; and, at the end, that nothing is left.
//!
//! It is run by proptest (model.rs, handover.rs), by threads that hand blocks
//! to each other (threads.rs) and by a fuzzer (fuzz/).
//!
//! The heap is one for the process: one model at a time.

#![allow(dead_code, unused_imports)] // Not every test uses all of it.

mod block;
#[cfg(not(fuzzing))]
pub mod program;
mod who;

pub use block::{Block, Caller, Domain, IMPOSSIBLE, Route, Size};
pub use who::Who;

use oxmalloc::abi::{Ox_GetArenas, Ox_GetStats, Ox_Trim, Ox_VisitPools};
use oxmalloc::interface::*;
use std::collections::BTreeMap;
use std::ffi::{c_int, c_void};

/// What a program can do.
#[derive(Clone, Copy, Debug)]
#[cfg_attr(fuzzing, derive(arbitrary::Arbitrary))]
pub enum Op {
    /// Takes blocks of one size.
    Allocate {
        caller: Caller,
        domain: Domain,
        zeroed: bool,
        size: Size,
        count: Count,
    },
    /// Resizes the largest of the blocks that follow `which`, which is taken
    /// modulo the number of blocks, as everywhere.
    Resize {
        caller: Caller,
        which: u16,
        to: NewSize,
    },
    /// Frees the blocks from `which` on, but keeps every `keep`th (0: none).
    Free {
        caller: Caller,
        which: u16,
        count: Count,
        keep: u8,
    },
    Trim {
        who: Who,
    },
}

/// A size, or that of the block times so many eighths.
#[derive(Clone, Copy, Debug)]
#[cfg_attr(fuzzing, derive(arbitrary::Arbitrary))]
pub enum NewSize {
    Any(Size),
    Eighths(u8),
}

impl NewSize {
    fn of(self, old: usize) -> usize {
        match self {
            NewSize::Any(size) => size.get(),
            NewSize::Eighths(number) => (old * (number as usize % 20) / 8).min(MOST_AT_ONCE),
        }
    }
}

/// How many blocks: mostly few, at times enough to fill pools.
#[derive(Clone, Copy, Debug)]
#[cfg_attr(fuzzing, derive(arbitrary::Arbitrary))]
pub struct Count(pub u8);

impl Count {
    fn get(self) -> usize {
        1 + self.0 as usize * self.0 as usize / 64
    }
}

/// No program holds more at a time, or takes more in one step.
const MOST_LIVE: usize = 80 << 20;
const MOST_AT_ONCE: usize = 6 << 20;

/// What the program may expect of the heap.
#[derive(Default)]
pub struct Shadow {
    blocks: Vec<Block>,
    /// The blocks by address: their ends and domains.
    places: BTreeMap<usize, (usize, Domain)>,
    steps: u32,
}

/// Runs a program from its first step to its last, in an empty heap.
pub fn run(ops: &[Op]) {
    let mut shadow = Shadow::default();
    for op in ops {
        shadow.step(*op);
        shadow.check();
    }
    shadow.end();
}

impl Shadow {
    /// Executes one step.
    pub fn step(&mut self, op: Op) {
        self.steps += 1;
        match op {
            Op::Allocate { caller, domain, zeroed, size, count } => {
                let room = MOST_AT_ONCE.min(MOST_LIVE.saturating_sub(self.bytes()));
                let (size, seed) = (size.get(), self.steps);
                // What cannot be had is asked for all the same, once.
                let most = if size < IMPOSSIBLE { room / size.max(1) } else { 1 };
                let count = count.get().min(most);
                let take = move |_| Block::take(caller, domain, zeroed, size, seed);
                let taken: Vec<_> = caller.who.run(move || (0..count).filter_map(take).collect());
                taken.into_iter().for_each(|block| self.insert(block));
            }
            Op::Resize { caller, which, to } => {
                if self.blocks.is_empty() || self.bytes() > MOST_LIVE {
                    return;
                }
                let first = which as usize % self.blocks.len();
                let last = (first + 64).min(self.blocks.len());
                let largest = (first..last).max_by_key(|index| self.blocks[*index].size);
                let old = self.remove(largest.unwrap());
                let seed = self.steps;
                let size = to.of(old.size);
                let new = caller.who.run(move || old.resize(caller, size, seed));
                self.insert(new);
            }
            Op::Free { caller, which, count, keep } => {
                let first = which as usize % self.blocks.len().max(1);
                let last = (first + count.get()).min(self.blocks.len());
                let (kept, leaving): (Vec<_>, Vec<_>) = (first..last)
                    .rev()
                    .map(|index| (index, self.remove(index)))
                    .partition(|(index, _)| keep > 0 && index % keep as usize == 0);
                kept.into_iter().for_each(|(_, block)| self.insert(block));
                let free = move |(_, block): (usize, Block)| block.free(caller);
                caller.who.run(move || leaving.into_iter().for_each(free));
            }
            Op::Trim { who } => {
                who.run(|| Ox_Trim());
            }
        }
    }

    /// Takes a block in, which no other may overlap.
    pub fn insert(&mut self, block: Block) {
        let (start, end) = (block.address, block.address + block.usable);
        if let Some((_, (before, _))) = self.places.range(..start).next_back() {
            assert!(*before <= start, "{block:?} overlaps a block before it");
        }
        if let Some((after, _)) = self.places.range(start..).next() {
            assert!(end <= *after, "{block:?} overlaps a block behind it");
        }
        self.places.insert(start, (end, block.domain));
        self.blocks.push(block);
    }

    /// Gives a block away.
    pub fn remove(&mut self, which: usize) -> Block {
        let block = self.blocks.swap_remove(which);
        self.places.remove(&block.address);
        block
    }

    /// Gives all its blocks away.
    pub fn into_blocks(self) -> Vec<Block> {
        self.blocks
    }

    pub fn len(&self) -> usize {
        self.blocks.len()
    }

    fn bytes(&self) -> usize {
        self.places.iter().map(|(start, (end, _))| end - start).sum()
    }

    /// Checks everything; between steps.
    pub fn check(&self) {
        oxmalloc::testing::verify();
        self.check_pools();
        // All contents now and then: each block is checked when it is freed.
        if self.steps % 16 == 0 {
            self.blocks.iter().for_each(Block::check);
        }
    }

    /// The shadow, what a visit to pools and arenas shows, and the statistics
    /// say the same.
    fn check_pools(&self) {
        let (stats, pools, arenas) = (stats(), visited_pools(), visited_arenas());
        let mut domains = [OxDomainStats::default(); 2];
        let mut states = [0; 5];
        let mut end = 0;
        for pool in &pools {
            assert!(pool.address >= end, "{} overlaps the one before", shown(pool));
            end = pool.address + pool.bytes;
            let mine = self.places.range(pool.address..end);
            assert_eq!(pool.live, mine.clone().count(), "{}", shown(pool));
            for (start, (end, domain)) in mine {
                let of_this_pool = (pool.block_bytes, pool.domain as usize);
                assert_eq!((end - start, *domain as usize + 1), of_this_pool, "{}", shown(pool));
            }
            states[pool.state as usize] += 1;
            let domain = &mut domains[pool.domain as usize - 1];
            domain.live_blocks += pool.live;
            domain.live_bytes += pool.live * pool.block_bytes;
            domain.free_bytes += pool.free * pool.block_bytes;
            domain.untouched_bytes += pool.untouched * pool.block_bytes;
            domain.pool_bytes += pool.bytes;
            assert_eq!(pool.live + pool.free + pool.untouched, pool.capacity, "{}", shown(pool));
        }
        for (told, seen) in [stats.mem, stats.obj].iter().zip(&domains) {
            assert_eq!(told.live_blocks, seen.live_blocks);
            assert_eq!(told.live_bytes, seen.live_bytes);
            assert_eq!(told.free_bytes, seen.free_bytes);
            assert_eq!(told.untouched_bytes, seen.untouched_bytes);
            assert_eq!(told.pool_bytes, seen.pool_bytes);
            assert!(told.peak_bytes >= told.pool_bytes);
        }
        assert_eq!(self.len(), stats.mem.live_blocks + stats.obj.live_blocks);
        let small = [stats.pools_used, stats.pools_full, stats.pools_empty];
        assert_eq!(states, [small[0], small[1], small[2], stats.spans, stats.large_blocks]);
        assert_eq!(arenas.len(), stats.arenas);
        for arena in &arenas {
            let inside = arena.address..arena.address + arena.bytes;
            let pools = pools.iter().filter(|pool| inside.contains(&pool.address));
            let in_use: usize = pools.map(|pool| pool.bytes * arena.pools / arena.bytes).sum();
            assert_eq!(in_use, arena.pools - arena.pools_vacant, "arena {:#x}", arena.address);
        }
    }

    /// Has every thread take in what others freed and give back what it can.
    pub fn settle(&mut self) {
        for who in [Who::Main, Who::Helper] {
            who.run(trim);
        }
        self.check();
    }

    /// Frees every block; the heap is then empty and holds no memory.
    pub fn end(mut self) {
        self.settle();
        self.places.clear();
        let caller = Caller { who: Who::Main, route: Route::Direct };
        self.blocks.drain(..).for_each(|block| block.free(caller));
        self.settle();
        let stats = stats();
        assert_eq!(stats.pools_used + stats.pools_full + stats.pools_empty + stats.spans, 0);
        assert_eq!(stats.arenas + stats.large_cached_bytes + stats.mapped_bytes, 0);
    }
}

/// Gives back all that this thread can reach, with no other at work.
fn trim() {
    let before = stats().given_back_bytes;
    let said = Ox_Trim();
    let went = stats().given_back_bytes - before;
    assert!(said <= went, "Ox_Trim says it gave {said} bytes back, but {went} went");
}

pub fn stats() -> OxStats {
    let mut stats = OxStats { size: size_of::<OxStats>(), ..OxStats::default() };
    // SAFETY: `size` is set.
    assert_eq!(unsafe { Ox_GetStats(&mut stats) }, OX_OK);
    stats
}

fn shown(pool: &OxPoolInfo) -> String {
    let OxPoolInfo { address, state, domain, block_bytes, live, capacity, .. } = pool;
    format!(
        "the pool at {address:#x}: state {state}, domain {domain}, {live} of {capacity} blocks of {block_bytes} live"
    )
}

fn visited_pools() -> Vec<OxPoolInfo> {
    unsafe extern "C" fn visit(pool: *const OxPoolInfo, list: *mut c_void) -> c_int {
        // SAFETY: `list` is the Vec below, `pool` is valid during the visit.
        unsafe { (*list.cast::<Vec<OxPoolInfo>>()).push(*pool) };
        0
    }
    let mut list = Vec::new();
    // SAFETY: `visit` takes what it is given.
    assert_eq!(unsafe { Ox_VisitPools(Some(visit), (&raw mut list).cast()) }, 0);
    list
}

fn visited_arenas() -> Vec<OxArenaInfo> {
    // SAFETY: no row is written.
    let count = unsafe { Ox_GetArenas(core::ptr::null_mut(), 0, 0) } as usize;
    let mut list = vec![OxArenaInfo::default(); count];
    // SAFETY: that many rows of that size.
    let told = unsafe { Ox_GetArenas(list.as_mut_ptr(), size_of::<OxArenaInfo>(), count) };
    assert_eq!(told as usize, count);
    list
}
