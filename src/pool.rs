//! Pools: 64 KiB of blocks of one size class.
//!
//! A pool's header is its record in the region's table, far from its blocks.
//! Each block is *untouched*, *free* or *allocated*, as in CPython; a pool is
//! *used*, *full* or *empty*:
//!
//! ```text
//!  first                    untouched          untouched_end
//!  | A | f | A | f | f | A |  never used yet ...          |
//!        \_______/\____^                       free: a LIFO list through
//!                                               the blocks themselves
//! ```
//!
//! Three things keep the hot path short:
//! - one header per pool, found by arithmetic from any of its blocks;
//! - `count` is not the number of allocated blocks but that number above a
//!   *floor*: free has a single test ("did count reach zero?"), and the slow
//!   paths choose what it means: a full pool has a block again, the pool became
//!   sparse, the pool became empty, or more was freed than allocated;
//! - popping checks by one comparison, which is also the test for the end of
//!   the list, that the block lies among the blocks of the pool: so a freed
//!   block that somebody wrote to is found before it is handed out.
//!
//! Pages of a pool on which no block is allocated can be given back one by one
//! (`purge_pages`). They are remembered as bits; the blocks on them leave the
//! free list and count as untouched again.

pub mod list;
pub mod remote;

use self::list::Link;
use crate::arena::{self, count_given_back};
use crate::bits::{self, Run};
use crate::fatal::{Corruption, corrupted};
use crate::layout::{ALIGNMENT, DOMAINS, MIN_PAGE, POOL_SIZE, POOLS_PER_ARENA};
use crate::os;
use crate::plain::Plain;
use crate::region::{self, RECORD, Slot};
use crate::size_class::{AtomicSizeClass, SizeClass};
use core::cell::Cell;
use core::ops::{Deref, Range};
use core::sync::atomic::{AtomicU8, AtomicU16, AtomicU32, AtomicUsize, Ordering::Relaxed};

/// A heap, to those who only compare: 0 is nobody.
pub type HeapId = usize;

/// What a record of the table says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum State {
    /// Not in use (or the inside of a span). As zeroed memory reads.
    Vacant = 0,
    /// A pool with blocks both allocated and not; or empty and about to go.
    Used,
    /// A pool with every block allocated.
    Full,
    /// One block over several pools.
    Span,
    /// One block in an extent.
    Large,
}

/// A pool's header. The first line belongs to the owner of the heap; the
/// second is shared with threads that free blocks of it.
///
/// Statistics read the fields that are not Cells from any thread, at any time.
#[repr(C, align(128))]
pub struct Pool {
    owner: Plain<usize>,
    /// The first free block, or 0.
    free: Cell<usize>,
    count: Plain<i32>,
    floor: Plain<i32>,
    /// Where the first block starts. Not always where the pool does: a colour,
    /// so that the blocks of different pools do not all share a cache set.
    start: Plain<usize>,
    /// Bytes of all blocks together; 0 when not in use.
    area: Plain<usize>,
    /// Neighbours in a bin of the heap, or of free extents.
    bin: Link,
    /// Blocks never used yet: indices from here up to the end.
    untouched: AtomicU16,
    untouched_end: AtomicU16,
    /// Pages given back, one bit each.
    purged: AtomicU16,
    class: AtomicSizeClass,
    state: AtomicU8,

    // Second cache line.
    /// Blocks freed by threads that do not own the heap, and how many.
    pub remote: remote::List,
    remote_count: AtomicU32,
    domain: AtomicU8,
    /// While the pool is vacant, the first or last of a free extent: what
    /// FreeExtent says of that.
    extent_dirty: Cell<bool>,
    /// The next pool with such blocks.
    pub pending_next: AtomicUsize,
    /// Neighbours among the sparse pools, or the dirty extents.
    age: Link,
    /// When it became sparse.
    pub sparse_since: Cell<u32>,
    /// Blocks allocated when it was last looked at; -1 when not listed.
    pub sparse_live: Cell<i32>,
    extent_pools: Cell<u32>,
    /// When the pool, span or large block was opened (see `opening_time`).
    opened: AtomicU32,
    extent_since: Cell<u64>,
}

/// The free extent that a pool is the first or last of.
#[derive(Clone, Copy)]
pub struct FreeExtent {
    /// How long it is; 0: there is none.
    pub pools: u32,
    pub dirty: bool,
    /// When it was freed (ms).
    pub since: u64,
}

impl FreeExtent {
    pub const NONE: FreeExtent = FreeExtent { pools: 0, dirty: false, since: 0 };
}

const _: () = assert!(size_of::<Pool>() == RECORD);
const _: () = assert!(core::mem::offset_of!(Pool, remote) == 64);

/// A pool's header. Records are never unmapped, so it is valid for ever; what
/// it describes may change.
pub type PoolRef = &'static Pool;

// SAFETY: the Cells are touched only by the heap's owner (see Owned), or under
// the locks of the layers below while the pool belongs to nobody (`extent_*` are
// always under the lock of the extents: neighbours look at it).
unsafe impl Sync for Pool {}

/// Bytes of pools, spans and large blocks that a domain holds, and the most it
/// ever held. Changed on slow paths only.
pub struct Held {
    now: AtomicUsize,
    peak: AtomicUsize,
}

impl Held {
    pub fn add(&self, bytes: usize) {
        let now = self.now.fetch_add(bytes, Relaxed) + bytes;
        self.peak.fetch_max(now, Relaxed);
    }

    pub fn subtract(&self, bytes: usize) {
        self.now.fetch_sub(bytes, Relaxed);
    }

    pub fn now(&self) -> usize {
        self.now.load(Relaxed)
    }

    pub fn peak(&self) -> usize {
        self.peak.load(Relaxed)
    }
}

/// What a domain (layout::MEM, layout::OBJ) holds.
pub fn held(domain: usize) -> &'static Held {
    static HELD: [Held; DOMAINS] =
        [const { Held { now: AtomicUsize::new(0), peak: AtomicUsize::new(0) } }; DOMAINS];
    &HELD[domain]
}

/// Bytes of a pool after which it touches as many at a time.
const AHEAD: usize = 4 * MIN_PAGE;

static PURGED_PAGES: AtomicUsize = AtomicUsize::new(0);

static REFILLED_PAGES: AtomicUsize = AtomicUsize::new(0);

/// Bytes of such pages that were then used again, ever.
pub fn refilled_bytes() -> usize {
    REFILLED_PAGES.load(Relaxed) * os::page_size()
}

/// Bytes given back inside pools that are in use.
pub fn purged_bytes() -> usize {
    PURGED_PAGES.load(Relaxed) * os::page_size()
}

/// Gives back some pages, as bits, of the pool at `base`; returns the bytes that
/// had been in memory.
fn give_back_pages(base: usize, pages: u16) -> usize {
    let page = os::page_size();
    let mut bytes = 0;
    for run in bits::runs(pages.into()) {
        let address = base + run.first * page;
        arena::part(address);
        // Should the kernel refuse, the contents stay: harmless, as nobody takes
        // them for zeroed.
        bytes += os::give_back_counted(address, run.length * page).unwrap_or(0);
    }
    count_given_back(bytes);
    bytes
}

/// Milliseconds in a unit of Pool::opened: 32 bits last for two years, and the
/// system's coarse clock is hardly finer.
const OPENED_UNIT: u64 = 16;

/// The present, as Pool::opened notes it. Not working time: this is for people.
fn opening_time() -> u32 {
    (os::now_ms() / OPENED_UNIT) as u32
}

/// What a free did.
pub enum Pushed {
    Done,
    /// The count reached the floor.
    AtFloor,
    /// The block is the head of the free list already.
    DoubleFree,
}

/// The header of the pool that `address` lies in, when the address is in the
/// window at all. The pool may be vacant.
pub fn of(address: usize) -> Option<PoolRef> {
    // SAFETY: every record of the window is mapped for ever, and zero (as
    // fresh ones are) is a valid vacant Pool.
    region::record_of(address).map(|record| unsafe { record.cast::<Pool>().as_ref() })
}

/// As `of`, for what should be a block: None also when `address` is not aligned
/// as every block is.
#[inline(always)]
pub fn of_block(address: usize) -> Option<PoolRef> {
    // SAFETY: as above.
    region::record_of_block(address).map(|record| unsafe { record.cast::<Pool>().as_ref() })
}

/// The pools that start in a slot, whatever became of them.
pub fn in_slot(slot: Slot) -> impl Iterator<Item = PoolRef> {
    (0..POOLS_PER_ARENA).filter_map(move |index| of(slot.address() + index * POOL_SIZE))
}

impl Pool {
    /// A pool without blocks: what the bins of a heap point to while they have
    /// no pool. Its area is empty, so nothing is ever popped from it.
    pub const fn exhausted() -> Pool {
        Pool {
            owner: Plain::new(0),
            free: Cell::new(0),
            count: Plain::new(0),
            floor: Plain::new(0),
            start: Plain::new(0),
            area: Plain::new(0),
            bin: Link::new(),
            untouched: AtomicU16::new(0),
            untouched_end: AtomicU16::new(0),
            purged: AtomicU16::new(0),
            class: AtomicSizeClass::new(SizeClass::SMALLEST),
            state: AtomicU8::new(State::Vacant as u8),
            remote: remote::List::new(),
            remote_count: AtomicU32::new(0),
            domain: AtomicU8::new(0),
            pending_next: AtomicUsize::new(0),
            age: Link::new(),
            sparse_since: Cell::new(0),
            sparse_live: Cell::new(-1),
            extent_dirty: Cell::new(false),
            extent_pools: Cell::new(0),
            opened: AtomicU32::new(0),
            extent_since: Cell::new(0),
        }
    }

    /// The heap that owns this pool; 0 when nobody does (vacant, span, large).
    #[inline(always)]
    pub fn owner(&self) -> HeapId {
        // SAFETY: while a block is live its pool keeps its owner; for anything
        // else that is freed every answer is as good.
        unsafe { self.owner.read() }
    }

    /// Where the pool starts.
    pub fn base(&self) -> usize {
        self.start.load() & !(POOL_SIZE - 1)
    }

    pub fn state(&self) -> State {
        match self.state.load(Relaxed) {
            0 => State::Vacant,
            1 => State::Used,
            2 => State::Full,
            3 => State::Span,
            _ => State::Large,
        }
    }

    pub fn domain(&self) -> usize {
        self.domain.load(Relaxed) as usize
    }

    pub fn class(&self) -> SizeClass {
        self.class.load()
    }

    /// How many blocks it has.
    pub fn capacity(&self) -> usize {
        match self.state() {
            State::Vacant => 0,
            State::Used | State::Full => self.class().capacity(),
            State::Span | State::Large => 1,
        }
    }

    /// Bytes usable in a block.
    pub fn block_size(&self) -> usize {
        match self.state() {
            State::Vacant => 0,
            State::Used | State::Full => self.class().block_size(),
            State::Span | State::Large => self.area.load(),
        }
    }

    /// Blocks allocated; those that others freed count until they are
    /// collected.
    pub fn live(&self) -> i32 {
        match self.state() {
            State::Vacant => 0,
            State::Used | State::Full => self.count.load() + self.floor.load(),
            State::Span | State::Large => 1,
        }
    }

    /// Blocks that others freed and that are not collected yet.
    pub fn remote_count(&self) -> usize {
        self.remote_count.load(Relaxed) as usize
    }

    /// Untouched blocks: never used, or on pages given back.
    pub fn untouched(&self) -> usize {
        let fresh =
            self.untouched_end.load(Relaxed).saturating_sub(self.untouched.load(Relaxed)) as usize;
        fresh + self.purged_blocks().map(|(_, blocks)| blocks.len()).sum::<usize>()
    }

    /// Bytes of pages given back.
    pub fn purged_bytes(&self) -> usize {
        self.purged.load(Relaxed).count_ones() as usize * os::page_size()
    }

    /// Milliseconds since the pool, span or large block was opened, asleep or
    /// not; to about 20 ms.
    pub fn age_ms(&self) -> usize {
        let units = opening_time().wrapping_sub(self.opened.load(Relaxed));
        units as usize * OPENED_UNIT as usize
    }

    /// Whether `address` is where a block of this pool, span or mapping starts.
    pub fn is_block(&self, address: usize) -> bool {
        let offset = address.wrapping_sub(self.start.load());
        match self.state() {
            State::Vacant => false,
            State::Span | State::Large => offset == 0,
            State::Used | State::Full => self.has_block(address),
        }
    }

    /// As `is_block`, when it is a pool of many blocks.
    #[inline]
    pub fn has_block(&self, address: usize) -> bool {
        let offset = address.wrapping_sub(self.start.load());
        offset < self.area.load() && self.class().block_at(offset).is_some()
    }

    /// Whether its blocks, one of them resized, serve `size` bytes: as long as
    /// they should be, or used to 3/4 at least.
    #[inline]
    pub fn class_fits(&self, size: usize) -> bool {
        let (class, block) = (self.class(), self.class().block_size());
        size <= block && (size > block - block / 4 || SizeClass::of(size) == Some(class))
    }

    /// Ends the process when `address` is no block of this pool.
    pub fn demand_block(&self, address: usize) {
        if !self.is_block(address) {
            corrupted(Corruption::NotABlock);
        }
    }

    /// Makes a vacant record the header of a pool of `class` at `base`.
    pub fn open(&self, owner: HeapId, base: usize, domain: usize, class: SizeClass) {
        let area = class.capacity() * class.block_size();
        let colour = (base / POOL_SIZE * 64) % (POOL_SIZE - area + 1) / ALIGNMENT * ALIGNMENT;
        self.free.set(0);
        self.untouched.store(0, Relaxed);
        self.untouched_end.store(class.capacity() as u16, Relaxed);
        self.class.store(class);
        self.sparse_live.set(-1);
        self.remote_count.store(0, Relaxed);
        self.floor.store(0);
        self.count.store(0);
        self.open_single(State::Used, base + colour, domain, area);
        self.owner.store(owner);
    }

    /// Makes a vacant record the header of one block of `size` bytes, which no
    /// heap owns: whoever frees it does so under the layer's lock below.
    pub fn open_single(&self, state: State, address: usize, domain: usize, size: usize) {
        self.start.store(address);
        self.area.store(size);
        self.domain.store(domain as u8, Relaxed);
        self.opened.store(opening_time(), Relaxed);
        self.state.store(state as u8, Relaxed);
    }

    fn set_purged(&self, pages: u16) {
        let before = self.purged.swap(pages, Relaxed);
        if before != pages {
            let grown = (pages.count_ones() as usize).wrapping_sub(before.count_ones() as usize);
            PURGED_PAGES.fetch_add(grown, Relaxed);
        }
    }

    /// Changes the usable bytes of a span or large block.
    pub fn set_size(&self, size: usize) {
        self.area.store(size);
    }

    /// Notes that a free extent starts at this vacant pool, which is at
    /// `address`, or ends with it.
    pub fn set_extent(&self, address: usize, extent: FreeExtent) {
        self.start.store(address);
        self.extent_pools.set(extent.pools);
        self.extent_dirty.set(extent.dirty);
        self.extent_since.set(extent.since);
    }

    pub fn extent(&self) -> FreeExtent {
        FreeExtent {
            pools: self.extent_pools.get(),
            dirty: self.extent_dirty.get(),
            since: self.extent_since.get(),
        }
    }

    /// Makes the record vacant. False when it was: then somebody else closed
    /// the same block at the same time.
    pub fn close(&self, was: State) -> bool {
        self.owner.store(0);
        self.area.store(0);
        self.set_purged(0);
        self.state.compare_exchange(was as u8, State::Vacant as u8, Relaxed, Relaxed).is_ok()
    }

    /// Notes that another thread freed a block; true when the owner must be
    /// told that there are such blocks.
    ///
    /// # Safety
    /// `block` lies in this pool and is not used any more.
    pub unsafe fn push_remote(&self, block: usize) -> bool {
        self.remote_count.fetch_add(1, Relaxed);
        // SAFETY: the block was given up; its first word is ours for the link.
        self.remote.push(block, |next| unsafe { *(block as *mut usize) = next })
    }

    /// Offset of the first block.
    fn first(&self) -> usize {
        self.start.load() % POOL_SIZE
    }

    /// The runs of pages given back, and the blocks that overlap each.
    fn purged_blocks(&self) -> impl Iterator<Item = (Run, Range<usize>)> {
        let page = os::page_size();
        let (size, first, end) = (self.class().block_size(), self.first(), self.capacity());
        bits::runs(self.purged.load(Relaxed).into()).map(move |run| {
            let low = (run.first * page).saturating_sub(first) / size;
            let high = (run.end() * page).saturating_sub(first).div_ceil(size).min(end);
            (run, low..high.max(low))
        })
    }
}

/// A pool of a heap that the calling thread is alone in: the proof that the
/// owner-only methods take.
#[derive(Clone, Copy)]
pub struct Owned(PoolRef);

impl Deref for Owned {
    type Target = Pool;
    #[inline(always)]
    fn deref(&self) -> &Pool {
        self.0
    }
}

impl Owned {
    /// # Safety
    /// The calling thread is the only one inside the heap that owns `pool`.
    #[inline(always)]
    pub unsafe fn new(pool: PoolRef) -> Owned {
        Owned(pool)
    }

    pub fn pool(self) -> PoolRef {
        self.0
    }

    /// Takes the first free block; None when there is none, or when what the
    /// list leads to lies outside the blocks of this pool.
    #[inline(always)]
    pub fn pop(self) -> Option<usize> {
        let block = self.free.get();
        // SAFETY: Owned: nobody else writes to the first line.
        let (start, area) = unsafe { (self.start.read(), self.area.read()) };
        if block.wrapping_sub(start) >= area {
            return None;
        }
        // SAFETY: the block lies in this pool, whose memory is mapped, and is
        // free: its first word is the link. Owned, as above.
        unsafe {
            self.free.set(*(block as *const usize));
            self.count.write(self.count.read() + 1);
        }
        Some(block)
    }

    /// Puts an allocated block in front of the free list.
    ///
    /// # Safety
    /// `block` lies in this pool and is not used any more.
    #[inline(always)]
    pub unsafe fn push(self, block: usize) -> Pushed {
        let head = self.free.get();
        if head == block {
            return Pushed::DoubleFree;
        }
        // SAFETY: the caller gives the block's memory up.
        unsafe { *(block as *mut usize) = head };
        self.free.set(block);
        // SAFETY: Owned: nobody else writes to the first line.
        let count = unsafe {
            self.count.write(self.count.read() - 1);
            self.count.read()
        };
        if count == 0 { Pushed::AtFloor } else { Pushed::Done }
    }

    /// Whether the free list is at its end; ends the process when it leads to
    /// something that is no block of this pool.
    pub fn is_exhausted(self) -> bool {
        let block = self.free.get();
        if block != 0 && !self.is_block(block) {
            // Freed as if it were one, or a link that somebody wrote over.
            let inside = block & !(POOL_SIZE - 1) == self.base();
            corrupted(if inside { Corruption::NotABlock } else { Corruption::FreeList });
        }
        block == 0
    }

    /// Makes free blocks of untouched ones, a page or a few at a time; false when
    /// none is left.
    pub fn touch_more(self) -> bool {
        if self.untouched.load(Relaxed) >= self.untouched_end.load(Relaxed) {
            let Some((run, blocks)) = self.purged_blocks().next() else {
                return false;
            };
            self.set_purged(self.purged.load(Relaxed) & !run.bits() as u16);
            if !blocks.is_empty() {
                REFILLED_PAGES.fetch_add(run.length, Relaxed);
            }
            self.untouched.store(blocks.start as u16, Relaxed);
            self.untouched_end.store(blocks.end as u16, Relaxed);
            return self.touch_more();
        }
        let size = self.class().block_size();
        let start = self.untouched.load(Relaxed) as usize;
        // Those that start in the same page: it is touched anyway, the next not.
        let rest_of_page = MIN_PAGE - self.block(start) % MIN_PAGE;
        // A pool that grows gets a few pages at a time.
        let ahead = if start * size < AHEAD { 0 } else { AHEAD - MIN_PAGE };
        let more = (rest_of_page + ahead)
            .div_ceil(size)
            .min(self.untouched_end.load(Relaxed) as usize - start);
        self.untouched.store((start + more) as u16, Relaxed);
        // Ascending links, ending where the list began.
        let mut block = self.block(start + more - 1);
        let mut link = self.free.get();
        for _ in 0..more {
            // SAFETY: an untouched block of this pool.
            unsafe { *(block as *mut usize) = link };
            link = block;
            block -= size;
        }
        self.free.set(link);
        true
    }

    fn block(self, index: usize) -> usize {
        self.start.load() + index * self.class().block_size()
    }

    pub fn floor(self) -> i32 {
        self.floor.load()
    }

    /// Moves the floor; the number of allocated blocks stays.
    pub fn set_floor(self, floor: i32) {
        let live = self.live();
        self.floor.store(floor);
        self.count.store(live - floor);
    }

    pub fn set_full(self) {
        self.state.store(State::Full as u8, Relaxed);
        self.set_floor(self.capacity() as i32 - 1);
    }

    pub fn set_used(self, floor: i32) {
        self.state.store(State::Used as u8, Relaxed);
        self.set_floor(floor);
    }

    /// Adds blocks that other threads freed to the free list; how many.
    pub fn collect_remote(self) -> usize {
        let first = self.remote.take();
        let (mut taken, mut last, mut block) = (0, 0, first);
        while block != 0 {
            // Twice the same block makes the list endless.
            if !self.is_block(block) || taken == self.capacity() {
                corrupted(Corruption::RemoteList);
            }
            (taken, last) = (taken + 1, block);
            // SAFETY: a freed block of this pool; its first word is the link.
            block = unsafe { *(block as *const usize) };
        }
        if taken == 0 {
            return 0;
        }
        // SAFETY: the list was taken, so its last block is this thread's alone.
        unsafe { *(last as *mut usize) = self.free.get() };
        self.free.set(first);
        self.remote_count.fetch_sub(taken as u32, Relaxed);
        self.count.store(self.count.load() - taken as i32);
        if self.live() < 0 {
            corrupted(Corruption::RemoteList);
        }
        taken
    }

    /// Gives back every page on which no block is allocated; returns the
    /// bytes. Walks the free list, and so checks it.
    pub fn purge_pages(self) -> usize {
        let page = os::page_size();
        let pages = POOL_SIZE / page;
        if pages < 2 {
            return 0;
        }
        let free = self.free_blocks();
        let (size, first) = (self.class().block_size(), self.first());
        let pages_of = |index: usize| {
            let start = first + index * size;
            let (low, high) = (start / page, (start + size - 1) / page);
            bits::run(low, high - low + 1) as u16
        };
        // A page keeps its memory when an allocated block overlaps it.
        let allocated = (0..self.capacity()).filter(|i| !free.has(*i));
        let busy = allocated.map(pages_of).fold(0, |busy, pages| busy | pages);
        let idle = bits::run(0, pages) as u16 & !busy;
        let fresh = idle & !self.purged.load(Relaxed);
        if fresh == 0 {
            return 0;
        }
        let bytes = give_back_pages(self.base(), fresh);
        self.set_purged(idle);
        // What is left of the free list, in order of address; the untouched
        // rest joins it, or the idle pages.
        self.untouched.store(0, Relaxed);
        self.untouched_end.store(0, Relaxed);
        let mut link = 0;
        for index in (0..self.capacity()).rev().filter(|i| free.has(*i)) {
            if pages_of(index) & idle == 0 {
                let block = self.block(index);
                // SAFETY: a free block of this pool.
                unsafe { *(block as *mut usize) = link };
                link = block;
            }
        }
        self.free.set(link);
        bytes
    }

    /// Every block that is not allocated: free, untouched or given back. Ends
    /// the process when the free list is not what was counted.
    fn free_blocks(self) -> BlockSet {
        let mut set = BlockSet([0; POOL_SIZE / ALIGNMENT / 64]);
        let size = self.class().block_size();
        let start = self.start.load();
        // The list goes through the pool in any order; each step would wait for memory.
        (self.first()..POOL_SIZE)
            .step_by(size.max(os::CACHE_LINE))
            .for_each(|offset| os::prefetch(self.base() + offset));
        let mut count = 0;
        let mut block = self.free.get();
        while block != 0 {
            if !self.is_block(block) || !set.add((block - start) / size) {
                corrupted(Corruption::FreeList);
            }
            count += 1;
            // SAFETY: a free block of this pool; its first word is the link.
            block = unsafe { *(block as *const usize) };
        }
        let mut add_range = |blocks: Range<usize>| {
            for index in blocks {
                count += i32::from(set.add(index));
            }
        };
        let untouched = self.untouched.load(Relaxed)..self.untouched_end.load(Relaxed);
        add_range(untouched.start.into()..untouched.end.into());
        self.purged_blocks().for_each(|(_, blocks)| add_range(blocks));
        if count + self.live() != self.capacity() as i32 {
            corrupted(Corruption::FreeList);
        }
        set
    }

    /// Checks that live, free and untouched blocks are all there are, and that
    /// the list is whole; panics or ends the process on what is wrong.
    pub fn verify(self) {
        let free = self.free_blocks();
        let listed: u32 = free.0.iter().map(|word| word.count_ones()).sum();
        assert_eq!(listed as i32 + self.live(), self.capacity() as i32);
        assert!(self.live() >= 0);
        match self.state() {
            State::Full => assert_eq!(self.floor(), self.capacity() as i32 - 1),
            State::Used => assert!(self.floor() >= -1),
            state => panic!("{state:?} pool in a heap"),
        }
    }
}

/// A bit for each block that a pool can have.
struct BlockSet([u64; POOL_SIZE / ALIGNMENT / 64]);

impl BlockSet {
    fn has(&self, index: usize) -> bool {
        self.0[index / 64] >> (index % 64) & 1 == 1
    }

    /// False when it was in already.
    fn add(&mut self, index: usize) -> bool {
        let bit = 1 << (index % 64);
        let new = self.0[index / 64] & bit == 0;
        self.0[index / 64] |= bit;
        new
    }
}
