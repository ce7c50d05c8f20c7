//! One value of a configuration file: from text to where it belongs.

use crate::settings::Settings;
use crate::settings::keys::{self, Form};
use crate::text::{duration, share, size};
use resus_core::ids::Slug;
use toml::de::DeValue;

/// Puts `value` where `form` says, or says what it should have been.
pub(super) fn put(settings: &mut Settings, form: &Form, value: &DeValue<'_>) -> Result<(), String> {
    match form {
        Form::Time(put) => put(settings, time(value)?),
        Form::TimeOrNever(put, min, max) => put(settings, time_or_never(value, *min, *max)?),
        Form::Count(put) => put(settings, count(value)?),
        Form::Number(put) => put(settings, number(value)?),
        Form::Share(put) => put(settings, share_of(value)?),
        Form::Percent(put) => put(settings, percent(value)?),
        Form::Factor(put) => put(settings, factor(value)?),
        Form::Size(put, min, max) => put(settings, size_between(value, *min, *max)?),
        Form::Node => settings.node = node(value)?,
        Form::TimeBetween(put, min, max) => put(settings, time_between(value, *min, *max)?),
        Form::Flag(put) => put(settings, flag(value)?),
        Form::Port(put) => put(settings, port(value)?),
        Form::Text(put) | Form::File(put) => {
            let text = value.as_str().ok_or_else(|| format!("it is text, not {}", kind(value)))?;
            put(settings, text)?;
        }
    }
    Ok(())
}

fn time(value: &DeValue<'_>) -> Result<u64, String> {
    let Some(text) = value.as_str() else {
        return Err(format!("a time is text with a unit, e.g. \"30s\", not {}", a(value)));
    };
    duration::parse_ms(text).map_err(|error| error.to_string())
}

fn time_or_never(value: &DeValue<'_>, min: u64, max: u64) -> Result<u64, String> {
    let ms = time(value)?;
    if ms == 0 || (min..=max).contains(&ms) {
        return Ok(ms);
    }
    let [ms, min, max] = [ms, min, max].map(duration::exact);
    Err(format!("{ms:?} is neither \"0s\" (never) nor between {min:?} and {max:?}"))
}

fn time_between(value: &DeValue<'_>, min: u64, max: u64) -> Result<u64, String> {
    let ms = time(value)?;
    if (min..=max).contains(&ms) {
        return Ok(ms);
    }
    let [ms, min, max] = [ms, min, max].map(duration::exact);
    Err(format!("{ms:?} is not between {min:?} and {max:?}"))
}

fn flag(value: &DeValue<'_>) -> Result<bool, String> {
    match value {
        DeValue::Boolean(yes) => Ok(*yes),
        _ => Err(format!("{} is not true or false", a(value))),
    }
}

fn port(value: &DeValue<'_>) -> Result<u16, String> {
    let wrong = || format!("{} is not a port from 0 to {}", a(value), u16::MAX);
    let integer = value.as_integer().ok_or_else(wrong)?;
    u16::from_str_radix(integer.as_str(), integer.radix()).map_err(|_| wrong())
}

fn count(value: &DeValue<'_>) -> Result<u32, String> {
    let wrong = || format!("{} is not a whole number from 0 to {}", a(value), u32::MAX);
    let integer = value.as_integer().ok_or_else(wrong)?;
    u32::from_str_radix(integer.as_str(), integer.radix()).map_err(|_| wrong())
}

fn number(value: &DeValue<'_>) -> Result<u64, String> {
    let wrong = || format!("{} is not a whole number of 0 or more", a(value));
    let integer = value.as_integer().ok_or_else(wrong)?;
    u64::from_str_radix(integer.as_str(), integer.radix()).map_err(|_| wrong())
}

fn share_of(value: &DeValue<'_>) -> Result<u32, String> {
    let Some(text) = value.as_str() else {
        return Err(format!("a share is text with a percent sign, e.g. \"1%\", not {}", a(value)));
    };
    share::parse_permille(text).map_err(|error| error.to_string())
}

fn percent(value: &DeValue<'_>) -> Result<u8, String> {
    let permille = share_of(value)?;
    let whole = (permille % 10 == 0 && permille > 0).then(|| u8::try_from(permille / 10).ok()).flatten();
    whole.ok_or_else(|| {
        format!(
            "{:?} is not a whole share from \"1%\" to \"100%\"",
            share::show_permille(u64::from(permille))
        )
    })
}

fn factor(value: &DeValue<'_>) -> Result<u32, String> {
    let wrong = || format!("{} is not a factor, e.g. 2.0", a(value));
    let text = match value {
        DeValue::Integer(integer) if integer.radix() == 10 => integer.as_str(),
        DeValue::Float(float) => float.as_str(),
        _ => return Err(wrong()),
    };
    let hundredths = text.parse::<f64>().map_err(|_| wrong())? * 100.0;
    // NaN fails the comparison as well.
    if hundredths >= 0.0 && hundredths <= f64::from(u32::MAX) {
        Ok(hundredths.round() as u32)
    } else {
        Err(wrong())
    }
}

fn size_between(value: &DeValue<'_>, min: u64, max: u64) -> Result<u64, String> {
    let Some(text) = value.as_str() else {
        return Err(format!("a size is text with a unit, e.g. \"10MiB\", not {}", a(value)));
    };
    let bytes = size::parse(text).map_err(|error| error.to_string())?;
    if (min..=max).contains(&bytes) {
        Ok(bytes)
    } else {
        Err(format!("{text:?} is not between {} and {}", size::show(min), size::show(max)))
    }
}

fn node(value: &DeValue<'_>) -> Result<Option<Slug>, String> {
    match value.as_str() {
        Some("") => Ok(None),
        Some(name) => Slug::new(name).map(Some).map_err(|error| error.to_string()),
        None => Err(format!("a name is text, not {}", a(value))),
    }
}

/// The number of the key `name` as one would type it.
pub(super) fn show(name: &str, number: u64) -> String {
    match keys::find(name).map(|key| &key.form) {
        Some(Form::Time(_) | Form::TimeOrNever(..) | Form::TimeBetween(..)) => {
            format!("{:?}", duration::exact(number))
        }
        Some(Form::Factor(_)) => format!("{:.2}", number as f64 / 100.0),
        Some(Form::Size(..)) => format!("{:?}", size::show(number)),
        Some(Form::Share(_)) => format!("{:?}", share::show_permille(number)),
        Some(
            Form::Count(_)
            | Form::Number(_)
            | Form::Percent(_)
            | Form::Node
            | Form::Flag(_)
            | Form::Port(_)
            | Form::Text(_)
            | Form::File(_),
        )
        | None => number.to_string(),
    }
}

/// The value as typed if it is a number, else its kind.
fn a(value: &DeValue<'_>) -> String {
    match value {
        DeValue::Integer(integer) => integer.as_str().to_owned(),
        DeValue::Float(float) => float.as_str().to_owned(),
        DeValue::String(text) => format!("{text:?}"),
        DeValue::Boolean(_) | DeValue::Datetime(_) | DeValue::Array(_) | DeValue::Table(_) => kind(value),
    }
}

/// The kind of a value, where the value itself might be a secret.
fn kind(value: &DeValue<'_>) -> String {
    format!("a value of type {}", value.type_str())
}
