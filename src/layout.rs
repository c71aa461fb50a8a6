//! The sizes that everything else is built on.

/// What a block is aligned to, whatever its size. CPython uses the low bits of
/// pointers as tags, and its debug hooks put 16 bytes in front.
pub const ALIGNMENT: usize = 16;

/// A pool: blocks of one size class. 64 KiB is also the largest page of any
/// supported kernel, so a pool boundary is always a page boundary.
pub const POOL_SHIFT: u32 = 16;
pub const POOL_SIZE: usize = 1 << POOL_SHIFT;

/// An arena: pools side by side. 2 MiB is one huge page.
pub const ARENA_SHIFT: u32 = 21;
pub const ARENA_SIZE: usize = 1 << ARENA_SHIFT;
pub const POOLS_PER_ARENA: usize = ARENA_SIZE / POOL_SIZE;

/// Requests up to here have a size class and come from a pool.
pub const MAX_CLASS: usize = POOL_SIZE / 2;

/// Requests above MAX_CLASS and up to here are spans: whole pools side by side
/// in an arena. Above, a block is whole pools over as many slots as it takes.
pub const MAX_SPAN: usize = 1 << 20;

/// No block is larger, as CPython's own wrappers demand (PY_SSIZE_T_MAX).
pub const MAX_REQUEST: usize = isize::MAX as usize;

/// The domains with blocks of ours, MEM and OBJ; RAW passes to libc.
pub const DOMAINS: usize = 2;
pub const MEM: usize = 0;
pub const OBJ: usize = 1;

/// The smallest page of any supported kernel, hence the most pages in a pool.
pub const MIN_PAGE: usize = 4096;
pub const MAX_PAGES_PER_POOL: usize = POOL_SIZE / MIN_PAGE;

const _: () = assert!(POOLS_PER_ARENA == u32::BITS as usize);
const _: () = assert!(MAX_PAGES_PER_POOL == u16::BITS as usize);
