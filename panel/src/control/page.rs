//! Answers that fit into one message: lists are cut into pages by their bytes.

use crate::answer::problem;
use axum::http::StatusCode;
use resus_bus::control::Reply;
use resus_core::api::{Problem, RerunReply};
use resus_core::exit::ExitCode;
use resus_core::text::one_line;
use resus_core::view::RunView;
use serde::Serialize;

/// What a list takes besides its items: its name, the place of the next, brackets.
const FRAME_BYTES: usize = 512;
/// A command line is shown in full up to this length; the daemon itself knows all of it.
const ARGV_BYTES_MAX: usize = 4 * 1024;
/// Longest argument of a command line that is longer.
const ARG_BYTES_MAX: usize = 256;

/// The longest beginning of `items` that fits into a message, and whether something is left.
///
/// # Errors
/// A [`Problem`]: not even the first one fits.
pub(super) fn page<T: Serialize>(mut items: Vec<T>, bytes_max: usize) -> Result<(Vec<T>, bool), Problem> {
    let mut left = bytes_max.saturating_sub(FRAME_BYTES);
    let mut fit = 0;
    for item in &items {
        // And a comma.
        let bytes = serde_json::to_vec(item).map_err(|error| unwritable(&error))?.len() + 1;
        if bytes > left {
            if fit == 0 {
                return Err(too_long(bytes, bytes_max));
            }
            break;
        }
        left -= bytes;
        fit += 1;
    }
    let is_cut = fit < items.len();
    items.truncate(fit);
    Ok((items, is_cut))
}

/// `value` as the body of an answer.
pub(super) fn document<T: Serialize>(value: &T, bytes_max: usize) -> Result<Reply, Problem> {
    let body = serde_json::to_vec(value).map_err(|error| unwritable(&error))?;
    if body.len() > bytes_max {
        return Err(too_long(body.len(), bytes_max));
    }
    Ok(Reply { body: body.into(), ..Reply::default() })
}

/// The same for an answer with a run in it, whose command line may be longer than a message.
pub(super) fn fitting<T: Serialize>(
    mut value: T,
    run: impl Fn(&mut T) -> &mut RunView,
    bytes_max: usize,
) -> Result<Reply, Problem> {
    cut_argv(run(&mut value));
    document(&value, bytes_max)
}

/// A run with a command line of bounded length.
pub(super) fn shorten(mut view: RunView) -> RunView {
    cut_argv(&mut view);
    view
}

/// The same for a run that is run once more.
pub(super) fn shorten_rerun(mut reply: RerunReply) -> RerunReply {
    bound(&mut reply.argv);
    reply.run = reply.run.map(shorten);
    reply
}

fn cut_argv(view: &mut RunView) {
    bound(&mut view.argv);
}

fn bound(argv: &mut Vec<String>) {
    if argv.iter().map(String::len).sum::<usize>() <= ARGV_BYTES_MAX {
        return;
    }
    let mut left = ARGV_BYTES_MAX;
    let mut shown = Vec::new();
    for arg in &*argv {
        let arg = one_line(arg, ARG_BYTES_MAX);
        if arg.len() > left {
            break;
        }
        left -= arg.len();
        shown.push(arg);
    }
    if shown.len() < argv.len() {
        shown.push("…".to_owned());
    }
    *argv = shown;
}

fn too_long(bytes: usize, bytes_max: usize) -> Problem {
    let detail = format!("the answer would have {bytes} bytes; a message of this server holds {bytes_max}");
    let mut problem = problem(StatusCode::INTERNAL_SERVER_ERROR, ExitCode::Refused, detail);
    problem.hint = Some("raise max_payload of the NATS server to 1 MB or more".to_owned());
    problem
}

/// A document that serde can't write.
pub(super) fn unwritable(error: &serde_json::Error) -> Problem {
    let detail = format!("the answer can't be written as JSON: {error}");
    problem(StatusCode::INTERNAL_SERVER_ERROR, ExitCode::Bug, detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_ends_where_the_message_does() {
        let items: Vec<_> = (0..10).map(|n| format!("{n}{}", "x".repeat(97))).collect();
        // Two quotes, 98 letters and a comma each.
        let (all, is_cut) = page(items.clone(), FRAME_BYTES + 1010).unwrap();
        assert_eq!((all.len(), is_cut), (10, false));
        let (some, is_cut) = page(items.clone(), FRAME_BYTES + 1009).unwrap();
        assert_eq!((some.len(), is_cut), (9, true));
        assert_eq!(page(items, FRAME_BYTES + 100).unwrap_err().exit_code, ExitCode::Refused);
        assert_eq!(page(Vec::<String>::new(), 0).unwrap(), (Vec::new(), false));
    }

    #[test]
    fn a_run_with_an_endless_command_line_fits_all_the_same() {
        let view = |argv: Vec<String>| -> RunView {
            let view = serde_json::json!({
                "run_id": "r1", "name": "n", "workload": "command", "node": "n", "phase": "running",
                "status": "running", "attempt": 1, "seq": 5, "failures": 0, "retries_max": 5,
                "refused_lines": 0, "progress": {"unit": "step"}, "metrics": {}, "message": "",
                "age_s": 1.0, "accepted_at": "2026-11-22T04:13:46.123Z", "argv": argv,
            });
            serde_json::from_value(view).unwrap()
        };
        let short = view(vec!["python".into(), "x".repeat(1000)]);
        assert_eq!(shorten(short.clone()), short, "what fits is not touched");
        let long = shorten(view((0..10_000).map(|n| format!("--option-{n}")).collect()));
        assert_eq!(long.argv.last().map(String::as_str), Some("…"));
        let huge = view(vec!["sh".into(), "-c".into(), "x".repeat(1 << 20)]);
        let reply = fitting(huge.clone(), |view| view, 8192).unwrap();
        let shown: RunView = serde_json::from_slice(&reply.body).unwrap();
        assert!(shown.argv.len() == 3 && shown.argv[2].ends_with('…'), "{:?}", shown.argv);
        assert_eq!(fitting(huge, |view| view, 100).unwrap_err().exit_code, ExitCode::Refused);
    }
}
