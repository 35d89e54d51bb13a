//! The command-line flags, one for each key.

use std::path::PathBuf;

use clap::builder::ValueParser;
use clap::{Arg, ArgAction, ArgMatches};

use super::keys::{KEYS, Key};

const HEADING: &str = "Configuration";
const CONFIG: &str = "config";

/// `--config` and a flag for each of [`KEYS`], to be added to the top-level command. They are global:
/// they may stand before or after a subcommand. The ids of the flags are the names of the keys.
#[must_use]
pub fn args() -> Vec<Arg> {
    let config = Arg::new(CONFIG)
        .long(CONFIG)
        .value_name("FILE")
        .value_parser(ValueParser::path_buf())
        .help("Configuration file [default: sessiongraph.toml, if there is one]")
        .help_heading(HEADING)
        .global(true);
    std::iter::once(config)
        .chain(KEYS.iter().map(arg))
        .collect()
}

fn arg(key: &Key) -> Arg {
    Arg::new(key.name)
        .long(key.flag)
        .value_name("VALUE")
        .value_parser(ValueParser::string())
        .action(ArgAction::Set)
        .help(help(key))
        .help_heading(HEADING)
        // Some fifty keys: `-h` is for the commands, `--help` tells all.
        .hide_short_help(true)
        // A secret may begin with a dash; taken for a flag, it would be printed as an unknown one.
        .allow_hyphen_values(key.secret)
        .global(true)
}

fn help(key: &Key) -> String {
    let warning = match (key.secret, key.name) {
        (true, "secret") => {
            ". A flag is visible in the process list: the environment or `secret_file` is better"
        }
        (true, "database_url") => {
            ". A flag is visible in the process list: with a password in it, the environment is better"
        }
        (true, _) => {
            ". A flag is visible in the process list: the environment or the configuration file is better"
        }
        (false, _) => "",
    };
    match key.default {
        None | Some("") => format!("{}{warning}", key.help),
        Some(default) => format!("{}{warning} [default: {default}]", key.help),
    }
}

/// The flags that were given, as pairs of key and text.
#[must_use]
pub fn from_matches(matches: &ArgMatches) -> Vec<(&'static str, String)> {
    KEYS.iter()
        .filter_map(|key| {
            let text = matches.try_get_one::<String>(key.name).ok()??;
            Some((key.name, text.clone()))
        })
        .collect()
}

/// The file that `--config` names.
#[must_use]
pub fn file_from_matches(matches: &ArgMatches) -> Option<PathBuf> {
    matches.try_get_one::<PathBuf>(CONFIG).ok()?.cloned()
}
