//! The one who writes: whoever has the lock makes all changes that wait, with one rewrite of each file for all of them.
//!
//! New files are written beside the old ones under the names that the tools use (`passwd+`), so that what a crash leaves is overwritten by
//! whoever comes next, with the old one's owner, permissions and attributes. All are flushed before the first of them is put in place.

use std::fs::{File as Opened, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use opterius_protocol::bounded;
use opterius_protocol::client::chain;
use rustix::fs::{CWD, RenameFlags, XattrFlags, renameat_with};
use tokio::sync::oneshot;

use super::changes::{self, Change, Contents, File, Pass, Refusal};
use super::lock::Lock;
use super::{caches, today};
use crate::host::Haste;
use crate::host::linux::in_a_thread;

/// The longest of the files, in bytes: that of half a million users.
pub(super) const LONGEST: u64 = 64 * bounded::MIB;

/// How often it is begun again because somebody who does not heed the lock wrote meanwhile.
const ATTEMPTS: u32 = 5;

/// The most bytes of the names, and of one value, of a file's extended attributes: the kernel has no more.
const LONGEST_ATTRIBUTES: usize = 64 * 1024;

/// What a test wants to happen at a step; an error fails it.
pub(super) type Hook = dyn Fn(&str) -> io::Result<()> + Send + Sync;

/// Makes changes in the files of one directory.
#[derive(Clone)]
pub(super) struct Writer {
    inner: Arc<Inner>,
}

struct Inner {
    etc: PathBuf,
    queue: Mutex<Queue>,
    lock: Mutex<Lock>,
    hook: Box<Hook>,
}

#[derive(Default)]
struct Queue {
    waiting: Vec<Waiting>,
    /// Whether somebody writes, or is about to.
    is_served: bool,
}

struct Waiting {
    change: Change,
    done: oneshot::Sender<Result<(), Refusal>>,
}

/// Whom to tell what became of a change.
type Answer = (oneshot::Sender<Result<(), Refusal>>, Result<(), Refusal>);

/// What became of a batch.
struct Written {
    answers: Vec<Answer>,
    /// Whether a name or a number became another's.
    touches_names: bool,
}

impl Writer {
    /// Of the files in `etc`.
    pub(super) fn new(etc: PathBuf) -> Self {
        // Stops, fails or kills the Agent at a step, where a test of the whole chain says so.
        let failpoint = |step: &str| {
            let _ = step;
            fail::fail_point!(step, |_| Err(io::Error::other(format!("the failpoint {step} says so"))));
            Ok(())
        };
        Self::hooked(etc, Box::new(failpoint))
    }

    /// The same, with a test that follows its steps.
    pub(super) fn hooked(etc: PathBuf, hook: Box<Hook>) -> Self {
        Self { inner: Arc::new(Inner { etc, queue: Mutex::default(), lock: Mutex::default(), hook }) }
    }

    /// Makes a change, with all others that wait. It is made, or not, whatever becomes of the caller.
    pub(super) async fn change(&self, change: Change) -> Result<(), Refusal> {
        let (done, result) = oneshot::channel();
        let begins = {
            let mut queue = locked(&self.inner.queue);
            queue.waiting.push(Waiting { change, done });
            !std::mem::replace(&mut queue.is_served, true)
        };
        if begins {
            tokio::spawn(serve(self.inner.clone()));
        }
        result.await.unwrap_or_else(|_| Err(Refusal::Failed("the task that writes the files ended".to_owned())))
    }
}

#[cfg(test)]
impl Writer {
    /// Makes changes in this thread, under no lock.
    pub(super) fn make_all(&self, changes: &[Change]) -> Vec<Result<(), Refusal>> {
        self.inner.make(&changes.iter().collect::<Vec<_>>())
    }

    /// The same with one change.
    pub(super) fn make_alone(&self, change: &Change) -> Result<(), Refusal> {
        self.make_all(std::slice::from_ref(change)).swap_remove(0)
    }
}

/// Makes what waits, batch by batch, until nothing waits. The lock is given back in between, so that others get their turn.
async fn serve(inner: Arc<Inner>) {
    loop {
        {
            let mut queue = locked(&inner.queue);
            if queue.waiting.is_empty() {
                queue.is_served = false;
                return;
            }
        }
        let writer = inner.clone();
        match in_a_thread(Haste::Waited, move || Ok(writer.write_what_waits())).await {
            Ok(written) => {
                if written.touches_names {
                    caches::forget().await;
                }
                for (done, result) in written.answers {
                    let _ = done.send(result);
                }
            }
            // No thread, or a panic in it. Those whom it had taken on hear of it by the end of their channel.
            Err(error) => inner.refuse_all(&chain(&error)).into_iter().for_each(|(done, result)| drop(done.send(result))),
        }
    }
}

impl Inner {
    fn refuse_all(&self, why: &str) -> Vec<Answer> {
        let waiting = std::mem::take(&mut locked(&self.queue).waiting);
        waiting.into_iter().map(|waiting| (waiting.done, Err(Refusal::Failed(why.to_owned())))).collect()
    }

    fn write_what_waits(&self) -> Written {
        let names: Vec<&str> = File::ALL.iter().map(|file| file.name()).collect();
        let held = match locked(&self.lock).take(&self.etc, &names) {
            Ok(held) => held,
            Err(error) => return Written { answers: self.refuse_all(&error.to_string()), touches_names: false },
        };
        let batch = std::mem::take(&mut locked(&self.queue).waiting);
        let changes: Vec<&Change> = batch.iter().map(|waiting| &waiting.change).collect();
        let results = self.make(&changes);
        drop(held);
        let touches_names = changes.iter().any(|change| !matches!(change, Change::SetPassword { .. }));
        let answers = batch.into_iter().map(|waiting| waiting.done).zip(results).collect();
        Written { answers, touches_names }
    }

    /// Makes changes while the lock is held, and answers what became of each.
    fn make(&self, changes: &[&Change]) -> Vec<Result<(), Refusal>> {
        let mut why = "the files were written again and again by somebody who does not heed their lock".to_owned();
        for _ in 0..ATTEMPTS {
            let (results, made) = match Snapshot::read(&self.etc) {
                Ok(read) => {
                    let (results, passes) = changes::apply(&read.contents, changes, today());
                    (results, self.put(read, passes))
                }
                Err(error) => (Vec::new(), Err(error)),
            };
            match made {
                Ok(true) => return results,
                Ok(false) => {}
                Err(error) => {
                    why = chain(&error);
                    // One that is refused for itself is refused for that.
                    let mut results = results.into_iter();
                    let or_this = |_| results.next().unwrap_or(Ok(())).and(Err(Refusal::Failed(why.clone())));
                    return changes.iter().map(or_this).collect();
                }
            }
        }
        changes.iter().map(|_| Err(Refusal::Failed(why.clone()))).collect()
    }

    /// Writes the files and puts them in place. Answers whether that was done: not if what was read is outdated.
    fn put(&self, mut read: Snapshot, passes: Vec<Pass>) -> io::Result<bool> {
        for pass in passes {
            let result = self.put_pass(&mut read, &pass);
            if !matches!(result, Ok(true)) {
                for (file, _) in &pass {
                    let _ = std::fs::remove_file(self.beside(*file));
                }
                return result;
            }
        }
        Ok(true)
    }

    fn put_pass(&self, read: &mut Snapshot, pass: &Pass) -> io::Result<bool> {
        let mut written = Vec::new();
        for (file, bytes) in pass {
            let name = file.name();
            self.reach("write", name)?;
            written.push(self.write(*file, bytes, read).map_err(doing("write", &self.beside(*file)))?);
        }
        self.reach("flush", "all")?;
        flush(&written)?;
        if !File::ALL.iter().all(|file| read.is_current(&self.etc, *file)) {
            return Ok(false);
        }
        for ((file, _), written) in pass.iter().zip(&written) {
            self.reach("replace", file.name())?;
            let path = self.etc.join(file.name());
            replace(&self.beside(*file), &path).map_err(doing("replace", &path))?;
            read.note(*file, written);
        }
        self.reach("flush", "directory")?;
        Opened::open(&self.etc).and_then(|etc| etc.sync_all()).map_err(doing("flush", &self.etc))?;
        self.reach("done", "all")?;
        Ok(true)
    }

    fn beside(&self, file: File) -> PathBuf {
        self.etc.join(format!("{}+", file.name()))
    }

    /// Writes a file beside the one that was read. What a crash left there is removed: others may have it open.
    fn write(&self, file: File, bytes: &[u8], read: &Snapshot) -> io::Result<Opened> {
        let path = self.beside(file);
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut new = OpenOptions::new().write(true).create_new(true).mode(0o600).custom_flags(libc::O_NOFOLLOW).open(&path)?;
        if let Some(old) = read.opened[file as usize].as_ref() {
            let found = old.metadata()?;
            std::os::unix::fs::fchown(&new, Some(found.uid()), Some(found.gid()))?;
            copy_attributes(old, &new);
            new.set_permissions(std::fs::Permissions::from_mode(found.mode() & 0o7777))?;
        }
        new.write_all(bytes)?;
        Ok(new)
    }

    fn reach(&self, step: &str, of: &str) -> io::Result<()> {
        (self.hook)(&format!("users.{step}.{of}"))
    }
}

/// Puts a new file in the place of an old one, which stays as `passwd-`, as with the tools. The live file never has a second name: useradd
/// truncates `passwd-` where it stands.
fn replace(new: &Path, path: &Path) -> io::Result<()> {
    match renameat_with(CWD, new, CWD, path, RenameFlags::EXCHANGE) {
        Ok(()) => {
            let mut before = path.as_os_str().to_owned();
            before.push("-");
            // The change is made, and whatever is in the way of the old file is no reason to say otherwise.
            if std::fs::rename(new, before).is_err() {
                let _ = std::fs::remove_file(new);
            }
            Ok(())
        }
        // A file system that cannot exchange keeps no file from before.
        Err(rustix::io::Errno::INVAL | rustix::io::Errno::NOSYS) => std::fs::rename(new, path),
        Err(error) => Err(error.into()),
    }
}

/// Flushes all at once: a file system writes its journal once for those that it is asked for together.
fn flush(files: &[Opened]) -> io::Result<()> {
    let Some((last, others)) = files.split_last() else { return Ok(()) };
    std::thread::scope(|scope| {
        let others: Vec<_> = others.iter().map(|file| scope.spawn(|| file.sync_all())).collect();
        let mut result = last.sync_all();
        for other in others {
            let flushed = other.join().unwrap_or_else(|_| Err(io::Error::other("the thread panicked")));
            result = result.and(flushed);
        }
        result
    })
}

/// The extended attributes, such as the context of SELinux and access lists. What cannot be set is left out: that only ever takes access away.
fn copy_attributes(old: &Opened, new: &Opened) {
    let mut names = vec![0; LONGEST_ATTRIBUTES];
    let Ok(length) = rustix::fs::flistxattr(old, &mut names) else { return };
    let mut value = vec![0; LONGEST_ATTRIBUTES];
    for name in names[..length].split(|byte| *byte == 0).filter(|name| !name.is_empty()) {
        if let Ok(length) = rustix::fs::fgetxattr(old, name, &mut value) {
            let _ = rustix::fs::fsetxattr(new, name, &value[..length], XattrFlags::empty());
        }
    }
}

fn doing(what: &str, path: &Path) -> impl FnOnce(io::Error) -> io::Error {
    move |error| io::Error::new(error.kind(), format!("could not {what} {}: {error}", path.display()))
}

/// What tells one state of a file from another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Identity {
    device: u64,
    inode: u64,
    size: u64,
    changed: (i64, i64),
}

impl Identity {
    fn of(found: &std::fs::Metadata) -> Self {
        Self { device: found.dev(), inode: found.ino(), size: found.size(), changed: (found.mtime(), found.mtime_nsec()) }
    }
}

fn open(path: &Path) -> io::Result<Opened> {
    OpenOptions::new().read(true).custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK).open(path)
}

/// One of the files in `etc`, for who needs no other.
pub(super) fn read_alone(etc: &Path, file: File) -> io::Result<Vec<u8>> {
    let path = etc.join(file.name());
    open(&path).and_then(|opened| bounded::regular(opened, LONGEST)).map_err(doing("read", &path))
}

/// The files as they were read.
pub(super) struct Snapshot {
    pub(super) contents: Contents,
    opened: [Option<Opened>; File::ALL.len()],
    identities: [Option<Identity>; File::ALL.len()],
}

impl Snapshot {
    /// Reads every file in `etc`. Links are not followed: neither do the tools.
    ///
    /// # Errors
    /// Where one that every server has is missing, is no file, or is too long.
    pub(super) fn read(etc: &Path) -> io::Result<Self> {
        let mut read = Self { contents: Contents::default(), opened: Default::default(), identities: Default::default() };
        for file in File::ALL {
            let path = etc.join(file.name());
            let opened = match open(&path) {
                Err(error) if error.kind() == io::ErrorKind::NotFound && file.is_optional() => continue,
                opened => opened.map_err(doing("read", &path))?,
            };
            read.identities[file as usize] = Some(Identity::of(&opened.metadata()?));
            let bytes = opened.try_clone().and_then(|opened| bounded::regular(opened, LONGEST)).map_err(doing("read", &path))?;
            read.contents.put(file, bytes);
            read.opened[file as usize] = Some(opened);
        }
        Ok(read)
    }

    fn is_current(&self, etc: &Path, file: File) -> bool {
        let found = etc.join(file.name()).symlink_metadata().ok();
        found.as_ref().map(Identity::of) == self.identities[file as usize]
    }

    /// The file is what we wrote now.
    fn note(&mut self, file: File, written: &Opened) {
        self.identities[file as usize] = written.metadata().ok().as_ref().map(Identity::of);
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
