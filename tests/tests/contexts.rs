//! Other machines' daemons under names, and what a command says when it means one that can't be
//! asked. No server is needed for it.

use resus_tests::Home;
use std::os::unix::fs::PermissionsExt;

/// Nobody listens on this port of loopback: it is reserved (tcpmux), and ours to refuse.
const NOBODY: &str = "nats://127.0.0.1:1";

#[test]
fn a_context_is_kept_for_its_owner_alone_and_used_until_it_is_forgotten() {
    let home = Home::new();
    let add = ["context", "add", "lab", "--nats", NOBODY, "--node", "gpu-a1", "--nats-creds", "lab.creds"];
    // The file of the credentials has to be there.
    home.resus(&add).expect_code(1);
    let creds = home.path().join("work/lab.creds");
    std::fs::write(&creds, "jwt and seed").unwrap();
    let refused = home.resus(&add).expect_code(2);
    assert!(refused.stderr.contains("can be read by others") && refused.stderr.contains("chmod 600"));
    std::fs::set_permissions(&creds, PermissionsExt::from_mode(0o600)).unwrap();
    home.resus(&add).expect_code(0);
    let file = home.path().join("config/resus/contexts/lab.toml");
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(!std::fs::read_to_string(&file).unwrap().contains("jwt and seed"));
    let shown = home.resus(&["context", "show", "lab", "--json"]).expect_code(0).json();
    assert_eq!((&shown["nats"], &shown["node"]), (&NOBODY.into(), &"gpu-a1".into()));
    assert_eq!(shown["creds_file"].as_str(), creds.to_str(), "from wherever it is used");
    home.resus(&add).expect_code(2);

    home.resus(&["context", "use", "lab"]).expect_code(0);
    let listed = home.resus(&["context", "ls"]).expect_code(0).stdout;
    assert!(listed.lines().any(|line| line.starts_with("* lab ")), "{listed}");
    // Not a creds file, so not the server is blamed.
    let refused = home.resus(&["ps"]).expect_code(12);
    assert!(refused.stderr.contains("credentials") && !refused.stderr.contains("jwt"), "{refused:?}");
    home.resus(&["context", "rm", "lab"]).expect_code(0);
    assert!(!file.exists());
    home.resus(&["ps"]).expect_code(0);
    home.resus(&["context", "use", "lab"]).expect_code(2);
}

#[test]
fn a_server_that_is_away_is_told_in_three_parts_and_starts_no_daemon_here() {
    let home = Home::new();
    for command in ["ps", "daemon status", "run othello", "watch", "wait x", "why x"] {
        let words: Vec<_> = command.split(' ').chain(["--nats", NOBODY]).collect();
        let said = home.resus(&words).expect_code(12);
        assert!(said.stdout.is_empty() && said.stderr.contains("can't be reached"), "{command}: {said:?}");
        assert!(said.stderr.contains("  try: "), "{said:?}");
    }
    assert!(!home.state().exists(), "nothing was done here");
    let problem = home.resus(&["ps", "--json", "--nats", "nats://ann:s3cret@127.0.0.1:1"]).expect_code(12);
    let document: serde_json::Value = serde_json::from_str(&problem.stderr).unwrap();
    assert_eq!(document["exit_code"], 12);
    assert!(!problem.stderr.contains("s3cret"), "{problem:?}");
}

#[test]
fn what_is_about_this_machine_refuses_another_one() {
    let home = Home::new();
    for command in
        ["daemon start", "daemon stop", "daemon restart", "daemon logs", "daemon run", "config defaults"]
    {
        let words: Vec<_> = command.split(' ').chain(["--nats", NOBODY]).collect();
        let said = home.resus(&words).expect_code(2);
        assert!(said.stderr.contains("this machine only"), "{command}: {said:?}");
    }
    let adopt = home.resus(&["adopt", "--v1", "x", "--nats", NOBODY]).expect_code(2);
    assert!(adopt.stderr.contains("this machine only"), "{adopt:?}");
    for line in
        ["ps --node gpu-a1", "ps --nats h --context lab", "ps --nats h --state-dir /s", "ps --context no"]
    {
        home.resus(&line.split(' ').collect::<Vec<_>>()).expect_code(2);
    }
}

#[test]
fn the_environment_names_a_server_for_every_command_but_those_of_the_daemon_itself() {
    let home = Home::new();
    let with = |args: &[&str]| {
        let mut command = home.command(args);
        command.env("RESUS_NATS", NOBODY);
        home.run(command)
    };
    with(&["ps"]).expect_code(12);
    with(&["daemon", "start"]).expect_code(2);
    with(&["config", "defaults"]).expect_code(0);
    with(&["ps", "--context", "local"]).expect_code(0);
    // A worker is told nothing of it: what it asks for is for the daemon it lives under.
    let run = with(&["--context", "local", "run", "--", "sh", "-c", "env | grep -c ^RESUS_NATS; true"]);
    run.expect_code(0);
    assert_eq!(home.resus(&["logs", "@latest"]).expect_code(0).stdout, "0\n");
}
