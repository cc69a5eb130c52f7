//! A disk of a node's own, which can lose power: a file system in a file, which is told to stop, so that
//! what was not synced is gone. Linux, and root.

use std::fs::File;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

/// A file system may be busy for a moment after its last process was killed.
const PATIENCE: Duration = Duration::from_secs(10);
/// Sparse: what is not written takes no room.
const IMAGE_BYTES: u64 = 512 << 20;
/// EXT4_IOC_SHUTDOWN, `_IOR('X', 125, __u32)`, and EXT4_GOING_FLAGS_NOLOGFLUSH, of Linux's ext4.h.
const SHUT_DOWN: libc::c_ulong = 0x8004_587d;
const WITHOUT_FLUSHING: u32 = 2;

/// The disk, mounted.
pub struct Disk {
    image: PathBuf,
    pub path: PathBuf,
}

fn run(program: &str, arguments: &[&str]) -> Result<(), String> {
    let output =
        Command::new(program).args(arguments).output().map_err(|error| format!("{program}: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!("{program}: {}", String::from_utf8_lossy(&output.stderr).trim()))
}

fn text(path: &Path) -> &str {
    path.to_str().expect("temporary paths are text")
}

impl Disk {
    /// Makes and mounts a disk, or tells why this machine cannot.
    pub fn new(directory: &Path, name: &str) -> Result<Disk, String> {
        let image = directory.join(format!("{name}.image"));
        let path = directory.join(name);
        let file = File::create(&image).map_err(|error| error.to_string())?;
        file.set_len(IMAGE_BYTES).map_err(|error| error.to_string())?;
        std::fs::create_dir(&path).map_err(|error| error.to_string())?;
        run("mkfs.ext4", &["-q", "-F", text(&image)])?;
        let disk = Disk { image, path };
        disk.mount()?;
        Ok(disk)
    }

    fn mount(&self) -> Result<(), String> {
        run("mount", &["-o", "loop", text(&self.image), text(&self.path)])
    }

    /// Syncs all that was written until now.
    pub fn sync(&self) {
        run("sync", &["-f", text(&self.path)]).unwrap();
    }

    /// The power is gone. The node must be killed before it is back.
    pub fn lose_power(&self) {
        let directory = File::open(&self.path).unwrap();
        // SAFETY: the descriptor is open for the call, and the flag, which the kernel only reads, outlives it.
        let done = unsafe { libc::ioctl(directory.as_raw_fd(), SHUT_DOWN, &WITHOUT_FLUSHING) };
        assert_eq!(done, 0, "{}", std::io::Error::last_os_error());
    }

    /// The power is back, and the file system is what its journal says.
    pub fn regain_power(&self) {
        let started = Instant::now();
        while let Err(error) = run("umount", &[text(&self.path)]) {
            assert!(started.elapsed() < PATIENCE, "{error}");
            std::thread::sleep(Duration::from_millis(20));
        }
        self.mount().unwrap();
    }

    /// Leaves no room.
    pub fn fill(&self) {
        let file = File::create(self.path.join("filler")).unwrap();
        let mut size: u64 = 1 << 30;
        let mut end = 0;
        while size >= 4096 {
            // SAFETY: the descriptor is open for the call.
            match unsafe { libc::fallocate(file.as_raw_fd(), 0, end as i64, size as i64) } {
                0 => end += size,
                _ => size /= 2,
            }
        }
    }

    /// Makes room again.
    pub fn empty(&self) {
        std::fs::remove_file(self.path.join("filler")).unwrap();
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let started = Instant::now();
        while run("umount", &[text(&self.path)]).is_err() && started.elapsed() < PATIENCE {
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}
