//! Programs of others that Resus, or a training, may want.

use crate::doctor::Check;
use crate::doctor::tool::{ToolError, version};
use crate::render::parts::said;
use resus_core::exit::ExitCode;
use std::path::PathBuf;

/// The oldest Python that the SDK runs on; `sdk/python/pyproject.toml` says the same.
const PYTHON_MIN: (u32, u32) = (3, 8);
/// The oldest server with all that we use.
const SERVER_MIN: (u32, u32) = (2, 11);

/// A program, where it is and what it says of itself.
#[derive(Debug)]
pub(crate) struct Asked {
    /// Where it is; `None` = nowhere.
    pub path: Option<PathBuf>,
    /// What it said; of no meaning if it is nowhere.
    pub answer: Result<String, ToolError>,
}

impl Asked {
    /// A program that is not there.
    pub(crate) fn nowhere() -> Self {
        Self { path: None, answer: Ok(String::new()) }
    }
}

fn first_line(text: &str) -> String {
    said(text.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default())
}

/// The server, which a managed bus needs.
pub(crate) fn server(asked: &Asked, is_managed: bool) -> Check {
    const WHAT: &str = "nats-server";
    let fix = "install nats-server 2.11 or newer: https://nats.io/download, or name it in bus.server";
    let wanted = |said: String| {
        if is_managed {
            Check::bad(WHAT, format!("{said}; the bus is managed and needs it"), fix, ExitCode::ConfigInvalid)
        } else {
            Check::good(WHAT, format!("{said}; only bus.url = \"managed\" needs it"))
        }
    };
    let Some(path) = &asked.path else { return wanted("not found".to_owned()) };
    let path = path.display();
    match &asked.answer {
        Err(error) => wanted(format!("{path}: {error}")),
        Ok(text) => match version(text) {
            Some(found) if found >= SERVER_MIN => Check::good(WHAT, format!("{path}, {}", first_line(text))),
            Some(_) => wanted(format!("{path} is older than 2.11 ({})", first_line(text))),
            None => wanted(format!("{path} does not say its version")),
        },
    }
}

/// Python, which the SDK for it needs.
pub(crate) fn python(asked: &Asked) -> Check {
    const WHAT: &str = "python";
    let (major, minor) = PYTHON_MIN;
    let fix = format!("install Python {major}.{minor} or newer, or activate its environment");
    let Some(path) = &asked.path else {
        return Check::good(WHAT, "no python3 in PATH; only trainings in Python need it");
    };
    let path = path.display();
    match &asked.answer {
        Err(error) => Check::warning(WHAT, format!("{path}: {error}"), &fix),
        Ok(text) => match version(text) {
            Some(found) if found >= PYTHON_MIN => Check::good(WHAT, format!("{path}, {}", first_line(text))),
            Some(_) | None => {
                let said = format!("{path} is too old for the SDK ({})", first_line(text));
                Check::warning(WHAT, said, &fix)
            }
        },
    }
}

/// The driver of the GPUs; `has_device` = the kernel shows one.
pub(crate) fn gpu(asked: &Asked, has_device: bool) -> Check {
    const WHAT: &str = "gpu";
    let fix = "nvidia-smi; dmesg | grep -i nvrm; after an upgrade of the driver: reboot";
    match (&asked.path, &asked.answer) {
        (None, _) if has_device => Check::warning(
            WHAT,
            "there is an NVIDIA device and no nvidia-smi in PATH",
            "install nvidia-utils",
        ),
        (None, _) => Check::good(WHAT, "no NVIDIA driver here"),
        (Some(_), Ok(text)) => {
            let gpus: Vec<_> = text.lines().filter(|line| line.starts_with("GPU ")).collect();
            match gpus.as_slice() {
                [] => Check::warning(WHAT, "nvidia-smi shows no GPU", fix),
                [one] => Check::good(WHAT, model(one)),
                [first, ..] => {
                    Check::good(WHAT, format!("{} of them; the first: {}", gpus.len(), model(first)))
                }
            }
        }
        (Some(_), Err(error)) => {
            Check::warning(WHAT, format!("nvidia-smi: {}", said(&error.to_string())), fix)
        }
    }
}

/// `GPU 0: NVIDIA H200 (UUID: …)` without the identity of the device.
fn model(line: &str) -> String {
    let line = line.split(" (UUID").next().unwrap_or(line);
    said(line.split_once(": ").map_or(line, |(_, model)| model))
}

/// What one needs to see the stacks of a worker that hangs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Sight {
    /// Whether `py-spy` is in `PATH`.
    pub has_py_spy: bool,
    /// `kernel.yama.ptrace_scope`; `None` = the kernel has no such rule.
    pub scope: Option<u8>,
    /// Whether we may trace anything (`CAP_SYS_PTRACE`).
    pub may_all: bool,
}

/// Whether a report of a hang would show the stacks of Python.
pub(crate) fn stacks(sight: Sight) -> Check {
    const WHAT: &str = "stacks";
    // The daemon is no ancestor of the workers, which scope 1 asks for.
    let may = match sight.scope {
        None | Some(0) => true,
        Some(1 | 2) => sight.may_all,
        Some(_) => false,
    };
    let scope = sight.scope.unwrap_or(0);
    match (sight.has_py_spy, may) {
        (true, true) => {
            Check::good(WHAT, "py-spy is here and may look: a hang of Python is kept with its stack")
        }
        (true, false) => {
            let said =
                format!("py-spy is here, and the kernel forbids it to look (yama ptrace_scope is {scope})");
            Check::warning(WHAT, said, "sudo sysctl kernel.yama.ptrace_scope=0")
        }
        (false, _) => Check::good(WHAT, "no py-spy: a hang of Python is kept without its stack")
            .with_fix("pip install py-spy".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Mark::{Bad, Good, Warning};

    fn says(text: &str) -> Asked {
        Asked { path: Some("/p".into()), answer: Ok(text.to_owned()) }
    }

    fn fails() -> Asked {
        Asked { path: Some("/p".into()), answer: Err(ToolError::Silent) }
    }

    #[test]
    fn a_server_matters_where_it_is_to_be_started() {
        for (asked, managed, other) in [
            (Asked::nowhere(), Bad, Good),
            (fails(), Bad, Good),
            (says("nats-server: v2.10.9"), Bad, Good),
            (says("hello"), Bad, Good),
            (says("nats-server: v2.11.0"), Good, Good),
        ] {
            assert_eq!(
                [server(&asked, true).mark, server(&asked, false).mark],
                [managed, other],
                "{asked:?}"
            );
        }
    }

    #[test]
    fn python_and_gpu_are_told() {
        let of = [Asked::nowhere(), fails(), says("Python 3.7.9"), says("Python 3.8.0"), says("odd")];
        let marks = of.each_ref().map(|asked| python(asked).mark);
        assert_eq!(marks, [Good, Warning, Warning, Good, Warning]);
        let list = "GPU 0: NVIDIA H200 (UUID: GPU-1)\nGPU 1: NVIDIA H200 (UUID: GPU-2)\n";
        let check = gpu(&says(list), true);
        assert_eq!((check.mark, check.said.as_str()), (Good, "2 of them; the first: NVIDIA H200"));
        assert_eq!(gpu(&says(""), true).mark, Warning);
        assert_eq!(gpu(&fails(), true).mark, Warning);
        assert_eq!([gpu(&Asked::nowhere(), false).mark, gpu(&Asked::nowhere(), true).mark], [Good, Warning]);
    }

    #[test]
    fn who_may_look_at_a_worker_depends_on_the_kernel() {
        let of = |has_py_spy, scope, may_all| stacks(Sight { has_py_spy, scope, may_all }).mark;
        let table = [
            (None, false, Good),
            (Some(0), false, Good),
            (Some(1), false, Warning),
            (Some(1), true, Good),
            (Some(2), false, Warning),
            (Some(2), true, Good),
            (Some(3), true, Warning),
        ];
        for (scope, may_all, mark) in table {
            assert_eq!(of(true, scope, may_all), mark, "{scope:?} {may_all}");
        }
        assert_eq!(of(false, Some(3), false), Good);
    }
}
