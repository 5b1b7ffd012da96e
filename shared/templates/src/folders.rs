//! Folders that settings name: they lie below that of the configuration.

use std::path::{Component, Path, PathBuf};

use cognito_triggers::config::ConfigError;

/// The real paths of `base` and of a folder below it. `example` is what such a folder may be called.
///
/// # Errors
///
/// If it leads elsewhere, or is not there.
pub(crate) fn below(base: &Path, folder: &str, example: &str) -> Result<(PathBuf, PathBuf), ConfigError> {
    let inside = |part: Component<'_>| matches!(part, Component::Normal(_) | Component::CurDir);
    if folder.is_empty() || !Path::new(folder).components().all(inside) {
        return Err(ConfigError::new(format!("`{folder}` is not a folder below that of the configuration"))
            .remedy(format!("write a relative path without `..`, e.g. `{example}`")));
    }
    let base = if base.as_os_str().is_empty() { Path::new(".") } else { base };
    let path = base.join(folder);
    let missing = |_| {
        ConfigError::new(format!("there is no folder `{folder}`"))
            .remedy(format!("ship it with the function, at {}", shown(&path)))
    };
    let (base, root) = (base.canonicalize().map_err(missing)?, path.canonicalize().map_err(missing)?);
    if !root.starts_with(&base) {
        return Err(outside().placed(&shown(&path), 1));
    }
    Ok((base, root))
}

/// What is said of a link that leads elsewhere.
pub(crate) fn outside() -> ConfigError {
    ConfigError::new("this leads out of the folder of the configuration").remedy("put a copy there")
}

/// A folder as it is told.
pub(crate) fn shown(folder: &Path) -> String {
    folder.display().to_string().trim_end_matches('/').to_owned()
}
