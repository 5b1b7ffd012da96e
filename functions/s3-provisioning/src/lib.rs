//! A set of files for every new user.
