//! Carries out deliveries that an earlier invocation could not.
