//! The values of the flags: from text to meaning, or to a word on what it should have been.

use std::fmt::Display;
use std::str::FromStr;
use std::time::Duration;

use signal_hook::consts as signal;

use crate::script::{CrashHow, ErrorAt, NanAt, Shape};

/// 2 + 4 + … + 2^6 children are as many strays as a test can want.
const FORK_TREE_DEPTH_MAX: u32 = 6;

/// The signals one can die of by name.
const DEADLY_SIGNALS: [(&str, i32); 14] = [
    ("ABRT", signal::SIGABRT),
    ("ALRM", signal::SIGALRM),
    ("BUS", signal::SIGBUS),
    ("FPE", signal::SIGFPE),
    ("HUP", signal::SIGHUP),
    ("ILL", signal::SIGILL),
    ("INT", signal::SIGINT),
    ("KILL", signal::SIGKILL),
    ("QUIT", signal::SIGQUIT),
    ("SEGV", signal::SIGSEGV),
    ("SYS", signal::SIGSYS),
    ("TERM", signal::SIGTERM),
    ("USR1", signal::SIGUSR1),
    ("XCPU", signal::SIGXCPU),
];

pub(crate) fn number<T: FromStr<Err: Display>>(value: &str) -> Result<T, String> {
    value.parse().map_err(|error: T::Err| error.to_string())
}

pub(crate) fn from_one(value: &str) -> Result<u64, String> {
    match number(value)? {
        0 => Err("counts from 1".into()),
        number => Ok(number),
    }
}

pub(crate) fn millis(value: &str) -> Result<Duration, String> {
    number(value).map(Duration::from_millis)
}

pub(crate) fn depth(value: &str) -> Result<u32, String> {
    let depth = number(value)?;
    if depth > FORK_TREE_DEPTH_MAX {
        return Err(format!("at most {FORK_TREE_DEPTH_MAX} generations"));
    }
    Ok(depth)
}

pub(crate) fn crash_how(value: &str) -> Result<CrashHow, String> {
    match value.split_once(':') {
        None if value == "panic" => Ok(CrashHow::Panic),
        Some(("exit", code)) => Ok(CrashHow::Exit(number(code)?)),
        Some(("signal", name)) => {
            let short = name.strip_prefix("SIG").unwrap_or(name);
            let found = DEADLY_SIGNALS.iter().find(|(known, _)| *known == short);
            found.map(|(_, number)| CrashHow::Signal(*number)).ok_or_else(|| {
                let known: Vec<&str> = DEADLY_SIGNALS.iter().map(|(name, _)| *name).collect();
                format!("the signal is one of {}", known.join(", "))
            })
        }
        _ => Err("is one of exit:CODE, signal:NAME, panic".into()),
    }
}

pub(crate) fn error_at(value: &str) -> Result<ErrorAt, String> {
    let mut parts = value.split(':');
    let step = from_one(parts.next().unwrap_or_default())?;
    let code =
        parts.next().filter(|code| !code.is_empty()).ok_or("is STEP:CODE[:fatal][:retry][:every=STEPS]")?;
    let mut error = ErrorAt { step, every: 0, code: code.to_owned(), fatal: false, is_retryable: false };
    for part in parts {
        match part {
            "fatal" => error.fatal = true,
            "retry" => error.is_retryable = true,
            other => match other.strip_prefix("every=") {
                Some(steps) => error.every = from_one(steps)?,
                None => return Err(format!("{other} is neither fatal, retry nor every=STEPS")),
            },
        }
    }
    Ok(error)
}

pub(crate) fn nan_at(value: &str) -> Result<NanAt, String> {
    let mut parts = value.split(':');
    let step = from_one(parts.next().unwrap_or_default())?;
    let mut nan = NanAt { step, after: 0, is_hidden: false, times: None };
    for part in parts {
        match part.strip_prefix("after=") {
            Some(steps) => nan.after = number(steps)?,
            None if part == "hidden" => nan.is_hidden = true,
            None => return Err(format!("{part} is neither after=STEPS nor hidden")),
        }
    }
    Ok(nan)
}

pub(crate) fn shape(value: &str) -> Result<Shape, String> {
    match value {
        "prsm" => Ok(Shape::Prsm),
        "torch" => Ok(Shape::Torch),
        "safetensors" => Ok(Shape::Safetensors),
        "folder" => Ok(Shape::Folder),
        _ => Err("is one of prsm, torch, safetensors, folder".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_way_to_die_is_read() {
        assert_eq!(crash_how("panic"), Ok(CrashHow::Panic));
        assert_eq!(crash_how("exit:75"), Ok(CrashHow::Exit(75)));
        assert_eq!(crash_how("signal:KILL"), Ok(CrashHow::Signal(9)));
        assert_eq!(crash_how("signal:SIGSEGV"), Ok(CrashHow::Signal(11)));
    }

    #[test]
    fn any_other_way_is_refused_with_the_known_ones() {
        assert_eq!(crash_how("boom").unwrap_err(), "is one of exit:CODE, signal:NAME, panic");
        assert_eq!(crash_how("panic:now").unwrap_err(), "is one of exit:CODE, signal:NAME, panic");
        assert!(crash_how("signal:CHLD").unwrap_err().contains("KILL"), "CHLD kills nobody");
        assert_eq!(crash_how("exit:256").unwrap_err(), "number too large to fit in target type");
    }

    #[test]
    fn an_error_has_a_step_a_code_and_a_weight() {
        let error =
            |fatal, is_retryable| ErrorAt { step: 3, every: 0, code: "CUDA_OOM".into(), fatal, is_retryable };
        assert_eq!(error_at("3:CUDA_OOM"), Ok(error(false, false)));
        assert_eq!(error_at("3:CUDA_OOM:fatal"), Ok(error(true, false)));
        assert_eq!(error_at("3:CUDA_OOM:retry:fatal"), Ok(error(true, true)));
        assert_eq!(error_at("3:A:every=4").map(|error| error.every), Ok(4));
        for bad in ["3", "3:", "0:CUDA_OOM", ":CUDA_OOM", "3:CUDA_OOM:often", "3:A:every=0", "x:Y"] {
            assert!(error_at(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn broken_numbers_have_a_step_and_may_be_noticed_late_or_be_hidden() {
        let nan = |after, is_hidden| NanAt { step: 3, after, is_hidden, times: None };
        assert_eq!(nan_at("3"), Ok(nan(0, false)));
        assert_eq!(nan_at("3:after=5"), Ok(nan(5, false)));
        assert_eq!(nan_at("3:hidden:after=5"), Ok(nan(5, true)));
        for bad in ["", "0", "x", "3:", "3:after", "3:after=", "3:after=x", "3:shown"] {
            assert!(nan_at(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_checkpoint_has_one_of_the_known_shapes() {
        let known = [Shape::Prsm, Shape::Torch, Shape::Safetensors, Shape::Folder];
        assert_eq!(["prsm", "torch", "safetensors", "folder"].map(shape), known.map(Ok));
        assert!(shape("pickle").unwrap_err().contains("torch"));
    }

    #[test]
    fn a_tree_has_a_limit() {
        assert_eq!(depth("6"), Ok(6));
        assert!(depth("7").is_err() && depth("-1").is_err());
    }
}
