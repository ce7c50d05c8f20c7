//! What a submission would come to, and what would probably not go well. Nothing is changed.

use resus_core::api::{Plan, PlannedSetting, SettingOrigin};
use resus_core::policy::Policy;
use resus_core::secret::shown_argv;
use resus_core::spec::{Spec, settings};
use std::fs::metadata;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// Where programs are looked for if the environment does not say (as `execvp` has it).
const PATH_DEFAULT: &str = "/bin:/usr/bin";
/// What names of scripts end with.
const SCRIPTS: [&str; 9] = [".py", ".sh", ".bash", ".pl", ".rb", ".lua", ".jl", ".R", ".js"];

/// The plan of a spec, whose first `fixed` arguments don't come from parameters, where the daemon is
/// `configured` so.
pub(super) fn plan(spec: Spec, configured: &Policy, fixed: usize) -> Plan {
    let path = spec.env.iter().rev().find(|(name, _)| name == "PATH").map(|(_, value)| value.as_str());
    let warnings = warnings(spec.argv.get(..fixed).unwrap_or(&spec.argv), &spec.cwd, path);
    Plan {
        warnings,
        settings: differing(&spec.policy, configured),
        workload: spec.workload.to_string(),
        name: spec.name.to_string(),
        argv: shown_argv(&spec),
        cwd: spec.cwd,
        env_count: spec.env.len(),
        contract: spec.contract,
        resume: spec.resume,
    }
}

/// The settings that differ from the defaults, and who says so.
fn differing(policy: &Policy, configured: &Policy) -> Vec<PlannedSetting> {
    let origins =
        settings(policy).into_iter().zip(settings(configured)).map(|((_, value), (_, configured))| {
            if value == configured { SettingOrigin::Configuration } else { SettingOrigin::Submission }
        });
    let defaults = settings(&Policy::default());
    let all = settings(policy).into_iter().zip(defaults).zip(origins);
    let all = all.map(|(((key, value), (_, default)), origin)| PlannedSetting {
        key: key.to_owned(),
        value,
        default,
        origin,
    });
    all.filter(|setting| setting.value != setting.default).collect()
}

/// What would keep the worker of a command from starting: its first arguments, its folder, and
/// where it looks for programs.
pub(super) fn warnings(argv: &[String], cwd: &str, path: Option<&str>) -> Vec<String> {
    let mut warnings = Vec::new();
    if !Path::new(cwd).is_dir() {
        warnings.push(format!("the working folder {cwd} is not there"));
    }
    if let Some(program) = argv.first() {
        warnings.extend(program_fault(program, cwd, path.unwrap_or(PATH_DEFAULT)));
    }
    for script in argv.iter().skip(1).filter(|arg| is_script(arg)) {
        let at = Path::new(cwd).join(script);
        if !at.is_file() {
            warnings.push(format!("{script} is named in the command, and {} is not there", at.display()));
        }
    }
    warnings
}

fn is_script(arg: &str) -> bool {
    !arg.starts_with('-')
        && !arg.contains(char::is_whitespace)
        && SCRIPTS.iter().any(|end| arg.ends_with(end))
}

fn program_fault(program: &str, cwd: &str, path: &str) -> Option<String> {
    if program.contains('/') {
        let at = Path::new(cwd).join(program);
        return match metadata(&at) {
            Err(_) => Some(format!("the program {} is not there", at.display())),
            Ok(_) if is_executable(&at) => None,
            Ok(_) => Some(format!("{} is not executable; type: chmod +x {0}", at.display())),
        };
    }
    let mut places = path.split(':').map(|folder| Path::new(cwd).join(folder).join(program));
    let is_there = places.any(|at: PathBuf| is_executable(&at));
    (!is_there).then(|| format!("no program {program} is on the PATH {path}"))
}

fn is_executable(path: &Path) -> bool {
    metadata(path).is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
}
