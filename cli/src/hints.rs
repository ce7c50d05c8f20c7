//! Hints that can be typed as they are: a daemon's say RUN where the run is to be named.

use crate::client::ClientError;
use crate::command::Around;
use crate::daemon::start::ask;
use crate::error::CliError;
use crate::render::parts::short;

/// What stands for the run.
const PLACE: &str = "RUN";

/// `error`, met by a command for the run that `selector` names, with that run's id in its hint.
pub(crate) async fn naming(error: CliError, selector: &str, around: &Around) -> CliError {
    let CliError::Client(ClientError::Refused(mut problem)) = error else { return error };
    if let Some(hint) = problem.hint.as_mut().filter(|hint| hint.contains(PLACE)) {
        let found = ask(&around.target, |client| async move { client.run(selector).await }).await;
        // A run that is gone meanwhile is still called as it was typed.
        let run = found.map_or_else(|_| selector.to_owned(), |(view, _)| short(&view.run_id).to_owned());
        *hint = filled(hint, &run);
    }
    CliError::Client(ClientError::Refused(problem))
}

fn filled(hint: &str, run: &str) -> String {
    let word = |word: &str| match word.strip_prefix(PLACE) {
        Some(rest) if !rest.starts_with(char::is_alphanumeric) => format!("{run}{rest}"),
        Some(_) | None => word.to_owned(),
    };
    hint.split(' ').map(word).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fake_daemon::FakeDaemon;
    use crate::render::sample::RUN_ID;
    use resus_core::api::Problem;
    use resus_core::exit::ExitCode;

    #[test]
    fn the_run_stands_where_it_is_to_be_named() {
        assert_eq!(
            filled("list them with: resus checkpoints RUN", "8c1d9e77"),
            "list them with: resus checkpoints 8c1d9e77"
        );
        assert_eq!(filled("resus stop RUN, resus kill RUN", "a"), "resus stop a, resus kill a");
        assert_eq!(filled("RUNS", "a"), "RUNS");
    }

    #[tokio::test]
    async fn a_run_is_called_by_its_id_whatever_was_typed() {
        let daemon = FakeDaemon::start();
        let around = Around::of_test(&daemon.state);
        let problem = Problem {
            kind: "urn:resus:not-found".into(),
            title: "No such checkpoint".into(),
            status: 404,
            detail: String::new(),
            hint: Some("list them with: resus checkpoints RUN".into()),
            exit_code: ExitCode::NotFound,
        };
        for (selector, run) in [("@latest", short(RUN_ID)), ("gone", "gone")] {
            let error = CliError::Client(ClientError::Refused(Box::new(problem.clone())));
            let told = naming(error, selector, &around).await.told();
            assert_eq!(
                told.next.as_deref(),
                Some(format!("list them with: resus checkpoints {run}").as_str())
            );
        }
    }
}
