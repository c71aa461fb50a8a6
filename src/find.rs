//! Which pool, span or large block an address lies in: for any address, also
//! one inside a block. Slow; the hot path only needs `pool::of_block`.

use crate::layout::POOL_SIZE;
use crate::pool::{self, PoolRef, State};
use crate::region::Slot;

/// The pool, span or large block in use that `address` lies in.
pub fn holder(address: usize) -> Option<PoolRef> {
    pool::of(address)?;
    // The header is at the first pool.
    let below = (Slot::from_index(0).address()..=address).rev().step_by(POOL_SIZE);
    let mut pools = below.take_while(|at| Slot::of(*at).is_ours()).filter_map(pool::of);
    pools.find(|pool| pool.state() != State::Vacant).filter(|pool| reaches(pool, address))
}

fn reaches(pool: PoolRef, address: usize) -> bool {
    let bytes = match pool.state() {
        State::Used | State::Full => POOL_SIZE,
        _ => pool.block_size(),
    };
    address.wrapping_sub(pool.base()) < bytes
}
