//! `resus daemon install`: what it writes, what it asks of systemd, what it says.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use resus_tests::{Home, Said, write_program};
use std::path::PathBuf;
use std::process::Command;

fn unit(home: &Home) -> PathBuf {
    home.path().join("config/systemd/user/resus.service")
}

/// Puts a tool into the home's `bin` that writes down how it was called.
fn tool(home: &Home, name: &str, script: &str) {
    let folder = home.path().join("bin");
    std::fs::create_dir_all(&folder).unwrap();
    let path = folder.join(name);
    let log = home.path().join("calls");
    let script = format!("#!/bin/sh\necho {name} \"$@\" >> {}\n{script}\n", log.display());
    write_program(&path, script.as_bytes());
}

fn calls(home: &Home) -> Vec<String> {
    let text = std::fs::read_to_string(home.path().join("calls")).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

/// Runs a command for which no tools exist but those of the home.
fn with_tools(home: &Home, args: &[&str]) -> Said {
    let mut command: Command = home.command(args);
    command.env("PATH", home.path().join("bin"));
    home.run(command)
}

#[test]
fn the_unit_is_printed_and_nothing_changes() {
    let home = Home::new();
    tool(&home, "systemctl", "");
    let said = with_tools(&home, &["daemon", "install", "--print"]).expect_code(0);
    let start = said.stdout.lines().find(|line| line.starts_with("ExecStart=")).unwrap();
    let state = home.state();
    assert!(start.ends_with(&format!(" daemon run --replace --state-dir {}", state.display())), "{start}");
    let config = home.path().join("config");
    assert!(said.stdout.contains(&format!("Environment=XDG_CONFIG_HOME={}\n", config.display())), "{said:?}");
    assert!(!unit(&home).exists() && calls(&home).is_empty());
}

#[test]
fn it_is_installed_started_shown_and_removed() {
    let home = Home::new();
    for name in ["systemctl", "loginctl"] {
        tool(&home, name, "");
    }
    let printed = with_tools(&home, &["daemon", "install", "--print"]).stdout;
    let said = with_tools(&home, &["daemon", "install", "--now"]).expect_code(0);
    assert_eq!(std::fs::read_to_string(unit(&home)).unwrap(), printed);
    assert_eq!(said.stderr.matches('✓').count(), 4, "{said:?}");
    let wanted = [
        "systemctl --user daemon-reload",
        "systemctl --user enable resus.service",
        "loginctl enable-linger",
        "systemctl --user restart resus.service",
    ];
    assert_eq!(calls(&home), wanted);
    home.resus(&["ps"]).expect_code(0);
    let status = home.resus(&["daemon", "status", "--json"]).expect_code(0).json();
    assert_eq!(status["unit"], unit(&home).to_str().unwrap());
    with_tools(&home, &["daemon", "install"]).expect_code(0);
    with_tools(&home, &["daemon", "uninstall"]).expect_code(0);
    assert!(!unit(&home).exists());
    let last = calls(&home).split_off(calls(&home).len() - 2);
    assert_eq!(last, ["systemctl --user disable resus.service", "systemctl --user daemon-reload"]);
    let said = with_tools(&home, &["daemon", "uninstall"]).expect_code(0);
    assert!(said.stderr.contains("no unit is installed"), "{said:?}");
    assert!(home.resus(&["daemon", "status", "--json"]).json()["unit"].is_null());
}

#[test]
fn without_systemd_the_unit_is_written_and_the_rest_is_told() {
    let home = Home::new();
    let said = with_tools(&home, &["daemon", "install", "--now"]).expect_code(12);
    assert!(unit(&home).exists());
    let expected = format!(
        "✓ the unit is written: {}\n\
         ! the daemon does not start by itself: systemctl is not installed here\n\
         ! nothing of yours starts before you log in (linger): loginctl is not installed here\n\
         ! the service was not started: systemctl is not installed here\n\
         \x20 try: resus daemon install, once that is mended; until then the first resus command starts the daemon\n",
        unit(&home).display()
    );
    assert_eq!(said.stderr, expected);
    let document = with_tools(&home, &["daemon", "install", "--json"]).expect_code(12).json();
    assert_eq!(document["done"], false);
    assert_eq!(document["steps"][1]["why"], "systemctl is not installed here");
}

#[test]
fn a_systemd_that_refuses_is_told_in_its_own_words() {
    let home = Home::new();
    tool(&home, "systemctl", "echo 'Failed to connect to bus: No medium found' >&2; exit 1");
    tool(&home, "loginctl", "");
    let said = with_tools(&home, &["daemon", "install"]).expect_code(12);
    assert!(said.stderr.contains("systemctl: Failed to connect to bus: No medium found"), "{said:?}");
    assert_eq!(calls(&home), ["systemctl --user daemon-reload", "loginctl enable-linger"]);
}

#[test]
fn a_unit_that_somebody_else_wrote_is_left_alone() {
    let home = Home::new();
    std::fs::create_dir_all(unit(&home).parent().unwrap()).unwrap();
    std::fs::write(unit(&home), "[Service]\nExecStart=/mine\n").unwrap();
    for verb in ["install", "uninstall"] {
        let said = with_tools(&home, &["daemon", verb]).expect_code(11);
        assert!(said.stderr.contains("did not write it"), "{said:?}");
    }
    assert_eq!(std::fs::read_to_string(unit(&home)).unwrap(), "[Service]\nExecStart=/mine\n");
}

#[test]
fn a_daemon_that_systemd_runs_is_restarted_by_systemd() {
    let home = Home::new();
    home.resus(&["ps"]).expect_code(0);
    let old = home.daemon_pid();
    let program = resus_tests::program().display();
    let state = home.state();
    // What the real one would do: it knows its main process, and replaces it.
    let script = format!(
        "case \"$*\" in *show*) echo {old};; *restart*) {program} daemon run --detached --replace --state-dir {} >/dev/null 2>&1 & ;; esac",
        state.display()
    );
    tool(&home, "systemctl", &script);
    let said = with_tools(&home, &["daemon", "restart"]).expect_code(0);
    let told = calls(&home);
    assert_eq!(told.last().unwrap(), "systemctl --user restart resus.service", "{said:?}");
}
