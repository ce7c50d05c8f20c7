//! `--passthrough`: the worker's own end as the end of the command that waited for it.

use resus_core::exit::ExitCode;
use resus_core::view::RunView;

/// What a signal is added to, as shells do it.
const SIGNALLED: i32 = 128;

/// The exit code of a command that waited for `view`: with `passthrough` that of its last worker,
/// 128+n if signal n ended it. `ours` counts without it, and of a run whose worker nobody has seen
/// end.
pub(crate) fn code(view: &RunView, ours: ExitCode, passthrough: bool) -> u8 {
    let of_worker = view.last_exit.filter(|_| passthrough).and_then(|exit| match (exit.code, exit.signal) {
        (Some(code), _) => Some(code),
        (None, Some(signal)) => Some(SIGNALLED.saturating_add(signal)),
        (None, None) => None,
    });
    of_worker.and_then(|code| u8::try_from(code).ok()).unwrap_or_else(|| ours.code())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::sample::view;
    use serde_json::{Value, json};

    #[test]
    fn a_worker_that_was_seen_to_end_gives_its_code() {
        let ended = |exit: Value| view(json!({"phase": "failed", "last_exit": exit}));
        for (exit, code_with) in [
            (json!({"code": 0}), 0),
            (json!({"code": 3}), 3),
            (json!({"code": 255}), 255),
            (json!({"signal": 9}), 137),
            (json!({"signal": 15}), 143),
            (json!({}), 20),
            (json!(null), 20),
        ] {
            let view = ended(exit.clone());
            assert_eq!(code(&view, ExitCode::RunFailed, true), code_with, "{exit}");
            assert_eq!(code(&view, ExitCode::RunFailed, false), 20, "{exit}");
        }
    }
}
