//! The templates that are built in.

/// The files of one template in all its languages: what it includes of its own folder, and what it shares with others.
macro_rules! template {
    ($name:literal: $($locale:literal)*; $($part:literal)*; $($shared:literal)*) => {
        ($name, &[
            ("_layout.html", include_str!("builtin/layout.html")),
            $((concat!("_", $shared), include_str!(concat!("builtin/", $shared))),)*
            $((concat!("_", $part), include_str!(concat!("builtin/", $name, "/", $part))),)*
            $(
                (concat!($locale, ".subject"), include_str!(concat!("builtin/", $name, "/", $locale, ".subject"))),
                (concat!($locale, ".html"), include_str!(concat!("builtin/", $name, "/", $locale, ".html"))),
                (concat!($locale, ".txt"), include_str!(concat!("builtin/", $name, "/", $locale, ".txt"))),
            )*
        ])
    };
}

type Files = &'static [(&'static str, &'static str)];

const TEMPLATES: [(&str, Files); 7] = [
    template!("welcome-email": "en" "de" "fr" "es";;),
    template!("admin-notice": "en" "de" "fr" "es"; "entries.html" "entries.txt";),
    template!("sign-in-alert": "en" "de" "fr" "es"; "details.html" "details.txt";),
    template!("not-me-notice": "en" "de" "fr" "es"; "details.html" "details.txt";),
    template!("password-warning": "en" "de" "fr" "es";;),
    template!("win-back": "en" "de" "fr" "es";; "footer.html" "footer.txt"),
    template!("win-back-absent": "en" "de" "fr" "es";; "footer.html" "footer.txt"),
];

/// The files of a template that is built in.
pub(crate) fn find(name: &str) -> Option<Vec<(String, String)>> {
    let (_, files) = TEMPLATES.iter().find(|(known, _)| *known == name)?;
    Some(files.iter().map(|(file, source)| ((*file).to_owned(), (*source).to_owned())).collect())
}

/// Their names.
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    TEMPLATES.iter().map(|(name, _)| *name)
}
