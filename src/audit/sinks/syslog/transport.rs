//! How messages get to the daemon: a datagram each, or a stream in which they are set apart.
//!
//! A send that succeeds means that the operating system has the message, which is all that syslog
//! can ever tell: it has no answers. What each way loses in silence is in `docs/audit.md`.

use std::{
    io::{self, Read, Write},
    net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream, UdpSocket},
    os::unix::net::{UnixDatagram, UnixStream},
    path::{Path, PathBuf},
    time::Duration,
};

use nix::libc;
use tokio::net;

use super::config::{Destination, HostPort};
use crate::audit::sinks::deadline::Deadline;

/// An open way to the daemon.
pub(super) enum Transport {
    /// A datagram each to the socket at this path, which is looked up each time: a daemon that
    /// started anew has made a new one.
    Unix(UnixDatagram, PathBuf),
    /// A datagram each: RFC 5426, section 3.1.
    Udp(UdpSocket),
    /// A stream.
    Stream(Box<dyn Stream>, Framing),
}

/// How messages are set apart in a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Framing {
    /// The length in octets before each: RFC 6587, section 3.4.1.
    OctetCounting,
    /// A line feed after each: RFC 6587, section 3.4.2. No message contains one.
    LineFeed,
}

/// A connection whose blocking calls can be given a deadline.
pub(super) trait Stream: Read + Write + Send {
    fn set_write_timeout(&self, timeout: Duration) -> io::Result<()>;
    fn set_nonblocking(&self, is_nonblocking: bool) -> io::Result<()>;
}

impl Stream for TcpStream {
    fn set_write_timeout(&self, timeout: Duration) -> io::Result<()> {
        TcpStream::set_write_timeout(self, Some(timeout))
    }

    fn set_nonblocking(&self, is_nonblocking: bool) -> io::Result<()> {
        TcpStream::set_nonblocking(self, is_nonblocking)
    }
}

impl Stream for UnixStream {
    fn set_write_timeout(&self, timeout: Duration) -> io::Result<()> {
        UnixStream::set_write_timeout(self, Some(timeout))
    }

    fn set_nonblocking(&self, is_nonblocking: bool) -> io::Result<()> {
        UnixStream::set_nonblocking(self, is_nonblocking)
    }
}

impl Transport {
    /// Opens the way to `destination`. Has no deadline: dropping it ends it.
    pub(super) async fn open(destination: &Destination) -> io::Result<Self> {
        match destination {
            Destination::Unix(path) => open_unix(path).await,
            Destination::Tcp(address) => {
                let stream = net::TcpStream::connect(&*resolve(address).await?).await?;
                Self::stream(stream.into_std()?, Framing::OctetCounting)
            }
            Destination::Udp(address) => open_udp(&resolve(address).await?).map(Self::Udp),
        }
    }

    fn stream(stream: impl Stream + 'static, framing: Framing) -> io::Result<Self> {
        stream.set_nonblocking(false)?;
        Ok(Self::Stream(Box::new(stream), framing))
    }

    /// Whether the other side is still there, as far as it has said so. A stream that it closed
    /// would take the next write, and lose it.
    pub(super) fn is_open(&mut self) -> bool {
        let Self::Stream(stream, _) = self else {
            return true;
        };
        let found = stream
            .set_nonblocking(true)
            .and_then(|()| stream.read(&mut [0]));
        // Syslog has no answers: bytes are as little welcome as an end.
        let is_silent = matches!(&found, Err(error) if error.kind() == io::ErrorKind::WouldBlock);
        is_silent && stream.set_nonblocking(false).is_ok()
    }

    /// Hands `message` over. After an error other than [`is_too_long`] a stream is spoilt.
    pub(super) fn send(&mut self, message: &str, deadline: &Deadline) -> io::Result<()> {
        match self {
            Self::Unix(socket, path) => {
                socket.set_write_timeout(Some(deadline.left()?))?;
                socket.send_to(message.as_bytes(), path)?;
            }
            Self::Udp(socket) => {
                socket.set_write_timeout(Some(deadline.left()?))?;
                socket.send(message.as_bytes())?;
            }
            Self::Stream(stream, framing) => {
                let frame = framing.frame(message);
                write_all(stream.as_mut(), frame.as_bytes(), deadline)?;
            }
        }
        Ok(())
    }
}

impl Framing {
    fn frame(self, message: &str) -> String {
        match self {
            Self::OctetCounting => format!("{} {message}", message.len()),
            Self::LineFeed => format!("{message}\n"),
        }
    }
}

/// Whether a datagram was refused for its length, and the next one may pass.
pub(super) fn is_too_long(error: &io::Error) -> bool {
    error.raw_os_error() == Some(libc::EMSGSIZE)
}

async fn open_unix(path: &Path) -> io::Result<Transport> {
    match UnixDatagram::unbound()?.connect(path) {
        Ok(()) => Ok(Transport::Unix(UnixDatagram::unbound()?, path.to_owned())),
        Err(error) if error.raw_os_error() == Some(libc::EPROTOTYPE) => {
            let stream = net::UnixStream::connect(path).await?;
            Transport::stream(stream.into_std()?, Framing::LineFeed)
        }
        Err(error) => Err(error),
    }
}

fn open_udp(addresses: &[SocketAddr]) -> io::Result<UdpSocket> {
    let mut last = io::ErrorKind::AddrNotAvailable.into();
    for address in addresses {
        let any = match address {
            SocketAddr::V4(_) => SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)),
            SocketAddr::V6(_) => SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0)),
        };
        match UdpSocket::bind(any).and_then(|socket| socket.connect(address).map(|()| socket)) {
            Ok(socket) => return Ok(socket),
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// The addresses of a host. `localhost` is trusted with clear text, so it is this machine, whatever
/// a resolver says.
async fn resolve(address: &HostPort) -> io::Result<Vec<SocketAddr>> {
    let HostPort { host, port, .. } = address;
    if host == "localhost" {
        let here = |address: std::net::IpAddr| SocketAddr::new(address, *port);
        return Ok(vec![
            here(Ipv4Addr::LOCALHOST.into()),
            here(Ipv6Addr::LOCALHOST.into()),
        ]);
    }
    Ok(net::lookup_host((host.as_str(), *port)).await?.collect())
}

/// As [`Write::write_all`], in the time that is left.
fn write_all(stream: &mut dyn Stream, mut rest: &[u8], deadline: &Deadline) -> io::Result<()> {
    while !rest.is_empty() {
        stream.set_write_timeout(deadline.left()?)?;
        match stream.write(rest) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => rest = rest.get(written..).unwrap_or_default(),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
