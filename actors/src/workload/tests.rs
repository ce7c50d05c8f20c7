//! From `workload.toml` and a submission to a spec.

mod faults;
mod folders;

use super::*;
use proptest::prelude::*;
use resus_core::api::{ParamKind, SettingOrigin};
use resus_core::codes::Code;
use resus_core::policy::RetryPolicy;

pub(super) fn registry() -> Registry {
    Registry::built_in("/bin/resus".to_owned(), Policy::default()).unwrap()
}

fn with(workload: Workload) -> Registry {
    let built_in = [(workload.name.to_string(), workload)].into();
    Registry { built_in, ..registry() }
}

pub(super) fn asked(workload: &str, params: &[(&str, &str)]) -> Submission {
    Submission {
        workload: Some(workload.to_owned()),
        params: params.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect(),
        cwd: "/".to_owned(),
        ..Submission::default()
    }
}

/// A valid file with `more` at its end.
pub(super) fn file(more: &str) -> String {
    format!("name = \"w\"\nsummary = \"s\"\nargv = [\"w\"]\ncontract = \"opaque\"\n{more}")
}

#[test]
fn parameters_become_flags() {
    let spec = registry().spec(&asked("othello", &[("games", "500"), ("seed", "7")])).unwrap();
    assert_eq!(spec.argv, ["/bin/resus", "worker", "othello", "--games", "500", "--seed", "7"]);
    assert_eq!((spec.name.as_str(), spec.contract), ("othello", Contract::Pulse));
}

#[test]
fn exit_codes_of_a_workload_become_part_of_the_spec() {
    let registry = with(parse(&file("[exit_codes]\n2 = \"CONFIG_INVALID\"")).unwrap());
    let spec = registry.spec(&asked("w", &[])).unwrap();
    assert_eq!(spec.exit_codes, [(2, Code::new("CONFIG_INVALID"))].into());
    let json = serde_json::to_string(&spec).unwrap();
    assert_eq!(serde_json::from_str::<Spec>(&json).unwrap(), spec);
}

#[test]
fn a_secret_in_a_file_is_shown_to_nobody() {
    let text = "name = \"w\"\nsummary = \"s\"\nargv = [\"w\", \"--api-key\", \"s3cret-a\"]
contract = \"opaque\"
[params]
token = { flag = \"-t\", type = \"text\", default = \"s3cret-b\", summary = \"s\" }
pin = { flag = \"--password=\", type = \"integer\", min = 1000, default = 7371, summary = \"s\" }
use_auth = { flag = \"--use-auth\", type = \"switch\", default = true, summary = \"s\" }
db = { flag = \"--db\", type = \"text\", default = \"pg://u:s3cret-c@h/x\", summary = \"s\" }";
    let registry = with(parse(text).unwrap());
    let view = registry.view(Asked::Name("w")).unwrap();
    assert_eq!(view.argv, ["w", "--api-key", "***"]);
    let default = |name: &str| view.params[name].default.as_deref();
    assert_eq!(
        (default("token"), default("pin"), default("use_auth")),
        (Some("***"), Some("***"), Some("true"))
    );
    let checked = registry.check(Asked::Name("w"), "/", None).unwrap();
    assert_eq!(
        checked.command,
        ["w", "--api-key", "***", "--db", "pg://u:***@h/x", "--password=***", "-t", "***", "--use-auth"]
    );
    for told in [format!("{:?}", registry.list()), format!("{checked:?}")] {
        assert!(!told.contains("s3cret") && !told.contains("7371"), "{told}");
    }
    let spec = registry.spec(&asked("w", &[])).unwrap();
    assert!(spec.argv.contains(&"s3cret-b".to_owned()), "the worker gets the real one");
    let refused = registry.spec(&asked("w", &[("pin", "12")])).unwrap_err();
    assert!(refused.detail.starts_with("pin: expected") && !refused.detail.contains("12"), "{refused:?}");
}

#[test]
fn a_default_is_handed_in_where_nothing_is_set() {
    let params = "[params]
n = { flag = \"-n\", type = \"integer\", default = 0x10, summary = \"s\" }
on = { flag = \"--on\", type = \"switch\", default = true, summary = \"s\" }
rate = { flag = \"--rate=\", type = \"number\", default = 1e-3, summary = \"s\" }
who = { flag = \"--who\", type = \"text\", summary = \"s\" }";
    let registry = with(parse(&file(params)).unwrap());
    let argv = |params: &[(&str, &str)]| registry.spec(&asked("w", params)).unwrap().argv;
    assert_eq!(argv(&[]), ["w", "-n", "16", "--on", "--rate=0.001"]);
    assert_eq!(argv(&[("n", "-3"), ("on", "false"), ("rate", "2")]), ["w", "-n", "-3", "--rate=2"]);
}

#[test]
fn everything_that_does_not_fit_is_named_at_once() {
    let problem = registry().spec(&asked("othello", &[("games", "0"), ("sed", "1")])).unwrap_err();
    assert!(problem.detail.contains("games=0: expected a whole number from 1 to 1000000000"), "{problem:?}");
    assert!(problem.detail.contains("\"sed\""), "{problem:?}");
    assert_eq!(problem.hint.as_deref(), Some("--set seed=1 in place of --set sed=1"));
    let problem = registry().spec(&asked("othello", &[("games", "many")])).unwrap_err();
    assert_eq!(problem.hint.as_deref(), Some("resus workload show othello"));
    let problem = registry().spec(&asked("othelo", &[])).unwrap_err();
    assert!(problem.hint.unwrap().contains("othello") && problem.exit_code == ExitCode::NotFound);
}

#[test]
fn a_text_with_choices_is_one_of_them() {
    let params = "[params]\nmode = { flag = \"--mode\", type = \"text\", choices = [\"fast\", \"slow\"], summary = \"\" }";
    let registry = with(parse(&file(params)).unwrap());
    assert_eq!(registry.spec(&asked("w", &[("mode", "slow")])).unwrap().argv, ["w", "--mode", "slow"]);
    let problem = registry.spec(&asked("w", &[("mode", "fsat")])).unwrap_err();
    assert_eq!(problem.detail, "mode=fsat: expected one of fast, slow");
    assert_eq!(problem.hint.as_deref(), Some("--set mode=fast in place of --set mode=fsat"));
}

#[test]
fn a_command_is_named_after_its_program() {
    let submission = Submission {
        command: Some(vec!["/usr/bin/Python3".into(), "x.py".into()]),
        cwd: "/".into(),
        ..Submission::default()
    };
    let spec = registry().spec(&submission).unwrap();
    assert_eq!((spec.workload.as_str(), spec.name.as_str()), ("command", "python3"));
    assert_eq!(spec.contract, Contract::Opaque);
    for both in [
        Submission { workload: Some("fake".into()), ..submission.clone() },
        Submission { workload_path: Some("/w".into()), ..submission.clone() },
        Submission { command: None, ..submission.clone() },
        Submission { params: [("a".to_owned(), "b".to_owned())].into(), ..submission.clone() },
    ] {
        assert!(registry().spec(&both).is_err(), "{both:?}");
    }
}

#[test]
fn built_in_workloads_have_no_folder_to_name() {
    for workload in registry().built_in.values() {
        let text = format!("{workload:?}");
        assert!(!text.contains(FOLDER), "{text}");
    }
}

#[test]
fn a_plan_is_what_a_submission_would_be_refused_for_and_come_to() {
    let registry = registry();
    registry
        .set_policy(Policy { retry: RetryPolicy { max: 9, ..Policy::default().retry }, ..Policy::default() });
    let mut submission = asked("othello", &[("games", "5")]);
    submission.overrides.grace_ms = Some(1);
    submission.env = vec![("TOKEN".into(), "s3cret".into())];
    let plan = registry.plan(&submission).unwrap();
    let spec = registry.spec(&submission).unwrap();
    assert_eq!((plan.argv, plan.cwd, plan.env_count), (spec.argv, spec.cwd, 1));
    let settings: Vec<_> = plan.settings.iter().map(|s| (s.key.as_str(), s.origin)).collect();
    assert_eq!(
        settings,
        [("retry.max", SettingOrigin::Configuration), ("stop.grace", SettingOrigin::Submission)]
    );
    assert_eq!(registry.plan(&asked("othelo", &[])), Err(registry.spec(&asked("othelo", &[])).unwrap_err()));
    submission.overrides.retries = Some(u32::MAX);
    let refused = registry.plan(&submission).unwrap_err();
    assert!(refused.detail.contains("retry.max"), "as when it is recorded: {refused:?}");
}

#[test]
fn what_would_keep_a_worker_from_starting_is_foreseen() {
    let warned = |argv: &[&str], cwd: &str| {
        let argv: Vec<_> = argv.iter().map(|arg| (*arg).to_owned()).collect();
        plan::warnings(&argv, cwd, Some("/bin:/usr/bin")).join("; ")
    };
    assert_eq!(warned(&["sh", "-c", "echo x.py"], "/"), "");
    assert!(warned(&["no-such-program"], "/").contains("no program no-such-program"));
    assert!(warned(&["./no-such-program"], "/").contains("/./no-such-program is not there"));
    assert!(warned(&["/etc/passwd"], "/").contains("chmod +x /etc/passwd"));
    assert!(warned(&["sh", "no-such.sh"], "/").contains("/no-such.sh is not there"));
    assert!(warned(&["sh"], "/no/such/folder").contains("/no/such/folder is not there"));
}

/// What a parser of flags would take the value to be.
fn read_back<'a>(flag: &str, arguments: &'a [String]) -> Option<&'a str> {
    match arguments {
        [first, value] if first == flag => Some(value),
        [one] => one.strip_prefix(flag).map(|rest| match flag.ends_with('=') {
            true => rest,
            false => rest.strip_prefix('=').unwrap_or("\0no value"),
        }),
        _ => None,
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12_000, ..ProptestConfig::default() })]

    /// No shell, no expansion, no joining: what was asked for is what is executed.
    #[test]
    fn a_value_reaches_the_worker_byte_for_byte(
        value in prop_oneof![
            any::<String>(),
            "[-'\"$`\\\\;&|<>*?(){}\\[\\]!#~ \t\r\n=%a-z0-9]{0,24}",
            "(--?[a-z-]{0,8}=?|\\{resus\\}|\\{workload\\}|\\$\\(id\\)|\\.\\./){1,3}",
        ],
        flag in prop_oneof!["--[a-z-]{1,9}", "-[a-z]", "--[a-z]{1,9}="],
    ) {
        let param = Param {
            flag: flag.clone(), kind: ParamKind::Text, min: None, max: None, choices: Vec::new(),
            default: None, summary: String::new(),
        };
        let mut workload = parse(&file("")).unwrap();
        workload.params = [("x".to_owned(), param)].into();
        let spec = with(workload).spec(&asked("w", &[("x", &value)]));
        if value.contains('\0') {
            prop_assert!(spec.is_err());
        } else {
            let argv = spec.unwrap().argv;
            prop_assert_eq!(&argv[0], "w");
            prop_assert_eq!(read_back(&flag, &argv[1..]), Some(value.as_str()));
            let is_loose = value.starts_with('-') && flag.starts_with("--");
            prop_assert!(!is_loose || argv.len() == 2, "{:?} would be taken for a flag", argv);
        }
    }

    /// Whatever is in a file, it is read or refused with its place.
    #[test]
    fn no_text_is_too_odd_for_the_reader(
        text in prop_oneof![
            any::<String>(),
            "(name|argv|params|exit_codes|cwd|[a-z]{1,3})( = |\\.|\n)(\"[a-z{}/]{0,6}\"|\\[\"\"\\]|\\{ flag = 3 \\}|[0-9]{1,9})\n{0,4}",
        ]
    ) {
        if let Err(faults) = parse(&text) {
            prop_assert!(!faults.is_empty());
            prop_assert!(faults.is_sorted_by_key(|fault| fault.place));
        }
    }
}

#[test]
fn another_policy_is_for_runs_accepted_from_then_on() {
    let registry = registry();
    let before = registry.spec(&asked("othello", &[])).unwrap();
    let policy = Policy { stop_grace_ms: 7, ..Policy::default() };
    registry.clone().set_policy(policy.clone());
    assert_eq!(registry.spec(&asked("othello", &[])).unwrap().policy, policy);
    assert_eq!(before.policy, Policy::default());
}
