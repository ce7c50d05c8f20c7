//! The tree of actors heals.

use super::*;
use crate::tree::{Peer, TREE};
use resus_core::api::Submission;
use tokio::time::{Instant, sleep};

async fn started(folder: &Path) -> System {
    let state = StateDir::open(&folder.join("state")).unwrap();
    let lock = state.lock("test").unwrap();
    let runtime_dir = folder.join("run");
    std::fs::create_dir_all(&runtime_dir).unwrap();
    System::start(Setup {
        bus: BusSetup::default(),
        shim: None,
        state,
        lock,
        runtime_dir,
        policy: Policy::default(),
        disk_share_percent: 100,
        node: Slug::new("n").unwrap(),
        version: "test".to_owned(),
        // Not a shim: runs of these tests never get beyond the order to spawn.
        program: PathBuf::from("/bin/false"),
        workloads: None,
        notifier: None,
        idle_exit: None,
        accept_lost_history: false,
    })
    .await
    .unwrap()
}

fn submission(command_id: &str) -> Submission {
    Submission {
        command: Some(vec!["true".to_owned()]),
        cwd: "/".to_owned(),
        command_id: Some(resus_core::ids::CommandId::new(command_id).unwrap()),
        ..Submission::default()
    }
}

fn kill(directory: &Directory, peer: Peer) {
    macro_rules! kill {
        ($slot:ident) => {
            directory.$slot.get().unwrap().kill()
        };
    }
    match peer {
        Peer::Store => kill!(store),
        Peer::Publisher => kill!(publisher),
        Peer::Checkpoint => kill!(checkpoint),
        Peer::Watchdog => kill!(watchdog),
        Peer::Monitor => kill!(monitor),
        Peer::Workers => kill!(workers),
        Peer::Supervisor => kill!(supervisor),
        Peer::Gateway => kill!(gateway),
    }
}

/// A command may meet an actor that is just being restarted; then it is asked again with
/// the same id, as a client does.
async fn submitted(door: &Door, command_id: &str) -> String {
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        match door.submit(submission(command_id)).await {
            Ok(run) => return run.run_id,
            Err(problem) => assert!(Instant::now() < deadline, "{problem:?}"),
        }
    }
}

async fn until(what: &str, condition: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !condition() {
        assert!(Instant::now() < deadline, "waited in vain for: {what}");
        sleep(Duration::from_millis(5)).await;
    }
}

/// Every actor is killed, or panics so many times in a row; each time it comes back, takes
/// commands, carries each out once, and every run is still known.
async fn heals(what: &str, deaths: u32, hurt: impl Fn(&Directory, Peer)) {
    let folder = tempfile::tempdir().unwrap();
    let system = started(folder.path()).await;
    let door = system.door();
    let first = submitted(&door, "first").await;
    for row in TREE {
        let name = row.peer.name();
        hurt(&door.0.directory, row.peer);
        let id = submitted(&door, &format!("after-{name}")).await;
        let died = || door.0.board.actor_restarts().get(name).copied().unwrap_or(0);
        until(&format!("{what}: restart of {name}"), || {
            let healed = died() >= deaths;
            if !healed {
                nudge(&door.0.directory, row.peer);
            }
            healed
        })
        .await;
        assert_eq!(died(), deaths, "{what}: {name}");
        assert_eq!(submitted(&door, &format!("after-{name}")).await, id, "{name}: one command, one run");
        assert!(door.run(&first).is_ok(), "{name}: a run was forgotten");
    }
    assert_eq!(door.runs().runs.len(), 1 + TREE.len());
    system.shut_down().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_actor_that_is_killed_comes_back_and_the_runs_are_still_known() {
    heals("killed", 1, kill).await;
}

/// Something to do for actors that nobody speaks to just now.
fn nudge(directory: &Directory, peer: Peer) {
    match peer {
        Peer::Publisher => directory.publisher.send(crate::publisher::PublisherMsg::Advanced),
        Peer::Monitor => directory.monitor.send(crate::monitor::MonitorMsg::Tick),
        Peer::Watchdog => directory.watchdog.send(WatchdogMsg::Look),
        Peer::Store | Peer::Checkpoint | Peer::Workers | Peer::Supervisor | Peer::Gateway => {}
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_panic_in_any_actor_is_healed() {
    heals("panic", 1, |directory, peer| directory.doing(peer).plant(1)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_panics_in_a_row_in_any_actor_are_healed() {
    heals("two panics", 2, |directory, peer| directory.doing(peer).plant(2)).await;
}

#[test]
fn a_log_of_a_death_tells_kinds_and_ids_but_no_contents() {
    use crate::doing::Summary;
    use crate::supervisor::{Observation, SupervisorMsg};
    let secret = "hunter2";
    let word = resus_core::pulse::word::Word::Status {
        status: resus_core::pulse::v2::Status::Running,
        message: secret.to_owned(),
    };
    let message = SupervisorMsg::Observed(Observation {
        run_id: resus_core::ids::RunId::new("r1").unwrap(),
        attempt: resus_core::ids::Attempt(2),
        fact: resus_core::input::Fact::Said { word, said_unix_ms: None, at_units: None, upto: 1 },
        committed: None,
    });
    assert_eq!(message.summary(), "observed of run r1 attempt 2: said something");
    let order = crate::worker::Order::Thaw { attempt: resus_core::ids::Attempt(1) };
    assert_eq!(order.summary(), "thaw attempt 1");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_actor_that_dies_too_often_ends_the_daemon() {
    let folder = tempfile::tempdir().unwrap();
    let system = started(folder.path()).await;
    let directory = Arc::clone(&system.door().0.directory);
    let killer = tokio::spawn(async move {
        loop {
            if let Some(store) = directory.store.get() {
                store.kill();
            }
            sleep(Duration::from_millis(5)).await;
        }
    });
    tokio::time::timeout(Duration::from_secs(60), system.stopped()).await.unwrap();
    killer.abort();
    system.shut_down().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stopped_system_starts_again_with_everything_it_knew() {
    let folder = tempfile::tempdir().unwrap();
    let system = started(folder.path()).await;
    let id = submitted(&system.door(), "one").await;
    system.shut_down().await;
    let system = started(folder.path()).await;
    assert!(system.door().run(&id).is_ok(), "the run was forgotten");
    system.shut_down().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn telemetry_goes_out_at_once_then_thinned_and_always_before_the_next_word_of_the_ledger() {
    use resus_core::pulse::line::{Progress, Telemetry};
    let folder = tempfile::tempdir().unwrap();
    let system = started(folder.path()).await;
    let door = system.door();
    let run_id = resus_core::ids::RunId::new(submitted(&door, "one").await).unwrap();
    let attempt = resus_core::ids::Attempt(9);
    let mut bus = door.subscribe();
    let progress = |done: u32| {
        let done = Some(f64::from(done));
        (Telemetry::Progress(Progress { unit: "step".to_owned(), done, ..Progress::default() }), None)
    };
    door.0.telemetry.hear(&run_id, attempt, vec![progress(1)]).await;
    door.0.telemetry.hear(&run_id, attempt, (2..=100).map(progress).collect()).await;
    // Of an attempt that is over: not heard.
    door.0.telemetry.hear(&run_id, resus_core::ids::Attempt(8), vec![progress(7)]).await;
    door.0.telemetry.flush(&run_id).await;
    door.0.telemetry.flush(&run_id).await;
    let mut told = Vec::new();
    while let Ok(message) = bus.try_recv() {
        let event: serde_json::Value = serde_json::from_str(&message.body).unwrap();
        if event["event_type"] == "progress" {
            assert!(message.id.is_none(), "telemetry is never deduplicated");
            told.push((event["tick"].as_u64().unwrap(), event["payload"]["done"].as_f64().unwrap()));
        }
    }
    // On a machine that is slow enough, the one at the head of the hundred has its turn too.
    let (amounts, ticks): (Vec<_>, Vec<_>) = told.iter().map(|(tick, done)| (*done, *tick)).unzip();
    assert!(amounts == [1.0, 100.0] || amounts == [1.0, 2.0, 100.0], "{amounts:?}");
    assert!(ticks.is_sorted_by(|one, next| one < next), "{ticks:?}");
    system.shut_down().await;
}
