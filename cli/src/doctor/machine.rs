//! Checks of this machine: the folder of state files, its disk, the model's files, the address of `/health`.

use super::{Check, in_time};
use crate::config::Config;
use crate::exit;
use std::path::Path;
use tapewire_models::{ModelError, Registry, Source};

const MIB: u64 = 1 << 20;

/// The checks of this machine.
pub async fn checks(config: &Config) -> Vec<Check> {
    let mut checks = vec![state(&config.state_dir), disk(&config.state_dir)];
    let name = config.model.clone();
    // A folder may be on a network file system that does not answer.
    let model = in_time(tokio::task::spawn_blocking(move || model(&name))).await;
    checks.push(match model {
        Ok(Ok(check)) => check,
        Ok(Err(_)) => Check::problem("model", "its files could not be read"),
        Err(late) => Check::problem("model", late),
    });
    checks.push(listen(&config.listen));
    checks
}

/// Whether the folder can be written and its files can be read.
fn state(folder: &Path) -> Check {
    let (what, name) = ("state folder", folder.display());
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return Check::ok(what, format!("{name} does not exist yet; the first start creates it"));
        }
        Err(error) => {
            let remedy = "give this user the right to read it, or set state_dir to another folder";
            return Check::problem(what, format!("{name} can't be read: {error}")).remedy(remedy);
        }
    };
    if let Err(error) = tempfile::NamedTempFile::new_in(folder) {
        let remedy = "give this user the right to write there, or set state_dir to another folder";
        return Check::problem(what, format!("{name} can't be written: {error}")).remedy(remedy);
    }
    let mut files = 0;
    for path in entries.flatten().map(|entry| entry.path()).filter(|path| path.extension().is_some_and(|e| e == "json"))
    {
        files += 1;
        let read = std::fs::read(&path).map_err(|error| error.to_string());
        let read = read.and_then(|bytes| {
            serde_json::from_slice::<serde::de::IgnoredAny>(&bytes).map_err(|error| error.to_string())
        });
        if let Err(reason) = read {
            let remedy = "restore it, or remove it: tapewire then starts without the state that it held";
            return Check::problem(what, format!("{} is damaged: {reason}", path.display())).remedy(remedy);
        }
    }
    Check::ok(what, format!("{name} can be written; {files} state files can be read"))
}

fn disk(folder: &Path) -> Check {
    let what = "disk";
    let existing = folder.ancestors().find(|place| place.exists()).unwrap_or(Path::new("."));
    // A relative folder that does not exist has the empty path as its last ancestor.
    let existing = if existing.as_os_str().is_empty() { Path::new(".") } else { existing };
    let free = match rustix::fs::statvfs(existing) {
        Ok(disk) => disk.f_bavail.saturating_mul(disk.f_frsize),
        Err(error) => {
            return Check::warning(what, format!("the free space of {} is not known: {error}", existing.display()));
        }
    };
    let found = format!("{:.1} GiB are free for {}", free as f64 / (1024 * MIB) as f64, folder.display());
    match free {
        free if free < 50 * MIB => {
            Check::problem(what, found).remedy("make room: state files can't be written otherwise")
        }
        free if free < 1024 * MIB => Check::warning(what, found).remedy("make room"),
        _ => Check::ok(what, found),
    }
}

/// Whether the model's files are there. Nothing is downloaded.
fn model(name: &str) -> Check {
    let what = "model";
    let resolved = name.parse::<Source>().and_then(|source| {
        let offline = |variable: &str| match variable {
            "HF_HUB_OFFLINE" => Some("1".to_owned()),
            _ => std::env::var(variable).ok().filter(|value| !value.is_empty()),
        };
        Registry::from_settings(offline).resolve(&source)
    });
    match resolved {
        Ok(files) => Check::ok(what, format!("the files of {} are there", files.name)),
        Err(ModelError::Offline { model, cache }) => {
            let found = format!("{model} is not in {} yet; the first start downloads it", cache.display());
            Check::warning(what, found).remedy("start once with access to the model hub")
        }
        Err(error) => Check::problem(what, exit::text(&error.into())),
    }
}

fn listen(address: &str) -> Check {
    let what = "address";
    match std::net::TcpListener::bind(address) {
        Ok(_) => Check::ok(what, format!("{address} is free")),
        Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => {
            let found = format!("{address} is in use; that is expected while `tapewire run` is running");
            Check::warning(what, found).remedy("otherwise set listen to a free address")
        }
        Err(error) => Check::problem(what, format!("can't listen on {address}: {error}"))
            .remedy("set listen, such as 127.0.0.1:9464"),
    }
}

#[cfg(test)]
mod tests {
    use super::super::Status;
    use super::*;

    #[test]
    fn a_damaged_state_file_and_a_missing_model_are_problems_but_a_missing_folder_is_not() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(state(&folder.path().join("later")).status, Status::Ok);
        assert_ne!(disk(&folder.path().join("later/still")).status, Status::Problem);
        std::fs::write(folder.path().join("news-x.json"), "{}").unwrap();
        assert!(state(folder.path()).line().contains("1 state files"));
        std::fs::write(folder.path().join("prices-x.json"), "{\"a").unwrap();
        let damaged = state(folder.path());
        assert!(damaged.status == Status::Problem && damaged.line().contains("prices-x.json"), "{damaged:?}");
        let missing = model(&folder.path().display().to_string());
        assert!(missing.status == Status::Problem && missing.found.contains("config.json"), "{missing:?}");
    }

    #[test]
    fn an_address_in_use_may_be_our_own() {
        let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        assert_eq!(listen(&taken.local_addr().unwrap().to_string()).status, Status::Warning);
        assert_eq!(listen("127.0.0.1:0").status, Status::Ok);
        assert_eq!(listen("nowhere").status, Status::Problem);
    }
}
