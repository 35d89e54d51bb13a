//! The client's address behind trusted proxies, as `connectionInfo.ip` shows it.

use crate::support::{app::TestApp, engine::PASSWORD, on_each_database};

/// The address of a sign-up with these headers; the connection's is 192.0.2.1.
async fn ip(app: &TestApp, headers: &[(&str, &str)]) -> String {
    let name = uuid::Uuid::now_v7().simple().to_string();
    let mut client = app.anonymous();
    for (name, value) in headers {
        client = client.with(name, value);
    }
    let document = format!(
        "mutation {{ signUp(input: {{ username: \"{name}\", password: \"{PASSWORD}\" }}) {{ session {{ connectionInfo {{ ip }} }} }} }}"
    );
    let answer = client.query(&document).await;
    answer.data("signUp")["session"]["connectionInfo"]["ip"]
        .as_str()
        .unwrap()
        .to_owned()
}

on_each_database! {
    async fn without_trusted_proxies_it_is_the_connections(database: TestDatabase) {
        let app = TestApp::new(&database).await;
        assert_eq!(ip(&app, &[]).await, "192.0.2.1");
        for header in ["x-forwarded-for", "x-real-ip", "cf-connecting-ip", "true-client-ip"] {
            assert_eq!(ip(&app, &[(header, "203.0.113.7")]).await, "192.0.2.1", "{header}");
        }
        assert_eq!(ip(&app, &[("forwarded", "for=203.0.113.7")]).await, "192.0.2.1");
    }

    async fn a_trusted_proxy_is_believed_in_the_one_header_that_is_named(database: TestDatabase) {
        let app = TestApp::with(&database, &[("trusted_proxies", "192.0.2.0/24,10.0.0.0/8")], |_| {}).await;
        for (value, expected) in [
            ("203.0.113.7", "203.0.113.7"),
            ("198.51.100.1, 203.0.113.7", "203.0.113.7"),
            ("198.51.100.1, 203.0.113.7, 10.1.2.3", "203.0.113.7"),
            ("198.51.100.1, nonsense, 10.1.2.3", "10.1.2.3"),
            ("10.9.9.9, 10.1.2.3", "10.9.9.9"),
            ("::ffff:203.0.113.7", "203.0.113.7"),
            ("2001:db8::7", "2001:db8::7"),
            ("unknown", "192.0.2.1"),
            ("", "192.0.2.1"),
        ] {
            assert_eq!(ip(&app, &[("x-forwarded-for", value)]).await, expected, "{value}");
        }
        assert_eq!(ip(&app, &[("forwarded", "for=203.0.113.7"), ("x-real-ip", "203.0.113.8")]).await, "192.0.2.1");
    }

    async fn forwarded_is_read_where_it_is_the_one(database: TestDatabase) {
        let flags = [("trusted_proxies", "192.0.2.1/32"), ("forwarded_header", "forwarded")];
        let app = TestApp::with(&database, &flags, |_| {}).await;
        for (value, expected) in [
            ("for=203.0.113.7;proto=https", "203.0.113.7"),
            ("for=198.51.100.1, For=\"[2001:db8::7]:4711\"", "2001:db8::7"),
            ("for=_hidden", "192.0.2.1"),
        ] {
            assert_eq!(ip(&app, &[("forwarded", value)]).await, expected, "{value}");
        }
        assert_eq!(ip(&app, &[("x-forwarded-for", "203.0.113.7")]).await, "192.0.2.1");
    }
}
