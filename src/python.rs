//! What we ask of the CPython in this process, if there is one.
//!
//! Every symbol is looked up at run time and may be missing: the library loads
//! into any process, and into any version of CPython. The look-up takes the
//! loader's lock, and constructors that run under it may allocate through us: so
//! it comes before any lock of ours (`get_ready`). Under our locks nothing of
//! CPython is called but, by `gil_serialises`, PyThreadState_GetUnchecked,
//! PyInterpreterState_Head and PyInterpreterState_Main, which read a word each.
//! Nothing here takes the GIL.

use crate::os;
use core::ffi::{CStr, c_char, c_int, c_void};
use core::mem::transmute;
use core::sync::atomic::{
    AtomicBool, AtomicPtr, AtomicU8, Ordering::Acquire, Ordering::Relaxed, Ordering::Release,
};

/// A function of CPython; null when there is none.
struct Symbol {
    name: &'static CStr,
    address: AtomicPtr<c_void>,
}

impl Symbol {
    const fn new(name: &'static CStr) -> Symbol {
        Symbol { name, address: AtomicPtr::new(core::ptr::null_mut()) }
    }

    fn get(&self) -> Option<*mut c_void> {
        look_up();
        let address = self.address.load(Relaxed);
        (!address.is_null()).then_some(address)
    }
}

/// Finds out, once, what takes a look-up to know.
pub fn get_ready() {
    look_up();
    serialised();
}

/// Threads that come at the same time all do it: one that waited for another
/// might have the loader's lock.
fn look_up() {
    static DONE: AtomicBool = AtomicBool::new(false);
    if DONE.load(Acquire) {
        return;
    }
    for symbol in SYMBOLS {
        symbol.address.store(os::symbol(symbol.name), Relaxed);
    }
    DONE.store(true, Release);
}

macro_rules! symbols {
    ($($name:ident = $symbol:literal;)*) => {
        $(static $name: Symbol = Symbol::new($symbol);)*
        static SYMBOLS: &[&Symbol] = &[$(&$name),*];
    };
}

symbols! {
    SET_ALLOCATOR = c"PyMem_SetAllocator";
    GET_ALLOCATOR = c"PyMem_GetAllocator";
    GET_VERSION = c"Py_GetVersion";
    IS_INITIALIZED = c"Py_IsInitialized";
    INTERPRETER_HEAD = c"PyInterpreterState_Head";
    INTERPRETER_MAIN = c"PyInterpreterState_Main";
    THREAD_STATE = c"PyThreadState_GetUnchecked";
    THREAD_STATE_OLD = c"_PyThreadState_UncheckedGet";
    THIS_THREAD_STATE = c"PyGILState_GetThisThreadState";
    FREE_THREADED = c"_Py_DecRefShared";
    REF_TOTAL = c"_Py_RefTotal";
    REF_TOTAL_SINCE_312 = c"_Py_INCREF_IncRefTotal";
    TRACE = c"PyTraceMalloc_Track";
    UNTRACE = c"PyTraceMalloc_Untrack";
    ALLOCATOR_NAME = c"_PyMem_GetCurrentAllocatorName";
}

/// Declares how a symbol is called.
macro_rules! call {
    ($symbol:ident as fn($($type:ty),*) $(-> $result:ty)?, $($argument:expr),*) => {
        $symbol.get().map(|address| {
            // SAFETY: the symbol has this C type in every CPython since 3.8.
            unsafe {
                let function: unsafe extern "C" fn($($type),*) $(-> $result)? = transmute(address);
                function($($argument),*)
            }
        })
    };
}

/// Whether this process has a CPython.
pub fn is_here() -> bool {
    SET_ALLOCATOR.get().is_some() && GET_ALLOCATOR.get().is_some()
}

/// The program or library that it is in, as `os::library_of` says.
pub fn library() -> Option<usize> {
    SET_ALLOCATOR.get().and_then(|function| os::library_of(function))
}

/// Its version as 0xMMmmpp; 0 when there is none.
pub fn version() -> u32 {
    let Some(text) = call!(GET_VERSION as fn() -> *const c_char,) else {
        return 0;
    };
    if text.is_null() {
        return 0;
    }
    // SAFETY: a C string that lives for ever.
    let text = unsafe { CStr::from_ptr(text) }.to_bytes();
    let mut numbers = [0u32; 3];
    let mut at = 0;
    for byte in text {
        match byte {
            b'0'..=b'9' => numbers[at] = numbers[at] * 10 + u32::from(byte - b'0'),
            b'.' if at < 2 => at += 1,
            _ => break,
        }
    }
    numbers[0] << 16 | numbers[1] << 8 | numbers[2]
}

/// Whether objects are collected by walking CPython's own heaps, which then
/// must stay (a build without GIL).
pub fn is_free_threaded() -> bool {
    FREE_THREADED.get().is_some()
}

/// Whether it was configured with --with-pydebug: only such a build counts
/// all references.
pub fn is_debug_build() -> bool {
    REF_TOTAL.get().is_some() || REF_TOTAL_SINCE_312.get().is_some()
}

pub fn is_initialized() -> bool {
    call!(IS_INITIALIZED as fn() -> c_int,).is_some_and(|answer| answer != 0)
}

/// Whether the calling thread runs Python: has a thread state and the GIL.
pub fn is_attached() -> bool {
    let Some(current) = current_thread_state() else {
        return false;
    };
    if current.is_null() {
        return false;
    }
    if version() >= 0x030c00 {
        return true; // Since 3.12 it is the thread's own.
    }
    // Before, it is whoever holds the GIL: compare with this thread's.
    call!(THIS_THREAD_STATE as fn() -> *mut c_void,).is_some_and(|mine| mine == current)
}

fn current_thread_state() -> Option<*mut c_void> {
    call!(THREAD_STATE as fn() -> *mut c_void,)
        .or_else(|| call!(THREAD_STATE_OLD as fn() -> *mut c_void,))
}

/// Whether tracemalloc is tracing; the caller is attached.
pub fn is_tracing() -> bool {
    // It says so when asked to trace something: a domain and an address of
    // our own, forgotten at once.
    const DOMAIN: u32 = 0x6f78;
    let here = TRACE.name.as_ptr() as usize;
    let tracing = call!(TRACE as fn(u32, usize, usize) -> c_int, DOMAIN, here, 1) == Some(0);
    if tracing {
        call!(UNTRACE as fn(u32, usize) -> c_int, DOMAIN, here);
    }
    tracing
}

/// What CPython itself calls the allocators that are installed ("pymalloc",
/// "pymalloc_debug", "malloc" …); None when it does not know them. Only while
/// the interpreter is initialised: later, 3.12 has no lock for it any more.
pub fn allocator_name() -> Option<&'static CStr> {
    let name = call!(ALLOCATOR_NAME as fn() -> *const c_char,)?;
    // SAFETY: NULL or a string constant.
    (!name.is_null()).then(|| unsafe { CStr::from_ptr(name) })
}

/// Who serialises the calls of the MEM and OBJ functions.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
enum Serialised {
    /// Not asked yet.
    Unknown = 0,
    /// Nobody, or we cannot tell.
    No,
    /// One GIL for the process: CPython before 3.12.
    Always,
    /// One GIL for each interpreter: CPython from 3.12 on.
    WhileAlone,
}

static SERIALISED: AtomicU8 = AtomicU8::new(Serialised::Unknown as u8);
static SECOND_INTERPRETER: AtomicBool = AtomicBool::new(false);

fn serialised() -> u8 {
    match SERIALISED.load(Relaxed) {
        known if known != Serialised::Unknown as u8 => known,
        _ => find_out(),
    }
}

fn find_out() -> u8 {
    let found = if !is_here() || is_free_threaded() {
        Serialised::No
    } else if version() < 0x030c00 {
        Serialised::Always
    } else if INTERPRETER_HEAD.get().is_some() && INTERPRETER_MAIN.get().is_some() {
        Serialised::WhileAlone
    } else {
        Serialised::No
    };
    SERIALISED.store(found as u8, Relaxed);
    found as u8
}

/// Whether the calling thread, which is inside a MEM or OBJ function, may be
/// sure that no other thread is. (docs/design.md, "The hand-over".)
pub fn gil_serialises() -> bool {
    let known = serialised();
    if known == Serialised::Always as u8 {
        return true;
    }
    known == Serialised::WhileAlone as u8 && !SECOND_INTERPRETER.load(Relaxed) && is_alone()
}

/// Before a fork: notices a second interpreter, where heaps are handed over.
pub fn notice_interpreters() {
    if SERIALISED.load(Relaxed) == Serialised::WhileAlone as u8 {
        is_alone();
    }
}

/// A new interpreter is linked at the head before its creator lets go of the
/// GIL, and unlinked after its last call; so this, read while attached, says
/// that nobody runs under another GIL.
fn is_alone() -> bool {
    if current_thread_state().is_none_or(|state| state.is_null()) {
        return false;
    }
    let head = call!(INTERPRETER_HEAD as fn() -> *mut c_void,);
    let main = call!(INTERPRETER_MAIN as fn() -> *mut c_void,);
    match (head, main) {
        (Some(head), Some(main)) if !head.is_null() => {
            if head != main {
                SECOND_INTERPRETER.store(true, Relaxed);
            }
            head == main
        }
        _ => false,
    }
}

/// Whether a thread with the GIL may take the interpreter's heap over from one
/// without: then nobody else may touch it, and it is at rest when a thread with
/// the GIL forks.
pub fn hands_heaps_over() -> bool {
    let known = serialised();
    known == Serialised::Always as u8
        || known == Serialised::WhileAlone as u8 && !SECOND_INTERPRETER.load(Relaxed)
}

/// Calls `PyMem_SetAllocator`; `allocator` points to a PyMemAllocatorEx.
pub fn set_allocator(domain: c_int, allocator: *mut c_void) {
    call!(SET_ALLOCATOR as fn(c_int, *mut c_void), domain, allocator);
}

/// Calls `PyMem_GetAllocator`; `allocator` points to a PyMemAllocatorEx.
pub fn get_allocator(domain: c_int, allocator: *mut c_void) {
    call!(GET_ALLOCATOR as fn(c_int, *mut c_void), domain, allocator);
}
