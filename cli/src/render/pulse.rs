//! Telemetry in one line each.

use crate::render::page::Page;
use crate::render::parts::{count, local, percent, said, short};
use crate::text::duration::show_s;
use crate::text::number;
use crate::text::paint::Colour;
use resus_core::view::ProgressView;
use serde_json::Value;

/// Metrics shown of one event.
const METRICS_SHOWN: usize = 6;

/// `04:13:46  8c1d9e77  ` of an envelope: when, and which run.
pub(crate) fn place(event: &Value, page: &Page) -> String {
    let text = |name: &str| event.get(name).and_then(Value::as_str).unwrap_or_default();
    let time = local(text("timestamp"), page);
    let of_day = time.split_once(' ').map_or(time.as_str(), |(_, of_day)| of_day);
    format!("{}  {}  ", page.paint.on(Colour::Dim, of_day), said(short(text("training_id"))))
}

/// What an event of class B says, in short; `None` if it is of a kind that this build does not know.
pub(crate) fn telemetry(event: &Value) -> Option<String> {
    let payload = event.get("payload")?;
    match event.get("event_type")?.as_str()? {
        "progress" => Some(format!("· {}", progress(payload))),
        "metric" => Some(format!("· {}", metrics(payload))),
        "heartbeat" => Some(format!("♥ {}", heartbeat(payload))),
        _ => None,
    }
}

fn progress(payload: &Value) -> String {
    let number = |names: &[&str]| names.iter().find_map(|name| payload.get(*name).and_then(Value::as_f64));
    let text = |name: &str| payload.get(name).and_then(Value::as_str).map(said);
    let view = ProgressView {
        unit: text("unit").unwrap_or_default(),
        done: number(&["done", "step", "epoch"]),
        total: number(&["total", "total_steps", "total_epochs"]),
        ..ProgressView::default()
    };
    let loss = number(&["loss"]).map(|loss| format!("loss {}", number::value(loss)));
    let parts = [count(&view), percent(&view), text("stage"), text("current_target"), loss, text("message")];
    parts.into_iter().flatten().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("  ")
}

fn metrics(payload: &Value) -> String {
    let Some(metrics) = payload.get("metrics").and_then(Value::as_object) else { return String::new() };
    let told = |(name, value): (&String, &Value)| {
        let value = value.as_f64().map_or_else(|| "not finite".to_owned(), number::value);
        format!("{} {value}", said(name))
    };
    let mut parts: Vec<_> = metrics.iter().take(METRICS_SHOWN).map(told).collect();
    if metrics.len() > METRICS_SHOWN {
        parts.push(format!("and {} more", metrics.len() - METRICS_SHOWN));
    }
    parts.join("  ")
}

fn heartbeat(payload: &Value) -> String {
    let health = payload.get("health").and_then(Value::as_str).map(said);
    let age = payload.get("progress_age_s").and_then(Value::as_f64);
    let age = age.map(|age| format!("last progress {} ago", show_s(age)));
    let parts: Vec<_> = [health, age].into_iter().flatten().collect();
    if parts.is_empty() { "alive".to_owned() } else { parts.join(", ") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::sample::page;
    use serde_json::json;

    fn told(kind: &str, payload: Value) -> Option<String> {
        telemetry(&json!({"event_type": kind, "payload": payload}))
    }

    #[test]
    fn telemetry_is_compact() {
        let progress =
            json!({"unit": "game", "done": 12400.0, "total": 20000.0, "loss": 0.127, "stage": "self-play"});
        assert_eq!(told("progress", progress).unwrap(), "· 12,400/20,000 games  62%  self-play  loss 0.127");
        let step = json!({"unit": "step", "step": 7, "message": "saving\u{1b}"});
        assert_eq!(told("progress", step).unwrap(), "· 7 steps  saving\\u{1b}");
        let metrics = json!({"metrics": {"loss": 0.127, "grad_norm": null}});
        assert_eq!(told("metric", metrics).unwrap(), "· grad_norm not finite  loss 0.127");
        let many: Value =
            (0..9).map(|n| (format!("m{n}"), json!(1.0))).collect::<serde_json::Map<_, _>>().into();
        assert!(told("metric", json!({"metrics": many})).unwrap().ends_with("and 3 more"));
        assert_eq!(told("heartbeat", json!({"alive_at": "x"})).unwrap(), "♥ alive");
        let silent = json!({"health": "stale", "progress_age_s": 912.0});
        assert_eq!(told("heartbeat", silent).unwrap(), "♥ stale, last progress 15m12s ago");
    }

    #[test]
    fn odd_events_are_no_lines() {
        for odd in [json!(null), json!({}), json!({"event_type": "newer", "payload": {}})] {
            assert_eq!(telemetry(&odd), None, "{odd}");
        }
        assert_eq!(told("progress", json!(7)).unwrap(), "· ");
    }

    #[test]
    fn an_event_is_placed_by_time_and_run() {
        let event = json!({"timestamp": "2026-11-22T04:13:46.123Z", "training_id": "0193-8c1d9e77"});
        assert_eq!(place(&event, &page(80)), "04:13:46  8c1d9e77  ");
    }
}
