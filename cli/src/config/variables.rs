//! Variables of the environment that are not settings.

/// Variables with our prefix that are not settings: the log's filter, the folder of the shipped models, and those of
/// the local stack, the dashboards, the training and the tests.
pub(super) const OTHER_VARIABLES: &[&str] = &[
    "TAPEWIRE_BLESS",
    "TAPEWIRE_CACHE",
    "TAPEWIRE_CLICKHOUSE_BI_PASSWORD",
    "TAPEWIRE_CLICKHOUSE_BI_PASSWORD_FILE",
    "TAPEWIRE_CLICKHOUSE_HTTP_PORT",
    "TAPEWIRE_CLICKHOUSE_TCP_PORT",
    "TAPEWIRE_CLICKHOUSE_ZONE",
    "TAPEWIRE_DASHBOARDS_PICTURE",
    "TAPEWIRE_DASHBOARDS_TEST_DATABASE",
    "TAPEWIRE_DASHBOARDS_TEST_PORT",
    "TAPEWIRE_FIXTURES",
    "TAPEWIRE_GRAFANA_PORT",
    "TAPEWIRE_JAEGER_PORT",
    "TAPEWIRE_KAFKA_ADVERTISED_PORT",
    "TAPEWIRE_KAFKA_CONTROLLER_PORT",
    "TAPEWIRE_KAFKA_PORT",
    "TAPEWIRE_LABELLED_DATA",
    "TAPEWIRE_LOG",
    "TAPEWIRE_MARTS_DATABASE",
    "TAPEWIRE_MAVEN_BASE",
    "TAPEWIRE_MIGRATE_PROGRAM",
    "TAPEWIRE_MODELS_DIR",
    "TAPEWIRE_NPM_BASE",
    "TAPEWIRE_OUTCOMES",
    "TAPEWIRE_PROMETHEUS_PORT",
    "TAPEWIRE_REAL_DATA",
    "TAPEWIRE_REGISTRY_PORT",
    "TAPEWIRE_STACK_DIR",
    "TAPEWIRE_STACK_REGISTRY",
    "TAPEWIRE_STACK_TLS",
    "TAPEWIRE_SUPERSET_HOME",
    "TAPEWIRE_SUPERSET_PASSWORD",
    "TAPEWIRE_SUPERSET_PASSWORD_FILE",
    "TAPEWIRE_SUPERSET_PORT",
    "TAPEWIRE_SUPERSET_PYTHON",
    "TAPEWIRE_SUPERSET_URL",
    "TAPEWIRE_TEST_DEVICE",
    "TAPEWIRE_TEST_DIR",
    "TAPEWIRE_TEST_SCHEMA_REGISTRY",
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use crate::settings;
    use std::collections::BTreeSet;
    use std::path::Path;

    /// Every variable that scripts, tests and containers name is a setting or in the list, and every variable of the
    /// list is in use.
    #[test]
    fn the_other_variables_are_those_of_this_repository() {
        let mut found = BTreeSet::new();
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        let mut folders = vec![root.to_owned()];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
                let (path, name) = (entry.path(), entry.file_name().into_string().unwrap());
                let is_own = |text: &str| path.strip_prefix(root).is_ok_and(|path| path.starts_with(text));
                // This crate's tests misspell names on purpose; documents have placeholders: `TAPEWIRE_NAME_API_KEY`.
                let skipped = ["target", "shared", "cli/src", "cli/tests/config.rs"];
                if name.starts_with('.') || name.ends_with(".md") || skipped.into_iter().any(is_own) {
                    continue;
                }
                if entry.file_type().unwrap().is_dir() {
                    folders.push(path);
                } else if let Ok(text) = std::fs::read_to_string(&path) {
                    found.extend(text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').filter_map(|word| {
                        word.strip_prefix("TAPEWIRE_").filter(|rest| !rest.is_empty()).map(|_| word.to_owned())
                    }));
                }
            }
        }
        let unknown = settings::unknown_variables::<Config>(found.iter().map(String::as_str), OTHER_VARIABLES);
        assert_eq!(unknown, Vec::<String>::new());
        // The log's filter is read by this crate alone.
        let unused = OTHER_VARIABLES.iter().filter(|&&name| !found.contains(name) && name != "TAPEWIRE_LOG");
        assert_eq!(unused.collect::<Vec<_>>(), Vec::<&&str>::new());
    }
}
