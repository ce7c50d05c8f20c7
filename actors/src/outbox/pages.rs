//! The ledger, page by page, read and made into messages beside the sending.

use crate::outgoing::{Outgoing, outgoing};
use resus_core::ids::Slug;
use resus_store::Reader;
use std::path::PathBuf;
use tokio::task::JoinHandle;

/// Rows in a page: enough that waiting for the last acknowledgement of a batch costs little, few
/// enough that a page is about half a MiB.
pub(crate) const PAGE_ROWS: u32 = 1_000;

/// A page of the ledger.
pub(crate) struct Page {
    /// Events to publish, each with its position. Rows that don't verify are left out.
    pub(crate) events: Vec<(u64, Outgoing)>,
    /// Position of its last row.
    pub(crate) last_pos: u64,
    /// There may be more behind it.
    pub(crate) is_full: bool,
}

type Reading = JoinHandle<(Option<Reader>, Result<Page, String>)>;

/// Reads pages, one ahead.
pub(crate) struct Pages {
    path: PathBuf,
    namespace: Slug,
    reader: Option<Reader>,
    ahead: Option<(u64, Reading)>,
}

impl Pages {
    pub(crate) fn new(path: PathBuf, namespace: Slug) -> Self {
        Self { path, namespace, reader: None, ahead: None }
    }

    /// The page behind `pos`. The one behind it is read meanwhile, if there is one.
    ///
    /// # Errors
    /// The ledger can't be read, in words.
    pub(crate) async fn after(&mut self, pos: u64) -> Result<Page, String> {
        let reading = match self.ahead.take() {
            Some((from, reading)) if from == pos => reading,
            Some((_, other)) => {
                // Its reader is needed back.
                if let Ok((reader, _)) = other.await {
                    self.reader = reader;
                }
                self.read(pos)
            }
            None => self.read(pos),
        };
        let (reader, page) = reading.await.map_err(|error| error.to_string())?;
        self.reader = reader;
        let page = page?;
        if page.is_full {
            self.ahead = Some((page.last_pos, self.read(page.last_pos)));
        }
        Ok(page)
    }

    fn read(&mut self, pos: u64) -> Reading {
        let (reader, path, namespace) = (self.reader.take(), self.path.clone(), self.namespace.clone());
        tokio::task::spawn_blocking(move || {
            let reader = match reader.map_or_else(|| Reader::open(&path), Ok) {
                Ok(reader) => reader,
                Err(error) => return (None, Err(error.to_string())),
            };
            let page = page(&reader, pos, &namespace);
            (Some(reader), page)
        })
    }
}

fn page(reader: &Reader, pos: u64, namespace: &Slug) -> Result<Page, String> {
    let entries = reader.since(pos, PAGE_ROWS).map_err(|error| error.to_string())?;
    let is_full = entries.len() >= PAGE_ROWS as usize;
    let last_pos = entries.last().map_or(pos, |entry| entry.pos);
    let events = entries.into_iter().filter_map(|entry| {
        // A row that does not verify is not a fact and is never published.
        let row = entry.content.ok()?;
        Some((entry.pos, outgoing(namespace, &row)?))
    });
    Ok(Page { events: events.collect(), last_pos, is_full })
}
