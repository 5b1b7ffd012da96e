//! The suites every adapter of a service has to pass.
