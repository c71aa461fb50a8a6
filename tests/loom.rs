//! The protocols between threads, run by the model checker through every order
//! of their steps that the memory model allows:
//!
//!     RUSTFLAGS="--cfg loom" cargo test --release --test loom --target-dir target/loom
//!
//! `List` is the library's own (src/pool/remote.rs). Of heap/slow.rs and
//! heap/life.rs, whose data is raw memory that loom does not know, the steps
//! are written out again here; a change there is a change here.
//!
//! Plain data is in loom's UnsafeCell, which fails when two accesses are not
//! ordered, so "no race" needs no assertion. Each test was seen to fail when:
//! - list: Release is taken from `List::push`, or Acquire from `take`;
//! - collect: either half of AcqRel is taken from either of them; the link of a
//!   pool is read after its blocks are taken; a pool is not announced;
//! - adoption: Release or Acquire as above; thread exit, or who adopts, does not
//!   take the lock of the heaps; thread exit keeps the heap;
//! - hand_over: calls are not under the GIL; thread exit does not take the lock,
//!   keeps the heap, or gives it up without a look at the word; who takes the
//!   heap over does not swap EMPTY into the old owner's word.
#![cfg(loom)]
// loom's cells give pointers that are good for the closure they are given to.
#![allow(clippy::undocumented_unsafe_blocks)]

#[path = "../src/pool/remote.rs"]
mod remote;

use loom::cell::UnsafeCell;
use loom::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed, Ordering::SeqCst};
use loom::sync::{Arc, Mutex};
use loom::thread;
use remote::List;

/// Runs every order in which threads that could go on are interrupted three
/// times at most: enough for each mistake named above. All orders take hours.
fn model(run: impl Fn() + Send + Sync + 'static) {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(3);
    model.check(run);
}

/// A freed block: its first word and the rest.
struct Block {
    link: UnsafeCell<usize>,
    contents: UnsafeCell<u32>,
}

/// A pool of `N` blocks, all allocated at first. Blocks are named 1 to N.
struct Pool<const N: usize> {
    blocks: [Block; N],
    remote: List,
    pending_next: AtomicUsize,
    /// The owner's: how often each block came back.
    freed: UnsafeCell<[u32; N]>,
}

impl<const N: usize> Pool<N> {
    fn new() -> Self {
        Pool {
            blocks: [(); N]
                .map(|()| Block { link: UnsafeCell::new(0), contents: UnsafeCell::new(0) }),
            remote: List::new(),
            pending_next: AtomicUsize::new(0),
            freed: UnsafeCell::new([0; N]),
        }
    }

    /// Uses and frees a block, as a thread that does not own the heap.
    fn push(&self, block: usize) -> bool {
        let Block { link, contents } = &self.blocks[block - 1];
        contents.with_mut(|contents| unsafe { *contents += 1 });
        self.remote.push(block, |next| link.with_mut(|link| unsafe { *link = next }))
    }

    /// As `Owned::collect_remote`.
    fn collect(&self) {
        let mut block = self.remote.take();
        while block != 0 {
            let Block { link, contents } = &self.blocks[block - 1];
            contents.with_mut(|contents| unsafe { *contents += 1 });
            self.freed.with_mut(|freed| unsafe { (*freed)[block - 1] += 1 });
            block = link.with(|link| unsafe { *link });
        }
    }

    fn freed(&self) -> [u32; N] {
        self.freed.with(|freed| unsafe { *freed })
    }
}

/// Two threads free, the owner takes: no block is lost, none comes twice, and
/// the owner sees what they wrote.
#[test]
fn list() {
    model(|| {
        let pool = Arc::new(Pool::<3>::new());
        let count = |blocks: &'static [usize]| {
            let pool = pool.clone();
            move || blocks.iter().filter(|block| pool.push(**block)).count()
        };
        let freers = [thread::spawn(count(&[1, 2])), thread::spawn(count(&[3]))];
        owner(&pool, |pool| pool.collect()).join().unwrap();
        let announced: usize = freers.into_iter().map(|freer| freer.join().unwrap()).sum();
        pool.collect();
        assert_eq!(pool.freed(), [1; 3]);
        // Who made the list non-empty knows it: once before each taking.
        assert!((1..=2).contains(&announced));
    });
}

/// The owner of a heap is a thread that starts last: loom runs threads in that
/// order first, and finds the orders in which the owner was earlier from there.
/// (Where the owner comes first it sees an empty list, and loom misses that a
/// later push would have been another order.)
fn owner<T: 'static>(of: &Arc<T>, work: fn(&T)) -> thread::JoinHandle<()> {
    let of = of.clone();
    thread::spawn(move || work(&of))
}

/// A heap, whose pools are named 1 to P.
struct Heap<const P: usize, const N: usize> {
    pools: [Pool<N>; P],
    pending: List,
}

impl<const P: usize, const N: usize> Heap<P, N> {
    fn new() -> Self {
        Heap { pools: [(); P].map(|()| Pool::new()), pending: List::new() }
    }

    /// As `free_into_pool` and `announce`.
    fn free(&self, pool: usize, block: usize) {
        let it = &self.pools[pool - 1];
        if it.push(block) {
            self.pending.push(pool, |next| it.pending_next.store(next, Relaxed));
        }
    }

    /// As `Heap::collect`.
    fn collect(&self) {
        let mut pool = self.pending.take();
        while pool != 0 {
            let it = &self.pools[pool - 1];
            pool = it.pending_next.load(Relaxed);
            it.collect();
        }
    }

    fn assert_all_came_back(&self) {
        assert!(self.pools.iter().all(|pool| pool.freed() == [1; N]));
    }
}

/// Blocks of two pools are freed while the owner collects: none is stranded in
/// a pool that nobody announces.
#[test]
fn collect() {
    model(|| {
        let heap = Arc::new(Heap::<2, 2>::new());
        let freers = [[(1, 1), (2, 1)], [(2, 2), (1, 2)]].map(|frees| {
            let heap = heap.clone();
            thread::spawn(move || {
                frees.into_iter().for_each(|(pool, block)| heap.free(pool, block))
            })
        });
        owner(&heap, |heap| heap.collect()).join().unwrap();
        freers.into_iter().for_each(|freer| freer.join().unwrap());
        heap.collect();
        heap.assert_all_came_back();
    });
}

/// The words of a thread, and what they say: EMPTY, EXITING or HEAP.
const EMPTY: usize = 0;
const EXITING: usize = 1;
const HEAP: usize = 2;

/// A heap and the words of threads 1 and 2.
struct Process<const P: usize, const N: usize> {
    words: [AtomicUsize; 2],
    /// Whether the memory of the word still belongs to its thread.
    alive: [AtomicBool; 2],
    /// The lock of HEAPS.
    heaps: Mutex<()>,
    /// heap.word: the owner's number, 0 is nobody.
    owner: AtomicUsize,
    heap: Heap<P, N>,
    /// The owner's: fails when two threads are inside.
    inside: UnsafeCell<u32>,
}

impl<const P: usize, const N: usize> Process<P, N> {
    fn new() -> Self {
        Process {
            words: [(); 2].map(|()| AtomicUsize::new(EMPTY)),
            alive: [(); 2].map(|()| AtomicBool::new(true)),
            heaps: Mutex::new(()),
            owner: AtomicUsize::new(0),
            heap: Heap::new(),
            inside: UnsafeCell::new(0),
        }
    }

    fn word(&self, thread: usize) -> &AtomicUsize {
        &self.words[thread - 1]
    }

    /// As `acquire`, where the heap may be adopted but not handed over. False
    /// when somebody owns it.
    fn adopt(&self, thread: usize) -> bool {
        let _heaps = self.heaps.lock().unwrap();
        if self.owner.load(Relaxed) != 0 {
            return false;
        }
        self.own(thread);
        true
    }

    /// As `acquire` and `take_over`, under the GIL.
    fn take_over(&self, thread: usize) {
        let _heaps = self.heaps.lock().unwrap();
        let old = self.owner.load(Relaxed);
        if old != 0 {
            assert!(self.alive[old - 1].load(SeqCst), "a word that is gone was written to");
            self.word(old).swap(EMPTY, SeqCst);
        }
        self.own(thread);
    }

    fn own(&self, thread: usize) {
        self.owner.store(thread, Relaxed);
        self.word(thread).store(HEAP, Relaxed);
    }

    /// A call of the allocator, by the owner.
    fn call(&self, thread: usize) {
        assert_eq!(self.owner.load(Relaxed), thread);
        self.inside.with_mut(|calls| unsafe { *calls += 1 });
        self.heap.collect();
    }

    /// As `thread_exits`; then the thread's memory is gone.
    fn exit(&self, thread: usize) {
        let heaps = self.heaps.lock().unwrap();
        if self.word(thread).load(Relaxed) == HEAP {
            self.owner.store(0, Relaxed);
        }
        self.word(thread).store(EXITING, Relaxed);
        drop(heaps);
        self.alive[thread - 1].store(false, SeqCst);
    }
}

/// A thread ends and another adopts its heap, while a third frees blocks of it.
#[test]
fn adoption() {
    model(|| {
        let process = Arc::new(Process::<1, 2>::new());
        assert!(process.adopt(1));
        let freer =
            owner(&process, |process| (1..=2).for_each(|block| process.heap.free(1, block)));
        let first = owner(&process, |process| {
            process.call(1);
            process.exit(1);
        });
        let second = owner(&process, |process| {
            if process.adopt(2) {
                process.call(2);
                process.exit(2);
            }
        });
        [freer, first, second].into_iter().for_each(|thread| thread.join().unwrap());
        assert_eq!(process.owner.load(Relaxed), 0);
        process.heap.collect();
        process.heap.assert_all_came_back();
    });
}

/// Two threads of one GIL take the heap from each other and end, the one that
/// is faster while the other still runs.
#[test]
fn hand_over() {
    model(|| {
        let process = Arc::new(Process::<1, 0>::new());
        let gil = Arc::new(Mutex::new(()));
        let threads = [1, 2].map(|thread| {
            let (process, gil) = (process.clone(), gil.clone());
            thread::spawn(move || {
                for _ in 0..2 {
                    let _attached = gil.lock().unwrap();
                    // The hot path: whose heap is it?
                    if process.word(thread).load(Relaxed) == EMPTY {
                        process.take_over(thread);
                    }
                    process.call(thread);
                }
                process.exit(thread);
            })
        });
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        assert_eq!(process.owner.load(Relaxed), 0, "the heap of a thread that is gone");
        assert_eq!(process.inside.with(|calls| unsafe { *calls }), 4);
    });
}
