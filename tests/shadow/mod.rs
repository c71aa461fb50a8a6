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

use oxmalloc::abi::{Ox_GetStats, Ox_Trim, Ox_VisitArenas, Ox_VisitPools};
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
    /// The blocks by address, with their ends.
    places: BTreeMap<usize, usize>,
    /// Blocks and bytes, by domain, of which a thread freed that may not own
    /// their heap: the heap counts them as live until its owner collects them.
    uncollected: [Total; 2],
    steps: u32,
}

#[derive(Clone, Copy, Default, PartialEq, Debug)]
struct Total {
    blocks: usize,
    bytes: usize,
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
                self.note_crossing(&old, caller);
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
                leaving.iter().for_each(|(_, block)| self.note_crossing(block, caller));
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
        if let Some((_, before)) = self.places.range(..start).next_back() {
            assert!(*before <= start, "{block:?} overlaps a block before it");
        }
        if let Some((after, _)) = self.places.range(start..).next() {
            assert!(end <= *after, "{block:?} overlaps a block behind it");
        }
        self.places.insert(start, end);
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
        self.places.iter().map(|(start, end)| end - start).sum()
    }

    /// `caller` is about to free `block`.
    fn note_crossing(&mut self, block: &Block, caller: Caller) {
        if block.may_be_owned_by_another(caller) {
            let total = &mut self.uncollected[block.domain as usize];
            total.blocks += 1;
            total.bytes += block.usable;
        }
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

    /// The statistics, what a visit to pools and arenas shows, and the shadow
    /// say the same.
    fn check_pools(&self) {
        let (stats, pools, arenas) = (stats(), visited_pools(), visited_arenas());
        let mut of_domain = [Total::default(); 2];
        let mut held = [0; 2];
        let mut states = [0; 5];
        let mut end = 0;
        for pool in &pools {
            assert!(pool.address >= end, "{} overlaps the one before", shown(pool));
            end = pool.address + pool.bytes;
            let domain = (pool.domain - OX_DOMAIN_MEM as u32) as usize;
            held[domain] += pool.bytes;
            states[pool.state as usize] += 1;
            of_domain[domain].blocks += pool.live;
            of_domain[domain].bytes += pool.live * pool.block_bytes;
            assert_eq!(pool.live + pool.free + pool.untouched, pool.capacity, "{}", shown(pool));
            let mine = self.places.range(pool.address..end).count();
            let exact = self.uncollected[domain] == Total::default();
            assert!(
                pool.live == mine || !exact && pool.live > mine,
                "{mine} live in {}",
                shown(pool)
            );
        }
        assert_eq!(states[OX_POOL_USED as usize], stats.pools_used);
        assert_eq!(states[OX_POOL_FULL as usize], stats.pools_full);
        assert_eq!(states[OX_POOL_EMPTY as usize], stats.pools_empty);
        assert_eq!(states[OX_POOL_SPAN as usize], stats.spans);
        assert_eq!(states[OX_POOL_LARGE as usize], stats.large_blocks);
        for (domain, stats) in [stats.mem, stats.obj].into_iter().enumerate() {
            let told = Total { blocks: stats.live_blocks, bytes: stats.live_bytes };
            assert_eq!(told, of_domain[domain]);
            assert_eq!(stats.pool_bytes, held[domain]);
            assert!(stats.peak_bytes >= stats.pool_bytes);
            let mine = self.blocks.iter().filter(|block| block.domain as usize == domain);
            let (blocks, bytes) = mine.fold((0, 0), |(n, sum), block| (n + 1, sum + block.usable));
            let most = self.uncollected[domain];
            assert!((blocks..=blocks + most.blocks).contains(&told.blocks), "{told:?} of {blocks}");
            assert!((bytes..=bytes + most.bytes).contains(&told.bytes), "{told:?} of {bytes}");
        }
        assert_eq!(arenas.len(), stats.arenas);
        let small = |pool: &&OxPoolInfo| pool.state != OX_POOL_LARGE;
        for arena in &arenas {
            let inside = arena.address..arena.address + arena.bytes;
            let pools = pools.iter().filter(small).filter(|pool| inside.contains(&pool.address));
            let in_use: usize = pools.map(|pool| pool.bytes * arena.pools / arena.bytes).sum();
            assert_eq!(
                in_use + arena.pools_vacant,
                arena.pools,
                "pools of arena {:#x}",
                arena.address
            );
        }
    }

    /// Has every thread collect what others freed, after which the heap knows
    /// exactly what is live.
    pub fn settle(&mut self) {
        for who in [Who::Main, Who::Helper] {
            who.run(trim);
        }
        self.uncollected = Default::default();
        self.check();
    }

    /// Frees every block; the heap is then empty and holds no memory.
    pub fn end(mut self) {
        self.settle();
        self.blocks.iter().for_each(Block::check);
        self.places.clear();
        self.blocks.drain(..).for_each(|block| {
            let caller = Caller { who: Who::Main, ..block.by };
            block.free(caller);
        });
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
    unsafe extern "C" fn visit(arena: *const OxArenaInfo, list: *mut c_void) -> c_int {
        // SAFETY: as above.
        unsafe { (*list.cast::<Vec<OxArenaInfo>>()).push(*arena) };
        0
    }
    let mut list = Vec::new();
    // SAFETY: as above.
    assert_eq!(unsafe { Ox_VisitArenas(Some(visit), (&raw mut list).cast()) }, 0);
    list
}
