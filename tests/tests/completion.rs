//! Completion as shells ask for it: the real program, a real daemon, a real bash with a real Tab.

use resus_tests::{Home, Said, kill, program};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Where bash breaks words.
const BREAKS: &str = " \t\n\"'@><=;|&(:";

/// What `resus` answers to the script of bash.
fn answer(home: &Home, line: &str) -> Said {
    let mut command = home.command(&[]);
    command
        .env("RESUS_COMPLETE", "bash")
        .env("COMP_LINE", line)
        .env("COMP_POINT", line.len().to_string())
        .env("COMP_WORDBREAKS", BREAKS);
    home.run(command).expect_code(0)
}

fn completed(home: &Home, line: &str) -> Vec<String> {
    let said = answer(home, line);
    assert_eq!(said.stderr, "", "{line}");
    said.stdout.lines().map(str::to_owned).collect()
}

/// A folder in which the program is called `resus`.
fn bin(home: &Home) -> PathBuf {
    let folder = home.path().join("bin");
    std::fs::create_dir_all(&folder).expect("a folder");
    let link = folder.join("resus");
    if !link.exists() {
        std::os::unix::fs::symlink(program(), &link).expect("a link");
    }
    folder
}

fn path_with(folder: &Path) -> String {
    format!("{}:{}", folder.display(), std::env::var("PATH").unwrap_or_default())
}

#[test]
fn runs_are_completed_by_name_and_id_where_they_make_sense() {
    let home = Home::new();
    let id = home.submit(&["--name", "nightly", "--", "sleep", "1000"]);
    let ended = home.submit(&["--name", "old", "--", "true"]);
    let _ = home.until_phase(&ended, "done");
    let short = &id[id.len() - 8..];
    for line in ["resus logs nig", "resus --json status nig", "resus stop -- nig", "resus checkpoints nig"] {
        assert_eq!(completed(&home, line), ["nightly"], "{line}");
    }
    assert_eq!(completed(&home, &format!("resus why {}", &short[..5])), [short]);
    let all = completed(&home, "resus logs ");
    assert!(all.contains(&"nightly".to_owned()) && all.contains(&"old".to_owned()), "{all:?}");
    // What has ended can't be stopped.
    assert!(!completed(&home, "resus stop ").contains(&"old".to_owned()));
    assert!(completed(&home, "resus stop ").contains(&"nightly".to_owned()));
    // Bash keeps what stands before '@'.
    let again = home.submit(&["--name", "nightly", "--", "sleep", "1000"]);
    assert_eq!(completed(&home, "resus logs nightly@"), ["latest"]);
    assert_eq!(completed(&home, "resus logs nightly@lat"), ["latest"]);
    let _ = home.resus(&["kill", &id, &again]);
}

#[test]
fn without_a_daemon_nothing_is_completed_and_nothing_is_begun() {
    let home = Home::new();
    assert!(completed(&home, "resus logs ").iter().all(|name| name.starts_with("--")), "only options");
    assert!(!home.state().exists(), "a state folder was made");
    assert_eq!(completed(&home, "resus stat"), ["status"]);
    let _ = home.submit(&["--name", "a", "--", "true"]);
    let pid = home.kill_daemon();
    assert!(completed(&home, "resus logs ").iter().all(|name| name.starts_with("--")), "only options");
    let status = home.resus(&["daemon", "status"]);
    assert_eq!(status.code, 12, "no daemon was started instead of {pid}: {status:?}");
}

#[test]
fn a_daemon_that_hangs_is_not_waited_for() {
    let home = Home::new();
    let id = home.submit(&["--name", "nightly", "--", "sleep", "1000"]);
    let pid = home.daemon_pid();
    kill(pid, "STOP");
    // Somebody who never answers can only be given up.
    assert_eq!(completed(&home, "resus logs nig"), Vec::<String>::new());
    kill(pid, "CONT");
    let _ = home.resus(&["kill", &id]);
}

#[test]
fn what_makes_no_sense_is_answered_with_silence() {
    let home = Home::new();
    for line in
        ["", "resus", "resus nonsense ", "resus logs --nonsense ", "resus --state-dir", "resus ps \u{1b}[2J"]
    {
        let _ = completed(&home, line);
    }
    for shell in ["tcsh", "zsh", "fish"] {
        let mut command = home.command(&[]);
        command.env("RESUS_COMPLETE", shell);
        let said = home.run(command);
        assert_eq!((said.code, said.stderr.as_str()), (0, ""), "{shell}");
    }
}

#[test]
fn a_tab_in_bash_completes() {
    let home = Home::new();
    let id = home.submit(&["--name", "nightly", "--", "sleep", "1000"]);
    let bin = bin(&home);
    let mut terminal = home.terminal_of(&[], |command| {
        let mut bash = Command::new("setsid");
        bash.args(["--ctty", "bash", "--norc", "--noprofile", "-i"]).env_clear();
        for (name, value) in command.get_envs() {
            bash.env(name, value.unwrap_or_default());
        }
        bash.env("PATH", path_with(&bin)).env("PS1", "ready> ").env("INPUTRC", "/dev/null");
        bash.current_dir(home.path().join("work"));
        *command = bash;
    });
    let _ = terminal.until("ready> ");
    // Escape sequences around pasted text would stand between what is looked for.
    terminal.send(b"bind 'set enable-bracketed-paste off'; source <(resus completion bash); echo loa''ded\n");
    let _ = terminal.until("loaded");
    let _ = terminal.until("ready> ");
    for (typed, whole) in [
        ("resus stat\tnig\t", "resus status nightly "),
        ("resus run othello --set gam\t", "--set games="),
        ("resus logs --fol\t", "logs --follow "),
    ] {
        terminal.send(typed.as_bytes());
        let _ = terminal.until(whole);
        // Ctrl-U: another line.
        terminal.send(b"\x15");
    }
    terminal.send(b"exit\n");
    terminal.close();
    let _ = home.resus(&["kill", &id]);
}

#[test]
fn the_script_of_bash_registers_itself_and_calls_the_program_that_wrote_it() {
    let home = Home::new();
    let bin = bin(&home);
    let mut command = Command::new("bash");
    let script = "source <(resus completion bash); complete -p resus; \
                  COMP_LINE='resus daemon resta' COMP_POINT=18; _resus resus resta daemon; echo \"${COMPREPLY[@]}\"";
    command
        .args(["--norc", "--noprofile", "-c", script])
        .env("PATH", path_with(&bin))
        .env("HOME", home.path());
    let said = home.run(command).expect_code(0);
    assert!(said.stdout.starts_with("complete -o bashdefault -o default -F _resus resus\n"), "{said:?}");
    assert!(said.stdout.ends_with("restart\n"), "{said:?}");
    let text = home.resus(&["completion", "bash"]).expect_code(0).stdout;
    let here = std::fs::canonicalize(program()).unwrap();
    assert!(text.contains(here.to_str().unwrap()), "it is not in the PATH: {text}");
}

#[test]
fn the_scripts_of_other_shells_parse_where_those_are_installed() {
    let home = Home::new();
    let found = |shell: &str| {
        std::env::split_paths(&std::env::var_os("PATH").unwrap()).any(|folder| folder.join(shell).is_file())
    };
    for shell in ["bash", "zsh", "fish"] {
        let text = home.resus(&["completion", shell]).expect_code(0).stdout;
        assert!(text.contains("RESUS_COMPLETE"), "{shell}: {text}");
        if found(shell) {
            let file = home.path().join(format!("script.{shell}"));
            std::fs::write(&file, &text).unwrap();
            let mut command = Command::new(shell);
            command.arg("-n").arg(&file);
            let said = home.run(command);
            assert_eq!((said.code, said.stderr.as_str()), (0, ""), "{shell}");
        }
    }
    let said = home.resus(&["completion", "tcsh"]).expect_code(2);
    assert!(said.stderr.contains("bash, zsh, fish, elvish, powershell"), "{said:?}");
}
