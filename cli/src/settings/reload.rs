//! What a changed configuration means for a daemon that lives.

use crate::settings::keys::{KEYS, Reach};
use crate::settings::{Settings, SettingsError, UserFile};
use resus_core::api::{SettingsRefusal, SettingsView};

/// The keys in which two settings differ, by where that applies.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Differences {
    /// To runs that are accepted from now on.
    pub for_new_runs: Vec<&'static str>,
    /// From now on.
    pub at_once: Vec<&'static str>,
    /// After a restart.
    pub needs_restart: Vec<&'static str>,
}

/// What differs between `before` and `after`.
pub(crate) fn differences(before: &Settings, after: &Settings) -> Differences {
    let mut found = Differences::default();
    for key in KEYS.iter().filter(|key| !(key.same)(before, after)) {
        match key.reach {
            Reach::Runs => found.for_new_runs.push(key.name),
            Reach::AtOnce => found.at_once.push(key.name),
            Reach::Restart => found.needs_restart.push(key.name),
        }
    }
    found
}

/// What applies to a living daemon whose present settings are `now` when `after` is read: all of
/// it, but for what only a start can bring about.
pub(crate) fn taken(now: &Settings, after: Settings) -> Settings {
    Settings { node: now.node.clone(), bus: now.bus.clone(), ..after }
}

/// The settings of a daemon that lives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Live {
    /// What applies.
    pub now: Settings,
    /// What is told of it.
    pub view: SettingsView,
}

impl Live {
    /// The settings of a daemon that starts: `file` as `read`, at the time `at`.
    pub(crate) fn new(now: Settings, file: Option<&UserFile>, stamp: Option<String>, at: String) -> Self {
        let file = file.map(|file| file.path.display().to_string());
        Self { now, view: SettingsView { file, stamp, read_at: at, ..SettingsView::default() } }
    }

    /// Takes what was read at the time `at`, with its stamp. What is refused changes nothing but
    /// what is told.
    ///
    /// # Errors
    /// The reason of the refusal.
    pub(crate) fn take(
        &mut self,
        read: Result<(Settings, Option<String>), SettingsError>,
        at: String,
    ) -> Result<Differences, SettingsError> {
        match read {
            Ok((after, stamp)) => {
                let found = differences(&self.now, &after);
                self.now = taken(&self.now, after);
                let waiting = found.needs_restart.iter().map(|key| (*key).to_owned()).collect();
                let file = self.view.file.take();
                self.view = SettingsView { file, stamp, read_at: at, waiting, refused: None };
                Ok(found)
            }
            Err(error) => {
                self.view.refused = Some(SettingsRefusal { at, faults: error.details() });
                Err(error)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::keys::Form;
    use resus_core::ids::Slug;
    use resus_core::policy::Overrides;

    /// Settings in which `form` has put something else than the default.
    fn otherwise(form: &Form) -> Settings {
        let mut other = Settings::built_in().expect("valid");
        match form {
            Form::Time(put)
            | Form::TimeOrNever(put, ..)
            | Form::TimeBetween(put, ..)
            | Form::Size(put, ..)
            | Form::Number(put) => put(&mut other, 77),
            Form::Count(put) | Form::Factor(put) | Form::Share(put) => put(&mut other, 77),
            Form::Percent(put) => put(&mut other, 77),
            Form::Node => other.node = Some(Slug::nearest("other", "other")),
            Form::Flag(put) => put(&mut other, true),
            Form::Port(put) => put(&mut other, 77),
            Form::Text(put) | Form::File(put) => {
                let taken = ["other", "/other", "http://h:1", "nats://h"];
                assert!(taken.iter().any(|text| put(&mut other, text).is_ok()));
            }
        }
        other
    }

    #[test]
    fn every_key_is_in_one_class_and_a_change_of_it_is_seen_there_alone() {
        let base = Settings::built_in().expect("valid");
        assert_eq!(differences(&base, &base), Differences::default());
        for key in KEYS {
            let other = otherwise(&key.form);
            let found = differences(&base, &other);
            let expected = match key.reach {
                Reach::Runs => Differences { for_new_runs: vec![key.name], ..Differences::default() },
                Reach::AtOnce => Differences { at_once: vec![key.name], ..Differences::default() },
                Reach::Restart => Differences { needs_restart: vec![key.name], ..Differences::default() },
            };
            assert_eq!(found, expected, "{}", key.name);
            // What is taken is what the class says.
            let taken = taken(&base, other.clone());
            let is_taken = key.reach != Reach::Restart;
            assert_eq!((key.same)(&taken, &other), is_taken, "{}", key.name);
            assert_eq!((key.same)(&taken, &base), !is_taken, "{}", key.name);
        }
    }

    #[test]
    fn what_a_run_may_have_of_its_own_is_what_its_policy_holds() {
        let mut of_runs: Vec<_> =
            KEYS.iter().filter(|key| key.reach == Reach::Runs).map(|key| key.name).collect();
        let mut of_policy = Overrides::KEYS.to_vec();
        of_runs.sort_unstable();
        of_policy.sort_unstable();
        assert_eq!(of_runs, of_policy);
    }

    fn live() -> Live {
        Live::new(Settings::built_in().expect("valid"), None, Some("1@1.0".into()), "t0".into())
    }

    fn read(text: &str) -> Result<(Settings, Option<String>), SettingsError> {
        let settings = Settings::built_in().expect("valid").with_file(text, "/c.toml".into())?;
        Ok((settings, Some("2@2.0".into())))
    }

    #[test]
    fn a_refused_file_changes_nothing_and_is_told_until_a_good_one_comes() {
        let mut live = live();
        let before = live.clone();
        let error = live.take(read("[retry]\nmax = 9\nmx = 1\n"), "t1".into()).expect_err("faulty");
        assert_eq!(live.now, before.now);
        let told = SettingsRefusal {
            at: "t1".into(),
            faults: vec!["/c.toml:3:1: unknown key retry.mx; did you mean retry.max?".into()],
        };
        assert_eq!((error.details(), &live.view.refused), (told.faults.clone(), &Some(told)));
        assert_eq!((&live.view.stamp, &live.view.read_at), (&before.view.stamp, &before.view.read_at));
        let found = live.take(read("[retry]\nmax = 9\n"), "t2".into()).expect("good");
        assert_eq!((found.for_new_runs, live.now.policy.retry.max), (vec!["retry.max"], 9));
        assert_eq!((&live.view.refused, live.view.read_at.as_str()), (&None, "t2"));
    }

    #[test]
    fn what_needs_a_restart_waits_until_it_is_taken_back() {
        let mut live = live();
        for _ in 0..2 {
            let found = live.take(read("[bus]\nport = 1\n"), "t".into()).expect("good");
            assert_eq!(found.needs_restart, ["bus.port"], "measured by what the daemon was started with");
            assert_eq!(
                (live.view.waiting.as_slice(), live.now.bus.port),
                (&["bus.port".to_owned()][..], 4222)
            );
        }
        live.take(read(""), "t".into()).expect("good");
        assert!(live.view.waiting.is_empty());
    }
}
