//! Goals: the most that a figure should be.

use serde_json::{Map, Value, json};

/// Adds to a result what its figures should be at most (`goal`), whether all are (`met`), and
/// those that are not (`missed`). A figure that is not there misses its goal.
pub fn judge(result: &mut Map<String, Value>, goals: &[(&str, f64)]) {
    let at_most: Map<String, Value> =
        goals.iter().map(|(name, most)| ((*name).to_owned(), json!(most))).collect();
    let is_missed = |name: &str, most: f64| {
        result.get(name).and_then(Value::as_f64).is_none_or(|figure| figure.is_nan() || figure > most)
    };
    let missed: Vec<&str> =
        goals.iter().filter(|(name, most)| is_missed(name, *most)).map(|(name, _)| *name).collect();
    let (met, missed) = (missed.is_empty(), json!(missed));
    result.insert("goal".to_owned(), Value::Object(at_most));
    result.insert("met".to_owned(), json!(met));
    result.insert("missed".to_owned(), missed);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(result: Value, goals: &[(&str, f64)]) -> Value {
        let Value::Object(mut result) = result else { return Value::Null };
        judge(&mut result, goals);
        Value::Object(result)
    }

    #[test]
    fn a_goal_is_met_up_to_its_limit() {
        let result = judged(json!({"a_ms": 10.0, "b": 0}), &[("a_ms", 10.0), ("b", 0.0)]);
        assert_eq!(result["met"], true);
        assert_eq!(result["missed"], json!([]));
        assert_eq!(result["goal"], json!({"a_ms": 10.0, "b": 0.0}));
    }

    #[test]
    fn one_missed_goal_is_named_and_a_figure_that_is_not_there_misses_its_own() {
        let result =
            judged(json!({"a": 10.1, "b": 1, "c": null}), &[("a", 10.0), ("b", 1.0), ("c", 1.0), ("d", 1.0)]);
        assert_eq!(result["met"], false);
        assert_eq!(result["missed"], json!(["a", "c", "d"]));
    }
}
