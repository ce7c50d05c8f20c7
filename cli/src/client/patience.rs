//! Waiting for an answer that may take long, without waiting for a daemon that hangs.

use crate::client::ClientError;
use std::time::Duration;
use tokio::time::{sleep, timeout};

/// After this an answer counts as slow, and the daemon is asked for a sign of life beside it.
const SIGN_FIRST: Duration = Duration::from_millis(400);
/// Longest time between two signs: a reader who waits for news asks often enough by that.
const SIGN_MAX: Duration = Duration::from_secs(8);

/// Waits for `answer` up to `within`, as long as the daemon shows that it lives: while the answer
/// is not there, `sign` asks it for something that it says at once.
///
/// So nobody waits for a daemon that hangs longer than [`SIGN_FIRST`] and the sign's own deadline if it
/// hangs from the beginning.
///
/// # Errors
/// The answer's own; `silent()` when the time is over; what `sign` says if it is no answer either.
pub(super) async fn patiently<T, F>(
    within: Duration,
    answer: impl Future<Output = Result<T, ClientError>>,
    sign: impl Fn() -> F,
    silent: impl FnOnce() -> ClientError,
) -> Result<T, ClientError>
where
    F: Future<Output = Result<(), ClientError>>,
{
    let hangs = async {
        let mut pause = SIGN_FIRST;
        loop {
            sleep(pause).await;
            // Any other trouble is met by the answer's own way too.
            if let Err(error) = sign().await
                && error.is_silence()
            {
                return error;
            }
            pause = (pause * 2).min(SIGN_MAX);
        }
    };
    tokio::select! {
        biased;
        answer = timeout(within, answer) => answer.unwrap_or_else(|_| Err(silent())),
        hung = hangs => Err(hung),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;
    use std::future::pending;
    use tokio::time::Instant;

    fn silence(waited: Duration) -> ClientError {
        ClientError::Silent { pid: None, waited }
    }

    async fn answered_after(time: Duration) -> Result<u8, ClientError> {
        sleep(time).await;
        Ok(1)
    }

    #[tokio::test(start_paused = true)]
    async fn a_daemon_that_hangs_is_not_waited_for_and_one_that_lives_is() {
        let (second, minute) = (Duration::from_secs(1), Duration::from_secs(60));
        let is_over = || silence(minute);
        let hung = || async {
            sleep(2 * second).await;
            Err(silence(2 * second))
        };
        let begun = Instant::now();
        let answer = patiently(minute, pending::<Result<u8, _>>(), hung, is_over).await;
        assert!(matches!(answer, Err(ClientError::Silent { waited, .. }) if waited == 2 * second));
        assert!(begun.elapsed() < 3 * second, "{:?}", begun.elapsed());

        let signs = Cell::new(0);
        let lives = || async {
            signs.set(signs.get() + 1);
            Ok(())
        };
        assert_eq!(patiently(minute, answered_after(50 * second), lives, is_over).await.unwrap(), 1);
        assert!((5..20).contains(&signs.get()), "{} signs", signs.get());
        assert_eq!(patiently(minute, answered_after(second / 10), hung, is_over).await.unwrap(), 1);
        let answer = patiently(minute, pending::<Result<u8, _>>(), lives, is_over).await;
        assert!(matches!(answer, Err(ClientError::Silent { waited, .. }) if waited == minute));
    }
}
