//! Everything that is looked at on this machine besides the daemon and its bus: thin probes, each in a
//! thread of its own, around the judgements beside this file.

use crate::daemon::handshake::OWN_PROGRAM;
use crate::doctor::clock::{self, Clock, jump_s};
use crate::doctor::disk;
use crate::doctor::folders;
use crate::doctor::limits;
use crate::doctor::ports::{self, Port};
use crate::doctor::probe::{Late, NoAnswer, Probe};
use crate::doctor::programs::{self, Asked, Sight};
use crate::doctor::shell;
use crate::doctor::tool;
use crate::doctor::{Check, disk_probe, proc, session};
use crate::place;
use crate::settings::bus::{BusSettings, Url};
use crate::settings::config_home;
use jiff::Timestamp;
use resus_actors::broker::ServerRecord;
use resus_core::api::DaemonView;
use resus_core::view::RunView;
use resus_store::StateDir;
use rustix::process::geteuid;
use std::collections::BTreeMap;
use std::env;
use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What is known before anything is looked at.
#[derive(Debug)]
pub(crate) struct Machine {
    /// The state folder, without links; `None` = it does not answer.
    pub state: Option<StateDir>,
    /// The folder of sockets.
    pub runtime: Option<PathBuf>,
    /// What the settings say of the bus, if they are valid.
    pub bus: Option<BusSettings>,
    /// The managed server, if it runs.
    pub server: Option<ServerRecord>,
    /// The daemon, if it answers.
    pub daemon: Option<DaemonView>,
    /// Its runs that have not ended.
    pub live: Vec<RunView>,
}

/// That something took too long which is only good to know.
fn late(what: &'static str, why: &NoAnswer) -> Check {
    Check::warning(what, format!("the look at it gives {why}"), "dmesg | tail; ps -eo pid,stat,wchan,comm")
}

fn program_is_late(what: &'static str, why: &NoAnswer) -> Check {
    let fix = "run it by hand: nvidia-smi -L, python3 --version, nats-server --version; dmesg | tail";
    Check::warning(what, format!("a program of others gives {why}"), fix)
}

impl Machine {
    /// Begins to look.
    pub(crate) fn probes(self: &Arc<Self>) -> Vec<Probe> {
        let part = |what: &'static str, late: Late, look: fn(&Self) -> Vec<Check>| {
            let machine = Arc::clone(self);
            Probe::begin(what, late, move || look(&machine))
        };
        vec![
            part("state", folders::state_is_late, Self::folders),
            part("space", disk::is_late, Self::rooms),
            part("file-system", disk::is_late, Self::disk),
            part("clock", late, Self::clock),
            part("cgroup", late, Self::around),
            part("open-files", late, Self::limits),
            part("path", late, Self::shell),
            part("ports", late, Self::ports),
            part("nats-server", program_is_late, Self::server),
            part("python", program_is_late, |_| vec![programs::python(&asked("python3", &["--version"]))]),
            part("gpu", program_is_late, |_| vec![gpu()]),
            part("stacks", late, |_| vec![stacks()]),
        ]
    }

    /// The process whose limits count: the daemon, or else this one, which would start it.
    fn process(&self) -> u32 {
        self.daemon.as_ref().map_or(std::process::id(), |daemon| daemon.pid)
    }

    fn folders(&self) -> Vec<Check> {
        let us = geteuid().as_raw();
        let mut checks = Vec::new();
        if let Some(state) = &self.state {
            checks.push(folders::state(&folders::look(state.path()), us));
        }
        if let Some(runtime) = &self.runtime {
            checks.push(folders::runtime(&folders::look(runtime), us));
            checks.push(folders::socket_path(runtime.as_os_str().len()));
        }
        if let Some(file) = config_file() {
            checks.push(folders::config(&folders::look(&file), us));
        }
        checks
    }

    /// The folders that live runs save to, each with the size of their largest checkpoint, and the
    /// state folder: one per file system, by its device.
    fn rooms(&self) -> Vec<Check> {
        let Some(state) = &self.state else { return Vec::new() };
        let mut folders = vec![(state.path().to_owned(), 0)];
        for run in &self.live {
            if let Some(checkpoint) = &run.checkpoint {
                let folder = Path::new(&checkpoint.path).parent().unwrap_or(Path::new("/")).to_owned();
                folders.push((folder, checkpoint.size_bytes.unwrap_or(0)));
            } else if let Ok(folder) = state.checkpoints(&run.run_id) {
                folders.push((folder, 0));
            }
        }
        let mut systems: BTreeMap<u64, (PathBuf, u64)> = BTreeMap::new();
        for (folder, bytes) in folders {
            let Some((folder, device)) = nearest(&folder) else { continue };
            let (_, largest) = systems.entry(device).or_insert((folder, 0));
            *largest = bytes.max(*largest);
        }
        let room = |(path, bytes): (PathBuf, u64)| match disk_probe::room(&path, bytes) {
            Ok(room) => disk::room(&room).to_vec(),
            Err(error) => {
                let said = format!("the room at {} can't be told: {error}", path.display());
                vec![Check::warning("space", said, "df -h; dmesg | tail")]
            }
        };
        systems.into_values().flat_map(room).collect()
    }

    fn disk(&self) -> Vec<Check> {
        // Another's folder has been told; nothing is written into it.
        let is_ours = |folder: &&Path| {
            fs::metadata(folder).is_ok_and(|meta| meta.is_dir() && meta.uid() == geteuid().as_raw())
        };
        let Some(folder) = self.state.as_ref().map(StateDir::path).filter(is_ours) else { return Vec::new() };
        let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
        let syncs = disk_probe::syncs(folder).map_err(|error| error.to_string());
        let mut checks = vec![disk::fsync(&syncs)];
        // Where nothing can be written that has been said, and what else fails follows from it.
        if syncs.is_ok()
            && let Ok(promises) = disk_probe::promises(folder, disk_probe::kind(folder, &mounts))
        {
            checks.push(disk::file_system(&promises));
        }
        checks
    }

    fn clock(&self) -> Vec<Check> {
        let now = Timestamp::now().as_millisecond() as f64 / 1000.0;
        let jump = self.daemon.as_ref().and_then(|daemon| {
            let started: Timestamp = daemon.started_at.parse().ok()?;
            // The answer is a few milliseconds old.
            Some(jump_s(now, started.as_millisecond() as f64 / 1000.0, daemon.uptime_s))
        });
        let in_step = resus_shim::clock::is_synchronised().map_err(|error| error.to_string());
        vec![clock::clock(&Clock { in_step, jump_s: jump })]
    }

    fn around(&self) -> Vec<Check> {
        let (group, _) = proc::group(self.process());
        let user = proc::user_name(geteuid().as_raw());
        vec![
            session::cgroup(&group),
            session::logout(group.path.as_deref(), &proc::logout(user.as_deref())),
            session::init(&proc::init()),
        ]
    }

    fn limits(&self) -> Vec<Check> {
        let (us, pid) = (geteuid().as_raw(), self.process());
        let [watches, instances] = proc::inotify(us);
        let (_, tasks) = proc::group(pid);
        vec![
            limits::files(proc::files(pid), self.live.len() as u64),
            limits::processes(proc::threads(us, pid), tasks),
            limits::inotify(watches, instances, self.daemon.is_some()),
        ]
    }

    fn shell(&self) -> Vec<Check> {
        let var = |name: &str| env::var_os(name).filter(|value| !value.is_empty());
        let folder = |name: &str| var(name).map(PathBuf::from).filter(|path| path.is_absolute());
        let us = fs::read_link(OWN_PROGRAM).unwrap_or_else(|_| OWN_PROGRAM.into());
        let shell_path = var("SHELL").map(|path: OsString| path.to_string_lossy().into_owned());
        let shell = shell::shell(shell_path, folder("HOME").as_deref(), folder("XDG_DATA_HOME").as_deref());
        vec![shell::path(&shell::reached(us, "resus", var("PATH").as_deref())), shell::completion_of(&shell)]
    }

    fn ports(&self) -> Vec<Check> {
        let managed = self.bus.as_ref().filter(|bus| bus.url == Url::Managed);
        let Some(bus) = managed else { return vec![ports::ports(&[], None)] };
        let wanted = [
            ("bus.port", Some(bus.port)),
            ("bus.websocket_port", Some(bus.websocket_port)),
            ("monitor", self.server.as_ref().map(|server| server.monitor_port)),
        ];
        let wanted = wanted.into_iter().filter_map(|(key, number)| Some((key, number.filter(|n| *n > 0)?)));
        let ports: Vec<_> =
            wanted.map(|(key, number)| Port { key, number, holder: ports::holder(number) }).collect();
        vec![ports::ports(&ports, self.server.as_ref().map(|server| server.process.pid))]
    }

    fn server(&self) -> Vec<Check> {
        let named = self.bus.as_ref().and_then(|bus| bus.server.clone());
        let asked = match named {
            Some(path) => Asked { answer: tool::ask(&path, &["--version"]), path: Some(path) },
            None => asked("nats-server", &["--version"]),
        };
        let is_managed = self.bus.as_ref().is_some_and(|bus| bus.url == Url::Managed);
        vec![programs::server(&asked, is_managed)]
    }
}

/// The file of settings that counts.
pub(crate) fn config_file() -> Option<PathBuf> {
    let named = env::var_os("RESUS_CONFIG").filter(|value| !value.is_empty()).map(PathBuf::from);
    named.or_else(|| config_home().map(|folder| folder.join("resus/config.toml")))
}

/// The nearest folder around `path` that is there, and its device.
fn nearest(path: &Path) -> Option<(PathBuf, u64)> {
    path.ancestors().find_map(|folder| Some((folder.to_owned(), fs::metadata(folder).ok()?.dev())))
}

fn asked(name: &str, args: &[&str]) -> Asked {
    match tool::find(name) {
        Some(path) => Asked { answer: tool::ask(&path, args), path: Some(path) },
        None => Asked::nowhere(),
    }
}

fn gpu() -> Check {
    let has_device =
        ["/dev/nvidia0", "/proc/driver/nvidia/version"].iter().any(|path| Path::new(path).exists());
    programs::gpu(&asked("nvidia-smi", &["-L"]), has_device)
}

fn stacks() -> Check {
    let (scope, may_all) = proc::tracing();
    programs::stacks(Sight { has_py_spy: tool::find("py-spy").is_some(), scope, may_all })
}

/// The folder of sockets of `state`: the one that the last daemon named, or the usual one.
pub(crate) fn runtime_of(state: &StateDir) -> PathBuf {
    let recorded = crate::daemon::record::Record::read(state);
    let folder = recorded.and_then(|record| record.socket.parent().map(Path::to_owned));
    folder.filter(|folder| folder.is_dir()).unwrap_or_else(|| place::usual_path(state))
}
