//! What of the ledger a server's stream has, and from where to go on.
//!
//! The ledger is the record; a stream is a copy of it for others. The daemon remembers a
//! [`Mark`]: the newest event that the server has acknowledged. Whenever it comes back to a
//! stream it compares the two, since in the meantime the stream may have been deleted, purged or
//! set back to an older state, and acknowledgements may have been lost on the way.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The newest event that a stream has acknowledged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark {
    /// The server's addresses.
    pub link: String,
    /// When the stream was created, as its server says: two streams of one name differ in it.
    /// Empty if the server keeps nothing.
    pub stream_created: String,
    /// Position of the event in the ledger.
    pub pos: u64,
    /// Its sequence number in the stream; 0 = none of ours is in it.
    pub stream_seq: u64,
    /// Its identity.
    pub event_id: String,
    /// The oldest message that the stream had when it was looked at last.
    pub oldest: Oldest,
}

/// The oldest message of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Oldest {
    /// Its sequence number, or that of the next message if the stream is empty.
    pub stream_seq: u64,
    /// When the stream took it in, Unix ms; of an empty stream when it was looked at.
    pub unix_ms: u64,
}

/// A stream as its server describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamFacts {
    /// When it was created.
    pub created: String,
    /// The oldest message in it.
    pub oldest: Oldest,
    /// Sequence number of the newest message that was ever in it.
    pub last_seq: u64,
    /// Size of its messages in bytes.
    pub bytes: u64,
    /// The size at which it drops its oldest messages; 0 = none.
    pub max_bytes: u64,
    /// The age at which it drops messages, in milliseconds; 0 = none.
    pub max_age_ms: u64,
    /// It may drop messages for other reasons: somebody has set limits on their number.
    pub has_other_limits: bool,
    /// Identity of the message at the mark's sequence number, if there is one.
    pub at_mark: Option<String>,
}

/// How a stream has lost events that it had acknowledged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Loss {
    /// It was deleted, and this is another one of the same name.
    Recreated,
    /// It ends before events that it had acknowledged, or has others in their place.
    RolledBack,
    /// Its messages were removed, though neither their age nor its size asked for it.
    Purged,
}

impl Loss {
    /// For people.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Recreated => "the stream was deleted",
            Self::RolledBack => "the stream lacks events that it had acknowledged",
            Self::Purged => "the stream was purged",
        }
    }
}

/// From where to go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Behind the mark, but for the events that the stream has already behind `stream_seq`: their
    /// acknowledgements were lost.
    GoOn {
        /// Ledger position of the mark.
        pos: u64,
        /// Sequence number of the mark in the stream.
        stream_seq: u64,
    },
    /// From the beginning of the ledger, but for the events that the stream has.
    Anew {
        /// What has become of the events that it had, if that is what happened.
        loss: Option<Loss>,
    },
}

/// How far the server's clock and ours may be apart, in milliseconds.
const CLOCK_SLACK_MS: u64 = 600_000;
/// A stream that is fuller than this share of its size may drop messages for want of room, in
/// percent: servers count their own overhead differently from one version to the next.
const FULL_PERCENT: u64 = 90;

/// Compares the mark with the stream at `link`.
#[must_use]
pub fn judge(mark: Option<&Mark>, link: &str, stream: &StreamFacts, now_unix_ms: u64) -> Verdict {
    // One without a stream is of a time when the server kept nothing. The same stream may have got
    // another address.
    let of_stream = |mark: &&Mark| {
        let is_known = mark.link == link || mark.stream_created == stream.created;
        is_known && !mark.stream_created.is_empty()
    };
    let Some(mark) = mark.filter(of_stream) else { return Verdict::Anew { loss: None } };
    let anew = |loss| Verdict::Anew { loss: Some(loss) };
    if mark.stream_created != stream.created {
        return anew(Loss::Recreated);
    }
    if stream.last_seq < mark.stream_seq {
        return anew(Loss::RolledBack);
    }
    if stream.at_mark.as_ref().is_some_and(|id| *id != mark.event_id) {
        return anew(Loss::RolledBack);
    }
    if stream.oldest.stream_seq > mark.oldest.stream_seq && !may_have_dropped(mark, stream, now_unix_ms) {
        return anew(Loss::Purged);
    }
    Verdict::GoOn { pos: mark.pos, stream_seq: mark.stream_seq }
}

fn may_have_dropped(mark: &Mark, stream: &StreamFacts, now_unix_ms: u64) -> bool {
    let age_ms = now_unix_ms.saturating_sub(mark.oldest.unix_ms);
    // The server drops by its own clock.
    let slack_ms = CLOCK_SLACK_MS.max(stream.max_age_ms / 100);
    let old = stream.max_age_ms > 0 && age_ms.saturating_add(slack_ms) >= stream.max_age_ms;
    let full = stream.max_bytes > 0 && stream.bytes >= (stream.max_bytes / 100).saturating_mul(FULL_PERCENT);
    old || full || stream.has_other_limits
}

/// Events that a stream has, by identity. Sequence numbers of a run are contiguous, so its memory
/// is some ranges per run, however many events there are.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Present {
    /// Run → ranges of sequence numbers (first, last), apart and in order.
    runs: BTreeMap<String, BTreeMap<u64, u64>>,
}

impl Present {
    /// Adds an event. What is no identity of an event is left out: nobody asks for it.
    pub fn insert(&mut self, event_id: &str) {
        let Some((run, seq)) = parts(event_id) else { return };
        let ranges = self.runs.entry(run.to_owned()).or_default();
        let (mut first, mut last) = (seq, seq);
        if let Some((&from, &to)) = ranges.range(..=seq).next_back() {
            if to >= seq {
                return;
            }
            if to.saturating_add(1) == seq {
                first = from;
            }
        }
        if let Some(&to) = seq.checked_add(1).and_then(|next| ranges.get(&next)) {
            ranges.remove(&(seq + 1));
            last = to;
        }
        ranges.insert(first, last);
    }

    /// Whether it has an event.
    #[must_use]
    pub fn contains(&self, event_id: &str) -> bool {
        let Some((run, seq)) = parts(event_id) else { return false };
        let range = self.runs.get(run).and_then(|ranges| ranges.range(..=seq).next_back());
        range.is_some_and(|(_, last)| *last >= seq)
    }

    /// Whether it has nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.runs.is_empty()
    }
}

/// Run and sequence number of `<training_id>.<attempt>.<seq>`.
fn parts(event_id: &str) -> Option<(&str, u64)> {
    let (rest, seq) = event_id.rsplit_once('.')?;
    let (run, _attempt) = rest.rsplit_once('.')?;
    Some((run, seq.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    fn mark() -> Mark {
        Mark {
            link: "l".into(),
            stream_created: "c".into(),
            pos: 70,
            stream_seq: 50,
            event_id: "r.1.7".into(),
            oldest: Oldest { stream_seq: 11, unix_ms: 1_000 },
        }
    }

    fn stream() -> StreamFacts {
        StreamFacts {
            created: "c".into(),
            oldest: Oldest { stream_seq: 11, unix_ms: 1_000 },
            last_seq: 60,
            bytes: 100,
            max_bytes: 1_000,
            max_age_ms: 50_000_000,
            has_other_limits: false,
            at_mark: Some("r.1.7".into()),
        }
    }

    #[test]
    fn every_way_to_lose_events_is_told_apart_from_what_streams_do_by_themselves() {
        let go_on = Verdict::GoOn { pos: 70, stream_seq: 50 };
        let lost = |loss| Verdict::Anew { loss: Some(loss) };
        let facts = |change: fn(&mut StreamFacts)| {
            let mut stream = stream();
            change(&mut stream);
            stream
        };
        let empty = |stream: &mut StreamFacts| {
            (stream.oldest.stream_seq, stream.bytes, stream.at_mark) = (61, 0, None);
        };
        for (what, stream, now, verdict) in [
            ("untouched", stream(), 2_000, go_on),
            ("one message deleted", facts(|s| s.at_mark = None), 2_000, go_on),
            ("another stream", facts(|s| s.created = "d".into()), 2_000, lost(Loss::Recreated)),
            ("ends before", facts(|s| (s.last_seq, s.at_mark) = (49, None)), 2_000, lost(Loss::RolledBack)),
            ("another event", facts(|s| s.at_mark = Some("r.1.8".into())), 2_000, lost(Loss::RolledBack)),
            ("purged", facts(empty), 2_000, lost(Loss::Purged)),
            ("aged out", facts(empty), 50_001_000, go_on),
            ("aged out by a clock that is ahead of ours", facts(empty), 49_500_000, go_on),
            ("purged, and used since", facts(|s| s.oldest.stream_seq = 45), 2_000, lost(Loss::Purged)),
            ("full", facts(|s| (s.oldest.stream_seq, s.bytes) = (45, 950)), 2_000, go_on),
            ("other limits", facts(|s| (s.oldest.stream_seq, s.has_other_limits) = (45, true)), 2_000, go_on),
        ] {
            assert_eq!(judge(Some(&mark()), "l", &stream, now), verdict, "{what}");
        }
        let first = Verdict::Anew { loss: None };
        assert_eq!(judge(None, "l", &stream(), 0), first);
        let elsewhere = StreamFacts { created: "d".into(), ..stream() };
        assert_eq!(judge(Some(&mark()), "another server", &elsewhere, 0), first);
        assert_eq!(judge(Some(&mark()), "another address of it", &stream(), 0), go_on);
        let unkept = Mark { stream_created: String::new(), ..mark() };
        assert_eq!(judge(Some(&unkept), "l", &stream(), 0), first);
        let begun = Mark { pos: 0, stream_seq: 0, event_id: String::new(), ..mark() };
        let scan = Verdict::GoOn { pos: 0, stream_seq: 0 };
        assert_eq!(judge(Some(&begun), "l", &StreamFacts { at_mark: None, ..stream() }, 0), scan);
    }

    proptest! {
        #[test]
        fn ranges_hold_what_a_set_would(inserted in prop::collection::vec((0..3_u8, 0..40_u64), 0..200)) {
            let (mut present, mut set) = (Present::default(), BTreeSet::new());
            for (run, seq) in inserted {
                present.insert(&format!("r{run}.1.{seq}"));
                set.insert((run, seq));
            }
            for run in 0..3 {
                for seq in 0..42 {
                    prop_assert_eq!(present.contains(&format!("r{run}.9.{seq}")), set.contains(&(run, seq)));
                }
                let runs = (0..41).filter(|seq| set.contains(&(run, *seq)) && !set.contains(&(run, seq + 1)));
                let ranges = present.runs.get(&format!("r{run}")).map_or(0, BTreeMap::len);
                prop_assert_eq!(ranges, runs.count(), "one range per gapless piece");
            }
        }
    }

    #[test]
    fn what_is_no_identity_is_neither_there_nor_an_error() {
        let mut present = Present::default();
        for odd in ["", "x", "a.b", "a.1.x", "a.1.-1", &format!("a.1.{}9", u64::MAX)] {
            present.insert(odd);
            assert!(!present.contains(odd) && present.is_empty(), "{odd}");
        }
        present.insert(&format!("a.1.{}", u64::MAX));
        assert!(present.contains(&format!("a.1.{}", u64::MAX)));
    }
}
