//! A greeting to every new user.
