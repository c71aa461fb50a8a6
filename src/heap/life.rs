//! How a heap gets its owner, changes it and loses it.
//!
//! - A thread's words start at the EMPTY heap. The first slow path finds that
//!   and comes here.
//! - *Hand-over.* In the hooked role, while one GIL serialises all calls of
//!   the MEM and OBJ functions (`python::gil_serialises`), there is one heap,
//!   the interpreter's, and whoever calls takes it over: it swaps EMPTY into
//!   the old owner's word and points its own word at the heap. The old owner
//!   is not inside an allocator call, because this thread is. So objects that
//!   wander between threads never leave the heap, and the hot path needs no
//!   test for it.
//! - *Otherwise* a thread that allocates takes a heap that nobody owns, or
//!   makes one; a thread that only frees needs none.
//! - *Thread exit*: its heaps lose their owner, its words point to EXITING,
//!   and what the thread still allocates comes from a fallback heap behind a
//!   lock. Pools are adopted with their heap.
//! - *Fork*: all locks are held, in their order. In the child the other owners
//!   are gone. Heaps that were at rest can be adopted; one whose owner may
//!   have been in mid-step is dead: nobody touches it again.
//!
//! Order of the locks: START, FALLBACK, HEAPS, purge, arenas, extents, region.

use super::{Direct, EMPTY, EXITING, Heap, Hooked, Word, early, purge};
use crate::os::lock::{self, ForkLock};
use crate::pool::Owned;
use crate::{arena, extent, options, os, python, region};
use core::ffi::c_void;
use core::ptr;
use core::sync::atomic::{
    AtomicBool, AtomicPtr, AtomicUsize, Ordering::Acquire, Ordering::Relaxed, Ordering::Release,
    Ordering::SeqCst,
};
use once_cell::race::OnceRef;

/// Who serves the calling thread.
pub enum Owner {
    This(&'static Heap),
    /// The thread is past its exit handlers: see `with_fallback`.
    Exiting,
}

struct Heaps {
    /// Every heap, by `next`.
    all: Option<&'static Heap>,
    /// The one that is handed over with the GIL.
    interpreter: Option<&'static Heap>,
    /// The hand-over was proved unsafe once: never again.
    interpreter_lost: bool,
}

static HEAPS: ForkLock<Heaps> =
    ForkLock::new(Heaps { all: None, interpreter: None, interpreter_lost: false });

/// Serves threads past their exit handlers.
static FALLBACK: ForkLock<Option<&'static Heap>> = ForkLock::new(None);

pub static HANDOVERS: AtomicUsize = AtomicUsize::new(0);

/// Readies the heap on first use: the options and the addresses. False when
/// that is impossible now; then nothing can be allocated.
pub fn start() -> bool {
    static READY: AtomicBool = AtomicBool::new(false);
    if READY.load(Acquire) {
        return true;
    }
    // Before the lock: whoever has the loader's may come for ours.
    python::get_ready();
    let _one_at_a_time = START.lock();
    if !READY.load(Relaxed) && FORK_HANDLERS.load(Relaxed) {
        options::read(python::is_here());
        READY.store(region::start(), Release);
    }
    READY.load(Relaxed)
}

/// The heap that serves the calling thread's allocations; finds or makes it.
/// `Exiting` also when there is no memory for one.
pub fn owner<W: Word>() -> Owner {
    let word = W::word();
    if is(word, &EMPTY) {
        acquire::<W>(word, true);
        if let (true, Some(tell)) = (W::HANDED_OVER, ON_FIRST_USE.get()) {
            tell();
        }
    }
    let heap = W::word().load(Relaxed);
    if ptr::eq(heap, &EMPTY) || ptr::eq(heap, &EXITING) {
        return Owner::Exiting;
    }
    // SAFETY: a word points to a heap, and heaps live for ever.
    Owner::This(unsafe { &*heap })
}

/// Has `tell` called, outside of every lock, when a thread of CPython gets a
/// heap to allocate from.
pub fn on_first_use(tell: fn()) {
    let _ = ON_FIRST_USE.set(Box::leak(Box::new(tell)));
}

static ON_FIRST_USE: OnceRef<'static, fn()> = OnceRef::new();

/// The heap that this thread owns, taking the interpreter's over if it may;
/// EMPTY or EXITING when it has none, which own no pool.
pub fn owner_to_free<W: Word>() -> &'static Heap {
    let word = W::word();
    if W::HANDED_OVER && is(word, &EMPTY) && python::gil_serialises() {
        acquire::<W>(word, false);
    }
    // SAFETY: as above.
    unsafe { &*W::word().load(Relaxed) }
}

/// Runs `with` in the heap of last resort, alone.
pub fn with_fallback<R>(with: impl FnOnce(&Heap) -> Option<R>) -> Option<R> {
    let mut fallback = FALLBACK.lock();
    if fallback.is_none() {
        *fallback = make_heap(&mut HEAPS.lock(), FALLBACK_ROLE);
    }
    fallback.and_then(with)
}

/// The role of the fallback heap: no word's.
const FALLBACK_ROLE: usize = usize::MAX;

fn is(word: &AtomicPtr<Heap>, heap: &'static Heap) -> bool {
    ptr::eq(word.load(Relaxed), heap)
}

fn point(word: &AtomicPtr<Heap>, heap: &'static Heap) {
    word.store(ptr::from_ref(heap).cast_mut(), Relaxed);
}

#[cold]
fn acquire<W: Word>(word: &'static AtomicPtr<Heap>, allocates: bool) {
    if !start() || !will_hear_of_exit() {
        // No memory, or nobody would take the heap from this thread later.
        return;
    }
    let mut heaps = HEAPS.lock();
    let handed_over = W::HANDED_OVER && !heaps.interpreter_lost && python::gil_serialises();
    if handed_over && let Some(heap) = heaps.interpreter {
        if take_over(heap) {
            give(heap, word);
            return;
        }
        // Its owner may be inside it right now: nobody else ever goes there.
        take_away(heap);
        heap.dead.store(true, Relaxed);
        heaps.interpreter = None;
        heaps.interpreter_lost = true;
    }
    if !allocates && !handed_over {
        return;
    }
    let Some(heap) = adopt(&heaps, W::INDEX).or_else(|| make_heap(&mut heaps, W::INDEX)) else {
        return;
    };
    if W::HANDED_OVER && heaps.interpreter.is_none() && !heaps.interpreter_lost {
        heaps.interpreter = Some(heap);
    }
    give(heap, word);
}

/// Makes the thread with this word the heap's owner.
fn give(heap: &'static Heap, word: &'static AtomicPtr<Heap>) {
    if heap.word.swap(ptr::from_ref(word).cast_mut(), Relaxed).is_null() {
        OWNED.fetch_add(1, Relaxed);
    }
    point(word, heap);
}

/// Leaves the heap without an owner.
fn take_away(heap: &Heap) {
    if !heap.word.swap(ptr::null_mut(), Relaxed).is_null() {
        OWNED.fetch_sub(1, Relaxed);
    }
}

/// Takes the interpreter's heap from its owner; false when, looking again,
/// another interpreter has come.
fn take_over(heap: &'static Heap) -> bool {
    let old = heap.word.load(Relaxed);
    if !old.is_null() {
        // SAFETY: the owner's thread lives: its exit clears heap.word under
        // the lock that this thread holds. SeqCst: the look at the
        // interpreters that follows is not done before.
        unsafe { &*old }.swap(ptr::from_ref(&EMPTY).cast_mut(), SeqCst);
        if !python::gil_serialises() {
            return false;
        }
        HANDOVERS.fetch_add(1, Relaxed);
    }
    true
}

/// A heap that nobody owns, of the same role.
fn adopt(heaps: &Heaps, role: usize) -> Option<&'static Heap> {
    all(heaps.all)
        .find(|heap| !heap.is_owned() && heap.role.get() == role && !heap.dead.load(Relaxed))
}

fn all(first: Option<&'static Heap>) -> impl Iterator<Item = &'static Heap> {
    core::iter::successors(first, |heap| heap.next.get())
}

/// Memory for heaps that are not made yet: the address of the next, and how
/// many bytes are left. Guarded by the lock of HEAPS.
static CHUNK: AtomicUsize = AtomicUsize::new(0);
static CHUNK_LEFT: AtomicUsize = AtomicUsize::new(0);
/// How many heaps there are, and how many have an owner.
static MADE: AtomicUsize = AtomicUsize::new(0);
static OWNED: AtomicUsize = AtomicUsize::new(0);
/// Bytes mapped for heaps.
pub static HEAP_BYTES: AtomicUsize = AtomicUsize::new(0);

fn make_heap(heaps: &mut Heaps, role: usize) -> Option<&'static Heap> {
    const CHUNK_BYTES: usize = 64 << 10;
    if CHUNK_LEFT.load(Relaxed) < size_of::<Heap>() {
        CHUNK.store(os::map(0, CHUNK_BYTES)?, Relaxed);
        CHUNK_LEFT.store(CHUNK_BYTES, Relaxed);
        HEAP_BYTES.fetch_add(CHUNK_BYTES, Relaxed);
    }
    let address = CHUNK.fetch_add(size_of::<Heap>(), Relaxed);
    CHUNK_LEFT.fetch_sub(size_of::<Heap>(), Relaxed);
    let place = address as *mut Heap;
    // SAFETY: fresh memory of a heap's size, aligned because the chunk is and
    // a heap's size is a multiple of its alignment; never unmapped.
    let heap: &'static Heap = unsafe {
        place.write(Heap::new());
        &*place
    };
    heap.role.set(role);
    heap.next.set(heaps.all);
    heaps.all = Some(heap);
    MADE.fetch_add(1, Relaxed);
    Some(heap)
}

// ----------------------------------------------------------------- thread exit

/// Registers this thread for `thread_exits`; false when that is impossible.
fn will_hear_of_exit() -> bool {
    // 0: not made, 1: impossible, else the key + 2.
    static KEY: AtomicUsize = AtomicUsize::new(0);
    let mut key = KEY.load(Acquire);
    if key == 0 {
        let _one_at_a_time = HEAPS.lock();
        key = KEY.load(Acquire);
        if key == 0 {
            key = os::thread_exit_key(thread_exits).map_or(1, |key| key as usize + 2);
            KEY.store(key, Release);
        }
    }
    if key < 2 {
        return false;
    }
    os::on_thread_exit((key - 2) as u32, ptr::from_ref(&EXITING).cast())
}

unsafe extern "C" fn thread_exits(_: *mut c_void) {
    let _heaps = HEAPS.lock();
    for word in [Hooked::word(), Direct::word()] {
        let heap = word.load(Relaxed);
        if !ptr::eq(heap, &EMPTY) && !ptr::eq(heap, &EXITING) {
            // SAFETY: the word points to a heap that this thread owns.
            take_away(unsafe { &*heap });
        }
        point(word, &EXITING);
    }
}

// ------------------------------------------------------------------------ fork

/// Registered when the library is loaded. On first use is too late: another
/// thread may be forking at that moment, and its child would find locks taken
/// that nobody lets go. The priority puts it before the constructor of shim.c,
/// which may install.
static FORK_HANDLERS: AtomicBool = AtomicBool::new(false);

#[used]
#[unsafe(link_section = ".init_array.00101")]
static AT_LOAD: extern "C" fn() = at_load;

extern "C" fn at_load() {
    let done = os::at_fork(before_fork, after_fork_in_parent, after_fork_in_child);
    FORK_HANDLERS.store(done, Relaxed);
}

static START: ForkLock<()> = ForkLock::new(());

unsafe extern "C" fn before_fork() {
    // The child of one with two interpreters must not take over what was the other's.
    python::notice_interpreters();
    START.hold();
    FALLBACK.hold();
    HEAPS.hold();
    early::before_fork();
    arena::before_fork();
    extent::before_fork();
    region::before_fork();
    // SAFETY: these are all there are.
    unsafe { lock::pass_all() };
}

unsafe extern "C" fn after_fork_in_parent() {
    lock::pass_none();
    // SAFETY: before_fork took them, on this thread.
    unsafe {
        region::after_fork();
        extent::after_fork();
        arena::after_fork();
        early::after_fork();
        HEAPS.let_go();
        FALLBACK.let_go();
        START.let_go();
    }
}

unsafe extern "C" fn after_fork_in_child() {
    // SAFETY: the parent's before_fork took them; this is the only thread.
    unsafe { after_fork_in_parent() };
    let heaps = HEAPS.lock();
    let mine = [Hooked::word().load(Relaxed), Direct::word().load(Relaxed)];
    for heap in all(heaps.all) {
        if !heap.is_owned() || mine.iter().any(|own| ptr::eq(*own, heap)) {
            continue;
        }
        let is_interpreters = heaps.interpreter.is_some_and(|i| ptr::eq(i, heap));
        take_away(heap);
        if !(is_interpreters && python::hands_heaps_over()) {
            heap.dead.store(true, Relaxed);
        }
    }
}

// ------------------------------------------------------------- trim and numbers

/// Gives back what it can: of the heaps that the caller owns or may use, of
/// those that nobody owns, and of the layers below. Returns the bytes.
pub fn trim() -> usize {
    let mut bytes = 0;
    // Whoever has not the GIL may lose the interpreter's heap at any moment,
    // before the interpreter is initialised and while it ends as well.
    if python::is_attached() || !python::hands_heaps_over() {
        let heap = owner_to_free::<Hooked>();
        if let Some(heap) = heap.if_real() {
            bytes += purge::everything(heap);
        }
    }
    if let Some(heap) = Direct::heap().if_real() {
        bytes += purge::everything(heap);
    }
    {
        let heaps = HEAPS.lock();
        for heap in all(heaps.all) {
            let adoptable = heap.role.get() != FALLBACK_ROLE && !heap.dead.load(Relaxed);
            if adoptable && !heap.is_owned() {
                bytes += purge::everything(heap);
            }
        }
    }
    if let Some(heap) = *FALLBACK.lock() {
        bytes += purge::everything(heap);
    }
    bytes + purge::below_heaps()
}

/// How many heaps there are, and how many nobody owns.
pub fn count() -> (usize, usize) {
    let made = MADE.load(Relaxed);
    (made, made.saturating_sub(OWNED.load(Relaxed)))
}

/// Checks every heap: panics, or ends the process, on what is wrong. For tests,
/// while no thread is inside one.
pub fn verify() {
    for heap in all(HEAPS.lock().all) {
        heap.each_linked(|pool: Owned| {
            assert!(pool.owner() == heap.id());
            assert!(pool.state() == crate::pool::State::Used);
            pool.verify();
        });
        heap.verify_sparse();
        heap.verify_watch();
    }
    arena::verify();
    extent::verify();
}
