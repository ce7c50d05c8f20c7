//! Where the user's workloads are, and which workload somebody means.

use crate::error::CliError;
use crate::settings::config_home;
use resus_actors::workload::{Registry, RegistryError};
use resus_core::api::Problem;
use resus_core::policy::Policy;
use std::env;
use std::path::{Path, PathBuf, absolute};

/// The folder with the workloads of the user, one folder each, whether or not it is there.
pub(crate) fn user_workloads() -> Option<PathBuf> {
    config_home().map(|folder| folder.join("resus/workloads"))
}

/// Whether a workload is named by its path: no name has a `/` or a `.`.
pub(crate) fn is_path(workload: &str) -> bool {
    workload.contains(['/', '.'])
}

/// The absolute path of a workload on this machine.
///
/// # Errors
/// [`CliError::Usage`]: it can't be found from here, or is not UTF-8.
pub(crate) fn whole_path(workload: &str) -> Result<String, CliError> {
    let path = absolute(workload).map_err(|source| CliError::Usage {
        what: format!("{workload} can't be found from here: {source}"),
        next: "give its whole path, or cd to a folder that exists".to_owned(),
    })?;
    // `.` and `./x` are words for people; a record names the folder.
    let path: PathBuf = path.components().collect();
    path.to_str().map(str::to_owned).ok_or_else(|| CliError::Usage {
        what: format!("the path {} is not valid UTF-8, so it can't be recorded", path.display()),
        next: "rename the folder".to_owned(),
    })
}

/// The workloads as this process sees them, for what needs no daemon.
///
/// # Errors
/// A built-in one is broken: a mistake in the program.
pub(crate) fn registry() -> Result<Registry, CliError> {
    let program = env::current_exe().unwrap_or_else(|_| Path::new("resus").to_owned());
    Registry::built_in(program.display().to_string(), Policy::default())
        .map(|registry| registry.with_user(user_workloads()))
        .map_err(|error: RegistryError| CliError::from(resus_actors::system::StartError::from(error)))
}

/// A problem that was found without a daemon, told as a daemon's is.
pub(crate) fn refused(problem: Problem) -> CliError {
    CliError::Client(crate::client::ClientError::Refused(Box::new(problem)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_told_from_a_name() {
        for path in ["./mine", ".", "..", "mine/", "/abs/mine", "workload.toml", "a/workload.toml"] {
            assert!(is_path(path), "{path}");
        }
        assert!(!is_path("mine") && !is_path("my-workload-2"));
    }

    #[test]
    fn a_path_is_made_whole_and_short() {
        let here = env::current_dir().unwrap();
        let whole = |path: &str| PathBuf::from(whole_path(path).unwrap());
        assert_eq!(whole("./mine"), here.join("mine"));
        assert_eq!(whole("."), here);
        assert_eq!(whole("/a/./b/"), Path::new("/a/b"));
    }
}
