//! The bus within the process, heard by one of its subscribers.

use crate::suite::Bench;
use resus_bus::local::Local;
use resus_bus::transport::Message;
use std::sync::Mutex;
use tokio::sync::broadcast::Receiver;

pub struct Hearing {
    bus: Local,
    subscriber: Mutex<Receiver<Message>>,
    heard: Mutex<Vec<String>>,
}

impl Default for Hearing {
    fn default() -> Self {
        let bus = Local::default();
        Self { subscriber: Mutex::new(bus.subscribe()), heard: Mutex::default(), bus }
    }
}

impl Bench for Hearing {
    type Bus = Local;

    async fn bus(&self) -> Local {
        self.bus.clone()
    }

    async fn heard(&self, _subject: &str, _count: usize) -> Option<Vec<String>> {
        let mut heard = self.heard.lock().unwrap();
        // Whoever subscribed has been handed everything when a publication returns.
        while let Ok(message) = self.subscriber.lock().unwrap().try_recv() {
            heard.push(message.body.to_string());
        }
        Some(heard.clone())
    }
}
