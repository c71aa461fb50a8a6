//! Size classes: which blocks there are, and which one serves a request.
//!
//! Steps of 16 bytes up to 512, as in pymalloc; then eight classes for each
//! doubling up to 4 KiB; then what a pool divided by 15, 14 … 2 gives, so that
//! no pool has a tail too small for a block. A block of its own class wastes at
//! most 1/8 up to 8 KiB and 1/4 to 1/3 in the few classes above, mostly in pages
//! that are then never touched; a borrowed one (`lender`) up to a half.

use crate::layout::{ALIGNMENT, MAX_CLASS, MIN_PAGE, POOL_SIZE};
use core::sync::atomic::{AtomicU8, Ordering::Relaxed};

/// How many size classes there are.
pub const COUNT: usize = 70;

/// Classes up to here never borrow: even a small program fills their pages.
const SMALLEST_LENDER: usize = 128;

/// An index into the size classes; only made from a checked request or index.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SizeClass(u8);

impl SizeClass {
    pub const SMALLEST: SizeClass = SizeClass(0);

    /// The class that serves `size` bytes; None above MAX_CLASS. Size 0 gets
    /// the smallest class: a distinct block, as CPython asks.
    #[inline(always)]
    pub fn of(size: usize) -> Option<Self> {
        if size > MAX_CLASS {
            return None;
        }
        // SAFETY: the table has MAX_CLASS + 1 entries.
        Some(SizeClass(unsafe { *CLASS_OF.get_unchecked(size) }))
    }

    /// The class of an index; None where there is none.
    pub fn from_index(index: usize) -> Option<Self> {
        (index < COUNT).then_some(SizeClass(index as u8))
    }

    /// Every class, the smallest first.
    pub fn all() -> impl Iterator<Item = SizeClass> {
        (0..COUNT as u8).map(SizeClass)
    }

    /// Below COUNT.
    #[inline(always)]
    pub fn index(self) -> usize {
        self.0 as usize
    }

    /// Bytes of a block.
    #[inline(always)]
    pub fn block_size(self) -> usize {
        // SAFETY: a SizeClass is always below COUNT.
        unsafe { *SIZES.get_unchecked(self.0 as usize) as usize }
    }

    /// Whether requests of this class always use every page of theirs: the class
    /// below is not so much smaller that what a block has too much holds one.
    pub fn fills(self, page_size: usize) -> bool {
        let below = self.0.checked_sub(1).map_or(0, |index| SizeClass(index).block_size());
        self.block_size() - below < 2 * page_size
    }

    /// Which block starts `offset` bytes (less than a pool) behind the first;
    /// None when none does. A multiplication, because a division takes as long
    /// as all the rest of a realloc.
    #[inline]
    pub fn block_at(self, offset: usize) -> Option<usize> {
        // SAFETY: a SizeClass is always below COUNT.
        let reciprocal = unsafe { *RECIPROCALS.get_unchecked(self.0 as usize) };
        let index = ((offset as u64 * reciprocal) >> 32) as usize;
        (index * self.block_size() == offset).then_some(index)
    }

    /// The class that lends its blocks to this one while this one is rare: the
    /// next power of two.
    pub fn lender(self) -> SizeClass {
        SizeClass::of(self.block_size().next_power_of_two()).unwrap_or(self)
    }

    /// How many blocks it may borrow before it gets a pool of its own: as many
    /// as fill the page that such a pool costs at least, or a handful.
    pub fn loans(self) -> u8 {
        let size = self.block_size();
        if size <= SMALLEST_LENDER { 0 } else { (MIN_PAGE / size).max(16) as u8 }
    }

    /// Blocks of a pool.
    pub fn capacity(self) -> usize {
        POOL_SIZE / self.block_size()
    }
}

/// A size class that one thread writes while others read it.
pub struct AtomicSizeClass(AtomicU8);

impl AtomicSizeClass {
    pub const fn new(class: SizeClass) -> Self {
        AtomicSizeClass(AtomicU8::new(class.0))
    }

    pub fn load(&self) -> SizeClass {
        SizeClass(self.0.load(Relaxed))
    }

    pub fn store(&self, class: SizeClass) {
        self.0.store(class.0, Relaxed);
    }
}

const SIZES: [u16; COUNT] = sizes();

const fn sizes() -> [u16; COUNT] {
    let mut sizes = [0u16; COUNT];
    let mut n = 0;
    let mut size = 0;
    while size < 4096 {
        size += if size < 512 {
            ALIGNMENT
        } else if size < 1024 {
            64
        } else if size < 2048 {
            128
        } else {
            256
        };
        sizes[n] = size as u16;
        n += 1;
    }
    let mut blocks = 15;
    while blocks >= 2 {
        sizes[n] = (POOL_SIZE / blocks / ALIGNMENT * ALIGNMENT) as u16;
        n += 1;
        blocks -= 1;
    }
    assert!(n == COUNT && sizes[n - 1] as usize == MAX_CLASS);
    sizes
}

/// 2^32 divided by the block size, rounded up: exact for offsets in a pool.
const RECIPROCALS: [u64; COUNT] = {
    let mut reciprocals = [0; COUNT];
    let mut n = 0;
    while n < COUNT {
        reciprocals[n] = (1u64 << 32).div_ceil(SIZES[n] as u64);
        n += 1;
    }
    reciprocals
};

/// One byte for each request size: a load instead of arithmetic keeps the hot
/// path the same few instructions for every class. Small requests share the
/// first lines of it.
static CLASS_OF: [u8; MAX_CLASS + 1] = class_of();

const fn class_of() -> [u8; MAX_CLASS + 1] {
    let mut table = [0u8; MAX_CLASS + 1];
    let mut class = 0;
    let mut size = 0;
    while size <= MAX_CLASS {
        if size > SIZES[class] as usize {
            class += 1;
        }
        table[size] = class as u8;
        size += 1;
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_request_gets_the_smallest_class_that_holds_it() {
        for size in 0..=MAX_CLASS {
            let class = SizeClass::of(size).unwrap();
            assert!(class.block_size() >= size);
            assert!(class.index() == 0 || (SIZES[class.index() - 1] as usize) < size);
        }
        assert_eq!(SizeClass::of(MAX_CLASS + 1), None);
    }

    #[test]
    fn offsets_lead_to_blocks() {
        for class in SizeClass::all() {
            let size = class.block_size();
            for offset in 0..POOL_SIZE {
                let expected = (offset % size == 0).then_some(offset / size);
                assert_eq!(class.block_at(offset), expected, "{size}: {offset}");
            }
        }
    }

    #[test]
    fn blocks_are_aligned_and_waste_is_bounded() {
        for class in SizeClass::all() {
            let size = class.block_size();
            assert_eq!(size % ALIGNMENT, 0);
            let tail = POOL_SIZE - class.capacity() * size;
            assert!(tail * 16 <= POOL_SIZE, "{size}: {tail} bytes of tail");
        }
        for size in 513..=8192 {
            let waste = SizeClass::of(size).unwrap().block_size() - size;
            assert!(waste * 8 <= size + 7 * 16, "{size}: {waste}");
        }
        for size in 8193..=MAX_CLASS {
            let block = SizeClass::of(size).unwrap().block_size();
            assert!(block - size <= block / 3 + ALIGNMENT, "{size}: {block}");
        }
    }
}
