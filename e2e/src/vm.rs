//! What servers run on, and the disk of those whose power is cut.

use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Child, Command};

use crate::repository;
use crate::wait::eventually;

/// What a server runs on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Machine {
    /// A container of this machine, up in a second. A crash of it loses no write, since this machine's kernel lives on.
    #[default]
    Container,
    /// A virtual machine with a kernel of its own, up in a quarter of a minute, whose power can be cut, with quota on its file systems, and with
    /// cgroups that have controllers.
    Virtual,
}

/// The disk of such a machine (`sandbox/volatile-disk`), without the machine.
#[derive(Debug)]
pub struct VolatileDisk {
    process: Child,
    connection: UnixStream,
}

impl VolatileDisk {
    /// The size of a block in bytes.
    pub const BLOCK: usize = 4096;

    const READ: u16 = 0;
    const WRITE: u16 = 1;
    const FLUSH: u16 = 3;

    /// Serves the image `disk` in `directory` and connects to it. `chance` and `seed` decide what it keeps when its power is cut.
    ///
    /// # Panics
    /// When it does not come up, or does not speak as an NBD server does.
    pub fn serve(directory: &Path, chance: u8, seed: u64) -> Self {
        let (socket, fate) = (directory.join("socket"), directory.join("fate"));
        std::fs::write(&fate, format!("{chance} {seed}\n")).expect("the fate is written");
        let process = Command::new(repository::path().join("sandbox/volatile-disk"))
            .args([&directory.join("disk"), &socket, &fate])
            .spawn()
            .expect("the disk can be started");
        let connection = eventually("the disk takes a connection", || UnixStream::connect(&socket).ok());
        let mut disk = Self { process, connection };
        disk.hear(18);
        // No flags; the option GO with an empty name and no wishes.
        disk.say(&[&[0, 0, 0, 0], &b"IHAVEOPT"[..], &7_u32.to_be_bytes(), &6_u32.to_be_bytes(), &[0; 6]]);
        loop {
            let reply = disk.hear(20);
            let number = |at: usize| u32::from_be_bytes(reply[at..at + 4].try_into().expect("four bytes"));
            disk.hear(number(16) as usize);
            match number(12) {
                1 => return disk,
                3 => {}
                other => panic!("the disk answered {other} when it was asked to serve"),
            }
        }
    }

    /// Writes a block, which the disk then has in its cache.
    pub fn write(&mut self, block: u64, content: u8) {
        self.request(Self::WRITE, block, Self::BLOCK, &[content; Self::BLOCK]);
    }

    /// What is in a block, if all its bytes are the same.
    pub fn read(&mut self, block: u64) -> Option<u8> {
        self.request(Self::READ, block, Self::BLOCK, &[]);
        let content = self.hear(Self::BLOCK);
        content.iter().all(|byte| *byte == content[0]).then_some(content[0])
    }

    /// Waits until all that was written is on the disk.
    pub fn flush(&mut self) {
        self.request(Self::FLUSH, 0, 0, &[]);
    }

    /// Cuts the power of the disk.
    ///
    /// # Panics
    /// When it ends with an error.
    pub fn cut(self) {
        let Self { mut process, connection } = self;
        drop(connection);
        assert!(process.wait().expect("the disk ends").success(), "the disk ends well");
    }

    fn request(&mut self, kind: u16, block: u64, length: usize, data: &[u8]) {
        let offset = block * Self::BLOCK as u64;
        let length = u32::try_from(length).expect("a block is small");
        self.say(&[
            &0x2560_9513_u32.to_be_bytes(),
            &[0, 0],
            &kind.to_be_bytes(),
            &[0; 8],
            &offset.to_be_bytes(),
            &length.to_be_bytes(),
            data,
        ]);
        let answer = self.hear(16);
        assert_eq!(answer[4..8], [0; 4], "the disk does what it is asked");
    }

    fn say(&mut self, parts: &[&[u8]]) {
        self.connection.write_all(&parts.concat()).expect("the disk listens");
    }

    fn hear(&mut self, length: usize) -> Vec<u8> {
        let mut answer = vec![0; length];
        self.connection.read_exact(&mut answer).expect("the disk answers");
        answer
    }
}
