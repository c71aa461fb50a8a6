//! The types and numbers of the C ABI. Their functions are in `abi`; together
//! they are what `include/oxmalloc.h` is made from, comments included.

use core::ffi::{c_char, c_int, c_void};

/// The raw domain (`PYMEM_DOMAIN_RAW`): any thread, no GIL.
pub const OX_DOMAIN_RAW: c_int = 0;
/// The "mem" domain (`PYMEM_DOMAIN_MEM`): buffers, under the GIL.
pub const OX_DOMAIN_MEM: c_int = 1;
/// The object domain (`PYMEM_DOMAIN_OBJ`): Python objects, under the GIL.
pub const OX_DOMAIN_OBJ: c_int = 2;

/// Installed in all three domains.
pub const OX_OK: c_int = 0;
/// Was already installed by this copy of the library; nothing was changed.
pub const OX_ALREADY: c_int = 1;
/// Installed, but not in OBJ: a free-threaded build finds its objects by
/// walking its own object heap, which must therefore stay.
pub const OX_WITHOUT_OBJ: c_int = 2;
/// Installed in MEM and OBJ only: debug builds of CPython abort at exit when
/// their RAW domain is replaced; and what somebody else put there before a late
/// installation has live blocks, which are not libc's.
pub const OX_WITHOUT_RAW: c_int = 3;
/// No CPython in this process (`PyMem_SetAllocator` is not to be found).
pub const OX_ERR_NO_PYTHON: c_int = -1;
/// tracemalloc is tracing and would restore the old functions when it stops:
/// stop it first.
pub const OX_ERR_TRACEMALLOC: c_int = -2;
/// PYTHONMALLOC, PYTHONDEVMODE or -X dev chose an allocator; unset it.
pub const OX_ERR_PYTHONMALLOC: c_int = -3;
/// The interpreter runs and the calling thread does not hold its GIL: call
/// from a thread with an attached thread state (ctypes.PyDLL, not CDLL).
pub const OX_ERR_NEEDS_GIL: c_int = -4;
/// This CPython is older than 3.8.
pub const OX_ERR_VERSION: c_int = -5;
/// OXMALLOC_DISABLE is set.
pub const OX_ERR_DISABLED: c_int = -6;
/// No range of addresses could be had from the operating system.
pub const OX_ERR_NO_MEMORY: c_int = -7;
/// Another copy of this library serves this process already.
pub const OX_ERR_SECOND_COPY: c_int = -8;
/// An argument is NULL, of an unknown domain, or its `size` is too small.
pub const OX_ERR_ARGUMENT: c_int = -9;
/// Not installed: nobody called Ox_Install, no preload ran it; or (3.12 and
/// newer) not since the interpreter was initialised again.
pub const OX_NOT_INSTALLED: c_int = -10;

/// Member for member CPython's `PyMemAllocatorEx`; a pointer to it may be
/// cast and handed to `PyMem_SetAllocator`.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct OxAllocator {
    /// Passed as the first argument of each function; ours ignore it.
    pub ctx: *mut c_void,
    /// malloc: at least `size` bytes, aligned to 16; a distinct block for 0.
    pub malloc: Option<unsafe extern "C" fn(ctx: *mut c_void, size: usize) -> *mut c_void>,
    /// calloc: zeroed.
    pub calloc:
        Option<unsafe extern "C" fn(ctx: *mut c_void, nelem: usize, elsize: usize) -> *mut c_void>,
    /// realloc: NULL on failure, the old block then stays as it was.
    pub realloc: Option<
        unsafe extern "C" fn(ctx: *mut c_void, ptr: *mut c_void, new_size: usize) -> *mut c_void,
    >,
    /// free: NULL is a no-op; keeps errno.
    pub free: Option<unsafe extern "C" fn(ctx: *mut c_void, ptr: *mut c_void)>,
}

/// Whether and how the library is active in this process.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct OxStatus {
    /// sizeof(OxStatus), set by the caller.
    pub size: usize,
    /// The code of the installation (OX_OK …, or OX_ERR_…, or OX_NOT_INSTALLED);
    /// before there was one, OX_ERR_… if it would be refused now whoever asks.
    pub code: i32,
    /// Bit `1 << domain` is set for each domain in which Ox_Install put
    /// oxmalloc, while that is in force (also below tracemalloc). What an
    /// embedder set by PyMem_SetAllocator does not count.
    pub active_domains: u32,
    /// How it was installed: 0 not at all, 1 by the preload constructor, 2 by
    /// Ox_Install before the interpreter was initialised, 3 by Ox_Install late.
    pub installed_by: u32,
    /// The CPython found, as 0xMMmmpp (0x030b02 is 3.11.2); 0 when there is none.
    pub python_version: u32,
    /// NUL-terminated: "active", or "inactive: " and the reason.
    pub text: [c_char; 160],
}

/// What one domain (MEM or OBJ) holds. RAW passes to libc and is not counted.
/// Counted in size classes: a block counts with the full size of its class.
#[repr(C)]
#[derive(Clone, Copy, Default)]
pub struct OxDomainStats {
    /// Bytes in allocated blocks.
    pub live_bytes: usize,
    /// Allocated blocks.
    pub live_blocks: usize,
    /// Bytes in free blocks of pools (they have been used and are free again).
    pub free_bytes: usize,
    /// Bytes in untouched blocks of pools (never used, or given back since).
    pub untouched_bytes: usize,
    /// Bytes of pools, spans and large blocks together.
    pub pool_bytes: usize,
    /// High-water mark of pool_bytes (kept on slow paths, exact for pools).
    pub peak_bytes: usize,
}

/// Totals of the heap. Derived from the pool counters during the call: exact
/// while no other thread allocates, else a close snapshot.
#[repr(C)]
#[derive(Clone, Copy, Default)]
pub struct OxStats {
    /// sizeof(OxStats), set by the caller.
    pub size: usize,
    /// The MEM domain.
    pub mem: OxDomainStats,
    /// The OBJ domain.
    pub obj: OxDomainStats,
    /// Arenas (of 2 MiB) mapped now, and their high-water mark.
    pub arenas: usize,
    pub arenas_peak: usize,
    /// Pools (of 64 KiB) by state: with blocks both allocated and not; with
    /// every block allocated; kept though every block is free.
    pub pools_used: usize,
    pub pools_full: usize,
    pub pools_empty: usize,
    /// Runs of pools that hold one block each (more than 32 KiB, up to 1 MiB).
    pub spans: usize,
    /// Blocks of more than 1 MiB, which lie in no arena, and their bytes.
    pub large_blocks: usize,
    pub large_bytes: usize,
    /// Freed memory of large blocks kept for reuse, in bytes.
    pub large_cached_bytes: usize,
    /// Address space mapped for arenas and large blocks, live and freed.
    pub mapped_bytes: usize,
    /// Of mapped_bytes, what the kernel holds in memory (mincore; pages that it
    /// replaced by its one page of zeros count, unlike in /proc's Rss).
    pub resident_bytes: usize,
    /// Memory for the library's own records (pool headers, heaps), in bytes.
    pub metadata_bytes: usize,
    /// Bytes given back to the operating system since the start, and how often.
    pub given_back_bytes: usize,
    pub given_back_calls: usize,
    /// Heaps that exist, and those that no thread owns now.
    pub heaps: usize,
    pub heaps_idle: usize,
    /// How often a heap was handed over with the GIL, and how many blocks were
    /// freed by a thread that does not own their heap.
    pub handovers: usize,
    pub remote_frees: usize,
}

/// One arena, as Ox_GetArenas shows it.
#[repr(C)]
#[derive(Clone, Copy, Default)]
pub struct OxArenaInfo {
    /// How much of the row was filled, set by the library.
    pub size: usize,
    /// First address and length in bytes.
    pub address: usize,
    pub bytes: usize,
    /// Pools it is cut into, those not in use, and those of them that nobody used
    /// since the system gave them: not resident, or as part of a huge page only.
    pub pools: usize,
    pub pools_vacant: usize,
    pub pools_clean: usize,
    /// Allocated blocks of its pools and spans, and the bytes of all their blocks
    /// by what became of them.
    pub live_blocks: usize,
    pub live_bytes: usize,
    pub free_bytes: usize,
    pub untouched_bytes: usize,
    /// As in OxPoolInfo, of all its pools.
    pub purged_bytes: usize,
    /// Bytes that the kernel holds in memory (mincore).
    pub resident_bytes: usize,
}

/// The pool's states, as in CPython.
pub const OX_POOL_USED: u32 = 0;
pub const OX_POOL_FULL: u32 = 1;
pub const OX_POOL_EMPTY: u32 = 2;
/// One block of more than 32 KiB in pools side by side.
pub const OX_POOL_SPAN: u32 = 3;
/// One block of more than 1 MiB.
pub const OX_POOL_LARGE: u32 = 4;

/// Blocks of one size in pools.
pub const OX_KIND_CLASS: u32 = 0;
/// All spans: blocks of more than 32 KiB, up to 1 MiB.
pub const OX_KIND_SPAN: u32 = 1;
/// All large blocks, of more than 1 MiB.
pub const OX_KIND_LARGE: u32 = 2;

/// One size class of one domain, as Ox_GetClassStats shows it. The sums over
/// the rows of a domain are those of OxDomainStats.
#[repr(C)]
#[derive(Clone, Copy, Default)]
pub struct OxClassStats {
    /// How much of the row was filled, set by the library.
    pub size: usize,
    /// OX_DOMAIN_MEM or OX_DOMAIN_OBJ.
    pub domain: u32,
    /// OX_KIND_CLASS …
    pub kind: u32,
    /// Size of a block in bytes; 0 where blocks differ (spans, large blocks).
    pub block_bytes: usize,
    /// Pools, spans or large blocks, and their bytes.
    pub pools: usize,
    pub pool_bytes: usize,
    /// As in OxDomainStats.
    pub live_blocks: usize,
    pub live_bytes: usize,
    pub free_bytes: usize,
    pub untouched_bytes: usize,
    /// Of pool_bytes, what the operating system has back (as in OxPoolInfo), and
    /// what the kernel holds in memory (mincore).
    pub purged_bytes: usize,
    pub resident_bytes: usize,
    /// Blocks taken and freed while somebody counted (Ox_StartCounting), and
    /// their bytes. They only ever grow. A block that is resized and stays in its
    /// row counts only with the bytes that it grows or shrinks by.
    pub taken_blocks: usize,
    pub taken_bytes: usize,
    pub freed_blocks: usize,
    pub freed_bytes: usize,
}

/// One pool, span or large block, as Ox_VisitPools shows it.
#[repr(C)]
#[derive(Clone, Copy, Default)]
pub struct OxPoolInfo {
    /// sizeof(OxPoolInfo), set by the library.
    pub size: usize,
    /// First address and length in bytes.
    pub address: usize,
    pub bytes: usize,
    /// OX_DOMAIN_MEM or OX_DOMAIN_OBJ.
    pub domain: u32,
    /// OX_POOL_USED …
    pub state: u32,
    /// Size of a block in bytes, and how many there are.
    pub block_bytes: usize,
    pub capacity: usize,
    /// Blocks allocated; free; untouched. Together: capacity.
    pub live: usize,
    pub free: usize,
    pub untouched: usize,
    /// Bytes of the pool given back to the operating system.
    pub purged_bytes: usize,
    /// Milliseconds since the pool (or span, or large block) was opened, to
    /// about 20. A large block that is resized is opened anew.
    pub age_ms: usize,
}

/// Shows one pool; a value other than 0 ends the visit.
pub type OxPoolVisitor =
    Option<unsafe extern "C" fn(pool: *const OxPoolInfo, arg: *mut c_void) -> c_int>;

/// 0 or 1.
pub const OX_OPTION_FLAG: u32 = 0;
/// A whole number from `least` to `most`.
pub const OX_OPTION_NUMBER: u32 = 1;
/// One of `words`; as a number, its place among them.
pub const OX_OPTION_WORD: u32 = 2;

/// One option, as Ox_GetOptions shows it. The texts end with a NUL and are for
/// ever valid.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct OxOptionInfo {
    /// How much of the row was filled, set by the library.
    pub size: usize,
    /// The environment variable: "OXMALLOC_PURGE_DELAY_MS".
    pub name: *const c_char,
    /// What a number counts ("ms"), or "".
    pub unit: *const c_char,
    /// What the option does.
    pub help: *const c_char,
    /// The words, separated by commas, or "".
    pub words: *const c_char,
    /// OX_OPTION_FLAG …
    pub kind: u32,
    /// The value when the variable is not set.
    pub default_value: usize,
    /// The smallest and the largest value.
    pub least: usize,
    pub most: usize,
    /// The value in force: the default until the environment was read, which is
    /// when the heap starts.
    pub value: usize,
}
