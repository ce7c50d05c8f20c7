//! The bus on which nobody listens: it takes everything, and that is all there is to see.

use crate::suite::Bench;
use resus_bus::null::Null;

pub struct Hearing;

impl Bench for Hearing {
    type Bus = Null;

    async fn bus(&self) -> Null {
        Null
    }

    async fn heard(&self, _subject: &str, _count: usize) -> Option<Vec<String>> {
        None
    }
}
