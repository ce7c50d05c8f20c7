//! Workloads in folders: found, told apart, and refused where somebody else could have written them.

use super::{asked, file, registry};
use crate::workload::{Asked, FILE, Registry};
use resus_core::api::{Origin, Problem, Submission};
use resus_core::exit::ExitCode;
use std::fs::{create_dir_all, set_permissions, write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use tempfile::TempDir;

fn mode(path: &Path, mode: u32) {
    set_permissions(path, PermissionsExt::from_mode(mode)).unwrap();
}

/// A folder with workloads: names and texts.
fn home(files: &[(&str, &str)]) -> (TempDir, Registry) {
    let home = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let folder = home.path().join(name);
        create_dir_all(&folder).unwrap();
        mode(&folder, 0o755);
        write(folder.join(FILE), text).unwrap();
        mode(&folder.join(FILE), 0o644);
    }
    let registry = registry().with_user(Some(home.path().to_owned()));
    (home, registry)
}

fn called(name: &str) -> String {
    file("").replace("\"w\"\ns", &format!("{name:?}\ns"))
}

fn at(path: &Path) -> Submission {
    let path = path.to_str().unwrap().to_owned();
    Submission { workload: None, workload_path: Some(path), ..asked("", &[]) }
}

fn refused(result: Result<resus_core::spec::Spec, Problem>) -> (ExitCode, String) {
    let problem = result.unwrap_err();
    (problem.exit_code, problem.detail)
}

#[test]
fn a_folder_is_run_by_its_name_or_its_path_with_itself_in_the_command() {
    let text = "name = \"w\"\nsummary = \"s\"\nargv = [\"python3\", \"{workload}/a.py\", \"--in={workload}\"]\ncontract = \"pulse\"\ncwd = \"{workload}/sub\"";
    let (home, registry) = home(&[("w", text)]);
    let folder = home.path().join("w");
    let shown = folder.to_str().unwrap();
    for submission in [asked("w", &[]), at(&folder), at(&folder.join(FILE))] {
        let spec = registry.spec(&submission).unwrap();
        assert_eq!(spec.argv, ["python3".to_owned(), format!("{shown}/a.py"), format!("--in={shown}")]);
        assert_eq!((spec.workload.as_str(), spec.cwd), ("w", format!("{shown}/sub")));
    }
    assert_eq!(registry.view(Asked::Path(&folder)).unwrap().origin, Origin::Path);
    assert_eq!(registry.view(Asked::Name("w")).unwrap().origin, Origin::User);
}

#[test]
fn one_that_is_added_is_known_at_once() {
    let (home, registry) = home(&[]);
    assert_eq!(refused(registry.spec(&asked("late", &[]))).0, ExitCode::NotFound);
    create_dir_all(home.path().join("late")).unwrap();
    mode(&home.path().join("late"), 0o755);
    assert_eq!(
        refused(registry.spec(&asked("late", &[]))).0,
        ExitCode::ConfigInvalid,
        "a folder without a file"
    );
    write(home.path().join("late").join(FILE), called("late")).unwrap();
    mode(&home.path().join("late").join(FILE), 0o644);
    assert!(registry.spec(&asked("late", &[])).is_ok());
}

#[test]
fn a_broken_one_hides_no_other_and_says_everything_when_it_is_run() {
    let broken = "name = \"bad\"\nargv = []\nwhat = 1";
    let (home, registry) = home(&[
        ("bad", broken),
        ("good", &called("good")),
        ("moved", &called("other")),
        ("othello", &called("othello")),
    ]);
    write(home.path().join("README"), "no workload").unwrap();
    create_dir_all(home.path().join(".git")).unwrap();
    let list = registry.list();
    let listed: Vec<_> = list.workloads.iter().map(|v| (v.name.as_str(), v.origin, v.faults.len())).collect();
    let (built_in, user) = (Origin::BuiltIn, Origin::User);
    assert_eq!(
        listed,
        [
            ("bad", user, 4),
            ("fake", built_in, 0),
            ("good", user, 0),
            ("moved", user, 1),
            ("othello", built_in, 0),
            ("othello", user, 1),
            ("v1", built_in, 0),
        ]
    );
    assert!(list.workloads[3].faults[0].contains("its name is other"), "{:?}", list.workloads[3]);
    assert!(list.workloads[5].faults[0].contains("built in"), "{:?}", list.workloads[5]);
    let (exit, detail) = refused(registry.spec(&asked("bad", &[])));
    let file = home.path().join("bad").join(FILE);
    assert_eq!((exit, detail.lines().count()), (ExitCode::ConfigInvalid, 4));
    assert!(detail.contains(&format!("{}:3:1: unknown key what", file.display())), "{detail}");
    assert_eq!(registry.spec(&asked("othello", &[])).unwrap().argv[0], "/bin/resus", "ours is ours");
    assert_eq!(refused(registry.spec(&at(&home.path().join("othello")))).0, ExitCode::ConfigInvalid);
}

#[test]
fn what_everybody_can_write_is_not_run() {
    let text = called("w").replace("[\"w\"]", "[\"python3\", \"{workload}/a.py\"]");
    let (home, registry) = home(&[("w", &text)]);
    let folder = home.path().join("w");
    write(folder.join("a.py"), "").unwrap();
    mode(&folder.join("a.py"), 0o644);
    assert!(registry.spec(&asked("w", &[])).is_ok());
    for path in [folder.clone(), folder.join(FILE), folder.join("a.py")] {
        let good = std::fs::metadata(&path).unwrap().permissions();
        mode(&path, 0o777);
        for submission in [asked("w", &[]), at(&folder)] {
            let (exit, detail) = refused(registry.spec(&submission));
            assert_eq!(exit, ExitCode::ConfigInvalid);
            assert!(detail.ends_with(&format!("chmod o-w {}", path.display())), "{detail}");
        }
        set_permissions(&path, good).unwrap();
    }
    mode(home.path(), 0o777);
    let trouble = registry.list().trouble.unwrap();
    assert!(trouble.contains(&format!("chmod o-w {}", home.path().display())), "{trouble}");
}

#[test]
fn what_belongs_to_somebody_else_is_not_run() {
    let hint =
        "only root can give a file away: run this test as root, as CI does, or leave it out with --skip";
    assert!(rustix::process::geteuid().is_root(), "{hint}");
    let (home, registry) = home(&[("w", &called("w"))]);
    let folder = home.path().join("w");
    for path in [folder.join(FILE), folder.clone()] {
        std::os::unix::fs::chown(&path, Some(65534), None).unwrap();
        let (exit, detail) = refused(registry.spec(&asked("w", &[])));
        assert_eq!(exit, ExitCode::ConfigInvalid);
        assert!(detail.contains("belongs to user 65534") && detail.contains("sudo chown 0 "), "{detail}");
        std::os::unix::fs::chown(&path, Some(0), None).unwrap();
    }
    assert!(registry.spec(&asked("w", &[])).is_ok());
}

#[test]
fn what_is_no_file_of_a_sensible_size_is_refused_without_waiting() {
    let (home, registry) =
        home(&[("long", &format!("#{}", "x".repeat(70_000))), ("pipe", ""), ("latin", "")]);
    let pipe = home.path().join("pipe").join(FILE);
    std::fs::remove_file(&pipe).unwrap();
    rustix::fs::mkfifoat(rustix::fs::CWD, &pipe, 0o644.into()).unwrap();
    write(home.path().join("latin").join(FILE), b"name = \"caf\xe9\"").unwrap();
    for (name, why) in [("long", "longer than 65536 bytes"), ("pipe", "not a file"), ("latin", "UTF-8")] {
        let (exit, detail) = refused(registry.spec(&asked(name, &[])));
        assert_eq!(exit, ExitCode::ConfigInvalid);
        assert!(detail.contains(why), "{name}: {detail}");
    }
}

#[test]
fn a_path_that_leads_nowhere_or_elsewhere_is_told() {
    let (home, registry) = home(&[("w", &called("w"))]);
    assert_eq!(refused(registry.spec(&at(&home.path().join("nothing")))).0, ExitCode::NotFound);
    assert_eq!(refused(registry.spec(&at(Path::new("w")))).0, ExitCode::Usage, "not absolute");
    for name in ["../w", "w/", ".", "", "W", "w/../w"] {
        assert_eq!(refused(registry.spec(&asked(name, &[]))).0, ExitCode::NotFound, "{name:?} is no name");
    }
}

#[test]
fn quotes_and_spaces_in_a_path_can_be_pasted_back() {
    let (home, registry) = home(&[("w", &called("w"))]);
    let odd = home.path().join("it's here");
    std::fs::rename(home.path().join("w"), &odd).unwrap();
    mode(&odd, 0o777);
    let (_, detail) = refused(registry.spec(&at(&odd)));
    assert!(detail.ends_with(&format!("chmod o-w '{}/it'\\''s here'", home.path().display())), "{detail}");
}
