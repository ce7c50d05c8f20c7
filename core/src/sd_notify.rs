//! One datagram of the sd_notify protocol: lines `KEY=VALUE`, as systemd's services send them.

use crate::pulse::line::{self, Line, LineError};
use crate::pulse::v2::{EVENT_BYTES_MAX, MESSAGE_BYTES_MAX};
use crate::text::one_line;

/// Longest datagram that is read, in bytes.
pub const DATAGRAM_BYTES_MAX: usize = EVENT_BYTES_MAX;

/// Something that a program told its supervisor.
#[derive(Debug, Clone, PartialEq)]
pub enum Notice {
    /// `READY=1`: started up; the status is running.
    Ready,
    /// `STATUS=…`: one line for people, telemetry. It says nothing of amounts, so it must not
    /// take the place of a progress that does.
    Message(String),
    /// `WATCHDOG=1`: a heartbeat.
    Alive,
    /// `X_PULSE={…}`: one line of PULSE.
    Event(Line),
    /// An `X_PULSE` that does not fit; the rest of the datagram counts all the same.
    Refused(LineError),
}

/// Why a datagram was refused as a whole.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DatagramError {
    /// Longer than any event.
    #[error("datagram of {bytes} bytes is longer than the {DATAGRAM_BYTES_MAX} it may have")]
    TooLong {
        /// Its length.
        bytes: usize,
    },
    /// Not text.
    #[error("datagram is not UTF-8 from byte {valid_up_to} on")]
    NotUtf8 {
        /// Length of the part before that is.
        valid_up_to: usize,
    },
}

/// Reads one datagram. What systemd knows and we have no use for (`STOPPING`, `MAINPID`,
/// `RELOADING`, `ERRNO`, …), what nobody knows, and lines without `=` are ignored.
///
/// # Errors
/// A [`DatagramError`] when it is too long or not UTF-8.
pub fn parse(bytes: &[u8]) -> Result<Vec<Notice>, DatagramError> {
    if bytes.len() > DATAGRAM_BYTES_MAX {
        return Err(DatagramError::TooLong { bytes: bytes.len() });
    }
    let text =
        str::from_utf8(bytes).map_err(|error| DatagramError::NotUtf8 { valid_up_to: error.valid_up_to() })?;
    Ok(text.split('\n').filter_map(notice).collect())
}

fn notice(assignment: &str) -> Option<Notice> {
    match assignment.split_once('=')? {
        ("READY", "1") => Some(Notice::Ready),
        ("WATCHDOG", "1") => Some(Notice::Alive),
        ("STATUS", message) => Some(Notice::Message(one_line(message, MESSAGE_BYTES_MAX))),
        ("X_PULSE", json) => Some(match line::parse(json.as_bytes()) {
            Ok(line) => Notice::Event(line),
            Err(error) => Notice::Refused(error),
        }),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pulse::line::{Said, Telemetry};
    use proptest::prelude::*;

    #[test]
    fn each_assignment_is_heard_in_its_order() {
        let datagram = concat!(
            "READY=1\nMAINPID=7\nSTATUS=epoch 2\u{1b}[2J of 3\nWATCHDOG=1\nSTOPPING=1\n\nnoise\nX_OTHER=1\n",
            r#"X_PULSE={"event_type":"heartbeat","payload":{"a":"=b"},"n":7}"#,
            "\nSTATUS=\n"
        );
        let heard = parse(datagram.as_bytes()).unwrap();
        let event = Line { n: Some(7), unix_ms: None, said: Said::Telemetry(Telemetry::Heartbeat) };
        assert_eq!(
            heard,
            [
                Notice::Ready,
                Notice::Message("epoch 2\\u{1b}[2J of 3".into()),
                Notice::Alive,
                Notice::Event(event),
                Notice::Message(String::new()),
            ]
        );
    }

    #[test]
    fn what_says_nothing_to_us_is_ignored() {
        for quiet in
            ["", "\n\n", "READY", "READY=0", "READY=", "WATCHDOG=trigger", "STOPPING=1", "ready=1", "=1"]
        {
            assert_eq!(parse(quiet.as_bytes()), Ok(vec![]), "{quiet}");
        }
    }

    #[test]
    fn a_bad_event_costs_only_itself() {
        let heard = parse(b"X_PULSE={\"event_type\":\"dance\"}\nREADY=1\nX_PULSE=").unwrap();
        assert!(
            matches!(
                &heard[..],
                [
                    Notice::Refused(LineError::UnknownType { .. }),
                    Notice::Ready,
                    Notice::Refused(LineError::Json { .. })
                ]
            ),
            "{heard:?}"
        );
    }

    #[test]
    fn what_is_no_text_or_too_long_is_refused() {
        assert_eq!(parse(b"READY=1\n\xff"), Err(DatagramError::NotUtf8 { valid_up_to: 8 }));
        assert!(parse(&vec![b'\n'; DATAGRAM_BYTES_MAX]).is_ok());
        let bytes = DATAGRAM_BYTES_MAX + 1;
        assert_eq!(parse(&vec![b'\n'; bytes]), Err(DatagramError::TooLong { bytes }));
    }

    proptest! {
        #[test]
        fn no_bytes_are_fatal_and_no_message_drives_a_terminal(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
            let text = [b"READY=1\nSTATUS=", &bytes[..]].concat();
            for datagram in [&bytes, &text] {
                for notice in parse(datagram).unwrap_or_default() {
                    if let Notice::Message(message) = notice {
                        prop_assert!(message.len() <= MESSAGE_BYTES_MAX);
                        prop_assert!(!message.contains(char::is_control));
                    }
                }
            }
        }
    }
}
