//! The C ABI: every exported function.
//!
//! This file declares; it decides nothing. `include/oxmalloc.h` is made from
//! it and from `interface` by cbindgen, comments included: what is written
//! here is what a C programmer reads, so the conditions of an unsafe function
//! stand in its text and not under a Rust heading.
#![allow(clippy::missing_safety_doc)]

use crate::domain::{self, Mem, Obj};
use crate::heap::Direct;
use crate::interface::*;
use crate::{counting, install, settings, snapshot, stats};
use core::ffi::{c_char, c_int, c_void};
use core::iter;
use core::mem::offset_of;

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
/// thread; no allocation, but by tracemalloc, which is asked whether it traces.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn Ox_GetStatus(out: *mut OxStatus) -> c_int {
    // SAFETY: `out` is NULL or points to as many bytes as its size says.
    unsafe { fill(out, install::status) }
}

/// Fills `out` (whose `size` is set) with the totals of the heap. Returns
/// OX_OK, or OX_ERR_ARGUMENT when `out` is NULL or its size too small. Any
/// thread; no allocation. Walks every pool header and asks the kernel for
/// residency (mincore): about 1 ms for each GB of heap.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn Ox_GetStats(out: *mut OxStats) -> c_int {
    // SAFETY: `out` is NULL or points to as many bytes as its size says.
    unsafe { fill(out, stats::totals) }
}

/// Fills `rows` with the size classes of MEM and OBJ, then their spans and large
/// blocks: at most `count` rows, of `row_bytes` (sizeof(OxClassStats)) each.
/// Returns how many rows there are, which is always the same number, or
/// OX_ERR_ARGUMENT when `rows` is NULL and `count` is not 0 or `row_bytes` too
/// small. Any thread; no allocation. Costs what Ox_GetStats does.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn Ox_GetClassStats(
    rows: *mut OxClassStats,
    row_bytes: usize,
    count: usize,
) -> c_int {
    let classes = iter::once_with(stats::classes).flatten();
    // SAFETY: `rows` has `count` rows of `row_bytes` each.
    match unsafe { fill_rows(rows, row_bytes, count, classes) } {
        Some(_) => stats::CLASSES as c_int,
        None => OX_ERR_ARGUMENT,
    }
}

/// Fills `rows` with the arenas in order of address: at most `count` rows, of
/// `row_bytes` (sizeof(OxArenaInfo)) each. Returns how many arenas there are, which
/// may be more, or OX_ERR_ARGUMENT as Ox_GetClassStats. Arenas that come or go
/// meanwhile may be missed. Any thread; no allocation. Costs what Ox_GetStats
/// does.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn Ox_GetArenas(
    rows: *mut OxArenaInfo,
    row_bytes: usize,
    count: usize,
) -> c_int {
    let arenas = stats::arenas().map(|(arena, _)| arena);
    // SAFETY: `rows` has `count` rows of `row_bytes` each.
    match unsafe { fill_rows(rows, row_bytes, count, arenas) } {
        Some(filled) => filled.max(stats::arena_count()) as c_int,
        None => OX_ERR_ARGUMENT,
    }
}

/// Fills `rows` with the options of the environment: at most `count` rows, of
/// `row_bytes` (sizeof(OxOptionInfo)) each. Returns how many options there are,
/// which is always the same number, or OX_ERR_ARGUMENT as Ox_GetClassStats. Any
/// thread; no allocation.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn Ox_GetOptions(
    rows: *mut OxOptionInfo,
    row_bytes: usize,
    count: usize,
) -> c_int {
    // SAFETY: `rows` has `count` rows of `row_bytes` each.
    match unsafe { fill_rows(rows, row_bytes, count, settings::options()) } {
        Some(_) => settings::options().count() as c_int,
        None => OX_ERR_ARGUMENT,
    }
}

/// Gives back to the operating system all it can now: vacant pools and arenas,
/// cached large blocks, empty pools and the free pages of sparse ones. Breaks up
/// huge pages for that. Returns the bytes given back. The kernel may drop more of
/// a huge page that is broken up: what is zero, also in live blocks. Any thread;
/// the pools of the interpreter's heap are reached only when the caller holds the
/// GIL (ctypes.PyDLL).
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

/// Calls `callback` for each pool in use, each span and each large block, in
/// order of address. Returns 0, what the callback returned when that was not 0,
/// or OX_ERR_ARGUMENT for NULL. Allocates nothing and holds no lock, so the
/// callback may call anything; pools that come or go meanwhile may be missed.
/// Any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn Ox_VisitPools(callback: OxPoolVisitor, arg: *mut c_void) -> c_int {
    match callback {
        // SAFETY: the callback takes a valid info and the caller's own `arg`.
        Some(f) => stats::visit_pools(|info| unsafe { f(info, arg) }),
        None => OX_ERR_ARGUMENT,
    }
}

/// Starts counting the blocks that CPython takes and frees in MEM and OBJ, by
/// size class (see OxClassStats), through functions that stand in front of those
/// installed now. What is taken by OxMem_Malloc and the like is not counted.
/// Calls nest, and each needs an Ox_StopCounting; then counting costs nothing any
/// more, unless somebody (tracemalloc) came in front meanwhile. The caller holds
/// the GIL, if the interpreter runs. Returns OX_OK, OX_ERR_NO_PYTHON,
/// OX_ERR_NEEDS_GIL, or OX_NOT_INSTALLED when oxmalloc serves neither domain.
#[unsafe(no_mangle)]
pub extern "C" fn Ox_StartCounting() -> c_int {
    counting::start()
}

/// Ends what one Ox_StartCounting began. The caller holds the GIL, if the
/// interpreter runs. Returns OX_OK; OX_NOT_INSTALLED when somebody took the
/// functions away meanwhile (tracemalloc, started before and stopped since,
/// does), so that not everything was counted; OX_ERR_ARGUMENT when nobody
/// counts; OX_ERR_NEEDS_GIL.
#[unsafe(no_mangle)]
pub extern "C" fn Ox_StopCounting() -> c_int {
    counting::stop()
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

// SAFETY: repr(C), `size` first, plain numbers and pointers.
unsafe impl Growing for OxStatus {
    const LEAST: usize = offset_of!(OxStatus, active_domains);
}

// SAFETY: as above.
unsafe impl Growing for OxStats {
    const LEAST: usize = offset_of!(OxStats, obj);
}

// SAFETY: as above.
unsafe impl Growing for OxClassStats {
    const LEAST: usize = offset_of!(OxClassStats, pools);
}

// SAFETY: as above.
unsafe impl Growing for OxArenaInfo {
    const LEAST: usize = offset_of!(OxArenaInfo, pools);
}

// SAFETY: as above.
unsafe impl Growing for OxOptionInfo {
    const LEAST: usize = offset_of!(OxOptionInfo, unit);
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
    // SAFETY: `out` has that much room.
    unsafe { copy(make(), out, room) };
    OX_OK
}

/// Fills at most `count` rows, of each as much as the caller and we both know of;
/// says how many, None when there is no room for them.
///
/// # Safety
/// `rows` is NULL or points to `count` rows of `row_bytes` each.
unsafe fn fill_rows<T: Growing>(
    rows: *mut T,
    row_bytes: usize,
    count: usize,
    values: impl Iterator<Item = T>,
) -> Option<usize> {
    if count > 0 && (rows.is_null() || row_bytes < T::LEAST) {
        return None;
    }
    let room = row_bytes.min(size_of::<T>());
    let mut filled = 0;
    for value in values.take(count) {
        // SAFETY: the row lies in the array, and has that much room.
        unsafe { copy(value, rows.byte_add(filled * row_bytes), room) };
        filled += 1;
    }
    Some(filled)
}

/// Copies the first `room` bytes, and tells their number in the first member.
///
/// # Safety
/// `out` has `room` bytes, which are at least `T::LEAST` and at most all of T.
unsafe fn copy<T: Growing>(mut value: T, out: *mut T, room: usize) {
    // SAFETY: both hold at least `room` bytes; the first member is the size.
    unsafe {
        *(&raw mut value).cast::<usize>() = room;
        core::ptr::copy_nonoverlapping((&raw const value).cast::<u8>(), out.cast::<u8>(), room);
    }
}
