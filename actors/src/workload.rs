//! Workloads: what `workload.toml` says, and the spec that a submission asks for.

use crate::problem::invalid;
use resus_core::api::{Problem, Submission};
use resus_core::codes::Code;
use resus_core::ids::Slug;
use resus_core::policy::Policy;
use resus_core::spec::{Contract, Spec};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::num::NonZeroU8;
use std::sync::{Arc, PoisonError, RwLock};

/// The workloads that are part of the program, as their `workload.toml`.
const BUILT_IN: &[&str] = &[
    include_str!("../../workloads/othello/workload.toml"),
    include_str!("../../workloads/fake/workload.toml"),
    include_str!("../../workloads/v1/workload.toml"),
];

/// Stands for the `resus` program in a workload's `argv`.
const PROGRAM: &str = "{resus}";

/// A kind of training that can be launched.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Workload {
    /// Its name.
    pub name: Slug,
    /// One sentence for lists.
    pub summary: String,
    /// Program and first arguments; `{resus}` is this program.
    pub argv: Vec<String>,
    /// What its worker promises to say.
    pub contract: Contract,
    /// What exit codes of its own mean: the class of the failure by code (`2 = "CONFIG_INVALID"`).
    #[serde(default)]
    pub exit_codes: BTreeMap<NonZeroU8, Code>,
    /// Its parameters by name.
    #[serde(default)]
    pub params: BTreeMap<String, Param>,
}

/// A parameter of a workload.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Param {
    /// Flag under which the worker takes it, e.g. `--games`.
    pub flag: String,
    /// What values it takes.
    #[serde(rename = "type")]
    pub kind: Kind,
    /// Smallest value of a number.
    #[serde(default)]
    pub min: Option<f64>,
    /// Largest value of a number.
    #[serde(default)]
    pub max: Option<f64>,
    /// One sentence, with the default.
    pub summary: String,
}

/// Kinds of values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A whole number.
    Integer,
    /// Any finite number.
    Number,
    /// Any text.
    Text,
    /// `true` gives the flag, `false` leaves it out.
    Switch,
}

/// The workloads a daemon knows, and the policy that runs get by default.
#[derive(Debug, Clone)]
pub struct Registry {
    workloads: BTreeMap<String, Workload>,
    program: String,
    policy: Arc<RwLock<Policy>>,
}

/// A workload of our own that can't be read: a mistake in the program.
#[derive(Debug, thiserror::Error)]
#[error("a built-in workload.toml is not valid: {0}")]
pub struct RegistryError(#[from] toml::de::Error);

impl Registry {
    /// The built-in workloads; `program` is the path of this program.
    ///
    /// # Errors
    /// [`RegistryError`] if one of them is not valid.
    pub fn built_in(program: String, policy: Policy) -> Result<Self, RegistryError> {
        let mut workloads = BTreeMap::new();
        for text in BUILT_IN {
            let workload: Workload = toml::from_str(text)?;
            workloads.insert(workload.name.to_string(), workload);
        }
        Ok(Self { workloads, program, policy: Arc::new(RwLock::new(policy)) })
    }

    /// Lets runs accepted from now on have `policy` by default. Clones share it.
    pub fn set_policy(&self, policy: Policy) {
        *self.policy.write().unwrap_or_else(PoisonError::into_inner) = policy;
    }

    fn policy(&self) -> Policy {
        self.policy.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The workloads, by name.
    pub fn workloads(&self) -> impl Iterator<Item = &Workload> {
        self.workloads.values()
    }

    /// The spec that a submission asks for.
    ///
    /// # Errors
    /// A [`Problem`] that names everything that does not fit.
    pub fn spec(&self, submission: &Submission) -> Result<Spec, Problem> {
        let (workload, argv, contract) = match (&submission.workload, &submission.command) {
            (Some(name), None) => {
                let workload = self.find(name)?;
                (workload.name.clone(), self.argv(workload, &submission.params)?, workload.contract)
            }
            (None, Some(command)) if submission.params.is_empty() => {
                (Slug::nearest("command", "command"), command.clone(), Contract::Opaque)
            }
            (None, Some(_)) => {
                return Err(invalid("parameters belong to a workload, not to a command", None));
            }
            (None, None) | (Some(_), Some(_)) => {
                return Err(invalid("give either a workload or a command", None));
            }
        };
        let known = submission.workload.as_deref().and_then(|name| self.workloads.get(name));
        let exit_codes = known.map(|workload| workload.exit_codes.clone()).unwrap_or_default();
        let exit_codes = exit_codes.into_iter().map(|(code, class)| (code.get(), class)).collect();
        let name = match &submission.name {
            Some(name) => Slug::new(name.clone()).map_err(|error| invalid(error, None))?,
            None if submission.workload.is_some() => workload.clone(),
            None => Slug::nearest(program_name(&argv), "command"),
        };
        Ok(Spec {
            workload,
            name,
            argv,
            cwd: submission.cwd.clone(),
            env: submission.env.clone(),
            contract,
            policy: submission.overrides.over(self.policy()),
            flow: None,
            exit_codes,
            resume: submission.resume.clone(),
        })
    }

    fn find(&self, name: &str) -> Result<&Workload, Problem> {
        self.workloads.get(name).ok_or_else(|| {
            let known: Vec<_> = self.workloads.keys().map(String::as_str).collect();
            let hint =
                format!("known workloads: {}; to run a program: resus run -- {name} …", known.join(", "));
            let mut problem = invalid(format!("there is no workload called {name:?}"), Some(hint));
            problem.exit_code = resus_core::exit::ExitCode::NotFound;
            problem
        })
    }

    /// Whether a word of a workload's `argv` stands for this program.
    pub(crate) fn is_program(word: &str) -> bool {
        word == PROGRAM
    }

    /// The command line of `workload` with these parameters.
    ///
    /// # Errors
    /// A [`Problem`] that names every parameter that does not fit.
    pub(crate) fn argv(
        &self,
        workload: &Workload,
        params: &BTreeMap<String, String>,
    ) -> Result<Vec<String>, Problem> {
        let program = |arg: &String| if arg == PROGRAM { self.program.clone() } else { arg.clone() };
        let mut argv: Vec<_> = workload.argv.iter().map(program).collect();
        let mut faults = Vec::new();
        for (name, value) in params {
            match workload.params.get(name) {
                None => faults.push(unknown_param(workload, name)),
                Some(param) => match param.arguments(value) {
                    Ok(arguments) => argv.extend(arguments),
                    Err(fault) => faults.push(format!("{name}={value}: {fault}")),
                },
            }
        }
        if faults.is_empty() { Ok(argv) } else { Err(invalid(faults.join("; "), None)) }
    }
}

fn program_name(argv: &[String]) -> &str {
    argv.first().map_or("", |program| program.rsplit('/').next().unwrap_or(program))
}

fn unknown_param(workload: &Workload, name: &str) -> String {
    let known: Vec<_> = workload.params.keys().map(String::as_str).collect();
    format!("{} has no parameter {name:?}; it has: {}", workload.name, known.join(", "))
}

impl Param {
    /// The arguments that give the worker this value.
    fn arguments(&self, value: &str) -> Result<Vec<String>, String> {
        let given = || vec![self.flag.clone(), value.to_owned()];
        match self.kind {
            Kind::Text => Ok(given()),
            Kind::Switch => match value {
                "true" => Ok(vec![self.flag.clone()]),
                "false" => Ok(Vec::new()),
                _ => Err("expected true or false".to_owned()),
            },
            Kind::Integer => match value.parse::<i64>() {
                Ok(number) => self.in_range(number as f64).map(|()| given()),
                Err(_) => Err("expected a whole number".to_owned()),
            },
            Kind::Number => match value.parse::<f64>() {
                Ok(number) if number.is_finite() => self.in_range(number).map(|()| given()),
                Ok(_) | Err(_) => Err("expected a number".to_owned()),
            },
        }
    }

    fn in_range(&self, number: f64) -> Result<(), String> {
        let low = self.min.is_some_and(|min| number < min);
        let high = self.max.is_some_and(|max| number > max);
        match (low || high, self.min, self.max) {
            (false, _, _) => Ok(()),
            (true, Some(min), Some(max)) => Err(format!("expected {min} to {max}")),
            (true, Some(min), None) => Err(format!("expected at least {min}")),
            (true, None, max) => Err(format!("expected at most {}", max.unwrap_or(f64::MAX))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn registry() -> Registry {
        Registry::built_in("/bin/resus".to_owned(), Policy::default()).unwrap()
    }

    fn asked(workload: &str, params: &[(&str, &str)]) -> Submission {
        Submission {
            workload: Some(workload.to_owned()),
            params: params.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect(),
            cwd: "/".to_owned(),
            ..Submission::default()
        }
    }

    #[test]
    fn parameters_become_flags() {
        let spec = registry().spec(&asked("othello", &[("games", "500"), ("seed", "7")])).unwrap();
        assert_eq!(spec.argv, ["/bin/resus", "worker", "othello", "--games", "500", "--seed", "7"]);
        assert_eq!((spec.name.as_str(), spec.contract), ("othello", Contract::Pulse));
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

    #[test]
    fn exit_codes_of_a_workload_become_part_of_the_spec_and_nonsense_is_refused() {
        let with = |codes: &str| {
            format!(
                "name = \"w\"\nsummary = \"s\"\nargv = [\"w\"]\ncontract = \"opaque\"\n[exit_codes]\n{codes}"
            )
        };
        let workload: Workload = toml::from_str(&with("2 = \"CONFIG_INVALID\"")).unwrap();
        let workloads = [("w".to_owned(), workload)].into();
        let registry = Registry { workloads, ..registry() };
        let spec = registry.spec(&asked("w", &[])).unwrap();
        assert_eq!(spec.exit_codes, [(2, Code::new("CONFIG_INVALID"))].into());
        let json = serde_json::to_string(&spec).unwrap();
        assert_eq!(serde_json::from_str::<Spec>(&json).unwrap(), spec);
        for nonsense in ["0 = \"X\"", "256 = \"X\"", "two = \"X\""] {
            assert!(toml::from_str::<Workload>(&with(nonsense)).is_err(), "{nonsense}");
        }
    }

    #[test]
    fn everything_that_does_not_fit_is_named_at_once() {
        let problem = registry().spec(&asked("othello", &[("games", "0"), ("sed", "1")])).unwrap_err();
        assert!(problem.detail.contains("games=0") && problem.detail.contains("\"sed\""), "{problem:?}");
        let problem = registry().spec(&asked("othelo", &[])).unwrap_err();
        assert!(problem.hint.unwrap().contains("othello"));
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
        let both = Submission { workload: Some("fake".into()), ..submission };
        assert!(registry().spec(&both).is_err());
    }
}
