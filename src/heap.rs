//! Heaps: for each domain and size class a *bin*, the list of pools that have
//! a block to give.
//!
//! A heap has one owner at a time: the thread whose word points to it. Only
//! the owner touches the heap and the first line of its pools, so the hot path
//! (`fast`) needs neither lock nor atomic operation. Other threads free into
//! its pools through the pools' remote lists. How a heap gets its owner, and
//! how it is handed over with the GIL, is in `life`; `slow` is what happens
//! when a pool runs out or a count reaches its floor; `purge` gives memory
//! back, `early` some of it at once, and `watch` sees to it that also a quiet
//! program comes by for that.
//!
//! A thread has two words, because it may call in two roles. *Hooked*: CPython
//! calls it, under the rules of CPython's domains, so that such a heap can be
//! handed over with the GIL. *Direct*: anybody calls the exported functions,
//! from any thread, GIL or not; such a heap is never handed over.

mod early;
pub mod fast;
pub mod life;
pub mod purge;
pub mod slow;
mod watch;

use crate::layout::DOMAINS;
use crate::os::tls;
use crate::pool::list::{AGE, BIN, List};
use crate::pool::{Owned, Pool, PoolRef, remote};
use crate::size_class::{self, SizeClass};
use core::cell::Cell;
use core::ptr;
use core::sync::atomic::{AtomicBool, AtomicPtr, AtomicU32, Ordering::Relaxed};
use watch::Watch;

/// A heap. The bins are first: they are the hot path.
#[repr(C, align(128))]
pub struct Heap {
    /// What malloc takes from: the pool at the head of the bin. While malloc
    /// is to come by (`watch`), none.
    bins: [[Cell<PoolRef>; size_class::COUNT]; DOMAINS],
    /// The pool at the head of each bin, on which the others hang.
    heads: [[Cell<PoolRef>; size_class::COUNT]; DOMAINS],
    watch: Watch,
    /// Blocks that each class borrowed so far (see SizeClass::lender).
    borrowed: [[Cell<u8>; size_class::COUNT]; DOMAINS],
    /// The owner's word, which points back to this heap; null when nobody is.
    word: AtomicPtr<AtomicPtr<Heap>>,
    /// Pools in which other threads freed blocks since the owner last looked.
    pending: remote::List,
    /// Sparse pools, in the order in which they became so.
    sparse: List<AGE>,
    sparse_count: Cell<usize>,
    /// The next in the list of all heaps.
    next: Cell<Option<&'static Heap>>,
    /// In which role its owners call (Word::INDEX).
    role: Cell<usize>,
    /// Its owner may have been in mid-step when it vanished (in the child of a
    /// fork): never touched again.
    dead: AtomicBool,
    /// Test builds: the thread that is inside, or 0.
    #[cfg_attr(not(feature = "paranoid"), allow(dead_code))]
    inside: AtomicU32,
}

// SAFETY: the Cells are the owner's alone; see the module's text.
unsafe impl Sync for Heap {}

/// What the bins of a heap point to while they have no pool.
static EXHAUSTED: Pool = Pool::exhausted();

/// What the words of a new thread point to: a heap without pools, so that the
/// hot path needs no "has this thread a heap?".
static EMPTY: Heap = Heap::new();

/// What the words of a thread point to once its exit has begun: it gets no
/// heap any more, because nobody would take that from it.
static EXITING: Heap = Heap::new();

crate::thread_words!(EMPTY);

/// In which role a call is made; says which of the thread's words counts.
pub trait Word {
    const INDEX: usize;
    /// The heap may be handed over with the GIL.
    const HANDED_OVER: bool;

    /// What the word points to.
    fn heap() -> &'static Heap;
    /// The word.
    fn word() -> &'static AtomicPtr<Heap>;
}

/// CPython calls, under its own rules.
pub struct Hooked;
/// Anybody calls.
pub struct Direct;

impl Word for Hooked {
    const INDEX: usize = 0;
    const HANDED_OVER: bool = true;

    #[inline(always)]
    fn heap() -> &'static Heap {
        // SAFETY: a word always points to a heap, and heaps live for ever.
        unsafe { &*tls::get::<0, Heap>() }
    }

    fn word() -> &'static AtomicPtr<Heap> {
        tls::address::<0, Heap>()
    }
}

impl Word for Direct {
    const INDEX: usize = 1;
    const HANDED_OVER: bool = false;

    #[inline(always)]
    fn heap() -> &'static Heap {
        // SAFETY: as above.
        unsafe { &*tls::get::<1, Heap>() }
    }

    fn word() -> &'static AtomicPtr<Heap> {
        tls::address::<1, Heap>()
    }
}

impl Heap {
    const fn new() -> Heap {
        Heap {
            bins: [const { [const { Cell::new(&EXHAUSTED) }; size_class::COUNT] }; DOMAINS],
            heads: [const { [const { Cell::new(&EXHAUSTED) }; size_class::COUNT] }; DOMAINS],
            watch: Watch::new(),
            borrowed: [const { [const { Cell::new(0) }; size_class::COUNT] }; DOMAINS],
            word: AtomicPtr::new(ptr::null_mut()),
            pending: remote::List::new(),
            sparse: List::new(),
            sparse_count: Cell::new(0),
            next: Cell::new(None),
            role: Cell::new(0),
            dead: AtomicBool::new(false),
            inside: AtomicU32::new(0),
        }
    }

    /// As pools name their owner.
    #[inline(always)]
    fn id(&self) -> usize {
        self as *const Heap as usize
    }

    #[inline(always)]
    fn bin(&self, domain: usize, class: SizeClass) -> &Cell<PoolRef> {
        // SAFETY: domains are below DOMAINS and classes below COUNT.
        unsafe { self.bins.get_unchecked(domain).get_unchecked(class.index()) }
    }

    /// The pool at the head of a bin.
    fn head(&self, domain: usize, class: SizeClass) -> Option<Owned> {
        let head = self.heads[domain][class.index()].get();
        // SAFETY: callers are the owner (this is not public), and the pools of
        // a bin belong to its heap.
        (!ptr::eq(head, &EXHAUSTED)).then(|| unsafe { Owned::new(head) })
    }

    fn set_head(&self, domain: usize, class: SizeClass, pool: Option<PoolRef>) {
        let pool = pool.unwrap_or(&EXHAUSTED);
        self.heads[domain][class.index()].set(pool);
        // While malloc is to come by, a pool that was just opened hides as well.
        let hides = self.watch.has_to_see(domain, class);
        self.bin(domain, class).set(if hides { &EXHAUSTED } else { pool });
    }

    /// Puts a pool in front of its bin, where it is the next to be used up, so
    /// that the others may become empty. One that was full and has many blocks
    /// goes behind the head: in front, its only free block would go at once,
    /// and every free and malloc of a steady state come by here.
    fn link(&self, pool: Owned) {
        const MANY: usize = 64;
        let head = self.head(pool.domain(), pool.class());
        match head.filter(|_| pool.live() > 0 && pool.capacity() >= MANY) {
            Some(head) => pool.pool().link_between::<BIN>(Some(head.pool()), head.next::<BIN>()),
            None => {
                pool.pool().link_between::<BIN>(None, head.map(Owned::pool));
                self.set_head(pool.domain(), pool.class(), Some(pool.pool()));
                if let Some(head) = head {
                    self.is_no_longer_head(head);
                }
            }
        }
    }

    fn unlink(&self, pool: Owned) {
        if let (None, next) = pool.unlink::<BIN>() {
            self.set_head(pool.domain(), pool.class(), next);
        }
    }

    /// The pool at the head of every bin that has one.
    fn each_head(&self, visit: impl FnMut(Owned)) {
        let bins = (0..DOMAINS).flat_map(|d| SizeClass::all().map(move |class| (d, class)));
        bins.filter_map(|(domain, class)| self.head(domain, class)).for_each(visit);
    }

    /// Every pool of this heap that has a block to give.
    fn each_linked(&self, mut visit: impl FnMut(Owned)) {
        self.each_head(|head| {
            let mut at = Some(head.pool());
            while let Some(pool) = at {
                at = pool.next::<BIN>();
                // SAFETY: as in `head`.
                visit(unsafe { Owned::new(pool) });
            }
        });
    }

    /// Whether some thread owns it.
    fn is_owned(&self) -> bool {
        !self.word.load(Relaxed).is_null()
    }
}

/// Test builds: asserts that no two threads are ever inside one heap.
#[cfg(feature = "paranoid")]
struct Inside<'h> {
    heap: &'h Heap,
    /// The thread was inside already, further out.
    nested: bool,
}

#[cfg(feature = "paranoid")]
impl<'h> Inside<'h> {
    fn new(heap: &'h Heap) -> Inside<'h> {
        use core::sync::atomic::Ordering::SeqCst;
        let me = crate::os::thread_id();
        let shared = ptr::eq(heap, &EMPTY) || ptr::eq(heap, &EXITING);
        let before = heap.inside.compare_exchange(0, me, SeqCst, SeqCst).unwrap_or_else(|b| b);
        if before != 0 && before != me && !shared {
            let _ = crate::os::write_all(2, b"oxmalloc: paranoid: two threads in one heap\n");
            crate::os::abort();
        }
        Inside { heap, nested: before != 0 }
    }
}

#[cfg(feature = "paranoid")]
impl Drop for Inside<'_> {
    fn drop(&mut self) {
        if !self.nested {
            self.heap.inside.store(0, core::sync::atomic::Ordering::SeqCst);
        }
    }
}
