//! `tapewire dead-letter`: what could not be read, and sending it again after a fix.

use crate::config::Config;
use crate::dead_letters::{self, Outcome};
use crate::exit::{self, UsageError};
use crate::output::{self, out, outln};
use crate::{commands::duration, preflight};
use anyhow::bail;
use clap::{Args, Subcommand};
use jiff::{SignedDuration, Timestamp};
use serde_json::json;
use tapewire_bus::Topic;
use tapewire_bus::avro::{self, Decoder};
use tapewire_runtime::Clock;
use tapewire_store::letters::{self, Filter, Letter, Listed};

/// Digits of an id that are shown; any number of them names a letter, if no other begins with the same.
const SHOWN: usize = 12;

/// Lists what could not be read, shows it, and sends it again after a fix.
///
/// The letters are those in ClickHouse, where the role `join` puts each one from the topic `dead-letter`.
#[derive(Args)]
#[command(after_help = "Examples:\n  tapewire dead-letter list --since 2h\n  \
    tapewire dead-letter list --reason \"not a ticker\" --origin massive\n  \
    tapewire dead-letter show 3f9c01\n  \
    tapewire dead-letter replay --origin \"massive websocket\" --dry-run")]
pub struct DeadLetter {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// The letters, the newest first, and how many there are for each reason
    List(List),
    /// One letter with its bytes
    Show(Show),
    /// Read letters again with this build, and send the records that can be read now; each once
    Replay(Replay),
}

/// Which letters.
#[derive(Args, Clone)]
struct Which {
    /// Part of the reason, in any case
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    /// Part of where it came from, in any case: `topic news`, `massive websocket`, `bars.csv`
    #[arg(long, value_name = "TEXT")]
    origin: Option<String>,
    /// Stage that could not read it: news-poller, price-feed, sentiment-worker, joiner, archive, replay, instruments
    #[arg(long)]
    stage: Option<String>,
    /// Run that it belongs to; an empty text for those whose run is not known
    #[arg(long)]
    run: Option<String>,
    /// Only what came in since: 2h, 3d, or a time such as 2025-06-02T14:00:00Z
    #[arg(long, value_name = "TIME", value_parser = since)]
    since: Option<Since>,
}

#[derive(Clone, Copy, Debug)]
enum Since {
    At(Timestamp),
    Ago(SignedDuration),
}

fn since(text: &str) -> Result<Since, String> {
    if let Ok(at) = text.parse::<Timestamp>() {
        return Ok(Since::At(at));
    }
    let days = text.strip_suffix('d').and_then(|days| days.trim().parse::<u32>().ok());
    if let Some(days) = days {
        return Ok(Since::Ago(SignedDuration::from_hours(i64::from(days) * 24)));
    }
    let ago = duration::parse(text).ok().and_then(|ago| SignedDuration::try_from(ago).ok());
    ago.map(Since::Ago)
        .ok_or_else(|| "write a duration such as 2h or 3d, or a time such as 2025-06-02T14:00:00Z".into())
}

impl Which {
    fn filter(&self) -> Filter {
        let since = self.since.map(|since| match since {
            Since::At(at) => at,
            Since::Ago(ago) => Clock::wall().now().saturating_sub(ago).unwrap_or(Timestamp::UNIX_EPOCH),
        });
        let (reason, origin) = (self.reason.clone(), self.origin.clone());
        Filter { reason, origin, stage: self.stage.clone(), run: self.run.clone(), since, ..Filter::default() }
    }

    fn is_empty(&self) -> bool {
        let texts = [&self.reason, &self.origin, &self.stage, &self.run];
        texts.into_iter().all(Option::is_none) && self.since.is_none()
    }
}

#[derive(Args)]
#[command(
    after_help = "Examples:\n  tapewire dead-letter list\n  tapewire dead-letter list --stage price-feed --limit 200\n  \
    tapewire dead-letter list --json | jq .reasons"
)]
struct List {
    #[command(flatten)]
    which: Which,
    /// Most letters that are listed
    #[arg(long, default_value_t = 20)]
    limit: u64,
    /// Print JSON: {"total": ..., "reasons": [...], "letters": [...]}, with all reasons
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
#[command(
    after_help = "Examples:\n  tapewire dead-letter show 3f9c01\n  tapewire dead-letter show 3f9c01 --raw > item.json"
)]
struct Show {
    /// Id, or its beginning
    id: String,
    /// Print the bytes in hexadecimal digits even if they are text
    #[arg(long, conflicts_with = "raw")]
    hex: bool,
    /// Print the bytes and nothing else
    #[arg(long)]
    raw: bool,
}

/// Reads letters again with this build, and sends the records that can be read now to the topics they belong to.
///
/// A record of a topic goes to its topic again. An item of a provider is parsed by the source of that name. A row of a file is
/// not sent: replay the file. What is replayed is noted, and is not sent a second time without --again. An article of the
/// live run counts as known from now on. One of which a later revision is stored is not sent.
#[derive(Args)]
#[command(after_help = "Examples:\n  tapewire dead-letter replay 3f9c01 a77b\n  \
    tapewire dead-letter replay --reason \"event type\" --since 1d --dry-run\n  tapewire dead-letter replay --all\n\n\
    A record of a topic goes to its topic again; an item of a provider is parsed by the source of that name; a row of a file is\n\
    not sent: replay the file. In the run `live` a replayed article counts as known from now on.\n\n\
    After an interruption run the same command again: it goes on with what is not noted yet. A letter whose sending was not\n\
    noted is sent again, which doubles no row.")]
struct Replay {
    /// Ids, or their beginnings
    #[arg(value_name = "ID")]
    ids: Vec<String>,
    #[command(flatten)]
    which: Which,
    /// All letters
    #[arg(long)]
    all: bool,
    /// Say what would be sent, and send nothing
    #[arg(long)]
    dry_run: bool,
    /// Also what was replayed before
    #[arg(long)]
    again: bool,
}

impl DeadLetter {
    pub async fn run(self, config: &Config) -> anyhow::Result<()> {
        match self.command {
            Command::List(command) => command.run(config).await,
            Command::Show(command) => command.run(config).await,
            Command::Replay(command) => command.run(config).await,
        }
    }
}

impl List {
    async fn run(self, config: &Config) -> anyhow::Result<()> {
        let (filter, store) = (self.which.filter(), &config.clickhouse);
        let reasons = letters::reasons(store, &filter, MOST_REASONS).await?;
        let total: u64 = reasons.iter().map(|count| count.letters).sum();
        let listed = letters::list(store, &filter, self.limit).await?;
        if self.json {
            let reason = |count: &letters::ReasonCount| json!({"stage": count.stage, "reason": count.reason, "letters": count.letters, "replayed": count.replayed});
            let letter = |letter: &Listed| {
                json!({
                    "id": letter.id, "run": letter.run, "stage": letter.stage, "origin": letter.origin,
                    "reason": letter.reason, "size": letter.size, "at": time(letter.at),
                    "replayed_at": (letter.replayed_at > 0).then(|| time(letter.replayed_at)),
                })
            };
            let reasons: Vec<_> = reasons.iter().map(reason).collect();
            let listed: Vec<_> = listed.iter().map(letter).collect();
            outln!("{}", json!({"total": total, "reasons": reasons, "letters": listed}))?;
            return Ok(());
        }
        if listed.is_empty() {
            outln!("no dead letters{}", if self.which.is_empty() { "" } else { " match" })?;
            return Ok(());
        }
        for count in reasons.iter().take(REASONS) {
            let replayed = if count.replayed > 0 { format!(" ({} replayed)", count.replayed) } else { String::new() };
            outln!("{:>8}{replayed}  {}: {}", count.letters, count.stage, line(&count.reason, 120))?;
        }
        if let Some(words) = more_reasons(reasons.len()) {
            outln!("{words}")?;
        }
        outln!()?;
        for letter in &listed {
            let replayed = if letter.replayed_at > 0 { ", replayed" } else { "" };
            let run = if letter.run.is_empty() { "-" } else { &letter.run };
            outln!(
                "{}  {}  {run}  {}, {} bytes{replayed}\n    {}",
                &letter.id[..SHOWN.min(letter.id.len())],
                time(letter.at),
                line(&letter.origin, 100),
                letter.size,
                line(&letter.reason, 140)
            )?;
        }
        if let Some(words) = more_letters(listed.len(), total) {
            outln!("\n{words}")?;
        }
        Ok(())
    }
}

/// Most reasons that are listed for people, and in JSON.
const REASONS: usize = 15;
const MOST_REASONS: u64 = 100_000;

/// That there are more reasons than are listed.
fn more_reasons(found: usize) -> Option<String> {
    let more = found.checked_sub(REASONS).filter(|more| *more > 0)?;
    Some(format!("{:>8}  more reasons; --json lists all", format!("+{more}")))
}

/// That there are more letters than are listed.
fn more_letters(listed: usize, total: u64) -> Option<String> {
    let is_all = u64::try_from(listed).is_ok_and(|listed| listed >= total);
    (!is_all).then(|| format!("the newest {listed} of {total} letters; --limit {total} lists all"))
}

impl Show {
    async fn run(self, config: &Config) -> anyhow::Result<()> {
        let filter = Filter { ids: vec![self.id.to_ascii_lowercase()], ..Filter::default() };
        let found = letters::page(&config.clickhouse, &filter, None, 2).await?;
        let letter = match found.as_slice() {
            [letter] => letter,
            [] => bail!("there is no dead letter {}; `tapewire dead-letter list` shows the ids", self.id),
            _ => bail!("several dead letters begin with {}; give more digits", self.id),
        };
        if self.raw {
            output::bytes(&letter.bytes)?;
            return Ok(());
        }
        out!("{}", shown(letter, self.hex))?;
        if let Some(words) = of_avro(config, letter).await {
            outln!("\n{words}")?;
        }
        Ok(())
    }
}

/// What a record in Avro says, by the schema of its writer; `None` for other bytes.
async fn of_avro(config: &Config, letter: &Letter) -> Option<String> {
    let topic = Topic::named(letter.origin.strip_prefix("topic ")?.split(',').next()?)?;
    avro::schema(topic).filter(|_| avro::is_avro(&letter.bytes))?;
    let read = match Decoder::new(&config.kafka) {
        Ok(decoder) => decoder.json(topic, &letter.bytes).await,
        Err(error) => Err(error),
    };
    Some(match read {
        Ok(Ok(json)) => {
            format!("It is Avro, and by the schema of its writer it says:\n{}", String::from_utf8_lossy(&json))
        }
        Ok(Err(reason)) => format!("It can't be read by a schema: {reason}"),
        Err(error) => exit::text(&error.into()),
    })
}

/// A letter for people: text as it is, other bytes in hexadecimal digits.
fn shown(letter: &Letter, as_hex: bool) -> String {
    let or = |text: &str, other: &str| if text.is_empty() { other.to_owned() } else { text.to_owned() };
    let replayed = if letter.replayed_at > 0 { time(letter.replayed_at) } else { "never".into() };
    let mut out = format!(
        "id        {}\nstage     {}\nrun       {}\norigin    {}\nat        {}\nreason    {}\nreplayed  {replayed}\nbytes     {}\n\n",
        letter.id,
        or(&letter.stage, "the letter itself could not be read"),
        or(&letter.run, "not known"),
        line(&letter.origin, 1000),
        time(letter.at),
        line(&letter.reason, 2000),
        letter.bytes.len(),
    );
    let is_plain = |c: char| !c.is_control() || matches!(c, '\n' | '\t');
    match std::str::from_utf8(&letter.bytes) {
        Ok(text) if !as_hex && text.chars().all(is_plain) => {
            out.push_str(text);
            out.push('\n');
        }
        _ => {
            for (row, bytes) in letter.bytes.chunks(16).enumerate() {
                let digits: String = bytes.iter().map(|byte| format!("{byte:02x} ")).collect();
                let plain = |&byte: &u8| if byte.is_ascii_graphic() || byte == b' ' { byte as char } else { '.' };
                let text: String = bytes.iter().map(plain).collect();
                out.push_str(&format!("{:08x}  {digits:<48} {text}\n", row * 16));
            }
        }
    }
    out
}

impl Replay {
    async fn run(self, config: &Config) -> anyhow::Result<()> {
        if self.ids.is_empty() && self.which.is_empty() && !self.all {
            let words = "say which letters: their ids, a filter such as --origin or --reason, or --all";
            return Err(UsageError(words.into()).into());
        }
        preflight::servers(config, true).await?;
        let ids: Vec<String> = self.ids.iter().map(|id| id.to_ascii_lowercase()).collect();
        let filter = Filter { ids, not_replayed: !self.again, ..self.which.filter() };
        let mut told = 0_u64;
        let say = |letter: &Letter, outcome: &Outcome| {
            // Of very many letters with the same fate the first hundred say enough.
            told += 1;
            if told <= 100 || self.dry_run {
                let id = &letter.id[..SHOWN.min(letter.id.len())];
                // A reader that has gone is no reason to stop before the end.
                let _ = outln!("{id}  {}: {outcome}", line(&letter.origin, 80));
            }
        };
        let done = dead_letters::replay(config, &filter, self.dry_run, say).await?;
        let with_replayed =
            letters::reasons(&config.clickhouse, &Filter { not_replayed: false, ..filter }, 1000).await?;
        let before: u64 = with_replayed.iter().map(|count| count.replayed).sum::<u64>().saturating_sub(done.noted);
        let sent = if self.dry_run { "records that would be sent" } else { "records sent" };
        outln!(
            "letters: {}; {sent}: {}; letters that can't be replayed: {}",
            done.letters,
            done.records,
            done.refused
        )?;
        if before > 0 && !self.again {
            outln!("{before} were replayed before and left out; --again sends them again")?;
        }
        if done.letters == 0 && before == 0 {
            bail!("no dead letter matches");
        }
        Ok(())
    }
}

/// A text in one line, without control characters and not too long.
fn line(text: &str, longest: usize) -> String {
    let plain: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(longest).collect();
    if text.chars().count() > longest { format!("{plain}...") } else { plain }
}

fn time(microseconds: i64) -> String {
    let at = Timestamp::from_microsecond(microseconds).unwrap_or(Timestamp::UNIX_EPOCH);
    at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_says_how_much_it_leaves_out() {
        assert_eq!((more_reasons(15), more_letters(20, 20), more_letters(0, 0)), (None, None, None));
        assert_eq!(more_reasons(17).unwrap(), "      +2  more reasons; --json lists all");
        assert_eq!(more_letters(20, 34).unwrap(), "the newest 20 of 34 letters; --limit 34 lists all");
    }

    #[test]
    fn bytes_are_shown_as_text_or_in_digits() {
        let letter = |bytes: &[u8]| Letter {
            run: "live".into(),
            id: "ab".into(),
            stage: "price-feed".into(),
            origin: "massive websocket".into(),
            reason: "not json".into(),
            bytes: bytes.to_vec(),
            at: 1_748_872_800_000_000,
            replayed_at: 0,
        };
        let text = shown(&letter("{\"ä\"".as_bytes()), false);
        assert!(text.contains("2025-06-02 14:00:00 UTC") && text.ends_with("{\"ä\"\n"), "{text}");
        let digits = shown(&letter(b"a\xff\x1b[2J"), false);
        assert!(digits.contains("61 ff 1b 5b 32 4a") && digits.ends_with(" a..[2J\n"), "{digits}");
        assert!(shown(&letter(b"plain"), true).contains("70 6c 61 69 6e"));
    }

    #[test]
    fn since_is_a_duration_or_a_time() {
        assert!(matches!(since("3d"), Ok(Since::Ago(ago)) if ago.as_hours() == 72));
        assert!(matches!(since("90m"), Ok(Since::Ago(ago)) if ago.as_mins() == 90));
        assert!(matches!(since("2025-06-02T14:00:00Z"), Ok(Since::At(_))));
        assert!(since("yesterday").unwrap_err().contains("2h"));
    }
}
