//! Counts what is taken and freed, for who measures a part of a program.
//!
//! While somebody counts, functions that count stand in front of those that are
//! installed in MEM and OBJ, whoever they belong to. When nobody does they are
//! gone, so that the hot path knows nothing of it. The counters only ever grow:
//! who measures reads them twice, and measurements may nest and overlap.

use crate::domain::{self, Mem, Obj};
use crate::heap::fast::Domain;
use crate::hooks::{addresses, installed};
use crate::interface::*;
use crate::layout::DOMAINS;
use crate::os::KeepErrno;
use crate::pool::{self, PoolRef, State};
use crate::{python, size_class};
use core::ffi::{c_int, c_void};
use core::ptr;
use core::sync::atomic::{
    AtomicBool, AtomicPtr, AtomicU32, AtomicUsize, Ordering::Acquire, Ordering::Relaxed,
    Ordering::Release,
};

// ------------------------------------------------------------------------ rows

/// A row for each size class, then one for spans, then one for large blocks.
pub const SPANS: usize = size_class::COUNT;
pub const LARGE: usize = SPANS + 1;
pub const ROWS: usize = LARGE + 1;

/// The row of a pool, span or large block in use.
pub fn row_of(pool: PoolRef) -> Option<usize> {
    match pool.state() {
        State::Vacant => None,
        State::Used | State::Full => Some(pool.class().index()),
        State::Span => Some(SPANS),
        State::Large => Some(LARGE),
    }
}

/// Blocks, and their bytes.
struct Counter {
    blocks: AtomicUsize,
    bytes: AtomicUsize,
}

impl Counter {
    const fn new() -> Counter {
        Counter { blocks: AtomicUsize::new(0), bytes: AtomicUsize::new(0) }
    }

    /// Interpreters with a GIL each count at the same time.
    fn add(&self, blocks: usize, bytes: usize) {
        self.blocks.fetch_add(blocks, Relaxed);
        self.bytes.fetch_add(bytes, Relaxed);
    }

    fn get(&self) -> (usize, usize) {
        (self.blocks.load(Relaxed), self.bytes.load(Relaxed))
    }
}

static TAKEN: [[Counter; ROWS]; DOMAINS] = [const { [const { Counter::new() }; ROWS] }; DOMAINS];
static FREED: [[Counter; ROWS]; DOMAINS] = [const { [const { Counter::new() }; ROWS] }; DOMAINS];

/// What was counted in a row: blocks and bytes taken, blocks and bytes freed.
pub fn counted(domain: usize, row: usize) -> [(usize, usize); 2] {
    [TAKEN[domain][row].get(), FREED[domain][row].get()]
}

// ------------------------------------------------------ the functions that count

/// Those that ours stand in front of, from the first time on.
static BEHIND: [AtomicPtr<OxAllocator>; DOMAINS] =
    [const { AtomicPtr::new(ptr::null_mut()) }; DOMAINS];

fn behind<D: Domain>() -> &'static OxAllocator {
    // SAFETY: set, and never freed, before CPython got the functions that ask.
    unsafe { &*BEHIND[D::INDEX].load(Acquire) }
}

/// A block of ours: its row and its bytes.
fn look_at(block: *mut c_void) -> Option<(usize, usize)> {
    let pool = pool::of_block(block as usize)?;
    Some((row_of(pool)?, pool.block_size()))
}

fn count_taken<D: Domain>(block: *mut c_void) {
    if let Some((row, bytes)) = look_at(block) {
        TAKEN[D::INDEX][row].add(1, bytes);
    }
}

unsafe extern "C" fn malloc<D: Domain>(_: *mut c_void, size: usize) -> *mut c_void {
    let behind = behind::<D>();
    // SAFETY: CPython's own call, passed on.
    let block = unsafe { behind.malloc.map_or(ptr::null_mut(), |f| f(behind.ctx, size)) };
    if block.is_null() && size.wrapping_sub(PROBE) < PROBE_ROOM {
        PROBED.store(true, Relaxed);
    }
    count_taken::<D>(block);
    block
}

unsafe extern "C" fn calloc<D: Domain>(_: *mut c_void, number: usize, size: usize) -> *mut c_void {
    let behind = behind::<D>();
    // SAFETY: as above.
    let block = unsafe { behind.calloc.map_or(ptr::null_mut(), |f| f(behind.ctx, number, size)) };
    count_taken::<D>(block);
    block
}

/// A block that stays in its row is not taken anew: what it grew by is taken,
/// what it shrank by is freed.
unsafe extern "C" fn realloc<D: Domain>(
    _: *mut c_void,
    block: *mut c_void,
    size: usize,
) -> *mut c_void {
    let behind = behind::<D>();
    let old = look_at(block);
    // SAFETY: as above.
    let new = unsafe { behind.realloc.map_or(ptr::null_mut(), |f| f(behind.ctx, block, size)) };
    if new.is_null() {
        return new;
    }
    let (taken, freed) = (&TAKEN[D::INDEX], &FREED[D::INDEX]);
    match (old, look_at(new)) {
        (Some((row, was)), Some((same, is))) if row == same => {
            taken[row].add(0, is.saturating_sub(was));
            freed[row].add(0, was.saturating_sub(is));
        }
        (old, new) => {
            if let Some((row, bytes)) = old {
                freed[row].add(1, bytes);
            }
            if let Some((row, bytes)) = new {
                taken[row].add(1, bytes);
            }
        }
    }
    new
}

unsafe extern "C" fn free<D: Domain>(_: *mut c_void, block: *mut c_void) {
    let behind = behind::<D>();
    if let Some((row, bytes)) = look_at(block) {
        FREED[D::INDEX][row].add(1, bytes);
    }
    if let Some(free) = behind.free {
        // SAFETY: as above.
        unsafe { free(behind.ctx, block) }
    }
}

/// Ours take the context of those behind them: who reads the table while it is
/// changed gets the right one with either functions.
fn table(domain: c_int, ctx: *mut c_void) -> OxAllocator {
    fn of<D: Domain>(ctx: *mut c_void) -> OxAllocator {
        OxAllocator {
            ctx,
            malloc: Some(malloc::<D>),
            calloc: Some(calloc::<D>),
            realloc: Some(realloc::<D>),
            free: Some(free::<D>),
        }
    }
    if domain == OX_DOMAIN_MEM { of::<Mem>(ctx) } else { of::<Obj>(ctx) }
}

// ----------------------------------------------------------------- start and stop

/// How many count now.
static USERS: AtomicUsize = AtomicUsize::new(0);
/// Bit `1 << domain`: counted since somebody started.
static COUNTED: AtomicU32 = AtomicU32::new(0);

/// Starts counting. The caller holds the GIL, if the interpreter runs.
pub fn start() -> c_int {
    if !python::is_here() {
        return OX_ERR_NO_PYTHON;
    }
    if python::is_initialized() && !python::is_attached() {
        return OX_ERR_NEEDS_GIL;
    }
    let domains = [OX_DOMAIN_MEM, OX_DOMAIN_OBJ].map(|d| u32::from(stand_in_front(d)) << d);
    if domains == [0, 0] {
        return OX_NOT_INSTALLED;
    }
    COUNTED.store(domains[0] | domains[1], Relaxed);
    USERS.fetch_add(1, Relaxed);
    OX_OK
}

/// Ends what `start` began; the last to do so takes the functions away. They
/// stay where somebody else stands in front of them by now.
pub fn stop() -> c_int {
    if python::is_initialized() && !python::is_attached() {
        return OX_ERR_NEEDS_GIL;
    }
    let Ok(users) = USERS.fetch_update(Relaxed, Relaxed, |users| users.checked_sub(1)) else {
        return OX_ERR_ARGUMENT;
    };
    let domains = COUNTED.load(Relaxed);
    let counted =
        [OX_DOMAIN_MEM, OX_DOMAIN_OBJ].iter().all(|d| domains >> d & 1 == 0 || is_in_place(*d));
    if users == 1 {
        for domain in [OX_DOMAIN_MEM, OX_DOMAIN_OBJ] {
            step_back(domain);
        }
    }
    if counted { OX_OK } else { OX_NOT_INSTALLED }
}

/// Whether the functions that count are what CPython calls in a domain.
pub fn is_installed(domain: c_int) -> bool {
    counts(&installed(domain), domain)
}

/// Whether an allocator is the functions that count in a domain.
fn counts(allocator: &OxAllocator, domain: c_int) -> bool {
    addresses(allocator) == addresses(&table(domain, ptr::null_mut()))
}

/// Whether our heap serves the domain, and is counted from now on.
fn stand_in_front(domain: c_int) -> bool {
    if is_in_place(domain) {
        return true;
    }
    let now = installed(domain);
    // An interpreter with its own GIL came first; our functions behind themselves would
    // be a circle.
    if counts(&now, domain) {
        return true;
    }
    if !serves(&now) {
        return false;
    }
    let slot = &BEHIND[(domain - OX_DOMAIN_MEM) as usize];
    // SAFETY: null, or a box that was leaked here.
    let known = unsafe { slot.load(Acquire).as_ref() };
    // In general once in a process: the box of an earlier time serves again.
    if known.is_none_or(|known| !is_same(known, &now)) {
        slot.store(Box::into_raw(Box::new(now)), Release);
    }
    let mut counting = table(domain, now.ctx);
    python::set_allocator(domain, (&raw mut counting).cast());
    true
}

fn step_back(domain: c_int) {
    if is_installed(domain) {
        let behind = BEHIND[(domain - OX_DOMAIN_MEM) as usize].load(Acquire);
        python::set_allocator(domain, behind.cast());
    }
}

fn is_same(a: &OxAllocator, b: &OxAllocator) -> bool {
    let rest =
        |x: &OxAllocator| [x.calloc.map_or(0, |f| f as usize), x.realloc.map_or(0, |f| f as usize)];
    a.ctx == b.ctx && addresses(a) == addresses(b) && rest(a) == rest(b)
}

/// Whether an allocator takes its blocks from our heap.
fn serves(allocator: &OxAllocator) -> bool {
    let (Some(malloc), Some(free)) = (allocator.malloc, allocator.free) else { return false };
    // SAFETY: CPython's own table, called as CPython does, with the GIL.
    unsafe {
        let block = malloc(allocator.ctx, 1);
        let ours = domain::owns(block);
        free(allocator.ctx, block);
        ours
    }
}

/// A request that nobody makes, and nobody can serve; CPython's debug hooks pass
/// it on, with some bytes more.
const PROBE: usize = isize::MAX as usize - 0x6f78;
const PROBE_ROOM: usize = 0x100;
static PROBED: AtomicBool = AtomicBool::new(false);

/// Whether calls in a domain come by our functions, also when somebody (like
/// tracemalloc) stands in front of them: to stand there twice would be a circle.
fn is_in_place(domain: c_int) -> bool {
    let now = installed(domain);
    let Some(malloc) = now.malloc else { return false };
    let _errno = KeepErrno::new();
    PROBED.store(false, Relaxed);
    // SAFETY: CPython's own table, called as CPython does, with the GIL.
    unsafe { malloc(now.ctx, PROBE) };
    PROBED.load(Relaxed)
}
