//! The round trip with the allocator of `src/main.rs`, which overwrites what is freed.

use std::alloc::System;

use zeroizing_alloc::ZeroAlloc;

mod round_trip;

#[global_allocator]
static ALLOCATOR: ZeroAlloc<System> = ZeroAlloc(System);

fn main() {
    round_trip::measure();
}
