//! A bus without a server.

use super::FakeDesk;
use bytes::Bytes;
use resus_bus::control::{Endpoints, Reply};
use resus_bus::nats::RequestError;
use resus_panel::{Control, Grounds};
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use tokio::sync::watch;

/// What a message of the fake bus holds: little, so that lists come in pages.
const MESSAGE_BYTES: usize = 4096;

/// A bus for the tests of clients: the real service over the same desk, without a server.
pub(crate) struct FakeBus {
    pub desk: FakeDesk,
    control: Control<FakeDesk>,
    /// Nobody answers any more.
    pub gone: Arc<AtomicBool>,
    /// What befalls the next answers on their way, the last one first.
    pub losses: Arc<Mutex<Vec<RequestError>>>,
}

impl FakeBus {
    pub(crate) fn new(desk: FakeDesk) -> Self {
        let grounds = Grounds { allow_commands: false, cwd: "/".into(), env: Vec::new() };
        let control = Control::new(desk.clone(), watch::channel(false).1, grounds);
        Self { desk, control, gone: Arc::default(), losses: Arc::default() }
    }

    /// The body of the answer, and what describes it if it is output.
    pub(crate) async fn request(
        &self,
        verb: &str,
        question: Bytes,
    ) -> Result<(Bytes, Option<String>), RequestError> {
        if self.gone.load(Ordering::Relaxed) {
            return Err(RequestError::Nobody { subject: verb.to_owned() });
        }
        let Reply { body, mut headers, error } = self.control.answer(verb, question, MESSAGE_BYTES).await;
        if let Some(loss) = self.losses.lock().unwrap().pop() {
            return Err(loss);
        }
        match error {
            None => Ok((body, headers.pop().map(|(_, value)| value))),
            Some((code, words)) => Err(RequestError::Service { code, words, body }),
        }
    }
}

impl fmt::Debug for FakeBus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FakeBus")
    }
}
