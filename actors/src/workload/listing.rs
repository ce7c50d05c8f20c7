//! Workloads as they are listed and checked.

use crate::workload::folder::{Broken, Found, distrust};
use crate::workload::{Ready, Registry, Workload, plan};
use resus_core::api::{Origin, ParamKind, ParamView, Problem, WorkloadList, WorkloadView};
use resus_core::secret::{MASK, is_secret_name, mask_argv, mask_text};
use std::collections::BTreeMap;
use std::fs::{metadata, read_dir};
use std::io;
use std::path::Path;

/// Folders of the user's that are listed: more are not workloads that people run by name.
const LISTED_MAX: usize = 256;

/// Which workload is asked for.
#[derive(Debug, Clone, Copy)]
pub enum Asked<'a> {
    /// The one called so.
    Name(&'a str),
    /// The one in this folder, or whose file it is; absolute.
    Path(&'a Path),
}

/// What a check found.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct Checked {
    /// The workload.
    #[serde(flatten)]
    pub workload: WorkloadView,
    /// The command that it would start, without parameters but those with a default.
    pub command: Vec<String>,
    /// The working folder of its worker.
    pub folder_of_worker: String,
    /// What would probably not go well.
    pub warnings: Vec<String>,
}

impl Registry {
    /// The built-in workloads and the user's, by name; one that is broken does not hide the others.
    #[must_use]
    pub fn list(&self) -> WorkloadList {
        let built_in = self.built_in.values().map(|workload| view(workload, Origin::BuiltIn, None));
        let mut list = WorkloadList { workloads: built_in.collect(), trouble: None };
        if let Some(user) = &self.user {
            list.trouble = self.list_user(user, &mut list.workloads);
        }
        list.workloads.sort_by(|a, b| (&a.name, a.origin as u8).cmp(&(&b.name, b.origin as u8)));
        list
    }

    /// Adds the user's; why some are left out, if so.
    fn list_user(&self, user: &Path, views: &mut Vec<WorkloadView>) -> Option<String> {
        let unread = |error: io::Error| format!("{} can't be read: {error}", user.display());
        let entries = match read_dir(user) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
            Err(error) => return Some(unread(error)),
        };
        let mut names = Vec::new();
        for entry in entries {
            match entry {
                Ok(entry) if entry.path().is_dir() => names.push(entry.file_name()),
                Ok(_) => {}
                Err(error) => return Some(unread(error)),
            }
        }
        names.retain(|name| !name.as_encoded_bytes().starts_with(b"."));
        names.sort();
        for name in names.iter().take(LISTED_MAX) {
            let name = name.to_string_lossy();
            views.push(match self.of_user(user, &name) {
                Ok(Found { workload, folder }) => view(&workload, Origin::User, Some(folder)),
                Err(broken) => broken_view(name.into_owned(), Origin::User, broken),
            });
        }
        let (count, shown) = (names.len(), user.display());
        let more = (count > LISTED_MAX)
            .then(|| format!("{shown} has {count} folders; the first {LISTED_MAX} are listed"));
        // Whoever can add a folder can add a workload; those that are there are judged one by one.
        let loose = metadata(user).map(|meta| distrust(user, &meta)).unwrap_or_default();
        more.or_else(|| loose.into_iter().next())
    }

    /// One workload, as listed.
    ///
    /// # Errors
    /// A [`Problem`]: there is none; one that is broken is none as well.
    pub fn view(&self, asked: Asked<'_>) -> Result<WorkloadView, Problem> {
        self.ready(asked).map(|ready| view(&ready.workload, ready.origin, ready.folder))
    }

    /// Looks at a workload and at what it would start, in `here` and with programs looked for in
    /// `path`.
    ///
    /// # Errors
    /// A [`Problem`]: there is none, or it is broken; then it names every fault.
    pub fn check(&self, asked: Asked<'_>, here: &str, path: Option<&str>) -> Result<Checked, Problem> {
        let ready = self.ready(asked)?;
        let command = self.argv(&ready, &BTreeMap::new())?;
        let secrets = ready.workload.params.iter().filter(|(name, param)| is_secret(name, param));
        let secrets: Vec<_> = secrets.filter_map(|(_, param)| param.default.clone()).collect();
        let cwd = ready.cwd(here);
        let fixed = command.get(..ready.workload.argv.len()).unwrap_or(&command);
        let warnings = plan::warnings(fixed, &cwd, path);
        let workload = view(&ready.workload, ready.origin, ready.folder);
        let shown = mask_argv(&command).into_iter().map(|word| hide(word, &secrets)).collect();
        let warnings = warnings.iter().map(|warning| mask_text(warning)).collect();
        Ok(Checked { workload, command: shown, folder_of_worker: cwd, warnings })
    }

    fn ready(&self, asked: Asked<'_>) -> Result<Ready, Problem> {
        match asked {
            Asked::Name(name) => self.by_name(name),
            Asked::Path(path) => self.by_path(path),
        }
    }
}

/// Whether a parameter's values are secret.
pub(super) fn is_secret(name: &str, param: &super::Param) -> bool {
    param.kind != ParamKind::Switch && (is_secret_name(name) || is_secret_name(&param.flag))
}

/// The value of a parameter as everybody may see it.
fn shown(name: &str, param: &super::Param, value: &str) -> String {
    if is_secret(name, param) { MASK.to_owned() } else { mask_text(value) }
}

/// One of the arguments of a command, some of which are `secrets`.
fn hide(word: String, secrets: &[String]) -> String {
    if secrets.contains(&word) {
        return MASK.to_owned();
    }
    let of_flag = |(flag, value): (&str, &str)| {
        secrets.iter().any(|secret| secret == value).then(|| format!("{flag}={MASK}"))
    };
    word.split_once('=').and_then(of_flag).unwrap_or(word)
}

fn view(workload: &Workload, origin: Origin, folder: Option<String>) -> WorkloadView {
    let param = |(name, param): (&String, &super::Param)| {
        let view = ParamView {
            flag: param.flag.clone(),
            kind: param.kind,
            min: param.min,
            max: param.max,
            choices: if is_secret(name, param) { Vec::new() } else { param.choices.clone() },
            default: param.default.as_deref().map(|value| shown(name, param, value)),
            summary: param.summary.clone(),
        };
        (name.clone(), view)
    };
    let exit_codes = workload.exit_codes.iter();
    WorkloadView {
        name: workload.name.to_string(),
        origin,
        folder,
        summary: workload.summary.clone(),
        argv: mask_argv(&workload.argv),
        cwd: workload.cwd.clone(),
        contract: Some(workload.contract),
        params: workload.params.iter().map(param).collect(),
        exit_codes: exit_codes.map(|(code, class)| (code.get(), class.to_string())).collect(),
        faults: Vec::new(),
    }
}

fn broken_view(name: String, origin: Origin, broken: Broken) -> WorkloadView {
    WorkloadView {
        name,
        origin,
        folder: Some(broken.folder.display().to_string()),
        summary: String::new(),
        argv: Vec::new(),
        cwd: None,
        contract: None,
        params: BTreeMap::new(),
        exit_codes: BTreeMap::new(),
        faults: broken.faults.iter().map(|fault| mask_text(fault)).collect(),
    }
}
