//! Installing the hooks into the CPython of this process, and saying whether
//! they are in force.

use crate::children;
use crate::counting;
use crate::domain::{PREVIOUS, PreviousAllocator};
use crate::heap::life;
use crate::hooks::{addresses, hook_raw_malloc, installed, is_ours, ours};
use crate::interface::*;
use crate::layout;
use crate::options::{self, Option_};
use crate::os::{self, Line};
use crate::{python, report};
use core::ffi::{c_char, c_int, c_void};
use core::fmt::Write;
use core::sync::atomic::{AtomicBool, AtomicI32, AtomicU32, AtomicUsize, Ordering::Relaxed};
use once_cell::race::OnceRef;

// ------------------------------------------------------------ by an embedder

/// Fills `out` with the functions of a domain.
pub fn get_allocator(domain: c_int, out: &mut OxAllocator) -> c_int {
    let Some(functions) = ours(domain) else {
        return OX_ERR_ARGUMENT;
    };
    if !life::start() {
        return OX_ERR_NO_MEMORY;
    }
    *out = functions;
    OX_OK
}

// ---------------------------------------------------------------- installation

/// What was done, for `status`. Atomics and no lock, so that a fork in another
/// thread cannot leave it half done; installations themselves never overlap
/// (before initialisation there is one thread, later there is the GIL).
struct Done {
    code: AtomicI32,
    by: AtomicU32,
    /// Bit `1 << domain`: we installed there.
    domains: AtomicU32,
    /// What was installed in MEM before us: its malloc and free.
    before: [AtomicUsize; 2],
    /// PYTHONMALLOC as it was then.
    pythonmalloc: OnceRef<'static, Vec<u8>>,
}

static DONE: Done = Done {
    code: AtomicI32::new(OX_NOT_INSTALLED),
    by: AtomicU32::new(0),
    domains: AtomicU32::new(0),
    before: [AtomicUsize::new(0), AtomicUsize::new(0)],
    pythonmalloc: OnceRef::new(),
};

const BY_PRELOAD: u32 = 1;
const BEFORE_INITIALIZATION: u32 = 2;
const LATE: u32 = 3;

unsafe extern "C" {
    /// 1 while the constructor of shim.c runs.
    static oxmalloc_in_constructor: c_int;
}

/// The oldest CPython, as `python::version` has it.
const OLDEST: u32 = 0x030800;

/// Installs what can be installed; the code says what was.
pub fn install() -> c_int {
    let code = try_install();
    // A refusal does not take back what is installed.
    let refused = code < 0 && DONE.domains.load(Relaxed) != 0;
    if !refused && code != OX_ALREADY {
        DONE.code.store(code, Relaxed);
    }
    code
}

fn try_install() -> c_int {
    if !python::is_here() {
        return OX_ERR_NO_PYTHON;
    }
    options::read(true);
    report_if_asked();
    // SAFETY: only the constructor writes it, before there are threads.
    if unsafe { oxmalloc_in_constructor } != 0 && options::get(Option_::Children) == 0 {
        children::keep_out();
    }
    if DONE.pythonmalloc.get().is_none() {
        let value = os::environment(c"PYTHONMALLOC").unwrap_or(b"").to_vec();
        let _ = DONE.pythonmalloc.set(Box::leak(Box::new(value)));
    }
    if options::get(Option_::Disable) != 0 {
        return OX_ERR_DISABLED;
    }
    let version = python::version();
    if version < OLDEST {
        let mut line = Line::new();
        let _ = write!(line, "oxmalloc: inactive: ");
        let _ = write_too_old(&mut line);
        line.print_to_stderr();
        return OX_ERR_VERSION;
    }
    let late = python::is_initialized();
    if late && !python::is_attached() {
        return OX_ERR_NEEDS_GIL;
    }
    let wanted = wanted_domains();
    // By us, where RAW may have stayed and tracemalloc may wrap ours; or by an
    // embedder.
    let by_us = DONE.domains.load(Relaxed) != 0 && replaced_by().is_none();
    if by_us || (OX_DOMAIN_RAW..=OX_DOMAIN_OBJ).all(|d| wanted >> d & 1 == 0 || is_ours(d)) {
        return OX_ALREADY;
    }
    if let Some(code) = what_is_in_the_way(late) {
        return code;
    }
    if !life::start() {
        return OX_ERR_NO_MEMORY;
    }
    set_hooks(wanted, late)
}

/// What others did that keeps us out. The caller is attached, if the interpreter
/// runs (`late`).
fn what_is_in_the_way(late: bool) -> Option<c_int> {
    if is_another_copys(&installed(OX_DOMAIN_MEM)) {
        return Some(OX_ERR_SECOND_COPY);
    }
    if late && python::is_tracing() {
        return Some(OX_ERR_TRACEMALLOC);
    }
    // In the constructor CPython has not looked at its environment yet, and
    // may be told to ignore it (-E, -I); it will put its own functions in our
    // place if it must.
    // SAFETY: only the constructor writes it, before there are threads.
    let in_constructor = unsafe { oxmalloc_in_constructor } != 0;
    (!in_constructor && chosen_by_user(late)).then_some(OX_ERR_PYTHONMALLOC)
}

/// Why an installation, which nobody tried yet, would be refused.
fn foreseen_refusal() -> Option<c_int> {
    if !python::is_here() {
        return None;
    }
    if options::foreseen(Option_::Disable) != 0 {
        return Some(OX_ERR_DISABLED);
    }
    if python::version() < OLDEST {
        return Some(OX_ERR_VERSION);
    }
    let late = python::is_initialized();
    if late && !python::is_attached() { None } else { what_is_in_the_way(late) }
}

/// Has said what was asked for, when there is something to say: that it is
/// active, when CPython first takes memory from it, since by then CPython has
/// chosen its allocators; the rest at exit.
fn report_if_asked() {
    static ASKED: AtomicBool = AtomicBool::new(false);
    let (verbose, stats) = (options::get(Option_::Verbose) != 0, options::get(Option_::Stats) != 0);
    if (verbose || stats) && !ASKED.swap(true, Relaxed) {
        os::at_exit(say_at_exit);
        if verbose {
            life::on_first_use(say_active);
        }
    }
}

/// The line of OXMALLOC_VERBOSE was printed, by this process or one it forked from.
static SAID: AtomicBool = AtomicBool::new(false);

fn say_active() {
    if SAID.load(Relaxed) {
        return;
    }
    let status = status();
    if status.active_domains != 0 && !SAID.swap(true, Relaxed) {
        report::print_line(&status);
    }
}

extern "C" fn say_at_exit() {
    if options::get(Option_::Verbose) != 0 && !SAID.swap(true, Relaxed) {
        report::print_line(&status());
    }
    if options::get(Option_::Stats) != 0 {
        report::print_summary(&status());
    }
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

/// PYTHONMALLOC or PYTHONDEVMODE is set, or a release build runs with debug
/// hooks (-X dev), or CPython put others in the place of preloaded ones (-X dev
/// again: on a debug build its hooks look like the default).
fn chosen_by_user(late: bool) -> bool {
    let is_set = |name| os::environment(name).is_some_and(|value| !value.is_empty());
    let has_debug_hooks =
        || python::allocator_name().is_some_and(|name| name.to_bytes().ends_with(b"_debug"));
    is_set(c"PYTHONMALLOC")
        || is_set(c"PYTHONDEVMODE")
        || late && !python::is_debug_build() && has_debug_hooks()
        || late && DONE.by.load(Relaxed) == BY_PRELOAD && replaced_by().is_some_and(was_chosen)
}

fn set_hooks(mut wanted: u32, late: bool) -> c_int {
    // Late, a RAW domain of somebody else's has live blocks that libc's free,
    // which ours is, must not get.
    if late && python::allocator_name().is_none() {
        wanted &= !(1 << OX_DOMAIN_RAW);
    }
    for domain in OX_DOMAIN_RAW..=OX_DOMAIN_OBJ {
        let (Some(mut ours), true) = (ours(domain), wanted >> domain & 1 == 1) else { continue };
        let before = installed(domain);
        if addresses(&before) == addresses(&ours) {
            continue;
        }
        match domain {
            OX_DOMAIN_MEM => remember(layout::MEM, &before),
            OX_DOMAIN_OBJ => remember(layout::OBJ, &before),
            _ => {}
        }
        python::set_allocator(domain, (&raw mut ours).cast());
        DONE.domains.fetch_or(1 << domain, Relaxed);
    }
    // SAFETY: only the constructor writes it, before there are threads.
    let by = if unsafe { oxmalloc_in_constructor } != 0 {
        BY_PRELOAD
    } else if late {
        LATE
    } else {
        BEFORE_INITIALIZATION
    };
    DONE.by.store(by, Relaxed);
    if wanted >> OX_DOMAIN_OBJ & 1 == 0 {
        OX_WITHOUT_OBJ
    } else if wanted >> OX_DOMAIN_RAW & 1 == 0 {
        OX_WITHOUT_RAW
    } else {
        OX_OK
    }
}

/// Blocks that are not ours go to what was installed the first time.
fn remember(index: usize, before: &OxAllocator) {
    let (Some(realloc), Some(free)) = (before.realloc, before.free) else { return };
    if PREVIOUS[index].is_set() {
        return;
    }
    let previous = Box::new(PreviousAllocator { ctx: before.ctx, realloc, free });
    PREVIOUS[index].set(Box::leak(previous));
    if index == layout::MEM {
        for (to, from) in DONE.before.iter().zip(addresses(before)) {
            to.store(from, Relaxed);
        }
    }
}

/// Whether a function belongs to a second copy of this library.
fn is_another_copys(allocator: &OxAllocator) -> bool {
    allocator.malloc.is_some_and(|theirs| {
        let theirs = theirs as *const c_void;
        let library = os::library_of(theirs);
        // To ask what a library defines takes long, and most are CPython's own.
        library != os::library_of(hook_raw_malloc as *const c_void)
            && library != python::library()
            && os::library_defines(theirs, c"Ox_Version")
    })
}

// ---------------------------------------------------------------------- status

/// Whether the hooks are in force, and if not why.
pub fn status() -> OxStatus {
    let mut line = Line::new();
    let (code, active_domains) = state(&mut line);
    let mut status = OxStatus {
        size: size_of::<OxStatus>(),
        code,
        active_domains,
        installed_by: DONE.by.load(Relaxed),
        python_version: if python::is_here() { python::version() } else { 0 },
        text: [0; 160],
    };
    let room = status.text.len() - 1;
    for (to, from) in status.text[..room].iter_mut().zip(line.as_bytes()) {
        *to = *from as c_char;
    }
    status
}

fn state(text: &mut Line) -> (c_int, u32) {
    let (mut code, domains) = (DONE.code.load(Relaxed), DONE.domains.load(Relaxed));
    let pythonmalloc = match DONE.pythonmalloc.get() {
        Some(then) => then.as_slice(),
        None => os::environment(c"PYTHONMALLOC").unwrap_or(b""),
    };
    let pythonmalloc = core::str::from_utf8(pythonmalloc).unwrap_or("?");
    if domains == 0 {
        if code == OX_NOT_INSTALLED {
            code = foreseen_refusal().unwrap_or(code);
        }
        let _ = write!(text, "inactive: ");
        let _ = match code {
            OX_ERR_PYTHONMALLOC if !pythonmalloc.is_empty() => {
                write!(text, "PYTHONMALLOC={pythonmalloc:.80}")
            }
            OX_ERR_PYTHONMALLOC => write!(text, "{DEV_MODE}"),
            OX_ERR_TRACEMALLOC => {
                write!(text, "tracemalloc is tracing, or was when it was to be installed")
            }
            OX_ERR_NEEDS_GIL => {
                write!(text, "Ox_Install was called without the GIL, or in a sub-interpreter")
            }
            OX_ERR_VERSION => write_too_old(text),
            OX_ERR_DISABLED => write!(text, "OXMALLOC_DISABLE is set"),
            OX_ERR_NO_MEMORY => write!(text, "no range of addresses could be had"),
            OX_ERR_SECOND_COPY => {
                write!(text, "another copy of the library serves this process")
            }
            _ if !python::is_here() => write!(text, "no CPython in this process"),
            _ => write!(text, "not installed"),
        };
        return (code, 0);
    }
    if let Some(now) = replaced_by() {
        let (code, _) = if !pythonmalloc.is_empty() {
            (OX_ERR_PYTHONMALLOC, write!(text, "inactive: PYTHONMALLOC={pythonmalloc:.80}"))
        } else if was_chosen(now) {
            (OX_ERR_PYTHONMALLOC, write!(text, "inactive: {DEV_MODE}"))
        } else {
            let again = "the interpreter was initialised again; call Ox_Install";
            (OX_NOT_INSTALLED, write!(text, "inactive: {again}"))
        };
        return (code, 0);
    }
    let _ = write!(text, "active");
    (code, domains)
}

const DEV_MODE: &str = "dev mode (-X dev or PYTHONDEVMODE) chose debug hooks";

fn write_too_old(text: &mut Line) -> core::fmt::Result {
    let version = python::version();
    let (major, minor) = (version >> 16, version >> 8 & 0xff);
    write!(text, "CPython {major}.{minor} is too old, 3.8 or newer is supported")
}

/// What CPython put in our place. While it runs, functions that it does not
/// know the name of are ours, or wrap ours as tracemalloc's do; those are gone
/// when it has ended.
fn replaced_by() -> Option<[usize; 2]> {
    let now = addresses(&installed(OX_DOMAIN_MEM));
    let wraps_us =
        python::is_initialized() && python::allocator_name().is_none() && now != before_us();
    let serves = is_ours(OX_DOMAIN_MEM) || counting::is_installed(OX_DOMAIN_MEM);
    (!serves && !wraps_us).then_some(now)
}

/// Whether somebody chose what CPython put in our place. From 3.12 on it also
/// puts its default there when it is initialised again; a debug build's default
/// looks like a choice.
fn was_chosen(now: [usize; 2]) -> bool {
    now != before_us() || python::is_debug_build()
}

fn before_us() -> [usize; 2] {
    [0, 1].map(|i: usize| DONE.before[i].load(Relaxed))
}
