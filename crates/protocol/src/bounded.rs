//! Reading with a bound: how everything is read that a customer, a visitor or a stranger can make longer than we expect. A daemon that reads
//! an answer "to its end" reads for as long as the other end pleases: the Agent grew to 15.9 GB in a minute (seen). `clippy.toml` refuses the
//! ways to read without a bound.
#![expect(clippy::disallowed_methods, reason = "this is where a bound is put around them")]

use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use tokio::io::{AsyncRead, AsyncReadExt as _};

/// 1 KiB in bytes.
pub const KIB: u64 = 1024;
/// 1 MiB in bytes.
pub const MIB: u64 = 1024 * KIB;

/// No more room than this is made for a file before anything of it was read.
const MOST_AT_ONCE: u64 = 4 * MIB;

/// O_NONBLOCK of Linux: opening a named pipe does not wait for a writer.
const NONBLOCK: i32 = 0o4000;

/// Reads to the end.
///
/// # Errors
/// [`io::ErrorKind::FileTooLarge`] if there are more than `most` bytes; nothing of them is answered.
pub fn read(reader: impl Read, most: u64) -> io::Result<Vec<u8>> {
    within(reader, most, Vec::new())
}

fn within(reader: impl Read, most: u64, mut bytes: Vec<u8>) -> io::Result<Vec<u8>> {
    reader.take(most.saturating_add(1)).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > most { Err(too_large(most)) } else { Ok(bytes) }
}

/// Reads at most the first `most` bytes, and leaves the rest.
pub fn head(reader: impl Read, most: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    reader.take(most).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Reads a whole file. Only a regular file is read: a pipe or a device in its place holds nobody up. Links are followed.
///
/// # Errors
/// [`io::ErrorKind::FileTooLarge`] if it has more than `most` bytes, [`io::ErrorKind::InvalidInput`] if it is no regular file.
pub fn file(path: impl AsRef<Path>, most: u64) -> io::Result<Vec<u8>> {
    let file = OpenOptions::new().read(true).custom_flags(NONBLOCK).open(path)?;
    regular(file, most)
}

/// Reads a whole file that is open already, from where it stands; otherwise as [`file`] does.
///
/// # Errors
/// As those of [`file`].
pub fn regular(file: File, most: u64) -> io::Result<Vec<u8>> {
    let found = file.metadata()?;
    if !found.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not a regular file"));
    }
    // Its size only says how it is best read: one byte more, so that its end is met without more room.
    let size = usize::try_from(found.len().min(most).min(MOST_AT_ONCE)).unwrap_or_default();
    within(file, most, Vec::with_capacity(if size == 0 { 0 } else { size + 1 }))
}

/// Reads a whole file of text, as [`file`] does.
///
/// # Errors
/// As those of [`file`], and [`io::ErrorKind::InvalidData`] if it is not UTF-8.
pub fn text(path: impl AsRef<Path>, most: u64) -> io::Result<String> {
    String::from_utf8(file(path, most)?).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
}

/// The names in a directory, in no order.
///
/// # Errors
/// [`io::ErrorKind::FileTooLarge`] if there are more than `most`.
pub fn names(path: impl AsRef<Path>, most: usize) -> io::Result<Vec<OsString>> {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(path)? {
        if names.len() == most {
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, format!("there are more than {most} entries")));
        }
        names.push(entry?.file_name());
    }
    Ok(names)
}

/// Reads to the end, and keeps only the first `kept` bytes: whoever writes is never held up by what we do not want. It takes as long as the
/// other end pleases, so whoever calls this sets a deadline around it.
pub async fn drain(mut reader: impl AsyncRead + Unpin, kept: usize) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        let count = reader.read(&mut buffer).await?;
        if count == 0 {
            return Ok(bytes);
        }
        let room = kept.saturating_sub(bytes.len()).min(count);
        bytes.extend_from_slice(&buffer[..room]);
    }
}

/// Why the body of an answer was not read.
#[derive(Debug, thiserror::Error)]
pub enum BodyError {
    /// It was longer than this many bytes.
    #[error("the answer is longer than {most} bytes")]
    TooLarge {
        /// The bound.
        most: u64,
    },
    /// It broke off, or took too long.
    #[error("the answer broke off")]
    Broken(#[source] reqwest::Error),
}

/// Reads the body of an answer. The time that it may take is the request's or the client's timeout.
///
/// # Errors
/// If it has more than `most` bytes, or breaks off.
pub async fn body(mut response: reqwest::Response, most: u64) -> Result<Vec<u8>, BodyError> {
    let mut bytes = Vec::new();
    // Without the address that was asked, which may hold a secret.
    while let Some(chunk) = response.chunk().await.map_err(|error| BodyError::Broken(error.without_url()))? {
        if (bytes.len() + chunk.len()) as u64 > most {
            return Err(BodyError::TooLarge { most });
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes)
}

fn too_large(most: u64) -> io::Error {
    io::Error::new(io::ErrorKind::FileTooLarge, format!("it is longer than {most} bytes"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_longer_than_its_bound_is_refused_and_never_held() {
        assert_eq!(read(&b"12345"[..], 5).expect("it fits"), b"12345");
        assert_eq!(read(&b"123456"[..], 5).expect_err("one too many").kind(), io::ErrorKind::FileTooLarge);
        assert_eq!(read(io::repeat(b'x'), 5).expect_err("without an end").kind(), io::ErrorKind::FileTooLarge);
        assert_eq!(head(io::repeat(b'x'), 5).expect("its start"), b"xxxxx");
    }

    #[test]
    fn only_a_regular_file_of_bounded_size_is_read() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("file");
        std::fs::write(&path, "text").expect("written");
        assert_eq!(text(&path, 4).expect("it fits"), "text");
        assert_eq!(text(&path, 3).expect_err("too long").kind(), io::ErrorKind::FileTooLarge);
        assert_eq!(file("/dev/zero", MIB).expect_err("a device").kind(), io::ErrorKind::InvalidInput);
        let pipe = dir.path().join("pipe");
        let mode = rustix::fs::Mode::from_raw_mode(0o600);
        rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, mode, 0).expect("made");
        assert_eq!(file(&pipe, MIB).expect_err("a pipe, which nobody writes").kind(), io::ErrorKind::InvalidInput);
        assert!(text("/proc/self/status", MIB).expect("a file of the kernel").contains("Pid:"));
        assert_eq!(names(dir.path(), 2).expect("two").len(), 2);
        assert_eq!(names(dir.path(), 1).expect_err("two").kind(), io::ErrorKind::FileTooLarge);
    }

    #[tokio::test]
    async fn whoever_says_too_much_is_heard_out_and_little_of_it_is_kept() {
        let long = vec![b'x'; 100_000];
        assert_eq!(drain(&long[..], 10).await.expect("read").len(), 10);
        assert_eq!(drain(&b"short"[..], 10).await.expect("read"), b"short");
    }

    #[tokio::test]
    async fn an_answer_without_an_end_is_refused() {
        let server = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = server.local_addr().expect("an address");
        tokio::spawn(async move {
            use tokio::io::AsyncWriteExt as _;
            while let Ok((mut client, _)) = server.accept().await {
                tokio::spawn(async move {
                    // An answer before the question is none.
                    let _ = client.read(&mut [0; 4096]).await;
                    let _ = client.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await;
                    while client.write_all(&[b'x'; 4096]).await.is_ok() {}
                });
            }
        });
        let answer = reqwest::get(format!("http://{address}/")).await.expect("an answer");
        assert!(matches!(body(answer, 100_000).await, Err(BodyError::TooLarge { most: 100_000 })));
    }
}
