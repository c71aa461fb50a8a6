//! oxmalloc: CPython's memory domains on a heap of their own.
//!
//! ```text
//!   CPython   PyMem_RawMalloc     PyMem_Malloc     PyObject_Malloc
//!                  |                   |                 |       PyMemAllocatorEx
//!   hooks          hook_raw_*          hook_*<Mem>       hook_*<Obj>
//!   abi            OxMem_Raw*          OxMem_*           OxObject_*
//!                  |                    \               /
//!   domain         libc malloc           zero sizes, overflow, blocks not ours
//!                                                |
//!   heap                    owned by one thread at a time: a bin of pools for
//!                           each domain and size class
//!                          /               |               \
//!   pool            blocks of one     span  one block    large  one block
//!                   size class              over pools          over slots
//!                          \               |                      |
//!   arena, extent          2 MiB: pools side by side         runs of pools
//!                                          |                 /
//!   region                 addresses from the system, the map address -> pool
//!                                          |
//!   os                     mmap, madvise, mremap, thread words, locks, fork
//! ```
//!
//! # Words
//!
//! They are CPython's. An **arena** is memory from the system, cut into
//! **pools** of one **size class** each, cut into **blocks**. A pool is *used*
//! (some blocks are allocated), *full* (all are) or *empty* (none is). A block
//! is *untouched* (never used since the system gave its page), *free* or
//! *allocated*. A **domain** is one of CPython's three kinds of memory: RAW,
//! MEM, OBJ. New here: a **span** is one block in a run of pools, a **large**
//! block is one in an **extent**, a run of pools over several slots, a **heap**
//! is a set of pools with one owner, a thread's **word** points to its heap,
//! and a heap is **handed over** when its owner changes with the GIL.
//!
//! # The life of a block
//!
//! `PyObject_Malloc(56)` calls our hook. The size leads to a class by one load
//! from a table (`size_class`), the thread's word to its heap, the class to a
//! pool, the pool to its first free block: sixteen instructions
//! (`heap::fast`). When the pool has no block left, `heap::slow` touches some
//! more of its untouched ones, or takes in what other threads freed, or goes
//! to the next pool of the bin, or takes a vacant pool from the fullest arena
//! (`arena`), or has the region map one more arena (`region`).
//!
//! `PyObject_Free(p)`: arithmetic leads from the address to the pool's header
//! in a table far away from the blocks, and so tells for any value whether it
//! is ours (`region`). Is the pool's owner the heap of my word? Then the block
//! goes in front of the pool's free list: twenty instructions. If not, the
//! hand-over may make it mine (`heap::life`), or the block goes to the pool's
//! remote list, which the owner takes in one swap (`pool::remote`).
//!
//! When a count reaches its floor, `heap::slow::settle` sees that the pool is
//! no longer full, or is sparse, or is empty; `heap::purge` later gives the
//! pages back on which nothing lives (`heap::early` some of them at once).
//!
//! # Layers
//!
//! A module uses only those above it in this list (tests/layers.rs enforces
//! it):
//!
//! 1. `layout`, `size_class`, `bits`, `plain`: numbers and words
//! 2. `os`: the system and the processor; the only `cfg` on either
//! 3. `options`, `fatal`: what the user sets; the end of a corrupted process
//! 4. `clock`, `region`, `arena`, `pool`, `span`, `extent`, `large`, `find`
//! 5. `python`: what we ask of the interpreter
//! 6. `heap`, `domain`
//! 7. `interface`, `settings`, `hooks`, `counting`, `children`
//! 8. `stats`, `snapshot`, `report`, `install`
//! 9. `abi`
//!
//! # Locks
//!
//! Every lock is an `os::lock::ForkLock`. Order: the start, the fallback heap, the
//! list of heaps (all three in `heap::life`), what was given back lately
//! (`heap::early`), the arenas, the extents, the region. No lock is held while
//! foreign code runs, but for what `python::gil_serialises` asks of CPython: that
//! reads a word.
#![allow(non_snake_case)]
// The model checker looks at pool/remote.rs alone (tests/loom.rs).
#![cfg(not(loom))]

pub mod abi;
mod arena;
mod bits;
mod children;
mod clock;
mod counting;
mod domain;
mod extent;
mod fatal;
mod find;
mod heap;
mod hooks;
mod install;
pub mod interface;
mod large;
mod layout;
mod options;
mod os;
mod plain;
mod pool;
mod python;
mod region;
mod report;
mod settings;
mod size_class;
mod snapshot;
mod span;
mod stats;

/// What the tests in `tests/` need beside the C ABI; not part of the interface.
#[doc(hidden)]
pub mod testing {
    pub use crate::domain::verify;
    pub use crate::options::{Choice, Kind, TABLE, words};

    /// include/oxmalloc.h as it should be.
    pub const GENERATED_HEADER: &str = include_str!(env!("OXMALLOC_GENERATED_HEADER"));
}
