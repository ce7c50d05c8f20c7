//! Looks at the machine that may never come back: each has a thread of its own and a deadline for
//! all of them, so that a file system or a driver that hangs is told and not waited for.

use crate::doctor::Check;
use std::thread;
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout_at};

/// Longest time for anything that is looked at.
pub(crate) const DEADLINE: Duration = Duration::from_secs(3);

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NoAnswer {
    /// It takes longer than [`DEADLINE`].
    #[error("no answer within {} s", DEADLINE.as_secs())]
    Late,
    /// It ended without one.
    #[error("the look at it failed (a bug in Resus)")]
    Lost,
    /// There is no thread for it.
    #[error("no thread can be started to look at it: {0}")]
    NoThread(String),
}

/// A look that has begun.
#[derive(Debug)]
pub(crate) struct Look<T> {
    answer: Result<oneshot::Receiver<T>, NoAnswer>,
    deadline: Instant,
}

impl<T: Send + 'static> Look<T> {
    /// Begins `work`. The thread is left behind if it hangs: it ends with the process.
    pub(crate) fn begin(work: impl FnOnce() -> T + Send + 'static) -> Self {
        let (sender, receiver) = oneshot::channel();
        // Nobody listens any more once the deadline has passed.
        let started = thread::Builder::new().spawn(move || drop(sender.send(work())));
        let answer = started.map(|_| receiver).map_err(|error| NoAnswer::NoThread(error.to_string()));
        Self { answer, deadline: Instant::now() + DEADLINE }
    }

    /// What came of it.
    ///
    /// # Errors
    /// [`NoAnswer`].
    pub(crate) async fn end(self) -> Result<T, NoAnswer> {
        match timeout_at(self.deadline, self.answer?).await {
            Ok(answer) => answer.map_err(|_| NoAnswer::Lost),
            Err(_) => Err(NoAnswer::Late),
        }
    }
}

/// A thing to be looked at, and what it means if that takes too long.
#[derive(Debug)]
pub(crate) struct Probe {
    what: &'static str,
    look: Look<Vec<Check>>,
    late: Late,
}

/// What it means that there is no answer about something.
pub(crate) type Late = fn(&'static str, &NoAnswer) -> Check;

impl Probe {
    /// Begins to look at `what`; `late` judges that there is no answer.
    pub(crate) fn begin(
        what: &'static str,
        late: Late,
        work: impl FnOnce() -> Vec<Check> + Send + 'static,
    ) -> Self {
        Self { what, look: Look::begin(work), late }
    }
}

/// What came of all probes, in their order.
pub(crate) async fn all(probes: Vec<Probe>) -> Vec<Check> {
    let mut checks = Vec::new();
    for Probe { what, look, late } in probes {
        match look.end().await {
            Ok(found) => checks.extend(found),
            Err(why) => checks.push(late(what, &why)),
        }
    }
    checks
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    fn late(what: &'static str, why: &NoAnswer) -> Check {
        Check::warning(what, why.to_string(), "wait")
    }

    #[tokio::test]
    async fn what_hangs_is_told_and_the_rest_is_seen() {
        let (_never, hangs) = mpsc::channel::<()>();
        let probes = vec![
            Probe::begin("x", late, move || {
                let _nothing = hangs.recv();
                Vec::new()
            }),
            Probe::begin("x", late, || vec![Check::good("quick", "fine")]),
            Probe::begin("x", late, || panic!("as planned")),
        ];
        let said: Vec<_> = all(probes).await.into_iter().map(|check| check.said).collect();
        assert_eq!(said[0], "no answer within 3 s");
        assert!(said.contains(&"the look at it failed (a bug in Resus)".to_owned()), "{said:?}");
        assert_eq!(said.len(), 3);
    }
}
