//! Whether the schema registry answers and has this build's schemas.

use super::{Check, in_time};
use crate::config::Config;
use crate::exit;
use tapewire_bus::Format;
use tapewire_bus::avro::{self, Registration};

const WHAT: &str = "schema registry";

/// The check of the schema registry.
pub async fn check(config: &Config) -> Check {
    let kafka = &config.kafka;
    let Some(url) = &kafka.schema_registry.url else {
        return match kafka.format {
            Format::Json => Check::skipped(WHAT, "kafka.format is \"json\", and no registry is set"),
            Format::Avro => Check::problem(WHAT, "kafka.format is \"avro\", and no registry is set")
                .remedy("write its address in kafka.schema_registry.url"),
        };
    };
    match in_time(avro::registrations(kafka)).await {
        Ok(Ok(all)) => schemas(url, kafka.format, &all.unwrap_or_default()),
        Ok(Err(error)) => Check::problem(WHAT, exit::text(&error.into())),
        Err(late) => {
            Check::problem(WHAT, format!("{late} from {url}")).remedy("see whether the registry is overloaded")
        }
    }
}

fn schemas(url: &str, format: Format, all: &[Registration]) -> Check {
    let missing: Vec<&str> =
        all.iter().filter(|schema| schema.id.is_none()).map(|schema| schema.subject.as_str()).collect();
    if missing.is_empty() {
        let written = match format {
            Format::Json => "records are written as JSON",
            Format::Avro => "records are written as Avro",
        };
        return Check::ok(WHAT, format!("answers at {url} and has all {} schemas; {written}", all.len()));
    }
    let found = format!("at {url} this build's schemas of {} are not registered", missing.join(", "));
    let check = match format {
        Format::Json => Check::warning(WHAT, found),
        Format::Avro => Check::problem(WHAT, found),
    };
    check.remedy("run `tapewire migrate`")
}

#[cfg(test)]
mod tests {
    use super::super::Status;
    use super::*;

    #[test]
    fn a_schema_that_is_not_registered_is_a_problem_only_where_avro_is_written() {
        let all = |id| [Registration { subject: "news-value".into(), id }];
        let status = |format, id| schemas("http://r", format, &all(id)).status;
        assert_eq!(status(Format::Avro, Some(1)), Status::Ok);
        assert_eq!(status(Format::Json, None), Status::Warning);
        assert_eq!(status(Format::Avro, None), Status::Problem);
        let line = schemas("http://r", Format::Avro, &all(None)).line();
        assert!(line.contains("news-value") && line.contains("tapewire migrate"), "{line}");
    }
}
