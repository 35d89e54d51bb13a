use std::time::Duration;

use super::super::numbers::span_text;
use super::super::{KEYS, Rate};
use super::{assert_one, refused, with};

#[test]
fn durations_have_a_unit() {
    let millis = |text| with(&[("refresh_grace", text)]).refresh_grace.as_millis();
    assert_eq!(millis("10s"), 10_000);
    assert_eq!(millis(" 10m "), 600_000);
    assert_eq!(millis("7d"), 7 * 86_400_000);
    assert_eq!(millis("1h 30m"), 5_400_000);
    assert_eq!(millis("250ms"), 250);
    assert_eq!(millis("0s"), 0);
    for bad in ["10", "-1s", "", "soon", "off", "200years"] {
        assert_one(
            &refused(&[("refresh_grace", bad)]),
            "`refresh_grace` from --",
            "at most 36500d",
        );
    }
}

#[test]
fn a_duration_is_shown_as_it_would_be_written() {
    let cases = [
        ("90d", 90 * 86_400_000),
        ("36h", 36 * 3_600_000),
        ("15m", 900_000),
        ("90s", 90_000),
        ("1500ms", 1_500),
        ("0s", 0),
    ];
    for (text, millis) in cases {
        assert_eq!(span_text(Duration::from_millis(millis)), text);
        assert_eq!(
            humantime::parse_duration(text).unwrap(),
            Duration::from_millis(millis)
        );
    }
    assert_eq!(span_text(Duration::from_nanos(1_500_001)), "1500001ns");
}

#[test]
fn durations_that_cannot_be_nothing_are_refused_at_zero() {
    let never_zero = [
        "database_acquire_timeout",
        "signing_key_rotation",
        "access_token_ttl",
        "session_idle_ttl",
        "session_max_ttl",
        "request_timeout",
        "prune_interval",
    ];
    for key in never_zero {
        let key = KEYS.iter().find(|known| known.name == key).unwrap().name;
        assert_one(
            &refused(&[(key, "0s")]),
            &format!("`{key}` from --"),
            "from 1",
        );
    }
    for key in [
        "refresh_grace",
        "clock_skew",
        "retention",
        "signing_key_publish_ahead",
    ] {
        with(&[(key, "0s")]);
    }
}

#[test]
fn rates_are_counts_by_duration_or_off() {
    let rate = |text| with(&[("refresh_limit", text)]).refresh_limit;
    let per = Duration::from_mins(15);
    assert_eq!(rate("10/15m"), Some(Rate { count: 10, per }));
    assert_eq!(rate(" 10 / 15m "), Some(Rate { count: 10, per }));
    assert_eq!(rate("off"), None);
    assert_eq!(
        with(&[("signing_key_rotation", "off")]).signing_key_rotation,
        None
    );
    for bad in [
        "0/15m",
        "10",
        "10/",
        "/15m",
        "10/0s",
        "-1/1m",
        "10/15",
        "5000000000/1m",
        "",
    ] {
        assert_one(
            &refused(&[("refresh_limit", bad)]),
            "`refresh_limit` from --",
            "or `off`",
        );
    }
    assert_eq!(refused(&[("refresh_grace", "off")]).len(), 1);
}

#[test]
fn sizes_are_bytes_or_have_a_unit() {
    let size = |text| with(&[("body_limit", text)]).body_limit;
    assert_eq!(size("1000"), 1000);
    assert_eq!(size("256KiB"), 256 * 1024);
    assert_eq!(size("1 MiB"), 1 << 20);
    assert_eq!(size("1kB"), 1000);
    for bad in [
        "0",
        "-1",
        "much",
        "2GiB",
        "1e9",
        "",
        "999999999999999999999999",
    ] {
        assert_one(
            &refused(&[("body_limit", bad)]),
            "`body_limit` from --",
            "256KiB",
        );
    }
}
