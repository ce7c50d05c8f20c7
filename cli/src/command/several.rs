//! Commands to several runs: every name is looked up before anything is done, and what fails for
//! one run leaves the others to be done.

use crate::client::ClientError;
use crate::command::Around;
use crate::daemon::start::ask;
use crate::error::CliError;
use crate::hints::naming;
use resus_core::exit::ExitCode;
use resus_core::view::RunView;
use std::collections::BTreeSet;

/// What has come of a command to several runs.
#[derive(Debug)]
pub(crate) struct Tally<'a> {
    around: &'a Around,
    /// It is for one run only, whose failure is the command's.
    is_single: bool,
    /// The exit code of the first failure.
    first: Option<ExitCode>,
}

/// A run, and how it was named.
#[derive(Debug)]
pub(crate) struct Found<'a> {
    /// As typed.
    pub selector: &'a str,
    /// As it was when it was looked up. A selector such as `@latest` may name another by now.
    pub view: RunView,
}

impl<'a> Tally<'a> {
    /// Looks up the runs that `selectors` name, each once. Those that are not there are told.
    ///
    /// # Errors
    /// [`CliError`]: there is only one and it is not there, or no daemon answers.
    pub(crate) async fn of<'s>(
        around: &'a Around,
        selectors: &'s [String],
    ) -> Result<(Self, Vec<Found<'s>>), CliError> {
        let mut tally = Self { around, is_single: selectors.len() == 1, first: None };
        let (mut found, mut known) = (Vec::new(), BTreeSet::new());
        for selector in selectors {
            let asked = ask(&around.target, |client| async move { client.run(selector).await }).await;
            if let Some((view, _)) = tally.note(selector, asked).await?
                && known.insert(view.run_id.clone())
            {
                found.push(Found { selector, view });
            }
        }
        Ok((tally, found))
    }

    /// What was answered about one run; a failure is told and counted.
    ///
    /// # Errors
    /// A failure that is not about this run alone, or about the only one.
    pub(crate) async fn note<T>(
        &mut self,
        selector: &str,
        answer: Result<T, CliError>,
    ) -> Result<Option<T>, CliError> {
        let error = match answer {
            Ok(value) => return Ok(Some(value)),
            Err(error) => naming(error, selector, self.around).await,
        };
        if self.is_single || !is_of_one_run(&error) {
            return Err(error);
        }
        crate::tell(&error, self.around.console);
        self.first.get_or_insert(error.exit());
        Ok(None)
    }

    /// The exit code of all of it: that of the first failure.
    pub(crate) fn exit(self) -> ExitCode {
        self.first.unwrap_or(ExitCode::Ok)
    }
}

/// Whether another run may fare better.
fn is_of_one_run(error: &CliError) -> bool {
    let is_refused = matches!(error, CliError::Client(ClientError::Refused(_)));
    is_refused || matches!(error, CliError::NotReached { .. } | CliError::TimedOut { .. })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::dispatch;
    use crate::console::capture;
    use crate::fake_daemon::FakeDaemon;
    use crate::help;
    use crate::render::sample::RUN_ID;
    use serde_json::json;

    /// How `line` ends, what it tells, and which runs were given a command.
    async fn done(line: &str) -> (Result<u8, CliError>, String, Vec<String>) {
        let daemon = FakeDaemon::start();
        daemon.desk.change(json!({"phase": "cancelled"}), 1);
        let cli = help::parse(line.split(' ').map(Into::into)).unwrap();
        let mut around = Around::of_test(&daemon.state);
        around.console.json = false;
        capture::begin();
        let done = Box::pin(dispatch(cli.command, &cli.global, &around)).await;
        let told = capture::end().1;
        let commanded = daemon.desk.commanded.lock().unwrap().clone();
        (done, told, commanded)
    }

    #[tokio::test]
    async fn what_fails_for_one_run_leaves_the_others_to_be_done() {
        for verb in ["stop", "kill", "pause --no-wait", "resume --no-wait", "checkpoint --no-wait", "retry"] {
            let (code, told, commanded) = done(&format!("resus {verb} nope @latest {RUN_ID}")).await;
            assert_eq!(code.unwrap(), ExitCode::NotFound.code(), "{verb}: {told}");
            assert_eq!(commanded, [RUN_ID], "{verb}: each run once");
            assert!(
                told.contains("no run is called \"nope\"") && told.contains("8c1d9e77"),
                "{verb}: {told}"
            );
        }
        let (code, told, _) = done(&format!("resus configure nope {RUN_ID} --retries 3")).await;
        assert_eq!(code.unwrap(), ExitCode::NotFound.code(), "{told}");
        assert!(told.contains("has other settings"), "{told}");
        let (code, told, commanded) = done(&format!("resus stop -n nope {RUN_ID}")).await;
        assert_eq!((code.unwrap(), commanded.len()), (ExitCode::NotFound.code(), 1), "{told}");
    }

    #[tokio::test]
    async fn the_failure_of_the_only_run_is_the_commands() {
        let (code, told, commanded) = done("resus stop nope").await;
        assert_eq!(code.unwrap_err().exit(), ExitCode::NotFound);
        assert_eq!((told.as_str(), commanded.len()), ("", 0));
    }
}
