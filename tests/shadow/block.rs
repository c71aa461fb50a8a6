//! A block, as the program sees it, and the calls that make it and end it.

use super::who::Who;
use oxmalloc::abi::*;
use oxmalloc::interface::*;
use std::ffi::{c_int, c_void};
use std::sync::LazyLock;
use std::{iter, ptr, slice};

#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(fuzzing, derive(arbitrary::Arbitrary))]
pub enum Domain {
    Mem,
    Obj,
}

/// Which functions make the call.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(fuzzing, derive(arbitrary::Arbitrary))]
pub enum Route {
    /// Those of Ox_GetAllocator, which CPython calls.
    Hooked,
    /// The exported ones, which anybody calls.
    Direct,
}

#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(fuzzing, derive(arbitrary::Arbitrary))]
pub struct Caller {
    pub who: Who,
    pub route: Route,
}

/// A size, chosen so that every kind of block is met, and every limit.
#[derive(Clone, Copy, Debug)]
#[cfg_attr(fuzzing, derive(arbitrary::Arbitrary))]
pub struct Size {
    pub kind: u8,
    pub fine: u16,
}

impl Size {
    const MAX_CLASS: usize = 32 << 10;
    const MAX_SPAN: usize = 1 << 20;

    pub fn get(self) -> usize {
        let fine = self.fine as usize;
        match self.kind {
            0..96 => fine % 513,
            96..160 => fine % 4097,
            160..200 => fine % (Self::MAX_CLASS + 1),
            200..216 => Self::MAX_CLASS - 8 + fine % 16,
            216..236 => Self::MAX_CLASS + fine * 15,
            236..240 => Self::MAX_SPAN - 8 + fine % 16,
            240..252 => Self::MAX_SPAN + fine * 64,
            252..254 => IMPOSSIBLE << (fine % 18),
            _ => [usize::MAX - 4096, usize::MAX][fine % 2],
        }
    }
}

/// From here on a size is more than anybody can have.
pub const IMPOSSIBLE: usize = 1 << 46;

#[derive(Debug)]
pub struct Block {
    pub address: usize,
    /// As the program asked for, and as it may use.
    pub size: usize,
    pub usable: usize,
    pub domain: Domain,
    /// Who took it, or resized it last.
    pub by: Caller,
    /// What it is filled with.
    seed: u32,
}

impl Block {
    /// Takes a block; None when the size is impossible.
    pub fn take(
        caller: Caller,
        domain: Domain,
        zeroed: bool,
        size: usize,
        seed: u32,
    ) -> Option<Block> {
        let (number, each) = match size {
            usize::MAX => (usize::MAX / 2 + 2, 2), // A product that wraps around to 2.
            _ if size % 8 == 0 => (size / 8, 8),
            _ => (size, 1),
        };
        let address = keeping_errno(|| {
            // SAFETY: malloc and calloc take any size.
            unsafe {
                if zeroed {
                    functions(caller, domain).calloc.unwrap()(ptr::null_mut(), number, each)
                } else {
                    functions(caller, domain).malloc.unwrap()(ptr::null_mut(), size)
                }
            }
        });
        assert_eq!(address.is_none(), size >= IMPOSSIBLE, "asked for {size}");
        let address = address?;
        let block = Block::at(address, caller, domain, size, seed);
        assert!(!zeroed || block.is_zero(), "not zeroed by calloc: {block:?}");
        block.fill();
        Some(block)
    }

    fn at(address: usize, by: Caller, domain: Domain, size: usize, seed: u32) -> Block {
        let pointer = address as *const c_void;
        // SAFETY: a live block.
        let usable = unsafe { Ox_UsableSize(pointer) };
        let block = Block { address, size, usable, domain, by, seed: seed ^ address as u32 };
        assert_eq!(address % 16, 0, "not aligned: {block:?}");
        assert!(usable >= size.max(1), "too small: {block:?}");
        assert!(Ox_Owns(pointer) == 1 && Ox_Owns((address + usable - 1) as *const c_void) == 1);
        block
    }

    /// Resizes the block; it stays as it was when the size is impossible.
    pub fn resize(self, caller: Caller, size: usize, seed: u32) -> Block {
        self.check();
        let old = self.address as *mut c_void;
        let resized = keeping_errno(|| {
            // SAFETY: the block is live and of this domain.
            unsafe { functions(caller, self.domain).realloc.unwrap()(ptr::null_mut(), old, size) }
        });
        let Some(address) = resized else {
            assert!(size >= IMPOSSIBLE, "{self:?} was not resized to {size}");
            self.check();
            return self;
        };
        let block = Block::at(address, caller, self.domain, size, seed);
        let kept = self.size.min(size);
        assert!(self.is_held_by(address, kept), "realloc lost {self:?}, now {block:?}");
        block.fill();
        block
    }

    pub fn free(self, caller: Caller) {
        self.check();
        set_errno(ERRNO);
        let free = functions(caller, self.domain).free.unwrap();
        // SAFETY: the block is live, of this domain, and given up here.
        unsafe { free(ptr::null_mut(), self.address as *mut c_void) };
        assert_eq!(errno(), ERRNO, "free changed errno");
    }

    /// It holds what was written to it.
    pub fn check(&self) {
        assert!(self.is_held_by(self.address, self.usable), "was written to: {self:?}");
    }

    fn fill(&self) {
        // SAFETY: a live block of ours.
        let bytes = unsafe { slice::from_raw_parts_mut(self.address as *mut u8, self.usable) };
        for (index, chunk) in bytes.chunks_mut(CHUNK).enumerate() {
            chunk.copy_from_slice(&self.pattern(index)[..chunk.len()]);
        }
    }

    /// Whether the first `bytes` at `address` are what this block was filled with.
    fn is_held_by(&self, address: usize, bytes: usize) -> bool {
        // SAFETY: a live block of ours.
        let bytes = unsafe { slice::from_raw_parts(address as *const u8, bytes) };
        let mut chunks = bytes.chunks(CHUNK).enumerate();
        chunks.all(|(index, chunk)| chunk == &self.pattern(index)[..chunk.len()])
    }

    fn is_zero(&self) -> bool {
        // SAFETY: as above.
        let bytes = unsafe { slice::from_raw_parts(self.address as *const u8, self.size) };
        bytes.chunks(CHUNK).all(|chunk| chunk == &[0; CHUNK][..chunk.len()])
    }

    /// What the block holds in its `index`th chunk.
    fn pattern(&self, index: usize) -> &'static [u8] {
        static NOISE: LazyLock<Vec<u8>> = LazyLock::new(|| {
            let next = |x: &u32| Some(x.wrapping_mul(1_664_525).wrapping_add(1_013_904_223));
            iter::successors(Some(1), next).map(|x| (x >> 24) as u8).take(2 * CHUNK).collect()
        });
        &NOISE[(self.seed as usize).wrapping_add(index * 67) % CHUNK..]
    }
}

/// Contents are written and compared a page at a time.
const CHUNK: usize = 4096;

/// The functions of a domain.
fn functions(caller: Caller, domain: Domain) -> OxAllocator {
    match (caller.route, domain) {
        (Route::Hooked, Domain::Mem) => hooks(OX_DOMAIN_MEM),
        (Route::Hooked, Domain::Obj) => hooks(OX_DOMAIN_OBJ),
        (Route::Direct, Domain::Mem) => OxAllocator {
            ctx: ptr::null_mut(),
            malloc: Some(OxMem_Malloc),
            calloc: Some(OxMem_Calloc),
            realloc: Some(OxMem_Realloc),
            free: Some(OxMem_Free),
        },
        (Route::Direct, Domain::Obj) => OxAllocator {
            ctx: ptr::null_mut(),
            malloc: Some(OxObject_Malloc),
            calloc: Some(OxObject_Calloc),
            realloc: Some(OxObject_Realloc),
            free: Some(OxObject_Free),
        },
    }
}

fn hooks(domain: c_int) -> OxAllocator {
    let mut allocator =
        OxAllocator { ctx: ptr::null_mut(), malloc: None, calloc: None, realloc: None, free: None };
    // SAFETY: `allocator` is what it fills.
    assert_eq!(unsafe { Ox_GetAllocator(domain, &mut allocator) }, OX_OK);
    allocator
}

/// A value of errno that nobody sets.
const ERRNO: c_int = 12345;

fn errno() -> c_int {
    // SAFETY: this thread's own.
    unsafe { *libc::__errno_location() }
}

fn set_errno(value: c_int) {
    // SAFETY: as above.
    unsafe { *libc::__errno_location() = value }
}

/// Calls something that returns a block or NULL; errno must be as it was, or
/// ENOMEM.
fn keeping_errno(call: impl FnOnce() -> *mut c_void) -> Option<usize> {
    set_errno(ERRNO);
    let block = call();
    assert_eq!(errno(), if block.is_null() { libc::ENOMEM } else { ERRNO });
    (!block.is_null()).then_some(block as usize)
}
