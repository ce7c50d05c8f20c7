//! The disk as its users see it, and how it came to be.

use std::collections::BTreeMap;
use std::io;
use std::path::{Component, Path, PathBuf};
use std::time::{Duration, SystemTime};

use rustix::io::Errno;

use crate::Entry;
use crate::faulty::journal::{Judgement, Step};
use crate::faulty::log::{Call, Operation};
use crate::faulty::plan::{Fault, Plan, Shows};
use crate::faulty::tree::{Node, Number, Place, ROOT, Tree, put};

/// Operations are seconds behind this moment, so that later changes have later times.
const BEGIN_UNIX_S: u64 = 1_000_000_000;
/// The device number that all entries have.
const DEVICE: u64 = 0xfa;

#[derive(Clone, Debug)]
pub(super) struct World {
    /// What was durable when counting began.
    pub base: Tree,
    /// What reading shows.
    pub now: Tree,
    /// What the medium holds of files of which the cache shows something else.
    pub media: BTreeMap<Number, Vec<u8>>,
    /// Everything done since, each with the number of its operation.
    pub steps: Vec<(usize, Step)>,
    pub log: Vec<Operation>,
    plan: Plan,
    next: Number,
    /// Operations before counting began: time does not go back.
    before: u64,
}

/// What an operation says about itself.
pub(super) struct Told<'a> {
    pub call: Call,
    pub path: &'a Path,
    pub to: Option<&'a Path>,
    pub range: Option<(u64, usize)>,
    /// What it brings to disk if it succeeds.
    pub syncs: Option<Number>,
}

impl<'a> Told<'a> {
    pub(super) fn of(call: Call, path: &'a Path) -> Self {
        Self { call, path, to: None, range: None, syncs: None }
    }
}

impl World {
    pub(super) fn new(plan: Plan) -> Self {
        Self::on(Tree::new(), plan, ROOT + 1, 0)
    }

    fn on(tree: Tree, plan: Plan, next: Number, before: u64) -> Self {
        let (steps, log, media) = (Vec::new(), Vec::new(), BTreeMap::new());
        Self { base: tree.clone(), now: tree, media, steps, log, plan, next, before }
    }

    /// A world in which there is nothing but `tree`, durable.
    pub(super) fn reborn(&self, tree: Tree) -> Self {
        Self::on(tree, Plan::default(), self.next, self.moment())
    }

    pub(super) fn settle(&mut self, plan: Plan) {
        let before = self.moment();
        self.base = self.now.clone();
        for (number, bytes) in &self.media {
            self.base.add(*number, Node::File(bytes.clone()));
        }
        self.steps.clear();
        self.log.clear();
        self.plan = plan;
        self.before = before;
    }

    fn moment(&self) -> u64 {
        self.before.saturating_add(self.log.len() as u64)
    }

    /// The steps of the first `operations` operations.
    pub(super) fn steps_of(&self, operations: usize) -> Vec<Step> {
        self.steps.iter().take_while(|(n, _)| *n < operations).map(|(_, step)| step.clone()).collect()
    }

    pub(super) fn told<T>(
        &mut self,
        told: Told<'_>,
        act: impl FnOnce(&mut Self) -> io::Result<T>,
    ) -> io::Result<T> {
        let n = self.log.len();
        let fault = self.plan.fault(n, told.call);
        let result = match fault {
            Some(Fault::Error(errno)) => Err(errno.into()),
            Some(Fault::Short(_) | Fault::Lie | Fault::Rot { .. }) | None => act(self),
        };
        if let Some(what) = told.syncs {
            match (&result, fault) {
                (Ok(_), Some(Fault::Lie)) => {}
                (Ok(_), _) => self.steps.push((n, Step::Sync { what, done: true })),
                // It was not even begun.
                (Err(_), Some(Fault::Error(Errno::MFILE | Errno::NFILE))) => {}
                (Err(_), Some(_)) => self.sync_failed(n, what),
                (Err(_), None) => {}
            }
            if let (Ok(_), Some(Fault::Rot { byte })) = (&result, fault) {
                self.rot(what, |bytes| {
                    let count = bytes.len().max(1);
                    bytes.iter_mut().skip(byte % count).take(1).for_each(|byte| *byte ^= 1);
                });
            }
        }
        self.log.push(Operation {
            call: told.call,
            path: told.path.to_owned(),
            to: told.to.map(Path::to_owned),
            range: told.range,
            error: result.as_ref().err().and_then(error_number),
            struck: fault.is_some(),
        });
        result
    }

    fn sync_failed(&mut self, n: usize, what: Number) {
        self.steps.push((n, Step::Sync { what, done: false }));
        let Ok(shown) = self.now.bytes(what) else { return };
        if self.plan.after_failed_sync() == Shows::Old {
            let size = shown.len();
            let steps = self.steps_of(n + 1);
            let judgement = Judgement::of(&self.base, &steps);
            let old = judgement.build(&self.base, &steps, &vec![false; judgement.doubts.len()]);
            let mut bytes = old.bytes(what).cloned().unwrap_or_default();
            bytes.resize(size, 0);
            self.now.add(what, Node::File(bytes));
        }
    }

    /// Changes what the medium holds of a file, and not what the cache shows.
    pub(super) fn rot(&mut self, file: Number, change: impl FnOnce(&mut Vec<u8>)) {
        let Ok(shown) = self.now.bytes(file) else { return };
        let mut bytes = self.media.get(&file).unwrap_or(shown).clone();
        change(&mut bytes);
        self.step(Step::Rot { file, bytes: bytes.as_slice().into() });
        self.media.insert(file, bytes);
    }

    /// Lets reading a file show what the medium holds.
    pub(super) fn drop_cache(&mut self, file: Number) {
        if let Some(bytes) = self.media.remove(&file) {
            self.now.add(file, Node::File(bytes));
        }
    }

    fn step(&mut self, step: Step) {
        self.steps.push((self.log.len(), step));
    }

    /// How many bytes a write of `count` takes.
    pub(super) fn room(&self, count: usize) -> usize {
        match self.plan.fault(self.log.len(), Call::Write) {
            Some(Fault::Short(bytes)) => count.min(bytes),
            Some(Fault::Error(_) | Fault::Lie | Fault::Rot { .. }) | None => count,
        }
    }

    pub(super) fn create(&mut self, path: &Path, node: Node) -> io::Result<Number> {
        let place = match self.now.place(path) {
            Err(error) if error.raw_os_error() == Some(Errno::BUSY.raw_os_error()) => {
                return Err(io::ErrorKind::AlreadyExists.into());
            }
            place => place?,
        };
        if self.now.named(&place)?.is_some() {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let number = self.next;
        self.next += 1;
        self.now.add(number, node.clone());
        self.now.touch(number, self.moment());
        self.step(Step::Born(number, node));
        self.name(vec![(place, Some(number))])?;
        Ok(number)
    }

    /// What was always there.
    pub(super) fn plant(&mut self, path: &Path, node: Node) -> io::Result<()> {
        let place = self.now.place(path)?;
        if self.now.named(&place)?.is_some() {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let number = self.next;
        self.next += 1;
        for tree in [&mut self.now, &mut self.base] {
            tree.add(number, node.clone());
            tree.set_name(&place, Some(number));
        }
        Ok(())
    }

    /// Changes names, together.
    pub(super) fn name(&mut self, changes: Vec<(Place, Option<Number>)>) -> io::Result<()> {
        for (place, number) in &changes {
            self.now.set_name(place, *number);
        }
        self.step(Step::Names(changes));
        Ok(())
    }

    pub(super) fn rename(&mut self, from: Place, to: Place) -> io::Result<()> {
        let number = self.now.named(&from)?.ok_or(Errno::NOENT)?;
        let is_folder = matches!(self.now.node(number)?, Node::Folder(_));
        match self.now.named(&to)? {
            Some(there) if there == number => return Ok(()),
            Some(there) => match self.now.node(there)? {
                Node::Folder(_) if !is_folder => return Err(Errno::ISDIR.into()),
                Node::Folder(names) if !names.is_empty() => return Err(Errno::NOTEMPTY.into()),
                Node::Folder(_) => {}
                Node::File(_) | Node::Link(_) | Node::Other if is_folder => return Err(Errno::NOTDIR.into()),
                Node::File(_) | Node::Link(_) | Node::Other => {}
            },
            None => {}
        }
        self.name(vec![(from, None), (to, Some(number))])
    }

    pub(super) fn write(&mut self, file: Number, at: u64, bytes: &[u8]) -> io::Result<()> {
        let start = usize::try_from(at).map_err(|_| io::Error::from(Errno::FBIG))?;
        let moment = self.moment();
        let content = self.now.bytes_mut(file).ok_or(Errno::BADF)?;
        put(content, start, bytes);
        if let Some(medium) = self.media.get_mut(&file) {
            put(medium, start, bytes);
        }
        self.now.touch(file, moment);
        self.step(Step::Write { file, at, bytes: bytes.into() });
        Ok(())
    }

    pub(super) fn resize(&mut self, file: Number, size: u64) -> io::Result<()> {
        let wanted = usize::try_from(size).map_err(|_| io::Error::from(Errno::FBIG))?;
        let content = self.now.bytes_mut(file).ok_or(Errno::BADF)?;
        content.resize(wanted, 0);
        if let Some(medium) = self.media.get_mut(&file) {
            medium.resize(wanted, 0);
        }
        self.step(Step::Resize { file, size });
        Ok(())
    }

    pub(super) fn entry(&self, number: Number) -> io::Result<Entry> {
        let node = self.now.node(number)?;
        let seconds = BEGIN_UNIX_S.saturating_add(self.now.changed(number));
        Ok(Entry {
            kind: node.kind(),
            size: node.size(),
            allocated: node.size().next_multiple_of(512),
            modified: SystemTime::UNIX_EPOCH + Duration::from_secs(seconds),
            owner: rustix::process::geteuid().as_raw(),
            identity: (DEVICE, number),
        })
    }

    /// What lies at `relative` below `root`, no link followed on the way.
    pub(super) fn find_beneath(&self, root: &Path, relative: &Path) -> io::Result<Number> {
        let mut path = PathBuf::new();
        for part in relative.components() {
            match part {
                Component::Normal(name) => path.push(name),
                Component::Prefix(_) | Component::RootDir | Component::CurDir | Component::ParentDir => {
                    return Err(io::ErrorKind::InvalidInput.into());
                }
            }
        }
        let mut number = self.now.find(root)?;
        let names: Vec<_> = path.iter().collect();
        if names.is_empty() {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        for name in names {
            // Of a link there are no names, as the system says it: not a folder.
            number = self.now.names(number)?.get(name).copied().ok_or(Errno::NOENT)?;
        }
        match self.now.node(number)? {
            Node::Link(_) => Err(Errno::LOOP.into()),
            Node::File(_) | Node::Folder(_) | Node::Other => Ok(number),
        }
    }
}

/// The system's number of an error; those we make ourselves have the number of their kind.
fn error_number(error: &io::Error) -> Option<i32> {
    let number = match error.kind() {
        io::ErrorKind::AlreadyExists => Errno::EXIST.raw_os_error(),
        io::ErrorKind::NotFound => Errno::NOENT.raw_os_error(),
        _ => Errno::INVAL.raw_os_error(),
    };
    error.raw_os_error().or(Some(number))
}
