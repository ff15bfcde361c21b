//! Descriptors that the runtime watches.

use std::os::fd::{AsFd, AsRawFd};

use tokio::io::Interest;
use tokio::io::unix::{AsyncFd, AsyncFdRegisterError};

/// Watches for `fd` to become readable.
#[expect(deprecated, reason = "what replaces it is unsafe; every type that is passed here owns the one descriptor that it names")]
pub(crate) fn readable<T: AsFd + AsRawFd>(fd: T) -> Result<AsyncFd<T>, AsyncFdRegisterError<T>> {
    AsyncFd::try_with_interest(fd, Interest::READABLE)
}
