//! Opening a listener, and saying what to do when that fails.

use std::{
    fmt, io,
    net::{SocketAddr, ToSocketAddrs as _},
};

use tokio::net::{TcpListener, TcpSocket};

/// Connections the kernel may hold before they are accepted.
const BACKLOG: u32 = 1024;

/// Why an address cannot be listened on, and what to do about it.
#[derive(Debug)]
pub struct ListenError {
    key: &'static str,
    address: String,
    cause: io::Error,
}

impl ListenError {
    pub(crate) fn new(key: &'static str, address: &str, cause: io::Error) -> Self {
        Self { key, address: address.to_owned(), cause }
    }

    /// The key of the address: `server.grpc` or `server.http`.
    pub fn key(&self) -> &str {
        self.key
    }

    /// The address that was asked for.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// The operating system's error.
    pub fn cause(&self) -> &io::Error {
        &self.cause
    }
}

impl fmt::Display for ListenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { key, address, cause } = self;
        let (host, port) = address.rsplit_once(':').unwrap_or((address, ""));
        match cause.kind() {
            io::ErrorKind::AddrInUse => {
                write!(f, "port {port} ({address}) is in use: stop the program that has it, or")?;
            }
            io::ErrorKind::PermissionDenied => {
                write!(f, "port {port} ({address}) may not be opened by this user: take one above 1023, or")?;
            }
            io::ErrorKind::AddrNotAvailable => write!(f, "{host} is no address of this machine ({address}):")?,
            _ if host == "[::]" => write!(f, "cannot listen on {address} ({cause}); without IPv6 use 0.0.0.0:{port}:")?,
            _ => write!(f, "cannot listen on {address} ({cause}):")?,
        }
        let variable = format!("STEEPLE_{}", key.replace('.', "__").to_uppercase());
        write!(f, " set {key} in steeple.toml or {variable} to another address")
    }
}

impl std::error::Error for ListenError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.cause)
    }
}

/// Listens on the first address that `address` resolves to and that can be listened on. Needs a runtime.
pub(super) fn listen(key: &'static str, address: &str) -> Result<TcpListener, ListenError> {
    let failed = |cause| ListenError::new(key, address, cause);
    let mut last = None;
    for address in address.to_socket_addrs().map_err(failed)? {
        match listen_on(address) {
            Ok(listener) => return Ok(listener),
            Err(error) => last = Some(error),
        }
    }
    Err(failed(last.unwrap_or_else(|| io::Error::new(io::ErrorKind::NotFound, "the name has no address"))))
}

fn listen_on(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    // So that a restart does not wait for connections in TIME_WAIT; elsewhere the option lets two programs share a port.
    #[cfg(unix)]
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}
