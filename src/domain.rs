//! The rules of CPython's domains: zero sizes, overflow, blocks that are not
//! ours, realloc in place. What the hooks and the exported functions call.

use crate::heap::fast::{self, Domain};
use crate::heap::slow::out_of_memory;
use crate::heap::{Word, life, slow};
use crate::layout::{self, MAX_CLASS, MAX_REQUEST, MAX_SPAN};
use crate::os::KeepErrno;
use crate::pool::{self, PoolRef, State};
use crate::{find, large, region, span};
use core::ffi::c_void;
use core::ptr;
use core::sync::atomic::{AtomicPtr, Ordering::Acquire, Ordering::Release};

pub use crate::heap::life::trim;

/// CPython's "mem" domain: buffers.
pub struct Mem;
/// CPython's object domain.
pub struct Obj;

impl Domain for Mem {
    const INDEX: usize = layout::MEM;

    unsafe fn free_foreign(address: usize) {
        // SAFETY: the caller's promise.
        unsafe { PREVIOUS[layout::MEM].free(address) }
    }
}

impl Domain for Obj {
    const INDEX: usize = layout::OBJ;

    unsafe fn free_foreign(address: usize) {
        // SAFETY: the caller's promise.
        unsafe { PREVIOUS[layout::OBJ].free(address) }
    }
}

// ------------------------------------------- the allocators that were before us

/// Who owns the blocks that are not ours: libc, unless oxmalloc was installed
/// late, into an interpreter that had taken blocks from its own allocator.
/// Called on the calling thread and with no lock held, because the old
/// allocator calls the RAW domain in turn.
pub struct Previous(AtomicPtr<PreviousAllocator>);

/// The part of a PyMemAllocatorEx that old blocks need.
pub struct PreviousAllocator {
    pub ctx: *mut c_void,
    pub realloc: unsafe extern "C" fn(*mut c_void, *mut c_void, usize) -> *mut c_void,
    pub free: unsafe extern "C" fn(*mut c_void, *mut c_void),
}

/// By layout::MEM and layout::OBJ.
pub static PREVIOUS: [Previous; layout::DOMAINS] =
    [const { Previous(AtomicPtr::new(ptr::null_mut())) }; layout::DOMAINS];

impl Previous {
    /// Old blocks go to `allocator` from now on.
    pub fn set(&self, allocator: &'static PreviousAllocator) {
        self.0.store(ptr::from_ref(allocator).cast_mut(), Release);
    }

    pub fn is_set(&self) -> bool {
        self.get().is_some()
    }

    fn get(&self) -> Option<&'static PreviousAllocator> {
        // SAFETY: null, or what `set` was given.
        unsafe { self.0.load(Acquire).as_ref() }
    }

    /// # Safety
    /// `address` is 0 or a block of the previous allocator.
    #[cold]
    unsafe fn free(&self, address: usize) {
        if address == 0 {
            return;
        }
        let block = address as *mut c_void;
        match self.get() {
            // SAFETY: the caller's promise.
            Some(old) => unsafe { (old.free)(old.ctx, block) },
            // SAFETY: as above.
            None => unsafe { raw_free(block) },
        }
    }

    /// # Safety
    /// `block` is a block of the previous allocator.
    #[cold]
    unsafe fn realloc(&self, block: *mut c_void, size: usize) -> *mut c_void {
        match self.get() {
            // SAFETY: the caller's promise.
            Some(old) => unsafe { (old.realloc)(old.ctx, block, size) },
            // SAFETY: as above.
            None => unsafe { raw_realloc(block, size) },
        }
    }
}

// ---------------------------------------------------------------- MEM and OBJ

/// At least `size` bytes; a distinct block for 0; NULL when out of memory.
#[inline(always)]
pub fn malloc<W: Word, D: Domain>(size: usize) -> *mut c_void {
    fast::malloc::<W, D>(size)
}

/// Frees a block, ours or not.
///
/// # Safety
/// `block` is NULL or a live block of this domain.
#[inline(always)]
pub unsafe fn free<W: Word, D: Domain>(block: *mut c_void) {
    // SAFETY: the caller's promise.
    unsafe { fast::free::<W, D>(block as usize) }
}

/// `number * size` zeroed bytes; NULL when out of memory or on overflow.
#[inline(always)]
pub fn calloc<W: Word, D: Domain>(number: usize, size: usize) -> *mut c_void {
    let bytes = match number.checked_mul(size) {
        Some(bytes) if bytes <= MAX_CLASS => bytes,
        Some(bytes) if bytes <= MAX_REQUEST => return calloc_beyond_classes::<W, D>(bytes),
        _ => return out_of_memory(),
    };
    let block = malloc::<W, D>(bytes);
    if !block.is_null() {
        // SAFETY: a block of at least `bytes`.
        unsafe { ptr::write_bytes(block.cast::<u8>(), 0, bytes) };
    }
    block
}

#[cold]
fn calloc_beyond_classes<W: Word, D: Domain>(bytes: usize) -> *mut c_void {
    match slow::take_beyond_classes::<W>(D::INDEX, bytes) {
        Some(taken) => {
            let block = taken.address as *mut c_void;
            if !taken.zeroed {
                // SAFETY: a block of at least `bytes`.
                unsafe { ptr::write_bytes(block.cast::<u8>(), 0, bytes) };
            }
            block
        }
        None => out_of_memory(),
    }
}

/// Resizes a block. NULL on failure, the old block then stays as it was; a
/// shrinking realloc does not fail.
///
/// # Safety
/// `block` is NULL or a live block of this domain.
#[inline(always)]
pub unsafe fn realloc<W: Word, D: Domain>(block: *mut c_void, size: usize) -> *mut c_void {
    if fast::fits::<W>(block as usize, size) {
        return block;
    }
    // SAFETY: the caller's promise.
    unsafe { realloc_slowly::<W, D>(block, size) }
}

/// # Safety
/// As `realloc`.
#[inline(never)]
unsafe fn realloc_slowly<W: Word, D: Domain>(block: *mut c_void, size: usize) -> *mut c_void {
    if block.is_null() {
        return malloc::<W, D>(size);
    }
    let address = block as usize;
    let Some(pool) = slow::pool_of_block(address) else {
        // SAFETY: not ours, so the previous allocator's.
        return unsafe { PREVIOUS[D::INDEX].realloc(block, size) };
    };
    if size > MAX_REQUEST {
        return out_of_memory();
    }
    if let Some(resized) = resize_in_place::<W>(pool, address, size) {
        return resized as *mut c_void;
    }
    let old = pool.block_size();
    if size <= old {
        // Shrinking does not fail: the old block serves.
        let _errno = KeepErrno::new();
        let new = malloc::<W, D>(size);
        if new.is_null() {
            return block;
        }
        // SAFETY: as below.
        return unsafe { move_to::<W, D>(new, block, size) };
    }
    let new = malloc::<W, D>(size);
    if new.is_null() {
        return new;
    }
    // SAFETY: two distinct blocks of at least that many bytes; the caller gives
    // up the old one when there is a new one.
    unsafe { move_to::<W, D>(new, block, old) }
}

/// Copies `bytes` to a new block and frees the old one.
///
/// # Safety
/// Both blocks are live, distinct, and hold `bytes`; nobody uses `old` any more.
unsafe fn move_to<W: Word, D: Domain>(
    new: *mut c_void,
    old: *mut c_void,
    bytes: usize,
) -> *mut c_void {
    // SAFETY: the caller's promise.
    unsafe {
        ptr::copy_nonoverlapping(old.cast::<u8>(), new.cast::<u8>(), bytes);
        free::<W, D>(old);
    }
    new
}

/// The block's address when it need not be copied to hold `size` bytes.
fn resize_in_place<W: Word>(pool: PoolRef, address: usize, size: usize) -> Option<usize> {
    match pool.state() {
        State::Span if size > MAX_CLASS => span::resize_in_place(pool, size).then_some(address),
        State::Large if size > MAX_SPAN && region::could_hold(size) => {
            large::resize(pool, size, slow::make_room::<W>)
        }
        State::Span | State::Large => None,
        _ => pool.class_fits(size).then_some(address),
    }
}

/// Bytes usable behind `block`; 0 for NULL and for what is not ours.
pub fn usable_size(block: *const c_void) -> usize {
    match pool::of(block as usize) {
        Some(pool) if pool.is_block(block as usize) => pool.block_size(),
        _ => 0,
    }
}

/// Whether `address` lies in a pool, span or large block of ours.
pub fn owns(address: *const c_void) -> bool {
    find::holder(address as usize).is_some()
}

// ------------------------------------------------------------------------ RAW

/// libc's malloc; a distinct block for 0.
pub fn raw_malloc(size: usize) -> *mut c_void {
    if size > MAX_REQUEST {
        return out_of_memory();
    }
    // SAFETY: no preconditions.
    unsafe { libc::malloc(size.max(1)) }
}

/// libc's calloc.
pub fn raw_calloc(number: usize, size: usize) -> *mut c_void {
    match number.checked_mul(size) {
        Some(0) => raw_calloc(1, 1),
        // SAFETY: no preconditions.
        Some(bytes) if bytes <= MAX_REQUEST => unsafe { libc::calloc(number, size) },
        _ => out_of_memory(),
    }
}

/// libc's realloc, which never frees here.
///
/// # Safety
/// `block` is NULL or a live block of libc's.
pub unsafe fn raw_realloc(block: *mut c_void, size: usize) -> *mut c_void {
    if size > MAX_REQUEST {
        return out_of_memory();
    }
    // SAFETY: the caller's promise.
    unsafe { libc::realloc(block, size.max(1)) }
}

/// libc's free; keeps errno, which glibc before 2.33 did not promise.
///
/// # Safety
/// `block` is NULL or a live block of libc's.
pub unsafe fn raw_free(block: *mut c_void) {
    let _errno = KeepErrno::new();
    // SAFETY: the caller's promise.
    unsafe { libc::free(block) }
}

/// Checks the whole heap; for tests.
pub fn verify() {
    life::verify();
}
