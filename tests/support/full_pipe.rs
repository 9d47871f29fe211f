//! A reader that does not read: its pipe is full from the start.

use std::io::{self, PipeReader, PipeWriter, Write as _};

use nix::fcntl::{FcntlArg, OFlag, fcntl};

/// A pipe without room for another byte.
pub fn full_pipe() -> (PipeReader, PipeWriter) {
    let (reader, mut writer) = io::pipe().unwrap();
    let flags = OFlag::from_bits_truncate(fcntl(&writer, FcntlArg::F_GETFL).unwrap());
    fcntl(&writer, FcntlArg::F_SETFL(flags | OFlag::O_NONBLOCK)).unwrap();
    while writer.write(&[b'\n'; 4096]).is_ok() {}
    // The command must wait, not fail.
    fcntl(&writer, FcntlArg::F_SETFL(flags)).unwrap();
    (reader, writer)
}
