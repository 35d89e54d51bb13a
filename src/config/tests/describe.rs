use figment::providers::{Format, Toml};
use figment::value::Dict;

use super::super::KEYS;
use super::{Lab, OTHER_SECRET, SECRET, with};

#[test]
fn the_defaults_are_described() {
    let text = with(&[]).describe();
    let start = "listen = \"127.0.0.1:4000\" # default\n\
                 public_url = \"http://127.0.0.1:4000\" # default\n\
                 database_url = \"sqlite://data/sessiongraph.db\" # default\n";
    assert!(text.starts_with(start), "{text}");
    for line in [
        "# secret is not set",
        "secret_previous = [] # default",
        "session_max_ttl = \"90d\" # default",
        "refresh_recovery = true # default",
        "body_limit = 262144 # default",
        "sign_up_limit = \"1000/1h\" # default",
        "signing_algorithm = \"ES256\" # default",
    ] {
        assert!(text.lines().any(|shown| shown == line), "{line} in\n{text}");
    }
}

#[test]
fn what_is_described_is_toml_in_the_order_of_the_table() {
    let lab = Lab::new().toml(&format!(
        "secret = '{SECRET}'\nsecret_previous = ['{OTHER_SECRET}']"
    ));
    let lab = lab.flags(&[
        ("trusted_proxies", "10.0.0.0/8,::1"),
        ("allowed_origins", "https://a.example"),
        ("signing_key_rotation", "off"),
        ("signing_algorithm", "HS256"),
        ("hs256_secret", OTHER_SECRET),
        ("audience", r#"a "quoted" \ audience"#),
    ]);
    let text = lab.config().describe();
    let mut rest = KEYS.iter();
    for line in text.lines() {
        let key = line.trim_start_matches("# ").split(' ').next().unwrap();
        assert_eq!(rest.next().unwrap().name, key);
    }
    assert!(rest.next().is_none());
    let toml: Dict = Toml::from_str(&text).unwrap();
    assert_eq!(toml["audience"].as_str(), Some(r#"a "quoted" \ audience"#));
    // Without what is masked it is a configuration, and the same one.
    let no_secret = |line: &&str| !line.contains("secret");
    let again: Vec<_> = text.lines().filter(no_secret).collect();
    let lab = Lab::new().toml(&again.join("\n").replace("HS256", "ES256"));
    let described = lab.config().describe();
    let values = |line: &str| line.split(" #").next().map(str::to_owned);
    let first = again
        .iter()
        .map(|line| values(&line.replace("HS256", "ES256")));
    assert!(first.eq(described.lines().filter(no_secret).map(values)));
    assert_eq!(lab.config().trusted_proxies.len(), 2);
}

#[test]
fn each_line_names_its_layer() {
    let lab = Lab::new()
        .toml("max_depth = 3")
        .env(&[("SESSIONGRAPH_MAX_BATCH", "4")]);
    let lab = lab.flags(&[("max_aliases", "5")]);
    let text = lab.config().describe();
    let file = lab.path().join("sessiongraph.toml");
    assert!(text.contains(&format!("max_depth = 3 # {}\n", file.display())));
    assert!(text.contains("max_batch = 4 # environment variable SESSIONGRAPH_MAX_BATCH\n"));
    assert!(text.contains("max_aliases = 5 # --max-aliases\n"));
}

#[test]
fn secrets_are_masked() {
    let lab = Lab::new().env(&[
        ("SESSIONGRAPH_SECRET", SECRET),
        (
            "SESSIONGRAPH_SECRET_PREVIOUS",
            &format!("{SECRET}1,{SECRET}2"),
        ),
        ("SESSIONGRAPH_SIGNING_ALGORITHM", "HS256"),
        ("SESSIONGRAPH_HS256_SECRET", OTHER_SECRET),
        ("SESSIONGRAPH_DATABASE_URL", "postgres://user:hush@host/db"),
    ]);
    let config = lab.config();
    let text = config.describe();
    assert!(text.contains("\nsecret = \"********\" # environment variable SESSIONGRAPH_SECRET\n"));
    assert!(text.contains("\nsecret_previous = [\"********\", \"********\"] # "));
    assert!(text.contains("\nhs256_secret = \"********\" # "));
    assert!(text.contains("\ndatabase_url = \"postgres://user:********@host/db\" # "));
    let debug = format!("{config:?}");
    for secret in [SECRET, "thirty-two", "hush"] {
        assert!(
            !text.contains(secret) && !debug.contains(secret),
            "{text}\n{debug}"
        );
    }
}

#[test]
fn a_secret_from_a_file_is_no_second_setting() {
    let lab = Lab::new()
        .file("key", SECRET)
        .flags(&[("secret_file", "key")]);
    let text = lab.config().describe();
    assert!(
        text.contains("\n# secret = \"********\" # from secret_file\n"),
        "{text}"
    );
    assert!(
        text.contains("\nsecret_file = \"key\" # --secret-file\n"),
        "{text}"
    );
}

#[test]
fn the_password_of_the_database_is_masked_wherever_it_stands() {
    let shown = |url| {
        let text = with(&[("database_url", url), ("secret", SECRET)]).describe();
        let line = text
            .lines()
            .find_map(|line| line.strip_prefix("database_url = \""))
            .unwrap();
        line.split('"').next().unwrap().to_owned()
    };
    for (url, masked) in [
        (
            "postgres://u@h:5433/db?sslmode=require",
            "postgres://u@h:5433/db?sslmode=require",
        ),
        (
            "postgres://u:hush@h/db?a=b",
            "postgres://u:********@h/db?a=b",
        ),
        ("postgres://u:hu%40sh@h/db", "postgres://u:********@h/db"),
        ("postgres://u:hu@sh@h/db", "postgres://u:********@h/db"),
        ("postgres://:hush@h/db", "postgres://:********@h/db"),
        (
            "postgresql:///db?host=/run&password=hush&user=u",
            "postgresql:///db?host=/run&password=********&user=u",
        ),
        (
            "postgres://h/db?p%61ssword=hush",
            "postgres://h/db?p%61ssword=********",
        ),
        (
            "postgres://u:hush@h/db?PASSWORD=hush",
            "postgres://u:********@h/db?PASSWORD=********",
        ),
    ] {
        assert_eq!(shown(url), masked);
    }
}
