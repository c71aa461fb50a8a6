//! Memory, time and processes on Linux.

use crate::layout::{ARENA_SIZE, MIN_PAGE};
use core::ffi::{CStr, c_int, c_void};
use core::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// Puts errno back when dropped.
pub struct KeepErrno(i32);

impl KeepErrno {
    #[allow(clippy::new_without_default)]
    pub fn new() -> Self {
        // SAFETY: the location is the calling thread's own errno.
        KeepErrno(unsafe { *libc::__errno_location() })
    }
}

impl Drop for KeepErrno {
    fn drop(&mut self) {
        // SAFETY: as above.
        unsafe { *libc::__errno_location() = self.0 }
    }
}

/// Sets errno to ENOMEM, as malloc does when it fails.
pub fn set_out_of_memory() {
    // SAFETY: the calling thread's own errno.
    unsafe { *libc::__errno_location() = libc::ENOMEM }
}

/// The size of a page in bytes: 4, 16 or 64 KiB.
pub fn page_size() -> usize {
    static PAGE: AtomicUsize = AtomicUsize::new(0);
    match PAGE.load(Relaxed) {
        0 => {
            let _errno = KeepErrno::new();
            // SAFETY: sysconf has no preconditions.
            let page = unsafe { libc::sysconf(libc::_SC_PAGESIZE) } as usize;
            PAGE.store(page, Relaxed);
            page
        }
        page => page,
    }
}

/// Maps `bytes` of zeroed memory exactly at `address`; false when something
/// else is there or memory is short. A hint, not MAP_FIXED: never unmaps what
/// belongs to somebody else, on any kernel.
pub fn map_at(address: usize, bytes: usize) -> bool {
    match map(address, bytes) {
        Some(got) if got == address => true,
        Some(got) => {
            unmap(got, bytes);
            false
        }
        None => false,
    }
}

/// Whether `map_at` would succeed.
pub fn is_free(address: usize, bytes: usize) -> bool {
    map_at(address, bytes) && unmap(address, bytes)
}

/// Maps `bytes` of zeroed memory, at `hint` when that is free.
pub fn map(hint: usize, bytes: usize) -> Option<usize> {
    let _errno = KeepErrno::new();
    // SAFETY: an anonymous private mapping without MAP_FIXED disturbs nothing.
    let got = unsafe {
        libc::mmap(
            hint as *mut c_void,
            bytes,
            libc::PROT_READ | libc::PROT_WRITE,
            libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
            -1,
            0,
        )
    };
    (got != libc::MAP_FAILED).then_some(got as usize)
}

/// Unmaps a mapping of ours; false when the kernel could not (it would have
/// to split a mapping and has no room for one more).
pub fn unmap(address: usize, bytes: usize) -> bool {
    let _errno = KeepErrno::new();
    // SAFETY: callers pass ranges that they mapped and that hold no live block.
    unsafe { libc::munmap(address as *mut c_void, bytes) == 0 }
}

/// Grows or shrinks a mapping where it is.
pub fn resize_in_place(address: usize, old: usize, new: usize) -> bool {
    let _errno = KeepErrno::new();
    // SAFETY: the range is a mapping of ours; without MAYMOVE nothing moves.
    unsafe { libc::mremap(address as *mut c_void, old, new, 0) != libc::MAP_FAILED }
}

/// Moves a mapping of ours over another mapping of ours of `new` bytes.
pub fn move_over(address: usize, old: usize, target: usize, new: usize) -> bool {
    let _errno = KeepErrno::new();
    // SAFETY: both ranges are mappings of ours; the target holds no live block.
    let got = unsafe {
        libc::mremap(
            address as *mut c_void,
            old,
            new,
            libc::MREMAP_MAYMOVE | libc::MREMAP_FIXED,
            target as *mut c_void,
        )
    };
    got != libc::MAP_FAILED
}

fn advise(address: usize, bytes: usize, advice: i32) -> bool {
    let _errno = KeepErrno::new();
    // SAFETY: callers pass mapped ranges of ours; the advice given here loses
    // contents only where the caller says so.
    unsafe { libc::madvise(address as *mut c_void, bytes, advice) == 0 }
}

/// Gives pages back: they read as zero when next touched.
pub fn give_back(address: usize, bytes: usize) -> bool {
    advise(address, bytes, libc::MADV_DONTNEED)
}

/// As `give_back`; returns how many bytes had been in memory, None if the
/// kernel refused (the memory is locked).
pub fn give_back_counted(address: usize, bytes: usize) -> Option<usize> {
    let resident = resident(address, bytes);
    give_back(address, bytes).then_some(resident)
}

/// Asks for huge pages in a range, or refuses them.
pub fn huge_pages(address: usize, bytes: usize, wanted: bool) {
    let advice = if wanted { libc::MADV_HUGEPAGE } else { libc::MADV_NOHUGEPAGE };
    advise(address, bytes, advice);
}

/// Breaks the huge page that `page` lies in, if it does, into small ones. The
/// contents of `page` are lost. Giving pages back does not do that: the rest of
/// a huge page stays with the process until the system is short of memory.
pub fn split_huge_page(page: usize) {
    advise(page, page_size(), libc::MADV_FREE);
}

/// Which pages of a range of at most an arena are in memory.
pub struct Residency {
    address: usize,
    /// For each page 1 or 0.
    pages: [u8; ARENA_SIZE / MIN_PAGE],
}

impl Residency {
    /// Asks the kernel. Nothing is in memory when some of the range is not mapped
    /// (any more).
    pub fn of(address: usize, bytes: usize) -> Self {
        let _errno = KeepErrno::new();
        let mut pages = [0; ARENA_SIZE / MIN_PAGE];
        let asked = &mut pages[..bytes.div_ceil(page_size())];
        // SAFETY: `asked` has a byte for each page.
        if unsafe { libc::mincore(address as *mut c_void, bytes, asked.as_mut_ptr()) } != 0 {
            asked.fill(0);
        }
        for page in asked {
            *page &= 1; // The kernel may use the other bits one day.
        }
        Residency { address, pages }
    }

    /// How many bytes of a part are in memory; none of what is outside.
    pub fn bytes(&self, address: usize, bytes: usize) -> usize {
        let page = page_size();
        let offset = address.wrapping_sub(self.address);
        let end = offset.saturating_add(bytes).div_ceil(page);
        let pages = self.pages.get(offset / page..end).unwrap_or(&[]);
        (pages.iter().map(|seen| *seen as usize).sum::<usize>() * page).min(bytes)
    }
}

/// How many bytes of a mapped range are in memory.
pub fn resident(address: usize, bytes: usize) -> usize {
    let part = |offset: usize| {
        let (start, part) = (address + offset, (bytes - offset).min(ARENA_SIZE));
        Residency::of(start, part).bytes(start, part)
    };
    (0..bytes).step_by(ARENA_SIZE).map(part).sum()
}

/// Bytes of the whole process in memory, as the kernel counts them (statm: it
/// may be some dozen pages behind for each thread); None without /proc.
pub fn process_resident() -> Option<usize> {
    let _errno = KeepErrno::new();
    let mut text = [0u8; 128];
    // SAFETY: a C string; `text` is ours; the descriptor is closed again.
    let length = unsafe {
        let fd = libc::open(c"/proc/self/statm".as_ptr(), libc::O_RDONLY | libc::O_CLOEXEC);
        if fd < 0 {
            return None;
        }
        let length = libc::read(fd, text.as_mut_ptr().cast(), text.len());
        libc::close(fd);
        length
    };
    let text = text.get(..usize::try_from(length).ok()?)?;
    let pages = core::str::from_utf8(text).ok()?.split(' ').nth(1)?;
    Some(pages.parse::<usize>().ok()? * page_size())
}

/// The name of the calling thread, which is the program's unless somebody named
/// the thread; NUL-terminated.
pub fn thread_name() -> [u8; 16] {
    let _errno = KeepErrno::new();
    let mut name = [0; 16];
    // SAFETY: the kernel writes at most 16 bytes.
    unsafe { libc::prctl(libc::PR_GET_NAME, name.as_mut_ptr()) };
    name
}

/// Seconds since 1970.
pub fn epoch_seconds() -> u64 {
    clock_ns(libc::CLOCK_REALTIME) / 1_000_000_000
}

/// Milliseconds that only ever grow; as coarse as the kernel's tick, and as
/// cheap: no system call.
pub fn now_ms() -> u64 {
    clock_ns(libc::CLOCK_MONOTONIC_COARSE) / 1_000_000
}

/// Microseconds that only ever grow.
pub fn now_us() -> u64 {
    clock_ns(libc::CLOCK_MONOTONIC) / 1000
}

fn clock_ns(clock: libc::clockid_t) -> u64 {
    let _errno = KeepErrno::new();
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the clock exists on every supported kernel; `time` is ours.
    unsafe { libc::clock_gettime(clock, &mut time) };
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

/// Bits that differ from process to process. Not the loader's own (AT_RANDOM):
/// libc guards pointers with them, and what we do with ours can be seen.
pub fn random_bits() -> usize {
    let _errno = KeepErrno::new();
    let mut bits = [0; size_of::<usize>()];
    // SAFETY: `bits` has as many bytes.
    let got = unsafe { libc::getrandom(bits.as_mut_ptr().cast(), bits.len(), libc::GRND_NONBLOCK) };
    if got == bits.len() as isize {
        usize::from_ne_bytes(bits)
    } else {
        clock_ns(libc::CLOCK_MONOTONIC) as usize
    }
}

/// Lets another thread run.
pub fn yield_now() {
    let _errno = KeepErrno::new();
    // SAFETY: no preconditions.
    unsafe { libc::sched_yield() };
}

/// Sleeps for about 50 microseconds.
pub fn nap() {
    let _errno = KeepErrno::new();
    let time = libc::timespec { tv_sec: 0, tv_nsec: 50_000 };
    // SAFETY: `time` is ours; nobody asks what was left of it.
    unsafe { libc::nanosleep(&time, core::ptr::null_mut()) };
}

/// The calling thread, as a number that is not 0.
#[cfg(feature = "paranoid")]
pub fn thread_id() -> u32 {
    // SAFETY: no preconditions.
    unsafe { libc::gettid() as u32 }
}

/// The process id.
pub fn process_id() -> u32 {
    std::process::id()
}

/// Writes all of `bytes`; the errno of the write that failed otherwise.
pub fn write_all(fd: i32, mut bytes: &[u8]) -> Result<(), i32> {
    let _errno = KeepErrno::new();
    while !bytes.is_empty() {
        // SAFETY: `bytes` is readable.
        let n = unsafe { libc::write(fd, bytes.as_ptr().cast(), bytes.len()) };
        if n > 0 {
            bytes = &bytes[n as usize..];
            continue;
        }
        if n == 0 {
            return Err(libc::EIO); // It will not take more, and says no reason.
        }
        // SAFETY: the calling thread's own errno.
        match unsafe { *libc::__errno_location() } {
            libc::EINTR => {}
            error => return Err(error),
        }
    }
    Ok(())
}

/// Ends the process with SIGABRT.
pub fn abort() -> ! {
    // SAFETY: no preconditions.
    unsafe { libc::abort() }
}

/// Runs `exit` with `value` when a thread that called `on_thread_exit` ends.
/// Registers one key; None when the process has no key left.
pub fn thread_exit_key(exit: unsafe extern "C" fn(*mut c_void)) -> Option<u32> {
    let _errno = KeepErrno::new();
    let mut key = 0;
    // SAFETY: `key` is ours; `exit` lives as long as the library, which is
    // never unloaded.
    (unsafe { libc::pthread_key_create(&mut key, Some(exit)) } == 0).then_some(key)
}

/// Has the key's function called with `value` (not null) at this thread's end.
pub fn on_thread_exit(key: u32, value: *const c_void) -> bool {
    let _errno = KeepErrno::new();
    // SAFETY: `key` was created by thread_exit_key.
    unsafe { libc::pthread_setspecific(key, value) == 0 }
}

/// Registers what runs before a fork and after it in parent and child.
pub fn at_fork(
    prepare: unsafe extern "C" fn(),
    parent: unsafe extern "C" fn(),
    child: unsafe extern "C" fn(),
) -> bool {
    let _errno = KeepErrno::new();
    // SAFETY: the functions live as long as the process (-z nodelete).
    unsafe { libc::pthread_atfork(Some(prepare), Some(parent), Some(child)) == 0 }
}

/// An environment variable's bytes, without copying: valid until somebody
/// changes the environment, so only read at start-up.
pub fn environment(name: &CStr) -> Option<&'static [u8]> {
    // SAFETY: getenv returns NULL or a C string.
    unsafe {
        let value = libc::getenv(name.as_ptr());
        (!value.is_null()).then(|| CStr::from_ptr(value).to_bytes())
    }
}

/// Sets an environment variable, or with None takes it away. Only before there
/// are threads: whoever reads the environment meanwhile reads freed memory.
pub fn set_environment(name: &CStr, value: Option<&CStr>) {
    let _errno = KeepErrno::new();
    // SAFETY: C strings, which setenv copies.
    unsafe {
        match value {
            Some(value) => libc::setenv(name.as_ptr(), value.as_ptr(), 1),
            None => libc::unsetenv(name.as_ptr()),
        }
    };
}

/// A symbol of the running process; null when nobody defines it.
pub fn symbol(name: &CStr) -> *mut c_void {
    let _errno = KeepErrno::new();
    // SAFETY: a lookup in the global scope has no preconditions.
    unsafe { libc::dlsym(libc::RTLD_DEFAULT, name.as_ptr()) }
}

/// Calls `each` with the name of every environment variable.
pub fn each_environment_name(mut each: impl FnMut(&[u8])) {
    unsafe extern "C" {
        static environ: *const *const core::ffi::c_char;
    }
    // SAFETY: `environ` is NULL or a NULL-terminated array of C strings.
    unsafe {
        let mut entry = environ;
        while !entry.is_null() && !(*entry).is_null() {
            let text = CStr::from_ptr(*entry).to_bytes();
            let name = text.iter().position(|b| *b == b'=').unwrap_or(text.len());
            each(&text[..name]);
            entry = entry.add(1);
        }
    }
}

/// A line of text on the stack: what we say is never allocated.
pub struct Line {
    bytes: [u8; 512],
    length: usize,
}

impl Line {
    #[allow(clippy::new_without_default)]
    pub fn new() -> Self {
        Line { bytes: [0; 512], length: 0 }
    }

    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.length]
    }

    /// Ends the line and writes it in one piece.
    pub fn print_to_stderr(mut self) {
        let _ = core::fmt::Write::write_str(&mut self, "\n");
        let _ = write_all(2, self.as_bytes());
    }
}

impl core::fmt::Write for Line {
    /// Cuts what does not fit.
    fn write_str(&mut self, text: &str) -> core::fmt::Result {
        let room = self.bytes.len() - self.length;
        let part = text.len().min(room);
        self.bytes[self.length..self.length + part].copy_from_slice(&text.as_bytes()[..part]);
        self.length += part;
        Ok(())
    }
}

fn information(function: *const c_void) -> Option<libc::Dl_info> {
    let _errno = KeepErrno::new();
    // SAFETY: dladdr fills `info` when it knows the address; zero is valid.
    unsafe {
        let mut info: libc::Dl_info = core::mem::zeroed();
        (libc::dladdr(function, &mut info) != 0).then_some(info)
    }
}

/// The program or library that `function` belongs to, as a number that no other one
/// has. Unlike `information` it does not go through all its symbols: that alone was a
/// 300th of a start of Python.
pub fn library_of(function: *const c_void) -> Option<usize> {
    struct Search {
        address: usize,
        found: Option<usize>,
    }
    unsafe extern "C" fn look(
        library: *mut libc::dl_phdr_info,
        _size: usize,
        search: *mut c_void,
    ) -> c_int {
        // SAFETY: what the loader shows is valid meanwhile; `search` is the one below.
        let (library, search) = unsafe { (&*library, &mut *search.cast::<Search>()) };
        // SAFETY: as many headers as it says.
        let headers =
            unsafe { core::slice::from_raw_parts(library.dlpi_phdr, library.dlpi_phnum as usize) };
        let is_in = |header: &libc::Elf64_Phdr| {
            let start = (library.dlpi_addr + header.p_vaddr) as usize;
            header.p_type == libc::PT_LOAD
                && search.address.wrapping_sub(start) < header.p_memsz as usize
        };
        if !headers.iter().any(is_in) {
            return 0;
        }
        search.found = Some(library.dlpi_phdr as usize);
        1
    }
    let _errno = KeepErrno::new();
    let mut search = Search { address: function as usize, found: None };
    // SAFETY: `look` gets the search that it expects.
    unsafe { libc::dl_iterate_phdr(Some(look), (&raw mut search).cast()) };
    search.found
}

/// The file that the library `function` belongs to was loaded from.
pub fn file_of(function: *const c_void) -> Option<&'static [u8]> {
    let info = information(function).filter(|info| !info.dli_fname.is_null())?;
    // SAFETY: a C string, which lives as long as the library is loaded.
    Some(unsafe { CStr::from_ptr(info.dli_fname) }.to_bytes())
}

/// Whether the library that `function` belongs to defines `name`.
pub fn library_defines(function: *const c_void, name: &CStr) -> bool {
    let _errno = KeepErrno::new();
    let Some(info) = information(function).filter(|info| !info.dli_fname.is_null()) else {
        return false;
    };
    // SAFETY: RTLD_NOLOAD: a handle only to what is loaded already, and stays.
    unsafe {
        let handle = libc::dlopen(info.dli_fname, libc::RTLD_LAZY | libc::RTLD_NOLOAD);
        if handle.is_null() {
            return false;
        }
        // A name is also found in the libraries that this one depends on.
        let address = libc::dlsym(handle, name.as_ptr());
        libc::dlclose(handle);
        !address.is_null() && library_of(address) == library_of(function)
    }
}

/// Runs `function` when the process exits; false when that is impossible.
pub fn at_exit(function: extern "C" fn()) -> bool {
    let _errno = KeepErrno::new();
    // SAFETY: the function lives as long as the process (-z nodelete).
    unsafe { libc::atexit(function) == 0 }
}
