//! The newest events of the ledger, as they were published within the process: whoever is there
//! need not read them from the disk.

use crate::outgoing::Outgoing;
use std::collections::VecDeque;

/// Rows kept: some milliseconds of a busy ledger. Whoever is further behind reads the ledger.
const ROWS_MAX: usize = 64;

/// A row, and the position of the one before it.
struct Row {
    after: u64,
    pos: u64,
    event: Option<Outgoing>,
}

/// The newest rows, without a gap between them.
#[derive(Default)]
pub(crate) struct Recent(VecDeque<Row>);

impl Recent {
    /// The next row; `None` for one that is not published.
    pub(crate) fn offer(&mut self, after: u64, pos: u64, event: Option<Outgoing>) {
        if self.0.back().is_some_and(|newest| newest.pos != after) {
            self.0.clear();
        }
        if self.0.len() >= ROWS_MAX {
            self.0.pop_front();
        }
        self.0.push_back(Row { after, pos, event });
    }

    /// The events behind `after`, and the position of the last row.
    pub(crate) fn take(&mut self, after: u64) -> Option<(Vec<(u64, Outgoing)>, u64)> {
        let from = self.0.iter().position(|row| row.after == after)?;
        let rows = self.0.drain(..).skip(from);
        let mut last = after;
        let mut events = Vec::new();
        for row in rows {
            last = row.pos;
            events.extend(row.event.map(|event| (row.pos, event)));
        }
        Some((events, last))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use resus_bus::transport::Message;
    use resus_core::ids::{Attempt, RunId};

    fn event(seq: u64) -> Outgoing {
        Outgoing {
            run_id: RunId::new("r").unwrap(),
            attempt: Attempt(1),
            seq,
            event_id: "r.1.1".into(),
            message: Message { subject: "s".into(), id: None, body: "".into() },
        }
    }

    fn positions(taken: Option<(Vec<(u64, Outgoing)>, u64)>) -> Option<(Vec<u64>, u64)> {
        taken.map(|(events, last)| (events.into_iter().map(|(pos, _)| pos).collect(), last))
    }

    #[test]
    fn only_what_follows_without_a_gap_is_handed_out() {
        let mut recent = Recent::default();
        for pos in 5..9 {
            recent.offer(pos - 1, pos, (pos != 7).then(|| event(pos)));
        }
        assert_eq!(positions(recent.take(2)), None, "somewhere behind");
        assert_eq!(positions(recent.take(5)), Some((vec![6, 8], 8)));
        assert_eq!(positions(recent.take(8)), None);
        recent.offer(8, 9, Some(event(9)));
        recent.offer(12, 13, Some(event(13)));
        assert_eq!(positions(recent.take(8)), None, "there is a gap");
        recent.offer(12, 13, Some(event(13)));
        assert_eq!(positions(recent.take(12)), Some((vec![13], 13)));
        for pos in 1..=1_000 {
            recent.offer(pos - 1, pos, Some(event(pos)));
        }
        assert_eq!(recent.0.len(), ROWS_MAX);
    }
}
