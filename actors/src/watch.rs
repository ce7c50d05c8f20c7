//! One inotify instance for all event files: who appends wakes exactly its reader.

use crate::limits::INOTIFY_BUFFER_BYTES;
use rustix::fs::inotify::{self, CreateFlags, WatchFlags};
use std::collections::BTreeMap;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use tokio::io::unix::AsyncFd;
use tokio::sync::Notify;

/// Written to, cut, renamed or unlinked.
const MATTERS: WatchFlags =
    WatchFlags::MODIFY.union(WatchFlags::CLOSE_WRITE).union(WatchFlags::MOVE_SELF).union(WatchFlags::ATTRIB);

type Readers = BTreeMap<i32, Weak<Notify>>;

/// Tells readers of files that something was appended.
pub(crate) struct Watcher {
    fd: AsyncFd<OwnedFd>,
    readers: Mutex<Readers>,
}

impl Watcher {
    /// Opens the instance.
    pub(crate) fn new() -> io::Result<Arc<Self>> {
        let fd = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK)?;
        Ok(Arc::new(Self { fd: crate::readiness::watch(fd)?, readers: Mutex::new(Readers::new()) }))
    }

    fn lock(&self) -> MutexGuard<'_, Readers> {
        self.readers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Wakes the returned handle whenever `path` is written to, as long as the handle lives.
    pub(crate) fn watch(&self, path: &Path) -> io::Result<Arc<Notify>> {
        let mut readers = self.lock();
        readers.retain(|watch, reader| {
            let alive = reader.strong_count() > 0;
            if !alive {
                // The kernel may have dropped the watch already, together with its file.
                let _gone = inotify::remove_watch(self.fd.get_ref(), *watch);
            }
            alive
        });
        let watch = inotify::add_watch(self.fd.get_ref(), path, MATTERS)?;
        let notify = readers.get(&watch).and_then(Weak::upgrade).unwrap_or_default();
        readers.insert(watch, Arc::downgrade(&notify));
        Ok(notify)
    }

    /// Wakes `reader` whenever a file appears in `folder`, as long as the reader lives.
    pub(crate) fn watch_folder(&self, folder: &Path, reader: &Arc<Notify>) -> io::Result<()> {
        let mut readers = self.lock();
        let appears = WatchFlags::CREATE.union(WatchFlags::MOVED_TO).union(WatchFlags::ONLYDIR);
        let watch = inotify::add_watch(self.fd.get_ref(), folder, appears)?;
        readers.insert(watch, Arc::downgrade(reader));
        Ok(())
    }

    /// Passes wake-ups on for ever. If the kernel's queue overflowed, everyone is woken.
    pub(crate) async fn run(self: Arc<Self>) -> io::Result<()> {
        let mut buffer = [MaybeUninit::uninit(); INOTIFY_BUFFER_BYTES];
        loop {
            let mut ready = self.fd.readable().await?;
            let mut reader = inotify::Reader::new(self.fd.get_ref(), &mut buffer);
            loop {
                match reader.next() {
                    Ok(event) => self.wake(event.wd()),
                    Err(rustix::io::Errno::AGAIN) => break,
                    Err(rustix::io::Errno::INTR) => {}
                    Err(error) => return Err(error.into()),
                }
            }
            ready.clear_ready();
        }
    }

    fn wake(&self, watch: i32) {
        let readers = self.lock();
        match readers.get(&watch) {
            Some(reader) => reader.upgrade().iter().for_each(|reader| reader.notify_one()),
            None => readers.values().filter_map(Weak::upgrade).for_each(|reader| reader.notify_one()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::time::Duration;

    #[tokio::test]
    async fn an_append_wakes_its_own_reader() {
        let folder = tempfile::tempdir().unwrap();
        let watcher = Watcher::new().unwrap();
        let task = tokio::spawn(Arc::clone(&watcher).run());
        let mut one = std::fs::File::create(folder.path().join("one")).unwrap();
        std::fs::File::create(folder.path().join("two")).unwrap();
        let woken = watcher.watch(&folder.path().join("one")).unwrap();
        let asleep = watcher.watch(&folder.path().join("two")).unwrap();
        one.write_all(b"line\n").unwrap();
        tokio::time::timeout(Duration::from_secs(10), woken.notified()).await.unwrap();
        assert!(tokio::time::timeout(Duration::ZERO, asleep.notified()).await.is_err());
        drop(asleep);
        watcher.watch(&folder.path().join("one")).unwrap();
        assert_eq!(watcher.lock().len(), 1, "a handle that is gone is forgotten");
        task.abort();
    }
}
