//! The C ABI: every exported function and the types they take.
//!
//! This file declares; it decides nothing. `include/oxmalloc.h` is made from
//! it by cbindgen, comments included, so what is written here is what a C
//! programmer reads.

use crate::domain::{self, Mem, Obj};
use crate::heap::Direct;
use crate::{install, snapshot, stats};
use core::ffi::{c_char, c_int, c_void};
use core::mem::offset_of;

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
/// Installed in RAW and MEM only: a free-threaded build finds its objects by
/// walking its own object heap, which must therefore stay.
pub const OX_WITHOUT_OBJ: c_int = 2;
/// Installed in MEM and OBJ only: debug builds of CPython abort at exit when
/// their RAW domain is replaced.
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
/// Not installed yet: nobody called Ox_Install, no preload ran it.
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
    /// The code of the installation (OX_OK …, or OX_ERR_…, or OX_NOT_INSTALLED).
    pub code: i32,
    /// Bit `1 << domain` is set for each domain that is served by oxmalloc now.
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
    /// Blocks with a mapping of their own (more than 1 MiB), and their bytes.
    pub large_blocks: usize,
    pub large_bytes: usize,
    /// Freed large blocks kept for reuse, in bytes.
    pub large_cached_bytes: usize,
    /// Address space mapped for arenas, large blocks and the cache.
    pub mapped_bytes: usize,
    /// Of mapped_bytes, what the kernel holds in memory (mincore).
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

/// One arena, as Ox_VisitArenas shows it.
#[repr(C)]
#[derive(Clone, Copy, Default)]
pub struct OxArenaInfo {
    /// sizeof(OxArenaInfo), set by the library.
    pub size: usize,
    /// First address and length in bytes.
    pub address: usize,
    pub bytes: usize,
    /// Pools it is cut into, those not in use, and those of them not resident.
    pub pools: usize,
    pub pools_vacant: usize,
    pub pools_clean: usize,
}

/// The pool's states, as in CPython.
pub const OX_POOL_USED: u32 = 0;
pub const OX_POOL_FULL: u32 = 1;
pub const OX_POOL_EMPTY: u32 = 2;
/// One block of more than 32 KiB in pools side by side.
pub const OX_POOL_SPAN: u32 = 3;
/// One block of more than 1 MiB, mapped on its own.
pub const OX_POOL_LARGE: u32 = 4;

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
}

/// Shows one arena; a value other than 0 ends the visit.
pub type OxArenaVisitor =
    Option<unsafe extern "C" fn(arena: *const OxArenaInfo, arg: *mut c_void) -> c_int>;
/// Shows one pool; a value other than 0 ends the visit.
pub type OxPoolVisitor =
    Option<unsafe extern "C" fn(pool: *const OxPoolInfo, arg: *mut c_void) -> c_int>;

// ---------------------------------------------------------------- RAW domain

/// RAW malloc: libc's malloc. At least `size` bytes, aligned to 16; a distinct
/// block when `size` is 0. NULL when out of memory or `size` exceeds
/// PTRDIFF_MAX. Any thread, any time, without the GIL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn OxMem_RawMalloc(_ctx: *mut c_void, size: usize) -> *mut c_void {
    domain::raw_malloc(size)
}

/// RAW calloc: libc's calloc, zeroed. NULL when `nelem * elsize` overflows.
/// Any thread, any time, without the GIL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn OxMem_RawCalloc(
    _ctx: *mut c_void,
    nelem: usize,
    elsize: usize,
) -> *mut c_void {
    domain::raw_calloc(nelem, elsize)
}

/// RAW realloc: libc's realloc, but `new_size` 0 resizes and never frees.
/// `ptr` is NULL or a block of the RAW domain or of libc. NULL on failure, the
/// old block then stays as it was. Any thread, any time, without the GIL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn OxMem_RawRealloc(
    _ctx: *mut c_void,
    ptr: *mut c_void,
    new_size: usize,
) -> *mut c_void {
    // SAFETY: the caller's contract above is raw_realloc's.
    unsafe { domain::raw_realloc(ptr, new_size) }
}

/// RAW free: libc's free; keeps errno. `ptr` is NULL or a block of the RAW
/// domain or of libc. Any thread, any time, without the GIL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn OxMem_RawFree(_ctx: *mut c_void, ptr: *mut c_void) {
    // SAFETY: the caller's contract above is raw_free's.
    unsafe { domain::raw_free(ptr) }
}

// ---------------------------------------------------------------- MEM domain

/// MEM malloc: at least `size` bytes, aligned to 16; a distinct block when
/// `size` is 0. NULL when out of memory or `size` exceeds PTRDIFF_MAX; errno is
/// kept on success. Called directly it needs no GIL and any thread may call
/// it; the functions that Ox_GetAllocator hands out need the GIL, as CPython's
/// own do.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn OxMem_Malloc(_ctx: *mut c_void, size: usize) -> *mut c_void {
    domain::malloc::<Direct, Mem>(size)
}

/// MEM calloc: as OxMem_Malloc of `nelem * elsize` bytes, zeroed; NULL when the
/// product overflows.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn OxMem_Calloc(
    _ctx: *mut c_void,
    nelem: usize,
    elsize: usize,
) -> *mut c_void {
    domain::calloc::<Direct, Mem>(nelem, elsize)
}

/// MEM realloc: a block of `new_size` bytes with the old contents up to the
/// smaller of both sizes. `ptr` NULL is a malloc; `new_size` 0 resizes and
/// never frees. NULL on failure, the old block then stays as it was; a
/// shrinking realloc does not fail. A block that is not ours goes to the
/// allocator that was installed before us (libc when there was none).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn OxMem_Realloc(
    _ctx: *mut c_void,
    ptr: *mut c_void,
    new_size: usize,
) -> *mut c_void {
    // SAFETY: the caller passes NULL or a live block of this domain.
    unsafe { domain::realloc::<Direct, Mem>(ptr, new_size) }
}

/// MEM free: NULL is a no-op; errno is kept. Any thread may free a block that
/// another took. A block that is not ours goes to the allocator that was
/// installed before us (libc when there was none).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn OxMem_Free(_ctx: *mut c_void, ptr: *mut c_void) {
    // SAFETY: the caller passes NULL or a live block of this domain.
    unsafe { domain::free::<Direct, Mem>(ptr) }
}

// ---------------------------------------------------------------- OBJ domain

/// OBJ malloc: as OxMem_Malloc, in the object domain.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn OxObject_Malloc(_ctx: *mut c_void, size: usize) -> *mut c_void {
    domain::malloc::<Direct, Obj>(size)
}

/// OBJ calloc: as OxMem_Calloc, in the object domain.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn OxObject_Calloc(
    _ctx: *mut c_void,
    nelem: usize,
    elsize: usize,
) -> *mut c_void {
    domain::calloc::<Direct, Obj>(nelem, elsize)
}

/// OBJ realloc: as OxMem_Realloc, in the object domain.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn OxObject_Realloc(
    _ctx: *mut c_void,
    ptr: *mut c_void,
    new_size: usize,
) -> *mut c_void {
    // SAFETY: the caller passes NULL or a live block of this domain.
    unsafe { domain::realloc::<Direct, Obj>(ptr, new_size) }
}

/// OBJ free: as OxMem_Free, in the object domain.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn OxObject_Free(_ctx: *mut c_void, ptr: *mut c_void) {
    // SAFETY: the caller passes NULL or a live block of this domain.
    unsafe { domain::free::<Direct, Obj>(ptr) }
}

// ------------------------------------------------------------- the installation

/// Fills `out` with the functions of a domain (OX_DOMAIN_RAW, _MEM, _OBJ), for
/// an embedder that calls PyMem_SetAllocator itself. The MEM and OBJ functions
/// so obtained are called under CPython's rules (with the GIL). Returns OX_OK,
/// OX_ERR_ARGUMENT for an unknown domain or NULL, OX_ERR_NO_MEMORY when the
/// heap cannot start. Any thread, any time.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn Ox_GetAllocator(domain: c_int, out: *mut OxAllocator) -> c_int {
    // SAFETY: `out` is NULL or points to an OxAllocator.
    match unsafe { out.as_mut() } {
        Some(out) => install::get_allocator(domain, out),
        None => OX_ERR_ARGUMENT,
    }
}

/// Installs oxmalloc in the CPython of this process: before Py_Initialize
/// (for 3.12 and newer: between Py_PreInitialize and Py_InitializeFromConfig
/// of each cycle), or late, while the interpreter runs; then the caller must
/// hold the GIL, and blocks taken before keep their old owner. Idempotent:
/// OX_ALREADY when nothing was left to do. OX_OK, OX_WITHOUT_OBJ or
/// OX_WITHOUT_RAW when installed; a negative OX_ERR_ code, with nothing
/// changed, when not. There is no way back: the old blocks live on.
#[unsafe(no_mangle)]
pub extern "C" fn Ox_Install() -> c_int {
    install::install()
}

/// Fills `out` (whose `size` is set). Returns OX_OK, or OX_ERR_ARGUMENT when
/// `out` is NULL or its size too small to hold the first two members. Any
/// thread; no allocation.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn Ox_GetStatus(out: *mut OxStatus) -> c_int {
    // SAFETY: `out` is NULL or points to as many bytes as its size says.
    unsafe { fill(out, || install::status()) }
}

/// Fills `out` (whose `size` is set) with the totals of the heap. Returns
/// OX_OK, or OX_ERR_ARGUMENT when `out` is NULL or its size too small. Any
/// thread; no allocation. Walks every pool header (about 0.6 ms for each GB of
/// heap) and asks the kernel for residency (mincore).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn Ox_GetStats(out: *mut OxStats) -> c_int {
    // SAFETY: `out` is NULL or points to as many bytes as its size says.
    unsafe { fill(out, || stats::totals()) }
}

/// Gives back to the operating system all it can now: vacant pools and arenas,
/// cached large blocks, empty pools and the free pages of sparse ones. Returns
/// the bytes given back. Any thread; the pools of the interpreter's heap are
/// reached only when the caller holds the GIL (ctypes.PyDLL).
#[unsafe(no_mangle)]
pub extern "C" fn Ox_Trim() -> usize {
    domain::trim()
}

/// The bytes that may be used behind `ptr`, at least what was asked for; 0 for
/// NULL and for a block that is not ours. Any thread; `ptr` must be live.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn Ox_UsableSize(ptr: *const c_void) -> usize {
    domain::usable_size(ptr)
}

/// 1 when `ptr` points into a pool, span or large block of ours, else 0. Never
/// reads memory near `ptr`: any value may be asked, from any thread.
#[unsafe(no_mangle)]
pub extern "C" fn Ox_Owns(ptr: *const c_void) -> c_int {
    c_int::from(domain::owns(ptr))
}

/// The version of the library, "major.minor.patch", for ever valid.
#[unsafe(no_mangle)]
pub extern "C" fn Ox_Version() -> *const c_char {
    concat!(env!("CARGO_PKG_VERSION"), "\0").as_ptr().cast()
}

// ------------------------------------------------------------------ inspection

/// Calls `callback` for each arena. Returns 0, what the callback returned when
/// that was not 0, or OX_ERR_ARGUMENT for NULL. Allocates nothing and holds no
/// lock, so the callback may call anything; arenas that come or go meanwhile
/// may be missed. Any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn Ox_VisitArenas(callback: OxArenaVisitor, arg: *mut c_void) -> c_int {
    match callback {
        // SAFETY: the callback takes a valid info and the caller's own `arg`.
        Some(f) => stats::visit_arenas(|info| unsafe { f(info, arg) }),
        None => OX_ERR_ARGUMENT,
    }
}

/// Calls `callback` for each pool in use, each span and each large block, in
/// order of address. Returns and rules as Ox_VisitArenas.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn Ox_VisitPools(callback: OxPoolVisitor, arg: *mut c_void) -> c_int {
    match callback {
        // SAFETY: the callback takes a valid info and the caller's own `arg`.
        Some(f) => stats::visit_pools(|info| unsafe { f(info, arg) }),
        None => OX_ERR_ARGUMENT,
    }
}

/// Writes the heap as one JSON object (totals, arenas, pools) to a file
/// descriptor. Returns 0, or the errno of the write that failed. Allocates
/// nothing, so it works when memory is exhausted. Any thread.
#[unsafe(no_mangle)]
pub extern "C" fn Ox_WriteSnapshot(fd: c_int) -> c_int {
    snapshot::write(fd)
}

/// A structure that starts with its own size, so that it can grow.
///
/// # Safety
/// The type is `repr(C)`, its first member is `size: usize`, and it is valid
/// for any bytes behind `LEAST`.
unsafe trait Growing: Copy {
    /// The first bytes, without which it says nothing.
    const LEAST: usize;
}

// SAFETY: repr(C), `size` first, plain numbers.
unsafe impl Growing for OxStatus {
    const LEAST: usize = offset_of!(OxStatus, active_domains);
}

// SAFETY: as above.
unsafe impl Growing for OxStats {
    const LEAST: usize = offset_of!(OxStats, obj);
}

/// Fills as much of `out` as the caller and we both know of.
///
/// # Safety
/// `out` is NULL or points to as many bytes as its first member says.
unsafe fn fill<T: Growing>(out: *mut T, make: impl FnOnce() -> T) -> c_int {
    if out.is_null() {
        return OX_ERR_ARGUMENT;
    }
    // SAFETY: every Growing type starts with its size.
    let room = unsafe { *out.cast::<usize>() }.min(size_of::<T>());
    if room < T::LEAST {
        return OX_ERR_ARGUMENT;
    }
    let mut value = make();
    // SAFETY: both hold at least `room` bytes; the first member is the size.
    unsafe {
        *(&raw mut value).cast::<usize>() = room;
        core::ptr::copy_nonoverlapping((&raw const value).cast::<u8>(), out.cast::<u8>(), room);
    }
    OX_OK
}
