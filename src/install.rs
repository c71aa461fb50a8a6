//! Installing the hooks into the CPython of this process, and saying whether
//! they are in force.

use crate::abi::*;
use crate::domain::{self, Mem, Obj, PREVIOUS, PreviousAllocator};
use crate::heap::fast::Domain;
use crate::heap::{Hooked, life};
use crate::layout::{self, DOMAINS};
use crate::options::{self, Option_};
use crate::os::{self, Line, lock::ForkLock};
use crate::{python, region, report};
use core::ffi::{c_char, c_int, c_void};
use core::fmt::Write;
use core::ptr;

// ------------------------------------------------------ the tables of functions

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
fn ours(domain: c_int) -> Option<OxAllocator> {
    match domain {
        OX_DOMAIN_RAW => Some(OxAllocator {
            ctx: ptr::null_mut(),
            malloc: Some(OxMem_RawMalloc),
            calloc: Some(OxMem_RawCalloc),
            realloc: Some(OxMem_RawRealloc),
            free: Some(OxMem_RawFree),
        }),
        OX_DOMAIN_MEM => Some(table::<Mem>()),
        OX_DOMAIN_OBJ => Some(table::<Obj>()),
        _ => None,
    }
}

/// What is installed in a domain now.
fn installed(domain: c_int) -> OxAllocator {
    let mut now = OxAllocator {
        ctx: ptr::null_mut(),
        malloc: None,
        calloc: None,
        realloc: None,
        free: None,
    };
    python::get_allocator(domain, (&raw mut now).cast());
    now
}

fn same(a: &OxAllocator, b: &OxAllocator) -> bool {
    a.malloc.map(|f| f as usize) == b.malloc.map(|f| f as usize)
        && a.free.map(|f| f as usize) == b.free.map(|f| f as usize)
}

fn is_ours(domain: c_int) -> bool {
    ours(domain).is_some_and(|ours| same(&installed(domain), &ours))
}

/// Fills `out` with the functions of a domain.
pub fn get_allocator(domain: c_int, out: &mut OxAllocator) -> c_int {
    let Some(functions) = ours(domain) else {
        return OX_ERR_ARGUMENT;
    };
    if !start() {
        return OX_ERR_NO_MEMORY;
    }
    *out = functions;
    OX_OK
}

/// Readies the heap; false when there are no addresses to be had. The exported
/// functions work without it too: they find out on their first slow path.
fn start() -> bool {
    options::read(python::is_here());
    region::start() && life::start()
}

// ---------------------------------------------------------------- installation

/// What was done, for status().
struct Done {
    code: c_int,
    by: u32,
    /// Bit `1 << domain`: we installed there.
    domains: u32,
    /// PYTHONMALLOC as it was then.
    pythonmalloc: [u8; 32],
    pythonmalloc_length: usize,
    /// What was installed before us in MEM.
    before: Option<OxAllocator>,
}

// SAFETY: the only pointers are functions and a context that is never followed.
unsafe impl Send for Done {}

static DONE: ForkLock<Done> = ForkLock::new(Done {
    code: OX_NOT_INSTALLED,
    by: 0,
    domains: 0,
    pythonmalloc: [0; 32],
    pythonmalloc_length: 0,
    before: None,
});

const BY_PRELOAD: u32 = 1;
const BEFORE_INITIALIZATION: u32 = 2;
const LATE: u32 = 3;

unsafe extern "C" {
    /// 1 while the constructor of shim.c runs.
    static oxmalloc_in_constructor: c_int;
}

/// Installs what can be installed; the code says what was.
pub fn install() -> c_int {
    let code = try_install();
    let mut done = DONE.lock();
    // A refusal does not take back what is installed.
    if done.domains == 0 || code >= 0 {
        if code != OX_ALREADY {
            done.code = code;
        }
    }
    code
}

fn try_install() -> c_int {
    if !python::is_here() {
        return OX_ERR_NO_PYTHON;
    }
    options::read(true);
    report::at_exit();
    if options::get(Option_::Disable) != 0 {
        return OX_ERR_DISABLED;
    }
    let version = python::version();
    if version < 0x030800 {
        let mut line = Line::new();
        let _ = write!(
            line,
            "oxmalloc: inactive: CPython {}.{} is too old, 3.8 or newer is supported",
            version >> 16,
            version >> 8 & 0xff
        );
        line.print_to_stderr();
        return OX_ERR_VERSION;
    }
    let late = python::is_initialized();
    if late && !python::is_attached() {
        return OX_ERR_NEEDS_GIL;
    }
    let wanted = wanted_domains();
    if (OX_DOMAIN_RAW..=OX_DOMAIN_OBJ).all(|d| wanted >> d & 1 == 0 || is_ours(d)) {
        return OX_ALREADY;
    }
    if is_another_copys(&installed(OX_DOMAIN_MEM)) {
        return OX_ERR_SECOND_COPY;
    }
    if late {
        if python::is_tracing() {
            return OX_ERR_TRACEMALLOC;
        }
        if chosen_by_user() {
            return OX_ERR_PYTHONMALLOC;
        }
    }
    if !start() {
        return OX_ERR_NO_MEMORY;
    }
    set_hooks(wanted, late)
}

/// Which domains may be ours in this CPython, as bits.
fn wanted_domains() -> u32 {
    let mut domains = 1 << OX_DOMAIN_MEM;
    if !python::is_debug_build() {
        domains |= 1 << OX_DOMAIN_RAW;
    }
    if !python::is_free_threaded() {
        domains |= 1 << OX_DOMAIN_OBJ;
    }
    domains
}

/// PYTHONMALLOC is set, or a release build runs with debug hooks (dev mode).
fn chosen_by_user() -> bool {
    os::environment(c"PYTHONMALLOC").is_some_and(|value| !value.is_empty())
        || !python::is_debug_build() && has_debug_hooks()
}

fn has_debug_hooks() -> bool {
    python::allocator_name().is_some_and(|name| name.to_bytes().ends_with(b"_debug"))
}

fn set_hooks(mut wanted: u32, late: bool) -> c_int {
    // Late, a RAW domain of somebody else's has live blocks that libc's free,
    // which ours is, must not get.
    if late && python::allocator_name().is_none() {
        wanted &= !(1 << OX_DOMAIN_RAW);
    }
    let mut done = DONE.lock();
    for domain in OX_DOMAIN_RAW..=OX_DOMAIN_OBJ {
        let (Some(mut ours), true) = (ours(domain), wanted >> domain & 1 == 1) else {
            continue;
        };
        let before = installed(domain);
        if same(&before, &ours) {
            continue;
        }
        if domain == OX_DOMAIN_MEM && done.before.is_none() {
            done.before = Some(before);
        }
        if domain != OX_DOMAIN_RAW {
            remember(domain, &before);
        }
        python::set_allocator(domain, (&raw mut ours).cast());
        done.domains |= 1 << domain;
    }
    // SAFETY: only the constructor writes it, before there are threads.
    done.by = if unsafe { oxmalloc_in_constructor } != 0 {
        BY_PRELOAD
    } else if late {
        LATE
    } else {
        BEFORE_INITIALIZATION
    };
    let value = os::environment(c"PYTHONMALLOC").unwrap_or(b"");
    let length = value.len().min(done.pythonmalloc.len());
    done.pythonmalloc[..length].copy_from_slice(&value[..length]);
    done.pythonmalloc_length = length;
    if wanted >> OX_DOMAIN_OBJ & 1 == 0 {
        OX_WITHOUT_OBJ
    } else if wanted >> OX_DOMAIN_RAW & 1 == 0 {
        OX_WITHOUT_RAW
    } else {
        OX_OK
    }
}

/// Blocks that are not ours go to what was installed the first time.
fn remember(domain: c_int, before: &OxAllocator) {
    static REMEMBERED: ForkLock<[bool; DOMAINS]> = ForkLock::new([false; DOMAINS]);
    let index = if domain == OX_DOMAIN_MEM {
        layout::MEM
    } else {
        layout::OBJ
    };
    let mut remembered = REMEMBERED.lock();
    if let (Some(realloc), Some(free), false) = (before.realloc, before.free, remembered[index]) {
        let previous = Box::new(PreviousAllocator {
            ctx: before.ctx,
            realloc,
            free,
        });
        PREVIOUS[index].set(Box::leak(previous));
        remembered[index] = true;
    }
}

/// Whether a function belongs to a second copy of this library.
fn is_another_copys(allocator: &OxAllocator) -> bool {
    let Some(function) = allocator.malloc else {
        return false;
    };
    os::library_defines(function as *const c_void, c"Ox_Version")
        .is_some_and(|theirs| theirs as usize != Ox_Version as *const () as usize)
}

// ---------------------------------------------------------------------- status

/// Whether the hooks are in force, and if not why.
pub fn status() -> OxStatus {
    let mut line = Line::new();
    let done = DONE.lock();
    let (code, active_domains) = state(&done, &mut line);
    let mut status = OxStatus {
        size: size_of::<OxStatus>(),
        code,
        active_domains,
        installed_by: done.by,
        python_version: if python::is_here() {
            python::version()
        } else {
            0
        },
        text: [0; 160],
    };
    let room = status.text.len() - 1;
    for (to, from) in status.text[..room].iter_mut().zip(line.as_bytes()) {
        *to = *from as c_char;
    }
    status
}

fn state(done: &Done, text: &mut Line) -> (c_int, u32) {
    if done.domains == 0 {
        let reason = match done.code {
            OX_ERR_TRACEMALLOC => "tracemalloc was tracing; stop it before Ox_Install",
            OX_ERR_PYTHONMALLOC => "PYTHONMALLOC or dev mode chose an allocator; unset it",
            OX_ERR_NEEDS_GIL => "Ox_Install was called without the GIL",
            OX_ERR_VERSION => "this CPython is too old, 3.8 or newer is supported",
            OX_ERR_DISABLED => "OXMALLOC_DISABLE is set",
            OX_ERR_NO_MEMORY => "no range of addresses could be had",
            OX_ERR_SECOND_COPY => "another copy of the library serves this process",
            _ if !python::is_here() => "no CPython in this process",
            _ => "not installed; call Ox_Install, or preload the library",
        };
        let _ = write!(text, "inactive: {reason}");
        return (done.code, 0);
    }
    if is_replaced(done) {
        let value = &done.pythonmalloc[..done.pythonmalloc_length];
        let value = core::str::from_utf8(value).unwrap_or("?");
        let _ = if !value.is_empty() {
            write!(text, "inactive: PYTHONMALLOC={value}")
        } else if has_debug_hooks() {
            write!(
                text,
                "inactive: dev mode (-X dev or PYTHONDEVMODE) chose the debug allocator"
            )
        } else {
            write!(
                text,
                "inactive: the interpreter was initialised again; call Ox_Install each time"
            )
        };
        return (OX_ERR_PYTHONMALLOC, 0);
    }
    let _ = write!(text, "active");
    (done.code, done.domains)
}

/// Whether CPython put an allocator of its own in our place. One that it does
/// not know is ours, or wraps ours as tracemalloc does.
fn is_replaced(done: &Done) -> bool {
    let now = installed(OX_DOMAIN_MEM);
    if ours(OX_DOMAIN_MEM).is_some_and(|ours| same(&now, &ours)) {
        return false;
    }
    python::allocator_name().is_some() || done.before.is_some_and(|before| same(&now, &before))
}

/// Holds the lock across a fork.
pub fn is_active() -> bool {
    status().active_domains != 0
}
