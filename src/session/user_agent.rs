//! What a `User-Agent` says: families without versions, for lists of devices and for binding a session to its agent.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use woothee::{parser::Parser, woothee::VALUE_UNKNOWN};

use crate::request::MAX_USER_AGENT_LENGTH;

/// The cache's bound: so many texts of at most [`MAX_USER_AGENT_LENGTH`] bytes.
const MAX_CACHED: usize = 1_000;

/// What kind of device a user agent runs on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DeviceKind {
    /// A desktop or laptop computer.
    Desktop,
    /// A telephone.
    Mobile,
    /// A tablet.
    Tablet,
    /// A crawler.
    Bot,
}

/// The families that a user agent belongs to.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct UserAgentFamilies {
    /// For instance `Firefox`; a browser's mobile variant is its family.
    pub browser: Option<String>,
    /// For instance `Windows`, without a version.
    pub operating_system: Option<String>,
    /// What it runs on.
    pub device_kind: Option<DeviceKind>,
}

impl UserAgentFamilies {
    /// Browser and operating system as one text, to compare agents by; `None` where nothing is known of either.
    #[must_use]
    pub fn family(&self) -> Option<String> {
        if self.browser.is_none() && self.operating_system.is_none() {
            return None;
        }
        let text = |known: &Option<String>| known.clone().unwrap_or_default();
        Some(format!(
            "{}|{}",
            text(&self.browser),
            text(&self.operating_system)
        ))
    }
}

/// Whether a session stays with the user agent that opened it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum UserAgentBinding {
    /// Browser and operating system must match as families.
    #[default]
    Family,
    /// The texts must be equal.
    Exact,
    /// Any agent will do.
    Off,
}

/// Reads user agents, and remembers the last ones.
#[derive(Debug, Default)]
pub struct UserAgents {
    cache: Mutex<HashMap<String, UserAgentFamilies>>,
}

impl UserAgents {
    /// The families of a text.
    #[must_use]
    pub fn families(&self, user_agent: &str) -> UserAgentFamilies {
        let user_agent = &user_agent[..user_agent.floor_char_boundary(MAX_USER_AGENT_LENGTH)];
        let lock = || self.cache.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = lock().get(user_agent) {
            return known.clone();
        }
        let families = parse(user_agent);
        let mut cache = lock();
        if cache.len() >= MAX_CACHED {
            cache.clear();
        }
        cache.insert(user_agent.to_owned(), families.clone());
        families
    }

    /// Whether two texts are the same agent, as far as the binding asks. Equal texts are, and need no reading.
    #[must_use]
    pub fn matches(&self, binding: UserAgentBinding, known: &str, presented: &str) -> bool {
        match binding {
            UserAgentBinding::Off => true,
            UserAgentBinding::Exact => known == presented,
            UserAgentBinding::Family => {
                let family = |text| self.families(text).family();
                known == presented
                    || family(known).is_some_and(|known| Some(known) == family(presented))
            }
        }
    }
}

fn parse(user_agent: &str) -> UserAgentFamilies {
    let Some(result) = Parser::new().parse(user_agent) else {
        return UserAgentFamilies::default();
    };
    // "HTTP Library" is no browser, and no two programs or crawlers are the same because both are unknown.
    let is_of_no_family = result.category == "misc" || result.name == "misc crawler";
    let known = |value: &str| {
        (!is_of_no_family && !value.is_empty() && value != VALUE_UNKNOWN).then(|| value.to_owned())
    };
    let operating_system = operating_system(result.os);
    UserAgentFamilies {
        // Android's and iOS's embedded views call themselves differently from one release to the next.
        browser: known(result.name).map(|name| {
            if name.starts_with("Webview") {
                "WebView".to_owned()
            } else {
                name
            }
        }),
        device_kind: device_kind(result.category, operating_system.as_deref(), user_agent),
        operating_system,
    }
}

/// The parser tells versions of Windows and kinds of Apple's devices apart; a list of devices does not.
fn operating_system(name: &str) -> Option<String> {
    let family = match name {
        "" | VALUE_UNKNOWN => return None,
        "Mac OSX" | "Mac OS Classic" => "macOS",
        "iPhone" | "iPad" | "iPod" | "iOS" => "iOS",
        "Windows Phone OS" | "Windows CE" | "Xbox" => name,
        windows if windows.starts_with("Windows") => "Windows",
        other => other,
    };
    Some(family.to_owned())
}

/// The parser calls tablets smartphones. An Android device without `Mobile` in its text is a tablet by Google's rule.
fn device_kind(
    category: &str,
    operating_system: Option<&str>,
    user_agent: &str,
) -> Option<DeviceKind> {
    match category {
        "pc" => Some(DeviceKind::Desktop),
        "crawler" => Some(DeviceKind::Bot),
        "smartphone" => {
            let android_tablet =
                operating_system == Some("Android") && !user_agent.contains("Mobile");
            let named = ["iPad", "Tablet", "Kindle", "Silk/"]
                .iter()
                .any(|name| user_agent.contains(name));
            Some(if android_tablet || named {
                DeviceKind::Tablet
            } else {
                DeviceKind::Mobile
            })
        }
        "mobilephone" => Some(DeviceKind::Mobile),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIREFOX_WINDOWS: &str =
        "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:144.0) Gecko/20100101 Firefox/144.0";
    const FIREFOX_WINDOWS_LATER: &str =
        "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:151.0) Gecko/20100101 Firefox/151.0";
    const FIREFOX_WINDOWS_7: &str =
        "Mozilla/5.0 (Windows NT 6.1; Win64; x64; rv:115.0) Gecko/20100101 Firefox/115.0";
    const CHROME_WINDOWS: &str = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36";
    const EDGE_WINDOWS: &str = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) \
                                Chrome/142.0.0.0 Safari/537.36 Edg/142.0.0.0";
    const CHROME_MAC: &str = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 (KHTML, like Gecko) \
                              Chrome/142.0.0.0 Safari/537.36";
    const SAFARI_IPHONE: &str = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_7 like Mac OS X) AppleWebKit/605.1.15 (KHTML, \
                                 like Gecko) Version/26.0 Mobile/15E148 Safari/604.1";
    const SAFARI_IPAD: &str = "Mozilla/5.0 (iPad; CPU OS 17_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) \
                               Version/17.6 Mobile/15E148 Safari/604.1";
    const CHROME_PHONE: &str = "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) \
                                Chrome/142.0.0.0 Mobile Safari/537.36";
    const CHROME_TABLET: &str = "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36";
    const GOOGLEBOT: &str =
        "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)";

    fn summary(user_agent: &str) -> (Option<String>, Option<String>, Option<DeviceKind>) {
        let families = UserAgents::default().families(user_agent);
        (
            families.browser,
            families.operating_system,
            families.device_kind,
        )
    }

    #[test]
    fn families_have_no_versions() {
        let expect = |user_agent, browser: &str, system: &str, kind| {
            assert_eq!(
                summary(user_agent),
                (
                    Some(browser.to_owned()),
                    Some(system.to_owned()),
                    Some(kind)
                )
            );
        };
        expect(FIREFOX_WINDOWS, "Firefox", "Windows", DeviceKind::Desktop);
        expect(EDGE_WINDOWS, "Edge", "Windows", DeviceKind::Desktop);
        expect(CHROME_MAC, "Chrome", "macOS", DeviceKind::Desktop);
        expect(SAFARI_IPHONE, "Safari", "iOS", DeviceKind::Mobile);
        expect(SAFARI_IPAD, "Safari", "iOS", DeviceKind::Tablet);
        expect(CHROME_PHONE, "Chrome", "Android", DeviceKind::Mobile);
        expect(CHROME_TABLET, "Chrome", "Android", DeviceKind::Tablet);
        assert_eq!(summary(GOOGLEBOT).2, Some(DeviceKind::Bot));
        let crawler = "FooBot/1.0 (+http://foo.example)";
        assert_eq!(summary(crawler).0, None);
        assert_eq!(summary(crawler).2, Some(DeviceKind::Bot));
        assert_eq!(summary("something nobody knows"), (None, None, None));
        assert_eq!(summary("curl/8.14.1"), (None, None, None));
    }

    #[test]
    fn an_update_is_the_same_agent_and_another_browser_is_not() {
        let agents = UserAgents::default();
        let family = |known, presented| agents.matches(UserAgentBinding::Family, known, presented);
        assert!(family(FIREFOX_WINDOWS, FIREFOX_WINDOWS_LATER));
        assert!(family(FIREFOX_WINDOWS_7, FIREFOX_WINDOWS));
        assert!(!family(CHROME_WINDOWS, EDGE_WINDOWS));
        assert!(!family(CHROME_WINDOWS, CHROME_MAC));
        assert!(!family(FIREFOX_WINDOWS, "something nobody knows"));
        assert!(family("something nobody knows", "something nobody knows"));
        assert!(!family("something nobody knows", "something else"));
        assert!(!agents.matches(
            UserAgentBinding::Exact,
            FIREFOX_WINDOWS,
            FIREFOX_WINDOWS_LATER
        ));
        assert!(agents.matches(UserAgentBinding::Off, FIREFOX_WINDOWS, "something else"));
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let agents = UserAgents::default();
        for n in 0..3 * MAX_CACHED {
            let _ = agents.families(&format!("agent {n}"));
        }
        assert!(agents.cache.lock().unwrap().len() <= MAX_CACHED);
    }
}
