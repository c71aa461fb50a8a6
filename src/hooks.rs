//! The tables of functions that CPython gets from us, and what it has now.

use crate::domain::{self, Mem, Obj};
use crate::heap::Hooked;
use crate::heap::fast::Domain;
use crate::interface::*;
use crate::python;
use core::ffi::{c_int, c_void};
use core::ptr;

unsafe extern "C" fn hook_malloc<D: Domain>(_: *mut c_void, size: usize) -> *mut c_void {
    domain::malloc::<Hooked, D>(size)
}

unsafe extern "C" fn hook_calloc<D: Domain>(_: *mut c_void, n: usize, size: usize) -> *mut c_void {
    domain::calloc::<Hooked, D>(n, size)
}

unsafe extern "C" fn hook_realloc<D: Domain>(
    _: *mut c_void,
    block: *mut c_void,
    size: usize,
) -> *mut c_void {
    // SAFETY: CPython passes NULL or a live block of the domain.
    unsafe { domain::realloc::<Hooked, D>(block, size) }
}

unsafe extern "C" fn hook_free<D: Domain>(_: *mut c_void, block: *mut c_void) {
    // SAFETY: CPython passes NULL or a live block of the domain.
    unsafe { domain::free::<Hooked, D>(block) }
}

pub unsafe extern "C" fn hook_raw_malloc(_: *mut c_void, size: usize) -> *mut c_void {
    domain::raw_malloc(size)
}

unsafe extern "C" fn hook_raw_calloc(_: *mut c_void, n: usize, size: usize) -> *mut c_void {
    domain::raw_calloc(n, size)
}

unsafe extern "C" fn hook_raw_realloc(
    _: *mut c_void,
    block: *mut c_void,
    size: usize,
) -> *mut c_void {
    // SAFETY: CPython passes NULL or a live block of the domain.
    unsafe { domain::raw_realloc(block, size) }
}

unsafe extern "C" fn hook_raw_free(_: *mut c_void, block: *mut c_void) {
    // SAFETY: CPython passes NULL or a live block of the domain.
    unsafe { domain::raw_free(block) }
}

const fn table<D: Domain>() -> OxAllocator {
    OxAllocator {
        ctx: ptr::null_mut(),
        malloc: Some(hook_malloc::<D>),
        calloc: Some(hook_calloc::<D>),
        realloc: Some(hook_realloc::<D>),
        free: Some(hook_free::<D>),
    }
}

/// The functions of a domain; None when there is no such domain.
pub fn ours(domain: c_int) -> Option<OxAllocator> {
    match domain {
        OX_DOMAIN_RAW => Some(OxAllocator {
            ctx: ptr::null_mut(),
            malloc: Some(hook_raw_malloc),
            calloc: Some(hook_raw_calloc),
            realloc: Some(hook_raw_realloc),
            free: Some(hook_raw_free),
        }),
        OX_DOMAIN_MEM => Some(table::<Mem>()),
        OX_DOMAIN_OBJ => Some(table::<Obj>()),
        _ => None,
    }
}

/// What is installed in a domain now.
pub fn installed(domain: c_int) -> OxAllocator {
    let mut now =
        OxAllocator { ctx: ptr::null_mut(), malloc: None, calloc: None, realloc: None, free: None };
    python::get_allocator(domain, (&raw mut now).cast());
    now
}

/// What tells one allocator from another: the addresses of malloc and free.
pub fn addresses(allocator: &OxAllocator) -> [usize; 2] {
    [allocator.malloc.map_or(0, |f| f as usize), allocator.free.map_or(0, |f| f as usize)]
}

pub fn is_ours(domain: c_int) -> bool {
    ours(domain).is_some_and(|ours| addresses(&installed(domain)) == addresses(&ours))
}
