use clap::{ArgMatches, Command};

use super::super::{KEYS, args, file_from_matches, from_matches};

fn command() -> Command {
    let serve = Command::new("serve").about("Serves");
    Command::new("sessiongraph")
        .args(args())
        .subcommand(serve)
        .subcommand(Command::new("config"))
}

fn matches(line: &[&str]) -> ArgMatches {
    command().try_get_matches_from(line).unwrap()
}

#[test]
fn every_key_has_a_flag() {
    command().debug_assert();
    for key in KEYS {
        assert_eq!(key.flag, key.name.replace('_', "-"));
        let flag = format!("--{}=x", key.flag);
        assert_eq!(
            from_matches(&matches(&["sessiongraph", &flag])),
            [(key.name, "x".to_owned())]
        );
    }
}

#[test]
fn flags_may_stand_before_or_after_the_command() {
    let line = [
        "sessiongraph",
        "--max-depth",
        "3",
        "serve",
        "--sign-up",
        "false",
        "--config",
        "a.toml",
    ];
    let matches = matches(&line);
    let flags = [
        ("sign_up", "false".to_owned()),
        ("max_depth", "3".to_owned()),
    ];
    assert_eq!(from_matches(&matches), flags);
    assert_eq!(from_matches(matches.subcommand().unwrap().1), flags);
    assert_eq!(
        file_from_matches(&matches).unwrap().to_str(),
        Some("a.toml")
    );
}

#[test]
fn nothing_given_is_nothing_set() {
    assert!(from_matches(&matches(&["sessiongraph", "serve"])).is_empty());
    assert!(file_from_matches(&matches(&["sessiongraph"])).is_none());
}

#[test]
fn a_secret_may_begin_with_a_dash() {
    let matches = matches(&["sessiongraph", "serve", "--secret", "-hush-hush"]);
    assert_eq!(
        from_matches(&matches),
        [("secret", "-hush-hush".to_owned())]
    );
}

#[test]
fn the_help_tells_defaults_and_warns_of_secrets() {
    let help = command().term_width(0).render_long_help().to_string();
    let (_, configuration) = help.split_once("\nConfiguration:\n").unwrap();
    for key in KEYS {
        let (_, entry) = configuration
            .split_once(&format!("--{} <VALUE>", key.flag))
            .unwrap();
        let entry = entry.split("--").next().unwrap();
        assert_eq!(
            entry.contains("visible in the process list"),
            key.secret,
            "{}",
            key.name
        );
    }
    assert!(configuration.contains("[default: 127.0.0.1:4000]"));
    assert!(configuration.contains("the environment or `secret_file` is better"));
    assert!(!command().render_help().to_string().contains("--max-depth"));
}
