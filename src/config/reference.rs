//! What can be configured, for people: `docs/configuration.md`, and what `sessiongraph config --reference` prints.

use std::fmt::Write as _;

use super::keys::{KEYS, Key, allowed};
use super::sources::PREFIX;

const INTRODUCTION: &str = "\
# Configuration

<!-- Written by `make docs-configuration` from src/config; a test compares. -->

Every setting has a default: with none at all the server listens on 127.0.0.1:4000 and keeps its data in
`./data/sessiongraph.db`.

Settings come in four layers, the later ones stronger:

1. the defaults;
2. a TOML file: the one that `--config FILE` names, else the one that the environment variable `SESSIONGRAPH_CONFIG`
   names, else `sessiongraph.toml` in the working directory, if there is one;
3. environment variables: `SESSIONGRAPH_` and the key in upper case;
4. command-line flags: the key with dashes for underscores. They may stand before or after a command.

`sessiongraph config` prints what is in force and which layer each value is from, with secrets masked.
`sessiongraph config --reference` prints this page, for the very version that is installed, and `sessiongraph help` lists
every flag and every command.

An unknown key or a bad value is an error at the start, in whatever layer it stands, and so is what cannot be meant
together, such as `cookie_secure = false` with an https `public_url`. All errors are reported at once, each with its key
and its layer, and none of them repeats a value. What Kubernetes puts into the environment for a service of this name
(`SESSIONGRAPH_SERVICE_…`, `SESSIONGRAPH_PORT…`) is passed over.

Values are written alike in every layer; the file may have TOML's own integers, booleans and arrays as well.

| kind | written as |
| --- | --- |
| duration | `10s`, `10m`, `7d` |
| rate | `10/15m`: ten in fifteen minutes |
| size | a number of bytes, or `256KiB` |
| switch | `true` or `false`; a flag takes the value too: `--playground false` |
| list | separated by commas, or a TOML array |
| secret | 32 bytes at least, without the white space around it; a flag is visible in the list of processes, so better in a file or the environment |

Several servers on one database have the same configuration; `listen`, `log` and `log_format` may differ.

A file for a server behind a proxy, on PostgreSQL:

```toml
# sessiongraph.toml
listen = \"0.0.0.0:4000\"
public_url = \"https://auth.example.com\"
database_url = \"postgres://sessiongraph@db/sessiongraph\"
secret_file = \"/run/secrets/sessiongraph\"
trusted_proxies = [\"10.0.0.0/8\"]
allowed_origins = [\"https://app.example.com\"]
```

## All keys

";

/// The page, as Markdown: how settings are given, a table of [`KEYS`], and each key by itself.
#[must_use]
pub fn reference() -> String {
    let mut page = String::from(INTRODUCTION);
    page.push_str("| key | default | what |\n| --- | --- | --- |\n");
    for key in KEYS {
        let (name, help) = (key.name, meaning(key));
        // Writing into a string cannot fail.
        let _ = writeln!(page, "| [`{name}`](#{name}) | {} | {help} |", default(key));
    }
    for (key, allowed) in KEYS.iter().zip(allowed()) {
        let _ = write!(
            page,
            "\n### {name}\n\n{help}.\n\n\
             | | |\n| --- | --- |\n\
             | default | {default} |\n\
             | allowed | {allowed} |\n\
             | environment | `{PREFIX}{variable}` |\n\
             | flag | `--{flag}` |\n",
            name = key.name,
            help = meaning(key),
            default = default(key),
            variable = key.name.to_ascii_uppercase(),
            flag = key.flag,
        );
    }
    page
}

/// The key's help, without the default that a flag's help adds in brackets.
fn meaning(key: &Key) -> &'static str {
    derived(key).map_or(key.help, |(help, _)| help)
}

fn default(key: &Key) -> String {
    match (key.default, derived(key)) {
        (Some(""), _) | (None, None) => "none".to_owned(),
        (Some(default), _) => format!("`{default}`"),
        (None, Some((_, default))) => default.to_owned(),
    }
}

/// The help and the default of a key that derives its default from others, and says so in its help.
fn derived(key: &Key) -> Option<(&'static str, &'static str)> {
    key.help.strip_suffix(']')?.split_once(" [default: ")
}
