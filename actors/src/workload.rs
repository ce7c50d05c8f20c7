//! Workloads: those of the program, those of the user, and the spec that a submission asks for.

mod file;
mod folder;
mod listing;
mod plan;
mod value;

pub use file::{Param, Workload, parse};
pub use folder::FILE;
pub use listing::{Asked, Checked};
pub use value::expected;

use crate::problem::{invalid, of_fleet, problem};
use crate::workload::file::FOLDER;
use crate::workload::folder::{Broken, Found};
use resus_core::api::{Origin, Plan, Problem, Submission};
use resus_core::exit::ExitCode;
use resus_core::fault::Fault;
use resus_core::fleet::FleetError;
use resus_core::ids::Slug;
use resus_core::nearest::nearest;
use resus_core::policy::Policy;
use resus_core::spec::{Contract, Spec};
use resus_core::text::one_line;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

/// The workloads that are part of the program, as their `workload.toml`.
const BUILT_IN: &[&str] = &[
    include_str!("../../workloads/othello/workload.toml"),
    include_str!("../../workloads/fake/workload.toml"),
    include_str!("../../workloads/v1/workload.toml"),
];
/// Stands for the `resus` program in a workload's `argv`.
const PROGRAM: &str = "{resus}";
/// What runs are listed under that have no workload.
const COMMAND: &str = "command";
/// Bytes shown of a value that does not fit.
const VALUE_BYTES_MAX: usize = 64;

/// The workloads a daemon knows, and the policy that runs get by default.
#[derive(Debug, Clone)]
pub struct Registry {
    built_in: BTreeMap<String, Workload>,
    /// The folder with those of the user, one folder each. Looked at whenever one is asked for.
    user: Option<PathBuf>,
    program: String,
    policy: Arc<RwLock<Policy>>,
}

/// A workload of our own that can't be read: a mistake in the program.
#[derive(Debug, thiserror::Error)]
#[error("a built-in workload.toml is not valid: {}", .0.iter().map(Fault::to_string).collect::<Vec<_>>().join("; "))]
pub struct RegistryError(Vec<Fault>);

/// A workload that can be run.
pub(crate) struct Ready {
    pub(crate) workload: Workload,
    origin: Origin,
    /// Absolute path of its folder, if it has one.
    folder: Option<String>,
}

impl Registry {
    /// The built-in workloads; `program` is the path of this program.
    ///
    /// # Errors
    /// [`RegistryError`] if one of them is not valid.
    pub fn built_in(program: String, policy: Policy) -> Result<Self, RegistryError> {
        let mut built_in = BTreeMap::new();
        for text in BUILT_IN {
            let workload = parse(text).map_err(RegistryError)?;
            built_in.insert(workload.name.to_string(), workload);
        }
        Ok(Self { built_in, user: None, program, policy: Arc::new(RwLock::new(policy)) })
    }

    /// Lets runs accepted from now on have `policy` by default. Clones share it.
    pub fn set_policy(&self, policy: Policy) {
        *self.policy.write().unwrap_or_else(PoisonError::into_inner) = policy;
    }

    fn policy(&self) -> Policy {
        self.policy.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// And those in the folders of `user`.
    #[must_use]
    pub fn with_user(self, user: Option<PathBuf>) -> Self {
        Self { user, ..self }
    }

    /// The spec that a submission asks for. Reads files if it names a workload of somebody's.
    ///
    /// # Errors
    /// A [`Problem`] that names everything that does not fit.
    pub fn spec(&self, submission: &Submission) -> Result<Spec, Problem> {
        self.spec_of(submission).map(|(spec, _)| spec)
    }

    /// What a submission would come to, if it is one that would be accepted.
    ///
    /// # Errors
    /// The [`Problem`] that a submission meets.
    pub fn plan(&self, submission: &Submission) -> Result<Plan, Problem> {
        let (spec, fixed) = self.spec_of(submission)?;
        spec.validate().map_err(|faults| of_fleet(&FleetError::Invalid(faults)))?;
        Ok(plan::plan(spec, &self.policy(), fixed))
    }

    /// The spec, and how many of its arguments don't come from parameters.
    fn spec_of(&self, submission: &Submission) -> Result<(Spec, usize), Problem> {
        let Submission { workload: named, workload_path, command, .. } = submission;
        let ready = match (named, workload_path, command) {
            (Some(name), None, None) => Some(self.by_name(name)?),
            (None, Some(path), None) => Some(self.by_path(Path::new(path))?),
            (None, None, Some(_)) if submission.params.is_empty() => None,
            (None, None, Some(_)) => {
                return Err(invalid("parameters belong to a workload, not to a command", None));
            }
            _ => return Err(invalid("give either a workload or a command", None)),
        };
        let argv = match &ready {
            Some(ready) => self.argv(ready, &submission.params)?,
            None => command.clone().unwrap_or_default(),
        };
        let name = match (&submission.name, &ready) {
            (Some(name), _) => Slug::new(name.clone()).map_err(|error| invalid(error, None))?,
            (None, Some(ready)) => ready.workload.name.clone(),
            (None, None) => Slug::nearest(program_name(&argv), COMMAND),
        };
        let fixed = ready.as_ref().map_or(2, |ready| ready.workload.argv.len());
        let exit_codes = ready.iter().flat_map(|ready| ready.workload.exit_codes.clone());
        let spec = Spec {
            workload: ready
                .as_ref()
                .map_or_else(|| Slug::nearest(COMMAND, COMMAND), |ready| ready.workload.name.clone()),
            name,
            argv,
            cwd: ready.as_ref().map_or_else(|| submission.cwd.clone(), |ready| ready.cwd(&submission.cwd)),
            env: submission.env.clone(),
            contract: ready.as_ref().map_or(Contract::Opaque, |ready| ready.workload.contract),
            policy: submission.overrides.over(self.policy()),
            flow: None,
            exit_codes: exit_codes.map(|(code, class)| (code.get(), class)).collect(),
            resume: submission.resume.clone(),
            workload_path: ready
                .as_ref()
                .filter(|ready| ready.origin == Origin::Path)
                .and_then(|ready| ready.folder.clone()),
        };
        Ok((spec, fixed))
    }

    /// The workload called `name`: a built-in one, or one of the user's.
    fn by_name(&self, name: &str) -> Result<Ready, Problem> {
        if let Some(workload) = self.built_in.get(name) {
            return Ok(Ready { workload: workload.clone(), origin: Origin::BuiltIn, folder: None });
        }
        let (Some(user), Ok(slug)) = (&self.user, Slug::new(name)) else { return Err(self.unknown(name)) };
        match self.of_user(user, slug.as_str()) {
            Ok(Found { workload, folder }) => {
                Ok(Ready { workload, origin: Origin::User, folder: Some(folder) })
            }
            // A folder without the file in it is somebody's mistake; no folder is nobody's.
            Err(broken) if broken.is_missing && !broken.folder.exists() => Err(self.unknown(name)),
            Err(broken) => Err(is_broken(&broken)),
        }
    }

    /// The workload that a run was started with, read again.
    ///
    /// # Errors
    /// A [`Problem`] if it was named by its path and can't be run any more. One that was named by its
    /// name and is not there is none.
    pub(crate) fn of_run(&self, spec: &Spec) -> Result<Option<Ready>, Problem> {
        match &spec.workload_path {
            Some(path) => self.by_path(Path::new(path)).map(Some),
            None => Ok(self.by_name(spec.workload.as_str()).ok()),
        }
    }

    /// The workload in the folder `path`, or whose file it is.
    fn by_path(&self, path: &Path) -> Result<Ready, Problem> {
        if !path.is_absolute() {
            let detail = format!("the path of a workload is absolute; {} is not", path.display());
            return Err(invalid(detail, None));
        }
        let found = folder::open(path).and_then(|found| self.not_taken(found));
        match found {
            Ok(Found { workload, folder }) => {
                Ok(Ready { workload, origin: Origin::Path, folder: Some(folder) })
            }
            Err(broken) if broken.is_missing => Err(no_such_folder(&broken)),
            Err(broken) => Err(is_broken(&broken)),
        }
    }

    /// The user's workload called `name`.
    fn of_user(&self, user: &Path, name: &str) -> Result<Found, Broken> {
        let found = folder::open(&user.join(name))?;
        let called = &found.workload.name;
        if called.as_str() != name {
            let fault = format!(
                "{}/{FILE}: its name is {called}, and its folder is called {name}; one of them has to change",
                found.folder
            );
            return Err(Broken { folder: found.folder.into(), is_missing: false, faults: vec![fault] });
        }
        self.not_taken(found)
    }

    /// Nobody's workload is called as one of ours.
    fn not_taken(&self, found: Found) -> Result<Found, Broken> {
        let name = found.workload.name.as_str();
        if !self.built_in.contains_key(name) && name != COMMAND {
            return Ok(found);
        }
        let fault = format!("{}/{FILE}: {name} is the name of what is built in; take another", found.folder);
        Err(Broken { folder: found.folder.into(), is_missing: false, faults: vec![fault] })
    }

    fn unknown(&self, name: &str) -> Problem {
        let known: Vec<_> = self.list().workloads.into_iter().map(|view| view.name).collect();
        let hint = match nearest(name, known.iter().map(String::as_str)) {
            Some(near) => format!("resus run {near}; or to run a program: resus run -- {name} …"),
            None => format!(
                "known workloads: {}; to run a program: resus run -- {name} …; to make one: resus \
                 workload new {name}",
                known.join(", ")
            ),
        };
        let detail = format!("there is no workload called {name:?}");
        let mut problem = invalid(detail, Some(hint));
        problem.exit_code = ExitCode::NotFound;
        problem
    }

    /// The command line of a workload with these parameters.
    ///
    /// # Errors
    /// A [`Problem`] that names every one that does not fit.
    pub(crate) fn argv(
        &self,
        ready: &Ready,
        params: &BTreeMap<String, String>,
    ) -> Result<Vec<String>, Problem> {
        let Ready { workload, .. } = ready;
        let mut argv = ready.command(&self.program);
        let (mut faults, mut meant) = (Vec::new(), Vec::new());
        for (name, value) in params {
            if !workload.params.contains_key(name) {
                faults.push(unknown_param(workload, name));
                let near = nearest(name, workload.params.keys().map(String::as_str));
                meant.extend(near.map(|near| instead(near, value, name, value)));
            }
        }
        for (name, param) in &workload.params {
            let Some(value) = params.get(name).or(param.default.as_ref()) else { continue };
            match param.arguments(value) {
                Ok(arguments) => argv.extend(arguments),
                Err(expected) if listing::is_secret(name, param) => {
                    faults.push(format!("{name}: expected {expected}"));
                }
                Err(expected) => {
                    faults.push(format!("{name}={}: expected {expected}", one_line(value, VALUE_BYTES_MAX)));
                    let near = nearest(value, param.choices.iter().map(String::as_str));
                    meant.extend(near.map(|near| instead(name, near, name, value)));
                }
            }
        }
        if faults.is_empty() {
            return Ok(argv);
        }
        let which = ready.folder.as_deref().filter(|_| ready.origin == Origin::Path);
        let see = format!("resus workload show {}", which.unwrap_or(workload.name.as_str()));
        let hint = if meant.is_empty() { see } else { meant.join("; ") };
        Err(invalid(faults.join("; "), Some(hint)))
    }
}

impl Ready {
    /// Program and first arguments.
    fn command(&self, program: &str) -> Vec<String> {
        let real = |arg: &String| match (arg.as_str(), &self.folder) {
            (PROGRAM, _) => program.to_owned(),
            (arg, Some(folder)) => arg.replace(FOLDER, folder),
            (arg, None) => arg.to_owned(),
        };
        self.workload.argv.iter().map(real).collect()
    }

    /// What follows on `argv` behind program and first arguments; `None` if they are not ours. The
    /// path of the program may have been another.
    pub(crate) fn past_command<'a>(&self, argv: &'a [String]) -> Option<&'a [String]> {
        let (first, rest) = argv.split_at_checked(self.workload.argv.len())?;
        let ours = self.command(PROGRAM);
        ours.iter().zip(first).all(|(ours, word)| ours == PROGRAM || ours == word).then_some(rest)
    }

    /// The working folder, where that of the user is `here`.
    fn cwd(&self, here: &str) -> String {
        match (&self.workload.cwd, &self.folder) {
            (Some(cwd), Some(folder)) => cwd.replacen(FOLDER, folder, 1),
            (Some(cwd), None) => cwd.clone(),
            (None, _) => here.to_owned(),
        }
    }
}

fn program_name(argv: &[String]) -> &str {
    argv.first().map_or("", |program| program.rsplit('/').next().unwrap_or(program))
}

fn unknown_param(workload: &Workload, name: &str) -> String {
    let known: Vec<_> = workload.params.keys().map(String::as_str).collect();
    let has = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
    format!("{} has no parameter {name:?}; it has: {has}", workload.name)
}

fn instead(name: &str, value: &str, wrong_name: &str, wrong_value: &str) -> String {
    let [value, wrong_value] = [value, wrong_value].map(|value| one_line(value, VALUE_BYTES_MAX));
    format!("--set {name}={value} in place of --set {wrong_name}={wrong_value}")
}

fn is_broken(broken: &Broken) -> Problem {
    let hint = format!("mend it, then: resus workload check {}", broken.folder.display());
    let title = "The workload can't be run";
    problem("config-invalid", 422, title, broken.faults.join("\n"), Some(hint), ExitCode::ConfigInvalid)
}

fn no_such_folder(broken: &Broken) -> Problem {
    let hint = "resus workload new NAME makes one; resus workload ls lists those that have a name";
    let (title, detail) = ("No such workload", broken.faults.join("\n"));
    problem("not-found", 404, title, detail, Some(hint.to_owned()), ExitCode::NotFound)
}

#[cfg(test)]
mod tests;
