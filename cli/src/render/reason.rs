//! Why a run ended, in words: reason codes are for programs.

use crate::render::parts::{said, times};
use resus_core::codes::Rule;
use resus_core::event::Why;
use resus_core::view::RunView;
use serde_json::Value;

/// Why the run ended; `None` while it has not.
pub(crate) fn ended(view: &RunView) -> Option<String> {
    let code = view.ended_why.as_deref()?;
    // A reason of a newer daemon is told as it is.
    let Ok(why) = serde_json::from_value(Value::from(code)) else { return Some(said(code)) };
    Some(words(why, view))
}

fn words(why: Why, view: &RunView) -> String {
    let text = match why {
        Why::Requested => "somebody asked for it",
        Why::WorkerComplete => "the worker said that it is complete",
        Why::OpaqueExitedOk => "the program ended with exit code 0",
        Why::NotRetryable => return never_retried(view),
        Why::ClassSpent => return class_spent(view),
        Why::BudgetSpent => return budget_spent(view.retries_max),
        Why::StartupTimeout => "the worker was not ready in time",
        Why::CooldownTimeout => "the worker did not end in time",
        Why::Unkillable => "the worker survived SIGKILL",
        Why::Rebooted => "the machine was restarted",
        Why::NothingToResumeFrom => {
            "no checkpoint of it can be used, and its work is not thrown away unasked"
        }
        Why::RestoreRefused => "the checkpoint that was to be restored does not verify",
        // The others are no reasons for an end.
        other => return other.code().to_lowercase().replace('_', " "),
    };
    text.to_owned()
}

fn never_retried(view: &RunView) -> String {
    match view.last_failure.as_ref().and_then(|failure| failure.worker_says_retryable) {
        Some(false) => "the worker said that trying again is in vain".to_owned(),
        Some(true) | None => "this kind of failure is never retried".to_owned(),
    }
}

fn class_spent(view: &RunView) -> String {
    match view.last_failure.as_ref().map(|failure| failure.code.rule()) {
        Some(Rule::AtMost(most)) => format!("this kind of failure was retried {} already", times(most)),
        Some(Rule::Never | Rule::Budget | Rule::Free) | None => {
            "this kind of failure was retried as often as it may be".to_owned()
        }
    }
}

fn budget_spent(retries_max: u32) -> String {
    match retries_max {
        0 => "no retries are allowed".to_owned(),
        1 => "its one retry is used up".to_owned(),
        max => format!("its {max} retries are used up"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::sample::view;
    use serde_json::json;

    fn of(why: &str, code: &str, retries_max: u32) -> Option<String> {
        let failure = json!({"code": code, "message": "", "retried": false});
        ended(&view(json!({"ended_why": why, "last_failure": failure, "retries_max": retries_max})))
    }

    #[test]
    fn reasons_are_words() {
        for (why, code, max, words) in [
            ("NOT_RETRYABLE", "CUDA_OOM", 5, "this kind of failure is never retried"),
            ("CLASS_SPENT", "STARTUP_FAILED", 5, "this kind of failure was retried once already"),
            ("CLASS_SPENT", "NAN_LOSS", 5, "this kind of failure was retried twice already"),
            ("BUDGET_SPENT", "EXIT_NONZERO", 5, "its 5 retries are used up"),
            ("BUDGET_SPENT", "EXIT_NONZERO", 1, "its one retry is used up"),
            ("BUDGET_SPENT", "EXIT_NONZERO", 0, "no retries are allowed"),
            ("OPAQUE_EXITED_OK", "UNKNOWN", 5, "the program ended with exit code 0"),
            ("GRACE_OVER", "UNKNOWN", 5, "grace over"),
            ("FROM_THE_FUTURE", "UNKNOWN", 5, "FROM_THE_FUTURE"),
        ] {
            assert_eq!(of(why, code, max).as_deref(), Some(words));
        }
        assert_eq!(ended(&view(json!({}))), None);
    }

    #[test]
    fn a_worker_that_asked_not_to_be_tried_again_is_named() {
        let failure =
            json!({"code": "APP_X", "message": "", "retried": false, "worker_says_retryable": false});
        let view = view(json!({"ended_why": "NOT_RETRYABLE", "last_failure": failure}));
        assert_eq!(ended(&view).as_deref(), Some("the worker said that trying again is in vain"));
    }
}
