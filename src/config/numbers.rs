//! The kinds of value that are quantities: counts, sizes, durations and rates.

use std::marker::PhantomData;
use std::time::Duration;

use bytesize::ByteSize;
use figment::value::Value;

use super::describe::quote;
use super::kind::{Kind, text};
use super::types::Rate;

/// A century: time arithmetic cannot overflow below it.
const MAX_SPAN: Duration = Duration::from_hours(36_500 * 24);
/// 1 GiB: a body is held in memory.
const MAX_BYTES: u64 = 1 << 30;

/// A whole number between bounds, both included.
pub(super) struct Whole<T, const MIN: u32, const MAX: u32>(PhantomData<T>);

impl<T, const MIN: u32, const MAX: u32> Kind for Whole<T, MIN, MAX>
where
    T: TryFrom<u32> + ToString,
{
    type Value = T;

    fn allowed() -> String {
        format!("a whole number from {MIN} to {MAX}")
    }

    fn parse(value: &Value) -> Option<T> {
        let number = integer(value).or_else(|| text(value)?.parse().ok())?;
        let number = u32::try_from(number).ok()?;
        (MIN..=MAX)
            .contains(&number)
            .then(|| T::try_from(number).ok())?
    }

    fn show(value: &T) -> Option<String> {
        Some(value.to_string())
    }
}

/// A native integer; figment keeps signed and unsigned ones apart.
fn integer(value: &Value) -> Option<u64> {
    value
        .to_u128()
        .and_then(|number| number.try_into().ok())
        .or_else(|| value.to_i128()?.try_into().ok())
}

/// A number of bytes, `65536` or `256KiB`.
pub(super) struct Bytes;

impl Kind for Bytes {
    type Value = usize;

    fn allowed() -> String {
        "a number of bytes such as `65536` or `256KiB`, from 1 to 1GiB".into()
    }

    fn parse(value: &Value) -> Option<usize> {
        let bytes =
            integer(value).or_else(|| Some(text(value)?.parse::<ByteSize>().ok()?.as_u64()))?;
        (1..=MAX_BYTES)
            .contains(&bytes)
            .then(|| usize::try_from(bytes).ok())?
    }

    fn show(value: &usize) -> Option<String> {
        Some(value.to_string())
    }
}

/// A duration of at least so many milliseconds.
pub(super) struct Span<const MIN_MILLIS: u64>;

impl<const MIN_MILLIS: u64> Kind for Span<MIN_MILLIS> {
    type Value = Duration;

    fn allowed() -> String {
        let example = "a duration such as `10s`, `10m` or `7d`";
        let most = span_text(MAX_SPAN);
        match MIN_MILLIS {
            0 => format!("{example}, at most {most}"),
            least => {
                format!(
                    "{example}, from {} to {most}",
                    span_text(Duration::from_millis(least))
                )
            }
        }
    }

    fn parse(value: &Value) -> Option<Duration> {
        let span = humantime::parse_duration(text(value)?).ok()?;
        (Duration::from_millis(MIN_MILLIS)..=MAX_SPAN)
            .contains(&span)
            .then_some(span)
    }

    fn show(value: &Duration) -> Option<String> {
        Some(quote(&span_text(*value)))
    }
}

/// A duration in its largest whole unit. (humantime's own text has months and years, which are not
/// whole days: 90 days would be `2months 29days 2h 52m 48s`.)
pub(super) fn span_text(span: Duration) -> String {
    const UNITS: [(u128, &str); 5] = [
        (86_400_000, "d"),
        (3_600_000, "h"),
        (60_000, "m"),
        (1_000, "s"),
        (1, "ms"),
    ];
    let millis = span.as_millis();
    if !span.subsec_nanos().is_multiple_of(1_000_000) {
        return format!("{}ns", span.as_nanos());
    }
    if millis == 0 {
        return "0s".into();
    }
    UNITS
        .iter()
        .find(|(unit, _)| millis.is_multiple_of(*unit))
        .map_or_else(
            || format!("{millis}ms"),
            |(unit, name)| format!("{}{name}", millis / unit),
        )
}

/// A [`Rate`], `10/15m`.
pub(super) struct Frequency;

impl Kind for Frequency {
    type Value = Rate;

    fn allowed() -> String {
        "a rate such as `10/15m`, at least 1 in at least 1ms".into()
    }

    fn parse(value: &Value) -> Option<Rate> {
        let (count, per) = text(value)?.split_once('/')?;
        let count = Whole::<u32, 1, { u32::MAX }>::parse(&Value::from(count))?;
        let per = Span::<1>::parse(&Value::from(per))?;
        Some(Rate { count, per })
    }

    fn show(value: &Rate) -> Option<String> {
        Some(quote(&value.to_string()))
    }
}
