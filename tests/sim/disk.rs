//! Disks that lose, with their power, what was never synced: a layer over SQLite's way to files, which notes
//! what each write has overwritten until the file is synced. The log's disk is in [`super::log`].

use std::collections::HashMap;
use std::ffi::{CStr, c_char, c_int, c_void};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock, Mutex, OnceLock};

use adya::r#gen::Rng;
use rusqlite::ffi;

/// What a write has changed.
struct Overwritten {
    offset: u64,
    before: Vec<u8>,
    /// The file's size before.
    size: u64,
    length: u64,
}

/// One node's disk: the files of SQLite below a directory.
#[derive(Default)]
pub struct Disk {
    directory: PathBuf,
    /// While the power is gone, nothing is written.
    is_off: AtomicBool,
    unsynced: Mutex<HashMap<PathBuf, Vec<Overwritten>>>,
}

/// Disks of all simulations of this process, and their open files by their addresses.
static DISKS: Mutex<Vec<Arc<Disk>>> = Mutex::new(Vec::new());
static FILES: LazyLock<Mutex<HashMap<usize, (Arc<Disk>, PathBuf)>>> = LazyLock::new(Mutex::default);

impl Disk {
    pub fn new(directory: &Path) -> Arc<Disk> {
        install();
        let disk = Arc::new(Disk { directory: directory.to_owned(), ..Disk::default() });
        DISKS.lock().unwrap().push(disk.clone());
        disk
    }

    /// From now on nothing is written.
    pub fn lose_power(&self) {
        self.is_off.store(true, Ordering::Release);
    }

    /// Each file has lost some of its last writes, and of one before them a part.
    pub fn regain_power(&self, random: &mut Rng) {
        let mut unsynced: Vec<_> = std::mem::take(&mut *self.unsynced.lock().unwrap()).into_iter().collect();
        unsynced.sort_by(|(one, _), (other, _)| one.cmp(other));
        for (path, writes) in unsynced {
            let Ok(file) = std::fs::OpenOptions::new().read(true).write(true).open(&path) else { continue };
            let kept = random.below(writes.len() as u64 + 1) as usize;
            for lost in writes[kept..].iter().rev() {
                file.write_all_at(&lost.before, lost.offset).unwrap();
                file.set_len(lost.size).unwrap();
            }
            if let Some(torn) = writes[..kept].last().filter(|_| random.below(2) == 0)
                && torn.length > 0
            {
                // The write that was under way.
                let length = random.below(torn.length);
                let from = (torn.offset + length).min(torn.size.max(torn.offset));
                let rest = torn.before.get(length as usize..).unwrap_or_default();
                file.set_len((torn.offset + length).max(torn.size)).unwrap();
                file.write_all_at(rest, from).unwrap();
            }
        }
        self.remove_indexes();
        self.is_off.store(false, Ordering::Release);
    }

    /// The indexes of write-ahead logs are memory, which is gone.
    fn remove_indexes(&self) {
        let mut directories = vec![self.directory.clone()];
        while let Some(directory) = directories.pop() {
            for entry in std::fs::read_dir(directory).into_iter().flatten().flatten() {
                if entry.path().is_dir() {
                    directories.push(entry.path());
                } else if entry.file_name().to_string_lossy().ends_with("-shm") {
                    std::fs::remove_file(entry.path()).unwrap();
                }
            }
        }
    }

    fn note(&self, path: &Path, write: Overwritten) {
        self.unsynced.lock().unwrap().entry(path.to_owned()).or_default().push(write);
    }

    fn forget(&self, path: &Path) {
        self.unsynced.lock().unwrap().remove(path);
    }
}

/// The simulation is over.
pub fn remove(disk: &Arc<Disk>) {
    DISKS.lock().unwrap().retain(|other| !Arc::ptr_eq(other, disk));
}

/// The functions of an open file: the real ones, but for those that write.
#[repr(C)]
struct Methods {
    own: ffi::sqlite3_io_methods,
    real: *const ffi::sqlite3_io_methods,
}

/// The real way to files, and its tables of functions with ours in their place.
static REAL: OnceLock<usize> = OnceLock::new();
static METHODS: Mutex<Vec<(usize, usize)>> = Mutex::new(Vec::new());

fn real() -> *mut ffi::sqlite3_vfs {
    *REAL.get().expect("it is installed first") as *mut ffi::sqlite3_vfs
}

fn disk_of(path: &Path) -> Option<Arc<Disk>> {
    DISKS.lock().unwrap().iter().find(|disk| path.starts_with(&disk.directory)).cloned()
}

fn file_of(file: *mut ffi::sqlite3_file) -> Option<(Arc<Disk>, PathBuf)> {
    FILES.lock().unwrap().get(&(file as usize)).cloned()
}

/// # Safety
/// The name is null or ends with a zero.
unsafe fn path(name: *const c_char) -> PathBuf {
    if name.is_null() {
        return PathBuf::new();
    }
    // SAFETY: as the caller says.
    unsafe { CStr::from_ptr(name) }.to_str().expect("paths are text").into()
}

/// # Safety
/// The file was opened by [`open`].
unsafe fn real_methods(file: *mut ffi::sqlite3_file) -> &'static ffi::sqlite3_io_methods {
    // SAFETY: our tables start with the methods that the file points to, and are never freed.
    unsafe { &*(*(*file).pMethods.cast::<Methods>()).real }
}

unsafe extern "C" fn open(
    _: *mut ffi::sqlite3_vfs,
    name: *const c_char,
    file: *mut ffi::sqlite3_file,
    flags: c_int,
    out: *mut c_int,
) -> c_int {
    // SAFETY: SQLite's arguments go on to the real function, whose file has the size that ours has.
    unsafe {
        let code = (*real()).xOpen.expect("it can")(real(), name, file, flags, out);
        let path = path(name);
        if code == ffi::SQLITE_OK
            && let Some(disk) = disk_of(&path)
        {
            (*file).pMethods = own_methods((*file).pMethods);
            FILES.lock().unwrap().insert(file as usize, (disk, path));
        }
        code
    }
}

fn own_methods(real: *const ffi::sqlite3_io_methods) -> *const ffi::sqlite3_io_methods {
    let mut known = METHODS.lock().unwrap();
    if let Some((_, own)) = known.iter().find(|(of, _)| *of == real as usize) {
        return *own as *const ffi::sqlite3_io_methods;
    }
    // SAFETY: the real table is constant.
    let mut own = unsafe { *real };
    own.xClose = Some(close);
    own.xWrite = Some(write);
    own.xTruncate = Some(truncate);
    own.xSync = Some(sync);
    let own = Box::into_raw(Box::new(Methods { own, real }));
    known.push((real as usize, own as usize));
    own.cast()
}

unsafe extern "C" fn close(file: *mut ffi::sqlite3_file) -> c_int {
    FILES.lock().unwrap().remove(&(file as usize));
    // SAFETY: the file was opened by `open`.
    unsafe { real_methods(file).xClose.expect("it can")(file) }
}

/// # Safety
/// The file was opened by [`open`].
unsafe fn size(file: *mut ffi::sqlite3_file) -> u64 {
    let mut size = 0;
    // SAFETY: the size outlives the call.
    unsafe { real_methods(file).xFileSize.expect("it can")(file, &mut size) };
    size as u64
}

/// # Safety
/// The file was opened by [`open`].
unsafe fn note(file: *mut ffi::sqlite3_file, offset: u64, length: u64) -> bool {
    let Some((disk, path)) = file_of(file) else { return true };
    if disk.is_off.load(Ordering::Acquire) {
        return false;
    }
    // SAFETY: as the caller says; the bytes outlive the call, which fills what is there of them.
    let (size, before) = unsafe {
        let size = size(file);
        let mut before = vec![0_u8; size.saturating_sub(offset).min(length) as usize];
        if !before.is_empty() {
            let bytes = before.as_mut_ptr().cast();
            real_methods(file).xRead.expect("it can")(file, bytes, before.len() as c_int, offset as i64);
        }
        (size, before)
    };
    disk.note(&path, Overwritten { offset, before, size, length });
    true
}

unsafe extern "C" fn write(
    file: *mut ffi::sqlite3_file,
    bytes: *const c_void,
    length: c_int,
    offset: i64,
) -> c_int {
    // SAFETY: the file was opened by `open`.
    unsafe {
        if !note(file, offset as u64, length as u64) {
            return ffi::SQLITE_IOERR_WRITE;
        }
        real_methods(file).xWrite.expect("it can")(file, bytes, length, offset)
    }
}

unsafe extern "C" fn truncate(file: *mut ffi::sqlite3_file, length: i64) -> c_int {
    // SAFETY: the file was opened by `open`.
    unsafe {
        let cut = size(file).saturating_sub(length as u64);
        if !note(file, length as u64, cut) {
            return ffi::SQLITE_IOERR_TRUNCATE;
        }
        real_methods(file).xTruncate.expect("it can")(file, length)
    }
}

/// What is in memory need not be synced.
unsafe extern "C" fn sync(file: *mut ffi::sqlite3_file, _: c_int) -> c_int {
    let Some((disk, path)) = file_of(file) else { return ffi::SQLITE_OK };
    if disk.is_off.load(Ordering::Acquire) {
        return ffi::SQLITE_IOERR_FSYNC;
    }
    disk.forget(&path);
    ffi::SQLITE_OK
}

unsafe extern "C" fn delete(_: *mut ffi::sqlite3_vfs, name: *const c_char, sync: c_int) -> c_int {
    // SAFETY: SQLite's arguments go on to the real function.
    unsafe {
        let path = path(name);
        if let Some(disk) = disk_of(&path) {
            if disk.is_off.load(Ordering::Acquire) {
                return ffi::SQLITE_IOERR_DELETE;
            }
            disk.forget(&path);
        }
        (*real()).xDelete.expect("it can")(real(), name, sync)
    }
}

/// Puts the layer over SQLite's way to files, for this process.
fn install() {
    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(|| {
        // SAFETY: the default VFS is constant, and ours, a copy of it but for some functions, is never freed.
        unsafe {
            let real = ffi::sqlite3_vfs_find(std::ptr::null());
            REAL.set(real as usize).expect("once");
            let mut own = Box::new(*real);
            own.zName = c"simulated".as_ptr();
            own.xOpen = Some(open);
            own.xDelete = Some(delete);
            assert_eq!(ffi::sqlite3_vfs_register(Box::into_raw(own), 1), ffi::SQLITE_OK);
        }
    });
}
