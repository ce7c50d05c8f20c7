//! The spec of a run that is run once more: as it was recorded, except for what is to be another.
//!
//! A retry reuses the spec of its run to the letter. Here a user may change it, so what a registered
//! workload was started with is read back from its command line.

use crate::problem::{invalid, problem};
use crate::workload::{Param, Ready, Registry};
use resus_core::api::{Beyond, ParamKind, Problem, Reach, RerunBody, Wish};
use resus_core::exit::ExitCode;
use resus_core::ids::Slug;
use resus_core::spec::Spec;
use std::collections::BTreeMap;

/// The spec that `body` makes of `old`.
///
/// # Errors
/// A [`Problem`]: it is outside `reach`, or a parameter or the name does not fit.
pub(crate) fn spec(registry: &Registry, old: &Spec, body: &RerunBody, reach: Reach) -> Result<Spec, Problem> {
    let ready = registry.of_run(old);
    let known = ready.as_ref().ok().and_then(Option::as_ref).and_then(|ready| {
        let given = given(ready, &old.argv)?;
        Some((ready, given))
    });
    may(reach, known.is_some(), old, body)?;
    let argv = match (known, &ready) {
        (Some((ready, mut params)), _) => {
            params.extend(body.params.clone());
            registry.argv(ready, &params)?
        }
        (None, Err(problem)) if !body.params.is_empty() => return Err(problem.clone()),
        (None, _) if body.params.is_empty() => old.argv.clone(),
        (None, _) => {
            let what = format!("{} has no parameters that could be set", old.workload);
            let hint = "start it anew with another command line: resus run".to_owned();
            return Err(invalid(what, Some(hint)));
        }
    };
    let name = match &body.name {
        Some(name) => Slug::new(name.clone()).map_err(|error| invalid(error, None))?,
        None => old.name.clone(),
    };
    let policy = body.overrides.over(old.policy.clone());
    Ok(Spec { name, argv, env: env(old, body), policy, ..old.clone() })
}

fn may(reach: Reach, is_registered: bool, old: &Spec, body: &RerunBody) -> Result<(), Problem> {
    let wish = Wish {
        is_command: !is_registered,
        is_path: old.workload_path.is_some(),
        resume: &old.resume,
        changes_env: !(body.set_env.is_empty() && body.unset_env.is_empty()),
    };
    let what = match reach.allows(&wish) {
        Ok(()) => return Ok(()),
        Err(Beyond::Command) => "only registered workloads may be run again from elsewhere",
        Err(Beyond::Path) => "a workload that was named by its path may not be run again from elsewhere",
        Err(Beyond::File) => {
            "a run that begins at a file of this machine may not be run again from elsewhere"
        }
        Err(Beyond::Environment) => "a workload's environment may not be changed from elsewhere",
    };
    let hint = "do it on that machine; or let the daemon's operator set bus.allow_commands = true";
    let title = "Not from elsewhere";
    Err(problem("refused", 403, title, what, Some(hint.to_owned()), ExitCode::Refused))
}

/// The parameters on a command line, by name; `None` if it is not one that this workload would be
/// started with.
fn given(ready: &Ready, argv: &[String]) -> Option<BTreeMap<String, String>> {
    let mut words = ready.past_command(argv)?.iter();
    let mut given = BTreeMap::new();
    while let Some(word) = words.next() {
        let fits = |param: &Param| param.value_in(word).is_some() || param.flag == *word;
        let (name, param) = ready.workload.params.iter().find(|(_, param)| fits(param))?;
        let value = match (param.value_in(word), param.kind) {
            (Some(value), _) => value.to_owned(),
            (None, ParamKind::Switch) => "true".to_owned(),
            (None, ParamKind::Integer | ParamKind::Number | ParamKind::Text) => words.next()?.clone(),
        };
        given.insert(name.clone(), value);
    }
    // A switch that is on by default was off where it is not there.
    let switches = ready.workload.params.iter().filter(|(_, param)| param.kind == ParamKind::Switch);
    for (name, _) in switches {
        given.entry(name.clone()).or_insert_with(|| "false".to_owned());
    }
    Some(given)
}

fn env(old: &Spec, body: &RerunBody) -> Vec<(String, String)> {
    let base = body.env.as_ref().unwrap_or(&old.env);
    let is_replaced = |name: &String| body.unset_env.contains(name) || body.set_env.contains_key(name);
    let kept = base.iter().filter(|(name, _)| !is_replaced(name)).cloned();
    kept.chain(body.set_env.clone()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use resus_core::api::{Overrides, Submission};
    use resus_core::input::CheckpointRef;
    use resus_core::policy::Policy;
    use resus_core::spec::Resume;

    fn registry() -> Registry {
        Registry::built_in("/opt/resus".into(), Policy::default()).unwrap()
    }

    fn old(params: &[(&str, &str)]) -> Spec {
        let params = params.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        let env = vec![("PATH".to_owned(), "/bin".to_owned()), ("TOKEN".to_owned(), "s3cret".to_owned())];
        let workload = Some("othello".into());
        let submission = Submission { workload, params, cwd: "/w".into(), env, ..Submission::default() };
        let earlier = Registry::built_in("/old/resus".into(), Policy::default()).unwrap();
        earlier.spec(&submission).unwrap()
    }

    fn command() -> Spec {
        let command = Some(vec!["/bin/sh".into(), "-c".into(), "true".into()]);
        let submission = Submission { command, cwd: "/w".into(), ..Submission::default() };
        registry().spec(&submission).unwrap()
    }

    #[test]
    fn the_same_spec_is_run_once_more_by_the_present_program() {
        let spec_of = |old: &Spec| spec(&registry(), old, &RerunBody::default(), Reach::Registered);
        let before = old(&[("games", "9"), ("seed", "3")]);
        let after = spec_of(&before).unwrap();
        assert_eq!(after.argv[0], "/opt/resus");
        assert_eq!(after.argv[1..], before.argv[1..]);
        assert_eq!(Spec { argv: before.argv.clone(), ..after }, before);
    }

    #[test]
    fn a_workload_that_was_named_by_its_path_is_read_again_there() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("mine");
        std::fs::create_dir(&path).unwrap();
        let file = "name = 'mine'\nsummary = 'Mine.'\ncontract = 'opaque'\nargv = ['python3', 'train.py']\n[params]\n\
                    lr = { flag = '--lr', type = 'number', summary = 'Rate.' }\n";
        std::fs::write(path.join(crate::workload::FILE), file).unwrap();
        let workload_path = Some(path.to_str().unwrap().to_owned());
        let submission = Submission { workload_path, cwd: "/w".into(), ..Submission::default() };
        let old = registry().spec(&submission).unwrap();
        let body =
            RerunBody { params: BTreeMap::from([("lr".into(), "0.1".into())]), ..RerunBody::default() };
        let again = spec(&registry(), &old, &body, Reach::Anything).unwrap();
        assert_eq!((again.argv.last().unwrap().as_str(), again.argv.len()), ("0.1", old.argv.len() + 2));
        assert_eq!(again.workload_path, old.workload_path);
        let elsewhere = spec(&registry(), &old, &RerunBody::default(), Reach::Registered).unwrap_err();
        assert_eq!((elsewhere.status, elsewhere.exit_code), (403, ExitCode::Refused));
        std::fs::remove_dir_all(&path).unwrap();
        let gone = spec(&registry(), &old, &body, Reach::Anything).unwrap_err();
        assert_eq!(gone.exit_code, ExitCode::NotFound, "{gone:?}");
        assert!(
            spec(&registry(), &old, &RerunBody::default(), Reach::Anything).is_ok(),
            "its command is known"
        );
    }

    #[test]
    fn what_is_to_be_another_is_and_the_rest_is_as_it_was() {
        let overrides = Overrides { retries: Some(9), ..Overrides::default() };
        let set = |pairs: &[(&str, &str)]| {
            pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect::<BTreeMap<_, _>>()
        };
        let body = RerunBody {
            name: Some("second".into()),
            params: set(&[("games", "10"), ("threads", "2")]),
            set_env: set(&[("PATH", "/usr/bin"), ("LR", "1")]),
            unset_env: vec!["TOKEN".into()],
            overrides,
            ..RerunBody::default()
        };
        let again =
            spec(&registry(), &old(&[("games", "9"), ("seed", "3")]), &body, Reach::Anything).unwrap();
        let expected = old(&[("games", "10"), ("seed", "3"), ("threads", "2")]);
        assert_eq!(again.argv[1..], expected.argv[1..]);
        assert_eq!((again.name.as_str(), again.policy.retry.max), ("second", 9));
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(again.env, [pair("LR", "1"), pair("PATH", "/usr/bin")]);
        let fresh = RerunBody { env: Some(vec![pair("A", "b")]), ..RerunBody::default() };
        assert_eq!(spec(&registry(), &old(&[]), &fresh, Reach::Registered).unwrap().env, [pair("A", "b")]);
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let with = |key: &str, value: &str| RerunBody {
            params: BTreeMap::from([(key.to_owned(), value.to_owned())]),
            ..RerunBody::default()
        };
        for (old, body) in [
            (old(&[]), with("gmaes", "1")),
            (old(&[]), with("games", "many")),
            (command(), with("games", "1")),
            (old(&[]), RerunBody { name: Some("No Slug".into()), ..RerunBody::default() }),
        ] {
            let refused = spec(&registry(), &old, &body, Reach::Anything).unwrap_err();
            assert_eq!(refused.exit_code, ExitCode::Usage, "{refused:?}");
        }
    }

    #[test]
    fn from_elsewhere_only_what_could_be_started_from_elsewhere() {
        let plain = RerunBody::default();
        let preloaded = RerunBody {
            set_env: BTreeMap::from([("LD_PRELOAD".to_owned(), "/x".to_owned())]),
            ..RerunBody::default()
        };
        let stripped = RerunBody { unset_env: vec!["PATH".into()], ..RerunBody::default() };
        let from = Resume::From(Box::new(CheckpointRef::at("passwd", "/etc/passwd")));
        let mut disguised = command();
        disguised.workload = old(&[]).workload;
        for (old, body) in [
            (command(), &plain),
            (disguised, &plain),
            (Spec { resume: from, ..old(&[]) }, &plain),
            (old(&[]), &preloaded),
            (old(&[]), &stripped),
        ] {
            let refused = spec(&registry(), &old, body, Reach::Registered).unwrap_err();
            assert_eq!((refused.status, refused.exit_code), (403, ExitCode::Refused));
            assert!(spec(&registry(), &old, body, Reach::Anything).is_ok());
        }
    }
}
