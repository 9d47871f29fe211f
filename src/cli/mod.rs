//! cli
use std::process::ExitCode;
/// stub
#[must_use]
pub fn main() -> ExitCode {
    ExitCode::SUCCESS
}
