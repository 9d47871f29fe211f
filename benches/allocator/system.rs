//! The round trip with the system's allocator, as a program without `#[global_allocator]` has it.

mod round_trip;

fn main() {
    round_trip::measure();
}
