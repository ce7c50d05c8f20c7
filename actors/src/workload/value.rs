//! Values of parameters: from what was typed to the arguments that a worker gets. No shell is
//! between them; a value reaches the worker byte for byte.

use crate::workload::file::Param;
use resus_core::api::ParamKind;

impl Param {
    /// The arguments that give the worker this value.
    ///
    /// A value is an argument behind its flag (`--games`, `9`). A flag that ends with `=` takes it
    /// in one argument (`--games=9`). So does any long flag when the value begins with `-`: behind
    /// its flag, parsers of flags would take it for the next one.
    ///
    /// # Errors
    /// What was expected.
    pub fn arguments(&self, value: &str) -> Result<Vec<String>, String> {
        if self.kind == ParamKind::Switch && value == "false" {
            return Ok(Vec::new());
        }
        if !self.takes(value) {
            return Err(expected(self));
        }
        if self.kind == ParamKind::Switch {
            return Ok(vec![self.flag.clone()]);
        }
        let looks_like_flag = value.starts_with('-') && self.flag.starts_with("--");
        Ok(match self.flag.strip_suffix('=') {
            Some(_) => vec![format!("{}{value}", self.flag)],
            None if looks_like_flag => vec![format!("{}={value}", self.flag)],
            None => vec![self.flag.clone(), value.to_owned()],
        })
    }

    /// The value in a word that [`Param::arguments`] has made of flag and value.
    pub(crate) fn value_in<'w>(&self, word: &'w str) -> Option<&'w str> {
        let rest = word.strip_prefix(self.flag.trim_end_matches('='))?;
        rest.strip_prefix('=').filter(|_| self.kind != ParamKind::Switch)
    }

    fn takes(&self, value: &str) -> bool {
        match self.kind {
            ParamKind::Text => {
                let is_choice = self.choices.is_empty() || self.choices.iter().any(|choice| choice == value);
                is_choice && !value.contains('\0')
            }
            ParamKind::Switch => value == "true",
            ParamKind::Integer => value.parse::<i64>().is_ok_and(|number| self.in_range(number as f64)),
            ParamKind::Number => {
                value.parse::<f64>().is_ok_and(|number| number.is_finite() && self.in_range(number))
            }
        }
    }

    fn in_range(&self, number: f64) -> bool {
        self.min.is_none_or(|min| number >= min) && self.max.is_none_or(|max| number <= max)
    }
}

/// The values that a parameter takes, in words.
#[must_use]
pub fn expected(param: &Param) -> String {
    let range = match (param.min, param.max) {
        (None, None) => String::new(),
        (Some(min), Some(max)) => format!(" from {min} to {max}"),
        (Some(min), None) => format!(" of {min} or more"),
        (None, Some(max)) => format!(" of {max} or less"),
    };
    match param.kind {
        ParamKind::Integer => format!("a whole number{range}"),
        ParamKind::Number => format!("a number{range}"),
        ParamKind::Switch => "true or false".to_owned(),
        ParamKind::Text if param.choices.is_empty() => "text, without a NUL byte".to_owned(),
        ParamKind::Text => format!("one of {}", param.choices.join(", ")),
    }
}
