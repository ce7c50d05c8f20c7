//! How a daemon and its bus get on, as rows.

use crate::render::page::Page;
use crate::render::parts::{counted, local, said};
use crate::text::paint::Colour;
use resus_core::api::bus::{BusState, BusView};

/// Labels and values: the bus, what its server lacks, and every alarm.
pub(crate) fn rows(bus: &BusView, page: &Page) -> Vec<(&'static str, String)> {
    let mut rows = vec![("bus", told(bus, page))];
    rows.extend(bus.lacking.iter().map(|lacking| ("lacking", said(lacking))));
    rows.extend(bus.alarms.iter().map(|alarm| ("alarm", page.paint.on(Colour::Red, &said(alarm)))));
    rows
}

fn told(bus: &BusView, page: &Page) -> String {
    let url = said(&bus.url);
    let head = match bus.state {
        BusState::Local => return "local: events stay on this machine".to_owned(),
        BusState::Connected => {
            let version = bus.server_version.as_deref().unwrap_or("of an unknown version");
            let state = page.paint.on(Colour::Green, "connected");
            let head = format!("{state} to {url}, nats-server {}", said(version));
            return if bus.waiting == 0 { head } else { format!("{head}; {}", waiting(bus.waiting)) };
        }
        BusState::Starting => page.paint.on(Colour::Yellow, bus.state.as_str()),
        BusState::Away | BusState::Refused => page.paint.on(Colour::Red, bus.state.as_str()),
    };
    let since = local(&bus.since, page);
    let reason = bus.reason.as_deref().map_or_else(String::new, |reason| format!(": {}", said(reason)));
    format!("{head} ({url}) since {since}{reason}; {}", waiting(bus.waiting))
}

/// `1 event waits`, `2,040 events wait`.
pub(crate) fn waiting(count: u64) -> String {
    format!("{} {}", counted(count, "event"), if count == 1 { "waits" } else { "wait" })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::sample::page;

    fn bus(state: BusState) -> BusView {
        BusView {
            state,
            url: "nats://h:4222".to_owned(),
            since: "2026-11-22T04:13:46.123Z".to_owned(),
            ..BusView::default()
        }
    }

    fn text(bus: &BusView) -> Vec<String> {
        rows(bus, &page(80)).into_iter().map(|(label, value)| format!("{label}: {value}")).collect()
    }

    #[test]
    fn a_bus_within_the_process_is_one_short_row() {
        assert_eq!(text(&BusView::default()), ["bus: local: events stay on this machine"]);
    }

    #[test]
    fn a_server_has_its_version_and_what_it_lacks() {
        let version = Some("2.9.10".to_owned());
        let mut connected = BusView { server_version: version, ..bus(BusState::Connected) };
        assert_eq!(text(&connected), ["bus: connected to nats://h:4222, nats-server 2.9.10"]);
        connected.waiting = 1;
        connected.lacking = vec!["no JetStream".to_owned(), "no states".to_owned()];
        let expected = [
            "bus: connected to nats://h:4222, nats-server 2.9.10; 1 event waits",
            "lacking: no JetStream",
            "lacking: no states",
        ];
        assert_eq!(text(&connected), expected);
    }

    #[test]
    fn a_bus_that_does_not_work_says_why_since_when_what_waits_and_every_alarm() {
        let mut refused = bus(BusState::Refused);
        refused.reason = Some("the server\nrefuses us".to_owned());
        refused.waiting = 2040;
        refused.alarms = vec!["BUS_UNAVAILABLE: refused".to_owned(), "BUS_BACKLOG: many".to_owned()];
        let lines = text(&refused);
        assert!(lines[0].starts_with("bus: refused (nats://h:4222) since 2026-11-22 04:13:46: the server"));
        assert!(lines[0].ends_with("; 2,040 events wait") && !lines[0].contains('\n'), "{lines:?}");
        assert_eq!(lines[1..], ["alarm: BUS_UNAVAILABLE: refused", "alarm: BUS_BACKLOG: many"]);
        let starting = text(&bus(BusState::Starting));
        assert_eq!(starting, ["bus: starting (nats://h:4222) since 2026-11-22 04:13:46; 0 events wait"]);
    }
}
