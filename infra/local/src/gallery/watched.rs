//! Whether files have changed: by the sizes and times of everything in them, which every system has.

use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};

/// The most files that are looked at, and how deep: a folder named by mistake may be a whole disk.
const MOST: usize = 20_000;
const DEPTH: usize = 8;

/// Stands for what these paths look like now: sizes and times of everything in them.
pub(super) fn fingerprint(paths: &[PathBuf]) -> String {
    let mut hasher = DefaultHasher::new();
    let mut left = MOST;
    for path in paths {
        note(path, DEPTH, &mut left, &mut hasher);
    }
    format!("{:016x}", hasher.finish())
}

fn note(path: &Path, depth: usize, left: &mut usize, hasher: &mut DefaultHasher) {
    if *left == 0 {
        return;
    }
    *left -= 1;
    path.hash(hasher);
    let Ok(metadata) = fs::metadata(path) else { return false.hash(hasher) };
    if !metadata.is_dir() {
        (metadata.len(), metadata.modified().ok()).hash(hasher);
    } else if depth > 0 {
        let mut inside: Vec<_> = fs::read_dir(path).into_iter().flatten().flatten().map(|entry| entry.path()).collect();
        // Editors keep their notes in hidden files.
        inside.retain(|path| !path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.')));
        inside.sort();
        inside.iter().for_each(|path| note(path, depth - 1, left, hasher));
    }
}
