//! The layers, the weakest first: our defaults, the user's file, the project's file, `--set`.
//! What is wrong in any of them is told at once.

use crate::console::Console;
use crate::settings::document::{Source, Voice};
use crate::settings::fault::{Judged, Place, SettingsError};
use crate::settings::keys::KEYS;
use crate::settings::project::{self, Project};
use crate::settings::set::{self, Pair};
use crate::settings::written::Written;
use crate::settings::{DEFAULT, Settings, UserFile, home};
use resus_core::policy::Overrides;
use resus_core::text::visible;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Who said the value of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Origin {
    /// Nobody: it is the default.
    Default,
    /// The user's file.
    User(PathBuf),
    /// The project's file.
    Project(PathBuf),
    /// An argument.
    Set,
}

impl Origin {
    /// For people: `default`, `FILE:LINE`, `--set`.
    pub(crate) fn words(&self, place: Option<Place>) -> String {
        match self {
            Self::Default => "default".to_owned(),
            Self::User(path) | Self::Project(path) => {
                let line = place.map(|place| format!(":{}", place.line)).unwrap_or_default();
                visible(&format!("{}{line}", path.display())).replace(['\n', '\t'], " ")
            }
            Self::Set => "--set".to_owned(),
        }
    }
}

/// The value of a key, and whose it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Value {
    /// As it was written.
    pub written: Written,
    /// By whom.
    pub origin: Origin,
}

/// What lies below the project's file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Below {
    /// The user's file of this machine.
    UserFile,
    /// What nobody here knows: the settings of another machine, or of a run that is there.
    Unknown,
}

/// The layers put on each other.
#[derive(Debug)]
pub(crate) struct Layers {
    /// What applies.
    pub settings: Settings,
    /// Each key's value.
    pub values: BTreeMap<&'static str, Value>,
    /// The project's file, if there is one.
    pub project_file: Option<PathBuf>,
    /// What should be told: files that are not used.
    pub warnings: Vec<String>,
    faults: Vec<Judged>,
}

impl Layers {
    /// Our defaults alone.
    pub(crate) fn defaults() -> Self {
        let mut layers = Self {
            settings: Settings::blank(),
            values: BTreeMap::new(),
            project_file: None,
            warnings: Vec::new(),
            faults: Vec::new(),
        };
        layers.document(DEFAULT, Voice::User, "default.toml", &Origin::Default);
        layers
    }

    /// What applies to a run that is started in `folder` with `pairs` typed behind `--set`, beside
    /// options that stand for `options`.
    ///
    /// # Errors
    /// [`SettingsError`] with every fault of every layer.
    pub(crate) fn load(
        below: Below,
        folder: Option<&Path>,
        pairs: &[Pair],
        options: &Overrides,
    ) -> Result<Self, SettingsError> {
        let mut layers = Self::defaults();
        let user = UserFile::locate();
        match (below, &user) {
            (Below::UserFile, Some(file)) => {
                if let Some(read) = file.read()? {
                    layers.user(&read.text, &file.path);
                }
            }
            (Below::UserFile, None) => {}
            (Below::Unknown, _) => layers.assume_a_metric(),
        }
        if let Some(folder) = folder {
            let user = user.map(|file| file.path);
            let found = project::find(folder, home().as_deref(), user.as_deref())
                .map_err(|(path, source)| SettingsError::Read { path, source })?;
            layers.project(found);
        }
        layers.settings.policy = options.over(layers.settings.policy);
        layers.set(pairs);
        layers.checked()
    }

    /// Whether there is a metric to keep the best by is for somebody else to judge, who knows.
    pub(crate) fn assume_a_metric(&mut self) {
        self.settings.policy.best_metric = Some("?".to_owned());
    }

    /// Puts the user's file on top.
    pub(crate) fn user(&mut self, text: &str, path: &Path) {
        self.document(text, Voice::User, &path.display().to_string(), &Origin::User(path.to_owned()));
    }

    /// Puts a project's file on top.
    pub(crate) fn project(&mut self, project: Project) {
        match project {
            Project::None => {}
            Project::Ours(path, text) => {
                let name = path.display().to_string();
                self.project_file = Some(path.clone());
                self.document(&text, Voice::Project, &name, &Origin::Project(path));
            }
            Project::Foreign(path, uid) => {
                let path = visible(&path.display().to_string());
                self.warnings.push(format!("{path} belongs to another user (uid {uid}) and is not used"));
            }
            Project::Open(path) => {
                let path = visible(&path.display().to_string());
                self.warnings
                    .push(format!("{path} can be written by everybody and is not used: chmod o-w it"));
            }
        }
    }

    /// Puts what was typed on top.
    pub(crate) fn set(&mut self, pairs: &[Pair]) {
        let assigned = set::apply(&mut self.settings, pairs);
        self.take(assigned.written, &Origin::Set);
        self.faults.extend(assigned.faults);
    }

    fn document(&mut self, text: &str, voice: Voice, name: &str, origin: &Origin) {
        let reading = Source::new(text, voice).apply(&mut self.settings);
        self.take(reading.written, origin);
        if !reading.faults.is_empty() {
            self.faults.push(Judged { name: name.to_owned(), faults: reading.faults });
        }
    }

    fn take(&mut self, written: BTreeMap<&'static str, Written>, origin: &Origin) {
        let value = |written| Value { written, origin: origin.clone() };
        self.values.extend(written.into_iter().map(|(key, written)| (key, value(written))));
    }

    /// The layers, if nothing is wrong with them.
    ///
    /// # Errors
    /// [`SettingsError::Invalid`].
    pub(crate) fn checked(self) -> Result<Self, SettingsError> {
        if self.faults.is_empty() {
            return Ok(self);
        }
        Err(SettingsError::Invalid { documents: self.faults })
    }

    /// Tells the warnings to people.
    pub(crate) fn warn(&self, console: Console) {
        if !console.json {
            self.warnings.iter().for_each(|warning| console.tell(&format!("warning: {warning}\n")));
        }
    }

    /// What the project says of a run.
    pub(crate) fn of_project(&self) -> Overrides {
        self.of_runs(|origin| matches!(origin, Origin::Project(_)))
    }

    /// What was typed of a run.
    pub(crate) fn of_set(&self) -> Overrides {
        self.of_runs(|origin| *origin == Origin::Set)
    }

    fn of_runs(&self, whose: impl Fn(&Origin) -> bool) -> Overrides {
        let is_wanted = |key: &str| self.values.get(key).is_some_and(|value| whose(&value.origin));
        Overrides::of(&self.settings.policy, is_wanted)
    }

    /// Every key in the order of `default.toml` with its value.
    pub(crate) fn in_order(&self) -> impl Iterator<Item = (&'static str, &Value)> {
        KEYS.iter().filter_map(|key| self.values.get(key.name).map(|value| (key.name, value)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const USER: &str = "[retry]\nmax = 11\n";
    const PROJECT: &str = "# x\n[retry]\nmax = 12\n";

    /// The layers that are wanted, each with a `retry.max` of its own: 5, 11, 12, 13.
    fn stacked(user: bool, project: bool, set: bool) -> Layers {
        let mut layers = Layers::defaults();
        if user {
            layers.user(USER, Path::new("/u.toml"));
        }
        if project {
            layers.project(Project::Ours("/p/resus.toml".into(), PROJECT.to_owned()));
        }
        if set {
            layers.set(&[("retry.max".to_owned(), "13".to_owned())]);
        }
        layers.checked().expect("valid")
    }

    #[test]
    fn of_any_two_layers_the_stronger_one_wins() {
        for (user, project, set, max, words) in [
            (false, false, false, 5, "default"),
            (true, false, false, 11, "/u.toml:2"),
            (false, true, false, 12, "/p/resus.toml:3"),
            (false, false, true, 13, "--set"),
            (true, true, false, 12, "/p/resus.toml:3"),
            (true, false, true, 13, "--set"),
            (false, true, true, 13, "--set"),
            (true, true, true, 13, "--set"),
        ] {
            let layers = stacked(user, project, set);
            let value = &layers.values["retry.max"];
            assert_eq!(layers.settings.policy.retry.max, max, "{user} {project} {set}");
            assert_eq!(value.origin.words(value.written.place), words);
            let wished = layers.of_project().and(layers.of_set()).retries;
            assert_eq!(wished, (project || set).then_some(max), "what the daemon is told");
        }
    }

    #[test]
    fn every_key_has_a_value_and_an_origin() {
        let layers = stacked(true, true, true);
        assert_eq!(layers.in_order().count(), KEYS.len());
        assert_eq!((layers.of_project().keys(), layers.of_set().keys()), (vec![], vec!["retry.max"]));
    }

    #[test]
    fn a_project_says_nothing_of_the_daemon_and_every_layer_tells_its_faults() {
        let mut layers = Layers::defaults();
        layers.user("[retry]\nmax = -1\nwindow = '0s'\n", Path::new("/u.toml"));
        let text = "[bus]\nurl = 'nats://ann:s3cret@h'\n[daemon]\nidle_exit = '1s'\n[retry]\nmx = 1\n\
                    [checkpoint]\ndisk_share = '5%'\nkeep_best = 2\n";
        layers.project(Project::Ours("/p/resus.toml".into(), text.to_owned()));
        layers.set(&[("stop.grce".to_owned(), "1s".to_owned())]);
        let error = layers.checked().expect_err("faulty");
        assert_eq!(error.to_string(), "the configuration is not valid");
        let why = "is about the daemon and belongs in the user's file: a project that somebody cloned must not say \
                   what the daemon does or where it publishes";
        let expected = [
            "/u.toml:2:7: retry.max: -1 is not a whole number from 0 to 4294967295".to_owned(),
            "/u.toml:3:10: retry.window: \"0s\" is not between \"1ms\" and \"400d\"".to_owned(),
            format!("/p/resus.toml:1:2: [bus] {why}"),
            format!("/p/resus.toml:3:2: [daemon] {why}"),
            "/p/resus.toml:6:1: unknown key retry.mx; did you mean retry.max?".to_owned(),
            "/p/resus.toml:8:1: checkpoint.disk_share is the daemon's, one for all runs: it belongs in the user's \
             file"
                .to_owned(),
            "/p/resus.toml:9:13: checkpoint.keep_best: needs checkpoint.best_metric: the best by which number?"
                .to_owned(),
            "--set stop.grce: unknown key stop.grce; did you mean stop.grace?".to_owned(),
        ];
        assert_eq!(error.details(), expected);
    }

    #[test]
    fn a_file_of_another_user_is_told_and_says_nothing() {
        let mut layers = Layers::defaults();
        layers.project(Project::Foreign("/t/resus\u{1b}.toml".into(), 7));
        let layers = layers.checked().expect("valid");
        assert_eq!(layers.warnings, ["/t/resus\\u{1b}.toml belongs to another user (uid 7) and is not used"]);
        assert_eq!(layers.of_project(), Overrides::default());
        let mut layers = Layers::defaults();
        layers.project(Project::Open("/t/resus.toml".into()));
        let warnings = layers.checked().expect("valid").warnings;
        assert_eq!(warnings, ["/t/resus.toml can be written by everybody and is not used: chmod o-w it"]);
    }
}
