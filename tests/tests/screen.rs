//! What a run that is watched looks like: on terminals of any size and kind, and where there is
//! none; and that a shell's job control does no harm.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use resus_tests::{CTRL_BACKSLASH, CTRL_C, CTRL_Z, Home, Terminal};
use serde_json::Value;
use std::collections::BTreeSet;

/// An attached run that nobody waits for the end of.
const ENDLESS: [&str; 6] = ["run", "fake", "--set", "steps=100000", "--set", "step_ms=20"];
/// A short one.
const SHORT: [&str; 6] = ["run", "fake", "--set", "steps=40", "--set", "step_ms=20"];
/// How the live line is drawn: from the start of the line, and what is behind it goes.
const DRAWN: &str = "\x1b[K";

fn newest(home: &Home) -> Value {
    home.resus(&["ps", "-a", "--json"]).expect_code(0).json()["runs"][0].clone()
}

fn steps_done(home: &Home) -> f64 {
    newest(home)["progress"]["done"].as_f64().unwrap_or(0.0)
}

/// Text as it stands on a screen: without colours.
fn bare(text: &str) -> String {
    let mut bare = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("\x1b[") {
        bare.push_str(before);
        rest = after.split_once(|c: char| c.is_ascii_alphabetic()).map_or("", |(_, rest)| rest);
    }
    bare + rest
}

/// The next live line.
fn next_line(terminal: &mut Terminal) -> String {
    let drawn = terminal.until(DRAWN);
    bare(drawn.rsplit(['\r', '\n']).next().unwrap())
}

#[test]
fn the_live_line_fits_whatever_size_the_terminal_takes() {
    let home = Home::new();
    let mut terminal = home.terminal(&ENDLESS);
    terminal.until("● running");
    for columns in [120, 40, 20, 200, 7, 80] {
        terminal.resize(columns, 24);
        // What was drawn before may still be on its way.
        let fits = |terminal: &mut Terminal| next_line(terminal).chars().count() < usize::from(columns);
        home.wait_for("a line that fits", || fits(&mut terminal).then_some(()));
        // What is too narrow for numbers does not change any more.
        for _ in 0..if columns >= 40 { 5 } else { 0 } {
            assert!(fits(&mut terminal), "{columns} columns");
        }
    }
    // A terminal that does not say how large it is.
    terminal.resize(0, 0);
    home.wait_for("80 columns", || (next_line(&mut terminal).chars().count() < 80).then_some(()));
    terminal.send(CTRL_BACKSLASH);
    assert_eq!(terminal.finish().0, 0);
}

#[test]
fn a_command_that_is_put_aside_harms_nothing_and_goes_on_when_it_is_called_back() {
    let home = Home::new();
    let mut shell = home.shell();
    let before = shell.settings();
    shell.send(format!("$RESUS {}\n", ENDLESS.join(" ")).as_bytes());
    shell.until("● running");
    for _ in 0..3 {
        shell.send(CTRL_Z);
        shell.until("$ ");
        let from = steps_done(&home);
        home.wait_for("its steps", || (steps_done(&home) > from + 5.0).then_some(()));
        shell.send(b"fg\n");
        let from = steps_done(&home);
        // It is shown as it is now, not as it was.
        home.wait_for("the run on the screen", || {
            let line = next_line(&mut shell);
            let shown = line.split("  ").filter_map(|part| part.split_once("/100,000"));
            let done = shown.filter_map(|(done, _)| done.trim().replace(',', "").parse::<f64>().ok());
            done.last().is_some_and(|done| done >= from).then_some(())
        });
    }
    shell.send(CTRL_C);
    shell.until("cancelled");
    shell.until("$ ");
    shell.send(b"exit $?\n");
    // The settings are looked at while somebody holds the terminal.
    assert_eq!(format!("{before:?}"), format!("{:?}", shell.settings()));
    assert_eq!(shell.finish().0, 21);
    assert_eq!(newest(&home)["phase"], "cancelled");
}

#[test]
fn colours_and_a_moving_line_are_for_those_who_want_them() {
    let home = Home::new();
    let written = |vars: &[(&str, &str)]| {
        let terminal = home.terminal_of(&SHORT, |command| {
            command.envs(vars.iter().copied());
        });
        let (code, written) = terminal.finish();
        let text = String::from_utf8(written).unwrap();
        assert_eq!(code, 0, "{text}");
        text
    };
    let is_live = |text: &str| text.contains(DRAWN);
    let is_coloured = |text: &str| text.contains("\x1b[3") || text.contains("\x1b[1m");
    let usual = written(&[]);
    assert!(is_live(&usual) && is_coloured(&usual), "{usual:?}");
    let plain = written(&[("NO_COLOR", "1")]);
    assert!(is_live(&plain) && !is_coloured(&plain), "{plain:?}");
    let dumb = written(&[("TERM", "dumb")]);
    assert!(!dumb.contains('\x1b') && !dumb.replace("\r\n", "").contains('\r'), "{dumb:?}");
    assert!(dumb.contains("% ") && dumb.contains("done"), "{dumb:?}");
}

#[test]
fn where_there_is_no_terminal_each_percent_is_a_line_and_no_more() {
    let home = Home::new();
    let said = home.resus(&["run", "fake", "--set", "steps=1000", "--set", "step_ms=3"]).expect_code(0);
    assert!(!said.stderr.contains(['\x1b', '\r']), "{said:?}");
    let lines: Vec<&str> = said.stderr.lines().filter(|line| line.starts_with("● running")).collect();
    let percent = |line: &str| {
        let part = line.split_whitespace().find_map(|part| part.strip_suffix('%'));
        part.and_then(|part| part.parse::<u32>().ok())
    };
    let percents: BTreeSet<_> = lines.iter().filter_map(|line| percent(line)).collect();
    assert!(percents.len() > 5, "it is followed: {said:?}");
    // Three seconds: none is due for its age alone; one is for the phase.
    assert!(lines.len() <= percents.len() + 1, "{} lines of {} percents", lines.len(), percents.len());
}
