use secrecy::ExposeSecret;

use super::*;

const OWN: &str = "https://id.example.com";
const SHOP: &str = "https://shop.example.com";

fn policy() -> CookiePolicy {
    CookiePolicy::new(true, OWN, &[SHOP.to_owned()])
}

fn headers(lines: &[(&'static str, &[u8])]) -> HeaderMap {
    let lines = lines.iter().map(|(name, value)| {
        let value = HeaderValue::from_bytes(value).unwrap();
        (HeaderName::from_static(name), value)
    });
    lines.collect()
}

fn counts(lines: &[(&'static str, &[u8])]) -> bool {
    policy().count(&Method::POST, &headers(lines), true)
}

fn read(lines: &[&str]) -> (Option<String>, Option<String>, bool) {
    let lines: Vec<_> = lines.iter().map(|l| ("cookie", l.as_bytes())).collect();
    texts(&policy().read(&headers(&lines)))
}

fn texts(cookies: &RequestCookies) -> (Option<String>, Option<String>, bool) {
    let text = |t: &Option<SecretString>| t.as_ref().map(|t| t.expose_secret().to_owned());
    (
        text(&cookies.access),
        text(&cookies.refresh),
        cookies.present,
    )
}

fn found(access: &str, refresh: &str) -> (Option<String>, Option<String>, bool) {
    let text = |t: &str| (!t.is_empty()).then(|| t.to_owned());
    (text(access), text(refresh), true)
}

#[test]
fn cookies_count_from_the_servers_own_and_from_allowed_origins() {
    assert!(counts(&[("origin", OWN.as_bytes())]));
    assert!(counts(&[("origin", SHOP.as_bytes())]));
    assert!(counts(&[
        ("origin", SHOP.as_bytes()),
        ("sec-fetch-site", b"cross-site")
    ]));
}

#[test]
fn cookies_do_not_count_from_other_origins() {
    for origin in [
        "https://evil.example",
        "https://id.example.com.evil.example",
        "http://id.example.com",
        "https://id.example.com:8443",
        "https://id.example.com/",
        "null",
        "",
        "*",
    ] {
        assert!(!counts(&[("origin", origin.as_bytes())]), "{origin}");
        let both = [
            ("origin", origin.as_bytes()),
            ("sec-fetch-site", &b"same-origin"[..]),
        ];
        assert!(!counts(&both), "{origin}");
    }
    assert!(!counts(&[("origin", b"\xff")]));
    assert!(!counts(&[
        ("origin", OWN.as_bytes()),
        ("origin", OWN.as_bytes())
    ]));
}

#[test]
fn without_an_origin_the_browser_has_to_say_same_origin() {
    assert!(counts(&[("sec-fetch-site", b"same-origin")]));
    for site in ["same-site", "cross-site", "none", ""] {
        assert!(!counts(&[("sec-fetch-site", site.as_bytes())]), "{site}");
    }
    let twice = [
        ("sec-fetch-site", &b"same-origin"[..]),
        ("sec-fetch-site", b"same-origin"),
    ];
    assert!(!counts(&twice));
    assert!(!counts(&[]));
}

#[test]
fn cookies_count_only_on_a_post_with_a_json_body() {
    let headers = headers(&[("origin", OWN.as_bytes())]);
    assert!(!policy().count(&Method::POST, &headers, false));
    assert!(!policy().count(&Method::GET, &headers, false));
    assert!(!policy().count(&Method::GET, &headers, true));
}

#[test]
fn an_upgrade_counts_by_origin_alone() {
    let policy = policy();
    assert!(policy.counts_by_origin(&headers(&[("origin", OWN.as_bytes())])));
    assert!(policy.counts_by_origin(&headers(&[("origin", SHOP.as_bytes())])));
    assert!(!policy.counts_by_origin(&headers(&[("origin", b"null")])));
    assert!(!policy.counts_by_origin(&headers(&[("sec-fetch-site", b"same-origin")])));
    assert!(!policy.counts_by_origin(&HeaderMap::new()));
}

#[test]
fn configured_origins_are_brought_into_the_browsers_form() {
    let others = ["null", "*", "HTTPS://Shop.example.com:443/"].map(str::to_owned);
    let policy = CookiePolicy::new(true, "http://localhost:4000/", &others);
    for origin in ["http://localhost:4000", SHOP] {
        assert!(policy.counts_by_origin(&headers(&[("origin", origin.as_bytes())])));
    }
    let nowhere = CookiePolicy::new(true, "data:text/plain,x", &others);
    for origin in ["null", "*", ""] {
        let headers = headers(&[("origin", origin.as_bytes())]);
        assert!(!policy.counts_by_origin(&headers), "{origin}");
        assert!(!nowhere.counts_by_origin(&headers), "{origin}");
    }
}

#[test]
fn tokens_are_read_from_all_lines() {
    assert_eq!(read(&[]), (None, None, false));
    assert_eq!(read(&["theme=dark; other=1"]), (None, None, false));
    let one = "theme=dark; __Host-sessiongraph_access=a.b.c; __Host-sessiongraph_refresh=sgr_1";
    assert_eq!(read(&[one]), found("a.b.c", "sgr_1"));
    let two = [
        "__Host-sessiongraph_access=a.b.c",
        "x; __Host-sessiongraph_refresh=sgr_1",
    ];
    assert_eq!(read(&two), found("a.b.c", "sgr_1"));
    assert_eq!(
        read(&["__Host-sessiongraph_refresh=sgr_1"]),
        found("", "sgr_1")
    );
}

#[test]
fn a_cookie_that_comes_twice_is_as_good_as_none() {
    let twice = "__Host-sessiongraph_access=a; __Host-sessiongraph_access=a";
    assert_eq!(read(&[twice]), found("", ""));
    let lines = [
        "__Host-sessiongraph_access=a",
        "__Host-sessiongraph_access=b",
    ];
    assert_eq!(read(&lines), found("", ""));
    let other = format!("{twice}; __Host-sessiongraph_refresh=sgr_1");
    assert_eq!(read(&[&other]), found("", "sgr_1"));
    assert_eq!(
        read(&["__Host-sessiongraph_access=; __Host-sessiongraph_access=a"]),
        found("", "")
    );
}

#[test]
fn a_value_that_is_empty_or_no_text_is_none() {
    assert_eq!(read(&["__Host-sessiongraph_access="]), found("", ""));
    assert_eq!(read(&["__Host-sessiongraph_access=é"]), found("", ""));
    let invalid = headers(&[("cookie", b"__Host-sessiongraph_refresh=\xff")]);
    assert_eq!(texts(&policy().read(&invalid)), found("", ""));
}

#[test]
fn foreign_bytes_leave_our_cookies_readable() {
    let line = b"\xff=\xfe; __Host-sessiongraph_access=a; \xc3\xa9=1";
    let cookies = policy().read(&headers(&[("cookie", line)]));
    assert_eq!(texts(&cookies), found("a", ""));
}

#[test]
fn names_are_matched_exactly() {
    for line in [
        "\u{2003}__Host-sessiongraph_access=a",
        "\u{85}__Host-sessiongraph_access\u{a0}=a",
        "__host-sessiongraph_access=a",
        "sessiongraph_access=a",
        "=__Host-sessiongraph_access=a",
        "%5f_Host-sessiongraph_access=a",
    ] {
        assert_eq!(read(&[line]), (None, None, false), "{line}");
    }
}

#[test]
fn tokens_are_set_with_all_attributes_and_without_expires() {
    let access = ("a.b.c", Duration::from_millis(299_001));
    let [access, refresh] = policy().set(access, ("sgr_1", Duration::from_hours(168)));
    assert_eq!(
        access,
        "__Host-sessiongraph_access=a.b.c; HttpOnly; SameSite=Lax; Secure; Path=/; Max-Age=300"
    );
    assert_eq!(
        refresh,
        "__Host-sessiongraph_refresh=sgr_1; HttpOnly; SameSite=Lax; Secure; Path=/; Max-Age=604800"
    );
    assert!(access.is_sensitive() && refresh.is_sensitive());
}

#[test]
fn clearing_sets_empty_values_of_no_age() {
    let [access, refresh] = policy().clear();
    assert_eq!(
        access,
        "__Host-sessiongraph_access=; HttpOnly; SameSite=Lax; Secure; Path=/; Max-Age=0"
    );
    assert_eq!(
        refresh,
        "__Host-sessiongraph_refresh=; HttpOnly; SameSite=Lax; Secure; Path=/; Max-Age=0"
    );
    assert!(access.is_sensitive() && refresh.is_sensitive());
}

#[test]
fn insecure_cookies_lose_secure_and_the_prefix() {
    let policy = CookiePolicy::new(false, "http://box.local", &[]);
    let [access, _] = policy.set(("a", Duration::from_secs(1)), ("b", Duration::from_secs(1)));
    assert_eq!(
        access,
        "sessiongraph_access=a; HttpOnly; SameSite=Lax; Path=/; Max-Age=1"
    );
    let line = b"sessiongraph_access=a; __Host-sessiongraph_refresh=b";
    let cookies = policy.read(&headers(&[("cookie", line)]));
    assert_eq!(texts(&cookies), found("a", ""));
}

#[test]
fn a_text_that_cannot_stand_in_a_cookie_is_not_set() {
    for text in [
        "a;Domain=evil.example",
        "a,b",
        "a b",
        "a\r\nb",
        "é",
        "\"a\"",
        "a\\",
    ] {
        let hour = Duration::from_hours(1);
        let [access, _] = policy().set((text, hour), ("b", hour));
        assert_eq!(access, policy().clear()[0], "{text}");
    }
}

#[test]
fn ages_are_rounded_up_and_bounded() {
    assert_eq!(whole_seconds(Duration::ZERO), 0);
    assert_eq!(whole_seconds(Duration::from_nanos(1)), 1);
    assert_eq!(whole_seconds(Duration::from_secs(1)), 1);
    assert_eq!(whole_seconds(Duration::from_nanos(1_000_000_001)), 2);
    assert_eq!(whole_seconds(Duration::MAX), i64::MAX);
}

#[test]
fn debug_output_has_no_tokens() {
    let line = b"__Host-sessiongraph_access=hunter2; __Host-sessiongraph_refresh=hunter2";
    let cookies = policy().read(&headers(&[("cookie", line)]));
    assert!(!format!("{cookies:?}").contains("hunter2"));
    let [access, _] = policy().set(("hunter2", Duration::MAX), ("hunter2", Duration::MAX));
    assert!(!format!("{access:?}").contains("hunter2"));
}
