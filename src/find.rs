//! Which pool, span or large block an address lies in: for any address, also
//! one inside a block. Slow; the hot path only needs `pool::of_block`.

use crate::arena;
use crate::layout::POOL_SIZE;
use crate::pool::{self, PoolRef, State};
use crate::region::Slot;

/// The pool, span or large block in use that `address` lies in.
pub fn holder(address: usize) -> Option<PoolRef> {
    let pool = pool::of(address)?;
    let slot = Slot::of(address);
    if pool.state() != State::Vacant {
        return Some(pool).filter(|pool| reaches(pool, address));
    }
    if arena::view(slot).is_some() {
        // Inside a span: its header is at its first pool.
        let pools = (0..=(address - slot.address()) / POOL_SIZE).rev();
        let mut pools = pools.filter_map(|index| pool::of(slot.address() + index * POOL_SIZE));
        return pools.find(is_in_use).filter(|pool| reaches(pool, address));
    }
    // Inside a large block: its header is at its first slot.
    let slots = (0..=slot.index()).rev().map(Slot::from_index).take_while(|slot| slot.is_ours());
    let mut heads = slots.filter_map(|slot| pool::of(slot.address()));
    heads.find(is_in_use).filter(|pool| reaches(pool, address))
}

fn is_in_use(pool: &PoolRef) -> bool {
    pool.state() != State::Vacant
}

fn reaches(pool: PoolRef, address: usize) -> bool {
    let bytes = match pool.state() {
        State::Used | State::Full => POOL_SIZE,
        _ => pool.block_size(),
    };
    address.wrapping_sub(pool.base()) < bytes
}
