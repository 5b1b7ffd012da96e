//! Mails and files made from templates.
