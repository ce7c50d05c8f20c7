//! The thread that writes, and the desk on which snapshots change hands.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rayon::ThreadPool;

use crate::background::SaverOptions;
use crate::background::queue::{Ended, Outcome, Placed, Queue, Step};
use crate::background::report::{Report, RequestError, SaveEnd};
use crate::background::snapshot::{PARALLEL_BYTES_MIN, Snapshot};
use crate::pace::Hurry;
use crate::save::{SaveError, Saved, save_hurried};

/// One is written while the other is filled, or waits.
const SNAPSHOTS: usize = 2;
/// The part of its size that a growing state is given besides, for its next few requests.
const ROOM_MORE: usize = 8;

/// How far the thread stands back: a quarter of a processor that a training thread wants, too.
#[cfg(target_os = "linux")]
const NICENESS: i32 = 5;

/// Shared by the training and the thread.
#[derive(Debug)]
pub(super) struct Desk {
    state: Mutex<State>,
    changed: Condvar,
    /// Somebody waits for the thread.
    hurry: Hurry,
}

#[derive(Debug)]
struct State {
    queue: Queue<Snapshot>,
    /// Snapshots that nobody uses.
    blank: Vec<Snapshot>,
    /// Bytes that each of them shall have room for.
    room: usize,
    /// The listener is being told of a save that is over.
    is_telling: bool,
    is_gone: bool,
}

impl Desk {
    pub(super) fn new(retry_delay: Duration, expected_bytes: usize) -> Self {
        let blank = (0..SNAPSHOTS).map(|_| Snapshot::default()).collect();
        let queue = Queue::new(retry_delay);
        let state = State { queue, blank, room: expected_bytes, is_telling: false, is_gone: false };
        Self { state: Mutex::new(state), changed: Condvar::new(), hurry: Hurry::default() }
    }

    /// A snapshot to fill, the roomiest there is. If the only one left waits to be saved it is that one;
    /// then how far the training was at it comes along.
    pub(super) fn blank(&self) -> Result<(Snapshot, Option<u64>), RequestError> {
        let mut state = self.lock();
        if state.is_gone {
            return Err(RequestError::Gone);
        }
        state.blank.sort_unstable_by_key(Snapshot::room);
        if let Some(blank) = state.blank.pop() {
            return Ok((blank, None));
        }
        let waiting = state.queue.take_waiting();
        let games = waiting.as_ref().map(|snapshot| snapshot.games);
        Ok((waiting.unwrap_or_default(), games))
    }

    /// Gives a snapshot back that could not be filled; one that waited goes on waiting.
    pub(super) fn give_back(&self, snapshot: Snapshot, has_waited: bool) {
        if has_waited {
            self.put(snapshot);
        } else {
            self.lock().free(snapshot);
        }
    }

    /// Has a snapshot saved. Says how far the training was at the one whose place it took.
    pub(super) fn put(&self, snapshot: Snapshot) -> Placed<u64> {
        let mut state = self.lock();
        state.learn(snapshot.bytes_used());
        let Placed { is_behind, displaced } = state.queue.put(snapshot);
        let games = displaced.as_ref().map(|snapshot| snapshot.games);
        if let Some(displaced) = displaced {
            state.free(displaced);
        }
        self.changed.notify_all();
        Placed { is_behind, displaced: games }
    }

    pub(super) fn is_busy(&self) -> bool {
        self.lock().is_busy()
    }

    /// Waits, but no longer than `limit`, until there is nothing to do. Whether that is so. There is only
    /// one who waits: the owner of the saver.
    pub(super) fn wait_until_idle(&self, limit: Duration) -> bool {
        self.hurry.set(true);
        let waited = self.changed.wait_timeout_while(self.lock(), limit, |state| state.is_busy());
        let (state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        let is_idle = !state.is_busy();
        drop(state);
        self.hurry.set(false);
        is_idle
    }

    pub(super) fn close(&self) {
        self.hurry.set(true);
        self.lock().queue.close();
        self.changed.notify_all();
    }

    /// Waits for work. `None` when there will be no more.
    fn next(&self) -> Option<Work> {
        let mut state = self.lock();
        loop {
            let now = Instant::now();
            state = match state.queue.next(now) {
                Step::Save(snapshot) => return Some(Work::Save(snapshot)),
                Step::End => return None,
                Step::WaitUntil(due) => {
                    let left = due.saturating_duration_since(now);
                    self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0
                }
                Step::Wait => match state.take_small() {
                    Some(small) => return Some(Work::Enlarge(small, state.room)),
                    None => self.changed.wait(state).unwrap_or_else(PoisonError::into_inner),
                },
            };
        }
    }

    /// The room of each snapshot that nobody uses.
    #[cfg(test)]
    pub(super) fn rooms(&self) -> Vec<usize> {
        self.lock().blank.iter().map(Snapshot::room).collect()
    }

    /// A poisoned lock is as good as another: no code that holds it can panic halfway.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn is_busy(&self) -> bool {
        !self.is_gone && (self.is_telling || self.queue.is_busy())
    }

    /// A request of so many bytes came. A state that has grown will grow again.
    fn learn(&mut self, bytes: usize) {
        if bytes > self.room {
            let more = if self.room == 0 { 0 } else { bytes / ROOM_MORE };
            self.room = bytes.saturating_add(more);
        }
    }

    fn free(&mut self, snapshot: Snapshot) {
        if self.blank.len() < SNAPSHOTS {
            self.blank.push(snapshot);
        }
    }

    /// A snapshot that a request would have to make larger.
    fn take_small(&mut self) -> Option<Snapshot> {
        let place = self.blank.iter().position(|blank| blank.room() < self.room)?;
        Some(self.blank.swap_remove(place))
    }
}

/// What the thread does.
enum Work {
    Save(Snapshot),
    /// Makes room for so many bytes before they are asked for.
    Enlarge(Snapshot, usize),
}

/// The thread: saves what is put until the desk is closed.
pub(super) fn run(desk: &Desk, options: &SaverOptions, mut listener: impl FnMut(Report)) {
    let _gone = Gone(desk);
    let mut helpers = Helpers::default();
    let mut has_given_way = false;
    while let Some(work) = desk.next() {
        match work {
            Work::Save(snapshot) => {
                if !has_given_way {
                    // Not before: what is made ready at the start shall be so by the first request.
                    give_way();
                    has_given_way = true;
                }
                let result = helpers.save(options, &snapshot, &desk.hurry);
                let (file_name, games) = (snapshot.file_name.clone(), snapshot.games);
                let (meta, stall) = (snapshot.meta.clone(), snapshot.stall);
                let end = desk.ended(snapshot, result, options.retry_delay);
                listener(Report { file_name, games, meta, stall, end });
                desk.told();
            }
            Work::Enlarge(mut small, room) => {
                let is_done = small.make_room(room).is_ok();
                desk.enlarged(small, is_done);
            }
        }
    }
}

/// From now on the training's threads go before this one, and before those that it starts.
fn give_way() {
    // Elsewhere the call would be about the whole process.
    #[cfg(target_os = "linux")]
    {
        use rustix::process::{getpriority_process, setpriority_process};
        // Not being allowed to costs the training some time, and nothing else.
        let _ = getpriority_process(None).and_then(|own| setpriority_process(None, own + NICENESS));
    }
}

/// The threads that check and pack a large state. The ambient pool is not theirs: it is the training's, or
/// would be started here, with this thread's low priority.
#[derive(Default)]
struct Helpers {
    pool: Option<ThreadPool>,
}

impl Helpers {
    fn save(
        &mut self,
        SaverOptions { save, folder, .. }: &SaverOptions,
        snapshot: &Snapshot,
        hurry: &Hurry,
    ) -> Result<Saved, SaveError> {
        let save = || snapshot.read(|draft| save_hurried(save, folder, &snapshot.file_name, draft, hurry));
        if snapshot.bytes_used() >= PARALLEL_BYTES_MIN && self.pool.is_none() {
            let name = |index| format!("checkpoint {index}");
            // Without helpers a save takes longer.
            self.pool = rayon::ThreadPoolBuilder::new().thread_name(name).build().ok();
        }
        match &self.pool {
            Some(pool) => pool.install(save),
            None => save(),
        }
    }
}

impl Desk {
    /// A try is over; the saver stays busy until that was told.
    fn ended(&self, snapshot: Snapshot, result: Result<Saved, SaveError>, delay: Duration) -> SaveEnd {
        let mut state = self.lock();
        state.is_telling = true;
        let outcome = match &result {
            Ok(_) => Outcome::Saved,
            Err(SaveError::Name { .. } | SaveError::Draft(_)) => Outcome::Hopeless,
            Err(_) => Outcome::Failed,
        };
        let ended = state.queue.ended(snapshot, outcome, Instant::now());
        let is_kept = matches!(ended, Ended::TriedAgain);
        match ended {
            Ended::Saved(snapshot) | Ended::GivenUp(snapshot) => state.free(snapshot),
            Ended::TriedAgain => {}
        }
        match result {
            Ok(saved) => SaveEnd::Saved(saved),
            Err(error) if is_kept => SaveEnd::Retried { error, delay },
            Err(error) => SaveEnd::GivenUp { error },
        }
    }

    /// The listener was told of the last try.
    fn told(&self) {
        self.lock().is_telling = false;
        self.changed.notify_all();
    }

    /// A snapshot comes back with more room, or without.
    fn enlarged(&self, snapshot: Snapshot, has_room: bool) {
        let mut state = self.lock();
        if !has_room {
            // The request that needs it will say so; until then there is no use in trying.
            state.room = 0;
        }
        state.free(snapshot);
    }
}

/// Tells those who wait that nobody saves any more, however the thread ended.
struct Gone<'a>(&'a Desk);

impl Drop for Gone<'_> {
    fn drop(&mut self) {
        self.0.lock().is_gone = true;
        self.0.changed.notify_all();
    }
}
