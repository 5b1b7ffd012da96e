//! A mail to the administrators for every new user.
