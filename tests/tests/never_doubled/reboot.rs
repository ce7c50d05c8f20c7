//! The machine is restarted under running workers. The kernel's boot id is covered by a file
//! of ours, in a mount namespace of its own: to everything in there this is another boot.

use crate::namespaces::{HINT, unshare};
use crate::{Stranger, pid_of};
use resus_tests::{Home, Said, alive, kill, processes_of};
use serde_json::Value;
use std::os::unix::process::ExitStatusExt;
use std::process::Stdio;

const RUNS: usize = 5;
const BOOTS: u32 = 4;

/// Runs a command of the program in boot number `boot`, with the daemon that it starts.
fn resus(home: &Home, boot: u32, args: &[&str]) -> Said {
    let id = home.path().join(format!("boot-{boot}"));
    std::fs::write(&id, format!("00000000-0000-4000-8000-{boot:012}\n")).unwrap();
    let inner = home.command(args);
    let cover = r#"mount --bind "$0" /proc/sys/kernel/random/boot_id && exec "$@""#;
    let mut command = unshare(&["--mount"]);
    command.args(["sh", "-c", cover]).arg(id).arg(inner.get_program()).args(inner.get_args());
    command.env_clear().envs(inner.get_envs().filter_map(|(name, value)| Some((name, value?))));
    command.current_dir(inner.get_current_dir().unwrap()).stdin(Stdio::null());
    let output = command.output().unwrap_or_else(|error| panic!("{HINT}: {error}"));
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
    assert!(!stderr.contains("unshare: ") && !stderr.contains("mount: "), "{HINT}\n{stderr}");
    Said { code: output.status.code().or(output.status.signal()).unwrap(), stdout, stderr }
}

/// All processes of the home are gone at once, the daemon with or without a word.
fn power_off(home: &Home, orderly: bool) {
    if orderly {
        home.resus(&["daemon", "stop"]).expect_code(0);
    }
    home.wait_for("all to be dead", || {
        let left = processes_of(home.path());
        left.iter().for_each(|process| kill(process.pid, "KILL"));
        left.is_empty().then_some(())
    });
}

/// As it can happen after a restart: the recorded id and start time are somebody else's now.
fn mistake_for_worker(home: &Home, run_id: &str, attempt: u32, bystander: u32) {
    let path = home.run_dir(run_id).join(format!("attempts/{attempt:04}/spawn.json"));
    let mut record: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    let stat = std::fs::read_to_string(format!("/proc/{bystander}/stat")).unwrap();
    let start = stat.rsplit(')').next().unwrap().split_whitespace().nth(19).unwrap();
    record["pid"] = bystander.into();
    record["start_ticks"] = start.parse::<u64>().unwrap().into();
    std::fs::write(path, record.to_string()).unwrap();
}

#[test]
fn after_a_reboot_old_processes_mean_nothing_and_every_run_goes_on_for_free() {
    let home = Home::new();
    // Not one retry is allowed: what follows a reboot is not counted.
    let args = ["--retries", "0", "--backoff", "10ms", "--", "sleep", "1000"];
    let runs: Vec<String> = (0..RUNS).map(|_| home.submit(&args)).collect();
    let bystander = Stranger::new();
    for boot in 1..=BOOTS {
        let workers: Vec<u32> = runs.iter().map(|run| pid_of(&home.until_phase(run, "running"))).collect();
        power_off(&home, boot % 2 == 0);
        assert!(!workers.into_iter().any(alive));
        runs.iter().for_each(|run| mistake_for_worker(&home, run, boot, bystander.pid()));

        resus(&home, boot, &["ps"]).expect_code(0);
        for run in &runs {
            let view = home.until(run, "the next attempt", |view| {
                view["attempt"] == boot + 1 && view["phase"] == "running"
            });
            assert_eq!(view["last_failure"]["code"], "NODE_LOST", "{view}");
            assert_eq!(view["last_failure"]["retried"], true, "{view}");
            assert_eq!(home.workers(run).len(), 1);
            let rebooted =
                home.events(run).iter().filter(|event| event["payload"]["action"] == "rebooted").count();
            assert_eq!(rebooted as u64, u64::from(boot));
        }
    }
    for run in &runs {
        home.resus(&["kill", run]).expect_code(0);
    }
    assert!(alive(bystander.pid()), "a process of this boot was taken for one of the last");
}
