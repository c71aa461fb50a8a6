//! The thread's words: one thread-local object of two words.
//!
//! `thread_local!` in a shared library costs a call to `__tls_get_addr` on
//! every access. An initial-exec variable costs two inlined instructions, but
//! cannot be declared in stable Rust; so it is defined and read in assembler
//! here. Its two words come out of the static TLS surplus that every glibc
//! keeps for libraries loaded late (glibc has 1.6 KiB, this takes 16 bytes).
//!
//! Each word starts as the address of a static that the user of this module
//! names (`thread_words!`), so the hot path never asks "initialised?".

use core::sync::atomic::AtomicPtr;

/// Defines the two words, both starting as the address of `$initial`.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
#[macro_export]
#[doc(hidden)]
macro_rules! thread_words {
    ($initial:path) => {
        core::arch::global_asm!(
            ".pushsection .tdata.oxmalloc_words,\"awT\",@progbits",
            ".balign 8",
            ".globl oxmalloc_words",
            ".hidden oxmalloc_words",
            ".type oxmalloc_words, @object",
            ".size oxmalloc_words, 16",
            "oxmalloc_words:",
            ".quad {initial}",
            ".quad {initial}",
            ".popsection",
            initial = sym $initial,
        );
    };
}

/// This thread's word `I`, for the hot path.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
pub fn get<const I: usize, T: 'static>() -> *mut T {
    let word: *mut T;
    // SAFETY: reads this thread's word; the linker fills the offset in.
    unsafe {
        core::arch::asm!(
            "mov {w}, qword ptr [rip + oxmalloc_words@GOTTPOFF]",
            "mov {w}, qword ptr fs:[{w} + {offset}]",
            w = out(reg) word,
            offset = const I * 8,
            options(pure, readonly, nostack, preserves_flags),
        );
    }
    word
}

/// Where this thread's word `I` is.
#[cfg(target_arch = "x86_64")]
#[inline]
pub fn address<const I: usize, T: 'static>() -> &'static AtomicPtr<T> {
    let word: *const AtomicPtr<T>;
    // SAFETY: fs:0 holds the thread pointer itself on x86-64; the word lives
    // as long as its thread, and so does every use by that thread. Uses by
    // others happen under the heaps' lock, which thread exit takes.
    unsafe {
        core::arch::asm!(
            "mov {w}, qword ptr fs:[0]",
            "add {w}, qword ptr [rip + oxmalloc_words@GOTTPOFF]",
            w = out(reg) word,
            options(pure, readonly, nostack),
        );
        &*word.add(I)
    }
}

/// Where this thread's word `I` is.
#[cfg(target_arch = "aarch64")]
#[inline(always)]
pub fn address<const I: usize, T: 'static>() -> &'static AtomicPtr<T> {
    let word: *const AtomicPtr<T>;
    // SAFETY: as on x86-64; the thread pointer is a register here.
    unsafe {
        core::arch::asm!(
            "adrp {w}, :gottprel:oxmalloc_words",
            "ldr {w}, [{w}, :gottprel_lo12:oxmalloc_words]",
            "mrs {t}, tpidr_el0",
            "add {w}, {w}, {t}",
            w = out(reg) word,
            t = out(reg) _,
            options(pure, readonly, nostack, preserves_flags),
        );
        &*word.add(I)
    }
}

/// This thread's word `I`, for the hot path.
#[cfg(target_arch = "aarch64")]
#[inline(always)]
pub fn get<const I: usize, T: 'static>() -> *mut T {
    address::<I, T>().load(core::sync::atomic::Ordering::Relaxed)
}
