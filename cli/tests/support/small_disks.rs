//! Small file systems that only a test's own processes see, so that it can fill them.
//!
//! Each is a tmpfs in a namespace of mounts. Where users may have namespaces, nobody needs to be root for it. A process
//! keeps the namespace, and others enter it. The test itself finds the files below that process in `/proc`.

use std::io::{BufRead as _, BufReader, ErrorKind, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// What memory has to hold is used only when it is written.
const SIZE: u64 = 4 << 30;
/// A disk is made small before it is filled, with this room left for the file that fills it.
const ROOM: u64 = 4 << 20;
const FILLER: &str = "filler";
/// Mounts a disk at each folder, says so, and keeps the namespace until its standard input is closed.
const KEEPER: &str =
    r#"for folder in "$@"; do mount -t tmpfs -o size=4g tmpfs "$folder" || exit 1; done; echo mounted; exec cat"#;
/// Runs a command in a folder.
const ENTER: &str = r#"cd "$1" && shift && exec "$@""#;

/// Disks that are there until this is dropped and no process uses them.
pub struct SmallDisks {
    keeper: Child,
    namespaces: &'static [&'static str],
}

impl SmallDisks {
    /// Puts a disk at each of these folders, which exist and are absolute. Otherwise says why that can't be done here.
    pub fn mount(folders: &[&Path]) -> Result<Self, String> {
        let ways: [(&[&str], &'static [&'static str]); 2] = [
            (&["--user", "--map-root-user", "--mount"], &["--user", "--preserve-credentials", "--mount"]),
            // Only root may do this.
            (&["--mount"], &["--mount"]),
        ];
        let mut reasons = Vec::new();
        for (unshare, namespaces) in ways {
            match keeper(unshare, folders) {
                Ok(keeper) => return Ok(Self { keeper, namespaces }),
                Err(reason) => reasons.push(format!("unshare {}: {reason}", unshare.join(" "))),
            }
        }
        Err(reasons.join("; "))
    }

    /// The command, as one that sees the disks. Where its output goes has to be said afterwards.
    pub fn within(&self, command: &Command) -> Command {
        let mut inside = Command::new("nsenter");
        inside.args(["--target", &self.keeper.id().to_string()]).args(self.namespaces);
        let here = std::env::current_dir().unwrap();
        inside.args(["sh", "-c", ENTER, "sh"]).arg(command.get_current_dir().unwrap_or(&here));
        inside.arg(command.get_program()).args(command.get_args());
        for (name, value) in command.get_envs() {
            match value {
                Some(value) => inside.env(name, value),
                None => inside.env_remove(name),
            };
        }
        inside
    }

    /// Where the test sees a path of a disk.
    pub fn seen(&self, path: &Path) -> PathBuf {
        format!("/proc/{}/root{}", self.keeper.id(), path.display()).into()
    }

    /// Leaves no room on the disk at this folder.
    pub fn fill(&self, folder: &Path) {
        // What is used may grow meanwhile.
        let is_resized = (0..20).any(|_| {
            let disk = rustix::fs::statvfs(self.seen(folder)).unwrap();
            self.resize(folder, (disk.f_blocks - disk.f_bfree) * disk.f_frsize + ROOM)
        });
        assert!(is_resized, "the disk at {} can't be made small", folder.display());
        self.fill_again(folder);
    }

    /// Leaves no room on a disk that was filled and on which something was removed since.
    pub fn fill_again(&self, folder: &Path) {
        let filler = self.seen(&folder.join(FILLER));
        let mut filler = std::fs::OpenOptions::new().create(true).append(true).open(filler).unwrap();
        for size in [1 << 16, 1 << 12] {
            let error = loop {
                if let Err(error) = filler.write_all(&vec![0; size]) {
                    break error;
                }
            };
            assert_eq!(error.kind(), ErrorKind::StorageFull, "{error}");
        }
    }

    /// Makes room again.
    pub fn free(&self, folder: &Path) {
        std::fs::remove_file(self.seen(&folder.join(FILLER))).unwrap();
        assert!(self.resize(folder, SIZE), "the disk at {} can't be made large", folder.display());
    }

    fn resize(&self, folder: &Path, bytes: u64) -> bool {
        let mut mount = Command::new("mount");
        mount.args(["-o", &format!("remount,size={bytes}"), "tmpfs"]).arg(folder);
        self.within(&mount).stderr(Stdio::null()).status().unwrap().success()
    }
}

/// The process that keeps the namespace, once the disks are there.
fn keeper(unshare: &[&str], folders: &[&Path]) -> Result<Child, String> {
    let mut command = Command::new("unshare");
    command.args(unshare).args(["sh", "-c", KEEPER, "sh"]).args(folders);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut keeper = command.spawn().map_err(|error| error.to_string())?;
    let mut said = String::new();
    BufReader::new(keeper.stdout.take().unwrap()).read_line(&mut said).unwrap();
    if said == "mounted\n" {
        return Ok(keeper);
    }
    let output = keeper.wait_with_output().unwrap();
    Err(String::from_utf8_lossy(&output.stderr).lines().collect::<Vec<_>>().join(", "))
}

impl Drop for SmallDisks {
    fn drop(&mut self) {
        let _ = self.keeper.kill();
        let _ = self.keeper.wait();
    }
}
