//! Mails as files: one `.eml` each, which any mail program opens.
//!
//! # The address
//!
//! `folder:.pool/mail`. Behind it may stand options, as in a link: `folder:.pool/mail?from=Acme <hello@acme.example>`.
//!
//! - `from`: who mails are from unless the rule says otherwise; without it the local pool is the sender.
//! - `reply-to`: where answers go; as often as there are addresses.
//!
//! `%`, `&` and `#` in a value are written `%25`, `%26` and `%23`.
//!
//! # What a file holds
//!
//! The mail as it was written, byte for byte. The envelope is not kept beside it: mails written here have no recipients but
//! those of their header `To`.

use std::ffi::OsStr;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use cognito_triggers::services::{Mailer, Message, Sender};
use cognito_triggers::{Adapter, ConfigError, Fault, Mailbox};
use jiff::Timestamp;
use percent_encoding::percent_decode_str;

use crate::disk::{self, Unfinished};

/// `folder:<folder>`.
pub const MAILER: Adapter<dyn Mailer> = Adapter {
    scheme: "folder",
    example: EXAMPLE,
    embedded: true,
    open: |opening| Box::pin(async move { Ok(Arc::new(FolderMailer::open(&opening.address)?) as Arc<dyn Mailer>) }),
};

const EXAMPLE: &str = "folder:.pool/mail";

/// Who mails are from where nobody says otherwise.
const SENDER: &str = "Local pool <no-reply@localhost.localdomain>";

/// [`MAILER`], for those who prefer a call.
#[must_use]
pub fn mailer_adapter() -> Adapter<dyn Mailer> {
    MAILER
}

/// A folder mails are put into, one file each. Any number of processes may use the same one.
#[derive(Clone, Debug)]
pub struct FolderMailer {
    folder: Arc<Path>,
    sender: Sender,
}

impl FolderMailer {
    /// Opens the folder an address names, see the table of [adapters](crate); it is made if need be. Behind the folder may stand
    /// `?from=<sender>&reply-to=<address>`.
    ///
    /// # Errors
    ///
    /// Names what is wrong and what to do, if the folder cannot be made or written, or an option is not known or no mailbox.
    pub fn open(address: &str) -> Result<Self, ConfigError> {
        let (folder, options) = address.split_once('?').unwrap_or((address, ""));
        let mut from = None;
        let mut reply_to = Vec::new();
        for option in options.split('&').filter(|option| !option.is_empty()) {
            let (name, value) = option.split_once('=').unwrap_or((option, ""));
            match name {
                "from" if from.is_some() => {
                    return Err(ConfigError::new("the mailer has two senders")
                        .remedy("name one, as in `?from=Acme <hello@acme.example>`"));
                }
                "from" => from = Some(mailbox(name, value)?),
                "reply-to" => reply_to.push(mailbox(name, value)?),
                _ => {
                    let remedy =
                        "it takes `from` and `reply-to`, as in `folder:.pool/mail?from=Acme <hello@acme.example>`";
                    return Err(ConfigError::new(format!("the mailer has no option `{name}`")).remedy(remedy));
                }
            }
        }
        let from = from.map_or_else(|| mailbox("from", SENDER), Ok)?;
        let folder = disk::open_folder(Path::new(folder), EXAMPLE)?;
        Ok(Self { folder: folder.into(), sender: Sender { from, reply_to } })
    }

    /// The folder, as an absolute path.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The files of all mails, the newest last.
    ///
    /// # Errors
    ///
    /// If the folder cannot be read. One that is not there has no mails.
    pub async fn mails(&self) -> Result<Vec<PathBuf>, Fault> {
        let folder = Arc::clone(&self.folder);
        disk::blocking(move || {
            let entries = match fs::read_dir(&folder) {
                Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
                entries => {
                    entries.map_err(|error| Fault::service(format!("cannot read `{}`", folder.display()), error))?
                }
            };
            let is_mail = |path: &PathBuf| {
                let hidden = path.file_name().and_then(OsStr::to_str).is_none_or(|name| name.starts_with('.'));
                !hidden && path.extension() == Some(OsStr::new("eml"))
            };
            let mut mails: Vec<_> = entries.flatten().map(|entry| entry.path()).filter(is_mail).collect();
            mails.sort();
            Ok(mails)
        })
        .await
    }
}

#[async_trait]
impl Mailer for FolderMailer {
    fn sender(&self) -> &Sender {
        &self.sender
    }

    async fn send(&self, message: &Message) -> Result<(), Fault> {
        let (folder, raw) = (Arc::clone(&self.folder), message.raw.clone());
        disk::blocking(move || {
            let target = folder.join(file_name()?);
            Unfinished::write(&folder, &raw).and_then(|file| file.put(&target)).map_err(|error| {
                let remedy = "make the folder writable and mind the room on its disk";
                Fault::service(format!("cannot write a mail into `{}`; {remedy}", folder.display()), error)
            })
        })
        .await
    }
}

/// Sorts by time; the random part keeps two of one moment apart, also of two processes.
fn file_name() -> Result<String, Fault> {
    #[allow(clippy::disallowed_methods, reason = "an adapter: the name tells when the file was written")]
    let now = Timestamp::now();
    Ok(format!("{}-{}.eml", now.strftime("%Y%m%dT%H%M%S.%9fZ"), disk::unique()?))
}

fn mailbox(option: &str, value: &str) -> Result<Mailbox, ConfigError> {
    let text = percent_decode_str(value).decode_utf8_lossy();
    text.parse().map_err(|error| ConfigError::new(format!("`{option}` of the mailer: {error}")))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use cognito_triggers::services::contract::{self, Letterbox, Received};
    use futures_util::FutureExt;
    use futures_util::future::BoxFuture;
    use mail_parser::{Address, MessageParser};

    use super::*;

    fn on_tokio(task: BoxFuture<'static, ()>) -> BoxFuture<'static, ()> {
        let task = tokio::spawn(task);
        Box::pin(async move { task.await.unwrap() })
    }

    /// Reads the files as a mail program does.
    struct Reader(FolderMailer);

    #[async_trait]
    impl Letterbox for Reader {
        fn sender(&self) -> Sender {
            let reply_to = vec!["help@acme.example".parse().unwrap(), "R&D <rd@acme.example>".parse().unwrap()];
            Sender { from: "Acme <hello@acme.example>".parse().unwrap(), reply_to }
        }

        fn another(&self) -> Mailbox {
            "other@acme.example".parse().unwrap()
        }

        async fn received(&self, mark: &str, _: usize) -> Vec<Received> {
            let all = self.0.mails().await.unwrap().into_iter().map(|path| fs::read(path).unwrap());
            all.filter_map(|raw| {
                let mail = MessageParser::default().parse(&raw)?;
                let addresses = |header: Option<&Address<'_>>| -> Vec<String> {
                    header.into_iter().flat_map(Address::iter).map(|it| it.address().unwrap().to_owned()).collect()
                };
                let (from, recipients) = (addresses(mail.from()).remove(0), addresses(mail.to()));
                mail.message_id()?.contains(mark).then(|| Received { from, recipients, raw: raw.clone() })
            })
            .collect()
        }
    }

    fn open(folder: &Path) -> FolderMailer {
        let options = "from=Acme <hello@acme.example>&reply-to=help@acme.example&reply-to=R%26D <rd@acme.example>";
        FolderMailer::open(&format!("{}?{options}", folder.join("mail").display())).unwrap()
    }

    fn message(raw: &[u8]) -> Message {
        let recipients = vec!["anna@recipient.example".into()];
        Message { from: "hello@acme.example".into(), recipients, raw: raw.into(), tags: BTreeMap::new() }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn it_keeps_the_contract() {
        let folder = tempfile::tempdir().unwrap();
        let mailer = open(folder.path());
        let second = Arc::new(open(folder.path()));
        let reader = Arc::new(Reader(mailer.clone()));
        contract::mailer(Arc::new(mailer), reader).client(second).spawn(on_tokio).holds().await;
    }

    #[test]
    fn it_works_without_a_runtime() {
        let folder = tempfile::tempdir().unwrap();
        let mailer = open(folder.path());
        mailer.send(&message(b"a")).now_or_never().expect("it blocks rather than waits").unwrap();
        assert_eq!(mailer.mails().now_or_never().unwrap().unwrap().len(), 1);
    }

    #[tokio::test]
    async fn mails_are_listed_with_the_newest_last_and_nothing_else_is() {
        let folder = tempfile::tempdir().unwrap();
        let mailer = open(folder.path());
        for name in [".unfinished-1", ".hidden.eml", "notes.txt"] {
            fs::write(mailer.folder().join(name), "no mail").unwrap();
        }
        for number in 0..20 {
            mailer.send(&message(number.to_string().as_bytes())).await.unwrap();
        }
        let bodies = mailer.mails().await.unwrap().into_iter().map(|path| fs::read_to_string(path).unwrap());
        assert_eq!(bodies.collect::<Vec<_>>(), (0..20).map(|number| number.to_string()).collect::<Vec<_>>());
    }

    #[tokio::test]
    async fn a_folder_that_was_removed_is_made_again() {
        let folder = tempfile::tempdir().unwrap();
        let mailer = open(folder.path());
        fs::remove_dir_all(mailer.folder()).unwrap();
        assert_eq!(mailer.mails().await.unwrap(), Vec::<PathBuf>::new());
        mailer.send(&message(b"a")).await.unwrap();
        assert_eq!(mailer.mails().await.unwrap().len(), 1);
    }

    #[tokio::test]
    async fn a_folder_that_cannot_be_written_any_more_is_a_fault_that_says_so() {
        let folder = tempfile::tempdir().unwrap();
        let mailer = open(folder.path());
        fs::remove_dir_all(mailer.folder()).unwrap();
        fs::write(mailer.folder(), "in the way").unwrap();
        let fault = mailer.send(&message(b"a")).await.unwrap_err().causes();
        let expected = format!("cannot write a mail into `{}`; make the folder writable", mailer.folder().display());
        assert!(fault.starts_with(&expected), "{fault}");
        assert!(!fault.contains("anna"), "{fault}");
    }

    #[test]
    fn without_options_the_local_pool_is_the_sender() {
        let folder = tempfile::tempdir().unwrap();
        let mailer = FolderMailer::open(&folder.path().display().to_string()).unwrap();
        assert_eq!(mailer.sender().from.to_string(), "\"Local pool\" <no-reply@localhost.localdomain>");
        assert_eq!(mailer.sender().reply_to, []);
    }

    #[test]
    fn a_wrong_option_is_refused_with_what_to_do() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("mail");
        let error =
            |options: &str| FolderMailer::open(&format!("{}?{options}", path.display())).unwrap_err().to_string();
        let unknown = error("form=a@b.example");
        assert!(unknown.starts_with("the mailer has no option `form`; it takes `from` and `reply-to`"), "{unknown}");
        assert!(error("from=Acme").starts_with("`from` of the mailer: this is not a mailbox: write "));
        assert!(error("reply-to").starts_with("`reply-to` of the mailer: this is not a mailbox: write "));
        assert!(error("from=a@b.example&from=c@d.example").contains("two senders"));
        assert!(!path.exists(), "a folder was made for a mailer that is refused");
    }
}
