//! From file, environment and flags to one table of settings.
//!
//! `tapewire.toml` is overridden by `TAPEWIRE_SECTION_KEY`, and that by `--set section.key=value`.

use anyhow::{Context as _, anyhow, bail};
use std::path::Path;
use toml::{Table, Value};

/// The file looked for where `--config` names none.
pub const DEFAULT_FILE: &str = "tapewire.toml";

const PREFIX: &str = "TAPEWIRE_";

/// Merges the three sources. `sections` are the known tables; `scalars` the keys outside any table.
pub fn merge(
    file: Option<&Path>,
    environment: impl Iterator<Item = (String, String)>,
    flags: &[String],
    sections: &[&str],
    scalars: &[&str],
) -> anyhow::Result<Table> {
    let mut settings = read(file)?;
    for (name, value) in environment {
        let Some(name) = name.strip_prefix(PREFIX) else { continue };
        let name = name.to_ascii_lowercase();
        // Other variables with our prefix belong to the local stack and to models; they are not settings.
        if let Some((section, key)) = sections.iter().find_map(|s| Some((*s, name.strip_prefix(s)?.strip_prefix('_')?)))
        {
            table(&mut settings, section)?.insert(key.to_owned(), scalar(&value));
        } else if scalars.contains(&name.as_str()) {
            settings.insert(name, scalar(&value));
        }
    }
    for flag in flags {
        let (path, value) =
            flag.split_once('=').ok_or_else(|| anyhow!("--set {flag}: write it as section.key=value"))?;
        let (sections, key) = path.rsplit_once('.').unwrap_or(("", path));
        let mut place = &mut settings;
        for section in sections.split('.').filter(|section| !section.is_empty()) {
            place = table(place, section)?;
        }
        place.insert(key.to_owned(), scalar(value));
    }
    Ok(settings)
}

fn read(file: Option<&Path>) -> anyhow::Result<Table> {
    let path = match file {
        Some(path) => path,
        None if Path::new(DEFAULT_FILE).exists() => Path::new(DEFAULT_FILE),
        None => return Ok(Table::new()),
    };
    let text = std::fs::read_to_string(path).with_context(|| format!("can't read settings file {}", path.display()))?;
    text.parse().with_context(|| format!("settings file {} is not valid TOML", path.display()))
}

fn table<'a>(settings: &'a mut Table, section: &str) -> anyhow::Result<&'a mut Table> {
    match settings.entry(section).or_insert_with(|| Value::Table(Table::new())) {
        Value::Table(table) => Ok(table),
        _ => bail!("settings: `{section}` is a section, not a value"),
    }
}

/// A value as TOML would read it (`20`, `true`, `["AAPL", "MSFT"]`), else the text itself.
fn scalar(text: &str) -> Value {
    format!("value = {text}")
        .parse::<Table>()
        .ok()
        .and_then(|mut table| table.remove("value"))
        .unwrap_or_else(|| Value::String(text.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn merged(file: &str, environment: &[(&str, &str)], flags: &[&str]) -> anyhow::Result<Table> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("t.toml");
        std::fs::write(&path, file).unwrap();
        let environment = environment.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned()));
        let flags: Vec<String> = flags.iter().map(|f| (*f).to_owned()).collect();
        merge(Some(&path), environment, &flags, &["kafka", "clickhouse"], &["listen"])
    }

    #[test]
    fn flags_beat_environment_beats_file() {
        let file = "listen = \"file\"\n[kafka]\nbrokers = \"file:1\"\npartitions = 1\nprefix = \"file\"";
        let settings = merged(
            file,
            &[
                ("TAPEWIRE_KAFKA_BROKERS", "env:2"),
                ("TAPEWIRE_KAFKA_PARTITIONS", "2"),
                ("TAPEWIRE_LISTEN", "env"),
                ("TAPEWIRE_STACK_DIR", "x"),
            ],
            &["kafka.brokers=flag:3", "kafka.properties.debug=all"],
        )
        .unwrap();
        let kafka = settings["kafka"].as_table().unwrap();
        assert_eq!(kafka["brokers"].as_str(), Some("flag:3"));
        assert_eq!(kafka["properties"]["debug"].as_str(), Some("all"));
        assert_eq!(kafka["partitions"].as_integer(), Some(2));
        assert_eq!(kafka["prefix"].as_str(), Some("file"));
        assert_eq!(settings["listen"].as_str(), Some("env"));
        assert!(!settings.contains_key("stack"));
    }

    #[test]
    fn lists_and_plain_text_are_both_understood() {
        assert_eq!(scalar(r#"["A", "B"]"#).as_array().map(Vec::len), Some(2));
        assert_eq!(scalar("http://127.0.0.1:1").as_str(), Some("http://127.0.0.1:1"));
        assert_eq!(scalar("").as_str(), Some(""));
    }

    #[test]
    fn what_is_wrong_is_named() {
        let error = format!("{:#}", merged("[kafka", &[], &[]).unwrap_err());
        assert!(error.contains("t.toml") && error.contains("TOML"), "{error}");
        let error = format!("{:#}", merged("", &[], &["nonsense"]).unwrap_err());
        assert!(error.contains("section.key=value"), "{error}");
    }
}
